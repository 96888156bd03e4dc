# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All ways to give engine and login, and that no secret is ever printed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ovirtsdk4
import pytest
from support.playbooks import Result, Run, Step, engine_variables, only
from support.scene import Scene

Json = Any
LOOK = {"appliance": "backup01"}
PASSWORD = "50%(discount)s-%-s3cret"


def looked(run: Run) -> Result:
    """Return the only result, which saw the appliance."""
    result = only(run)
    assert not result.failed, result.message
    assert result["appliance"]["name"] == "backup01"
    return result


def users(result: Result) -> set[str | None]:
    """Return who asked the API."""
    return {one.user for one in result.requests if "/api" in one.path}


@pytest.fixture
def percent(scene: Scene) -> str:
    """A user with a password that an interpolating parser cannot read."""
    name = "percent@internal"
    scene.control.add_user(name, PASSWORD, [{"role": "SuperUser", "object_id": "system"}])
    return name


def test_the_environment_alone(scene: Scene) -> None:
    assert users(looked(scene.run(Step("disk_snapshot_info", LOOK)))) == {"admin@internal"}


def test_an_address_without_its_path(scene: Scene) -> None:
    variables = engine_variables(scene.lab)
    variables["OVIRT_URL"] = variables["OVIRT_URL"].removesuffix("/ovirt-engine/api")
    looked(scene.run(Step("disk_snapshot_info", LOOK), env=variables))


def test_what_awx_injects(scene: Scene, percent: str, tmp_path: Path) -> None:
    """The CA stands in the file that OVIRT_INI_PATH names, and in no other place."""
    ini = tmp_path / "ovirt.ini"
    auth = scene.lab.auth()
    lines = {
        "url": auth["url"],
        "username": percent,
        "password": PASSWORD,
        "ca_file": auth["ca_file"],
    }
    text = "".join(f"ovirt_{key}={value}\n" for key, value in lines.items())
    ini.write_text(f"[ovirt]\n{text}", encoding="utf-8")
    injected = {
        "OVIRT_INI_PATH": str(ini),
        "OVIRT_URL": auth["url"],
        "OVIRT_USERNAME": percent,
        "OVIRT_PASSWORD": PASSWORD,
    }
    assert users(looked(scene.run(Step("disk_snapshot_info", LOOK), env=injected))) == {percent}
    only_file = {"OVIRT_INI_PATH": str(ini)}
    assert users(looked(scene.run(Step("disk_snapshot_info", LOOK), env=only_file))) == {percent}


def test_a_file_of_awx_that_is_broken(scene: Scene, tmp_path: Path) -> None:
    ini = tmp_path / "ovirt.ini"
    ini.write_text(f"ovirt_password={PASSWORD}\n", encoding="utf-8")
    for path in (ini, tmp_path / "missing.ini"):
        env = {"OVIRT_INI_PATH": str(path)}
        run = scene.run(Step("disk_snapshot_info", LOOK), env=env, args=["-vvv"])
        [result] = run.results
        assert result["error_code"] == "invalid_request"
        assert "OVIRT_INI_PATH" in result.message
        assert PASSWORD not in run.text


def test_no_header_is_printed(scene: Scene) -> None:
    """A value may be a login."""
    auth = {**scene.lab.auth(), "headers": {"X-Proxy-Login": PASSWORD}}
    run = scene.run(Step("disk_snapshot_info", {**LOOK, "auth": auth}), args=["-vvv"])
    looked(run)
    assert "module_args" in run.text
    assert PASSWORD not in run.text


def test_an_address_that_is_not_encrypted(scene: Scene) -> None:
    auth = {**scene.lab.auth(), "url": scene.lab.url.replace("https:", "http:")}
    words = ("in plain text", "https://")
    result = scene.refused("disk_snapshot_info", {**LOOK, "auth": auth}, "invalid_request", *words)
    assert result.requests == []


def test_nothing_said_at_all(scene: Scene) -> None:
    words = ("OVIRT_USERNAME", "OVIRT_PASSWORD")
    nothing = scene.refused("disk_snapshot_info", LOOK, "invalid_request", *words, env={})
    assert nothing.requests == []
    user = {"OVIRT_USERNAME": "admin@internal", "OVIRT_PASSWORD": "x"}
    scene.refused("disk_snapshot_info", LOOK, "invalid_request", "OVIRT_URL", env=user)


