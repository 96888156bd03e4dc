# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unfinished sets of a repository: their records, and whether the runs that left them are alive."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    private,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import image_files
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import takeover

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NAME = "unfinished.json"
_LONGEST_PAUSE = 0.5
_LAST_CALL = 60.0
"""Seconds for which the last call of a dead run may still touch its record; twice the longest
following call."""


def record_of(path: str) -> str:
    """Return the path of the record in a set's directory."""
    return f"{path}/{NAME}"


def read(path: str) -> tuple[takeover.RunRecord, str]:
    """Return the record in a set's directory, and the configuration in it.

    Raises:
        ImageError: It does not exist, or others can write there: it decides where root writes.
        InvalidRequest: It is not a record, or is of another set.
    """
    parts = naming.SetPath.parse(path)
    place = parts.above
    try:
        with private.directory(parts.above) as top:
            place = path
            with private.directory(parts.name, within=top) as directory:
                place = record_of(path)
                data = private.read(NAME, takeover.SIZE_LIMIT + 1, within=directory)
    except OSError as exc:
        raise image_files.unread(place, str(exc.strerror)) from exc
    return takeover.load(path, data)


def to_dict(path: str, changed: float, now: float) -> dict[str, Any]:
    """Return which run left a set unfinished, and how long nothing of it has changed.

    A run that is alive touches its record, or its images grow. A change in the future says nothing.

    Args:
        path: The set's directory.
        changed: When anything of it last changed, seconds since 1970.
        now: The present time, in the same form.
    """
    owner = None
    with suppress(BackupError, OSError):
        owner = read(path)[0].owner
    return {"owner": owner, "quiet_seconds": int(now - changed) if changed <= now else None}


def touch(directories: Iterable[str]) -> None:
    """Show anyone who watches that the runs of these sets are alive."""
    for directory in directories:
        # A copy may be for no set.
        with suppress(OSError):
            os.utime(record_of(directory), follow_symlinks=False)


class TakeoverWatch:
    """What to do about killed runs: their records are read and watched."""

    def __init__(
        self,
        repository: str,
        leftovers: Sequence[Mapping[str, Any]],
        patience: tuple[float, float],
        wanted: Callable[[str], takeover.Wanted],
        dead: frozenset[str] = frozenset(),
    ) -> None:
        """Keep the request.

        Args:
            repository: Absolute path.
            leftovers: As ``backup_plan_info`` returned them.
            patience: Longest silence of a run that is alive, and the time in which it may attach
                disks, in seconds.
            wanted: What the asking run would accept as its backup of a VM, by the VM's id.
            dead: Runs that are known to be dead, by their claims.
        """
        self._repository = repository.rstrip("/")
        self._leftovers = takeover.named(leftovers)
        self._silence, self._attaching = patience
        self._wanted = wanted
        self._dead = dead

    def decide(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the decision for each VM by its id, and warnings. Changes nothing.

        Raises:
            ImageError: A record or a directory cannot be read.
        """
        moved = self._watch()
        vms: dict[str, Any] = {}
        warnings: list[str] = []
        for vm_id in dict.fromkeys(one.vm_id for one in self._leftovers):
            records, faults = self._records(vm_id)
            found = [one for one in self._leftovers if one.vm_id == vm_id]
            vms[vm_id] = takeover.decide(
                found, records, moved, self._wanted(vm_id), self._dead
            ).result()
            warnings += faults
        return vms, tuple(warnings)

    def _watch(self) -> set[str]:
        """Return the runs that were not silent long enough, by their records.

        A run without a record has begun nothing here that a claim would not show. The last call of
        a killed run may still be in progress, and touch the record.
        """
        deadline = Host().deadline(self._silence + _LAST_CALL, _LONGEST_PAUSE)
        loud: set[str] = set()
        seen = self._times()
        quiet_since = dict.fromkeys((run for run in seen if seen[run]), 0.0)
        for waited in deadline.ticks():
            times = self._times()
            quiet_since.update({run: waited for run in seen if times[run] != seen[run]})
            seen = times
            loud = {run for run, since in quiet_since.items() if waited - since < self._silence}
            loud |= self._may_attach()
            if not loud:
                break
        return loud

    def _may_attach(self) -> set[str]:
        """Return the runs that wrote a record a short time ago, and nothing else yet."""
        found = set()
        for vm_id in {one.vm_id for one in self._leftovers}:
            for path in self._sets(vm_id):
                age = time.time() - _touched(record_of(path)) / 1e9
                if 0 <= age < self._attaching and _names(path) == [NAME]:
                    found.add(path.rpartition(".")[2])
        return found & self._watched()

    def _times(self) -> dict[str, int]:
        """Return when the record of each run was touched, in nanoseconds; 0 if there is none."""
        times = dict.fromkeys(self._watched(), 0)
        for vm_id in {one.vm_id for one in self._leftovers}:
            for path in self._sets(vm_id):
                run = path.rpartition(".")[2]
                if run in times:
                    times[run] = max(times[run], _touched(record_of(path)))
        return times

    def _watched(self) -> set[str]:
        """Return the runs that may be alive."""
        return {one.run_id for one in self._leftovers} - self._dead

    def _records(self, vm_id: str) -> tuple[list[takeover.RunRecord], list[str]]:
        """Return the records of a VM's unfinished sets, and what is wrong with invalid ones."""
        records, faults = [], []
        for path in self._sets(vm_id):
            if os.path.lexists(record_of(path)):
                try:
                    records.append(read(path)[0])
                except BackupError as exc:
                    faults.append(f"An unfinished set is left alone: {exc.message}")
        return records, faults

    def _sets(self, vm_id: str) -> Iterator[str]:
        for name in _names(self._repository):
            known = naming.split_vm_directory(name)
            if known and known[1] == vm_id:
                for directory in _names(f"{self._repository}/{name}"):
                    yield naming.SetPath(self._repository, name, directory).path


def _touched(path: str) -> int:
    """Return when a record was touched, in nanoseconds; 0 if there is none.

    Raises:
        ImageError: It cannot be read.
    """
    try:
        return os.lstat(path).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as exc:
        raise _unread(path, exc) from exc


def _names(directory: str) -> list[str]:
    """Return the names in a directory; none if it does not exist, or is not a directory.

    Raises:
        ImageError: It cannot be read; that does not mean that its run is dead.
    """
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise _unread(directory, exc) from exc


def _unread(path: str, exc: OSError) -> ImageError:
    return ImageError(
        f"{path} cannot be read: {exc.strerror}.",
        hint="A running backup cannot be ruled out. Check the repository's file system.",
    )
