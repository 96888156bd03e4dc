# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the sets of a repository."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs import (
    unfinished,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    ReadOnlyOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    catalogue,
    manifest,
)

if TYPE_CHECKING:
    pass
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.repository import (
    read,
    unread,
)


class BackupSetInfo(ReadOnlyOperation):
    """List the sets of a repository."""

    def __init__(self, repository: str, wanted: catalogue.Filter, *, manifests: bool) -> None:
        """Keep the request.

        Args:
            repository: Its path.
            wanted: Which sets to list.
            manifests: Whether the result has their manifests.
        """
        self._repository = repository
        self._wanted = wanted
        self._manifests = manifests

    def plan(self) -> Plan[NoStep]:
        """Read the repository; there is nothing to do.

        Raises:
            InvalidRequest: There is no such repository.
        """
        now = time.time()
        found = read(self._repository, now)
        chosen = catalogue.choose_all(found.entries, self._wanted)
        listed = [{**catalogue.to_dict(entry), "unfinished": _left(entry, now)} for entry in chosen]
        if self._manifests:
            for entry, facts in zip(chosen, listed):
                facts["manifest"] = manifest.to_dict(entry.manifest) if entry.manifest else None
        return Plan(
            result={
                "sets": listed,
                "totals": catalogue.totals(chosen),
                "unrecognised": catalogue.strangers(found),
            },
            warnings=unread(found),
        )


def _left(entry: catalogue.Entry, now: float) -> dict[str, Any] | None:
    if entry.state != catalogue.UNFINISHED:
        return None
    return unfinished.to_dict(entry.path, entry.seen.modified, now)
