# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would back up, decided before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import permissions
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    NO_CHECKPOINTS,
    NO_LOCATION,
    Checkpointed,
    Location,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    vm_snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Attachment,
        Disk,
        Snapshot,
        Vm,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.takeover import (
        Leftover,
    )

_NOT_RUNNING = {"down": "Start", "paused": "Resume", "suspended": "Start"}
"""States in which a VM cannot be reached, and what to do about each."""


@dataclass(frozen=True)
class SourceOverview:
    """One source VM: which of its disks the set would hold, which not, and why.

    Attributes:
        unplugged: Disks that are not plugged although the VM runs, and that nobody asked to leave
            out.
        unwanted: Ids of such disks that are left out.
    """

    word: str
    vm: Vm | None = None
    disks: tuple[tuple[Attachment, Disk], ...] = ()
    problems: tuple[str, ...] = ()
    location: Location = NO_LOCATION
    checkpointed: Checkpointed = NO_CHECKPOINTS
    unplugged: tuple[rules.NamedDisk, ...] = ()
    unwanted: tuple[str, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def wanted(self) -> list[tuple[Attachment, Disk]]:
        """Disks that the set would hold."""
        return [(held, disk) for held, disk in self.disks if self.reason(disk) is None]

    @property
    def snapshot_disks(self) -> list[str]:
        """Disks to name when the snapshot is made; empty if it is to include all that it can."""
        surplus = [
            disk
            for _held, disk in self.disks
            if self.reason(disk) and vm_snapshot.taken_along(disk)
        ]
        return [disk.id for _held, disk in self.wanted] if surplus else []

    def reason(self, disk: Disk) -> str | None:
        """Return why the set would not hold a disk; None if it would."""
        loose = vm_snapshot.NOT_PLUGGED if disk.id in self.unwanted else None
        return vm_snapshot.left_out(disk) or loose


@dataclass(frozen=True)
class ApplianceOverview:
    """The appliance's present state.

    ``grants`` is what the user may do, None if it was not read. ``dead_disk_ids``: disks held for
    another run of the same owner, which is dead or will be found alive before anything is done.
    """

    vm: Vm
    location: Location
    engine_version: str = ""
    held_disk_ids: tuple[str, ...] = field(default=())
    dead_disk_ids: tuple[str, ...] = field(default=())
    grants: tuple[permissions.Grant, ...] | None = None


def once(sources: Iterable[SourceOverview]) -> list[SourceOverview]:
    """Return each VM once, as it was named first: a name and an id may mean the same VM."""
    found: dict[str, SourceOverview] = {}
    for source in sources:
        found.setdefault(source.vm.id if source.vm else f"no VM: {source.word}", source)
    return list(found.values())


def source_dict(source: SourceOverview, appliance: ApplianceOverview) -> dict[str, Any]:
    """Return the plan for one source VM, with every problem."""
    disks = [_disk_dict(held, disk) for held, disk in source.wanted]
    return {
        "name": source.vm.name if source.vm else source.word,
        "vm": _vm_dict(source.vm, source.location) if source.vm else None,
        "disks": disks,
        "snapshot_disks": source.snapshot_disks,
        "left_out": left_out(source),
        "required_bytes": sum(disk["total_size"] for disk in disks),
        "problems": [*source.problems, *problems(source, appliance, len(disks))],
        "warnings": warnings(source, appliance),
        "hands_off": bool(_cleared(source, appliance)),
    }


def _cleared(source: SourceOverview, appliance: ApplianceOverview) -> list[rules.Violation]:
    """Return violations for disks whose checkpoints a detach would clear, also of earlier runs' leftovers."""
    return rules.checkpoints_kept(appliance.engine_version, _named(source), source.checkpointed)


def problems(source: SourceOverview, appliance: ApplianceOverview, disk_count: int) -> list[str]:
    """Return why this VM cannot be backed up through this appliance."""
    if source.vm is None:
        return []
    places = (appliance.location, source.location)
    broken = (
        *rules.not_its_own(appliance.vm, source.vm),
        *rules.appliance_ready(appliance.vm),
        *rules.same_data_center(appliance.vm, source.vm, places),
        *rules.source_ready(source.vm, source.snapshots),
        *rules.images_legal(source.vm, [disk for _held, disk in source.wanted]),
        *rules.disks_plugged(source.vm, source.unplugged),
        *_cleared(source, appliance),
    )
    found = [f"{violation.message} {violation.rule.remedy}" for violation in broken]
    if not disk_count:
        found.append(f"{source.vm.name!r} has no disk that a snapshot could include.")
    found.extend(permissions.problems(missing_permits(source, appliance)))
    found.extend(
        f"The appliance holds disk {disk.alias!r} of {source.vm.name!r} already."
        for _attachment, disk in source.wanted
        if disk.id in appliance.held_disk_ids
        and disk.id not in appliance.dead_disk_ids
        and appliance.vm.id != source.vm.id
    )
    return found


def stuck(
    vm: Vm, left: Iterable[Leftover], layers: Iterable[tuple[rules.NamedDisk, Iterable[str]]]
) -> list[str]:
    """Report snapshots of earlier runs that the engine cannot remove now.

    Args:
        layers: Disks that are not plugged although the VM runs, each with the snapshots that have
            it.
    """
    loose = [(disk, set(ids)) for disk, ids in layers]
    return [
        f"The snapshot of run {one.run_id} of {vm.name!r} has disk {disk.alias!r}, which is not plugged. The engine"
        " removes it only when the disk is plugged or the VM is down; the next run after that does it."
        for one in left
        for disk, ids in loose
        if one.snapshot_id in ids
    ]


def missing_permits(
    source: SourceOverview, appliance: ApplianceOverview
) -> tuple[permissions.Missing, ...]:
    """Return permits that this backup needs and the user lacks; a disk that is left out needs none."""
    if source.vm is None or appliance.grants is None:
        return ()
    places = [
        permissions.EVERYWHERE,
        permissions.vm_place(permissions.SOURCE, source.vm, source.location),
        permissions.vm_place(permissions.APPLIANCE, appliance.vm, appliance.location),
    ]
    places += [
        permissions.disk_place(disk, source.vm, source.location)
        for _attachment, disk in source.wanted
    ]
    return permissions.missing(permissions.NEEDS, appliance.grants, places)


def _named(source: SourceOverview) -> list[rules.NamedDisk]:
    return [rules.NamedDisk(disk.id, disk.alias) for _attachment, disk in source.wanted]


def warnings(source: SourceOverview, appliance: ApplianceOverview) -> list[str]:
    """Return what a person should know although it prevents nothing."""
    if source.vm is None:
        return []
    found = [
        f"Disk {entry['alias']!r} of {source.vm.name!r} will not be in the set: {entry['reason']}."
        for entry in left_out(source)
    ]
    found.extend(permissions.warnings(missing_permits(source, appliance)))
    found.extend(
        f"{one.message} {one.rule.reason} {one.rule.remedy}"
        for one in rules.same_host(appliance.vm, source.vm)
    )
    return found


def left_out(source: SourceOverview) -> list[dict[str, str]]:
    """Return disks that the set would not hold, each with the reason."""
    reasons = [(disk, source.reason(disk)) for _attachment, disk in source.disks]
    return [
        {"disk_id": disk.id, "alias": disk.alias, "reason": reason}
        for disk, reason in reasons
        if reason is not None
    ]


def appliance_dict(appliance: ApplianceOverview) -> dict[str, Any]:
    """Return the appliance as a module's result, with the reason if it cannot be connected to."""
    facts = _vm_dict(appliance.vm, appliance.location)
    return {**facts, "unreachable": _unreachable(appliance.vm)}


def _unreachable(appliance: Vm) -> str:
    """Return why the appliance itself cannot answer; empty if it may.

    It may answer in any other state: the engine does not know the state of a VM whose host does not
    answer.
    """
    if appliance.status not in _NOT_RUNNING:
        return ""
    return (
        f"The appliance, VM {appliance.name!r}, is {appliance.status}, as the engine says, so it was "
        f"not connected to. {_NOT_RUNNING[appliance.status]} it, and run this again."
    )


def _vm_dict(vm: Vm, location: Location) -> dict[str, Any]:
    return {
        "id": vm.id,
        "name": vm.name,
        "status": vm.status,
        "cluster": location.cluster,
        "host_id": vm.host_id or None,
    }


def _disk_dict(attachment: Attachment, disk: Disk) -> dict[str, Any]:
    return {
        "disk_id": disk.id,
        "alias": disk.alias,
        "virtual_size": disk.virtual_size,
        "total_size": disk.total_size,
        "format": disk.format,
        "interface": attachment.interface,
        "bootable": attachment.bootable,
    }


@dataclass(frozen=True)
class BackupPlanRequest:
    """The request of ``backup_plan_info``: which VMs to back up through which appliance.

    ``run_id`` and ``started`` name the run; ``lease_hours`` is how long its snapshots may stay. For
    ``settle`` seconds it waits for snapshots of other runs that the engine is making or merging.
    """

    appliance: str
    sources: tuple[str, ...]
    owner: str
    run_id: str
    started: datetime
    lease_hours: float = 24.0
    checkpoints: str = "refuse"
    unplugged: str = "refuse"
    check_permissions: bool = True
    settle: float = 0.0
