# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations behind ``backup_set``: make a set's directory, and finish a set."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    exposure as ways,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    restore_source_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs import (
    unfinished,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageError,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    exposure,
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.naming import (
    MANIFEST,
    OVF,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    disk_image_restore,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import takeover

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODE = 0o600


@dataclass(frozen=True)
class MakeSetDirectory:
    """Make a missing directory."""

    directory: str


@dataclass(frozen=True)
class WriteFile:
    """Write a file that is missing or has other content."""

    file: str
    data: bytes


@dataclass(frozen=True)
class RemoveFile:
    """Remove a file that is no longer needed."""

    file: str


PrepareStep = Union[MakeSetDirectory, WriteFile]
FinishStep = Union[WriteFile, RemoveFile]


class PrepareSet(Operation[PrepareStep]):
    """Make the directory of a new set, and name its files.

    A configuration that a restore would refuse is refused here, before hours of copying.
    """

    def __init__(
        self, request: backup_set.PrepareRequest, now: Callable[[], float] = time.time
    ) -> None:
        """Keep the request.

        Args:
            request: What to prepare.
            now: Tells the appliance's time of day, in seconds since 1970.
        """
        self._request = request
        self._time = now

    def plan(self) -> Plan[PrepareStep]:
        """Name everything; see which directories are missing.

        Raises:
            InvalidRequest: The repository does not exist.
            Refused: Others than root could replace its directories.
            OvfInvalid: A restore would refuse the configuration.
        """
        names = backup_set.names(self._request)
        if not os.path.isdir(self._request.repository):
            raise InvalidRequest(
                f"The repository {self._request.repository} is not a directory.",
                hint="Mount the repository disk and create the directory.",
            )
        if self._request.ovf is not None:
            disk_image_restore.check_belongs(
                self._request.vm[1],
                [disk.id for disk in self._request.disks],
                ovf.read(self._request.ovf),
            )
        exposure.check(
            self._request.repository, ways.of_set(self._request.repository, names.vm_directory)
        )
        directories = (names.vm_directory, names.path)
        missing = [path for path in directories if not files.is_directory(path)]
        for path in missing:
            if os.path.lexists(path):
                raise ImageError(f"{path} exists and is not a directory.")
        return Plan(
            steps=(*(MakeSetDirectory(path) for path in missing), *self._record(names.path)),
            result={
                **(takeover.facts_in(self._request.record) if self._request.record else {}),
                "path": names.path,
                "images": backup_set.image_requests(self._request),
            },
            before={"directories": [path for path in directories if path not in missing]},
            after={"directories": list(directories)},
        )

    def execute(self, plan: Plan[PrepareStep]) -> Mapping[str, Any]:
        """Make the missing directories, and write the record."""
        for step in plan.steps:
            if isinstance(step, MakeSetDirectory):
                files.make_directory(step.directory)
            elif isinstance(step, WriteFile):
                files.write_whole(step.file, step.data, _MODE)
            else:
                unhandled(step)
        return {}

    def _record(self, path: str) -> tuple[WriteFile, ...]:
        """Return the record of what is needed to finish the set; a finished set needs none."""
        data, target = self._request.record, unfinished.record_of(path)
        if data is None or os.path.lexists(f"{path}/{MANIFEST}"):
            return ()
        found = _content(target, takeover.SIZE_LIMIT)
        if found is not None and takeover.is_same(found, data):
            return ()
        moment = datetime.fromtimestamp(self._time(), timezone.utc)
        return (WriteFile(target, takeover.stamped(data, moment)),)


class FinishSet(Operation[FinishStep]):
    """Write the files that describe a set; the manifest last, and only if a restore would accept the set."""

    def __init__(self, request: backup_set.FinishRequest) -> None:
        """Keep the request."""
        self._request = request

    def plan(self) -> Plan[FinishStep]:
        """Check the images; see what must be written.

        Raises:
            ImageMismatch: An image is missing or of another size.
            Refused: A different manifest exists.
            OvfInvalid: A restore would refuse the configuration.
        """
        path = backup_set.plain_path("path", self._request.path)
        if not files.is_directory(path):
            raise InvalidRequest(f"{path} is not a directory.", hint="Prepare the set first.")
        target = f"{path}/{MANIFEST}"
        known = read_manifest(path) if os.path.lexists(target) else None
        request = self._complete(path, known)
        wanted, contents = backup_set.build(request, known, _clocks(path))
        disk_image_restore.check_agreement(wanted, ovf.read(request.ovf or ""))
        found = {disk.file: _look(f"{path}/{disk.file}") for disk in wanted.disks}
        backup_set.check_images(wanted, found)
        if known:
            backup_set.check_same(target, known, wanted)
        steps = _missing(path, contents)
        if not steps:
            restore_source_info.prove(path, contents[MANIFEST])
        record = unfinished.record_of(path)
        done = (RemoveFile(record),) if os.path.lexists(record) else ()
        changed = {os.path.basename(step.file) for step in steps}
        return Plan(
            steps=(*steps, *done),
            result={
                **{"path": path, "manifest": manifest.as_stored(wanted), "files": sorted(contents)},
                **backup_set.time_dict(wanted),
            },
            before={"files": sorted(set(contents) - changed)},
            after={"files": sorted(contents)},
            warnings=backup_set.time_warnings(path, wanted),
        )

    def _complete(self, path: str, known: manifest.Manifest | None) -> backup_set.FinishRequest:
        """Add what the record of the set says; where it is finished, what its manifest says."""
        request = self._request
        if request.facts is not None and request.ovf is not None:
            return request
        if known and request.facts is None and not os.path.lexists(unfinished.record_of(path)):
            stored = _content(f"{path}/{OVF}", known.ovf.size) or b""
            return backup_set.as_found(request, known, stored.decode("utf-8", "replace"))
        record, configuration = unfinished.read(path)
        if request.facts is None:
            facts = backup_set.told_facts(record.facts, request.finished)
            disks = backup_set.read_disks(record.facts["disks"])
            request = replace(request, facts=facts, disks=disks)
        return replace(request, ovf=configuration if request.ovf is None else request.ovf)

    def execute(self, plan: Plan[FinishStep]) -> Mapping[str, Any]:
        """Write the files in the plan's order, each complete and durable before the next.

        Raises:
            BackupError: A restore would refuse what is on the disk; no manifest is written then.
        """
        for step in plan.steps:
            if isinstance(step, RemoveFile):
                os.unlink(step.file)
            elif isinstance(step, WriteFile):
                if os.path.basename(step.file) == MANIFEST:
                    restore_source_info.prove(os.path.dirname(step.file), step.data)
                files.write_whole(step.file, step.data, _MODE)
            else:
                unhandled(step)
        return {}


def _missing(path: str, contents: Mapping[str, bytes]) -> tuple[WriteFile, ...]:
    """Return the files that are missing or have other content."""
    return tuple(
        WriteFile(f"{path}/{name}", data)
        for name, data in contents.items()
        if _content(f"{path}/{name}", len(data)) != data
    )


def _clocks(path: str) -> dict[str, str] | None:
    """Return what was recorded of the clocks when the set was prepared; None if nothing was."""
    try:
        return unfinished.read(path)[0].clocks
    except BackupError:
        return None


def read_manifest(path: str) -> manifest.Manifest:
    """Return the manifest of the set in a directory.

    Raises:
        ManifestInvalid: It is not a manifest, or of a later version.
        ImageError: It cannot be read.
    """
    target = f"{path}/{MANIFEST}"
    try:
        data = opening.read_regular(target, manifest.SIZE_LIMIT + 1)
    except OSError as exc:
        raise _unread(target, exc) from exc
    return manifest.loads(data)


def _look(path: str) -> backup_set.FoundFile | None:
    """Return size and head of a regular file; None for a link, a pipe or nothing.

    Raises:
        ImageError: It cannot be read.
    """
    try:
        with opening.closing(opening.regular_file(path)) as fd:
            head = os.pread(fd, backup_set.HEAD_LENGTH, 0)
            return backup_set.FoundFile(os.fstat(fd).st_size, head)
    except OSError as exc:
        if opening.could_not_look(exc):
            raise _unread(path, exc) from exc
        return None


def _content(path: str, length: int) -> bytes | None:
    """Return a small file's content, just enough to compare it with the wanted one.

    None for a link, a pipe or nothing.

    Raises:
        ImageError: It cannot be read.
    """
    try:
        return opening.read_regular(path, length + 1)
    except OSError as exc:
        if opening.could_not_look(exc):
            raise _unread(path, exc) from exc
        return None


def _unread(path: str, exc: OSError) -> ImageError:
    return ImageError(
        f"{path} could not be read: {exc.strerror}.",
        hint="Check the repository's file system and the appliance's kernel log.",
        details={"path": path},
    )
