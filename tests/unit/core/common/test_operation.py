# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one operation type, and the one runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
    ReadOnlyOperation,
    perform,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
    UnhandledStep,
    unhandled,
)


@dataclass(frozen=True)
class Open:
    """A step."""


@dataclass(frozen=True)
class Shut:
    """Another step."""


Step = Open | Shut


@dataclass
class Ticking:
    """Every look at it is a second later."""

    seconds: float = 0.0

    def now(self) -> float:
        self.seconds += 1
        return self.seconds

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError(seconds)


@dataclass
class Door(Operation[Step]):
    """Remembers what was done."""

    steps: tuple[Any, ...] = ()
    deed: Mapping[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    closed: int = 0

    def plan(self) -> Plan[Step]:
        return Plan(self.steps, {"door": "main"}, {"is": 1}, {"is": 2}, ("It creaks.",))

    def execute(self, plan: Plan[Step], /) -> Mapping[str, Any]:
        for step in plan.steps:
            if isinstance(step, Open):
                self.done.append("open")
            elif isinstance(step, Shut):
                self.done.append("shut")
            else:
                unhandled(step)
        return self.deed

    def close(self) -> None:
        self.closed += 1


class Look(ReadOnlyOperation):
    """Only looks."""

    def plan(self) -> Plan[NoStep]:
        return Plan(result={"seen": 1})


def test_a_run_plans_executes_and_closes() -> None:
    door = Door((Open(), Shut()), {"door": "back", "warnings": ["It is heavy."]})
    result, warnings = perform(door, Ticking(), check_mode=False)
    assert door.done == ["open", "shut"]
    assert door.closed == 1
    assert result == {
        "door": "back",
        "changed": True,
        "diff": {"before": {"is": 1}, "after": {"is": 2}},
        "seconds": 1.0,
    }
    assert warnings == ("It creaks.", "It is heavy.")


def test_check_mode_does_nothing() -> None:
    door = Door((Open(),))
    result, _warnings = perform(door, Ticking(), check_mode=True)
    assert (door.done, door.closed, result["changed"]) == ([], 1, True)


def test_a_step_that_nobody_handles_is_an_error_and_the_operation_is_closed() -> None:
    door = Door((Open(), "jump"))
    with pytest.raises(UnhandledStep, match=r"'jump'\. It was not done"):
        perform(door, Ticking(), check_mode=False)
    assert (door.done, door.closed) == (["open"], 1)


def test_an_operation_that_only_looks_refuses_every_step() -> None:
    assert perform(Look(), Ticking(), check_mode=False)[0]["changed"] is False
    assert Look().execute(Plan()) == {}
    strange: Plan[Any] = Plan(steps=("jump",))
    with pytest.raises(UnhandledStep, match="jump"):
        Look().execute(strange)


def test_a_deed_may_know_better_how_long_it_took() -> None:
    door = Door((Open(),), {"seconds": 7.5, "changed": False})
    result, _warnings = perform(door, Ticking(), check_mode=False)
    assert (result["seconds"], result["changed"]) == (7.5, False)
