# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API root, events, jobs, users, and the places that VMs live in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ovirtsdk4 import types

from lab.engine import codec, present
from lab.engine.codec import Entity, ref
from lab.engine.commands import vms as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import empty, listing, ok, query_of, visible_vms
from lab.engine.router import Route
from lab.engine.search import Fields, search
from lab.model import API, Event, Job, now

COLLECTIONS = (
    "clusters",
    "datacenters",
    "disks",
    "events",
    "hosts",
    "jobs",
    "storagedomains",
    "tags",
    "templates",
    "users",
    "vms",
)
REVISION_PLAIN, REVISION_HEAD = 7, 8


def get_api(call: Call) -> Response:
    """GET /: who is there, which version, and the way to everything."""
    world = call.world
    with world.lock:
        revision = REVISION_HEAD if world.settings.detach_clears_checkpoints else REVISION_PLAIN
        full = f"4.5.{revision}-1.el8"
        value = types.Api(
            product_info=types.ProductInfo(
                name="oVirt Engine",
                vendor="ovirt.org",
                version=types.Version(
                    major=4, minor=5, build=revision, revision=0, full_version=full
                ),
            ),
            special_objects=types.SpecialObjects(
                blank_template=ref(types.Template, "templates", present.BLANK)
            ),
            summary=_summary(call),
            time=now(),
            authenticated_user=ref(types.User, "users", call.user.id),
            effective_user=ref(types.User, "users", call.user.id),
        )
        value.href = API
        return ok(Entity(value, COLLECTIONS))


def _summary(call: Call) -> types.ApiSummary:
    world = call.world
    running = sum(1 for vm in world.vms.values() if vm.status == "up")
    count = {
        "hosts": (len(world.hosts), len(world.hosts)),
        "storage_domains": (len(world.domains), len(world.domains)),
        "users": (1, len(world.users)),
        "vms": (running, len(world.vms)),
    }
    items = {k: types.ApiSummaryItem(active=a, total=t) for k, (a, t) in count.items()}
    return types.ApiSummary(**items)


def _event_fields(call: Call) -> Fields[Event]:
    world = call.world

    def vm_name(event: Event) -> str:
        vm = world.vms.get(event.vm_id or "")
        return vm.name if vm else ""

    return {
        "type": lambda e: str(e.code),
        "correlation_id": lambda e: e.correlation_id,
        "_event_vm_id": lambda e: e.vm_id or "",
        "event_vm": vm_name,
        "vm.name": vm_name,
        "severity": lambda e: e.severity,
        "message": lambda e: e.description,
        "usrname": lambda e: e.user or "",
        "time": lambda e: f"{e.time.timestamp():020.6f}",
        "id": lambda e: f"{e.index:012d}",
    }


def list_events(call: Call) -> Response:
    """GET /events: newest first; ``from`` leaves out what is not newer than that index."""
    with call.world.lock:
        rows: Sequence[Event] = call.world.events[::-1]
        if call.filtered:
            seen = {vm.id for vm in visible_vms(call)}
            rows = [e for e in rows if e.vm_id in seen]
        after = call.request.query.get("from", "")
        if after.isdigit():
            rows = [e for e in rows if e.index > int(after)]
        found = search(rows, _event_fields(call), query_of(call))
        return listing("events", [present.event(call, row) for row in found])


def get_event(call: Call, index: str) -> Response:
    """GET /events/{id}."""
    with call.world.lock:
        for row in call.world.events:
            if str(row.index) == index:
                return ok(present.event(call, row))
        raise not_found()


def list_jobs(call: Call) -> Response:
    """GET /jobs."""
    fields: Fields[Job] = {
        "correlation_id": lambda j: j.correlation_id,
        "status": lambda j: j.status,
        "id": lambda j: j.id,
        "description": lambda j: j.description,
    }
    with call.world.lock:
        mine = [j for j in call.world.jobs.values() if call.admin or j.user == call.user.name]
        # A filtered view of jobs does not look at the search at all.
        found = mine[::-1] if call.filtered else search(mine[::-1], fields, query_of(call))
        return listing("jobs", [present.job(row) for row in found])


