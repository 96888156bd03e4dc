# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create and remove VM snapshots: real layers, asynchronous states, events (docs/engine.md#making-a-snapshot)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.engine import ovf
from lab.engine import permissions as may
from lab.engine.commands import base
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call, Engine
from lab.engine.events import Actor, record
from lab.engine.host import HostFailure, Layer
from lab.engine.http import Answer
from lab.engine.locks import Held, Want
from lab.engine.texts import Refusal, Said, refuse
from lab.model import (
    Attachment,
    Disk,
    Job,
    Snapshot,
    SnapshotDisk,
    Vm,
    Volume,
    World,
    new_id,
    now,
)

CREATE = Wording("create", "Snapshot")
REMOVE = Wording("remove", "Snapshot")
# The longest description, in characters.
DESCRIPTION_MAX = 4000
# Statuses that a live or an offline snapshot can be taken in.
SNAPSHOTABLE = frozenset({"up", "down", "paused", "powering_up", "reboot_in_progress"})
REMOVABLE = frozenset({"up", "powering_up", "paused", "reboot_in_progress", "down"})


@dataclass(frozen=True)
class Wanted:
    """What the body asks for. ``disks`` None means all that can be frozen."""

    vm_id: str
    description: str
    memory: bool = True
    disks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Making:
    """A snapshot on its way: what has to be finished or undone."""

    engine: Engine
    who: Actor
    vm: Vm
    snapshot: Snapshot
    pairs: tuple[tuple[Disk, Volume, Volume], ...]
    held: Held
    job: Job
    former_status: str


def create(call: Call, wanted: Wanted) -> Making:
    """Make the rows of a snapshot; it is ``locked`` until ``go`` has let the host do its part and polls are through."""
    engine, world = call.engine, call.world
    with command(engine, CREATE):
        with world.lock:
            vm = world.vms.get(wanted.vm_id)
            if vm is not None:
                may.require(call, may.SNAPSHOTS, may.vm_scopes(world, vm))
            taken = Said("SNAPSHOT_BEING_TAKEN", {"VmName": vm.name if vm else ""})
        check_description(wanted.description)
        held = engine.locks.acquire([Want("vm", wanted.vm_id, taken)])
        try:
            with world.lock:
                vm = validate_create(world, wanted)
                disks = _selected(world, vm, wanted.disks)
            make_volumes(call, vm, wanted, disks)
            with world.lock:
                return prepare(call, vm, wanted, held)
        except BaseException:
            engine.locks.release(held)
            raise


def check_description(text: str) -> None:
    """Check a description as the bean's validation does: ASCII and letters of any script, at most 4,000.

    Raises:
        Refusal: It is anything else.
    """
    if len(text) > DESCRIPTION_MAX:
        raise refuse("DESCRIPTION_TOO_LONG")
    if not all(one.isascii() or unicodedata.category(one).startswith("L") for one in text):
        raise refuse("DESCRIPTION_CHARACTERS")


def make_volumes(call: Call, vm: Vm, wanted: Wanted, disks: Sequence[Disk]) -> None:
    """Ask the storage for the volumes; where one is refused the whole creation is, and nothing of it stays.

    Each part of it says in the end that the snapshot failed: three of them a disk.

    Raises:
        Refusal: Without any message.
    """
    engine, world = call.engine, call.world
    for _disk in disks:
        if base.on_host(lambda: engine.host.ask("Volume.create", lambda: None)) is None:
            continue
        with world.lock:
            name = wanted.description
            record(world, 117, call.who, vm.id, snapshot=name)
            for _part in range(3 * len(disks)):
                record(world, 69, call.who, vm.id, snapshot=name)
            _end(_job(world, call.who, f"Creating VM Snapshot {name} for VM {vm.name}"), "failed")
        raise Refusal


def go(making: Making) -> None:
    """Let the host do its part."""
    engine, snapshot = making.engine, making.snapshot
    stuck = engine.faults.take("stick_snapshot", vm=making.vm.id) is not None
    polls = engine.world.settings.snapshot_polls
    engine.watch(snapshot.id, polls, lambda: finish_create(making), stuck)
    engine.tasks.run(lambda: make(making), f"snapshot {snapshot.id}")


def validate_create(world: World, wanted: Wanted) -> Vm:
    """Check docs/engine.md#refusals-of-a-creation, in that order.

    Raises:
        Refusal: With the first row that applies.
    """
    vm = world.vms.get(wanted.vm_id)
    if vm is None:
        raise refuse("VM_NOT_FOUND")
    if not vm.managed:
        raise refuse("NON_MANAGED_VM")
    disks = _selected(world, vm, wanted.disks)
    _vm_can_be_frozen(world, vm)
    _disks_can_be_frozen(world, disks)
    return vm


