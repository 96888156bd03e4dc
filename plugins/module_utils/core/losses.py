# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a VM does not come back as it was, each with what to do about it.

Of a disk nothing is listed by hand: what it was is compared with what is to be made, and each difference is
a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils.core.ovf import OvfDisk


@dataclass(frozen=True)
class Loss:
    """Something that a restore does not bring back.

    :param kind: A word for programs.
    :param subject: Whose it is: ``VM``, or the name of a disk or a card.
    :param lost: What will be different.
    :param do: What a person can do about it.
    """

    kind: str
    subject: str
    lost: str
    do: str


def of_disk(was: OvfDisk, order: Mapping[str, Any]) -> Iterator[Loss]:
    """The differences between a disk as it was and as it is to be made."""
    name = order["alias"]
    if was.format != order["format"]:
        yield Loss(
            "format",
            name,
            f"it was {was.format} and becomes {order['format']}: the block storage"
            f" {order['storage_domain_name']!r} would round its {order['size']} bytes up",
            "Leave it so, or choose a storage domain on file storage to keep the format.",
        )
    elif was.sparse != order["sparse"]:
        yield _allocation(was, order)
    if was.pass_discard and not order["pass_discard"]:
        yield Loss(
            "pass_discard",
            name,
            "discards of the guest are not passed on: the storage domain"
            f" {order['storage_domain_name']!r} does not take them from it",
            "Leave it so, and space that the guest frees stays taken; or choose another storage domain.",
        )
    if was.incremental and not order["incremental"]:
        yield Loss(
            "incremental",
            name,
            "incremental backup is not enabled: the engine allows it for qcow2 only",
            "Convert the disk to qcow2, then enable it.",
        )


def _allocation(was: OvfDisk, order: Mapping[str, Any]) -> Loss:
    if was.sparse:
        return Loss(
            "allocation",
            order["alias"],
            "it was thin and becomes preallocated: block storage has no thin raw disks",
            "Leave it so, or choose a storage domain on file storage to keep it thin.",
        )
    return Loss(
        "allocation",
        order["alias"],
        "it was preallocated and becomes thin: the engine makes preallocated qcow2 only with incremental backup",
        "Watch the free space of its storage domain.",
    )


def of_ids(orders: Sequence[Mapping[str, Any]]) -> Iterator[Loss]:
    """The ids of disks, and with them the serial numbers that the guest sees."""
    new = [str(order["alias"]) for order in orders if not order["keep_id"]]
    if new:
        yield Loss(
            "disk_ids",
            "disks",
            f"new ids, and so new serial numbers: {', '.join(new)}. Ids are kept only where the originals are gone",
            "A Linux guest that knows its disks by serial number or in an LVM devices file (EL 9 and later) needs a"
            " hand before it starts; the guide of the restore says how.",
        )
