# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does on the engine, decided from what an earlier, killed run may have left.

Nothing without the mark of this restore is touched, and nothing is removed unless its mark says
that it is incomplete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    OperationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    UnhandledStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    INTERFACES,
    DiskId,
    NewDisk,
    Plugging,
    VmId,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Disk,
        Vm,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_marks import (
        Mark,
    )

PREPARED = "prepared"
PRESENT = "present"
TESTED = "tested"
ABSENT = "absent"

ANSWERED = "answered"
SILENT = "silent"
"""Words for whether a guest answered in a started VM."""

KEYS = (
    *("disk_id", "alias", "size", "format", "sparse", "storage_domain"),
    *("interface", "bootable", "read_only", "pass_discard", "active"),
)
"""The keys of each disk that the modules pass on."""


SLOWEST = 20 * 1024 * 1024
"""Bytes per second that a host writes at least when it makes a preallocated disk (slow NFS)."""


@dataclass(frozen=True)
class DiskOrder:
    """A wanted disk.

    Attributes:
        disk_id: Id of the original.
        blank: Whether the storage zeroes it; otherwise it may hold old data.
        keep_id: Whether the new disk gets the id of the original, which is gone.
        disk_profile: Id of the original's profile, if its storage domain has it.
        storage: Name of the storage domain, for people; may be empty.
    """

    disk_id: str
    alias: str
    size: int
    format: str
    sparse: bool
    storage_domain: str
    plugging: Plugging
    blank: bool = True
    wipe_after_delete: bool = False
    incremental: bool = False
    keep_id: bool = False
    storage: str = ""
    disk_profile: str = ""


def read_orders(disks: Sequence[Mapping[str, Any]]) -> tuple[DiskOrder, ...]:
    """Return disks from the result of ``restore_plan_info``; other keys are ignored.

    Raises:
        InvalidRequest: A key is missing or invalid.
    """
    if not disks:
        raise InvalidRequest("The list of disks is empty.")
    found = tuple(_order(index, disk) for index, disk in enumerate(disks))
    ids = [one.disk_id for one in found]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise InvalidRequest(f"The same disk is given twice: {', '.join(twice)}.")
    return found


_ORDERS = "Pass the disks unchanged, as restore_plan_info returns them."


def _order(index: int, disk: Mapping[str, Any]) -> DiskOrder:
    missing = [key for key in KEYS if disk.get(key) is None]
    if missing:
        raise InvalidRequest(f"disks[{index}] has no {', '.join(missing)}.", hint=_ORDERS)
    if not isinstance(disk["size"], int) or disk["size"] < 1:
        raise InvalidRequest(f"disks[{index}].size is not a number of bytes.", hint=_ORDERS)
    if disk["format"] not in ("qcow2", "raw") or disk["interface"] not in INTERFACES:
        raise InvalidRequest(f"disks[{index}] has an unknown format or interface.", hint=_ORDERS)
    flags = {key: disk[key] is True for key in ("bootable", "read_only", "pass_discard", "active")}
    return DiskOrder(
        disk_id=str(disk["disk_id"]).lower(),
        alias=str(disk["alias"]),
        size=disk["size"],
        format=str(disk["format"]),
        sparse=disk["sparse"] is True,
        storage_domain=str(disk["storage_domain"]),
        plugging=Plugging(str(disk["interface"]), **flags),
        blank=disk.get("blank") is not False,
        wipe_after_delete=disk.get("wipe_after_delete") is True,
        incremental=disk.get("incremental") is True,
        keep_id=disk.get("keep_id") is True,
        disk_profile=str(disk.get("disk_profile") or ""),
        storage=str(disk.get("storage_domain_name") or ""),
    )


@dataclass(frozen=True)
class Made:
    """A disk with the mark of this restore.

    Attributes:
        source_id: Id of the original.
        holders: VMs that have it attached; None if that is not certain.
    """

    disk: Disk
    source_id: str
    incomplete: bool
    holders: frozenset[VmId] | None = frozenset()


