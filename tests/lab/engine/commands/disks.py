# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create and remove disks; removal takes every snapshot with it, everywhere (docs/engine.md#detaching-a-disk-snapshot)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from lab.engine import permissions as may
from lab.engine.commands import base
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.host import HostFailure
from lab.engine.http import Answer
from lab.engine.locks import Want
from lab.engine.texts import Said, refuse
from lab.model import SYSTEM, Disk, Domain, Grant, Job, Snapshot, Volume, World, new_id, now

ADD = Wording("add", "Virtual Disk")
REMOVE = Wording("remove", "Virtual Disk")
EDIT = Wording("edit", "Virtual Disk")
NO_SNAPSHOT = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Wanted:
    """A disk to create; the format is the engine's word, ``cow`` or ``raw``. Ids that are given are taken."""

    alias: str
    domain_id: str
    virtual_size: int
    fmt: str = "cow"
    disk_id: str | None = None
    image_id: str | None = None
    shareable: bool = False
    description: str = ""
    backup: str = "none"
    sparse: bool | None = None
    wipe_after_delete: bool = False
    profile_id: str | None = None


def create(call: Call, wanted: Wanted, *, settled: bool = False) -> Disk:
    """Create an empty disk that belongs to nobody.

    It is locked for a while unless ``settled``. Who creates a disk gets the role for it.
    """
    engine, world = call.engine, call.world
    with command(engine, ADD):
        with world.lock:
            domain = world.domains.get(wanted.domain_id)
            scopes = may.domain_scopes(domain) if domain else {SYSTEM}
            may.require(call, may.CREATE_DISK, scopes)
            base.domain_ready(world, wanted.domain_id)
            block = domain is not None and domain.storage != "nfs"
            if wanted.sparse is None:
                # Told nothing, the engine makes a sparse one, but for a raw one on block storage.
                wanted = replace(wanted, sparse=not (block and wanted.fmt == "raw"))
            disk, volume = rows(wanted)
            _creatable(world, disk)
            dirty = block and volume.fmt == "raw"
        try:
            engine.host.create_disk(base.image_of(disk, volume), "pattern" if dirty else None, 7)
        except HostFailure as failure:
            raise refuse("EXEC_UNEXPECTED") from failure
        with world.lock:
            world.volumes[volume.id], world.disks[disk.id] = volume, disk
            call.user.grants.append(Grant("DiskOperator", disk.id))
            record(world, 2020, call.who, disk=disk.alias)
            volume.status = "locked"
        polls = 0 if settled else world.settings.disk_polls
        engine.watch(disk.id, polls, lambda: _created(call, disk, volume), False)
        engine.work_done(disk.id)
        return disk


def _creatable(world: World, disk: Disk) -> None:
    """Space, and an id that is free. What is sparse takes nothing yet (StorageDomainValidator)."""
    domain = world.domains[disk.domain_id]
    if domain.type != "data":
        raise refuse("DOMAIN_TYPE")
    if domain.low_space or (not disk.sparse and disk.virtual_size > domain.available):
        raise refuse("LOW_SPACE", storageName=domain.name)
    if disk.id in world.disks:
        raise refuse("DISK_EXISTS", diskID=disk.id, diskAlias=world.disks[disk.id].alias)
    _fits(domain, disk)


def _fits(domain: Domain, disk: Disk) -> None:
    """Which formats go with what (``ImagesHandler.checkImageConfiguration``, read and not recorded)."""
    raw, incremental = disk.fmt == "raw", disk.backup == "incremental"
    thin_block = domain.storage != "nfs" and raw and disk.sparse
    if (raw and incremental) or thin_block or not (raw or disk.sparse or incremental):
        words = {
            "volumeFormat": "RAW" if raw else "COW",
            "volumeType": "Sparse" if disk.sparse else "Preallocated",
            "backup": "Incremental" if incremental else "None",
        }
        raise refuse("DISK_CONFIGURATION", **words)


def _created(call: Call, disk: Disk, volume: Volume) -> None:
    volume.status = "ok"
    record(call.world, 2021, call.who, disk=disk.alias)


def rows(wanted: Wanted) -> tuple[Disk, Volume]:
    """Return the rows of a new disk with its one volume."""
    fmt = "raw" if wanted.fmt == "raw" else "qcow2"
    disk_id = wanted.disk_id or new_id()
    volume = Volume(
        wanted.image_id or new_id(), disk_id, NO_SNAPSHOT, None, fmt, wanted.virtual_size
    )
    disk = Disk(
        disk_id,
        wanted.alias,
        wanted.domain_id,
        wanted.virtual_size,
        fmt,
        volume.id,
        sparse=fmt != "raw" if wanted.sparse is None else wanted.sparse,
        shareable=wanted.shareable,
        description=wanted.description,
        backup=wanted.backup,
        wipe_after_delete=wanted.wipe_after_delete,
        profile_id=wanted.profile_id,
    )
    return disk, volume


