# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions and templates: operations on VMs and disks that are affected by attached disk snapshots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ovirtsdk4 import types

from lab.engine import codec, present
from lab.engine import permissions as may
from lab.engine.codec import Entity, incomplete
from lab.engine.commands import exports, moves, previews
from lab.engine.commands import vms as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import (
    admins_only,
    created,
    listing,
    ok,
    query_of,
    removed,
    see_disk,
    see_vm,
)
from lab.engine.router import Route, carried_out, name_of
from lab.engine.search import Fields, search
from lab.model import API, Job, Template

_NAMED_DOMAIN = ("storage_domain.id", "storage_domain.name")


def _body(call: Call, *elements: str) -> types.Action:
    """Return the action of a request; 501 if it brings anything but the elements that the lab carries out."""
    body = codec.read(call.request.body or b"<action/>", types.Action)
    carried_out(call, body, *elements)
    return body


def _named(call: Call, table: str, given: object) -> str | None:
    """Return the id that a body gives, or the id of what has the name that it gives."""
    if given is None:
        return None
    object_id, name = getattr(given, "id", None), getattr(given, "name", None)
    if object_id is not None:
        return str(object_id)
    rows = getattr(call.world, table).values()
    return next((str(row.id) for row in rows if row.name == name), None)


def export(call: Call, vm_id: str) -> Response:
    """POST /vms/{id}/export: with a storage domain to that, else to a path on a host."""
    body = _body(call, *_NAMED_DOMAIN, "host.id", "host.name", "directory", "filename")
    with call.world.lock:
        see_vm(call, vm_id)
        domain = _named(call, "domains", body.storage_domain)
        host = _named(call, "hosts", body.host)
    if body.storage_domain is not None:
        job = exports.to_domain(call, vm_id, domain or "")
    else:
        if body.host is None or body.directory is None:
            raise incomplete("Action [host.id|name, directory] required for exportToPathOnHost")
        job = exports.to_ova(call, vm_id, host, body.directory, body.filename or "")
    return codec.complete_action(job.id)


def clone(call: Call, vm_id: str) -> Response:
    """POST /vms/{id}/clone."""
    body = _body(call, "vm.name")
    if body.vm is None or body.vm.name is None:
        raise incomplete("Action [vm.name] required for doClone")
    with call.world.lock:
        see_vm(call, vm_id)
    job = exports.clone(call, vm_id, body.vm.name)
    return codec.complete_action(job.id, present.touched_vm(vm_id))


def migrate(call: Call, vm_id: str) -> Response:
    """POST /vms/{id}/migrate: to any host, or to the one named."""
    body = _body(call, "host.id", "host.name")
    with call.world.lock:
        see_vm(call, vm_id)
        host = _named(call, "hosts", body.host)
    commands.migrate(call, vm_id, host)
    return codec.complete_action()


def preview_snapshot(call: Call, vm_id: str) -> Response:
    """POST /vms/{id}/previewsnapshot."""
    body = _body(call, "snapshot.id")
    if body.snapshot is None or body.snapshot.id is None:
        raise incomplete("Action [snapshot.id] required for previewSnapshot")
    with call.world.lock:
        see_vm(call, vm_id)
    job = previews.preview(call, vm_id, body.snapshot.id)
    return codec.pending_action(call.request.path, job.id, call.request.body)


def restore(call: Call, vm_id: str, snapshot_id: str) -> Response:
    """POST /vms/{id}/snapshots/{id}/restore: a preview, then a commit.

    Is the commit refused, the preview stays: the VM is left in it.
    """
    _body(call)
    job = previews.preview(call, vm_id, snapshot_id, settled=True)
    previews.commit(call, vm_id)
    return codec.complete_action(job.id)


def _revert(work: Callable[[Call, str], Job], call: Call, vm_id: str) -> Response:
    _body(call)
    with call.world.lock:
        see_vm(call, vm_id)
    return codec.pending_action(call.request.path, work(call, vm_id).id)


def move_disk(call: Call, disk_id: str) -> Response:
    """POST /disks/{id}/move."""
    body = _body(call, *_NAMED_DOMAIN)
    if body.storage_domain is None:
        raise incomplete("Action [storageDomain.id|name] required for move")
    with call.world.lock:
        see_disk(call, disk_id)
        target = _named(call, "domains", body.storage_domain) or ""
    return codec.complete_action(moves.move(call, disk_id, target).id)


def remove_disk_snapshot(call: Call, _parent: str, volume_id: str) -> Response:
    """DELETE of one disk snapshot: the look that comes first is an administrator's query."""
    with call.world.lock:
        admins_only(call)
        volume = call.world.volumes.get(volume_id)
        if volume is None:
            raise not_found()
    return removed(call, moves.remove_disk_snapshot(call, volume_id).id)


def _visible_templates(call: Call) -> list[Template]:
    view = may.View(call)
    return [row for row in call.world.templates.values() if view.template(row)]


