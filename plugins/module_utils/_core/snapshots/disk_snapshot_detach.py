# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what to detach from an appliance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.serial import (
    is_short_serial,
    serial_forms,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.lookup import (
    require_single,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    is_uuid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    DetachStep,
)

if TYPE_CHECKING:
    pass
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        SnapshotId,
        Vm,
    )


@dataclass(frozen=True)
class DetachSituation:
    """The request, and what was found.

    Exactly one of ``disks``, ``snapshot_id`` and ``everything`` selects the disks; those that
    ``keep`` names always stay.
    """

    appliance: Vm
    held: tuple[Holding, ...]
    disks: tuple[str, ...] = ()
    snapshot_id: SnapshotId | None = None
    everything: bool = False
    keep: tuple[str, ...] = ()


def plan_detach(now: DetachSituation) -> Plan[DetachStep]:
    """Decide what to detach. A missing attachment is not an error: it is detached already.

    Raises:
        errors.Refused: A named disk is not a disk snapshot, or that is unknown.
    """
    meant = _chosen(now)
    _check_keep(now)
    kept = [held for held in _by_word(now.held, now.keep) if held in meant]
    chosen = [held for held in meant if held not in kept]
    rules.enforce(rules.only_disk_snapshots(chosen))
    if chosen:
        rules.enforce(rules.appliance_ready(now.appliance))
    return Plan(
        steps=tuple(
            DetachStep(now.appliance, held.disk_id, held.alias, held.snapshot_id) for held in chosen
        ),
        result={
            "appliance": {"id": now.appliance.id, "name": now.appliance.name},
            "detached": [held.to_dict() for held in chosen],
            "kept": [held.to_dict() for held in kept],
        },
        before={"attached": {held.alias: held.snapshot_id or "unknown" for held in chosen}},
        after={"attached": {}},
    )


def _check_keep(now: DetachSituation) -> None:
    """Refuse a word that is no id, serial number or name: the disk that it means would be detached.

    Raises:
        InvalidRequest: Names the first such word.
    """
    names = {held.alias for held in now.held}
    for word in now.keep:
        if word not in names and not is_uuid(word) and not is_short_serial(word):
            raise InvalidRequest(
                f"{option('keep')} names {word!r}, but {now.appliance.name!r} has no such disk.",
                hint="Give ids, serial numbers, or the names of disks that are attached.",
            )


def _chosen(now: DetachSituation) -> list[Holding]:
    if now.everything:
        return [held for held in now.held if held.is_disk_snapshot]
    if now.snapshot_id is not None:
        return _of_snapshot(now.held, now.snapshot_id)
    return _by_word(now.held, now.disks)


def _by_word(held: Sequence[Holding], words: Sequence[str]) -> list[Holding]:
    chosen: list[Holding] = []
    for word in words:
        matches = [one for one in held if word.lower() in serial_forms(one.disk_id)]
        matches = matches or [one for one in held if one.alias == word]
        if not matches:
            continue
        one = require_single(
            "disk on the appliance",
            word,
            matches,
            lambda match: {"id": match.disk_id, "name": match.alias},
        )
        if one not in chosen:
            chosen.append(one)
    return chosen


def _of_snapshot(held: Sequence[Holding], snapshot_id: SnapshotId) -> list[Holding]:
    """Return the attachments of one snapshot; refuse if one of them may show another snapshot."""
    unclear = [
        one
        for one in held
        if one.is_disk_snapshot and one.snapshot_id is None and snapshot_id in one.candidates
    ]
    if unclear:
        names = ", ".join(repr(one.alias) for one in unclear)
        raise Refused(
            f"Cannot tell whether {names} is attached with this snapshot or another one.",
            hint=f"Name the disks to detach with {option('disks')}.",
            details={"disks": [one.to_dict() for one in unclear]},
        )
    return [one for one in held if one.is_disk_snapshot and one.snapshot_id == snapshot_id]


@dataclass(frozen=True)
class DetachRequest:
    """The request to detach disks, all of one snapshot, or everything, except the disks to ``keep``."""

    appliance: str
    disks: tuple[str, ...] = ()
    source: str | None = None
    snapshot: str | None = None
    everything: bool = False
    keep: tuple[str, ...] = ()
