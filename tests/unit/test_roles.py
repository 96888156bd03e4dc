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
OURS = "ovirt_community.backup."
DEFAULTS = ROOT / "roles/shared_defaults"
"""Has the defaults of what all roles share, and no tasks."""
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path != DEFAULTS)


def load(path: Path) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SHARED = load(DEFAULTS / "defaults/main.yml")
"""One variable each for all roles and playbooks, and its default."""
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


def options(role: Path) -> dict[str, dict[str, Any]]:
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    return {name: option for spec in specs.values() for name, option in spec["options"].items()}


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_defaults_are_those_of_the_specification(role: Path) -> None:
    specified = {
        name: option.get("default") for name, option in options(role).items() if "default" in option
    }
    shared = {name: default for name, default in SHARED.items() if name in options(role)}
    assert specified == {**load(role / "defaults/main.yml"), **shared}
    for name, option in options(role).items():
        assert name in SHARED or name.startswith(f"{role.name}_"), name
        assert "type" in option, name
        assert ("default" in option) != option.get("required", False), name


def test_one_role_has_the_shared_defaults_and_the_others_depend_on_it() -> None:
    assert set(SHARED) == {
        "ovirt_backup_auth",
        "ovirt_backup_repository",
        "ovirt_backup_appliance",
    }
    assert not (DEFAULTS / "tasks").exists()
    for role in ROLES:
        [dependency] = load(role / "meta/main.yml")["dependencies"]
        assert dependency == {"role": f"{OURS}{DEFAULTS.name}"}
        assert not set(load(role / "defaults/main.yml")) & set(SHARED)
        for name, option in options(role).items():
            assert name not in SHARED or option["default"] == SHARED[name], role.name
    assert not [path for path in PLAYBOOKS if "/srv/backup" in path.read_text("utf-8")]


def test_a_role_a_playbook_a_module_and_a_group_never_share_a_name() -> None:
    names = [
        *(path.name for path in (ROOT / "roles").iterdir()),
        *(path.stem for path in PLAYBOOKS),
        *(path.stem for path in (ROOT / "plugins/modules").glob("*.py")),
        *load(ROOT / "meta/runtime.yml")["action_groups"],
        "appliance",
    ]
    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("ovirt_backup")] == []


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


TASK_FILES = [*PLAYBOOKS, *sorted((ROOT / "roles").glob("*/tasks/*.yml"))]
WITHIN = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")
AT_ONCE = {
    f"ansible.builtin.{name}"
    for name in (
        "assert",
        "debug",
        "fail",
        "import_tasks",
        "include_tasks",
        "set_fact",
        "set_stats",
    )
}
"""Actions that the controller does by itself, at once."""
WORKING = ("disk_image_copy", "disk_image_restore", "disk_device_release", "disk_snapshot_detach")


def tasks_in(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every task, also those in blocks and plays."""
    found = []
    for entry in entries:
        inner = [one for key in WITHIN for one in entry.get(key) or []]
        found += tasks_in(inner) if inner else [entry]
    return found


def actions(task: dict[str, Any]) -> list[str]:
    """Return the module that a task runs; none for a play of roles."""
    return [key for key in task if key.count(".") == 2]


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_limit_of_the_site_cuts_a_task(path: Path) -> None:
    """``ANSIBLE_TASK_TIMEOUT`` would cut a copy, and the release after it. Our tasks have limits of their own."""
    tasks = [one for one in tasks_in(load(path)) if not set(actions(one)) <= AT_ONCE]
    assert [one["name"] for one in tasks if one.get("timeout") != 0] == []


def test_the_walk_sees_the_tasks() -> None:
    names = {name for path in TASK_FILES for one in tasks_in(load(path)) for name in actions(one)}
    ours = {name for name in names if name.startswith("ovirt_community.backup.")}
    assert {f"ovirt_community.backup.{name}" for name in WORKING} <= ours
