# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a snapshot has and what an appliance holds, with the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    Snapshot,
    Vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import (
    stamp,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    device_dict,
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
    ReadingEngine,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_info import (
        InfoRequest,
    )


class DiskSnapshotInfo(ReadOnly[ReadingEngine]):
    """What a snapshot has and what an appliance holds, with the evidence."""

    def __init__(
        self, engine: ReadingEngine, clock: Clock, patience: Patience, request: InfoRequest
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[NoStep]:
        """Read both; there is nothing to do."""
        return Plan(result={**self._of_appliance(), **self._of_snapshot()})

    def _of_appliance(self) -> dict[str, Any]:
        if self._request.appliance is None:
            return {"appliance": None, "attachments": []}
        appliance = facts.find_vm(self._engine, self._request.appliance)
        held = facts.holdings(self._engine, appliance)
        return {
            "appliance": {"id": appliance.id, "name": appliance.name, "status": appliance.status},
            "attachments": [
                {**one.to_dict(), **self._owner(appliance, one)}
                for one in held
                if one.is_disk_snapshot
            ],
        }

    def _owner(self, appliance: Vm, held: Holding) -> dict[str, Any]:
        """Find the source VM by a snapshot's id: the engine ignores the VM in the URL (docs/engine.md#faults)."""
        word = held.snapshot_id or next(iter(held.candidates), None)
        found: Snapshot | None = None
        if word is not None:
            found = self._engine.snapshot(appliance.id, word)
        if found is None:
            return {"source_vm_id": None, "snapshot_description": None, "stamp": None}
        known = held.snapshot_id is not None
        mark = stamp.parse(found.description) if known else None
        return {
            "source_vm_id": found.vm_id,
            "snapshot_description": found.description if known else None,
            "stamp": mark.to_dict() if mark is not None else None,
        }

    def _of_snapshot(self) -> dict[str, Any]:
        request = self._request
        if request.source is None:
            return {"source_vm": None, "snapshot": None, "snapshots": [], "disks": []}
        source = facts.find_vm(self._engine, request.source)
        regular = [one for one in self._engine.snapshots(source.id) if one.type != "active"]
        result: dict[str, Any] = {
            "source_vm": {"id": source.id, "name": source.name, "status": source.status},
            "snapshots": [snapshot_dict(one) for one in regular],
            "snapshot": None,
            "disks": [],
        }
        if request.snapshot is not None:
            snapshot = facts.find_snapshot(self._engine, source, request.snapshot)
            disks = facts.exact_disks(self._engine, source, snapshot)
            result["snapshot"] = snapshot_dict(snapshot)
            result["disks"] = [device_dict(disk, AttachSettings()) for disk in disks]
        return result
