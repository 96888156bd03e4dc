# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the disks of a restore, hand them over, or remove incomplete ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    UnhandledStep,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    Plugging,
    Vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    restore_steps,
    restored_disks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import (
    facts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_state import (
    find_made,
    is_incomplete,
    receiver,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
        Deadline,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        RestoreEngine,
    )
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_operation import (
    RestoreOperation,
)


class RestoredDisks(RestoreOperation[restore_steps.DiskStep]):
    """The operation of ``restored_disks``."""

    def __init__(
        self,
        engine: RestoreEngine,
        clock: Clock,
        patience: Patience,
        request: restored_disks.DisksRequest,
    ) -> None:
        super().__init__(engine, clock, patience, request.mark)
        self._request = request
        self._appliance: Vm | None = None
        self._vm: Vm | None = None

    def plan(self) -> Plan[restore_steps.DiskStep]:
        """Read what exists, and decide."""
        engine, request = self._engine, self._request
        appliance = self._appliance = facts.find_vm(engine, request.appliance)
        vm = self._vm = receiver(engine, request.vm)
        if request.state == "present" and request.vm and vm is None:
            raise NotFound(f"There is no VM {request.vm!r}.", details={"vm": request.vm})
        now = restore_steps.Situation(
            mark=request.mark,
            appliance=appliance,
            orders=request.orders,
            made=find_made(engine, request.mark, (appliance, vm)),
            vm=vm,
            incomplete=vm is not None and is_incomplete(vm, request.mark),
            for_nobody=not request.vm,
        )
        if request.state == "prepared":
            return restored_disks.plan_prepared(now)
        if request.state == "present":
            return restored_disks.plan_handover(now)
        gone = restore_steps.plan_absent(replace(now, incomplete=False))
        facts_of_disks = {key: gone.result[key] for key in ("disks", "removed", "left")}
        return replace(gone, result={**facts_of_disks, "images": []})

    def execute(self, plan: Plan[restore_steps.DiskStep]) -> Mapping[str, Any]:
        """Take the steps."""
        appliance = self._appliance or facts.find_vm(self._engine, self._request.appliance)
        if self._request.state == "absent":
            self._clean(appliance, restore_steps.removals(plan))
            return {}
        made: dict[str, DiskId] = {}
        timeout = self._patience.timeout
        deadline = self.deadline(restore_steps.making_seconds(plan.steps, timeout))
        for step in plan.steps:
            deadline.begin("the next disk")
            self._step(step, appliance, made, deadline)
        if self._request.state == "present":
            return {}
        disks = [
            {**one, "new_disk_id": made.get(one["disk_id"], one["new_disk_id"])}
            for one in plan.result["disks"]
        ]
        disks = [{**one, "on_appliance": not one["on_vm"] and not one["finished"]} for one in disks]
        return {"disks": disks, "images": restored_disks.images(disks)}

    def _step(
        self,
        step: restore_steps.DiskStep,
        appliance: Vm,
        made: dict[str, DiskId],
        deadline: Deadline,
    ) -> None:
        """Take a step on the way to the disks.

        Args:
            made: The new disks by id of the original; a disk that is created is added.
        """
        if isinstance(step, restore_steps.CreateDiskStep):
            made[step.order.disk_id] = self._create(step, deadline)
        elif isinstance(step, restore_steps.PlugStep):
            disk_id = step.disk_id or made[step.order.disk_id]
            self._settled(disk_id, step.order.alias, deadline)
            plugging = Plugging(self._request.interface)
            self._plug(appliance, disk_id, plugging, deadline)
        elif isinstance(step, restore_steps.MoveStep):
            self._move(step, appliance, self._vm, deadline)
        elif isinstance(step, restore_steps.FinishDiskStep):
            text = self._mark.done_text(step.order.disk_id)
            self._describe(step.disk_id, text, self._vm, deadline)
        elif isinstance(step, restore_steps.RemoveDiskStep):
            self._remove(step, deadline)
        elif isinstance(step, (restore_steps.ReopenDiskStep, restore_steps.RemoveVmStep)):
            raise UnhandledStep(step)  # only a removal touches a VM
        else:
            unhandled(step)