@dataclass(frozen=True)
class Removing:
    """A disk on its way out."""

    call: Call
    disk: Disk
    holders: tuple[str, ...]
    job: Job


def remove(call: Call, disk_id: str) -> Job:
    """Remove an image group with all of its snapshots, from every VM that holds it.

    The answer comes before: the disk is locked until host and polls are through.
    """
    engine, world = call.engine, call.world
    with command(engine, REMOVE):
        with world.lock:
            disk = world.disks.get(disk_id)
            if disk is not None:
                may.require(call, may.DELETE_DISK, may.disk_scopes(world, disk))
        removed = Said("DISK_BEING_REMOVED", {"DiskName": disk.alias if disk else ""})
        with engine.locks.holding([Want("disk", disk_id, removed)]), world.lock:
            disk = validate_remove(world, disk_id)
            holders = tuple(world.vms[a.vm_id].name for a in world.holders(disk_id))
            removing = Removing(call, disk, holders, _job(call, disk))
            for volume in world.chain(disk_id):
                volume.status = "locked"
        engine.watch(disk_id, world.settings.removal_polls, lambda: _gone(removing), False)
        engine.tasks.run(lambda: _erase(removing), f"remove {disk_id}")
        return removing.job


def remove_unseen(call: Call, disk_id: str) -> None:
    """Remove a disk without a caller: a refusal is not reported."""
    with suppress(Answer):
        remove(call, disk_id)


def _job(call: Call, disk: Disk) -> Job:
    job = Job(new_id(), f"Removing Disk {disk.alias}", call.who.correlation_id, call.who.user)
    call.world.jobs[job.id] = job
    return job


def validate_remove(world: World, disk_id: str) -> Disk:
    """Return the disk if it may be removed; attachments do not prevent that.

    Raises:
        Refusal: Has the first check that fails.
    """
    disk = world.disks.get(disk_id)
    if disk is None:
        raise refuse("DISK_NOT_EXIST")
    for holder in world.holders(disk_id):
        if holder.active and world.vms[holder.vm_id].status != "down":
            raise refuse("VM_NOT_DOWN")
    if any(v.status == "locked" for v in world.chain(disk_id)):
        raise refuse("DISKS_LOCKED", diskAliases=disk.alias)
    if disk.storage_type != "lun":
        base.domain_ready(world, disk.domain_id)
    for holder in world.holders(disk_id):
        base.settled(world, world.vms[holder.vm_id])
    return disk


def _erase(removing: Removing) -> None:
    """Do the host's part. What it cannot delete is illegal from then on."""
    disk, engine, world = removing.disk, removing.call.engine, removing.call.world
    try:
        engine.host.remove_disk(disk.domain_id, disk.id)
    except HostFailure:
        with world.lock:
            engine.polls.pop(disk.id, None)
            for volume in world.chain(disk.id):
                volume.status = "illegal"
            domain = world.domains[disk.domain_id].name
            record(world, 2015, removing.call.who, disk=disk.alias, domain=domain)
            removing.job.status, removing.job.ended = "failed", now()
        return
    engine.work_done(disk.id)


def _gone(removing: Removing) -> None:
    """Remove the rows, and record the event. Hold the lock."""
    disk, world = removing.disk, removing.call.world
    names = {"domain": world.domains[disk.domain_id].name, "vms": ", ".join(removing.holders)}
    drop_rows(world, disk)
    code = 2042 if removing.holders else 2014
    record(world, code, removing.call.who, disk=disk.alias, **names)
    removing.job.status, removing.job.ended = "finished", now()


def drop_rows(world: World, disk: Disk) -> None:
    """Remove every row of a disk: attachments, volumes, its part of saved configurations."""
    for holder in world.holders(disk.id):
        world.attachments.pop((holder.vm_id, holder.disk_id), None)
    for volume in [v for v in world.volumes.values() if v.disk_id == disk.id]:
        world.volumes.pop(volume.id)
    world.disks.pop(disk.id, None)
    may.forget(world, disk.id)


def adopt(world: World, disk: Disk, active: Snapshot) -> None:
    """Give a disk its owner: its active volume then belongs to the owner's ACTIVE entry."""
    world.volumes[disk.active_volume_id].snapshot_id = active.id


def update(call: Call, disk_id: str, alias: str | None, description: str | None) -> Disk:
    """Give a disk another name or description; None leaves it."""
    engine, world = call.engine, call.world
    with command(engine, EDIT):
        with world.lock:
            disk = world.disks[disk_id]
            may.require(call, may.EDIT_DISK, may.disk_scopes(world, disk))
        with engine.locks.holding([Want("disk", disk_id)]), world.lock:
            if world.volumes[disk.active_volume_id].status == "locked":
                raise refuse("DISKS_LOCKED", diskAliases=disk.alias)
            disk.alias = disk.alias if alias is None else alias
            disk.description = disk.description if description is None else description
        return disk
