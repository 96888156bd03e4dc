# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README and guides: the names in them exist, the examples parse."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME = "ovirt_community.backup"
GUIDES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
TASK_KEYWORDS = {"name", "register", "become", "delegate_to", "when", "loop"}

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
_NAMED = re.compile(r"`([\w/-]+\.md)`")
_AD_HOC = re.compile(rf"-m {re.escape(NAME)}\.(\w+)(?: -a ('[^']*'))?")


@dataclass(frozen=True)
class Block:
    """A fenced block of a guide."""

    guide: str
    language: str
    text: str


def text_of(guide: Path) -> str:
    return guide.read_text(encoding="utf-8")


def blocks() -> Iterator[Block]:
    for guide in GUIDES:
        for indent, language, body in _FENCE.findall(text_of(guide)):
            lines = [line.removeprefix(indent) for line in body.splitlines()]
            yield Block(guide.name, language, "\n".join(lines) + "\n")


def parsed(language: str) -> list[tuple[str, Any]]:
    texts = [(one.guide, one.text) for one in blocks() if one.language == language]
    if language == "json":
        return [(guide, json.loads(text)) for guide, text in texts]
    return [(guide, yaml.safe_load(text)) for guide, text in texts]


def playbooks() -> list[tuple[str, list[dict[str, Any]]]]:
    """Every list is one: bare tasks would be shown without what they need around them."""
    return [(guide, data) for guide, data in parsed("yaml") if isinstance(data, list)]


def literal(path: Path, name: str) -> str:
    """Return a text that a Python file assigns to a name, at the top or in a class."""
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return str(ast.literal_eval(node.value))
    raise LookupError(f"{path} has no {name}")


@cache
def module_options(module: str) -> frozenset[str]:
    """Names and aliases of all options of a module, those of its fragments included."""
    own = yaml.safe_load(literal(ROOT / f"plugins/modules/{module}.py", "DOCUMENTATION"))
    parts = [own]
    for fragment in own.get("extends_documentation_fragment", []):
        plugin, _unused, part = fragment.removeprefix(f"{NAME}.").partition(".")
        path = ROOT / f"plugins/doc_fragments/{plugin}.py"
        parts.append(yaml.safe_load(literal(path, (part or "documentation").upper())))
    options = [part.get("options", {}) for part in parts]
    aliases = [option.get("aliases", []) for some in options for option in some.values()]
    return frozenset(name for some in (*options, *aliases) for name in some)


def role_options(role: str) -> set[str]:
    path = ROOT / f"roles/{role}/meta/argument_specs.yml"
    return set(yaml.safe_load(text_of(path))["argument_specs"]["main"]["options"])


def anchors(guide: Path) -> set[str]:
    """Anchors as the usual web views make them of headings."""
    prose = _FENCE.sub("", text_of(guide))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_links_lead_somewhere(guide: Path) -> None:
    links = _LINK.findall(_FENCE.sub("", text_of(guide)))
    for link in links:
        assert not link.startswith(("http:", "https:")), f"{link} leads out of the repository"
        path, _unused, anchor = link.partition("#")
        target = (guide.parent / path).resolve() if path else guide
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_guide_is_within_reach_of_the_readme() -> None:
    """By links; what does not ship with the collection is named by its path."""
    reached, new = set(), {ROOT / "README.md"}
    while new:
        reached |= new
        links = {
            (guide.parent / link.partition("#")[0]).resolve()
            for guide in new
            for link in _LINK.findall(text_of(guide))
        }
        named = {ROOT / path for guide in new for path in _NAMED.findall(text_of(guide))}
        new = {link for link in links | named if link.suffix == ".md"} - reached
    assert set(GUIDES) <= reached


def test_yaml_and_json_parse() -> None:
    assert len(parsed("yaml")) >= 10
    assert len(parsed("json")) >= 3


