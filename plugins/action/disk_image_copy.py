# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run disk_image_copy in slices on the appliance: show progress, survive a lost connection."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.ovirt_community.backup.plugins.plugin_utils._following import Follower
from ansible_collections.ovirt_community.backup.plugins.plugin_utils._reaching import fail_if_lost


class ActionModule(ActionBase):
    """The action that calls the module of this name again and again until the copy has ended."""

    _supports_async = False
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        super().run(tmp, task_vars)
        follower = Follower(self, self._task, self._connection, task_vars or {})
        return fail_if_lost(self, task_vars or {}, follower.run)
