# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a disk, and remove one disk from a snapshot (docs/engine.md#operations-on-the-source-vm)."""

from __future__ import annotations

from dataclasses import dataclass

from lab.engine import permissions as may
from lab.engine.commands import base, exports, internal, snapshots
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.host import HostFailure
from lab.engine.locks import Held, Want
from lab.engine.texts import Refusal, Said, refuse
from lab.model import Attachment, Disk, Domain, Job, Snapshot, Vm, Volume, World

MOVE = Wording("move", "Virtual Disk")
REMOVE = Wording("remove", "Disk Snapshot")
LIVE_SNAPSHOT = "Auto-generated for Live Storage Migration"


@dataclass(frozen=True)
class Moving:
    """A live move on its way."""

    call: Call
    vm: Vm
    disk: Disk
    target: Domain
    job: Job
    held: Held


def move(call: Call, disk_id: str, domain_id: str) -> Job:
    """Move a disk to another domain.

    The engine looks at the first VM that holds it, whichever that is (here the lowest id): does that one
    run with the disk plugged, the move is a live one, else a cold one.
    """
    engine, world = call.engine, call.world
    with command(engine, MOVE):
        with world.lock:
            disk = world.disks.get(disk_id)
            if disk is None:
                raise refuse("DISK_NOT_EXIST")
            may.require(call, may.MOVE_DISK, may.disk_scopes(world, disk))
            domain = world.domains.get(domain_id)
            scopes = may.domain_scopes(domain) if domain else {domain_id, "system"}
            may.require(call, may.CREATE_DISK, scopes)
        said = Said("DISK_BEING_MIGRATED", {"DiskName": disk.alias})
        held = engine.locks.acquire([Want("disk", disk.id, said)])
        try:
            with world.lock:
                return _start(call, disk, domain_id, held)
        except BaseException:
            engine.locks.release(held)
            raise


def _start(call: Call, disk: Disk, domain_id: str, held: Held) -> Job:
    world = call.world
    if any(volume.status == "locked" for volume in world.chain(disk.id)):
        raise refuse("DISK_BEING_MIGRATED", DiskName=disk.alias)
    if disk.domain_id == domain_id:
        raise refuse("SOURCE_AND_TARGET_SAME")
    base.domain_ready(world, disk.domain_id)
    base.domain_ready(world, domain_id)
    holders = sorted(world.holders(disk.id), key=lambda row: row.vm_id)
    first = holders[0] if holders else None
    live = first is not None and first.active and world.vms[first.vm_id].status != "down"
    _not_plugged(world, disk, snapshots_only=live)
    _not_previewed(world, holders)
    target = world.domains[domain_id]
    job = exports.job_of(call, f"Moving disk {disk.alias} to domain {target.name}")
    record(world, 2008, call.who, disk=disk.alias, domain=target.name)
    if live and first is not None:
        moving = Moving(call, world.vms[first.vm_id], disk, target, job, held)
        call.engine.tasks.run(lambda: _live(moving), f"move {disk.id}")
        return job
    _change_domain(call, disk, target, None)
    exports.end(job)
    call.engine.locks.release(held)
    record(world, 2010, call.who, disk=disk.alias, domain=target.name)
    return job


def _not_plugged(world: World, disk: Disk, *, snapshots_only: bool) -> None:
    names = sorted(
        world.vms[row.vm_id].name
        for row in world.holders(disk.id)
        if row.active and world.vms[row.vm_id].status != "down"
        if row.snapshot_id is not None or not snapshots_only
    )
    if names:
        raise refuse("DISK_PLUGGED_TO_NON_DOWN", DiskName=disk.alias, VmList=",".join(names))


def _not_previewed(world: World, holders: list[Attachment]) -> None:
    if any(world.vms[row.vm_id].in_preview for row in holders if row.snapshot_id is None):
        raise refuse("VM_IN_PREVIEW")


