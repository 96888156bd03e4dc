# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preview a snapshot, undo the preview, or commit it (docs/engine.md#operations-on-the-source-vm).

A preview and its undo do not check for attached disk snapshots, a commit does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.engine import permissions as may
from lab.engine.commands import base, exports
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.host import HostFailure, Image, Layer
from lab.engine.locks import Want
from lab.engine.texts import refuse
from lab.model import Job, Snapshot, Vm, Volume, World, new_id, now

PREVIEW = Wording("preview", "Snapshot")
REVERT = Wording("revert to", "Snapshot")
BEFORE = "Active VM before the preview"


def _known(call: Call, vm_id: str) -> Vm:
    vm = call.world.vms.get(vm_id)
    if vm is None:
        raise refuse("VM_NOT_FOUND")
    may.require(call, may.SNAPSHOTS, may.vm_scopes(call.world, vm))
    return vm


def preview(call: Call, vm_id: str, snapshot_id: str, *, settled: bool = False) -> Job:
    """Put the VM on a snapshot, for a look; it takes a while unless ``settled``."""
    engine, world = call.engine, call.world
    with command(engine, PREVIEW):
        with world.lock:
            vm = _known(call, vm_id)
        with engine.locks.holding([Want("vm", vm.id)]), world.lock:
            snapshot = _previewable(world, vm, snapshot_id)
            frozen = [v for v in world.volumes.values() if v.snapshot_id == snapshot.id]
            layers = {v.id: new_id() for v in frozen}
            made = [Layer(_image(world, v), layers[v.id]) for v in frozen]
            try:
                engine.host.snapshot(None, made)
            except HostFailure as failure:
                raise refuse("EXEC_UNEXPECTED") from failure
            _enter(world, vm, layers)
            record(world, 46, call.who, vm.id, snapshot=snapshot.description)
            active = world.active_snapshot(vm.id)

            def end() -> None:
                active.status, snapshot.status = "ok", "in_preview"
                record(world, 71, call.who, vm.id, snapshot=snapshot.description)

            job = _goes_on(
                call, f"Preview VM {vm.name} Snapshot {snapshot.description}", snapshot.id, end
            )
            if settled and snapshot.id in engine.polls:
                engine.polls.pop(snapshot.id).finish()
            return job


def _goes_on(call: Call, description: str, watched: str, end: Callable[[], None]) -> Job:
    """Return the job of a command that has been answered; its tasks end after some looks at an object."""
    job = exports.job_of(call, description)

    def finish() -> None:
        end()
        exports.end(job)

    call.engine.watch(watched, call.world.settings.snapshot_polls, finish, False)
    call.engine.work_done(watched)
    return job


def _image(world: World, volume: Volume) -> Image:
    return base.image_of(world.disks[volume.disk_id], volume)


def _previewable(world: World, vm: Vm, snapshot_id: str) -> Snapshot:
    if vm.status != "down":
        raise refuse("VM_NOT_DOWN")
    snapshot = world.snapshots.get(snapshot_id)
    if snapshot is None or snapshot.vm_id != vm.id:
        raise refuse("SNAPSHOT_NOT_EXIST")
    base.settled(world, vm)
    for row in exports.active_disks(world, vm):
        if world.volumes[row.active_volume_id].status == "locked":
            raise refuse("DISKS_LOCKED", diskAliases=row.alias)
        base.domain_ready(world, row.domain_id)
    return snapshot


def _enter(world: World, vm: Vm, layers: dict[str, str]) -> None:
    """Turn the present into the entry ``preview``; a new ACTIVE entry writes over the snapshot."""
    former = world.active_snapshot(vm.id)
    # The entry is a new one, so that it is no longer as old as the VM.
    former.type, former.description, former.date = "preview", BEFORE, now()
    active = Snapshot(new_id(), vm.id, "Active VM", "active")
    world.snapshots[active.id] = active
    for frozen_id, layer_id in layers.items():
        frozen = world.volumes[frozen_id]
        disk = world.disks[frozen.disk_id]
        size = frozen.virtual_size
        world.volumes[layer_id] = Volume(layer_id, disk.id, active.id, frozen_id, "qcow2", size)
        disk.active_volume_id = layer_id
    active.status, vm.in_preview, vm.bare = "locked", True, True


