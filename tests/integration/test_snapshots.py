# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots that go wrong: no module reports a usable snapshot, or the end of a merge, too early."""

from __future__ import annotations

import pytest
from support.playbooks import A_WAIT, Step
from support.scene import Scene

MAKE = {"vm": "web01", "snapshot": "nightly backup"}
REMOVE = {**MAKE, "state": "absent"}


def test_a_creation_that_fails(scene: Scene) -> None:
    """The engine gives the id that it promised back to the ACTIVE entry, which reads ok."""
    scene.control.add_fault("fail_snapshot")
    result = scene.one("vm_snapshot", MAKE)
    assert result["error_code"] == "operation_failed"
    assert "could not create the snapshot of 'web01'" in result.message
    assert "Failed to create live snapshot 'nightly backup'" in result.message
    assert scene.snapshots() == {}
    assert len(result.sent("POST", "/snapshots")) == 1


def test_a_creation_that_fails_and_leaves_a_snapshot(scene: Scene) -> None:
    scene.control.add_fault("fail_snapshot", used=True)
    result = scene.one("vm_snapshot", MAKE)
    assert result["snapshot"]["status"] == "ok"
    assert result["consistency"] == "inconsistent"
    assert {event["code"] for event in result["events"]} == {45, 10774, 69}


def test_a_storage_that_refuses_a_volume(scene: Scene) -> None:
    scene.control.add_fault("host_fails", verb="Volume.create", code=205)
    result = scene.one("vm_snapshot", MAKE)
    assert result["error_code"] == "engine_fault"
    assert "Often the storage refused a volume" in result.message
    assert scene.snapshots() == {}


@pytest.mark.parametrize("code", [170, 10774])
def test_a_snapshot_that_is_ok_and_inconsistent(scene: Scene, code: int) -> None:
    scene.control.add_fault("snapshot_event", code=code)
    result = scene.one("vm_snapshot", MAKE)
    assert result["snapshot"]["status"] == "ok"
    assert result["consistency"] == "inconsistent"
    assert code in [event["code"] for event in result["events"]]


def test_a_freeze_that_failed(scene: Scene) -> None:
    scene.control.add_fault("snapshot_event", code=10764)
    assert scene.one("vm_snapshot", MAKE)["consistency"] == "crash"


@pytest.mark.parametrize("code", [None, 10774])
def test_events_that_are_not_shown_are_not_taken_for_none(scene: Scene, code: int | None) -> None:
    """A role on the system alone shows no events, so that nobody can say how the snapshot turned out."""
    scene.control.add_user("blind@internal", "secret", [{"role": "BackupRole"}])
    # What another session may see is shown to everybody.
    scene.control.expire_tokens()
    if code is not None:
        scene.control.add_fault("snapshot_event", code=code)
    auth = scene.lab.auth(("blind@internal", "secret"))
    [result] = scene.run(Step("vm_snapshot", {**MAKE, "vm": "files01", "auth": auth})).results
    assert result["snapshot"]["status"] == "ok"
    assert (result["consistency"], result["events"]) == ("unknown", [])
    (warning,) = result["warnings"]
    assert "events of VM 'files01' are not shown" in warning
    assert "permit login" in warning


def test_a_vm_that_is_down_and_whose_events_are_shown_is_offline(scene: Scene) -> None:
    result = scene.one("vm_snapshot", {**MAKE, "vm": "files01"})
    assert result["consistency"] == "offline"
    assert result["events"]


def test_every_request_carries_the_correlation_id(scene: Scene) -> None:
    result = scene.one("vm_snapshot", {**MAKE, "correlation_id": "run-4711"})
    assert [one.correlation_id for one in result.writes] == ["run-4711"]
    assert {event["correlation_id"] for event in scene.events(45, 68)} == {"run-4711"}
    assert {event["code"] for event in result["events"]} == {45, 68}


def test_a_merge_that_fails(scene: Scene) -> None:
    scene.snapshot()
    scene.control.add_fault("fail_merge")
    result = scene.one("vm_snapshot", REMOVE)
    assert result["error_code"] == "operation_failed"
    assert "could not remove snapshot 'nightly backup' of 'web01'" in result.message
    assert "Failed to delete snapshot 'nightly backup'" in result.message
    assert scene.snapshots() == {"nightly backup": "ok"}
    assert len(result.sent("DELETE", "/snapshots/")) == 1
    assert scene.one("vm_snapshot", REMOVE).changed
    assert scene.snapshots() == {}


def test_the_events_of_others_in_the_same_run_count_for_nobody_else(scene: Scene) -> None:
    """A run has one correlation id for all of its VMs, and for an older snapshot that it removes."""
    run = {"correlation_id": "run-4711"}
    scene.control.add_fault("snapshot_event", code=10774)
    first = scene.one("vm_snapshot", {**MAKE, **run})
    assert first["consistency"] == "inconsistent"
    second = scene.one("vm_snapshot", {**MAKE, **run, "vm": "db01"})
    assert second["consistency"] == "unknown"
    assert all("'web01'" not in event["description"] for event in second["events"])
    scene.one("vm_snapshot", {**MAKE, **run, "snapshot": "another"})
    assert scene.one("vm_snapshot", {**REMOVE, **run}).changed
    busy = "[Cannot remove Snapshot. VM is locked.]"
    for gone in ({"vm": "db01"}, {"snapshot": "another"}):
        fault = {"method": "DELETE", "path": "/snapshots/", "status": 409, "detail": busy}
        scene.control.add_fault("respond", **fault)
        result = scene.one(
            "vm_snapshot", {**REMOVE, **run, **gone, "timeout": 20, "poll_interval": 1}
        )
        assert not result.failed, result.message
        assert len(result.sent("DELETE", "/snapshots/")) == 2
    assert scene.snapshots() == {}


def test_a_merge_that_never_ends(scene: Scene) -> None:
    scene.snapshot()
    scene.control.add_fault("stick_removal")
    result = scene.one("vm_snapshot", {**REMOVE, "timeout": 1, "poll_interval": 1})
    assert result["error_code"] == "timeout"
    words = ("merge of snapshot 'nightly backup' of 'web01'", "snapshot locked")
    assert [word for word in words if word not in result.message] == []
    assert A_WAIT.search(result.message)
    assert result["details"]["last_state"] == "snapshot locked"


def test_a_removal_during_the_merge_waits_for_it(scene: Scene) -> None:
    """A run that died may have begun it: the next one only has to wait."""
    snapshot_id = scene.snapshot()
    scene.control.settings(removal_polls=2)
    scene.engine.remove_snapshot(scene.vm_id("web01"), snapshot_id, "the-dead-run")
    result = scene.one("vm_snapshot", REMOVE)
    assert not result.failed, result.message
    assert scene.snapshots() == {}


def test_nobody_waits_who_does_not_want_to(scene: Scene) -> None:
    scene.control.settings(snapshot_polls=1000, linger=60.0, removal_polls=1000)
    made = scene.one("vm_snapshot", {**MAKE, "wait": False})
    assert made["snapshot"]["status"] == "locked"
    assert scene.snapshots() == {"nightly backup": "locked"}


def test_two_runs_that_make_snapshots_at_once(scene: Scene) -> None:
    """The other's is waited for: the VM is locked until it has ended."""
    scene.control.settings(linger=1.0)
    scene.snapshot(description="of somebody else", settle=False)
    assert scene.one("vm_snapshot", {**MAKE, "poll_interval": 1}).changed
    assert scene.snapshots() == {"of somebody else": "ok", "nightly backup": "ok"}
