# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's engine starts with, and how VMs are added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lab.engine.commands import base, disks
from lab.engine.core import Engine
from lab.engine.fields import converted
from lab.engine.roles import predefined, shows_below
from lab.model import (
    EVERYONE,
    SYSTEM,
    Attachment,
    Checkpoint,
    Cluster,
    DataCentre,
    Disk,
    Domain,
    Grant,
    Group,
    Host,
    Lun,
    Nic,
    Role,
    Snapshot,
    User,
    Vm,
    World,
    new_id,
    now,
)

MIB = 1 << 20
CENTRES = ("Default", "Second")
BLANK = disks.NO_SNAPSHOT
ADMIN = ("admin@internal", "admin-secret")
BACKUP = ("backup@internal", "backup-secret")
GUEST = ("guest@internal", "guest-secret")
# The least that a backup needs: no predefined role is that small.
LEAST = {"CONFIGURE_VM_STORAGE", "ATTACH_DISK", "MANIPULATE_VM_SNAPSHOTS", "LOGIN"}


@dataclass(frozen=True)
class DiskSpec:
    """A disk to make: ``fill`` is ``pattern``, ``ext4`` or None; the size is in bytes.

    ``lun`` makes a direct LUN of it.
    """

    alias: str
    size: int = 64 * MIB
    fmt: str = "qcow2"
    interface: str = "virtio_scsi"
    bootable: bool = False
    fill: str | None = "pattern"
    seed: int = 1
    shareable: bool = False
    active: bool = True
    domain: str | None = None
    lun: bool = False


@dataclass(frozen=True)
class LunSpec:
    """A direct LUN to make that no VM holds; the size is in bytes."""

    alias: str
    lun_id: str
    address: str = ""
    port: int = 3260
    target: str = ""
    size: int = 64 * MIB


@dataclass(frozen=True)
class VmSpec:
    """A VM to make. An appliance gets a real guest with a repository of that many bytes.

    ``nics`` are the networks of its network cards, empty for one that is not connected.

    Tier guest alone: ``guest`` runs a Linux in a VM that is no appliance; an appliance whose
    repository is not mounted has a blank disk instead.
    """

    name: str
    status: str = "up"
    data_centre: str = "Default"
    disks: tuple[DiskSpec, ...] = ()
    appliance: bool = False
    repository_size: int | None = 512 * MIB
    repository_mounted: bool = True
    guest: bool = False
    checkpoints: int = 0
    virtio_scsi: bool = True
    nics: tuple[str, ...] = ("ovirtmgmt",)
    description: str = ""
    tags: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


def spec_of(given: Mapping[str, Any]) -> VmSpec:
    """Return a VM spec of JSON.

    Raises:
        ValueError: For a key that does not exist, and for a value that does not fit.
        TypeError: Without a name.
    """
    return VmSpec(**converted(VmSpec, given))


DEFAULT_VMS = (
    VmSpec(
        "web01",
        disks=(
            DiskSpec("web01_system", 96 * MIB, bootable=True, fill="ext4", seed=11),
            DiskSpec("web01_data", 64 * MIB, fmt="raw", interface="virtio", seed=12),
        ),
        description="a web server",
        tags=("backup",),
        fields={"fqdn": "web01.example.org"},
    ),
    VmSpec(
        "db01",
        disks=(DiskSpec("db01_system", 64 * MIB, bootable=True, seed=21),),
        description="a database",
        tags=("backup",),
        fields={"fqdn": "db01.example.org"},
    ),
    VmSpec("files01", status="down", disks=(DiskSpec("files01_system", 64 * MIB, seed=31),)),
)
# Twenty small disks, more than there are ports for virtio-blk.
SHELF = VmSpec(
    "shelf01",
    status="down",
    disks=tuple(DiskSpec(f"shelf01_{number:02}", MIB, seed=40 + number) for number in range(20)),
)
APPLIANCE = VmSpec("backup01", appliance=True, fields={"fqdn": "backup01.example.org"})
# For a role to make an appliance of: a disk for the repository, and one for something of its own.
BLANK_APPLIANCE = replace(
    APPLIANCE,
    repository_mounted=False,
    disks=(DiskSpec("backup01_own", 32 * MIB, fmt="raw", fill=None),),
)

# Tier guest: web01 is a Linux that runs and writes; a guest costs half a GiB, so nothing runs in db01.
GUEST_VMS = (replace(DEFAULT_VMS[0], guest=True), *DEFAULT_VMS[1:], SHELF)


def with_repository(spec: VmSpec) -> VmSpec:
    """Return an appliance whose repository disk is a disk that the engine knows."""
    if not spec.appliance or spec.repository_size is None:
        return spec
    fill = "repository" if spec.repository_mounted else None
    alias = f"{spec.name}_repository"
    disk = DiskSpec(alias, spec.repository_size, fmt="raw", fill=fill)
    return replace(spec, disks=(*spec.disks, disk))


