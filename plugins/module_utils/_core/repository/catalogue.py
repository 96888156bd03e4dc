# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of a repository: what each directory in it is, and which set to use.

Everything read from a repository may be hostile. A set is judged by its manifest, by the sizes of
its files and by the record of its last verification; nothing here reads an image. A set that cannot
be read is ``unreadable``: neither good, nor corrupt, nor gone. ``clocks`` decides the time of a
set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import clocks
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    ImageError,
    InvalidRequest,
    ManifestInvalid,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    read_time,
    show_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
    naming,
    verification_record,
)

COMPLETE = "complete"
UNFINISHED = "unfinished"
CORRUPT = "corrupt"
PARENT_MISSING = "parent_missing"
UNSUPPORTED = "unsupported"
UNREADABLE = "unreadable"
STATES = (COMPLETE, UNFINISHED, CORRUPT, PARENT_MISSING, UNSUPPORTED, UNREADABLE)

PROTECTED_SUFFIX = ".protected"
TRASH_PREFIX = ".trash."
PAGE = "index.html"
"""The report on the repository, if it is kept in the repository."""

_FIRST = datetime.min.replace(tzinfo=timezone.utc)

ALL = "all"
NEWEST = "newest"
NEWEST_GOOD = "newest_good"
SELECTIONS = (ALL, NEWEST, NEWEST_GOOD)


@dataclass(frozen=True)
class FoundDirectory:
    """What the directory of one set holds.

    Attributes:
        vm_directory: Name of the VM's directory.
        name: Name of the set's directory.
        identity: Device and inode of the set's directory.
        files: Every name in it, with the size in bytes; None for anything but a regular file.
        manifest: The manifest's bytes; None if there is none, or it could not be read.
        fault: What exists instead of a manifest.
        unseen: Why it could not be read; that says nothing of the set.
        modified: When anything in it last changed, seconds since 1970, by the appliance's clock.
        record: The bytes of the record of its verification.
        checksum: The bytes of the manifest's checksum file; None if there is none.
    """

    vm_directory: str
    name: str
    identity: tuple[int, int] = (0, 0)
    files: Mapping[str, int | None] = field(default_factory=dict)
    manifest: bytes | None = None
    fault: str = ""
    modified: float = 0.0
    record: bytes | None = None
    protected: bool = False
    unseen: str = ""
    checksum: bytes | None = None


@dataclass(frozen=True)
class Entry:
    """One set.

    Attributes:
        path: The set's directory.
        vm_name: None if only a cut name is known.
        time: The moment that the data is from: that of the snapshot, as far as it is known.
        reason: Why the state is not ``complete``.
        verified: The last verification of this very manifest.
        doubt: Why its time is not certain. Retention rules then ignore and keep the set.
        note: Which clock was not believed.
        bad_files: Names of files known to be damaged; an empty name means the set as a whole.
    """

    path: str
    vm_id: str
    vm_name: str | None
    run_id: str
    time: datetime
    state: str
    reason: str
    manifest: manifest.Manifest | None
    verified: verification_record.VerificationRecord | None
    seen: FoundDirectory
    doubt: str = ""
    note: str = ""
    bad_files: frozenset[str] = frozenset()

    @property
    def is_good(self) -> bool:
        """Whether the set can be restored: complete, and not known to be damaged."""
        return self.state == COMPLETE

    @property
    def counts(self) -> bool:
        """Whether the set counts among those of its VM: it is good, and its time is certain."""
        return self.is_good and not self.doubt

    def has_good(self, files: Iterable[str]) -> bool:
        """Tell whether these images can be restored, whatever the state of the others."""
        if self.is_good:
            return True
        if self.state != CORRUPT or self.manifest is None:
            return False
        return not self.bad_files & {"", self.manifest.ovf.file, *files}

    @property
    def bytes_stored(self) -> int:
        """Bytes that its images occupy; without a manifest, the length of its files."""
        if self.manifest:
            return sum(disk.bytes_stored for disk in self.manifest.disks)
        return sum(size for size in self.seen.files.values() if size)

    @property
    def parents(self) -> frozenset[str]:
        """Run ids of the sets that it builds on."""
        disks = self.manifest.disks if self.manifest else ()
        return frozenset(disk.parent for disk in disks if disk.parent)

    @property
    def title(self) -> str:
        """The VM's name, or its id if the name is unknown."""
        return self.vm_id if self.vm_name is None else self.vm_name


