# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert rows to the SDK's objects: what each GET shows and hides (docs/engine.md#what-the-reads-show)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from ovirtsdk4 import types

from lab.engine import codec, ovf_reader, settings, shapes
from lab.engine.codec import Entity, ref
from lab.engine.core import Call
from lab.engine.host import Image
from lab.engine.ovf import GIB, gib
from lab.engine.permissions import Held
from lab.engine.roles import PERMITS, Permit
from lab.model import (
    API,
    BLANK_TEMPLATE,
    Attachment,
    Cluster,
    DataCentre,
    Disk,
    Domain,
    Event,
    Group,
    Host,
    Job,
    Role,
    Snapshot,
    SnapshotDisk,
    Template,
    User,
    Vm,
    Volume,
)

T = TypeVar("T")
# How far memory may be enlarged while a VM runs.
MOST_MEMORY = 4
E = TypeVar("E", bound=Enum)
BLANK = BLANK_TEMPLATE
VM_LINKS = (
    "affinitylabels",
    "applications",
    "backups",
    "cdroms",
    "checkpoints",
    "diskattachments",
    "graphicsconsoles",
    "hostdevices",
    "katelloerrata",
    "mediateddevices",
    "nics",
    "numanodes",
    "permissions",
    "reporteddevices",
    "sessions",
    "snapshots",
    "statistics",
    "tags",
    "watchdogs",
)
VM_ACTIONS = (
    *("autopincpuandnumanodes", "cancelmigration", "clone", "commitsnapshot", "detach", "export"),
    *("freezefilesystems", "logon", "maintenance", "migrate", "previewsnapshot", "reboot"),
    *("reordermacaddresses", "reset", "screenshot", "shutdown", "start", "stop", "suspend"),
    *("thawfilesystems", "ticket", "undosnapshot"),
)
TEMPLATE_LINKS = (
    *("cdroms", "diskattachments", "graphicsconsoles", "mediateddevices", "nics"),
    *("permissions", "tags", "watchdogs"),
)
DISK_LINKS = ("permissions", "statistics", "disksnapshots")
DISK_ACTIONS = ("convert", "copy", "export", "move", "reduce", "refreshlun", "sparsify")
CLUSTER_LINKS = (
    *("affinitygroups", "cpuprofiles", "enabledfeatures", "externalnetworkproviders"),
    *("glusterhooks", "glustervolumes", "networkfilters", "networks", "permissions"),
)
CLUSTER_ACTIONS = ("refreshglusterhealstatus", "resetemulatedmachine", "syncallnetworks", "upgrade")
HOST_LINKS = (
    *("affinitylabels", "cpuunits", "devices", "externalnetworkproviderconfigurations"),
    *("fenceagents", "hooks", "katelloerrata", "networkattachments", "nics", "numanodes"),
    *("permissions", "statistics", "storage", "storageconnectionextensions", "tags"),
    "unmanagednetworks",
)
HOST_ACTIONS = (
    *("activate", "approve", "commitnetconfig", "copyhostnetworks", "deactivate"),
    *("discoveriscsi", "enrollcertificate", "fence", "forceselectspm", "install"),
    *("iscsidiscover", "iscsilogin", "refresh", "setupnetworks", "syncallnetworks"),
    *("unregisteredstoragedomainsdiscover", "upgrade", "upgradecheck"),
)
DOMAIN_LINKS = (
    *("diskprofiles", "disks", "disksnapshots", "permissions", "storageconnections"),
    *("templates", "vms"),
)
DOMAIN_ACTIONS = ("isattached", "reduceluns", "refreshluns", "updateovfstore")
FORMATS = {"qcow2": types.DiskFormat.COW, "raw": types.DiskFormat.RAW}


def _at(value: T, path: str) -> T:
    """Return the object with its address."""
    struct: Any = value
    struct.href = f"{API}/{path}"
    return value


def vm(call: Call, row: Vm, ovf: str | None = None, everything: bool = False) -> Entity:
    """Return a VM; non-administrators do not see its host. Some devices are shown with ``everything`` alone."""
    value = _vm(call, row)
    if ovf is not None:
        value.initialization = value.initialization or types.Initialization()
        value.initialization.configuration = configuration(ovf).configuration
    hidden = ("placement_policy",) if call.filtered else ()
    rest = shapes.without(_vm_rest(call, row, certificate=True), *hidden)
    if everything:
        value.virtio_scsi = types.VirtioScsi(enabled=row.virtio_scsi)
        rest += shapes.fragment(shapes.VM_ALL)
        value.tpm_enabled = row.tpm
    texts = settings.shown(row.settings)
    return Entity(_at(value, f"vms/{row.id}"), VM_LINKS, VM_ACTIONS, rest=rest, texts=texts)


