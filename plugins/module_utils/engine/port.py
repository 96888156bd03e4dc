# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection asks of an engine, in its own words.

Everything above speaks this; only ``v4`` knows the SDK. All methods raise
:class:; those that return None for a missing object do not raise for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils.core.model import (
        Attachment,
        AttachSettings,
        Disk,
        DiskId,
        Event,
        Layer,
        Location,
        Snapshot,
        SnapshotDisk,
        SnapshotId,
        Vm,
        VmId,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils.core.permissions import (
        Permission,
    )


class EnginePort(Protocol):
    """An engine."""

    def version(self) -> str:
        """The engine's full version, for example 4.5.7."""

    def vms_named(self, name: str) -> list[Vm]:
        """VMs with exactly this name, of all data centres."""

    def vm(self, vm_id: VmId) -> Vm | None:
        """One VM, or None."""

    def location(self, vm: Vm) -> Location:
        """The VM's cluster and data centre."""

    def attachments(self, vm_id: VmId) -> list[Attachment]:
        """All disks of a VM, disk snapshots among them."""

    def attachment(self, vm_id: VmId, disk_id: DiskId) -> Attachment | None:
        """One disk of a VM, or None."""

    def disk(self, disk_id: DiskId) -> Disk | None:
        """A disk as it is now, or None."""

    def layers(self, disk_id: DiskId) -> list[Layer]:
        """The frozen volumes of a disk with exact sizes; not the active one."""

    def snapshots(self, vm_id: VmId) -> list[Snapshot]:
        """All snapshots of a VM, the active layer's entry included."""

    def snapshot(self, vm_id: VmId, snapshot_id: SnapshotId) -> Snapshot | None:
        """One snapshot, or None. The engine does not check that it is this VM's."""

    def snapshot_disks(self, vm_id: VmId, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
        """Disks that a snapshot holds. Sizes are rounded up to GiB."""

    def attach(
        self, vm_id: VmId, disk_id: DiskId, snapshot_id: SnapshotId, settings: AttachSettings
    ) -> None:
        """Attach a disk snapshot, with the snapshot's id as correlation id."""

    def detach(self, vm_id: VmId, disk_id: DiskId) -> None:
        """Take a disk off a VM. Never deletes it."""

    def create_snapshot(
        self,
        vm_id: VmId,
        description: str,
        disk_ids: Sequence[DiskId] | None,
        memory: bool,
        correlation_id: str,
    ) -> Snapshot:
        """Order a snapshot; returns it locked."""

    def remove_snapshot(self, vm_id: VmId, snapshot_id: SnapshotId, correlation_id: str) -> None:
        """Order a removal; the merge goes on afterwards."""

    def events(self, search: str) -> list[Event]:
        """Events found by the engine's search language, newest first."""

    def ovf(self, vm_id: VmId, snapshot_id: SnapshotId | None) -> str | None:
        """The configuration of a VM now, or in a snapshot; None if the engine has none."""

    def holders(self, disk_id: DiskId) -> list[VmId] | None:
        """VMs that have the disk, by whatever attachment; None if the user may not know."""

    def everybody(self) -> list[tuple[Vm, list[Attachment]]]:
        """All VMs that the user may see, with their disks. One request, a long answer."""

    def checkpointed(self, vm_id: VmId) -> list[DiskId] | None:
        """Disks of a VM that have checkpoints of incremental backup; None if nobody may know."""

    def own_permissions(self) -> list[Permission] | None:
        """Roles that count for this user, where; None if the engine does not say who it is."""

    def permits(self, role_id: str) -> list[str]:
        """Names of the permits of a role, in lower case."""

    def close(self) -> None:
        """Log out."""
