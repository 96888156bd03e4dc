# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/disks and /storagedomains."""

from __future__ import annotations

from collections.abc import Sequence

from ovirtsdk4 import types

from lab.engine import codec, present
from lab.engine import permissions as may
from lab.engine.codec import Entity, incomplete, query_fault
from lab.engine.commands import disks as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import (
    admins_only,
    asynchronous,
    created,
    listing,
    ok,
    query_of,
    see_disk,
    visible_disks,
)
from lab.engine.router import Route, carried_out
from lab.engine.search import Fields, search
from lab.model import Disk, Domain


def _fields(call: Call) -> Fields[Disk]:
    world = call.world

    def vm_names(disk: Disk) -> str:
        return ", ".join(world.vms[h.vm_id].name for h in world.holders(disk.id))

    return {
        "name": lambda disk: disk.alias,
        "alias": lambda disk: disk.alias,
        "id": lambda disk: disk.id,
        "disk_id": lambda disk: disk.id,
        "description": lambda disk: disk.description,
        "vm_names": vm_names,
        "storage": lambda disk: world.domains[disk.domain_id].name,
        "status": lambda disk: world.volumes[disk.active_volume_id].status,
        "storage.name": lambda disk: world.domains[disk.domain_id].name,
        "disk_type": lambda disk: disk.storage_type,
        **dict.fromkeys(("size", "provisioned_size"), lambda disk: str(disk.virtual_size)),
        "disk_content_type": lambda disk: disk.content_type,
    }


def _shown(call: Call, row: Disk) -> Entity:
    """``vms`` is an administrator's query: silently missing for everybody else."""
    return present.disk(call, row, vms=call.request.all_content() and not call.filtered)


def list_disks(call: Call) -> Response:
    """GET /disks."""
    with call.world.lock:
        for row in visible_disks(call):
            call.engine.polled(row.id)
        found = search(visible_disks(call), _fields(call), query_of(call))
        return listing("disks", [_shown(call, row) for row in found])


def get_disk(call: Call, disk_id: str) -> Response:
    """GET /disks/{id}."""
    with call.world.lock:
        call.engine.polled(disk_id)
        return ok(_shown(call, see_disk(call, disk_id)))


def update_disk(call: Call, disk_id: str) -> Response:
    """PUT /disks/{id}: name and description."""
    body = codec.read(call.request.body, types.Disk)
    carried_out(call, body, "id", "name", "alias", "description")
    with call.world.lock:
        see_disk(call, disk_id)
    row = commands.update(call, disk_id, body.alias or body.name, body.description)
    with call.world.lock:
        return ok(_shown(call, row))


# What the lab carries out of the body of a new disk.
_CARRIED_OUT = (
    *("id", "image_id", "alias", "name", "description", "provisioned_size", "format", "sparse"),
    *("shareable", "backup", "wipe_after_delete", "storage_domains.id", "storage_domains.name"),
    "disk_profile.id",
)


def add_disk(call: Call) -> Response:
    """POST /disks: an empty disk that nobody holds."""
    body = codec.read(call.request.body, types.Disk)
    if body.provisioned_size is None or body.format is None:
        raise incomplete("Disk [provisionedSize, format] required for add")
    if not body.storage_domains:
        raise incomplete("Disk [storageDomains.storageDomain.id|name] required for add")
    carried_out(call, body, *_CARRIED_OUT)
    wanted = commands.Wanted(
        body.alias or body.name or "disk",
        _domain_id(call, body.storage_domains[0]),
        body.provisioned_size,
        body.format.value,
        body.id,
        body.image_id,
        bool(body.shareable),
        body.description or "",
        body.backup.value if body.backup else "none",
        body.sparse,
        bool(body.wipe_after_delete),
        body.disk_profile.id if body.disk_profile else None,
    )
    row = commands.create(call, wanted)
    with call.world.lock:
        return created(call, present.disk(call, row))


def _domain_id(call: Call, given: types.StorageDomain) -> str:
    if given.id is not None:
        domain_id = codec.uuid_or_400(given.id)
        if domain_id not in call.world.domains:
            raise query_fault(404, f"Entity not found: {domain_id}")
        return domain_id
    named = [d.id for d in call.world.domains.values() if d.name == given.name]
    if not named:
        raise not_found()
    return named[0]


def delete_disk(call: Call, disk_id: str) -> Response:
    """DELETE /disks/{id}: 404 for an unknown one, as the engine looks first."""
    with call.world.lock:
        see_disk(call, disk_id)
    if asynchronous(call):
        later = call.world.settings.async_seconds
        call.engine.tasks.later(later, lambda: commands.remove_unseen(call, disk_id))
        return Response(202)
    return codec.complete_action(commands.remove(call, disk_id).id)