def touched_vm(vm_id: str) -> Entity:
    """Return a VM as an action names it that has changed it: what leads on from it, and nothing of itself."""
    return Entity(ref(types.Vm, "vms", vm_id), VM_LINKS, VM_ACTIONS)


def _vm(call: Call, row: Vm) -> types.Vm:
    """Return what the rows say of a VM."""
    world = call.world
    value = types.Vm(
        id=row.id,
        name=row.name,
        description=row.description,
        comment=row.comment,
        status=None if row.status == "image_illegal" else types.VmStatus(row.status),
        memory=row.memory,
        memory_policy=types.MemoryPolicy(
            ballooning=True, guaranteed=row.memory, max=MOST_MEMORY * row.memory
        ),
        creation_time=row.created,
        stop_time=row.stopped,
        origin=row.origin,
        fqdn=row.fqdn if row.status == "up" else None,
        stateless=row.stateless,
        delete_protected=row.delete_protected,
        type=types.VmType.SERVER,
        cpu_shares=row.cpu_shares,
        next_run_configuration_exists=False,
        cluster=ref(types.Cluster, "clusters", row.cluster_id),
        cpu_profile=ref(
            types.CpuProfile, "cpuprofiles", shapes.derived("CPU profile", row.cluster_id)
        ),
        template=ref(types.Template, "templates", BLANK),
        original_template=ref(types.Template, "templates", BLANK),
        bios=types.Bios(type=types.BiosType(row.chipset), boot_menu=types.BootMenu(enabled=False)),
    )
    boot = types.Boot(devices=[types.BootDevice(row.boot)])
    value.os = types.OperatingSystem(type=row.os, boot=boot)
    topology = types.CpuTopology(cores=row.cores, sockets=row.sockets, threads=row.threads)
    value.cpu = types.Cpu(architecture=types.Architecture.X86_64, topology=topology)
    if not row.imported:
        value.quota = types.Quota(id=shapes.derived("quota", world.data_centre_of(row)))
    if row.initialization:
        value.initialization = _initialization(row)
    value.custom_properties = [
        types.CustomProperty(name=name, value=text)
        for name, text in settings.properties(row.settings)
    ] or None
    if any(volume.status == "illegal" for volume in _own_volumes(call, row)):
        value.has_illegal_images = True
    _running(call, row, value)
    return value


def _initialization(row: Vm) -> types.Initialization:
    """Return what cloud-init gets; a password is never told."""
    given = dict(row.initialization)
    again = given.pop("regenerate_ssh_keys", "false") == "true"
    if "root_password" in given:
        given["root_password"] = "******"
    protocol = given.pop("cloud_init_network_protocol", None)
    value = types.Initialization(regenerate_ssh_keys=again, nic_configurations=[], **given)
    if protocol is not None:
        value.cloud_init_network_protocol = types.CloudInitNetworkProtocol(protocol)
    return value


def _own_volumes(call: Call, row: Vm) -> list[Volume]:
    own = [a.disk_id for a in call.world.attachments_of(row.id) if a.snapshot_id is None]
    return [volume for disk_id in own for volume in call.world.chain(disk_id)]


def _running(call: Call, row: Vm, value: types.Vm) -> None:
    """What is shown of a VM while it runs on a host."""
    if row.host_id not in call.world.hosts:
        return
    value.start_time = row.started
    value.run_once = True
    value.status_detail = "noerr" if row.status == "paused" else None
    if not call.filtered:
        value.host = ref(types.Host, "hosts", row.host_id or "")


def _vm_rest(call: Call, row: Vm, certificate: bool) -> list[ET.Element]:
    runs = row.host_id in call.world.hosts
    display = shapes.display("127.0.0.1" if runs else None, certificate and runs)
    return [*shapes.fragment(shapes.VM), *shapes.icons(), display]


