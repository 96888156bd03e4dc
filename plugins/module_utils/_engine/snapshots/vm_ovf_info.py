# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the configuration of a VM."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import (
    arrival,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import (
    extras,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    snapshot_dict,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import (
    facts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    ReadOnly,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    ConfigurationEngine,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_ovf_info import (
        OvfRequest,
    )


class VmOvfInfo(ReadOnly[ConfigurationEngine]):
    """The configuration of a VM."""

    def __init__(
        self, engine: ConfigurationEngine, clock: Clock, patience: Patience, request: OvfRequest
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[NoStep]:
        """Read it; there is nothing to do.

        Raises:
            errors.NotFound: The engine has no configuration of the VM.
        """
        vm = facts.find_vm(self._engine, self._request.vm)
        snapshot = None
        if self._request.snapshot is not None:
            snapshot = facts.find_snapshot(self._engine, vm, self._request.snapshot)
        ovf = self._engine.ovf(vm.id, snapshot.id if snapshot else None)
        if not ovf:
            raise NotFound(
                f"The engine returned no configuration (OVF) of VM {vm.name!r}.",
                hint="The VM or an image may be locked: try again later. Or the engine has lost the snapshot's configuration: create another snapshot.",
            )
        beside = self._engine.extras(vm.id)
        if beside is not None:
            disks = [disk for _held, disk in facts.vm_disks(self._engine, vm)]
            profiles = {str(disk.id): disk.profile_id for disk in disks if disk.profile_id}
            ovf = extras.appended(ovf, replace(beside, disk_profiles=profiles))
        return Plan(
            result={
                "vm": {"id": vm.id, "name": vm.name},
                "snapshot": snapshot_dict(snapshot) if snapshot else None,
                "ovf": ovf,
                "ovf_sha256": arrival.digest(ovf),
            }
        )
