# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions over API v4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import (
    convert,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    translated,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.service import (
    V4Service,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
        Permission,
    )


class V4Permissions(V4Service):
    """The implementation of ``ports.PermissionPort``."""

    def own_permissions(self) -> list[Permission] | None:
        """Return grants to the user, to the user's groups and to everybody (docs/engine.md#permits)."""
        with translated("read the permissions of this user"):
            myself = self._system.get().authenticated_user
            if not convert.id_of(myself):
                return None
            service = self._system.users_service().user_service(myself.id)
            found = service.permissions_service().list()
        return [convert.permission(one) for one in found]

    def permits(self, role_id: str) -> list[str]:
        """Return the permits of a role, whether the user has it or not."""
        with translated(f"read the permits of role {role_id}"):
            role = self._system.roles_service().role_service(role_id)
            found = role.permits_service().list()
        return [str(one.name or "").lower() for one in found]
