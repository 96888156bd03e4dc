# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the user may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineFault,
    EngineNotFound,
    EnginePermission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import permissions

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        PermissionPort,
    )

_UNREAD = "What this user may do could not be read, so a missing permit only shows when the engine refuses a call ({})."


def read(
    engine: PermissionPort,
) -> tuple[tuple[permissions.Grant, ...] | None, tuple[str, ...]]:
    """Read what the user may do; None and a warning where the engine does not tell.

    Raises:
        errors.EngineError: The engine is gone, or the login is.
    """
    try:
        mine = engine.own_permissions()
        if mine is None:
            return None, (_UNREAD.format("the engine does not say who the user is"),)
        roles = dict.fromkeys(one.role_id for one in mine)
        permits = {role_id: engine.permits(role_id) for role_id in roles}
    except (EngineFault, EngineNotFound, EnginePermission) as exc:
        return None, (_UNREAD.format(exc.message),)
    return permissions.grants(mine, permits), ()