def test_the_session_of_ovirt_auth(scene: Scene) -> None:
    """It serves as it is, and our modules leave it open for the tasks after them."""
    auth = "{{ ansible_facts.ovirt_auth }}"
    run = scene.run(
        Step("ovirt.ovirt.ovirt_auth", scene.lab.auth()),
        Step("disk_snapshot_info", {**LOOK, "auth": auth}),
        Step("vm_snapshot", {"vm": "web01", "snapshot": "by session", "auth": auth}),
        Step("ovirt.ovirt.ovirt_vm_info", {"pattern": "name=web01", "auth": auth}),
        Step("ovirt.ovirt.ovirt_auth", {"state": "absent", "ovirt_auth": auth}),
        Step("disk_snapshot_info", {**LOOK, "auth": auth}),
        env={},
    )
    *served, _revoked, late = run.results
    assert [result.result.get("msg") for result in served if result.failed] == []
    signing = [one.path for result in served[1:4] for one in result.sent("POST", "/sso")]
    assert [path for path in signing if "logout" in path or "token" in path] == []
    assert users(served[1]) == {"admin@internal"}
    assert scene.snapshots() == {"by session": "ok"}
    assert (late.failed, late["error_code"]) == (True, "invalid_request")
    assert "No credentials" in late.message


def test_module_defaults_of_the_action_group(scene: Scene) -> None:
    defaults = {"group/ovirt_community.backup.engine": {"auth": scene.lab.auth()}}
    run = scene.run(
        Step("backup_plan_info", {"vms": ["web01"], "appliance": "backup01"}),
        Step("vm_snapshot", {"vm": "web01", "snapshot": "by default"}),
        Step("disk_snapshot_attach", {**LOOK, "source_vm": "web01", "snapshot": "by default"}),
        Step("disk_snapshot_info", LOOK),
        Step("vm_ovf_info", {"vm": "web01"}),
        Step("disk_snapshot_detach", {**LOOK, "all": True}),
        play={"module_defaults": defaults},
        env={},
    )
    assert run.complaints == []
    assert [result.result.get("msg") for result in run.results if result.failed] == []


@pytest.mark.parametrize("form", ["{}, {}", "{}\n{}\n", "web01,{},{}"])
def test_a_vm_named_twice_and_names_in_a_text(scene: Scene, form: str) -> None:
    """By name and by id it is one VM; a survey gives one text."""
    given = {"vms": form.format(scene.vm_id("web01"), "db01"), "appliance": "backup01"}
    result = scene.one("backup_plan_info", given)
    assert not result.failed, result.message
    assert [one["name"] for one in result["plans"]] == ["web01", "db01"]


def test_no_name_in_a_text(scene: Scene) -> None:
    given = {"vms": " \n, ", "appliance": "backup01"}
    scene.refused("backup_plan_info", given, "invalid_request", "list of VMs to back up is empty")


def token_of(scene: Scene) -> str:
    """Return a token of a session of our own."""
    auth = scene.lab.auth()
    connection = ovirtsdk4.Connection(**auth)
    return str(connection.authenticate())


@pytest.mark.parametrize("failing", [False, True], ids=["good", "bad"])
def test_no_secret_is_printed(scene: Scene, percent: str, failing: bool) -> None:
    auth = scene.lab.auth()
    place = {key: auth[key] for key in ("url", "ca_file")}
    token = token_of(scene)
    vm = "nobody" if failing else "backup01"
    by_password = {**place, "username": percent, "password": PASSWORD}
    run = scene.run(
        Step("disk_snapshot_info", {"appliance": vm, "auth": by_password}),
        Step("disk_snapshot_info", {"appliance": vm, "auth": {**place, "token": token}}),
        Step("disk_snapshot_info", {"appliance": vm}),
        env=_variables(scene, percent),
        args=["-vvv", "--diff"],
    )
    assert [result.failed for result in run.results] == [failing] * 3
    assert all("module_args" in result["invocation"] for result in run.results)
    for secret in (PASSWORD, token):
        assert secret not in run.text
        assert all(secret not in str(result.result) for result in run.results)


def test_no_secret_of_a_refused_login_is_printed(scene: Scene) -> None:
    wrong = {**scene.lab.auth(), "password": "wr0ng-" + PASSWORD}
    run = scene.run(Step("disk_snapshot_info", {**LOOK, "auth": wrong}), args=["-vvv"])
    assert run.results[0]["error_code"] == "engine_login"
    assert "wr0ng-" not in run.text


def _variables(scene: Scene, user: str) -> Mapping[str, str]:
    return {
        **engine_variables(scene.lab),
        "OVIRT_USERNAME": user,
        "OVIRT_PASSWORD": PASSWORD,
    }
