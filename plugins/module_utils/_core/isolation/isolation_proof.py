# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of isolation: a disk that looks like the appliance's own, and what must not happen to it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    IsolationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.appliance_isolation import (
    PROPERTY,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIB = 1024 * 1024
SECTOR = 512
TRAP_BYTES = 16 * MIB
"""Bytes from the start of the probe disk; nothing beyond them is ever written."""
EDGE_BYTES = MIB
MARKER = b"ovirt_community.backup probe disk\n"
MARKER_OFFSET = 4096
GROUP = "ovirt_backup_probe"
"""Volume group of the trap if the appliance has no group to imitate."""
ARRAY = "ovirt_backup_probe"
FORBIDDEN_LINKS = ("by-uuid", "by-label", "by-partuuid", "by-partlabel")

# Kind: (MBR type, first sector, sectors)
PARTS = {
    "filesystem": (0x83, 2048, 4096),
    "lvm": (0x8E, 6144, 16384),
    "swap": (0x82, 22528, 2048),
    "md": (0xFD, 24576, 8192),
}
_MBR_TABLE = 446
_MBR_END = b"\x55\xaa"
_DISK_SIGNATURE = 440


@dataclass(frozen=True)
class Twin:
    """What the trap imitates of the appliance.

    Attributes:
        uuid: UUID of the root file system; may be empty.
        label: Label of the root file system; may be empty.
        group: The appliance's volume group, or ``GROUP``.
    """

    uuid: str = ""
    label: str = ""
    group: str = GROUP


@dataclass(frozen=True)
class Observation:
    """The probe disk and its partitions after all programs had time to act.

    Attributes:
        nodes: Paths of the disk and of its partitions.
        uses: Their mounts and swap areas, and devices built on them.
        new_devices: Kernel names of dm and md devices that did not exist before.
        links: Links below ``/dev/disk`` that lead to them.
        properties: Properties of each node in udev's database.
        lvm: Paths of physical volumes that LVM sees, None if LVM is not installed.
        lvm_said: LVM's messages about duplicates.
        root_link: Target of the link with the root file system's UUID; empty without a link.
        root: The device of the root file system.
    """

    nodes: tuple[str, ...]
    uses: tuple[str, ...]
    new_devices: tuple[str, ...]
    links: tuple[str, ...]
    properties: Mapping[str, Mapping[str, str]]
    lvm: tuple[str, ...] | None
    lvm_said: str
    root_link: str
    root: str
    unchanged: bool


def table() -> bytes:
    """Return the first sector of the trap: an MBR with the partitions of ``PARTS``."""
    sector = bytearray(SECTOR)
    struct.pack_into("<I", sector, _DISK_SIGNATURE, 0x0B4C0B4C)
    for index, (kind, first, count) in enumerate(PARTS.values()):
        entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", first, count)
        sector[_MBR_TABLE + 16 * index : _MBR_TABLE + 16 * (index + 1)] = entry
    sector[-len(_MBR_END) :] = _MBR_END
    return bytes(sector)


def check_blank(path: str, start: bytes, end: bytes) -> bool:
    """Refuse a disk with data; tell whether it holds the trap of an earlier proof.

    Args:
        start: The bytes that a trap overwrites.
        end: The last MiB of the disk.

    Raises:
        Refused: The disk holds data or is too small.
    """
    if len(start) < TRAP_BYTES:
        raise Refused(
            f"{path} is too small for a proof, which needs {TRAP_BYTES} bytes.",
            hint="Plug a larger disk.",
        )
    if start[MARKER_OFFSET:].startswith(MARKER):
        return True
    if start.strip(b"\0") or end.strip(b"\0"):
        raise Refused(
            f"{path} is not blank. A proof overwrites its first {TRAP_BYTES} bytes.",
            hint=f"Name a new, empty disk in {option('probe_serial')}.",
        )
    return False


def checks(look: Observation) -> dict[str, str]:
    """Return every check with what it found wrong; an empty text if it passed."""
    lvm_nodes = [node for node in look.nodes if node in (look.lvm or ())]
    marks = [node for node in look.nodes if look.properties.get(node, {}).get(PROPERTY) != "1"]
    signed = [node for node in look.nodes if look.properties.get(node, {}).get("ID_FS_UUID")]
    found = {
        "parts": "" if len(look.nodes) == len(PARTS) + 1 else f"seen: {' '.join(look.nodes)}",
        "unused": "; ".join(look.uses),
        "no_new_devices": " ".join(look.new_devices),
        "marked": " ".join(marks),
        "not_looked_into": " ".join(signed),
        "no_names": " ".join(link for link in look.links if link.startswith(FORBIDDEN_LINKS)),
        "by_id": "" if any(link.startswith("by-id/") for link in look.links) else "no link by id",
        "root_link": "" if look.root_link in ("", look.root) else f"leads to {look.root_link}",
        "bytes": "" if look.unchanged else "something wrote to it",
    }
    if look.lvm is not None:
        found["lvm"] = " ".join([*lvm_nodes, look.lvm_said]).strip()
    return found


def judge(device: str, found: Mapping[str, str]) -> None:
    """Raise if a check failed.

    Raises:
        IsolationFailed: Lists all failed checks.
    """
    failed = {name: seen for name, seen in found.items() if seen}
    if failed:
        raise IsolationFailed(
            f"{device} was modified or used by another program: "
            + "; ".join(f"{name} ({seen})" for name, seen in failed.items())
            + ".",
            hint="Attach no disk to this appliance until the cause is found; see docs/appliance.md.",
            details={"device": device, "checks": dict(found)},
        )


def record(
    how: Mapping[str, str], layers: Sequence[str], found: Mapping[str, str]
) -> dict[str, Any]:
    """Return the record of a successful proof.

    Args:
        how: ``kind`` (``disk`` or ``scsi_debug``), ``event`` (``replug``: the kernel removed the
            disk and found it again; ``trigger``: udev replayed the event) and ``serial``.
        layers: What the trap had on it.
    """
    return {**how, "trap": list(layers), "checks": sorted(found)}
