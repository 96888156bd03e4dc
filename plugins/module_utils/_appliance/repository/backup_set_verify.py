# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``backup_set_verify``: read sets again, and record the result."""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from threading import Event
from typing import TYPE_CHECKING, Any, Callable, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images import qemu
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.sink import (
    Sink,
    SinkError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    digest,
    files,
    opening,
    process,
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    show_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.version import (
    VERSION,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.ovf import (
    BYTES_LIMIT,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import image_files
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backlog,
    backup_set_verify,
    catalogue,
    verification_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.manifest import (
        ManifestDisk,
    )

_MODE = 0o600
_NICE = 19


@dataclass
class _Reading:
    """A set that is being verified.

    Attributes:
        directory: The set's directory, open; None if the set no longer exists, or cannot be read.
    """

    entry: catalogue.Entry
    directory: int | None
    findings: backup_set_verify.Findings = field(default_factory=backup_set_verify.Findings)


@dataclass
class _ReadSet:
    """The result of reading all sets.

    Attributes:
        gone: Paths of sets that were gone when they were to be read.
    """

    listed: list[dict[str, Any]] = field(default_factory=list)
    corrupt: dict[str, list[str]] = field(default_factory=dict)
    undecided: dict[str, list[str]] = field(default_factory=dict)
    unwritten: list[BackupError] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def add(self, known: backup_set_verify.Known) -> None:
        """Count what is known of a set that is not read, unless the set is gone meanwhile."""
        if os.path.lexists(known.path):
            (self.undecided if known.undecided else self.corrupt)[known.path] = [known.why]

    def raise_failure(self, left: backlog.Backlog) -> None:
        """Raise the error for the worst result.

        Args:
            left: What the limit left unread.

        Raises:
            SetsCorrupt: Has every fault of every set.
            ImageError: A set could not be read, or a record could not be written.
        """
        if self.corrupt or self.undecided:
            listed = {one["path"] for one in self.listed}
            looked_at = len(listed | self.corrupt.keys() | self.undecided.keys())
            raise backup_set_verify.failure(self.corrupt, looked_at, self.undecided, left)
        if self.unwritten:
            raise self.unwritten[0]


@dataclass
class _Image:
    """An image that is being read.

    Attributes:
        reader: The qemu-img that sends its content to ``sink``.
    """

    work: _Reading
    disk: ManifestDisk
    fd: int
    sink: Sink | None = None
    reader: process.Process | None = None


VerifyStep = Union[catalogue.Entry, catalogue.Stranger]
"""A set to read, or a directory that could not be read, which is reported after all sets were
read."""


class BackupSetVerify(Operation[VerifyStep]):
    """Read sets again, and record the result beside each."""

    def __init__(
        self, request: backup_set_verify.VerifyRequest, now: Callable[[], float] = time.time
    ) -> None:
        """Keep the request.

        Args:
            request: Which sets to read, and how deep.
            now: Tells the time of day, in seconds since 1970.
        """
        self._request = request
        self._time = now
        self._round = backup_set_verify.Round((), (), backlog.Backlog())

    def plan(self) -> Plan[VerifyStep]:
        """See which sets are due.

        Raises:
            InvalidRequest: There is no such repository, or no such set.
        """
        backup_set_verify.check_request(self._request)
        found = repository.read(self._request.repository, self._time())
        self._round = backup_set_verify.choose(found, self._request, self._now())
        due = self._round.due
        unread = backup_set_verify.unread(found, self._request)
        if due:
            qemu.locate()
        before = {entry.path: entry.verified.to_dict() if entry.verified else None for entry in due}
        planned = {"verdict": "to be found", "depth": self._request.depth}
        return Plan(
            steps=(*due, *unread),
            result={
                "sets": [catalogue.to_dict(entry) for entry in due],
                "unrecognised": catalogue.strangers(found),
                "gone": [],
                "not_reached": self._round.left.to_dict(),
            },
            before={"verified": before},
            after={"verified": dict.fromkeys(before, planned)},
            warnings=(*repository.unread(found), *self._round.warnings()),
            waits=bool(self._round.known),
        )

    def execute(self, plan: Plan[VerifyStep]) -> Mapping[str, Any]:
        """Read all sets; then report which are corrupt, including those that were not read.

        Raises:
            SetsCorrupt: Has every fault of every set.
            ImageError: A set could not be read, or a record could not be written.
        """
        seen = _ReadSet()
        due, unread = _kinds(plan.steps)
        tools = self._tools() if due else {}
        if due and self._request.polite:
            _be_polite()
        seen.undecided.update((one.path, [one.reason]) for one in unread)
        for batch in backup_set_verify.batches(due, self._request.parallel):
            for work, record in self._batch(batch, tools):
                self._take(work, record, seen)
        for known in self._round.known:
            seen.add(known)
        seen.raise_failure(self._round.left)
        return {"sets": seen.listed, "gone": seen.gone}

    def _take(
        self, work: _Reading, record: verification_record.VerificationRecord, seen: _ReadSet
    ) -> None:
        """Record the result for a set, if it says anything about the set."""
        path = work.entry.path
        if work.findings.undecided and not record.faults:
            seen.undecided[path] = work.findings.undecided
        elif work.directory is None:
            seen.gone.append(path)
        else:
            seen.listed.append(self._result(work.entry, record))
            if record.faults:
                seen.corrupt[path] = record.to_dict()["faults"]
            try:
                _write(work, record)
            except BackupError as exc:
                seen.unwritten.append(exc)

    def _result(
        self, entry: catalogue.Entry, record: verification_record.VerificationRecord
    ) -> dict[str, Any]:
        """Return the set as the result lists it."""
        seen = replace(entry.seen, record=verification_record.dumps(record))
        return {
            **catalogue.to_dict(catalogue.judge(self._request.repository, seen, self._now())),
            "verified": record.to_dict(),
        }

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._time(), timezone.utc)

    def _tools(self) -> dict[str, str]:
        said: list[str] = []
        process.run([qemu.locate(), "--version"], said.append)
        return {
            "collection": VERSION,
            "qemu_img": image_files.parse_version("".join(said)),
            "python": platform.python_version(),
        }

    def _batch(
        self, entries: Sequence[catalogue.Entry], tools: Mapping[str, str]
    ) -> Iterator[tuple[_Reading, verification_record.VerificationRecord]]:
        """Verify some sets at the same time."""
        clock = SystemClock()
        start = clock.now()
        with ExitStack() as stack:
            works = [_hold(entry, stack) for entry in entries]
            found = [image for work in works for image in _look(work, stack)]
            for first in range(0, len(found), self._request.parallel):
                _read(found[first : first + self._request.parallel], self._request, stack)
            for work in works:
                seconds = round(clock.now() - start, 2)
                yield work, self._record(work, tools, seconds)

    def _record(
        self, work: _Reading, tools: Mapping[str, str], seconds: float
    ) -> verification_record.VerificationRecord:
        entry, findings = work.entry, work.findings
        return verification_record.VerificationRecord(
            run_id=entry.run_id,
            manifest_sha256=catalogue.vouched(entry),
            time=show_time(self._now()),
            verdict=findings.verdict,
            depth=self._request.depth,
            faults=tuple(findings.faults),
            notes=tuple(findings.notes),
            tools=tools,
            seconds=seconds,
        )


def _kinds(steps: Iterable[VerifyStep]) -> tuple[list[catalogue.Entry], list[catalogue.Stranger]]:
    """Separate the sets to read from what could not be read."""
    due: list[catalogue.Entry] = []
    unread: list[catalogue.Stranger] = []
    for step in steps:
        if isinstance(step, catalogue.Entry):
            due.append(step)
        elif isinstance(step, catalogue.Stranger):
            unread.append(step)
        else:
            unhandled(step)
    return due, unread


def _be_polite() -> None:
    """Give other processes priority. Threads and programs that start later inherit it."""
    os.nice(_NICE)
    ionice = programs.find("ionice")
    if ionice:
        process.run([ionice, "-c", "2", "-n", "7", "-p", str(os.getpid())])


def _hold(entry: catalogue.Entry, stack: ExitStack) -> _Reading:
    """Hold a set while it is read; a failure to hold it says nothing about the set."""
    try:
        work = _Reading(entry, stack.enter_context(repository.held(entry)))
    except repository.UnreadError as exc:
        work = _Reading(entry, None)
        work.findings.undecided.append(f"The directory cannot be read: {exc}")
    if entry.state == catalogue.UNREADABLE and not work.findings.undecided:
        work.findings.undecided.append(entry.reason.rstrip("."))
    return work


def _look(work: _Reading, stack: ExitStack) -> Iterator[_Image]:
    """Check everything about a set that needs no reading of images; yield the images that can be read."""
    known, findings = work.entry.manifest, work.findings
    if work.directory is None or work.entry.state == catalogue.UNREADABLE:
        return
    if known is None:
        findings.fault("", work.entry.reason)
    else:
        if work.entry.state == catalogue.PARENT_MISSING:
            findings.fault("", work.entry.reason)
        _configuration(work)
        for disk in known.disks:
            try:
                fd = _open(work.directory, disk.file)
                stack.callback(os.close, fd)
                fault = _header(disk, fd)
            except OSError as exc:
                _unopened(disk, exc, findings)
                continue
            findings.fault(disk.file, fault)
            if not fault:
                yield _Image(work, disk, fd)


def _unopened(disk: ManifestDisk, exc: OSError, findings: backup_set_verify.Findings) -> None:
    """Record an image that cannot be opened: a missing one is a fault, an unreadable one is not."""
    said = f"cannot be read: {exc.strerror}"
    if opening.could_not_look(exc):
        findings.undecided.append(f"{disk.file} {said}")
    else:
        findings.fault(disk.file, said)


def _configuration(work: _Reading) -> None:
    known = work.entry.manifest
    if known is None or work.directory is None:
        return
    try:
        data = repository.read_file(work.directory, known.ovf.file, BYTES_LIMIT)
    except ValueError as exc:
        work.findings.fault("", str(exc))
        return
    except repository.UnreadError as exc:
        work.findings.undecided.append(str(exc))
        return
    if data is None:
        work.findings.fault(known.ovf.file, "is not there")
    elif hashlib.sha256(data).hexdigest() != known.ovf.sha256:
        work.findings.fault(known.ovf.file, "does not match the checksum in the manifest")
    else:
        backup_set_verify.configuration(known, data, work.findings)


def _open(directory: int, name: str) -> int:
    return opening.any_file(name, within=directory)


def _header(disk: ManifestDisk, fd: int) -> str:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    return backup_set_verify.header(
        disk, status.st_size, os.pread(fd, image_files.QCOW2_HEADER_LENGTH, 0)
    )


def _path(fd: int) -> str:
    """Return a path by which another program opens this very file."""
    return f"/proc/{os.getpid()}/fd/{fd}"


def _read(
    found: Sequence[_Image], request: backup_set_verify.VerifyRequest, stack: ExitStack
) -> None:
    """Check and hash some images, all at the same time.

    Programs are started before threads: see ``process.Process``.
    """
    qemu_img = qemu.locate()
    files.forget(*(image.fd for image in found))  # read from the disk, not from memory
    for image in found:
        _check(qemu_img, image)
    for image in found:
        if request.content and image.disk.format != "raw":
            image.sink = Sink(image.disk.virtual_size)
            stack.callback(image.sink.close)
            argv = backup_set_verify.content_argv(qemu_img, _path(image.fd), image.sink.path)
            image.reader = process.Process(argv)
    stop = Event()
    with ThreadPoolExecutor(max_workers=2 * len(found) or 1) as pool:
        try:
            hashes = [
                pool.submit(digest.sha256, image.fd, image.disk.file_size, stop) for image in found
            ]
            contents = [pool.submit(image.sink.serve) if image.sink else None for image in found]
            for image, file, content in zip(found, hashes, contents):
                _conclude(image, file, content)
        finally:
            stop.set()
            for image in found:
                if image.reader and image.sink:
                    image.reader.kill()
                    image.sink.end()


def _check(qemu_img: str, image: _Image) -> None:
    if image.disk.format == "raw":
        return
    path = _path(image.fd)
    said: list[str] = []
    outcome = process.run(backup_set_verify.check_argv(qemu_img, path), said.append)
    text = f"{''.join(said)}\n{outcome.stderr}".replace(path, image.disk.file)
    backup_set_verify.structure(image.disk.file, outcome, text, image.work.findings)


def _conclude(image: _Image, file: Future[str], content: Future[str] | None) -> None:
    """Wait for an image's hashes and compare them."""
    disk, findings = image.disk, image.work.findings
    said, outcome = "", None
    if image.reader and image.sink:
        outcome = image.reader.wait()
        image.sink.end()
        said = outcome.stderr.strip().replace(_path(image.fd), disk.file)
    try:
        if file.result() != disk.file_sha256:
            findings.fault(disk.file, "does not match the checksum in the manifest")
        seen = content.result() if content else None
    except digest.ShortReadError as exc:
        findings.fault(disk.file, f"cannot be read: {exc}")
        return
    except (SinkError, OSError) as exc:
        why = getattr(exc, "strerror", None) or exc
        findings.undecided.append(f"{disk.file} cannot be read: {why}")
        return
    backup_set_verify.content(disk, outcome, said, seen, findings)
    files.forget(image.fd)


def _write(work: _Reading, record: verification_record.VerificationRecord) -> None:
    if work.directory is not None:
        path = f"{work.entry.path}{verification_record.SUFFIX}"
        files.write_whole(path, verification_record.dumps(record), _MODE)
