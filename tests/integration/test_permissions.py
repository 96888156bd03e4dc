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
from contract.restoring import Restore
from support.playbooks import Run, Step
from support.restorable import facts_of
from support.scene import Scene, engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EnginePermission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
    NEEDS,
    PERMITS,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from lab.model import Grant
from lab.world import ADMIN, GUEST

Json = Any
PLAYBOOK = Path(__file__).resolve().parents[2] / "playbooks/permissions.yml"
HOSTS = "run on one host"
"""In the warning that this user is not shown the hosts of VMs."""
PLAN = {"vms": ["web01", "db01"], "appliance": "backup01"}


def add_user(scene: Scene, name: str, permits: Sequence[str], object_id: str) -> dict[str, Json]:
    """Add a user with a role of these permits; return how they sign in."""
    scene.control.add_role(f"role of {name}", [one.upper() for one in permits])
    grants = [{"role": f"role of {name}", "object_id": object_id}]
    scene.control.add_user(f"{name}@internal", "secret", grants)
    return scene.lab.auth((f"{name}@internal", "secret"))


def centre(scene: Scene) -> str:
    """Return the data centre of the VMs."""
    return scene.lab.world.data_centre_of(scene.lab.vm("web01"))


def test_each_missing_permit_is_named(scene: Scene) -> None:
    where = centre(scene)
    steps = []
    # Who may not log in is told nothing else.
    needs = [need for need in NEEDS if need.permit != "login"]
    for permit in (need.permit for need in needs):
        rest = [one for one in PERMITS if one != permit]
        auth = add_user(scene, f"without-{permit}", rest, where)
        steps.append(Step("backup_plan_info", {**PLAN, "auth": auth}))
    steps.append(Step("backup_plan_info", {**steps[-1].options, "check_permissions": False}))
    *results, unasked = scene.run(*steps).results
    assert [one.result.get("msg") for one in results if one.failed] == []
    for need, result in zip(needs, results, strict=True):
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


def test_who_may_not_log_in_is_told_so(scene: Scene) -> None:
    rest = [one for one in PERMITS if one != "login"]
    auth = add_user(scene, "outside", rest, centre(scene))
    result = scene.one("backup_plan_info", {**PLAN, "auth": auth})
    assert result["error_code"] == "engine_login"
    assert "may not log in" in result.message
    assert "permit login" in result.message
    assert "Check user name" not in result.message


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
    [warning] = [one for one in plan["warnings"] if HOSTS not in one]
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
    given = {"ovirt_backup_auth": scene.lab.auth(ADMIN), "backup_user": "guest", **variables}
    run = scene.ansible.playbook(scene.lab, PLAYBOOK, env={}, args=["-e", json.dumps(given)])
    assert run.status == 0, run.text
    return run