def _selected(world: World, vm: Vm, ids: Sequence[str] | None) -> list[Disk]:
    if ids is None:
        return _own(world, vm)
    missing = [i for i in ids if i not in world.disks]
    if missing:
        raise refuse("DISKS_NOT_EXIST", ids=", ".join(missing))
    chosen = [world.disks[i] for i in ids]
    shared = [d.alias for d in chosen if d.shareable or d.storage_type == "lun"]
    if shared:
        raise refuse("DISK_SNAPSHOT_NOT_SUPPORTED", diskAliases=", ".join(shared))
    foreign = [d.alias for d in chosen if (vm.id, d.id) not in world.attachments]
    if foreign:
        raise refuse("DISKS_NOT_ATTACHED_TO_VM", vmName=vm.name, diskAliases=", ".join(foreign))
    # A disk snapshot that the VM holds is silently dropped, even when it is named.
    return [d for d in chosen if world.attachments[(vm.id, d.id)].snapshot_id is None]


def _own(world: World, vm: Vm) -> list[Disk]:
    rows = world.attachments_of(vm.id)
    disks = [world.disks[a.disk_id] for a in rows if a.snapshot_id is None]
    return [d for d in disks if not d.shareable and d.storage_type != "lun"]


def _vm_can_be_frozen(world: World, vm: Vm) -> None:
    if vm.status in {"saving_state", "restoring_state"}:
        raise refuse("VM_SAVING_RESTORING")
    if vm.status not in SNAPSHOTABLE:
        raise base.vm_status(vm)
    _vm_is_settled(world, vm)
    if vm.stateless:
        raise refuse("VM_RUNNING_STATELESS")


def _disks_can_be_frozen(world: World, disks: Sequence[Disk]) -> None:
    status = {d.alias: world.volumes[d.active_volume_id].status for d in disks}
    locked = [alias for alias, word in status.items() if word == "locked"]
    if locked:
        raise refuse("DISKS_LOCKED", diskAliases=", ".join(locked))
    illegal = [alias for alias, word in status.items() if word == "illegal"]
    if illegal:
        raise refuse("DISKS_ILLEGAL", diskAliases=", ".join(illegal))
    for domain_id in dict.fromkeys(d.domain_id for d in disks):
        base.domain_ready(world, domain_id)
        if world.domains[domain_id].low_space:
            raise refuse("LOW_SPACE", storageName=world.domains[domain_id].name)


def prepare(call: Call, vm: Vm, wanted: Wanted, held: Held) -> Making:
    """Insert the rows: the new snapshot takes the id that the ACTIVE entry had."""
    engine, world = call.engine, call.world
    disks = _selected(world, vm, wanted.disks)
    saved = [d for d in _saved(engine, vm) if d.disk in disks]
    active = world.active_snapshot(vm.id)
    snapshot = Snapshot(active.id, vm.id, wanted.description, "regular", status="locked")
    snapshot.memory = wanted.memory and vm.status != "down"
    snapshot.ovf = ovf.write(world, vm, saved)
    snapshot.saved = replace(vm)
    snapshot.disks = [_config(d) for d in saved]
    active.id = new_id()
    world.snapshots[snapshot.id] = snapshot
    world.snapshots[active.id] = active
    pairs = tuple(_layer(world, d.disk, active.id) for d in saved)
    _follow_active(world, vm, snapshot.id, active.id, [d.disk.id for d in saved])
    former, vm.status = vm.status, "image_locked" if vm.status == "down" else vm.status
    job = _job(world, call.who, f"Creating VM Snapshot {snapshot.description} for VM {vm.name}")
    record(world, 45, call.who, vm.id, snapshot=snapshot.description)
    return Making(engine, call.who, vm, snapshot, pairs, held, job, former)


def _saved(engine: Engine, vm: Vm) -> list[ovf.OvfDisk]:
    world = engine.world

    def size(volume: Volume) -> int:
        return engine.host.actual_size(base.image_of(world.disks[volume.disk_id], volume))

    return ovf.own_disks(world, vm, size)


def _config(item: ovf.OvfDisk) -> SnapshotDisk:
    return SnapshotDisk(
        item.disk.id,
        item.volume.id,
        item.disk.alias,
        item.volume.fmt,
        item.volume.virtual_size,
        item.actual_size,
        item.attachment.interface,
        item.attachment.bootable,
    )


