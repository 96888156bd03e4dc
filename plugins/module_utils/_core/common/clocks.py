# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clock decides what. Three clocks take part in a backup, and any of them may be wrong.

==========  ==============================================  ===========================================
clock       what it stamps                                  what it decides
==========  ==============================================  ===========================================
engine      ``snapshot.date``                               the time of a set, if another clock agrees
controller  run id's lease, ``started``, ``finished``,      the time of a set, if another clock agrees;
            ``clocks.asked``, ``clocks.there``              the names of directories, which decide nothing
appliance   ``clocks.appliance``, times of files, records   the time of a set, if another clock agrees;
            of verifications                                what is "now" for prune, verify, report, restore
==========  ==============================================  ===========================================

The time of a set is what two of the three clocks agree on; the third is named in a note. Where no two agree,
and where a set is dated in the future, the time is not certain: such a set takes no place in any rule, no
rule removes it, and no restore chooses it unless its path is given. So one wrong clock changes nothing, and
two wrong ones keep more than they should. Two clocks that are wrong in the same way cannot be told from right ones.

A set without ``clocks`` (made before they were kept) has the engine's date if it is within its run, else the
end of the run. Durations (waiting, silence, time-outs) are measured by monotonic clocks, never by these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    show_time,
)

TOLERANCE = timedelta(minutes=10)
"""Clocks that differ by less than this agree: few machines are exact, and a task needs time to
reach the appliance."""

LONGEST = timedelta(hours=1)
"""The longest time from the call for a snapshot to its attachment. If it seems longer, the
controller's clock jumped."""


@dataclass(frozen=True)
class Readings:
    """What the clocks of the controller and the appliance said around the snapshot.

    Attributes:
        asked: Controller's clock, before the snapshot was requested.
        there: Controller's clock, when the snapshot was attached.
        appliance: Appliance's clock, at the same moment as ``there``.
    """

    asked: datetime
    there: datetime
    appliance: datetime

    @property
    def width(self) -> timedelta | None:
        """How long before ``there`` the snapshot may have been made; None if the clock jumped."""
        width = self.there - self.asked
        return width if timedelta(0) <= width <= LONGEST else None


@dataclass(frozen=True)
class Moment:
    """The time that a set's data is from.

    Attributes:
        time: The best known time.
        doubt: Why the time is not certain; empty if it is.
        note: Which clock was not believed; empty if all agree.
    """

    time: datetime
    doubt: str = ""
    note: str = ""


def of_run(engine: datetime | None, started: datetime, finished: datetime) -> Moment:
    """Return the time of a set whose run recorded only its beginning and its end.

    Args:
        engine: The snapshot's date as the engine told it; None if that is not a time.
    """
    if finished < started - TOLERANCE:
        return Moment(finished, f"its run began {show_time(started)} and ended before that")
    if engine and started - TOLERANCE <= engine <= finished + TOLERANCE:
        return Moment(_within(engine, started, finished))
    # The end, so that no set appears older than its data.
    said = f"the engine's clock said {show_time(engine)}" if engine else "the engine told no time"
    return Moment(finished, note=f"{said}; the end of the run is taken")


def of_snapshot(engine: datetime | None, read: Readings) -> Moment:
    """Return the time of a set that has all three clocks: the time that two of them agree on.

    Args:
        engine: The snapshot's date as the engine told it; None if that is not a time.
    """
    width = read.width
    with_appliance = abs(read.appliance - read.there) <= TOLERANCE
    if engine and width is not None and _between(engine, read.there, width):
        off = not with_appliance
        note = f"the appliance's clock said {show_time(read.appliance)}" if off else ""
        return Moment(_within(engine, read.asked, read.there), note=note)
    if engine and _between(engine, read.appliance, width or timedelta(0)):
        note = f"the controller's clock said {show_time(read.there)}"
        earliest = read.appliance - (width or timedelta(0))
        return Moment(_within(engine, earliest, read.appliance), note=note)
    said = show_time(engine) if engine else "nothing"
    if with_appliance:
        return Moment(
            read.there, note=f"the engine's clock said {said}; the run's own time is taken"
        )
    return Moment(
        read.there,
        f"no two clocks agree: the engine's said {said}, the controller's {show_time(read.there)},"
        f" the appliance's {show_time(read.appliance)}",
    )


def future(moment: Moment, now: datetime) -> Moment:
    """Return a moment unchanged, or with a doubt if it lies in the future.

    Args:
        now: The time by the appliance's clock.
    """
    if moment.doubt or moment.time <= now + TOLERANCE:
        return moment
    doubt = f"it is dated {show_time(moment.time)}, and this machine's clock says {show_time(now)}"
    return Moment(moment.time, doubt, moment.note)


def _between(engine: datetime, end: datetime, width: timedelta) -> bool:
    return end - width - TOLERANCE <= engine <= end + TOLERANCE


def _within(moment: datetime, earliest: datetime, latest: datetime) -> datetime:
    """Return the moment, moved by at most the tolerance into the range in which it must lie."""
    return min(max(moment, earliest), max(earliest, latest))