def furnish(world: World, centres: Sequence[str] = CENTRES) -> None:
    """Data centres, clusters, hosts, storage domains, users and tags. Hold the lock."""
    for name in centres:
        centre = DataCentre(new_id(), name)
        cluster = Cluster(new_id(), name, centre.id)
        world.data_centres[centre.id] = centre
        world.clusters[cluster.id] = cluster
        number = len(world.domains) + 1
        domain = Domain(new_id(), f"data{number}", centre.id)
        world.domains[domain.id] = domain
        for host_name in (f"host{number}a", f"host{number}b"):
            host = Host(new_id(), host_name, cluster.id)
            world.hosts[host.id] = host
    world.tags[new_id()] = "backup"
    _roles(world)
    roles = {ADMIN: "SuperUser", BACKUP: "BackupRole", GUEST: "LoginOnly"}
    for (name, password), role in roles.items():
        world.users[name] = User(name, password, [Grant(role)])
    # A role on the system shows no VM's events: one with login on the data centre does.
    seen = [Grant("LoginOnly", centre.id) for centre in world.data_centres.values()]
    world.users[BACKUP[0]].grants += seen


def _roles(world: World) -> None:
    """The predefined roles, the lab's two own ones, and what the built-in group has everywhere."""
    own = [
        Role("BackupRole", set(LEAST), viewing=shows_below(LEAST)),
        Role("LoginOnly", {"LOGIN"}),
    ]
    for role in [*predefined(), *own]:
        world.roles[role.name] = role
    # Both are there after an engine's installation: users see grants of a group they never heard of.
    grants = [Grant("UserProfileEditor", SYSTEM), Grant("UserTemplateBasedVm", BLANK)]
    world.groups[EVERYONE] = Group("Everyone", grants, EVERYONE)


def add_domain(world: World, name: str, kind: str, data_centre: str = "Default") -> Domain:
    """Another storage domain, ``data`` or ``export``. Hold the lock.

    Raises:
        ValueError: For a kind, a name or a data centre that cannot be.
    """
    centre = next((c for c in world.data_centres.values() if c.name == data_centre), None)
    taken = any(one.name == name for one in world.domains.values())
    if centre is None or taken or kind not in {"data", "export"}:
        raise ValueError(f"no storage domain {name} of type {kind} in {data_centre}")
    domain = Domain(new_id(), name, centre.id, type=kind)
    world.domains[domain.id] = domain
    return domain


def clear(world: World) -> None:
    """Forget everything but the users' tokens. Hold the lock."""
    tables: Sequence[Any] = (
        world.data_centres,
        world.clusters,
        world.hosts,
        world.domains,
        world.vms,
        world.disks,
        world.volumes,
        world.snapshots,
        world.attachments,
        world.checkpoints,
        world.elements,
        world.users,
        world.events,
        world.jobs,
        world.tags,
        world.roles,
        world.groups,
        world.templates,
        world.exports,
    )
    for table in tables:
        table.clear()


def _vm_row(world: World, spec: VmSpec) -> Vm:
    centre = next(c for c in world.data_centres.values() if c.name == spec.data_centre)
    cluster = next(c for c in world.clusters.values() if c.data_centre_id == centre.id)
    number = len(world.vms) + 1
    vm = Vm(
        id=new_id(),
        name=spec.name,
        cluster_id=cluster.id,
        description=spec.description,
        virtio_scsi=spec.virtio_scsi,
        appliance=spec.appliance,
        nics=_nics(number, spec.nics),
        tags=list(spec.tags),
    )
    for name, value in converted(Vm, spec.fields).items():
        setattr(vm, name, value)
    return vm


def _nics(number: int, networks: Sequence[str]) -> list[Nic]:
    """Network cards of the VM with a number."""
    return [
        Nic(
            *(new_id(), f"nic{place + 1}"),
            mac=f"56:6f:1a:2b:{place:02x}:{number & 255:02x}",
            network=name or None,
            profile=name or None,
        )
        for place, name in enumerate(networks)
    ]


def _domain_id(world: World, vm: Vm, name: str | None) -> str:
    centre = world.data_centre_of(vm)
    for domain in world.domains.values():
        if domain.name == name or (name is None and domain.data_centre_id == centre):
            return domain.id
    raise ValueError(f"no storage domain {name}")


def add_vm(engine: Engine, spec: VmSpec) -> Vm:
    """Make a VM with its disks; it is ``down`` until ``set_status`` starts it.

    Raises:
        ValueError: For a spec that does not fit the world.
        HostFailure: When the host cannot make a disk.
    """
    world = engine.world
    with world.lock:
        if any(vm.name == spec.name for vm in world.vms.values()) and not spec.fields.get("id"):
            raise ValueError(f"there is a VM {spec.name} already")
        vm = _vm_row(world, spec)
        active = Snapshot(new_id(), vm.id, "Active VM", "active", date=vm.created)
        domains = [_domain_id(world, vm, disk.domain) for disk in spec.disks]
    made = []
    for disk_spec, domain_id in zip(spec.disks, domains, strict=True):
        made.append(_make_disk(engine, disk_spec, domain_id, active))
    with world.lock:
        world.vms[vm.id], world.snapshots[active.id] = vm, active
        for disk, disk_spec in zip(made, spec.disks, strict=True):
            row = Attachment(vm.id, disk.id, disk_spec.interface, disk_spec.active)
            row.bootable = disk_spec.bootable
            world.attachments[(vm.id, disk.id)] = row
        parent = None
        for _unused in range(spec.checkpoints):
            covered = [disk.id for disk in made if disk.storage_type == "image"]
            parent = add_checkpoint(world, vm, covered, parent).id
    return vm


