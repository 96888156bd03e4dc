# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an OVF as an import does: what it keeps, and what it refuses (docs/engine.md#importing-a-configuration)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from lab.engine import settings
from lab.engine.ovf import BOOT, CHIPSETS, INTERFACES, OVF, RASD, VM_INIT, XSI
from lab.model import Nic

T = TypeVar("T")
FAILED = "failed to parse a given ovf configuration "
NO_CONTENT = (
    "ovf error: [empty name]: cannot read 'name' with value: cannot invoke "
    '"org.ovirt.engine.core.utils.ovf.xml.xmlnode.selectsinglenode(string)" because "node" is null'
)
DOCTYPE = (
    "error loading ovf, message doctype is disallowed when the feature "
    '"http://apache.org/xml/features/disallow-doctype-decl" set to true.'
)
CUT = "xml document structures must start and end within the same entity."
# What the engine's parser says, by the code of ours.
BROKEN = {2: "content is not allowed in prolog.", 3: CUT, 5: CUT}
ROOMY = 10240
"""MiB of memory that a configuration without hardware gets."""
# Operating systems of other makers are not in the list of an engine, nor are those of other processors.
KNOWN_OS = re.compile(
    r"(other(_linux(_kernel_4)?)?|rhel_|rhcos_|windows_|ubuntu_|debian_|sles_)(?!.*(ppc|s390))"
)


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
    """What an import takes from an OVF; sizes in bytes.

    ``os`` and ``chipset`` are None where the OVF has none that the engine knows.
    """

    id: str
    name: str
    description: str
    comment: str
    memory: int
    sockets: int
    cores: int
    threads: int
    os: str | None
    chipset: str | None
    boot: str
    stateless: bool
    delete_protected: bool
    virtio_scsi: bool
    tpm: bool
    spice: bool
    version: str
    settings: Mapping[str, str]
    initialization: Mapping[str, str]
    nics: tuple[Nic, ...]
    disks: tuple[ReadDisk, ...]


def read(text: str) -> Read:
    """Read an OVF as the engine's import does.

    Raises:
        ValueError: For one that cannot be read, with the engine's words for it.
    """
    root = _parsed(text)
    content = root.find("Content")
    if content is None:
        raise ValueError(FAILED + NO_CONTENT)
    name = content.findtext("Name", "")
    items = _items(content)
    cpu, devices = _first(items, "3"), _devices(items)
    system = _section(content, "ovf:OperatingSystemSection_Type")
    return Read(
        id=_told(name, "section", lambda: _uuid(system)),
        name=name,
        description=content.findtext("Description", ""),
        comment=content.findtext("Comment", ""),
        memory=_number(_first(items, "4"), "VirtualQuantity", ROOMY) << 20,
        sockets=_number(cpu, "num_of_sockets", 1),
        cores=_number(cpu, "cpu_per_socket", 1),
        threads=_number(cpu, "threads_per_cpu", 1),
        os=None if system is None else _os(system.findtext("Description", "")),
        chipset=_told(name, "biostype", lambda: _chipset(content.findtext("BiosType", "0"))),
        boot=_boot(content.findtext("default_boot_sequence", "0")),
        stateless=content.findtext("IsStateless") == "true",
        delete_protected=content.findtext("DeleteProtected") == "true",
        virtio_scsi=("controller", "virtio-scsi") in devices,
        tpm=("tpm", "tpm") in devices,
        spice=("graphics", "spice") in devices,
        version=content.findtext("CustomCompatibilityVersion", ""),
        settings=settings.of_content(content),
        initialization=_initialization(content.find("VmInit")),
        nics=tuple(_nic(item) for item in items.get("10", [])),
        disks=tuple(_disks(root, items.get("17", []))),
    )


def _parsed(text: str) -> ET.Element:
    if "<!DOCTYPE" in text:
        raise ValueError(FAILED + DOCTYPE)
    try:
        return ET.fromstring(text)  # noqa: S314  whoever sends it may do worse
    except ET.ParseError as problem:
        words = BROKEN.get(problem.code, str(problem))
        if not text.strip():
            words = "premature end of file."
        raise ValueError(f"{FAILED}error loading ovf, message {words}") from problem