def _layer(world: World, disk: Disk, active_id: str) -> tuple[Disk, Volume, Volume]:
    """Return a new active volume over a disk's present one, both locked for now."""
    frozen = world.volumes[disk.active_volume_id]
    layer = Volume(new_id(), disk.id, active_id, frozen.id, "qcow2", disk.virtual_size, "locked")
    layer.made = False
    frozen.status = "locked"
    world.volumes[layer.id] = layer
    disk.active_volume_id = layer.id
    return disk, frozen, layer


def _follow_active(
    world: World, vm: Vm, old_id: str, new_active: str, frozen: Sequence[str]
) -> None:
    """Keep volumes of disks that the snapshot leaves out with the ACTIVE entry."""
    own = {a.disk_id for a in world.attachments_of(vm.id) if a.snapshot_id is None}
    for volume in world.volumes.values():
        left_out = volume.disk_id in own and volume.disk_id not in frozen
        if left_out and volume.snapshot_id == old_id:
            volume.snapshot_id = new_active


def _job(world: World, who: Actor, description: str) -> Job:
    job = Job(new_id(), description, who.correlation_id, who.user)
    world.jobs[job.id] = job
    return job


def make(making: Making) -> None:
    """Do the host's part, outside of the world's lock."""
    engine, vm = making.engine, making.vm
    layers = [Layer(base.image_of(d, frozen), layer.id) for d, frozen, layer in making.pairs]
    running = vm.id if making.former_status in base.RUNNING else None
    fault = engine.faults.take("fail_snapshot", vm=vm.id)
    try:
        if fault and not fault.values.get("used"):
            raise HostFailure("snapshot creation failed")
        engine.host.snapshot(running, layers)
        _witness(making)
    except HostFailure:
        _undo_create(making, live=running is not None)
        return
    if fault:
        _keep_used(making)
        return
    engine.work_done(making.snapshot.id)


def _witness(making: Making) -> None:
    """Keep the frozen bytes: the layer no longer changes, so a copy made now is exact."""
    engine = making.engine
    if not engine.world.settings.witness or engine.witness_root is None:
        return
    folder = engine.witness_root / making.snapshot.id
    folder.mkdir(parents=True, exist_ok=True)
    for disk, frozen, _unused in making.pairs:
        engine.host.witness(base.image_of(disk, frozen), folder / f"{disk.id}.raw")


def finish_create(making: Making) -> None:
    """Complete the snapshot: unlock it and record the event. Hold the lock."""
    world = making.engine.world
    _unlock(making)
    making.snapshot.status = "ok"
    said = making.engine.faults.take("snapshot_event", vm=making.vm.id)
    code = int(said.values["code"]) if said else 68
    name = making.snapshot.description
    record(world, code, making.who, making.vm.id, snapshot=name)
    if code != 68:
        record(world, 68, making.who, making.vm.id, snapshot=name)
    _end(making.job, "finished")


def _unlock(making: Making) -> None:
    for _unused, frozen, layer in making.pairs:
        frozen.status = layer.status = "ok"
        layer.made = True
    if making.vm.status == "image_locked":
        making.vm.status = making.former_status
    making.engine.locks.release(making.held)


def _undo_create(making: Making, live: bool) -> None:
    """Give the id of a failed creation back to the ACTIVE entry; the next creation takes it from there again."""
    world, snapshot = making.engine.world, making.snapshot
    name, vm_id = snapshot.description, making.vm.id
    with world.lock:
        making.engine.polls.pop(snapshot.id, None)
        active = world.active_snapshot(vm_id)
        for volume in world.volumes.values():
            if volume.snapshot_id == active.id:
                volume.snapshot_id = snapshot.id
        for disk, frozen, layer in making.pairs:
            world.volumes.pop(layer.id, None)
            disk.active_volume_id = frozen.id
        del world.snapshots[active.id]
        active.id = snapshot.id
        world.snapshots[active.id] = active
        _unlock(making)
        if live:
            why = " due to: Live snapshot failed."
            record(world, 170, making.who, vm_id, snapshot=name, error=why)
        record(world, 69, making.who, vm_id, snapshot=name)
        _end(making.job, "failed")


def _keep_used(making: Making) -> None:
    """Keep the snapshot of a failed creation, because the VM writes to the new volumes already."""
    world, snapshot = making.engine.world, making.snapshot
    with world.lock:
        making.engine.polls.pop(snapshot.id, None)
        _unlock(making)
        snapshot.status = "ok"
        for code in (10774, 69):
            record(world, code, making.who, making.vm.id, snapshot=snapshot.description)
        _end(making.job, "failed")


def _end(job: Job, status: str) -> None:
    job.status, job.ended = status, now()


