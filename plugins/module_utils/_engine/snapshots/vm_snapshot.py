# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a snapshot of a VM, wait for it and judge it, or remove it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    OperationFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.lookup import (
    require_single,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    Disk,
    DiskId,
    Event,
    Snapshot,
    Vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import (
    rules,
    vm_guard,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    vm_snapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    device_dict,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    CreateSnapshotStep,
    RemoveSnapshotStep,
    SnapshotSituation,
    SnapshotStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import facts
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    EngineOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.orders import (
    explain_refusal,
    retry,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    SnapshotEngine,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_guard import (
    standing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
        Plan,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
        Deadline,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
        SnapshotRequest,
    )


EVENT_SECONDS = 5.0
"""Seconds to look in the log for the end of a creation: events come late
(docs/engine.md#events)."""


class VmSnapshot(EngineOperation[SnapshotEngine, SnapshotStep]):
    """The operation of ``vm_snapshot``."""

    def __init__(
        self, engine: SnapshotEngine, clock: Clock, patience: Patience, request: SnapshotRequest
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[SnapshotStep]:
        """Look for the snapshot and decide."""
        request = self._request
        vm = facts.find_vm(self._engine, request.vm)
        plan = vm_snapshot.plan_snapshot(
            SnapshotSituation(
                vm=vm,
                snapshots=tuple(self._engine.snapshots(vm.id)),
                word=request.snapshot,
                present=request.present,
                disk_ids=self._disk_ids(vm) if request.disks else None,
                memory=request.memory,
            )
        )
        return replace(plan, warnings=self._warnings(plan))

    def _warnings(self, plan: Plan[SnapshotStep]) -> tuple[str, ...]:
        """Return warnings about disks that would make the removal of a new snapshot fail."""
        found = []
        for step in plan.steps:
            if isinstance(step, CreateSnapshotStep) and step.vm.status != "down":
                loose = facts.unplugged(self._engine, step.vm)
                chosen = [d for d in loose if step.disk_ids is None or d.disk_id in step.disk_ids]
                found += rules.disks_plugged(step.vm, chosen)
        return tuple(f"{one.message} {one.rule.reason} {one.rule.remedy}" for one in found)

    def predict(self) -> Plan[SnapshotStep]:
        """Decide, and find what the engine would refuse.

        Raises:
            errors.Refused: The engine would refuse it.
        """
        plan = self.plan()
        for step in plan.steps:
            if isinstance(step, RemoveSnapshotStep):
                rules.enforce(self._against_removal(step))
            elif isinstance(step, CreateSnapshotStep):
                rules.enforce(rules.images_legal(step.vm, self._to_freeze(step)))
            else:
                unhandled(step)
        return plan

    def _to_freeze(self, step: CreateSnapshotStep) -> list[Disk]:
        """Return the disks that a snapshot would include."""
        disks = [disk for _attachment, disk in facts.vm_disks(self._engine, step.vm)]
        if step.disk_ids is not None:
            return [disk for disk in disks if disk.id in step.disk_ids]
        return [disk for disk in disks if vm_snapshot.taken_along(disk)]

    def _against_removal(self, step: RemoveSnapshotStep) -> list[rules.Violation]:
        """Find what forbids the merge (docs/engine.md#removing-a-snapshot)."""
        lent = standing(self._engine, step.vm)
        loose = facts.unplugged(self._engine, step.vm)
        held = [
            disk
            for disk in loose
            if step.snapshot.id
            in {one.snapshot_id for one in self._engine.layers(DiskId(disk.disk_id))}
        ]
        return [*vm_guard.check(("remove_snapshot",), lent), *rules.disks_plugged(step.vm, held)]

    def execute(self, plan: Plan[SnapshotStep]) -> Mapping[str, Any]:
        """Make or remove the snapshot, and wait for the end of it."""
        deadline = self.deadline()
        for step in plan.steps:
            if isinstance(step, RemoveSnapshotStep):
                self._remove(step, deadline)
                return {}
            if isinstance(step, CreateSnapshotStep):
                return self._create(step, deadline)
            unhandled(step)
        return self._await_present(plan, deadline)

    def _disk_ids(self, vm: Vm) -> tuple[DiskId, ...]:
        disks = [disk for _attachment, disk in facts.vm_disks(self._engine, vm)]
        chosen = []
        for word in self._request.disks:
            matches = [disk for disk in disks if word in (disk.id, disk.alias)]
            known = [disk.alias for disk in disks]
            one = require_single(
                f"disk of {vm.name!r}",
                word,
                matches,
                lambda disk: {"id": disk.id, "name": disk.alias},
                known,
            )
            chosen.append(one.id)
        return tuple(dict.fromkeys(chosen))

    def _create(self, step: CreateSnapshotStep, deadline: Deadline) -> Mapping[str, Any]:
        def find() -> Snapshot | None:
            known = self._engine.snapshots(step.vm.id)
            return vm_snapshot.match_snapshot(known, step.description)

        made: list[Snapshot] = []
        before = [step.vm]

        def order() -> None:
            # The order may be sent long after the plan, and repeatedly.
            before.append(facts.find_vm(self._engine, step.vm.id))
            mark = self._request.correlation_id
            made.append(
                self._engine.create_snapshot(
                    step.vm.id, step.description, step.disk_ids, step.memory, mark
                )
            )

        with explain_refusal(f"Creating a snapshot of VM {step.vm.name!r}"):
            retry(order, lambda: find() is not None, deadline)
        snapshot = made[0] if made else find()
        if snapshot is None:
            raise OperationFailed(
                f"The new snapshot of {step.vm.name!r} disappeared. Check the engine's events for the reason."
            )
        if self._patience.wait:
            snapshot = self._await_usable(step.vm, snapshot, deadline)
        events = self._creation_events(step.vm, snapshot, deadline)
        after = facts.find_vm(self._engine, step.vm.id)
        vm = replace(step.vm, status=vm_snapshot.throughout(before[-1].status, after.status))
        hidden = self._patience.wait and not vm_snapshot.creation_shown(events)
        return {
            **self._result(vm, snapshot, events),
            "warnings": (vm_snapshot.unseen_events(step.vm),) if hidden else (),
        }

    def _await_present(self, plan: Plan[SnapshotStep], deadline: Deadline) -> Mapping[str, Any]:
        vm = facts.find_vm(self._engine, plan.result["vm"]["id"])
        planned = plan.result["snapshot"]
        wanted = Snapshot(planned["id"], planned["description"], planned["status"], planned["type"])
        snapshot = self._still(vm, wanted)
        if self._patience.wait:
            snapshot = self._await_usable(vm, snapshot, deadline)
        # The VM's present status does not tell its status when the snapshot was made.
        events = self._events(vm, snapshot)
        return self._result(replace(vm, status="unknown"), snapshot, events)

    def _await_usable(self, vm: Vm, snapshot: Snapshot, deadline: Deadline) -> Snapshot:
        """Wait until the snapshot is ok and its disks are no longer locked (docs/engine.md#when-a-snapshot-is-ready)."""
        ready = deadline.wait_for(
            lambda: self._still(vm, snapshot),
            lambda found: found.status != "locked",
            what=f"the snapshot of {vm.name!r} to be ready",
            describe=lambda found: f"snapshot {found.status}",
        )
        deadline.wait_for(
            lambda: [disk.status for _a, disk in facts.vm_disks(self._engine, vm)],
            lambda states: "locked" not in states,
            what=f"the disks of {vm.name!r} to be unlocked",
            describe=lambda states: f"disks {', '.join(states)}",
        )
        return ready

    def _still(self, vm: Vm, snapshot: Snapshot) -> Snapshot:
        """Read the snapshot again.

        Raises:
            OperationFailed: Its id is gone, or belongs to another snapshot: a failed creation ends
                like this.
        """
        found = self._engine.snapshot(vm.id, snapshot.id)
        if found is None or not vm_snapshot.is_same(found, snapshot):
            raise OperationFailed(
                f"The engine could not create the snapshot of {vm.name!r}"
                f" ({self._why(vm, snapshot, vm_snapshot.CREATE_FAILED)}).",
                hint="The engine rolled it back. Check its events and logs.",
            )
        return found

    def _remove(self, step: RemoveSnapshotStep, deadline: Deadline) -> None:
        vm, snapshot = step.vm, step.snapshot
        taken: list[bool] = []

        def order() -> None:
            # By now another snapshot may have its id; that one is not removed.
            if vm_snapshot.is_same(self._engine.snapshot(vm.id, snapshot.id), snapshot):
                self._engine.remove_snapshot(vm.id, snapshot.id, self._request.correlation_id)
                taken.append(True)

        def begun() -> bool:
            # A lock alone proves nothing: the engine may still be making the snapshot.
            if not vm_snapshot.is_same(self._engine.snapshot(vm.id, snapshot.id), snapshot):
                return True
            return bool(self._events(vm, snapshot, (vm_snapshot.REMOVAL_BEGUN,)))

        with explain_refusal(f"Removing snapshot {snapshot.description!r} of VM {vm.name!r}"):
            retry(order, begun, deadline)
        if self._patience.wait:
            self._await_gone(vm, snapshot, deadline, began=bool(taken))

    def _await_gone(self, vm: Vm, snapshot: Snapshot, deadline: Deadline, *, began: bool) -> None:
        """Wait for the end of the merge.

        Args:
            began: The engine accepted the order; it locks the snapshot before it says so.

        Raises:
            OperationFailed: The snapshot is usable again: a failed removal ends like this.
        """
        seen_locked = [began]

        def gone(found: Snapshot | None) -> bool:
            if found is None or not vm_snapshot.is_same(found, snapshot):
                return True
            if found.status == "locked":
                seen_locked[0] = True
            elif seen_locked[0] or self._events(vm, snapshot, vm_snapshot.REMOVE_FAILED):
                raise OperationFailed(
                    f"The engine could not remove snapshot {snapshot.description!r} of"
                    f" {vm.name!r} ({self._why(vm, snapshot, vm_snapshot.REMOVE_FAILED)}).",
                    hint="The snapshot stays; a disk whose merge failed is illegal in it. Look at the"
                    " engine's events and at the space on the disks' storage domain, then remove the"
                    " snapshot again: that continues with what is left.",
                    details={"snapshot_id": snapshot.id},
                )
            return False

        deadline.wait_for(
            lambda: self._engine.snapshot(vm.id, snapshot.id),
            gone,
            what=f"the merge of snapshot {snapshot.description!r} of {vm.name!r}",
            describe=lambda found: f"snapshot {found.status}" if found else "gone",
        )

    def _events(self, vm: Vm, snapshot: Snapshot, codes: tuple[int, ...] = ()) -> list[Event]:
        found = self._engine.events(f"correlation_id = {self._request.correlation_id}")
        mine = vm_snapshot.about(found, vm, snapshot)
        return [event for event in mine if not codes or event.code in codes]

    def _creation_events(self, vm: Vm, snapshot: Snapshot, deadline: Deadline) -> list[Event]:
        """Return the events of a new snapshot. The engine may write them some seconds later."""
        events: list[Event] = []
        for _waited in deadline.part(EVENT_SECONDS).ticks():
            events = self._events(vm, snapshot)
            if vm_snapshot.creation_ended(events) or not self._patience.wait:
                break
        return events

    def _why(self, vm: Vm, snapshot: Snapshot, codes: tuple[int, ...]) -> str:
        events = self._events(vm, snapshot, codes)
        if not events:
            return "no event visible to this user says why"
        return min(events, key=lambda event: codes.index(event.code)).description

    def _result(self, vm: Vm, snapshot: Snapshot, events: list[Event]) -> dict[str, Any]:
        disks = facts.exact_disks(self._engine, vm, snapshot) if self._patience.wait else ()
        return {
            "snapshot": vm_snapshot.snapshot_dict(snapshot),
            "consistency": vm_snapshot.consistency(vm.status, events),
            "events": [{"code": event.code, "description": event.description} for event in events],
            "disks": [device_dict(disk, AttachSettings()) for disk in disks],
        }
