# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM made of a configuration (ImportVmFromConfiguration, section 7 of the contract), and its update."""

from __future__ import annotations

from dataclasses import dataclass

from lab.engine import networks, ovf
from lab.engine import permissions as may
from lab.engine.codec import query_fault
from lab.engine.commands import attach as attaching
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.http import Answer
from lab.engine.locks import Want
from lab.engine.texts import Said, refuse
from lab.model import SYSTEM, Cluster, Grant, Snapshot, Vm, World, new_id

IMPORT = Wording("import", "VM")
ADD = Wording("add", "VM")
UPDATE = Wording("update", "VM")


@dataclass(frozen=True)
class Wanted:
    """What is to be imported; a name, a description or a comment of the request beats the OVF's."""

    cluster_id: str
    text: str
    regenerate: bool
    name: str | None = None
    description: str | None = None
    comment: str | None = None


def import_vm(call: Call, wanted: Wanted) -> Vm:
    """Make the VM; disks that the OVF names are attached by their ids where that is possible.

    A disk that cannot be attached is told by an event alone.
    """
    engine, world = call.engine, call.world
    try:
        found = ovf.read(wanted.text)
    except ValueError as problem:
        raise query_fault(400, str(problem)) from problem
    vm = _vm(wanted, found)
    with command(engine, IMPORT):
        with world.lock:
            cluster = _permitted(call, wanted)
        used = Said("NAME_USED", {})
        wants = [Want("vm_name", vm.name, used), Want("vm", vm.id)]
        with engine.locks.holding(wants), world.lock:
            _validate(world, vm, found, wanted)
            _insert(call, vm, cluster, found, wanted)
    _attach(call, vm, found)
    return vm


def make_empty(call: Call, vm: Vm) -> None:
    """Make a VM without anything, of the blank template."""
    world = call.world
    with command(call.engine, ADD), world.lock:
        cluster = world.clusters.get(vm.cluster_id)
        if cluster is None:
            raise refuse("CLUSTER_EMPTY")
        may.require(call, may.CREATE_VM, may.cluster_scopes(world, cluster))
        if any(one.name == vm.name for one in world.vms.values()):
            raise refuse("NAME_USED")
        vm.mac = networks.next_mac(world)
        active = Snapshot(new_id(), vm.id, "Active VM", "active", date=vm.created)
        world.vms[vm.id], world.snapshots[active.id] = vm, active


def _vm(wanted: Wanted, found: ovf.Read) -> Vm:
    return Vm(
        id=new_id() if wanted.regenerate else found.id,
        name=found.name if wanted.name is None else wanted.name,
        cluster_id=wanted.cluster_id,
        description=found.description if wanted.description is None else wanted.description,
        comment=found.comment if wanted.comment is None else wanted.comment,
        memory=found.memory,
        cores=found.cores,
        os=found.os,
        chipset=found.chipset,
        stateless=found.stateless,
        delete_protected=found.delete_protected,
        mac=found.mac,
    )


def _permitted(call: Call, wanted: Wanted) -> Cluster:
    """CREATE_VM on the cluster, and IMPORT_EXPORT_VM on the source domain, which there is none of.

    What is asked of no object at all, only the system can grant.
    """
    cluster = call.world.clusters.get(wanted.cluster_id)
    scopes = {SYSTEM} if cluster is None else may.cluster_scopes(call.world, cluster)
    may.require(call, may.CREATE_VM, scopes)
    may.require(call, may.EXPORT_VM, {SYSTEM})
    if cluster is None:
        raise refuse("CLUSTER_EMPTY")
    return cluster


def _validate(world: World, vm: Vm, found: ovf.Read, wanted: Wanted) -> None:
    if not wanted.regenerate and networks.mac_in_use(world, found.mac):
        raise refuse("MAC_DUPLICATES", nics="\tnic1")
    if wanted.regenerate and world.settings.free_macs < 1:
        raise refuse("NO_MACS")
    if vm.id in world.vms:
        raise refuse("IMPORT_VM_EXISTS", VmName=world.vms[vm.id].name)
    centre = world.data_centre_of(vm)
    if any(v.name == vm.name and world.data_centre_of(v) == centre for v in world.vms.values()):
        raise refuse("IMPORT_NAME_EXISTS")


def _insert(call: Call, vm: Vm, cluster: Cluster, found: ovf.Read, wanted: Wanted) -> None:
    """The rows of the VM; who may not give permissions gets the role for it."""
    world = call.world
    if wanted.regenerate:
        vm.mac = networks.next_mac(world)
    centre = cluster.data_centre_id
    profile = networks.find(world, centre, found.network, found.profile)
    vm.network = profile.network if profile else None
    vm.profile = profile.name if profile else None
    active = Snapshot(new_id(), vm.id, "Active VM", "active", date=vm.created)
    world.vms[vm.id], world.snapshots[active.id] = vm, active
    if not may.permitted(world, call.user, may.PERMISSIONS, may.vm_scopes(world, vm)):
        call.user.grants.append(Grant("UserVmManager", vm.id))
    names = {"data_centre": world.data_centres[centre].name, "cluster": cluster.name}
    record(world, 1165, call.who, vm.id, **names)
    if found.network and profile is None:
        record(world, 9600, call.who, vm.id, networks=found.network, nics="nic1")


def _attach(call: Call, vm: Vm, found: ovf.Read) -> None:
    failed = []
    for disk in found.disks:
        wanted = attaching.Wanted(
            *(vm.id, disk.disk_id, None, disk.interface),
            *(disk.plugged, disk.bootable, disk.read_only, disk.pass_discard),
        )
        try:
            attaching.attach(call, wanted)
        except Answer:
            failed.append(disk.alias)
    with call.world.lock:
        record(call.world, 175 if failed else 174, call.who, vm.id, disks=",".join(failed))


def update(
    call: Call, vm: Vm, name: str | None, description: str | None, comment: str | None
) -> None:
    """Give a VM another name, description or comment; None leaves it."""
    world = call.world
    with command(call.engine, UPDATE), world.lock:
        may.require(call, may.EDIT_VM, may.vm_scopes(world, vm))
        vm.name = vm.name if name is None else name
        vm.description = vm.description if description is None else description
        vm.comment = vm.comment if comment is None else comment
