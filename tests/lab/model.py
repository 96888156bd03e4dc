# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine knows: the rows of its database, as mutable dataclasses in one World.

Statuses and types are the words of the REST API (``up``, ``locked``, ``regular``). Sizes are bytes.
Whoever reads or changes a World holds ``World.lock``; work of the host is done outside of it.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

API = "/ovirt-engine/api"
SYSTEM = "system"
# The built-in group that every user belongs to.
EVERYONE = "eee00000-0000-0000-0000-123456789eee"
# The template that every engine has.
BLANK_TEMPLATE = "00000000-0000-0000-0000-000000000000"
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
RELEASE = re.compile(r"\d+\.\d+\.\d+")
NEWEST_KEEPING = (4, 5, 7)

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
# VMs that the engine did not make itself, or that it lives in: most commands leave them alone.
UNMANAGED = frozenset({"external", "hosted_engine", "managed_hosted_engine"})


def new_id() -> str:
    """Return a fresh UUID as text."""
    return str(uuid.uuid4())


def now() -> datetime:
    """Return the moment, in UTC, with the milliseconds that the engine keeps."""
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
    """A storage domain; ``backup`` is the flag that forbids running VMs on it.

    ``type`` is ``data`` or ``export``; ``storage`` is ``nfs``, or ``iscsi``, where a new raw disk holds
    what was there before (vdsm's blockVolume.py zeroes nothing); ``available`` is in bytes.
    """

    id: str
    name: str
    data_centre_id: str
    status: str = "active"
    backup: bool = False
    low_space: bool = False
    type: str = "data"
    available: int = 100 << 30
    storage: str = "nfs"
    supports_discard: bool = False
    profiles: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class VnicProfile:
    """What a network card is connected by: a profile of a network of a data centre."""

    id: str
    name: str
    network: str
    data_centre_id: str


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
    made: bool = True
    """Whether the host has made it: before, the engine does not know the version of a qcow2."""


@dataclass(frozen=True)
class Lun:
    """Where a direct LUN is: its id, and the iSCSI target that exports it."""

    lun_id: str
    address: str = ""
    port: int = 3260
    target: str = ""


@dataclass
class Disk:
    """An image group; ``active_volume_id`` is the layer that its owner writes to.

    ``storage_type`` is ``image``, ``managed_block_storage`` (in every snapshot that names no disks, as an image is)
    or ``lun``: a direct LUN, which has no snapshots and no domain, and one
    volume here only because a guest needs something to read. ``bitmaps`` are those of its checkpoints.
    """

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
    wipe_after_delete: bool = False
    profile_id: str | None = None
    hosted_engine_lun: bool = False
    storage_type: str = "image"
    lun: Lun | None = None
    bitmaps: list[str] = field(default_factory=list)
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
    """A VM snapshot; ``saved`` is the VM's row of its moment: a rename does not reach it."""

    id: str
    vm_id: str
    description: str
    type: str
    status: str = "ok"
    date: datetime = field(default_factory=now)
    memory: bool = False
    ovf: str = ""
    disks: list[SnapshotDisk] = field(default_factory=list)
    saved: Vm | None = None


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
class Nic:
    """A network card of a VM; network and profile are names, None where it is not connected."""

    id: str
    name: str
    mac: str
    network: str | None = None
    profile: str | None = None
    linked: bool = True
    plugged: bool = True


@dataclass
class Vm:
    """A VM. ``settings`` are those that differ from their defaults (``engine/settings.py``).

    ``initialization`` is what cloud-init gets, by the names of the API. ``external`` is what TPM and NVRAM
    hold, by kind: no API shows it, a snapshot's configuration alone has it. Until it is changed, an
    ``imported`` VM has no quota, and the devices of a ``bare`` one lack what a configuration does not tell.
    ``started`` and ``stopped`` are the last times of either.
    """

    id: str
    name: str
    cluster_id: str
    status: str = "down"
    host_id: str | None = None
    description: str = ""
    comment: str = ""
    memory: int = 1 << 30
    sockets: int = 1
    cores: int = 1
    threads: int = 1
    cpu_shares: int = 0
    os: str = "other"
    chipset: str = "q35_ovmf"
    virtio_scsi: bool = True
    managed: bool = True
    hosted_engine: bool = False
    stateless: bool = False
    in_preview: bool = False
    during_backup: bool = False
    delete_protected: bool = False
    appliance: bool = False
    nics: list[Nic] = field(default_factory=list)
    boot: str = "hd"
    tpm: bool = False
    external: dict[str, str] = field(default_factory=dict)
    imported: bool = False
    bare: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    initialization: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    fqdn: str | None = None
    created: datetime = field(default_factory=now)
    started: datetime | None = None
    stopped: datetime = field(default_factory=now)
    origin: str = "ovirt"

    def is_managed(self) -> bool:
        """Tell whether commands may change the VM."""
        return self.managed and self.origin not in UNMANAGED


