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
from lab.engine.http import Response, error_page, not_found
from lab.engine.resources.common import asynchronous, created, listing, ok
from lab.engine.router import Route
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
    """Return the snapshot, whichever VM the path names: the engine looks up the id alone."""
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
        raise codec.missing("snapshot.description")
    if not body.description:
        raise incomplete("Snapshot [description] required for doAdd")
    memory = True if body.persist_memorystate is None else bool(body.persist_memorystate)
    wanted = commands.Wanted(vm_id, body.description, memory, _chosen(body))
    making = commands.create(call, wanted)
    response = created(call, present.new_snapshot(making.snapshot))
    commands.go(making)
    return response


def _chosen(body: types.Snapshot) -> tuple[str, ...] | None:
    """Return the disks that a body names; an element without any is a disk of no id, which chooses none."""
    if body.disk_attachments is None:
        return None
    if not body.disk_attachments:
        raise error_page(
            'java.lang.NullPointerException: Cannot invoke "java.util.Map.keySet()" because '
            '"diskImagesMap" is null'
        )
    named = [one.disk.id for one in body.disk_attachments if one.disk is not None]
    ids = tuple(codec.uuid_or_400(one) for one in named if one is not None)
    for one in ids:
        if ids.count(one) > 1:
            image = "org.ovirt.engine.core.common.businessentities.storage.DiskImage@0"
            merged = f"(attempted merging values {image} and {image})"
            raise error_page(f"java.lang.IllegalStateException: Duplicate key {one} {merged}")
    return ids


def remove_snapshot(call: Call, _vm_id: str, snapshot_id: str) -> Response:
    """DELETE: looks for the snapshot, then answers at once, and the merge goes on.

    Who does not wait is told 202 before anything is validated.
    """
    with call.world.lock:
        row = _row(call, snapshot_id)
    if asynchronous(call):
        later = call.world.settings.async_seconds
        call.engine.tasks.later(later, lambda: commands.remove_unseen(call, row))
        return Response(202)
    return codec.complete_action(commands.remove(call, row.vm_id, row.id).id)


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
