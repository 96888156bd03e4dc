# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a block device, check it, claim it and make it read-only."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    mounts,
    scan,
    stacks,
    usage,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceAmbiguous,
    DeviceError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
    DeviceFault,
    by_serial,
    candidates,
    check_size,
    check_unused,
    choose,
    ignored,
    in_use,
    match_length,
    missing,
    mount_uses,
    near,
    read_fault,
    state_fault,
    swap_uses,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    ImageRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    device_lost,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
        Host,
    )

# linux/fs.h
_BLKROSET = 0x125D
_BLKROGET = 0x125E
_BLKGETSIZE64 = 0x80081272
_BLKFLSBUF = 0x1261

_CLAIM_SECONDS = 2.0
"""How long a short claim by another program (udev, multipath, LVM) may last."""
_SETTLE_SECONDS = 3.0
"""How long a new device may have another size, or a twin that is about to disappear."""
_SECTOR = 512
_PROBE_BYTES = 4096
_NO_PROOF = frozenset({errno.EACCES, errno.EPERM, errno.EINVAL, errno.EBUSY, errno.ENODATA})
"""Errors of a first read that prove nothing against the device: missing rights, an odd driver, a
bad sector."""


@dataclass(frozen=True)
class DeviceClaim:
    """An open device that nobody else can mount or build on meanwhile.

    Attributes:
        fd: Open for reading, with O_EXCL.
        size: Bytes of the device.
    """

    device: BlockDevice
    fd: int
    size: int


class Finder:
    """Finds devices by serial, again and again; facts that are certain are read only once."""

    def __init__(self, host: Host) -> None:
        """Start without any facts."""
        self.host = host
        self._scanner = scan.Scanner(host.paths)
        self._readable: dict[str, scan.Identity] = {}

    def look(self) -> tuple[BlockDevice, ...]:
        """Return every disk that exists now."""
        return self._scanner.scan()

    def faults(
        self, devices: Sequence[BlockDevice], serials: Sequence[str]
    ) -> dict[str, DeviceFault]:
        """Return why devices with these serials cannot be read, by kernel name."""
        known = by_serial(devices)
        names = {
            one.name: one for serial in serials for one in candidates(near(known, serial), serial)
        }
        found = {name: self._fault(one) for name, one in names.items()}
        return {name: fault for name, fault in found.items() if fault}

    def _fault(self, device: BlockDevice) -> DeviceFault | None:
        """Check once that a device can be read; read its state each time."""
        paths = self.host.paths
        fault = state_fault(scan.text(f"{paths.sys_block}/{device.name}/device/state").strip())
        identity = scan.identity_of(paths, device.name)
        if fault is None and self._readable.get(device.name) != identity:
            fault = first_sector_fault(device)
        if fault is None:
            self._readable[device.name] = identity
        return fault

    def find(
        self, sizes: Mapping[str, int | None], timeout: float
    ) -> tuple[dict[str, BlockDevice], tuple[str, ...]]:
        """Wait for the device of each serial; return the devices and warnings.

        Args:
            sizes: By serial, the size in bytes that the device will have, if that is known.
            timeout: Seconds to wait for all of them together.

        Raises:
            DeviceNotFound: Some did not appear; names the serials that were seen.
            DeviceAmbiguous: Different readable devices have the same serial.
            DeviceLost: Some exist but cannot be read.
        """
        deadline = self.host.deadline(timeout)
        for _waited in deadline.ticks():
            devices = self.look()
            faults = self.faults(devices, list(sizes))
            settled = deadline.waited >= min(timeout, _SETTLE_SECONDS)
            found = self._choose(devices, faults, sizes, settled=settled)
            if len(found) == len(sizes):
                return found, ignored(devices, found, faults)
        raise missing([one for one in sizes if one not in found], devices, faults, deadline.waited)

    def _choose(
        self,
        devices: Sequence[BlockDevice],
        faults: Mapping[str, DeviceFault],
        sizes: Mapping[str, int | None],
        *,
        settled: bool,
    ) -> dict[str, BlockDevice]:
        """Return the devices that are ready; until ``settled``, an unexpected device counts as not ready."""
        found, known = {}, by_serial(devices)
        for serial, size in sizes.items():
            try:
                device = choose(near(known, serial), serial, faults)
            except DeviceAmbiguous:
                if settled:
                    raise
                continue
            ready = device and device.name not in faults
            if device and ready and (settled or self._has_size(device, size)):
                found[serial] = device
        return found

    def _has_size(self, device: BlockDevice, size: int | None) -> bool:
        sectors = scan.text(f"{self.host.paths.sys_block}/{device.name}/size").strip()
        return size is None or (sectors.isdigit() and int(sectors) * _SECTOR == size)


def first_sector_fault(device: BlockDevice) -> DeviceFault | None:
    """Read the first sector from the device itself, past the page cache; return why it cannot be read."""
    try:
        fd = opening.node(device.path, os.O_RDONLY | os.O_DIRECT)
        try:
            with mmap.mmap(-1, _PROBE_BYTES) as buffer:
                count = os.preadv(fd, [buffer], 0)
        finally:
            os.close(fd)
    except OSError as exc:
        number = exc.errno or 0
        return None if number in _NO_PROOF else read_fault(number, os.strerror(number))
    return None if count else DeviceFault("it holds no data", dead=False)


