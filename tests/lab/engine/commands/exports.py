# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Export and clone a VM, and make a template of it (docs/engine.md#operations-on-the-appliance).

All of them silently leave out the disk snapshots that the VM holds: the content of the result is
recorded in the world, so that a test sees what is missing. No bytes are copied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lab.engine import permissions as may
from lab.engine.commands import base, disks, internal
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.host import HostFailure
from lab.engine.locks import Held, Want
from lab.engine.texts import Refusal, Said, refuse
from lab.model import (
    Attachment,
    Disk,
    Domain,
    Export,
    Grant,
    Host,
    Job,
    Snapshot,
    Template,
    Vm,
    World,
    new_id,
    now,
)

EXPORT = Wording("export", "VM")
CLONE = Wording("clone", "VM")
TEMPLATE = Wording("add", "Template")
REMOVE_TEMPLATE = Wording("remove", "Template")
OVA_SNAPSHOT = "Auto-generated for Export To OVA"


def job_of(call: Call, description: str) -> Job:
    """Return the job of a monitored command. Hold the lock."""
    job = Job(new_id(), description, call.who.correlation_id, call.who.user)
    call.world.jobs[job.id] = job
    return job


def end(job: Job, status: str = "finished") -> None:
    """Mark the job as over."""
    job.status, job.ended = status, now()


def _known(call: Call, vm_id: str, permit: str) -> Vm:
    vm = call.world.vms.get(vm_id)
    if vm is None:
        raise refuse("VM_NOT_FOUND")
    may.require(call, permit, may.vm_scopes(call.world, vm))
    return vm


def active_disks(world: World, vm: Vm) -> list[Disk]:
    """Return the VM's own images, neither shared nor of a snapshot, as the engine's filters do."""
    rows = [row for row in world.attachments_of(vm.id) if row.snapshot_id is None]
    own = [world.disks[row.disk_id] for row in rows]
    return [disk for disk in own if not disk.shareable and disk.storage_type == "image"]


def _intact(world: World, found: list[Disk]) -> None:
    status = {disk.alias: world.volumes[disk.active_volume_id].status for disk in found}
    illegal = [alias for alias, word in status.items() if word == "illegal"]
    if illegal:
        raise refuse("DISKS_ILLEGAL", diskAliases=", ".join(illegal))
    locked = [alias for alias, word in status.items() if word == "locked"]
    if locked:
        raise refuse("DISKS_LOCKED", diskAliases=", ".join(locked))


def to_domain(call: Call, vm_id: str, domain_id: str) -> Job:
    """Export to an export domain: the VM must be down."""
    world = call.world
    with command(call.engine, EXPORT), world.lock:
        vm = _known(call, vm_id, may.EXPORT_VM)
        said = Said("VM_BEING_EXPORTED", {"VmName": vm.name})
        with call.engine.locks.holding([Want("vm", vm.id, said)]):
            found = active_disks(world, vm)
            domain = _export_domain(world, vm, domain_id, found)
            _settled(world, vm)
            record(world, 1162, call.who, vm.id, domain=domain.name)
            chosen = tuple(disk.id for disk in found)
            world.exports.append(Export("domain", vm.id, vm.name, domain.id, chosen))
            record(world, 1150, call.who, vm.id, domain=domain.name)
            job = job_of(call, f"Exporting VM {vm.name} to {domain.name}")
            end(job)
            return job


def _export_domain(world: World, vm: Vm, domain_id: str, found: list[Disk]) -> Domain:
    base.domain_ready(world, domain_id)
    _intact(world, found)
    domain = world.domains[domain_id]
    if domain.data_centre_id != world.data_centre_of(vm):
        raise refuse("POOL_NOT_MATCH")
    if domain.type != "export":
        raise refuse("NOT_EXPORT_DOMAIN", storageDomainName=domain.name)
    return domain


def _settled(world: World, vm: Vm) -> None:
    base.settled(world, vm)
    if vm.status != "down":
        raise refuse("VM_NOT_DOWN")


@dataclass(frozen=True)
class Ova:
    """An OVA export on its way."""

    call: Call
    vm: Vm
    host: Host
    path: str
    job: Job
    held: Held


