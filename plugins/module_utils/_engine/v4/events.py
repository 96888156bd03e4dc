# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events over API v4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EVENTS_AT_ONCE,
)
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
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Event,
    )


class V4Events(V4Service):
    """The implementation of ``ports.EventPort``."""

    def events(self, search: str) -> list[Event]:
        """Return the matching events, newest first."""
        with translated("read events"):
            found = self._system.events_service().list(search=search, max=EVENTS_AT_ONCE)
        return sorted((convert.event(one) for one in found), key=lambda one: -one.index)