def list_templates(call: Call) -> Response:
    """GET /templates: Blank, and what was made."""
    fields: Fields[Template] = {"name": lambda t: t.name, "id": lambda t: t.id}
    blank = Template(present.BLANK, "Blank", "", "", "ok")
    with call.world.lock:
        found = search([blank, *_visible_templates(call)], fields, query_of(call))
        return listing("templates", [present.template(call, row) for row in found])


def get_template(call: Call, template_id: str) -> Response:
    """GET /templates/{id}."""
    with call.world.lock:
        if template_id == present.BLANK:
            return ok(present.template(call, Template(present.BLANK, "Blank", "", "", "ok")))
        call.engine.polled(template_id)
        return ok(present.template(call, _template(call, template_id)))


def _template(call: Call, template_id: str) -> Template:
    row = call.world.templates.get(template_id)
    if row is None or not may.View(call).template(row):
        raise not_found()
    return row


def add_template(call: Call) -> Response:
    """POST /templates with the VM to make it of."""
    body = codec.read(call.request.body, types.Template)
    carried_out(call, body, "name", "description", "vm.id", "vm.name", "cluster.id", "cluster.name")
    if body.name is None or body.vm is None:
        raise incomplete("Template [name, vm.id|name] required for add")
    with call.world.lock:
        vm_id = _named(call, "vms", body.vm)
        if vm_id is None:
            raise not_found()
        vm = see_vm(call, vm_id)
        if body.cluster is not None and _named(call, "clusters", body.cluster) != vm.cluster_id:
            raise codec.not_implemented(name_of(call), "another cluster than the VM's")
    wanted = exports.WantedTemplate(body.name, vm_id, body.description or "")
    row = exports.make_template(call, wanted)
    with call.world.lock:
        return created(call, present.template(call, row))


def delete_template(call: Call, template_id: str) -> Response:
    """DELETE /templates/{id}."""
    with call.world.lock:
        _template(call, template_id)
    exports.remove_template(call, template_id)
    return removed(call)


def list_template_disks(call: Call, template_id: str) -> Response:
    """GET /templates/{id}/diskattachments: what is in it."""
    with call.world.lock:
        row = _template(call, template_id)
        return listing("disk_attachments", [_attachment(row, one) for one in row.disks])


def _attachment(row: Template, disk_id: str) -> Entity:
    """Return a disk of a template; whether it boots is what the VM's disk did that it was made of."""
    number = row.disks.index(disk_id)
    value = types.DiskAttachment(
        id=disk_id,
        active=True,
        bootable=row.sources[number] in row.bootable,
        interface=types.DiskInterface.VIRTIO_SCSI,
        pass_discard=False,
        read_only=False,
        uses_scsi_reservation=False,
        disk=codec.ref(types.Disk, "disks", disk_id),
        template=codec.ref(types.Template, "templates", row.id),
        vm=codec.ref(types.Vm, "vms", row.id),
    )
    value.href = f"{API}/templates/{row.id}/diskattachments/{disk_id}"
    return Entity(value)


def list_exported(call: Call, domain_id: str) -> Response:
    """GET /storagedomains/{id}/vms of an export domain: an administrator's query."""
    with call.world.lock:
        admins_only(call)
        return listing("vms", [present.exported(one) for one in _exported(call, domain_id)])


def _exported(call: Call, domain_id: str) -> list[tuple[str, str, str]]:
    rows = {one.vm_id: one.vm_name for one in call.world.exports if one.target == domain_id}
    return [(domain_id, vm_id, name) for vm_id, name in rows.items()]


def get_exported(call: Call, domain_id: str, vm_id: str) -> Response:
    """GET /storagedomains/{id}/vms/{id}."""
    with call.world.lock:
        admins_only(call)
        for one in _exported(call, domain_id):
            if one[1] == vm_id:
                return ok(present.exported(one))
        raise not_found()


ROUTES = (
    Route("POST", "vms/{}/export", export),
    Route("POST", "vms/{}/clone", clone),
    Route("POST", "vms/{}/migrate", migrate),
    Route("POST", "vms/{}/previewsnapshot", preview_snapshot),
    Route("POST", "vms/{}/commitsnapshot", partial(_revert, previews.commit)),
    Route("POST", "vms/{}/undosnapshot", partial(_revert, previews.undo)),
    Route("POST", "vms/{}/snapshots/{}/restore", restore),
    Route("POST", "disks/{}/move", move_disk),
    Route("DELETE", "disks/{}/disksnapshots/{}", remove_disk_snapshot),
    Route("DELETE", "storagedomains/{}/disksnapshots/{}", remove_disk_snapshot),
    Route("GET", "storagedomains/{}/vms", list_exported),
    Route("GET", "storagedomains/{}/vms/{}", get_exported),
    Route("GET", "templates", list_templates),
    Route("POST", "templates", add_template),
    Route("GET", "templates/{}", get_template),
    Route("DELETE", "templates/{}", delete_template),
    Route("GET", "templates/{}/diskattachments", list_template_disks),
)
