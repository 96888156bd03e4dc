# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about killed runs: living runs are left alone, dead ones are finished or cleaned up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import DISKS, SOURCE, attachment

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
    Holding,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Snapshot,
    SnapshotId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import (
    stamp,
    takeover,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.takeover import (
    Leftover,
    RunRecord,
)

Json = Any
NOW = datetime(2026, 11, 24, 1, 0, 0, tzinfo=UTC)
MINE = stamp.make("awx", "now", NOW + timedelta(hours=24))
STARTED = "2026-11-23T01:00:00Z"


def left(run: str = "old", **changes: Json) -> Leftover:
    made = Leftover(SOURCE.id, run, f"snapshot-{run}", "d", "ok", (DISKS[0], DISKS[1]))
    return replace(made, **changes)


def facts(run: str = "old") -> dict[str, Any]:
    disk = {"alias": "a", "virtual_size": 1, "source_interface": "virtio", "source_bootable": True}
    return {
        "run_id": run,
        "started": STARTED,
        "correlation_id": run,
        "vm": {"id": SOURCE.id, "name": "web01"},
        "snapshot": {"id": f"snapshot-{run}"},
        "consistency": "unknown",
        "evidence": [],
        "versions": {},
        "format": "qcow2",
        "compression": "zstd",
        "disks": [{**disk, "disk_id": one} for one in DISKS[:2]],
    }


def place(run: str = "old") -> str:
    return f"/srv/backup/web01.{SOURCE.id}/20261123T010000Z.{run}"


def record(run: str = "old") -> RunRecord:
    return RunRecord(place(run), facts(run))


WANTED = takeover.Wanted(NOW, dict.fromkeys(DISKS[:2], "a"), ("filesystem", "unknown"))


def test_the_owner_is_that_of_the_snapshot() -> None:
    assert record().owner is None
    snapshot = {"id": "s", "description": stamp.make("awx", "old", NOW).text()}
    assert replace(record(), facts={**facts(), "snapshot": snapshot}).owner == "awx"


def test_only_other_runs_of_the_owner_are_leftovers() -> None:
    late = stamp.make("awx", "late", NOW + timedelta(hours=1))
    early = stamp.make("awx", "early", NOW)
    marks = [
        late.text(),
        early.text(),
        MINE.text(),
        stamp.make("cron", "x", NOW).text(),
        "Active VM",
    ]
    snapshots = [
        Snapshot(SnapshotId(f"s{number}"), text, "ok", "regular")
        for number, text in enumerate(marks)
    ]
    held = [
        Holding(attachment(DISKS[1]), "b", True, SnapshotId("s1")),
        Holding(attachment(DISKS[0]), "a", True, SnapshotId("s1")),
        Holding(attachment(DISKS[2]), "c", True, None),
    ]
    found = takeover.leftovers(SOURCE.id, snapshots, held, MINE, NOW)
    assert [one.run_id for one in found] == ["early", "late"]
    assert found[0].attached == tuple(sorted(DISKS[:2]))
    assert [one.expired for one in found] == [True, False]
    assert takeover.named([one.to_dict() for one in found]) == found


def test_a_whole_set_is_taken_over_and_its_snapshot_cleaned_up_after() -> None:
    decision = takeover.decide([left()], [record()], [], WANTED)
    assert decision.take_over == record()
    assert decision.clean == (left(),)
    assert decision.problems == decision.notes == ()
    result = decision.result()
    assert result["stands_in"]
    assert result["take_over"]["path"] == place()
    assert [one["dest"] for one in result["take_over"]["images"]] == [
        f"{place()}/{disk}.qcow2" for disk in DISKS[:2]
    ]


def test_who_lives_is_left_alone() -> None:
    decision = takeover.decide([left("a"), left("b")], [record("a")], ["b"], WANTED)
    assert decision.problems == ("Run b is working on this VM.",)
    assert decision.take_over is None
    assert decision.clean == ()
    assert decision.result()["take_over"] is None


def test_a_locked_snapshot_is_left_alone() -> None:
    decision = takeover.decide([left(status="locked")], [record()], [], WANTED)
    assert decision.problems == ("The snapshot of run old is locked.",)
    assert decision.clean == ()


@pytest.mark.parametrize(
    ("found", "records", "note"),
    [
        (left(attached=(DISKS[0],)), [record()], "its disks are no longer attached"),
        (left(attached=()), [record()], "its disks are no longer attached"),
        (left(), [], "it had not begun to copy, or had ended"),
        (left(snapshot_id="other"), [record()], "it had not begun to copy"),
        (left(attached=(), expired=True), [], "it had not begun to copy"),
    ],
)
def test_what_cannot_be_finished_is_cleaned_up(
    found: Leftover, records: list[RunRecord], note: str
) -> None:
    decision = takeover.decide([found], records, [], WANTED)
    assert decision.take_over is None
    assert decision.clean == (found,)
    assert note in decision.notes[0]


def test_what_may_be_another_appliances_is_left() -> None:
    decision = takeover.decide([left(attached=())], [], [], WANTED)
    assert decision.clean == ()
    assert "another appliance" in decision.notes[0]


def test_what_a_run_left_that_had_the_claim_here_is_cleaned_up() -> None:
    """It was killed before it wrote a record; no other appliance comes into question."""
    decision = takeover.decide([left(attached=())], [], [], WANTED, {"old"})
    assert decision.clean == (left(attached=()),)


def test_of_several_the_latest_is_finished() -> None:
    decision = takeover.decide([left("a"), left("b")], [record("a"), record("b")], [], WANTED)
    assert decision.take_over == record("b")
    assert {one.run_id for one in decision.clean} == {"a", "b"}
    assert "a later one" in decision.notes[0]


@pytest.mark.parametrize(
    ("found", "change", "wanted", "reason"),
    [
        (left(expired=True), {}, WANTED, "its lease has ended"),
        (left(), {"started": "2026-11-24T01:00:01Z"}, WANTED, "it started later than this run"),
        (
            left(),
            {},
            replace(WANTED, disks={**dict.fromkeys(DISKS[:2], "a"), DISKS[2]: "web01_new"}),
            "it lacks web01_new, which the VM has now",
        ),
        (left(), {}, replace(WANTED, disks=None), "it is unknown which disks the VM has now"),
        (
            left(),
            {"consistency": "crash"},
            WANTED,
            "its consistency is crash, but only filesystem, unknown are accepted",
        ),
    ],
)
def test_a_set_that_a_run_would_not_accept_now_is_not_its_backup(
    found: Leftover, change: Mapping[str, Any], wanted: takeover.Wanted, reason: str
) -> None:
    """It is finished all the same, as what it is."""
    begun = RunRecord(place(), {**facts(), **change})
    decision = takeover.decide([found], [begun], [], wanted)
    assert decision.take_over == begun
    assert decision.clean == (found,)
    assert not decision.result()["stands_in"]
    [note] = decision.notes
    assert reason in note
    assert "a new backup is made" in note


def test_the_age_of_what_is_finished_is_told() -> None:
    weeks = replace(WANTED, started=NOW + timedelta(days=20))
    decision = takeover.decide([left(expired=True)], [record()], [], weeks)
    assert "began at 2026-11-23T01:00:00Z, 21 days ago" in decision.notes[0]


def test_what_the_vm_has_now_is_read_from_its_plan() -> None:
    disks = [{"disk_id": DISKS[0], "alias": "web01_system", "format": "qcow2"}]
    plans: list[dict[str, Any]] = [
        {"vm": None, "disks": []},
        {"vm": {"id": SOURCE.id}, "disks": disks},
    ]
    wanted = takeover.wanted_of(SOURCE.id, plans, ["crash"], NOW)
    assert wanted == takeover.Wanted(NOW, {DISKS[0]: "web01_system"}, ("crash",))
    assert takeover.wanted_of(DISKS[0], plans, [], NOW).disks is None
    with pytest.raises(InvalidRequest, match="plans are not as"):
        takeover.wanted_of(SOURCE.id, [{}], [], NOW)


leftovers = st.builds(
    left,
    st.sampled_from(["a", "b", "c"]),
    status=st.sampled_from(["ok", "locked"]),
    attached=st.sampled_from([(), DISKS[:1], DISKS[:2]]),
    expired=st.booleans(),
)


@given(
    st.lists(leftovers, unique_by=lambda one: one.run_id),
    st.sets(st.sampled_from(["a", "b", "c"])),
    st.sets(st.sampled_from(["a", "b", "c"])),
)
def test_nothing_of_a_living_run_and_nothing_that_is_not_tied_to_us(
    found: list[Leftover], recorded: set[str], living: set[str]
) -> None:
    decision = takeover.decide(found, [record(run) for run in sorted(recorded)], living, WANTED)
    if any(one.run_id in living or one.status != "ok" for one in found):
        assert decision.problems
        assert (decision.clean, decision.take_over) == ((), None)
        return
    assert not decision.problems
    for one in found:
        ours = bool(one.attached) or one.run_id in recorded or one.expired
        assert (one in decision.clean) == ours
    if decision.take_over:
        assert decision.take_over.run_id in [one.run_id for one in decision.clean]


def test_a_record_is_read_back() -> None:
    data = takeover.dump({**facts(), "auth": "secret"}, "<ovf/>")
    assert b"secret" not in data
    assert takeover.load(place(), data) == (record(), "<ovf/>")


def test_a_record_tells_what_the_clocks_said() -> None:
    """Two of them come with the snapshot; the appliance's is that of the writing."""
    snapshot = {"id": "s", "asked": "2026-11-23T01:00:02Z", "there": "2026-11-23T01:00:20Z"}
    data = takeover.dump({**facts(), "snapshot": snapshot}, "<ovf/>")
    written = takeover.stamped(data, NOW)
    found, ovf = takeover.load(place(), written)
    assert ovf == "<ovf/>"
    assert found.clocks == {
        "asked": "2026-11-23T01:00:02Z",
        "there": "2026-11-23T01:00:20Z",
        "appliance": "2026-11-24T01:00:00Z",
    }
    for earlier in (data, takeover.stamped(takeover.dump(facts(), ""), NOW)):
        assert takeover.load(place(), earlier)[0].clocks is None
    assert takeover.is_same(written, data)
    assert takeover.is_same(data, data)
    for other in (b"", b"[]", b"3", takeover.dump(facts("new"), "<ovf/>")):
        assert not takeover.is_same(other, data)


@pytest.mark.parametrize(
    "change",
    [
        {"form": "other"},
        {"version": 2},
        {"run_id": "another"},
        {"vm": {"id": DISKS[0], "name": "web01"}},
        {"vm": None},
        {"ovf": 1},
        {"snapshot": {"id": ""}},
        {"snapshot": {}},
        {"format": "../x"},
        {"disks": [{}]},
        {"disks": 1},
        {"started": "yesterday"},
    ],
)
def test_a_record_that_does_not_fit_is_refused(change: Mapping[str, Any]) -> None:
    data = {**json.loads(takeover.dump(facts(), "")), **change}
    with pytest.raises(InvalidRequest):
        takeover.load(place(), json.dumps(data).encode())


@given(st.binary())
def test_anything_may_lie_there(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        takeover.load(place(), data)


@pytest.mark.parametrize(
    "data", [{}, {**left().to_dict(), "more": 1}, {**left().to_dict(), "vm_id": "../x"}]
)
def test_leftovers_that_are_none(data: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        takeover.named([data])
