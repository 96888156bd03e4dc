# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A block device that is found, checked, claimed and made read-only."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils.appliance import scan
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.devices import (
    BlockDevice,
    check_size,
    check_unused,
    choose,
    not_found,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.errors import (
    DeviceError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.images import (
    ImageRequest,
    device_lost,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils.appliance.host import Host

# linux/fs.h
_BLKROSET = 0x125D
_BLKROGET = 0x125E
_BLKGETSIZE64 = 0x80081272

_SHORTEST_PAUSE = 0.001
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_CLAIM_SECONDS = 2.0
"""How long a claim of somebody else may last that is only a look (udev, multipath, LVM)."""


@dataclass(frozen=True)
class Claim:
    """A device that is open and that nobody else can mount or build on meanwhile.

    :param fd: Open for reading, with O_EXCL.
    :param size: Bytes of the device.
    """

    device: BlockDevice
    fd: int
    size: int


def find(host: Host, serials: Sequence[str], timeout: float) -> dict[str, BlockDevice]:
    """The device of each serial, waiting for those that are not there yet.

    :param timeout: Seconds to wait for all of them together.
    :raises DeviceNotFound: Some did not come; says what serials were seen.
    :raises DeviceAmbiguous: Different devices have one serial.
    """
    start = host.clock.monotonic()
    pause = _FIRST_PAUSE
    while True:
        devices = scan.scan(host.paths)
        found = {serial: choose(devices, serial) for serial in serials}
        present = {serial: device for serial, device in found.items() if device}
        if len(present) == len(found):
            return present
        waited = host.clock.monotonic() - start
        if waited >= timeout:
            raise not_found([serial for serial in found if not found[serial]], devices, waited)
        # Never a step too small for the clock to notice.
        host.clock.sleep(max(min(pause, timeout - waited), _SHORTEST_PAUSE))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


@contextmanager
def claimed(host: Host, image: ImageRequest) -> Iterator[Claim]:
    """Find the device anew, prove that it is the right one and unused, and hold it.

    Looked up by serial again, since a letter may have changed hands since the last look.

    :raises DeviceError: See the classes below it.
    """
    device = find(host, [image.serial], 0.0)[image.serial]
    check_unused(device, image.serial, scan.uses(host.paths, device))
    fd = _open(host, device, image.serial)
    try:
        _check_number(fd, device)
        size = size_of(fd, device)
        check_size(device, image.serial, size, image.size)
        yield Claim(device, fd, size)
    finally:
        os.close(fd)


def size_of(fd: int, device: BlockDevice) -> int:
    """Bytes of an open block device."""
    (size,) = struct.unpack("Q", _ioctl(fd, _BLKGETSIZE64, bytes(8), device))
    return int(size)


def is_read_only(claim: Claim) -> bool:
    """Whether the kernel refuses writes to the device."""
    (value,) = struct.unpack("i", _ioctl(claim.fd, _BLKROGET, bytes(4), claim.device))
    return bool(value)


def set_read_only(claim: Claim) -> None:
    """Have the kernel refuse writes to the device, and prove it.

    :raises DeviceError: It does not.
    """
    _ioctl(claim.fd, _BLKROSET, struct.pack("i", 1), claim.device)
    if not is_read_only(claim):
        raise DeviceError(f"{claim.device.path} did not become read-only.")


def _open(host: Host, device: BlockDevice, serial: str) -> int:
    """Open with O_EXCL; a claim that lasts longer than a look is an error."""
    deadline = host.clock.monotonic() + _CLAIM_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            return os.open(device.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
        except OSError as exc:
            if exc.errno != errno.EBUSY:
                raise _open_fault(device, exc) from exc
        if host.clock.monotonic() >= deadline:
            who = scan.openers(host.paths, device) or ("claimed by the kernel",)
            check_unused(device, serial, who)
        host.clock.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _open_fault(device: BlockDevice, exc: OSError) -> DeviceError:
    if exc.errno in (errno.EACCES, errno.EPERM):
        return DeviceError(
            f"{device.path} may not be opened: {exc.strerror}.",
            hint="Run this task as root (become: true).",
            details={"device": device.path},
        )
    return device_lost(device.path, str(exc.strerror))


def _check_number(fd: int, device: BlockDevice) -> None:
    """The node that was opened must be the device that sysfs spoke of."""
    status = os.fstat(fd)
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    if not stat.S_ISBLK(status.st_mode) or number != device.number:
        raise DeviceError(f"{device.path} is not the device {device.number}.")


def _ioctl(fd: int, request: int, argument: bytes, device: BlockDevice) -> bytes:
    try:
        return fcntl.ioctl(fd, request, argument)
    except PermissionError as exc:
        raise _open_fault(device, exc) from exc
    except OSError as exc:
        raise device_lost(device.path, str(exc.strerror)) from exc
