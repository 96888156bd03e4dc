# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m lab``: a lab of its own, to try modules, curl, the SDK or ovirt.ovirt against.

``up --dir DIR`` holds until SIGINT or SIGTERM; ``down --dir DIR`` ends it, and cleans up after a
killed one.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lab import world as worlds
from lab.lab import Lab
from lab.model import Settings
from lab.processes import LabInUseError, ProcessId, exit_on_signals, reap_stale

FACTS = "lab.json"
FILES = (FACTS, "lab.env", "inventory.yml")
# Parts of a lab that clean up after themselves, and parts that a new lab starts without.
PARTS = ("storage", "host", "appliances")
FRESH = ("storage", "host", "witness")
END_SECONDS = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(argv)
    root = Path(options.dir).resolve()
    if options.command == "down":
        return down(root)
    return up(root, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start a lab and hold it until SIGINT or SIGTERM")
    start.add_argument("--dir", required=True, help="where everything of the lab is kept")
    start.add_argument("--no-appliance", action="store_true", help="leave backup01 out")
    start.add_argument(
        "--tier",
        choices=("local", "guest"),
        default="local",
        help="what the hosts run: devices of this machine (root), or Linux guests under QEMU",
    )
    start.add_argument(
        "--blank",
        action="store_true",
        help="tier guest: give backup01 two blank disks instead of a repository",
    )
    start.add_argument("--writer", action="store_true", help="let web01 write to its raw disk")
    stop = commands.add_parser("down", help="end a lab, and clean up after a killed one")
    stop.add_argument("--dir", required=True, help="the directory given to up")
    return parser


def up(root: Path, options: argparse.Namespace) -> int:
    """Start a lab, say how to reach it, hold it until a signal."""
    try:
        _clean(root)
    except LabInUseError as error:
        _say(f"{error}; end it with: python -m lab down --dir {root}")
        return 1
    for name in FRESH:
        shutil.rmtree(root / name, ignore_errors=True)
    exit_on_signals()
    appliance = worlds.BLANK_APPLIANCE if options.blank else worlds.APPLIANCE
    lab = Lab(
        root,
        host="guest" if options.tier == "guest" else True,
        appliance=False if options.no_appliance else appliance,
        vms=worlds.GUEST_VMS if options.tier == "guest" else worlds.DEFAULT_VMS,
        settings=Settings(witness=True),
    )

    def settle() -> dict[str, Any]:
        """Do what every new world needs: start the writer, write the files that describe it."""
        if options.writer:
            lab.control().writer("web01", disk="web01_data")
        facts = describe(lab)
        _write_files(root, facts)
        return facts

    try:
        with lab:
            lab.after_reset = settle
            _greet(settle())
            signal.pause()
    finally:
        _forget(root)
    return 0


def down(root: Path) -> int:
    """End the lab of a directory by the process that it recorded; release what is left."""
    process = _recorded(root)
    if process is not None:
        _terminate(process)
        if not process.wait(END_SECONDS):
            process.kill()
    released = _clean(root)
    for one in released:
        _say(f"released {one}")
    _forget(root)
    return 0


def _forget(root: Path) -> None:
    """Remove the files of a lab that is gone, and the overlays that a host loses with its VMs."""
    for name in FILES:
        (root / name).unlink(missing_ok=True)
    shutil.rmtree(root / "host" / "transient", ignore_errors=True)


def _terminate(process: ProcessId) -> None:
    descriptor = process.pidfd()
    if descriptor is None:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    finally:
        os.close(descriptor)


def _recorded(root: Path) -> ProcessId | None:
    try:
        values = json.loads((root / FACTS).read_text(encoding="utf-8"))["process"]
        return ProcessId(int(values["pid"]), str(values["start"]))
    except (FileNotFoundError, KeyError, ValueError):
        return None


def _clean(root: Path) -> list[str]:
    return [one for part in PARTS if (root / part).exists() for one in reap_stale(root / part)]


def describe(lab: Lab) -> dict[str, Any]:
    """Return everything a client of the lab needs, for lab.json."""
    name, password = worlds.ADMIN
    mine = ProcessId.of(os.getpid())
    with lab.world.lock:
        vms = {vm.name: _vm_facts(lab, vm.id) for vm in lab.world.vms.values()}
    facts: dict[str, Any] = {
        "url": lab.url,
        "ca_file": str(lab.identity.ca_file),
        "username": name,
        "password": password,
        "users": {
            role: {"username": user[0], "password": user[1]}
            for role, user in (
                ("admin", worlds.ADMIN),
                ("backup", worlds.BACKUP),
                ("guest", worlds.GUEST),
            )
        },
        "control": lab.control_url,
        "tier": lab.tier,
        "process": {"pid": mine.pid, "start": mine.start},
        "vms": vms,
        "storage": str(lab.root / "storage"),
        "transient": str(lab.root / "host" / "transient"),
        "witness": str(lab.root / "witness"),
        "inventory": str(lab.root / "inventory.yml"),
        "env": str(lab.root / "lab.env"),
    }
    for vm_id, appliance in lab.appliances.items():
        facts["appliance"] = {
            "vm": lab.world.vms[vm_id].name,
            "vm_id": vm_id,
            "ssh_vars": appliance.ssh_vars(),
            "ssh_command": shlex.join(appliance.ssh_command()),
            "directory": str(appliance.directory),
        }
    facts["guests"] = {
        guest.name: {"ssh_vars": guest.ssh_vars(), "ssh_command": shlex.join(guest.ssh_command())}
        for guest in lab.guests.values()
    }
    return facts


def _vm_facts(lab: Lab, vm_id: str) -> dict[str, Any]:
    world = lab.world
    rows = world.attachments_of(vm_id)
    disks = {world.disks[row.disk_id].alias: row.disk_id for row in rows}
    return {"id": vm_id, "status": world.vms[vm_id].status, "disks": disks}


def _write_files(root: Path, facts: dict[str, Any]) -> None:
    """Write lab.env and inventory.yml before lab.json, so that whoever sees lab.json may use all of them."""
    names = {
        "OVIRT_URL": facts["url"],
        "OVIRT_USERNAME": facts["username"],
        "OVIRT_PASSWORD": facts["password"],
        "OVIRT_CAFILE": facts["ca_file"],
    }
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in names.items())
    (root / "lab.env").write_text(lines, encoding="utf-8")
    hosts: dict[str, Any] = {}
    if "appliance" in facts:
        appliance = facts["appliance"]
        hosts = {appliance["vm"]: {**appliance["ssh_vars"], "ovirt_vm_id": appliance["vm_id"]}}
    inventory = {"all": {"children": {"appliance": {"hosts": hosts}}}}
    (root / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    part = root / f"{FACTS}.part"
    part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    part.rename(root / FACTS)


def _greet(facts: dict[str, Any]) -> None:
    root = Path(facts["env"]).parent
    _say(f"engine     {facts['url']}")
    _say(f"CA file    {facts['ca_file']}")
    for role, user in facts["users"].items():
        _say(f"{role:<10} {user['username']} / {user['password']}")
    _say(f"control    {facts['control']}")
    if "appliance" in facts:
        _say(f"appliance  {facts['appliance']['ssh_command']}")
    _say(f"files      {root}/lab.json, lab.env, inventory.yml")
    token = facts["url"].replace("/api", "/sso/oauth/token")
    form = "grant_type=password&scope=ovirt-app-api"
    login = f"username={facts['username']}&password={facts['password']}"
    _say(f"a token    curl --cacert {facts['ca_file']} -d '{form}&{login}' {token}")
    _say("Stop it with Ctrl-C.")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
