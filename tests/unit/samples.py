# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values for tests, short to write if only one property of them matters."""

from __future__ import annotations

from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import evidence
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
    Holding,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    INTERFACES,
    Attachment,
    AttachSettings,
    Disk,
    DiskId,
    DiskLayer,
    Event,
    ImageId,
    Snapshot,
    SnapshotDisk,
    SnapshotId,
    Vm,
    VmId,
)


def uuid(number: int) -> str:
    """Return an id of the engine that is easy to read in a failure."""
    return f"{number:08x}-0000-4000-8000-000000000000"


APPLIANCE = Vm(VmId(uuid(0xA)), "appliance", "up", host_id="host-2")
SOURCE = Vm(VmId(uuid(0xB)), "web01", "up", host_id="host-1")
DISKS = tuple(DiskId(uuid(0xD0 + number)) for number in range(5))
SNAPSHOTS = tuple(SnapshotId(uuid(0x50 + number)) for number in range(4))


def attachment(disk_id: str = DISKS[0], settings: AttachSettings | None = None) -> Attachment:
    wanted = settings or AttachSettings()
    return Attachment(
        vm_id=APPLIANCE.id,
        disk_id=DiskId(disk_id),
        active=wanted.active,
        bootable=wanted.bootable,
        interface=wanted.interface,
        read_only=wanted.read_only,
        pass_discard=wanted.pass_discard,
    )


def holding(
    disk_id: str = DISKS[0],
    snapshot_id: str | None = SNAPSHOTS[0],
    *,
    foreign: bool = True,
    settings: AttachSettings | None = None,
    alias: str = "",
) -> Holding:
    """Return a disk on the appliance; ``foreign`` says that it is a disk snapshot."""
    known = SnapshotId(snapshot_id) if foreign and snapshot_id else None
    return Holding(
        attachment(disk_id, settings),
        alias or f"disk-{disk_id[:8]}",
        foreign,
        known,
        evidence.EVENT if known else evidence.UNKNOWN,
        SNAPSHOTS if foreign else (),
    )


def snapshot_disk(
    disk_id: str = DISKS[0],
    snapshot_id: str = SNAPSHOTS[0],
    *,
    alias: str = "",
    status: str = "ok",
) -> SnapshotDisk:
    return SnapshotDisk(
        disk_id=DiskId(disk_id),
        snapshot_id=SnapshotId(snapshot_id),
        image_id=ImageId(uuid(0x1)),
        alias=alias or f"disk-{disk_id[:8]}",
        virtual_size=1 << 30,
        actual_size=1 << 20,
        format="qcow2",
        status=status,
    )


def disk(disk_id: str = DISKS[0], alias: str = "system", **properties: object) -> Disk:
    values: dict[str, object] = {
        "virtual_size": 10 << 30,
        "total_size": 3 << 30,
        "format": "qcow2",
        "status": "ok",
    }
    return Disk(DiskId(disk_id), alias, **{**values, **properties})  # type: ignore[arg-type]


def snapshot(
    snapshot_id: str = SNAPSHOTS[0],
    description: str = "nightly",
    *,
    status: str = "ok",
    kind: str = "regular",
) -> Snapshot:
    return Snapshot(SnapshotId(snapshot_id), description, status, kind)


def layer(snapshot_id: str, disk_id: str = DISKS[0]) -> DiskLayer:
    return DiskLayer(
        disk_id=DiskId(disk_id),
        snapshot_id=SnapshotId(snapshot_id),
        image_id=ImageId(f"image of {snapshot_id}"),
        virtual_size=1 << 30,
        actual_size=1 << 20,
        format="qcow2",
        status="ok",
    )


def event(
    index: int,
    code: int,
    *,
    alias: str = "system",
    correlation_id: str = "",
    vm_id: str | None = APPLIANCE.id,
) -> Event:
    """Return an event of the engine in its own words."""
    deed = {2016: "attached to", 2018: "detached from"}.get(code, "seen near")
    return Event(
        index,
        code,
        f"Disk {alias} was successfully {deed} VM appliance by admin@internal-authz.",
        correlation_id,
        VmId(vm_id) if vm_id else None,
    )


attach_settings = st.builds(
    AttachSettings,
    interface=st.sampled_from(INTERFACES),
    bootable=st.booleans(),
    read_only=st.booleans(),
    pass_discard=st.booleans(),
    active=st.booleans(),
)

holdings = st.builds(
    holding,
    st.sampled_from(DISKS),
    st.sampled_from([*SNAPSHOTS, None]),
    foreign=st.booleans(),
    settings=attach_settings,
)

held_disks = st.lists(holdings, max_size=5, unique_by=lambda one: one.disk_id).map(tuple)
"""What an appliance holds: at most one attachment of a disk."""

vm_states = st.sampled_from(["up", "down", "paused", "powering_up", "suspended", "unknown"])
