# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection asks of an engine, in its own words.

Each port has the calls of one subject. Each operation names in its type the ports that it needs, so an API needs
those alone for the operations that it serves. Only ``v4`` knows the SDK. All methods raise
``errors.EngineError``; those that return None for a missing object do not raise for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.extras import (
        Extras,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Attachment,
        AttachSettings,
        Card,
        Cluster,
        Disk,
        DiskId,
        DiskLayer,
        Domain,
        Event,
        Location,
        NewDisk,
        NewVm,
        Plugging,
        Snapshot,
        SnapshotDisk,
        SnapshotId,
        Vm,
        VmId,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
        Permission,
    )

EVENTS_AT_ONCE = 500
"""Events in one answer, at most; ``page 2`` after the search has those before them."""


class SessionPort(Protocol):
    """A session with the engine."""

    def own_session(self) -> bool:
        """Whether the login began the session; that of a token ends when nobody uses it, and is not begun again."""

    def version(self) -> str:
        """The engine's full version, for example 4.5.7."""

    def close(self) -> None:
        """Log out."""


class VmPort(Protocol):
    """Read VMs."""

    def vms_named(self, name: str) -> list[Vm]:
        """VMs with exactly this name, of all data centres."""

    def vm(self, vm_id: VmId) -> Vm | None:
        """One VM, or None."""

    def location(self, vm: Vm) -> Location:
        """The VM's cluster and data centre."""

    def everybody(self) -> list[tuple[Vm, list[Attachment]]]:
        """All VMs that the user may see, with their disks. One request, a long answer."""


class DiskPort(Protocol):
    """Read disks, and which VM has which."""

    def attachments(self, vm_id: VmId) -> list[Attachment]:
        """All disks of a VM, disk snapshots among them."""

    def attachment(self, vm_id: VmId, disk_id: DiskId) -> Attachment | None:
        """One disk of a VM, or None."""

    def disk(self, disk_id: DiskId) -> Disk | None:
        """A disk as it is now, or None."""

    def layers(self, disk_id: DiskId) -> list[DiskLayer]:
        """The frozen volumes of a disk with exact sizes; not the active one."""

    def holders(self, disk_id: DiskId) -> list[VmId] | None:
        """VMs that have the disk, by whatever attachment; None if the user may not know."""


