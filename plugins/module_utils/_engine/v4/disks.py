# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and attachments over API v4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    VmId,
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
    ALL_CONTENT,
    V4Service,
    correlation,
    or_none,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Attachment,
        AttachSettings,
        Disk,
        DiskId,
        DiskLayer,
        SnapshotId,
    )


class V4Disks(V4Service):
    """The implementation of ``ports.DiskPort``."""

    def attachments(self, vm_id: VmId) -> list[Attachment]:
        """Return all disks of a VM."""
        with translated(f"list the disks of VM {vm_id}"):
            found = self._attachments(vm_id).list()
        return [convert.attachment(one, vm_id) for one in found]

    def attachment(self, vm_id: VmId, disk_id: DiskId) -> Attachment | None:
        """Return one disk of a VM, or None."""
        with translated(f"read disk {disk_id} of VM {vm_id}"):
            found = or_none(self._attachments(vm_id).attachment_service(disk_id).get)
        return None if found is None else convert.attachment(found, vm_id)

    def disk(self, disk_id: DiskId) -> Disk | None:
        """Return a disk, or None."""
        with translated(f"read disk {disk_id}"):
            found = or_none(self._disks.disk_service(disk_id).get)
        return None if found is None else convert.disk(found)

    def layers(self, disk_id: DiskId) -> list[DiskLayer]:
        """Return the frozen volumes of a disk; none if the disk does not exist."""
        with translated(f"list the snapshots of disk {disk_id}"):
            service = self._disks.disk_service(disk_id).disk_snapshots_service()
            found = or_none(service.list) or []
        layers = [convert.layer(one, disk_id) for one in found]
        return [one for one in layers if one.snapshot_id]

    def holders(self, disk_id: DiskId) -> list[VmId] | None:
        """Return the VMs that have the disk.

        The engine tells only administrators (docs/engine.md#what-the-reads-show).
        """
        with translated(f"read who has disk {disk_id}"):
            found = or_none(lambda: self._disks.disk_service(disk_id).get(query=ALL_CONTENT))
        if found is None or found.vms is None:
            return None
        return [VmId(one.id) for one in found.vms]


class V4Attachments(V4Service):
    """The implementation of ``ports.AttachmentPort``."""

    def attach(
        self, vm_id: VmId, disk_id: DiskId, snapshot_id: SnapshotId, settings: AttachSettings
    ) -> None:
        """Attach a disk snapshot. Event 2016 will carry the snapshot's id (docs/engine.md#correlation-ids)."""
        order = types.DiskAttachment(
            disk=types.Disk(id=disk_id, snapshot=types.Snapshot(id=snapshot_id)),
            interface=types.DiskInterface(settings.interface),
            active=settings.active,
            bootable=settings.bootable,
            read_only=settings.read_only,
            pass_discard=settings.pass_discard,
        )
        with translated(f"attach disk {disk_id} of snapshot {snapshot_id} to VM {vm_id}"):
            self._attachments(vm_id).add(order, headers=correlation(snapshot_id))

    def detach(self, vm_id: VmId, disk_id: DiskId) -> None:
        """Detach a disk from a VM. ``detach_only=false`` would delete it; it is never sent."""
        with translated(f"detach disk {disk_id} from VM {vm_id}"):
            self._attachments(vm_id).attachment_service(disk_id).remove(detach_only=True)
