# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that every operation makes before it does anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Step_co = TypeVar("Step_co", covariant=True)

NoStep = NoReturn
"""The step of an operation that changes nothing: ``Plan[NoStep]`` has no steps."""


@dataclass(frozen=True)
class Plan(Generic[Step_co]):
    """A decision: the steps to take, and the state before and after them.

    The type parameter names the kinds of steps: a dataclass, or a union of several.

    Attributes:
        steps: What to do, in order. Without steps nothing changes.
        result: Result keys that are known before anything is done.
        before: State before, for diff mode.
        after: State after, for diff mode.
        warnings: Texts for the user.
        waits: Nothing is to be changed, but something in progress must be waited for.
    """

    steps: tuple[Step_co, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    waits: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything would change."""
        return bool(self.steps)


class UnhandledStep(Exception):
    """A plan has a step that its operation does not handle: a defect of this collection."""

    def __init__(self, step: object) -> None:
        """Name the step."""
        super().__init__(f"No operation handles this step: {step!r}. It was not done.")


def unhandled(step: NoReturn) -> NoReturn:
    """End a dispatch over the kinds of steps: mypy proves that none is left, and at run time this raises.

    It stands in for ``typing.assert_never``, which Python 3.9 does not have.

    Raises:
        UnhandledStep: Always.
    """
    raise UnhandledStep(step)
