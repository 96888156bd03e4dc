# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether an operation on a VM is allowed now, by the rules about attached disk snapshots.

A VM can have two parts: *holder* of other VMs' disk snapshots (an appliance), and *source* of disk
snapshots that others hold. One table says which operation breaks which rule in which part
(docs/engine.md#operations-on-the-appliance, docs/engine.md#operations-on-the-source-vm).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        DiskId,
        SnapshotId,
        Vm,
        VmId,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.stamp import (
        Stamp,
    )

HOLDER = "holder"
SOURCE = "source"


@dataclass(frozen=True)
class Loan:
    """One disk snapshot, attached to a VM that does not own the disk.

    ``since``, the names, and ``stamp`` (whose backup it is) are None if they are unknown.
    """

    disk_id: DiskId
    alias: str
    snapshot_id: SnapshotId | None
    evidence: str
    holder_id: VmId
    holder_name: str
    source_id: VmId | None
    source_name: str | None
    plugged: bool
    since: datetime | None = None
    stamp: Stamp | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the loan as a module's result."""
        return {
            "disk_id": self.disk_id,
            "alias": self.alias,
            "snapshot_id": self.snapshot_id,
            "evidence": self.evidence,
            "holder_id": self.holder_id,
            "holder_name": self.holder_name,
            "source_vm_id": self.source_id,
            "source_vm_name": self.source_name,
            "plugged": self.plugged,
            "since": self.since.isoformat() if self.since else None,
            "owner": self.stamp.owner if self.stamp else None,
            "run_id": self.stamp.run_id if self.stamp else None,
        }


@dataclass(frozen=True)
class Standing:
    """The disk snapshots that a VM holds, those of it that others hold, and what could not be read."""

    vm: Vm
    holds: tuple[Loan, ...] = ()
    lent: tuple[Loan, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guard:
    """A row of the table: an operation breaks a rule if the VM has this part, with a plugged disk or with any."""

    rule: rules.Rule
    part: str
    operations: tuple[str, ...]
    plugged_only: bool = False


TABLE: tuple[Guard, ...] = (
    Guard(rules.NO_EXPORT, HOLDER, ("export", "export_ova")),
    Guard(rules.NO_TEMPLATE, HOLDER, ("template", "clone")),
    Guard(rules.NOT_IN_SNAPSHOT, HOLDER, ("snapshot",)),
    Guard(rules.NO_MIGRATION, HOLDER, ("migrate", "host_maintenance", "suspend"), True),
    # A disk can be named through either of its VMs; named through the holder, it still belongs to the source.
    Guard(rules.SOURCE_FROZEN, HOLDER, ("remove_disk", "move_disk", "sparsify_disk")),
    Guard(
        rules.SOURCE_FROZEN,
        SOURCE,
        (
            "remove_snapshot",
            "revert",
            "remove",
            "remove_disk",
            "move_disk",
            "sparsify_disk",
            "export_ova",
        ),
    ),
)

FREE: dict[str, str] = {
    "start": "Always allowed. A holder starts with its disk snapshots attached, on new overlays.",
    "stop": "Always allowed. A holder loses its overlays and keeps its attachments; a source VM is not affected.",
}
"""Operations that no attached disk snapshot forbids, and why."""

OPERATIONS: tuple[str, ...] = tuple(
    dict.fromkeys([name for guard in TABLE for name in guard.operations] + list(FREE))
)


def check(operations: Iterable[str], standing: Standing) -> list[rules.Violation]:
    """Find every rule that the operations would break now.

    Raises:
        InvalidRequest: The table does not know an operation, so nothing tells whether it is allowed.
    """
    operations = tuple(operations)
    unknown = [name for name in operations if name not in OPERATIONS]
    if unknown:
        raise InvalidRequest(
            f"The operation {unknown[0]!r} is not known, so whether it is allowed is not known either.",
            hint=f"Known operations: {', '.join(OPERATIONS)}.",
        )
    return [
        rules.Violation(
            guard.rule,
            _message(operation, guard, standing.vm, loan),
            {"operation": operation, "part": guard.part, **loan.to_dict()},
        )
        for operation in operations
        for guard in TABLE
        if operation in guard.operations
        for loan in _against(guard, standing)
    ]


def _against(guard: Guard, standing: Standing) -> Sequence[Loan]:
    loans = standing.holds if guard.part == HOLDER else standing.lent
    return [loan for loan in loans if loan.plugged or not guard.plugged_only]


def _message(operation: str, guard: Guard, vm: Vm, loan: Loan) -> str:
    plugged = "plugged" if loan.plugged else "not plugged"
    since = f", since {loan.since.isoformat()}" if loan.since else ""
    since += f", for {_run(loan.to_dict())}" if loan.stamp else ""
    snapshot = f"snapshot {loan.snapshot_id}" if loan.snapshot_id else "an unknown snapshot"
    if guard.part == HOLDER:
        owner = loan.source_name or loan.source_id or "another VM"
        return (
            f"{operation} of {vm.name!r}: it holds disk {loan.alias!r} of {owner!r}"
            f" as in {snapshot} ({plugged}{since})."
        )
    return (
        f"{operation} of {vm.name!r}: its disk {loan.alias!r} as in {snapshot} is attached to"
        f" {loan.holder_name!r} ({plugged}{since})."
    )


def _run(facts: Mapping[str, Any]) -> str:
    return f"run {facts['run_id']} of owner {facts['owner']}"


def wait_line(vm: str, violations: Sequence[Mapping[str, Any]], left: float) -> str:
    """Return a line that says what a wait is for.

    Args:
        vm: Name of the VM that the operation is for.
        violations: As the module returns them.
        left: Seconds until the wait ends at the latest.
    """
    causes = dict.fromkeys(_cause(one["evidence"]) for one in violations)
    return f"{vm}: waiting until {' and '.join(causes)}; at most {left:.0f} s left"


def _cause(facts: Mapping[str, Any]) -> str:
    source = facts["source_vm_name"] or facts["source_vm_id"] or "another VM"
    run = _run(facts) if facts["run_id"] else "no known run"
    since = f", since {facts['since']}" if facts["since"] else ""
    return f"the backup of {source} on {facts['holder_name']} is over ({run}{since})"


@dataclass(frozen=True)
class GuardRequest:
    """The question whether operations on a VM are allowed now.

    ``waited``: seconds that earlier calls of the same wait took.
    """

    vm: str
    operations: tuple[str, ...]
    fail: bool = True
    waited: float = 0.0
