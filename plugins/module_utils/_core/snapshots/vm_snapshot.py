# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a VM for backup: what to make, what to remove, and how consistent the result is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.lookup import (
    require_single,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Disk,
    DiskId,
    Event,
    Snapshot,
    SnapshotId,
    Vm,
    is_uuid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules

if TYPE_CHECKING:
    pass
    from collections.abc import Iterable, Sequence

FREEZE_FAILED = 10764
FREEZE_SUCCEEDED = 10767
CREATED = 68
CREATE_FAILED = (170, 117, 69)
"""Events of a failed creation, the most informative first."""
INCONSISTENT = (170, 10774, 69)
"""With 10774 and 69 the engine keeps a snapshot whose creation failed (docs/engine.md#when-a-snapshot-is-ready)."""
CREATION_BEGUN = 45
CREATION = (CREATION_BEGUN, CREATED, *CREATE_FAILED, *INCONSISTENT)
"""The log has at least one of these for every snapshot, so a user who sees none may not see
events."""
REMOVAL_BEGUN = 342
REMOVE_FAILED = (357, 343, 359)
REMOVED = 356
DESCRIPTION_LIMIT = 4000
"""The longest description that the engine accepts, in characters."""
_REMOVAL = (REMOVAL_BEGUN, REMOVED, *REMOVE_FAILED)


@dataclass(frozen=True)
class CreateSnapshotStep:
    """Make a snapshot of all disks that can have one, or of the named ones."""

    vm: Vm
    description: str
    disk_ids: tuple[DiskId, ...] | None
    memory: bool


@dataclass(frozen=True)
class RemoveSnapshotStep:
    """Remove a snapshot and wait for its merge."""

    vm: Vm
    snapshot: Snapshot


SnapshotStep = Union[CreateSnapshotStep, RemoveSnapshotStep]


@dataclass(frozen=True)
class SnapshotSituation:
    """The request, and what was found. ``word`` is the id or the description of a snapshot."""

    vm: Vm
    snapshots: tuple[Snapshot, ...]
    word: str
    present: bool
    disk_ids: tuple[DiskId, ...] | None = None
    memory: bool = False


def plan_snapshot(now: SnapshotSituation) -> Plan[SnapshotStep]:
    """Decide whether to make or to remove a snapshot.

    Raises:
        errors.Ambiguous: Two snapshots have this description.
        errors.Refused: The snapshot to remove is not a regular one; the VM is suspended or in
            preview.
    """
    found = match_snapshot(now.snapshots, now.word)
    before = {"snapshot": found.description if found else None}
    if now.present:
        return _plan_present(now, found, before)
    if found is None:
        return Plan(result=_result(now.vm, None), before=before, after=before)
    rules.enforce(rules.snapshot_usable(found))
    rules.enforce(rules.source_ready(now.vm, now.snapshots))
    return Plan(
        steps=(RemoveSnapshotStep(now.vm, found),),
        result=_result(now.vm, found),
        before=before,
        after={"snapshot": None},
    )


def _plan_present(
    now: SnapshotSituation, found: Snapshot | None, before: dict[str, Any]
) -> Plan[SnapshotStep]:
    if found is not None:
        rules.enforce(rules.snapshot_usable(found))
        return Plan(result=_result(now.vm, found), before=before, after=before, waits=True)
    if is_uuid(now.word):
        raise NotFound(
            f"VM {now.vm.name!r} has no snapshot {now.word}.",
            hint="An id only finds an existing snapshot; to create one, give a description.",
            details={"vm_id": now.vm.id, "snapshot": now.word},
        )
    check_description(now.word)
    rules.enforce(rules.source_ready(now.vm, now.snapshots))
    wanted = Snapshot(SnapshotId(""), now.word, "absent", "regular", memory=now.memory)
    return Plan(
        steps=(CreateSnapshotStep(now.vm, now.word, now.disk_ids, now.memory),),
        result=_result(now.vm, wanted),
        before=before,
        after={"snapshot": now.word},
    )


def check_description(text: str) -> None:
    """Refuse a description that the engine would refuse, or would not return unchanged.

    It accepts ASCII and letters of any script, at most 4,000 characters
    (docs/engine.md#making-a-snapshot). XML has no control characters except tab and line feed.

    Raises:
        errors.InvalidRequest: This cannot be a description.
    """
    if not text.strip():
        raise InvalidRequest("A snapshot needs a description.")
    if len(text) > DESCRIPTION_LIMIT:
        raise InvalidRequest(
            f"The description of a snapshot has {len(text)} characters; the engine takes"
            f" {DESCRIPTION_LIMIT}.",
            hint="Shorten it.",
        )
    wrong = sorted({one for one in text if not _describes(one)})
    if wrong:
        named = ", ".join(f"U+{ord(one):04X} {unicodedata.name(one, '')}".strip() for one in wrong)
        raise InvalidRequest(
            f"The description of a snapshot has characters that the engine refuses: {named}.",
            hint="The engine takes ASCII and letters of any script. Remove symbols and emoji, and use composed characters (Unicode NFC).",
        )


def _describes(character: str) -> bool:
    if character.isascii():
        return character.isprintable() or character in "\t\n"
    return unicodedata.category(character).startswith("L")


