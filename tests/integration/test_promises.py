# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module promises: true check mode, diff, idempotence, and the same keys in all modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from support.playbooks import Result, Run, Step
from support.scene import Scene, attached, state

Json = Any
SOURCE = {"source_vm": "web01", "snapshot": "nightly backup"}
INFO = ("disk_snapshot_info", "vm_ovf_info", "vm_guard", "backup_plan_info")


def thrice(
    scene: Scene, module: str, options: Mapping[str, Json], *, warned: str = ""
) -> tuple[Result, Result, Result]:
    """Run a task in check mode, for real, and again; keep what all modules promise.

    Args:
        warned: Part of the warning that each gives; none is given by default.
    """
    before = state(scene.control.world())
    run = scene.run(
        Step(module, options, keywords={"check_mode": True, "diff": True}),
        Step(module, options, keywords={"diff": True}),
        Step(module, options),
    )
    assert all(warned and warned in one for one in run.complaints), run.complaints
    assert bool(run.complaints) == bool(warned)
    check, real, again = run.results
    for result in run.results:
        assert not result.failed, result.message
    _predicted(check, real, before)
    _once(real, again)
    _shown(run, real)
    return check, real, again


def _predicted(check: Result, real: Result, before: Mapping[str, Json]) -> None:
    assert check.requests, "check mode looked at nothing"
    assert check.writes == []
    assert state(check.world) == before
    assert check.changed == real.changed
    assert check.keys == real.keys
    assert check["diff"] == real["diff"]


def _once(real: Result, again: Result) -> None:
    assert not again.changed
    assert again.writes == []
    assert again.keys == real.keys
    assert again["diff"]["before"] == again["diff"]["after"]
    assert state(again.world) == state(real.world)


def _shown(run: Run, real: Result) -> None:
    """Diff mode shows before and after, in check mode as in a real run, where there is a change."""
    assert (real["diff"]["before"] != real["diff"]["after"]) == real.changed
    assert run.out.count("--- before") == run.out.count("+++ after") == (2 if real.changed else 0)


def test_a_snapshot_is_made(scene: Scene) -> None:
    check, real, again = thrice(scene, "vm_snapshot", {"vm": "web01", "snapshot": "nightly backup"})
    assert check.changed
    assert (check["snapshot"]["id"], check["snapshot"]["status"]) == (None, "absent")
    [row] = [s for s in real.world["snapshots"] if s["description"] == "nightly backup"]
    assert real["snapshot"]["id"] == row["id"] == again["snapshot"]["id"]
    assert (row["status"], row["memory"], row["vm_id"]) == ("ok", False, scene.vm_id("web01"))
    assert real["snapshot"]["status"] == "ok"
    sizes = {disk["alias"]: disk["virtual_size"] for disk in real["disks"]}
    assert sizes == {"web01_system": 96 << 20, "web01_data": 64 << 20}
    assert real["disks"] == again["disks"]
    assert [one.path.rsplit("/", 1)[-1] for one in real.writes] == ["snapshots"]


def test_a_snapshot_of_some_disks(scene: Scene) -> None:
    data = scene.disk_ids("web01")["web01_data"]
    options = {"vm": "web01", "snapshot": "some", "disks": ["web01_data", data]}
    _check, real, _again = thrice(scene, "vm_snapshot", options)
    assert [disk["disk_id"] for disk in real["disks"]] == [data]
    [row] = [s for s in real.world["snapshots"] if s["description"] == "some"]
    assert [disk["disk_id"] for disk in row["disks"]] == [data]


def test_a_snapshot_is_removed(scene: Scene) -> None:
    snapshot_id = scene.snapshot()
    options = {"vm": "web01", "snapshot": "nightly backup", "state": "absent"}
    check, real, again = thrice(scene, "vm_snapshot", options)
    assert check.changed
    assert real["snapshot"]["id"] == snapshot_id
    assert again["snapshot"] is None
    assert snapshot_id not in [row["id"] for row in real.world["snapshots"]]
    assert {len(chain) for chain in real.world["chains"].values()} == {1}


def test_a_snapshot_of_a_vm_that_is_down(scene: Scene) -> None:
    _check, real, _again = thrice(scene, "vm_snapshot", {"vm": "files01", "snapshot": "cold"})
    assert real["consistency"] == "offline"
    assert scene.lab.vm("files01").status == "down"


def test_a_whole_snapshot_is_attached(scene: Scene) -> None:
    snapshot_id = scene.snapshot()
    check, real, again = thrice(scene, "disk_snapshot_attach", {"appliance": "backup01", **SOURCE})
    assert check.changed
    assert attached(real.world, scene.vm_id("backup01")) == {
        "web01_system": snapshot_id,
        "web01_data": snapshot_id,
    }
    for key in ("disks", "attached", "appliance", "source_vm", "snapshot"):
        assert check[key] == real[key] == again[key]
    rows = [row for row in real.world["attachments"] if row["snapshot_id"]]
    assert all(row["active"] and row["read_only"] and not row["bootable"] for row in rows)
    assert {row["interface"] for row in rows} == {"virtio_scsi"}


