# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of a job, which AWX shows as artifacts: of every host of the play, also if a run could not begin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from appliance.stored import Repository
from unit.test_nothing_done import PROGRAM, ROOT

INVENTORY = f"""
[appliance]
backup01
backup02
[appliance:vars]
ansible_connection=local
ansible_python_interpreter={sys.executable}
"""
DOWN = {
    "url": "https://127.0.0.1:1/ovirt-engine/api",
    "username": "a@b",
    "password": "not used",
    "insecure": True,
}


def statistics(output: str) -> dict[str, Any]:
    """Return what the job would show, out of Ansible's output."""
    _before, found, after = output.partition("\tRUN: ")
    assert found, output
    shown, _end = json.JSONDecoder().raw_decode(after)
    return dict(shown)


def run(playbook: str, tmp_path: Path, *args: str, **variables: object) -> dict[str, Any]:
    """Run a playbook that fails on two hosts; its statistics."""
    inventory = tmp_path / "inventory"
    inventory.write_text(INVENTORY, encoding="utf-8")
    path = ROOT / f"playbooks/{playbook}.yml"
    done = subprocess.run(
        [PROGRAM, "-i", inventory, "-e", json.dumps(variables), *args, path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_LOCALHOST_WARNING": "0"},
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return statistics(done.stdout)


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
def test_an_engine_that_is_down_is_told_of_every_host(tmp_path: Path, check: bool) -> None:
    mode = ["--check"] if check else []
    found = run("backup", tmp_path, *mode, vm_backup_vms=["web01"], ovirt_backup_auth=DOWN)
    assert set(found["vm_backup"]) == {"backup01", "backup02"}
    for host, said in found["vm_backup"].items():
        [why] = said.pop("failures")
        assert "the engine cannot be reached" in why
        assert said == {
            "check_mode": check,
            "ok": False,
            "run_id": "",
            "appliance": host,
            "repository": "/srv/backup",
            "vms": [],
            "unfinished": [],
        }


@pytest.mark.parametrize("there", [False, True], ids=["no set", "no engine"])
def test_a_restore_that_cannot_begin_says_why(tmp_path: Path, there: bool) -> None:
    repository = tmp_path / "backup"
    repository.mkdir()
    if there:
        Repository(repository).add(content=b"x")
    found = run(
        "restore_disk",
        tmp_path,
        vm_restore_vm="web01",
        ovirt_backup_repository=str(repository),
        vm_restore_become=False,
        ovirt_backup_auth=DOWN,
    )
    assert set(found["vm_restore"]) == {"backup01", "backup02"}
    for said in found["vm_restore"].values():
        [why] = said["failures"]
        assert ("the engine cannot be reached" if there else "has no set of VM") in why
        assert (said["ok"], said["check_mode"], said["disks"]) == (False, False, [])
        assert bool(said["set"]) == there
