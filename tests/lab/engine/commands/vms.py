# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop, suspend, migrate and remove VMs, and put a host into maintenance (4.1 and 4.2)."""

from __future__ import annotations

from collections.abc import Sequence

from lab.engine import permissions as may
from lab.engine.commands import base, disks, exports
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record, record_start
from lab.engine.host import HostFailure
from lab.engine.locks import Held, Want
from lab.engine.texts import Refusal, Said, refuse
from lab.model import Attachment, Host, Job, Vm, World, new_id, now

RUN = Wording("run", "VM")
STOP = Wording("stop", "VM")
SHUTDOWN = Wording("shutdown", "VM")
SUSPEND = Wording("hibernate", "VM")
MIGRATE = Wording("migrate", "VM")
REMOVE = Wording("remove", "VM")
ACTIVATE = Wording("activate", "Host")
MAINTENANCE = Wording("maintenance", "Host")


def _known(world: World, vm_id: str) -> Vm:
    vm = world.vms.get(vm_id)
    if vm is None:
        raise refuse("VM_NOT_FOUND")
    return vm


def start(call: Call, vm_id: str, host_id: str | None = None) -> Job:
    """Start a VM, on any host or on this one; attached disk snapshots get fresh overlays."""
    engine, world = call.engine, call.world
    with command(engine, RUN):
        with world.lock:
            vm = _known(world, vm_id)
            may.require(call, may.RUN_VM, may.vm_scopes(world, vm))
        with engine.locks.holding([Want("vm", vm_id)]):
            with world.lock:
                plugs, former = _startable(world, vm), vm.status
                vm.status = "wait_for_launch"
                job = exports.job_of(call, f"Launching VM {vm.name}")
                exports.end(job)
            try:
                engine.host.start_vm(vm_id, [base.plug_of(world, row) for row in plugs])
            except HostFailure as failure:
                with world.lock:
                    vm.status = former
                raise refuse("EXEC_UNEXPECTED") from failure
            if engine.faults.take("fail_start", vm=vm.id):
                engine.host.stop_vm(vm_id)
                with world.lock:
                    vm.status = "down"
                    record(world, 119, None, vm_id, message="unsupported configuration")
                return job
            with world.lock:
                vm.status, vm.host_id = "up", host_id or _a_host(world, vm)
                vm.started = now()
                record_start(world, vm, call.who)
        return job


def _startable(world: World, vm: Vm) -> list[Attachment]:
    if vm.status == "paused":
        raise base.vm_status(vm)
    if vm.status not in {"down", "suspended"}:
        raise refuse("VM_RUNNING")
    base.refuse_unfit_properties(vm.settings)
    plugs = [row for row in world.attachments_of(vm.id) if row.active]
    for row in plugs:
        disk = world.disks[row.disk_id]
        if any(v.status == "locked" for v in world.chain(disk.id)):
            raise refuse("DISKS_LOCKED", diskAliases=disk.alias)
        base.domain_ready(world, disk.domain_id)
    return plugs


def _a_host(world: World, vm: Vm, other_than: str | None = None) -> str | None:
    hosts = [h for h in world.hosts.values() if h.cluster_id == vm.cluster_id]
    return next((h.id for h in hosts if h.id != other_than and h.status == "up"), None)


def stop(call: Call, vm_id: str, gently: bool) -> Job:
    """Power off or shut down: overlays go, attachments stay."""
    engine, world = call.engine, call.world
    with command(engine, SHUTDOWN if gently else STOP):
        with world.lock:
            vm = _known(world, vm_id)
            permit = may.SHUT_DOWN_VM if gently else may.STOP_VM
            may.require(call, permit, may.vm_scopes(world, vm))
            if vm.status not in base.RUNNING:
                raise refuse("VM_NOT_RUNNING")
            vm.status = "powering_down"
            job = exports.job_of(call, f"{'Shutting down' if gently else 'Stopping'} VM {vm.name}")
            exports.end(job)
        try:
            engine.host.stop_vm(vm_id)
        except HostFailure as failure:
            raise refuse("EXEC_UNEXPECTED") from failure
        with world.lock:
            host = world.hosts.get(vm.host_id or "")
            vm.status, vm.host_id = "down", None
            vm.stopped = now()
            name = host.name if host else ""
            # oVirt's own tests wait for both after a power-off (basic suite, test_004_basic_sanity).
            for code in (61,) if gently else (33, 61):
                record(world, code, call.who, vm_id, host=name)
        return job


def plugged_snapshots(world: World, vm: Vm) -> list[str]:
    """Return the aliases of the VM's plugged disk snapshots."""
    rows = [a for a in world.attachments_of(vm.id) if a.active and a.snapshot_id]
    return [world.disks[a.disk_id].alias for a in rows]


def suspend(call: Call, vm_id: str) -> Job:
    """Suspend a VM. The engine does not check for disk snapshots, but the host refuses and the VM keeps running.

    The answer comes first: the command makes disks for the memory, and asks the host only when
    these exist (``HibernateVmCommand.endSuccessfully``). Only event 130 reports the failure.
    """
    world = call.world
    with command(call.engine, SUSPEND):
        with world.lock:
            vm = _suspendable(call, vm_id)
            held = call.engine.locks.acquire([Want("vm", vm_id, Said("VM_HIBERNATING"))])
            host = world.hosts[vm.host_id].name if vm.host_id else ""
            record(world, 501, call.who, vm_id, host=host)
            vm.status = "saving_state"
            job = exports.job_of(call, f"Suspending VM {vm.name}")
        call.engine.tasks.run(lambda: _hibernate(call, vm, job, held), f"suspend {vm_id}")
        return job


