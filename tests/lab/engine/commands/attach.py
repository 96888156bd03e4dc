# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach a disk, or a disk as it was in a snapshot, to a VM (docs/engine.md#attaching-a-disk-snapshot)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from lab.engine import permissions as may
from lab.engine.commands import base
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call, Engine
from lab.engine.events import Actor, record
from lab.engine.host import NOT_UNPLUGGED, HostFailure
from lab.engine.locks import Want
from lab.engine.texts import refuse
from lab.model import Attachment, Disk, Vm, Volume, World

WORDING = Wording("attach", "Virtual Disk")
ATTACHABLE = frozenset({"up", "paused", "down"})
LIMITS = {
    "ide": ("IDE_SLOTS", 3),
    "sata": ("SATA_SLOTS", 5),
    "virtio_scsi": ("VIRTIO_SCSI_DISKS", 16383),
    "spapr_vscsi": ("SPAPR_VSCSI_DISKS", 7),
}
PCI_SLOTS = 26
# Video card, IDE controller and balloon (VmValidator.checkPciAndIdeLimit); the virtio-scsi controller,
# each network card and each virtio disk take one more.
PCI_TAKEN = 3


@dataclass(frozen=True)
class Wanted:
    """What the body of an attach asks for; ``interface`` may be missing, and is then refused."""

    vm_id: str
    disk_id: str
    snapshot_id: str | None
    interface: str | None
    active: bool = False
    bootable: bool = False
    read_only: bool = False
    pass_discard: bool = False
    uses_scsi_reservation: bool = False

    def row(self) -> Attachment:
        """Return the row that the attach inserts."""
        return Attachment(
            self.vm_id,
            self.disk_id,
            self.interface or "",
            self.active,
            self.bootable,
            self.read_only,
            self.pass_discard,
            self.uses_scsi_reservation,
            self.snapshot_id,
        )


@dataclass(frozen=True)
class Case:
    """A wanted attachment with what the database has for it."""

    world: World
    wanted: Wanted
    disk: Disk | None
    volume: Volume | None
    vm: Vm | None

    def known_disk(self) -> Disk:
        """Return the disk; row 1 has made sure that it is there."""
        if self.disk is None:
            raise refuse("DISK_NOT_EXIST")
        return self.disk

    def known_vm(self) -> Vm:
        """Return the VM; row 6 has made sure that it is there."""
        if self.vm is None:
            raise refuse("VM_NOT_FOUND")
        return self.vm


def attach(call: Call, wanted: Wanted) -> Attachment:
    """Attach, in the engine's order: permission, interface, disk, locks, validation, execution.

    One that is to be plugged waits for the devices of its VM before all of the locks.
    """
    engine, world = call.engine, call.world
    with command(engine, WORDING):
        with world.lock:
            _permissions(call, wanted)
            if wanted.interface is None:
                raise refuse("INTERFACE_REQUIRED")
            _disk_exists(_case(world, wanted))
            wants = _locks(world, wanted)
            vm = world.vms.get(wanted.vm_id)
            plugs = wanted.active and vm is not None and vm.status != "down"
        waits = engine.device_locks[wanted.vm_id] if plugs else nullcontext()
        with waits, engine.locks.holding(wants):
            with world.lock:
                case = _case(world, wanted)
                validate(case)
                row = wanted.row()
                if (row.vm_id, row.disk_id) in world.elements:
                    # The insert meets the half that is left of an older row.
                    raise refuse("EXEC_INTERNAL")
                world.attachments[(row.vm_id, row.disk_id)] = row
            _execute(engine, call.who, case, row)
            return row


def _permissions(call: Call, wanted: Wanted) -> None:
    vm, disk = call.world.vms.get(wanted.vm_id), call.world.disks.get(wanted.disk_id)
    if vm is not None:
        may.require(call, may.CONFIGURE_VM_STORAGE, may.vm_scopes(call.world, vm))
        if vm.hosted_engine and not call.admin:
            raise refuse("HOSTED_ENGINE_SUPERUSER")
    if disk is not None:
        may.require(call, may.ATTACH_DISK, may.disk_scopes(call.world, disk))


def _locks(world: World, wanted: Wanted) -> list[Want]:
    disk = world.disks.get(wanted.disk_id)
    wants = [] if disk is not None and disk.shareable else [Want("disk", wanted.disk_id)]
    if wanted.bootable:
        wants.append(Want("vm_disk_boot", wanted.vm_id))
    return wants


