# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of three clocks is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import clocks
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.clocks import (
    LONGEST,
    TOLERANCE,
    Moment,
    Readings,
)

TRUE = datetime(2026, 11, 23, 1, 0, 5, tzinfo=UTC)
ASKED, THERE = TRUE - timedelta(seconds=5), TRUE + timedelta(seconds=20)
YEARS = timedelta(days=3650)


def moment(
    engine: timedelta | None = timedelta(0),
    controller: timedelta = timedelta(0),
    appliance: timedelta = timedelta(0),
) -> Moment:
    """Return what is made of clocks that are off by so much."""
    read = Readings(ASKED + controller, THERE + controller, THERE + appliance)
    return clocks.of_snapshot(None if engine is None else TRUE + engine, read)


def test_clocks_that_agree() -> None:
    assert moment() == Moment(TRUE)


@pytest.mark.parametrize("off", [YEARS, -YEARS, timedelta(days=3), -timedelta(hours=1)])
def test_one_wrong_clock_is_outvoted_and_named(off: timedelta) -> None:
    found = moment(engine=off)
    assert (found.time, found.doubt) == (THERE, "")
    assert found.note.startswith("the engine's clock said 20")
    found = moment(controller=off)
    assert (found.time, found.doubt) == (TRUE, "")
    assert found.note.startswith("the controller's clock said 20")
    found = moment(appliance=off)
    assert (found.time, found.doubt) == (TRUE, "")
    assert found.note.startswith("the appliance's clock said 20")


def test_three_different_clocks_give_no_time() -> None:
    found = moment(engine=-YEARS, controller=timedelta(days=3))
    assert found.doubt == (
        "no two clocks agree: the engine's said 2016-11-25T01:00:05Z, the controller's"
        " 2026-11-26T01:00:25Z, the appliance's 2026-11-23T01:00:25Z"
    )
    assert moment(engine=None, appliance=-YEARS).doubt.startswith(
        "no two clocks agree: the engine's said n"
    )


def test_an_engine_that_tells_no_time() -> None:
    assert moment(engine=None) == Moment(
        THERE, note="the engine's clock said nothing; the run's own time is taken"
    )


def test_a_controller_whose_clock_jumped_between_is_not_believed() -> None:
    for jump in (YEARS, -YEARS, LONGEST + timedelta(minutes=1)):
        read = Readings(ASKED, THERE + jump, THERE)
        assert clocks.of_snapshot(TRUE, read).time == THERE
        assert "controller" in clocks.of_snapshot(TRUE, read).note
        assert clocks.of_snapshot(TRUE - YEARS, read).doubt


offsets = st.timedeltas(-YEARS, YEARS)
near = st.timedeltas(-2 * TOLERANCE, 2 * TOLERANCE)


@given(st.one_of(offsets, near), st.integers(0, 2))
@example(timedelta(seconds=25, microseconds=1), 1)
@example(TOLERANCE + timedelta(seconds=4), 1)
def test_two_clocks_are_always_enough(off: timedelta, which: int) -> None:
    """A clock that is wrong by more than may be moves nothing; one that still agrees moves the time by as much."""
    found = moment(*(off if n == which else timedelta(0) for n in range(3)))
    moved = abs(off) if abs(off) <= TOLERANCE + (THERE - ASKED) else timedelta(0)
    assert found.doubt == ""
    assert ASKED - moved <= found.time <= THERE + moved


@given(offsets, offsets, offsets)
def test_a_time_that_is_used_is_near_two_clocks(
    engine: timedelta, controller: timedelta, appliance: timedelta
) -> None:
    found = moment(engine, controller, appliance)
    if not found.doubt:
        read = (TRUE + engine, THERE + controller, THERE + appliance)
        near = [abs(found.time - one) <= TOLERANCE + (THERE - ASKED) for one in read]
        assert sum(near) >= 2


def test_sets_of_which_only_the_run_is_known() -> None:
    start, end = TRUE, TRUE + timedelta(hours=1)
    assert clocks.of_run(TRUE + timedelta(minutes=3), start, end).time == TRUE + timedelta(
        minutes=3
    )
    assert clocks.of_run(start - TOLERANCE, start, end) == Moment(start)
    assert clocks.of_run(end + TOLERANCE, start, end) == Moment(end)
    found = clocks.of_run(TRUE + YEARS, start, end)
    assert (found.time, found.doubt) == (end, "")
    assert found.note == "the engine's clock said 2036-11-20T01:00:05Z; the end of the run is taken"
    assert (
        clocks.of_run(None, start, end).note
        == "the engine told no time; the end of the run is taken"
    )
    found = clocks.of_run(TRUE, start, start - timedelta(days=1))
    assert found.doubt == "its run began 2026-11-23T01:00:05Z and ended before that"


def test_the_future() -> None:
    now = TRUE - TOLERANCE
    assert clocks.future(Moment(TRUE, note="n"), now) == Moment(TRUE, note="n")
    assert clocks.future(Moment(TRUE, "d"), now - YEARS) == Moment(TRUE, "d")
    found = clocks.future(Moment(TRUE, note="n"), now - timedelta(seconds=1))
    assert found == Moment(
        TRUE,
        "it is dated 2026-11-23T01:00:05Z, and this machine's clock says 2026-11-23T00:50:04Z",
        "n",
    )
