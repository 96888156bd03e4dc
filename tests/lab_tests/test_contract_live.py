# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract's suite as it is run against a live engine: in a process that knows an address and two users.

The engine is a lab whose appliance has a boot disk of its own, and whose source VM has a snapshot of another owner.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.scene import engine_of, patience

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import VmId
from lab.lab import Lab
from lab.world import ADMIN, BACKUP, DEFAULT_VMS, DiskSpec, VmSpec

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240.0
BACKUP_VM = VmSpec("backup01", appliance=True, disks=(DiskSpec("own_system", bootable=True),))
WITH_ADMINISTRATOR = {"OVIRT_ADMIN_USERNAME": ADMIN[0], "OVIRT_ADMIN_PASSWORD": ADMIN[1]}
# Tests that must run live at the least, and those of the same modules that may be skipped.
ASKED = 66
SKIPPED = 99
# Each of their tests arranges or looks at what no engine shows.
NEVER_LIVE = (
    *("test_bench", "test_losses", "test_lost_plugs", "test_nothing_is_lost"),
    *("test_recorded_refusals", "test_restoring", "test_unknown_steps", "test_whole_time"),
)

Json = Any


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab", host=False, appliance=BACKUP_VM, vms=DEFAULT_VMS) as running:
        engine = engine_of(running)
        source = VmId(running.vm("web01").id)
        made = engine.create_snapshot(source, "nightly", None, False, "theirs").id
        patience().wait_for(
            lambda: engine.snapshot(source, made),
            lambda found: found is not None and found.status == "ok",
            what="somebody's snapshot",
        )
        engine.close()
        yield running


def ask(lab: Lab, report: Path, tests: str, **variables: str) -> list[ElementTree.Element]:
    """Run tests of the suite as CONTRIBUTING.md says, as the backup user; its test cases."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OVIRT_")}
    environment = {
        **kept,
        "OVIRT_URL": lab.url,
        "OVIRT_CAFILE": str(lab.identity.ca_file),
        "OVIRT_USERNAME": BACKUP[0],
        "OVIRT_PASSWORD": BACKUP[1],
        "OVIRT_CONTRACT_SOURCE": "web01",
        "OVIRT_CONTRACT_APPLIANCE": "backup01",
        **variables,
    }
    cache = report.with_suffix(".cache")
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        tests,
        f"--junit-xml={report}",
    ]
    done = subprocess.run(
        [*command, "-o", f"cache_dir={cache}", f"--basetemp={report.with_suffix('.tmp')}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return list(ElementTree.parse(report).iter("testcase"))  # noqa: S314  (pytest wrote it)


def reasons(cases: list[ElementTree.Element]) -> Counter[str]:
    """Return why tests were skipped, and how many; of modules that ask a live engine anything."""
    found: Counter[str] = Counter()
    for case in cases:
        module = case.get("classname", "").rpartition(".")[2]
        skipped = case.find("skipped")
        if skipped is not None and module not in NEVER_LIVE:
            found[(skipped.get("message") or "").partition(":")[0]] += 1
    return found


def truth(lab: Lab) -> dict[str, Json]:
    """Return what a run may not change. (The active layers have other volumes, and their entries other ids.)"""
    world = lab.control().world()
    return {
        "vms": world["vms"],
        "attachments": world["attachments"],
        "disks": sorted(one["id"] for one in world["disks"]),
        "chains": {disk: len(chain) for disk, chain in world["chains"].items()},
        "snapshots": sorted((one["vm_id"], one["description"]) for one in world["snapshots"]),
        "users": sorted(lab.world.users),
    }


def test_the_suite_runs_live_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    before = truth(lab)
    lab.control().forget_requests()
    cases = ask(lab, tmp_path / "report.xml", "tests/contract", **WITH_ADMINISTRATOR)
    assert truth(lab) == before
    skipped = reasons(cases)
    assert set(skipped) == {"arranged behind the API"}
    assert skipped.total() <= SKIPPED
    assert sum(case.find("skipped") is None for case in cases) >= ASKED
    requests = lab.control().requests()
    deleted = [one for one in requests if one.method == "DELETE" and "/diskatt" in one.path]
    assert {one.query for one in deleted} == {"detach_only=true"}
    backup = [one for one in requests if (one.user or "").startswith("backup@")]
    assert {one.method for one in backup} == {"GET", "POST", "DELETE"}


def test_without_an_administrator_it_is_not_asked_as_one(lab: Lab, tmp_path: Path) -> None:
    cases = ask(lab, tmp_path / "report.xml", "tests/contract/test_restore.py")
    assert reasons(cases) == {"needs an administrator": len(cases)}
    assert [one for one in lab.control().writes() if one.user != "admin@internal"] == []