def _saved_vm(call: Call, row: Snapshot) -> ET.Element | None:
    """Return the VM inside of its snapshot: its configuration of then, its state of now; nothing has an address."""
    now = call.world.vms.get(row.vm_id)
    if now is None:
        return None
    then = row.saved or now
    if row.ovf:
        then = replace(then, initialization=dict(ovf_reader.read(row.ovf).initialization))
    shown = replace(then, status=now.status, host_id=now.host_id, cluster_id=now.cluster_id)
    rest = _vm_rest(call, shown, certificate=False)
    if shown.host_id not in call.world.hosts:
        shapes.without_type(rest[-1])
    texts = settings.shown(shown.settings)
    value = _vm(call, shown)
    if now.host_id in call.world.hosts:
        # Who may not see the host of the VM sees it here.
        value.host = ref(types.Host, "hosts", now.host_id or "")
    return shapes.bare(codec.element(Entity(value, rest=rest, texts=texts)))


def configuration(ovf: str) -> types.Initialization:
    """Return an OVF as it hangs under ``initialization``."""
    return types.Initialization(
        configuration=types.Configuration(type=types.ConfigurationType.OVF, data=ovf)
    )


def attachment(row: Attachment) -> Entity:
    """Return an attachment: nothing in it tells a disk snapshot from a disk."""
    value = types.DiskAttachment(
        id=row.disk_id,
        active=row.active,
        bootable=row.bootable,
        interface=types.DiskInterface(row.interface),
        pass_discard=row.pass_discard,
        read_only=row.read_only,
        uses_scsi_reservation=row.uses_scsi_reservation,
        disk=ref(types.Disk, "disks", row.disk_id),
        vm=ref(types.Vm, "vms", row.vm_id),
    )
    return Entity(_at(value, f"vms/{row.vm_id}/diskattachments/{row.disk_id}"))


def image(disk: Disk, volume: Volume) -> Image:
    """Return a volume in the host's terms."""
    return Image(disk.domain_id, disk.id, volume.id, volume.fmt, volume.virtual_size)


def word(kind: type[E], text: str) -> E | None:
    """Return a word of an enum; nothing for what only the engine itself knows, such as ``next_run``."""
    return next((one for one in kind if one.value == text), None)


def disk_status(call: Call, row: Disk) -> types.DiskStatus:
    """Return the disk's status is that of its active volume."""
    return types.DiskStatus(call.world.volumes[row.active_volume_id].status)


def disk(call: Call, row: Disk, vms: bool = False) -> Entity:
    """Return a disk with its active volume. No snapshot is ever named here."""
    if row.storage_type == "lun":
        return _direct_lun(call, row, vms)
    world, host = call.world, call.engine.host
    active = world.volumes[row.active_volume_id]
    sizes = [host.actual_size(image(row, v)) for v in world.chain(row.id)]
    value = types.Disk(
        id=row.id,
        name=row.alias,
        alias=row.alias,
        description=row.description,
        image_id=active.id,
        provisioned_size=row.virtual_size,
        actual_size=sizes[-1],
        total_size=sum(sizes),
        format=FORMATS[active.fmt],
        status=disk_status(call, row),
        shareable=row.shareable,
        sparse=row.sparse,
        content_type=types.DiskContentType(row.content_type),
        storage_type=types.DiskStorageType(row.storage_type),
        backup=types.DiskBackup(row.backup),
        propagate_errors=False,
        wipe_after_delete=row.wipe_after_delete,
        disk_profile=_disk_profile(row),
        quota=_quota(call, row),
        storage_domains=[ref(types.StorageDomain, "storagedomains", row.domain_id)],
    )
    being_made = active.status == "locked" and active.snapshot_id == BLANK
    if active.fmt == "qcow2" and active.made and not being_made:
        value.qcow_version = types.QcowVersion.QCOW2_V3
    if vms:
        held_by = sorted(
            (world.vms[h.vm_id] for h in world.holders(row.id)), key=lambda one: one.name
        )
        value.vms = [ref(types.Vm, "vms", one.id) for one in held_by]
    return Entity(_at(value, f"disks/{row.id}"), DISK_LINKS, DISK_ACTIONS)


def _disk_profile(row: Disk) -> types.DiskProfile:
    return ref(types.DiskProfile, "diskprofiles", row.profile_id or default_profile(row.domain_id))


def default_profile(domain_id: str) -> str:
    """Return the id of the disk profile that each storage domain has."""
    return shapes.derived("disk profile", domain_id)


