# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM's configuration as OVF, in the shape that the engine saves with a snapshot (section 7)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lab.model import Attachment, Disk, Vm, Volume, World

GIB = 1 << 30
OVF = "http://schemas.dmtf.org/ovf/envelope/1/"
RASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
VSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
for _prefix, _uri in (("ovf", OVF), ("rasd", RASD), ("vssd", VSSD), ("xsi", XSI)):
    ET.register_namespace(_prefix, _uri)

INTERFACES = {
    "virtio": "VirtIO",
    "virtio_scsi": "VirtIO_SCSI",
    "ide": "IDE",
    "sata": "SATA",
    "spapr_vscsi": "SPAPR_VSCSI",
}


@dataclass(frozen=True)
class OvfDisk:
    """One disk of the VM with the volume and sizes of the moment (bytes)."""

    disk: Disk
    attachment: Attachment
    volume: Volume
    actual_size: int


def gib(size: int) -> int:
    """Bytes as whole GiB, rounded up, as the engine writes them."""
    return -(-size // GIB)


def stamp(moment: datetime) -> str:
    """A time as OVF has it."""
    return moment.strftime("%Y/%m/%d %H:%M:%S")


def own_disks(world: World, vm: Vm, size_of: Callable[[Volume], int]) -> list[OvfDisk]:
    """The VM's own disks with their active volumes; disk snapshots it holds are left out.

    ``size_of`` tells the bytes that a volume takes on the storage.
    """
    found = []
    for attachment in world.attachments_of(vm.id):
        disk = world.disks[attachment.disk_id]
        if attachment.snapshot_id is None and disk.storage_type == "image":
            volume = world.volumes[disk.active_volume_id]
            found.append(OvfDisk(disk, attachment, volume, size_of(volume)))
    return found


def write(world: World, vm: Vm, disks: Sequence[OvfDisk]) -> str:
    """The OVF text of a VM with these disks."""
    root = ET.Element(_q(OVF, "Envelope"), {_q(OVF, "version"): "4.4.0.0"})
    _references(root, vm, disks)
    _network_section(root, vm)
    _disk_section(root, disks)
    _content(root, world, vm, disks)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root, encoding="unicode")


@dataclass(frozen=True)
class ReadDisk:
    """A disk that an OVF names, by the id of its image group."""

    disk_id: str
    interface: str
    bootable: bool
    read_only: bool
    pass_discard: bool
    plugged: bool
    alias: str


@dataclass(frozen=True)
class Read:
    """What an import takes from an OVF; sizes in bytes."""

    id: str
    name: str
    description: str
    comment: str
    memory: int
    cores: int
    os: str
    chipset: str
    stateless: bool
    delete_protected: bool
    mac: str
    network: str
    profile: str
    disks: tuple[ReadDisk, ...]


