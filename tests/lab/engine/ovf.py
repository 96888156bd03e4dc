# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM's configuration as OVF, element by element as a real engine wrote it (docs/engine.md#configuration-of-a-vm).

The engine's own slips are kept: ``parentRef`` names the first disk of all, and a newline of cloud-init becomes
the five characters ``&#10;``.
"""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from lab.engine import settings
from lab.model import Attachment, Disk, Nic, Snapshot, Vm, Volume, World, now

GIB = 1 << 30
OVF = "http://schemas.dmtf.org/ovf/envelope/1/"
RASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
VSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
for _prefix, _uri in (("ovf", OVF), ("rasd", RASD), ("vssd", VSSD), ("xsi", XSI)):
    ET.register_namespace(_prefix, _uri)

BLANK = "00000000-0000-0000-0000-000000000000"
NEWLINE = "&#10;"
"""What the engine writes into an attribute for a newline, before it escapes the ampersand."""
INTERFACES = {
    "virtio": "VirtIO",
    "virtio_scsi": "VirtIO_SCSI",
    "ide": "IDE",
    "sata": "SATA",
    "spapr_vscsi": "SPAPR_VSCSI",
}
CHIPSETS = ("i440fx_sea_bios", "q35_sea_bios", "q35_ovmf", "q35_secure_boot")
BOOT = {"hd": "0", "cdrom": "1", "network": "2"}
# Attributes of VmInit by the names of the API. What is not here is lost: user name, password, protocol.
VM_INIT = {
    "host_name": "hostname",
    "domain": "domain",
    "timezone": "timeZone",
    "authorized_ssh_keys": "authorizedKeys",
    "regenerate_ssh_keys": "regenerateKeys",
    "dns_servers": "dnsServers",
    "dns_search": "dnsSearch",
    "custom_script": "customScript",
}
FORMATS = {
    "COW": "http://www.gnome.org/~markmc/qcow-image-format.html",
    "RAW": "http://www.vmware.com/specifications/vmdk.html#sparse",
}


@dataclass(frozen=True)
class OvfDisk:
    """One image of a disk of the VM, with the bytes that it takes."""

    disk: Disk
    attachment: Attachment
    volume: Volume
    actual_size: int


@dataclass(frozen=True)
class Device:
    """A device that every VM has: its kind and name, the resource's type and caption, what only it has."""

    type: str
    device: str
    resource: str = "0"
    caption: str = ""
    read_only: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    spec: Mapping[str, str] = field(default_factory=dict)


# Devices that an import, or a preview, leaves without what only they have, until the VM is changed.
BARE = ("cdrom", "virtio-scsi")
DEVICES = (
    Device(
        *("video", "vga", "20", "Graphical Controller"),
        fields={"VirtualQuantity": "1", "SinglePciQxl": "false"},
        spec={"vram": "16384"},
    ),
    Device("graphics", "vnc", "26", "Graphical Framebuffer"),
    Device("disk", "cdrom", "15", "CDROM", read_only=True, spec={"path": ""}),
    Device("rng", "virtio", spec={"source": "urandom"}),
    Device("controller", "virtio-serial"),
    Device("controller", "virtio-scsi", spec={"ioThreadId": ""}),
    Device("controller", "usb", spec={"index": "0", "model": "qemu-xhci"}),
    Device("sound", "ich9", read_only=True),
    Device("balloon", "memballoon", read_only=True, spec={"model": "virtio"}),
    Device("tpm", "tpm"),
)


