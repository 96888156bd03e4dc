# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infer which snapshot an attachment shows; no call of API v4 tells.

The facts behind it: docs/engine.md#which-snapshot-an-attachment-shows.

The evidence, best first:

1. While a disk snapshot is attached, its snapshot cannot be removed. If the disk is in exactly one
   snapshot, it is that one.
2. Our attach sends the snapshot's id as correlation id, and event 2016 has it. The event names the
   disk by its alias at that moment; after a rename, the snapshots' configurations, which keep old
   names, tell it.
3. Otherwise it is unknown. There is no guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Attachment,
        DiskId,
        DiskLayer,
        Event,
        SnapshotDisk,
        SnapshotId,
        VmId,
    )

EVENT_ATTACHED = 2016
EVENT_DETACHED = 2018

ONLY_SNAPSHOT = "only_snapshot"
EVENT = "event"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Holding:
    """A disk attached to a VM, with what is known about it.

    Attributes:
        is_disk_snapshot: The disk is in snapshots, and none of them is the holder's.
        evidence: ``only_snapshot``, ``event`` or ``unknown``.
        candidates: Every snapshot that it could be.
        former_names: Earlier names of the disk, if they had to be looked up.
    """

    attachment: Attachment
    alias: str
    is_disk_snapshot: bool
    snapshot_id: SnapshotId | None = None
    evidence: str = UNKNOWN
    candidates: tuple[SnapshotId, ...] = ()
    former_names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that events may use for the disk: an event keeps the name of its moment."""
        return (self.alias, *self.former_names)

    @property
    def disk_id(self) -> DiskId:
        """The disk's id."""
        return self.attachment.disk_id

    def to_dict(self) -> dict[str, Any]:
        """Return the holding as a module's result."""
        return {
            "disk_id": self.attachment.disk_id,
            "alias": self.alias,
            "is_disk_snapshot": self.is_disk_snapshot,
            "snapshot_id": self.snapshot_id,
            "evidence": self.evidence,
            "active": self.attachment.active,
            "interface": self.attachment.interface,
            "bootable": self.attachment.bootable,
            "read_only": self.attachment.read_only,
            "pass_discard": self.attachment.pass_discard,
            "logical_name": self.attachment.logical_name,
        }


def is_disk_snapshot(layers: Iterable[DiskLayer], holder_snapshots: Iterable[SnapshotId]) -> bool:
    """Tell whether a disk attached to a VM is a snapshot of another VM's disk.

    A disk in a snapshot can never be shareable (docs/engine.md#which-snapshot-an-attachment-shows).
    So if it is in snapshots and none of them is the holder's, the holder got it by attaching a
    snapshot.
    """
    of_disk = {layer.snapshot_id for layer in layers}
    return bool(of_disk) and of_disk.isdisjoint(set(holder_snapshots))


def attached_snapshot(
    attachment: Attachment,
    names: Collection[str],
    layers: Sequence[DiskLayer],
    events: Iterable[Event],
) -> tuple[SnapshotId | None, str]:
    """Return the attached snapshot, None if it is unknown, and the evidence for it.

    Args:
        names: The current alias of the disk, and former ones.
        layers: Frozen volumes of the disk.
        events: Events 2016 and 2018 of the holder.
    """
    candidates = {layer.snapshot_id for layer in layers}
    if len(candidates) == 1:
        return next(iter(candidates)), ONLY_SNAPSHOT
    standing = {event.correlation_id for event in attach_events(events, attachment.vm_id, names)}
    told = [one for one in candidates if one in standing]
    return (told[0], EVENT) if len(told) == 1 else (None, UNKNOWN)


def attach_events(events: Iterable[Event], vm_id: VmId, names: Collection[str]) -> list[Event]:
    """Return the attach events that no later detach event has ended, oldest first.

    Events name a disk only by its alias (docs/engine.md#events), and several disks of a VM may have
    the same alias. While more than one of them is attached, a detach event may be about any of
    them, so all their attach events are kept.
    """
    about = [
        event
        for event in events
        if event.code in (EVENT_ATTACHED, EVENT_DETACHED)
        and event.vm_id in (None, vm_id)
        and _names_one_of(event, names)
    ]
    standing: list[Event] = []
    attached = 0
    for event in sorted(about, key=lambda event: event.index):
        if event.code == EVENT_ATTACHED:
            attached += 1
            standing.append(event)
            continue
        attached = max(attached - 1, 0)
        if not attached:
            standing.clear()
    return standing


def _names_one_of(event: Event, names: Collection[str]) -> bool:
    return event.description.startswith(tuple(f"Disk {one} was successfully " for one in names))


def was_renamed(held: Holding, events: Iterable[Event]) -> bool:
    """Tell whether the disk may have been attached under another name.

    That is so if its current name does not tell the snapshot, and an event under another name
    would.
    """
    return (
        held.is_disk_snapshot
        and held.snapshot_id is None
        and any(
            event.code == EVENT_ATTACHED
            and event.vm_id in (None, held.attachment.vm_id)
            and event.correlation_id in held.candidates
            and not _names_one_of(event, held.names)
            for event in events
        )
    )


def former_names(
    disk_id: DiskId, recorded: Iterable[SnapshotDisk], taken: Collection[str]
) -> tuple[str, ...]:
    """Return the disk's names when its snapshots were made, without names that may mean another disk.

    Args:
        recorded: Disks of these snapshots, as the snapshots' configurations name them.
        taken: Names of other disks of the holder.
    """
    pairs = {(one.alias, one.disk_id) for one in recorded}
    others = {alias for alias, other in pairs if other != disk_id}
    mine = {alias for alias, one in pairs if one == disk_id}
    return tuple(sorted(mine - others - set(taken)))


def newest(events: Iterable[Event]) -> int:
    """Return the number of the newest event; 0 if there are none."""
    return max((event.index for event in events), default=0)


def told_attached(
    events: Iterable[Event], since: int, vm_id: VmId, alias: str, snapshot_id: SnapshotId
) -> bool:
    """Tell whether an event after ``since`` reports the attach of a disk snapshot, so that the host has plugged it."""
    words = f"Disk {alias} was successfully attached"
    return any(
        event.index > since
        and event.code == EVENT_ATTACHED
        and event.vm_id in (None, vm_id)
        and event.correlation_id == snapshot_id
        and event.description.startswith(words)
        for event in events
    )


def make_holding(
    attachment: Attachment,
    alias: str,
    layers: Sequence[DiskLayer],
    holder_snapshots: Iterable[SnapshotId],
    events: Iterable[Event],
    former: tuple[str, ...] = (),
) -> Holding:
    """Combine all that is known about one attachment.

    Args:
        former: Former names of the disk.
    """
    if not is_disk_snapshot(layers, holder_snapshots):
        return Holding(attachment, alias, False)
    snapshot_id, evidence = attached_snapshot(attachment, (alias, *former), layers, events)
    candidates = tuple(sorted({layer.snapshot_id for layer in layers}))
    return Holding(attachment, alias, True, snapshot_id, evidence, candidates, former)
