# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a backup would hold: VMs, disks, sizes, and every problem."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import (
    version,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    InvalidRequest,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    NO_CHECKPOINTS,
    DiskId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import (
    stamp,
    takeover,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    backup_plan_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
    ApplianceOverview,
    SourceOverview,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import (
    facts,
    granting,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    ReadOnly,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    BackupPlanEngine,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
        BackupPlanRequest,
    )


class BackupPlanInfo(ReadOnly[BackupPlanEngine]):
    """The plan of a backup: VMs, disks, sizes, and every problem."""

    def __init__(
        self, engine: BackupPlanEngine, clock: Clock, patience: Patience, request: BackupPlanRequest
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[NoStep]:
        """Read the appliance and each VM. A VM with a problem does not hide the others.

        Raises:
            errors.BackupError: The appliance cannot be read; without it no VM can be backed up.
        """
        request = self._request
        mark = self._mark()
        self._settle(mark)
        vm = facts.find_appliance(self._engine, request.appliance)
        held = facts.holdings(self._engine, vm) if self._engine.attachments(vm.id) else ()
        version_now = self._engine.version()
        given, unread = granting.read(self._engine) if request.check_permissions else (None, ())
        found = backup_plan_info.once(self._source(word, version_now) for word in request.sources)
        left = [one for source in found for one in self._left(source, held, mark)]
        appliance = ApplianceOverview(
            vm=vm,
            location=self._engine.location(vm),
            engine_version=version_now,
            held_disk_ids=tuple(one.disk_id for one in held),
            dead_disk_ids=tuple(disk for one in left for disk in one.attached),
            grants=given,
        )
        found = [self._with_stuck(source, left) for source in found]
        plans = [backup_plan_info.source_dict(source, appliance) for source in found]
        return Plan(
            result={
                "run_id": request.run_id,
                "started": request.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "description": mark.text(),
                "engine_version": version_now,
                "collection_version": version.VERSION,
                "token": not self._engine.own_session(),
                "appliance": backup_plan_info.appliance_dict(appliance),
                "plans": plans,
                "leftovers": [one.to_dict() for one in left],
                "required_bytes": sum(plan["required_bytes"] for plan in plans),
            },
            warnings=(*unread, *(text for plan in plans for text in plan["warnings"])),
        )

    def _mark(self) -> stamp.Stamp:
        """Return the stamp of this run."""
        expires = self._request.started + timedelta(hours=self._request.lease_hours)
        return stamp.make(self._request.owner, self._request.run_id, expires)

    def _settle(self, mark: stamp.Stamp) -> None:
        """Wait while the engine makes or merges a snapshot of another run. What is locked after that is reported."""
        if not self._request.settle:
            return
        vms = []
        for word in self._request.sources:
            # A VM that is not found is reported later.
            with suppress(NotFound, Ambiguous, InvalidRequest):
                vms.append(facts.find_vm(self._engine, word).id)
        started = self._request.started
        for _waited in self.deadline(self._request.settle).ticks():
            left = [
                one
                for vm_id in vms
                for one in takeover.leftovers(
                    vm_id, self._engine.snapshots(vm_id), (), mark, started
                )
            ]
            if all(one.status != "locked" for one in left):
                return

    def _left(
        self, source: SourceOverview, held: Sequence[Holding], mark: stamp.Stamp
    ) -> tuple[takeover.Leftover, ...]:
        """Return what dead runs of this owner left of a VM."""
        if source.vm is None:
            return ()
        return takeover.leftovers(source.vm.id, source.snapshots, held, mark, self._request.started)

    def _with_stuck(
        self, source: SourceOverview, left: Sequence[takeover.Leftover]
    ) -> SourceOverview:
        """Add leftovers of earlier runs that cannot be removed now."""
        mine = [one for one in left if source.vm and one.vm_id == source.vm.id]
        if source.vm is None or source.vm.status == "down" or not mine:
            return source
        layers = [
            (disk, [layer.snapshot_id for layer in self._engine.layers(DiskId(disk.disk_id))])
            for disk in facts.unplugged(self._engine, source.vm)
        ]
        problems = backup_plan_info.stuck(source.vm, mine, layers)
        return replace(source, problems=(*source.problems, *problems))

    def _source(self, word: str, engine_version: str) -> SourceOverview:
        try:
            vm = facts.find_vm(self._engine, word)
        except (NotFound, Ambiguous, InvalidRequest) as exc:
            return SourceOverview(word, problems=(f"{exc.message} {exc.hint}".strip(),))
        loose = () if vm.status == "down" else facts.unplugged(self._engine, vm)
        leave = self._request.unplugged == "leave_out"
        asked = self._request.checkpoints == "refuse" and rules.clears_checkpoints(engine_version)
        return SourceOverview(
            word,
            vm,
            tuple(facts.vm_disks(self._engine, vm)),
            checkpointed=facts.checkpointed(self._engine, vm) if asked else NO_CHECKPOINTS,
            location=self._engine.location(vm),
            unplugged=() if leave else loose,
            unwanted=tuple(one.disk_id for one in loose) if leave else (),
            snapshots=tuple(self._engine.snapshots(vm.id)),
        )
