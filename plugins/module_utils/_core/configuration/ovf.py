# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a VM's configuration (OVF) without trusting it, and prepare it for an import without disks.

An import attaches every disk that the OVF names, by its id, to the VM that the OVF names: even when
the import assigns new ids, that is still the original disk. So the imported configuration names no
disk at all (docs/engine.md#importing-a-configuration).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

# A document type, whose entities could do harm, is refused before anything is parsed.
from xml.dom.minidom import Document, Element, Node, parseString
from xml.parsers.expat import ExpatError

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    OvfInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import (
    extras,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.dom.minidom import Text

SIZE_LIMIT = 4 * 1024 * 1024
"""The longest configuration that is read, in characters."""

BYTES_LIMIT = 4 * SIZE_LIMIT
"""The longest configuration that is read, in bytes: UTF-8 needs at most four per character."""

DEPTH_LIMIT = 64

_DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)|<!\[(?!CDATA\[)")
_INTERFACES = {
    "VirtIO": "virtio",
    "VirtIO_SCSI": "virtio_scsi",
    "IDE": "ide",
    "SATA": "sata",
    "SPAPR_VSCSI": "spapr_vscsi",
}
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE = {**_IN_TEXT, **str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})}
_DIGITS = 12
_DISK_ITEM = "17"
_NIC_ITEM = "10"
_PROPERTIES = ("PredefinedProperties", "UserDefinedProperties")
_SNAPSHOTS = "SnapshotsSection_Type"
_DISK_DEVICES = ("disk", "lun")


@dataclass(frozen=True)
class Nic:
    """A network card; network and profile are names, empty if it is not connected."""

    name: str
    mac: str
    network: str
    profile: str
    plugged: bool = True

    @property
    def connection(self) -> str:
        """``network/profile``, or only the network."""
        return f"{self.network}/{self.profile}" if self.profile else self.network


@dataclass(frozen=True)
class OvfDisk:
    """A disk as the VM has it.

    Attributes:
        format: qcow2 or raw, on its storage.
        gib: Its size in GiB, rounded up; 0 if the configuration does not tell.
        incremental: Whether incremental backup is enabled.
    """

    disk_id: str
    alias: str
    interface: str
    bootable: bool
    read_only: bool
    pass_discard: bool
    active: bool
    format: str
    sparse: bool
    gib: int = 0
    wipe_after_delete: bool = False
    incremental: bool = False


@dataclass(frozen=True)
class Configuration:
    """What a restore needs to know of a VM.

    Attributes:
        os: The engine's word for the operating system.
        external: What the host stores for the VM: ``tpm``, ``nvram``.
        initialized: Whether the VM uses cloud-init or sysprep.
        addressed: Whether its devices have addresses, as those of a VM that has run.
        beside: The instruction after the configuration; None in sets of earlier releases.
    """

    vm_id: str
    name: str
    description: str
    comment: str
    delete_protected: bool
    custom_properties: bool
    nics: tuple[Nic, ...]
    disks: tuple[OvfDisk, ...]
    os: str = ""
    external: tuple[str, ...] = ()
    initialized: bool = False
    addressed: bool = False
    beside: extras.Extras | None = None


def read(text: str) -> Configuration:
    """Parse a configuration.

    Raises:
        OvfInvalid: It is not a configuration, or could harm its reader.
    """
    document = _parse(text)
    content = _one(document, "Content")
    system = _section(document, "OperatingSystemSection_Type")
    return Configuration(
        vm_id=_attribute(system, "id").lower(),
        name=_text(content, "Name"),
        description=_text(content, "Description"),
        comment=_text(content, "Comment"),
        delete_protected=_text(content, "DeleteProtected") == "true",
        custom_properties=any(_text(content, name) for name in _PROPERTIES),
        nics=tuple(_nic(item) for item in _items(document, _NIC_ITEM)),
        disks=tuple(_disks(document)),
        os=_text(system, "Description"),
        external=tuple(_attribute(one, "kind") for one in _named(document, "VmExternalDataItem")),
        initialized=any(_named(content, "VmInit")),
        addressed=any(_text(one, "Address") for one in _named(document, "Item")),
        beside=_beside(document),
    )


def _beside(document: Document) -> extras.Extras | None:
    """Return the content of the instruction outside the root element, if there is one."""
    for node in document.childNodes:
        if node.nodeType == Node.PROCESSING_INSTRUCTION_NODE and node.target == extras.TARGET:
            try:
                return extras.parse(node.data)
            except ValueError as exc:
                raise _invalid(f"is followed by unexpected content: {exc}") from exc
    return None


def for_import(text: str, connections: Mapping[str, str]) -> str:
    """Return the configuration without disks, snapshots and instruction, with its network cards reconnected.

    Args:
        connections: By the name of a card: ``network/profile``, ``network`` or nothing; cards that
            are not named keep their connection.

    Raises:
        OvfInvalid: See ``read``.
    """
    document = _parse(text)
    for element in list(_elements(document)):
        if _is_of_disks(element) and element.parentNode is not None:
            element.parentNode.removeChild(element)
    for item in _items(document, _NIC_ITEM):
        wanted = connections.get(_text(item, "Name"))
        if wanted is not None:
            network, _slash, profile = wanted.partition("/")
            _connect(document, item, network, profile)
    return _written(document)


def _written(document: Document) -> str:
    """Return the document as text, so that its next reader finds what was read here.

    ``Document.toxml`` writes line ends and tabs in attributes raw (Python before 3.13), and every
    reader turns them into blanks; in texts too, a raw carriage return becomes a newline.
    """
    root = document.documentElement
    return f'<?xml version="1.0" encoding="UTF-8"?>{_element_text(root) if root else ""}'


def _element_text(element: Element) -> str:
    """Return an element with everything in it, without comments and instructions. The depth was checked."""
    attributes = "".join(
        f' {name}="{str(value).translate(_IN_ATTRIBUTE)}"'
        for name, value in element.attributes.items()
    )
    inner = "".join(_inner_text(child) for child in element.childNodes)
    return f"<{element.tagName}{attributes}>{inner}</{element.tagName}>"


def _inner_text(node: Node) -> str:
    if node.nodeType == Node.ELEMENT_NODE:
        return _element_text(cast("Element", node))
    if node.nodeType in (Node.TEXT_NODE, Node.CDATA_SECTION_NODE):
        return cast("Text", node).data.translate(_IN_TEXT)
    return ""


def _is_of_disks(element: Element) -> bool:
    """Tell whether an element names a disk or a snapshot of the original."""
    if element.localName in ("File", "Disk"):
        return True
    if element.localName == "Section":
        return _attribute(element, "type").endswith(_SNAPSHOTS)
    if element.localName != "Item":
        return False
    device = _text(element, "Type") == "disk" and _text(element, "Device") in _DISK_DEVICES
    return device or _text(element, "ResourceType") == _DISK_ITEM


def _parse(text: str) -> Document:
    if len(text) > SIZE_LIMIT:
        raise _invalid(f"is longer than {SIZE_LIMIT} characters")
    if _DECLARATION.search(text):
        raise _invalid("declares a document type or entities, which no engine writes")
    try:
        document = parseString(text.encode("utf-8"))  # noqa: S318  see above
    except (ExpatError, ValueError, LookupError) as exc:
        raise _invalid(f"is not XML: {exc}") from exc
    _check_depth(document)
    return document


def _check_depth(document: Document) -> None:
    """Refuse deeper nesting than any configuration has. Not recursive itself."""
    level: list[Document | Element] = [document]
    for _depth in range(DEPTH_LIMIT):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _invalid(f"is nested deeper than {DEPTH_LIMIT} levels")


def _children(node: Document | Element) -> Iterator[Element]:
    for child in node.childNodes:
        if child.nodeType == Node.ELEMENT_NODE:
            yield child


def _elements(node: Document | Element) -> Iterator[Element]:
    for child in _children(node):
        yield child
        yield from _elements(child)


def _named(node: Document | Element, name: str) -> Iterator[Element]:
    return (element for element in _elements(node) if element.localName == name)


def _one(document: Document, name: str) -> Element:
    found = list(_named(document, name))
    if len(found) != 1:
        raise _invalid(f"has {len(found)} elements {name}, not one")
    return found[0]


def _section(document: Document, kind: str) -> Element:
    found = [one for one in _named(document, "Section") if _attribute(one, "type").endswith(kind)]
    if len(found) != 1:
        raise _invalid(f"has {len(found)} sections {kind}, not one")
    return found[0]


def _items(document: Document, kind: str) -> list[Element]:
    return [item for item in _named(document, "Item") if _text(item, "ResourceType") == kind]


def _text(element: Element, name: str) -> str:
    """Return the text of a child; empty if there is no such child."""
    for child in _children(element):
        if child.localName == name:
            parts = (node.data for node in child.childNodes if node.nodeType == Node.TEXT_NODE)
            return "".join(parts).strip()
    return ""


def _attribute(element: Element, name: str) -> str:
    """Return an attribute, whatever its prefix; empty if there is none."""
    for key, value in element.attributes.items():
        if key.rpartition(":")[2] == name:
            return str(value)
    return ""


def _nic(item: Element) -> Nic:
    return Nic(
        name=_text(item, "Name"),
        mac=_text(item, "MACAddress"),
        network=_text(item, "Connection"),
        profile=_text(item, "OtherResourceType"),
        plugged=_text(item, "IsPlugged") != "false",
    )


def _connect(document: Document, item: Element, network: str, profile: str) -> None:
    """Give a card another connection; new elements get the prefix of the card's name."""
    prefix = next(one.prefix for one in _children(item) if one.localName == "Name")
    for name, value in (("Connection", network), ("OtherResourceType", profile)):
        for old in [one for one in _children(item) if one.localName == name]:
            item.removeChild(old)
        new = document.createElement(f"{prefix}:{name}" if prefix else name)
        new.appendChild(document.createTextNode(value))
        item.appendChild(new)


def _disks(document: Document) -> Iterator[OvfDisk]:
    """Yield disks that are both referenced and described, joined by their images as the engine does."""
    files = {
        _attribute(file, "id"): _attribute(file, "href").partition("/")[0].lower()
        for file in _named(document, "File")
    }
    plugged = {
        _text(item, "InstanceId"): _text(item, "IsPlugged") != "false"
        for item in _items(document, _DISK_ITEM)
    }
    for disk in _named(document, "Disk"):
        image = _attribute(disk, "diskId")
        if image in files:
            yield _disk(disk, files[image], plugged.get(image, True))


def _disk(disk: Element, disk_id: str, active: bool) -> OvfDisk:
    raw = _attribute(disk, "volume-format") == "RAW"
    return OvfDisk(
        disk_id=disk_id,
        alias=_attribute(disk, "disk-alias"),
        interface=_INTERFACES.get(_attribute(disk, "disk-interface"), ""),
        bootable=_attribute(disk, "boot") == "true",
        read_only=_attribute(disk, "read-only") == "true",
        pass_discard=_attribute(disk, "pass-discard") == "true",
        active=active,
        format="raw" if raw else "qcow2",
        sparse=_attribute(disk, "volume-type") != "Preallocated",
        gib=_number(_attribute(disk, "size")),
        wipe_after_delete=_attribute(disk, "wipe-after-delete") == "true",
        incremental=_attribute(disk, "incremental-backup") == "true",
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < _DIGITS else 0


def _invalid(fault: str) -> OvfInvalid:
    return OvfInvalid(
        f"The configuration (OVF) {fault}.",
        hint="It was changed, or was not written by an engine. Nothing was created. If it is that of a set, restore"
        " an older one.",
    )
