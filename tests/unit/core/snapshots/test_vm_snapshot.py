# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: what to make, what to remove, how consistent they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import APPLIANCE, DISKS, SNAPSHOTS, SOURCE, disk, event, snapshot

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    BackupError,
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Event,
    Snapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    vm_snapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    CreateSnapshotStep,
    RemoveSnapshotStep,
    SnapshotSituation,
    match_snapshot,
    plan_snapshot,
)

ACTIVE = snapshot(SNAPSHOTS[3], "Active VM", kind="active")
NIGHTLY = snapshot(SNAPSHOTS[0], "nightly")
WEEKLY = snapshot(SNAPSHOTS[1], "weekly")


def situation(word: str, *known: Snapshot, present: bool = True) -> SnapshotSituation:
    return SnapshotSituation(SOURCE, (ACTIVE, *known), word, present)


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (NIGHTLY, True),
        (replace(NIGHTLY, status="locked"), True),
        (None, False),
        (replace(NIGHTLY, description="weekly"), False),
        (replace(NIGHTLY, type="active"), False),
        (replace(NIGHTLY, type="active", description="Active VM"), False),
    ],
)
def test_type_and_description_tell_not_the_id(found: Snapshot | None, same: bool) -> None:
    assert vm_snapshot.is_same(found, NIGHTLY) is same


def test_a_character_that_cannot_be_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"U\+20AC EURO SIGN") as caught:
        plan_snapshot(situation("for 10 €"))
    assert "ASCII and letters of any script" in caught.value.hint


@given(st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1, max_size=50))
def test_letters_of_every_script_pass(text: str) -> None:
    vm_snapshot.check_description(text)


def test_a_snapshot_that_is_not_there_is_made() -> None:
    now = replace(situation("nightly", WEEKLY), disk_ids=DISKS[:2], memory=True)
    plan = plan_snapshot(now)
    assert plan.steps == (CreateSnapshotStep(SOURCE, "nightly", DISKS[:2], memory=True),)
    assert (plan.before, plan.after) == ({"snapshot": None}, {"snapshot": "nightly"})
    assert plan.result == {
        "vm": {"id": SOURCE.id, "name": "web01"},
        "snapshot": {
            "id": None,
            "description": "nightly",
            "status": "absent",
            "type": "regular",
            "date": None,
            "memory": True,
        },
        "consistency": "unknown",
        "events": [],
        "disks": [],
    }


def test_memory_is_not_saved_unless_asked_for() -> None:
    assert plan_snapshot(situation("nightly")).steps == (
        CreateSnapshotStep(SOURCE, "nightly", None, memory=False),
    )


@pytest.mark.parametrize("word", ["nightly", SNAPSHOTS[0], SNAPSHOTS[0].upper()])
@pytest.mark.parametrize("status", ["ok", "locked"])
def test_a_snapshot_that_is_there_is_waited_for(word: str, status: str) -> None:
    plan = plan_snapshot(situation(word, replace(NIGHTLY, status=status), WEEKLY))
    assert (plan.changed, plan.waits) == (False, True)
    assert plan.before == plan.after == {"snapshot": "nightly"}
    assert plan.result["snapshot"]["id"] == SNAPSHOTS[0]


def test_a_word_about_another_snapshot_is_not_about_this_one() -> None:
    def said(code: int, text: str) -> Event:
        return replace(event(1, code, vm_id=SOURCE.id), description=text)

    mine = [
        said(45, "Snapshot 'nightly' creation for VM 'web01' was initiated by a."),
        said(10767, "frozen"),
        said(342, "Snapshot 'nightly' deletion for VM 'web01' was initiated by a."),
        replace(said(343, "Failed to remove Snapshot nightly for VM web01 (User: a)."), vm_id=None),
    ]
    others = [
        said(342, "Snapshot 'weekly' deletion for VM 'web01' was initiated by a."),
        replace(mine[2], vm_id=APPLIANCE.id),
        replace(mine[1], vm_id=APPLIANCE.id),
    ]
    assert vm_snapshot.about([*others, *mine, *others], SOURCE, NIGHTLY) == mine


def test_a_description_is_needed() -> None:
    with pytest.raises(InvalidRequest):
        plan_snapshot(situation(" "))


def test_a_snapshot_is_removed() -> None:
    plan = plan_snapshot(situation("nightly", NIGHTLY, WEEKLY, present=False))
    assert plan.steps == (RemoveSnapshotStep(SOURCE, NIGHTLY),)
    assert (plan.before, plan.after) == ({"snapshot": "nightly"}, {"snapshot": None})


def test_what_is_gone_is_removed_already() -> None:
    plan = plan_snapshot(situation("nightly", WEEKLY, present=False))
    assert (plan.changed, plan.waits) == (False, False)
    assert plan.before == plan.after == {"snapshot": None}
    assert plan.result["snapshot"] is None


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize(
    "found",
    [
        replace(NIGHTLY, type="preview"),
        replace(NIGHTLY, type="stateless"),
        replace(NIGHTLY, status="in_preview"),
    ],
)
def test_what_is_not_regular_is_neither_used_nor_removed(found: Snapshot, present: bool) -> None:
    with pytest.raises(Refused, match="snapshot-regular"):
        plan_snapshot(situation("nightly", found, present=present))


@pytest.mark.parametrize("present", [True, False])
def test_the_active_layer_is_not_taken_for_a_snapshot(present: bool) -> None:
    with pytest.raises(Refused, match="snapshot-regular"):
        plan_snapshot(situation(ACTIVE.id, present=present))
    assert match_snapshot([ACTIVE], "Active VM") is None


