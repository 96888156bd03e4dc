# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network cards of VMs, and the networks and profiles that they may be connected to."""

from __future__ import annotations

from ovirtsdk4 import types

from lab.engine import codec, networks
from lab.engine.codec import Entity, incomplete, ref
from lab.engine.commands import edits
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import created, listing, ok, see_vm
from lab.engine.router import Route, carried_out
from lab.model import API, Nic, Vm, VnicProfile, new_id

LINKS = ("networkfilterparameters", "reporteddevices", "statistics")
ACTIONS = ("activate", "deactivate")


def _nic(call: Call, vm: Vm, row: Nic) -> Entity:
    value = types.Nic(
        id=row.id,
        name=row.name,
        interface=types.NicInterface.VIRTIO,
        linked=row.linked,
        plugged=row.plugged,
        synced=True,
        mac=types.Mac(address=row.mac),
        vm=ref(types.Vm, "vms", vm.id),
    )
    centre = call.world.data_centre_of(vm)
    profile = networks.find(call.world, centre, row.network or "", row.profile or "")
    if profile is not None:
        value.vnic_profile = ref(types.VnicProfile, "vnicprofiles", profile.id)
    value.href = f"{API}/vms/{vm.id}/nics/{row.id}"
    return Entity(value, LINKS, ACTIONS)


def list_nics(call: Call, vm_id: str) -> Response:
    """GET /vms/{id}/nics."""
    with call.world.lock:
        vm = see_vm(call, vm_id)
        return listing("nics", [_nic(call, vm, row) for row in vm.nics])


def get_nic(call: Call, vm_id: str, nic_id: str) -> Response:
    """GET /vms/{id}/nics/{id}."""
    with call.world.lock:
        vm = see_vm(call, vm_id)
        row = next((one for one in vm.nics if one.id == nic_id), None)
        if row is None:
            raise not_found()
        return ok(_nic(call, vm, row))


def add_nic(call: Call, vm_id: str) -> Response:
    """POST /vms/{id}/nics: connected by a profile's id, or not at all."""
    body = codec.read(call.request.body, types.Nic)
    carried_out(call, body, "name", "interface", "plugged", "linked", "vnic_profile.id")
    if not body.name:
        raise incomplete("Nic [name] required for add")
    with call.world.lock:
        vm = see_vm(call, vm_id)
        wanted = body.vnic_profile.id if body.vnic_profile else None
        named = (one for one in networks.profiles(call.world) if one.id == wanted)
        profile = next(named, None)
    row = Nic(
        *(new_id(), body.name, ""),
        network=profile.network if profile else None,
        profile=profile.name if profile else None,
        linked=body.linked is not False,
        plugged=body.plugged is not False,
    )
    edits.add_nic(call, vm, row)
    with call.world.lock:
        return created(call, _nic(call, vm, row))


def deactivate(call: Call, vm_id: str, nic_id: str) -> Response:
    """POST /vms/{id}/nics/{id}/deactivate: out of the VM, and still the VM's."""
    carried_out(call, codec.read(call.request.body or b"<action/>", types.Action))
    with call.world.lock:
        vm = see_vm(call, vm_id)
        row = next((one for one in vm.nics if one.id == nic_id), None)
        if row is None:
            raise not_found()
    edits.unplug_nic(call, vm, row)
    return codec.complete_action()


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
    Route("GET", "vms/{}/nics", list_nics),
    Route("POST", "vms/{}/nics", add_nic),
    Route("GET", "vms/{}/nics/{}", get_nic),
    Route("POST", "vms/{}/nics/{}/deactivate", deactivate),
    Route("GET", "vnicprofiles", list_profiles),
    Route("GET", "clusters/{}/networks", list_cluster_networks),
)