def _case(world: World, wanted: Wanted) -> Case:
    disk = world.disks.get(wanted.disk_id)
    volume = None
    if disk is not None:
        volume = world.volumes[disk.active_volume_id]
        if wanted.snapshot_id is not None:
            volume = world.volume_of(disk.id, wanted.snapshot_id)
    return Case(world, wanted, disk, volume, world.vms.get(wanted.vm_id))


def validate(case: Case) -> None:
    """Check rows 1 to 21b of docs/engine.md#refusals-of-an-attach, in that order.

    Raises:
        Refusal: With the first row that applies.
    """
    for row in ROWS:
        row(case)


def _disk_exists(case: Case) -> None:
    direct = case.disk is not None and case.disk.storage_type == "lun"
    hosted = case.disk is not None and case.disk.hosted_engine_lun
    lun = (direct or hosted) and case.wanted.snapshot_id
    if case.disk is None or case.volume is None or lun:
        raise refuse("DISK_NOT_EXIST")


def _not_hosted_engine(case: Case) -> None:
    if case.known_disk().hosted_engine_lun:
        raise refuse("HOSTED_ENGINE_DISK")


def _content_type(case: Case) -> None:
    content = case.known_disk().content_type
    if content not in {"data", "hosted_engine"}:
        raise refuse("CONTENT_TYPE", diskContentType=content.upper())


def _snapshot(case: Case) -> None:
    if case.wanted.snapshot_id is None:
        return
    snapshot = case.world.snapshots.get(case.wanted.snapshot_id)
    if snapshot is None:
        raise refuse("SNAPSHOT_NOT_EXIST")
    if snapshot.type != "regular":
        raise refuse("SNAPSHOT_NOT_REGULAR")
    if snapshot.status != "ok":
        raise refuse("SNAPSHOT_STATUS", snapshotStatus=snapshot.status.upper())


def _images(case: Case) -> None:
    disk = case.known_disk()
    if case.world.volumes[disk.active_volume_id].status == "illegal":
        raise refuse("ILLEGAL_DISK")
    if case.volume is not None and case.volume.status == "locked":
        raise refuse("DISKS_LOCKED", diskAliases=disk.alias)


def _vm_state(case: Case) -> None:
    vm = case.known_vm()
    if vm.status not in ATTACHABLE:
        raise base.vm_status(vm)
    if not vm.is_managed():
        raise refuse("NON_MANAGED_VM")


def _boot(case: Case) -> None:
    if case.wanted.bootable:
        refuse_second_boot(case.world, case.known_vm())


def refuse_second_boot(world: World, vm: Vm) -> None:
    """Row 10.

    Raises:
        Refusal: When the VM has a boot disk of its own.
    """
    for other in world.attachments_of(vm.id):
        if other.bootable and other.snapshot_id is None:
            alias = world.disks[other.disk_id].alias
            raise refuse("BOOT_IN_USE", DiskName=alias, VmName=vm.name)


def _limits(case: Case) -> None:
    vm = case.known_vm()
    counts = Counter(row.interface for row in case.world.attachments_of(vm.id))
    counts[case.wanted.interface or ""] += 1
    if PCI_TAKEN + len(vm.nics) + int(vm.virtio_scsi) + counts["virtio"] > PCI_SLOTS:
        raise refuse("EXCEEDED_MAX_PCI_SLOTS")
    for interface, (key, limit) in LIMITS.items():
        if counts[interface] > limit:
            raise refuse(f"EXCEEDED_MAX_{key}")


def _already(case: Case) -> None:
    wanted, disk = case.wanted, case.known_disk()
    if (wanted.vm_id, wanted.disk_id) in case.world.attachments:
        raise refuse("ALREADY_ATTACHED")
    if wanted.snapshot_id is None and not disk.shareable and case.world.holders(disk.id):
        raise refuse("NOT_SHAREABLE_ATTACHED")


def _domain(case: Case) -> None:
    disk, vm = case.known_disk(), case.known_vm()
    if disk.storage_type == "lun":
        return
    domain = case.world.domains.get(disk.domain_id)
    if domain is None or domain.data_centre_id != case.world.data_centre_of(vm):
        raise refuse("POOL_NOT_MATCH")
    # Whatever the text says, it does not matter whether the VM runs.
    if domain.backup:
        raise refuse("BACKUP_DOMAIN")
    base.domain_ready(case.world, disk.domain_id)


