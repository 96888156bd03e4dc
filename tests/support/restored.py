# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a restored VM with what was backed up, without trusting the engine's API or the set's hashes.

``python -m support.restored LAB_JSON VM < {"manifest": ..., "ovf": ...}``: the bytes of each disk
on the storage are compared with the copy that the lab kept when the snapshot was made, and the VM's
rows in the lab's world with the configuration.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.control import Control
from lab.engine import ovf_reader as ovf

Json = Mapping[str, Any]
KEPT = (
    "description",
    "comment",
    "memory",
    "sockets",
    "cores",
    "threads",
    "os",
    "chipset",
    "stateless",
)


def main() -> None:
    """Compare a VM of a lab that runs elsewhere."""
    facts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    compare(Control(facts["control"]).world(), facts, json.load(sys.stdin), sys.argv[2])


def compare(world: Json, facts: Json, given: Json, name: str) -> None:
    """Compare everything and fail with the first difference; ``facts`` tells where ``storage`` and ``witness`` are."""
    vm = next(row for row in world["vms"] if row["name"] == name)
    configuration(vm, ovf.read(given["ovf"]), given["manifest"])
    held = [row for row in world["attachments"] if row["vm_id"] == vm["id"]]
    disks = {row["id"]: row for row in world["disks"]}
    assert len(held) == len(given["manifest"]["disks"]), held
    named = {one.disk_id: one for one in ovf.read(given["ovf"]).disks}
    for row, stored in zip(held, given["manifest"]["disks"], strict=True):
        disk = disks[row["disk_id"]]
        device(row, disk, stored, named[stored["id"]])
        volume = world["chains"][disk["id"]][-1]
        image = Path(facts["storage"], disk["domain_id"], "images", disk["id"], volume)
        witness = Path(facts["witness"], given["manifest"]["snapshot"]["id"], f"{stored['id']}.raw")
        content(image, disk["fmt"], witness)


def configuration(vm: Json, wanted: ovf.Read, manifest: Json) -> None:
    """Check that the VM is as it was, is another VM, and is not running."""
    for key in KEPT:
        assert vm[key] == getattr(wanted, key), (key, vm[key])
    assert vm["id"] != manifest["vm"]["id"]
    assert not {nic["mac"] for nic in vm["nics"]} & {nic.mac for nic in wanted.nics}
    assert vm["status"] == "down"


def device(row: Json, disk: Json, stored: Json, wanted: ovf.ReadDisk) -> None:
    """Check that a disk is attached as the original was, and is another disk."""
    assert disk["id"] != stored["id"]
    assert (disk["alias"], disk["virtual_size"]) == (stored["alias"], stored["virtual_size"])
    assert (row["interface"], row["bootable"]) == (wanted.interface, wanted.bootable)
    assert (row["active"], row["read_only"]) == (wanted.plugged, wanted.read_only)
    assert row["snapshot_id"] is None


def content(image: Path, fmt: str, witness: Path) -> None:
    """Check that the bytes are equal, and so are their numbers."""
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory, "raw")
        convert: list[str | Path] = [
            "qemu-img",
            "convert",
            "-U",
            "-f",
            fmt,
            "-O",
            "raw",
            image,
            raw,
        ]
        subprocess.run(convert, check=True)
        subprocess.run(["cmp", raw, witness], check=True)


if __name__ == "__main__":
    main()