def read(text: str) -> Read:
    """Read an OVF as the engine's import does.

    :raises ValueError: for what is none.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314  whoever sends it may do worse
    except ET.ParseError as problem:
        raise ValueError(str(problem)) from problem
    content = root.find("Content")
    sections = {} if content is None else {s.get(_q(XSI, "type")): s for s in content}
    system = sections.get("ovf:OperatingSystemSection_Type")
    hardware = sections.get("ovf:VirtualHardwareSection_Type")
    if content is None or system is None or hardware is None:
        raise ValueError("this is no configuration of a VM")
    items: dict[str, list[ET.Element]] = {}
    for item in hardware.findall("Item"):
        items.setdefault(item.findtext(_q(RASD, "ResourceType"), ""), []).append(item)
    nic = next(iter(items.get("10", [])), ET.Element("Item"))

    def first(kind: str, name: str) -> int:
        found = items.get(kind, [ET.Element("Item")])[0]
        return int(found.findtext(_q(RASD, name), "1"))

    return Read(
        id=system.get(_q(OVF, "id"), ""),
        name=content.findtext("Name", ""),
        description=content.findtext("Description", ""),
        comment=content.findtext("Comment", ""),
        memory=first("4", "VirtualQuantity") << 20,
        cores=first("3", "num_of_sockets"),
        os=system.findtext("Description", ""),
        chipset="q35_sea_bios" if content.findtext("BiosType") == "2" else "i440fx_sea_bios",
        stateless=content.findtext("IsStateless") == "true",
        delete_protected=content.findtext("DeleteProtected") == "true",
        mac=nic.findtext(_q(RASD, "MACAddress"), ""),
        network=nic.findtext(_q(RASD, "Connection"), ""),
        profile=nic.findtext(_q(RASD, "OtherResourceType"), ""),
        disks=tuple(_read_disks(root, items.get("17", []))),
    )


def _read_disks(root: ET.Element, items: Sequence[ET.Element]) -> Iterator[ReadDisk]:
    """Disks that are both referenced and described, as the engine joins them by their images."""
    files = {
        node.get(_q(OVF, "id")): node.get(_q(OVF, "href"), "").split("/")[0]
        for node in root.findall("References/File")
    }
    plugged = {
        node.findtext(_q(RASD, "InstanceId")): node.findtext("IsPlugged") != "false"
        for node in items
    }
    words = {name: word for word, name in INTERFACES.items()}
    for node in root.findall("Section/Disk"):
        image = node.get(_q(OVF, "diskId"))
        if image in files:
            yield ReadDisk(
                files[image],
                words[node.get(_q(OVF, "disk-interface"), "IDE")],
                node.get(_q(OVF, "boot")) == "true",
                node.get(_q(OVF, "read-only")) == "true",
                node.get(_q(OVF, "pass-discard")) == "true",
                plugged.get(image, True),
                node.get(_q(OVF, "disk-alias"), ""),
            )


def _q(space: str, name: str) -> str:
    return f"{{{space}}}{name}"


def _file_ref(item: OvfDisk) -> str:
    return f"{item.disk.id}/{item.volume.id}"


def _references(root: ET.Element, vm: Vm, disks: Sequence[OvfDisk]) -> None:
    references = ET.SubElement(root, "References")
    for item in disks:
        attributes = {
            _q(OVF, "href"): _file_ref(item),
            _q(OVF, "id"): item.volume.id,
            _q(OVF, "size"): str(item.actual_size),
            _q(OVF, "description"): item.disk.description,
            _q(OVF, "disk_storage_type"): "IMAGE",
            _q(OVF, "cinder_volume_type"): "",
        }
        ET.SubElement(references, "File", attributes)
    nic = {_q(OVF, "href"): vm.network or "", _q(OVF, "id"): vm.mac.replace(":", "")}
    ET.SubElement(references, "Nic", nic)


def _network_section(root: ET.Element, vm: Vm) -> None:
    section = ET.SubElement(root, "NetworkSection")
    ET.SubElement(section, "Info").text = "List of networks"
    ET.SubElement(section, "Network", {_q(OVF, "name"): vm.network or ""})


def _disk_section(root: ET.Element, disks: Sequence[OvfDisk]) -> None:
    section = ET.SubElement(root, "Section", {_q(XSI, "type"): "ovf:DiskSection_Type"})
    ET.SubElement(section, "Info").text = "List of Virtual Disks"
    for item in disks:
        attributes = {**_image_attributes(item), **_device_attributes(item)}
        ET.SubElement(section, "Disk", {_q(OVF, k): v for k, v in attributes.items()})


def _image_attributes(item: OvfDisk) -> dict[str, str]:
    cow = item.volume.fmt != "raw"
    return {
        "diskId": item.volume.id,
        "size": str(gib(item.volume.virtual_size)),
        "actual_size": str(gib(item.actual_size)),
        "vm_snapshot_id": item.volume.snapshot_id,
        "parentRef": f"{item.disk.id}/{item.volume.parent_id}" if item.volume.parent_id else "",
        "fileRef": _file_ref(item),
        "format": "http://www.gnome.org/~markmc/qcow-image-format.html"
        if cow
        else "http://www.vmware.com/specifications/vmdk.html#sparse",
        "volume-format": "COW" if cow else "RAW",
        "volume-type": "Sparse" if item.disk.sparse else "Preallocated",
    }


def _device_attributes(item: OvfDisk) -> dict[str, str]:
    attachment = item.attachment
    return {
        "disk-interface": INTERFACES[attachment.interface],
        "read-only": str(attachment.read_only).lower(),
        "shareable": str(item.disk.shareable).lower(),
        "boot": str(attachment.bootable).lower(),
        "pass-discard": str(attachment.pass_discard).lower(),
        "incremental-backup": str(item.disk.backup == "incremental").lower(),
        "disk-alias": item.disk.alias,
        "disk-description": item.disk.description,
        "wipe-after-delete": "false",
    }


def _content(root: ET.Element, world: World, vm: Vm, disks: Sequence[OvfDisk]) -> None:
    content = ET.SubElement(
        root,
        "Content",
        {_q(OVF, "id"): "out", _q(XSI, "type"): "ovf:VirtualSystem_Type"},
    )
    for name, text in _vm_fields(world, vm).items():
        ET.SubElement(content, name).text = text
    system = ET.SubElement(
        content,
        "Section",
        {
            _q(OVF, "id"): vm.id,
            _q(OVF, "required"): "false",
            _q(XSI, "type"): "ovf:OperatingSystemSection_Type",
        },
    )
    ET.SubElement(system, "Info").text = "Guest Operating System"
    ET.SubElement(system, "Description").text = vm.os
    _hardware(content, vm, disks)


def _vm_fields(world: World, vm: Vm) -> dict[str, str]:
    return {
        "Name": vm.name,
        "Description": vm.description,
        "Comment": vm.comment,
        "CreationDate": stamp(vm.created),
        "ExportDate": stamp(vm.created),
        "DeleteProtected": str(vm.delete_protected).lower(),
        "IsStateless": str(vm.stateless).lower(),
        "BiosType": "2" if vm.chipset == "q35_sea_bios" else "1",
        "Origin": "3",
        "VmType": "1",
        "DefaultDisplayType": "1",
        "ClusterName": world.clusters[vm.cluster_id].name,
        "ClusterCompatibilityVersion": "4.7",
        "TemplateId": "00000000-0000-0000-0000-000000000000",
        "TemplateName": "Blank",
        "MinAllocatedMem": str(vm.memory >> 20),
        "TimeZone": "Etc/GMT",
    }


def _hardware(content: ET.Element, vm: Vm, disks: Sequence[OvfDisk]) -> None:
    hardware = ET.SubElement(
        content, "Section", {_q(XSI, "type"): "ovf:VirtualHardwareSection_Type"}
    )
    ET.SubElement(hardware, "Info").text = f"{vm.cores} CPU, {vm.memory >> 20} Memory"
    system = ET.SubElement(hardware, "System")
    ET.SubElement(system, _q(VSSD, "VirtualSystemType")).text = "ENGINE 4.5.0.0"
    cpu = {"num_of_sockets": str(vm.cores), "cpu_per_socket": "1", "threads_per_cpu": "1"}
    _item(hardware, f"{vm.cores} virtual cpu", 1, "3", cpu)
    memory = {"AllocationUnits": "MegaBytes", "VirtualQuantity": str(vm.memory >> 20)}
    _item(hardware, f"{vm.memory >> 20} MB of memory", 2, "4", memory)
    for item in disks:
        _disk_item(hardware, item)
    nic = {
        "Name": "nic1",
        "MACAddress": vm.mac,
        "Connection": vm.network or "",
        "OtherResourceType": vm.profile or "",
        "ResourceSubType": "3",
    }
    _item(hardware, f"Ethernet adapter on {vm.network or ''}", 3, "10", nic)


def _disk_item(hardware: ET.Element, item: OvfDisk) -> None:
    attachment = item.attachment
    fields = {
        "HostResource": _file_ref(item),
        "Parent": item.volume.parent_id or "00000000-0000-0000-0000-000000000000",
        "Template": "00000000-0000-0000-0000-000000000000",
    }
    node = _item(hardware, item.disk.alias, item.volume.id, "17", fields)
    ET.SubElement(node, "Type").text = "disk"
    ET.SubElement(node, "Device").text = "disk"
    ET.SubElement(node, "BootOrder").text = "1" if attachment.bootable else "0"
    ET.SubElement(node, "IsPlugged").text = str(attachment.active).lower()
    ET.SubElement(node, "IsReadOnly").text = str(attachment.read_only).lower()
    ET.SubElement(node, "Alias").text = f"ua-{item.disk.id}"


def _item(
    hardware: ET.Element, caption: str, instance: int | str, kind: str, fields: dict[str, str]
) -> ET.Element:
    node = ET.SubElement(hardware, "Item")
    ET.SubElement(node, _q(RASD, "Caption")).text = caption
    ET.SubElement(node, _q(RASD, "InstanceId")).text = str(instance)
    ET.SubElement(node, _q(RASD, "ResourceType")).text = kind
    for name, text in fields.items():
        ET.SubElement(node, _q(RASD, name)).text = text
    return node
