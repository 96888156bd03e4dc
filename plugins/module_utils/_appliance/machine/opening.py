# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open files. No other file passes flags to an open, so that no link is followed by mistake.

An open file is one that no other program inherits. A name that others may have put there is opened
without following a link, and without waiting for the other end of a pipe.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRIVATE = 0o600
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

_DECIDED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR})
"""Errors of an open that say what exists: nothing, or something other than requested. All others
only say that it could not be read."""


class NotRegularError(OSError):
    """The name exists, and leads to something other than a regular file."""

    def __init__(self) -> None:
        """Put the reason where the system's errors have theirs."""
        super().__init__(errno.ENXIO, "it is not a regular file")


def could_not_look(exc: OSError) -> bool:
    """Tell whether an error says nothing about what exists."""
    return exc.errno not in _DECIDED


def directory(path: str, *, within: int | None = None) -> int:
    """Open a directory, which must not be a link.

    Args:
        path: Its path, or its name.
        within: The open directory that the name is in.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, _DIRECTORY | os.O_NOFOLLOW, dir_fd=within)


def administrators_directory(path: str) -> int:
    """Open a directory whose path an administrator named: a link is followed.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, _DIRECTORY)


def any_file(path: str, *, within: int | None = None) -> int:
    """Open a name for reading, unless it is a link. The caller checks what it is.

    Args:
        path: Its path, or its name.
        within: The open directory that the name is in.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, _FILE, dir_fd=within)


def regular_file(path: str, *, within: int | None = None) -> int:
    """Open a regular file for reading.

    Args:
        path: Its path, or its name.
        within: The open directory that the name is in.

    Raises:
        NotRegularError: It is something else.
        OSError: It cannot be opened.
    """
    fd = any_file(path, within=within)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotRegularError
    except OSError:
        os.close(fd)
        raise
    return fd


def read_regular(path: str, limit: int) -> bytes:
    """Read a regular file, at most so many bytes of it.

    Args:
        path: The file.
        limit: Most bytes.

    Raises:
        NotRegularError: It is something else.
        OSError: It cannot be read.
    """
    with os.fdopen(regular_file(path), "rb") as file:
        return file.read(limit)


def new_file(path: str) -> int:
    """Make a file for this user alone, open for reading and writing.

    Raises:
        FileExistsError: The name is taken, perhaps by a link.
        OSError: It cannot be made.
    """
    return os.open(
        path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE
    )


def writable_file(path: str) -> int:
    """Open an existing file, for reading and writing.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def emptied_file(path: str) -> int:
    """Open a file for writing, empty; make it for this user alone if it does not exist.

    Raises:
        OSError: It cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, _PRIVATE)


def node(path: str, flags: int) -> int:
    """Open a device or a kernel file. A link is followed, because udev makes links to devices.

    Args:
        path: The node.
        flags: As ``os.open`` takes them.

    Raises:
        OSError: It cannot be opened.
    """
    return os.open(path, flags | os.O_CLOEXEC)


@contextmanager
def closing(fd: int) -> Iterator[int]:
    """Close an open file at the end."""
    try:
        yield fd
    finally:
        os.close(fd)
