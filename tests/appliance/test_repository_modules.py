# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules and playbooks for a repository, as a user runs them; also with the oldest Python."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from appliance.loops import LoopAppliance
from appliance.stored import START, Repository
from appliance.test_modules import WORKSPACE, Ansible, interpreters

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be"
CONTENT = os.urandom(4096)
MODULES = (
    "backup_vm",
    "backup_set_info",
    "backup_set_verify",
    "backup_set_protection",
    "backup_set_prune",
    "backup_repository_report",
)
ADDED = {"changed", "diff", "uid", "gid", "owner", "group", "mode", "size", "state"}
"""Keys that Ansible adds, most of them where a result names a path."""

PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"


@pytest.fixture(params=interpreters(), ids=lambda path: Path(path).name)
def ansible(appliance: LoopAppliance, request: pytest.FixtureRequest, tmp_path: Path) -> Ansible:
    """Ansible with one of the interpreters."""
    return Ansible(appliance, request.param, tmp_path / "ansible")


@pytest.fixture
def history(repository: Path) -> list[Path]:
    """Five days of a VM, the newest last, and an unfinished set."""
    stored = Repository(repository)
    paths = [
        stored.add(
            1,
            START + timedelta(days=number),
            run=f"r{number}",
            name="wéb <01>",
            content=CONTENT,
            fmt="qcow2",
        )
        for number in range(5)
    ]
    stored.unfinished(2, START, name="new")
    return paths


def documents(module: str) -> dict[str, Any]:
    """Return the documentation strings of a module, as text."""
    source = ROOT / "plugins/modules" / f"{module}.py"
    return {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }


def test_examples_return_what_is_documented(
    ansible: Ansible, repository: Path, history: list[Path]
) -> None:
    for module in MODULES:
        known = documents(module)
        examples = known["EXAMPLES"].replace(f"/srv/backup/{SAMPLE}", str(history[0]))
        wanted = yaml.safe_load(known["RETURN"])
        name = f"ovirt_community.backup.{module}"
        tasks = yaml.safe_load(examples.replace("/srv/backup", str(repository)))
        for task in [one for one in tasks if name in one]:
            result = ansible(module, **task[name])
            assert result["_status"] in ("SUCCESS", "CHANGED"), result
            keys = {key for key in result if not key.startswith("_")}
            assert keys - ADDED == set(wanted) - ADDED, module
    listed = ansible("backup_set_info", repository=str(repository), manifests=True)
    described = yaml.safe_load(documents("backup_set_info")["RETURN"])["sets"]["contains"]
    assert {key for one in listed["sets"] for key in one} == set(described)


def test_a_repository_is_looked_after(
    ansible: Ansible, repository: Path, history: list[Path]
) -> None:
    good = ansible("backup_set_verify", repository=str(repository), content=True, parallel=3)
    assert (good["_status"], len(good["sets"])) == ("CHANGED", 5)
    assert all(one["verified"]["verdict"] == "ok" for one in good["sets"])

    image = next(history[4].glob("*.qcow2"))
    data = bytearray(image.read_bytes())
    data[-1000] ^= 1
    image.write_bytes(data)
    bad = ansible("backup_set_verify", repository=str(repository), select="newest")
    assert (bad["_status"], bad["error_code"]) == ("FAILED", "sets_corrupt")
    assert [one["path"] for one in bad["details"]["corrupt"]] == [str(history[4])]
    assert str(history[4]) in bad["msg"]

    chosen = ansible("backup_set_info", repository=str(repository), select="newest_good")
    assert [one["path"] for one in chosen["sets"]] == [str(history[3])]

    ansible("backup_set_protection", path=str(history[0]), reason="Jo")
    asked: dict[str, Any] = {"repository": str(repository), "keep": {"last": 1}}
    predicted = ansible("backup_set_prune", check=True, **asked)
    done = ansible("backup_set_prune", **asked)
    again = ansible("backup_set_prune", **asked)
    assert predicted["removed"] == done["removed"] == [str(history[2]), str(history[1])]
    assert (done["changed"], again["changed"]) == (True, False)
    assert [path.is_dir() for path in history] == [True, False, False, True, True]

    report = ansible("backup_repository_report", repository=str(repository))
    assert "new: no good set" in report["problems"]
    assert "wéb &lt;01&gt;" in Path(report["dest"]).read_text(encoding="utf-8")


def play(name: str, repository: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the playbooks of the collection on this machine."""
    values = {
        "ovirt_backup_hosts": "localhost",
        "ovirt_backup_repository": str(repository),
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
    }
    return subprocess.run(
        [PLAYBOOK, f"ovirt_community.backup.{name}", "-e", json.dumps(values), *words],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(WORKSPACE),
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_BECOME_ASK_PASS": "false",
        },
    )


def test_playbooks(repository: Path, history: list[Path], tmp_path: Path) -> None:
    home = tmp_path / "home"
    values = json.dumps({"backup_verify_content": True, "backup_verify_unverified_days": 7})
    first = play("verify", repository, home, "-e", values)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "changed=1" in first.stdout
    assert "changed=0" in play("verify", repository, home, "-e", values).stdout
    policy = json.dumps({"backup_prune_keep": {"daily": 2}})
    dry = play("prune", repository, home, "-e", policy, "--check", "--diff")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "r0 remove: no rule keeps it" in dry.stdout
    assert len(list(repository.glob("w*/2*/manifest.json"))) == 5
    done = play("prune", repository, home, "-e", policy)
    assert "r4 keep: daily 2026-11-27, the newest good set" in done.stdout
    assert [path.is_dir() for path in history] == [False, False, False, True, True]
    refused = play("prune", repository, home)
    assert refused.returncode != 0
    fetched = tmp_path / "backups.html"
    names = {"backup_retire_vms": "new\n, wéb <01>", "backup_retire_reason": "sold"}
    retired = play("retire", repository, home, "-e", json.dumps(names))
    assert retired.returncode == 0, retired.stdout + retired.stderr
    assert len(list(repository.glob("vms/*.json"))) == 2
    drawn = play("report", repository, home, "-e", f"backup_report_dest={fetched}")
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert "<title>Backups on localhost</title>" in fetched.read_text(encoding="utf-8")
    assert fetched.read_text(encoding="utf-8").count(": sold</li>") == 2
    (history[3] / "vm.ovf").unlink()
    red = play("verify", repository, home)
    assert red.returncode != 0
    assert "1 of 2 sets are corrupt" in red.stdout
    for run in (first, dry, done, drawn, red):
        assert "WARNING" not in run.stdout + run.stderr