@dataclass(frozen=True)
class Removing:
    """A removal on its way: pairs of a frozen volume and the layer above it, and what all volumes were before."""

    engine: Engine
    who: Actor
    vm: Vm
    snapshot: Snapshot
    pairs: tuple[tuple[Disk, Volume, Volume], ...]
    job: Job
    merged: list[Volume]
    former: Mapping[str, str]


def remove(call: Call, vm_id: str, snapshot_id: str) -> Job:
    """Start a removal; the answer comes long before the merge has ended."""
    engine, world = call.engine, call.world
    with command(engine, REMOVE):
        with world.lock:
            vm = world.vms.get(vm_id)
            if vm is not None:
                may.require(call, may.SNAPSHOTS, may.vm_scopes(world, vm))
        with engine.locks.holding([Want("vm", vm_id)]), world.lock:
            vm = validate_remove(world, vm_id, snapshot_id)
            removing = lock_rows(call, vm, world.snapshots[snapshot_id])
        stuck = engine.faults.take("stick_removal", vm=vm.id) is not None
        polls = world.settings.removal_polls
        engine.watch(snapshot_id, polls, lambda: finish_remove(removing), stuck)
        engine.tasks.run(lambda: merge(removing), f"remove {snapshot_id}")
        return removing.job


def remove_unseen(call: Call, snapshot: Snapshot) -> None:
    """Remove a snapshot without a caller: only the event reports a refusal."""
    try:
        remove(call, snapshot.vm_id, snapshot.id)
    except Answer:
        with call.world.lock:
            record(call.world, 357, call.who, snapshot.vm_id, snapshot=snapshot.description)


def validate_remove(world: World, vm_id: str, snapshot_id: str) -> Vm:
    """Check in the order of docs/engine.md#removing-a-snapshot.

    Raises:
        Refusal: With the first check that fails.
    """
    vm = world.vms.get(vm_id)
    if vm is None:
        raise refuse("VM_NOT_FOUND")
    if not vm.managed:
        raise refuse("NON_MANAGED_VM")
    if vm.during_backup:
        raise refuse("VM_DURING_BACKUP")
    snapshot = world.snapshots.get(snapshot_id)
    _disks_are_not_merged(world, vm, snapshot)
    if vm.in_preview:
        raise refuse("VM_IN_PREVIEW")
    if snapshot is None or snapshot.vm_id != vm.id:
        raise refuse("SNAPSHOT_NOT_EXIST")
    if snapshot.type != "regular":
        raise refuse("SNAPSHOT_NOT_REGULAR")
    if vm.status not in REMOVABLE:
        raise refuse("VM_NOT_DOWN_OR_UP", VmName=vm.name)
    base.refuse_attached(world, vm.id)
    _images_can_be_merged(world, vm, snapshot)
    return vm


def _disks_are_not_merged(world: World, vm: Vm, snapshot: Snapshot | None) -> None:
    """Refuse while a disk of the snapshot is being merged; merges of other disks do not matter."""
    mine = {d.disk_id for d in snapshot.disks} if snapshot else set()
    locked = [s for s in world.snapshots_of(vm.id) if s.status == "locked"]
    if any(mine & {d.disk_id for d in other.disks} for other in locked):
        raise refuse("VM_DURING_SNAPSHOT")


def _vm_is_settled(world: World, vm: Vm) -> None:
    if base.has_locked_snapshot(world, vm.id):
        raise refuse("VM_DURING_SNAPSHOT")
    if vm.in_preview:
        raise refuse("VM_IN_PREVIEW")


def _images_can_be_merged(world: World, vm: Vm, snapshot: Snapshot) -> None:
    volumes = [v for v in world.volumes.values() if v.snapshot_id == snapshot.id]
    alias = {v.id: world.disks[v.disk_id].alias for v in volumes}
    locked = [alias[v.id] for v in volumes if v.status == "locked"]
    if locked:
        raise refuse("DISKS_LOCKED", diskAliases=", ".join(locked))
    if vm.status != "down":
        rows = world.attachments
        loose = [alias[v.id] for v in volumes if not _plugged(rows.get((vm.id, v.disk_id)))]
        if loose:
            raise refuse("SNAPSHOT_UNPLUGGED_DISKS", diskAliases=", ".join(loose))
    for volume in volumes:
        base.domain_ready(world, world.disks[volume.disk_id].domain_id)


def _plugged(row: Attachment | None) -> bool:
    return row is not None and row.active


