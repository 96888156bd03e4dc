# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from the engine what core needs to decide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineNotFound,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import (
    evidence,
    lookup,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Attachment,
    Checkpointed,
    Disk,
    DiskLayer,
    Event,
    Snapshot,
    SnapshotDisk,
    SnapshotId,
    Vm,
    VmId,
    is_uuid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    vm_snapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EVENTS_AT_ONCE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        DiskPort,
        DisksAndSnapshotsPort,
        EventPort,
        ReadingPort,
        SnapshotPort,
        VmPort,
    )


def find_vm(engine: VmPort, word: str) -> Vm:
    """Find a VM by its id or its exact name.

    Raises:
        errors.NotFound: There is no such VM.
        errors.Ambiguous: Several data centres have a VM of this name.
    """
    if is_uuid(word):
        found = engine.vm(VmId(word.lower()))
        if found is not None:
            return found
    name = lookup.searchable_name(word, "VM")
    matches = engine.vms_named(name)
    return lookup.require_single(
        "VM", word, matches, lambda vm: {"id": vm.id, "name": vm.name, "cluster": vm.cluster_id}
    )


def find_appliance(engine: VmPort, word: str) -> Vm:
    """Find the VM that is the appliance. Its name in the inventory may be another.

    Raises:
        errors.NotFound: There is no such VM.
        errors.Ambiguous: Several data centres have a VM of this name.
    """
    try:
        return find_vm(engine, word)
    except NotFound as exc:
        raise NotFound(
            f"There is no VM {word!r} to use as the appliance.",
            hint=f"Set {option('appliance')} to the name or id that the engine has for it; in the inventory it"
            " may have another name. The engine hides VMs on which the user has no role.",
            details=exc.details,
        ) from exc


def find_snapshot(engine: SnapshotPort, vm: Vm, word: str) -> Snapshot:
    """Find a snapshot of this VM by its id or its whole description.

    Raises:
        errors.NotFound: The VM has no such snapshot; the message tells if another VM has it.
    """
    known = engine.snapshots(vm.id)
    found = vm_snapshot.match_snapshot(known, word)
    if found is not None:
        return found
    raise NotFound(
        f"VM {vm.name!r} has no snapshot {word!r}.",
        hint=_whose(engine, vm, word),
        details={"vm_id": vm.id, "snapshot": word},
    )


def _whose(engine: SnapshotPort, vm: Vm, word: str) -> str:
    """Say which VM owns a snapshot. The engine looks up only the id, whatever VM is in the URL."""
    if not is_uuid(word):
        return ""
    foreign = engine.snapshot(vm.id, SnapshotId(word))
    if foreign is None or foreign.vm_id is None:
        return ""
    return f"It is a snapshot of VM {foreign.vm_id}."


def exact_disks(
    engine: DisksAndSnapshotsPort, vm: Vm, snapshot: Snapshot
) -> tuple[SnapshotDisk, ...]:
    """Return the disks of a snapshot with their exact sizes.

    The snapshot's own list has whole GiB, and the disk's name at that time; the frozen volume has
    the exact size and the current name. Engines before 4.4.3 do not list volumes per disk: there
    ``exact`` stays false.
    """
    rounded = engine.snapshot_disks(vm.id, snapshot.id)
    return tuple(_exact(disk, engine.layers(disk.disk_id), vm, engine) for disk in rounded)


def _exact(
    disk: SnapshotDisk, layers: Sequence[DiskLayer], vm: Vm, engine: DiskPort
) -> SnapshotDisk:
    held = engine.attachment(vm.id, disk.disk_id)
    if held is not None:
        disk = replace(disk, interface=held.interface, bootable=held.bootable)
    layer = next((one for one in layers if one.snapshot_id == disk.snapshot_id), None)
    if layer is None:
        return disk
    return replace(
        disk,
        image_id=layer.image_id,
        alias=layer.alias or disk.alias,
        virtual_size=layer.virtual_size,
        actual_size=layer.actual_size,
        format=layer.format,
        parent_image_id=layer.parent_image_id,
        exact=True,
    )


def holdings(engine: ReadingPort, holder: Vm) -> tuple[Holding, ...]:
    """Return everything that a VM holds, each with what is known about it."""
    attachments = engine.attachments(holder.id)
    own = [snapshot.id for snapshot in engine.snapshots(holder.id)]
    layers = {one.disk_id: engine.layers(one.disk_id) for one in attachments}
    foreign = [one for one in attachments if evidence.is_disk_snapshot(layers[one.disk_id], own)]
    # Events are needed only if a disk is in several snapshots.
    choices = [{layer.snapshot_id for layer in layers[one.disk_id]} for one in foreign]
    unclear = {snapshot_id for choice in choices if len(choice) > 1 for snapshot_id in choice}
    events = read_attach_events(engine, holder, unclear) if unclear else []
    return tuple(
        _known(engine, holder, one, layers[one.disk_id], own, events) for one in attachments
    )


