# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a repository, whatever others may have put there.

Every step goes from an open directory to a name in it and follows no link, so that everything read
lies in the repository. Only regular files of a bounded size are read. What cannot be read (a dead
mount, a bad block) is reported separately, and hides nothing else.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    backup_vm,
    catalogue,
    manifest,
    naming,
    verification_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES_LIMIT = 8192
"""The most names in a set's directory; a directory with more is not one of our sets."""

_LOOK_SECONDS = 1.0

_OURS = (catalogue.PAGE, backup_vm.DIRECTORY, "lost+found")


class UnreadError(Exception):
    """Something exists and could not be read; the text says why."""


def unread(found: catalogue.Catalogue) -> tuple[str, ...]:
    """Return a warning for every directory of sets that could not be read."""
    return tuple(naming.show_text(f"{one.path} {one.reason}.") for one in found.unread())


def read(directory: str, now: float | None = None) -> catalogue.Catalogue:
    """Return the catalogue of a repository.

    Args:
        directory: The repository.
        now: The appliance's time, in seconds since 1970; None for the present time.

    Raises:
        InvalidRequest: It is not a directory, or may not be read.
    """
    repository = backup_set.plain_path("repository", directory)
    seen: list[catalogue.FoundDirectory] = []
    trash: list[catalogue.FoundDirectory] = []
    strangers: list[catalogue.Stranger] = []
    with opened(repository) as top:
        for name, status in _names(top):
            if name in _OURS:
                continue
            where = f"{repository}/{name}"
            if isinstance(status, OSError):
                strangers.append(_unread(where, status))
            elif not stat.S_ISDIR(status.st_mode):
                strangers.append(catalogue.Stranger(where, "is not a directory"))
            elif naming.split_vm_directory(name) is None:
                strangers.append(catalogue.Stranger(where, "is not named like a VM directory"))
            else:
                strangers += _vm(top, name, where, (seen, trash))
    moment = datetime.fromtimestamp(time.time() if now is None else now, timezone.utc)
    return catalogue.build(repository, seen, strangers, trash, moment)


def _unread(where: str, exc: OSError) -> catalogue.Stranger:
    return catalogue.Stranger(where, f"cannot be read: {exc.strerror}", unread=True)


@contextmanager
def opened(repository: str) -> Iterator[int]:
    """Open the repository. A link to it is followed, because an administrator chose the path.

    Raises:
        InvalidRequest: It is not a directory, or may not be read.
    """
    try:
        fd = opening.administrators_directory(repository)
    except OSError as exc:
        raise InvalidRequest(
            f"The repository {repository} cannot be read: {exc.strerror}.",
            hint="Mount the repository disk, and run this task as root (become: true).",
        ) from exc
    with opening.closing(fd):
        yield fd


def lock(fd: int, how: int) -> bool:
    """Lock a set's directory without waiting; return False if another process has it locked.

    A reader of a set locks it shared, a prune exclusively. A file system that cannot lock
    directories, such as NFS, counts as unlocked.
    """
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def held(entry: catalogue.Entry) -> Iterator[int | None]:
    """Hold a set's open directory while the set is read: no prune removes it meanwhile.

    None if it is not the listed set, or is being removed.

    Raises:
        UnreadError: It exists, and cannot be opened.
    """
    with held_at(entry.path) as fd:
        if fd is None:
            yield None
            return
        status = os.fstat(fd)
        known = entry.seen.identity
        # A set whose directory could not be opened before has no identity yet.
        same = known in ((0, 0), (status.st_dev, status.st_ino))
        yield fd if same else None


@contextmanager
def held_at(path: str) -> Iterator[int | None]:
    """Hold the directory at a path, whichever set it is now.

    A prune locks each set for a moment; only one that holds it longer removes it.
    """
    try:
        fd = opening.directory(path)
    except OSError as exc:
        if opening.could_not_look(exc):
            raise UnreadError(str(exc.strerror)) from exc
        yield None
        return
    try:
        mine = any(lock(fd, fcntl.LOCK_SH) for _waited in Host().deadline(_LOOK_SECONDS).ticks())
        yield fd if mine else None
    finally:
        os.close(fd)


def read_file(directory: int, name: str, limit: int) -> bytes | None:
    """Return the content of a small file; None if it does not exist.

    Args:
        directory: The directory, open.
        name: The file's name in it.
        limit: Most bytes.

    Raises:
        ValueError: It is not such a file; the text says why.
        UnreadError: It exists, and cannot be read.
    """
    try:
        fd = opening.regular_file(name, within=directory)
    except FileNotFoundError:
        return None
    except opening.NotRegularError as exc:
        raise ValueError(f"{name} is not a regular file") from exc
    except OSError as exc:
        if opening.could_not_look(exc):
            raise UnreadError(f"{name}: {exc.strerror}") from exc
        link = exc.errno == errno.ELOOP
        raise ValueError(f"{name} is a link" if link else f"{name}: {exc.strerror}") from exc
    try:
        status = os.fstat(fd)
        if status.st_size > limit:
            raise ValueError(f"{name} is longer than {limit} bytes")
        return _all(fd, status.st_size)
    except OSError as exc:
        raise UnreadError(f"{name}: {exc.strerror}") from exc
    finally:
        os.close(fd)


def _all(fd: int, size: int) -> bytes:
    """Return a regular file's bytes, at most as many as it had when it was opened."""
    parts = []
    while size > 0:
        parts.append(os.read(fd, size))
        if not parts[-1]:
            break
        size -= len(parts[-1])
    return b"".join(parts)


