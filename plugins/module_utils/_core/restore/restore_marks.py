# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore writes on the VM and the disks that it makes, in order to find them again.

An incomplete object says so, and only objects that say so are ever removed. The id of a restore
follows from what is restored to where: a restore that runs again after it was killed finds its own
objects.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_INCOMPLETE = "Restore in progress, by ovirt_community.backup"
INCOMPLETE_WORD = "progress"
"""A word in the description of each incomplete disk, for the engine's search."""

_BEGUN = "Restore begun, by ovirt_community.backup"
_TEST = "Test of a restore, by ovirt_community.backup"
_DONE = "Restored by ovirt_community.backup"
_FORM = re.compile(
    r"(?P<head>[A-Za-z ,_.]+) \[owner=(?P<owner>[\w.@-]+) restore=(?P<restore>[0-9a-f]{12})"
    r" set=(?P<set>[0-9A-Za-z_-]+)(?: disk=(?P<disk>[0-9a-f-]{36}))?\]",
    re.ASCII,
)
_OWNER = re.compile(r"[\w.@-]{1,64}", re.ASCII)
_RESTORE = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Mark:
    """One restore: its owner, its id, and the run that made the set."""

    owner: str
    restore_id: str
    run_id: str

    def begun_text(self) -> str:
        """Return the comment of a VM that was imported and not changed since."""
        return f"{_BEGUN} {self._parts()}]"

    def vm_text(self) -> str:
        """Return the comment of an incomplete VM."""
        return f"{_INCOMPLETE} {self._parts()}]"

    def test_text(self) -> str:
        """Return the comment of a VM that exists to be tested and removed again."""
        return f"{_TEST} {self._parts()}]"

    def disk_text(self, disk_id: str) -> str:
        """Return the description of an incomplete disk; ``disk_id`` is the original's."""
        return f"{_INCOMPLETE} {self._parts()} disk={disk_id}]"

    def done_text(self, disk_id: str) -> str:
        """Return the description of a finished disk."""
        return f"{_DONE} {self._parts()} disk={disk_id}]"

    def _parts(self) -> str:
        return f"[owner={self.owner} restore={self.restore_id} set={self.run_id}"


@dataclass(frozen=True)
class Read:
    """A mark that was found on a VM or a disk.

    Attributes:
        incomplete: It is to be removed if it is not finished; the same goes for a test.
        disk_id: Id of the original, if it is on a disk.
        test: The VM exists to be started and removed again.
    """

    mark: Mark
    incomplete: bool
    disk_id: str = ""
    test: bool = False


def make(owner: str, restore_id: str, run_id: str) -> Mark:
    """Check the parts of a mark.

    Raises:
        InvalidRequest: A part has characters that it cannot have.
    """
    if not _OWNER.fullmatch(owner):
        raise InvalidRequest(
            f"{owner!r} is not a valid owner: use letters, digits and . _ - @ only."
        )
    if not _RESTORE.fullmatch(restore_id):
        raise InvalidRequest(
            f"{restore_id!r} is not a restore id, the 12 hexadecimal digits that restore_plan_info returns."
        )
    mark = Mark(owner, restore_id, run_id)
    if parse(mark.vm_text()) is None:
        raise InvalidRequest(f"{run_id!r} is not the run id of a set's manifest.")
    return mark


def parse(text: str) -> Read | None:
    """Parse a comment or a description; None if it is not a mark."""
    match = _FORM.fullmatch(text)
    if match is None or match["head"] not in (_BEGUN, _INCOMPLETE, _TEST, _DONE):
        return None
    mark = Mark(match["owner"], match["restore"], match["set"])
    head = match["head"]
    return Read(mark, head != _DONE, match["disk"] or "", head == _TEST)


def name(parts: Iterable[str]) -> str:
    """Return the id of a restore: the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