def disk_profile(profile_id: str, row: Domain) -> Entity:
    """Return a disk profile."""
    name = row.name if profile_id == default_profile(row.id) else f"{row.name}_{profile_id[:8]}"
    value = types.DiskProfile(
        id=profile_id, name=name, storage_domain=ref(types.StorageDomain, "storagedomains", row.id)
    )
    return Entity(_at(value, f"diskprofiles/{profile_id}"), ("permissions",))


def _quota(call: Call, row: Disk) -> types.Quota:
    centre = call.world.domains[row.domain_id].data_centre_id
    return ref(types.Quota, f"datacenters/{centre}/quotas", shapes.derived("quota", centre))


def _direct_lun(call: Call, row: Disk, vms: bool) -> Entity:
    """Return a direct LUN: no format, no size of its own, no storage domain."""
    unit = types.LogicalUnit(id=row.id.replace("-", ""), lun_mapping=0, size=row.virtual_size)
    value = types.Disk(
        id=row.id,
        name=row.alias,
        alias=row.alias,
        description=row.description,
        shareable=row.shareable,
        content_type=types.DiskContentType.DATA,
        storage_type=types.DiskStorageType.LUN,
        lun_storage=types.HostStorage(type=types.StorageType.ISCSI, logical_units=[unit]),
        propagate_errors=False,
        wipe_after_delete=False,
    )
    if vms:
        value.vms = [ref(types.Vm, "vms", h.vm_id) for h in call.world.holders(row.id)]
    return Entity(_at(value, f"disks/{row.id}"), DISK_LINKS, DISK_ACTIONS)


def snapshot(
    call: Call, row: Snapshot, ovf: bool = False, asked: str | None = None, listed: bool = False
) -> Entity:
    """A snapshot, under the VM that was asked for it; in a list the ACTIVE entry has neither ``vm`` nor links."""
    value = types.Snapshot(
        id=row.id,
        description=row.description,
        date=row.date,
        snapshot_status=types.SnapshotStatus(row.status),
        snapshot_type=word(types.SnapshotType, row.type),
        persist_memorystate=row.memory,
    )
    _at(value, f"vms/{asked or row.vm_id}/snapshots/{row.id}")
    if row.type == "active" and listed:
        return Entity(value, (), ("restore",))
    if ovf and row.ovf:
        value.initialization = configuration(row.ovf)
    saved = _saved_vm(call, row)
    rest = () if saved is None else (saved,)
    return Entity(value, ("cdroms", "disks", "nics"), ("restore",), rest=rest)


def new_snapshot(row: Snapshot) -> Entity:
    """Return a snapshot as its creation answers: with its configuration, and of the VM only the id."""
    value = types.Snapshot(
        id=row.id,
        description=row.description,
        date=row.date,
        snapshot_status=types.SnapshotStatus.LOCKED,
        snapshot_type=types.SnapshotType.REGULAR,
        persist_memorystate=row.memory,
        vm=ref(types.Vm, "vms", row.vm_id),
        initialization=configuration(row.ovf),
    )
    _at(value, f"vms/{row.vm_id}/snapshots/{row.id}")
    return Entity(value, ("cdroms", "disks", "nics"), ("restore",))


def snapshot_disk(call: Call, row: Snapshot, item: SnapshotDisk) -> Entity:
    """Return a disk of a snapshot: whole GiB, and nothing has an address. It says neither interface nor bootable."""
    value = _in_snapshot(row, item.disk_id, item.alias)
    volume = call.world.volumes.get(item.volume_id)
    value.status = types.DiskStatus(volume.status if volume is not None else "illegal")
    value.image_id = item.volume_id
    value.provisioned_size = gib(item.virtual_size) * GIB
    value.actual_size = gib(item.actual_size) * GIB
    value.format = FORMATS[item.fmt]
    disk_row = call.world.disks.get(item.disk_id)
    if disk_row is not None:
        _of_disk(value, disk_row)
    return Entity(value)


def checkpoint_disk(call: Call, row: Disk) -> Entity:
    """Return a disk of a checkpoint: as the ACTIVE entry shows it, without a snapshot."""
    entity = active_disk(call, Snapshot("", "", "", "active"), row)
    entity.value.snapshot = None
    return entity


