# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run may work on a VM: one at a time; a dead one is followed, a late one notices."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import SOURCE

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    VmClaimed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import backup_claim
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.backup_claim import (
    BUSY,
    FREE,
    LOST,
    MINE,
    WAIT,
    Claim,
    Now,
    Wish,
)

NOW = Now("boot", 1000.0, "2026-11-24T01:00:00Z")
FIRST = Claim(
    SOURCE.id, "awx", "first", "2026-11-24T00:59:00Z", backup_claim.COPY, 0.0, "boot", 995.0
)
SECOND = Wish(
    SOURCE.id, "awx", "second", backup_claim.SNAPSHOT, (300.0, 60.0), 60.0, frozenset({"first"})
)


def judged(found: Claim | None, wish: Wish = SECOND, seconds: float = NOW.seconds) -> str:
    """At the beginning of the watch, unless the time says otherwise."""
    moment = replace(NOW, seconds=seconds)
    return backup_claim.verdict(
        backup_claim.current(found, moment), FIRST, wish, moment, NOW.seconds
    )


def test_what_nobody_has_is_free() -> None:
    assert judged(None) == FREE
    assert judged(replace(FIRST, boot="earlier")) == FREE
    assert judged(replace(FIRST, ended=True)) == FREE


def test_the_claim_of_a_run_is_its_own() -> None:
    mine = replace(SECOND, run_id="first")
    assert judged(FIRST, mine) == MINE
    assert judged(FIRST, replace(mine, boot="boot", heartbeat_timeout=None)) == MINE


@pytest.mark.parametrize("found", [None, FIRST, replace(FIRST, ended=True)])
def test_who_was_followed_notices(found: Claim | None) -> None:
    late = replace(SECOND, boot="boot", heartbeat_timeout=None)
    assert judged(found, late) == LOST
    with pytest.raises(VmClaimed, match="took over this VM"):
        raise backup_claim.refusal(found, late, NOW)


def test_a_restart_of_the_appliance_takes_a_claim_from_nobody() -> None:
    assert judged(None, replace(SECOND, boot="earlier", heartbeat_timeout=None)) == FREE


def test_who_does_not_watch_takes_nothing_over() -> None:
    assert judged(replace(FIRST, signed=0.0), replace(SECOND, heartbeat_timeout=None)) == BUSY


@pytest.mark.parametrize("step", backup_claim.STEPS)
def test_a_dead_run_is_followed_after_its_silence(step: str) -> None:
    """Where the engine works for it, the silence counts from the beginning of the watch."""
    quiet = backup_claim.quiet(replace(SECOND, step=step))
    found = replace(FIRST, step=step, quiet=quiet)
    long_dead = replace(found, signed=NOW.seconds - 361)
    assert judged(found) == WAIT
    if step in (backup_claim.SNAPSHOT, backup_claim.CLEAN):
        quiet = 0.0
        assert judged(long_dead, seconds=1059) == WAIT
        assert judged(long_dead, seconds=1060) == FREE
    elif step == backup_claim.ATTACH:
        assert judged(replace(found, signed=NOW.seconds - 359)) == WAIT
        assert judged(long_dead) == FREE
    patience = max(quiet, 60.0)
    assert judged(found, seconds=1000 + patience) in (FREE, WAIT)
    assert judged(found, seconds=995 + patience + 5) == FREE


def test_nobody_looked_or_another_owner_may_still_make_its_snapshot() -> None:
    found = replace(FIRST, step=backup_claim.SNAPSHOT, quiet=300.0)
    for wish in (replace(SECOND, standing=None), replace(SECOND, owner="cron")):
        assert judged(found, wish, seconds=1299) == WAIT
        assert judged(found, wish, seconds=1300) == FREE


def test_a_new_call_shows_that_its_controller_lives() -> None:
    assert judged(replace(FIRST, calls=2)) == BUSY
    assert judged(replace(FIRST, run_id="third")) == BUSY
    with pytest.raises(VmClaimed) as caught:
        raise backup_claim.refusal(FIRST, SECOND, NOW)
    assert caught.value.message == (
        "Run first of owner awx has been working on this VM since 2026-11-24T00:59:00Z: copying its disks."
        " It renewed its claim 5 s ago."
    )
    assert caught.value.details["claim"]["run_id"] == "first"