def test_two_of_one_description() -> None:
    twin = snapshot(SNAPSHOTS[2], "nightly")
    with pytest.raises(Ambiguous) as caught:
        plan_snapshot(situation("nightly", NIGHTLY, twin, present=False))
    assert [one["id"] for one in caught.value.details["matches"]] == [NIGHTLY.id, twin.id]
    assert match_snapshot([NIGHTLY, twin], twin.id) == twin


@pytest.mark.parametrize("word", ["Nightly", "night", "nightly ", "night*", ""])
def test_descriptions_are_matched_whole(word: str) -> None:
    assert match_snapshot([ACTIVE, NIGHTLY], word) is None


@given(
    st.lists(
        st.builds(
            snapshot,
            st.sampled_from(SNAPSHOTS),
            st.sampled_from(["nightly", "weekly"]),
            status=st.sampled_from(["ok", "locked", "in_preview"]),
            kind=st.sampled_from(["regular", "active", "preview"]),
        ),
        unique_by=lambda one: one.id,
    ),
    st.sampled_from(["nightly", "weekly", *SNAPSHOTS]),
    st.booleans(),
)
def test_only_the_one_that_was_named_is_removed_and_none_that_is_there_made(
    known: list[Snapshot], word: str, present: bool
) -> None:
    try:
        plan = plan_snapshot(SnapshotSituation(SOURCE, tuple(known), word, present))
    except BackupError:
        return
    for step in plan.steps:
        if isinstance(step, RemoveSnapshotStep):
            assert not present
            assert word in {step.snapshot.id, step.snapshot.description}
            assert step.snapshot.type == "regular"
        else:
            assert present
            assert step.description == word
            assert all(one.description != word or one.type == "active" for one in known)


def test_facts_have_the_date_in_iso_form() -> None:
    when = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    facts = vm_snapshot.snapshot_dict(replace(NIGHTLY, date=when))
    assert facts["date"] == "2026-11-23T01:02:03+00:00"


@pytest.mark.parametrize(
    ("status", "codes", "level"),
    [
        ("down", [], "unknown"),
        ("down", [342], "unknown"),
        ("down", [45], "offline"),
        ("down", [45, 68], "offline"),
        ("up", [], "unknown"),
        ("up", [45, 68], "unknown"),
        ("paused", [68], "unknown"),
        ("up", [10766, 10767, 10768, 68], "filesystem"),
        ("up", [10766, 10764, 68], "crash"),
        ("up", [10764, 10767], "crash"),
        ("up", [10767, 170], "inconsistent"),
        ("up", [10767, 10774, 68], "inconsistent"),
        ("up", [10764, 10774], "inconsistent"),
        ("down", [10774], "inconsistent"),
    ],
)
def test_consistency(status: str, codes: list[int], level: str) -> None:
    events = [event(index, code) for index, code in enumerate(codes)]
    assert vm_snapshot.consistency(status, events) == level


@pytest.mark.parametrize(
    ("codes", "shown", "ended"),
    [
        ([], False, False),
        ([356, 342, 30], False, False),
        ([45], True, False),
        ([45, 10774], True, False),
        ([45, 68], True, True),
        ([45, 170, 69], True, True),
        ([117], True, True),
    ],
)
def test_events_of_a_creation_are_shown_or_hidden(
    codes: list[int], shown: bool, ended: bool
) -> None:
    events = [event(index, code) for index, code in enumerate(codes)]
    assert vm_snapshot.creation_shown(events) is shown
    assert vm_snapshot.creation_ended(events) is ended


@given(
    st.sampled_from(["up", "down", "paused"]),
    st.lists(st.sampled_from([45, 68, 170, 10764, 10767, 10774])),
)
def test_a_further_event_never_makes_a_warning_go_away(status: str, codes: list[int]) -> None:
    for warning, worst in ((170, ["inconsistent"]), (10764, ["crash", "inconsistent"])):
        events = [event(index, code) for index, code in enumerate([*codes, warning])]
        assert vm_snapshot.consistency(status, events) in worst


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({}, None),
        ({"status": "locked"}, None),
        ({"storage_type": "lun"}, "it is a lun disk, which snapshots do not include"),
        ({"storage_type": "managed_block_storage"}, "it is a managed_block_storage disk"),
        ({"shareable": True}, "it is shareable, which snapshots do not include"),
        ({"content_type": "iso"}, "its content is iso, not data"),
    ],
)
def test_left_out(properties: dict[str, Any], reason: str | None) -> None:
    found = vm_snapshot.left_out(disk(**properties))
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(reason)


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("state", ["suspended", "in preview"])
def test_nothing_is_planned_for_a_vm_of_which_the_engine_makes_no_snapshot(
    present: bool, state: str
) -> None:
    vm = replace(SOURCE, status="suspended") if state == "suspended" else SOURCE
    weekly = replace(WEEKLY, status="in_preview") if state == "in preview" else WEEKLY
    known = (ACTIVE, weekly) if present else (ACTIVE, NIGHTLY, weekly)
    with pytest.raises(Refused, match="source-ready"):
        plan_snapshot(SnapshotSituation(vm, known, "nightly", present))
    # What is there already is found in any state.
    if present:
        assert not plan_snapshot(SnapshotSituation(vm, (*known, NIGHTLY), "nightly", True)).changed


@pytest.mark.parametrize(
    ("properties", "taken"),
    [
        ({}, True),
        ({"storage_type": "managed_block_storage"}, True),
        ({"storage_type": "lun"}, False),
        ({"shareable": True}, False),
    ],
)
def test_what_a_snapshot_takes_along_unasked(properties: dict[str, Any], taken: bool) -> None:
    assert vm_snapshot.taken_along(disk(**properties)) is taken
