# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step that no operation handles is an error, and nothing is sent to the engine that could change it.

tests/unit/test_steps.py has the operations of the appliance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from contract.bench import Bench

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    UnhandledStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_marks import (
    make,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_steps import (
    ABSENT,
    PREPARED,
    PRESENT,
    RemoveDiskStep,
    RemoveVmStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_disks import (
    DisksRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_vm import (
    VmRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    SnapshotRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restored_disks import (
    RestoredDisks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restored_vm import (
    RestoredVm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_attach import (
    DiskSnapshotAttach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_detach import (
    DiskSnapshotDetach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_snapshot import (
    VmSnapshot,
)
from lab.control import Control

MARK = make("tests", "0123456789ab", "run1")


@dataclass(frozen=True)
class Strange:
    """A step that no operation knows, though it names a disk."""

    disk_id: str
    alias: str = "root"
    from_appliance: bool = True


def operations(bench: Bench, state: str) -> dict[str, Operation[Any]]:
    """Return every operation with steps on the engine, by name.

    Args:
        state: For those of a restore.
    """
    common = (bench.engine, SystemClock(), Patience())
    appliance, source = bench.appliance.name, bench.source.name
    made: list[Operation[Any]] = [
        DiskSnapshotAttach(*common, AttachRequest(appliance, source, "first")),
        DiskSnapshotDetach(*common, DetachRequest(appliance, everything=True)),
        VmSnapshot(*common, SnapshotRequest(source, "first", present=True)),
        RestoredDisks(*common, DisksRequest(state, MARK, appliance, (), source)),
        RestoredVm(*common, VmRequest(state, MARK, appliance, source)),
    ]
    return {type(one).__name__: one for one in made}


def refused(operation: Operation[Any], *steps: object, vm: str, control: Control) -> None:
    """It raises, and the engine got no call that writes."""
    plan: Plan[Any] = Plan(steps=steps, result={"vm": {"id": vm}, "disks": []})
    control.forget_requests()
    with pytest.raises(UnhandledStep, match="It was not done"):
        operation.execute(plan)
    assert control.writes() == []


@pytest.mark.behind("the log of the requests")
@pytest.mark.parametrize("state", [PREPARED, PRESENT, ABSENT])
@pytest.mark.parametrize(
    "name",
    ["DiskSnapshotAttach", "DiskSnapshotDetach", "VmSnapshot", "RestoredDisks", "RestoredVm"],
)
def test_an_unknown_step_raises_and_does_nothing(
    bench: Bench, control: Control, name: str, state: str
) -> None:
    disk = bench.engine.attachments(bench.source.id)[0].disk_id
    operation = operations(bench, state)[name]
    refused(operation, Strange(disk), vm=bench.source.id, control=control)


@pytest.mark.behind("the log of the requests")
def test_a_step_of_a_removal_is_unknown_where_something_is_made(
    bench: Bench, control: Control
) -> None:
    disk = DiskId(bench.engine.attachments(bench.source.id)[0].disk_id)
    made = operations(bench, PRESENT)
    for step in (RemoveVmStep(bench.source), RemoveDiskStep(disk, "root", from_appliance=True)):
        refused(made["RestoredVm"], step, vm=bench.source.id, control=control)
    gone = RemoveVmStep(bench.source)
    refused(made["RestoredDisks"], gone, vm=bench.source.id, control=control)
