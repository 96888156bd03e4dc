# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the controller: run a waiting guard in slices, and report meanwhile which backup it waits for."""

from __future__ import annotations

import math
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import vm_guard
from ansible_collections.ovirt_community.backup.plugins.plugin_utils._following import tell

MODULE = "ovirt_community.backup.vm_guard"
WAIT_SECONDS = 3600
"""Default of the option ``timeout``."""

BETWEEN_LINES = 300.0
"""Seconds between two lines, and so the longest call of the module."""

Result = dict[str, Any]


class Waiter:
    """One task, from its first look to the end of the wait."""

    def __init__(self, action: ActionBase, task: Task, variables: dict[str, Any]) -> None:
        """Keep what the calls need."""
        self._action = action
        self._args = dict(task.args)
        self._variables = variables
        self._display = Display()

    def run(self) -> Result:
        """Call until no rule forbids the operations or time is up.

        The last call fails by itself if a rule still does.
        """
        timeout = self._timeout()
        if timeout is None:
            return self._call()
        clock = SystemClock()
        began = clock.now()
        result = self._call(wait=False, fail=False)
        # Each call waits in the module, which looks at the engine.
        while result.get("allowed") is False:
            waited = clock.now() - began
            left = timeout - waited
            self._tell(result, max(left, 0.0))
            # The module counts whole seconds.
            if left <= BETWEEN_LINES:
                return self._call(timeout=max(math.ceil(left), 1), waited=waited)
            result = self._call(timeout=int(BETWEEN_LINES), waited=waited, fail=False)
        return result

    def _timeout(self) -> float | None:
        """Return the seconds to wait, None if the task does not wait. The module refuses an invalid value."""
        try:
            timeout = float(self._args.get("timeout", WAIT_SECONDS))
        except (TypeError, ValueError):
            return None
        waits = boolean(self._args.get("wait", False), strict=False)
        return timeout if waits and timeout > 0 else None

    def _call(self, **options: object) -> Result:
        return dict(
            self._action._execute_module(
                module_name=MODULE,
                module_args={**self._args, **options},
                task_vars=self._variables,
            )
        )

    def _tell(self, result: Result, left: float) -> None:
        tell(self._display, vm_guard.wait_line(result["vm"]["name"], result["violations"], left))
