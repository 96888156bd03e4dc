# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in which a module or a job does its work: an operation, and what runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
    UnhandledStep,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )

Step = TypeVar("Step")


class Operation(ABC, Generic[Step]):
    """Work of a module or a job; deciding and doing are separate.

    The type parameter names the kinds of steps that the operation plans and handles.
    """

    @abstractmethod
    def plan(self) -> Plan[Step]:
        """Read the state and decide. Changes nothing."""

    @abstractmethod
    def execute(self, plan: Plan[Step], /) -> Mapping[str, Any]:
        """Take the planned steps; return the result keys that are known only afterwards.

        Raises:
            UnhandledStep: The operation does not know a step's kind.
        """

    def predict(self) -> Plan[Step]:
        """Decide for check mode: by default, the plan of a real run.

        Raises:
            BackupError: An error that a real run would meet only while it acts.
        """
        return self.plan()

    def close(self) -> None:
        """Release what the operation holds. Called exactly once, also after an error."""
        return


class ReadOnlyOperation(Operation[NoStep]):
    """An operation that only reads: its plan has no steps."""

    def execute(self, plan: Plan[NoStep], /) -> Mapping[str, Any]:
        """Do nothing.

        Raises:
            UnhandledStep: The plan has a step.
        """
        if plan.changed:
            raise UnhandledStep(plan.steps[0])
        return {}


def perform(
    operation: Operation[Step], clock: Clock, *, check_mode: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Plan an operation, execute the plan unless in check mode, and close the operation.

    Modules and jobs run an operation only through this function. Result keys from ``execute``
    replace those of the plan: a job of its own says itself whether it changed something, how long
    it took, and what it warns of.

    Returns:
        The result and the warnings.
    """
    began = clock.now()
    try:
        plan = operation.predict() if check_mode else operation.plan()
        result = {
            **plan.result,
            "changed": plan.changed,
            "diff": {"before": dict(plan.before), "after": dict(plan.after)},
        }
        if not check_mode and (plan.changed or plan.waits):
            result.update(operation.execute(plan))
    finally:
        operation.close()
    result.setdefault("seconds", round(clock.now() - began, 2))
    return result, (*plan.warnings, *result.pop("warnings", ()))
