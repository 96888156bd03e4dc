# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that the engine runs inside others: the automatic snapshot around an OVA export or a live move."""

from __future__ import annotations

from lab.engine.commands import snapshots
from lab.engine.core import Call
from lab.engine.texts import Refusal
from lab.model import Snapshot, Vm


def take(call: Call, vm: Vm, description: str, disks: tuple[str, ...] | None) -> Snapshot | None:
    """Take a snapshot without a lock of its own, and see it through; None where the host failed.

    Raises:
        Refusal: When the VM cannot be frozen now.
    """
    engine, world = call.engine, call.world
    with world.lock:
        wanted = snapshots.Wanted(vm.id, description, memory=False, disks=disks)
        snapshots.validate_create(world, wanted)
        making = snapshots.prepare(call, vm, wanted, engine.locks.acquire([]))
        engine.watch(making.snapshot.id, 0, lambda: snapshots.finish_create(making), False)
    snapshots.make(making)
    with world.lock:
        # After a failure the id is that of the ACTIVE entry again.
        made = world.snapshots.get(making.snapshot.id)
        return made if made is making.snapshot else None


def drop(call: Call, vm: Vm, snapshot: Snapshot) -> bool:
    """Remove an automatic snapshot; False when it stays, which the engine only logs."""
    engine, world = call.engine, call.world
    with world.lock:
        try:
            snapshots.validate_remove(world, vm.id, snapshot.id)
        except Refusal:
            return False
        removing = snapshots.lock_rows(call, vm, snapshot)
        engine.watch(snapshot.id, 0, lambda: snapshots.finish_remove(removing), False)
    snapshots.merge(removing)
    with world.lock:
        return snapshot.id not in world.snapshots
