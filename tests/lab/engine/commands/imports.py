# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a VM from a configuration: what it keeps, changes and loses (docs/engine.md#importing-a-configuration)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.engine import networks, ovf_reader
from lab.engine import permissions as may
from lab.engine.codec import query_fault
from lab.engine.commands import attach as attaching
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.http import Answer
from lab.engine.locks import Want
from lab.engine.settings import OWN, PREDEFINED
from lab.engine.texts import Said, refuse
from lab.model import SYSTEM, Cluster, Grant, Snapshot, Vm, World, new_id

IMPORT = Wording("import", "VM")
LONGEST = 4000
"""Characters of a description that the database takes."""
NEWEST = (4, 8)
"""The newest version that a cluster can be compatible with."""
MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)
# Guests whose drivers for SPICE are gone.
WITHOUT_SPICE = re.compile(r"rhel_([89]|\d\d)x")
UNRESOLVED = "${ACTION_TYPE_FAILED_CANNOT_ADD_IFACE_DUE_TO_MAC_DUPLICATES_LIST}"
"""What the engine itself leaves in its text when the cards are several."""


@dataclass(frozen=True)
class Wanted:
    """What is to be imported; what the request says of the VM beats the OVF."""

    cluster_id: str
    text: str
    regenerate: bool
    name: str | None = None
    description: str | None = None
    comment: str | None = None
    delete_protected: bool | None = None


def import_vm(call: Call, wanted: Wanted) -> Vm:
    """Make the VM, then attach the disks that the OVF names to the VM that the OVF names.

    That is the original even if the import assigns new ids. Only an event reports a disk that
    cannot be attached.
    """
    engine, world = call.engine, call.world
    try:
        found = ovf_reader.read(wanted.text)
    except ValueError as problem:
        raise query_fault(400, str(problem)) from problem
    vm = _vm(wanted, found)
    with command(engine, IMPORT):
        with world.lock:
            cluster = _permitted(call, wanted, vm)
        refuse_name(vm.name)
        used = Said("NAME_USED", {})
        wants = [Want("vm_name", vm.name, used), Want("vm", vm.id)]
        with engine.locks.holding(wants), world.lock:
            _validate(world, vm, found, wanted)
            # The agent is on the disks, which this VM is to get; while the original is there, it tells.
            original = world.vms.get(found.id)
            vm.fqdn = original.fqdn if original else None
            _settle(world, vm, found, wanted, cluster)
            _insert(call, vm, cluster)
            _tell(call, vm, found)
    if found.disks:
        _attach(call, vm, found)
    return vm


def _vm(wanted: Wanted, found: ovf_reader.Read) -> Vm:
    """Return the row, of what the OVF keeps: no quota, tags, shares of the CPU, contents of TPM and NVRAM."""
    given = (wanted.name, wanted.description, wanted.comment, wanted.delete_protected)
    told = (found.name, found.description, found.comment, found.delete_protected)
    name, description, comment, protected = (
        text if word is None else word for word, text in zip(given, told, strict=True)
    )
    return Vm(
        *(new_id() if wanted.regenerate else found.id, str(name), wanted.cluster_id),
        description=str(description),
        comment=str(comment),
        delete_protected=bool(protected),
        memory=found.memory,
        sockets=found.sockets,
        cores=found.cores,
        threads=found.threads,
        os=found.os or "other",
        chipset=found.chipset or "",
        virtio_scsi=found.virtio_scsi,
        boot=found.boot,
        stateless=found.stateless,
        tpm=found.tpm,
        imported=True,
        bare=True,
        settings=dict(found.settings),
        initialization=dict(found.initialization),
    )


def _permitted(call: Call, wanted: Wanted, vm: Vm) -> Cluster:
    """Require CREATE_VM on the cluster, and IMPORT_EXPORT_VM on the source domain, which does not exist here.

    A permit that is required on no object can only be granted on the system. Custom properties need
    a permit of their own on the cluster (ImportVmCommand.getPermissionCheckSubjects).
    """
    cluster = call.world.clusters.get(wanted.cluster_id)
    scopes = {SYSTEM} if cluster is None else may.cluster_scopes(call.world, cluster)
    may.require(call, may.CREATE_VM, scopes)
    may.require(call, may.EXPORT_VM, {SYSTEM})
    if vm.settings.get(PREDEFINED) or vm.settings.get(OWN):
        may.require(call, may.CUSTOM_PROPERTIES, scopes)
    if cluster is None:
        raise refuse("CLUSTER_EMPTY")
    return cluster


def refuse_name(name: str) -> None:
    """Check a VM's name, before everything else.

    Raises:
        Refusal: The name is too short, too long, or has other characters.
    """
    if not 1 <= len(name) <= 255:
        raise refuse("NAME_SIZE")
    if not re.fullmatch(r"[\w.-]+", name):
        raise refuse("NAME_CHARACTERS")


