# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a verification with a limit ever reaches every set: computed, and simulated night by night."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from unit.core.repository.test_catalogue import START, entries, seen

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backlog,
    backup_set_verify,
    catalogue,
    verification_record,
)

[MODEL] = entries(seen())


def made(night: int, number: int) -> catalogue.Entry:
    """One set of a night."""
    name = f"n{night}-{number}"
    return replace(MODEL, path=f"/r/{name}", run_id=name, time=START + timedelta(days=night))


def read(entry: catalogue.Entry, when: datetime) -> catalogue.Entry:
    """Return the set, found good at this time."""
    time = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    record = verification_record.VerificationRecord(
        entry.run_id, "", time, "ok", "files", (), (), {}, 1.0
    )
    return replace(entry, verified=record)


def nights(
    sets: list[catalogue.Entry], new: int, limit: int, first: int, number: int
) -> backup_set_verify.Round:
    """Make and verify so many sets each night; what the last verification chose. Changes `sets`."""
    asked = backup_set_verify.VerifyRequest("/r", unverified_days=30, limit=limit)
    chosen = backup_set_verify.Round((), (), backlog.Backlog())
    for night in range(first, first + number):
        sets += [made(night, one) for one in range(new)]
        now = START + timedelta(days=night, hours=4)
        chosen = backup_set_verify.choose(catalogue.Catalogue("/r", tuple(sets)), asked, now)
        done = {one.path for one in chosen.due}
        sets[:] = [read(one, now) if one.path in done else one for one in sets]
    return chosen


@pytest.mark.parametrize("number", [1, 2, 7, 20])
def test_twenty_a_night_never_catch_up_with_150_new_ones(number: int) -> None:
    chosen = nights([], 150, 20, 0, number)
    left = chosen.left
    assert (left.sets, left.never) == (130 * number, 130 * number)
    assert (left.read, left.new, left.days) == (20.0, 150.0, None)
    [said] = chosen.warnings()
    assert "20.0 sets are verified a day, and 150.0 are made" in said
    assert f"never catches up: raise {option('limit')}" in said
    assert chosen.left.to_dict()["since"] == f"2026-11-{23 + 20 * number // 150}T01:00:00Z"


@pytest.mark.parametrize(("burst", "limit"), [(300, 30), (400, 40), (60, 12)])
def test_when_it_will_be_done_is_true(burst: int, limit: int) -> None:
    """What is said comes so, if the nights are like those before."""
    sets: list[catalogue.Entry] = []
    nights(sets, 8, 8, 0, 7)
    sets += [made(6, 100 + one) for one in range(burst)]
    left, night = nights(sets, 8, limit, 7, 8).left, 15
    assert left.days
    assert left.days > 1
    assert nights(sets, 8, limit, night, left.days - 1).left.sets > 0
    assert nights(sets, 8, limit, night + left.days - 1, 1).left.sets == 0
    assert all(one.verified for one in sets)


def test_what_is_due_again_counts() -> None:
    """Ten a day are made and twelve read: with 300 that come again after 30 days that is never enough."""
    left = backlog.Backlog(20, 20, START, 12.0, 10.0, again=(1, 1, *range(2, 32)), period=30)
    assert left.days is None or left.days > 20
    assert backlog.Backlog(20, 20, START, 12.0, 10.0).days == 10
    assert backlog.Backlog(20, 20, START, 11.0, 10.0, period=5).days is None


def test_nothing_is_left_out() -> None:
    left = backlog.measure([], [MODEL], [MODEL], START, 30)
    assert (left.text(), left.days) == ("", 0)
    assert left.to_dict() == {
        "sets": 0,
        "never_verified": 0,
        "since": None,
        "read_a_day": 0.0,
        "new_a_day": 0.0,
        "days": 0,
    }


def test_what_was_verified_before_waits_since_then() -> None:
    """A record dated in the future does not count."""
    now = START + timedelta(days=50)
    known = read(made(0, 0), START + timedelta(days=10))
    future = read(made(20, 1), now + timedelta(days=1))
    for late, since, never in (
        ([known], "2026-12-03T01:00:00Z", 0),
        ([known, future], "2026-12-03T01:00:00Z", 1),
        ([future], "2026-12-13T01:00:00Z", 1),
    ):
        left = backlog.measure(late, [made(49, 2)], [known, future, made(49, 2)], now, 30)
        assert (left.to_dict()["since"], left.never) == (since, never)
    assert left.read == pytest.approx(1 / 7)
    assert "never catches up" in left.text()


def test_what_is_reached_soon() -> None:
    left = backlog.Backlog(40, 0, START, 30.0, 10.0)
    assert left.text() == (
        "The limit left out 40 sets that are due, 0 of them never verified; one waits since"
        " 2026-11-23T01:00:00Z. 30.0 sets are verified a day, and 10.0 are made. At this pace all of"
        " them are verified within 2 days."
    )
