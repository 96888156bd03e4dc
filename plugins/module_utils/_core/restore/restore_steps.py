# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does on the engine, decided from what an earlier, killed run may have left.

Nothing is touched that does not carry the mark of this restore, and nothing is removed that does not
say of itself that it is half-made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    OperationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules

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
"""Whether a guest answered in a VM that was started."""

KEYS = (
    *("disk_id", "alias", "size", "format", "sparse", "storage_domain"),
    *("interface", "bootable", "read_only", "pass_discard", "active"),
)
"""What the modules hand on of each disk."""


SLOWEST = 20 * 1024 * 1024
"""Bytes a second that a host writes at least when it makes a preallocated disk (slow NFS)."""


@dataclass(frozen=True)
class DiskOrder:
    """A disk that is wanted.

    :param disk_id: That of the original.
    :param blank: Whether the storage makes it blank; else it may hold what was there before.
    :param keep_id: Whether the new disk is to have the id of the original, which is gone.
    :param disk_profile: Id of the profile that it had, where its storage domain has it.
    :param storage: Name of the storage domain, for people; may be empty.
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
    """Disks as ``restore_plan_info`` returns them; other keys are ignored.

    :raises InvalidRequest: A key is missing or impossible.
    """
    if not disks:
        raise InvalidRequest("The list of disks is empty.")
    found = tuple(_order(index, disk) for index, disk in enumerate(disks))
    if len({one.disk_id for one in found}) != len(found):
        raise InvalidRequest("A disk is named twice.")
    return found


def _order(index: int, disk: Mapping[str, Any]) -> DiskOrder:
    missing = [key for key in KEYS if disk.get(key) is None]
    if missing:
        raise InvalidRequest(f"disks[{index}] has no {', '.join(missing)}.")
    if not isinstance(disk["size"], int) or disk["size"] < 1:
        raise InvalidRequest(f"disks[{index}].size is not a number of bytes.")
    if disk["format"] not in ("qcow2", "raw") or disk["interface"] not in INTERFACES:
        raise InvalidRequest(f"disks[{index}] has an unknown format or interface.")
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


def making_seconds(order: DiskOrder, timeout: float) -> float:
    """How long the making of one disk may take.

    On NFS below 4.2 and other storage without ``fallocate`` the host writes each zero of a preallocated disk.

    :param timeout: Seconds for a disk that takes no writing.
    """
    return timeout if order.sparse else timeout + order.size / SLOWEST


@dataclass(frozen=True)
class DisksRequest:
    """Have the disks of a restore: ``prepared``, ``present`` or ``absent``.

    :param vm: The VM that they are for, by name or id; may be empty, and need not be there.
    :param interface: By which the appliance gets them.
    """

    state: str
    mark: Mark
    appliance: str
    orders: tuple[DiskOrder, ...]
    vm: str = ""
    interface: str = "virtio_scsi"


@dataclass(frozen=True)
class VmRequest:
    """Have the VM of a restore, or nothing that is half-made of it.

    :param state: :data:`PREPARED`, :data:`PRESENT`, :data:`TESTED` or :data:`ABSENT`.
    :param connections: By name of a card, what it is to be connected to.
    :param test: With :data:`PREPARED`, whether the VM is made to be tested.
    """

    state: str
    mark: Mark
    appliance: str
    name: str
    orders: tuple[DiskOrder, ...] = ()
    cluster_id: str = ""
    ovf: str = ""
    connections: tuple[tuple[str, str], ...] = ()
    keep_identity: bool = False
    start: bool = False
    test: bool = False

    def half_made_text(self) -> str:
        """The comment that the VM has as long as it is not finished."""
        test = self.test or self.state == TESTED
        return self.mark.test_text() if test else self.mark.vm_text()


@dataclass(frozen=True)
class Made:
    """A disk with the mark of this restore.

    :param source_id: Id of the original.
    :param holders: VMs that have it attached; None if that cannot be told for sure.
    """

    disk: Disk
    source_id: str
    half_made: bool
    holders: frozenset[VmId] | None = frozenset()


@dataclass(frozen=True)
class Situation:
    """What there is of this restore.

    :param vm: The VM that it made, or that the disks are for.
    :param half_made: Whether that VM says that it is not finished.
    :param tried: Whether it took a change since it was imported, and says for what it was made.
    :param for_nobody: Whether the disks are for no VM at all.
    :param expected: Whether a guest agent answered when it was backed up.
    :param answered: Whether one answers now; None if nobody asked.
    """

    mark: Mark
    appliance: Vm
    orders: tuple[DiskOrder, ...]
    made: tuple[Made, ...] = ()
    vm: Vm | None = None
    half_made: bool = False
    tried: bool = False
    for_nobody: bool = False
    expected: bool = False
    answered: bool | None = None

    def own(self, order: DiskOrder) -> list[Made]:
        """Half-made disks for one order that nobody holds but us, the ones in use first."""
        ours = {self.appliance.id} | ({self.vm.id} if self.vm else set())
        found = [
            one
            for one in self.made
            if one.source_id == order.disk_id
            and one.half_made
            and one.holders is not None
            and one.holders <= ours
        ]
        return sorted(found, key=lambda one: (not one.holders, one.disk.id))

    def others(self, order: DiskOrder) -> frozenset[DiskId]:
        """Half-made disks for one order that somebody else holds, or nobody can tell who."""
        own = {one.disk.id for one in self.own(order)}
        return frozenset(
            one.disk.id
            for one in self.made
            if one.source_id == order.disk_id and one.half_made and one.disk.id not in own
        )

    def finished(self, order: DiskOrder) -> Made | None:
        """The finished disk for one order that the VM has."""
        if self.vm is None:
            return None
        return next(
            (
                one
                for one in self.made
                if one.source_id == order.disk_id
                and not one.half_made
                and one.holders is not None
                and self.vm.id in one.holders
            ),
            None,
        )


@dataclass(frozen=True)
class CreateDiskStep:
    """Make a disk.

    :param others: Those with the same mark that are not ours any more.
    """

    order: DiskOrder
    disk: NewDisk
    others: frozenset[DiskId] = frozenset()


@dataclass(frozen=True)
class PlugStep:
    """Attach a disk to the appliance, to be written. Its id may be known only when it is made."""

    order: DiskOrder
    disk_id: DiskId | None = None


@dataclass(frozen=True)
class ImportStep:
    """Make the VM."""


@dataclass(frozen=True)
class TryStep:
    """Change the VM's comment. The engine checks the whole VM then, more than at the import.

    What it would refuse when the VM is finished, it refuses now, before anything is written.
    """


@dataclass(frozen=True)
class MoveStep:
    """Take a disk from the appliance, and give it to the VM."""

    order: DiskOrder
    disk_id: DiskId
    from_appliance: bool


@dataclass(frozen=True)
class FinishDiskStep:
    """Say of a disk that it is finished."""

    order: DiskOrder
    disk_id: DiskId


@dataclass(frozen=True)
class SettleVmStep:
    """Put right what the engine's import garbles or leaves out."""


