# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one waiter, with a clock that passes without waiting."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FakeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineLoginError,
    EngineUnavailable,
    WaitTimeout,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    FIRST_PAUSE,
    GROWTH,
    Deadline,
    pauses,
)

timeouts = st.floats(0.01, 300)
intervals = st.floats(0.05, 60)
reading_times = st.floats(0, 30)


@given(intervals)
def test_pauses_begin_short_grow_and_are_bounded(longest: float) -> None:
    first = list(islice(pauses(longest), 30))
    assert first[0] == min(FIRST_PAUSE, longest)
    assert all(0 < pause <= longest for pause in first)
    assert all(one <= other <= one * GROWTH for one, other in pairwise(first))
    assert first[-1] == longest


@given(timeouts, intervals, reading_times)
def test_no_sleep_ends_after_the_deadline(timeout: float, interval: float, reading: float) -> None:
    clock = FakeClock()
    end = clock.time + timeout
    looks = []
    for waited in Deadline(clock, timeout, interval).ticks():
        looks.append(clock.time)
        assert clock.time <= end + 1e-9
        assert waited == pytest.approx(clock.time - 1000.0)
        clock.time += reading
    assert looks[0] == 1000.0, "the first look is taken at once"
    # The last look is taken when the time is up, or was still being taken then.
    assert looks[-1] + reading >= end - 1e-9
    assert all(nap <= interval for nap in clock.naps)


@given(timeouts, intervals)
def test_the_number_of_looks_is_bounded(timeout: float, interval: float) -> None:
    count = sum(1 for _waited in Deadline(FakeClock(), timeout, interval).ticks())
    assert 2 <= count <= timeout / min(interval, FIRST_PAUSE) + 3


def test_without_time_there_is_one_look() -> None:
    clock = FakeClock()
    assert list(Deadline(clock, 0, 3).ticks()) == [0]
    assert clock.naps == []


def test_what_is_there_already_is_not_waited_for() -> None:
    clock = FakeClock()
    seen = Deadline(clock, 60, 3).wait_for(lambda: "ok", lambda state: state == "ok", what="it")
    assert seen == "ok"
    assert clock.naps == []


@given(timeouts, intervals, st.floats(0, 1))
def test_what_comes_in_time_is_seen(timeout: float, interval: float, part: float) -> None:
    clock = FakeClock()
    ready = clock.time + timeout * part
    seen = Deadline(clock, timeout, interval).wait_for(
        clock.now, lambda time: time >= ready - 1e-9, what="the moment"
    )
    assert seen <= min(ready + interval, 1000.0 + timeout) + 1e-9


def test_what_does_not_come_is_a_timeout_that_names_the_last_state() -> None:
    clock = FakeClock()
    states = iter(["locked", *["ok but slow"] * 100])
    with pytest.raises(WaitTimeout) as caught:
        Deadline(clock, 10, 3).wait_for(
            lambda: next(states), lambda _state: False, what="the merge", describe=str.upper
        )
    error = caught.value
    assert error.message == "Waited 10 s for the merge; last seen: OK BUT SLOW."
    assert error.details == {"waited_seconds": 10.0, "last_state": "OK BUT SLOW"}
    assert error.hint == f"Raise {option('timeout')} if the engine is slow."


@pytest.mark.parametrize("error", [EngineLoginError("expired"), EngineUnavailable("gone")])
def test_an_engine_that_does_not_answer_is_not_taken_for_not_yet(error: Exception) -> None:
    clock = FakeClock()

    def read() -> str:
        raise error

    with pytest.raises(type(error)):
        Deadline(clock, 10, 3).wait_for(read, bool, what="it")
    assert clock.naps == []


def test_the_predicate_may_end_the_wait() -> None:
    def done(_state: str) -> bool:
        raise RuntimeError("it will never be")

    with pytest.raises(RuntimeError, match="never"):
        Deadline(FakeClock(), 10, 3).wait_for(lambda: "x", done, what="it")


def test_time_is_counted_from_the_beginning_over_several_waits() -> None:
    clock = FakeClock()
    deadline = Deadline(clock, 10, 1)
    clock.time += 9
    with pytest.raises(WaitTimeout):
        deadline.wait_for(lambda: "x", lambda _state: False, what="it")
    assert clock.time == pytest.approx(1010)
    assert deadline.waited == pytest.approx(10)


def test_nothing_begins_when_the_time_of_the_operation_is_over() -> None:
    clock = FakeClock()
    deadline = Deadline(clock, 10, 1)
    clock.time += 9
    deadline.begin("the second disk")
    over = [deadline.over]
    clock.time += 1
    assert [*over, deadline.over] == [False, True]
    with pytest.raises(WaitTimeout) as caught:
        deadline.begin("the third disk")
    error = caught.value
    assert error.message == "No time is left for the third disk: the operation has taken 10 s."
    assert error.hint == f"{option('timeout')} is the time of the whole operation: raise it."
    assert error.details == {"waited_seconds": 10.0}


@given(timeouts, timeouts, st.floats(0, 2))
def test_a_part_takes_no_longer_than_the_whole(whole: float, part: float, begun: float) -> None:
    clock = FakeClock()
    deadline = Deadline(clock, whole, 1)
    clock.time += whole * begun
    began = clock.time
    assert len(list(deadline.part(part).ticks())) > 0
    left = max(whole - whole * begun, 0.0)
    assert clock.time - began == pytest.approx(min(part, left), abs=1e-6)
    assert deadline.waited == clock.time - 1000.0
