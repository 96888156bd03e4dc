# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hash what can be read."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Event
    from typing import Callable

_CHUNK = 1024 * 1024


class StoppedError(Exception):
    """The hash is no longer wanted."""


class ShortReadError(Exception):
    """There are fewer bytes than expected."""


def sha256(fd: int, size: int, stop: Event, tell: Callable[[int], None] | None = None) -> str:
    """Return the hash of the first ``size`` bytes, which must all exist.

    It releases the interpreter while it reads and hashes. It does not use the file's position, so
    the descriptor may be shared.

    Args:
        fd: Open for reading.
        size: Bytes to hash.
        stop: Set it to end the hash early.
        tell: Gets the number of bytes that are done, after each chunk.

    Raises:
        ShortReadError: The file ends before ``size``.
        StoppedError: ``stop`` was set.
        OSError: Reading failed.
    """
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    offset = 0
    while offset < size:
        if stop.is_set():
            raise StoppedError
        count = os.preadv(fd, [buffer[: min(_CHUNK, size - offset)]], offset)
        if count == 0:
            raise ShortReadError(f"ends after {offset} of {size} bytes")
        digest.update(buffer[:count])
        offset += count
        if tell:
            tell(offset)
    return digest.hexdigest()
