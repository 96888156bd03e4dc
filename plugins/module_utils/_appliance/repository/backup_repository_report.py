# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``backup_repository_report``: write the report on a repository."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    private,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    backup_vm,
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report import (
    backup_repository_report,
    page,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    catalogue,
    naming,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODE = 0o600


@dataclass(frozen=True)
class WritePage:
    """The page, and its path."""

    dest: str
    data: bytes


class BackupRepositoryReport(Operation[WritePage]):
    """Write the report on a repository."""

    def __init__(
        self, request: backup_repository_report.ReportRequest, now: Callable[[], float] = time.time
    ) -> None:
        """Keep the request.

        Args:
            request: What to report, and where to write it.
            now: Tells the time of day, in seconds since 1970.
        """
        self._request = request
        self._time = now

    def plan(self) -> Plan[WritePage]:
        """Read the repository and draw the page.

        Raises:
            InvalidRequest: There is no such repository, or no safe place for the page.
        """
        backup_repository_report.check_request(self._request)
        dest = _dest(self._request.dest)
        found = repository.read(self._request.repository, self._time())
        now = datetime.fromtimestamp(self._time(), timezone.utc).replace(microsecond=0)
        recorded = backup_vm.read(self._request.repository)
        drawn = backup_repository_report.picture(found, self._request, now, recorded)
        data = page.render(drawn).encode("utf-8")
        problems = [naming.show_text(line) for line in drawn.problems()]
        known = {"path": dest, "problems": problems}
        return Plan(
            steps=(WritePage(dest, data),),
            result={"dest": dest, "size": len(data), "problems": problems}
            | {"totals": catalogue.totals(found.entries)},
            before={"path": dest if os.path.lexists(dest) else None},
            after=known,
        )

    def execute(self, plan: Plan[WritePage]) -> Mapping[str, Any]:
        """Write the page, complete or not at all."""
        for step in plan.steps:
            if not isinstance(step, WritePage):
                unhandled(step)
            files.write_whole(step.dest, step.data, _MODE)
        return {}


def _dest(path: str) -> str:
    """Return the page's path; only we may write in its directory, so that nobody can put a link there."""
    dest = backup_set.plain_path("dest", path)
    above = os.path.dirname(dest)
    try:
        status = os.lstat(above)
    except OSError as exc:
        raise InvalidRequest(
            f"{above} is not a directory: {exc.strerror}.",
            hint=f"Create it, or give another path in {option('dest')}.",
        ) from exc
    if not stat.S_ISDIR(status.st_mode) or not private.is_ours(status):
        raise InvalidRequest(
            f"{above} is not a directory that only root can write to.",
            hint=f"Leave {option('dest')} out, so that the page is in the repository, or name another directory.",
        )
    if files.is_directory(dest):
        raise InvalidRequest(
            f"{dest} is a directory.", hint=f"Give the path of the page in {option('dest')}."
        )
    return dest
