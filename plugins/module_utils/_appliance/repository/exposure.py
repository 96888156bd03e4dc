# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read who owns the directories on the way to a repository, and in it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import scan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.exposure import (
    Passed,
    reasons,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.naming import (
    split_vm_directory,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINKS = 40
"""How many links Linux follows before it fails."""


def of_repository(path: str) -> tuple[str, ...]:
    """Return what others than root could change on the way to a repository, and of its VMs' directories."""
    vms = filter(split_vm_directory, scan.names(path))
    below = (f"{path.rstrip('/')}/{name}" for name in vms)
    held = (_look(one, holds=True) for one in (os.path.realpath(path), *below))
    return reasons([*_way(path), *(one for one in held if one)])


def above(path: str) -> tuple[str, ...]:
    """Return what others could change on the way to a path, which need not exist."""
    return reasons(_way(path))


def of_set(repository: str, vm_directory: str) -> tuple[str, ...]:
    """Return what others could change on the way to the sets of one VM; its directory may be missing."""
    held = (_look(one, holds=True) for one in (os.path.realpath(repository), vm_directory))
    return reasons([*_way(repository), *(one for one in held if one)])


def _way(path: str) -> Iterator[Passed]:
    """Yield every directory and link that Linux passes to resolve a path, without the last one."""
    here, links = "/", 0
    todo = [name for name in reversed(path.split("/")) if name]
    while todo:
        passed = _look(here)
        if passed:
            yield passed
        name = todo.pop()
        if name == "..":
            here = os.path.dirname(here)
            continue
        one = os.path.join(here, name) if name != "." else here
        found = _look(one)
        if found and stat.S_ISLNK(found.mode) and links < _LINKS:
            links += 1
            yield found
            target = scan.target(one)
            here = "/" if target.startswith("/") else here
            todo.extend(name for name in reversed(target.split("/")) if name)
        else:
            here = one


def _look(path: str, *, holds: bool = False) -> Passed | None:
    """Return one place; None if it cannot be read: then nothing can be written there either."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return Passed(path, status.st_uid, status.st_mode, holds)
