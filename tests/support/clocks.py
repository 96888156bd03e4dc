# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks whose time a test sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MadeClock:
    """The real time, unless a test replaces it."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def now(self) -> float:
        """Return the seconds since a fixed moment."""
        return self.monotonic()


@dataclass
class FakeClock:
    """Time that passes only by a sleep, or when the test says so."""

    time: float = 1000.0
    naps: list[float] = field(default_factory=list)

    def now(self) -> float:
        """Return the seconds since a fixed moment."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let the seconds pass at once, and note them."""
        self.naps.append(seconds)
        self.time += seconds
