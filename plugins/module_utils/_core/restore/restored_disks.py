# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a restore: created, attached to the appliance, then attached to a VM or to none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    NewDisk,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Disk,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_marks import (
        Mark,
    )
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_steps import (
    CreateDiskStep,
    DiskOrder,
    DiskStep,
    FinishDiskStep,
    Made,
    MoveStep,
    PlugStep,
    RemoveDiskStep,
    Situation,
    check_size,
    finished_one,
    made_for,
    moved_disk,
)


@dataclass(frozen=True)
class DisksRequest:
    """The request for the disks of a restore: ``prepared``, ``present`` or ``absent``.

    Attributes:
        vm: The VM that gets them, by name or id; may be empty, and may not exist yet.
        interface: The interface by which they are attached to the appliance.
    """

    state: str
    mark: Mark
    appliance: str
    orders: tuple[DiskOrder, ...]
    vm: str = ""
    interface: str = "virtio_scsi"


def plan_prepared(now: Situation) -> Plan[DiskStep]:
    """Plan a disk for each order, attached to the appliance.

    Raises:
        OperationFailed: An existing disk has another size.
    """
    rules.enforce(rules.appliance_ready(now.appliance))
    steps: list[DiskStep] = []
    disks = []
    for order in now.orders:
        held = now.own(order) or finished_one(now, order)
        steps.extend(_prepare(now, order, held))
        steps.extend(
            RemoveDiskStep(one.disk.id, one.disk.alias) for one in held[1:] if not one.holders
        )
        disks.append(_disk_dict(now, order, held[0] if held else None))
    return Plan(
        steps=tuple(steps),
        result={"disks": disks, "images": images(disks), "removed": [], "left": []},
        before={"disks": [one["new_disk_id"] for one in disks if one["new_disk_id"]]},
        after={"disks": [order.disk_id for order in now.orders]},
    )


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
    if first.incomplete:
        _check_place(order, first.disk)
    if first.incomplete and not first.holders:
        yield PlugStep(order, first.disk.id)


def _check_place(order: DiskOrder, disk: Disk) -> None:
    """Refuse an incomplete disk whose storage or kind differs from what is wanted now.

    Raises:
        Refused: It differs.
    """
    elsewhere = disk.storage_domain_id and disk.storage_domain_id != order.storage_domain
    other_kind = disk.format and disk.format != order.format
    if elsewhere or other_kind:
        raise Refused(
            f"An earlier run of this restore created disk {order.alias!r} ({disk.id}) as {disk.format} in"
            f" storage domain {disk.storage_domain_id}, not as {order.format} in"
            f" {order.storage_domain}.",
            hint="Remove the incomplete disks, or restore to the storage domain of the first run.",
            details={"problems": ["storage_domain"], "disk_id": disk.id},
        )


def _disk_dict(now: Situation, order: DiskOrder, made: Made | None) -> dict[str, Any]:
    # If the appliance itself is to get the disk, having it does not show that it was written.
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
        "finished": bool(made and not made.incomplete),
    }


def images(disks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the option ``images`` of ``disk_image_restore``: only unfinished disks that no VM has yet."""
    return [
        {
            "disk_id": one["disk_id"],
            "serial": one["new_disk_id"],
            "blank": one["blank"],
            # The disk was found by the mark of this restore, so it is not the original.
            "same_id": one["new_disk_id"] == one["disk_id"],
            "storage": one["storage"],
        }
        for one in disks
        if not one["on_vm"] and not one["finished"]
    ]


def plan_handover(now: Situation) -> Plan[DiskStep]:
    """Plan disks alone, attached to a VM or to none. They never become boot disks.

    Raises:
        Refused: A disk is missing.
    """
    steps: list[DiskStep] = []
    found = []
    for order in now.orders:
        one = made_for(now, order)
        found.append((order, one))
        holders = one.holders or frozenset()
        given = replace(order, plugging=replace(order.plugging, bootable=False))
        on_appliance = now.appliance.id in holders
        if not one.incomplete:
            continue
        if on_appliance or (now.vm and now.vm.id not in holders):
            steps.append(MoveStep(given, one.disk.id, on_appliance))
        steps.append(FinishDiskStep(given, one.disk.id))
    return Plan(
        steps=tuple(steps),
        result={
            "disks": [moved_disk(order, one) for order, one in found],
            **{"images": [], "removed": [], "left": []},
        },
        before={"disks": []},
        after={"disks": [one.disk.id for _order, one in found]},
    )