@dataclass
class Checkpoint:
    """Since when a VM's changes are known: of these disks, after the parent, which may be gone."""

    id: str
    vm_id: str
    parent_id: str | None
    disks: list[str]
    created: datetime = field(default_factory=now)


@dataclass
class Role:
    """A set of permits (names of action groups); an administrator's role opens unfiltered reads.

    ``viewing``: whoever has it on an object sees what is below (``allows_viewing_children``).
    """

    name: str
    permits: set[str] = field(default_factory=set)
    admin: bool = False
    viewing: bool = False
    description: str = ""
    mutable: bool = True
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Grant:
    """A permission: a role, by name, on an object (or ``system``). Filtered reads see user roles alone."""

    role: str
    object_id: str = SYSTEM
    id: str = field(default_factory=new_id)


@dataclass
class User:
    """An account; ``name`` carries its profile, as in ``admin@internal``. ``groups`` are ids."""

    name: str
    password: str
    grants: list[Grant] = field(default_factory=list)
    id: str = field(default_factory=new_id)
    groups: list[str] = field(default_factory=list)


@dataclass
class Group:
    """A group of users of the directory, with what it was granted."""

    name: str
    grants: list[Grant] = field(default_factory=list)
    id: str = field(default_factory=new_id)


@dataclass
class Template:
    """A template; ``disks`` are its own, ``sources`` the VM's that they were made of, ``bootable`` some of these."""

    id: str
    name: str
    vm_id: str
    cluster_id: str
    status: str = "locked"
    description: str = ""
    disks: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    bootable: list[str] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    saved: Vm | None = None


@dataclass(frozen=True)
class Export:
    """What an export wrote: ``kind`` is ``ova``, ``domain`` or ``clone``, ``disks`` the disks that are in it.

    ``target`` is a path on a host, an export domain's id, or the clone's id; ``leftover`` the automatic
    snapshot that could not be removed.
    """

    kind: str
    vm_id: str
    vm_name: str
    target: str
    disks: tuple[str, ...]
    host_id: str | None = None
    leftover: str | None = None
    time: datetime = field(default_factory=now)


@dataclass(frozen=True)
class Event:
    """An entry of the audit log.

    ``subjects`` are what it is about, by their elements (``vm``, ``host``): id and name as they were then.
    One that a client wrote has an ``origin`` and a ``custom_id`` of its own.
    """

    index: int
    code: int
    severity: str
    description: str
    correlation_id: str
    time: datetime
    vm_id: str | None = None
    user: str | None = None
    subjects: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    origin: str = "oVirt"
    custom_id: int = -1
    flood_rate: int = 0


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
    """Switches of the whole engine; the control API changes them by name.

    ``free_macs`` are left in the pool; ``disk_polls`` is how often a new disk is seen locked.
    ``host_seconds`` is how long the engine waits for a host's answer (``vdsTimeout``).
    ``async_seconds`` pass between a 202 and what was accepted by it; for ``merge_seconds`` the volumes stay locked
    that were merged by a removal that failed.
    ``version`` is what the engine announces. Those after 4.5.7 clear a disk's checkpoints at any detach, and
    so do those that are no release (``4.4.0.0``, ``4.5.8-SNAPSHOT``), which stand for the newest;
    ``detach_clears_checkpoints`` makes the engine such a one.
    """

    snapshot_polls: int = 1
    removal_polls: int = 1
    disk_polls: int = 1
    free_macs: int = 1000
    linger: float = 1.0
    async_seconds: float = 1.0
    merge_seconds: float = 120.0
    witness: bool = False
    detach_clears_checkpoints: bool = False
    maintenance: bool = False
    token_seconds: float = 1800.0
    host_seconds: float = 180.0
    version: str = "4.5.7"

    def announced(self) -> tuple[int, int, int]:
        """Major, minor and build of the engine's version.

        Raises:
            ValueError: For a version that has no three numbers.
        """
        found = VERSION.match(self.version)
        if found is None:
            raise ValueError(f"version: {self.version} has no three numbers")
        version = (int(found[1]), int(found[2]), int(found[3]))
        if self.detach_clears_checkpoints and version <= NEWEST_KEEPING:
            return (*NEWEST_KEEPING[:2], NEWEST_KEEPING[2] + 1)
        return version

    def full_version(self) -> str:
        """Return the version as a package is called; of an engine that was built by itself, as it is."""
        if not self.released():
            return self.version
        return ".".join(str(part) for part in self.announced()) + "-1.el8"

    def released(self) -> bool:
        """Tell whether it is a release: one that was built by itself announces 4.4.0.0, whatever it is."""
        return RELEASE.fullmatch(self.version) is not None

    def clears(self) -> bool:
        """Tell whether a detach takes the disk's checkpoints away."""
        return not self.released() or self.announced() > NEWEST_KEEPING


