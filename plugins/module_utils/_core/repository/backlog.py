# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification with a limit left unread, and whether it will ever catch up at its pace."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    read_time,
    show_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
        catalogue,
    )

_DAY = timedelta(days=1)
_WINDOW = timedelta(days=7)
"""The pace is averaged over the last days, so that one skipped night has little effect."""

_HORIZON = 366


@dataclass(frozen=True)
class Backlog:
    """Sets that are due and were not read.

    Attributes:
        sets: Number of these sets.
        never: How many of them were never verified.
        since: When the longest waiting one was verified, or made if it never was; None if there is
            none.
        read: Sets verified per day.
        new: Sets made per day.
        again: Per set that is not due now, the days until it is due again.
        period: Days after which a set is due again; 0 means in the next round.
    """

    sets: int = 0
    never: int = 0
    since: datetime | None = None
    read: float = 0.0
    new: float = 0.0
    again: tuple[int, ...] = ()
    period: int = 0

    @property
    def days(self) -> int | None:
        """Days until nothing is left unread; None if that takes more than a year."""
        left = float(self.sets)
        for day in range(_HORIZON):
            if left <= 0:
                return day
            left += self.new + self.again.count(day + 1) - self.read
            if 0 < self.period <= day:
                left += self.read
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the backlog as a module's result."""
        return {
            "sets": self.sets,
            "never_verified": self.never,
            "since": show_time(self.since) if self.since else None,
            "read_a_day": round(self.read, 1),
            "new_a_day": round(self.new, 1),
            "days": self.days,
        }

    def text(self) -> str:
        """Return sentences for people; empty if everything was read."""
        if self.since is None:
            return ""
        said = (
            f"The limit left out {self.sets} sets that are due, {self.never} of them never verified; one"
            f" waits since {show_time(self.since)}. {self.read:.1f} sets are verified a day, and"
            f" {self.new:.1f} are made."
        )
        if self.days is None:
            return f"{said} At this pace the verification never catches up: raise {option('limit')}, or leave it out."
        return f"{said} At this pace all of them are verified within {self.days} days."


def measure(
    late: Sequence[catalogue.Entry],
    due: Sequence[catalogue.Entry],
    every: Sequence[catalogue.Entry],
    now: datetime,
    unverified_days: float,
) -> Backlog:
    """Measure what a limit left unread.

    Args:
        late: Sets that are due and are not read now.
        due: Sets that are read now.
        every: All sets that must be verified at some time.
        unverified_days: Days after which a set is due again.
    """
    if not late:
        return Backlog()
    records = {one.path: when for one in every if (when := verified(one, now)) is not None}
    paths = {one.path for one in due}
    others = [when for path, when in records.items() if path not in paths]
    waiting = paths | {one.path for one in late}
    period = math.ceil(unverified_days)
    return Backlog(
        sets=len(late),
        never=sum(one.path not in records for one in late),
        since=min(records.get(one.path, one.time) for one in late),
        read=_a_day([*others, *[now] * len(due)], min(records.values(), default=now), now),
        new=_a_day([one.time for one in every], min(one.time for one in every), now),
        again=tuple(
            max(1, period - (now - when) // _DAY)
            for path, when in records.items()
            if period and path not in waiting
        ),
        period=period,
    )


def verified(entry: catalogue.Entry, now: datetime) -> datetime | None:
    """Return when a set was last verified; a record dated in the future does not count."""
    moment = read_time(entry.verified.time) if entry.verified else None
    return moment if moment and moment <= now else None


def _a_day(moments: Iterable[datetime], first: datetime, now: datetime) -> float:
    """Return how many moments there were per day recently.

    Args:
        first: The time from which there is anything to count.
    """
    days = min(max(round((now - first) / _DAY) + 1, 1), _WINDOW // _DAY)
    return sum(now - _WINDOW < one <= now for one in moments) / days
