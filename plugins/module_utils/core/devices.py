# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which block device carries a disk, decided from what was read; nothing is read here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.errors import (
    DeviceAmbiguous,
    DeviceBusy,
    DeviceMismatch,
    DeviceNotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.serial import (
    VIRTIO_SERIAL_LENGTH,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PREFIX = re.compile(r"^(?:virtio-|(?:scsi-)?[0S]QEMU_QEMU_HARDDISK_|(?:ata-)?QEMU_HARDDISK_)")
_PARTITION_LINK = re.compile(r"-part[0-9]+$")
_VPD_HEADER = 4
_VPD_SERIAL_PAGE = 0x80
_OCTAL = re.compile(r"\\([0-7]{3})")

UDEV_SERIAL_KEYS = ("ID_SERIAL_SHORT", "ID_SCSI_SERIAL", "SCSI_IDENT_SERIAL", "ID_SERIAL")
"""Properties of the udev database that carry a serial number, bare or with QEMU's prefix."""


@dataclass(frozen=True)
class BlockDevice:
    """A whole disk of the appliance, as sysfs, udev and the links describe it.

    :param name: Kernel name, such as ``sdb``.
    :param path: Device node, such as ``/dev/sdb``.
    :param number: ``major:minor``.
    :param serials: Every serial number that a source gave, without QEMU's prefix.
    :param partitions: ``(path, number)`` of each partition.
    :param holders: Kernel names of the devices built on the disk or on a partition of it.
    """

    name: str
    path: str
    number: str
    serials: tuple[str, ...] = ()
    partitions: tuple[tuple[str, str], ...] = ()
    holders: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[tuple[str, str], ...]:
        """``(path, number)`` of the disk and of its partitions."""
        return ((self.path, self.number), *self.partitions)


def bare_serial(text: str) -> str:
    """The serial in a by-id link's name or a udev value, without QEMU's vendor prefix."""
    return _PREFIX.sub("", text, count=1)


def link_serial(name: str) -> str:
    """The serial that a link in ``/dev/disk/by-id`` names; empty if it names none for sure."""
    if _PARTITION_LINK.search(name) or not _PREFIX.match(name):
        return ""
    return bare_serial(name)


def udev_serials(database: str) -> tuple[str, ...]:
    """Serial numbers in one file of the udev database (``/run/udev/data/b8:16``)."""
    found = {}
    for line in database.splitlines():
        key, equals, value = line[2:].partition("=")
        if line.startswith("E:") and equals and value and key in UDEV_SERIAL_KEYS:
            found[bare_serial(value)] = key
    return tuple(found)


def vpd_serial(page: bytes) -> str:
    """The serial in SCSI VPD page 0x80 (four bytes of header, the last two its length)."""
    if len(page) < _VPD_HEADER or page[1] != _VPD_SERIAL_PAGE:
        return ""
    length = int.from_bytes(page[2:_VPD_HEADER], "big")
    return page[_VPD_HEADER : _VPD_HEADER + length].decode("ascii", "replace").strip("\0 ")


def match_length(device: BlockDevice, wanted: str) -> int:
    """How many characters of the serial agree; 0 if the device is another one.

    A device that shows a long serial is judged by it: a link cut to 20 characters does not make
    it the disk whose id merely begins alike.
    """
    short = wanted[:VIRTIO_SERIAL_LENGTH]
    alike = [serial for serial in device.serials if serial.startswith(short)]
    if not alike:
        return 0
    if wanted == short or wanted in alike:
        return len(wanted)
    return len(short) if all(serial == short for serial in alike) else 0


def choose(devices: Iterable[BlockDevice], wanted: str) -> BlockDevice | None:
    """The one device with this serial, or None if there is none.

    A device that shows the whole serial beats one that shows only its first 20 characters.

    :raises DeviceAmbiguous: Several different devices match equally well.
    """
    lengths = [(match_length(device, wanted), device) for device in devices]
    best = max((length for length, _unused in lengths), default=0)
    if best == 0:
        return None
    matches = [device for length, device in lengths if length == best]
    if len(matches) > 1:
        raise DeviceAmbiguous(
            f"{len(matches)} devices have the serial {wanted}: "
            + ", ".join(device.path for device in matches)
            + ".",
            hint="Detach what is not the disk snapshot, or give all 36 characters of the disk id.",
            details={"serial": wanted, "matches": [describe(device) for device in matches]},
        )
    return matches[0]


def describe(device: BlockDevice) -> dict[str, object]:
    """A device for ``details``."""
    return {"device": device.path, "number": device.number, "serials": list(device.serials)}


def not_found(
    missing: Sequence[str], devices: Sequence[BlockDevice], waited: float
) -> DeviceNotFound:
    """The error for serials that no device has."""
    seen = [describe(device) for device in devices]
    shown = ", ".join(sorted({serial for device in devices for serial in device.serials}))
    return DeviceNotFound(
        f"No device with the serial {', '.join(missing)} appeared within {waited:.1f} s. "
        f"Serials seen: {shown or 'none'}.",
        hint="Is the disk snapshot attached to this appliance and active (plugged)?",
        details={"missing": list(missing), "seen": seen, "waited": round(waited, 3)},
    )


def check_size(device: BlockDevice, serial: str, actual: int, expected: int) -> None:
    """Refuse a device that has not exactly the expected size.

    :raises DeviceMismatch: It has another size.
    """
    if actual != expected:
        raise DeviceMismatch(
            f"{device.path} (serial {serial}) has {actual} bytes, expected are {expected}.",
            hint="The size must be the virtual size of this disk in this snapshot.",
            details={
                "serial": serial,
                "device": device.path,
                "size": actual,
                "expected": expected,
            },
        )


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo (proc(5))."""

    number: str
    point: str
    filesystem: str
    source: str


_MOUNT = re.compile(r"^\S+ \S+ (\S+) \S+ (\S+) .*?- (\S+) (\S+)")


def parse_mount(line: str) -> Mount | None:
    """One line of ``/proc/self/mountinfo``; None if it is none."""
    match = _MOUNT.match(line)
    if not match:
        return None
    number, point, filesystem, source = match.groups()
    return Mount(number, unescape_mount(point), filesystem, unescape_mount(source))


def mount_uses(mountinfo: str, device: BlockDevice) -> tuple[str, ...]:
    """Where the disk or a partition of it is mounted (``/proc/self/mountinfo``).

    The source is compared as well as the number: btrfs shows a number of its own.
    """
    paths = {path for path, _number in device.nodes}
    numbers = {number for _path, number in device.nodes}
    uses = []
    for line in mountinfo.splitlines():
        mount = parse_mount(line)
        if mount and (mount.number in numbers or mount.source in paths):
            uses.append(f"mounted on {mount.point}")
    return tuple(dict.fromkeys(uses))


def swap_uses(swaps: str, device: BlockDevice) -> tuple[str, ...]:
    """Which nodes of the disk are swap (``/proc/swaps``)."""
    paths = {path for path, _number in device.nodes}
    used = [unescape_mount(line.split()[0]) for line in swaps.splitlines()[1:] if line.split()]
    return tuple(f"swap on {path}" for path in used if path in paths)


def unescape_mount(text: str) -> str:
    r"""Undo the octal escapes of /proc files (a space is ``\\040``)."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def check_unused(device: BlockDevice, serial: str, uses: Sequence[str]) -> None:
    """Refuse a device that something on the appliance uses.

    :raises DeviceBusy: ``uses`` is not empty.
    """
    if uses:
        raise DeviceBusy(
            f"{device.path} (serial {serial}) is in use: {'; '.join(uses)}.",
            hint="Unmount it, deactivate what holds it, and keep LVM, MD and multipath of the "
            "appliance away from attached disks.",
            details={"serial": serial, "device": device.path, "uses": list(uses)},
        )
