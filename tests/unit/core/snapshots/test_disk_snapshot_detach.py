# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a detach: only disk snapshots, and only the requested ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import APPLIANCE, DISKS, SNAPSHOTS, held_disks, holding, vm_states

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    BackupError,
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
    Holding,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    DetachStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachSituation,
    plan_detach,
)

FIRST = holding(DISKS[0], SNAPSHOTS[0], alias="first")
SECOND = holding(DISKS[1], SNAPSHOTS[1], alias="second")
UNCLEAR = holding(DISKS[2], None, alias="unclear")
OWN = holding(DISKS[3], foreign=False, alias="own")
HELD = (FIRST, SECOND, OWN)


def detached(*held: Holding, **meant: object) -> list[str]:
    now = replace(DetachSituation(APPLIANCE, held), **meant)  # type: ignore[arg-type]
    return [step.alias for step in plan_detach(now).steps]


def test_everything_is_every_disk_snapshot() -> None:
    assert detached(*HELD, UNCLEAR, everything=True) == ["first", "second", "unclear"]
    assert detached(OWN, everything=True) == []


def test_by_snapshot() -> None:
    assert detached(*HELD, snapshot_id=SNAPSHOTS[1]) == ["second"]
    assert detached(*HELD, snapshot_id=SNAPSHOTS[2]) == []


def test_by_snapshot_where_nothing_tells_which_one_is_attached() -> None:
    with pytest.raises(Refused, match="'unclear'") as caught:
        detached(*HELD, UNCLEAR, snapshot_id=SNAPSHOTS[1])
    assert caught.value.hint == f"Name the disks to detach with {option('disks')}."
    assert caught.value.details == {"disks": [UNCLEAR.to_dict()]}
    # It is no candidate for a snapshot that its disk is not in.
    elsewhere = replace(UNCLEAR, candidates=SNAPSHOTS[2:])
    assert detached(*HELD, elsewhere, snapshot_id=SNAPSHOTS[1]) == ["second"]


@pytest.mark.parametrize("kept", ["first", DISKS[0], DISKS[0][:20], DISKS[0].upper()])
@pytest.mark.parametrize(
    "meant", [{"everything": True}, {"snapshot_id": SNAPSHOTS[0]}, {"disks": ("first", "second")}]
)
def test_what_is_to_be_kept_stays(meant: dict[str, object], kept: str) -> None:
    gone = DISKS[4]
    now = replace(DetachSituation(APPLIANCE, HELD, keep=(kept, gone, gone[:20])), **meant)  # type: ignore[arg-type]
    plan = plan_detach(now)
    assert "first" not in [step.alias for step in plan.steps]
    assert [one["alias"] for one in plan.result["kept"]] == ["first"]
    other = plan_detach(replace(now, keep=("second",)))
    assert "first" in [step.alias for step in other.steps]


def test_a_word_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="keep names 'frist'"):
        plan_detach(DetachSituation(APPLIANCE, HELD, everything=True, keep=("first", "frist")))


def test_what_is_kept_and_not_meant_is_not_told() -> None:
    now = DetachSituation(APPLIANCE, HELD, snapshot_id=SNAPSHOTS[0], keep=("second", "own"))
    assert plan_detach(now).result["kept"] == []


def test_by_name_or_id_each_once() -> None:
    words = ("second", DISKS[0], DISKS[0].upper(), "first", DISKS[2])
    assert detached(*HELD, UNCLEAR, disks=words) == ["second", "first", "unclear"]


def test_what_is_not_there_is_detached_already() -> None:
    assert detached(*HELD, disks=("gone", DISKS[4])) == []
    assert detached(disks=("gone",)) == []


def test_a_name_that_two_have() -> None:
    twin = holding(DISKS[4], SNAPSHOTS[0], alias="first")
    with pytest.raises(Ambiguous, match=DISKS[4]):
        detached(FIRST, twin, disks=("first",))
    assert detached(FIRST, twin, disks=(DISKS[4],)) == ["first"]


@pytest.mark.parametrize("word", ["own", DISKS[3]])
def test_a_disk_of_the_appliance_is_refused_by_name(word: str) -> None:
    with pytest.raises(Refused, match="detach-only"):
        detached(*HELD, disks=("first", word))


@pytest.mark.parametrize("status", ["paused", "suspended", "unknown"])
def test_the_appliance_must_be_up_or_down_only_if_there_is_something_to_detach(status: str) -> None:
    appliance = replace(APPLIANCE, status=status)
    with pytest.raises(Refused, match="appliance-ready"):
        detached(*HELD, appliance=appliance, everything=True)
    assert detached(OWN, appliance=appliance, everything=True) == []


def test_nothing_is_meant_unless_something_is_said() -> None:
    assert detached(*HELD, UNCLEAR) == []


def test_what_the_plan_tells() -> None:
    plan = plan_detach(DetachSituation(APPLIANCE, (*HELD, UNCLEAR), everything=True))
    assert plan.steps[0] == DetachStep(APPLIANCE, DISKS[0], "first", SNAPSHOTS[0])
    assert plan.result == {
        "appliance": {"id": APPLIANCE.id, "name": "appliance"},
        "detached": [one.to_dict() for one in (FIRST, SECOND, UNCLEAR)],
        "kept": [],
    }
    assert plan.before == {
        "attached": {"first": SNAPSHOTS[0], "second": SNAPSHOTS[1], "unclear": "unknown"}
    }
    assert plan.after == {"attached": {}}


words = st.sampled_from([*DISKS, *(f"disk-{disk[:8]}" for disk in DISKS), "gone", ""])
situations = st.builds(
    DetachSituation,
    appliance=vm_states.map(lambda status: replace(APPLIANCE, status=status)),
    held=held_disks,
    disks=st.lists(words, max_size=4).map(tuple),
    snapshot_id=st.sampled_from([*SNAPSHOTS, None]),
    everything=st.booleans(),
)


@given(situations)
def test_nothing_but_a_disk_snapshot_is_ever_detached(now: DetachSituation) -> None:
    try:
        steps = plan_detach(now).steps
    except BackupError:
        return
    foreign = {one.disk_id for one in now.held if one.is_disk_snapshot}
    assert {step.disk_id for step in steps} <= foreign
    assert len({step.disk_id for step in steps}) == len(steps)
    assert not steps or now.appliance.status in {"up", "down", "powering_up"}


@given(situations)
def test_nothing_but_what_was_meant_is_detached(now: DetachSituation) -> None:
    try:
        steps = plan_detach(now).steps
    except BackupError:
        return
    for step in steps:
        assert (
            now.everything
            or (now.snapshot_id is not None and step.snapshot_id == now.snapshot_id)
            or (now.snapshot_id is None and {step.disk_id, step.alias} & set(now.disks))
        )


@given(situations)
def test_a_second_run_has_nothing_to_do(now: DetachSituation) -> None:
    try:
        steps = plan_detach(now).steps
    except BackupError:
        return
    gone = {step.disk_id for step in steps}
    left = tuple(one for one in now.held if one.disk_id not in gone)
    assert plan_detach(replace(now, held=left)).steps == ()
