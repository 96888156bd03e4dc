# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/vms and what hangs below a VM, attachments and snapshots aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ovirtsdk4 import types

from lab.engine import codec, ovf, present
from lab.engine.codec import Entity, ref
from lab.engine.commands import vms as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.resources.common import (
    admins_only,
    empty,
    listing,
    ok,
    query_of,
    removed,
    see_disk,
    see_vm,
    visible_vms,
)
from lab.engine.router import Route, carried_out, name_of
from lab.engine.search import Fields, Query, search
from lab.model import API, Checkpoint, Job, Vm, Volume, World

# Collections below a VM, with their plural tags, that are empty in the lab's world: nobody can put anything
# into them, and an import brings nothing of the kind along.
EMPTY = {
    "affinitylabels": "affinity_labels",
    "hostdevices": "host_devices",
    "katelloerrata": "katello_errata",
    "mediateddevices": "vm_mediated_devices",
    "numanodes": "vm_numa_nodes",
}


def _fields(call: Call) -> Fields[Vm]:
    world = call.world
    host = {h.id: h.name for h in world.hosts.values()}
    return {
        "name": lambda vm: vm.name,
        "id": lambda vm: vm.id,
        "status": lambda vm: vm.status.replace("_", ""),
        "description": lambda vm: vm.description,
        "comment": lambda vm: vm.comment,
        "cluster": lambda vm: world.clusters[vm.cluster_id].name,
        "datacenter": lambda vm: world.data_centres[world.data_centre_of(vm)].name,
        **dict.fromkeys(
            ("host", "host.name", "hosts.name"), lambda vm: host.get(vm.host_id or "", "")
        ),
        "storage.name": lambda vm: _storage(world, vm),
        "creationdate": lambda vm: vm.created.isoformat(),
        "fqdn": lambda vm: vm.fqdn or "",
        "os": lambda vm: vm.os,
        "tag": lambda vm: " ".join(vm.tags),
    }


def _storage(world: World, vm: Vm) -> tuple[str, ...]:
    """Return the storage domains of a VM's disks, by name."""
    disks = [world.disks[row.disk_id] for row in world.attachments_of(vm.id)]
    return tuple(world.domains[disk.domain_id].name for disk in disks)


def _current_ovf(call: Call, vm: Vm) -> str | None:
    """Return the OVF of now, left out while something of the VM is locked."""
    world = call.world

    def size(volume: Volume) -> int:
        return call.engine.host.actual_size(present.image(world.disks[volume.disk_id], volume))

    disks = ovf.own_disks(world, vm, size, layers=True)
    if vm.status == "image_locked" or any(d.volume.status == "locked" for d in disks):
        return None
    return ovf.write(world, vm, disks, own=True)


def whole(call: Call, vm: Vm) -> Entity:
    """Return a VM with everything that there is of it, as creations and changes answer."""
    return present.vm(call, vm, _current_ovf(call, vm), everything=True)


def _shown(call: Call, vm: Vm) -> Entity:
    everything = call.request.all_content()
    return present.vm(call, vm, _current_ovf(call, vm) if everything else None, everything)


def _query(call: Call) -> Query:
    """Return the search; a filtered one that is sorted by name and limited forgets its conditions.

    So does ``BackendVmsResource.isSortedAndMaxResults``, for the sake of a web interface.
    """
    query = query_of(call)
    position = query.text.lower().find("sortby name asc")
    if call.filtered and position >= 0 and query.maximum is not None:
        return replace(query, text=query.text[position:])
    return query


def list_vms(call: Call) -> Response:
    """GET /vms."""
    with call.world.lock:
        found = search(visible_vms(call), _fields(call), _query(call))
        return listing("vms", [_shown(call, vm) for vm in found])


def get_vm(call: Call, vm_id: str) -> Response:
    """GET /vms/{id}."""
    with call.world.lock:
        return ok(_shown(call, see_vm(call, vm_id)))


def delete_vm(call: Call, vm_id: str) -> Response:
    """DELETE /vms/{id}."""
    with call.world.lock:
        see_vm(call, vm_id)
    detach = call.request.flag("detach_only", absent=False, empty=True)
    return removed(call, commands.remove(call, vm_id, detach).id)


def _action(work: Callable[[Call, str], Job], call: Call, vm_id: str) -> Response:
    carried_out(call, codec.read(call.request.body or b"<action/>", types.Action))
    with call.world.lock:
        see_vm(call, vm_id)
    return codec.complete_action(work(call, vm_id).id, present.touched_vm(vm_id))


