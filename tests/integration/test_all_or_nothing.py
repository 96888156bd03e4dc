# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All or nothing: a failed attach undoes what it began, and names what it cannot undo."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from support.playbooks import A_WAIT, Result
from support.scene import Scene

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    SnapshotId,
)

Json = Any
ATTACH = {
    "appliance": "backup01",
    "source_vm": "three",
    "snapshot": "night",
    "timeout": 5,
    "poll_interval": 1,
}


@pytest.fixture
def disks(scene: Scene) -> Mapping[str, str]:
    """A source VM with three disks and a snapshot of them."""
    names = ("first", "second", "third")
    found = scene.control.add_vm("three", disks=[{"alias": name} for name in names])
    scene.snapshot("three", "night")
    disks: Mapping[str, str] = found["disks"]
    return disks


def night(scene: Scene) -> SnapshotId:
    """Return the id of the snapshot."""
    rows = scene.control.world()["snapshots"]
    return SnapshotId(next(row["id"] for row in rows if row["description"] == "night"))


def failed(scene: Scene, code: str, *words: str) -> Result:
    """Run the attach, which must fail."""
    result = scene.one("disk_snapshot_attach", ATTACH)
    assert result.failed
    assert result["error_code"] == code
    assert [word for word in words if word not in result.message] == []
    return result


def test_a_later_disk_fails_and_the_first_is_detached_again(
    scene: Scene, disks: Mapping[str, str]
) -> None:
    scene.control.add_fault("fail_plug", disk=disks["second"], times=-1)
    words = ("'second'", "'backup01'", "Failed to hot-plug disk", "vdsm")
    result = failed(scene, "engine_fault", *words)
    assert result["details"]["rolled_back"] == {
        disks["first"]: "detached",
        disks["second"]: "not attached",
    }
    assert scene.attached() == {}
    assert not result.sent("POST", "third")
    assert [one.method for one in result.writes] == ["POST", "POST", "DELETE"]
    scene.control.clear_faults()
    assert scene.one("disk_snapshot_attach", ATTACH).changed
    assert set(scene.attached()) == set(disks)


def test_what_was_there_before_stays(scene: Scene, disks: Mapping[str, str]) -> None:
    snapshot_id = night(scene)
    scene.attach("first", snapshot_id, "three")
    scene.control.add_fault("fail_plug", disk=disks["third"], times=-1)
    result = failed(scene, "engine_fault", "'third'")
    assert scene.attached() == {"first": snapshot_id}
    assert set(result["details"]["rolled_back"]) == {disks["second"], disks["third"]}


def test_a_rollback_that_fails_is_told_by_name(scene: Scene, disks: Mapping[str, str]) -> None:
    scene.control.add_fault("fail_plug", disk=disks["second"], times=-1)
    scene.control.add_fault("fail_unplug", disk=disks["first"], times=-1)
    words = ("Failed to hot-plug disk", "STILL ATTACHED: 'first'")
    result = failed(scene, "engine_fault", *words)
    told = result["details"]["rolled_back"]
    assert told[disks["first"]].startswith("STILL ATTACHED")
    assert "Failed to hot-unplug disk" in told[disks["first"]]
    assert list(scene.attached()) == ["first"]


def test_an_unplug_that_is_refused_once(scene: Scene, disks: Mapping[str, str]) -> None:
    assert scene.one("disk_snapshot_attach", ATTACH).changed
    scene.control.add_fault("fail_unplug", disk=disks["second"])
    result = scene.one("disk_snapshot_detach", {"appliance": "backup01", "all": True})
    assert result.changed
    assert len(result.sent("DELETE", disks["second"])) == 2
    assert scene.attached() == {}


def test_an_unplug_that_is_refused_for_good(scene: Scene, disks: Mapping[str, str]) -> None:
    assert scene.one("disk_snapshot_attach", ATTACH).changed
    scene.control.add_fault("fail_unplug", disk=disks["second"], times=-1)
    options = {"appliance": "backup01", "all": True, "timeout": 1, "poll_interval": 1}
    result = scene.one("disk_snapshot_detach", options)
    assert result.failed
    words = ("'second'", "'backup01'", "Failed to hot-unplug disk", "disk_device_release")
    assert [word for word in words if word not in result.message] == []
    assert A_WAIT.search(result.message)
    [left] = result["details"]["still_attached"]
    assert (left["disk_id"], left["alias"]) == (disks["second"], "second")
    done = [one["alias"] for one in result["details"]["detached"]]
    assert done == ["first", "third"]
    assert "Detached: 'first', 'third'." in result.message
    assert list(scene.attached()) == ["second"], "the others are detached all the same"


def test_one_that_is_refused_takes_no_time_of_the_others(
    scene: Scene, disks: Mapping[str, str]
) -> None:
    """They are tried in turns: another that is refused once is detached while the first is still refused."""
    assert scene.one("disk_snapshot_attach", ATTACH).changed
    scene.control.add_fault("fail_unplug", disk=disks["first"], times=-1)
    scene.control.add_fault("fail_unplug", disk=disks["third"])
    options = {"appliance": "backup01", "all": True, "timeout": 1, "poll_interval": 1}
    result = scene.one("disk_snapshot_detach", options)
    assert [one["alias"] for one in result["details"]["still_attached"]] == ["first"]
    assert list(scene.attached()) == ["first"]


def test_what_is_to_be_kept_stays_attached(scene: Scene, disks: Mapping[str, str]) -> None:
    assert scene.one("disk_snapshot_attach", ATTACH).changed
    options = {"appliance": "backup01", "all": True, "keep": [disks["second"], str(uuid.uuid4())]}
    result = scene.one("disk_snapshot_detach", options)
    assert [one["alias"] for one in result["kept"]] == ["second"]
    assert [one["alias"] for one in result["detached"]] == ["first", "third"]
    assert list(scene.attached()) == ["second"]


def test_a_detach_that_fails_for_several(scene: Scene, disks: Mapping[str, str]) -> None:
    assert scene.one("disk_snapshot_attach", ATTACH).changed
    scene.control.add_fault("fail_unplug", times=-1)
    options = {
        "appliance": "backup01",
        "disks": ["first", "second"],
        "timeout": 1,
        "poll_interval": 1,
    }
    result = scene.one("disk_snapshot_detach", options)
    assert result["error_code"] == "operation_failed"
    assert "2 of 2 disk snapshots" in result.message
    aliases = [one["alias"] for one in result["details"]["still_attached"]]
    assert aliases == ["first", "second"]
    assert set(scene.attached()) == set(disks)


def test_a_replacement_that_fails_leaves_the_old_one_off(
    scene: Scene, disks: Mapping[str, str]
) -> None:
    """The old attachment cannot come back by itself; the result says what no longer exists."""
    old = night(scene)
    scene.attach("first", old, "three")
    scene.snapshot("three", "later")
    scene.control.add_fault("fail_plug", disk=disks["first"], times=-1)
    options = {**ATTACH, "snapshot": "later", "disks": ["first"], "replace": True}
    result = scene.one("disk_snapshot_attach", options)
    assert result["error_code"] == "engine_fault"
    assert scene.attached() == {}
    assert result["details"]["rolled_back"] == {disks["first"]: "not attached"}
    assert result["details"]["detached"] == [
        {"disk_id": disks["first"], "alias": "first", "snapshot_id": old}
    ]
