# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules: what may not happen around an attached disk snapshot, and what to do instead.

Each rule is a sentence with a reason and a remedy; a check is a pure function that returns the
violations it finds. Whoever is about to change something asks here first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils.core.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils.core.model import (
        AttachSettings,
        Snapshot,
        SnapshotDisk,
        Vm,
    )


@dataclass(frozen=True)
class Rule:
    """What must hold, why, and what to do when it does not."""

    id: str
    sentence: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Violation:
    """A rule that would be broken, and what shows it."""

    rule: Rule
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """As a module returns it."""
        return {
            "rule": self.rule.id,
            "message": self.message,
            "reason": self.rule.reason,
            "remedy": self.rule.remedy,
            "evidence": dict(self.evidence),
        }


APPLIANCE_READY = Rule(
    "appliance-ready",
    "The appliance is Up or Down, and on its way nowhere.",
    "The engine attaches to a paused VM but cannot detach from it (contract section 3).",
    "Resume, start or stop the appliance, then try again.",
)
ONE_PER_DISK = Rule(
    "one-per-disk",
    "An appliance holds at most one snapshot of a disk, and none of its own disks.",
    "The engine keeps one attachment per disk and VM, whatever the snapshot.",
    "Detach the other snapshot first, use another appliance, or ask for replace.",
)
SNAPSHOT_REGULAR = Rule(
    "snapshot-regular",
    "Only a regular snapshot that is not in preview is attached.",
    "The active layer is being written, a previewed one is in use.",
    "Make a snapshot for the backup; end the preview.",
)
DISK_HEALTHY = Rule(
    "disk-healthy",
    "Only a disk snapshot that is not illegal is attached.",
    "An illegal image may hold anything; a copy of it would look like a backup.",
    "Repair the source VM's disk, then make a new snapshot.",
)
BOOT = Rule(
    "boot",
    "A disk snapshot is bootable only when asked for, one at a time, on an appliance without a"
    " boot disk of its own.",
    "Otherwise the appliance's next start runs the source VM's system.",
    "Leave bootable at false.",
)
INTERFACE = Rule(
    "interface",
    "The interface can be hot-plugged and can be read-only if that is asked for.",
    "IDE, SATA and sPAPR disks cannot be hot-plugged; IDE and SATA cannot be read-only.",
    "Use virtio_scsi or virtio.",
)
DETACH_ONLY = Rule(
    "detach-only",
    "Nothing but a disk snapshot is ever detached, and no disk is ever deleted.",
    "An appliance's own disk, or a shared one, must stay where it is.",
    "Name disk snapshots only; disk_snapshot_info lists them.",
)

ATTACH_STATES = ("up", "down")
PASSING_STATES = (
    "powering_up",
    "powering_down",
    "wait_for_launch",
    "reboot_in_progress",
    "migrating",
    "saving_state",
    "restoring_state",
    "image_locked",
)
_NO_HOT_PLUG = ("ide", "sata", "spapr_vscsi")
_NO_READ_ONLY = ("ide", "sata")


def appliance_ready(appliance: Vm) -> list[Violation]:
    """Refuse states from which the way back is closed. Passing states are waited for instead."""
    if appliance.status in ATTACH_STATES + PASSING_STATES:
        return []
    message = f"The appliance {appliance.name!r} is {appliance.status}."
    return [Violation(APPLIANCE_READY, message, {"status": appliance.status})]


def snapshot_usable(snapshot: Snapshot) -> list[Violation]:
    """Refuse what is not a regular snapshot, and one that is being previewed."""
    evidence = {"snapshot_id": snapshot.id, "type": snapshot.type, "status": snapshot.status}
    if snapshot.type != "regular":
        message = f"Snapshot {snapshot.description!r} is of type {snapshot.type}, not regular."
        return [Violation(SNAPSHOT_REGULAR, message, evidence)]
    if snapshot.status == "in_preview":
        message = f"Snapshot {snapshot.description!r} is in preview."
        return [Violation(SNAPSHOT_REGULAR, message, evidence)]
    return []


def disks_healthy(disks: Iterable[SnapshotDisk]) -> list[Violation]:
    """Refuse illegal images."""
    return [
        Violation(
            DISK_HEALTHY,
            f"Disk {disk.alias!r} of the snapshot is illegal.",
            {"disk_id": disk.disk_id, "status": disk.status},
        )
        for disk in disks
        if disk.status == "illegal"
    ]


def not_its_own(appliance: Vm, source: Vm) -> list[Violation]:
    """Refuse a VM that would be the appliance of its own backup."""
    if appliance.id != source.id:
        return []
    message = f"{source.name!r} cannot be both the source VM and the appliance."
    return [Violation(ONE_PER_DISK, message, {"vm_id": source.id})]


def bootable_alone(
    settings: AttachSettings, wanted: Sequence[SnapshotDisk], held: Iterable[Holding]
) -> list[Violation]:
    """Refuse more than one boot disk."""
    if not settings.bootable:
        return []
    if len(wanted) > 1:
        message = f"{len(wanted)} disks cannot all be the boot disk."
        return [Violation(BOOT, message, {"disk_ids": [disk.disk_id for disk in wanted]})]
    others = [
        holding
        for holding in held
        if holding.attachment.bootable and holding.disk_id not in {d.disk_id for d in wanted}
    ]
    return [
        Violation(
            BOOT,
            f"The appliance has a boot disk already: {holding.alias!r}.",
            {"disk_id": holding.disk_id},
        )
        for holding in others
    ]


def interface_fits(settings: AttachSettings, appliance: Vm) -> list[Violation]:
    """Refuse what the engine or the bus cannot do."""
    violations = []
    if settings.read_only and settings.interface in _NO_READ_ONLY:
        message = f"A disk on {settings.interface} cannot be read-only."
        violations.append(Violation(INTERFACE, message, {"interface": settings.interface}))
    if settings.active and appliance.status != "down" and settings.interface in _NO_HOT_PLUG:
        message = f"A disk on {settings.interface} cannot be plugged into a running VM."
        violations.append(Violation(INTERFACE, message, {"interface": settings.interface}))
    return violations


def only_disk_snapshots(holdings: Iterable[Holding]) -> list[Violation]:
    """Refuse to detach what is not a disk snapshot."""
    return [
        Violation(
            DETACH_ONLY,
            f"Disk {holding.alias!r} on the appliance is no disk snapshot.",
            {"disk_id": holding.disk_id},
        )
        for holding in holdings
        if not holding.is_disk_snapshot
    ]


def enforce(violations: Sequence[Violation]) -> None:
    """Raise if any rule is broken.

    :raises Refused: with every violation in ``details``.
    """
    if not violations:
        return
    text = " ".join(f"{violation.message} [{violation.rule.id}]" for violation in violations)
    remedies = " ".join(dict.fromkeys(violation.rule.remedy for violation in violations))
    raise Refused(
        text,
        hint=remedies,
        details={"violations": [violation.facts() for violation in violations]},
    )
