# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A misspelt variable is refused: by every role and every playbook, before anything is done."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError

from ansible_collections.ovirt_community.backup.plugins.lookup import variables as plugin
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import variables

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).parent / "ansible-playbook"
SPECIFICATIONS = plugin.specifications()
ROLES = sorted(path.parent.name for path in (ROOT / "roles").glob("*/tasks"))
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
OPTIONS = {option: name for name, spec in SPECIFICATIONS.items() for option in spec}


def load(path: Path) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def misspelt(name: str) -> str:
    """With its last letter twice."""
    return name + name[-1]


def required(name: str) -> dict[str, Any]:
    """Return what a role or a playbook must be given, with any value of its type."""
    values = {"list": ["x"], "dict": {"last": 1}}
    return {
        key: values.get(one["type"], "x")
        for key, one in SPECIFICATIONS[name].items()
        if one.get("required")
    }


def look(name: str, given: dict[str, Any]) -> list[str]:
    return plugin.LookupModule().run([name], {**required(name), **given})


def test_every_role_and_playbook_has_a_specification() -> None:
    assert sorted(SPECIFICATIONS) == sorted({*ROLES, *PLAYBOOKS})
    for spec in SPECIFICATIONS.values():
        for name, option in spec.items():
            assert variables.prefixes([name]), name
            assert all(isinstance(line, str) for line in option["description"]), name
            assert "type" in option, name


@pytest.mark.parametrize("option", OPTIONS)
def test_every_variable_is_recognised_when_it_is_misspelt(option: str) -> None:
    wrong = misspelt(option)
    [said] = look(OPTIONS[option], {wrong: "x"})
    assert said.startswith(f"There is no variable {wrong}. Is ")
    assert look(OPTIONS[option], {option: "x"}) == []


def test_a_former_name_is_none_of_today_and_leads_to_one() -> None:
    assert set(variables.RENAMED).isdisjoint(OPTIONS)
    assert set(variables.RENAMED.values()) <= set(OPTIONS)


@pytest.mark.parametrize("name", sorted(SPECIFICATIONS))
def test_nothing_of_ours_is_taken_for_a_mistake(name: str) -> None:
    """Variables of other roles in the same inventory, and what earlier roles of the play have kept."""
    ours = {**dict.fromkeys(OPTIONS, "x"), **dict.fromkeys(plugin.internal(), "x")}
    assert look(name, ours) == []


def assigned(value: Any) -> Iterator[str]:  # noqa: ANN401 - YAML
    """Names that tasks give to something."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("vars", "ansible.builtin.set_fact"):
                yield from inner
            elif key in ("register", "loop_var"):
                yield inner
            yield from assigned(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from assigned(inner)


def test_no_file_of_ours_reads_a_variable_that_is_not_there() -> None:
    """Else a misspelt name in a task would count as known."""
    texts, made = {}, set()
    for pattern in plugin.READ:
        for path in ROOT.glob(pattern):
            made |= set(assigned(load(path))) | (
                set(load(path)) if path.parent.name == "vars" else set()
            )
            # Neither keys nor attributes nor comments are variables that are read.
            no_variables = r"^\s*(- )?\w+:|\.\w+|'\w+'|\w+=|tasks/\w+|^\s*#.*$"
            texts[path] = re.sub(no_variables, "", path.read_text("utf-8"), flags=re.MULTILINE)
    assert len(made) > 30
    for path, text in texts.items():
        assert variables.words(text) <= {*OPTIONS, *made, *PLAYBOOKS, *ROLES}, path


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_specification_is_what_the_playbook_takes(name: str) -> None:
    text = (ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8")
    for option, spec in SPECIFICATIONS[name].items():
        assert re.search(rf"\{{\{{.*\b{option}\b.*\}}\}}", text), option
        default = spec.get("default")
        if isinstance(default, (str, int)) and not isinstance(default, bool):
            assert re.search(rf"\b{option} \| default\('?{default}'?\)", text), option


@pytest.mark.parametrize("role", ROLES)
def test_every_role_looks_first(role: str) -> None:
    first = load(ROOT / "roles" / role / "tasks/main.yml")[0]
    assert set(first["vars"].values()) == {
        f"{{{{ query('ovirt_community.backup.variables', '{role}') }}}}"
    }


def run(tmp_path: Path, playbook: Path, given: dict[str, Any]) -> str:
    """Run a playbook that must fail; what it says."""
    inventory = tmp_path / "inventory"
    inventory.write_text("[appliance]\nbackup01 ansible_connection=local\n", encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OVIRT_")}
    answer = subprocess.run(
        [PROGRAM, "-i", inventory, playbook, "-e", json.dumps(given)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={**kept, "ANSIBLE_LOCALHOST_WARNING": "0"},
    )
    assert answer.returncode == 2, answer.stdout + answer.stderr
    return answer.stdout


def tasks_done(text: str) -> int:
    return len(re.findall(r"^(?:ok|changed): ", text, re.MULTILINE))


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_refuses_one(name: str, tmp_path: Path) -> None:
    wrong = misspelt(next(iter(SPECIFICATIONS[name])))
    said = run(tmp_path, ROOT / f"playbooks/{name}.yml", {wrong: "x"})
    assert f"There is no variable {wrong}. Is " in said
    # The look at the tags comes before.
    assert tasks_done(said) == 2


@pytest.mark.parametrize("role", ROLES)
def test_every_role_refuses_one(role: str, tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    play = {
        "hosts": "appliance",
        "gather_facts": False,
        "roles": [f"ovirt_community.backup.{role}"],
    }
    site.write_text(json.dumps([play]), encoding="utf-8")
    wrong = "ovirt_backup_repositry"
    said = run(tmp_path, site, {wrong: "x", **required(role)})
    assert f"There is no variable {wrong}. Is ovirt_backup_repository meant?" in said
    # Ansible's own look at the variables comes before.
    assert tasks_done(said) == 1


def test_a_playbook_names_what_must_be_set(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        ROOT / "playbooks/template_vm.yml",
        {"template_vm": "", "template_guard_timeout": 1},
    )
    assert "The variable template_vm must be set. The variable template_name must be set." in said


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_old_names_of_the_host_are_refused(name: str) -> None:
    for old in ("backup_appliance", "restore_appliance"):
        meant = ["There is no variable " + old + ". Is ovirt_backup_hosts meant?"]
        on_appliance = "ovirt_backup_hosts" in SPECIFICATIONS[name]
        assert look(name, {old: "backups"}) == (meant if on_appliance else [])


def test_a_playbook_looks_at_the_variables_of_its_role_too(tmp_path: Path) -> None:
    """Also at those that must be set, where Ansible by itself would only say that they are not."""
    for name in PLAYBOOKS:
        [roles] = [play.get("roles", []) for play in load(ROOT / f"playbooks/{name}.yml")[:1]]
        [names] = re.findall(
            r"backup_reached_by: \[(.*)\]", (ROOT / f"playbooks/{name}.yml").read_text("utf-8")
        )[:1]
        ran = [role["role"].removeprefix("ovirt_community.backup.") for role in roles]
        assert names.split(", ") == [name, *ran]
    said = run(tmp_path, ROOT / "playbooks/prune.yml", {"backup_prune_kep": {"last": 1}})
    assert "There is no variable backup_prune_kep. Is backup_prune_keep meant?" in said
    assert "The variable backup_prune_keep must be set." in said


def test_another_name_is_an_error() -> None:
    with pytest.raises(AnsibleError, match="neither a role nor a playbook"):
        plugin.LookupModule().run(["vm_bakup"], {})
