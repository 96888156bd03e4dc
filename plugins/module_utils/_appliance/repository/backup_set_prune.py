# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``backup_set_prune``: remove the sets that the policy does not keep, and nothing else.

A set is first renamed to ``.trash.<set>`` in the VM's directory, then emptied, then removed. After
the rename it is no longer a set; a run that dies later leaves a name that the next run recognises.
Every step goes from an open directory to a name in it, and follows no link.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    PART_SUFFIX,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set_prune,
    catalogue,
    naming,
    verification_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_BATCH = 100
"""Sets of a VM that are removed with the same two flushes, and are open at the same time."""


class KeptError(Exception):
    """A set is not removed; the text says why."""


@dataclass(frozen=True)
class RemoveSet:
    """A set to remove.

    Attributes:
        path: The set's directory.
        seen: The set as the plan saw it.
        begun: An earlier run has renamed it.
    """

    path: str
    seen: catalogue.FoundDirectory
    begun: bool = False

    @property
    def name(self) -> str:
        """The present name of its directory."""
        return f"{catalogue.TRASH_PREFIX if self.begun else ''}{self.seen.name}"


@dataclass
class _Tally:
    """What did not go as planned, by path."""

    kept: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def of(self, step: RemoveSet) -> Iterator[None]:
        """Record an error that stops one step; the other steps continue."""
        try:
            yield
        except FileNotFoundError:
            return  # another run was faster
        except KeptError as exc:
            self.kept[step.path] = str(exc)
        except OSError as exc:
            self.failed[step.path] = str(exc.strerror)


class BackupSetPrune(Operation[RemoveSet]):
    """Remove the sets that a policy does not keep."""

    def __init__(
        self, request: backup_set_prune.PruneRequest, now: Callable[[], float] = time.time
    ) -> None:
        """Keep the request.

        Args:
            request: The policy.
            now: Tells the time of day, in seconds since 1970.
        """
        self._request = request
        self._time = now

    def plan(self) -> Plan[RemoveSet]:
        """Decide on every set.

        Raises:
            InvalidRequest: There is no such repository, or the policy is invalid.
        """
        backup_set_prune.check_request(self._request)
        found = repository.read(self._request.repository, self._time())
        now = datetime.fromtimestamp(self._time(), timezone.utc)
        first = backup_set_prune.decide(found, self._request, now)
        busy = _busy([one.entry for one in first if not one.keep])
        decisions = backup_set_prune.decide(found, self._request, now, busy)
        going = [one.entry for one in decisions if not one.keep]
        # A set is removed before those that it builds on.
        going.sort(key=lambda one: (one.vm_id, one.time, one.run_id), reverse=True)
        trash = () if self._request.policy.is_empty else found.trash
        steps = [
            *(RemoveSet(_trash_path(found, seen), seen, begun=True) for seen in trash),
            *(RemoveSet(entry.path, entry.seen) for entry in going),
        ]
        lines = [one.line() for one in decisions]
        stays = [one.line() for one in decisions if one.keep]
        leftovers = [step.path for step in steps if step.begun]
        return Plan(
            steps=tuple(steps),
            result={
                "sets": [one.to_dict() for one in decisions],
                "removed": [entry.path for entry in going],
                "leftovers": leftovers,
                "totals": backup_set_prune.summary(decisions),
                "summary": lines,
                "unrecognised": catalogue.strangers(found),
            },
            before={"sets": lines, "leftovers": leftovers},
            after={"sets": stays, "leftovers": []},
            warnings=repository.unread(found),
        )

    def execute(self, plan: Plan[RemoveSet]) -> Mapping[str, Any]:
        """Remove the sets; one that cannot be removed does not stop the others.

        Raises:
            ImageError: Some could not be removed; ``details`` name them, and those that were.
        """
        for step in plan.steps:
            if not isinstance(step, RemoveSet):
                unhandled(step)
        tally = _Tally()
        top = self._request.repository.rstrip("/")
        for directory, steps in itertools.groupby(
            plan.steps, key=lambda step: step.seen.vm_directory
        ):
            for batch in _batches(list(steps)):
                _remove(f"{top}/{directory}", batch, tally)
        stays = {**tally.kept, **tally.failed}
        removed = [path for path in plan.result["removed"] if path not in stays]
        if tally.failed:
            raise _failure(tally.failed, removed)
        told = [_told(facts, tally.kept) for facts in plan.result["sets"]]
        return {"removed": removed, "sets": told, "totals": _totals(told)}