def to_ova(call: Call, vm_id: str, host_id: str | None, directory: str, filename: str) -> Job:
    """Export to a file on a host: answered at once, done through an automatic snapshot.

    Where that snapshot cannot be removed at the end, it stays, and the export succeeds all the same.
    """
    engine, world = call.engine, call.world
    with command(engine, EXPORT):
        with world.lock:
            vm = _known(call, vm_id, may.EXPORT_VM)
            said = Said("VM_BEING_EXPORTED", {"VmName": vm.name})
        held = engine.locks.acquire([Want("vm", vm.id, said)])
        try:
            with world.lock:
                host = _proxy(world, vm, host_id)
                record(world, 1223, call.who, vm.id)
                job = job_of(call, f"Exporting VM {vm.name} as an OVA to path {directory}")
        except BaseException:
            engine.locks.release(held)
            raise
        path = f"{directory.rstrip('/')}/{filename or vm.name + '.ova'}"
        ova = Ova(call, vm, host, path, job, held)
        engine.tasks.run(lambda: _write(ova), f"ova {vm.id}")
        return job


def _proxy(world: World, vm: Vm, host_id: str | None) -> Host:
    if host_id is None or host_id not in world.hosts:
        raise refuse("NO_PROXY_HOST")
    host = world.hosts[host_id]
    if host.status != "up":
        raise refuse("HOST_STATUS", hostStatus="Up")
    if world.clusters[host.cluster_id].data_centre_id != world.data_centre_of(vm):
        raise refuse("PROXY_HOST_ELSEWHERE")
    return host


def _write(ova: Ova) -> None:
    """Run the three phases of the command: snapshot, file, removal."""
    call, world = ova.call, ova.call.world
    names = {"path": ova.path, "host": ova.host.name}
    try:
        snapshot = internal.take(call, ova.vm, OVA_SNAPSHOT, None)
    except Refusal:
        snapshot = None
    if snapshot is None:
        with world.lock:
            record(world, 1225, call.who, ova.vm.id, **names)
            _close(ova, "failed")
        return
    found = tuple(item.disk_id for item in snapshot.disks)
    removed = internal.drop(call, ova.vm, snapshot)
    with world.lock:
        made = Export("ova", ova.vm.id, ova.vm.name, ova.path, found, ova.host.id)
        world.exports.append(made if removed else replace(made, leftover=snapshot.id))
        record(world, 1224, call.who, ova.vm.id, **names)
        _close(ova, "finished")


def _close(ova: Ova, status: str) -> None:
    end(ova.job, status)
    ova.call.engine.locks.release(ova.held)


def _copies(call: Call, found: list[Disk]) -> list[Disk]:
    """New disks of the same shape, empty."""
    made = []
    for disk in found:
        wanted = disks.Wanted(disk.alias, disk.domain_id, disk.virtual_size, _word(disk))
        copy, volume = disks.rows(wanted)
        try:
            call.engine.host.create_disk(base.image_of(copy, volume), None, 0)
        except HostFailure as failure:
            raise refuse("EXEC_UNEXPECTED") from failure
        with call.world.lock:
            call.world.volumes[volume.id], call.world.disks[copy.id] = volume, copy
        made.append(copy)
    return made


def _word(disk: Disk) -> str:
    return "raw" if disk.fmt == "raw" else "cow"


def clone(call: Call, vm_id: str, name: str) -> Job:
    """Make a VM of the same shape, without the disk snapshots that the original holds."""
    world = call.world
    with command(call.engine, CLONE):
        with world.lock:
            vm = _known(call, vm_id, may.CREATE_VM)
        said = Said("VM_BEING_CLONED")
        with call.engine.locks.holding([Want("vm", vm.id, said)]):
            with world.lock:
                if any(other.name == name for other in world.vms.values()):
                    raise refuse("NAME_USED")
                if vm.stateless and vm.status != "down":
                    raise refuse("VM_RUNNING_STATELESS")
                found = active_disks(world, vm)
                _intact(world, found)
            copies = _copies(call, found)
            with world.lock:
                return _cloned(call, vm, name, list(zip(found, copies, strict=True)))