def is_same(found: Snapshot | None, wanted: Snapshot) -> bool:
    """Tell whether a snapshot that was read by id is the expected one.

    The engine gives the id of a failed creation back to the ACTIVE entry, and to the next snapshot
    after that, whoever makes it (docs/engine.md#the-id-of-a-snapshot). So type and description
    decide, not the id.
    """
    return found is not None and found.type == "regular" and found.description == wanted.description


def match_snapshot(snapshots: Iterable[Snapshot], word: str) -> Snapshot | None:
    """Find a snapshot by its id, else by its whole description.

    Raises:
        errors.Ambiguous: Several snapshots have this description.
    """
    candidates = list(snapshots)
    by_id = [one for one in candidates if one.id == word.lower()]
    if by_id:
        return by_id[0]
    named = [one for one in candidates if one.type != "active" and one.description == word]
    if not named:
        return None
    return require_single(
        "snapshot", word, named, lambda one: {"id": one.id, "description": one.description}
    )


def snapshot_dict(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as a module's result. The id is null before the snapshot exists."""
    return {
        "id": snapshot.id or None,
        "description": snapshot.description,
        "status": snapshot.status,
        "type": snapshot.type,
        "date": snapshot.date.isoformat() if snapshot.date else None,
        "memory": snapshot.memory,
    }


def _result(vm: Vm, snapshot: Snapshot | None) -> dict[str, Any]:
    return {
        "vm": {"id": vm.id, "name": vm.name},
        "snapshot": snapshot_dict(snapshot) if snapshot else None,
        "consistency": "unknown",
        "events": [],
        "disks": [],
    }


def about(events: Iterable[Event], vm: Vm, snapshot: Snapshot) -> list[Event]:
    """Return the events of one snapshot.

    A run has one correlation id for all of its VMs, and may remove an older snapshot of the same
    VM. The events of a removal name the snapshot; a freeze of file systems does not
    (docs/engine.md#events).
    """
    return [
        event
        for event in events
        if event.vm_id in (None, vm.id)
        and (event.code not in _REMOVAL or snapshot.description in event.description)
    ]


def consistency(vm_status: str, events: Sequence[Event]) -> str:
    """Return how consistent the frozen state is, as far as the engine tells.

    The facts: docs/engine.md#consistency-of-a-snapshot.

    - ``offline``: the VM was down before and after, so nothing was being written.
    - ``filesystem``: the engine froze the guest's file systems.
    - ``crash``: the freeze was tried and failed; the state is as after a power cut.
    - ``inconsistent``: the engine itself warns of the snapshot.
    - ``unknown``: ``crash`` or better. By default the host freezes through the guest agent and
      reports no result. Also the level if ``creation_shown`` is false: then nothing is known.

    Args:
        vm_status: The status while the snapshot was made, see ``throughout``.
    """
    codes = {event.code for event in events}
    if codes & set(INCONSISTENT):
        return "inconsistent"
    if FREEZE_FAILED in codes:
        return "crash"
    if FREEZE_SUCCEEDED in codes:
        return "filesystem"
    return "offline" if vm_status == "down" and creation_shown(events) else "unknown"


def throughout(before: str, after: str) -> str:
    """Return the status of a VM while its snapshot was made: known only if it was the same before and after."""
    return before if before == after else "unknown"


def creation_shown(events: Iterable[Event]) -> bool:
    """Tell whether the user sees the VM's events: the creation of a snapshot always has some.

    A role on the system shows no events; one on the VM, its cluster or its data centre does
    (docs/engine.md#who-sees-events).
    """
    return any(event.code in CREATION for event in events)


def creation_ended(events: Iterable[Event]) -> bool:
    """Tell whether the log has the end of the creation; no warning about the snapshot follows it."""
    return any(event.code in (CREATED, *CREATE_FAILED) for event in events)


def unseen_events(vm: Vm) -> str:
    """Warn of a snapshot whose events the user does not see."""
    return (
        f"The events of VM {vm.name!r} are not shown to this user, so the consistency of its snapshot is"
        " unknown, and the engine may have warned of it. Grant a role with the permit login on the VM, its"
        " cluster or its data centre: a role on the system shows no events (docs/permissions.md)."
    )


NOT_PLUGGED = "it is not plugged, and while the VM runs the engine removes no snapshot that has it"
"""Why an unplugged disk is left out of the snapshot of a running VM, if that is requested."""


def taken_along(disk: Disk) -> bool:
    """Tell whether a snapshot that names no disks includes this one, of any kind."""
    return disk.storage_type != "lun" and not disk.shareable


def left_out(disk: Disk) -> str | None:
    """Return why a backup of the VM does not include this disk; None if it does."""
    if disk.storage_type == "lun":
        return "it is a lun disk, which snapshots do not include"
    if disk.storage_type != "image":
        return f"it is a {disk.storage_type} disk, whose snapshots no host attaches to another VM"
    if disk.shareable:
        return "it is shareable, which snapshots do not include"
    if disk.content_type != "data":
        return f"its content is {disk.content_type}, not data"
    return None


@dataclass(frozen=True)
class SnapshotRequest:
    """The request to have, or not to have, a snapshot of a VM; ``snapshot`` is an id or a description."""

    vm: str
    snapshot: str
    present: bool
    disks: tuple[str, ...] = ()
    memory: bool = False
    correlation_id: str = ""
