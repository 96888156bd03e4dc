# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: what is documented, what is the default, and what the tasks use are the same variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(role: Path) -> dict[str, dict[str, Any]]:
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    return {name: option for spec in specs.values() for name, option in spec["options"].items()}


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_defaults_are_those_of_the_specification(role: Path) -> None:
    specified = {
        name: option.get("default") for name, option in options(role).items() if "default" in option
    }
    assert specified == load(role / "defaults/main.yml")
    for name, option in options(role).items():
        assert name.startswith(f"{role.name}_"), name
        assert "type" in option, name
        assert ("default" in option) != option.get("required", False), name


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_every_option_is_used(role: Path) -> None:
    files = [path for part in ("tasks", "templates", "vars") for path in (role / part).glob("*")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert {name for name in options(role) if not re.search(rf"\b{name}\b", text)} == set()


def test_guides_name_options_of_the_appliances_role_that_exist() -> None:
    guides = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name
        for guide in guides
        for name in re.findall(r"\bbackup_appliance_\w+", guide.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= set(options(ROOT / "roles/backup_appliance"))
