# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems that the engine knows of the appliance are reported before Ansible connects to it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.scene import Scene
from unit.test_nothing_done import PROGRAM, ROOT

SSH = """#!/bin/sh
echo connected >> {calls}
echo 'ssh: connect to host backup01 port 22: No route to host' >&2
exit 255
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """One line for each call of ssh, which never reaches anybody."""
    found = tmp_path / "calls"
    found.touch()
    program = tmp_path / "ssh"
    program.write_text(SSH.format(calls=found))
    program.chmod(0o755)
    return found


def back_up(scene: Scene, calls: Path, *args: str) -> str:
    """Run the backup, which fails; what it printed."""
    ssh = calls.with_name("ssh")
    inventory = calls.with_name("inventory")
    inventory.write_text(
        f"[appliance]\nbackup01 ansible_connection=ssh ansible_ssh_executable={ssh}\n"
    )
    variables = {"vm_backup_vms": ["web01"], "ovirt_backup_auth": scene.lab.auth()}
    playbook = ROOT / "playbooks/backup.yml"
    done = subprocess.run(
        [PROGRAM, "-i", inventory, "-e", json.dumps(variables), *args, playbook],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=calls.parent,
        env={**os.environ, "ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_LOCALHOST_WARNING": "0"},
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("mode", [["--check"], []], ids=["check", "run"])
@pytest.mark.parametrize("status", ["down", "suspended"])
def test_an_appliance_that_does_not_run_is_not_connected_to(
    scene: Scene, calls: Path, status: str, mode: list[str]
) -> None:
    scene.control.status("backup01", status)
    before = scene.control.world()
    said = back_up(scene, calls, *mode)
    message = f"The appliance, VM 'backup01', is {status}, as the engine says"
    assert said.count(message) >= 2, "in the failure and in the statistics"
    assert "No route to host" not in said
    assert calls.read_text() == ""
    assert scene.control.world()["snapshots"] == before["snapshots"]


def test_one_that_runs_is_connected_to(scene: Scene, calls: Path) -> None:
    said = back_up(scene, calls, "--check")
    assert "The appliance backup01 cannot be reached: " in said
    assert calls.read_text()
