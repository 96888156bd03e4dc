# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide how to attach a snapshot's disks to an appliance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.serial import (
    device_links,
    guest_serial,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    NO_CHECKPOINTS,
    NO_LOCATION,
    AttachSettings,
    Checkpointed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules

if TYPE_CHECKING:
    pass
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        AttachSettings,
        DiskId,
        Location,
        Snapshot,
        SnapshotDisk,
        SnapshotId,
        Vm,
    )


@dataclass(frozen=True)
class AttachStep:
    """Attach one disk snapshot."""

    appliance: Vm
    disk: SnapshotDisk
    settings: AttachSettings

    @property
    def plugs(self) -> bool:
        """Whether the host takes part; otherwise only the engine's database changes, all at once."""
        return self.settings.active and self.appliance.status != "down"


@dataclass(frozen=True)
class DetachStep:
    """Detach one disk snapshot. ``snapshot_id`` is None if it is unknown."""

    appliance: Vm
    disk_id: DiskId
    alias: str
    snapshot_id: SnapshotId | None = None


Step = Union[AttachStep, DetachStep]

PLUG_SECONDS = 200
"""An attachment that has lasted so many seconds is plugged. The engine shows it as active before it
asks the host, and takes it back if the host refuses or does not answer for 180 seconds
(docs/engine.md#while-the-host-plugs); the rest is for slow clocks."""

_SETTINGS = ("interface", "bootable", "read_only", "pass_discard", "active")
"""The settings that both an attachment and a request have."""


@dataclass(frozen=True)
class AttachSituation:
    """The request, and what was found."""

    appliance: Vm
    source: Vm
    snapshot: Snapshot
    disks: tuple[SnapshotDisk, ...]
    settings: AttachSettings
    held: tuple[Holding, ...]
    replace: bool = False
    places: tuple[Location, Location] = (NO_LOCATION, NO_LOCATION)
    appliance_snapshots: tuple[Snapshot, ...] = ()
    engine_version: str = ""
    checkpointed: Checkpointed = NO_CHECKPOINTS
    checkpoints: str = "refuse"


def plan_attach(now: AttachSituation) -> Plan[Step]:
    """Decide what to attach, and what to detach before.

    Raises:
        errors.Refused: Names every broken rule.
    """
    by_disk = {holding.disk_id: holding for holding in now.held}
    violations = _general_violations(now)
    if now.checkpoints == "refuse":
        violations.extend(_checkpoints(now))
    steps: list[Step] = []
    for disk in now.disks:
        held = by_disk.get(disk.disk_id)
        problem = _conflict(now, disk, held)
        if problem is not None:
            violations.append(problem)
        elif held is None:
            steps.append(AttachStep(now.appliance, disk, now.settings))
        elif not _is_wanted(held, now):
            steps.insert(0, DetachStep(now.appliance, held.disk_id, held.alias, held.snapshot_id))
            steps.append(AttachStep(now.appliance, disk, now.settings))
    if steps:
        rules.enforce(violations)
    else:
        rules.enforce(
            [violation for violation in violations if violation.rule is rules.ONE_PER_DISK]
        )
    return Plan(
        steps=tuple(steps),
        result=_result(now),
        before={"attached": {d.alias: _before(by_disk.get(d.disk_id)) for d in now.disks}},
        after={"attached": {d.alias: _after(now) for d in now.disks}},
        warnings=_warnings(now) if steps else (),
    )


def device_dict(disk: SnapshotDisk, settings: AttachSettings) -> dict[str, Any]:
    """Return what a person or a role needs to find the disk inside the appliance, and to copy it."""
    return {
        "disk_id": disk.disk_id,
        "snapshot_id": disk.snapshot_id,
        "image_id": disk.image_id,
        "parent_image_id": disk.parent_image_id,
        "alias": disk.alias,
        "virtual_size": disk.virtual_size,
        "actual_size": disk.actual_size,
        "size_is_exact": disk.exact,
        "format": disk.format,
        "source_interface": disk.interface,
        "source_bootable": disk.bootable,
        "interface": settings.interface,
        "read_only": settings.read_only,
        "active": settings.active,
        "serial": guest_serial(disk.disk_id, settings.interface),
        "device_links": list(device_links(disk.disk_id, settings.interface)),
    }


