# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow the module support_job as disk_image_copy follows a copy."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.ovirt_community.backup.plugins.plugin_utils._following import Follower


class ActionModule(ActionBase):
    """The module, called until its job has ended or the limit is over."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        super().run(tmp, task_vars)
        follower = Follower(
            self, self._task, self._connection, task_vars or {}, "ansible.legacy.support_job"
        )
        return follower.run()
