# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run vm_guard, which may wait for hours, and report meanwhile which backup it waits for."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.ovirt_community.backup.plugins.plugin_utils._waiting import MODULE, Waiter


class ActionModule(ActionBase):
    """The action that calls the module of this name again and again while it waits."""

    _supports_async = True
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        super().run(tmp, task_vars)
        if self._task.async_val:
            # An asynchronous task runs in the background, where nobody sees these lines.
            return dict(
                self._execute_module(module_name=MODULE, task_vars=task_vars, wrap_async=True)
            )
        return Waiter(self, self._task, task_vars or {}).run()
