# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks at work on a lab with an appliance: started, watched and killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.loops import run
from support.playbooks import SUPPORT

from lab.appliance import Appliance
from lab.lab import Lab
from lab.world import BACKUP


def statistics(output: str) -> dict[str, Any]:
    """Return what a job would show, out of Ansible's output, which has it with ANSIBLE_SHOW_CUSTOM_STATS."""
    _before, found, after = output.partition("\tRUN: ")
    assert found, output
    shown, _end = json.JSONDecoder().raw_decode(after)
    return dict(shown)


@dataclass
class Play:
    """ansible-playbook at work."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def text(self) -> str:
        """What it printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def until(self, pattern: str, seconds: float = 120.0) -> None:
        """Wait for a text."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)

    def ends(self, seconds: float = 240.0) -> int:
        """Wait for the end; the exit status."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL. Nothing cleans up; its worker finds out later."""
        self.process.kill()
        self.process.wait()

    def lose(self) -> None:
        """Switch the controller off: its workers and modules end as well."""
        family = descendants(self.process.pid)
        self.kill()
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Site:
    """A lab with an appliance, and a controller."""

    def __init__(self, lab: Lab, root: Path) -> None:
        self.lab = lab
        self.control = lab.control()
        self.hosts = ["backup01"]
        """Names in the inventory, all of them for the one appliance."""
        self._root = root
        self._runs: list[Play] = []
        found = lab.appliances[lab.vm("backup01").id]
        assert isinstance(found, Appliance)
        self.appliance = found

    @staticmethod
    def _program(name: str) -> list[str]:
        return [str(shutil.which(name, path=str(Path(sys.executable).parent)))]

    def back_up(self, *args: str, **variables: object) -> Play:
        """Start the backup of db01."""
        known = {"vm_backup_vms": ["db01"], "ovirt_backup_auth": self.lab.auth(BACKUP), **variables}
        return self.play("backup", *args, **known)

    def restore(self, *args: str, **variables: object) -> Play:
        """Start a restore."""
        return self.play("restore", *args, ovirt_backup_auth=self.lab.auth(), **variables)

    def play(self, name: str, *args: str, **variables: object) -> Play:
        """Start a playbook of the collection."""
        hosts = {"appliance": {"hosts": {one: self.appliance.ssh_vars() for one in self.hosts}}}
        inventory = self._root / "inventory.json"
        text = json.dumps({"all": {"children": hosts}})
        # Another run may be reading it.
        if not inventory.exists() or inventory.read_text(encoding="utf-8") != text:
            inventory.write_text(text, encoding="utf-8")
        packed = self._root.parent / "packed"
        packed.mkdir(exist_ok=True)
        output = self._root / f"run{len(self._runs)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [
                    *self._program("ansible-playbook"),
                    "-i",
                    str(inventory),
                    f"ovirt_community.backup.{name}",
                    "-e",
                    json.dumps(variables),
                    *args,
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "ANSIBLE_HOME": str(self._root / "ansible"),
                    "ANSIBLE_NOCOLOR": "1",
                    "ANSIBLE_LOCALHOST_WARNING": "0",
                    "ANSIBLE_CALLBACKS_ENABLED": "packed",
                    "ANSIBLE_CALLBACK_PLUGINS": str(SUPPORT / "plugins/callback"),
                    "SUPPORT_PACKED": str(packed),
                },
                start_new_session=True,
            )
        self._runs.append(Play(process, output))
        return self._runs[-1]

    def inside(self, *argv: str) -> list[str]:
        """Run a program in the appliance; the words of its output."""
        return self.appliance.run(argv, ok=(0, 1)).stdout.split()

    def copying(self) -> list[str]:
        """Return the process of qemu-img that copies; the preflight has others."""
        return self.inside("pgrep", "-f", "qemu-img convert")

    def world(self) -> Mapping[str, Any]:
        """Return the lab's world, hidden columns included."""
        return self.control.world()

    def detach(self, snapshot: str) -> None:
        """Detach a snapshot's disk as a person would."""
        options = {"appliance": "backup01", "snapshot": snapshot, "auth": self.lab.auth()}
        module = "ovirt_community.backup.disk_snapshot_detach"
        run(*self._program("ansible"), "localhost", "-m", module, "-a", json.dumps(options))

    def sets(self) -> list[Path]:
        """Finished sets, as this machine sees them."""
        found = self.inside("find", "/srv/backup", "-name", "manifest.json")
        return [self.appliance.path(str(Path(path).parent)) for path in found]

    def check_whole(self, directory: Path) -> dict[str, Any]:
        """Check that every image of a set is the disk as it was; return the manifest."""
        manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_text())
        names = {disk["file"] for disk in manifest["disks"]}
        assert {path.name for path in directory.iterdir()} == names | {
            "README",
            "manifest.json",
            "manifest.sha256",
            "vm.ovf",
        }
        for disk in manifest["disks"]:
            witness = self.lab.root / "witness" / manifest["snapshot"]["id"] / f"{disk['id']}.raw"
            plain = self._root / "plain.raw"
            run("qemu-img", "convert", "-O", "raw", directory / disk["file"], plain)
            run("cmp", plain, witness)
        return manifest

    def check_nothing_left(self) -> None:
        """Check that nothing is left on the engine, on the host, and among the appliance's jobs and devices."""
        world = self.world()
        assert [row for row in world["attachments"] if row["snapshot_id"]] == []
        assert [row for row in world["snapshots"] if row["type"] != "active"] == []
        assert world["host"]["overlays"] == []
        assert self.inside("pgrep", "qemu-img") == []

    def close(self) -> None:
        """End what still runs."""
        for one in self._runs:
            if one.process.poll() is None:
                one.lose()


def until(true: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.1)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that these started."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return sorted(found)