@dataclass(frozen=True)
class Situation:
    """What exists of this restore.

    Attributes:
        vm: The VM that it made, or that gets the disks.
        incomplete: Whether that VM's mark says that it is incomplete.
        tried: Whether the VM was changed since its import, and its mark says what it was made for.
        for_nobody: Whether the disks are for no VM at all.
        expected: Whether a guest agent answered at the time of the backup.
        answered: Whether one answers now; None if nobody asked.
    """

    mark: Mark
    appliance: Vm
    orders: tuple[DiskOrder, ...]
    made: tuple[Made, ...] = ()
    vm: Vm | None = None
    incomplete: bool = False
    tried: bool = False
    for_nobody: bool = False
    expected: bool = False
    answered: bool | None = None

    def own(self, order: DiskOrder) -> list[Made]:
        """Return incomplete disks for one order that nobody but the appliance or this VM holds, held ones first."""
        ours = {self.appliance.id} | ({self.vm.id} if self.vm else set())
        found = [
            one
            for one in self.made
            if one.source_id == order.disk_id
            and one.incomplete
            and one.holders is not None
            and one.holders <= ours
        ]
        return sorted(found, key=lambda one: (not one.holders, one.disk.id))

    def others(self, order: DiskOrder) -> frozenset[DiskId]:
        """Return incomplete disks for one order that others hold, or whose holders are not certain."""
        own = {one.disk.id for one in self.own(order)}
        return frozenset(
            one.disk.id
            for one in self.made
            if one.source_id == order.disk_id and one.incomplete and one.disk.id not in own
        )

    def finished(self, order: DiskOrder) -> Made | None:
        """Return the finished disk for one order that the VM has."""
        if self.vm is None:
            return None
        return next(
            (
                one
                for one in self.made
                if one.source_id == order.disk_id
                and not one.incomplete
                and one.holders is not None
                and self.vm.id in one.holders
            ),
            None,
        )


@dataclass(frozen=True)
class CreateDiskStep:
    """Create a disk.

    Attributes:
        others: Disks with the same mark that others hold now.
    """

    order: DiskOrder
    disk: NewDisk
    others: frozenset[DiskId] = frozenset()


@dataclass(frozen=True)
class PlugStep:
    """Attach a disk to the appliance, to write to it. Its id may be known only after its creation."""

    order: DiskOrder
    disk_id: DiskId | None = None


@dataclass(frozen=True)
class ImportStep:
    """Import the VM."""


@dataclass(frozen=True)
class TryStep:
    """Change the VM's comment: the engine then checks the whole VM, more strictly than at the import.

    So it refuses now, before anything is written, what it would refuse when the VM is finished.
    """


@dataclass(frozen=True)
class MoveStep:
    """Detach a disk from the appliance and attach it to the VM."""

    order: DiskOrder
    disk_id: DiskId
    from_appliance: bool


@dataclass(frozen=True)
class FinishDiskStep:
    """Mark a disk as finished."""

    order: DiskOrder
    disk_id: DiskId


@dataclass(frozen=True)
class SettleVmStep:
    """Set what the engine's import garbles or omits."""


@dataclass(frozen=True)
class FinishVmStep:
    """Give the VM its own comment back, which marks it as finished."""


@dataclass(frozen=True)
class StartStep:
    """Start the VM."""


@dataclass(frozen=True)
class AskStep:
    """See whether a guest answers in the started VM."""


@dataclass(frozen=True)
class ReopenDiskStep:
    """Mark a disk of the incomplete VM as incomplete again."""

    disk_id: DiskId
    alias: str
    source_id: str
    vm: Vm


@dataclass(frozen=True)
class RemoveVmStep:
    """Remove the incomplete VM; its disks stay."""

    vm: Vm


@dataclass(frozen=True)
class RemoveDiskStep:
    """Remove an incomplete disk.

    Attributes:
        from_vm: The incomplete VM holds it and must be removed before.
    """

    disk_id: DiskId
    alias: str
    from_appliance: bool = field(default=False)
    from_vm: bool = field(default=False)


CleanStep = Union[ReopenDiskStep, RemoveVmStep, RemoveDiskStep]
"""The steps of a removal."""

REMOVALS = (ReopenDiskStep, RemoveVmStep, RemoveDiskStep)
"""The same, for use at run time."""

OnVmStep = Union[TryStep, MoveStep, SettleVmStep, FinishDiskStep, FinishVmStep, StartStep, AskStep]
"""The steps on an existing VM."""

DiskStep = Union[CreateDiskStep, PlugStep, MoveStep, FinishDiskStep, CleanStep]
"""The steps on the disks of a restore."""

VmStep = Union[ImportStep, OnVmStep, CleanStep]
"""The steps on the VM of a restore."""


def finished_one(now: Situation, order: DiskOrder) -> list[Made]:
    """Return the finished disk that the VM has, or, if the disks are for no VM, that nobody has.

    A free disk that once belonged to a VM is not a substitute: it holds what that VM wrote.
    """
    found = now.finished(order)
    if found or not now.for_nobody:
        return [found] if found else []
    return [
        one
        for one in now.made
        if one.source_id == order.disk_id and not one.incomplete and one.holders == frozenset()
    ][:1]