def _interface(case: Case) -> None:
    wanted, vm = case.wanted, case.known_vm()
    if wanted.read_only and wanted.interface in {"ide", "sata"}:
        raise refuse("READ_ONLY_IDE", interface=wanted.interface.upper())
    if wanted.interface == "virtio_scsi" and not vm.virtio_scsi:
        raise refuse("VIRTIO_SCSI_DISABLED")
    # Whatever is offered may have pass_discard: the test of row 19 refuses sPAPR alone.
    if wanted.interface not in interfaces_of(vm):
        raise base.unsupported_interface(vm)
    if wanted.pass_discard:
        _discards(case)


def _discards(case: Case) -> None:
    """What the storage says of it (``DiskVmElementValidator.isPassDiscardSupported``, read and not recorded)."""
    disk = case.known_disk()
    domain = case.world.domains.get(disk.domain_id)
    if domain is None or domain.storage == "nfs":
        return
    names = {"diskAlias": disk.alias, "storageDomainName": domain.name}
    if not domain.supports_discard:
        raise refuse("DISCARD_UNDERLYING", **names)
    if disk.wipe_after_delete:
        raise refuse("DISCARD_WIPED", **names)


def interfaces_of(vm: Vm) -> frozenset[str]:
    """Return what the guest OS type and the chipset offer: IDE on i440fx alone, SATA not there, no sPAPR on x86."""
    old = vm.chipset.startswith("i440fx")
    return frozenset({"virtio", "virtio_scsi", "ide" if old else "sata"})


def _vm_snapshots(case: Case) -> None:
    base.settled(case.world, case.known_vm())


def _hot_plug(case: Case) -> None:
    vm = case.known_vm()
    if case.wanted.active and vm.status != "down":
        base.plug_refusals(vm, case.wanted.row(), case.known_disk().alias)


ROWS: tuple[Callable[[Case], None], ...] = (
    _disk_exists,
    _not_hosted_engine,
    _content_type,
    _snapshot,
    _images,
    _vm_state,
    _boot,
    _limits,
    _already,
    _domain,
    _interface,
    _vm_snapshots,
    _hot_plug,
)


def _execute(engine: Engine, who: Actor, case: Case, row: Attachment) -> None:
    """Plug where the VM runs; on failure the row goes again."""
    vm, disk = case.known_vm(), case.known_disk()
    failure = None
    if row.active and vm.status != "down":
        failure = hot_plug(engine, vm, row)
    with engine.world.lock:
        if failure is None:
            if row.snapshot_id is None:
                active = engine.world.active_snapshot(vm.id)
                engine.world.volumes[disk.active_volume_id].snapshot_id = active.id
            record(engine.world, 2016, who, vm.id, disk=disk.alias)
            return
        engine.world.attachments.pop((row.vm_id, row.disk_id), None)
        _host_event(engine.world, vm, "HotPlugDiskVDS", str(failure))
        record(engine.world, 2017, who, vm.id, disk=disk.alias)
    raise base.host_refusal(failure, "EXEC_PLUG")


def _host_event(world: World, vm: Vm, name: str, message: str) -> None:
    host = world.hosts.get(vm.host_id or "")
    record(world, 10802, None, vm.id, host=host.name if host else "", command=name, message=message)


def hot_plug(engine: Engine, vm: Vm, row: Attachment) -> HostFailure | None:
    """Plug a disk into a running VM; the host's failure, if it fails."""
    fault = engine.faults.take("fail_plug", vm=vm.id, disk=row.disk_id)
    if fault is not None and fault.values.get("leak"):
        engine.host.leak_next_plug()
    elif fault is not None:
        return HostFailure("internal error: unable to execute QEMU command 'device_add'")
    with engine.world.lock:
        plug = base.plug_of(engine.world, row)
    with engine.device_locks[vm.id]:
        return base.on_host(lambda: engine.host.plug(vm.id, plug))


def hot_unplug(engine: Engine, vm: Vm, disk_id: str) -> HostFailure | None:
    """Unplug a disk from a running VM; the host's failure, if it fails."""
    if engine.faults.take("fail_unplug", vm=vm.id, disk=disk_id):
        return HostFailure("Timeout detaching disk")
    with engine.device_locks[vm.id]:
        with engine.world.lock:
            if (vm.id, disk_id) not in engine.world.attachments:
                # Whoever held the devices before has unplugged it.
                return HostFailure("no such disk in the domain", NOT_UNPLUGGED)
        return base.on_host(lambda: engine.host.unplug(vm.id, disk_id))
