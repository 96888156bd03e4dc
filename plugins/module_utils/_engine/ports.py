# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection needs from an engine, as protocols.

Each port has the calls of one subject. Each operation names in its type the ports that it needs, so
an API must serve only those for its operations. Only ``v4`` knows the SDK. All methods raise
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
"""The most events in one answer; ``page 2`` after the search has those before them."""


class SessionPort(Protocol):
    """A session with the engine."""

    def own_session(self) -> bool:
        """Tell whether the login began the session; a token's session ends when it is idle and is not renewed."""

    def version(self) -> str:
        """Return the engine's full version, for example 4.5.7."""

    def close(self) -> None:
        """Log out."""


class VmPort(Protocol):
    """Read VMs."""

    def vms_named(self, name: str) -> list[Vm]:
        """Return the VMs with exactly this name, of all data centres."""

    def vm(self, vm_id: VmId) -> Vm | None:
        """Return one VM, or None."""

    def location(self, vm: Vm) -> Location:
        """Return the VM's cluster and data centre."""

    def everybody(self) -> list[tuple[Vm, list[Attachment]]]:
        """Return all VMs that the user may see, with their disks. One request, a long answer."""


class DiskPort(Protocol):
    """Read disks, and which VMs have them."""

    def attachments(self, vm_id: VmId) -> list[Attachment]:
        """Return all disks of a VM, including disk snapshots."""

    def attachment(self, vm_id: VmId, disk_id: DiskId) -> Attachment | None:
        """Return one disk of a VM, or None."""

    def disk(self, disk_id: DiskId) -> Disk | None:
        """Return a disk in its current state, or None."""

    def layers(self, disk_id: DiskId) -> list[DiskLayer]:
        """Return the frozen volumes of a disk with exact sizes; not the active one."""

    def holders(self, disk_id: DiskId) -> list[VmId] | None:
        """Return the VMs that have the disk, by any attachment; None if the user may not know."""


