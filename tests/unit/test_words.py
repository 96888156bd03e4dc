# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as text: a survey and ``-e`` give text, whatever the type of a variable.

Every variable of every role and every playbook is put as text into every expression that has it,
and must arrive there as with its own type: converted by the module that takes it.
"""

from __future__ import annotations

import ast
import functools
import json
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import words
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import setup_args

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.name for path in ROOT.glob("roles/*/tasks"))
OURS = "ovirt_community.backup."
BOOLEANS = ("when", "become", "that")

Json = Any


def load(path: Path) -> Json:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.cache
def specification(role: str) -> dict[str, dict[str, Json]]:
    specs = load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return dict(specs["main"]["options"])


VARIABLES = [(role, name) for role in ROLES for name in specification(role)]


@dataclass(frozen=True)
class Place:
    """An expression of Jinja, and what takes its result: an option's specification, a keyword, or a text."""

    expression: str
    option: Mapping[str, Json]


@functools.cache
def documented(module: str) -> dict[str, dict[str, Json]]:
    """Options of one of our modules."""
    tree = ast.parse((ROOT / "plugins/modules" / f"{module}.py").read_text(encoding="utf-8"))
    [text] = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and [getattr(target, "id", "") for target in node.targets] == ["DOCUMENTATION"]
    ]
    found = dict(yaml.safe_load(str(text))["options"])
    # Of the fragment for the modules that talk to the engine.
    return {"auth": {"type": "dict"}, "timeout": {"type": "int"}, **found}


def expressions(value: Json) -> Iterator[str]:
    """Yield what stands in braces, in a text or in what holds texts."""
    if isinstance(value, str):
        yield from re.findall(r"\{[{%](?:%?-?\s*(?:if|elif) )?(.*?)[%}]\}", value, re.DOTALL)
    elif isinstance(value, dict):
        for one in value.values():
            yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)


def taken(options: Mapping[str, Json], values: Mapping[str, Json]) -> Iterator[Place]:
    """Expressions in the options of a module."""
    for name, given in values.items():
        whole = isinstance(given, str) and given.startswith("{{")
        kept = {k: v for k, v in options[name].items() if k in ("type", "elements")}
        spec: dict[str, Json] = {**kept} if whole else {"type": "raw"}
        yield from (Place(text, spec) for text in expressions(given))


def uses(key: str, value: Json) -> list[tuple[Mapping[str, Json], Mapping[str, Json]]]:
    """Options and what is given to them: of a module, or the login of all that talk to the engine."""
    if key == "module_defaults":
        return [({"auth": {"type": "dict"}}, given) for given in value.values()]
    return [(documented(key.removeprefix(OURS)), value)]


def places_of(task: Mapping[str, Json]) -> Iterator[Place]:
    """Expressions of a task, and of the tasks in it."""
    for key, value in task.items():
        if key in ("block", "rescue", "always"):
            for inner in value:
                yield from places_of(inner)
        elif key in BOOLEANS:
            for one in value if isinstance(value, list) else [value]:
                bare = [one] if key != "become" else list(expressions(one))
                yield from (Place(str(text), {"type": "bool"}) for text in bare)
        elif key == "module_defaults" or (key.startswith(OURS) and isinstance(value, dict)):
            for options, given in uses(key, value):
                yield from taken(options, given)
        else:
            # The action group takes one option by default: the login.
            kind = "dict" if key == "module_defaults" else "raw"
            yield from (Place(text, {"type": kind}) for text in expressions(value))


@functools.cache
def places(role: str) -> list[Place]:
    directory = ROOT / "roles" / role
    tasks = [task for path in sorted(directory.glob("tasks/*.yml")) for task in load(path)]
    found = [place for task in tasks for place in places_of(task)]
    others = [load(path) for path in directory.glob("vars/*.yml")]
    others += [path.read_text(encoding="utf-8") for path in directory.glob("templates/*")]
    return found + [Place(text, {"type": "raw"}) for text in expressions(others)]


def typed(option: Mapping[str, Json]) -> Json:
    """Return a value that is not the default."""
    kind, choices = option["type"], option.get("choices")
    if kind == "list":
        return list(choices[:2]) if choices else ["web01", "db01"]
    values = {
        "bool": not option.get("default"),
        "int": 7,
        "float": 1.0,
        "dict": {"vm": "web01"},
    }
    return values.get(kind, choices[-1] if choices else "some/text")


def texts(value: Json) -> list[str]:
    """Return how people write it."""
    if isinstance(value, bool):
        return ["yes", "true", "True"] if value else ["no", "false", "False"]
    if isinstance(value, list):
        return [",".join(value), ", ".join(value), "\n".join(value) + "\n"]
    if isinstance(value, dict):
        return [json.dumps(value)]
    return [f"{value:g}" if isinstance(value, float) else str(value)]


@functools.cache
def environment() -> jinja2.Environment:
    made = jinja2.Environment(undefined=jinja2.ChainableUndefined, autoescape=False)  # noqa: S701
    truth = ("1", "yes", "true", "on", "y", "t")

    def boolean(value: object) -> bool:
        return str(value).lower() in truth

    made.filters |= {
        "bool": boolean,
        "ansible.builtin.bool": boolean,
        "flatten": lambda lists: [one for each in lists for one in each],
        "ansible.builtin.human_readable": str,
        "dict2items": lambda value: list(dict(value or {}).items()),
        "combine": lambda value, other: {**(value or {}), **other},
        f"{OURS}names": words.names,
    }
    made.tests["truthy"] = operator.truth
    return made


