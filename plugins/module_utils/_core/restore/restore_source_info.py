# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request that says which backup set to restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class SourceRequest:
    """The set to restore: the one in a directory, or the newest good one of a VM.

    Attributes:
        path: The set's directory; empty to choose one.
        repository: The repository to choose from.
        vm: Name or id of the VM.
        before: Only sets whose data is older than this.
        disks: Names or ids of the wanted disks; empty means all.
        verify: Whether to read the files and compare their hashes.
    """

    path: str = ""
    repository: str = ""
    vm: str = ""
    before: datetime | None = None
    disks: tuple[str, ...] = ()
    verify: bool = True


def check_source(request: SourceRequest) -> None:
    """Refuse a request that names no set, or two.

    Raises:
        InvalidRequest: It is such a request.
    """
    if bool(request.path) == bool(request.vm):
        raise InvalidRequest(
            f"Choose the set to restore with exactly one of {option('path')} and {option('vm')}."
        )
    if request.vm and not request.repository:
        raise InvalidRequest("To choose a set of a VM, name the repository.")
    if request.path and request.before:
        raise InvalidRequest(
            f"{option('before')} works only with {option('vm')}, not with {option('path')}."
        )
