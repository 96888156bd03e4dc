# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots over API v4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EnginePermission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import (
    convert,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    translated,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
    types,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.service import (
    V4Service,
    correlation,
    or_none,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Snapshot,
        SnapshotDisk,
        SnapshotId,
        VmId,
    )


class V4Snapshots(V4Service):
    """The implementation of ``ports.SnapshotPort``."""

    def snapshots(self, vm_id: VmId) -> list[Snapshot]:
        """Return all snapshots of a VM, with the active layer's entry."""
        with translated(f"list the snapshots of VM {vm_id}"):
            found = self._snapshots(vm_id).list()
        return [convert.snapshot(one) for one in found]

    def snapshot(self, vm_id: VmId, snapshot_id: SnapshotId) -> Snapshot | None:
        """Return one snapshot, or None."""
        with translated(f"read snapshot {snapshot_id}"):
            found = or_none(self._snapshots(vm_id).snapshot_service(snapshot_id).get)
        return None if found is None else convert.snapshot(found)

    def snapshot_disks(self, vm_id: VmId, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
        """Return the disks in a snapshot, as its stored configuration says."""
        with translated(f"list the disks of snapshot {snapshot_id}"):
            service = self._snapshots(vm_id).snapshot_service(snapshot_id).disks_service()
            found = service.list()
        return [convert.snapshot_disk(one, snapshot_id) for one in found]

    def checkpointed(self, vm_id: VmId) -> list[DiskId] | None:
        """Return the disks with checkpoints; none on engines before 4.4, which have no checkpoints.

        Only administrators may query checkpoints (QueryType.java); others get None.
        """
        service = self._vm(vm_id).checkpoints_service()
        disks: list[DiskId] = []
        try:
            with translated(f"list the checkpoints of VM {vm_id}"):
                for one in or_none(service.list) or []:
                    held = service.checkpoint_service(one.id).disks_service().list()
                    disks.extend(DiskId(disk.id) for disk in held)
        except EnginePermission:
            return None
        return list(dict.fromkeys(disks))


class V4SnapshotOrders(V4Service):
    """The implementation of ``ports.SnapshotOrderPort``."""

    def create_snapshot(
        self,
        vm_id: VmId,
        description: str,
        disk_ids: Sequence[DiskId] | None,
        memory: bool,
        correlation_id: str,
    ) -> Snapshot:
        """Order a snapshot. The engine would save the memory by default (docs/engine.md#making-a-snapshot)."""
        disks = None
        if disk_ids is not None:
            disks = [types.DiskAttachment(disk=types.Disk(id=disk_id)) for disk_id in disk_ids]
        order = types.Snapshot(
            description=description, persist_memorystate=memory, disk_attachments=disks
        )
        with translated(f"create a snapshot of VM {vm_id}"):
            made = self._snapshots(vm_id).add(order, headers=correlation(correlation_id))
        return convert.snapshot(made)

    def remove_snapshot(self, vm_id: VmId, snapshot_id: SnapshotId, correlation_id: str) -> None:
        """Order the removal of a snapshot."""
        with translated(f"remove snapshot {snapshot_id} of VM {vm_id}"):
            service = self._snapshots(vm_id).snapshot_service(snapshot_id)
            service.remove(headers=correlation(correlation_id))