@dataclass(frozen=True)
class FinishVmStep:
    """Give the VM its own comment back: it is finished."""


@dataclass(frozen=True)
class StartStep:
    """Start the VM."""


@dataclass(frozen=True)
class AskStep:
    """See whether a guest answers in the VM that was started."""


@dataclass(frozen=True)
class ReopenDiskStep:
    """Say of a disk of the half-made VM that it is half-made again."""

    disk_id: DiskId
    alias: str
    source_id: str
    vm: Vm


@dataclass(frozen=True)
class RemoveVmStep:
    """Remove the half-made VM; its disks stay."""

    vm: Vm


@dataclass(frozen=True)
class RemoveDiskStep:
    """Remove a half-made disk.

    :param from_vm: The half-made VM holds it, and must be gone before.
    """

    disk_id: DiskId
    alias: str
    from_appliance: bool = field(default=False)
    from_vm: bool = field(default=False)


CleanStep = Union[ReopenDiskStep, RemoveVmStep, RemoveDiskStep]
"""What a removal is made of."""

REMOVALS = (ReopenDiskStep, RemoveVmStep, RemoveDiskStep)
"""The same at run time."""

OnVmStep = Union[TryStep, MoveStep, SettleVmStep, FinishDiskStep, FinishVmStep, StartStep, AskStep]
"""What can happen to a VM that is there."""

DiskStep = Union[CreateDiskStep, PlugStep, MoveStep, FinishDiskStep, CleanStep]
"""What can happen to the disks of a restore."""

VmStep = Union[ImportStep, OnVmStep, CleanStep]
"""What can happen to the VM of a restore."""


