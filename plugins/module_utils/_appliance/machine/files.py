# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write files that appear complete or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
    private,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageBusy,
    ImageError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    image_exists,
    no_space,
    part_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OPEN_ATTEMPTS = 5
_BLOCK = 512
"""Unit of st_blocks, whatever the file system's block size."""


@dataclass(frozen=True)
class Part:
    """``dest.part``, open and locked by this process.

    Attributes:
        fd: Open for reading and writing; holds the lock.
    """

    dest: str
    path: str
    fd: int


@contextmanager
def part(dest: str) -> Iterator[Part]:
    """Hold an empty ``dest.part`` that no other run writes; remove it at the end unless it was published.

    A part that a dead run left under this name is replaced.

    Raises:
        ImageBusy: Another run holds it.
        ImageError: It cannot be opened.
    """
    path = part_of(dest)
    fd = _open_locked(path)
    try:
        yield Part(dest, path, fd)
    finally:
        if _is_same(path, fd):
            os.unlink(path)
        os.close(fd)


def publish(found: Part) -> None:
    """Give a complete and verified file its final name, durably.

    Every writer of the name holds the part's lock, so nothing can happen between check and rename.

    Raises:
        ImageExists: The name is taken.
    """
    os.fsync(found.fd)
    if os.path.lexists(found.dest):
        raise image_exists(found.dest, "came while its image was written")
    os.rename(found.path, found.dest)
    sync_directory(os.path.dirname(found.dest))


def write_whole(path: str, data: bytes, mode: int) -> None:
    """Write a small file atomically and durably, replacing an existing one.

    A replaced file keeps its mode and its owner. A new one gets exactly this mode, whatever the
    login's umask is: ``/etc/fstab`` must stay readable for everybody.

    Raises:
        NoSpace: The file system is full.
        ImageError: It cannot be written.
    """
    temporary = f"{path}.tmp"
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # of a dead run: neither its content nor its owner may stay
        fd = opening.new_file(temporary)
        with os.fdopen(fd, "wb") as file:
            _dress(fd, path, mode)
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(temporary, path)
        sync_directory(os.path.dirname(path))
    except OSError as exc:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise write_fault(path, len(data), exc) from exc


def _dress(fd: int, path: str, mode: int) -> None:
    """Give a new file the mode and owner of the file that it replaces, or this mode if there is none."""
    try:
        old = os.lstat(path)
    except FileNotFoundError:
        old = None
    if old and stat.S_ISREG(old.st_mode):
        new = os.fstat(fd)
        # NFS may refuse a change even to the same owner.
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(fd, old.st_uid, old.st_gid)
        mode = stat.S_IMODE(old.st_mode)
    os.fchmod(fd, mode)


def make_directories(path: str, mode: int) -> None:
    """Make a directory and those above it, each with exactly this mode; existing ones stay as they are.

    Raises:
        OSError: One cannot be made.
    """
    missing = []
    while path and not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        private.make_directory(one)
        os.chmod(one, mode)


def make_directory(path: str) -> None:
    """Make one directory for root alone, durably; keep an existing one.

    Raises:
        ImageError: It cannot be made, or something else has the name.
    """
    try:
        private.make_directory(path)
        sync_directory(os.path.dirname(path))
    except FileExistsError as exc:
        if not is_directory(path):
            raise ImageError(
                f"{path} exists and is not a directory.",
                hint="Move it away, then run the task again.",
            ) from exc
    except OSError as exc:
        raise write_fault(path, 0, exc) from exc


@contextmanager
def locked_directory(path: str) -> Iterator[None]:
    """Lock a directory that only root can write to; make it if it is missing.

    Raises:
        InvalidRequest: It cannot be made, or others can write there.
    """
    with private.noted_in(path) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield


def is_directory(path: str) -> bool:
    """Tell whether the path itself, not what a link leads to, is a directory."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    with opening.closing(opening.administrators_directory(path)) as fd:
        os.fsync(fd)


def forget(*descriptors: int) -> None:
    """Drop files from the page cache, so that the next reader gets them from the storage.

    Pages that were not written to the storage yet stay: flush them before.
    """
    for fd in descriptors:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def free_bytes(path: str) -> int:
    """Return the bytes that can still be written to the file system of an existing path."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def space_for(found: Part, size: int) -> dict[str, int]:
    """Return the space for an image, with the part's own bytes, and the space it may need."""
    own = os.fstat(found.fd).st_blocks * _BLOCK
    return {"free": free_bytes(os.path.dirname(found.path)) + own, "size": size}


def write_fault(path: str, size: int, exc: OSError) -> ImageError:
    """Return the error that a failed write means."""
    if exc.errno in _FULL:
        space = {"free": free_bytes(os.path.dirname(path)), "size": size}
        return no_space(path, space, str(exc.strerror))
    return ImageError(
        f"{path} could not be written: {exc.strerror}.",
        hint="Check the repository's file system and its permissions.",
        details={"path": path, "errno": exc.errno},
    )


def _open_locked(path: str) -> int:
    """Make a new, empty file of this name, locked.

    A file that a dead run left is unlinked, not emptied: its qemu-img may still be ending.
    """
    for _attempt in range(_OPEN_ATTEMPTS):
        try:
            fd, is_new = _open_part(path)
        except FileNotFoundError:
            continue  # another run has just removed its part
        except OSError as exc:
            raise write_fault(path, 0, exc) from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(fd)
            raise _busy(path) from exc
        if _is_same(path, fd):
            if is_new:
                return fd
            os.unlink(path)
        os.close(fd)
    raise _busy(path)


def _open_part(path: str) -> tuple[int, bool]:
    try:
        return opening.new_file(path), True
    except FileExistsError:
        return opening.writable_file(path), False


def _busy(path: str) -> ImageBusy:
    return ImageBusy(
        f"{path} is being written by another run.",
        hint="Wait for it to end.",
        details={"path": path},
    )


def _is_same(path: str, fd: int) -> bool:
    """Tell whether the name still leads to the open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except OSError:
        return False
