# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a copy is: counted, smoothed, and shown as one line.

A copy reads each disk twice, once to copy and once to verify, so the work is twice the bytes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERCENT = re.compile(r"\((\d{1,3}(?:\.\d+)?)/100%\)")
_SMOOTHING = 30.0
"""Seconds over which the rate is smoothed."""

_MOMENT = 0.001
"""Below so many seconds, no rate can be told."""

_GAPS = (10.0, 30.0, 60.0, 120.0, 240.0)
"""Seconds before the first line, the second, and so on. A quick copy shows none, a long one few."""

_LONGEST_GAP = 300.0
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True)
class Progress:
    """The progress of a copy at one moment.

    Attributes:
        size: Bytes of all disks.
        work: Bytes to read in all passes.
        done: Bytes of ``work`` that are done.
        at: Monotonic seconds of this moment.
        rate: Bytes per second, smoothed; None until there is something to measure.
    """

    size: int
    work: int
    done: int = 0
    at: float = 0.0
    rate: float | None = None

    @property
    def percent(self) -> int:
        """Percentage of the work, rounded down, so that 100 means all."""
        return self.done * 100 // self.work if self.work else 100

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at the present rate; None if there is no rate."""
        if self.done >= self.work:
            return 0.0
        return (self.work - self.done) / self.rate if self.rate else None

    def to_dict(self) -> dict[str, Any]:
        """Return the progress as a module's result."""
        left = self.seconds_left
        return {
            "percent": self.percent,
            "bytes_total": self.size,
            "rate": None if self.rate is None else int(self.rate),
            "seconds_left": None if left is None else math.ceil(min(left, 1e9)),
        }


def advance(before: Progress, done: int, now: float) -> Progress:
    """Return the progress after so many bytes of work; it never goes back, and never past the end.

    Args:
        now: Monotonic seconds.
    """
    reached = min(max(done, before.done), before.work)
    passed = now - before.at
    if passed < _MOMENT:
        return replace(before, done=reached)
    momentary = (reached - before.done) / passed
    rate = momentary
    if before.rate is not None:
        weight = 1 - math.exp(-passed / _SMOOTHING)
        rate = before.rate + weight * (momentary - before.rate)
    return replace(before, done=reached, at=now, rate=rate)


def parse_fraction(text: str) -> float | None:
    """Return the last percentage that ``qemu-img -p`` printed, from 0 to 1; None if there is none."""
    found = _PERCENT.findall(text)
    return min(float(found[-1]) / 100, 1.0) if found else None


def gap(lines: int) -> float:
    """Return the seconds until the next line, after so many lines."""
    return _GAPS[lines] if lines < len(_GAPS) else _LONGEST_GAP


def line(title: str, facts: Mapping[str, Any]) -> str:
    """Format what ``Progress.to_dict`` returned as a line for people."""
    parts = [f"{title}: {facts['percent']} % of {amount(facts['bytes_total'])}"]
    if facts["rate"]:
        parts.append(f"{amount(facts['rate'])}/s")
    if facts["seconds_left"] is not None:
        parts.append(f"{duration(facts['seconds_left'])} left")
    return ", ".join(parts)


def amount(count: float) -> str:
    """Format bytes in the fitting unit; a unit is 1024 of the one below, as in Ansible."""
    value, rank = float(count), 0
    while round(value, 1) >= 1024 and rank < len(_UNITS) - 1:  # noqa: PLR2004
        value, rank = value / 1024, rank + 1
    return f"{value:.1f} {_UNITS[rank]}" if rank else f"{int(value)} B"


def duration(seconds: float) -> str:
    """Format seconds in words."""
    if seconds < _MINUTE:
        return "less than a minute"
    minutes = int(seconds + _MINUTE // 2) // _MINUTE
    if seconds < _HOUR:
        return f"about {minutes} min"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"