def arrived(place: Place, facts: Mapping[str, Json]) -> Json:
    """Return what the taker of an expression makes of it."""
    compiled = environment().compile_expression(place.expression, undefined_to_none=True)
    value = compiled(**facts, omit=None, lookup=lambda *_words, **_more: "", now=lambda **_: "")
    if value is None or place.option["type"] == "raw":
        return value
    result = ArgumentSpecValidator({"given": dict(place.option)}).validate({"given": value})
    assert result.error_messages == [], place
    given = result.validated_parameters["given"]
    return words.names(given) if isinstance(given, list) else given


@pytest.mark.parametrize(("role", "name"), VARIABLES)
def test_every_variable_may_be_text(role: str, name: str) -> None:
    option = specification(role)[name]
    value = typed(option)
    facts = {
        **{key: one.get("default", ["web01"]) for key, one in specification(role).items()},
        "vm_backup_plan": {"required_bytes": 10},
        "vm_backup_snapshot": {"consistency": "file"},  # part of the text, not one of the names
        "backup_appliance_qemu_img": {"rc": 1},
    }
    found = [place for place in places(role) if re.search(rf"\b{name}\b", place.expression)]
    assert found, "the role does not use it"
    for place in found:
        expected = arrived(place, {**facts, name: value})
        for text in texts(value):
            given = arrived(place, {**facts, name: text})
            plain = place.option["type"] == "raw" and place.expression.strip() == name
            assert given == (text if plain else expected), (place, text)


@pytest.mark.parametrize(("role", "name"), VARIABLES)
def test_the_role_takes_its_type_as_text_and_no_other_text(role: str, name: str) -> None:
    """Ansible looks at a role's variables before the first task, and tells which is wrong."""
    option: dict[str, Json] = {
        key: specification(role)[name][key]
        for key in map(str, ("type", "elements", "choices"))
        if key in specification(role)[name]
    }
    validator = ArgumentSpecValidator({name: option})
    for text in texts(typed(option))[:1]:
        assert validator.validate({name: text}).error_messages == []
    if option["type"] in ("int", "float", "bool", "dict"):
        [message] = validator.validate({name: "much"}).error_messages
        assert name in message
        assert "much" in message or "convert" in message or "dict" in message


LISTS = ("backup_vms", "backup_storage_domains", "backup_data_centers")


@pytest.mark.parametrize("name", LISTS)
def test_a_playbook_loops_over_names_that_are_text(name: str) -> None:
    text = (ROOT / "playbooks/permissions.yml").read_text(encoding="utf-8")
    [expression] = [one for one in expressions(text) if re.search(rf"\b{name}\b", one)]
    facts = {"permissions_everywhere": True, name: "web01, db01"}
    assert arrived(Place(expression, {"type": "raw"}), facts) == ["web01", "db01"]


def test_no_playbook_computes_with_a_variable() -> None:
    """A text would be repeated, or compared letter by letter; modules convert."""
    arithmetic = re.compile(
        r"\s[*/+-]\s|\s[<>]=?\s|\bin\s+(vm|backup|restore|export|template)_\w+$"
    )
    found = [
        (path.name, one)
        for path in sorted((ROOT / "playbooks").glob("*.yml"))
        for one in expressions(path.read_text(encoding="utf-8"))
        if arithmetic.search(one)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("web01, db01", ["web01", "db01"]),
        ("web01,db01,", ["web01", "db01"]),
        ("web01\r\ndb01\n\n", ["web01", "db01"]),
        (" web01 ", ["web01"]),
        (["web01", " db01"], ["web01", "db01"]),
        (["web01\ndb01\n"], ["web01", "db01"]),
        (["a, b"], ["a, b"]),
        ("", []),
        ([""], []),
        (None, []),
    ],
)
def test_names(value: Json, names: list[str]) -> None:
    assert words.names(value) == names


def test_only_what_people_type_is_tidied() -> None:
    given = {"vms": ["a", " b\nc "], "evidence": ["two\nlines"], "disks": [{"alias": " x "}]}
    assert words.tidied(given) == {**given, "vms": ["a", "b", "c"]}


def preflight(**given: Json) -> Json:
    spec = setup_args.APPLIANCE_PREFLIGHT
    result = ArgumentSpecValidator(spec).validate({"repository": "/srv", **given})
    assert result.error_messages == []
    return setup_args.appliance_preflight_request(result.validated_parameters)


def test_a_factor_that_is_text_is_a_number() -> None:
    """As text it repeated the number of bytes that often, and the room was not looked at."""
    size = 2**31
    for factor, needed in (("1", size), ("0.5", size // 2), (1.5, size * 3 // 2), ("0", 0)):
        assert preflight(required_bytes=str(size), space_factor=factor).required_bytes == needed


@pytest.mark.parametrize("factor", ["nan", "inf", "-1"])
def test_a_factor_that_is_no_share(factor: str) -> None:
    with pytest.raises(InvalidRequest, match="space_factor must be a number of 0 or more"):
        preflight(required_bytes=1, space_factor=factor)


def test_a_raw_image_that_is_to_be_compressed_is_refused_before_anything() -> None:
    """In the look at the appliance, which check mode takes as well: once it was found after the attach."""
    with pytest.raises(InvalidRequest, match="A raw image cannot be compressed"):
        preflight(format="raw", compression="zstd")
    assert preflight(format="raw", required_bytes=5, reserve_bytes=7).needed_bytes == 12