@dataclass
class World:
    """Everything the engine knows. Hold ``lock`` to read or change it.

    An attachment is two rows in the engine's database; ``elements`` are those (``disk_vm_element``)
    whose other half, the device, is missing.
    """

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
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    elements: dict[tuple[str, str], Attachment] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    exports: list[Export] = field(default_factory=list)
    profiles: dict[str, VnicProfile] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)

    def data_centre_of(self, vm: Vm) -> str:
        """Return the id of the data centre that a VM lives in."""
        return self.clusters[vm.cluster_id].data_centre_id

    def attachments_of(self, vm_id: str) -> list[Attachment]:
        """Return the attachments of a VM, in the order they were made."""
        return [a for a in self.attachments.values() if a.vm_id == vm_id]

    def holders(self, disk_id: str) -> list[Attachment]:
        """Return every attachment of a disk: its owner's and those of its snapshots."""
        return [a for a in self.attachments.values() if a.disk_id == disk_id]

    def owner(self, disk_id: str) -> Vm | None:
        """Return the VM that a disk belongs to, holders of its snapshots left out."""
        for attachment in self.holders(disk_id):
            if attachment.snapshot_id is None:
                return self.vms.get(attachment.vm_id)
        return None

    def chain(self, disk_id: str) -> list[Volume]:
        """Return the volumes of a disk, base first, active layer last."""
        volumes: list[Volume] = []
        step = self.volumes.get(self.disks[disk_id].active_volume_id)
        while step is not None:
            volumes.append(step)
            step = self.volumes.get(step.parent_id) if step.parent_id else None
        return volumes[::-1]

    def volume_of(self, disk_id: str, snapshot_id: str) -> Volume | None:
        """Return the volume of a disk that one snapshot froze (or that is active in it)."""
        for volume in self.volumes.values():
            if volume.disk_id == disk_id and volume.snapshot_id == snapshot_id:
                return volume
        return None

    def snapshots_of(self, vm_id: str) -> list[Snapshot]:
        """Return a VM's snapshots by date; the ACTIVE entry mostly has the VM's own, so it comes first."""
        found = [s for s in self.snapshots.values() if s.vm_id == vm_id]
        return sorted(found, key=lambda s: s.date)

    def active_snapshot(self, vm_id: str) -> Snapshot:
        """Return the ACTIVE entry of a VM, which every VM has."""
        return next(s for s in self.snapshots.values() if s.vm_id == vm_id and s.type == "active")

    def checkpoints_of(self, vm_id: str) -> list[Checkpoint]:
        """Return a VM's checkpoints as the engine lists them: from the first on, each after its parent.

        One whose parent is gone is not reached, though it is there (``GetVmCheckpointsByVmId``).
        """
        rows = [row for row in self.checkpoints.values() if row.vm_id == vm_id]
        listed = [row for row in rows if row.parent_id is None]
        for before in listed:
            listed += [row for row in rows if row.parent_id == before.id]
        return listed