def _change_domain(call: Call, disk: Disk, target: Domain, running: str | None) -> None:
    try:
        call.engine.host.move_disk(running, disk.domain_id, disk.id, target.id)
    except HostFailure as failure:
        raise refuse("EXEC_UNEXPECTED") from failure
    disk.domain_id = target.id


def _live(moving: Moving) -> None:
    """Take the automatic snapshot, move, and remove it; the removal may be refused and leave the snapshot."""
    call, world, disk = moving.call, moving.call.world, moving.disk
    removed = False
    try:
        snapshot = internal.take(call, moving.vm, LIVE_SNAPSHOT, (disk.id,))
        if snapshot is not None:
            with world.lock:
                _change_domain(call, disk, moving.target, moving.vm.id)
            removed = internal.drop(call, moving.vm, snapshot)
    except Refusal:
        snapshot = None
    with world.lock:
        if snapshot is not None:
            code = 2010 if removed else 2052
            record(world, code, call.who, disk=disk.alias, domain=moving.target.name)
        exports.end(moving.job, "finished" if snapshot is not None else "failed")
        call.engine.locks.release(moving.held)


def remove_disk_snapshot(call: Call, volume_id: str) -> Job:
    """Merge one disk out of a snapshot; refused while anything of that disk is attached elsewhere."""
    engine, world = call.engine, call.world
    with command(engine, REMOVE):
        with world.lock:
            volume = world.volumes[volume_id]
            disk = world.disks[volume.disk_id]
            vm = world.owner(disk.id)
            if vm is None:
                raise refuse("VM_NOT_FOUND")
            may.require(call, may.SNAPSHOTS, may.vm_scopes(world, vm))
        said = Said("DISKS_LOCKED", {"diskAliases": disk.alias})
        with engine.locks.holding([Want("disk", disk.id, said)]), world.lock:
            snapshot = _mergeable(world, vm, disk, volume)
            removing = _lock(call, vm, disk, snapshot)
        polls = world.settings.removal_polls
        engine.watch(snapshot.id, polls, lambda: _finish(removing), False)
        engine.tasks.run(lambda: snapshots.merge(removing), f"remove {volume_id}")
        return removing.job


def _mergeable(world: World, vm: Vm, disk: Disk, volume: Volume) -> Snapshot:
    if volume.id == disk.active_volume_id:
        raise refuse("DISK_SNAPSHOTS_ACTIVE", diskSnapshotIds=f"{volume.id} ({disk.alias})")
    if any(one.status == "locked" for one in world.chain(disk.id)):
        raise refuse("DISKS_LOCKED", diskAliases=disk.alias)
    base.refuse_attached(world, vm.id, disk.id)
    if not vm.managed:
        raise refuse("NON_MANAGED_VM")
    if vm.status not in snapshots.REMOVABLE:
        raise refuse("VM_NOT_DOWN_OR_UP", VmName=vm.name)
    base.settled(world, vm)
    snapshot = world.snapshots.get(volume.snapshot_id)
    if snapshot is None:
        raise refuse("SNAPSHOT_NOT_EXIST")
    if snapshot.type != "regular":
        raise refuse("SNAPSHOT_NOT_REGULAR")
    base.domain_ready(world, disk.domain_id)
    return snapshot


def _lock(call: Call, vm: Vm, disk: Disk, snapshot: Snapshot) -> snapshots.Removing:
    removing = snapshots.lock_rows(call, vm, snapshot, disk.id)
    record(call.world, 373, call.who, vm.id, disk=disk.alias, snapshot=snapshot.description)
    return removing


def _finish(removing: snapshots.Removing) -> None:
    """Keep the snapshot, without that disk."""
    world, snapshot = removing.engine.world, removing.snapshot
    snapshots.unlock_rows(removing)
    for disk, _frozen, _top in removing.pairs:
        snapshot.disks = [one for one in snapshot.disks if one.disk_id != disk.id]
        names = {"disk": disk.alias, "snapshot": snapshot.description}
        record(world, 375, removing.who, removing.vm.id, **names)
    snapshot.status = "ok"
    exports.end(removing.job)