def suspend(call: Call, vm_id: str) -> Response:
    """POST /vms/{id}/suspend: goes on after its answer."""
    carried_out(call, codec.read(call.request.body or b"<action/>", types.Action))
    with call.world.lock:
        see_vm(call, vm_id)
    return codec.pending_action(call.request.path, commands.suspend(call, vm_id).id)


# Nobody looks whether there is such a VM.
NO_VM_TO_START = (
    'java.lang.NullPointerException: Cannot invoke "org.ovirt.engine.core.common.businessentities.VM.getStatus()" '
    'because the return value of "org.ovirt.engine.core.bll.RunVmCommand.getVm()" is null'
)


def start(call: Call, vm_id: str) -> Response:
    """POST /vms/{id}/start: on any host, or on the one named."""
    body = codec.read(call.request.body or b"<action/>", types.Action)
    carried_out(call, body, "vm.placement_policy.hosts.id")
    policy = body.vm.placement_policy if body.vm else None
    with call.world.lock:
        if vm_id not in call.world.vms:
            raise codec.query_fault(500, NO_VM_TO_START)
        vm = see_vm(call, vm_id)
        wanted = [one.id for one in policy.hosts or ()] if policy else []
        hosts = [call.world.hosts.get(one) for one in wanted]
        if any(h is None or h.cluster_id != vm.cluster_id or h.status != "up" for h in hosts):
            raise codec.not_implemented(name_of(call), "vm.placement_policy of a host that cannot")
    job = commands.start(call, vm_id, wanted[0] if wanted else None)
    return codec.complete_action(job.id, present.touched_vm(vm_id))


def list_tags(call: Call, vm_id: str) -> Response:
    """GET /vms/{id}/tags: an administrator's query."""
    with call.world.lock:
        admins_only(call)
        vm = see_vm(call, vm_id)
        tags = {name: key for key, name in call.world.tags.items()}
        shown = []
        for name in vm.tags:
            value = types.Tag(id=tags[name], name=name, vm=ref(types.Vm, "vms", vm.id))
            value.href = f"{API}/vms/{vm.id}/tags/{tags[name]}"
            shown.append(Entity(value))
        return listing("tags", shown)


def list_devices(call: Call, vm_id: str) -> Response:
    """GET /vms/{id}/reporteddevices: what the agent of a running guest says."""
    with call.world.lock:
        vm = see_vm(call, vm_id)
        if vm.status != "up" or vm.fqdn is None:
            return empty("reported_devices")
        device_id = vm.id[:-4] + "ffff"
        value = types.ReportedDevice(
            id=device_id,
            name="eth0",
            type=types.ReportedDeviceType.NETWORK,
            mac=types.Mac(address=vm.nics[0].mac) if vm.nics else None,
            ips=[types.Ip(address="127.0.0.1", version=types.IpVersion.V4)],
            vm=ref(types.Vm, "vms", vm.id),
        )
        value.href = f"{API}/vms/{vm.id}/reporteddevices/{device_id}"
        return listing("reported_devices", [Entity(value)])


def list_statistics(call: Call, vm_id: str) -> Response:
    """GET /vms/{id}/statistics: one number is enough for a client that reads them."""
    with call.world.lock:
        vm = see_vm(call, vm_id)
        value = types.Statistic(
            id="1ede1b5d-2c6e-3a4b-b5a4-3a1d0b4f3a6c",
            name="memory.installed",
            description="Total memory configured",
            kind=types.StatisticKind.GAUGE,
            type=types.ValueType.INTEGER,
            unit=types.StatisticUnit.BYTES,
            values=[types.Value(datum=float(vm.memory))],
            vm=ref(types.Vm, "vms", vm.id),
        )
        value.href = f"{API}/vms/{vm.id}/statistics/{value.id}"
        return listing("statistics", [Entity(value)])


def _cdrom(vm: Vm) -> Entity:
    value = types.Cdrom(id=present.BLANK, vm=ref(types.Vm, "vms", vm.id))
    value.href = f"{API}/vms/{vm.id}/cdroms/{present.BLANK}"
    return Entity(value)


def list_cdroms(call: Call, vm_id: str) -> Response:
    """GET /vms/{id}/cdroms: an empty drive."""
    with call.world.lock:
        return listing("cdroms", [_cdrom(see_vm(call, vm_id))])