def plan_prepared(now: Situation) -> Plan[DiskStep]:
    """Have a disk for each order, attached to the appliance.

    :raises OperationFailed: A disk that is there has another size.
    """
    rules.enforce(rules.appliance_ready(now.appliance))
    steps: list[DiskStep] = []
    disks = []
    for order in now.orders:
        held = now.own(order) or _finished_one(now, order)
        steps.extend(_prepare(now, order, held))
        steps.extend(
            RemoveDiskStep(one.disk.id, one.disk.alias) for one in held[1:] if not one.holders
        )
        disks.append(_disk_facts(now, order, held[0] if held else None))
    return Plan(
        steps=tuple(steps),
        result={"disks": disks, "images": images(disks), "removed": [], "left": []},
        before={"disks": [one["new_disk_id"] for one in disks if one["new_disk_id"]]},
        after={"disks": [order.disk_id for order in now.orders]},
    )


def _finished_one(now: Situation, order: DiskOrder) -> list[Made]:
    """The finished disk that the VM has, or that nobody has where nobody was to get it.

    A free one that a VM has had is not a substitute: it holds what that VM wrote.
    """
    found = now.finished(order)
    if found or not now.for_nobody:
        return [found] if found else []
    return [
        one
        for one in now.made
        if one.source_id == order.disk_id and not one.half_made and one.holders == frozenset()
    ][:1]


def _prepare(now: Situation, order: DiskOrder, held: Sequence[Made]) -> Iterator[DiskStep]:
    if not held:
        text = now.mark.disk_text(order.disk_id)
        new = NewDisk(
            *(order.alias, text, order.size, order.format, order.sparse, order.storage_domain),
            *(order.wipe_after_delete, order.incremental, order.disk_id if order.keep_id else ""),
            order.disk_profile,
        )
        yield CreateDiskStep(order, new, now.others(order))
        yield PlugStep(order)
        return
    first = held[0]
    check_size(order, first.disk)
    if first.half_made:
        _check_place(order, first.disk)
    if first.half_made and not first.holders:
        yield PlugStep(order, first.disk.id)


def check_size(order: DiskOrder, disk: Disk) -> None:
    """Refuse a disk that is not exactly as large as the original.

    :raises OperationFailed: It is not.
    """
    if disk.virtual_size != order.size:
        raise OperationFailed(
            f"The engine made disk {order.alias!r} with {disk.virtual_size} bytes, not {order.size}.",
            hint="Block storage may round the size of a raw disk up. Use a domain on file storage.",
            details={"disk_id": disk.id, "size": disk.virtual_size, "expected": order.size},
        )


def _check_place(order: DiskOrder, disk: Disk) -> None:
    """Refuse a half-made disk that is somewhere else, or of another kind, than is wanted now.

    :raises Refused: It is.
    """
    elsewhere = disk.storage_domain_id and disk.storage_domain_id != order.storage_domain
    other_kind = disk.format and disk.format != order.format
    if elsewhere or other_kind:
        raise Refused(
            f"An earlier run of this restore made disk {order.alias!r} ({disk.id}) as {disk.format} in"
            f" storage domain {disk.storage_domain_id}, not as {order.format} in"
            f" {order.storage_domain}.",
            hint="Remove the incomplete disks, or restore to the storage domain of the first run.",
            details={"problems": ["storage_domain"], "disk_id": disk.id},
        )


def _disk_facts(now: Situation, order: DiskOrder, made: Made | None) -> dict[str, Any]:
    # Where the appliance itself is to get the disk, having it says nothing of what was written.
    receiver = now.vm.id if now.vm and now.vm.id != now.appliance.id else None
    return {
        "disk_id": order.disk_id,
        "alias": order.alias,
        "size": order.size,
        "blank": order.blank,
        "storage": order.storage,
        "new_disk_id": made.disk.id if made else None,
        "on_appliance": bool(made and made.holders and now.appliance.id in made.holders),
        "on_vm": bool(made and made.holders and receiver in made.holders),
        "finished": bool(made and not made.half_made),
    }


