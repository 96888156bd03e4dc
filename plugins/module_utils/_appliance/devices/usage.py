# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses a device: mounts in any mount namespace, swap, open files, loop devices, the kernel."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    mounts,
    scan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    parse_mounts,
    unescape_mount,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
        Paths,
    )

Uses = dict[str, list[str]]

_WATCHERS = frozenset({"multipathd"})
"""Programs that keep every path open to test it, and close it when it is unplugged; they do not
count as users."""


@dataclass(frozen=True)
class MountedAt:
    """A node that may be in use: a disk, a partition of it, or a layer.

    Attributes:
        owner: Kernel name of the disk or layer that a use counts for.
        paths: Names of the node; the first one opens it.
        number: ``major:minor``.
        top: Nothing is built on it, so only a user can have claimed it.
    """

    owner: str
    paths: tuple[str, ...]
    number: str
    top: bool


def uses(paths: Paths, places: Iterable[MountedAt]) -> dict[str, tuple[str, ...]]:
    """Return what uses the places, by owner; an unused owner is left out."""
    known = list(places)
    by_number = {place.number: place for place in known}
    by_path = {path: place for place in known for path in place.paths}
    found: Uses = {}
    for source in (
        _mounts(paths, by_number, by_path),
        _swaps(paths, by_path),
        _loops(paths, by_path),
        _openers(paths, by_number),
    ):
        for owner, use in source:
            found.setdefault(owner, []).append(use)
    for place in known:
        if place.top and place.owner not in found and _is_claimed(place):
            found.setdefault(place.owner, []).append(f"{place.paths[0]} claimed by the kernel")
    return {owner: tuple(dict.fromkeys(said)) for owner, said in found.items()}


def _mounts(
    paths: Paths, by_number: Mapping[str, MountedAt], by_path: Mapping[str, MountedAt]
) -> Iterator[tuple[str, str]]:
    """Yield mounts of every mount namespace that a process is in; each namespace is read once."""
    told: set[tuple[str, str]] = set()
    groups = mounts.btrfs_groups(paths)
    for whose, table in _mount_tables(paths):
        for mount in mounts.located(paths, parse_mounts(table), groups):
            named = {by_path[mount.source].owner} if mount.source in by_path else set()
            owners = {by_number[one].owner for one in mount.devices if one in by_number} | named
            for owner in sorted(owners):
                if (owner, mount.point) not in told:
                    told.add((owner, mount.point))
                    yield owner, f"mounted on {mount.point}{whose}"


def _mount_tables(paths: Paths) -> Iterator[tuple[str, str]]:
    """Yield each namespace's mountinfo, with words that name the namespace; ours comes first."""
    yield "", mounts.table(paths)
    seen = {scan.target(f"{paths.proc}/self/ns/mnt"), ""}
    for pid in filter(str.isdigit, scan.names(paths.proc)):
        namespace = scan.target(f"{paths.proc}/{pid}/ns/mnt")
        if namespace not in seen:
            seen.add(namespace)
            table = scan.text(f"{paths.proc}/{pid}/mountinfo")
            yield f" in the mount namespace of {process(paths, pid)}", table


def _swaps(paths: Paths, by_path: Mapping[str, MountedAt]) -> Iterator[tuple[str, str]]:
    for line in mounts.swap_areas(paths).splitlines()[1:]:
        path = unescape_mount(line.split()[0]) if line.split() else ""
        if path in by_path:
            yield by_path[path].owner, f"swap on {path}"


def _loops(paths: Paths, by_path: Mapping[str, MountedAt]) -> Iterator[tuple[str, str]]:
    """Yield loop devices over a device: they are not among its holders."""
    for name in scan.names(paths.sys_block):
        if name.startswith("loop"):
            backing = scan.text(f"{paths.sys_block}/{name}/loop/backing_file").rstrip("\n")
            if backing in by_path:
                yield by_path[backing].owner, f"under the loop device {name}"


def _openers(paths: Paths, by_number: Mapping[str, MountedAt]) -> Iterator[tuple[str, str]]:
    """Yield processes that have a node open, by its number: their /dev may differ from ours."""
    for pid in filter(str.isdigit, scan.names(paths.proc)):
        if scan.text(f"{paths.proc}/{pid}/comm").strip() in _WATCHERS:
            continue
        directory = f"{paths.proc}/{pid}/fd"
        for fd in scan.names(directory):
            number = _open_device(f"{directory}/{fd}")
            if number in by_number:
                yield by_number[number].owner, f"open by {process(paths, pid)}"


def _open_device(link: str) -> str:
    """Return the number of the block device behind an open file; empty if it is not one.

    Only names that look like a node are read: a call for a file on a dead server may never return.
    """
    if "/dev/" not in scan.target(link):
        return ""
    try:
        status = os.stat(link)
    except OSError:
        return ""
    if not stat.S_ISBLK(status.st_mode):
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def process(paths: Paths, pid: str) -> str:
    """Describe a process for a message."""
    return f"process {pid} ({scan.text(f'{paths.proc}/{pid}/comm').strip()})"


def _is_claimed(place: MountedAt) -> bool:
    """Tell whether something in the kernel that no list shows has claimed the node."""
    try:
        os.close(opening.node(place.paths[0], os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK))
    except OSError as exc:
        return exc.errno == errno.EBUSY
    return False