class SnapshotPort(Protocol):
    """Read snapshots."""

    def snapshots(self, vm_id: VmId) -> list[Snapshot]:
        """Return all snapshots of a VM, including the entry of the active layer."""

    def snapshot(self, vm_id: VmId, snapshot_id: SnapshotId) -> Snapshot | None:
        """Return one snapshot, or None. The engine does not check that it is this VM's (docs/engine.md#faults)."""

    def snapshot_disks(self, vm_id: VmId, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
        """Return the disks in a snapshot. Sizes are rounded up to GiB."""

    def checkpointed(self, vm_id: VmId) -> list[DiskId] | None:
        """Return the disks of a VM that have checkpoints of incremental backup; None if this user may not know."""


class EventPort(Protocol):
    """Read the engine's events."""

    def events(self, search: str) -> list[Event]:
        """Return the events that match a search in the engine's language, newest first."""


class ConfigurationPort(Protocol):
    """Read the configuration of a VM, and settings beside it."""

    def ovf(self, vm_id: VmId, snapshot_id: SnapshotId | None) -> str | None:
        """Return the configuration of a VM now, or in a snapshot; None if the engine has none."""

    def extras(self, vm_id: VmId) -> Extras | None:
        """Return a VM's present settings that are not in its configuration; None if there is no such VM."""


class PermissionPort(Protocol):
    """Read what the user may do."""

    def own_permissions(self) -> list[Permission] | None:
        """Return the roles that count for this user, and where; None if the engine does not say who it is."""

    def permits(self, role_id: str) -> list[str]:
        """Return the names of the permits of a role, in lower case."""


class AttachmentPort(Protocol):
    """Attach disk snapshots, and detach disks."""

    def attach(
        self, vm_id: VmId, disk_id: DiskId, snapshot_id: SnapshotId, settings: AttachSettings
    ) -> None:
        """Attach a disk snapshot, with the snapshot's id as correlation id."""

    def detach(self, vm_id: VmId, disk_id: DiskId) -> None:
        """Detach a disk from a VM. Never deletes it."""


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
        """Order a snapshot; return it locked."""

    def remove_snapshot(self, vm_id: VmId, snapshot_id: SnapshotId, correlation_id: str) -> None:
        """Order a removal; the merge continues afterwards."""


class TargetPort(Protocol):
    """Read where a restore can put its VM and disks."""

    def clusters(self) -> list[Cluster]:
        """Return all clusters that the user may see."""

    def domains(self, data_center_id: str) -> list[Domain]:
        """Return the storage domains of a data centre, with their status."""

    def vnic_profiles(self, cluster: Cluster) -> list[str]:
        """Return ``network/profile`` of each profile that a card in this cluster can have."""

    def profile_domain(self, profile_id: str) -> str | None:
        """Return the storage domain of a disk profile; None if it does not exist or the user may not see it."""

    def disks_described(self, word: str) -> list[Disk]:
        """Return disks whose description contains a word of letters and digits."""

    def cards(self, vm_id: VmId) -> list[Card]:
        """Return the network cards of a VM."""


class DiskOrderPort(Protocol):
    """Make, change and remove the disks of a restore."""

    def add_disk(self, new: NewDisk, correlation_id: str) -> None:
        """Order a disk; it stays locked for a while."""

    def remove_disk(self, disk_id: DiskId, correlation_id: str) -> None:
        """Order the removal of a disk, with all that is on it."""

    def describe_disk(self, disk_id: DiskId, vm_id: VmId | None, description: str) -> None:
        """Change a disk's description; ``vm_id`` is a VM that has the disk, if there is one."""

    def plug_disk(self, vm_id: VmId, disk_id: DiskId, plugging: Plugging, mark: str) -> None:
        """Attach a disk itself, not a snapshot of it; ``mark`` is the correlation id."""

    def profile_disk(self, vm_id: VmId, disk_id: DiskId, profile_id: str) -> None:
        """Give a VM's disk another profile."""


class VmOrderPort(Protocol):
    """Make, change, start, stop and remove the VM of a restore."""

    def import_vm(self, new: NewVm, correlation_id: str) -> None:
        """Create a VM from a configuration. It is not protected from deletion."""

    def comment_vm(self, vm_id: VmId, comment: str, *, delete_protected: bool) -> None:
        """Change a VM's comment and its protection from deletion in one call."""

    def change_vm(self, vm_id: VmId, shares: int | None, texts: Mapping[str, str]) -> None:
        """Change the weight of a VM's CPU, if it is given, and texts of cloud-init, if there are any."""

    def unplug_card(self, vm_id: VmId, card_id: str) -> None:
        """Unplug a network card; it still belongs to the VM."""

    def remove_vm(self, vm_id: VmId, correlation_id: str) -> None:
        """Remove a VM. Its disks are detached, never removed with it."""

    def start_vm(self, vm_id: VmId) -> None:
        """Start a VM."""

    def stop_vm(self, vm_id: VmId) -> None:
        """Power a VM off."""


class DisksAndSnapshotsPort(DiskPort, SnapshotPort, Protocol):
    """Read disks and snapshots."""


class ReadingPort(VmPort, DisksAndSnapshotsPort, EventPort, Protocol):
    """Read VMs, disks and snapshots, and which VM holds what."""


class RestoreReadingPort(ReadingPort, TargetPort, Protocol):
    """Read in addition what exists of a restore, and where it can go."""


class ReadingEngine(SessionPort, ReadingPort, Protocol):
    """What ``disk_snapshot_info`` and ``vm_guard`` need."""


class AttachmentEngine(ReadingEngine, AttachmentPort, Protocol):
    """What ``disk_snapshot_attach`` and ``disk_snapshot_detach`` need."""


class SnapshotEngine(ReadingEngine, SnapshotOrderPort, Protocol):
    """What ``vm_snapshot`` needs."""


class ConfigurationEngine(SessionPort, VmPort, DisksAndSnapshotsPort, ConfigurationPort, Protocol):
    """What ``vm_ovf_info`` needs."""


class BackupPlanEngine(ReadingEngine, PermissionPort, Protocol):
    """What ``backup_plan_info`` needs."""


class BackupEngine(
    AttachmentEngine, SnapshotEngine, ConfigurationEngine, BackupPlanEngine, Protocol
):
    """What a backup needs. An API with these ports can serve backups without those of a restore."""


class RestorePlanEngine(SessionPort, RestoreReadingPort, PermissionPort, Protocol):
    """What ``restore_plan_info`` needs. It has no orders."""


class RestoreEngine(
    SessionPort,
    RestoreReadingPort,
    AttachmentPort,
    ConfigurationPort,
    DiskOrderPort,
    VmOrderPort,
    Protocol,
):
    """What ``restored_disks`` and ``restored_vm`` need."""


class EnginePort(BackupEngine, RestorePlanEngine, RestoreEngine, Protocol):
    """All ports."""
