# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read which disk snapshots a VM holds and lends, and decide what may be done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
    WaitTimeout,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import evidence
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Attachment,
    DiskId,
    Event,
    Snapshot,
    SnapshotId,
    Vm,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import vm_guard
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.vm_guard import (
    Loan,
    Standing,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import stamp
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import facts
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    ReadOnly,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    ReadingEngine,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.rules import (
        Violation,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.vm_guard import (
        GuardRequest,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        ReadingPort,
    )

_ONLY_VISIBLE = "Only VMs visible to this user were checked; the engine shows only administrators which other VMs have a disk."


def standing(engine: ReadingPort, vm: Vm) -> Standing:
    """Read which disk snapshots of others a VM holds, and which of its own others hold."""
    holds, hidden_sources = _held_by(engine, vm)
    lent, hidden_holders = _lent_by(engine, vm, {loan.disk_id for loan in holds})
    return Standing(vm, tuple(holds), tuple(lent), tuple([*hidden_sources, *hidden_holders]))


def _held_by(engine: ReadingPort, vm: Vm) -> tuple[list[Loan], list[str]]:
    loans, unseen = [], []
    for attachment in engine.attachments(vm.id):
        loan = _loan(engine, vm, attachment)
        if loan is None:
            continue
        loans.append(loan)
        if loan.source_name is None:
            unseen.append(f"The source VM of disk {loan.alias!r} cannot be seen.")
    return loans, unseen


def _lent_by(engine: ReadingPort, vm: Vm, held: set[DiskId]) -> tuple[list[Loan], list[str]]:
    """Return the disk snapshots that others hold of a VM, and what could not be read.

    Only disks that are in snapshots can be attached elsewhere as disk snapshots.

    Args:
        held: Disks that belong to other VMs, so this VM cannot lend them.
    """
    disks = [one.disk_id for one in engine.attachments(vm.id) if one.disk_id not in held]
    own = [disk for disk in disks if engine.layers(disk)]
    if not own:
        return [], []
    holders, unseen = _holders(engine, vm, own)
    loans = []
    for holder, attachment in holders:
        loan = _loan(engine, holder, attachment)
        if loan is not None and loan.source_id in (None, vm.id):
            loans.append(loan)
    return loans, unseen


def _holders(
    engine: ReadingPort, vm: Vm, disks: list[DiskId]
) -> tuple[list[tuple[Vm, Attachment]], list[str]]:
    """Return other VMs that have one of the disks, and what could not be read."""
    told = {disk: engine.holders(disk) for disk in disks}
    if any(found is None for found in told.values()):
        everybody = engine.everybody()
        return [
            (holder, one)
            for holder, attachments in everybody
            for one in attachments
            if holder.id != vm.id and one.disk_id in told
        ], [_ONLY_VISIBLE]
    pairs = [
        (_visible(engine, holder), engine.attachment(holder, disk))
        for disk, found in told.items()
        for holder in found or ()
        if holder != vm.id
    ]
    return [(holder, one) for holder, one in pairs if one is not None], []


def _visible(engine: ReadingPort, vm_id: VmId) -> Vm:
    return engine.vm(vm_id) or Vm(vm_id, vm_id, "unknown")


def _loan(engine: ReadingPort, holder: Vm, attachment: Attachment) -> Loan | None:
    candidates = {layer.snapshot_id for layer in engine.layers(attachment.disk_id)}
    events = facts.read_attach_events(engine, holder, candidates)
    held = facts.holding(engine, holder, attachment, events)
    if not held.is_disk_snapshot:
        return None
    snapshot, source_name = _source(engine, holder, held)
    known = snapshot is not None and snapshot.id == held.snapshot_id
    standing_events = evidence.attach_events(events, attachment.vm_id, held.names)
    return Loan(
        disk_id=held.disk_id,
        alias=held.alias,
        snapshot_id=held.snapshot_id,
        evidence=held.evidence,
        holder_id=holder.id,
        holder_name=holder.name,
        source_id=snapshot.vm_id if snapshot else None,
        source_name=source_name,
        plugged=attachment.active,
        since=_since(standing_events, held.snapshot_id),
        stamp=stamp.parse(snapshot.description) if snapshot and known else None,
    )


def _since(events: list[Event], snapshot_id: SnapshotId | None) -> datetime | None:
    ours = [event for event in events if event.correlation_id == snapshot_id] or events[-1:]
    return ours[-1].time if ours else None


def _source(
    engine: ReadingPort, holder: Vm, held: evidence.Holding
) -> tuple[Snapshot | None, str | None]:
    """Return a snapshot of the owner and the owner's name; all snapshots of a disk belong to one VM.

    The snapshot is the attached one, if that is known and still exists.
    """
    first = [held.snapshot_id] if held.snapshot_id else []
    for snapshot_id in dict.fromkeys([*first, *held.candidates]):
        found = engine.snapshot(holder.id, snapshot_id)
        if found is not None and found.vm_id is not None:
            source = engine.vm(found.vm_id)
            return found, source.name if source is not None else None
    return None, None


class VmGuard(ReadOnly[ReadingEngine]):
    """Report what prevents operations on a VM, or wait until nothing does."""

    def __init__(
        self, engine: ReadingEngine, clock: Clock, patience: Patience, request: GuardRequest
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[NoStep]:
        """Read the VM's state, again and again while there is something to wait for.

        Raises:
            errors.Refused: A rule forbids an operation.
            errors.WaitTimeout: A rule still forbids it when time is up.
        """
        deadline = self.deadline()
        vm = facts.find_vm(self._engine, self._request.vm)
        for _waited in deadline.ticks():
            now = standing(self._engine, vm)
            violations = vm_guard.check(self._request.operations, now)
            if not (violations and self._patience.wait):
                break
        result = self._result(now, violations, deadline.waited)
        if violations and self._request.fail:
            raise self._error(violations, result)
        return Plan(result=result)

    def _result(self, now: Standing, violations: list[Violation], waited: float) -> dict[str, Any]:
        return {
            "vm": {"id": now.vm.id, "name": now.vm.name, "status": now.vm.status},
            "allowed": not violations,
            "violations": [one.to_dict() for one in violations],
            "holds": [loan.to_dict() for loan in now.holds],
            "lent": [loan.to_dict() for loan in now.lent],
            "unseen": list(now.unseen),
            "waited_seconds": round(self._request.waited + waited, 1),
        }

    def _error(self, violations: list[Violation], result: dict[str, Any]) -> Refused | WaitTimeout:
        text = " ".join(f"{one.message} [{one.rule.id}]" for one in violations)
        hint = " ".join(dict.fromkeys(one.rule.remedy for one in violations))
        if self._patience.wait:
            message = f"Waited {result['waited_seconds']:.0f} s, and still: {text}"
            return WaitTimeout(message, hint=hint, details=result)
        return Refused(text, hint=hint, details=result)