def images(disks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The option ``images`` of ``disk_image_restore``: a VM's disks were written before it got them."""
    return [
        {
            "disk_id": one["disk_id"],
            "serial": one["new_disk_id"],
            "blank": one["blank"],
            # The disk was found by the mark of this restore, so it is no original.
            "same_id": one["new_disk_id"] == one["disk_id"],
            "storage": one["storage"],
        }
        for one in disks
        if not one["on_vm"] and not one["finished"]
    ]


def plan_prepared_vm(now: Situation) -> Plan[VmStep]:
    """Have the VM without disks, or as it is: what the engine refuses of it is refused now."""
    return Plan(
        steps=tuple(_make(now)),
        result=_vm_result(now.vm, []),
        before={"vm": now.vm.id if now.vm else None},
        after={"vm": now.vm.id if now.vm else "new"},
    )


def _make(now: Situation) -> Iterator[VmStep]:
    if now.vm is None:
        yield ImportStep()
    if now.vm is None or (now.half_made and not now.tried):
        yield TryStep()


def plan_vm(now: Situation, *, start: bool, test: bool = False) -> Plan[VmStep]:
    """Have the VM with its disks.

    :param test: It is to be started and stays half-made, so that it can be removed again.
    :raises Refused: A disk is not there, or the VM that is to be tested is finished.
    """
    if now.vm is not None and not now.half_made:
        if test:
            raise Refused(
                f"VM {now.vm.name!r} was restored permanently and is not tested.",
                hint=f"Choose another {option('name', of='restore_plan_info')} for the test.",
                details={"problems": ["finished"], "vm_id": now.vm.id},
            )
        return _finished(now, start=start)
    steps = list(_make(now))
    moved = [(order, _the_one(now, order)) for order in now.orders]
    for order, one in moved:
        if not (now.vm and one.holders and now.vm.id in one.holders):
            held = bool(one.holders and now.appliance.id in one.holders)
            steps.append(MoveStep(order, one.disk.id, held))
    if test:
        steps.extend(_test(now, begun=not steps))
    else:
        steps.append(SettleVmStep())
        steps.extend(FinishDiskStep(order, one.disk.id) for order, one in moved if one.half_made)
        steps.append(FinishVmStep())
        if start:
            steps.extend([StartStep(), AskStep()])
    return Plan(
        steps=tuple(steps),
        result={
            **_vm_result(now.vm, [_moved(order, one) for order, one in moved]),
            "guest": _GUEST[now.answered],
        },
        before={"vm": now.vm.id if now.vm else None},
        after={"vm": now.vm.id if now.vm else "new"},
    )


_GUEST = {True: ANSWERED, False: SILENT, None: ""}


def _test(now: Situation, *, begun: bool) -> Iterator[VmStep]:
    """Have the VM up, and its guest answering if it did when it was backed up.

    :param begun: Whether the VM has its disks.
    """
    if not (begun and now.vm and now.vm.status == "up"):
        yield from (SettleVmStep(), StartStep(), AskStep())
    elif now.expected and not now.answered:
        yield AskStep()


def lacking(vm: str, disks: Sequence[str]) -> str:
    """What to say of a finished VM that has not all of its disks any more."""
    return (
        f"VM {vm!r} was restored from this set before, but no disk that it has says that it is"
        f" {', '.join(repr(one) for one in disks)} of the set: detached, removed, or described otherwise"
        " since. Restore these disks alone and attach them to it, or choose another name for a new VM."
    )


def _finished(now: Situation, *, start: bool) -> Plan[VmStep]:
    """The VM is there: nothing to do, or to start it.

    :raises Refused: It has not all of its disks.
    """
    found = [(order, now.finished(order)) for order in now.orders]
    missing = [order for order, one in found if one is None]
    if missing and now.vm:
        raise Refused(
            lacking(now.vm.name, [order.alias for order in missing]),
            details={"problems": [order.disk_id for order in missing], "vm_id": now.vm.id},
        )
    status = now.vm.status if now.vm else ""
    return Plan(
        steps=(StartStep(), AskStep()) if start and status == "down" else (),
        result=_vm_result(now.vm, [_moved(order, one) for order, one in found if one]),
        before={"vm": now.vm.id if now.vm else None},
        after={"vm": now.vm.id if now.vm else None},
    )


def plan_handover(now: Situation) -> Plan[DiskStep]:
    """Have the disks alone, attached to a VM or to nobody. They never become boot disks.

    :raises Refused: A disk is not there.
    """
    steps: list[DiskStep] = []
    found = []
    for order in now.orders:
        one = _the_one(now, order)
        found.append((order, one))
        holders = one.holders or frozenset()
        given = replace(order, plugging=replace(order.plugging, bootable=False))
        on_appliance = now.appliance.id in holders
        if not one.half_made:
            continue
        if on_appliance or (now.vm and now.vm.id not in holders):
            steps.append(MoveStep(given, one.disk.id, on_appliance))
        steps.append(FinishDiskStep(given, one.disk.id))
    return Plan(
        steps=tuple(steps),
        result={
            "disks": [_moved(order, one) for order, one in found],
            **{"images": [], "removed": [], "left": []},
        },
        before={"disks": []},
        after={"disks": [one.disk.id for _order, one in found]},
    )


def _the_one(now: Situation, order: DiskOrder) -> Made:
    held = now.own(order) or _finished_one(now, order)
    if not held:
        raise Refused(
            f"There is no new disk for {order.alias!r} of restore {now.mark.restore_id}.",
            hint="Create and write the disks first.",
            details={"problems": [order.disk_id]},
        )
    return held[0]


def _moved(order: DiskOrder, made: Made) -> dict[str, Any]:
    return {"disk_id": order.disk_id, "alias": order.alias, "new_disk_id": made.disk.id}


def _vm_result(vm: Vm | None, disks: list[dict[str, Any]]) -> dict[str, Any]:
    empty: dict[str, Any] = {"removed": [], "left": [], "losses": [], "guest": ""}
    return {"vm": vm_facts(vm), "disks": disks, **empty}


def vm_facts(vm: Vm | None) -> dict[str, Any] | None:
    """A VM as a module returns it."""
    return {"id": vm.id, "name": vm.name, "status": vm.status} if vm else None


def plan_absent(now: Situation) -> Plan[CleanStep]:
    """Have nothing half-made: what a restore made and did not finish goes.

    A disk that was finished before its VM was goes with it: nobody has used it.
    """
    vm = now.vm if now.half_made else None
    ours = {now.appliance.id} | ({vm.id} if vm else set())
    early = [
        one for one in now.made if vm and not one.half_made and one.holders == frozenset({vm.id})
    ]
    half = [one for one in now.made if one.half_made]
    mine = [one for one in half if one.holders is not None and one.holders <= ours] + early
    left = [
        {"disk_id": one.disk.id, "alias": one.disk.alias, "holders": sorted(one.holders or ())}
        for one in half
        if one not in mine
    ]
    warnings = tuple(
        f"Disk {one['alias']!r} ({one['disk_id']}) is incomplete, but another VM has it, or its holder is unknown; it stays."
        for one in left
    )
    return Plan(
        steps=tuple(_removals(now, vm, mine)),
        result={
            "vm": vm_facts(vm),
            "disks": [],
            "removed": [one.disk.id for one in mine],
            "left": left,
            "losses": [],
            "guest": "",
        },
        before={"vm": vm.id if vm else None, "disks": [one.disk.id for one in [*half, *early]]},
        after={"vm": None, "disks": [str(one["disk_id"]) for one in left]},
        warnings=warnings,
    )


def _removals(now: Situation, vm: Vm | None, mine: Sequence[Made]) -> Iterator[CleanStep]:
    """Take away the VM, and then the disks; at every moment all of them say that they are half-made."""
    if vm:
        for one in mine:
            if not one.half_made:
                yield ReopenDiskStep(one.disk.id, one.disk.alias, one.source_id, vm)
        yield RemoveVmStep(vm)
    for one in mine:
        holders = one.holders or frozenset()
        on_appliance, on_vm = now.appliance.id in holders, bool(vm and vm.id in holders)
        yield RemoveDiskStep(one.disk.id, one.disk.alias, on_appliance, on_vm)


def removals(plan: Plan[object]) -> list[CleanStep]:
    """The steps of a plan that removes.

    :raises UnhandledStep: One of them is of another kind.
    """
    found: list[CleanStep] = []
    for step in plan.steps:
        if not isinstance(step, REMOVALS):
            raise UnhandledStep(step)
        found.append(step)
    return found


def name_of(step: CleanStep) -> str:
    """What a step of a removal concerns, for people."""
    if isinstance(step, RemoveVmStep):
        return f"VM {step.vm.name}"
    return f"disk {step.alias} ({step.disk_id})"


def stands_alone(step: CleanStep) -> bool:
    """Whether a step of a removal is done although the VM stays."""
    return isinstance(step, RemoveDiskStep) and not step.from_vm
