# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    parse_time,
    read_time,
    show_time,
)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T01:02:03Z",
        "2026-11-23 01:02:03",
        "2026-11-23T03:02:03+02:00",
        " 2026-11-23T01:02:03.999999z ",
    ],
)
def test_times_are_utc(text: str) -> None:
    assert show_time(parse_time("before", text)) == "2026-11-23T01:02:03Z"


def test_a_day_begins_at_midnight() -> None:
    assert read_time("2026-11-23") == datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "now", "2026-02-30", "0001-01-01T00:00:00+01:00", "1e9"])
def test_what_is_no_time(text: str) -> None:
    assert read_time(text) is None
    with pytest.raises(InvalidRequest, match="before must be a time"):
        parse_time("before", text)
