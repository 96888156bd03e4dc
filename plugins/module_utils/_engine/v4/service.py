# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the classes of API v4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
    ovirtsdk4,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        VmId,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
        SdkObject,
    )

ALL_CONTENT = {"all_content": "true"}
"""The query that asks for what the engine shows of an entity only on request."""


class V4Service:
    """The SDK's services that several ports use. ``session.V4Session`` opens them."""

    _system: SdkObject

    @property
    def _vms(self) -> SdkObject:
        return self._system.vms_service()

    @property
    def _disks(self) -> SdkObject:
        return self._system.disks_service()

    def _vm(self, vm_id: VmId) -> SdkObject:
        return self._vms.vm_service(vm_id)

    def _attachments(self, vm_id: VmId) -> SdkObject:
        return self._vm(vm_id).disk_attachments_service()

    def _snapshots(self, vm_id: VmId) -> SdkObject:
        return self._vm(vm_id).snapshots_service()


def or_none(call: Callable[[], SdkObject]) -> SdkObject:
    """Return what a read returns, None if the object does not exist."""
    try:
        return call()
    except ovirtsdk4.NotFoundError:
        return None


def correlation(text: str) -> dict[str, str]:
    """Return the header with the correlation id, which the engine writes into its events."""
    return {"Correlation-Id": text}
