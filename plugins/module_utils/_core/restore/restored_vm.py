# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM of a restore: imported, given its disks, tested, finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Vm,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_marks import (
        Mark,
    )
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_steps import (
    ANSWERED,
    SILENT,
    TESTED,
    AskStep,
    DiskOrder,
    FinishDiskStep,
    FinishVmStep,
    ImportStep,
    MoveStep,
    SettleVmStep,
    Situation,
    StartStep,
    TryStep,
    VmStep,
    made_for,
    moved_disk,
    vm_dict,
)


@dataclass(frozen=True)
class VmRequest:
    """The request for the VM of a restore, or for the removal of an incomplete one.

    Attributes:
        state: ``PREPARED``, ``PRESENT``, ``TESTED`` or ``ABSENT``.
        connections: The new connection of each card, by the card's name.
        test: With ``PREPARED``, whether the VM is made to be tested.
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

    def incomplete_text(self) -> str:
        """Return the comment of the VM while it is incomplete."""
        test = self.test or self.state == TESTED
        return self.mark.test_text() if test else self.mark.vm_text()


def plan_prepared_vm(now: Situation) -> Plan[VmStep]:
    """Plan the VM without disks, or keep it as it is, so that the engine refuses now what it would refuse later."""
    return Plan(
        steps=tuple(_make(now)),
        result=_vm_result(now.vm, []),
        before={"vm": now.vm.id if now.vm else None},
        after={"vm": now.vm.id if now.vm else "new"},
    )


def _make(now: Situation) -> Iterator[VmStep]:
    if now.vm is None:
        yield ImportStep()
    if now.vm is None or (now.incomplete and not now.tried):
        yield TryStep()


def plan_vm(now: Situation, *, start: bool, test: bool = False) -> Plan[VmStep]:
    """Plan the VM with its disks.

    Args:
        test: The VM is started and stays incomplete, so that it can be removed again.

    Raises:
        Refused: A disk is missing, or the VM to be tested is finished.
    """
    if now.vm is not None and not now.incomplete:
        if test:
            raise Refused(
                f"VM {now.vm.name!r} was restored permanently and is not tested.",
                hint=f"Choose another {option('name', of='restore_plan_info')} for the test.",
                details={"problems": ["finished"], "vm_id": now.vm.id},
            )
        return _finished(now, start=start)
    steps = list(_make(now))
    moved = [(order, made_for(now, order)) for order in now.orders]
    for order, one in moved:
        if not (now.vm and one.holders and now.vm.id in one.holders):
            held = bool(one.holders and now.appliance.id in one.holders)
            steps.append(MoveStep(order, one.disk.id, held))
    if test:
        steps.extend(_test(now, begun=not steps))
    else:
        steps.append(SettleVmStep())
        steps.extend(FinishDiskStep(order, one.disk.id) for order, one in moved if one.incomplete)
        steps.append(FinishVmStep())
        if start:
            steps.extend([StartStep(), AskStep()])
    return Plan(
        steps=tuple(steps),
        result={
            **_vm_result(now.vm, [moved_disk(order, one) for order, one in moved]),
            "guest": _GUEST[now.answered],
        },
        before={"vm": now.vm.id if now.vm else None},
        after={"vm": now.vm.id if now.vm else "new"},
    )


_GUEST = {True: ANSWERED, False: SILENT, None: ""}


def _test(now: Situation, *, begun: bool) -> Iterator[VmStep]:
    """Yield the steps that start the VM, and ask its guest if it answered at the time of the backup.

    Args:
        begun: Whether the VM has its disks.
    """
    if not (begun and now.vm and now.vm.status == "up"):
        yield from (SettleVmStep(), StartStep(), AskStep())
    elif now.expected and not now.answered:
        yield AskStep()


def lacking(vm: str, disks: Sequence[str]) -> str:
    """Say that a finished VM no longer has all of its disks."""
    return (
        f"VM {vm!r} was restored from this set before, but no disk that it has says that it is"
        f" {', '.join(repr(one) for one in disks)} of the set: detached, removed, or described otherwise"
        " since. Restore these disks alone and attach them to it, or choose another name for a new VM."
    )


def _finished(now: Situation, *, start: bool) -> Plan[VmStep]:
    """Plan for a VM that exists: do nothing, or start it.

    Raises:
        Refused: It does not have all of its disks.
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
        result=_vm_result(now.vm, [moved_disk(order, one) for order, one in found if one]),
        before={"vm": now.vm.id if now.vm else None},
        after={"vm": now.vm.id if now.vm else None},
    )


def _vm_result(vm: Vm | None, disks: list[dict[str, Any]]) -> dict[str, Any]:
    empty: dict[str, Any] = {"removed": [], "left": [], "losses": [], "guest": ""}
    return {"vm": vm_dict(vm), "disks": disks, **empty}
