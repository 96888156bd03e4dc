# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a program: up, down, and what a killed one leaves."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.control import Control
from lab.engine.client import ApiClient
from lab.processes import loops_below, mounts_below

TESTS = Path(__file__).parent.parent
SECONDS = 30.0


def _lab(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lab", *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)}


class Program:
    """A lab that runs as a program of its own."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        command = _lab("up", "--dir", str(root), *options)
        self.process = subprocess.Popen(
            command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def facts(self) -> dict[str, Any]:
        """lab.json, once it is there."""
        deadline = time.monotonic() + SECONDS
        while not (self.root / "lab.json").exists():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found: dict[str, Any] = json.loads((self.root / "lab.json").read_text(encoding="utf-8"))
        return found

    def output(self) -> str:
        """Return what it said, after its end."""
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()


def down(root: Path) -> int:
    command = _lab("down", "--dir", str(root))
    return subprocess.run(command, env=_environment(), check=False, timeout=60).returncode


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    running = Program(tmp_path / "lab", "--writer")
    yield running
    running.close()
    down(running.root)


def left(root: Path) -> list[object]:
    found: list[object] = [*loops_below(root), *mounts_below(root)]
    return [*found, *(path for path in (root / "host" / "transient").glob("*"))]


def _use(facts: dict[str, Any]) -> None:
    """Make a snapshot and attach it, so that there is something to clean up."""
    with ApiClient(facts["url"], facts["ca_file"], facts["username"], facts["password"]) as api:
        source, holder = facts["vms"]["web01"], facts["appliance"]["vm_id"]
        body = "<snapshot><description>x</description></snapshot>"
        snapshot = api.post(f"vms/{source['id']}/snapshots", body).xml().get("id")
        path = f"vms/{source['id']}/snapshots/{snapshot}"
        deadline = time.monotonic() + SECONDS
        while api.get(path).xml().findtext("snapshot_status") != "ok":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        disk = source["disks"]["web01_system"]
        attach = (
            "<disk_attachment><interface>virtio_scsi</interface><active>true</active>"
            f'<disk id="{disk}"><snapshot id="{snapshot}"/></disk></disk_attachment>'
        )
        assert api.post(f"vms/{holder}/diskattachments", attach).status == 201
    assert Path(facts["witness"], str(snapshot), f"{disk}.raw").stat().st_size == 96 << 20
    command = [*facts["appliance"]["ssh_command"].split(), f"ls /dev/disk/by-id | grep {disk}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert disk in shown


def test_up_and_down(program: Program) -> None:
    facts = program.facts()
    assert Control(facts["control"]).health()["url"] == facts["url"]
    env = Path(facts["env"]).read_text(encoding="utf-8")
    assert f"export OVIRT_URL={facts['url']}\n" in env
    _use(facts)
    assert left(program.root)
    refused = Program(program.root)
    assert refused.process.wait(SECONDS) == 1
    refused.close()
    assert down(program.root) == 0
    assert program.process.wait(SECONDS) == 128 + signal.SIGTERM
    assert left(program.root) == []
    assert not (program.root / "lab.json").exists()


def _ssh(facts: dict[str, Any], script: str) -> str:
    command = [*shlex.split(facts["appliance"]["ssh_command"]), script]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def _truths(facts: dict[str, Any]) -> None:
    """What the files say is what the engine and the appliance answer."""
    world = Control(facts["control"]).world()
    assert {name: vm["id"] for name, vm in facts["vms"].items()} == {
        vm["name"]: vm["id"] for vm in world["vms"]
    }
    disks = {disk["alias"]: disk["id"] for disk in world["disks"]}
    assert {k: v for vm in facts["vms"].values() for k, v in vm["disks"].items()} == disks
    assert {name: vm["status"] for name, vm in facts["vms"].items()} == {
        vm["name"]: vm["status"] for vm in world["vms"]
    }
    assert facts["appliance"]["vm_id"] == facts["vms"]["backup01"]["id"]
    inventory = yaml.safe_load(Path(facts["inventory"]).read_text(encoding="utf-8"))
    hosts = inventory["all"]["children"]["appliance"]["hosts"]
    wanted = {**facts["appliance"]["ssh_vars"], "ovirt_vm_id": facts["appliance"]["vm_id"]}
    assert hosts == {"backup01": wanted}
    assert _ssh(facts, "hostname") == "backup01\n"
    writers = [(one["vm"], one["disk"]) for one in world["host"]["writers"]]
    web01 = facts["vms"]["web01"]
    assert writers == [(web01["id"], web01["disks"]["web01_data"])]
    frozen = {path.name for path in Path(facts["witness"]).glob("*")}
    assert frozen <= {row["id"] for row in world["snapshots"]}


def test_after_a_reset_the_files_tell_of_the_new_world(program: Program) -> None:
    before = program.facts()
    _truths(before)
    _use(before)
    _ssh(before, "mkdir /srv/backup/a-set; echo x > /etc/mine")
    Control(before["control"]).reset()
    after = program.facts()
    assert after["vms"]["web01"]["id"] != before["vms"]["web01"]["id"]
    assert {key: after[key] for key in ("url", "control", "users", "process")} == {
        key: before[key] for key in ("url", "control", "users", "process")
    }
    _truths(after)
    assert _ssh(after, "ls /srv/backup") == "lost+found\n"
    assert _ssh(after, "ls /etc/mine 2>/dev/null || echo gone") == "gone\n"
    _use(after)


def test_a_second_lab_on_a_directory_starts_with_an_empty_repository(program: Program) -> None:
    _ssh(program.facts(), "mkdir /srv/backup/a-set")
    assert down(program.root) == 0
    again = Program(program.root)
    try:
        assert _ssh(again.facts(), "ls /srv/backup") == "lost+found\n"
    finally:
        down(program.root)
        again.close()


def test_a_killed_lab_leaves_nothing_after_down(program: Program) -> None:
    _use(program.facts())
    program.process.kill()
    program.process.wait(SECONDS)
    assert down(program.root) == 0
    assert left(program.root) == []


def test_down_of_nothing(tmp_path: Path) -> None:
    assert down(tmp_path) == 0