def _snapshots(call: Call, disks: Sequence[Disk], path: str) -> list[Entity]:
    with_active = call.request.flag("include_active", absent=False, empty=True)
    shown: list[Entity] = []
    for row in disks:
        chain = call.world.chain(row.id)
        frozen = [v for v in chain if with_active or v.id != row.active_volume_id]
        shown.extend(present.disk_snapshot(call, row, v, path) for v in frozen)
    return shown


def list_of_disk(call: Call, disk_id: str) -> Response:
    """GET /disks/{id}/disksnapshots: everybody's query; an unknown disk has none."""
    with call.world.lock:
        row = call.world.disks.get(disk_id)
        rows = [] if row is None or not may.View(call).disk(row) else [row]
        return listing("disk_snapshots", _snapshots(call, rows, f"disks/{disk_id}"))


def get_of_disk(call: Call, disk_id: str, volume_id: str) -> Response:
    """GET of one: an administrator's query, which stumbles over one that does not exist."""
    with call.world.lock:
        row = see_disk(call, disk_id)
        admins_only(call)
        volume = call.world.volumes.get(volume_id)
        if volume is None:
            raise codec.stumbled()
        return ok(present.disk_snapshot(call, row, volume, f"disks/{row.id}"))


def list_of_domain(call: Call, domain_id: str) -> Response:
    """GET /storagedomains/{id}/disksnapshots: an administrator's query."""
    admins_only(call)
    with call.world.lock:
        rows = [d for d in visible_disks(call) if d.domain_id == domain_id]
        return listing("disk_snapshots", _snapshots(call, rows, f"storagedomains/{domain_id}"))


def list_domain_disks(call: Call, domain_id: str) -> Response:
    """GET /storagedomains/{id}/disks: an administrator's query."""
    admins_only(call)
    with call.world.lock:
        rows = [d for d in visible_disks(call) if d.domain_id == domain_id]
        return listing("disks", [present.disk(call, row) for row in rows])


def get_profile(call: Call, profile_id: str) -> Response:
    """GET /diskprofiles/{id}."""
    with call.world.lock:
        for row in call.world.domains.values():
            if profile_id in (present.default_profile(row.id), *row.profiles):
                return ok(present.disk_profile(profile_id, row))
        raise not_found()


def _domain(call: Call, row: Domain) -> Entity:
    return present.domain(call, row, row.data_centre_id)


def list_domains(call: Call) -> Response:
    """GET /storagedomains."""
    fields: Fields[Domain] = {"name": lambda d: d.name, "id": lambda d: d.id}
    with call.world.lock:
        view = may.View(call)
        rows = [row for row in call.world.domains.values() if view.domain(row)]
        found = search(rows, fields, query_of(call))
        return listing("storage_domains", [_domain(call, row) for row in found])


def get_domain(call: Call, domain_id: str) -> Response:
    """GET /storagedomains/{id}."""
    with call.world.lock:
        row = call.world.domains.get(domain_id)
        if row is None or not may.View(call).domain(row):
            raise not_found()
        return ok(_domain(call, row))


def list_attached(call: Call, data_centre_id: str) -> Response:
    """GET /datacenters/{id}/storagedomains: here the status is shown."""
    with call.world.lock:
        shown, view = [], may.View(call)
        for row in call.world.domains.values():
            if row.data_centre_id == data_centre_id and view.domain(row):
                entity = _domain(call, row)
                entity.value.status = present.word(types.StorageDomainStatus, row.status)
                shown.append(entity)
        return listing("storage_domains", shown)


ROUTES = (
    Route("GET", "disks", list_disks),
    Route("POST", "disks", add_disk),
    Route("GET", "disks/{}", get_disk),
    Route("PUT", "disks/{}", update_disk),
    Route("DELETE", "disks/{}", delete_disk),
    Route("GET", "disks/{}/disksnapshots", list_of_disk),
    Route("GET", "disks/{}/disksnapshots/{}", get_of_disk),
    Route("GET", "diskprofiles/{}", get_profile),
    Route("GET", "storagedomains", list_domains),
    Route("GET", "storagedomains/{}", get_domain),
    Route("GET", "storagedomains/{}/disks", list_domain_disks),
    Route("GET", "storagedomains/{}/disksnapshots", list_of_domain),
    Route("GET", "datacenters/{}/storagedomains", list_attached),
)
