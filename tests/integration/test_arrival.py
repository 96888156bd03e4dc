# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A password that occurs in values passed from task to task: everything arrives as the engine has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import Result, Step
from support.scene import Scene

USER = "nightly@internal"
PLAN = {"vms": ["web01"], "appliance": "backup01", "lease_hours": 1}


def chain(auth: dict[str, Any], repository: Path) -> list[Step]:
    """Return the tasks of the role up to the first that stores something, and the look of the run after it."""
    vm = "{{ plan.plans[0].vm.id }}"
    snapshot = "{{ made.snapshot.id }}"
    prepared = {
        "state": "prepared",
        "repository": str(repository),
        "run_id": "{{ plan.run_id }}",
        "started": "{{ plan.started }}",
        "correlation_id": "{{ plan.run_id }}",
        "vm": {
            "id": vm,
            "name": "{{ plan.plans[0].vm.name }}",
            "cluster": "{{ plan.plans[0].vm.cluster }}",
        },
        "snapshot": {
            "id": snapshot,
            "description": "{{ made.snapshot.description }}",
            "date": "{{ made.snapshot.date }}",
        },
        "consistency": "{{ made.consistency }}",
        "evidence": "{{ made.events | map(attribute='description') }}",
        "disks": "{{ attached.disks }}",
        "ovf": "{{ found.ovf }}",
        "ovf_sha256": "{{ found.ovf_sha256 }}",
    }
    make = {"auth": auth, "vm": vm, "snapshot": "{{ plan.description }}"}
    look = {"auth": auth, "vm": vm, "snapshot": snapshot}
    attach = {"auth": auth, "appliance": "backup01", "source_vm": vm, "snapshot": snapshot}
    return [
        Step("backup_plan_info", {"auth": auth, **PLAN}, keywords={"register": "plan"}),
        Step("vm_snapshot", make, keywords={"register": "made"}),
        Step("vm_ovf_info", look, keywords={"register": "found"}),
        Step("disk_snapshot_attach", attach, keywords={"register": "attached"}),
        Step("backup_set", prepared),
        Step("backup_plan_info", {"auth": auth, **PLAN}),
    ]


def record_of(prepared: Result) -> dict[str, Any]:
    """Return what is stored."""
    text = (Path(prepared["path"]) / "unfinished.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("password", ["ovirt", "1024", "backup", "Default"])
def test_what_is_stored_is_what_the_engine_has(scene: Scene, tmp_path: Path, password: str) -> None:
    scene.control.add_user(USER, password, [{"role": "SuperUser", "object_id": "system"}])
    run = scene.run(*chain(scene.lab.auth((USER, password)), tmp_path))
    assert [one.message for one in run.results if one.failed] == []
    *_before, prepared, later = run.results
    record = record_of(prepared)
    [description] = scene.snapshots("web01")
    vm_id = scene.vm_id("web01")
    [snapshot] = [one for one in scene.engine.snapshots(vm_id) if one.description == description]
    assert description.startswith("Backup by ovirt_community.backup [owner=default run=")
    assert record["snapshot"]["description"] == description
    configuration, beside = record["ovf"].split("<?ovirt_community.backup ")
    assert configuration == scene.engine.ovf(vm_id, snapshot.id)
    assert beside.startswith("{")
    assert password not in ("1024", "Default") or password in record["ovf"]
    aliases = {disk["alias"]: disk["disk_id"] for disk in record["disks"]}
    assert aliases == scene.disk_ids("web01")
    assert "********" not in json.dumps(record)
    # The run after one that was killed knows its snapshot.
    [leftover] = later["leftovers"]
    assert (leftover["description"], leftover["snapshot_id"]) == (description, snapshot.id)
