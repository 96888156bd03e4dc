# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the handlers share: answers with bodies, lookups that honour filtering, search parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.engine import codec
from lab.engine import permissions as may
from lab.engine.codec import Entity, Listing, query_fault
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.search import Query
from lab.model import API, Disk, Vm

NOT_PERMITTED = "query execution failed due to insufficient permissions."


def ok(body: Entity | Listing) -> Response:
    """Return 200 with a body."""
    return Response(200, codec.dump(codec.tree(body)))


def listing(tag: str, items: Iterable[Entity]) -> Response:
    """Return 200 with a collection."""
    return ok(Listing(tag, tuple(items)))


def empty(tag: str) -> Response:
    """Return 200 with an empty collection."""
    return listing(tag, ())


def created(call: Call, body: Entity) -> Response:
    """Return 201 with the new object, whatever ``Expect`` or ``async`` ask for.

    The engine writes the address of the whole API before a path that has it already, so the header
    is not a valid address.
    """
    host = call.request.headers.get("host", "localhost")
    headers = {"Location": f"https://{host}{API}/v4{body.value.href}"}
    return Response(201, codec.dump(codec.tree(body)), headers=headers)


def asynchronous(call: Call) -> bool:
    """Tell whether the caller does not want to wait, so that 202 without a body is the answer."""
    expected = f"{call.request.headers.get('expect')} {call.request.headers.get('x-ovirt-expect')}"
    return "202-accepted" in expected or call.request.flag("async", absent=False, empty=True)


def removed(call: Call, job_id: str | None = None) -> Response:
    """Return what a DELETE answers: 200 with an action, or 202 without a body when asynchronous."""
    return Response(202) if asynchronous(call) else codec.complete_action(job_id)


def see_vm(call: Call, vm_id: str) -> Vm:
    """Return a VM that the caller may see; 404 otherwise."""
    vm = call.world.vms.get(vm_id)
    if vm is None or not may.View(call).vm(vm):
        raise not_found()
    return vm


def visible_vms(call: Call) -> list[Vm]:
    """Return the VMs that the caller may see, by name."""
    world = call.world
    view = may.View(call)
    seen = [vm for vm in world.vms.values() if view.vm(vm)]
    return sorted(seen, key=lambda vm: vm.name)


def see_disk(call: Call, disk_id: str) -> Disk:
    """Return a disk that the caller may see; 404 otherwise."""
    disk = call.world.disks.get(disk_id)
    if disk is None or not may.View(call).disk(disk):
        raise not_found()
    return disk


def visible_disks(call: Call) -> list[Disk]:
    """Return the disks that the caller may see, by alias."""
    view = may.View(call)
    seen: Sequence[Disk] = [d for d in call.world.disks.values() if view.disk(d)]
    return sorted(seen, key=lambda d: (d.alias, d.id))


def admins_only(call: Call) -> None:
    """Refuse an administrator's query with 400, not 403, to all others and whenever filtered."""
    if call.filtered:
        raise query_fault(400, NOT_PERMITTED)


def query_of(call: Call) -> Query:
    """Return the search parameters of a request.

    Without ``case_sensitive`` the case does not matter, whatever the API's documentation says
    (``AbstractBackendCollectionResource.getSearchParameters``).
    """
    given = call.request.query
    maximum = given.get("max", "")
    if maximum.startswith("-") and maximum[1:].isdigit():
        raise query_fault(400, f"illegal max count value for query : {maximum}")
    return Query(
        text=given.get("search", ""),
        case_sensitive=call.request.flag("case_sensitive", absent=False, empty=True),
        maximum=int(maximum) if maximum.isdigit() else None,
    )
