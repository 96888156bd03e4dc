# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore on the engine: read what exists of it, let core decide, take the steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Callable, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
    EnginePermission,
    OperationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    NewDisk,
    Plugging,
    Vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    restore_marks,
    restore_steps,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    EngineOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.orders import (
    explain_refusal,
    retry,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    RestoreEngine,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_state import (
    is_incomplete,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
        Deadline,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Disk,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )


Step = TypeVar("Step")


class RestoreOperation(EngineOperation[RestoreEngine, Step]):
    """The steps that the operations on the disks and on the VM share."""

    def __init__(
        self, engine: RestoreEngine, clock: Clock, patience: Patience, mark: restore_marks.Mark
    ) -> None:
        super().__init__(engine, clock, patience)
        self._mark = mark

    def _create(self, step: restore_steps.CreateDiskStep, deadline: Deadline) -> DiskId:
        """Create a disk, wait until it is usable, and make sure that there is only one.

        The SDK repeats a POST after 401, so there may be two; then one is removed.
        """
        text = step.disk.description

        def made() -> list[Disk]:
            found = self._engine.disks_described(self._mark.restore_id)
            fitting = (
                one for one in found if one.description == text and one.id not in step.others
            )
            return sorted(fitting, key=lambda one: one.id)

        self._order(step.disk, lambda: bool(made()), deadline)
        disk, *surplus = deadline.wait_for(
            made, bool, what=f"disk {step.order.alias!r}", describe=lambda _none: "not there"
        )
        for other in [disk, *surplus]:
            self._settled(other.id, step.order.alias, deadline)
        for other in surplus:
            self._remove(restore_steps.RemoveDiskStep(other.id, other.alias), deadline)
        found = self._engine.disk(disk.id)
        restore_steps.check_size(step.order, found or disk)
        return disk.id

    def _order(self, new: NewDisk, done: Callable[[], bool], deadline: Deadline) -> None:
        """Order a disk.

        If a disk that this user cannot see has the wanted id, the engine chooses one. If the user
        may not use the wanted profile, the disk gets the default one; for a VM's disk it is tried
        again when the VM has the disk.
        """
        try:
            with explain_refusal():
                retry(
                    lambda: self._engine.add_disk(new, self._mark.restore_id),
                    done,
                    deadline,
                )
        except EngineFault as exc:
            if not new.id or exc.reason != "disk_id_taken":
                raise
            self._order(replace(new, id=""), done, deadline)
        except EnginePermission:
            if not new.profile_id:
                raise
            self._order(replace(new, profile_id=""), done, deadline)

    def _settled(self, disk_id: DiskId, alias: str, deadline: Deadline) -> None:
        def settled(disk: Disk | None) -> bool:
            if disk is None or disk.status == "illegal":
                raise OperationFailed(
                    f"The engine accepted the order to create disk {alias!r}, but did not create it.",
                    hint="Check the engine's events for the reason.",
                    details={"disk_id": disk_id},
                )
            return disk.status == "ok"

        deadline.wait_for(
            lambda: self._engine.disk(disk_id),
            settled,
            what=f"disk {alias!r}",
            describe=lambda disk: disk.status if disk else "gone",
        )

    def _plug(self, vm: Vm, disk_id: DiskId, plugging: Plugging, deadline: Deadline) -> None:
        """Attach a disk itself, and make sure that it is attached."""
        with explain_refusal(f"Attaching disk {disk_id} to VM {vm.name!r}"):
            retry(
                lambda: self._engine.plug_disk(vm.id, disk_id, plugging, self._mark.restore_id),
                lambda: self._engine.attachment(vm.id, disk_id) is not None,
                deadline,
            )

    def _unplug(self, vm: Vm, disk_id: DiskId, deadline: Deadline) -> None:
        with explain_refusal(f"Detaching disk {disk_id} from VM {vm.name!r}"):
            retry(
                lambda: self._engine.detach(vm.id, disk_id),
                lambda: self._engine.attachment(vm.id, disk_id) is None,
                deadline,
            )

    def _remove(self, step: restore_steps.RemoveDiskStep, deadline: Deadline) -> None:
        """Remove a disk that is marked incomplete at this moment and that no VM has.

        Raises:
            Refused: It is not marked so, or a VM has it.
        """
        disk = self._engine.disk(step.disk_id)
        if disk is None:
            return
        read = restore_marks.parse(disk.description)
        if read is None or not read.incomplete or read.mark != self._mark:
            raise Refused(
                f"Disk {step.alias!r} ({step.disk_id}) was not removed, because it is not an incomplete disk of this restore.",
                hint="If you do not need it, remove it in the web interface.",
                details={"disk_id": step.disk_id, "problems": ["no mark"]},
            )
        holders = self._engine.holders(step.disk_id)
        if holders:
            raise Refused(
                f"Disk {step.alias!r} ({step.disk_id}) was not removed, because it is attached to VM"
                f" {', '.join(sorted(holders))}.",
                hint="If you do not need it, detach and remove it in the web interface.",
                details={"disk_id": step.disk_id, "problems": ["attached"]},
            )
        with explain_refusal(f"Removing disk {step.alias!r}"):
            retry(
                lambda: self._engine.remove_disk(step.disk_id, self._mark.restore_id),
                lambda: self._engine.disk(step.disk_id) is None,
                deadline,
            )
        deadline.wait_for(
            lambda: self._engine.disk(step.disk_id),
            lambda disk: disk is None,
            what=f"the removal of disk {step.alias!r}",
            describe=lambda disk: disk.status if disk else "gone",
        )

    def _describe(self, disk_id: DiskId, text: str, vm: Vm | None, deadline: Deadline) -> None:
        def described() -> bool:
            disk = self._engine.disk(disk_id)
            return disk is not None and disk.description == text

        holder = vm.id if vm else None
        with explain_refusal():
            retry(lambda: self._engine.describe_disk(disk_id, holder, text), described, deadline)

    def _clean(self, appliance: Vm, steps: Sequence[restore_steps.CleanStep]) -> None:
        """Take the steps of a removal; a failure does not stop the rest.

        Raises:
            errors.BackupError: The first failure; its details name what is left.
        """
        deadline = self.deadline()
        failures: list[BackupError] = []
        left: list[str] = []
        vm_stays = False
        for step in steps:
            name = restore_steps.name_of(step)
            is_disk = isinstance(step, restore_steps.RemoveDiskStep)
            try:
                if vm_stays and not restore_steps.stands_alone(step):
                    left.append(name)
                else:
                    deadline.begin(name)
                    self._clean_step(appliance, step, deadline)
            except BackupError as exc:
                failures.append(exc)
                left.append(name)
                # Without the VM, nothing would tell whose a disk is that could not be marked.
                vm_stays = vm_stays or not is_disk
        if failures:
            first = failures[0]
            names = list(dict.fromkeys(left))
            first.message = f"LEFT BEHIND: {', '.join(names)}. {first.message}"
            first.details["left"] = names
            raise first

    def _clean_step(self, appliance: Vm, step: restore_steps.CleanStep, deadline: Deadline) -> None:
        if isinstance(step, restore_steps.RemoveVmStep):
            self._remove_vm(step.vm, deadline)
        elif isinstance(step, restore_steps.ReopenDiskStep):
            self._incomplete(step.vm)
            self._describe(step.disk_id, self._mark.disk_text(step.source_id), step.vm, deadline)
        elif isinstance(step, restore_steps.RemoveDiskStep):
            if step.from_appliance:
                self._unplug(appliance, step.disk_id, deadline)
            self._remove(step, deadline)
        else:
            unhandled(step)

    def _incomplete(self, vm: Vm) -> Vm | None:
        """Read the VM again.

        Raises:
            Refused: It is no longer marked incomplete.
        """
        found = self._engine.vm(vm.id)
        if found is not None and not is_incomplete(found, self._mark):
            raise Refused(
                f"VM {vm.name!r} was not removed, because it is not an incomplete VM of this restore.",
                hint="If you do not need it, remove it in the web interface.",
                details={"vm_id": vm.id, "problems": ["no mark"]},
            )
        return found

    def _remove_vm(self, vm: Vm, deadline: Deadline) -> None:
        """Remove a VM that is marked incomplete at this moment."""
        found = self._incomplete(vm)
        if found is None:
            return
        read = restore_marks.parse(found.comment)
        if read is not None and read.test and found.status != "down":
            self._power_off(vm, deadline)
        with explain_refusal(f"Removing VM {vm.name!r}"):
            retry(
                lambda: self._engine.remove_vm(vm.id, self._mark.restore_id),
                lambda: self._engine.vm(vm.id) is None,
                deadline,
            )
        deadline.wait_for(
            lambda: self._engine.vm(vm.id),
            lambda one: one is None,
            what=f"the removal of VM {vm.name!r}",
            describe=lambda one: one.status if one else "gone",
        )

    def _power_off(self, vm: Vm, deadline: Deadline) -> None:
        """Power off a VM that was started for a test."""

        def is_off() -> bool:
            found = self._engine.vm(vm.id)
            return found is None or found.status == "down"

        with explain_refusal(f"Powering off VM {vm.name!r}"):
            retry(lambda: self._engine.stop_vm(vm.id), is_off, deadline)
        deadline.wait_for(
            is_off,
            bool,
            what=f"VM {vm.name!r} to be down",
            describe=lambda _off: "not down",
        )

    def _move(
        self, step: restore_steps.MoveStep, appliance: Vm, vm: Vm | None, deadline: Deadline
    ) -> None:
        if step.from_appliance:
            self._unplug(appliance, step.disk_id, deadline)
        if vm is not None:
            self._plug(vm, step.disk_id, step.order.plugging, deadline)
