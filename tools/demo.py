# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a lab, a backup of a VM that runs and writes, and a look at what came of it.

`make demo-guest` is the same with Linux guests under QEMU (`--tier guest`), which takes no root.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / ".cache" / "demo"
PREPARED = "ovirt_community.backup.prepare_appliance"
START_SECONDS = {"local": 60.0, "guest": 900.0}  # a guest's image is made the first time
END_SECONDS = 30.0
VM = "web01"


def say(text: str = "") -> None:
    """Tell the person in front of the screen."""
    print(text, flush=True)


def headline(text: str) -> None:
    """Begin a part."""
    say(f"\n\033[1m==> {text}\033[0m" if sys.stdout.isatty() else f"\n==> {text}")


def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End as an interrupt ends: what was started is cleaned up on the way out."""
    raise KeyboardInterrupt


@contextmanager
def lab(tier: str) -> Iterator[dict[str, Any]]:
    """Run a lab in a process of its own; yields what lab.json says of it.

    The lab has its own process group, so that an interrupt reaches it through us, once.
    """
    LAB.mkdir(parents=True, exist_ok=True)
    facts = LAB / "lab.json"
    facts.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lab", "up", "--dir", str(LAB), "--writer", "--tier", tier]
    with (LAB / "lab.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(facts, process, START_SECONDS[tier])
        yield json.loads(facts.read_text(encoding="utf-8"))
    finally:
        headline("Ending the lab")
        process.send_signal(signal.SIGTERM)
        process.wait(END_SECONDS)


def wait_for(facts: Path, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until the lab can be used."""
    end = time.monotonic() + seconds
    while not facts.exists():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit("The lab did not start:\n" + (LAB / "lab.log").read_text(encoding="utf-8"))
        time.sleep(0.1)


def run(*argv: str, env: dict[str, str] | None = None) -> None:
    """Show a command and run it; end the demo if it fails."""
    say("$ " + shlex.join(argv))
    done = subprocess.run(argv, env={**os.environ, **(env or {})}, check=False)
    if done.returncode:
        sys.exit(f"The command ended with {done.returncode}; the demo ends here.")


def on_appliance(facts: dict[str, Any], command: str) -> str:
    """Run a command in the appliance over SSH and return what it prints."""
    argv = [*shlex.split(facts["appliance"]["ssh_command"]), command]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def settings(facts: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a client of the lab's engine."""
    return {
        "OVIRT_URL": facts["url"],
        "OVIRT_USERNAME": facts["username"],
        "OVIRT_PASSWORD": facts["password"],
        "OVIRT_CAFILE": facts["ca_file"],
        "ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"),
    }


def play(facts: dict[str, Any], playbook: str, *more: str) -> None:
    """Run a playbook as a user would."""
    inventory = os.path.relpath(facts["inventory"])
    run("ansible-playbook", "-i", inventory, playbook, *more, env=settings(facts))


def prepare(facts: dict[str, Any]) -> None:
    """Make an appliance of a plain VM."""
    headline(f"Making an appliance of {facts['appliance']['vm']}, a plain Debian VM")
    play(facts, PREPARED)


def back_up(facts: dict[str, Any]) -> None:
    """Back the VM up."""
    headline(f"Backing up {VM}, which runs and writes, through {facts['appliance']['vm']}")
    env = settings(facts)
    for name in sorted(name for name in env if name.startswith("OVIRT_")):
        say(f"$ export {name}={'********' if 'PASSWORD' in name else shlex.quote(env[name])}")
    wanted = json.dumps({"vm_backup_vms": [VM]})
    play(facts, "ovirt_community.backup.backup", "-e", wanted)