def add_checkpoint(
    world: World, vm: Vm, disk_ids: Sequence[str], parent: str | None = None
) -> Checkpoint:
    """Make a checkpoint of disks of a VM, after another one, with a bitmap in each qcow2 of them. Hold the lock.

    Raises:
        ValueError: For no disk, for one that the VM does not hold, and for an unknown parent.
    """
    held = {row.disk_id for row in world.attachments_of(vm.id) if row.snapshot_id is None}
    before = world.checkpoints.get(parent or "")
    if not disk_ids or set(disk_ids) - held:
        raise ValueError(f"{vm.name} has no such disks: {', '.join(disk_ids) or 'none given'}")
    if parent is not None and (before is None or before.vm_id != vm.id):
        raise ValueError(f"{vm.name} has no checkpoint {parent}")
    checkpoint = Checkpoint(new_id(), vm.id, parent, list(disk_ids))
    world.checkpoints[checkpoint.id] = checkpoint
    for disk in (world.disks[one] for one in disk_ids):
        # Nothing gets a checkpoint that was not enabled for it (raw disks through a scratch disk).
        disk.backup = "incremental"
        if disk.fmt == "qcow2":
            disk.bitmaps.append(checkpoint.id)
    return checkpoint


def _make_disk(engine: Engine, spec: DiskSpec, domain_id: str, active: Snapshot) -> Disk:
    fmt = "raw" if spec.lun or spec.fmt == "raw" else "cow"
    wanted = disks.Wanted(spec.alias, domain_id, spec.size, fmt, shareable=spec.shareable)
    disk, volume = disks.rows(wanted)
    volume.snapshot_id = disks.NO_SNAPSHOT if spec.lun else active.id
    disk.storage_type = "lun" if spec.lun else "image"
    engine.host.create_disk(base.image_of(disk, volume), spec.fill, spec.seed)
    with engine.world.lock:
        engine.world.disks[disk.id], engine.world.volumes[volume.id] = disk, volume
    return disk


def add_lun(engine: Engine, spec: LunSpec) -> Disk:
    """Make a direct LUN that no VM holds.

    Raises:
        HostFailure: When the host cannot make what stands for it.
    """
    with engine.world.lock:
        active = Snapshot(disks.NO_SNAPSHOT, "", "", "active")
        domain_id = next(iter(engine.world.domains))
    made = DiskSpec(spec.alias, spec.size, fmt="raw", fill=None, lun=True)
    disk = _make_disk(engine, made, domain_id, active)
    disk.lun = Lun(spec.lun_id, spec.address, spec.port, spec.target)
    return disk


def change_device(world: World, key: tuple[str, str], rows: Mapping[str, Any]) -> None:
    """Change the rows behind an attachment (VM, disk), as a mistake in the database would. Hold the lock.

    ``plugged`` sets the flag; ``device`` False deletes the device's row, ``element`` False the other one.

    Raises:
        KeyError: There is no such row.
        ValueError: For anything else; an element alone is not deleted before its device.
    """
    if len(rows) != 1 or not set(rows) <= {"plugged", "device", "element"}:
        raise ValueError(f"one of plugged, device, element: {sorted(rows)}")
    (what, value), *_rest = rows.items()
    if not isinstance(value, bool) or (value and what != "plugged"):
        raise ValueError(f"{what}: {value}")
    if what == "plugged":
        world.attachments[key].active = value
    elif what == "device":
        world.elements[key] = world.attachments.pop(key)
    elif key in world.attachments:
        raise ValueError("the device's row goes first")
    else:
        del world.elements[key]


def set_status(engine: Engine, vm: Vm, status: str) -> None:
    """Bring a VM into a status, with what that means on the host.

    Raises:
        HostFailure: When the host cannot.
    """
    world = engine.world
    with world.lock:
        before = vm.status
        rows = [row for row in world.attachments_of(vm.id) if row.active]
        plugs = [base.plug_of(world, row) for row in rows]
    runs, ran = status not in {"down", "suspended"}, before not in {"down", "suspended"}
    if runs and not ran:
        engine.host.start_vm(vm.id, plugs)
    elif ran and not runs:
        engine.host.stop_vm(vm.id)
    elif before == "paused" and ran:
        engine.host.resume_vm(vm.id)
    if status == "paused" and before != "paused":
        engine.host.pause_vm(vm.id)
    with world.lock:
        vm.status = status
        if runs and not ran:
            vm.started = now()
        if not runs:
            vm.host_id = None
            vm.stopped = now()
        elif vm.host_id is None:
            hosts = [h.id for h in world.hosts.values() if h.cluster_id == vm.cluster_id]
            # The appliance lives on another host than its sources, as the docs advise.
            vm.host_id = hosts[-1 if vm.appliance else 0]
