# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which block device carries a disk, from facts that others read."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceAmbiguous,
    DeviceBusy,
    DeviceLost,
    DeviceMismatch,
    DeviceNotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    Mount,
    unescape_mount,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.serial import (
    VIRTIO_SERIAL_LENGTH,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PREFIX = re.compile(r"^(?:virtio-|(?:scsi-)?[0S]QEMU_QEMU_HARDDISK_|(?:ata-)?QEMU_HARDDISK_)")
_PARTITION_LINK = re.compile(r"-part[0-9]+$")
_VPD_HEADER = 4
_VPD_SERIAL_PAGE = 0x80

UDEV_SERIAL_KEYS = ("ID_SERIAL_SHORT", "ID_SCSI_SERIAL", "SCSI_IDENT_SERIAL", "ID_SERIAL")
"""Properties of the udev database that hold a serial number, bare or with QEMU's prefix."""


@dataclass(frozen=True)
class BlockDevice:
    """A whole disk of the appliance, as sysfs, udev and the links describe it.

    Attributes:
        name: Kernel name, such as ``sdb``.
        path: Device node, such as ``/dev/sdb``.
        number: ``major:minor``.
        serials: Every serial number that a source gave, without QEMU's prefix.
        partitions: ``(path, number)`` of each partition.
        holders: Kernel names of the devices built on the disk or on a partition of it.
        slaves: Kernel names of the devices that this one is built on; a disk has none.
    """

    name: str
    path: str
    number: str
    serials: tuple[str, ...] = ()
    partitions: tuple[tuple[str, str], ...] = ()
    holders: tuple[str, ...] = ()
    slaves: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[tuple[str, str], ...]:
        """``(path, number)`` of the disk and of its partitions."""
        return ((self.path, self.number), *self.partitions)


def bare_serial(text: str) -> str:
    """Return the serial in a by-id link's name or a udev value, without QEMU's vendor prefix."""
    return _PREFIX.sub("", text, count=1)


def link_serial(name: str) -> str:
    """Return the serial that a link in ``/dev/disk/by-id`` names; empty if it is not certain."""
    if _PARTITION_LINK.search(name) or not _PREFIX.match(name):
        return ""
    return bare_serial(name)


def udev_serials(database: str) -> tuple[str, ...]:
    """Return the serial numbers in one file of the udev database (``/run/udev/data/b8:16``)."""
    found = {}
    for line in database.splitlines():
        key, equals, value = line[2:].partition("=")
        if line.startswith("E:") and equals and value and key in UDEV_SERIAL_KEYS:
            found[bare_serial(value)] = key
    return tuple(found)


def vpd_serial(page: bytes) -> str:
    """Return the serial in SCSI VPD page 0x80 (four bytes of header, the last two its length)."""
    if len(page) < _VPD_HEADER or page[1] != _VPD_SERIAL_PAGE:
        return ""
    length = int.from_bytes(page[2:_VPD_HEADER], "big")
    return page[_VPD_HEADER : _VPD_HEADER + length].decode("ascii", "replace").strip("\0 ")


def match_length(device: BlockDevice, wanted: str) -> int:
    """Return how many characters of the serial match; 0 if it is another device.

    A device that shows a long serial is judged by it: a link cut to 20 characters does not make it
    the disk whose id has the same beginning.
    """
    short = wanted[:VIRTIO_SERIAL_LENGTH]
    alike = [serial for serial in device.serials if serial.startswith(short)]
    if not alike:
        return 0
    if wanted == short or wanted in alike:
        return len(wanted)
    return len(short) if all(serial == short for serial in alike) else 0


@dataclass(frozen=True)
class DeviceFault:
    """Why a device cannot be read now.

    Attributes:
        said: The kernel's words.
        dead: The device is proven to have no disk behind it; otherwise it may only not be ready
            yet.
    """

    said: str
    dead: bool


_DEAD_STATES = frozenset({"cancel", "deleted", "offline", "transport-offline"})
_WAITING_STATES = frozenset({"blocked", "created", "created-block", "quiesce"})
_DEAD_ERRNOS = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO})


def state_fault(state: str) -> DeviceFault | None:
    """Return what the kernel's state of a SCSI device says against reading it."""
    if state in _DEAD_STATES | _WAITING_STATES:
        return DeviceFault(f"its state is {state}", state in _DEAD_STATES)
    return None


def read_fault(number: int, said: str) -> DeviceFault:
    """Return what an error number says of a device whose first sector could not be read."""
    return DeviceFault(said, number in _DEAD_ERRNOS)


def by_serial(devices: Iterable[BlockDevice]) -> dict[str, list[BlockDevice]]:
    """Index devices by the first 20 characters of their serials."""
    found: dict[str, list[BlockDevice]] = {}
    for one in devices:
        for short in {serial[:VIRTIO_SERIAL_LENGTH] for serial in one.serials}:
            found.setdefault(short, []).append(one)
    return found


def near(known: Mapping[str, list[BlockDevice]], wanted: str) -> list[BlockDevice]:
    """Return the indexed devices that may have a serial."""
    return known.get(wanted[:VIRTIO_SERIAL_LENGTH], [])


def candidates(devices: Iterable[BlockDevice], wanted: str) -> tuple[BlockDevice, ...]:
    """Return every disk that may have this serial, dead ones included.

    Devices built on others do not count: multipath shows the serial of its paths.
    """
    return tuple(one for one in devices if not one.slaves and match_length(one, wanted))


