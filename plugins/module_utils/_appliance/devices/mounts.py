# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what is mounted, and on which devices, from the kernel: the one place that does.

A table that cannot be read is an error and never counts as empty: "nothing is mounted" would let a
device be overwritten.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import scan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    Mount,
    is_made_up,
    parse_mounts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
        Paths,
    )


def table(paths: Paths) -> str:
    """Return the mount table of this process, as the kernel writes it.

    Raises:
        DeviceError: It cannot be read, or holds nothing.
    """
    found = _read(paths.mountinfo)
    if not found:
        raise _unreadable(paths.mountinfo, "it is empty")
    return found


def swap_areas(paths: Paths) -> str:
    """Return the table of swap areas; empty if the kernel has no swap.

    Raises:
        DeviceError: It exists and cannot be read.
    """
    try:
        return _read(paths.swaps)
    except DeviceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return ""
        raise


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


def _unreadable(path: str, why: str) -> DeviceError:
    return DeviceError(
        f"{path} cannot be read ({why}), so it is unknown which devices are in use.",
        hint="Run the task as root (become: true), with /proc mounted.",
        details={"path": path},
    )


def read(paths: Paths) -> tuple[Mount, ...]:
    """Return what this process sees mounted, with the devices below, and btrfs file systems that it does not see.

    The latter have no mount point: the source of a root file system may be the name ``/dev/root``,
    which no node has; then only the kernel's list of devices tells.
    """
    groups = btrfs_groups(paths)
    found = located(paths, parse_mounts(table(paths)), groups)
    seen: frozenset[str] = frozenset().union(*(mount.devices for mount in found))
    hidden = (group for group in groups if seen.isdisjoint(group))
    return (*found, *(Mount("", "", "btrfs", "", group) for group in hidden))


def located(
    paths: Paths, found: Sequence[Mount], groups: Sequence[frozenset[str]]
) -> tuple[Mount, ...]:
    """Return the mounts with the devices that they lie on, even if their number in mountinfo is made up.

    Args:
        groups: The result of ``btrfs_groups``.
    """
    known: dict[str, frozenset[str]] = {}
    for mount in found:
        source = mount.source
        # Only names in /dev are read: a call for a file on a dead server may never return.
        if is_made_up(mount.number) and source.startswith(f"{paths.dev}/") and source not in known:
            own = frozenset(scan.numbers(source))
            known[source] = own.union(*(group for group in groups if group & own))
    return tuple(
        replace(mount, devices=mount.devices | known.get(mount.source, frozenset()))
        for mount in found
    )


def btrfs_groups(paths: Paths) -> tuple[frozenset[str], ...]:
    """Return ``major:minor`` of the devices of each btrfs that is mounted anywhere."""
    found = []
    for name in scan.names(paths.btrfs):
        directory = f"{paths.btrfs}/{name}/devices"
        numbers = (scan.text(f"{directory}/{one}/dev").strip() for one in scan.names(directory))
        found.append(frozenset(filter(None, numbers)))
    return tuple(filter(None, found))