class SnapshotPort(Protocol):
    """Read snapshots."""

    def snapshots(self, vm_id: VmId) -> list[Snapshot]:
        """All snapshots of a VM, the active layer's entry included."""

    def snapshot(self, vm_id: VmId, snapshot_id: SnapshotId) -> Snapshot | None:
        """Read one snapshot, or None. The engine does not check that it is this VM's (docs/engine.md#faults)."""

    def snapshot_disks(self, vm_id: VmId, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
        """Disks that a snapshot holds. Sizes are rounded up to GiB."""

    def checkpointed(self, vm_id: VmId) -> list[DiskId] | None:
        """Disks of a VM that have checkpoints of incremental backup; None if nobody may know."""


class EventPort(Protocol):
    """Read the engine's events."""

    def events(self, search: str) -> list[Event]:
        """Events found by the engine's search language, newest first."""


class ConfigurationPort(Protocol):
    """Read the configuration of a VM, and what is not in it."""

    def ovf(self, vm_id: VmId, snapshot_id: SnapshotId | None) -> str | None:
        """The configuration of a VM now, or in a snapshot; None if the engine has none."""

    def extras(self, vm_id: VmId) -> Extras | None:
        """What of a VM is not in its configuration, as it is now; None if there is no such VM."""


class PermissionPort(Protocol):
    """Read what the user may do."""

    def own_permissions(self) -> list[Permission] | None:
        """Roles that count for this user, where; None if the engine does not say who it is."""

    def permits(self, role_id: str) -> list[str]:
        """Names of the permits of a role, in lower case."""


class AttachmentPort(Protocol):
    """Attach and detach."""

    def attach(
        self, vm_id: VmId, disk_id: DiskId, snapshot_id: SnapshotId, settings: AttachSettings
    ) -> None:
        """Attach a disk snapshot, with the snapshot's id as correlation id."""

    def detach(self, vm_id: VmId, disk_id: DiskId) -> None:
        """Take a disk off a VM. Never deletes it."""


class SnapshotOrderPort(Protocol):
    """Make and remove snapshots."""

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


class TargetPort(Protocol):
    """Read what a restore goes to."""

    def clusters(self) -> list[Cluster]:
        """All clusters that the user may see."""

    def domains(self, data_center_id: str) -> list[Domain]:
        """The storage domains of a data centre, with their status."""

    def vnic_profiles(self, cluster: Cluster) -> list[str]:
        """``network/profile`` of each profile that a card in this cluster can have."""

    def profile_domain(self, profile_id: str) -> str | None:
        """The storage domain of a disk profile; None if there is no such profile, or the user may not see it."""

    def disks_described(self, word: str) -> list[Disk]:
        """Disks whose description contains a word of letters and digits."""

    def cards(self, vm_id: VmId) -> list[Card]:
        """The network cards of a VM."""


class DiskOrderPort(Protocol):
    """Make, change and remove the disks of a restore."""

    def add_disk(self, new: NewDisk, correlation_id: str) -> None:
        """Order a disk; it is locked for a while."""

    def remove_disk(self, disk_id: DiskId, correlation_id: str) -> None:
        """Order the removal of a disk, with all that is on it."""

    def describe_disk(self, disk_id: DiskId, vm_id: VmId | None, description: str) -> None:
        """Change a disk's description; ``vm_id`` is a VM that has it, if one has."""

    def plug_disk(self, vm_id: VmId, disk_id: DiskId, plugging: Plugging, mark: str) -> None:
        """Attach a disk itself, not a snapshot of it; ``mark`` is the correlation id."""

    def profile_disk(self, vm_id: VmId, disk_id: DiskId, profile_id: str) -> None:
        """Give a disk that a VM has another profile."""


class VmOrderPort(Protocol):
    """Make, change, start, stop and remove the VM of a restore."""

    def import_vm(self, new: NewVm, correlation_id: str) -> None:
        """Make a VM of a configuration. It is not protected from deletion."""

    def comment_vm(self, vm_id: VmId, comment: str, *, delete_protected: bool) -> None:
        """Change a VM's comment, and whether it can be deleted, at once."""

    def change_vm(self, vm_id: VmId, shares: int | None, texts: Mapping[str, str]) -> None:
        """Change the weight of a VM's CPU, where it is given, and texts of cloud-init, where there are some."""

    def unplug_card(self, vm_id: VmId, card_id: str) -> None:
        """Take a network card out of a VM; it stays the VM's."""

    def remove_vm(self, vm_id: VmId, correlation_id: str) -> None:
        """Remove a VM. Its disks are detached, never removed with it."""

    def start_vm(self, vm_id: VmId) -> None:
        """Start a VM."""

    def stop_vm(self, vm_id: VmId) -> None:
        """Power a VM off."""


class DisksAndSnapshotsPort(DiskPort, SnapshotPort, Protocol):
    """Read disks and snapshots."""


class ReadingPort(VmPort, DisksAndSnapshotsPort, EventPort, Protocol):
    """Read what VMs, disks and snapshots there are, and who holds what."""


class RestoreReadingPort(ReadingPort, TargetPort, Protocol):
    """Read also what there is of a restore, and what it goes to."""


class ReadingEngine(SessionPort, ReadingPort, Protocol):
    """What ``disk_snapshot_info`` and ``vm_guard`` ask."""


class AttachmentEngine(ReadingEngine, AttachmentPort, Protocol):
    """What ``disk_snapshot_attach`` and ``disk_snapshot_detach`` ask."""


class SnapshotEngine(ReadingEngine, SnapshotOrderPort, Protocol):
    """What ``vm_snapshot`` asks."""


class ConfigurationEngine(SessionPort, VmPort, DisksAndSnapshotsPort, ConfigurationPort, Protocol):
    """What ``vm_ovf_info`` asks."""


class BackupPlanEngine(ReadingEngine, PermissionPort, Protocol):
    """What ``backup_plan_info`` asks."""


class BackupEngine(
    AttachmentEngine, SnapshotEngine, ConfigurationEngine, BackupPlanEngine, Protocol
):
    """What a backup asks. An API that has this can back up, and needs nothing of a restore's."""


class RestorePlanEngine(SessionPort, RestoreReadingPort, PermissionPort, Protocol):
    """What ``restore_plan_info`` asks. It has no orders."""


class RestoreEngine(
    SessionPort,
    RestoreReadingPort,
    AttachmentPort,
    ConfigurationPort,
    DiskOrderPort,
    VmOrderPort,
    Protocol,
):
    """What ``restored_disks`` and ``restored_vm`` ask."""


class EnginePort(BackupEngine, RestorePlanEngine, RestoreEngine, Protocol):
    """Everything."""