def _hibernate(call: Call, vm: Vm, job: Job, held: Held) -> None:
    failure = base.on_host(lambda: call.engine.host.hibernate_vm(vm.id))
    with call.world.lock:
        if failure is not None:
            vm.status = "up"
            record(call.world, 130, call.who, vm.id)
        else:
            host = call.world.hosts.get(vm.host_id or "")
            vm.status, vm.host_id = "suspended", None
            record(call.world, 503, None, vm.id, host=host.name if host else "")
        call.engine.locks.release(held)
        exports.end(job, "finished" if failure is None else "failed")


def _suspendable(call: Call, vm_id: str) -> Vm:
    vm = _known(call.world, vm_id)
    may.require(call, may.SUSPEND_VM, may.vm_scopes(call.world, vm))
    if vm.status in {"wait_for_launch", "not_responding"}:
        raise base.vm_status(vm)
    if vm.status != "up":
        raise refuse("VM_NOT_UP")
    if vm.in_preview:
        raise refuse("VM_IN_PREVIEW")
    return vm


def migrate(call: Call, vm_id: str, host_id: str | None = None) -> None:
    """Migrate a VM; refused while a disk snapshot is plugged; an unplugged one does not matter.

    ``host_id`` is the target, if the caller names one.
    """
    world = call.world
    with command(call.engine, MIGRATE), world.lock:
        vm = _known(world, vm_id)
        may.require(call, may.MIGRATE, may.vm_scopes(world, vm))
        call.engine.locks.release(call.engine.locks.acquire([Want("vm", vm_id)]))
        if base.has_locked_snapshot(world, vm.id):
            raise refuse("VM_DURING_SNAPSHOT")
        aliases = plugged_snapshots(world, vm)
        if aliases:
            raise refuse("HAS_PLUGGED_SNAPSHOT", disksInfo=f"{vm.name} / {','.join(aliases)}")
        if vm.status not in base.RUNNING:
            raise refuse("VM_NOT_RUNNING")
        former = vm.host_id or ""
        vm.host_id = host_id or _a_host(world, vm, other_than=vm.host_id) or vm.host_id
        names = [world.hosts[one].name for one in (former, vm.host_id) if one in world.hosts]
        record(world, 62, call.who, vm_id, host=names[0], other=names[-1])


def remove(call: Call, vm_id: str, detach_only: bool) -> Job:
    """Remove a VM, with its disks unless they are only to be detached; the job is over at once."""
    engine, world = call.engine, call.world
    with command(engine, REMOVE), engine.locks.holding([Want("vm", vm_id)]):
        with world.lock:
            vm = _known(world, vm_id)
            may.require(call, may.DELETE_VM, may.vm_scopes(world, vm))
            own = _removable(world, vm, detach_only)
        if not detach_only:
            for row in own:
                disk = world.disks[row.disk_id]
                engine.host.remove_disk(disk.domain_id, disk.id)
        with world.lock:
            record(world, 113, call.who, vm_id)
            _drop(world, vm, [] if detach_only else own)
            who = call.who
            job = Job(new_id(), f"Removing VM {vm.name}", who.correlation_id, who.user, "finished")
            job.ended = now()
            world.jobs[job.id] = job
    return job


def _removable(world: World, vm: Vm, detach_only: bool) -> Sequence[Attachment]:
    if vm.delete_protected:
        raise refuse("DELETE_PROTECTED")
    if vm.status != "down":
        raise refuse("VM_RUNNING" if vm.status in base.RUNNING else "REMOVE_NOT_DOWN")
    if base.has_locked_snapshot(world, vm.id):
        raise refuse("VM_DURING_SNAPSHOT")
    if detach_only and any(s.type == "regular" for s in world.snapshots_of(vm.id)):
        raise refuse("REMOVE_DETACH_SNAPSHOTS_EXIST")
    base.refuse_attached(world, vm.id)
    return [a for a in world.attachments_of(vm.id) if a.snapshot_id is None]


def _drop(world: World, vm: Vm, own: Sequence[Attachment]) -> None:
    for row in own:
        disks.drop_rows(world, world.disks[row.disk_id])
    for row in world.attachments_of(vm.id):
        world.attachments.pop((row.vm_id, row.disk_id))
    for snapshot in world.snapshots_of(vm.id):
        world.snapshots.pop(snapshot.id)
    world.vms.pop(vm.id)
    may.forget(world, vm.id)


def maintenance(call: Call, host: Host) -> None:
    """Put a host into maintenance: refused while one of its VMs has a disk snapshot plugged.

    A VM that finds no other host keeps it in ``preparing_for_maintenance``.
    """
    world = call.world
    with command(call.engine, MAINTENANCE), world.lock:
        may.require(call, may.HOSTS, may.host_scopes(world, host))
        if host.status == "maintenance":
            raise refuse("HOST_IN_MAINTENANCE")
        stuck = []
        for vm in world.vms.values():
            aliases = plugged_snapshots(world, vm) if vm.host_id == host.id else []
            if aliases:
                stuck.append(f"{vm.name} / {','.join(aliases)}")
        if stuck:
            # The engine adds what it says of the disks as a message, not as a variable.
            said = Said("MAINTENANCE_PLUGGED_SNAPSHOT", {"HostsList": host.name})
            raise Refusal(said, Said(f"$disksInfo {', '.join(stuck)}"))
        for vm in world.vms.values():
            if vm.host_id == host.id:
                vm.host_id = _a_host(world, vm, other_than=host.id) or host.id
        stays = any(vm.host_id == host.id for vm in world.vms.values())
        host.status = "preparing_for_maintenance" if stays else "maintenance"
        record(world, 600, call.who, host=host.name)


def activate(call: Call, host: Host) -> None:
    """Take a host back."""
    with command(call.engine, ACTIVATE), call.world.lock:
        may.require(call, may.HOSTS, may.host_scopes(call.world, host))
        host.status = "up"
