# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request log: each caller and request, and whether it could have changed something."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One request; ``write`` tells API writes, which signing in and out is not."""

    number: int
    time: str
    method: str
    path: str
    query: str
    user: str | None
    correlation_id: str | None
    status: int
    write: bool
    seconds: float


class RequestLog:
    """All requests since the last time it was emptied."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._entries: list[Entry] = []
        self._number = 0

    def number(self) -> int:
        """Return the number of the next request."""
        with self._mutex:
            self._number += 1
            return self._number

    def add(self, entry: Entry) -> None:
        """Enter a request."""
        with self._mutex:
            self._entries.append(entry)

    def listing(self) -> list[dict[str, Any]]:
        """Return what was logged, in the order of arrival."""
        with self._mutex:
            return [asdict(entry) for entry in sorted(self._entries, key=lambda e: e.number)]

    def clear(self) -> None:
        """Forget what was logged."""
        with self._mutex:
            self._entries.clear()
