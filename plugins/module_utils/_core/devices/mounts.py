# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's table of mounts, and fstab: parse them, and find what lies where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo (proc(5)).

    Attributes:
        number: ``major:minor`` as mountinfo has it; it belongs to no device if the file system
            makes one up, as btrfs does.
        devices: ``major:minor`` of every device that the file system is known to lie on.
    """

    number: str
    point: str
    filesystem: str
    source: str
    devices: frozenset[str] = frozenset()


_MOUNT = re.compile(r"^\S+ \S+ (\S+) \S+ (\S+) .*?- (\S+) (\S+)")


def parse_mount(line: str) -> Mount | None:
    """Parse one line of ``/proc/self/mountinfo``; None if it is not one."""
    match = _MOUNT.match(line)
    if not match:
        return None
    number, point, filesystem, source = match.groups()
    point, source = unescape_mount(point), unescape_mount(source)
    return Mount(number, point, filesystem, source, frozenset({number}))


def parse_mounts(mountinfo: str) -> tuple[Mount, ...]:
    """Parse ``/proc/self/mountinfo``."""
    return tuple(filter(None, map(parse_mount, mountinfo.splitlines())))


def is_made_up(number: str) -> bool:
    """Tell whether a file system made up its number in mountinfo: no device has major 0."""
    return number.startswith("0:")


def above(mounts: Iterable[Mount], path: str) -> Mount:
    """Return the mount that a path lies on, or would lie on: the longest mount point above it.

    If several are mounted on one point, the last one wins. A process in a chroot may see no mount
    above a path; the result then has the point ``/`` and no source.
    """
    best = Mount("", "/", "", "")
    for mount in mounts:
        covers = bool(mount.point) and f"{path}/".startswith(f"{mount.point.rstrip('/')}/")
        if covers and len(mount.point) >= len(best.point):
            best = mount
    return best


def at(mounts: Iterable[Mount], point: str) -> Mount | None:
    """Return what is mounted on this very point: the last one; None if nothing is."""
    found = [mount for mount in mounts if mount.point == point]
    return found[-1] if found else None


def fstab_fields(fstab: str) -> Iterator[list[str]]:
    """Yield the fields of each line of fstab that is not a comment; there may be none."""
    for line in fstab.splitlines():
        if not line.lstrip().startswith("#"):
            yield [unescape_mount(field) for field in line.split()]


def unescape_mount(text: str) -> str:
    r"""Undo the octal escapes of /proc files (a space is ``\\040``)."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)
