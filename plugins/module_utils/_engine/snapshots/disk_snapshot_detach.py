# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detach disk snapshots: read the state, let core decide, take the steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
    InvalidRequest,
    NotFound,
    OperationFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.conflicts import (
    UNPLUG_AGAIN,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    SnapshotId,
    Vm,
    is_uuid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    DetachStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachSituation,
    plan_detach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import facts
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    EngineOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.orders import (
    explain_refusal,
    gave_up,
    retry,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    AttachmentEngine,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
        DetachRequest,
    )


def detach_one(engine: AttachmentEngine, step: DetachStep, deadline: Deadline) -> None:
    """Detach one disk snapshot and make sure that it is detached.

    Raises:
        errors.EngineError: The engine refuses finally, or until time is up.
    """

    def order() -> None:
        try:
            engine.detach(step.appliance.id, step.disk_id)
        except EngineFault as exc:
            exc.retryable = exc.retryable or exc.reason in UNPLUG_AGAIN
            raise

    with explain_refusal():
        retry(
            order,
            lambda: engine.attachment(step.appliance.id, step.disk_id) is None,
            deadline,
        )


class DiskSnapshotDetach(EngineOperation[AttachmentEngine, DetachStep]):
    """Detach disk snapshots, and nothing else."""

    def __init__(
        self, engine: AttachmentEngine, clock: Clock, patience: Patience, request: DetachRequest
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[DetachStep]:
        """Read the appliance and decide."""
        appliance = facts.find_vm(self._engine, self._request.appliance)
        snapshot_id, warnings = self._snapshot()
        found = plan_detach(
            DetachSituation(
                appliance=appliance,
                held=facts.holdings(self._engine, appliance),
                disks=self._request.disks,
                snapshot_id=snapshot_id,
                everything=self._request.everything,
                keep=self._request.keep,
            )
        )
        return replace(found, warnings=(*found.warnings, *warnings))

    def _snapshot(self) -> tuple[SnapshotId | None, tuple[str, ...]]:
        """Return the snapshot's id, and warnings. The snapshot may be gone; then nothing of it is attached."""
        word = self._request.snapshot
        if word is None:
            return None, ()
        if is_uuid(word):
            return SnapshotId(word.lower()), ()
        if self._request.source is None:
            raise InvalidRequest(
                f"{word!r} is not a snapshot id.",
                hint=f"Give an id, or {option('source_vm')} with the snapshot's description.",
            )
        source: Vm = facts.find_vm(self._engine, self._request.source)
        try:
            return facts.find_snapshot(self._engine, source, word).id, ()
        except NotFound:
            # The engine removes no snapshot while a disk of it is attached (docs/engine.md#operations-on-the-source-vm).
            warning = f"{source.name!r} has no snapshot {word!r}; no disk of it can be attached."
            return SnapshotId(""), (warning,)

    def execute(self, plan: Plan[DetachStep]) -> Mapping[str, Any]:
        """Detach all disks; if the guest does not release one, the others are detached all the same.

        Raises:
            errors.BackupError: Lists what is detached, what is still attached, and why.
        """
        for step in plan.steps:
            if not isinstance(step, DetachStep):
                unhandled(step)
        deadline = self.deadline()
        tried: list[tuple[DetachStep, BackupError | None]] = [(step, None) for step in plan.steps]
        failures: list[tuple[DetachStep, BackupError]] = []
        # In turns, so that retries of a refused one do not use up the time of the others.
        for _waited in deadline.ticks():
            tried = [(step, self._refused(step, deadline, last)) for step, last in tried]
            failures = [(step, exc) for step, exc in tried if exc]
            tried = [*failures]
            if not any(gave_up(exc) for _step, exc in failures):
                break
        if not failures:
            return {}
        raise _half_done(plan.steps, failures)

    def _refused(
        self, step: DetachStep, deadline: Deadline, last: BackupError | None
    ) -> BackupError | None:
        """Try once to detach a disk; return the refusal, None if there is none.

        Args:
            last: The refusal of the previous try; a final one stands.
        """
        if last and (deadline.over or not gave_up(last)):
            return last
        try:
            deadline.begin("this disk")
            detach_one(self._engine, step, deadline.part(0.0))
        except BackupError as exc:
            exc.message = f"{not_detached(step)} {exc.message}"
            return exc
        return None


def not_detached(step: DetachStep) -> str:
    """Begin a message with names; the port's messages have only ids."""
    return f"Disk {step.alias!r} was not detached from {step.appliance.name!r}."


def _half_done(
    steps: Sequence[DetachStep], failures: Sequence[tuple[DetachStep, BackupError]]
) -> BackupError:
    """Return the error that says which disks are detached and which are not."""
    failed = [step for step, _exc in failures]
    done = [step for step in steps if step not in failed]
    details = {
        "detached": [{"disk_id": step.disk_id, "alias": step.alias} for step in done],
        "still_attached": [
            {"disk_id": step.disk_id, "alias": step.alias, "why": exc.message}
            for step, exc in failures
        ],
    }
    first = failures[0][1]
    if len(steps) == 1:
        first.details.update(details)
        return first
    told = f" Detached: {', '.join(repr(step.alias) for step in done)}." if done else ""
    return OperationFailed(
        f"{len(failures)} of {len(steps)} disk snapshots could not be detached: "
        + " ".join(exc.message for _step, exc in failures)
        + told,
        hint=first.hint,
        details=details,
    )