def test_one_disk_is_attached_as_asked(scene: Scene) -> None:
    snapshot_id = scene.snapshot()
    system = scene.disk_ids("web01")["web01_system"]
    options = {
        "appliance": scene.vm_id("backup01"),
        "source_vm": scene.vm_id("web01"),
        "snapshot": snapshot_id,
        "disks": [system],
        "interface": "virtio",
        "bootable": True,
        "read_only": False,
        "active": False,
    }
    _check, real, _again = thrice(scene, "disk_snapshot_attach", options)
    [row] = [row for row in real.world["attachments"] if row["snapshot_id"]]
    assert row == {
        "vm_id": scene.vm_id("backup01"),
        "disk_id": system,
        "snapshot_id": snapshot_id,
        "interface": "virtio",
        "active": False,
        "bootable": True,
        "read_only": False,
        "pass_discard": False,
        "uses_scsi_reservation": False,
    }
    [disk] = real["disks"]
    assert disk["serial"] == system[:20]
    assert disk["virtual_size"] == 96 << 20
    assert any(link.endswith(f"virtio-{system[:20]}") for link in disk["device_links"])


def test_a_disk_that_is_not_plugged_is_plugged(scene: Scene) -> None:
    """The engine's own way, PUT, would lock the source VM's disk: it is attached again."""
    snapshot_id = scene.snapshot()
    options = {"appliance": "backup01", **SOURCE, "disks": ["web01_data"]}
    scene.one("disk_snapshot_attach", {**options, "active": False})
    _check, real, _again = thrice(scene, "disk_snapshot_attach", options)
    assert real.changed
    assert [one.method for one in real.writes] == ["DELETE", "POST"]
    [row] = [row for row in real.world["attachments"] if row["snapshot_id"] == snapshot_id]
    assert row["active"]


@dataclass(frozen=True)
class Detaching:
    """A way to say what to detach, and what it leaves on the appliance."""

    options: Mapping[str, Json]
    left: Sequence[str]


@pytest.mark.parametrize(
    "case",
    [
        Detaching({"all": True}, ["scratch"]),
        Detaching({"disks": ["web01_data"]}, ["db01_system", "scratch", "web01_system"]),
        Detaching(SOURCE, ["db01_system", "scratch"]),
    ],
    ids=["all", "disks", "snapshot"],
)
def test_disk_snapshots_are_detached(scene: Scene, case: Detaching) -> None:
    scratch = scene.lab.vm("backup01")
    _own_disk(scene)
    night, other = scene.snapshot(), scene.snapshot("db01", "of the database")
    scene.attach("web01_system", night)
    scene.attach("web01_data", night)
    scene.attach("db01_system", other, "db01")
    disks = sorted(row["id"] for row in scene.control.world()["disks"])
    check, real, again = thrice(scene, "disk_snapshot_detach", {"vm": "backup01", **case.options})
    assert check.changed
    assert check["detached"] == real["detached"]
    assert again["detached"] == []
    assert sorted(attached(real.world, scratch.id)) == list(case.left)
    assert sorted(row["id"] for row in real.world["disks"]) == disks, "a disk was deleted"
    assert {one.query for one in real.sent("DELETE", "/diskattachments/")} == {"detach_only=true"}


def _own_disk(scene: Scene) -> None:
    """Give the appliance a disk of its own, which no detach may touch."""
    helper = scene.control.add_vm("helper", status="down", disks=[{"alias": "scratch"}])
    world, appliance = scene.lab.world, scene.lab.vm("backup01")
    with world.lock:
        row = world.attachments.pop((helper["id"], helper["disks"]["scratch"]))
        row.vm_id = appliance.id
        world.attachments[(appliance.id, row.disk_id)] = row


def test_nothing_attached_is_nothing_to_do(scene: Scene) -> None:
    _check, real, _again = thrice(
        scene, "disk_snapshot_detach", {"appliance": "backup01", "all": True}
    )
    assert not real.changed


def test_a_snapshot_that_is_gone_is_nothing_to_detach(scene: Scene) -> None:
    options = {"appliance": "backup01", "source_vm": "web01", "snapshot": "never made"}
    warned = "'web01' has no snapshot 'never made'"
    _check, real, _again = thrice(scene, "disk_snapshot_detach", options, warned=warned)
    assert not real.changed
    nameless = {"appliance": "backup01", "snapshot": "never made"}
    result = scene.one("disk_snapshot_detach", nameless)
    assert result["error_code"] == "invalid_request"


@pytest.mark.parametrize("module", INFO)
def test_looking_changes_nothing(scene: Scene, module: str) -> None:
    night = scene.snapshot()
    scene.attach("web01_data", night)
    options: dict[str, Json] = {"vm": "web01", "snapshot": "nightly backup"}
    if module == "disk_snapshot_info":
        options = {"appliance": "backup01", **SOURCE}
    if module == "vm_guard":
        options = {"vm": "web01", "operations": ["remove_snapshot"], "fail": False}
    if module == "backup_plan_info":
        options = {"vms": ["db01"], "appliance": "backup01"}
    check, real, _again = thrice(scene, module, options)
    assert not check.changed
    assert real.writes == []


