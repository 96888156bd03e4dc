# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's objects as plain values; nothing here connects to an engine.

Ids have types of their own so that a disk's id cannot be passed where a VM's id is expected. Sizes
are in bytes. Enumerations keep the API's lower-case words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from datetime import datetime

VmId = NewType("VmId", str)
DiskId = NewType("DiskId", str)
SnapshotId = NewType("SnapshotId", str)
ImageId = NewType("ImageId", str)

INTERFACES = ("virtio_scsi", "virtio", "sata", "ide", "spapr_vscsi")

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def is_uuid(text: str) -> bool:
    """Tell whether a text has the form of an engine's id."""
    return _UUID.fullmatch(text) is not None


@dataclass(frozen=True)
class Vm:
    """A virtual machine."""

    id: VmId
    name: str
    status: str
    cluster_id: str = ""
    host_id: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Location:
    """The data centre and the cluster of a VM."""

    cluster: str
    data_center_id: str


NO_LOCATION = Location("", "")
"""Location of a VM that was not found."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a VM. ``status``: ok, locked, in_preview; ``type``: active, regular and others."""

    id: SnapshotId
    description: str
    status: str
    type: str
    date: datetime | None = None
    memory: bool = False
    vm_id: VmId | None = None


@dataclass(frozen=True)
class SnapshotDisk:
    """One disk as frozen in one snapshot.

    ``storage_type`` is empty if the engine does not tell it. ``virtual_size`` is exact if ``exact``
    is true; otherwise the engine told only whole GiB (docs/engine.md#what-the-reads-show).
    """

    disk_id: DiskId
    snapshot_id: SnapshotId
    image_id: ImageId
    alias: str
    virtual_size: int
    actual_size: int
    format: str
    status: str
    interface: str = ""
    bootable: bool = False
    parent_image_id: ImageId | None = None
    exact: bool = True
    storage_type: str = ""


@dataclass(frozen=True)
class DiskLayer:
    """One volume of a disk's chain that is frozen in a snapshot (``/disks/D/disksnapshots``).

    ``alias`` is the disk's current name, also for old snapshots.
    """

    disk_id: DiskId
    snapshot_id: SnapshotId
    image_id: ImageId
    virtual_size: int
    actual_size: int
    format: str
    status: str
    parent_image_id: ImageId | None = None
    alias: str = ""


@dataclass(frozen=True)
class Disk:
    """A disk in its current state. ``virtual_size`` and ``total_size`` are exact bytes.

    A direct LUN is in no storage domain.
    """

    id: DiskId
    alias: str
    virtual_size: int
    total_size: int
    format: str
    status: str
    content_type: str = "data"
    storage_type: str = "image"
    shareable: bool = False
    storage_domain_id: str = ""
    incremental: bool = False
    description: str = ""
    profile_id: str = ""


@dataclass(frozen=True)
class Cluster:
    """A cluster."""

    id: str
    name: str
    data_center_id: str


@dataclass(frozen=True)
class Domain:
    """A storage domain; ``available`` is in bytes, None if the engine does not tell.

    ``block``: its storage consists of devices, not files. ``discards``: it accepts discards from
    guests; on block storage never together with wiping after deletion
    (``DiskVmElementValidator.isPassDiscardSupported``).
    """

    id: str
    name: str
    type: str
    status: str
    available: int | None = None
    block: bool = False
    discards: bool = True

    @property
    def usable(self) -> bool:
        """Whether disks of VMs can be made there now."""
        return self.type == "data" and self.status == "active"


@dataclass(frozen=True)
class NewDisk:
    """A disk to create; ``size`` in bytes, ``format`` qcow2 or raw.

    Attributes:
        id: The id that the disk is to have; empty leaves the choice to the engine.
        profile_id: Its disk profile; empty for the default of its storage domain.
    """

    alias: str
    description: str
    size: int
    format: str
    sparse: bool
    domain_id: str
    wipe_after_delete: bool = False
    incremental: bool = False
    id: str = ""
    profile_id: str = ""


@dataclass(frozen=True)
class NewVm:
    """A VM to create from a configuration that names no disks."""

    name: str
    comment: str
    cluster_id: str
    ovf: str
    new_identity: bool


@dataclass(frozen=True)
class Plugging:
    """How a VM's own disk is attached to it."""

    interface: str
    bootable: bool = False
    read_only: bool = False
    pass_discard: bool = False
    active: bool = True


@dataclass(frozen=True)
class Card:
    """A network card of a VM."""

    id: str
    name: str
    plugged: bool


@dataclass(frozen=True)
class Attachment:
    """A disk attached to a VM. The engine does not say whether it is a disk snapshot."""

    vm_id: VmId
    disk_id: DiskId
    active: bool
    bootable: bool
    interface: str
    read_only: bool
    pass_discard: bool
    logical_name: str = ""


@dataclass(frozen=True)
class Event:
    """An entry of the engine's audit log. ``index`` grows with time."""

    index: int
    code: int
    description: str
    correlation_id: str = ""
    vm_id: VmId | None = None
    time: datetime | None = None


@dataclass(frozen=True)
class Checkpointed:
    """Disks with checkpoints of incremental backup.

    Attributes:
        disk_ids: Disks that have checkpoints.
        possible: Disks that may have some: incremental backup is enabled for them, and no list
            shows any. The engine's list omits a checkpoint whose parent was deleted
            (docs/engine.md#checkpoints).
        hidden: This user may not see the list.
    """

    disk_ids: tuple[DiskId, ...] = ()
    possible: tuple[DiskId, ...] = ()
    hidden: bool = False


NO_CHECKPOINTS = Checkpointed()


@dataclass(frozen=True)
class AttachSettings:
    """How to plug a disk snapshot into the appliance."""

    interface: str = "virtio_scsi"
    bootable: bool = False
    read_only: bool = True
    pass_discard: bool = False
    active: bool = True
