# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/vms/{id}/diskattachments."""

from __future__ import annotations

from uuid import UUID

from ovirtsdk4 import types

from lab.engine import codec, present
from lab.engine import permissions as may
from lab.engine.codec import incomplete, query_fault
from lab.engine.commands import attach as attaching
from lab.engine.commands import detach as detaching
from lab.engine.commands import disks as disking
from lab.engine.commands.base import command
from lab.engine.core import Call
from lab.engine.http import Response, error_page, not_found
from lab.engine.resources.common import created, listing, ok, removed
from lab.engine.router import Route
from lab.model import Attachment

# What an id without any text is read as.
NOBODY = "00000000-0000-0000-0000-000000000000"


def _see(call: Call, vm_id: str) -> bool:
    vm = call.world.vms.get(vm_id)
    return vm is not None and may.View(call).vm(vm)


def list_attachments(call: Call, vm_id: str) -> Response:
    """GET: an unknown VM has an empty list, not 404."""
    with call.world.lock:
        rows = call.world.attachments_of(vm_id) if _see(call, vm_id) else []
        return listing("disk_attachments", [present.attachment(row) for row in rows])


def _row(call: Call, vm_id: str, disk_id: str) -> Attachment:
    row = call.world.attachments.get((vm_id, disk_id))
    if row is None or not _see(call, vm_id):
        raise not_found()
    return row


def get_attachment(call: Call, vm_id: str, disk_id: str) -> Response:
    """GET of one: 404 without a body when the disk is not attached."""
    with call.world.lock:
        return ok(present.attachment(_row(call, vm_id, disk_id)))


def add_attachment(call: Call, vm_id: str) -> Response:
    """POST: attach a disk or a disk snapshot; without a disk id, create a disk."""
    body = codec.read(call.request.body, types.DiskAttachment)
    if body.id is not None:
        codec.uuid_or_400(body.id)
    if body.disk is None:
        told = 'Cannot invoke "org.ovirt.engine.api.model.Disk.isSetLunStorage()" because "disk" is null'
        raise error_page(f"java.lang.NullPointerException: {told}")
    disk_id = _disk_id(body.disk) if body.disk.id is not None else _new_disk(call, vm_id, body)
    row = attaching.attach(call, _wanted(vm_id, disk_id, body))
    if body.disk.id is None:
        with call.world.lock:
            disk = call.world.disks[disk_id]
            disking.adopt(call.world, disk, call.world.active_snapshot(vm_id))
    return created(call, present.attachment(row))


def _disk_id(disk: types.Disk) -> str:
    """Return the disk's id; what is no UUID hits an engine without a mapper for it."""
    try:
        return str(UUID(disk.id)) if disk.id else NOBODY
    except ValueError as problem:
        told = f"java.lang.IllegalArgumentException: Invalid UUID string: {disk.id}"
        raise error_page(told) from problem


def _interface(body: types.DiskAttachment) -> str | None:
    return body.interface.value if body.interface is not None else None


def _wanted(vm_id: str, disk_id: str, body: types.DiskAttachment) -> attaching.Wanted:
    snapshot = body.disk.snapshot
    if snapshot is not None and not snapshot.id:
        raise incomplete("Disk [snapshot.id] required for attachDiskToVm")
    read_only = body.read_only if body.disk.read_only is None else body.disk.read_only
    return attaching.Wanted(
        vm_id,
        disk_id,
        codec.uuid_or_400(snapshot.id) if snapshot is not None else None,
        _interface(body),
        active=bool(body.active),
        bootable=bool(body.bootable),
        read_only=bool(read_only),
        pass_discard=bool(body.pass_discard),
        uses_scsi_reservation=bool(body.uses_scsi_reservation),
    )


def _new_disk(call: Call, vm_id: str, body: types.DiskAttachment) -> str:
    given = body.disk
    if given.provisioned_size is None or given.format is None:
        raise incomplete("Disk [provisionedSize|size, format] required for invoke")
    with command(call.engine, disking.ADD), call.world.lock:
        vm = call.world.vms.get(vm_id)
        if body.bootable and vm is not None:
            attaching.refuse_second_boot(call.world, vm)
    domains = given.storage_domains or []
    domain_id = domains[0].id if domains else next(iter(call.world.domains))
    alias = given.alias or given.name or "disk"
    wanted = disking.Wanted(alias, domain_id, given.provisioned_size, given.format.value)
    return disking.create(call, wanted, settled=True).id


def update_attachment(call: Call, vm_id: str, disk_id: str) -> Response:
    """PUT: plug state first, then always an update of the disk itself."""
    body = codec.read(call.request.body, types.DiskAttachment)
    with call.world.lock:
        if body.active is None and (vm_id, disk_id) not in call.world.attachments:
            # Nothing is to be plugged, so it is the update of the disk that finds nothing.
            raise query_fault(404, f"Entity not found: {disk_id}")
        _row(call, vm_id, disk_id)
    if body.id is not None and body.id != disk_id:
        raise codec.immutable("id")
    disk = body.disk or types.Disk()
    change = detaching.Change(
        *(body.active, _interface(body), body.bootable, body.pass_discard),
        *(disk.provisioned_size, disk.alias or disk.name, disk.description),
        disk.disk_profile.id if disk.disk_profile else None,
    )
    return ok(present.attachment(detaching.update(call, vm_id, disk_id, change)))


def remove_attachment(call: Call, vm_id: str, disk_id: str) -> Response:
    """DELETE: detach, or with ``detach_only=false`` destroy the disk everywhere."""
    if call.request.flag("detach_only", absent=True, empty=True):
        detaching.detach(call, vm_id, disk_id)
    else:
        disking.remove(call, disk_id)
    return removed(call)


ROUTES = (
    Route("GET", "vms/{}/diskattachments", list_attachments),
    Route("POST", "vms/{}/diskattachments", add_attachment),
    Route("GET", "vms/{}/diskattachments/{}", get_attachment),
    Route("PUT", "vms/{}/diskattachments/{}", update_attachment),
    Route("DELETE", "vms/{}/diskattachments/{}", remove_attachment),
)
