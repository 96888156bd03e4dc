# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stamp: what is written is read back, and no other text counts as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import stamp
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    vm_snapshot,
)

WHEN = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
TEXT = "Backup by ovirt_community.backup [owner=awx run=4f0c-1 expires=2026-11-24T01:02:03Z]"

owners = st.from_regex(r"[A-Za-z0-9_.@-]{1,60}", fullmatch=True)
runs = st.from_regex(r"[A-Za-z0-9_-]{1,36}", fullmatch=True)
moments = st.datetimes(
    datetime(1970, 1, 2),
    datetime(9999, 12, 30),
    timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)


@given(owners, runs, moments)
def test_round_trip(owner: str, run: str, expires: datetime) -> None:
    made = stamp.make(owner, run, expires)
    assert stamp.parse(made.text()) == made
    assert timedelta() <= expires - made.expires < timedelta(seconds=1)
    assert made.to_dict() == {
        "owner": owner,
        "run_id": run,
        "expires": made.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def test_the_form_is_fixed_because_older_snapshots_have_it() -> None:
    assert stamp.make("awx", "4f0c-1", WHEN).text() == TEXT
    assert stamp.parse(TEXT) == stamp.Stamp("awx", "4f0c-1", WHEN)


@pytest.mark.parametrize("owner", ["", "a b", "a]", "ä", "a\n", "*"])
def test_an_owner_that_could_not_be_read_back_is_refused(owner: str) -> None:
    with pytest.raises(InvalidRequest, match="owner"):
        stamp.make(owner, "run", WHEN)


@pytest.mark.parametrize("run", ["", "a.b", "a" * 37, "a b", "ä", "a\n"])
def test_a_run_id_that_is_no_correlation_id_is_refused(run: str) -> None:
    with pytest.raises(InvalidRequest, match="run id"):
        stamp.make("awx", run, WHEN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nightly",
        TEXT + " ",
        " " + TEXT,
        TEXT + "\n",
        TEXT.lower(),
        TEXT.replace("awx", "a wx"),
        TEXT.replace("awx", "ä"),
        TEXT.replace("11-24", "13-24"),
        TEXT.replace("11-24", "02-30"),
        TEXT.replace("Z]", "+00:00]"),
        TEXT.replace("run=4f0c-1 ", ""),
    ],
)
def test_what_is_not_our_stamp(text: str) -> None:
    assert stamp.parse(text) is None


@given(st.text(max_size=200))
def test_any_description_can_be_read(text: str) -> None:
    found = stamp.parse(text)
    assert found is None or found.text() == text


def test_every_stamp_is_a_description_that_the_engine_takes() -> None:
    longest = stamp.make("x" * 255, "r" * 36, WHEN)
    vm_snapshot.check_description(longest.text())
    assert stamp.parse(longest.text()) == longest
    for owner in ("x" * 256, "größe", "日本"):
        with pytest.raises(InvalidRequest):
            stamp.make(owner, "run-1", WHEN)
