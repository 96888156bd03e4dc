# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detach a disk from a VM, and the PUT that nobody should use (docs/engine.md#changing-an-attachment)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

from lab.engine import permissions as may
from lab.engine.commands import base
from lab.engine.commands.attach import hot_plug, hot_unplug
from lab.engine.commands.base import Wording, command
from lab.engine.commands.disks import NO_SNAPSHOT
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.locks import Held, Want
from lab.engine.texts import Refusal, Said, refuse
from lab.model import Attachment, Disk, Vm, World

WORDING = Wording("detach", "Virtual Disk")
EDIT = Wording("edit", "Virtual Disk")
PLUG = Wording("hot plug", "Virtual Disk")
UNPLUG = Wording("hot unplug", "Virtual Disk")


def detach(call: Call, vm_id: str, disk_id: str) -> None:
    """Unplug where plugged and running, then detach; takes no lock, as the engine does."""
    engine, world = call.engine, call.world
    with command(engine, WORDING):
        with world.lock:
            known = world.vms.get(vm_id)
            if known is not None:
                may.require(call, may.CONFIGURE_VM_STORAGE, may.vm_scopes(world, known))
            vm, row = validate(world, vm_id, disk_id)
            alias = world.disks[disk_id].alias
            plugged = row.active and vm.status == "up"
        # An attach that still plugs, or another detach, is waited for.
        with engine.device_locks[vm_id] if plugged else nullcontext():
            failure = hot_unplug(engine, vm, disk_id) if plugged else None
            with world.lock:
                if failure is not None:
                    record(world, 2019, call.who, vm_id, disk=alias)
                    raise base.host_refusal(failure, "EXEC_UNPLUG")
                layers = _detached(call, row, alias)
        for _layer in range(layers):
            # Every volume, also one that cannot have a bitmap; whether the host refuses does not matter.
            base.on_host(engine.host.clear_bitmaps)


def _detached(call: Call, row: Attachment, alias: str) -> int:
    """Remove the rows; return how many volumes have their bitmaps cleared. Hold the lock."""
    world = call.world
    if world.attachments.pop((row.vm_id, row.disk_id), None) is None:
        raise refuse("ALREADY_DETACHED")
    _clear_checkpoints(world, row.disk_id)
    layers = len(world.chain(row.disk_id)) if world.settings.clears() else 0
    if row.snapshot_id is None:
        world.volumes[world.disks[row.disk_id].active_volume_id].snapshot_id = NO_SNAPSHOT
    record(world, 2018, call.who, row.vm_id, disk=alias)
    return layers


def validate(world: World, vm_id: str, disk_id: str) -> tuple[Vm, Attachment]:
    """Check rows 1 to 8 of docs/engine.md#refusals-of-a-detach, in that order.

    Raises:
        Refusal: With the first row that applies.
    """
    vm = world.vms.get(vm_id)
    if vm is None:
        raise refuse("VM_NOT_FOUND")
    if not vm.is_managed():
        raise refuse("NON_MANAGED_VM")
    if vm.status not in {"up", "down"}:
        raise base.vm_status(vm)
    row = world.attachments.get((vm_id, disk_id))
    if row is None:
        raise Refusal(Said("CANNOT_DETACH_NOT_ATTACHED"), Said(vm.name))
    if row.active and vm.status == "up":
        base.plug_refusals(vm, row, world.disks[disk_id].alias)
    if row.snapshot_id is None and len(world.chain(disk_id)) > 1:
        raise refuse("DETACH_WITH_SNAPSHOT")
    return vm, row


def _clear_checkpoints(world: World, disk_id: str) -> None:
    """Remove the source's checkpoints, as engines after 4.5.7 do with any detach of its disk."""
    if not world.settings.clears():
        return
    world.disks[disk_id].bitmaps.clear()
    # They lose this disk; those that cover no other one go, whatever comes after them.
    for row in [row for row in world.checkpoints.values() if disk_id in row.disks]:
        row.disks.remove(disk_id)
        if not row.disks:
            del world.checkpoints[row.id]


@dataclass(frozen=True)
class Change:
    """What a PUT on an attachment changes; None leaves it as it is."""

    active: bool | None = None
    interface: str | None = None
    bootable: bool | None = None
    pass_discard: bool | None = None
    provisioned_size: int | None = None
    alias: str | None = None
    description: str | None = None
    profile_id: str | None = None


