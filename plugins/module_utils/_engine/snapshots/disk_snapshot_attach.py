# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach disk snapshots: read the state, let core decide, take the steps."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
    EngineUnavailable,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import evidence
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.conflicts import (
    PLUG_ONCE,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.lookup import (
    select_disks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    NO_CHECKPOINTS,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    PLUG_SECONDS,
    AttachSituation,
    AttachStep,
    DetachStep,
    Step,
    plan_attach,
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
    AttachmentEngine,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_detach import (
    detach_one,
    not_detached,
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
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
        AttachRequest,
    )


_STILL_ATTACHED = "STILL ATTACHED"


class _Attaching:
    """The attach of one disk snapshot, and what the engine shows of it.

    Args:
        since: The newest event before it; None if events would prove nothing.
    """

    def __init__(
        self, engine: AttachmentEngine, step: AttachStep, deadline: Deadline, since: int | None
    ) -> None:
        self._engine = engine
        self._step = step
        self._deadline = deadline
        self._since = since

    def order(self) -> None:
        """Send the order. If the host may still act after a refusal, the order is sent only once."""
        disk = self._step.disk
        try:
            self._engine.attach(
                self._step.appliance.id, disk.disk_id, disk.snapshot_id, self._step.settings
            )
        except EngineFault as exc:
            if exc.reason in PLUG_ONCE:
                exc.retryable, exc.hint = False, PLUG_ONCE[exc.reason]
            raise

    def _held(self) -> evidence.Holding | None:
        found = self._engine.attachment(self._step.appliance.id, self._step.disk.disk_id)
        return None if found is None else facts.holding(self._engine, self._step.appliance, found)

    def attached(self) -> bool:
        """Tell whether this snapshot is attached. Before the host has answered, that may still change."""
        held = self._held()
        return held is not None and held.snapshot_id == self._step.disk.snapshot_id

    def settled(self) -> bool:
        """Wait until the attachment is gone, or is certain to stay: by an event, or because enough time has passed.

        Raises:
            errors.EngineUnavailable: Neither is certain when time is up.
        """
        if not self._step.plugs:
            return self.attached()
        began = self._deadline.waited
        for waited in self._deadline.ticks():
            held = self._held()
            # During the attach, the attachment's snapshot may be unknown.
            if held is None or held.snapshot_id not in (None, self._step.disk.snapshot_id):
                return False
            if waited - began >= PLUG_SECONDS:
                return held.snapshot_id is not None
            if self._told():
                return True
        raise EngineUnavailable(
            f"The engine's answer was lost, and after {self._deadline.waited:.0f} s it is still unknown whether the host plugged the"
            " disk.",
            hint=f"An attachment is certain to stay after {PLUG_SECONDS} s, or once the user sees event 2016 of the"
            f" appliance: raise {option('timeout')}, or see docs/permissions.md.",
        )

    def _told(self) -> bool:
        if self._since is None:
            return False
        appliance, disk = self._step.appliance, self._step.disk
        events = facts.read_attach_events(self._engine, appliance, ())
        return evidence.told_attached(
            events, self._since, appliance.id, disk.alias, disk.snapshot_id
        )


def attach_one(
    engine: AttachmentEngine, step: AttachStep, deadline: Deadline, since: int | None = None
) -> None:
    """Attach one disk snapshot and make sure that it stays attached.

    Args:
        since: The newest event before it, if no other disk with the same alias is attached along
            with it.

    Raises:
        errors.EngineError: The engine refuses finally, or until time is up.
    """
    attaching = _Attaching(engine, step, deadline, since)
    with explain_refusal():
        # The engine checks its locks before "already attached", so any other plug of the disk has ended.
        retry(attaching.order, attaching.attached, deadline, attaching.settled)


def _failed(step: AttachStep | DetachStep) -> str:
    """Begin a message with names; the port's messages have only ids."""
    if isinstance(step, DetachStep):
        return not_detached(step)
    return f"Disk {step.disk.alias!r} was not attached to {step.appliance.name!r}."


class DiskSnapshotAttach(EngineOperation[AttachmentEngine, Step]):
    """Attach disks of one snapshot, all or nothing."""

    def __init__(
        self, engine: AttachmentEngine, clock: Clock, patience: Patience, request: AttachRequest
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[Step]:
        """Read both VMs and the snapshot, and decide."""
        engine, request = self._engine, self._request
        appliance = facts.find_vm(engine, request.appliance)
        source = facts.find_vm(engine, request.source)
        rules.enforce(rules.not_its_own(appliance, source))
        snapshot = facts.find_snapshot(engine, source, request.snapshot)
        rules.enforce(rules.snapshot_usable(snapshot))
        disks = select_disks(facts.exact_disks(engine, source, snapshot), request.disks)
        if not disks:
            raise InvalidRequest(
                f"Snapshot {snapshot.description!r} of {source.name!r} contains no disks.",
                hint="It was created without disks, or the engine has no stored configuration of it. Create another snapshot.",
            )
        version = engine.version()
        asked = request.checkpoints != "allow" and rules.clears_checkpoints(version)
        checkpointed = facts.checkpointed(engine, source) if asked else NO_CHECKPOINTS
        situation = AttachSituation(
            appliance=appliance,
            source=source,
            snapshot=snapshot,
            disks=disks,
            settings=request.settings,
            held=facts.holdings(engine, appliance),
            replace=request.replace,
            places=(engine.location(appliance), engine.location(source)),
            appliance_snapshots=tuple(engine.snapshots(appliance.id)),
            engine_version=version,
            checkpointed=checkpointed,
            checkpoints=request.checkpoints,
        )
        return plan_attach(situation)

    def execute(self, plan: Plan[Step]) -> Mapping[str, Any]:
        """Take the steps; undo what was attached if a later one fails."""
        deadline = self.deadline()
        since = self._newest_events(plan)
        done: list[AttachStep] = []
        detached: list[dict[str, Any]] = []
        try:
            for step in plan.steps:
                deadline.begin("this disk")
                if isinstance(step, DetachStep):
                    detach_one(self._engine, step, deadline)
                    detached.append(
                        {
                            "disk_id": step.disk_id,
                            "alias": step.alias,
                            "snapshot_id": step.snapshot_id,
                        }
                    )
                elif isinstance(step, AttachStep):
                    # Listed before it is tried, since a lost answer may hide a success.
                    done.append(step)
                    attach_one(self._engine, step, deadline, since.get(step.disk.alias))
                else:
                    unhandled(step)
        except BackupError as exc:
            exc.message = f"{_failed(step)} {exc.message}"
            # A replaced attachment is not restored: the next try would replace it again.
            exc.details["detached"] = detached
            self._take_back(done, exc)
            raise
        return {}

    def _newest_events(self, plan: Plan[Step]) -> dict[str, int]:
        """Return the newest event before each disk is plugged, by alias; without aliases that several disks have."""
        steps = [step for step in plan.steps if isinstance(step, AttachStep) and step.plugs]
        if not steps:
            return {}
        newest = evidence.newest(facts.read_attach_events(self._engine, steps[0].appliance, ()))
        aliases = Counter(step.disk.alias for step in steps)
        return {alias: newest for alias, count in aliases.items() if count == 1}

    def _take_back(self, steps: list[AttachStep], exc: BackupError) -> None:
        """Undo the attachments, and add to the error what could not be undone."""
        outcome = self._undo(steps)
        exc.details["rolled_back"] = outcome
        left = [
            repr(step.disk.alias)
            for step in steps
            if outcome[step.disk.disk_id].startswith(_STILL_ATTACHED)
        ]
        if left:
            exc.message += f" {_STILL_ATTACHED}: {', '.join(left)}."

    def _undo(self, steps: list[AttachStep]) -> dict[str, str]:
        """Detach what this call attached; return the outcome for each disk.

        All disks together get as much time again: the engine cannot remove the snapshot of one that stays.
        """
        deadline = self.deadline()
        outcome: dict[str, str] = {}
        for step in reversed(steps):
            back = DetachStep(step.appliance, step.disk.disk_id, step.disk.alias)
            try:
                outcome[step.disk.disk_id] = self._undo_one(step, back, deadline)
            except BackupError as exc:
                outcome[step.disk.disk_id] = f"{_STILL_ATTACHED}: {exc.message}"
        return outcome

    def _undo_one(self, step: AttachStep, back: DetachStep, deadline: Deadline) -> str:
        """Detach a disk if its attachment is certainly ours; one that may show another snapshot stays."""
        found = self._engine.attachment(step.appliance.id, step.disk.disk_id)
        if found is None:
            return "not attached"
        held = facts.holding(self._engine, step.appliance, found)
        if held.snapshot_id is None:
            return f"{_STILL_ATTACHED}: with an unknown snapshot."
        if held.snapshot_id != step.disk.snapshot_id:
            return "not attached"
        detach_one(self._engine, back, deadline)
        return "detached"
