# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module or a job does, and the one way in which it is done."""

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
    """Something to have done, decided and done apart.

    The type parameter names the kinds of steps that it plans and handles.
    """

    @abstractmethod
    def plan(self) -> Plan[Step]:
        """Read the state and decide. Changes nothing."""

    @abstractmethod
    def execute(self, plan: Plan[Step], /) -> Mapping[str, Any]:
        """Do what was decided; return the result keys that only the deed can fill.

        Raises:
            UnhandledStep: A step is of a kind that the operation does not know.
        """

    def predict(self) -> Plan[Step]:
        """Decide for check mode. It is the plan of a real run unless an operation can say more.

        Raises:
            BackupError: What a real run would meet only when it acts.
        """
        return self.plan()

    def close(self) -> None:
        """Give back what the operation holds. It is called once, whatever happened."""
        return


class ReadOnlyOperation(Operation[NoStep]):
    """An operation that only looks: its plan has no steps."""

    def execute(self, plan: Plan[NoStep], /) -> Mapping[str, Any]:
        """Do nothing.

        Raises:
            UnhandledStep: The plan has a step all the same.
        """
        if plan.changed:
            raise UnhandledStep(plan.steps[0])
        return {}


def perform(
    operation: Operation[Step], clock: Clock, *, check_mode: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Plan an operation, execute it unless in check mode, and close it.

    This is the only way in which modules and jobs run an operation. What the deed returns replaces what the
    plan said: a deed that was planned elsewhere, in a job of its own, says itself what it changed, how long
    it took, and of what to warn.

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