def _cloned(call: Call, vm: Vm, name: str, pairs: list[tuple[Disk, Disk]]) -> Job:
    world = call.world
    made = Vm(
        *(new_id(), name, vm.cluster_id),
        memory=vm.memory,
        sockets=vm.sockets,
        cores=vm.cores,
        threads=vm.threads,
        os=vm.os,
    )
    made.chipset, made.virtio_scsi, made.description = vm.chipset, vm.virtio_scsi, vm.description
    active = Snapshot(new_id(), made.id, "Active VM", "active", date=made.created)
    world.vms[made.id], world.snapshots[active.id] = made, active
    for source, copy in pairs:
        row = world.attachments[(vm.id, source.id)]
        world.attachments[(made.id, copy.id)] = Attachment(
            made.id, copy.id, row.interface, row.active, row.bootable
        )
        disks.adopt(world, copy, active)
    if call.filtered:
        call.user.grants.append(Grant("UserVmManager", made.id))
    chosen = tuple(source.id for source, _unused in pairs)
    world.exports.append(Export("clone", vm.id, vm.name, made.id, chosen))
    job = job_of(call, f"Cloning VM {name}")
    end(job)
    return job


@dataclass(frozen=True)
class WantedTemplate:
    """A template to make; ids as the body has them."""

    name: str
    vm_id: str
    description: str = ""


def make_template(call: Call, wanted: WantedTemplate) -> Template:
    """Make a template of a VM that is down: locked for a number of polls, then ok."""
    engine, world = call.engine, call.world
    with command(engine, TEMPLATE):
        with world.lock:
            vm = world.vms.get(wanted.vm_id)
            if vm is None:
                raise refuse("VM_NOT_FOUND")
            centre = world.data_centre_of(vm)
            may.require(call, may.CREATE_TEMPLATE, {centre, "system"})
        with engine.locks.holding([Want("vm", vm.id)]):
            with world.lock:
                found = _templatable(world, vm, wanted)
            copies = _copies(call, found)
            with world.lock:
                template = Template(new_id(), wanted.name, vm.id, vm.cluster_id)
                template.description = wanted.description
                template.disks = [disk.id for disk in copies]
                template.sources = [disk.id for disk in found]
                rows = world.attachments_of(vm.id)
                template.bootable = [row.disk_id for row in rows if row.bootable]
                template.saved = replace(vm)
                world.templates[template.id] = template
                job = job_of(call, f"Creating Template {wanted.name} from VM {vm.name}")
                record(world, 48, call.who, vm.id, template=wanted.name)
        polls = world.settings.snapshot_polls
        engine.watch(template.id, polls, lambda: _made(call, vm, template, job), False)
        engine.work_done(template.id)
        return template


def _templatable(world: World, vm: Vm, wanted: WantedTemplate) -> list[Disk]:
    if vm.status != "down":
        raise refuse("TEMPLATE_VM_NOT_DOWN")
    if any(other.name == wanted.name for other in world.templates.values()):
        raise refuse("NAME_USED")
    base.settled(world, vm)
    found = active_disks(world, vm)
    _intact(world, found)
    return found


def _made(call: Call, vm: Vm, template: Template, job: Job) -> None:
    template.status = "ok"
    record(call.world, 51, call.who, vm.id, template=template.name)
    end(job)


def remove_template(call: Call, template_id: str) -> None:
    """Remove a template with its disks."""
    engine, world = call.engine, call.world
    with command(engine, REMOVE_TEMPLATE):
        with world.lock:
            template = world.templates.get(template_id)
            if template is None:
                raise refuse("TEMPLATE_NOT_EXIST")
            may.require(call, may.DELETE_TEMPLATE, may.template_scopes(world, template))
            gone = [world.disks[disk_id] for disk_id in template.disks]
        for disk in gone:
            engine.host.remove_disk(disk.domain_id, disk.id)
        with world.lock:
            for disk in gone:
                disks.drop_rows(world, disk)
            world.templates.pop(template_id, None)
            may.forget(world, template_id)