def test_a_last_call_is_waited_for_and_no_longer() -> None:
    """It signs, and no other call follows."""
    assert judged(replace(FIRST, signed=1119.0), seconds=1119) == WAIT
    assert judged(replace(FIRST, signed=1120.0), seconds=1120) == BUSY


def test_whose_snapshot_is_gone_has_nothing_left_to_do() -> None:
    found = replace(FIRST, step=backup_claim.RELEASE, quiet=420.0)
    gone = replace(SECOND, standing=frozenset())
    assert judged(found, gone) == FREE
    assert judged(found) == WAIT
    assert judged(found, replace(gone, owner="cron")) == WAIT
    assert judged(replace(found, step=backup_claim.CLEAN), gone) == WAIT


def test_a_claim_names_who_had_it_before() -> None:
    second = backup_claim.taken(replace(FIRST, dead=("zero", "second")), SECOND, NOW)
    assert second.dead == ("zero", "first")
    assert (second.signed, second.boot, second.since) == (1000.0, "boot", NOW.text)
    assert backup_claim.taken(None, SECOND, NOW).dead == ()
    signed = backup_claim.taken(second, replace(SECOND, step=backup_claim.ATTACH, path="/p"), NOW)
    assert signed == replace(second, step=backup_claim.ATTACH, quiet=360.0, calls=2, path="/p")
    assert backup_claim.ended(second).ended


def test_a_copy_signs_the_claim_that_it_is_done_for() -> None:
    assert backup_claim.is_tied(FIRST, "first", "/r/vm/time.first")
    assert not backup_claim.is_tied(FIRST, "second", "/r/vm/time.second")
    assert not backup_claim.is_tied(replace(FIRST, ended=True), "first", "/r/vm/time.first")
    finishes = replace(FIRST, path="/r/vm/time.zero")
    assert backup_claim.is_tied(finishes, "zero", "/r/vm/time.zero")
    assert not backup_claim.is_tied(finishes, "first", "/r/vm/time.first")
    attaches = replace(FIRST, step=backup_claim.ATTACH, quiet=360.0)
    signed = backup_claim.copying(attaches, NOW, call=True)
    assert signed == replace(FIRST, signed=1000.0, calls=2)
    assert backup_claim.copying(signed, NOW, call=False).calls == 2


def test_a_claim_is_read_back() -> None:
    claim = replace(FIRST, dead=("zero",))
    assert backup_claim.load("p", backup_claim.dump(claim)) == claim
    data = json.loads(backup_claim.dump(claim))
    wrongs: list[object] = [
        [],
        {**data, "form": "x"},
        {**data, "version": 2},
        {**data, "step": "sleep"},
        {**data, "more": 1},
        {"form": backup_claim.FORM, "version": backup_claim.VERSION},
    ]
    for wrong in wrongs:
        with pytest.raises(InvalidRequest):
            backup_claim.load("p", json.dumps(wrong).encode())
    with pytest.raises(InvalidRequest) as caught:
        backup_claim.load("p", b"\xff")
    assert "remove the file" in caught.value.hint


def test_a_claim_is_of_a_vms_id() -> None:
    backup_claim.check(SECOND)
    with pytest.raises(InvalidRequest):
        backup_claim.check(replace(SECOND, vm_id="../x"))


def test_to_dict() -> None:
    assert backup_claim.to_dict(FIRST)["boot"] == "boot"


moments = st.floats(0, 5000)


@given(
    step=st.sampled_from(sorted(backup_claim.STEPS)),
    signs=st.lists(st.floats(0.1, 55), min_size=1, max_size=20),
    gap=st.floats(0, 0.9),
)
def test_who_signs_often_enough_is_never_followed(
    step: str, signs: list[float], gap: float
) -> None:
    """Whoever watches, at any moment between two signs, and whatever the step."""
    found = replace(
        FIRST, step=step, quiet=backup_claim.quiet(replace(SECOND, step=step)), signed=1000.0
    )
    seconds = 1000.0
    for pause in signs:
        moment = replace(NOW, seconds=seconds + gap * pause)
        assert backup_claim.verdict(found, FIRST, SECOND, moment, NOW.seconds) in (WAIT, BUSY)
        seconds += pause
        found = replace(found, signed=seconds, calls=found.calls + 1)