@dataclass(frozen=True)
class Stranger:
    """Something in the repository that is not a set. It is never touched.

    Attributes:
        unread: It could not be read, so it may hold more.
    """

    path: str
    reason: str
    unread: bool = False

    @property
    def vm(self) -> tuple[str | None, str] | None:
        """Name and id of the VM whose sets it holds, by its name; None if it holds no sets."""
        return naming.split_vm_directory(self.path.rpartition("/")[2])


@dataclass(frozen=True)
class Catalogue:
    """All sets by VM and time, the remains of removals, and everything unknown.

    Attributes:
        trash: Sets whose removal has begun.
    """

    repository: str
    entries: tuple[Entry, ...]
    strangers: tuple[Stranger, ...] = ()
    trash: tuple[FoundDirectory, ...] = ()

    def unread(self, vm: str = "") -> list[Stranger]:
        """Return directories of sets that could not be read; with a name or id, those of this VM."""
        found = [(one, one.vm) for one in self.strangers if one.unread]
        return [one for one, known in found if known and (not vm or vm in known)]


def build(
    repository: str,
    seen: Sequence[FoundDirectory],
    strangers: Sequence[Stranger] = (),
    trash: Sequence[FoundDirectory] = (),
    now: datetime | None = None,
) -> Catalogue:
    """Judge every set, first by itself and then by its parents.

    Args:
        seen: Directories that are named like sets.
        now: The time by the appliance's clock; None: no set is from the future.
    """
    judged = link([judge(repository, one, now) for one in seen])
    ordered = sorted(judged, key=lambda one: (one.title, one.vm_id, one.time, one.run_id))
    return Catalogue(repository, tuple(ordered), tuple(strangers), tuple(trash))


def judge(repository: str, seen: FoundDirectory, now: datetime | None = None) -> Entry:
    """Judge one set by itself."""
    vm_name, vm_id = naming.split_vm_directory(seen.vm_directory) or (None, "")
    started, run_id = naming.split_set_directory(seen.name) or ("", "")
    entry = Entry(
        path=naming.SetPath(repository, seen.vm_directory, seen.name).path,
        vm_id=vm_id,
        vm_name=vm_name,
        run_id=run_id,
        time=read_time(started) or _FIRST,
        state=COMPLETE,
        reason="",
        manifest=None,
        verified=None,
        seen=seen,
    )
    return _dated(_judged(entry), now)


def _judged(entry: Entry) -> Entry:
    """Return the entry with its state and all facts of the manifest."""
    seen = entry.seen
    if seen.unseen:
        return replace(entry, state=UNREADABLE, reason=seen.unseen)
    if seen.fault:
        return replace(entry, state=CORRUPT, reason=seen.fault)
    if seen.manifest is None:
        return replace(entry, state=UNFINISHED, reason="There is no manifest.")
    try:
        _check_bytes(seen.manifest, seen.checksum)
        found = manifest.loads(seen.manifest)
        _check_named(found, seen.checksum)
    except ManifestInvalid as exc:
        later = exc.details.get("version") is not None
        return replace(entry, state=UNSUPPORTED if later else CORRUPT, reason=exc.message)
    return _with_manifest(entry, found, seen.manifest)


def _check_bytes(data: bytes, checksum: bytes | None) -> None:
    """Refuse a manifest that differs from its checksum, if there is one.

    Raises:
        ManifestInvalid: The bytes, or the checksum file, are not as they were written.
    """
    if checksum is not None and manifest.checksum_in(checksum) != manifest.digest(data):
        raise ManifestInvalid(
            f"{naming.MANIFEST} does not match the checksum in {naming.CHECKSUM}."
        )


def _check_named(found: manifest.Manifest, checksum: bytes | None) -> None:
    if found.checksum and checksum is None:
        raise ManifestInvalid(
            f"{found.checksum}, the file with the manifest's checksum, is missing."
        )


def vouched(entry: Entry) -> str:
    """Return the hash that the manifest must have; without a checksum file, its own.

    A record about a changed manifest must never count for the changed one.
    """
    if entry.seen.checksum is not None:
        try:
            return manifest.checksum_in(entry.seen.checksum)
        except ManifestInvalid:
            pass
    record = _record(entry)
    return record.manifest_sha256 if record else manifest.digest(entry.seen.manifest or b"")