def _previewed(world: World, vm: Vm) -> tuple[Snapshot, Snapshot]:
    """Return the snapshot in preview, and the entry of before."""
    rows = world.snapshots_of(vm.id)
    shown = next((s for s in rows if s.status == "in_preview"), None)
    before = next((s for s in rows if s.type == "preview"), None)
    if shown is None or before is None:
        raise refuse("SNAPSHOT_NOT_EXIST")
    return shown, before


def commit(call: Call, vm_id: str) -> Job:
    """Stay on the snapshot: what came after it goes. Refused while anything of the VM is attached."""
    engine, world = call.engine, call.world
    with command(engine, REVERT):
        with world.lock:
            vm = _known(call, vm_id)
        with engine.locks.holding([Want("vm", vm.id)]), world.lock:
            shown, before = _previewed(world, vm)
            if vm.status != "down":
                raise base.vm_status(vm)
            base.refuse_attached(world, vm.id)
            record(world, 94, call.who, vm.id)
            _keep(call, vm, {v.id for v in _reachable(world, vm)})
            later = [s for s in world.snapshots_of(vm.id) if s.type == "regular"]
            for one in [before, *(s for s in later if s.date > shown.date)]:
                world.snapshots.pop(one.id)
            shown.status, vm.in_preview = "ok", False
            vm.status = "image_locked"

            def end() -> None:
                vm.status = "down"
                record(world, 95, call.who, vm.id)

            return _goes_on(
                call, f"Committing Snapshot {shown.description} of VM {vm.name}", vm.id, end
            )


def undo(call: Call, vm_id: str) -> Job:
    """Go back to where the VM was. Attached disk snapshots do not matter."""
    engine, world = call.engine, call.world
    with command(engine, REVERT):
        with world.lock:
            vm = _known(call, vm_id)
        with engine.locks.holding([Want("vm", vm.id)]), world.lock:
            shown, before = _previewed(world, vm)
            if vm.status != "down":
                raise base.vm_status(vm)
            record(world, 650, call.who, vm.id)
            active = world.active_snapshot(vm.id)
            tops = [v for v in world.volumes.values() if v.snapshot_id == before.id]
            for top in tops:
                world.disks[top.disk_id].active_volume_id = top.id
            _drop(call, [v for v in world.volumes.values() if v.snapshot_id == active.id])
            world.snapshots.pop(active.id)
            before.type, before.description = "active", "Active VM"
            shown.status, vm.in_preview = "ok", False
            before.status = "locked"

            def end() -> None:
                before.status = "ok"
                record(world, 651, call.who, vm.id)

            return _goes_on(
                call, f"Undoing Snapshot {shown.description} of VM {vm.name}", before.id, end
            )


def _own(world: World, vm: Vm) -> list[str]:
    return [disk.id for disk in exports.active_disks(world, vm)]


def _reachable(world: World, vm: Vm) -> list[Volume]:
    return [volume for disk_id in _own(world, vm) for volume in world.chain(disk_id)]


def _drop(call: Call, gone: Sequence[Volume]) -> None:
    """Remove layers, the last one first."""
    parents = {volume.parent_id for volume in gone}
    for volume in sorted(gone, key=lambda one: one.id in parents):
        call.world.volumes.pop(volume.id)
        try:
            call.engine.host.remove_volume(_image(call.world, volume))
        except HostFailure as failure:
            raise refuse("EXEC_UNEXPECTED") from failure


def _keep(call: Call, vm: Vm, kept: set[str]) -> None:
    """Keep only these volumes; one that the snapshot does not know belongs to the present now."""
    world = call.world
    own, active = set(_own(world, vm)), world.active_snapshot(vm.id)
    mine = [volume for volume in world.volumes.values() if volume.disk_id in own]
    _drop(call, [volume for volume in mine if volume.id not in kept])
    for volume in mine:
        if volume.id in kept and world.snapshots[volume.snapshot_id].type == "preview":
            volume.snapshot_id = active.id
