# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress lines, and what reads the output of a play."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ovirt_community.backup.plugins.plugin_utils import _following as following

PLUGINS = Path(__file__).resolve().parents[2] / "support/plugins"
ACTIONS = PLUGINS / "action"
LINE = "db01: 50 % of 64.0 MB"


def told(place: Path, callback: str) -> subprocess.CompletedProcess[str]:
    """Return a task that shows a line while it runs, by the real Ansible with a callback."""
    playbook = place / "playbook.json"
    tasks = [{"name": "Tell", "ansible.legacy.support_tell": {"line": LINE}}]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    config = place / "ansible.cfg"
    config.touch()
    return subprocess.run(
        ["ansible-playbook", str(playbook)],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_STDOUT_CALLBACK": callback,
            "ANSIBLE_ACTION_PLUGINS": str(ACTIONS),
            "ANSIBLE_LOCALHOST_WARNING": "0",
        },
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_the_output_of_a_machine_is_json_alone(tmp_path: Path) -> None:
    run = told(tmp_path, "ansible.posix.json")
    assert json.loads(run.stdout)["stats"]["localhost"]["ok"] == 1
    assert LINE in run.stderr


def test_people_see_progress_among_the_tasks(tmp_path: Path) -> None:
    run = told(tmp_path, "default")
    assert LINE in run.stdout.splitlines()
    assert LINE not in run.stderr


@pytest.mark.parametrize(
    ("callback", "people"),
    [
        ("default", True),
        ("ansible.builtin.default", True),
        ("awx_display", True),
        ("community.general.yaml", True),
        ("json", False),
        ("ansible.posix.jsonl", False),
        ("somebody.own.thing", False),
        ("", False),
    ],
)
def test_whose_output_it_is(callback: str, people: bool) -> None:
    assert following.read_by_people(callback) is people


def followed(place: Path, seconds: float, limit: float) -> dict[str, Any]:
    """Return what a task returns that follows a job of so many seconds, with a limit."""
    playbook, result = place / "playbook.json", place / "result.json"
    job = {"until": time.time() + seconds, "follower": "run-1", "return_after": limit}
    tasks = [
        {"name": "Follow", "ansible.legacy.support_follow": job, "register": "seen"},
        {"ansible.builtin.copy": {"content": "{{ seen | to_json }}", "dest": str(result)}},
    ]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    subprocess.run(
        ["ansible-playbook", str(playbook)],
        env={
            **os.environ,
            "ANSIBLE_ACTION_PLUGINS": str(ACTIONS),
            "ANSIBLE_LIBRARY": str(PLUGINS / "modules"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
        },
        cwd=place,
        capture_output=True,
        check=True,
        timeout=100,
    )
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def test_a_limit_ends_the_task_and_not_the_job(tmp_path: Path) -> None:
    began = time.monotonic()
    found = followed(tmp_path, seconds=300, limit=1.5)
    assert found["finished"] is False
    assert found["follower"] == "run-1"
    assert not found.get("failed", False)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("limit", [0, 100])
def test_a_job_is_followed_to_its_end_within_the_limit(tmp_path: Path, limit: float) -> None:
    assert followed(tmp_path, seconds=3, limit=limit)["finished"] is True