@contextmanager
def claimed(host: Host, image: ImageRequest, finder: Finder | None = None) -> Iterator[DeviceClaim]:
    """Find the device again, check that it is the right one and unused, and hold it.

    It is looked up by serial again, because its kernel name may have changed.

    Raises:
        DeviceError: See its subclasses.
    """
    found, _warnings = (finder or Finder(host)).find({image.serial: None}, 0.0)
    device = scan.again(host.paths, found[image.serial].name)
    if device is None or not match_length(device, image.serial):
        raise device_lost(found[image.serial].path, "it went away")
    check_unused(device, image.serial, _uses(host, device))
    fd = _open(host, device, image.serial)
    try:
        _check_number(fd, device)
        size = size_of(fd, device)
        check_size(device, image.serial, size, image.size)
        yield DeviceClaim(device, fd, size)
    finally:
        os.close(fd)


def _uses(host: Host, device: BlockDevice) -> tuple[str, ...]:
    """Return the uses of a device that can be seen at once; a claim shows the others."""
    known = stacks.layers(host.paths) if device.holders else {}
    return (
        *mount_uses(mounts.read(host.paths), device),
        *swap_uses(mounts.swap_areas(host.paths), device),
        *(f"held by {holder}" for holder in stacks.names_of(known, device.holders)),
    )


def users(host: Host, device: BlockDevice) -> tuple[str, ...]:
    """Return everything that uses a device that could not be claimed."""
    places = [usage.MountedAt(device.name, (path,), number, False) for path, number in device.nodes]
    found = usage.uses(host.paths, places).get(device.name, ())
    return found or ("claimed by the kernel",)


def size_of(fd: int, device: BlockDevice) -> int:
    """Return the bytes of an open block device."""
    (size,) = struct.unpack("Q", _ioctl(fd, _BLKGETSIZE64, bytes(8), device))
    return int(size)


def is_read_only(claim: DeviceClaim) -> bool:
    """Tell whether the kernel refuses writes to the device."""
    (value,) = struct.unpack("i", _ioctl(claim.fd, _BLKROGET, bytes(4), claim.device))
    return bool(value)


def set_read_only(claim: DeviceClaim) -> None:
    """Make the kernel refuse writes to the device, and check that it does.

    Raises:
        DeviceError: The device is not read-only.
    """
    _ioctl(claim.fd, _BLKROSET, struct.pack("i", 1), claim.device)
    if not is_read_only(claim):
        raise DeviceError(
            f"The kernel did not make the device {claim.device.path} read-only, so it was not read.",
            hint="Check the appliance's kernel log.",
            details={"device": claim.device.path},
        )


def flush(host: Host, device: BlockDevice, serial: str) -> None:
    """Check that nothing holds a device, and drop it from the page cache.

    Raises:
        DeviceBusy: Something holds it for longer than a short claim.
    """
    fd = _open(host, device, serial)
    try:
        _check_number(fd, device)
        fcntl.ioctl(fd, _BLKFLSBUF)
    except OSError as exc:
        raise _open_fault(device, exc) from exc
    finally:
        os.close(fd)


def _open(host: Host, device: BlockDevice, serial: str) -> int:
    """Open with O_EXCL; a claim that lasts longer than a short one is an error."""
    for _waited in host.deadline(_CLAIM_SECONDS).ticks():
        fd = _try_open(device)
        if fd is not None:
            return fd
    raise in_use(device, serial, users(host, device))


def _try_open(device: BlockDevice) -> int | None:
    """Open with O_EXCL; None if another program has opened it so."""
    try:
        return opening.node(device.path, os.O_RDONLY | os.O_EXCL)
    except OSError as exc:
        if exc.errno != errno.EBUSY:
            raise _open_fault(device, exc) from exc
    return None


def _open_fault(device: BlockDevice, exc: OSError) -> DeviceError:
    if exc.errno in (errno.EACCES, errno.EPERM):
        return DeviceError(
            f"The device {device.path} could not be opened: {exc.strerror}.",
            hint="Run this task as root (become: true).",
            details={"device": device.path},
        )
    return device_lost(device.path, str(exc.strerror))


def _check_number(fd: int, device: BlockDevice) -> None:
    """Check that the opened node is the device that sysfs described."""
    status = os.fstat(fd)
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    if not stat.S_ISBLK(status.st_mode) or number != device.number:
        raise DeviceError(
            f"{device.path} is no longer the device {device.number}: the disk was replaced meanwhile.",
            hint="Run the task again.",
            details={"device": device.path},
        )


def _ioctl(fd: int, request: int, argument: bytes, device: BlockDevice) -> bytes:
    try:
        return fcntl.ioctl(fd, request, argument)
    except PermissionError as exc:
        raise _open_fault(device, exc) from exc
    except OSError as exc:
        raise device_lost(device.path, str(exc.strerror)) from exc
