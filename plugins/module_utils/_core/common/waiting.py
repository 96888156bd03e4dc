# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one waiter. It takes its clock as an argument and never sleeps by itself."""

from __future__ import annotations

from copy import copy
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
"""Seconds between the first look, which is immediate, and the second."""

GROWTH = 1.6


class Clock(Protocol):
    """A monotonic clock that can also sleep."""

    def now(self) -> float:
        """Return the seconds since a fixed moment; they never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait for so many seconds."""


def pauses(longest: float, first: float = FIRST_PAUSE) -> Iterator[float]:
    """Yield the pauses between looks, in seconds: short at first, then growing up to ``longest``."""
    pause = min(first, longest)
    while True:
        yield pause
        pause = min(pause * GROWTH, longest)


class Deadline:
    """The time left for one operation. Everything that waits uses it.

    Args:
        timeout: Seconds from now; ``math.inf`` if something else ends the wait.
        poll_interval: Longest pause between two looks, in seconds.
        first_pause: Seconds before the second look.
    """

    def __init__(
        self,
        clock: Clock,
        timeout: float,
        poll_interval: float,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._clock = clock
        self._start = clock.now()
        self._timeout = timeout
        self._poll_interval = poll_interval
        self._first_pause = first_pause

    @property
    def waited(self) -> float:
        """The seconds since the beginning."""
        return self._clock.now() - self._start

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return self.waited >= self._timeout

    def part(self, seconds: float) -> Deadline:
        """Return the deadline of a part: so many seconds from now, but no later than that of the whole.

        It counts the seconds waited from the beginning of the whole.
        """
        part = copy(self)
        part._timeout = min(self._timeout, self.waited + seconds)
        return part

    def begin(self, what: str) -> None:
        """Refuse to begin something when no time is left.

        Raises:
            WaitTimeout: Time is up.
        """
        if self.over:
            raise WaitTimeout(
                f"No time is left for {what}: the operation has taken {self.waited:.0f} s.",
                hint=f"{option('timeout')} is the time of the whole operation: raise it.",
                details={"waited_seconds": round(self.waited, 1)},
            )

    def ticks(self) -> Iterator[float]:
        """Yield the seconds waited, at once and then after each pause, until time is up.

        The last look comes when the time is up, not before.
        """
        yield self.waited
        growing = pauses(self._poll_interval, self._first_pause)
        for pause in growing:  # pragma: no branch  (they never end)
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
        """Read the state again and again until ``done`` accepts it; return it.

        ``done`` may raise to end the wait early. An error from ``read`` ends it too: it never
        counts as "not yet".

        Raises:
            WaitTimeout: Time is up; has the last state and the seconds waited.
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
