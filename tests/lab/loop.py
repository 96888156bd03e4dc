# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop devices: attach a file, and detach it only if nobody uses the device."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

from lab import processes

_LOOP_CLR_FD = 0x4C01
_LOOP_SET_STATUS64 = 0x4C04
_LOOP_GET_STATUS64 = 0x4C05
_STATUS64_BYTES = 232
_FLAGS_OFFSET = 52
_AUTOCLEAR = 4
_BLKROSET = 0x125D


def attach(path: Path, *, read_only: bool) -> str:
    """Make `path` a loop device; its name ("/dev/loopN"). Raises CommandError.

    Direct I/O, because a loop device over FUSE is five times slower without it.
    """
    words = ["losetup", "-f", "--show", "--direct-io=on", *(["-r"] if read_only else [])]
    device = processes.run([*words, path]).stdout.strip()
    if not read_only:
        _make_writable(device)
    return device


def _make_writable(device: str) -> None:
    """Take back a BLKROSET: it sticks to the number of a loop device, whatever file it gets."""
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _BLKROSET, struct.pack("=i", 0))
    finally:
        os.close(descriptor)


def bound_to(device: str, path: Path) -> bool:
    """Tell whether `device` still is a loop device over `path`."""
    backing = Path(f"/sys/block/{Path(device).name}/loop/backing_file")
    try:
        return backing.read_text(encoding="utf-8").strip().startswith(str(path))
    except OSError:
        return False


def detach(device: str, path: Path, seconds: float) -> bool:
    """Release `device` if nobody has it open or mounted.

    Tries for `seconds`, since a program that merely lists devices opens them for a moment.
    False: it is in use and stays attached, fully: the kernel only notes the wish to release
    a device in use (AUTOCLEAR), and that flag is cleared again.
    """
    gone = processes.wait_until(lambda: _detach_once(device, path), seconds)
    if gone and not Path(f"/sys/block/{Path(device).name}/loop").exists():
        _make_writable(device)
    return gone


def release(device: str, path: Path) -> None:
    """Release `device` now, or when its last user closes it."""
    if bound_to(device, path):
        processes.run(["losetup", "-d", device], ok=(0, 1))


def _detach_once(device: str, path: Path) -> bool:
    if not bound_to(device, path):
        return True
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _LOOP_CLR_FD)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in {errno.ENXIO, errno.EBUSY, errno.ENODEV}:
            raise
    if not bound_to(device, path):
        return True
    return not _keep(device)


def _keep(device: str) -> bool:
    """Take back AUTOCLEAR; False if the device was released meanwhile."""
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = bytearray(_STATUS64_BYTES)
            fcntl.ioctl(descriptor, _LOOP_GET_STATUS64, status, True)
            (flags,) = struct.unpack_from("=I", status, _FLAGS_OFFSET)
            struct.pack_into("=I", status, _FLAGS_OFFSET, flags & ~_AUTOCLEAR)
            fcntl.ioctl(descriptor, _LOOP_SET_STATUS64, bytes(status))
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.ENODEV}:
            return False
        raise
    return True