def check_size(order: DiskOrder, disk: Disk) -> None:
    """Refuse a disk that does not have exactly the size of the original.

    Raises:
        OperationFailed: It has another size.
    """
    if disk.virtual_size != order.size:
        raise OperationFailed(
            f"The engine created disk {order.alias!r} with {disk.virtual_size} bytes instead of {order.size}.",
            hint="Block storage may round the size of a raw disk up. Use a domain on file storage.",
            details={"disk_id": disk.id, "size": disk.virtual_size, "expected": order.size},
        )


def made_for(now: Situation, order: DiskOrder) -> Made:
    held = now.own(order) or finished_one(now, order)
    if not held:
        raise Refused(
            f"Restore {now.mark.restore_id} has not created a new disk for {order.alias!r}.",
            hint="Create and write the disks first.",
            details={"problems": [order.disk_id]},
        )
    return held[0]


def moved_disk(order: DiskOrder, made: Made) -> dict[str, Any]:
    return {"disk_id": order.disk_id, "alias": order.alias, "new_disk_id": made.disk.id}


def vm_dict(vm: Vm | None) -> dict[str, Any] | None:
    """Return a VM as a module's result."""
    return {"id": vm.id, "name": vm.name, "status": vm.status} if vm else None


def plan_absent(now: Situation) -> Plan[CleanStep]:
    """Plan the removal of everything that a restore made and did not finish.

    A disk that was finished before its VM is removed too: nobody has used it.
    """
    vm = now.vm if now.incomplete else None
    ours = {now.appliance.id} | ({vm.id} if vm else set())
    early = [
        one for one in now.made if vm and not one.incomplete and one.holders == frozenset({vm.id})
    ]
    incomplete = [one for one in now.made if one.incomplete]
    mine = [one for one in incomplete if one.holders is not None and one.holders <= ours] + early
    left = [
        {"disk_id": one.disk.id, "alias": one.disk.alias, "holders": sorted(one.holders or ())}
        for one in incomplete
        if one not in mine
    ]
    warnings = tuple(
        f"Disk {one['alias']!r} ({one['disk_id']}) is incomplete, but another VM has it, or its holder is unknown; it stays."
        for one in left
    )
    return Plan(
        steps=tuple(_removals(now, vm, mine)),
        result={
            "vm": vm_dict(vm),
            "disks": [],
            "removed": [one.disk.id for one in mine],
            "left": left,
            "losses": [],
            "guest": "",
        },
        before={
            "vm": vm.id if vm else None,
            "disks": [one.disk.id for one in [*incomplete, *early]],
        },
        after={"vm": None, "disks": [str(one["disk_id"]) for one in left]},
        warnings=warnings,
    )


def _removals(now: Situation, vm: Vm | None, mine: Sequence[Made]) -> Iterator[CleanStep]:
    """Yield steps that remove the VM and then the disks; at every moment all that is left is marked incomplete."""
    if vm:
        for one in mine:
            if not one.incomplete:
                yield ReopenDiskStep(one.disk.id, one.disk.alias, one.source_id, vm)
        yield RemoveVmStep(vm)
    for one in mine:
        holders = one.holders or frozenset()
        on_appliance, on_vm = now.appliance.id in holders, bool(vm and vm.id in holders)
        yield RemoveDiskStep(one.disk.id, one.disk.alias, on_appliance, on_vm)


def removals(plan: Plan[object]) -> list[CleanStep]:
    """Return the steps of a plan that removes.

    Raises:
        UnhandledStep: A step is of another kind.
    """
    found: list[CleanStep] = []
    for step in plan.steps:
        if not isinstance(step, REMOVALS):
            raise UnhandledStep(step)
        found.append(step)
    return found


def making_seconds(steps: Iterable[DiskStep], timeout: float) -> float:
    """Return how long the steps may take, in seconds.

    On NFS below 4.2 and other storage without ``fallocate`` the host writes each zero of a
    preallocated disk.

    Args:
        steps: All steps of the operation.
        timeout: Seconds for disks that need no writing.
    """
    made = {
        step.order.disk_id: step.order
        for step in steps
        if isinstance(step, (CreateDiskStep, PlugStep))
    }
    return timeout + sum(one.size / SLOWEST for one in made.values() if not one.sparse)


def name_of(step: CleanStep) -> str:
    """Return the name of what a removal step removes, for people."""
    if isinstance(step, RemoveVmStep):
        return f"VM {step.vm.name}"
    return f"disk {step.alias} ({step.disk_id})"


def stands_alone(step: CleanStep) -> bool:
    """Tell whether a removal step is taken even if the VM stays."""
    return isinstance(step, RemoveDiskStep) and not step.from_vm