def test_blocks_say_their_language() -> None:
    known = {"console", "json", "python", "sh", "text", "yaml"}
    assert {one.language for one in blocks()} <= known


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z ]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    known = {name for line in targets for name in line.split()}
    named = {
        name for guide in GUIDES for name in re.findall(r"(?:`|[$#] )make ([a-z]+)", text_of(guide))
    }
    assert {"demo", "test", "lab"} <= named <= known


def test_sessions_exist() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session", text_of(ROOT / "noxfile.py"), re.MULTILINE))
    for guide in GUIDES:
        for names in re.findall(r'CHECKS="([a-z ]+)"', text_of(guide)):
            assert set(names.split()) <= sessions
        for name in re.findall(r'nox -s "?(\w+)', text_of(guide)):
            assert name in sessions


def test_names_of_the_collection_exist() -> None:
    content = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
    content |= {path.name for path in (ROOT / "roles").iterdir()}
    content |= {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    for guide in GUIDES:
        assert set(re.findall(rf"\b{re.escape(NAME)}\.(\w+)", text_of(guide))) <= content


def rows(heading: str) -> list[tuple[str, str]]:
    """Name and last cell of each row of the table below a heading of the README."""
    section = text_of(ROOT / "README.md").partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    assert section, heading
    return re.findall(rf"^\| `(?:{NAME}\.)?(\w+)`.*\| ?(.*?) ?\|$", section, re.M)


def test_the_readme_lists_every_role() -> None:
    assert sorted(name for name, _cell in rows("Roles")) == sorted(
        path.name for path in (ROOT / "roles").iterdir()
    )


def test_each_module_is_in_one_table_of_the_readme() -> None:
    listed = [*rows("Modules for your own playbooks"), *rows("Modules that the roles run")]
    modules = [path.stem for path in (ROOT / "plugins/modules").glob("*.py")]
    assert sorted(name for name, _cell in listed) == sorted(modules)


def fragments(module: str) -> list[str]:
    document = yaml.safe_load(literal(ROOT / f"plugins/modules/{module}.py", "DOCUMENTATION"))
    return list(document["extends_documentation_fragment"])


def roles_that_run(module: str) -> set[str]:
    return {
        path.parents[1].name
        for path in ROOT.glob("roles/*/tasks/*.yml")
        if re.search(rf"^ *(?:- )?{re.escape(NAME)}\.{module}:$", text_of(path), re.M)
    }


def test_a_module_that_the_roles_run_says_so_in_its_documentation() -> None:
    """The table, the documentation fragments and the tasks name the same roles; no other module has a fragment."""
    of_roles = dict(rows("Modules that the roles run"))
    assert len(of_roles) >= 8
    for module in (path.stem for path in (ROOT / "plugins/modules").glob("*.py")):
        start = f"{NAME}.run_by."
        named = {one.removeprefix(start) for one in fragments(module) if one.startswith(start)}
        assert named == set(re.findall(r"`(\w+)`", of_roles.get(module, ""))), module
        assert not named or named == roles_that_run(module), module


@pytest.mark.parametrize("role", ["vm_backup", "vm_restore"])
def test_variables_of_the_role_exist(role: str) -> None:
    named = {name for guide in GUIDES for name in re.findall(rf"\b{role}_\w+", text_of(guide))}
    assert len(named) >= 6
    assert named <= role_options(role)


def test_no_guide_restores_as_the_user_of_a_backup() -> None:
    """Who backs up may make neither disks nor VMs."""
    found = [
        one
        for one in blocks()
        if f"{NAME}.restore" in one.text
        or (one.guide == "restore.md" and "ovirt_backup_auth" in one.text)
    ]
    runs = [line for one in found for line in one.text.splitlines() if ".env" in line]
    runs = [line for line in runs if "backup.backup" not in line]
    assert len(runs) >= 2
    assert [line for line in runs if "engine.env" in line] == []
    assert [
        one for one in found if re.search(r"username: backup@|ovirt_backup_auth: ", one.text)
    ] == []
    assert "restore_user=" in text_of(ROOT / "docs/restore.md")


def test_environment_variables_are_read() -> None:
    source = "".join(
        text_of(ROOT / "plugins/module_utils" / name)
        for name in ("_core/engine/settings.py", "_module/engine_args.py")
    )
    suite = text_of(ROOT / "tests/contract/bench.py")
    for guide in GUIDES:
        read = source + suite if guide.name == "CONTRIBUTING.md" else source
        for name in re.findall(r"\bOVIRT_[A-Z_]+", text_of(guide)):
            assert f'"{name}"' in read, name


def test_options_of_commands_exist() -> None:
    found = [match for guide in GUIDES for match in _AD_HOC.findall(text_of(guide))]
    assert len(found) >= 10
    for module, arguments in found:
        words = shlex.split(arguments.strip("'")) if arguments else []
        assert {word.partition("=")[0] for word in words} <= module_options(module), module


def test_options_of_tasks_exist() -> None:
    tasks = [
        task for _guide, plays in playbooks() for play in plays for task in play.get("tasks", [])
    ]
    ours = [(key, task[key]) for task in tasks for key in task if key.startswith(NAME)]
    assert ours
    for action, arguments in ours:
        assert set(arguments) <= module_options(action.rpartition(".")[2]), action
    actions = [set(task) - TASK_KEYWORDS for task in tasks]
    assert all(len(action) == 1 for action in actions)


def test_playbooks_pass_the_syntax_check(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "ansible-playbook"
    trees = [ROOT / ".cache/ws", *sorted((ROOT / ".cache/collections").glob("*"), reverse=True)]
    collections = os.environ.get("ANSIBLE_COLLECTIONS_PATH") or os.pathsep.join(map(str, trees))
    files = []
    for number, (_guide, plays) in enumerate(playbooks()):
        files.append(tmp_path / f"{number}.yml")
        files[-1].write_text(yaml.safe_dump(plays), encoding="utf-8")
    assert len(files) >= 4
    done = subprocess.run(
        [program, "--syntax-check", "-i", "localhost,", *files],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections, "ANSIBLE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_error_codes_exist() -> None:
    page = text_of(ROOT / "docs/errors.md")
    codes = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    table = text_of(ROOT / "docs/first-backup.md").partition("\n| error_code |")[2]
    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    named = {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}
    assert len(named) >= 10
    assert named <= codes


@pytest.mark.parametrize("tool", ["error_docs.py", "permission_docs.py", "rule_docs.py"])
def test_generated_pages_are_of_today(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, "-B", ROOT / "tools" / tool, "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_version_is_todays() -> None:
    version = yaml.safe_load(text_of(ROOT / "galaxy.yml"))["version"]
    for guide in GUIDES:
        for named in re.findall(r"ovirt_community-backup-([0-9.]+)\.tar", text_of(guide)):
            assert named == version


def test_the_placeholder_of_the_repository_is_not_repeated() -> None:
    address = yaml.safe_load(text_of(ROOT / "galaxy.yml"))["repository"]
    for guide in GUIDES:
        assert address.partition("://")[2] not in text_of(guide)


def test_requirements_agree() -> None:
    readme = text_of(ROOT / "README.md")
    [sdk] = re.findall(r"^(ovirt-engine-sdk-python\S+)$", text_of(ROOT / "requirements.txt"), re.M)
    assert f"'{sdk}'" in readme
    oldest = yaml.safe_load(text_of(ROOT / "meta/runtime.yml"))["requires_ansible"]
    oldest = oldest.removeprefix(">=").removesuffix(".0")
    assert f"ansible-core {oldest} or newer" in readme
    image = yaml.safe_load(text_of(ROOT / "execution-environment.yml"))["dependencies"]
    assert image["ansible_core"]["package_pip"].startswith(f"ansible-core>={oldest},")
