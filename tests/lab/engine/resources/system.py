# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API root, events, jobs, users, and the places that VMs live in."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import partial
from typing import Any

from ovirtsdk4 import types

from lab.engine import codec, present, shapes
from lab.engine import permissions as may
from lab.engine.codec import Entity, query_fault, ref
from lab.engine.commands import vms as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import (
    admins_only,
    empty,
    listing,
    ok,
    query_of,
)
from lab.engine.router import Route, carried_out
from lab.engine.search import Fields, search
from lab.model import API, Job, now

# What the root leads to; those with a star can be searched.
COLLECTIONS = (
    *("clusters*", "datacenters*", "events*", "hosts*", "networks*", "roles", "storagedomains*"),
    *("tags", "bookmarks", "icons", "templates*", "instancetypes*", "users*", "groups*", "domains"),
    *("vmpools*", "vms*", "disks*", "jobs", "storageconnections", "vnicprofiles", "diskprofiles"),
    *("cpuprofiles", "schedulingpolicyunits", "schedulingpolicies", "permissions", "macpools"),
    *("networkfilters", "operatingsystems", "externalhostproviders", "openstackimageproviders"),
    *("openstackvolumeproviders", "openstacknetworkproviders", "katelloerrata", "affinitylabels"),
    *("clusterlevels", "imagetransfers", "externalvmimports", "externaltemplateimports"),
)


BAD_JOB_SEARCH = (
    "statementcallback; bad sql grammar [select * from (select * from job where ( job id in (select "
    "distinct job.job id from  job   where  (  ) ))  order by start time asc) as t1 offset (1 -1) limit "
    "2147483647]; nested exception is org.postgresql.util.psqlexception: error: syntax error at or near "
    '")"\n  position: 102'
)


def get_api(call: Call) -> Response:
    """GET /: who is there, which version, and the way to everything."""
    world = call.world
    with world.lock:
        major, minor, build = world.settings.announced()
        full = world.settings.full_version()
        value = types.Api(
            product_info=types.ProductInfo(
                instance_id=shapes.derived("engine"),
                name="oVirt Engine",
                version=types.Version(
                    major=major, minor=minor, build=build, revision=0, full_version=full
                ),
            ),
            special_objects=types.SpecialObjects(
                blank_template=ref(types.Template, "templates", present.BLANK),
                root_tag=ref(types.Tag, "tags", present.BLANK),
            ),
            # Not for who reads filtered.
            summary=None if call.filtered else _summary(call),
            time=now(),
            authenticated_user=ref(types.User, "users", call.user.id),
            effective_user=ref(types.User, "users", call.user.id),
        )
        return ok(Entity(value, rest=_root_rest()))


def _root_rest() -> list[ET.Element]:
    found = [ET.Element("engine_backup")]
    for one in COLLECTIONS:
        name = one.removesuffix("*")
        found.append(ET.Element("link", {"href": f"{API}/{name}", "rel": name}))
        if one.endswith("*"):
            since = ";from={event_id}" if name == "events" else ""
            href = f"{API}/{name}{since}?search={{query}}"
            found.append(ET.Element("link", {"href": href, "rel": f"{name}/search"}))
    return found


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


def list_jobs(call: Call) -> Response:
    """GET /jobs: an administrator's query, though each job may be looked at by its id.

    The engine knows one field of a job; any other makes a search that its database does not take.
    """
    fields: Fields[Job] = {"correlation_id": lambda j: j.correlation_id}
    with call.world.lock:
        admins_only(call)
        query = query_of(call)
        if query.text and not query.text.lower().lstrip().startswith("correlation_id"):
            raise query_fault(400, BAD_JOB_SEARCH)
        found = search(list(call.world.jobs.values())[::-1], fields, query)
        return listing("jobs", [present.job(call, row) for row in found])