def choose(
    devices: Iterable[BlockDevice], wanted: str, faults: Mapping[str, DeviceFault] | None = None
) -> BlockDevice | None:
    """Return the one device with this serial, or None if there is none.

    A device that shows the whole serial is preferred to one that shows only its first 20
    characters. A dead device does not count: after a failed unplug Linux may keep a SCSI device
    whose disk is gone, and the same disk is plugged again the next night.

    Args:
        faults: By kernel name, why a device cannot be read.

    Raises:
        DeviceAmbiguous: Several different devices match equally well.
    """
    dead = {name for name, fault in (faults or {}).items() if fault.dead}
    able = [one for one in candidates(devices, wanted) if one.name not in dead]
    best = max((match_length(one, wanted) for one in able), default=0)
    matches = [one for one in able if match_length(one, wanted) == best]
    if len(matches) > 1:
        raise DeviceAmbiguous(
            f"{len(matches)} devices have the serial {wanted}: "
            + ", ".join(device.path for device in matches)
            + ".",
            hint="Detach the disk that is not the disk snapshot, or give all 36 characters of the disk id.",
            details={"serial": wanted, "matches": [describe(device) for device in matches]},
        )
    return matches[0] if matches else None


def ignored(
    devices: Sequence[BlockDevice],
    chosen: Mapping[str, BlockDevice],
    faults: Mapping[str, DeviceFault],
) -> tuple[str, ...]:
    """Return a warning for each dead device that has the serial of a chosen one."""
    faulty = [one for one in devices if one.name in faults]
    return tuple(
        f"{one.path} has the serial {serial} too, but is dead ({faults[one.name].said}): it was "
        f"ignored, {device.path} is the disk. disk_device_release removes it with state=absent "
        "after the disk is detached."
        for serial, device in chosen.items()
        for one in candidates(faulty, serial)
        if one.name != device.name
    )


def describe(device: BlockDevice) -> dict[str, object]:
    """Return a device for an error's ``details``."""
    return {"device": device.path, "number": device.number, "serials": list(device.serials)}


def not_found(
    missing: Sequence[str], devices: Sequence[BlockDevice], waited: float
) -> DeviceNotFound:
    """Return the error for serials that no device has."""
    seen = [describe(device) for device in devices]
    shown = ", ".join(sorted({serial for device in devices for serial in device.serials}))
    return DeviceNotFound(
        f"No device with the serial {', '.join(missing)} appeared within {waited:.1f} s. "
        f"Serials seen: {shown or 'none'}.",
        hint="Check that the disk snapshot is attached to this appliance and active (plugged).",
        details={"missing": list(missing), "seen": seen, "waited": round(waited, 3)},
    )


def missing(
    serials: Sequence[str],
    devices: Sequence[BlockDevice],
    faults: Mapping[str, DeviceFault],
    waited: float,
) -> DeviceNotFound | DeviceLost:
    """Return the error for serials that no device has, or only one that cannot be read."""
    broken = [
        (serial, one, faults[one.name])
        for serial in serials
        for one in candidates(devices, serial)
        if one.name in faults
    ]
    if {serial for serial, _one, _fault in broken} != set(serials):
        return not_found(serials, devices, waited)
    told = [f"{one.path} (serial {serial}): {fault.said}" for serial, one, fault in broken]
    return DeviceLost(
        f"Devices exist but could not be read for {waited:.1f} s: {'; '.join(told)}.",
        hint="They may be left over from an earlier attachment, or the overlay is lost. Check the "
        "appliance's kernel log and the engine's events; detach the disk snapshot and attach it again.",
        details={
            "missing": list(serials),
            "unreadable": [
                {**describe(one), "serial": serial, "said": fault.said, "dead": fault.dead}
                for serial, one, fault in broken
            ],
            "waited": round(waited, 3),
        },
    )


def check_size(device: BlockDevice, serial: str, actual: int, expected: int) -> None:
    """Refuse a device that does not have exactly the expected size.

    Raises:
        DeviceMismatch: It has another size.
    """
    if actual != expected:
        raise DeviceMismatch(
            f"{device.path} (serial {serial}) has {actual} bytes; expected {expected}.",
            hint="The size must be the virtual size of this disk in this snapshot.",
            details={
                "serial": serial,
                "device": device.path,
                "size": actual,
                "expected": expected,
            },
        )


def mount_uses(mounts: Iterable[Mount], device: BlockDevice) -> tuple[str, ...]:
    """Return where the disk or a partition of it is mounted."""
    paths = {path for path, _number in device.nodes}
    numbers = {number for _path, number in device.nodes}
    uses = [
        f"mounted on {mount.point}" if mount.point else f"in a mounted {mount.filesystem}"
        for mount in mounts
        if not numbers.isdisjoint(mount.devices) or mount.source in paths
    ]
    return tuple(dict.fromkeys(uses))


def swap_uses(swaps: str, device: BlockDevice) -> tuple[str, ...]:
    """Return which nodes of the disk are swap (``/proc/swaps``)."""
    paths = {path for path, _number in device.nodes}
    used = [unescape_mount(line.split()[0]) for line in swaps.splitlines()[1:] if line.split()]
    return tuple(f"swap on {path}" for path in used if path in paths)


def check_unused(device: BlockDevice, serial: str, uses: Sequence[str]) -> None:
    """Refuse a device that something on the appliance uses.

    Raises:
        DeviceBusy: ``uses`` is not empty.
    """
    if uses:
        raise in_use(device, serial, uses)


def in_use(device: BlockDevice, serial: str, uses: Sequence[str]) -> DeviceBusy:
    """Return the error for a device that something on the appliance uses."""
    return DeviceBusy(
        f"{device.path} (serial {serial}) is in use: {'; '.join(uses)}.",
        hint="Unmount it, deactivate what holds it, and keep LVM, MD and multipath of the "
        "appliance away from attached disks.",
        details={"serial": serial, "device": device.path, "uses": list(uses)},
    )
