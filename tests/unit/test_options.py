# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of a message can do what it says: each option in it is marked, and each variable in the table is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ovirt_community.backup.plugins.lookup.variables import specifications
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import options

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins/module_utils"
SOURCES = sorted(UTILS.rglob("*.py"))
FILES = (*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/*.yml"))
OURS = "ovirt_community.backup."
DECLARED = {name for spec in specifications().values() for name in spec}

Json = Any


def load(path: Path) -> Json:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def documented() -> dict[str, set[str]]:
    """Names of the options of each module."""
    found = {}
    for path in (ROOT / "plugins/modules").glob("*.py"):
        text = re.search(r'^DOCUMENTATION = r"""\n(.*?)"""', path.read_text("utf-8"), re.S | re.M)
        assert text
        found[path.stem] = {*yaml.safe_load(text[1])["options"], "auth"}
    return found


OPTIONS = {name for found in documented().values() for name in found}


def tasks(value: Json) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield each use of one of our modules, with its options."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.startswith(OURS) and isinstance(inner, dict):
                yield key.removeprefix(OURS), inner
            yield from tasks(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from tasks(inner)


ENGINE = f"group/{OURS}engine"
IN_GROUP = set(load(ROOT / "meta/runtime.yml")["action_groups"]["engine"])


def defaults(value: Json) -> Iterator[Mapping[str, Json]]:
    """Yield what a role or playbook gives to all modules that log in to the engine."""
    if isinstance(value, dict):
        yield from [value["module_defaults"][ENGINE]] if "module_defaults" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from defaults(inner)


def unit(path: Path) -> Path:
    """Return what has defaults of its own: a playbook, or a role with all its files."""
    return path if path.parent.name == "playbooks" else path.parents[1]


@cache
def given_to_all() -> dict[Path, Mapping[str, Json]]:
    """Return the defaults of each role and playbook that logs in to the engine."""
    return {
        unit(path): given
        for path in FILES
        if "ovirt_community.backup.engine" in path.read_text("utf-8")
        for given in defaults(load(path))
    }


def test_the_login_is_given_once() -> None:
    """No task has a login of its own; each role and playbook gives one to the action group."""
    used = {(unit(path), name) for path in FILES for name, _options in tasks(load(path))}
    assert sorted({place for place, name in used if name in IN_GROUP}) == sorted(given_to_all())
    assert all(list(given) == ["auth"] for given in given_to_all().values())
    assert [path.name for path in FILES for login in own_logins(load(path))] == []


def own_logins(value: Json) -> Iterator[Json]:
    """Yield the logins of single tasks, of any collection."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.count(".") == 2 and not key.startswith("group/") and "auth" in (inner or {}):
                yield inner["auth"]
            yield from own_logins(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from own_logins(inner)


def set_by() -> dict[tuple[str, str], set[str]]:
    """Return which variables of roles and playbooks go into which option of which module."""
    found: dict[tuple[str, str], set[str]] = {}
    loaded = [load(path) for path in FILES]
    shared = [given_to_all().get(unit(path), {}) for path in FILES]
    given_on: dict[str, str] = {}
    for name, text in (one for file in loaded for one in handed(file)):
        given_on[name] = f"{given_on.get(name, '')} {text}"
    for file, to_all in zip(loaded, shared, strict=True):
        for module, own in tasks(file):
            given = {**to_all, **own} if module in IN_GROUP else own
            for name, value in given.items():
                text = re.sub(r"\w+\.\w+", lambda one: given_on.get(one[0], one[0]), str(value))
                # A condition decides between values, and is none itself.
                words = re.findall(r"\w+", re.sub(r"\bif\b.*?\belse\b", "", text))
                variables = {word for word in words if word in DECLARED}
                if len(variables) > 1:
                    variables = {one for one in variables if one.endswith(f"_{name}")}
                found.setdefault((module, name), set()).update(variables)
    return found


def handed(value: Json) -> Iterator[tuple[str, str]]:
    """Yield what a file of tasks is given in a dictionary: ``vm_backup_begun.format``, and what stands there."""
    if isinstance(value, dict):
        for name, inner in value.get("vars", {}).items():
            parts = inner.items() if isinstance(inner, dict) else ()
            yield from ((f"{name}.{key}", str(text)) for key, text in parts)
        for inner in value.values():
            yield from handed(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from handed(inner)


@cache
def marked() -> set[str]:
    """Options that messages name."""
    calls = (
        node
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    )
    return {
        str(call.args[0].value)
        for call in calls
        if getattr(call.func, "id", "") == "option" and isinstance(call.args[0], ast.Constant)
    }


def test_the_table_is_what_the_tasks_say() -> None:
    wanted: dict[str, dict[str, set[str]]] = {}
    for (module, name), variables in set_by().items():
        if variables and name in {*marked(), *options.VARIABLES.get(module, {})}:
            wanted.setdefault(module, {})[name] = variables
    table = {
        module: {name: set(variables) for name, variables in found.items()}
        for module, found in options.VARIABLES.items()
    }
    assert table == wanted


def test_a_message_marks_only_options_that_there_are() -> None:
    assert len(marked()) > 30
    assert marked() <= OPTIONS


VERBS = "Set|set|Raise|raise|Lower|with|Use|use|Leave|leave|out of"
PLAIN = sorted(name for name in OPTIONS if "_" not in name)
IN_WORDS = (
    "limit",
    "state",
    "all",
    "path",
    "name",
    "disks",
    "vm",
    "sets",
    "images",
    "snapshot",
    "source",
    "auth",
    "size",
    "what",
    "before",
)
"""Also plain words: only with a value behind them are they sure to be options."""
REFERENCES = (
    re.compile(rf"\b(?:{'|'.join(sorted(name for name in OPTIONS if '_' in name))})\b"),
    re.compile(rf"\b(?:{'|'.join(PLAIN)}): (?:true|false|none|warn|allow)\b"),
    re.compile(
        rf"\b(?:{VERBS}) (?:{'|'.join(one for one in PLAIN if one not in IN_WORDS)})\b(?! (?:of|by|is)\b)"
    ),
    re.compile(r"\bauth\.\w+"),
)
NO_MESSAGE = re.compile(r"\b\w+ ?= ?$")
"""A statement in the engine's search language."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Sentences in a source; no docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docs
            and " " in node.value
            and not NO_MESSAGE.search(node.value)
        ):
            yield node.lineno, node.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_message_names_an_option_without_a_mark(path: Path) -> None:
    found = [
        (line, text) for line, text in texts(path) if any(one.search(text) for one in REFERENCES)
    ]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_message_spells_a_variable(path: Path) -> None:
    """The table does, for all of them; but for a playbook that is named with its variable."""
    words = {word for _line, text in texts(path) for word in re.findall(r"\w+", text)}
    assert (words & DECLARED) - {"restore_user"} == set()


@pytest.mark.parametrize(
    "text",
    [
        "Set format: true to have one.",
        "Choose with storage_domain or another.",
        "check it, then use remove_corrupt",
        "Raise timeout if the engine is slow.",
        "Set auth.url to an address.",
        "Choose one with cluster; there are",
    ],
)
def test_what_counts_as_naming_an_option(text: str) -> None:
    assert any(one.search(text) for one in REFERENCES)
