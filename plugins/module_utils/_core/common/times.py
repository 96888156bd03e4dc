# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write points in time, always in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)

_HOURS = 48
"""From this many hours on, a duration is shown in days."""


def read_time(text: str) -> datetime | None:
    """Parse a point in time in ISO 8601, with or without a time of day; None if it is not one.

    A time without a zone is UTC.
    """
    plain = text.strip()
    if plain.endswith(("Z", "z")):
        plain = f"{plain[:-1]}+00:00"
    try:
        moment = datetime.fromisoformat(plain)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def age(length: timedelta) -> str:
    """Return a duration in words: in hours, from two days on in days."""
    hours = int(length.total_seconds() // 3600)
    return f"{hours} hours" if hours < _HOURS else f"{hours // 24} days"


def parse_time(what: str, text: str) -> datetime:
    """Parse a point in time from an option.

    Args:
        what: Name of the option, for the message.

    Raises:
        InvalidRequest: The text is not a point in time.
    """
    moment = read_time(text)
    if moment is None:
        raise InvalidRequest(f"{what} must be a time such as 2026-11-23T01:02:03Z, not {text!r}.")
    return moment


def show_time(moment: datetime) -> str:
    """Format a time as in ``2026-11-23T01:02:03Z``, without fractions of a second."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
