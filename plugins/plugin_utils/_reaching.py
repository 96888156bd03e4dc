# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the controller: turn a lost appliance into an ordinary failure.

Ansible removes a host that it cannot reach from the play at once and skips ``rescue`` and
``always``. Then nothing would detach the disks and remove the snapshot, although the engine can be
reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ApplianceUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible.plugins.action import ActionBase

Result = dict[str, Any]


class ApplianceAction(NormalAction):
    """An action that runs a module on the appliance as Ansible does, but fails if the connection is lost."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Run the task."""
        run: Callable[..., Result] = super().run
        return fail_if_lost(self, task_vars or {}, lambda: run(tmp, task_vars))


def fail_if_lost(
    action: ActionBase,
    variables: Mapping[str, Any],
    run: Callable[[], Result],
    hint: str = "",
) -> Result:
    """Run a task on the appliance; fail if the connection is lost.

    Args:
        action: The action that runs it.
        variables: The variables of the task.
        run: Runs the task.
        hint: What to do if the appliance is lost.

    Returns:
        What ``run`` returned, or a failure with the code of ``ApplianceUnavailable``.
    """
    try:
        result = run()
    except AnsibleConnectionFailure as exc:
        result = {"unreachable": True, "msg": str(exc)}
    if not result.get("unreachable"):
        return result
    # Otherwise Ansible would connect again to remove its directory.
    action._connection._shell.tmpdir = None
    host = variables.get("inventory_hostname", "")
    lost = ApplianceUnavailable(
        f"The appliance {host} cannot be reached: {result.get('msg')}", hint=hint
    )
    return {"failed": True, **lost.as_result()}