def lock_rows(call: Call, vm: Vm, snapshot: Snapshot, disk_id: str | None = None) -> Removing:
    """Lock what a removal merges: all of the snapshot, or one disk of it. Hold the lock.

    Of such a disk every volume is locked (``ImagesHandler.updateAllDiskImageSnapshotsStatus``).
    """
    world = call.world
    snapshot.status = "locked"
    pairs = []
    for frozen in [v for v in world.volumes.values() if v.snapshot_id == snapshot.id]:
        if disk_id not in (None, frozen.disk_id):
            continue
        top = next((v for v in world.volumes.values() if v.parent_id == frozen.id), None)
        if top is not None:
            pairs.append((world.disks[frozen.disk_id], frozen, top))
    volumes = [volume for disk, _frozen, _top in pairs for volume in world.chain(disk.id)]
    former = {volume.id: volume.status for volume in volumes}
    for volume in volumes:
        volume.status = "locked"
    job = _job(world, call.who, f"Removing Snapshot {snapshot.description} of VM {vm.name}")
    if disk_id is None:
        record(world, 342, call.who, vm.id, snapshot=snapshot.description)
    return Removing(call.engine, call.who, vm, snapshot, tuple(pairs), job, [], former)


def unlock_rows(removing: Removing) -> None:
    """Give volumes their former status; merged ones are ok. Hold the lock."""
    for volume_id, status in removing.former.items():
        volume = removing.engine.world.volumes.get(volume_id)
        if volume is not None:
            volume.status = status
    for _unused, frozen, _top in removing.pairs:
        frozen.status = "ok"


def merge(removing: Removing) -> None:
    """Merge disk by disk: the layer above goes into the frozen volume, which remains."""
    engine, vm = removing.engine, removing.vm
    running = vm.id if vm.status in base.RUNNING else None
    try:
        for disk, frozen, top in removing.pairs:
            if engine.faults.take("fail_merge", vm=vm.id, disk=disk.id):
                raise HostFailure("merge failed")
            with engine.device_locks[vm.id]:
                engine.host.merge(running, base.image_of(disk, top), base.image_of(disk, frozen))
            removing.merged.append(top)
            with engine.world.lock:
                _collapse(engine.world, disk, frozen, top)
    except HostFailure:
        _failed_remove(removing)
        return
    engine.work_done(removing.snapshot.id)


def _collapse(world: World, disk: Disk, frozen: Volume, top: Volume) -> None:
    """Put the frozen volume in the place of the layer that was merged into it."""
    frozen.snapshot_id = top.snapshot_id
    if disk.active_volume_id == top.id:
        disk.active_volume_id = frozen.id
    for volume in world.volumes.values():
        if volume.parent_id == top.id:
            volume.parent_id = frozen.id
    world.volumes.pop(top.id, None)
    for snapshot in world.snapshots.values():
        if snapshot.id == frozen.snapshot_id:
            _rename_volume(snapshot, top.id, frozen.id)


def _rename_volume(snapshot: Snapshot, old: str, new: str) -> None:
    """Change the disk's image id in the configuration saved with a snapshot."""
    snapshot.ovf = snapshot.ovf.replace(old, new)
    snapshot.disks = [
        SnapshotDisk(**{**vars(d), "volume_id": new}) if d.volume_id == old else d
        for d in snapshot.disks
    ]


def finish_remove(removing: Removing) -> None:
    """Complete the removal: unlock what is left and record the event. Hold the lock."""
    world = removing.engine.world
    unlock_rows(removing)
    world.snapshots.pop(removing.snapshot.id, None)
    name = removing.snapshot.description
    record(world, 356, removing.who, removing.vm.id, snapshot=name)
    _end(removing.job, "finished")


def _failed_remove(removing: Removing) -> None:
    """End a failed merge: the snapshot is ``ok`` again, its volume is illegal.

    Disks that were merged before have left the snapshot; the volumes that they were merged into
    stay locked for long.
    """
    engine, world, snapshot = removing.engine, removing.engine.world, removing.snapshot
    with world.lock:
        engine.polls.pop(snapshot.id, None)
        unlock_rows(removing)
        gone = {top.disk_id for top in removing.merged}
        done = [frozen for disk, frozen, _top in removing.pairs if disk.id in gone]
        failed = next(frozen for disk, frozen, _top in removing.pairs if disk.id not in gone)
        failed.status = "illegal"
        for volume in done:
            volume.status = "locked"
        snapshot.disks = [d for d in snapshot.disks if d.disk_id not in gone]
        snapshot.status = "ok"
        record(world, 357, removing.who, removing.vm.id, snapshot=snapshot.description)
        _end(removing.job, "failed")
    engine.tasks.later(world.settings.merge_seconds, lambda: _released(engine, done))


def _released(engine: Engine, volumes: Sequence[Volume]) -> None:
    with engine.world.lock:
        for volume in volumes:
            if volume.status == "locked":
                volume.status = "ok"