def gib(size: int) -> int:
    """Bytes as whole GiB, rounded up, as the engine writes them."""
    return -(-size // GIB)


def stamp(moment: datetime) -> str:
    """Return a time as OVF has it."""
    return moment.strftime("%Y/%m/%d %H:%M:%S")


def own_disks(
    world: World, vm: Vm, size_of: Callable[[Volume], int], layers: bool = False
) -> list[OvfDisk]:
    """Return the VM's own disks with their active volumes; disk snapshots it holds are left out.

    ``size_of`` tells the bytes that a volume takes on the storage. With ``layers`` the volumes below are
    there too, as in the VM's own configuration.
    """
    found = []
    for attachment in world.attachments_of(vm.id):
        disk = world.disks[attachment.disk_id]
        if attachment.snapshot_id is None and disk.storage_type != "lun":
            chain = world.chain(disk.id)[::-1]
            shown = chain if layers else chain[:1]
            found += [OvfDisk(disk, attachment, one, size_of(one)) for one in shown]
    return found


def write(world: World, vm: Vm, disks: Sequence[OvfDisk], own: bool = False) -> str:
    """Return the OVF text of a VM with these disks: the one that a snapshot keeps, or the VM's ``own``.

    The VM's own names its snapshots. What cloud-init gets, and what TPM and NVRAM hold, is in a snapshot's
    alone.
    """
    root = ET.Element(_q(OVF, "Envelope"), {_q(OVF, "version"): "4.4.0.0"})
    _references(root, world, disks)
    _network_section(root, vm)
    _disk_section(root, disks)
    content = ET.SubElement(
        root, "Content", {_q(OVF, "id"): "out", _q(XSI, "type"): "ovf:VirtualSystem_Type"}
    )
    _general(content, world, vm)
    if not own and vm.initialization:
        _initialization(content, vm)
    _system(content, vm)
    _hardware(content, world, vm, disks, own)
    if own:
        _snapshots(content, world.snapshots_of(vm.id))
    if not own and vm.external:
        _external(root, vm)
    text = ET.tostring(root, encoding="unicode", short_empty_elements=False)
    # The engine's writer leaves a tab in an attribute alone, so that its reader finds a blank.
    return '<?xml version="1.0" encoding="UTF-8"?>' + text.replace("&#09;", "\t")


def _q(space: str, name: str) -> str:
    return f"{{{space}}}{name}"


def _word(value: bool) -> str:
    return str(value).lower()


def _section(
    parent: ET.Element, kind: str, info: str, attributes: Mapping[str, str] | None = None
) -> ET.Element:
    told = {**(attributes or {}), _q(XSI, "type"): f"ovf:{kind}_Type"}
    section = ET.SubElement(parent, "Section", told)
    if info:
        ET.SubElement(section, "Info").text = info
    return section


def _file_ref(item: OvfDisk) -> str:
    return f"{item.disk.id}/{item.volume.id}"


def _references(root: ET.Element, world: World, disks: Sequence[OvfDisk]) -> None:
    references = ET.SubElement(root, "References")
    for item in disks:
        snapshot = world.snapshots.get(item.volume.snapshot_id)
        attributes = {
            "href": _file_ref(item),
            "id": item.volume.id,
            "size": str(item.actual_size),
            "description": snapshot.description if snapshot else "",
            "disk_storage_type": item.disk.storage_type.upper(),
            "cinder_volume_type": "",
        }
        ET.SubElement(references, "File", {_q(OVF, k): v for k, v in attributes.items()})


def _network_section(root: ET.Element, vm: Vm) -> None:
    section = ET.SubElement(root, "NetworkSection")
    ET.SubElement(section, "Info").text = "List of networks"
    for name in dict.fromkeys(nic.network for nic in vm.nics if nic.network):
        ET.SubElement(section, "Network", {_q(OVF, "name"): name})


def _disk_section(root: ET.Element, disks: Sequence[OvfDisk]) -> None:
    section = _section(root, "DiskSection", "List of Virtual Disks")
    for item in disks:
        attributes = {**_image_attributes(item, disks), **_device_attributes(item)}
        ET.SubElement(section, "Disk", {_q(OVF, k): v for k, v in attributes.items()})


def _image_attributes(item: OvfDisk, disks: Sequence[OvfDisk]) -> dict[str, str]:
    """Format and type are those of the active layer: over a raw disk that is a thin qcow2."""
    volume = item.volume
    shape = "RAW" if volume.fmt == "raw" else "COW"
    sparse = item.disk.sparse or volume.parent_id is not None
    return {
        "diskId": volume.id,
        "size": str(gib(volume.virtual_size)),
        "actual_size": str(gib(item.actual_size)),
        "vm_snapshot_id": volume.snapshot_id,
        "parentRef": _parent_ref(volume, disks),
        "fileRef": _file_ref(item),
        "format": FORMATS[shape],
        "volume-format": shape,
        "volume-type": "Sparse" if sparse else "Preallocated",
    }


def _parent_ref(volume: Volume, disks: Sequence[OvfDisk]) -> str:
    """Not the parent: the first of all images that is not the parent, if it is not the last one.

    ``OvfOvirtWriter.writeDiskParentRef`` looks for the parent and leaves its loop at once.
    """
    if volume.parent_id is None:
        return ""
    others = [item for item in disks[:-1] if item.volume.id != volume.parent_id]
    return _file_ref(others[0]) if others else ""


def _device_attributes(item: OvfDisk) -> dict[str, str]:
    attachment = item.attachment
    return {
        "disk-interface": INTERFACES[attachment.interface],
        "read-only": _word(attachment.read_only),
        "shareable": _word(item.disk.shareable),
        "boot": _word(attachment.bootable),
        "pass-discard": _word(attachment.pass_discard),
        "incremental-backup": _word(item.disk.backup == "incremental"),
        "disk-alias": item.disk.alias,
        "disk-description": item.disk.description,
        "wipe-after-delete": _word(item.disk.wipe_after_delete),
    }


def _general(content: ET.Element, world: World, vm: Vm) -> None:
    for name, text in _general_fields(world, vm).items():
        ET.SubElement(content, name).text = text


def _initialization(content: ET.Element, vm: Vm) -> None:
    told = {"regenerate_ssh_keys": "false", **vm.initialization}
    attributes = {
        _q(OVF, VM_INIT[name]): text.replace("\n", NEWLINE)
        for name, text in told.items()
        if name in VM_INIT
    }
    ET.SubElement(content, "VmInit", {**attributes, _q(OVF, "networks"): "[ ]"})


def _general_fields(world: World, vm: Vm) -> dict[str, str]:
    cluster = world.clusters[vm.cluster_id]
    fields = {
        "Name": vm.name,
        "Description": vm.description,
        "Comment": vm.comment,
        "CreationDate": stamp(vm.created),
        "ExportDate": stamp(now()),
        "DeleteProtected": _word(vm.delete_protected),
        "default_boot_sequence": BOOT[vm.boot],
        "Generation": "1",
        "ClusterCompatibilityVersion": "4.8",
        "IsStateless": _word(vm.stateless),
        "CreatedByUserId": str(uuid5(UUID(cluster.id), "creator")),
        "BiosType": str(CHIPSETS.index(vm.chipset)) if vm.chipset in CHIPSETS else "0",
        **settings.content(vm.settings, vm.memory),
        "ClusterName": cluster.name,
        "TemplateId": BLANK,
        "TemplateName": "Blank",
        "IsInitilized": _word(vm.started is not None),
        "Origin": "3",
        "DefaultDisplayType": "2",
        "OriginalTemplateId": BLANK,
        "OriginalTemplateName": "Blank",
        "StopTime": stamp(vm.stopped),
    }
    if not vm.imported:
        fields["quota_id"] = str(uuid5(UUID(cluster.data_centre_id), "quota"))
    if vm.started is not None:
        fields |= {"BootTime": stamp(vm.started), "Downtime": "0"}
    return fields


def _system(content: ET.Element, vm: Vm) -> None:
    told = {_q(OVF, "id"): vm.id, _q(OVF, "required"): "false"}
    section = _section(content, "OperatingSystemSection", "Guest Operating System", told)
    ET.SubElement(section, "Description").text = vm.os


def _hardware(
    content: ET.Element, world: World, vm: Vm, disks: Sequence[OvfDisk], own: bool
) -> None:
    cpus, memory = vm.sockets * vm.cores * vm.threads, vm.memory >> 20
    section = _section(content, "VirtualHardwareSection", f"{cpus} CPU, {memory} Memory")
    system = ET.SubElement(section, "System")
    ET.SubElement(system, _q(VSSD, "VirtualSystemType")).text = "ENGINE 4.4.0.0"
    cpu = {
        "Description": "Number of virtual CPU",
        "num_of_sockets": str(vm.sockets),
        "cpu_per_socket": str(vm.cores),
        "threads_per_cpu": str(vm.threads),
        "max_num_of_vcpus": str(cpus * 16),
        "VirtualQuantity": str(cpus),
    }
    _item(section, f"{cpus} virtual cpu", "1", "3", cpu)
    size = {
        "Description": "Memory Size",
        "AllocationUnits": "MegaBytes",
        "VirtualQuantity": str(memory),
    }
    _item(section, f"{memory} MB of memory", "2", "4", size)
    for item in disks:
        _disk_item(section, world, vm, item, own)
    for nic in vm.nics:
        _nic_item(section, vm, nic)
    _item(section, "USB Controller", "3", "23", {"UsbPolicy": "DISABLED"})
    for device in _devices(vm):
        _device_item(section, vm, device)


def _devices(vm: Vm) -> Iterator[Device]:
    for device in DEVICES:
        wanted = {"virtio-scsi": vm.virtio_scsi, "tpm": vm.tpm}.get(device.device, True)
        if wanted:
            yield device


def _item(
    section: ET.Element, caption: str, instance: str, kind: str, fields: Mapping[str, str]
) -> ET.Element:
    node = ET.SubElement(section, "Item")
    told = {"Caption": caption, "InstanceId": instance, "ResourceType": kind, **fields}
    for name, text in told.items():
        if name != "Caption" or text:
            ET.SubElement(node, _q(RASD, name)).text = text
    return node


def _as_device(node: ET.Element, vm: Vm, device_id: str, fields: Mapping[str, str]) -> None:
    """How it hangs on the VM. A device gets its alias on the host when the VM is started."""
    ET.SubElement(node, "Type").text = fields["Type"]
    ET.SubElement(node, "Device").text = fields["Device"]
    ET.SubElement(node, _q(RASD, "Address")).text = ""
    ET.SubElement(node, "BootOrder").text = fields.get("BootOrder", "0")
    ET.SubElement(node, "IsPlugged").text = fields.get("IsPlugged", "true")
    ET.SubElement(node, "IsReadOnly").text = fields.get("IsReadOnly", "false")
    alias = f"ua-{device_id}" if vm.started and fields["Type"] != "graphics" else ""
    ET.SubElement(node, "Alias").text = alias


def _disk_item(section: ET.Element, world: World, vm: Vm, item: OvfDisk, own: bool) -> None:
    attachment, made = item.attachment, stamp(item.disk.created)
    fields = {
        "HostResource": _file_ref(item),
        "Parent": item.volume.parent_id or BLANK,
        "Template": BLANK,
        "ApplicationList": "",
        **({"StorageId": item.disk.domain_id} if own else {}),
        "StoragePoolId": world.data_centre_of(vm),
        "CreationDate": made,
        "LastModified": made,
        "last_modified_date": made,
    }
    node = _item(section, item.disk.alias, item.volume.id, "17", fields)
    shown = {
        "Type": "disk",
        "Device": "disk",
        "BootOrder": "1" if item.disk.id == _boot_disk(world, vm) else "0",
        "IsPlugged": _word(attachment.active),
        "IsReadOnly": _word(attachment.read_only),
    }
    _as_device(node, vm, item.disk.id, shown)


def _boot_disk(world: World, vm: Vm) -> str | None:
    """Return the disk that the VM boots from: the one that is meant to be, else the first of its own."""
    own = [row for row in world.attachments_of(vm.id) if row.snapshot_id is None]
    return next((row.disk_id for row in [*(r for r in own if r.bootable), *own]), None)


def _nic_item(section: ET.Element, vm: Vm, nic: Nic) -> None:
    fields = {
        "OtherResourceType": nic.profile or "",
        "ResourceSubType": "3",
        "Connection": nic.network or "",
        "Linked": _word(nic.linked),
        "Name": nic.name,
        "ElementName": nic.name,
        "MACAddress": nic.mac,
        "speed": "10000",
    }
    caption = f"Ethernet adapter on {nic.network or '[No Network]'}"
    node = _item(section, caption, nic.id, "10", fields)
    shown = {"Type": "interface", "Device": "bridge", "IsPlugged": _word(nic.plugged)}
    _as_device(node, vm, nic.id, shown)


def _device_item(section: ET.Element, vm: Vm, device: Device) -> None:
    device_id = str(uuid5(UUID(vm.id), f"{device.type} {device.device}"))
    node = _item(section, device.caption, device_id, device.resource, device.fields)
    shown = {"Type": device.type, "Device": device.device, "IsReadOnly": _word(device.read_only)}
    _as_device(node, vm, device_id, shown)
    if device.spec and not (vm.bare and device.device in BARE):
        spec = ET.SubElement(node, "SpecParams")
        for name, text in device.spec.items():
            ET.SubElement(spec, name).text = text


def _snapshots(content: ET.Element, snapshots: Sequence[Snapshot]) -> None:
    section = _section(content, "SnapshotsSection", "")
    for snapshot in snapshots:
        node = ET.SubElement(section, "Snapshot", {_q(OVF, "id"): snapshot.id})
        ET.SubElement(node, "Type").text = snapshot.type.upper()
        ET.SubElement(node, "Description").text = snapshot.description
        ET.SubElement(node, "CreationDate").text = stamp(snapshot.date)
        if snapshot.ovf:
            text = base64.b64encode(snapshot.ovf.encode()).decode()
            ET.SubElement(node, "VmConfiguration").text = text


def _external(root: ET.Element, vm: Vm) -> None:
    section = _section(root, "VmExternalDataSection", "")
    for kind, data in vm.external.items():
        node = ET.SubElement(section, "VmExternalDataItem", {"kind": kind})
        ET.SubElement(node, "VmExternalDataContent").text = data