def update(call: Call, vm_id: str, disk_id: str, change: Change) -> Attachment:
    """Plug or unplug if ``active`` differs, then always UpdateDisk, which locks the source disk."""
    row = call.world.attachments[(vm_id, disk_id)]
    if change.active is not None and change.active != row.active:
        _set_plugged(call, row, change.active)
    _update_disk(call, row, change)
    return row


def _set_plugged(call: Call, row: Attachment, active: bool) -> None:
    engine, world = call.engine, call.world
    with command(engine, PLUG if active else UNPLUG):
        with world.lock:
            vm, disk = world.vms[row.vm_id], world.disks[row.disk_id]
            may.require(call, may.CONFIGURE_VM_STORAGE, may.vm_scopes(world, vm))
        wants = [
            Want("disk", disk.id, Said("DISKS_LOCKED", {"diskAliases": disk.alias})),
            Want("vm", vm.id, Said("VM_IS_LOCKED"), exclusive=False),
        ]
        with engine.locks.holding(wants):
            with world.lock:
                _may_plug(world, vm, row, active)
            _plug_now(call, vm, row, active)


def _may_plug(world: World, vm: Vm, row: Attachment, active: bool) -> None:
    if vm.status not in {"up", "paused", "down"}:
        raise base.vm_status(vm)
    if row.active == active:
        raise refuse("ALREADY_ACTIVATED" if active else "ALREADY_DEACTIVATED")
    if vm.status != "down":
        base.plug_refusals(vm, row, world.disks[row.disk_id].alias)
    if active:
        base.domain_ready(world, world.disks[row.disk_id].domain_id)


def _plug_now(call: Call, vm: Vm, row: Attachment, active: bool) -> None:
    engine, world = call.engine, call.world
    alias = world.disks[row.disk_id].alias
    failure = None
    if vm.status != "down":
        wanted = replace(row, active=active)
        failure = hot_plug(engine, vm, wanted) if active else hot_unplug(engine, vm, row.disk_id)
    with world.lock:
        if failure is not None:
            record(world, 2001 if active else 2003, call.who, vm.id, disk=alias)
            raise base.host_refusal(failure, "EXEC_PLUG" if active else "EXEC_UNPLUG")
        row.active = active
        record(world, 2000 if active else 2002, call.who, vm.id, disk=alias)


def _update_disk(call: Call, row: Attachment, change: Change) -> None:
    engine, world = call.engine, call.world
    with command(engine, EDIT):
        with world.lock:
            disk = world.disks[row.disk_id]
            may.require(call, may.EDIT_DISK, may.disk_scopes(world, disk))
            # The engine forgets the alias here: the variable stays in the text.
            wants = [Want("disk", disk.id, Said("DISKS_LOCKED"))]
            plugged = [holder.vm_id for holder in world.holders(disk.id) if holder.active]
            wants += [Want("vm", vm, Said("VM_IS_LOCKED"), exclusive=False) for vm in plugged]
        held = engine.locks.acquire(wants)
        try:
            with world.lock:
                _change(row, disk, change)
                _update_in_background(call, row, disk, held)
        except Refusal:
            engine.locks.release(held)
            raise


def _change(row: Attachment, disk: Disk, change: Change) -> None:
    grows = change.provisioned_size not in (None, disk.virtual_size)
    if grows and row.snapshot_id is not None:
        raise refuse("RESIZE_DISK_SNAPSHOT")
    if change.profile_id is not None:
        disk.profile_id = change.profile_id
    for name in ("interface", "bootable", "pass_discard"):
        value = getattr(change, name)
        if value is not None:
            setattr(row, name, value)
    for name in ("alias", "description"):
        if getattr(change, name) is not None:
            setattr(disk, name, getattr(change, name))


def _update_in_background(call: Call, row: Attachment, disk: Disk, held: Held) -> None:
    """Finish an update after its answer: until then the disk and its active volume are locked."""
    engine, world = call.engine, call.world
    volume = world.volumes[disk.active_volume_id]
    former, volume.status = volume.status, "locked"

    def finish() -> None:
        volume.status = former
        engine.locks.release(held)

    record(world, 88, call.who, row.vm_id, disk=disk.alias)
    engine.watch(disk.id, world.settings.disk_polls, finish, False)
    engine.work_done(disk.id)
