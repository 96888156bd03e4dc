# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether others than root could replace a directory that root writes to.

Who may write to a directory may rename what is in it. So every directory on the way counts,
starting at the root of the file system.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REMEDY = (
    "Give them to root (chown root:root) and allow no one else to write there (chmod go-w), or name a "
    "repository in another place."
)
_SHOWN = 5
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Passed:
    """A directory, or a symbolic link, on the way to a path.

    Attributes:
        owner: Its user id.
        mode: Type and permissions, as in ``stat``.
        holds: It is the repository or lies in it: files are written directly in it.
    """

    path: str
    owner: int
    mode: int
    holds: bool = False


def reasons(passed: Iterable[Passed]) -> tuple[str, ...]:
    """Return each place that others could change, with the reason, once."""
    found = {f"{one.path} ({reason})": None for one in passed for reason in _reason(one)}
    return tuple(found)


def _reason(one: Passed) -> tuple[str, ...]:
    if one.owner != 0:
        return (f"owner {one.owner}",)
    # A link's permissions do not count. In a sticky directory only root renames what belongs to root.
    if stat.S_ISLNK(one.mode) or not one.mode & _OTHERS:
        return ()
    if one.mode & stat.S_ISVTX and not one.holds:
        return ()
    return (f"mode 0{stat.S_IMODE(one.mode):o}",)


def message(path: str, exposed: Sequence[str]) -> str:
    """Say which places on the way to a path others could change."""
    shown = ", ".join(exposed[:_SHOWN])
    more = f" and {len(exposed) - _SHOWN} more" if len(exposed) > _SHOWN else ""
    return f"Users other than root could replace directories of {path}: {shown}{more}."


def check(path: str, exposed: Sequence[str]) -> None:
    """Refuse to write as root if others could redirect the write.

    Raises:
        Refused: ``exposed`` is not empty.
    """
    if exposed:
        raise Refused(message(path, exposed), hint=REMEDY, details={"exposed": list(exposed)})
