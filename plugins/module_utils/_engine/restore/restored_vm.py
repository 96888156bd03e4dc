# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the VM of a restore, or remove an incomplete one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineNotFound,
    OperationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    UnhandledStep,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    NewVm,
    Vm,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    losses,
    restore_plan_info,
    restore_steps,
    restored_vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import (
    facts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.orders import (
    explain_refusal,
    retry,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore import (
    guest_agent,
    vm_settings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_state import (
    find_made,
    is_incomplete,
    named,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
        Deadline,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Location,
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


class RestoredVm(RestoreOperation[restore_steps.VmStep]):
    """The operation of ``restored_vm``."""

    def __init__(
        self,
        engine: RestoreEngine,
        clock: Clock,
        patience: Patience,
        request: restored_vm.VmRequest,
    ) -> None:
        super().__init__(engine, clock, patience, request.mark)
        self._request = request
        self._appliance: Vm | None = None
        self._place: Location | None = None
        self._lost: list[losses.Loss] = []
        self._guest = ""

    def plan(self) -> Plan[restore_steps.VmStep]:
        """Read what exists, and decide.

        Raises:
            Refused: Another VM has the name.
        """
        engine, request = self._engine, self._request
        appliance = self._appliance = facts.find_vm(engine, request.appliance)
        place = self._place = engine.location(appliance)
        vm = named(engine, request.name, place)
        made = find_made(engine, request.mark, (appliance, vm))
        incomplete = vm is not None and is_incomplete(vm, request.mark)
        state = state_of(vm, request.mark, made)
        now = restore_steps.Situation(
            mark=request.mark,
            appliance=appliance,
            orders=request.orders,
            made=made,
            vm=None if state == restore_plan_info.TAKEN else vm,
            incomplete=incomplete,
            tried=vm is not None and vm.comment == request.incomplete_text(),
        )
        if request.state == restore_steps.ABSENT:
            return restore_steps.plan_absent(now)
        if state == restore_plan_info.TAKEN:
            raise Refused(
                f"A VM {request.name!r} exists already and was not created by this restore. Existing VMs are never overwritten.",
                hint=f"Choose another {option('name', of='restore_plan_info')}.",
                details={"problems": ["name taken"], "vm_id": vm.id if vm else None},
            )
        if request.state == restore_steps.PREPARED:
            return restored_vm.plan_prepared_vm(now)
        test = request.state == restore_steps.TESTED
        if test and incomplete and vm is not None and vm.status == "up":
            expected, answered = self._expected(), guest_agent.answers(engine, vm)
            now = replace(now, expected=expected, answered=answered)
        return restored_vm.plan_vm(now, start=request.start, test=test)

    def _expected(self) -> bool:
        """Tell whether a guest agent answered at the time of the backup."""
        was = ovf.read(self._request.ovf).beside
        return was is not None and was.answered

    def execute(self, plan: Plan[restore_steps.VmStep]) -> Mapping[str, Any]:
        """Take the steps."""
        engine, request = self._engine, self._request
        appliance = self._appliance or facts.find_vm(engine, request.appliance)
        if request.state == restore_steps.ABSENT:
            self._clean(appliance, restore_steps.removals(plan))
            return {}
        found = plan.result["vm"]
        vm = engine.vm(VmId(found["id"])) if found else None
        deadline = self.deadline()
        for step in plan.steps:
            deadline.begin(f"the next step of VM {request.name!r}")
            if isinstance(step, restore_steps.ImportStep):
                vm = self._import(deadline)
            elif isinstance(step, restore_steps.REMOVALS):
                raise UnhandledStep(step)  # only a removal removes
            elif vm is None:
                raise EngineNotFound(
                    f"VM {request.name!r} no longer exists. Run the restore again to create it."
                )
            else:
                self._step(step, appliance, vm, plan, deadline)
        last = engine.vm(vm.id) if vm else None
        return {
            "vm": restore_steps.vm_dict(last),
            "losses": [asdict(one) for one in self._lost],
            "guest": self._guest,
        }

    def _step(
        self,
        step: restore_steps.OnVmStep,
        appliance: Vm,
        vm: Vm,
        plan: Plan[restore_steps.VmStep],
        deadline: Deadline,
    ) -> None:
        """Take a step on the existing VM."""
        if isinstance(step, restore_steps.TryStep):
            self._try(vm, deadline)
        elif isinstance(step, restore_steps.MoveStep):
            self._only_own(vm, plan)
            self._move(step, appliance, vm, deadline)
        elif isinstance(step, restore_steps.SettleVmStep):
            was = ovf.read(self._request.ovf)
            made = {one["disk_id"]: DiskId(one["new_disk_id"]) for one in plan.result["disks"]}
            self._lost.extend(vm_settings.apply_settings(self._engine, vm, was, made, deadline))
        elif isinstance(step, restore_steps.FinishDiskStep):
            text = self._mark.done_text(step.order.disk_id)
            self._describe(step.disk_id, text, vm, deadline)
        elif isinstance(step, restore_steps.FinishVmStep):
            self._only_own(vm, plan)
            self._finish_vm(vm, deadline)
        elif isinstance(step, restore_steps.StartStep):
            self._start(vm, deadline)
        elif isinstance(step, restore_steps.AskStep):
            self._ask(vm, deadline)
        else:
            unhandled(step)

    def _ask(self, vm: Vm, deadline: Deadline) -> None:
        """See whether a guest answers, unless the task does not wait; in a test it must, if it did at the backup."""
        if not self._patience.wait:
            return
        if self._request.state == restore_steps.TESTED and self._expected():
            guest_agent.await_answer(self._engine, vm, deadline)
        answers = guest_agent.answers(self._engine, vm)
        self._guest = restore_steps.ANSWERED if answers else restore_steps.SILENT

    def _import(self, deadline: Deadline) -> Vm:
        """Import the VM, without disks, with the mark in its comment."""
        request = self._request
        prepared = ovf.for_import(request.ovf, dict(request.connections))
        new = NewVm(
            request.name,
            self._mark.begun_text(),
            request.cluster_id,
            prepared,
            not request.keep_identity,
        )

        def there() -> Vm | None:
            place = self._place
            vm = named(self._engine, request.name, place) if place else None
            return vm if vm and is_incomplete(vm, self._mark) else None

        with explain_refusal():
            retry(
                lambda: self._engine.import_vm(new, self._mark.restore_id),
                lambda: there() is not None,
                deadline,
            )
        vm = deadline.wait_for(
            there,
            lambda one: one is not None and one.status == "down",
            what=f"VM {request.name!r}",
            describe=lambda one: one.status if one else "not there",
        )
        if vm is None:  # pragma: no cover  (the wait has seen it)
            raise EngineNotFound(f"VM {request.name!r} is gone.")
        return vm

    def _only_own(self, vm: Vm, plan: Plan[restore_steps.VmStep]) -> None:
        """Check that the new VM has only disks of this restore.

        Raises:
            Refused: The engine gave it another one.
        """
        own = {one["new_disk_id"] for one in plan.result["disks"]}
        foreign = [one.disk_id for one in self._engine.attachments(vm.id) if one.disk_id not in own]
        if foreign:
            raise Refused(
                f"VM {vm.name!r} has disks that this restore did not create: {', '.join(foreign)}.",
                hint="Removing the incomplete VM detaches these disks, and does not remove them.",
                details={"problems": foreign, "vm_id": vm.id},
            )

    def _try(self, vm: Vm, deadline: Deadline) -> None:
        text = self._request.incomplete_text()

        def done() -> bool:
            found = self._engine.vm(vm.id)
            return found is not None and found.comment == text

        with explain_refusal(f"Changing VM {vm.name!r}"):
            retry(
                lambda: self._engine.comment_vm(vm.id, text, delete_protected=False), done, deadline
            )

    def _finish_vm(self, vm: Vm, deadline: Deadline) -> None:
        """Set what only a finished VM has: its own comment, and its protection from deletion."""
        was = ovf.read(self._request.ovf)

        def finished() -> bool:
            found = self._engine.vm(vm.id)
            return found is not None and not is_incomplete(found, self._mark)

        with explain_refusal(f"Finishing VM {vm.name!r}"):
            retry(
                lambda: self._engine.comment_vm(
                    vm.id, was.comment, delete_protected=was.delete_protected
                ),
                finished,
                deadline,
            )
        if not finished():
            raise OperationFailed(
                f"The engine did not set the comment of VM {vm.name!r}, which still says that it is incomplete.",
                hint="Run the restore again; it continues.",
            )

    def _start(self, vm: Vm, deadline: Deadline) -> None:
        def running() -> bool:
            found = self._engine.vm(vm.id)
            return found is not None and found.status != "down"

        def came_up(found: Vm | None) -> bool:
            if found is None or found.status == "down":
                raise OperationFailed(
                    f"VM {vm.name!r} was started, but is down again.",
                    hint="Check the engine's events, and the VM's log on its host.",
                    details={"vm_id": vm.id},
                )
            return found.status == "up"

        with explain_refusal(f"Starting VM {vm.name!r}"):
            retry(lambda: self._engine.start_vm(vm.id), running, deadline)
        if self._patience.wait:
            deadline.wait_for(
                lambda: self._engine.vm(vm.id),
                came_up,
                what=f"VM {vm.name!r} to be up",
                describe=lambda one: one.status if one else "gone",
            )
