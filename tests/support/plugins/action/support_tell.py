# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a line as a long copy does."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.ovirt_community.backup.plugins.plugin_utils import _following as following


class ActionModule(ActionBase):
    """An action whose line comes from the process that runs the task, not from that of the play."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Show the line."""
        super().run(tmp, task_vars)
        following.tell(Display(), str(self._task.args["line"]))
        return {"changed": False}