def test_what_an_appliance_and_a_snapshot_hold(scene: Scene) -> None:
    first, second = scene.snapshot(description="first"), scene.snapshot(description="second")
    scene.attach("web01_data", second)
    options = {"appliance": "backup01", "source_vm": "web01", "snapshot": "first"}
    result = scene.one("disk_snapshot_info", options)
    [held] = result["attachments"]
    assert (held["snapshot_id"], held["evidence"]) == (second, "event")
    assert held["source_vm_id"] == scene.vm_id("web01")
    assert held["snapshot_description"] == "second"
    assert result["snapshot"]["id"] == first
    assert [one["description"] for one in result["snapshots"]] == ["first", "second"]
    volumes = {row["id"]: row for row in result.world["volumes"]}
    for disk in result["disks"]:
        volume = volumes[disk["image_id"]]
        assert (volume["disk_id"], volume["snapshot_id"]) == (disk["disk_id"], first)
        assert disk["virtual_size"] == volume["virtual_size"]
        assert disk["size_is_exact"]


def test_the_only_snapshot_needs_no_event(scene: Scene) -> None:
    night = scene.snapshot()
    scene.attach("web01_data", night)
    scene.forget_events()
    [held] = scene.one("disk_snapshot_info", {"appliance": "backup01"})["attachments"]
    assert (held["snapshot_id"], held["evidence"]) == (night, "only_snapshot")


def test_configuration_of_now_and_of_a_snapshot(scene: Scene) -> None:
    scene.snapshot()
    now, then = (
        result["ovf"]
        for result in scene.run(
            Step("vm_ovf_info", {"vm": "web01"}),
            Step("vm_ovf_info", {"vm": "web01", "snapshot": "nightly backup"}),
        ).results
    )
    row = next(s for s in scene.control.world()["snapshots"] if s["type"] == "regular")
    configuration, beside = then.split("<?ovirt_community.backup ")
    assert configuration == row["ovf"]
    assert beside.endswith("?>")
    assert now != then
    for text in (now, then):
        assert "web01_system" in text


def test_a_plan_tells_what_stands_against_it(scene: Scene) -> None:
    scene.control.add_vm("far", data_centre="Second", disks=[{"alias": "far_disk"}])
    scene.control.add_vm("mixed", disks=[{"alias": "kept"}, {"alias": "common", "shareable": True}])
    scene.control.status("backup01", "paused")
    vms = ["web01", "far", "nobody", "mixed", "backup01"]
    run = scene.run(Step("backup_plan_info", {"vms": vms, "appliance": "backup01"}))
    [result] = run.results
    plans = {plan["name"]: plan for plan in result["plans"]}
    assert list(plans) == vms
    assert "paused" in " ".join(plans["web01"]["problems"])
    assert "data centre" in " ".join(plans["far"]["problems"])
    assert "nobody" in " ".join(plans["nobody"]["problems"])
    assert "appliance" in " ".join(plans["backup01"]["problems"])
    assert [disk["alias"] for disk in plans["mixed"]["left_out"]] == ["common"]
    assert [disk["alias"] for disk in plans["mixed"]["disks"]] == ["kept"]
    assert "common" in run.text, "a disk that will be missing is worth a warning"
    needed = [sum(disk["total_size"] for disk in plan["disks"]) for plan in result["plans"]]
    assert [plan["required_bytes"] for plan in result["plans"]] == needed
    assert result["required_bytes"] == sum(needed)


def test_a_plan_tells_what_earlier_runs_left(scene: Scene) -> None:
    stamped = "Backup by ovirt_community.backup [owner=default run={} expires=2020-01-01T00:00:00Z]"
    ours = scene.snapshot(description=stamped.format("old"))
    scene.snapshot(description=stamped.format("other").replace("default", "somebody"))
    scene.attach("web01_data", ours)
    result = scene.one("backup_plan_info", {"vms": ["web01", "db01"], "appliance": "backup01"})
    [left] = result["leftovers"]
    assert left == {
        "vm_id": scene.vm_id("web01"),
        "run_id": "old",
        "snapshot_id": ours,
        "description": stamped.format("old"),
        "status": "ok",
        "attached": [scene.disk_ids("web01")["web01_data"]],
        "expired": True,
    }
    assert [plan["problems"] for plan in result["plans"]] == [[], []]
    other = {"vms": ["web01"], "appliance": "backup01", "owner": "else"}
    [plan] = scene.one("backup_plan_info", other)["plans"]
    assert "holds disk 'web01_data' of 'web01' already" in " ".join(plan["problems"])


def test_one_host_is_warned_of(scene: Scene) -> None:
    scene.control.add_vm("neighbour")
    scene.snapshot()
    options = {"appliance": "neighbour", "source_vm": "web01", "snapshot": "nightly backup"}
    run = scene.run(Step("disk_snapshot_attach", options))
    assert run.results[0].changed
    assert any("run on one host" in complaint for complaint in run.complaints)
