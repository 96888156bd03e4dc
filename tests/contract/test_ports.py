# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API that has the ports of a backup, and none of a restore's, can back up.

The types say so to mypy: what is built below is only accepted if the operation needs no other port. And a restore is not
accepted: the exceptions from the rule ``arg-type`` would be unused, which mypy reports as an error.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from contract.bench import OURS, Bench

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
    perform,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_disks import (
    DisksRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_vm import (
    VmRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.vm_guard import (
    GuardRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
    BackupPlanRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_info import (
    InfoRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_ovf_info import (
    OvfRequest,
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.backup_plan_info import (
    BackupPlanInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_attach import (
    DiskSnapshotAttach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_detach import (
    DiskSnapshotDetach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_info import (
    DiskSnapshotInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_guard import (
    VmGuard,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_ovf_info import (
    VmOvfInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_snapshot import (
    VmSnapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.configurations import (
    V4Configurations,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.disks import (
    V4Attachments,
    V4Disks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.events import (
    V4Events,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.permissions import (
    V4Permissions,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.session import (
    V4Session,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.snapshots import (
    V4SnapshotOrders,
    V4Snapshots,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.vms import V4Vms

PATIENCE = Patience(wait=True, timeout=600, poll_interval=2)


class OvfOnly(V4Session, V4Vms, V4Disks, V4Snapshots, V4Configurations):
    """An API that serves ``vm_ovf_info`` and nothing else."""


class BackupOnly(OvfOnly, V4Events, V4Permissions, V4Attachments, V4SnapshotOrders):
    """An API that serves a backup and nothing else."""


class Backup:
    """The operations of a backup of the bench's source VM, each with a session of its own."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._source, self._appliance = bench.source.id, bench.appliance.id
        self.description = f"{OURS}{uuid.uuid4()}"

    @property
    def _with(self) -> tuple[BackupOnly, SystemClock, Patience]:
        return BackupOnly(self._bench.site.settings), SystemClock(), PATIENCE

    def plan(self) -> dict[str, Any]:
        """Plan the backup."""
        now = datetime.now(UTC)
        request = BackupPlanRequest(
            self._appliance, (self._source,), "tests", "20261129T000000Z", now
        )
        return done(BackupPlanInfo(*self._with, request))

    def snapshot(self, *, present: bool) -> dict[str, Any]:
        """Make the snapshot, or remove it."""
        request = SnapshotRequest(
            self._source, self.description, present, correlation_id=str(uuid.uuid4())
        )
        return done(VmSnapshot(*self._with, request))

    def ovf(self) -> dict[str, Any]:
        """Read the configuration, over an API that has even less."""
        engine = OvfOnly(self._bench.site.settings)
        request = OvfRequest(self._source, self.description)
        return done(VmOvfInfo(engine, SystemClock(), PATIENCE, request))

    def attach(self) -> dict[str, Any]:
        """Attach the disk snapshots, unplugged."""
        settings = AttachSettings(active=False)
        request = AttachRequest(
            self._appliance, self._source, self.description, (), settings, checkpoints="allow"
        )
        return done(DiskSnapshotAttach(*self._with, request))

    def detach(self) -> dict[str, Any]:
        """Detach them."""
        request = DetachRequest(self._appliance, source=self._source, snapshot=self.description)
        return done(DiskSnapshotDetach(*self._with, request))

    def attached(self) -> set[str]:
        """Disks of which snapshots are attached."""
        found = done(DiskSnapshotInfo(*self._with, InfoRequest(self._appliance)))
        return {one["disk_id"] for one in found["attachments"]}

    def allowed(self) -> bool:
        """Tell whether a snapshot of the source VM may be removed."""
        request = GuardRequest(self._source, ("remove_snapshot",), fail=False)
        engine, clock, _patience = self._with
        return bool(done(VmGuard(engine, clock, Patience(wait=False), request))["allowed"])


def done(operation: Operation[Any]) -> dict[str, Any]:
    """Return what an operation returns."""
    result, _warnings = perform(operation, SystemClock(), check_mode=False)
    return result


def not_accepted(engine: BackupOnly, disks: DisksRequest, vm: VmRequest) -> Iterator[object]:
    """Yield what mypy has to refuse: a restore needs ports that are not there."""
    yield RestoredDisks(engine, SystemClock(), PATIENCE, disks)  # type: ignore[arg-type]
    yield RestoredVm(engine, SystemClock(), PATIENCE, vm)  # type: ignore[arg-type]


@pytest.mark.parametrize("call", ["add_disk", "import_vm", "clusters"])
def test_an_api_without_a_restore_has_none_of_its_calls(call: str) -> None:
    assert not hasattr(BackupOnly, call)


def test_it_serves_a_whole_backup(bench: Bench) -> None:
    backup = Backup(bench)
    [plan] = backup.plan()["plans"]
    disks = {one["disk_id"] for one in plan["disks"]}
    assert backup.snapshot(present=True)["changed"]
    assert "<" in backup.ovf()["ovf"]
    assert {one["disk_id"] for one in backup.attach()["disks"]} == disks
    assert (disks <= backup.attached(), backup.allowed()) == (True, False)
    assert {one["disk_id"] for one in backup.detach()["detached"]} == disks
    assert (disks & backup.attached(), backup.allowed()) == (set(), True)
    assert backup.snapshot(present=False)["changed"]
    assert bench.ours() == []
