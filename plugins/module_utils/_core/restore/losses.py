# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a VM a restore does not bring back as it was, each with what to do about it.

For disks there is no list: the old disk is compared with the one to be made, and each difference is
a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.ovf import (
        Configuration,
        OvfDisk,
    )


@dataclass(frozen=True)
class Loss:
    """Something that a restore does not bring back.

    Attributes:
        kind: A word for programs.
        subject: What it belongs to: ``VM``, or the name of a disk or a card.
        lost: What will be different.
        do: What a person can do about it.
    """

    kind: str
    subject: str
    lost: str
    do: str


def refused(kind: str, subject: str, message: str) -> Loss:
    """Return the loss of a setting that the engine refused after the import."""
    return Loss(
        kind,
        subject,
        f"{_REFUSED[kind]}: {message.rstrip('.')}",
        "Correct it in the web interface before you start the VM.",
    )


_REFUSED = {
    "unplugged": "it was unplugged and is plugged",
    "cloud_init": "the cloud-init settings were not corrected",
    "cpu_shares": "the CPU shares were not set",
    "disk_profile": "its disk profile was not restored",
}


def of_vm(was: Configuration) -> Iterator[Loss]:
    """Yield what a VM does not get back, judging by its configuration."""
    for kind in dict.fromkeys(was.external):
        if kind in _EXTERNAL:
            yield Loss(kind, "VM", *_EXTERNAL[kind])
    yield from _initialization(was)
    if was.beside is None:
        yield Loss(
            "cpu_shares",
            "VM",
            "the shares of its CPU become 0, and its disks get default profiles: the set has neither",
            "Set them in the web interface where they were others.",
        )
    if was.addressed:
        yield Loss(
            "addresses",
            "VM",
            "its devices may get other PCI and drive addresses",
            "Look at names in the guest that follow from them, such as those of network cards.",
        )
    yield Loss(
        "engine",
        "VM",
        "tags, permissions, affinity groups and labels, quota, NUMA nodes, CPU profile and icon are not in a set",
        "Give it those that it had in the web interface.",
    )


_EXTERNAL = {
    "tpm": (
        "what its TPM holds is lost: the engine does not take it over",
        "Have the recovery key of an encrypted disk (BitLocker, LUKS with systemd-cryptenroll) ready before"
        " it is started, and enrol the TPM again.",
    ),
    "nvram": (
        "its UEFI variables are lost, such as boot entries and own keys of Secure Boot: the engine does"
        " not take them over",
        "If it does not boot, choose the boot loader in the UEFI menu, and make the entry again.",
    ),
}


def _initialization(was: Configuration) -> Iterator[Loss]:
    beside = was.beside
    if beside is None and was.initialized:
        yield Loss(
            "cloud_init",
            "VM",
            "the cloud-init settings are garbled: the engine's configuration has each newline as the text &#10;",
            "Correct it in the web interface before you start the VM.",
        )
    for name in beside.unreadable if beside else ():
        yield Loss(
            "cloud_init",
            "VM",
            f"{name} of cloud-init or sysprep: the engine does not tell it",
            "Set it in the web interface before the VM is started, if the guest still needs it.",
        )


def of_disk(was: OvfDisk, order: Mapping[str, Any]) -> Iterator[Loss]:
    """Yield the differences between a disk as it was and as it will be made."""
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


def of_profile(profile: str, order: Mapping[str, Any]) -> Loss:
    """Return the loss of a disk's profile."""
    return Loss(
        "disk_profile",
        order["alias"],
        f"its disk profile was {profile}, and it gets the default of the storage domain"
        f" {order['storage_domain_name']!r}",
        "Choose its profile in the web interface if there are several.",
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


def of_ids(orders: Sequence[Mapping[str, Any]], guest: str) -> Iterator[Loss]:
    """Yield the loss of disk ids, and with them of the serial numbers that the guest sees.

    Args:
        guest: The engine's word for the operating system.
    """
    new = [str(order["alias"]) for order in orders if not order["keep_id"]]
    if not new:
        return
    if guest.startswith("windows"):
        do = "Check in Windows whether a disk is offline."
    else:
        do = (
            "A Linux guest that knows its disks by serial number or in an LVM devices file (EL 9 and later) needs"
            " vgimportdevices, or manual work at its first start; the guide of the restore says how."
        )
    yield Loss(
        "disk_ids",
        "disks",
        f"new ids, and so new serial numbers: {', '.join(new)}. Ids are kept only where the originals are gone",
        do,
    )