WAYS: dict[str, dict[str, Json]] = {
    "data-centre": {},
    "everywhere": {"backup_everywhere": True},
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
    plugged = {"appliance": "backup01", **auth}
    run = scene.run(
        Step("backup_plan_info", {"vms": ["web01"], "appliance": "backup01", **auth}),
        Step("vm_snapshot", snapshot),
        Step("vm_ovf_info", snapshot),
        Step("disk_snapshot_attach", {**plugged, "source_vm": "web01", "snapshot": "night"}),
        Step("disk_snapshot_detach", {**plugged, "all": True}),
        Step("vm_snapshot", {**snapshot, "state": "absent"}),
    )
    assert [one.result.get("msg") for one in run.results if one.failed] == []
    told = [text for one in run.results for text in one.result.get("warnings", [])]
    assert [text for text in told if HOSTS not in text] == [], "and none about events"
    [plan] = run.results[0]["plans"]
    assert plan["problems"] == []
    assert {event["code"] for event in run.results[1]["events"]} == {45, 68}
    assert (scene.attached().keys() & scene.disk_ids("web01").keys(), scene.snapshots()) == (
        set(),
        {},
    )


@pytest.mark.parametrize(("way", "evidence"), [("everywhere", "event"), ("system", "unknown")])
def test_events_tell_which_snapshot_is_attached(scene: Scene, way: str, evidence: str) -> None:
    grant(scene, backup_everywhere=True)
    if way == "system":
        with scene.lab.world.lock:
            grants = scene.lab.world.users[GUEST[0]].grants
            grants[:] = [one for one in grants if one.object_id == "system"]
    # Nobody else is logged in, whose events would be shown too.
    scene.control.expire_tokens()
    auth = {"auth": scene.lab.auth(GUEST)}
    first = {"vm": "web01", "snapshot": "first", **auth}
    run = scene.run(
        Step("vm_snapshot", first),
        Step("vm_snapshot", {**first, "snapshot": "second"}),
        Step(
            "disk_snapshot_attach",
            {"appliance": "backup01", "source_vm": "web01", "snapshot": "first", **auth},
        ),
        Step("disk_snapshot_info", {"appliance": "backup01", **auth}),
    )
    assert [one.result.get("msg") for one in run.results if one.failed] == []
    *_others, info = run.results
    assert {one["evidence"] for one in info["attachments"]} == {evidence}
    assert len(info["attachments"]) == 2


def test_what_the_playbook_grants_a_restorer_is_enough(scene: Scene) -> None:
    """The engine's side of a restore, as the role orders it; nothing but what the playbook granted."""
    again = [grant(scene, restore_user="guest", backup_user="backup") for _unused in range(2)][1]
    assert [one.task for one in again.results if not one.failed and one.changed] == []
    with scene.lab.world.lock:
        held = scene.lab.world.users[GUEST[0]].grants
        held[:] = [one for one in held if one.role.startswith("Restore")]
        granted = {(one.role, one.object_id) for one in held}
    assert granted == {("RestoreOperator", centre(scene)), ("RestoreImporter", "system")}
    roles = {one["name"]: one for one in scene.control.world()["roles"]}
    assert roles["RestoreImporter"]["admin"]
    assert not roles["RestoreOperator"]["admin"]
    text = scene.engine.ovf(scene.vm_id("files01"), None) or ""
    found = manifest.from_dict(facts_of(scene.lab, "files01", text))
    restorer = engine_of(scene.lab, GUEST)
    try:
        made = Restore(restorer, text, found).restore()
    finally:
        restorer.close()
    vm = scene.lab.vm(made["name"])
    assert vm.id != scene.vm_id("files01")
    assert list(scene.disk_ids(made["name"])), "with its disk"
    writers = {one.user for one in scene.control.writes() if one.path.endswith("/disks")}
    assert writers == {GUEST[0]}


@pytest.mark.parametrize("place", ["data centre", "cluster"])
def test_an_import_needs_its_permit_on_the_system(scene: Scene, place: str) -> None:
    grant(scene, restore_user="guest", backup_user="backup")
    where = centre(scene) if place == "data centre" else scene.lab.vm("web01").cluster_id
    with scene.lab.world.lock:
        held = scene.lab.world.users[GUEST[0]].grants
        held[:] = [one for one in held if one.role == "RestoreOperator"]
        held.append(Grant("RestoreImporter", where))
    text = scene.engine.ovf(scene.vm_id("files01"), None) or ""
    found = manifest.from_dict(facts_of(scene.lab, "files01", text))
    restorer = engine_of(scene.lab, GUEST)
    try:
        restore = Restore(restorer, text, found)
        plan = restore.plan()
        assert "lacks the permit import_export_vm on the whole engine" in " ".join(plan["problems"])
        restore.disks(plan, "prepared")
        with pytest.raises(EnginePermission):
            restore.vm(plan)
    finally:
        restorer.close()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"backup_vms": ["web01"]}, "backup_storage_domains"),
        (
            {
                "backup_vms": ["web01"],
                "backup_storage_domains": ["data1"],
                "backup_everywhere": True,
            },
            "not both",
        ),
    ],
)
def test_half_a_list_is_refused(scene: Scene, wrong: dict[str, Json], words: str) -> None:
    given = {"ovirt_backup_auth": scene.lab.auth(ADMIN), **wrong}
    run = scene.ansible.playbook(scene.lab, PLAYBOOK, env={}, args=["-e", json.dumps(given)])
    assert run.status != 0
    assert words in run.text
    assert {one["name"] for one in scene.control.world()["roles"]}.isdisjoint({"BackupOperator"})
