# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``backup_set_protection``: a mark beside a set that protects it from removal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    catalogue,
    naming,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODE = 0o600
_LIMIT = 65536


@dataclass(frozen=True)
class WriteMark:
    """Write the mark of a set."""

    file: str
    data: bytes


@dataclass(frozen=True)
class RemoveMark:
    """Remove the mark of a set."""

    file: str


MarkStep = Union[WriteMark, RemoveMark]


class BackupSetProtection(Operation[MarkStep]):
    """Write or remove the mark."""

    def __init__(self, path: str, reason: str, *, protected: bool) -> None:
        """Keep the request.

        Args:
            path: The set's directory.
            reason: The text of the mark, for people.
            protected: Whether the mark is to exist.
        """
        self._path = path
        self._data = f"{reason}\n".encode("utf-8", "surrogateescape")
        self._protected = protected

    def plan(self) -> Plan[MarkStep]:
        """See whether the mark exists.

        Raises:
            InvalidRequest: The path is not that of a set.
        """
        path = _set_path(self._path)
        mark = f"{path}{catalogue.PROTECTED_SUFFIX}"
        found = os.path.lexists(mark)
        changed = not (found and _content(mark) == self._data) if self._protected else found
        step = WriteMark(mark, self._data) if self._protected else RemoveMark(mark)
        return Plan(
            steps=(step,) if changed else (),
            result={"path": path, "protected": self._protected},
            before={"protected": found, "path": path},
            after={"protected": self._protected, "path": path},
        )

    def execute(self, plan: Plan[MarkStep]) -> Mapping[str, Any]:
        """Write the mark, or remove it.

        Raises:
            ImageError: Something else has its name.
        """
        for step in plan.steps:
            if isinstance(step, WriteMark):
                files.write_whole(step.file, step.data, _MODE)
            elif isinstance(step, RemoveMark):
                _remove(step.file)
            else:
                unhandled(step)
        return {}


def _set_path(text: str) -> str:
    path = backup_set.plain_path("path", text)
    place = naming.SetPath.parse(path)
    if not place.is_set or not files.is_directory(path) or not files.is_directory(place.above):
        raise InvalidRequest(
            f"{path} is not a backup set of a repository.",
            hint="Paths of sets are listed by backup_set_info.",
        )
    return path


def _content(mark: str) -> bytes | None:
    """Return the content of the mark; None if it is not a readable file."""
    above, name = os.path.split(mark)
    with opening.closing(opening.directory(above)) as directory:
        try:
            return repository.read_file(directory, name, _LIMIT)
        except (ValueError, repository.UnreadError):
            return None


def _remove(mark: str) -> None:
    try:
        os.unlink(mark)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise ImageError(
            f"{mark} could not be removed: {exc.strerror}.",
            hint="Check the repository's file system and its permissions.",
        ) from exc
    files.sync_directory(os.path.dirname(mark))