def _general_violations(now: AttachSituation) -> list[rules.Violation]:
    return [
        *rules.not_its_own(now.appliance, now.source),
        *rules.same_data_center(now.appliance, now.source, now.places),
        *rules.appliance_ready(now.appliance),
        *rules.not_in_preview(now.appliance, now.appliance_snapshots),
        *rules.snapshot_usable(now.snapshot),
        *rules.disks_healthy(now.disks),
        *rules.images_only(now.disks),
        *rules.interface_fits(now.settings, now.appliance),
        *rules.bootable_alone(now.settings, now.disks, now.held),
    ]


def _warnings(now: AttachSituation) -> tuple[str, ...]:
    found = rules.same_host(now.appliance, now.source)
    if now.checkpoints == "warn":
        found.extend(_checkpoints(now))
    return tuple(f"{one.message} {one.rule.reason}" for one in found)


def _checkpoints(now: AttachSituation) -> list[rules.Violation]:
    return rules.checkpoints_kept(now.engine_version, now.disks, now.checkpointed)


def _is_wanted(held: Holding, now: AttachSituation) -> bool:
    return held.snapshot_id == now.snapshot.id and not differences(held, now.settings)


def differences(held: Holding, wanted: AttachSettings) -> dict[str, tuple[Any, Any]]:
    """Return the settings in which an attachment differs from what is wanted: name to (is, should be)."""
    pairs = {name: (getattr(held.attachment, name), getattr(wanted, name)) for name in _SETTINGS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _conflict(
    now: AttachSituation, disk: SnapshotDisk, held: Holding | None
) -> rules.Violation | None:
    """Return why a disk that is already on the appliance prevents the attachment; None if it does not."""
    if held is None or _is_wanted(held, now):
        return None
    evidence = held.to_dict()
    if not held.is_disk_snapshot:
        text = f"The appliance has disk {disk.alias!r} itself, not as a disk snapshot."
        return rules.Violation(rules.ONE_PER_DISK, text, evidence)
    if now.replace:
        return None
    if held.snapshot_id is None:
        text = (
            f"A snapshot of disk {disk.alias!r} is already attached, but it is unknown which "
            "one. The engine does not say, and shows this user no event of the attachment."
        )
        return rules.Violation(rules.ONE_PER_DISK, text, evidence)
    if held.snapshot_id != now.snapshot.id:
        text = f"Disk {disk.alias!r} is already attached with snapshot {held.snapshot_id}."
        return rules.Violation(rules.ONE_PER_DISK, text, evidence)
    return _wrong_settings(disk, held, now.settings)


def _wrong_settings(
    disk: SnapshotDisk, held: Holding, wanted: AttachSettings
) -> rules.Violation | None:
    different = differences(held, wanted)
    if set(different) == {"active"} and wanted.active:
        # No guest can read a disk that is not plugged, so attaching it again is safe. (The
        # engine's own way to plug, PUT, would lock the source VM's disk: docs/engine.md#changing-an-attachment)
        return None
    text = ", ".join(f"{name} is {is_!r}, not {be!r}" for name, (is_, be) in different.items())
    message = (
        f"Disk {disk.alias!r} of this snapshot is already attached with other settings: {text}."
    )
    return rules.Violation(rules.ONE_PER_DISK, message, held.to_dict())


def _before(held: Holding | None) -> dict[str, Any] | None:
    """Return an attachment for diff mode, with its settings, since they alone may change."""
    if held is None:
        return None
    settings = {name: getattr(held.attachment, name) for name in _SETTINGS}
    return {"snapshot_id": held.snapshot_id or "unknown", **settings}


def _after(now: AttachSituation) -> dict[str, Any]:
    settings = {name: getattr(now.settings, name) for name in _SETTINGS}
    return {"snapshot_id": now.snapshot.id, **settings}


def _result(now: AttachSituation) -> dict[str, Any]:
    disks: Sequence[dict[str, Any]] = [device_dict(disk, now.settings) for disk in now.disks]
    return {
        "appliance": {"id": now.appliance.id, "name": now.appliance.name},
        "source_vm": {"id": now.source.id, "name": now.source.name},
        "snapshot": {"id": now.snapshot.id, "description": now.snapshot.description},
        "disks": disks,
        "attached": [disk.disk_id for disk in now.disks],
    }


@dataclass(frozen=True)
class AttachRequest:
    """The request to attach disks of one snapshot to an appliance."""

    appliance: str
    source: str
    snapshot: str
    disks: tuple[str, ...] = ()
    settings: AttachSettings = field(default_factory=AttachSettings)
    replace: bool = False
    checkpoints: str = "refuse"
