# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One waiter. The clock is handed in, so that nothing here sleeps by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Protocol, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    WaitTimeout,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

State = TypeVar("State")

FIRST_PAUSE = 0.1
"""Seconds before the second look. The first is taken at once."""

GROWTH = 1.6


class Clock(Protocol):
    """Monotonic seconds, and a way to let them pass."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Do nothing for so long."""


def pauses(longest: float) -> Iterator[float]:
    """Pauses between looks, in seconds: short at first, then growing up to ``longest``."""
    pause = min(FIRST_PAUSE, longest)
    while True:
        yield pause
        pause = min(pause * GROWTH, longest)


class Deadline:
    """Time left for one operation.

    Args:
        timeout: Seconds from now.
        poll_interval: Longest pause between two looks, in seconds.
    """

    def __init__(self, clock: Clock, timeout: float, poll_interval: float) -> None:
        self._clock = clock
        self._start = clock.now()
        self._timeout = timeout
        self._poll_interval = poll_interval

    @property
    def waited(self) -> float:
        """Seconds since the beginning."""
        return self._clock.now() - self._start

    def ticks(self) -> Iterator[float]:
        """Yield the seconds waited, at once and then after each pause, until time is up.

        The last look is taken when the time is up, not before.
        """
        yield self.waited
        for pause in pauses(self._poll_interval):  # pragma: no branch  (they never end)
            left = self._timeout - self.waited
            if left <= 0:
                return
            self._clock.sleep(min(pause, left))
            yield self.waited
            if pause >= left:
                return

    def wait_for(
        self,
        read: Callable[[], State],
        done: Callable[[State], bool],
        *,
        what: str,
        describe: Callable[[State], str] = str,
    ) -> State:
        """Read until ``done`` says so.

        ``done`` may raise to end the wait early; what ``read`` raises is never taken for "not yet".

        Raises:
            WaitTimeout: with the last state and the seconds waited.
        """
        last = "nothing"
        for _waited in self.ticks():
            state = read()
            if done(state):
                return state
            last = describe(state)
        raise self.timeout_error(what, last)

    def timeout_error(self, what: str, last: str) -> WaitTimeout:
        """Make the error that says what did not happen in time."""
        return WaitTimeout(
            f"Waited {self.waited:.0f} s for {what}; last seen: {last}.",
            hint=f"Raise {option('timeout')} if the engine is slow.",
            details={"waited_seconds": round(self.waited, 1), "last_state": last},
        )