def holding(
    engine: ReadingPort, holder: Vm, attachment: Attachment, events: Sequence[Event] | None = None
) -> Holding:
    """Read one attachment again.

    Args:
        events: Attach and detach events of the holder, if the caller has read them already.
    """
    own = [snapshot.id for snapshot in engine.snapshots(holder.id)]
    layers = engine.layers(attachment.disk_id)
    if events is None:
        events = read_attach_events(engine, holder, {layer.snapshot_id for layer in layers})
    return _known(engine, holder, attachment, layers, own, events)


def _known(
    engine: ReadingPort,
    holder: Vm,
    attachment: Attachment,
    layers: Sequence[DiskLayer],
    own: Sequence[SnapshotId],
    events: Sequence[Event],
) -> Holding:
    """Return all that is known about one attachment; if the disk was renamed, look up its former names."""
    alias = _alias(engine, attachment)
    held = evidence.make_holding(attachment, alias, layers, own, events)
    if not evidence.was_renamed(held, events):
        return held
    others = [one for one in engine.attachments(holder.id) if one.disk_id != attachment.disk_id]
    former = evidence.former_names(
        attachment.disk_id,
        [disk for one in held.candidates for disk in _recorded(engine, holder, one)],
        {_alias(engine, one) for one in others},
    )
    return evidence.make_holding(attachment, alias, layers, own, events, former)


def _recorded(engine: SnapshotPort, holder: Vm, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
    """Return the disks of a snapshot, whatever VM is in the URL; none if it was removed meanwhile."""
    try:
        return engine.snapshot_disks(holder.id, snapshot_id)
    except EngineNotFound:
        return []


def read_attach_events(
    engine: EventPort, holder: Vm, candidates: Iterable[SnapshotId]
) -> list[Event]:
    """Return attach and detach events of one VM, newest first.

    One answer of the engine has a limited number of events, and an appliance may cause more in a
    night. So they are read back to the first attachment of a candidate, which is found by its
    correlation id.

    Args:
        candidates: Snapshots of which one may be attached.
    """
    codes = (evidence.EVENT_ATTACHED, evidence.EVENT_DETACHED)
    # Without the VM in the search, attachments to other VMs would displace older ones to this VM.
    search = " or ".join(f"type={x} and _event_vm_id={holder.id}" for x in codes)
    found = {event.index: event for event in engine.events(search)}
    full = len(found) >= EVENTS_AT_ONCE
    first = _first_attachment(engine, candidates) if full else None
    page = 1
    while first is not None and min(found) > first:
        page += 1
        more = {event.index: event for event in engine.events(f"{search} page {page}")}
        if more.keys() <= found.keys():
            break
        found.update(more)
    newest_first = sorted(found.values(), key=lambda event: -event.index)
    return [event for event in newest_first if event.vm_id in (None, holder.id)]


def _first_attachment(engine: EventPort, candidates: Iterable[SnapshotId]) -> int | None:
    """Return the index of the first attach event of these snapshots: its correlation id is the snapshot's id."""
    attached = f"type={evidence.EVENT_ATTACHED}"
    found = [engine.events(f"{attached} and correlation_id={one}") for one in sorted(candidates)]
    return min((event.index for events in found for event in events), default=None)


def checkpointed(engine: DisksAndSnapshotsPort, vm: Vm) -> Checkpointed:
    """Return the disks of a VM that have checkpoints, or may have: no list proves that there are none.

    Not every user may see the list, and it omits a checkpoint whose parent was deleted. A disk
    without incremental backup enabled cannot have any; every user may see that.
    """
    told = engine.checkpointed(vm.id)
    seen = tuple(told or ())
    enabled = [disk.id for _attachment, disk in vm_disks(engine, vm) if disk.incremental]
    possible = tuple(one for one in enabled if one not in seen)
    return Checkpointed(seen, possible, hidden=told is None)


def unplugged(engine: DisksAndSnapshotsPort, vm: Vm) -> tuple[rules.NamedDisk, ...]:
    """Return a VM's own disks that a snapshot would include and that are not plugged."""
    own = [snapshot.id for snapshot in engine.snapshots(vm.id)]
    loose = [one.disk_id for one in engine.attachments(vm.id) if not one.active]
    mine = [one for one in loose if not evidence.is_disk_snapshot(engine.layers(one), own)]
    disks = [disk for disk in map(engine.disk, mine) if disk is not None]
    return tuple(
        rules.NamedDisk(disk.id, disk.alias) for disk in disks if vm_snapshot.left_out(disk) is None
    )


def vm_disks(engine: DiskPort, vm: Vm) -> list[tuple[Attachment, Disk]]:
    """Return the disks of a VM with their properties; disks that the user may not see are left out."""
    pairs = [(one, engine.disk(one.disk_id)) for one in engine.attachments(vm.id)]
    return [(attachment, disk) for attachment, disk in pairs if disk is not None]


def _alias(engine: DiskPort, attachment: Attachment) -> str:
    disk: Disk | None = engine.disk(attachment.disk_id)
    return disk.alias if disk is not None else attachment.disk_id