def get_job(call: Call, job_id: str) -> Response:
    """GET /jobs/{id}."""
    with call.world.lock:
        row = call.world.jobs.get(job_id)
        if row is None:
            raise not_found()
        return ok(present.job(row))


def list_users(call: Call) -> Response:
    """GET /users."""
    fields: Fields[Any] = {"usrname": lambda u: u.name, "name": lambda u: u.name.split("@")[0]}
    with call.world.lock:
        rows = [u for u in call.world.users.values() if call.admin or u is call.user]
        found = search(rows, fields, query_of(call))
        return listing("users", [present.user(row) for row in found])


def get_user(call: Call, user_id: str) -> Response:
    """GET /users/{id}."""
    with call.world.lock:
        for row in call.world.users.values():
            if row.id == user_id:
                return ok(present.user(row))
        raise not_found()


def _rows(call: Call, table: str) -> Mapping[str, Any]:
    rows: Mapping[str, Any] = getattr(call.world, table)
    return rows


def _list(table: str, tag: str, call: Call) -> Response:
    with call.world.lock:
        fields: Fields[Any] = {"name": lambda row: row.name, "id": lambda row: row.id}
        found = search(list(_rows(call, table).values()), fields, query_of(call))
        return listing(tag, [SHOW[table](row) for row in found])


def _get(table: str, call: Call, row_id: str) -> Response:
    with call.world.lock:
        row = _rows(call, table).get(row_id)
        if row is None:
            raise not_found()
        return ok(SHOW[table](row))


SHOW: Mapping[str, Any] = {
    "clusters": present.cluster,
    "data_centres": present.data_centre,
    "hosts": present.host,
}


def list_tags(call: Call) -> Response:
    """GET /tags."""
    with call.world.lock:
        shown = []
        for tag_id, name in call.world.tags.items():
            value = types.Tag(id=tag_id, name=name)
            value.href = f"{API}/tags/{tag_id}"
            shown.append(Entity(value))
        return listing("tags", shown)


def list_templates(_call: Call) -> Response:
    """GET /templates."""
    return listing("templates", [present.template()])


def get_template(_call: Call, template_id: str) -> Response:
    """GET /templates/{id}."""
    if template_id != present.BLANK:
        raise not_found()
    return ok(present.template())


def deactivate_host(call: Call, host_id: str) -> Response:
    """POST /hosts/{id}/deactivate: maintenance."""
    with call.world.lock:
        row = call.world.hosts.get(host_id)
        if row is None:
            raise not_found()
    commands.maintenance(call, row)
    return codec.complete_action()


def activate_host(call: Call, host_id: str) -> Response:
    """POST /hosts/{id}/activate."""
    with call.world.lock:
        row = call.world.hosts.get(host_id)
        if row is None:
            raise not_found()
        row.status = "up"
    return codec.complete_action()


def _nothing(tag: str, _call: Call, *_ids: str) -> Response:
    return empty(tag)


ROUTES = (
    Route("GET", "", get_api),
    Route("GET", "events", list_events),
    Route("GET", "events/{n}", get_event),
    Route("GET", "jobs", list_jobs),
    Route("GET", "jobs/{}", get_job),
    Route("GET", "jobs/{}/steps", partial(_nothing, "steps")),
    Route("GET", "users", list_users),
    Route("GET", "users/{}", get_user),
    Route("GET", "clusters", partial(_list, "clusters", "clusters")),
    Route("GET", "clusters/{}", partial(_get, "clusters")),
    Route("GET", "clusters/{}/affinitygroups", partial(_nothing, "affinity_groups")),
    Route("GET", "datacenters", partial(_list, "data_centres", "data_centers")),
    Route("GET", "datacenters/{}", partial(_get, "data_centres")),
    Route("GET", "hosts", partial(_list, "hosts", "hosts")),
    Route("GET", "hosts/{}", partial(_get, "hosts")),
    Route("POST", "hosts/{}/activate", activate_host),
    Route("POST", "hosts/{}/deactivate", deactivate_host),
    Route("GET", "tags", list_tags),
    Route("GET", "templates", list_templates),
    Route("GET", "templates/{}", get_template),
)