def _told(name: str, element: str, work: Callable[[], T]) -> T:
    """Return a value of an element, or the engine's words for one that is none."""
    try:
        return work()
    except ValueError as problem:
        words = f"ovf error: {name}: cannot read '{element}' with value: {problem}"
        raise ValueError(FAILED + words.lower()) from problem


def _section(content: ET.Element, kind: str) -> ET.Element | None:
    named = (one for one in content.findall("Section") if one.get(f"{{{XSI}}}type") == kind)
    return next(named, None)


def _uuid(system: ET.Element | None) -> str:
    text = "" if system is None else system.get(f"{{{OVF}}}id", "")
    try:
        return str(UUID(text)) if text else ""
    except ValueError as problem:
        raise ValueError(f"invalid uuid string: {text}") from problem


def _chipset(text: str) -> str | None:
    if not text.isdecimal():
        raise ValueError(f'for input string: "{text}"')
    number = int(text)
    return CHIPSETS[number] if number < len(CHIPSETS) else None


def _os(text: str) -> str:
    return text if KNOWN_OS.match(text) else "other"


def _boot(text: str) -> str:
    return next((word for word, number in BOOT.items() if number == text), "hd")


def _items(content: ET.Element) -> dict[str, list[ET.Element]]:
    """Return the items of the hardware by the type of their resource."""
    hardware = _section(content, "ovf:VirtualHardwareSection_Type")
    items: dict[str, list[ET.Element]] = {}
    for item in () if hardware is None else hardware.findall("Item"):
        items.setdefault(_text(item, "ResourceType"), []).append(item)
    return items


def _devices(items: Mapping[str, Sequence[ET.Element]]) -> set[tuple[str, str]]:
    every = [item for some in items.values() for item in some]
    return {(item.findtext("Type", ""), item.findtext("Device", "")) for item in every}


def _first(items: Mapping[str, Sequence[ET.Element]], kind: str) -> ET.Element:
    return next(iter(items.get(kind, ())), ET.Element("Item"))


def _text(item: ET.Element, name: str) -> str:
    return item.findtext(f"{{{RASD}}}{name}", "")


def _number(item: ET.Element, name: str, absent: int) -> int:
    return int(_text(item, name) or absent)


def _initialization(element: ET.Element | None) -> dict[str, str]:
    """Return what cloud-init gets: newlines stay the characters they became, a backslash and an n become one."""
    if element is None:
        return {}
    told = {name: element.get(f"{{{OVF}}}{attribute}") for name, attribute in VM_INIT.items()}
    return {name: text.replace("\\n", "\n") for name, text in told.items() if text is not None}


def _nic(item: ET.Element) -> Nic:
    return Nic(
        _text(item, "InstanceId"),
        _text(item, "Name"),
        _text(item, "MACAddress"),
        _text(item, "Connection") or None,
        _text(item, "OtherResourceType") or None,
        linked=_text(item, "Linked") != "false",
        plugged=item.findtext("IsPlugged") != "false",
    )


def _disks(root: ET.Element, items: Sequence[ET.Element]) -> Iterator[ReadDisk]:
    """Disks that are both referenced and described, as the engine joins them by their images.

    Of several images of a disk the first one counts: the active layer.
    """
    files = {
        node.get(f"{{{OVF}}}id"): node.get(f"{{{OVF}}}href", "").split("/")[0]
        for node in root.findall("References/File")
    }
    plugged = {_text(node, "InstanceId"): node.findtext("IsPlugged") != "false" for node in items}
    words = {name: word for word, name in INTERFACES.items()}
    told: set[str] = set()
    for node in root.findall("Section/Disk"):
        image = node.get(f"{{{OVF}}}diskId", "")
        if image in files and files[image] not in told:
            told.add(files[image])
            yield ReadDisk(
                files[image],
                words[node.get(f"{{{OVF}}}disk-interface", "IDE")],
                node.get(f"{{{OVF}}}boot") == "true",
                node.get(f"{{{OVF}}}read-only") == "true",
                node.get(f"{{{OVF}}}pass-discard") == "true",
                plugged.get(image, True),
                node.get(f"{{{OVF}}}disk-alias", ""),
            )