def _record(entry: Entry) -> verification_record.VerificationRecord | None:
    """Return the record of a verification of this run's set, of whichever manifest."""
    record = verification_record.loads(entry.seen.record) if entry.seen.record else None
    return record if record and record.run_id == entry.run_id else None


def _with_manifest(entry: Entry, found: manifest.Manifest, data: bytes) -> Entry:
    fault, record = _foreign(entry, found), _record(entry)
    if record and record.manifest_sha256 != manifest.digest(data):
        fault = "The manifest is not the one that was verified."
    if fault:
        return replace(entry, state=CORRUPT, reason=fault)
    taken = moment(found)
    known = replace(
        entry,
        manifest=found,
        vm_name=found.vm.name,
        time=taken.time,
        doubt=taken.doubt,
        note=taken.note,
        verified=record,
    )
    wrong = _files(found, entry.seen.files)
    faults = [f"{file} {said}" for file, said in wrong.items()]
    bad = set(wrong)
    if record and record.verdict == verification_record.CORRUPT:
        bad |= {fault.file for fault in record.faults} or {""}
        if not faults:
            said = "; ".join(fault.text() for fault in record.faults)
            faults = [f"Verified {record.time}: {said}"]
    if not faults:
        return known
    return replace(known, state=CORRUPT, reason="; ".join(faults) + ".", bad_files=frozenset(bad))


def _dated(entry: Entry, now: datetime | None) -> Entry:
    """Return the entry, with a doubt if it is from the future."""
    if now is None:
        return entry
    found = clocks.future(clocks.Moment(entry.time, entry.doubt, entry.note), now)
    return replace(entry, doubt=found.doubt)


def _foreign(entry: Entry, found: manifest.Manifest) -> str:
    """Return why a manifest does not belong to the directory in which it lies; empty if it does."""
    if found.vm.id != entry.vm_id:
        return f"The manifest belongs to another VM, {found.vm.id}."
    if naming.set_directory(found.started, found.run_id) != entry.seen.name:
        return f"The manifest belongs to another run, {found.run_id} of {found.started}."
    return ""


def moment(found: manifest.Manifest) -> clocks.Moment:
    """Return when the snapshot was made, by the clocks that agree."""
    date = found.snapshot.date
    engine = read_time(date) if len(date) > len("2026-11-23") else None
    if found.clocks:
        asked, there, appliance = (
            read_time(text) or _FIRST
            for text in (found.clocks.asked, found.clocks.there, found.clocks.appliance)
        )
        return clocks.of_snapshot(engine, clocks.Readings(asked, there, appliance))
    started, finished = read_time(found.started) or _FIRST, read_time(found.finished) or _FIRST
    return clocks.of_run(engine, started, finished)


def _files(found: manifest.Manifest, files: Mapping[str, int | None]) -> dict[str, str]:
    """Return the faults of the files, by name."""
    wanted = {found.ovf.file: found.ovf.size}
    wanted.update((disk.file, disk.file_size) for disk in found.disks)
    return {
        file: _file_fault(size, file in files, files.get(file))
        for file, size in wanted.items()
        if files.get(file) != size
    }


def _file_fault(wanted: int, present: bool, size: int | None) -> str:
    if not present:
        return "is not there"
    return "is not a regular file" if size is None else f"has {size} bytes, not {wanted}"


def link(entries: Sequence[Entry]) -> list[Entry]:
    """Mark the sets whose parent is missing or not good."""
    good: set[tuple[str, str]] = set()
    waiting = [entry for entry in entries if entry.is_good]
    # Start at full sets, so that two sets that build on each other cause no endless loop.
    while True:
        ready = [one for one in waiting if all((one.vm_id, up) in good for up in one.parents)]
        if not ready:
            break
        good |= {(one.vm_id, one.run_id) for one in ready}
        kept = {id(one) for one in ready}
        waiting = [one for one in waiting if id(one) not in kept]
    broken = {id(one) for one in waiting}
    return [_orphan(entry, good) if id(entry) in broken else entry for entry in entries]


def _orphan(entry: Entry, good: set[tuple[str, str]]) -> Entry:
    missing = sorted(up for up in entry.parents if (entry.vm_id, up) not in good)
    names = ", ".join(missing)
    return replace(
        entry, state=PARENT_MISSING, reason=f"It builds on {names}, which is missing or not good."
    )


