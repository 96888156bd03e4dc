# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that only this task's user, root, can write: made so, and checked before they are believed."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = 0o700
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def is_ours(status: os.stat_result) -> bool:
    """Tell whether a file or directory is ours, and nobody else may write to it."""
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS


def make_directory(path: str) -> None:
    """Make one directory that only we may enter.

    Raises:
        OSError: It cannot be made.
    """
    os.mkdir(path, _DIRECTORY)


@contextmanager
def directory(path: str, *, within: int | None = None) -> Iterator[int]:
    """Hold a directory open that only we can write to.

    Args:
        path: Its path, or its name.
        within: The open directory that the name is in.

    Raises:
        PermissionError: Others can write there.
        OSError: It cannot be opened.
    """
    with opening.closing(opening.directory(path, within=within)) as fd:
        if not is_ours(os.fstat(fd)):
            raise PermissionError(errno.EPERM, "others can write there")
        yield fd


def read(name: str, limit: int, *, within: int) -> bytes:
    """Read a regular file that only we can write to, at most so many bytes of it.

    Args:
        name: The file's name.
        limit: Most bytes.
        within: The open directory that it is in.

    Raises:
        PermissionError: Others can write to it.
        OSError: It cannot be read, or is not a regular file.
    """
    with os.fdopen(opening.regular_file(name, within=within), "rb") as file:
        if not is_ours(os.fstat(file.fileno())):
            raise PermissionError(errno.EPERM, "others can write to it")
        return file.read(limit)


@contextmanager
def noted_in(path: str) -> Iterator[int]:
    """Hold a directory for notes that only we can write to; make it if it is missing.

    Raises:
        InvalidRequest: It cannot be made, or others can write there.
    """
    with ExitStack() as opened:
        try:
            os.makedirs(path, _DIRECTORY, exist_ok=True)
            fd = opened.enter_context(directory(path))
        except OSError as exc:
            raise InvalidRequest(
                f"{path} cannot hold job records: {exc.strerror}.",
                hint="Run this task as root (become: true).",
            ) from exc
        yield fd