def active_disk(call: Call, row: Snapshot, disk_row: Disk) -> Entity:
    """Return a disk of the ACTIVE entry: exact sizes, since it comes from the rows."""
    volume = call.world.volumes[disk_row.active_volume_id]
    value = _in_snapshot(row, disk_row.id, disk_row.alias)
    value.status = types.DiskStatus(volume.status)
    value.image_id = volume.id
    value.provisioned_size = volume.virtual_size
    value.actual_size = call.engine.host.actual_size(image(disk_row, volume))
    value.format = FORMATS[volume.fmt]
    value.qcow_version = types.QcowVersion.QCOW2_V3 if volume.fmt == "qcow2" else None
    value.disk_profile = types.DiskProfile(id=_disk_profile(disk_row).id)
    centre = call.world.domains[disk_row.domain_id].data_centre_id
    value.quota = types.Quota(id=_quota(call, disk_row).id, data_center=types.DataCenter(id=centre))
    _of_disk(value, disk_row)
    return Entity(value)


def _in_snapshot(row: Snapshot, disk_id: str, alias: str) -> types.Disk:
    return types.Disk(
        id=disk_id,
        name=alias,
        alias=alias,
        total_size=0,
        shareable=False,
        propagate_errors=False,
        wipe_after_delete=False,
        content_type=types.DiskContentType.DATA,
        storage_type=types.DiskStorageType.IMAGE,
        snapshot=types.Snapshot(id=row.id),
    )


def _of_disk(value: types.Disk, row: Disk) -> None:
    """What a snapshot's disk shows of the disk as it is now."""
    value.description = row.description
    value.storage_type = types.DiskStorageType(row.storage_type)
    value.backup = types.DiskBackup(row.backup)
    value.sparse = row.sparse
    value.storage_domains = [types.StorageDomain(id=row.domain_id)]


def disk_snapshot(call: Call, row: Disk, volume: Volume, path: str) -> Entity:
    """A volume with exact sizes and its parent; its id is that of the image, and the active one has no snapshot."""
    value = types.DiskSnapshot(
        id=volume.id,
        name=row.alias,
        alias=row.alias,
        description=row.description,
        backup=types.DiskBackup(row.backup),
        provisioned_size=volume.virtual_size,
        actual_size=call.engine.host.actual_size(image(row, volume)),
        total_size=0,
        format=FORMATS[volume.fmt],
        status=types.DiskStatus(volume.status),
        content_type=types.DiskContentType(row.content_type),
        storage_type=types.DiskStorageType(row.storage_type),
        shareable=row.shareable,
        propagate_errors=False,
        wipe_after_delete=False,
        sparse=row.sparse if volume.parent_id is None else True,
        disk=ref(types.Disk, "disks", row.id),
        disk_profile=_disk_profile(row),
        quota=_quota(call, row),
        storage_domains=[ref(types.StorageDomain, "storagedomains", row.domain_id)],
    )
    if path.startswith("storagedomains/"):
        value.storage_domain = ref(types.StorageDomain, "storagedomains", row.domain_id)
    if volume.id != row.active_volume_id:
        value.snapshot = types.Snapshot(id=volume.snapshot_id)
    if volume.fmt == "qcow2":
        value.qcow_version = types.QcowVersion.QCOW2_V3
    if volume.parent_id is not None:
        value.parent = ref(types.DiskSnapshot, f"{path}/disksnapshots", volume.parent_id)
    return Entity(_at(value, f"{path}/disksnapshots/{volume.id}"))


SUBJECTS: Mapping[str, tuple[Any, str]] = {
    "cluster": (types.Cluster, "clusters"),
    "data_center": (types.DataCenter, "datacenters"),
    "host": (types.Host, "hosts"),
    "storage_domain": (types.StorageDomain, "storagedomains"),
    "template": (types.Template, "templates"),
    "user": (types.User, "users"),
    "vm": (types.Vm, "vms"),
}


def event(row: Event) -> Entity:
    """Return an event of the audit log, with what it is about as it was called then."""
    value = types.Event(
        id=str(row.index),
        index=row.index,
        code=row.code,
        severity=types.LogSeverity(row.severity),
        description=row.description,
        correlation_id=row.correlation_id or None,
        time=row.time,
        origin=row.origin,
        custom_id=row.custom_id,
        flood_rate=row.flood_rate,
    )
    for kind, (object_id, name) in row.subjects.items():
        struct, collection = SUBJECTS[kind]
        subject = ref(struct, collection, object_id)
        subject.name = name
        setattr(value, kind, subject)
    return Entity(_at(value, f"events/{row.index}"))


