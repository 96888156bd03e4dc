# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/vms/{id}/snapshots."""

from __future__ import annotations

from ovirtsdk4 import types

from lab.engine import codec, present
from lab.engine import permissions as may
from lab.engine.codec import Entity, incomplete, query_fault
from lab.engine.commands import snapshots as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import created, listing, ok, removed
from lab.engine.router import Route
from lab.engine.texts import Said
from lab.model import Snapshot


def _visible(call: Call, vm_id: str) -> bool:
    vm = call.world.vms.get(vm_id)
    return vm is not None and may.View(call).vm(vm)


def list_snapshots(call: Call, vm_id: str) -> Response:
    """GET: in the order of creation, the ACTIVE entry among them."""
    with call.world.lock:
        rows = call.world.snapshots_of(vm_id) if _visible(call, vm_id) else []
        ovf = call.request.all_content()
        shown = [present.snapshot(call, row, ovf, listed=True) for row in rows]
        for row in rows:
            call.engine.polled(row.id)
        return listing("snapshots", shown)


def _row(call: Call, snapshot_id: str) -> Snapshot:
    """The snapshot, whichever VM the path names: the engine looks up the id alone."""
    row = call.world.snapshots.get(snapshot_id)
    if row is None or not _visible(call, row.vm_id):
        detail = f"Entity not found: GetSnapshotBySnapshotId: snapshot id={snapshot_id}"
        raise query_fault(404, detail)
    return row


def get_snapshot(call: Call, vm_id: str, snapshot_id: str) -> Response:
    """GET of one."""
    with call.world.lock:
        call.engine.polled(snapshot_id)
        row, ovf = _row(call, snapshot_id), call.request.all_content()
        return ok(present.snapshot(call, row, ovf, asked=vm_id))


def add_snapshot(call: Call, vm_id: str) -> Response:
    """POST: 201 with a locked snapshot and no job."""
    body = codec.read(call.request.body, types.Snapshot)
    if body.description is None:
        raise incomplete("Snapshot [description] required for doAdd")
    disks = None
    if body.disk_attachments is not None:
        if not body.disk_attachments:
            raise codec.command_fault([Said("VALIDATION_CRASHED")], "", "")
        disks = tuple(one.disk.id for one in body.disk_attachments)
    memory = True if body.persist_memorystate is None else bool(body.persist_memorystate)
    wanted = commands.Wanted(vm_id, body.description, memory, disks)
    with call.world.lock:
        row = commands.create(call, wanted)
        return created(call, present.snapshot(call, row))


def remove_snapshot(call: Call, vm_id: str, snapshot_id: str) -> Response:
    """DELETE: answers at once, the merge goes on."""
    job = commands.remove(call, vm_id, snapshot_id)
    return removed(call, job.id)


def list_disks(call: Call, _vm_id: str, snapshot_id: str) -> Response:
    """GET of the disks that the configuration saved with the snapshot names."""
    with call.world.lock:
        return listing("disks", _disks(call, _row(call, snapshot_id)))


def _disks(call: Call, row: Snapshot) -> list[Entity]:
    world = call.world
    if row.type != "active":
        return [present.snapshot_disk(call, row, item) for item in row.disks]
    own = [world.disks[one.disk_id] for one in world.attachments_of(row.vm_id)]
    images = [d for d in own if world.volumes[d.active_volume_id].snapshot_id == row.id]
    return [present.active_disk(call, row, one) for one in images]


def get_disk(call: Call, _vm_id: str, snapshot_id: str, disk_id: str) -> Response:
    """GET of one of them."""
    with call.world.lock:
        for item in _disks(call, _row(call, snapshot_id)):
            if item.value.id == disk_id:
                return ok(item)
        raise not_found()


ROUTES = (
    Route("GET", "vms/{}/snapshots", list_snapshots),
    Route("POST", "vms/{}/snapshots", add_snapshot),
    Route("GET", "vms/{}/snapshots/{}", get_snapshot),
    Route("DELETE", "vms/{}/snapshots/{}", remove_snapshot),
    Route("GET", "vms/{}/snapshots/{}/disks", list_disks),
    Route("GET", "vms/{}/snapshots/{}/disks/{}", get_disk),
)
