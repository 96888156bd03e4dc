# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ansible-core of this environment reads the whole collection: imports, documentation, syntax."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ovirt_community.backup"
PLUGINS = f"ansible_collections.{COLLECTION}.plugins"
DOCUMENTED = {"module": "plugins/modules", "filter": "plugins/filter", "lookup": "plugins/lookup"}


def ansible(program: str, *argv: str) -> str:
    """Return what a program of this environment's Ansible prints on its standard output."""
    path = Path(sys.executable).parent / program
    done = subprocess.run(
        [str(path), *argv], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "[ERROR]" not in done.stderr, done.stderr
    return done.stdout


def names(directory: str) -> set[str]:
    """Plugins of a directory, by their full names."""
    return {f"{COLLECTION}.{path.stem}" for path in (ROOT / directory).glob("[!_]*.py")}


def documentation(kind: str, wanted: set[str]) -> dict[str, Any]:
    """Return what ansible-doc says of plugins or roles."""
    said: dict[str, Any] = json.loads(
        ansible("ansible-doc", "--type", kind, "--json", *sorted(wanted))
    )
    return said


def test_this_core_is_the_one_that_was_asked_for() -> None:
    """Else all the rest would be said of another."""
    version = re.search(r"core (\d+\.\d+)\.", ansible("ansible-playbook", "--version"))
    assert version is not None
    assert version[1] == os.environ["ANSIBLE_CORE"]


def test_every_plugin_can_be_imported() -> None:
    files = sorted((ROOT / "plugins").rglob("*.py"))
    assert len(files) > 100
    for path in files:
        parts = path.relative_to(ROOT / "plugins").with_suffix("").parts
        importlib.import_module(".".join([PLUGINS, *parts]).removesuffix(".__init__"))


@pytest.mark.parametrize("kind", DOCUMENTED)
def test_every_plugin_is_documented(kind: str) -> None:
    wanted = names(DOCUMENTED[kind])
    said = documentation(kind, wanted)
    assert set(said) == wanted
    assert all(one["doc"]["short_description"] for one in said.values())


def test_every_role_is_documented() -> None:
    # The role of the shared defaults has no tasks, and so no arguments.
    wanted = {f"{COLLECTION}.{path.parent.name}" for path in (ROOT / "roles").glob("*/tasks")}
    assert len(wanted) == len(list((ROOT / "roles").iterdir())) - 1
    said = documentation("role", wanted)
    assert set(said) == wanted
    assert all(one["entry_points"]["main"]["options"] for one in said.values())


def test_every_playbook_has_the_syntax_of_this_core() -> None:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "playbooks").glob("*.yml")}
    said = ansible("ansible-playbook", "--syntax-check", *sorted(found))
    assert set(re.findall(r"^playbook: (.+)$", said, re.MULTILINE)) == found