def get_job(call: Call, job_id: str) -> Response:
    """GET /jobs/{id}."""
    with call.world.lock:
        row = call.world.jobs.get(job_id)
        if row is None:
            raise not_found()
        return ok(present.job(call, row))


def _rows(call: Call, table: str) -> Mapping[str, Any]:
    rows: Mapping[str, Any] = getattr(call.world, table)
    return rows


def _sees(call: Call, table: str, row: Any) -> bool:  # noqa: ANN401  a row of that table
    return bool(getattr(may.View(call), VIEWS[table])(row))


def _list(table: str, tag: str, call: Call) -> Response:
    with call.world.lock:
        centres = call.world.data_centres
        fields: dict[str, Any] = {"name": lambda row: row.name, "id": lambda row: row.id}
        if table == "clusters":
            fields["datacenter.name"] = lambda row: centres[row.data_centre_id].name
        rows = [row for row in _rows(call, table).values() if _sees(call, table, row)]
        found = search(rows, fields, query_of(call))
        return listing(tag, [_shown(call, table, row) for row in found])


def _get(table: str, call: Call, row_id: str) -> Response:
    with call.world.lock:
        if table == "hosts":
            admins_only(call)
        row = _rows(call, table).get(row_id)
        if row is None or not _sees(call, table, row):
            raise not_found()
        return ok(_shown(call, table, row))


def _shown(call: Call, table: str, row: Any) -> Entity:  # noqa: ANN401  a row of that table
    shown: Entity = present.host(call, row) if table == "hosts" else SHOW[table](row)
    return shown


SHOW: Mapping[str, Any] = {
    "clusters": present.cluster,
    "data_centres": present.data_centre,
}


VIEWS = {"clusters": "cluster", "data_centres": "data_centre", "hosts": "host"}


def list_tags(call: Call) -> Response:
    """GET /tags: an administrator's query."""
    with call.world.lock:
        admins_only(call)
        shown = []
        for tag_id, name in call.world.tags.items():
            value = types.Tag(id=tag_id, name=name)
            value.href = f"{API}/tags/{tag_id}"
            shown.append(Entity(value))
        return listing("tags", shown)


def deactivate_host(call: Call, host_id: str) -> Response:
    """POST /hosts/{id}/deactivate: maintenance."""
    carried_out(call, codec.read(call.request.body or b"<action/>", types.Action))
    with call.world.lock:
        row = call.world.hosts.get(host_id)
        if row is None:
            raise not_found()
    commands.maintenance(call, row)
    return codec.complete_action()


def activate_host(call: Call, host_id: str) -> Response:
    """POST /hosts/{id}/activate."""
    carried_out(call, codec.read(call.request.body or b"<action/>", types.Action))
    with call.world.lock:
        row = call.world.hosts.get(host_id)
        if row is None:
            raise not_found()
    commands.activate(call, row)
    return codec.complete_action()


def list_affinity_groups(call: Call, cluster_id: str) -> Response:
    """GET /clusters/{id}/affinitygroups: none can be made, so there are none."""
    with call.world.lock:
        if cluster_id not in call.world.clusters:
            raise not_found()
        return empty("affinity_groups")


ROUTES = (
    Route("GET", "", get_api),
    Route("GET", "jobs", list_jobs),
    Route("GET", "jobs/{}", get_job),
    Route("GET", "clusters", partial(_list, "clusters", "clusters")),
    Route("GET", "clusters/{}", partial(_get, "clusters")),
    Route("GET", "clusters/{}/affinitygroups", list_affinity_groups),
    Route("GET", "datacenters", partial(_list, "data_centres", "data_centers")),
    Route("GET", "datacenters/{}", partial(_get, "data_centres")),
    Route("GET", "hosts", partial(_list, "hosts", "hosts")),
    Route("GET", "hosts/{}", partial(_get, "hosts")),
    Route("POST", "hosts/{}/activate", activate_host),
    Route("POST", "hosts/{}/deactivate", deactivate_host),
    Route("GET", "tags", list_tags),
)
