# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks with ovirt.ovirt's modules behind the guard: nothing is exported incomplete or moved too early."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.playbooks import A_WAIT, Run
from support.scene import Scene

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    VmId,
)

Json = Any
PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
GUARD = "Wait until"
OVA = {"export_vm": "backup01", "export_host": "host1a", "export_filename": "backup.ova"}


@pytest.fixture
def held(scene: Scene) -> DiskId:
    """The appliance has a disk of its own, and holds one of web01."""
    world, appliance = scene.lab.world, scene.vm_id("backup01")
    made = scene.control.add_vm("helper", status="down", disks=[{"alias": "appliance_disk"}])
    with world.lock:
        row = world.attachments.pop((made["id"], made["disks"]["appliance_disk"]))
        row.vm_id = appliance
        world.attachments[(appliance, row.disk_id)] = row
        active = world.volumes[world.disks[row.disk_id].active_volume_id]
        active.snapshot_id = world.active_snapshot(appliance).id
    return scene.attach("web01_data", scene.snapshot())


def play(scene: Scene, name: str, variables: Mapping[str, Json]) -> Run:
    """Run a playbook as it stands, with extra variables."""
    path = scene.lab.root / "variables.yml"
    path.write_text(yaml.safe_dump(dict(variables)), encoding="utf-8")
    run = scene.ansible.playbook(scene.lab, PLAYBOOKS / f"{name}.yml", args=["-e", f"@{path}"])
    scene.lab.engine.tasks.drain(20)
    return run


def refused(run: Run, *words: str) -> None:
    """It waited, said what still stands there, and did nothing else."""
    assert run.status == 2, run.text
    last = run.results[-1]
    assert last.task.startswith(GUARD)
    assert last.failed
    # A loop has a result per item; the message is in one of them.
    said = str(last.result)
    assert [word for word in ("'web01_data'", *words) if word not in said] == []
    assert A_WAIT.search(said)
    assert [one for result in run.results for one in result.writes] == []


def passed(run: Run) -> None:
    """ovirt.ovirt draws deprecations of its own; ours are none."""
    assert run.status == 0, run.text
    assert [one for one in run.complaints if "ovirt_community" in one] == []


def aliases(scene: Scene, disks: tuple[str, ...] | list[str]) -> list[str]:
    return [scene.lab.world.disks[one].alias for one in disks]


@contextmanager
def backup_that_ends(scene: Scene, disk: DiskId) -> Iterator[None]:
    """Detach once the guard has looked twice."""
    appliance = VmId(scene.vm_id("backup01"))
    path = f"/vms/{appliance}/diskattachments"
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            paths = [str(one["path"]) for one in scene.lab.app.log.listing()]
            if sum(one.endswith(path) for one in paths) >= 2:
                scene.engine.detach(appliance, disk)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_an_ova_waits_for_the_backup_and_is_complete(scene: Scene, held: DiskId) -> None:
    refused(play(scene, "export_vm", {**OVA, "export_guard_timeout": 1}), "no-export")
    assert scene.lab.world.exports == []
    with backup_that_ends(scene, held):
        passed(play(scene, "export_vm", {**OVA, "export_guard_timeout": 60}))
    [made] = scene.lab.world.exports
    assert (made.kind, made.target) == ("ova", "/var/tmp/backup.ova")  # noqa: S108  no file here
    assert aliases(scene, made.disks) == ["appliance_disk"] == list(scene.attached())


def test_an_export_of_the_source_leaves_no_snapshot(scene: Scene, held: DiskId) -> None:
    of_source = {**OVA, "export_vm": "web01"}
    refused(play(scene, "export_vm", {**of_source, "export_guard_timeout": 1}), "source-frozen")
    scene.engine.detach(VmId(scene.vm_id("backup01")), held)
    passed(play(scene, "export_vm", of_source))
    [made] = scene.lab.world.exports
    assert sorted(aliases(scene, made.disks)) == ["web01_data", "web01_system"]
    assert made.leftover is None
    assert list(scene.snapshots()) == ["nightly backup"]


def test_export_domain_and_template(scene: Scene, held: DiskId) -> None:
    scene.control.add_domain("exports", "export")
    scene.control.status("backup01", "down")
    to_domain = {"export_vm": "backup01", "export_domain": "exports", "export_guard_timeout": 1}
    template = {"template_vm": "backup01", "template_name": "golden", "template_guard_timeout": 1}
    refused(play(scene, "export_vm", to_domain), "no-export")
    refused(play(scene, "template_vm", template), "no-template")
    assert (scene.lab.world.exports, scene.lab.world.templates) == ([], {})
    scene.engine.detach(VmId(scene.vm_id("backup01")), held)
    passed(play(scene, "export_vm", to_domain))
    passed(play(scene, "template_vm", template))
    [made] = scene.lab.world.exports
    [golden] = scene.lab.world.templates.values()
    assert made.kind == "domain"
    assert aliases(scene, made.disks) == aliases(scene, golden.sources) == ["appliance_disk"]


def test_a_host_is_serviced_when_the_backup_is_over(
    scene: Scene, held: DiskId, tmp_path: Path
) -> None:
    tasks = tmp_path / "tasks.yml"
    fact = {"ansible.builtin.set_fact": {"serviced": True}}
    tasks.write_text(yaml.safe_dump([{"name": "Service it", **fact}]), encoding="utf-8")
    appliance, world = scene.lab.vm("backup01"), scene.lab.world
    host = world.hosts[appliance.host_id or ""]
    options = {"maintenance_host": host.name, "maintenance_tasks": str(tasks)}
    refused(
        play(scene, "host_maintenance", {**options, "maintenance_guard_timeout": 1}), "no-migration"
    )
    assert (host.status, appliance.host_id) == ("up", host.id)
    with backup_that_ends(scene, held):
        run = play(scene, "host_maintenance", options)
    passed(run)
    assert [
        one.path.rsplit("/", 1)[-1] for r in run.results for one in r.sent("POST", "/hosts/")
    ] == [
        "deactivate",
        "activate",
    ]
    assert "Service it" in [result.task for result in run.results]
    assert host.status == "up"
    assert appliance.host_id not in (None, host.id)


@pytest.mark.parametrize(
    ("name", "variables", "said"),
    [
        ("template_vm", {"template_vm": "backup01"}, "The variable template_name must be set."),
        ("export_vm", {"export_vm": "backup01"}, "The variable export_host must be set"),
        (
            "host_maintenance",
            {"maintenance_host": "", "maintenance_guard_timeout": 1},
            "maintenance_host",
        ),
        (
            "host_maintenance",
            {"maintenance_host": "host1a", "maintenance_tasks": "/nowhere/tasks.yml"},
            "/nowhere/tasks.yml",
        ),
    ],
)
def test_nothing_is_waited_for_with_a_variable_that_is_missing(
    scene: Scene, held: DiskId, name: str, variables: Mapping[str, Json], said: str
) -> None:
    assert held
    run = play(scene, name, variables)
    assert run.status != 0
    assert said in run.text
    assert [one for result in run.results for one in result.requests] == []
