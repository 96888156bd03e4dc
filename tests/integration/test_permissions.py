# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A missing permit is named before anything is made; what the playbook grants is enough."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import Run, Step
from support.scene import Scene

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.permissions import (
    NEEDS,
    PERMITS,
)
from lab.world import ADMIN, GUEST

Json = Any
PLAYBOOK = Path(__file__).resolve().parents[2] / "playbooks/permissions.yml"
PLAN = {"vms": ["web01", "db01"], "appliance": "backup01"}


def add_user(scene: Scene, name: str, permits: Sequence[str], object_id: str) -> dict[str, Json]:
    """A user with a role of these permits; how they sign in."""
    scene.control.add_role(f"role of {name}", [one.upper() for one in permits])
    grants = [{"role": f"role of {name}", "object_id": object_id}]
    scene.control.add_user(f"{name}@internal", "secret", grants)
    return scene.lab.auth((f"{name}@internal", "secret"))


def centre(scene: Scene) -> str:
    """The data centre of the VMs."""
    return scene.lab.world.data_centre_of(scene.lab.vm("web01"))


def test_each_missing_permit_is_named(scene: Scene) -> None:
    where = centre(scene)
    steps = []
    for permit in PERMITS:
        rest = [one for one in PERMITS if one != permit]
        auth = add_user(scene, f"without-{permit}", rest, where)
        steps.append(Step("backup_plan_info", {**PLAN, "auth": auth}))
    steps.append(Step("backup_plan_info", {**steps[-1].options, "check_permissions": False}))
    *results, unasked = scene.run(*steps).results
    assert [one.result.get("msg") for one in results if one.failed] == []
    for need, result in zip(NEEDS, results, strict=True):
        assert result.writes == []
        for plan in result["plans"]:
            [problem] = plan["problems"]
            assert f"lacks the permit {need.permit} on {need.kind}" in problem
            assert all(call in problem for call in need.calls)
            objects = {
                "source VM": [plan["name"]],
                "appliance": ["backup01"],
                "disk": [one["alias"] for one in plan["disks"]],
            }.get(need.kind, [])
            assert all(f"'{name}'" in problem for name in objects)
    assert [plan["problems"] for plan in unasked["plans"]] == [[], []]
    assert unasked.sent("GET", "/permissions") == []


def test_administrators_lack_nothing(scene: Scene) -> None:
    result = scene.one("backup_plan_info", {**PLAN, "auth": scene.lab.auth(ADMIN)})
    assert [(one["problems"], one["warnings"]) for one in result["plans"]] == [([], [])] * 2


def test_rights_through_a_vm_are_a_warning(scene: Scene) -> None:
    auth = add_user(scene, "through", PERMITS, scene.vm_id("web01"))
    user = scene.lab.world.users["through@internal"]
    user.grants.append(type(user.grants[0])(user.grants[0].role, scene.vm_id("backup01")))
    step = Step("backup_plan_info", {**PLAN, "vms": ["web01"], "auth": auth})
    [result] = scene.run(step).results
    [plan] = result["plans"]
    assert plan["problems"] == []
    [warning] = plan["warnings"]
    assert "attach_disk" in warning
    assert warning in result["warnings"]


def test_an_engine_that_does_not_tell_is_a_warning(scene: Scene) -> None:
    fault = {"method": "GET", "path": "/users/[^/]+/permissions", "status": 400, "detail": "no"}
    scene.control.add_fault("respond", **fault)
    [result] = scene.run(Step("backup_plan_info", PLAN)).results
    assert [plan["problems"] for plan in result["plans"]] == [[], []]
    [warning] = result["warnings"]
    assert "could not be read" in warning


def grant(scene: Scene, **variables: Json) -> Run:
    """Run the playbook as an administrator."""
    given = {"backup_auth": scene.lab.auth(ADMIN), "backup_user": "guest", **variables}
    run = scene.ansible.playbook(scene.lab, PLAYBOOK, env={}, args=["-e", json.dumps(given)])
    assert run.status == 0, run.text
    return run


WAYS: dict[str, dict[str, Json]] = {
    "data-centre": {},
    "objects": {
        "backup_role": "Named",
        "backup_vms": ["backup01", "web01"],
        "backup_storage_domains": ["data1"],
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_playbook_grants_is_enough(scene: Scene, way: str) -> None:
    grant(scene, **WAYS[way])
    again = grant(scene, **WAYS[way])
    assert [one.task for one in again.results if not one.failed and one.changed] == []
    world = scene.control.world()
    name = WAYS[way].get("backup_role", "BackupOperator")
    [role] = [one for one in world["roles"] if one["name"] == name]
    assert sorted(role["permits"]) == sorted(one.upper() for one in PERMITS)
    assert not role["admin"]
    auth = {"auth": scene.lab.auth(GUEST)}
    snapshot = {"vm": "web01", "snapshot": "night", **auth}
    plugged = {"vm": "backup01", **auth}
    run = scene.run(
        Step("backup_plan_info", {"vms": ["web01"], "appliance": "backup01", **auth}),
        Step("vm_snapshot", snapshot),
        Step("vm_ovf_info", snapshot),
        Step("disk_snapshot_attach", {**plugged, "source_vm": "web01", "snapshot": "night"}),
        Step("disk_snapshot_detach", {**plugged, "all": True}),
        Step("vm_snapshot", {**snapshot, "state": "absent"}),
    )
    assert [one.result.get("msg") for one in run.results if one.failed] == []
    assert run.complaints == []
    [plan] = run.results[0]["plans"]
    assert (plan["problems"], plan["warnings"]) == ([], [])
    assert (scene.attached().keys() & scene.disk_ids("web01").keys(), scene.snapshots()) == (
        set(),
        {},
    )


def test_half_a_list_is_refused(scene: Scene) -> None:
    given = {"backup_auth": scene.lab.auth(ADMIN), "backup_vms": ["web01"]}
    run = scene.ansible.playbook(scene.lab, PLAYBOOK, env={}, args=["-e", json.dumps(given)])
    assert run.status != 0
    assert "backup_storage_domains" in run.text
    assert {one["name"] for one in scene.control.world()["roles"]}.isdisjoint({"BackupOperator"})