@dataclass(frozen=True)
class Filter:
    """Which sets to select. A field that is not set selects all.

    Attributes:
        vm: Name or id.
        after: Not older than this.
        before: Older than this.
        sizes: Least and most bytes stored; None for no bound.
        select: All of them, or per VM the newest, or the newest good one with a certain time.
    """

    vm: str = ""
    after: datetime | None = None
    before: datetime | None = None
    states: tuple[str, ...] = ()
    consistency: tuple[str, ...] = ()
    sizes: tuple[int | None, int | None] = (None, None)
    select: str = ALL


def is_of(entry: Entry, vm: str) -> bool:
    """Tell whether a set is of the VM with this name or id."""
    return vm in (entry.vm_id, entry.vm_name)


def level(entry: Entry) -> str | None:
    """Return how consistent the data is; None if no manifest tells."""
    return entry.manifest.consistency.level if entry.manifest else None


def choose_all(entries: Sequence[Entry], wanted: Filter) -> list[Entry]:
    """Return the sets that match, in the given order."""
    found = [entry for entry in entries if _passes(entry, wanted)]
    if wanted.select == ALL:
        return found
    newest: dict[str, Entry] = {}
    for entry in found:
        if wanted.select == NEWEST_GOOD and not entry.counts:
            continue
        best = newest.get(entry.vm_id)
        if best is None or _rank(entry) > _rank(best):
            newest[entry.vm_id] = entry
    taken = {id(entry) for entry in newest.values()}
    return [entry for entry in found if id(entry) in taken]


def _rank(entry: Entry) -> tuple[bool, datetime, str]:
    """Return the sort key of a set: newer is more, and a set without a certain time is less than all others."""
    return not entry.doubt, entry.time, entry.run_id


def _passes(entry: Entry, wanted: Filter) -> bool:
    least, most = wanted.sizes
    return (
        (not wanted.vm or is_of(entry, wanted.vm))
        and (wanted.after is None or entry.time >= wanted.after)
        and (wanted.before is None or entry.time < wanted.before)
        and (not wanted.states or entry.state in wanted.states)
        and (not wanted.consistency or level(entry) in wanted.consistency)
        and (least is None or entry.bytes_stored >= least)
        and (most is None or entry.bytes_stored <= most)
    )


def choose(
    entries: Sequence[Entry], vm: str, before: datetime | None = None, disks: Sequence[str] = ()
) -> Entry:
    """Choose the set from which to restore a VM: its newest good one with a certain time.

    A name, also a former one, only says which VM is meant. All sets of that VM count, whatever its
    name was at the time; ``other_name`` reports that.

    Args:
        vm: Name or id.
        before: Only sets whose data is older than this.
        disks: Names or ids of the wanted disks, if not all: then a set is good if these disks are.

    Raises:
        NotFound: There is no such set; the message says what exists.
        Ambiguous: Several VMs have, or had, this name.
    """
    of_vm = [entry for entry in entries if is_of(entry, vm)]
    if not of_vm:
        names = sorted({entry.title for entry in entries})
        raise NotFound(
            f"The repository has no set of VM {vm!r}.",
            hint=f"There are sets of: {', '.join(names[:50])}." if names else "It is empty.",
            details={"vms": names},
        )
    ids = sorted({entry.vm_id for entry in of_vm})
    if len(ids) > 1:
        raise Ambiguous(
            f"{len(ids)} VMs have the name {vm!r}: {', '.join(ids)}.",
            hint="Give the id.",
            details={"matches": ids},
        )
    of_vm = [entry for entry in entries if entry.vm_id == ids[0]]
    usable = [one for one in of_vm if not one.doubt and has_good_disks(one, disks)]
    good = choose_all(usable, Filter(before=before, select=NEWEST))
    if not good:
        raise _no_good(vm, of_vm, before)
    return good[0]


def has_good_disks(entry: Entry, words: Sequence[str]) -> bool:
    """Tell whether the disks with these names or ids can be restored; with no words, all disks."""
    if entry.is_good or entry.manifest is None or not words:
        return entry.is_good
    named = [disk for disk in entry.manifest.disks if {disk.id, disk.alias} & set(words)]
    return bool(named) and entry.has_good(disk.file for disk in named)