def _validate(world: World, vm: Vm, found: ovf_reader.Read, wanted: Wanted) -> None:
    """Check the addresses first, then the id, then the name."""
    version = tuple(int(part) for part in found.version.split(".") if part.isdecimal())
    strange = not wanted.regenerate and not all(MAC.fullmatch(nic.mac) for nic in found.nics)
    if found.chipset is None or strange or version > NEWEST:
        raise refuse("VALIDATION_CRASHED")
    if found.os is None:
        raise refuse("ARCHITECTURE_UNSUPPORTED")
    _validate_addresses(world, found, wanted)
    if vm.id in world.vms:
        raise refuse("IMPORT_VM_EXISTS", VmName=world.vms[vm.id].name)
    centre = world.data_centre_of(vm)
    if any(v.name == vm.name and world.data_centre_of(v) == centre for v in world.vms.values()):
        raise refuse("IMPORT_NAME_EXISTS")
    memory, maximum = vm.memory >> 20, int(vm.settings.get("MaxMemorySizeMb", vm.memory >> 18))
    if memory > maximum:
        raise refuse("MEMORY_EXCEEDS", memory=str(memory), maximum=str(maximum))
    if found.spice and WITHOUT_SPICE.match(vm.os):
        raise refuse("DISPLAY_UNSUPPORTED")


def _validate_addresses(world: World, found: ovf_reader.Read, wanted: Wanted) -> None:
    if wanted.regenerate:
        if world.settings.free_macs < len(found.nics):
            raise refuse("NO_MACS")
        return
    taken = [nic.name for nic in found.nics if networks.mac_in_use(world, nic.mac)]
    if taken:
        raise refuse("MAC_DUPLICATES", nics=UNRESOLVED if len(taken) > 1 else f"\t{taken[0]}")


def _settle(world: World, vm: Vm, found: ovf_reader.Read, wanted: Wanted, cluster: Cluster) -> None:
    """Apply what the engine finds out only while it makes the VM.

    Raises:
        Refusal: The database does not accept a value.
    """
    ids = {nic.id for other in world.vms.values() for nic in other.nics}
    if len(vm.description) > LONGEST or (
        not wanted.regenerate and ids & {nic.id for nic in found.nics}
    ):
        raise refuse("EXEC_INTERNAL")
    if wanted.regenerate:
        # New cards are plugged, whatever the old ones were.
        vm.nics = [replace(nic, id=new_id(), mac="", plugged=True) for nic in found.nics]
        for nic in vm.nics:
            nic.mac = networks.next_mac(world)
    else:
        vm.nics = [replace(nic) for nic in found.nics]
    for nic in vm.nics:
        profile = networks.find(world, cluster.data_centre_id, nic.network or "", nic.profile or "")
        nic.network = profile.network if profile else None
        nic.profile = profile.name if profile else None
    if "LeaseDomainId" in vm.settings:
        vm.settings |= {"LeaseDomainId": _lease_domain(world, vm), "ResumeBehavior": "KILL"}


def _lease_domain(world: World, vm: Vm) -> str:
    """Return the storage domain of the lease; another one if there is none with that id."""
    wanted, centre = vm.settings["LeaseDomainId"], world.data_centre_of(vm)
    domains = [one.id for one in world.domains.values() if one.data_centre_id == centre]
    return wanted if wanted in domains else domains[0]


def _insert(call: Call, vm: Vm, cluster: Cluster) -> None:
    """Insert the rows of the VM; a user who may not give permissions gets the role for it."""
    world = call.world
    names = {
        "data_centre": world.data_centres[cluster.data_centre_id].name,
        "cluster": cluster.name,
    }
    record(world, 1165, call.who, vm=vm.name, **names)
    active = Snapshot(new_id(), vm.id, "Active VM", "active", date=vm.created)
    world.vms[vm.id], world.snapshots[active.id] = vm, active
    if not may.permitted(world, call.user, may.PERMISSIONS, may.vm_scopes(world, vm)):
        call.user.grants.append(Grant("UserVmManager", vm.id))


def _tell(call: Call, vm: Vm, found: ovf_reader.Read) -> None:
    """Record events about cards that are connected differently from the OVF, or have a foreign address."""
    lost = [
        (old.network, new.name)
        for old, new in zip(found.nics, vm.nics, strict=True)
        if old.network and not new.network
    ]
    if lost:
        names, cards = _joined([one[0] for one in lost]), ",".join(one[1] for one in lost)
        record(call.world, 9600, call.who, vm.id, networks=names, nics=cards)
    outside = [nic.mac for nic in vm.nics if not nic.mac.startswith(networks.POOL)]
    if outside:
        record(call.world, 925, call.who, vm.id, macs=", ".join(outside))


def _joined(names: Sequence[str]) -> str:
    return ",".join(dict.fromkeys(names))


def _attach(call: Call, vm: Vm, found: ovf_reader.Read) -> None:
    failed = []
    for disk in found.disks:
        wanted = attaching.Wanted(
            *(found.id, disk.disk_id, None, disk.interface),
            *(disk.plugged, disk.bootable, disk.read_only, disk.pass_discard),
        )
        try:
            attaching.attach(call, wanted)
        except Answer:
            failed.append(disk.alias)
    with call.world.lock:
        record(call.world, 175 if failed else 174, call.who, vm.id, disks=",".join(failed))