def get_cdrom(call: Call, vm_id: str, cdrom_id: str) -> Response:
    """GET /vms/{id}/cdroms/{id}."""
    with call.world.lock:
        vm = see_vm(call, vm_id)
        if cdrom_id != present.BLANK:
            raise not_found()
        return ok(_cdrom(vm))


def _checkpoint(row: Checkpoint) -> Entity:
    value = types.Checkpoint(
        id=row.id,
        creation_date=row.created,
        parent_id=row.parent_id,
        vm=ref(types.Vm, "vms", row.vm_id),
    )
    value.href = f"{API}/vms/{row.vm_id}/checkpoints/{row.id}"
    return Entity(value, ("disks",))


def list_checkpoints(call: Call, vm_id: str) -> Response:
    """GET /vms/{id}/checkpoints: an administrator's query; an unknown VM has none."""
    with call.world.lock:
        admins_only(call)
        rows = call.world.checkpoints_of(vm_id)
        return listing("checkpoints", [_checkpoint(row) for row in rows])


def _found_checkpoint(call: Call, checkpoint_id: str) -> Checkpoint:
    """Return a checkpoint, whichever VM the path names: an administrator's query."""
    admins_only(call)
    if checkpoint_id not in call.world.checkpoints:
        raise not_found()
    return call.world.checkpoints[checkpoint_id]


def get_checkpoint(call: Call, _vm_id: str, checkpoint_id: str) -> Response:
    """GET /vms/{id}/checkpoints/{id}: also of one that the list does not reach."""
    with call.world.lock:
        return ok(_checkpoint(_found_checkpoint(call, checkpoint_id)))


def list_checkpoint_disks(call: Call, _vm_id: str, checkpoint_id: str) -> Response:
    """GET /vms/{id}/checkpoints/{id}/disks."""
    with call.world.lock:
        row = _found_checkpoint(call, checkpoint_id)
        rows = [call.world.disks[one] for one in row.disks if one in call.world.disks]
        return listing("disks", [present.checkpoint_disk(call, row) for row in rows])


def get_checkpoint_disk(call: Call, _vm_id: str, _checkpoint_id: str, disk_id: str) -> Response:
    """GET /vms/{id}/checkpoints/{id}/disks/{id}: any disk."""
    with call.world.lock:
        return ok(present.disk(call, see_disk(call, disk_id)))


def list_backups(call: Call, _vm_id: str) -> Response:
    """GET /vms/{id}/backups: an administrator's query; the lab makes none."""
    with call.world.lock:
        admins_only(call)
        return empty("backups")


def get_backup(call: Call, _vm_id: str, _backup_id: str) -> Response:
    """GET /vms/{id}/backups/{id}: there is none."""
    admins_only(call)
    raise not_found()


def _nothing(tag: str, call: Call, vm_id: str) -> Response:
    with call.world.lock:
        see_vm(call, vm_id)
        return empty(tag)


ROUTES = (
    Route("GET", "vms", list_vms),
    Route("GET", "vms/{}", get_vm),
    Route("DELETE", "vms/{}", delete_vm),
    Route("POST", "vms/{}/start", start),
    Route("POST", "vms/{}/stop", partial(_action, partial(commands.stop, gently=False))),
    Route("POST", "vms/{}/shutdown", partial(_action, partial(commands.stop, gently=True))),
    Route("POST", "vms/{}/suspend", suspend),
    Route("GET", "vms/{}/tags", list_tags),
    Route("GET", "vms/{}/reporteddevices", list_devices),
    Route("GET", "vms/{}/statistics", list_statistics),
    Route("GET", "vms/{}/cdroms", list_cdroms),
    Route("GET", "vms/{}/cdroms/{}", get_cdrom),
    Route("GET", "vms/{}/backups", list_backups),
    Route("GET", "vms/{}/backups/{}", get_backup),
    Route("GET", "vms/{}/checkpoints", list_checkpoints),
    Route("GET", "vms/{}/checkpoints/{}", get_checkpoint),
    Route("GET", "vms/{}/checkpoints/{}/disks", list_checkpoint_disks),
    Route("GET", "vms/{}/checkpoints/{}/disks/{}", get_checkpoint_disk),
    *(Route("GET", f"vms/{{}}/{rel}", partial(_nothing, tag)) for rel, tag in EMPTY.items()),
)
