# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the SDK's objects to our values. No SDK type leaves the engine package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.extras import (
    FLAG,
    HIDDEN,
    NETWORKS,
    PROTOCOL,
    TEXTS,
    Extras,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Attachment,
    Card,
    Cluster,
    Disk,
    DiskId,
    DiskLayer,
    Domain,
    Event,
    ImageId,
    Snapshot,
    SnapshotDisk,
    SnapshotId,
    Vm,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
    SYSTEM,
    Permission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
        SdkObject,
    )

_OBJECTS = (
    "vm",
    "disk",
    "storage_domain",
    "cluster",
    "data_center",
    "host",
    "template",
    "vm_pool",
)
"""Attributes of a permission that name the object it is on."""

BLOCK = ("iscsi", "fcp")
FILES = ("nfs", "posixfs", "glusterfs", "localfs")
"""Storage types that consist of files. Managed block storage is in neither list."""


def word(value: SdkObject) -> str:
    """Return an SDK enumeration's value as the API spells it; empty if there is none."""
    return "" if value is None else str(getattr(value, "value", value))


def id_of(thing: SdkObject) -> str:
    """Return the id of a linked object; empty if there is no link."""
    return "" if thing is None or thing.id is None else str(thing.id)


def vm(sdk: SdkObject) -> Vm:
    """Convert a ``types.Vm``."""
    return Vm(
        id=VmId(sdk.id),
        name=sdk.name or "",
        status=word(sdk.status),
        cluster_id=id_of(sdk.cluster),
        host_id=id_of(sdk.host),
        comment=sdk.comment or "",
    )


def extras(sdk: SdkObject) -> Extras:
    """Convert what a ``types.Vm`` says beside its configuration. Passwords are shown as asterisks."""
    told = sdk.initialization
    texts = {name: word(getattr(told, name, None)) for name in TEXTS if name != FLAG}
    texts[FLAG] = "true" if getattr(told, FLAG, None) else ""
    hidden = [name for name in (*HIDDEN, NETWORKS) if getattr(told, name, None)]
    return Extras(
        initialization={name: text for name, text in texts.items() if text},
        unreadable=tuple(hidden),
        cpu_shares=int(sdk.cpu_shares or 0),
        answered=bool(sdk.fqdn) or sdk.guest_operating_system is not None,
    )


def initialization(texts: Mapping[str, str]) -> SdkObject:
    """Make a ``types.Initialization`` from texts."""
    values: dict[str, Any] = dict(texts)
    if PROTOCOL in texts:
        values[PROTOCOL] = types.CloudInitNetworkProtocol(texts[PROTOCOL])
    if FLAG in texts:
        values[FLAG] = True
    return types.Initialization(**values)


def card(sdk: SdkObject) -> Card:
    """Convert a ``types.Nic``."""
    return Card(str(sdk.id), sdk.name or "", sdk.plugged is not False)


def attachment(sdk: SdkObject, vm_id: VmId) -> Attachment:
    """Convert a ``types.DiskAttachment``."""
    return Attachment(
        vm_id=vm_id,
        disk_id=DiskId(sdk.id),
        active=bool(sdk.active),
        bootable=bool(sdk.bootable),
        interface=word(sdk.interface),
        read_only=bool(sdk.read_only),
        pass_discard=bool(sdk.pass_discard),
        logical_name=sdk.logical_name or "",
    )


def disk(sdk: SdkObject) -> Disk:
    """Convert a ``types.Disk``."""
    return Disk(
        id=DiskId(sdk.id),
        alias=sdk.alias or sdk.name or "",
        virtual_size=sdk.provisioned_size or 0,
        total_size=sdk.total_size or sdk.actual_size or 0,
        format=_format(sdk),
        status=word(sdk.status),
        content_type=word(sdk.content_type) or "data",
        storage_type=word(sdk.storage_type) or "image",
        shareable=bool(sdk.shareable),
        storage_domain_id=next((id_of(one) for one in sdk.storage_domains or ()), ""),
        incremental=word(sdk.backup) == "incremental",
        description=sdk.description or "",
        profile_id=id_of(sdk.disk_profile),
    )


def cluster(sdk: SdkObject) -> Cluster:
    """Convert a ``types.Cluster``."""
    return Cluster(str(sdk.id), sdk.name or "", id_of(sdk.data_center))


def domain(sdk: SdkObject) -> Domain:
    """Convert a ``types.StorageDomain`` of a data centre; elsewhere it has no status."""
    storage = word(sdk.storage.type) if sdk.storage is not None else ""
    block = storage in BLOCK
    return Domain(
        id=str(sdk.id),
        name=sdk.name or "",
        type=word(sdk.type),
        status=word(sdk.status),
        available=sdk.available,
        block=block,
        discards=storage in FILES or (block and bool(sdk.supports_discard)),
    )


def layer(sdk: SdkObject, disk_id: DiskId) -> DiskLayer:
    """Convert a ``types.DiskSnapshot`` of ``/disks/D/disksnapshots``."""
    return DiskLayer(
        disk_id=disk_id,
        snapshot_id=SnapshotId(id_of(sdk.snapshot)),
        image_id=ImageId(sdk.id),
        virtual_size=sdk.provisioned_size or 0,
        actual_size=sdk.actual_size or 0,
        format=_format(sdk),
        status=word(sdk.status),
        parent_image_id=_image_id(sdk.parent),
        alias=sdk.alias or sdk.name or "",
    )


def snapshot(sdk: SdkObject) -> Snapshot:
    """Convert a ``types.Snapshot``."""
    owner = id_of(sdk.vm)
    return Snapshot(
        id=SnapshotId(sdk.id),
        description=sdk.description or "",
        status=word(sdk.snapshot_status),
        type=word(sdk.snapshot_type),
        date=sdk.date,
        memory=bool(sdk.persist_memorystate),
        vm_id=VmId(owner) if owner else None,
    )


def snapshot_disk(sdk: SdkObject, snapshot_id: SnapshotId) -> SnapshotDisk:
    """Convert a ``types.Disk`` of a snapshot; its sizes are whole GiB (docs/engine.md#what-the-reads-show)."""
    return SnapshotDisk(
        disk_id=DiskId(sdk.id),
        snapshot_id=snapshot_id,
        image_id=ImageId(sdk.image_id or ""),
        alias=sdk.alias or sdk.name or "",
        virtual_size=sdk.provisioned_size or 0,
        actual_size=sdk.actual_size or 0,
        format=_format(sdk),
        status=word(sdk.status),
        interface=word(sdk.interface),
        bootable=bool(sdk.bootable),
        exact=False,
        storage_type=word(sdk.storage_type),
    )


def event(sdk: SdkObject) -> Event:
    """Convert a ``types.Event``."""
    owner = id_of(sdk.vm)
    return Event(
        index=int(sdk.index or sdk.id or 0),
        code=int(sdk.code or 0),
        description=sdk.description or "",
        correlation_id=sdk.correlation_id or "",
        vm_id=VmId(owner) if owner else None,
        time=sdk.time,
    )


def permission(sdk: SdkObject) -> Permission:
    """Convert a ``types.Permission``: one that names no object is on the system."""
    links = (getattr(sdk, kind) for kind in _OBJECTS)
    return Permission(id_of(sdk.role), next((id_of(one) for one in links if one), SYSTEM))


def _format(sdk: SdkObject) -> str:
    # The API calls qcow2 "cow"; qemu-img and the set say qcow2.
    text = word(sdk.format)
    return "qcow2" if text == "cow" else text


def _image_id(sdk: SdkObject) -> ImageId | None:
    found = id_of(sdk)
    return ImageId(found) if found else None
