# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST and PUT of a VM, and the networks that its card may be connected to."""

from __future__ import annotations

from typing import NoReturn

from ovirtsdk4 import types

from lab.engine import codec, networks, present
from lab.engine.codec import Entity, incomplete, ref
from lab.engine.commands import imports as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import created, listing, ok, see_vm
from lab.engine.router import Route, carried_out, name_of
from lab.model import API, Vm, VnicProfile, new_id

# What the lab carries out of the body of a new VM, and of one with a configuration.
_SHARED = ("name", "description", "comment", "cluster.id", "cluster.name")
_CONFIGURED = (
    "initialization.regenerate_ids",
    "initialization.configuration.type",
    "initialization.configuration.data",
)


def add_vm(call: Call) -> Response:
    """POST /vms: of a configuration, or an empty one of the blank template."""
    body = codec.read(call.request.body, types.Vm)
    if body.cluster is None or not (body.cluster.id or body.cluster.name):
        raise incomplete("Vm [cluster.id|name] required for add")
    configuration = body.initialization and body.initialization.configuration
    if not configuration:
        return _add_empty(call, body)
    if configuration.type is None or not configuration.data:
        fields = "initialization.configuration.type, initialization.configuration.data"
        raise incomplete(f"Vm [{fields}] required for add")
    carried_out(call, body, *_SHARED, *_CONFIGURED)
    wanted = commands.Wanted(
        _cluster_id(call, body.cluster),
        configuration.data.strip(),
        bool(body.initialization.regenerate_ids),
        body.name,
        body.description,
        body.comment,
    )
    vm = commands.import_vm(call, wanted)
    with call.world.lock:
        return created(call, present.vm(call, vm))


def _add_empty(call: Call, body: types.Vm) -> Response:
    if body.name is None:
        raise incomplete("Vm [name] required for add")
    if body.snapshots:
        raise codec.not_implemented("POST /vms", "snapshots")
    if body.template is None or not (body.template.id or body.template.name):
        raise incomplete("Vm [template.id|name] required for add")
    if body.template.id != present.BLANK and body.template.name != "Blank":
        _from_template(call, body.template)
    carried_out(call, body, *_SHARED, "template.id", "template.name", "memory")
    vm = Vm(new_id(), body.name, _cluster_id(call, body.cluster), memory=body.memory or 1 << 30)
    vm.description, vm.comment = body.description or "", body.comment or ""
    commands.make_empty(call, vm)
    with call.world.lock:
        return created(call, present.vm(call, vm))


def _from_template(call: Call, given: types.Template) -> NoReturn:
    with call.world.lock:
        rows = call.world.templates.values()
        if any(given.id == row.id or given.name == row.name for row in rows):
            raise codec.not_implemented(name_of(call), "a template that is not Blank")
    raise not_found()


def _cluster_id(call: Call, given: types.Cluster) -> str:
    if given.id:
        return str(given.id)
    with call.world.lock:
        named = [one.id for one in call.world.clusters.values() if one.name == given.name]
    if not named:
        raise not_found()
    return named[0]


def update_vm(call: Call, vm_id: str) -> Response:
    """PUT /vms/{id}: name, description and comment."""
    body = codec.read(call.request.body, types.Vm)
    carried_out(call, body, "id", "name", "description", "comment")
    with call.world.lock:
        vm = see_vm(call, vm_id)
    commands.update(call, vm, body.name, body.description, body.comment)
    with call.world.lock:
        return ok(present.vm(call, vm))


def _profile(row: VnicProfile) -> Entity:
    value = types.VnicProfile(
        id=row.id,
        name=row.name,
        network=ref(types.Network, "networks", networks.network_id(row)),
    )
    value.href = f"{API}/vnicprofiles/{row.id}"
    return Entity(value, ("permissions",))


def _network(row: VnicProfile) -> Entity:
    value = types.Network(
        id=networks.network_id(row),
        name=row.network,
        data_center=ref(types.DataCenter, "datacenters", row.data_centre_id),
    )
    value.href = f"{API}/networks/{value.id}"
    return Entity(value, ("permissions", "vnicprofiles"))


def list_profiles(call: Call) -> Response:
    """GET /vnicprofiles."""
    with call.world.lock:
        return listing("vnic_profiles", [_profile(row) for row in networks.profiles(call.world)])


def list_cluster_networks(call: Call, cluster_id: str) -> Response:
    """GET /clusters/{id}/networks: here, all networks of its data centre."""
    with call.world.lock:
        cluster = call.world.clusters.get(cluster_id)
        if cluster is None:
            raise not_found()
        rows = [
            r for r in networks.profiles(call.world) if r.data_centre_id == cluster.data_centre_id
        ]
        unique = {networks.network_id(row): row for row in rows}
        return listing("networks", [_network(row) for row in unique.values()])


ROUTES = (
    Route("POST", "vms", add_vm),
    Route("PUT", "vms/{}", update_vm),
    Route("GET", "vnicprofiles", list_profiles),
    Route("GET", "clusters/{}/networks", list_cluster_networks),
)
