# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed run left, and what a later run does about it.

On the engine: a snapshot with our stamp, attached to the appliance. In the repository: a set's
directory with a record of all that is needed to finish it. No engine tells whether that run is
still alive; its claim does (``backup_claim``), and without a claim the record, which a copying run
touches.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import (
    arrival,
    times,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    show_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import (
    ovf as ovf_file,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    FORMATS,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    naming,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import stamp

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from datetime import datetime

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Snapshot,
    )

FORM = "ovirt_community.backup.unfinished"
VERSION = 1
_UNKNOWN = (
    "No run can finish this set. Check that no copy is running into it, then remove its directory."
)
SIZE_LIMIT = 12 * ovf_file.SIZE_LIMIT + 16 * 1024 * 1024
"""The longest record, in bytes: JSON needs at most twelve per character of the longest
configuration."""

FACTS = (
    *("run_id", "started", "correlation_id", "vm", "snapshot", "consistency", "evidence"),
    *("versions", "format", "compression", "disks"),
)
"""The content of a record besides the configuration: options of ``backup_set``."""


@dataclass(frozen=True)
class Leftover:
    """A snapshot with our owner's stamp and another run's id.

    Attributes:
        attached: Ids of its disks that the appliance holds.
        expired: Whether its lease has ended.
    """

    vm_id: str
    run_id: str
    snapshot_id: str
    description: str
    status: str
    attached: tuple[str, ...] = ()
    expired: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the leftover as a module's result."""
        return {**asdict(self), "attached": list(self.attached)}


def leftovers(
    vm_id: str,
    snapshots: Iterable[Snapshot],
    held: Sequence[Holding],
    mark: stamp.Stamp,
    now: datetime,
) -> tuple[Leftover, ...]:
    """Return what other runs of the owner left of a VM, oldest first.

    Args:
        held: What the appliance holds.
        mark: Stamp of the asking run.
    """
    stamped = [(stamp.parse(snapshot.description), snapshot) for snapshot in snapshots]
    others = [
        (other, snapshot)
        for other, snapshot in stamped
        if snapshot.type == "regular"
        and other
        and other.owner == mark.owner
        and other.run_id != mark.run_id
    ]
    return tuple(
        Leftover(
            vm_id=vm_id,
            run_id=other.run_id,
            snapshot_id=snapshot.id,
            description=snapshot.description,
            status=snapshot.status,
            attached=tuple(sorted(one.disk_id for one in held if one.snapshot_id == snapshot.id)),
            expired=other.expires <= now,
        )
        for other, snapshot in sorted(others, key=lambda pair: pair[0].expires)
    )


@dataclass(frozen=True)
class RunRecord:
    """The record in the directory of an unfinished set.

    Attributes:
        facts: The values that ``FACTS`` names.
        prepared: When the record was written, by the appliance's clock; empty in earlier records.
    """

    path: str
    facts: Mapping[str, Any]
    prepared: str = ""

    @property
    def run_id(self) -> str:
        """The run that began the set."""
        return str(self.facts["run_id"])

    @property
    def clocks(self) -> dict[str, str] | None:
        """What three clocks said around the snapshot, for the manifest; None if one of them is unknown."""
        snapshot = self.facts["snapshot"]
        found = {key: str(snapshot.get(key) or "") for key in ("asked", "there")}
        found["appliance"] = self.prepared
        return found if all(found.values()) else None

    @property
    def snapshot_id(self) -> str:
        """The snapshot that the run copies."""
        return str(self.facts["snapshot"]["id"])

    @property
    def owner(self) -> str | None:
        """The owner of the run, by the stamp of its snapshot; None if there is no stamp."""
        mark = stamp.parse(str(self.facts["snapshot"].get("description")))
        return mark.owner if mark else None

    def request(self) -> backup_set.PrepareRequest:
        """Return the request that the set was prepared with."""
        vm = self.facts["vm"]
        return backup_set.PrepareRequest(
            repository=naming.SetPath.parse(self.path).repository,
            vm=(vm["name"], vm["id"]),
            run=(self.facts["started"], self.facts["run_id"]),
            disks=backup_set.read_disks(self.facts["disks"]),
            format=self.facts["format"],
        )


def facts_in(data: bytes) -> dict[str, Any]:
    """Return what a record's file says, without the configuration."""
    record = json.loads(data)
    return {key: record[key] for key in FACTS}


def dump(facts: Mapping[str, Any], ovf: str) -> bytes:
    """Serialise a record for its file."""
    chosen = {key: facts[key] for key in FACTS}
    record = {"form": FORM, "version": VERSION, **chosen, "ovf": ovf}
    return json.dumps(record, indent=1, sort_keys=True).encode("ascii")


def stamped(data: bytes, moment: datetime) -> bytes:
    """Add the time of writing, by the appliance's clock, to a serialised record."""
    record = {**json.loads(data), "prepared": show_time(moment)}
    return json.dumps(record, indent=1, sort_keys=True).encode("ascii")


def is_same(found: bytes, data: bytes) -> bool:
    """Tell whether a record's file has the content to be written, whenever it was written."""
    try:
        known = json.loads(found)
        return bool({**known, "prepared": ""} == {**json.loads(data), "prepared": ""})
    except (ValueError, TypeError, RecursionError):
        return False


def load(path: str, data: bytes) -> tuple[RunRecord, str]:
    """Parse a record's file; return the record and the configuration.

    It names no path. The paths follow from where it lies, and its content must match that place.

    Args:
        path: The set's directory.

    Raises:
        InvalidRequest: It is not a record, or is of another set.
    """
    try:
        found = json.loads(data)
        if found["form"] != FORM or found["version"] != VERSION:
            raise ValueError("it was written by another release of the collection")
        prepared = str(found.get("prepared", ""))
        record = RunRecord(path, {key: found[key] for key in FACTS}, prepared)
        ovf, request = found["ovf"], record.request()
        whole = isinstance(ovf, str) and bool(record.snapshot_id) and request.format in FORMATS
        fits = whole and backup_set.names(request).path == path
    except (KeyError, TypeError, ValueError, AttributeError, BackupError) as exc:
        plain = isinstance(exc, (ValueError, BackupError))
        why = str(exc).rstrip(".") if plain else repr(exc)
        raise InvalidRequest(f"The record in {path} cannot be read: {why}.", hint=_UNKNOWN) from exc
    if not fits:
        raise InvalidRequest(f"The record in {path} belongs to another set.", hint=_UNKNOWN)
    return record, ovf


@dataclass(frozen=True)
class Wanted:
    """What the asking run would accept as its backup of a VM.

    Attributes:
        started: When that run began.
        disks: Names of the disks that the VM has now, by id; None if unknown.
        consistency: The levels in ``vm_backup_accept_consistency``.
    """

    started: datetime
    disks: Mapping[str, str] | None
    consistency: tuple[str, ...]


def shortcomings(one: Leftover, record: RunRecord, wanted: Wanted) -> tuple[str, ...]:
    """Return why a dead run's set is not the backup that a run would make now."""
    found = []
    began = times.parse_time("started", record.facts["started"])
    if one.expired:
        found.append("its lease has ended")
    if began > wanted.started:
        found.append("according to its record, it started later than this run")
    if wanted.disks is None:
        found.append("it is unknown which disks the VM has now")
    else:
        held = {disk["disk_id"] for disk in record.facts["disks"]}
        lacks = [alias for disk_id, alias in wanted.disks.items() if disk_id not in held]
        if lacks:
            found.append(f"it lacks {', '.join(lacks)}, which the VM has now")
    if record.facts["consistency"] not in wanted.consistency:
        accepted = ", ".join(wanted.consistency)
        found.append(
            f"its consistency is {record.facts['consistency']}, but only {accepted} are accepted"
        )
    return tuple(found)


@dataclass(frozen=True)
class TakeoverDecision:
    """What to do about the leftovers of one VM.

    Attributes:
        problems: Why nothing may be done, and no backup begun.
        take_over: The set to finish; its snapshot is in ``clean`` too, for afterwards.
        shortcomings: Why that set is not the asking run's backup; that run then makes its own.
        clean: What to detach and remove.
        notes: What a person should read in the summary.
    """

    problems: tuple[str, ...] = ()
    take_over: RunRecord | None = None
    shortcomings: tuple[str, ...] = ()
    clean: tuple[Leftover, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def result(self) -> dict[str, Any]:
        """Return the decision as a module's result."""
        record = self.take_over
        return {
            "problems": list(self.problems),
            "take_over": None
            if record is None
            else {
                **record.facts,
                "path": record.path,
                "images": backup_set.image_requests(record.request()),
            },
            "stands_in": record is not None and not self.shortcomings,
            "clean": [one.to_dict() for one in self.clean],
            "notes": list(self.notes),
        }


def decide(
    found: Sequence[Leftover],
    records: Sequence[RunRecord],
    moved: Iterable[str],
    wanted: Wanted,
    dead: Container[str] = (),
) -> TakeoverDecision:
    """Decide what to do about the leftovers of one VM.

    A run that moved while it was watched is alive; it and its leftovers are left alone. Of the dead
    runs, the latest whose disks are all still attached is finished. Leftovers tied to this appliance
    by an attachment, a record or a claim are cleaned up; others may belong to a run through another
    appliance and are left until their lease has ended. A finished set replaces the backup of the
    asking run only if that run would have accepted it as its own.

    Args:
        moved: Runs that live, by their records.
        dead: Runs that had the VM's claim on this appliance, and are dead.
    """
    problems = _in_the_way(found, set(moved))
    if problems:
        return TakeoverDecision(problems=problems)
    known = {(one.run_id, one.snapshot_id): one for one in records}
    clean = [one for one in reversed(found) if one.expired or _is_tied(one, known, dead)]
    others = [one for one in found if one not in clean]
    notes = [f"Run {one.run_id} left a snapshot that may be another appliance's." for one in others]
    take_over: RunRecord | None = None
    lacking: tuple[str, ...] = ()
    for one in clean:
        record = known.get((one.run_id, one.snapshot_id))
        gone = _why_not(one, record)
        if record and not gone and take_over is None:
            take_over = record
            lacking = shortcomings(one, record, wanted)
            notes += [_not_this_backup(record, lacking, wanted)] if lacking else []
        else:
            reason = gone or "a later one is finished"
            notes.append(f"Run {one.run_id} was killed; it was not taken over: {reason}.")
    return TakeoverDecision((), take_over, lacking, tuple(clean), tuple(notes))


def _is_tied(one: Leftover, known: Container[tuple[str, str]], dead: Container[str]) -> bool:
    """Tell whether a leftover is of a run through this appliance."""
    return bool(one.attached) or one.run_id in dead or (one.run_id, one.snapshot_id) in known


def _in_the_way(found: Sequence[Leftover], living: set[str]) -> tuple[str, ...]:
    """Return why nothing may be done about the leftovers of a VM."""
    at_work = [f"Run {one.run_id} is working on this VM." for one in found if one.run_id in living]
    unfit = [one for one in found if one.run_id not in living and one.status != "ok"]
    return (*at_work, *(f"The snapshot of run {one.run_id} is {one.status}." for one in unfit))


def _not_this_backup(record: RunRecord, reasons: Sequence[str], wanted: Wanted) -> str:
    """Say that a finished set is not the asking run's backup, and why."""
    began = times.parse_time("started", record.facts["started"])
    old = f", {times.age(wanted.started - began)} ago" if began <= wanted.started else ""
    return (
        f"The set that run {record.run_id} began at {record.facts['started']}{old}, does not count as the"
        f" backup of this run: {'; '.join(reasons)}. It is finished as what it is, and a new backup is made."
    )


def _why_not(one: Leftover, record: RunRecord | None) -> str:
    """Return why a dead run's set cannot be finished; empty if it can."""
    if record is None:
        return "it had not begun to copy, or had ended"
    missing = {disk["disk_id"] for disk in record.facts["disks"]} - set(one.attached)
    return "its disks are no longer attached" if missing else ""


@dataclass(frozen=True)
class TakeoverRequest:
    """What the asking run tells about killed runs.

    Attributes:
        leftovers: As ``backup_plan_info`` returned them.
        patience: Longest silence of a run that is alive, and the time in which it may attach disks,
            in seconds.
        wanted: What the asking run would accept as its backup of a VM, by the VM's id.
        dead: Runs that are known to be dead, by their claims.
    """

    leftovers: tuple[Mapping[str, Any], ...]
    patience: tuple[float, float]
    wanted: Callable[[str], Wanted]
    dead: frozenset[str]


def wanted_of(
    vm_id: str, plans: Iterable[Mapping[str, Any]], consistency: Iterable[str], started: datetime
) -> Wanted:
    """Return what a run would accept as its backup of a VM.

    Args:
        plans: The result of ``backup_plan_info``.

    Raises:
        InvalidRequest: The values are not such a result.
    """
    try:
        mine = [plan for plan in plans if plan["vm"] and plan["vm"]["id"] == vm_id]
        disks = {disk["disk_id"]: disk["alias"] for plan in mine for disk in plan["disks"]}
    except (KeyError, TypeError) as exc:
        raise InvalidRequest(f"plans are not as backup_plan_info returns them: {exc}.") from exc
    return Wanted(started, disks if mine else None, tuple(consistency))


def named(data: Iterable[Mapping[str, Any]]) -> tuple[Leftover, ...]:
    """Return leftovers from the result of ``backup_plan_info``.

    Raises:
        InvalidRequest: The values are not such a result.
        ValueMasked: A value did not arrive as it was sent.
    """
    data = list(data)
    arrival.check_unmasked({"leftovers": data})
    try:
        made = [Leftover(**{**one, "attached": tuple(one["attached"])}) for one in data]
    except (KeyError, TypeError) as exc:
        raise InvalidRequest(f"leftovers are not as backup_plan_info returns them: {exc}.") from exc
    bad = [one.vm_id for one in made if not naming.UUID.match(one.vm_id)]
    if bad:
        raise InvalidRequest(f"{bad[0]!r} is not a VM id.")
    return tuple(made)
