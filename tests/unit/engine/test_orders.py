# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders: repeated until carried out or finally refused, and never blindly sent twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FakeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineConflict,
    EngineError,
    EngineFault,
    EngineLoginError,
    EngineNotFound,
    EnginePermission,
    EngineUnavailable,
    EngineUntrusted,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Deadline,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.orders import (
    retry,
)

Failure = Callable[[], EngineError]


def fault(status: int, reason: str = "unknown", *, retryable: bool = False) -> EngineFault:
    kind = EngineConflict if status == 409 else EngineFault
    return kind(
        f"{reason} ({status})", reason=reason, retryable=retryable, details={"status": status}
    )


def lost() -> EngineError:
    return EngineUnavailable("connection dropped")


def crashed() -> EngineError:
    return fault(500)


def locked() -> EngineError:
    return fault(409, "object_locked", retryable=True)


FOR_A_WHILE: tuple[Failure, ...] = (lost, crashed, locked)
FOR_GOOD: tuple[Failure, ...] = (
    lambda: fault(409, "boot_in_use"),
    lambda: fault(400, "plug_failed"),
    lambda: fault(400),
    lambda: fault(409),
    lambda: fault(500, "disk_illegal"),
    lambda: EngineNotFound("gone"),
)
AT_ONCE: tuple[Failure, ...] = (
    lambda: EngineUntrusted("who are you"),
    lambda: EngineLoginError("session gone"),
    lambda: EnginePermission("you may not"),
)


@dataclass
class Engine:
    """Answers as it was told: per order, whether it has an effect and what is said of it."""

    answers: list[tuple[bool, EngineError | None]]
    clock: FakeClock = field(default_factory=FakeClock)
    done: bool = False
    log: list[str] = field(default_factory=list)

    def order(self) -> None:
        self.log.append("order")
        effect, error = self.answers.pop(0) if self.answers else (False, locked())
        self.done = self.done or effect
        if error is not None:
            raise error

    def read(self) -> bool:
        self.log.append("read")
        return self.done

    def run(self, timeout: float = 10) -> None:
        retry(self.order, self.read, Deadline(self.clock, timeout, 1))


def test_an_order_that_is_taken_is_given_once_and_not_looked_after() -> None:
    engine = Engine([(True, None)])
    engine.run()
    assert engine.log == ["order"]


@pytest.mark.parametrize("error", FOR_A_WHILE)
def test_what_passes_is_tried_again_after_a_look(error: Failure) -> None:
    engine = Engine([(False, error()), (False, error()), (True, None)])
    engine.run()
    assert engine.log == ["order", "read", "order", "read", "order"]
    assert len(engine.clock.naps) == 2


@pytest.mark.parametrize("error", [*FOR_A_WHILE, *FOR_GOOD])
def test_an_effect_whose_answer_was_lost_is_found_by_reading(error: Failure) -> None:
    """Also a refusal may be of the SDK's own repetition of an order that was carried out."""
    engine = Engine([(True, error())])
    engine.run()
    assert engine.log == ["order", "read"]
    assert engine.clock.naps == []


@pytest.mark.parametrize("error", FOR_GOOD)
def test_a_refusal_for_good_is_raised_at_once(error: Failure) -> None:
    engine = Engine([(False, error())])
    with pytest.raises(type(error())) as caught:
        engine.run()
    assert caught.value.message == error().message
    assert engine.log == ["order", "read"]
    assert engine.clock.naps == []


@pytest.mark.parametrize("error", AT_ONCE)
def test_who_may_not_ask_does_not_ask_again(error: Failure) -> None:
    engine = Engine([(False, error())])
    with pytest.raises(type(error())):
        engine.run()
    assert engine.log == ["order"]


@pytest.mark.parametrize("error", FOR_A_WHILE)
def test_when_the_time_is_up_the_last_refusal_is_raised(error: Failure) -> None:
    engine = Engine([(False, error()) for _unused in range(100)])
    with pytest.raises(type(error())) as caught:
        engine.run(timeout=10)
    assert caught.value.message.startswith(error().message)
    assert engine.clock.time == pytest.approx(1010)
    assert engine.log[-2:] == ["order", "read"]


def test_without_time_the_order_is_given_once() -> None:
    engine = Engine([(False, locked())])
    with pytest.raises(EngineConflict):
        engine.run(timeout=0)
    assert engine.log == ["order", "read"]


def test_an_engine_that_cannot_be_read_either_is_not_ordered_again() -> None:
    engine = Engine([(True, lost())])

    def read() -> bool:
        raise EngineLoginError("session gone")

    with pytest.raises(EngineLoginError):
        retry(engine.order, read, Deadline(engine.clock, 10, 1))
    assert engine.log == ["order"]


answers = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([None, *FOR_A_WHILE, *FOR_GOOD, *AT_ONCE]),
    ),
    max_size=12,
)


@given(answers, st.floats(0, 20))
def test_never_blindly_twice(script: list[tuple[bool, Failure | None]], time: float) -> None:
    # An order that is taken without an error has had its effect.
    made = [(effect or error is None, error() if error else None) for effect, error in script]
    engine = Engine(list(made))
    try:
        engine.run(time)
    except EngineError:
        # Only who may not ask leaves it open whether it was done.
        orders = engine.log.count("order")
        last = made[orders - 1][1] if orders <= len(made) else None
        assert not engine.done or isinstance(
            last, (EngineUntrusted, EngineLoginError, EnginePermission)
        )
    else:
        assert engine.done
    # A look between any two orders, and no order after one that had an effect.
    assert "order order" not in " ".join(engine.log)
    orders = engine.log.count("order")
    assert not any(effect for effect, _error in made[: orders - 1])
    assert engine.clock.time <= 1000 + time + 1e-6


@pytest.mark.parametrize("error", FOR_A_WHILE)
def test_who_knows_what_may_be_under_way_is_asked_while_it_may(error: Failure) -> None:
    engine = Engine([(True, error())])
    asked = []

    def settled() -> bool:
        asked.append(len(engine.log))
        return True

    retry(engine.order, engine.read, Deadline(engine.clock, 10, 1), settled)
    assert engine.log == ["order"]
    assert asked == [1]


@pytest.mark.parametrize("error", FOR_GOOD)
def test_after_a_refusal_for_good_nothing_is_under_way(error: Failure) -> None:
    def settled() -> bool:
        raise AssertionError("nothing to wait for")

    engine = Engine([(True, error())])
    retry(engine.order, engine.read, Deadline(engine.clock, 10, 1), settled)
    assert engine.log == ["order", "read"]
