# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine knows: the rows of its database, as mutable dataclasses in one World.

Statuses and types are the words of the REST API (``up``, ``locked``, ``regular``). Sizes are bytes.
Whoever reads or changes a World holds ``World.lock``; work of the host is done outside of it.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

API = "/ovirt-engine/api"
SYSTEM = "system"

VM_STATUS_WORDS = {
    "up": "Up",
    "down": "Down",
    "paused": "Paused",
    "powering_up": "Powering Up",
    "powering_down": "Powering Down",
    "migrating": "Migrating",
    "unknown": "Unknown",
    "not_responding": "Not Responding",
    "wait_for_launch": "Wait for Launch",
    "reboot_in_progress": "Reboot in Progress",
    "saving_state": "Saving State",
    "restoring_state": "Restoring State",
    "suspended": "Suspended",
    "image_illegal": "Image Illegal",
    "image_locked": "Image Locked",
    "unassigned": "Unassigned",
}


def new_id() -> str:
    """A fresh UUID as text."""
    return str(uuid.uuid4())


def now() -> datetime:
    """The moment, in UTC, with the milliseconds that the engine keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass
class DataCentre:
    id: str
    name: str


@dataclass
class Cluster:
    id: str
    name: str
    data_centre_id: str


@dataclass
class Host:
    id: str
    name: str
    cluster_id: str
    status: str = "up"


@dataclass
class Domain:
    """A storage domain; ``backup`` is the flag that forbids running VMs on it."""

    id: str
    name: str
    data_centre_id: str
    status: str = "active"
    backup: bool = False
    low_space: bool = False


@dataclass
class Volume:
    """One image of a disk's chain, and the VM snapshot that it belongs to."""

    id: str
    disk_id: str
    snapshot_id: str
    parent_id: str | None
    fmt: str
    virtual_size: int
    status: str = "ok"


@dataclass
class Disk:
    """An image group; ``active_volume_id`` is the layer that its owner writes to."""

    id: str
    alias: str
    domain_id: str
    virtual_size: int
    fmt: str
    active_volume_id: str
    sparse: bool = True
    shareable: bool = False
    content_type: str = "data"
    description: str = ""
    backup: str = "none"
    hosted_engine_lun: bool = False
    created: datetime = field(default_factory=now)


@dataclass
class Attachment:
    """A disk on a VM. ``snapshot_id`` is the hidden column: no GET ever returns it."""

    vm_id: str
    disk_id: str
    interface: str
    active: bool
    bootable: bool = False
    read_only: bool = False
    pass_discard: bool = False
    uses_scsi_reservation: bool = False
    snapshot_id: str | None = None


@dataclass
class Snapshot:
    """A VM snapshot."""

    id: str
    vm_id: str
    description: str
    type: str
    status: str = "ok"
    date: datetime = field(default_factory=now)
    memory: bool = False
    ovf: str = ""
    disks: list[SnapshotDisk] = field(default_factory=list)


@dataclass(frozen=True)
class SnapshotDisk:
    """What the configuration saved with a snapshot says of one disk."""

    disk_id: str
    volume_id: str
    alias: str
    fmt: str
    virtual_size: int
    actual_size: int
    interface: str
    bootable: bool


@dataclass
class Vm:
    id: str
    name: str
    cluster_id: str
    status: str = "down"
    host_id: str | None = None
    description: str = ""
    comment: str = ""
    memory: int = 1 << 30
    cores: int = 1
    os: str = "other_linux"
    chipset: str = "q35_sea_bios"
    virtio_scsi: bool = True
    managed: bool = True
    hosted_engine: bool = False
    stateless: bool = False
    in_preview: bool = False
    during_backup: bool = False
    delete_protected: bool = False
    appliance: bool = False
    mac: str = "56:6f:1a:2b:00:01"
    tags: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    fqdn: str | None = None
    created: datetime = field(default_factory=now)
    origin: str = "ovirt"


@dataclass(frozen=True)
class Grant:
    """A role on an object (or ``system``). Filtered reads see user roles alone."""

    role: str
    object_id: str = SYSTEM


@dataclass
class User:
    """An account; ``name`` carries its profile, as in ``admin@internal``."""

    name: str
    password: str
    grants: list[Grant] = field(default_factory=list)
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Event:
    index: int
    code: int
    severity: str
    description: str
    correlation_id: str
    time: datetime
    vm_id: str | None = None
    user: str | None = None


@dataclass
class Job:
    id: str
    description: str
    correlation_id: str
    user: str
    status: str = "started"
    started: datetime = field(default_factory=now)
    ended: datetime | None = None


@dataclass
class Settings:
    """Switches of the whole engine; the control API changes them by name."""

    snapshot_polls: int = 1
    removal_polls: int = 1
    linger: float = 1.0
    witness: bool = False
    detach_clears_checkpoints: bool = False
    maintenance: bool = False
    token_seconds: float = 1800.0


@dataclass
class World:
    """Everything the engine knows. Hold ``lock`` to read or change it."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    data_centres: dict[str, DataCentre] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    vms: dict[str, Vm] = field(default_factory=dict)
    disks: dict[str, Disk] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    attachments: dict[tuple[str, str], Attachment] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)

    def data_centre_of(self, vm: Vm) -> str:
        """The id of the data centre that a VM lives in."""
        return self.clusters[vm.cluster_id].data_centre_id

    def attachments_of(self, vm_id: str) -> list[Attachment]:
        """The attachments of a VM, in the order they were made."""
        return [a for a in self.attachments.values() if a.vm_id == vm_id]

    def holders(self, disk_id: str) -> list[Attachment]:
        """Every attachment of a disk: its owner's and those of its snapshots."""
        return [a for a in self.attachments.values() if a.disk_id == disk_id]

    def owner(self, disk_id: str) -> Vm | None:
        """The VM that a disk belongs to, holders of its snapshots left out."""
        for attachment in self.holders(disk_id):
            if attachment.snapshot_id is None:
                return self.vms.get(attachment.vm_id)
        return None

    def chain(self, disk_id: str) -> list[Volume]:
        """The volumes of a disk, base first, active layer last."""
        volumes: list[Volume] = []
        step = self.volumes.get(self.disks[disk_id].active_volume_id)
        while step is not None:
            volumes.append(step)
            step = self.volumes.get(step.parent_id) if step.parent_id else None
        return volumes[::-1]

    def volume_of(self, disk_id: str, snapshot_id: str) -> Volume | None:
        """The volume of a disk that one snapshot froze (or that is active in it)."""
        for volume in self.volumes.values():
            if volume.disk_id == disk_id and volume.snapshot_id == snapshot_id:
                return volume
        return None

    def snapshots_of(self, vm_id: str) -> list[Snapshot]:
        """A VM's snapshots by age; the ACTIVE entry last, as it is the newest."""
        found = [s for s in self.snapshots.values() if s.vm_id == vm_id]
        return sorted(found, key=lambda s: (s.type == "active", s.date))

    def active_snapshot(self, vm_id: str) -> Snapshot:
        """The ACTIVE entry of a VM, which every VM has."""
        return next(s for s in self.snapshots.values() if s.vm_id == vm_id and s.type == "active")
