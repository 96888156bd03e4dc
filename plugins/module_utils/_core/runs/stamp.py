# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stamp in a snapshot's description: its owner, its run, and until when it may stay.

By its stamp a later run finds what a dead run left. The lease cannot be renewed, because the engine
changes no description. So it counts only for a snapshot of which the appliance knows nothing, see
``backup_claim``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)

_FORM = re.compile(
    r"Backup by ovirt_community\.backup \[owner=(?P<owner>[\w.@-]+) run=(?P<run>[\w-]+)"
    r" expires=(?P<expires>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\]",
    re.ASCII,
)
_WORD = re.compile(r"[\w.@-]{1,255}", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9_-]{1,36}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Stamp:
    """Owner (who runs backups, for instance the controller's name), run id, and end of the lease."""

    owner: str
    run_id: str
    expires: datetime

    def text(self) -> str:
        """Return the stamp as a snapshot's description."""
        expires = self.expires.astimezone(timezone.utc).strftime(_TIME)
        return (
            f"Backup by ovirt_community.backup"
            f" [owner={self.owner} run={self.run_id} expires={expires}]"
        )

    def to_dict(self) -> dict[str, str]:
        """Return the stamp as a module's result."""
        expires = self.expires.astimezone(timezone.utc).strftime(_TIME)
        return {"owner": self.owner, "run_id": self.run_id, "expires": expires}


def make(owner: str, run_id: str, expires: datetime) -> Stamp:
    """Check the parts and make a stamp.

    Args:
        run_id: Also sent as correlation id, so limited to what the engine keeps of one: 36 letters,
            digits, - and _ (docs/engine.md#correlation-ids).

    Raises:
        InvalidRequest: A part has characters that it cannot have.
    """
    if not _WORD.fullmatch(owner):
        raise InvalidRequest(
            f"{owner!r} cannot be the owner: up to 255 letters of ASCII, digits and . _ - @ are possible."
        )
    if not _RUN.fullmatch(run_id):
        raise InvalidRequest(
            f"{run_id!r} cannot be a run id: up to 36 letters, digits, - and _ are possible."
        )
    return Stamp(owner, run_id, expires.astimezone(timezone.utc).replace(microsecond=0))


def parse(description: str) -> Stamp | None:
    """Parse a description; None if it has no stamp."""
    match = _FORM.fullmatch(description)
    if match is None:
        return None
    try:
        expires = datetime.strptime(match["expires"], _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return Stamp(match["owner"], match["run"], expires)
