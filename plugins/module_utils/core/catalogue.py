# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of a repository: what each directory in it is, and which set to take.

Everything that is read from a repository may be hostile. A set is judged by its manifest, by the
sizes of its files, and by the record of its last verification; nothing here reads an image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.ovirt_community.backup.plugins.module_utils.core import (
    manifest,
    naming,
    verification,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.errors import (
    Ambiguous,
    InvalidRequest,
    ManifestInvalid,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.times import (
    read_time,
    show_time,
)

COMPLETE = "complete"
UNFINISHED = "unfinished"
CORRUPT = "corrupt"
PARENT_MISSING = "parent_missing"
UNSUPPORTED = "unsupported"
STATES = (COMPLETE, UNFINISHED, CORRUPT, PARENT_MISSING, UNSUPPORTED)

PROTECTED_SUFFIX = ".protected"
TRASH_PREFIX = ".trash."
PAGE = "index.html"
"""The picture of the repository, if it is kept in the repository."""

ALL = "all"
NEWEST = "newest"
NEWEST_GOOD = "newest_good"
SELECTIONS = (ALL, NEWEST, NEWEST_GOOD)


@dataclass(frozen=True)
class Seen:
    """What is there of one set.

    :param vm_directory: Name of the VM's directory.
    :param name: Name of the set's directory.
    :param identity: Device and inode of the set's directory.
    :param files: Every name in it, with the size in bytes; None for what is no regular file.
    :param manifest: The manifest's bytes; None if there is none, or it could not be read.
    :param fault: Why it could not be read.
    :param modified: When anything of it changed last, seconds since 1970.
    :param record: The bytes of the record of its verification.
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


@dataclass(frozen=True)
class Entry:
    """One set.

    :param path: The set's directory.
    :param vm_name: None if only a cut name is known.
    :param time: The moment that the data are of: that of the snapshot, as far as it is known.
    :param reason: Why the state is not ``complete``.
    :param verified: The last verification of this very manifest.
    """

    path: str
    vm_id: str
    vm_name: str | None
    run_id: str
    time: datetime
    state: str
    reason: str
    manifest: manifest.Manifest | None
    verified: verification.Record | None
    seen: Seen

    @property
    def is_good(self) -> bool:
        """Whether one would restore it: all there, and not known to be damaged."""
        return self.state == COMPLETE

    @property
    def bytes_stored(self) -> int:
        """Bytes that its images take, or, without a manifest, the length of its files."""
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
        """The VM's name, or its id where the name is not known."""
        return self.vm_id if self.vm_name is None else self.vm_name


@dataclass(frozen=True)
class Stranger:
    """Something in the repository that is no set. It is never touched."""

    path: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """All sets, by VM and time, the leftovers of removals, and what nobody knows.

    :param trash: Sets whose removal was begun.
    """

    repository: str
    entries: tuple[Entry, ...]
    strangers: tuple[Stranger, ...] = ()
    trash: tuple[Seen, ...] = ()


def build(
    repository: str,
    seen: Sequence[Seen],
    strangers: Sequence[Stranger] = (),
    trash: Sequence[Seen] = (),
) -> Catalogue:
    """Judge every set, each by itself and then by what it builds on.

    :param seen: Directories whose names are those of sets.
    """
    judged = link([judge(repository, one) for one in seen])
    ordered = sorted(judged, key=lambda one: (one.title, one.vm_id, one.time, one.run_id))
    return Catalogue(repository, tuple(ordered), tuple(strangers), tuple(trash))


def judge(repository: str, seen: Seen) -> Entry:
    """What one set is, by itself."""
    vm_name, vm_id = naming.split_vm_directory(seen.vm_directory) or (None, "")
    started, run_id = naming.split_set_directory(seen.name) or ("", "")
    entry = Entry(
        path=f"{repository.rstrip('/')}/{seen.vm_directory}/{seen.name}",
        vm_id=vm_id,
        vm_name=vm_name,
        run_id=run_id,
        time=read_time(started) or datetime.min.replace(tzinfo=timezone.utc),
        state=COMPLETE,
        reason="",
        manifest=None,
        verified=None,
        seen=seen,
    )
    if seen.fault:
        return replace(entry, state=CORRUPT, reason=seen.fault)
    if seen.manifest is None:
        return replace(entry, state=UNFINISHED, reason="There is no manifest.")
    try:
        found = manifest.loads(seen.manifest)
    except ManifestInvalid as exc:
        later = exc.details.get("version") is not None
        return replace(entry, state=UNSUPPORTED if later else CORRUPT, reason=exc.message)
    return _with_manifest(entry, found, seen.manifest)


def _with_manifest(entry: Entry, found: manifest.Manifest, data: bytes) -> Entry:
    fault = _foreign(entry, found)
    if fault:
        return replace(entry, state=CORRUPT, reason=fault)
    known = replace(entry, manifest=found, vm_name=found.vm.name, time=_taken(found))
    record = verification.loads(entry.seen.record) if entry.seen.record else None
    if record and record.manifest_sha256 == hashlib.sha256(data).hexdigest():
        known = replace(known, verified=record)
    faults = _files(found, entry.seen.files)
    if not faults and known.verified and known.verified.verdict == verification.CORRUPT:
        said = "; ".join(fault.text() for fault in known.verified.faults)
        faults = [f"Verified {known.verified.time}: {said}"]
    return replace(known, state=CORRUPT, reason="; ".join(faults) + ".") if faults else known


def _foreign(entry: Entry, found: manifest.Manifest) -> str:
    """Why a manifest is not that of the directory in which it lies."""
    if found.vm.id != entry.vm_id:
        return f"The manifest is that of another VM, {found.vm.id}."
    if naming.set_directory(found.started, found.run_id) != entry.seen.name:
        return f"The manifest is that of another run, {found.run_id} of {found.started}."
    return ""


def _taken(found: manifest.Manifest) -> datetime:
    """When the snapshot was made. The end of the run, if the engine's date says nothing.

    So a set is never taken for older than its data: a run of many VMs may begin hours before it
    comes to this one.
    """
    moment = (
        read_time(found.snapshot.date) if len(found.snapshot.date) > len("2026-11-23") else None
    )
    return moment or read_time(found.finished) or datetime.max.replace(tzinfo=timezone.utc)


def _files(found: manifest.Manifest, files: Mapping[str, int | None]) -> list[str]:
    wanted = {found.ovf.file: found.ovf.size}
    wanted.update((disk.file, disk.file_size) for disk in found.disks)
    return [
        f"{file} {_file_fault(size, file in files, files.get(file))}"
        for file, size in wanted.items()
        if files.get(file) != size
    ]


def _file_fault(wanted: int, present: bool, size: int | None) -> str:
    if not present:
        return "is not there"
    return "is no regular file" if size is None else f"has {size} bytes, not {wanted}"


def link(entries: Sequence[Entry]) -> list[Entry]:
    """Mark the sets that build on one that is missing or is itself no good."""
    good: set[tuple[str, str]] = set()
    waiting = [entry for entry in entries if entry.is_good]
    # From the roots on, so that two sets that build on each other hold up nothing.
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
        entry, state=PARENT_MISSING, reason=f"It builds on {names}, not there or no good."
    )


@dataclass(frozen=True)
class Filter:
    """Which sets are meant. Everything that is left out means all.

    :param vm: Name or id.
    :param after: Not older than this.
    :param before: Older than this.
    :param sizes: Least and most bytes stored; None for no bound.
    :param select: All of them, or of each VM the newest, or the newest good one.
    """

    vm: str = ""
    after: datetime | None = None
    before: datetime | None = None
    states: tuple[str, ...] = ()
    consistency: tuple[str, ...] = ()
    sizes: tuple[int | None, int | None] = (None, None)
    select: str = ALL


def is_of(entry: Entry, vm: str) -> bool:
    """Whether a set is of the VM with this name or id."""
    return vm in (entry.vm_id, entry.vm_name)


def level(entry: Entry) -> str | None:
    """How consistent the data are; None if there is no manifest that tells."""
    return entry.manifest.consistency.level if entry.manifest else None


def choose_all(entries: Sequence[Entry], wanted: Filter) -> list[Entry]:
    """The sets that pass, in the order given."""
    found = [entry for entry in entries if _passes(entry, wanted)]
    if wanted.select == ALL:
        return found
    newest: dict[str, Entry] = {}
    for entry in found:
        if wanted.select == NEWEST_GOOD and not entry.is_good:
            continue
        best = newest.get(entry.vm_id)
        if best is None or (entry.time, entry.run_id) > (best.time, best.run_id):
            newest[entry.vm_id] = entry
    taken = {id(entry) for entry in newest.values()}
    return [entry for entry in found if id(entry) in taken]


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


def choose(entries: Sequence[Entry], vm: str, before: datetime | None = None) -> Entry:
    """The set from which a VM would be restored: its newest good one.

    :param vm: Name or id.
    :param before: Only sets whose data are older than this.
    :raises NotFound: There is none; the message says what there is.
    :raises Ambiguous: Several VMs have, or had, this name.
    """
    of_vm = [entry for entry in entries if is_of(entry, vm)]
    if not of_vm:
        names = sorted({entry.title for entry in entries})
        raise NotFound(
            f"The repository has no set of a VM {vm!r}.",
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
    good = choose_all(of_vm, Filter(before=before, select=NEWEST_GOOD))
    if not good:
        raise _no_good(vm, of_vm, before)
    return good[0]


def _no_good(vm: str, entries: Sequence[Entry], before: datetime | None) -> NotFound:
    when = f" from before {show_time(before)}" if before else ""
    said = [f"{entry.seen.name} {entry.state}" for entry in entries]
    return NotFound(
        f"There is no good set of {vm!r}{when}.",
        hint=f"There are: {', '.join(said[-20:])}.",
        details={"sets": said},
    )


def find(catalogue: Catalogue, paths: Sequence[str]) -> list[Entry]:
    """The sets in these directories.

    :raises InvalidRequest: One of them is no set of the repository.
    """
    known = {entry.path: entry for entry in catalogue.entries}
    wrong = [path for path in paths if path.rstrip("/") not in known]
    if wrong:
        raise InvalidRequest(
            f"{', '.join(wrong)}: no set of the repository {catalogue.repository}.",
            hint="Paths of sets are listed by backup_set_info.",
            details={"paths": wrong},
        )
    return [known[path] for path in dict.fromkeys(path.rstrip("/") for path in paths)]


def facts(entry: Entry) -> dict[str, Any]:
    """A set as a module returns it."""
    known = entry.manifest
    return {
        "path": entry.path,
        "vm": {
            "id": entry.vm_id,
            "name": None if entry.vm_name is None else naming.show_text(entry.vm_name),
        },
        "run_id": entry.run_id,
        "time": show_time(entry.time),
        "finished": known.finished if known else None,
        "state": entry.state,
        "reason": naming.show_text(entry.reason),
        "consistency": level(entry),
        "disks": len(known.disks) if known else None,
        "virtual_size": sum(disk.virtual_size for disk in known.disks) if known else None,
        "bytes_stored": entry.bytes_stored,
        "parents": sorted(entry.parents),
        "protected": entry.seen.protected,
        "verified": entry.verified.facts() if entry.verified else None,
    }


def totals(entries: Sequence[Entry]) -> dict[str, Any]:
    """Numbers of a list of sets."""
    return {
        "vms": len({entry.vm_id for entry in entries}),
        "sets": len(entries),
        "bytes_stored": sum(entry.bytes_stored for entry in entries),
        **{state: sum(entry.state == state for entry in entries) for state in STATES},
    }


def strangers(catalogue: Catalogue) -> list[dict[str, str]]:
    """What is not recognised, as a module returns it."""
    return [
        {"path": naming.show_text(one.path), "reason": naming.show_text(one.reason)}
        for one in catalogue.strangers
    ]