def job(call: Call, row: Job) -> Entity:
    """Return a job of a monitored command, and whose it is."""
    value = types.Job(
        id=row.id,
        description=row.description,
        status=types.JobStatus(row.status),
        start_time=row.started,
        last_updated=row.ended or row.started,
        end_time=row.ended,
        external=False,
        auto_cleared=True,
    )
    owner = call.world.users.get(row.user)
    if owner is not None:
        value.owner = ref(types.User, "users", owner.id)
    return Entity(_at(value, f"jobs/{row.id}"), ("steps",), ("clear", "end"))


def cluster(row: Cluster) -> Entity:
    """Return a cluster."""
    value = types.Cluster(
        id=row.id,
        name=row.name,
        data_center=ref(types.DataCenter, "datacenters", row.data_centre_id),
        mac_pool=ref(types.MacPool, "macpools", shapes.derived("MAC pool")),
        scheduling_policy=ref(
            types.SchedulingPolicy, "schedulingpolicies", shapes.derived("scheduling policy")
        ),
        version=types.Version(major=4, minor=8),
    )
    rest = shapes.fragment(shapes.CLUSTER)
    return Entity(_at(value, f"clusters/{row.id}"), CLUSTER_LINKS, CLUSTER_ACTIONS, rest=rest)


def data_centre(row: DataCentre) -> Entity:
    """Return a data centre."""
    value = types.DataCenter(
        id=row.id,
        name=row.name,
        local=False,
        status=types.DataCenterStatus.UP,
        version=types.Version(major=4, minor=8),
        mac_pool=ref(types.MacPool, "macpools", shapes.derived("MAC pool")),
    )
    links = (
        "clusters",
        "iscsibonds",
        "networks",
        "permissions",
        "qoss",
        "quotas",
        "storagedomains",
    )
    actions = ("cleanfinishedtasks", "setmaster")
    rest = shapes.fragment(shapes.CENTRE)
    return Entity(_at(value, f"datacenters/{row.id}"), links, actions, rest=rest)


def host(call: Call, row: Host) -> Entity:
    """Return a host; the last one of a data centre is its SPM."""
    world = call.world
    centre = world.clusters[row.cluster_id].data_centre_id
    peers = [
        h for h in world.hosts.values() if world.clusters[h.cluster_id].data_centre_id == centre
    ]
    running = sum(vm.host_id == row.id and vm.status != "down" for vm in world.vms.values())
    value = types.Host(
        id=row.id,
        name=row.name,
        address="127.0.0.1",
        status=types.HostStatus(row.status),
        type=types.HostType.RHEL,
        cluster=ref(types.Cluster, "clusters", row.cluster_id),
        comment="",
        vgpu_placement=types.VgpuPlacement.CONSOLIDATED,
        summary=types.VmSummary(active=running, migrating=0, total=running),
        spm=types.Spm(
            priority=5,
            status=types.SpmStatus.SPM if row is peers[-1] else types.SpmStatus.NONE,
        ),
    )
    rest = shapes.fragment(shapes.HOST)
    return Entity(_at(value, f"hosts/{row.id}"), HOST_LINKS, HOST_ACTIONS, rest=rest)


def domain(call: Call, row: Domain, centre_id: str | None) -> Entity:
    """Return a storage domain; its status is shown only below a data centre, as the engine does.

    Who reads filtered is told neither where the storage is nor which data centre it is attached to.
    """
    peers = [d for d in call.world.domains.values() if d.data_centre_id == row.data_centre_id]
    master = next((d for d in peers if d.type == "data"), None)
    value = types.StorageDomain(
        id=row.id,
        name=row.name,
        type=types.StorageDomainType(row.type),
        external_status=types.ExternalStatus.OK,
        master=row is master,
        backup=row.backup,
        available=row.available,
        used=10 * GIB,
        committed=0,
        storage=types.HostStorage(type=types.StorageType(row.storage)),
        supports_discard=row.supports_discard,
    )
    if not call.filtered:
        value.storage.address, value.storage.path = "storage", "/export"
        if centre_id is not None:
            value.data_centers = [ref(types.DataCenter, "datacenters", centre_id)]
    rest = shapes.fragment(shapes.DOMAIN)
    return Entity(_at(value, f"storagedomains/{row.id}"), DOMAIN_LINKS, DOMAIN_ACTIONS, rest=rest)


