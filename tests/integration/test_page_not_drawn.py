# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that cannot be drawn hides neither the summary of a run nor its statistics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.scene import Scene
from unit.test_nothing_done import PROGRAM, ROOT
from unit.test_statistics import statistics


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "not drawn"])
def test_the_summary_and_the_statistics_come_first(
    scene: Scene, tmp_path: Path, drawn: bool
) -> None:
    repository = tmp_path / "backup"
    repository.mkdir(mode=0o700)
    if not drawn:
        (repository / "index.html").mkdir()
    inventory = tmp_path / "inventory"
    inventory.write_text(
        "[appliance]\nbackup01 ansible_connection=local "
        f"ansible_python_interpreter={sys.executable}\n"
    )
    variables = {
        "vm_backup_vms": ["web01"],
        "ovirt_backup_auth": scene.lab.auth(),
        "ovirt_backup_repository": str(repository),
        "vm_backup_require_mount": False,
        "vm_backup_identity": "ignore",
        "vm_backup_report": True,
    }
    done = subprocess.run(
        [
            PROGRAM,
            "-i",
            inventory,
            "--check",
            "-e",
            json.dumps(variables),
            ROOT / "playbooks/backup.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_LOCALHOST_WARNING": "0"},
    )
    said = statistics(done.stdout)["vm_backup"]["backup01"]
    assert "web01: would be backed up" in done.stdout
    assert [one["ok"] for one in said["vms"]] == [True], done.stdout
    assert done.returncode == (0 if drawn else 2), done.stdout
    assert said["ok"] == drawn
    # In the summary, in the statistics and at the end.
    told = done.stdout.count("The page was not drawn: ")
    assert told == 0 if drawn else told >= 3
    assert [text.partition(": ")[0] for text in said["failures"]] == (
        [] if drawn else ["The page was not drawn"]
    )
