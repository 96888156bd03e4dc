# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of a playbook that does nothing of what was requested fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
ON_APPLIANCE = [path for path in PLAYBOOKS if "hosts: localhost" not in path.read_text("utf-8")]
PROGRAM = Path(sys.executable).parent / "ansible-playbook"
INVENTORY = """
[appliance]
[backups]
backup01 ansible_connection=local
[others]
web01 ansible_connection=local
"""


def by_name(path: Path) -> str:
    return path.stem


def run(playbook: Path, tmp_path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on an inventory whose group ``appliance`` is empty."""
    inventory = tmp_path / "inventory"
    inventory.write_text(INVENTORY, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OVIRT_")}
    return subprocess.run(
        [PROGRAM, "-i", inventory, *args, playbook],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={**kept, "ANSIBLE_LOCALHOST_WARNING": "0"},
    )


def refused(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    """It failed, and its text says why."""
    said = " ".join((answer.stdout + answer.stderr).split())
    assert answer.returncode != 0, said
    for word in words:
        assert word in said


@pytest.mark.parametrize("path", ON_APPLIANCE, ids=by_name)
def test_no_host_is_an_error(path: Path, tmp_path: Path) -> None:
    refused(run(path, tmp_path), "No host of the inventory matches", "appliance")


@pytest.mark.parametrize(
    "args",
    [
        ("-e", "ovirt_backup_hosts=bakups"),
        ("-e", "ovirt_backup_hosts=backups", "--limit", "others"),
        ("-e", "ovirt_backup_hosts=backups:!backup01"),
    ],
    ids=" ".join,
)
def test_a_name_that_fits_no_host(args: tuple[str, ...], tmp_path: Path) -> None:
    refused(run(ROOT / "playbooks/backup.yml", tmp_path, *args), "No host", "nothing was done")


def test_a_list_of_hosts(tmp_path: Path) -> None:
    names = ("-e", '{"ovirt_backup_hosts": ["nobody", "backups"]}')
    answer = run(ROOT / "playbooks/prune.yml", tmp_path, *names)
    refused(answer, "backup_prune_keep", "backup01")


@pytest.mark.parametrize("path", PLAYBOOKS, ids=by_name)
def test_tags_that_no_task_has(path: Path, tmp_path: Path) -> None:
    names = ("-e", "ovirt_backup_hosts=backups")
    answer = run(path, tmp_path, *names, "--tags", "nightly")
    refused(answer, "Nothing was done", "nightly")


@pytest.mark.parametrize("extra", [(), ("--limit", "backup01")], ids=["all", "limit"])
def test_who_imports_a_playbook_gives_it_tags(extra: tuple[str, ...], tmp_path: Path) -> None:
    """With them the play runs, up to its first variable that is missing."""
    site = tmp_path / "site.yml"
    playbook = ROOT / "playbooks/prune.yml"
    site.write_text(f"- import_playbook: {playbook}\n  tags: [nightly]\n", encoding="utf-8")
    answer = run(site, tmp_path, "-e", "ovirt_backup_hosts=backups", "--tags", "nightly", *extra)
    refused(answer, "backup_prune_keep")
    assert "Nothing was done" not in answer.stdout


@pytest.mark.parametrize("path", ON_APPLIANCE, ids=by_name)
def test_a_syntax_check_needs_no_inventory(path: Path, tmp_path: Path) -> None:
    answer = run(path, tmp_path, "--syntax-check")
    assert answer.returncode == 0, answer.stderr