def user(row: User) -> Entity:
    """Return a user."""
    name, _unused, profile = row.name.partition("@")
    value = types.User(
        id=row.id,
        name=name,
        user_name=f"{row.name}-authz",
        principal=name,
        namespace="*",
        domain=types.Domain(name=f"{profile}-authz"),
    )
    return Entity(_at(value, f"users/{row.id}"), ("permissions", "roles", "tags"))


def template(call: Call, row: Template) -> Entity:
    """Return a template, with what it has of the VM that it was made of."""
    value = types.Template(
        id=row.id,
        name=row.name,
        description=row.description,
        status=types.TemplateStatus(row.status),
        comment="",
        creation_time=row.created,
        version=types.TemplateVersion(
            version_name="base version",
            version_number=1,
            base_template=ref(types.Template, "templates", row.id),
        ),
    )
    rest: list[ET.Element] = []
    if row.saved is not None:
        shown = codec.element(vm(call, row.saved, everything=True))
        rest = [child for child in shown if child.tag in shapes.TEMPLATE]
    if row.cluster_id:
        value.cluster = ref(types.Cluster, "clusters", row.cluster_id)
    return Entity(_at(value, f"templates/{row.id}"), TEMPLATE_LINKS, ("export",), rest=rest)


def exported(row: tuple[str, str, str]) -> Entity:
    """Return a VM on an export domain: domain, VM, name."""
    domain_id, vm_id, name = row
    value = types.Vm(id=vm_id, name=name, status=types.VmStatus.DOWN)
    value.storage_domain = ref(types.StorageDomain, "storagedomains", domain_id)
    return Entity(_at(value, f"storagedomains/{domain_id}/vms/{vm_id}"))


def role(row: Role) -> Entity:
    """Return a role, its permits one link away."""
    value = types.Role(
        id=row.id,
        name=row.name,
        description=row.description or None,
        administrative=row.admin,
        mutable=row.mutable,
    )
    return Entity(_at(value, f"roles/{row.id}"), ("permits",))


def _permit(one: Permit) -> types.Permit:
    return types.Permit(id=str(one.id), name=one.name.lower(), administrative=one.admin)


def permit(one: Permit, of_role: Role) -> Entity:
    """Return a permit of a role; names are in lower case."""
    value = _permit(one)
    value.role = ref(types.Role, "roles", of_role.id)
    return Entity(_at(value, f"roles/{of_role.id}/permits/{one.id}"))


def cluster_level(version: str) -> Entity:
    """Return a cluster level: the place where the API lists all permits."""
    value = types.ClusterLevel(id=version, permits=[_permit(one) for one in PERMITS.values()])
    return Entity(_at(value, f"clusterlevels/{version}"), ("clusterfeatures",))


KINDS: Mapping[str, tuple[Any, str]] = {
    "vm": (types.Vm, "vms"),
    "disk": (types.Disk, "disks"),
    "cluster": (types.Cluster, "clusters"),
    "data_center": (types.DataCenter, "datacenters"),
    "storage_domain": (types.StorageDomain, "storagedomains"),
    "host": (types.Host, "hosts"),
    "template": (types.Template, "templates"),
}


def permission(call: Call, held: Held, kind: str, path: str, object_id: str) -> Entity:
    """Return a permission: a role, a user or a group, and the object unless that is the system."""
    value = types.Permission(
        id=held.grant.id,
        role=ref(types.Role, "roles", call.world.roles[held.grant.role].id),
    )
    if isinstance(held.holder, Group):
        value.group = ref(types.Group, "groups", held.holder.id)
    else:
        value.user = ref(types.User, "users", held.holder.id)
    if kind:
        struct, collection = KINDS[kind]
        setattr(value, kind, ref(struct, collection, object_id))
    return Entity(_at(value, f"{path}/{held.grant.id}"))


def group(row: Group) -> Entity:
    """Return a group of the directory."""
    value = types.Group(id=row.id, name=row.name, namespace="*")
    value.domain = types.Domain(name="internal-authz")
    return Entity(_at(value, f"groups/{row.id}"), ("permissions", "roles", "tags"))
