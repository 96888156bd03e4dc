# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An appliance that Ansible cannot reach is an ordinary failure, so that a role can clean up."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from unit.test_roles import OURS, ROOT, TASK_FILES, actions, load, tasks_in

ROLES = ("vm_backup", "vm_restore")
SSH = """#!/bin/sh
echo 'ssh: connect to host backup01 port 22: No route to host' >&2
exit 255
"""


def on_the_appliance() -> set[str]:
    """Return the modules that the roles of a backup and of a restore run there."""
    tasks = [
        task
        for path in TASK_FILES
        if path.parts[-3] in ROLES
        for task in tasks_in(load(path))
        if "delegate_to" not in task
    ]
    return {name.removeprefix(OURS) for one in tasks for name in actions(one) if OURS in name}


def play(place: Path, modules: list[str]) -> dict[str, Any]:
    """Return what each module returned from an appliance that cannot be reached; by its name."""
    ssh = place / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    inventory = place / "inventory"
    inventory.write_text(f"backup01 ansible_connection=ssh ansible_ssh_executable={ssh}\n")
    # Slices of a copy go on for as long as that. No other module is asked for its options.
    options = {"disk_image_copy": {"reconnect_timeout": 0}}
    options["disk_image_restore"] = options["disk_image_copy"]
    tasks = [
        {
            "block": [{f"{OURS}{name}": options.get(name, {}), "register": "lost"}],
            "rescue": [{"ansible.builtin.set_fact": {"rescued": True}}],
            "always": [
                {
                    "ansible.builtin.copy": {
                        "dest": str(place / name),
                        "content": "{{ {'rescued': rescued, 'lost': lost} | to_json }}",
                    },
                    "delegate_to": "localhost",
                    "connection": "local",
                },
                {"ansible.builtin.set_fact": {"rescued": False}},
            ],
        }
        for name in modules
    ]
    playbook = place / "playbook.json"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, "-e", "ansible_ssh_retries=0", playbook],
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "0"},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: json.loads((place / name).read_text()) for name in modules}


def test_a_lost_appliance_is_an_ordinary_failure(tmp_path: Path) -> None:
    modules = sorted(on_the_appliance())
    assert {"disk_image_copy", "disk_image_restore", "backup_set", "disk_device_release"} <= {
        *modules
    }
    for name, found in play(tmp_path, modules).items():
        lost = found["lost"]
        assert found["rescued"], name
        assert (lost["failed"], lost["error_code"]) == (True, "appliance_unavailable"), name
        assert "The appliance backup01 cannot be reached: " in lost["msg"], name
        assert "No route to host" in lost["msg"], name
        assert "unreachable" not in lost, name
        assert ("resume the appliance" in lost["hint"]) == (name == "disk_image_restore")


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_task_goes_on_without_the_appliance(path: Path) -> None:
    """Ansible would run the next task of the block as if this one had succeeded."""
    assert [one["name"] for one in tasks_in(load(path)) if "ignore_unreachable" in one] == []
