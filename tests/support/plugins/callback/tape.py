# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write each result to a tape, with what the lab saw meanwhile; give the lab its orders before a task."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from ansible.executor.task_result import TaskResult
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

from lab.control import Control

DOCUMENTATION = """
name: tape
type: notification
short_description: Write results for tests
description: Writes each result as a line of JSON to the file named by SUPPORT_TAPE.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc, unused-ignore]
    """The tape of one run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "tape"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._tape = Path(os.environ["SUPPORT_TAPE"])
        self._control = Control(os.environ["SUPPORT_CONTROL"])
        self._orders: dict[str, Any] = json.loads(os.environ["SUPPORT_ORDERS"])

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:  # noqa: ARG002
        """Carry out the orders for this task; count requests from here."""
        for name, values in self._orders.get(task.get_name().strip(), ()):
            getattr(self._control, name)(**values)
        self._control.forget_requests()

    def v2_runner_on_ok(self, result: TaskResult) -> None:
        """Write."""
        self._write(result, False)

    def v2_runner_on_failed(self, result: TaskResult, ignore_errors: bool = False) -> None:  # noqa: ARG002
        """Write."""
        self._write(result, True)

    def v2_runner_on_unreachable(self, result: TaskResult) -> None:
        """Write."""
        self._write(result, True)

    def _write(self, result: TaskResult, failed: bool) -> None:
        entry = {
            "task": result._task.get_name().strip(),
            "failed": failed,
            "result": result._result,
            "requests": [dataclasses.asdict(one) for one in self._control.requests()],
            "world": self._control.world(),
        }
        with self._tape.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=str) + "\n")
