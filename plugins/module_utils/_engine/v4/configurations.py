# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations over API v4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import (
    convert,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    translated,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.service import (
    ALL_CONTENT,
    V4Service,
    or_none,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.extras import (
        Extras,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        SnapshotId,
        VmId,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
        SdkObject,
    )


class V4Configurations(V4Service):
    """The implementation of ``ports.ConfigurationPort``."""

    def ovf(self, vm_id: VmId, snapshot_id: SnapshotId | None) -> str | None:
        """Read the stored configuration. SDK 4 has no working argument for it (docs/engine.md#the-python-sdk)."""
        service: SdkObject = self._vm(vm_id)
        if snapshot_id is not None:
            service = service.snapshots_service().snapshot_service(snapshot_id)
        with translated(f"read the configuration of VM {vm_id}"):
            found = or_none(lambda: service.get(query=ALL_CONTENT))
        initialization = None if found is None else found.initialization
        configuration = None if initialization is None else initialization.configuration
        return None if configuration is None else configuration.data

    def extras(self, vm_id: VmId) -> Extras | None:
        """Return a VM's settings that are not in its configuration; None if there is no such VM."""
        with translated(f"read VM {vm_id}"):
            found = or_none(self._vm(vm_id).get)
        return None if found is None else convert.extras(found)