def _totals(sets: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    going = [one["bytes_stored"] for one in sets if not one["keep"]]
    return {"kept": len(sets) - len(going), "removed": len(going), "bytes_freed": sum(going)}


def _told(facts: dict[str, Any], kept: Mapping[str, str]) -> dict[str, Any]:
    """Return the final decision on a set, as the result shows it."""
    reason = kept.get(facts["path"])
    return {**facts, "keep": True, "reasons": [reason]} if reason else facts


def _failure(failed: Mapping[str, str], removed: Sequence[str]) -> ImageError:
    named = "; ".join(f"{path}: {why}" for path, why in failed.items())
    return ImageError(
        f"{len(failed)} sets could not be removed. {named}.",
        hint="The others were removed. The next run continues.",
        details={"failed": dict(failed), "removed": list(removed)},
    )


def _trash_path(found: catalogue.Catalogue, seen: catalogue.FoundDirectory) -> str:
    top = found.repository.rstrip("/")
    return f"{top}/{seen.vm_directory}/{catalogue.TRASH_PREFIX}{seen.name}"


def _batches(steps: Sequence[RemoveSet]) -> Iterator[Sequence[RemoveSet]]:
    return (steps[first : first + _BATCH] for first in range(0, len(steps), _BATCH))


def _busy(entries: Iterable[catalogue.Entry]) -> dict[str, str]:
    """Return why sets cannot be removed now, by path."""
    reasons = {entry.path: _why_busy(entry) for entry in entries}
    return {path: reason for path, reason in reasons.items() if reason}


def _why_busy(entry: catalogue.Entry) -> str:
    try:
        with _opened(entry.path, entry.seen.identity) as fd:
            _check(fd, entry.seen)
    except KeptError as exc:
        return str(exc)
    except OSError as exc:
        return f"it cannot be opened: {exc.strerror}"
    return ""


@contextmanager
def _opened(path: str, identity: tuple[int, int], directory: int | None = None) -> Iterator[int]:
    """Open and lock a set's directory, if it is still the one that the plan saw.

    Raises:
        KeptError: It is another one, or in use.
    """
    fd = opening.directory(path, within=directory)
    try:
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != identity:
            raise KeptError("the directory was replaced")
        if not repository.lock(fd, fcntl.LOCK_EX):
            raise KeptError("it is in use")
        yield fd
    finally:
        os.close(fd)


def _check(fd: int, seen: catalogue.FoundDirectory) -> None:
    """Refuse to remove a set that a run is making, and a directory that holds more than files.

    Raises:
        KeptError: It is one of these.
    """
    with os.scandir(fd) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in names:
        if is_directory:
            raise KeptError(f"it holds a directory, {naming.show_text(name)}")
        if name == naming.MANIFEST and seen.manifest is None and not seen.fault:
            raise KeptError("it has been finished meanwhile")
        if name.endswith(PART_SUFFIX) and _is_written(fd, name):
            raise KeptError("a run is writing it")


def _is_written(directory: int, name: str) -> bool:
    """Tell whether a run is writing this image; see ``files.part``.

    Raises:
        KeptError: That is unknown.
    """
    try:
        fd = opening.any_file(name, within=directory)
    except OSError as exc:
        if opening.could_not_look(exc):
            raise KeptError(f"{naming.show_text(name)} cannot be read: {exc.strerror}") from exc
        return False
    try:
        return not repository.lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _remove(vm_directory: str, steps: Sequence[RemoveSet], tally: _Tally) -> None:
    """Remove sets of one VM: rename all, flush, empty all, flush."""
    with ExitStack() as stack:
        try:
            top = opening.directory(vm_directory)
        except OSError as exc:
            tally.failed.update((step.path, str(exc.strerror)) for step in steps)
            return
        stack.callback(os.close, top)
        begun: list[tuple[RemoveSet, int]] = []
        for step in steps:
            with tally.of(step):
                fd = stack.enter_context(_opened(step.name, step.seen.identity, top))
                _begin(top, fd, step)
                begun.append((step, fd))
        os.fsync(top)
        for step, fd in begun:
            with tally.of(step):
                _empty(top, fd, step.seen.name)
        os.fsync(top)


def _begin(top: int, fd: int, step: RemoveSet) -> None:
    """Rename the set to its trash name unless something now forbids it."""
    if step.begun:
        return
    _check(fd, step.seen)
    if _exists(top, f"{step.seen.name}{catalogue.PROTECTED_SUFFIX}"):
        raise KeptError("it was protected meanwhile")
    trash = f"{catalogue.TRASH_PREFIX}{step.seen.name}"
    os.rename(step.seen.name, trash, src_dir_fd=top, dst_dir_fd=top)


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _empty(top: int, fd: int, name: str) -> None:
    """Remove the files of a renamed set, the files beside it, and its directory."""
    for one in os.listdir(fd):
        os.unlink(one, dir_fd=fd)
    if not _exists(top, name):
        _unlink(top, f"{name}{verification_record.SUFFIX}")
    trash = f"{catalogue.TRASH_PREFIX}{name}"
    status = os.stat(trash, dir_fd=top, follow_symlinks=False)
    if not os.path.samestat(status, os.fstat(fd)):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    os.rmdir(trash, dir_fd=top)


def _unlink(directory: int, name: str) -> None:
    try:
        if stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