def _names(directory: int) -> list[tuple[str, os.stat_result | OSError]]:
    """Return every name in an open directory, in order, with its status or why that is unknown.

    Raises:
        OSError: The directory cannot be listed.
    """
    with os.scandir(directory) as entries:
        return sorted(
            ((entry.name, status) for entry in entries for status in _status(entry)),
            key=lambda one: one[0],
        )


def _status(entry: os.DirEntry[str]) -> list[os.stat_result | OSError]:
    """Return the status of a name; nothing if it is gone meanwhile."""
    try:
        return [entry.stat(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as exc:
        return [exc]


def _vm(
    top: int,
    name: str,
    where: str,
    into: tuple[list[catalogue.FoundDirectory], list[catalogue.FoundDirectory]],
) -> list[catalogue.Stranger]:
    """Read one VM's directory; return what is not recognised in it."""
    try:
        directory = opening.directory(name, within=top)
    except FileNotFoundError:
        return []
    except OSError as exc:
        return [_unread(where, exc)]
    try:
        names = _names(directory)
        known = {one for one, _status in names}
        found = [
            _entry((directory, name, where), one, known, into)
            for one in names
            if not _is_beside(one[0], known)
        ]
        return [stranger for stranger in found if stranger]
    except OSError as exc:
        return [_unread(where, exc)]
    finally:
        os.close(directory)


def _entry(
    vm: tuple[int, str, str],
    found: tuple[str, os.stat_result | OSError],
    known: set[str],
    into: tuple[list[catalogue.FoundDirectory], list[catalogue.FoundDirectory]],
) -> catalogue.Stranger | None:
    """Sort one name in a VM's directory into its list; return it if it is not recognised."""
    (directory, vm_directory, where), (entry, status) = vm, found
    plain = entry[len(catalogue.TRASH_PREFIX) :]
    is_set = naming.split_set_directory(entry) is not None
    if isinstance(status, OSError):
        if not is_set:
            return _unread(f"{where}/{entry}", status)
        into[0].append(_unseen(catalogue.FoundDirectory(vm_directory, entry), status))
    elif not stat.S_ISDIR(status.st_mode):
        return catalogue.Stranger(f"{where}/{entry}", "is not a directory")
    elif is_set:
        into[0].extend(see(directory, vm_directory, entry, known))
    elif entry.startswith(catalogue.TRASH_PREFIX) and naming.split_set_directory(plain):
        into[1].append(
            catalogue.FoundDirectory(vm_directory, plain, (status.st_dev, status.st_ino))
        )
    else:
        return catalogue.Stranger(f"{where}/{entry}", "is not named like a backup set")
    return None


def _unseen(found: catalogue.FoundDirectory, exc: OSError) -> catalogue.FoundDirectory:
    return replace(found, unseen=f"The directory cannot be read: {exc.strerror}.")


def _is_beside(name: str, known: set[str]) -> bool:
    """Tell whether a name belongs to an existing set: its record, or its protection."""
    return any(
        name.endswith(suffix) and name[: -len(suffix)] in known
        for suffix in (verification_record.SUFFIX, catalogue.PROTECTED_SUFFIX)
    )


def see(
    directory: int, vm_directory: str, name: str, known: set[str]
) -> list[catalogue.FoundDirectory]:
    """Return what exists of one set; nothing if it is gone meanwhile.

    Args:
        directory: The VM's directory, open.
        vm_directory: Its name.
        name: The set's directory.
        known: All names in the VM's directory.
    """
    found = catalogue.FoundDirectory(
        vm_directory=vm_directory,
        name=name,
        protected=f"{name}{catalogue.PROTECTED_SUFFIX}" in known,
    )
    try:
        fd = opening.directory(name, within=directory)
        try:
            return [_look(fd, replace(found, record=_record(directory, name, known)))]
        finally:
            os.close(fd)
    except FileNotFoundError:
        return []
    except UnreadError as exc:
        return [replace(found, unseen=f"{exc}.")]
    except OSError as exc:
        return [_unseen(found, exc)]


def _look(fd: int, found: catalogue.FoundDirectory) -> catalogue.FoundDirectory:
    """Return what is in a set's directory.

    Raises:
        UnreadError: Something in it cannot be read.
        OSError: It cannot be listed.
    """
    own = os.fstat(fd)
    names = {}
    for name, status in _names(fd):
        if isinstance(status, OSError):
            raise UnreadError(f"{naming.show_text(name)}: {status.strerror}")
        names[name] = status
    fault, data, checksum = "", None, None
    try:
        data = read_file(fd, naming.MANIFEST, manifest.SIZE_LIMIT)
        checksum = read_file(fd, naming.CHECKSUM, manifest.CHECKSUM_LIMIT)
    except ValueError as exc:
        fault = f"{exc}."
    if len(names) > NAMES_LIMIT:
        fault, names = f"It has more than {NAMES_LIMIT} files.", {}
    return replace(
        found,
        identity=(own.st_dev, own.st_ino),
        files={one: _size(status) for one, status in names.items()},
        manifest=data,
        checksum=checksum,
        fault=fault,
        modified=max([own.st_mtime, *(status.st_mtime for status in names.values())]),
    )


def _size(status: os.stat_result) -> int | None:
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _record(directory: int, name: str, known: set[str]) -> bytes | None:
    """Return the record of a set's verification.

    Raises:
        UnreadError: It exists, and cannot be read: the set may be known to be corrupt.
    """
    record = f"{name}{verification_record.SUFFIX}"
    if record not in known:
        return None
    try:
        return read_file(directory, record, verification_record.SIZE_LIMIT)
    except ValueError:
        return None