def show_set(facts: dict[str, Any]) -> dict[str, Any]:
    """Show the finished set; returns its manifest and path."""
    headline("The backup set, as it lies in the appliance's repository")
    path = on_appliance(facts, f"ls -1d /srv/backup/{VM}.*/*").split()[-1]
    say(on_appliance(facts, f"cd {shlex.quote(path)} && pwd && ls -l --block-size=K"))
    manifest: dict[str, Any] = json.loads(
        on_appliance(facts, f"cat {shlex.quote(path)}/manifest.json")
    )
    for disk in manifest["disks"]:
        say(f"{disk['alias']}: {disk['virtual_size']} bytes, sha256 {disk['content_sha256']}")
    say("\nIts README begins:")
    say(on_appliance(facts, f"head -n 24 {shlex.quote(path)}/README"))
    return {"path": path, "manifest": manifest}


def prove(facts: dict[str, Any], found: dict[str, Any]) -> None:
    """Compare the images with copies that the lab kept of the disks at snapshot time."""
    headline("Proof: the images against the disks as they were when the snapshot was made")
    manifest = found["manifest"]
    for disk in manifest["disks"]:
        witness = Path(facts["witness"]) / manifest["snapshot"]["id"] / f"{disk['id']}.raw"
        image = fetch(facts, f"{found['path']}/{disk['file']}")
        argv = ["qemu-img", "compare", str(image), str(witness)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        image.unlink()
        say(f"{disk['alias']}: {(done.stdout + done.stderr).strip()}")
        if done.returncode:
            sys.exit("An image is not what the disk was.")


def fetch(facts: dict[str, Any], path: str) -> Path:
    """Copy a file of the appliance here."""
    target = LAB / "fetched"
    argv = [*shlex.split(facts["appliance"]["ssh_command"]), f"cat {shlex.quote(path)}"]
    with target.open("wb") as file:
        subprocess.run(argv, check=True, stdout=file)
    return target


def leftovers(facts: dict[str, Any]) -> None:
    """Look for what a backup must not leave behind, through the lab's own eyes."""
    from lab.control import Control  # noqa: PLC0415  (on the path only when the demo runs)

    headline("What is left behind on the engine and on the host")
    world = Control(facts["control"]).world()
    overlays = world["host"]["overlays"]
    ids = {vm["id"]: vm["name"] for vm in world["vms"]}
    snapshots = [one for one in world["snapshots"] if one["type"] != "active"]
    attached = [one for one in world["attachments"] if one.get("snapshot_id")]
    say(f"disk snapshots attached: {len(attached)}")
    say(f"snapshots of {', '.join(ids.values())}: {len(snapshots)}")
    say(f"overlays on the host: {len(overlays)}")
    if attached or snapshots or overlays:
        sys.exit("Something was left behind.")


def refuse(tier: str) -> None:
    """Say what keeps a tier from working here, and which other may; end the demo then."""
    from lab.guest.image import missing_packages  # noqa: PLC0415  (on the path only when the demo runs)
    from lab.requirements import problems  # noqa: PLC0415

    if tier == "local" and (found := problems()):
        say("\n".join(found))
        sys.exit(
            "The demo needs block devices and mounts of its own. `make demo-guest` does the same "
            "with Linux guests under QEMU: slower, without root."
        )
    if tier == "guest" and (packages := missing_packages()):
        sys.exit(f"These Debian packages are missing: {' '.join(packages)}")


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description="Show a backup in a lab.")
    parser.add_argument("--tier", choices=sorted(START_SECONDS), default="local")
    tier = parser.parse_args().tier
    signal.signal(signal.SIGTERM, stop)
    began = time.monotonic()
    refuse(tier)
    shutil.rmtree(LAB, ignore_errors=True)
    headline("Starting a small oVirt: engine, storage, a running VM, an appliance")
    if tier == "guest":
        say("The first time, the guests' image is made of Debian packages: about two minutes.")
    try:
        with lab(tier) as facts:
            say((LAB / "lab.log").read_text(encoding="utf-8").strip())
            if tier == "guest":
                prepare(facts)
            back_up(facts)
            prove(facts, show_set(facts))
            leftovers(facts)
    except KeyboardInterrupt:
        say("Interrupted; what was started is ended.")
        return 130
    say(f"\nDone in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