def other_name(chosen: Entry, vm: str) -> list[str]:
    """Return a note if the requested name is not the one in the set."""
    if vm in (chosen.vm_id, chosen.vm_name):
        return []
    return [
        f"The VM {chosen.vm_id} is called {chosen.title!r} in this set, not {vm!r}: it was renamed. "
        f"All of its sets were considered. To restore an older one, give its path, or a time with before."
    ]


def passed_over(
    entries: Sequence[Entry], chosen: Entry, before: datetime | None = None
) -> list[str]:
    """Return notes on a choice: newer sets, and those without a certain time, one line each."""
    others = [one for one in entries if one.vm_id == chosen.vm_id and one.state != UNFINISHED]
    newer = [
        one
        for one in others
        if one.doubt or (one.time > chosen.time and (before is None or one.time < before))
    ]
    return [f"The set {one.path} was not chosen: {_why(one)}." for one in newer]


def _why(entry: Entry) -> str:
    if entry.doubt:
        return f"its time is not certain, {entry.doubt}"
    return f"it is {entry.state}, {entry.reason.rstrip('.')}"


def _no_good(vm: str, entries: Sequence[Entry], before: datetime | None) -> NotFound:
    when = f" from before {show_time(before)}" if before else ""
    said = [
        f"{one.seen.name} {one.state}" + (f" ({one.doubt})" if one.doubt else "") for one in entries
    ]
    named = (
        " To restore one of them anyway, give its path." if any(e.doubt for e in entries) else ""
    )
    return NotFound(
        f"There is no good set of {vm!r}{when}.",
        hint=f"There are: {', '.join(said[-20:])}.{named}",
        details={"sets": said},
    )


def find(catalogue: Catalogue, paths: Sequence[str]) -> list[Entry]:
    """Return the sets in these directories.

    Raises:
        ImageError: A set's directory could not be read.
        InvalidRequest: A path is not a set of the repository.
    """
    known = {entry.path: entry for entry in catalogue.entries}
    wrong = [path for path in paths if path.rstrip("/") not in known]
    for one in catalogue.unread():
        if any(path.startswith(f"{one.path}/") for path in wrong):
            raise unread_error(one)
    if wrong:
        raise InvalidRequest(
            f"{', '.join(wrong)}: no set of the repository {catalogue.repository}.",
            hint="Paths of sets are listed by backup_set_info.",
            details={"paths": wrong},
        )
    return [known[path] for path in dict.fromkeys(path.rstrip("/") for path in paths)]


def unread_error(found: Stranger) -> ImageError:
    """Return the error for requested sets that cannot be read."""
    return ImageError(
        f"{naming.show_text(found.path)} {found.reason}.",
        hint="The state of its sets is unknown. Check the repository's file system and the appliance's kernel log.",
        details={"path": naming.show_text(found.path)},
    )


def to_dict(entry: Entry) -> dict[str, Any]:
    """Return a set as a module's result."""
    known = entry.manifest
    return {
        "path": entry.path,
        "vm": {
            "id": entry.vm_id,
            "name": None if entry.vm_name is None else naming.show_text(entry.vm_name),
        },
        "run_id": entry.run_id,
        "time": show_time(entry.time),
        "time_certain": not entry.doubt,
        "time_note": entry.doubt or entry.note,
        "finished": known.finished if known else None,
        "state": entry.state,
        "reason": naming.show_text(entry.reason),
        "consistency": level(entry),
        "disks": len(known.disks) if known else None,
        "virtual_size": sum(disk.virtual_size for disk in known.disks) if known else None,
        "bytes_stored": entry.bytes_stored,
        "parents": sorted(entry.parents),
        "protected": entry.seen.protected,
        "verified": entry.verified.to_dict() if entry.verified else None,
    }


def totals(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the totals of a list of sets."""
    return {
        "vms": len({entry.vm_id for entry in entries}),
        "sets": len(entries),
        "bytes_stored": sum(entry.bytes_stored for entry in entries),
        **{state: sum(entry.state == state for entry in entries) for state in STATES},
    }


def strangers(catalogue: Catalogue) -> list[dict[str, str]]:
    """Return everything unknown as a module's result."""
    return [
        {"path": naming.show_text(one.path), "reason": naming.show_text(one.reason)}
        for one in catalogue.strangers
    ]
