# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a body may contain: the elements of each type and their kinds, taken from the SDK's own readers."""

from __future__ import annotations

import inspect
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from ovirtsdk4 import readers, types

_CASE = re.compile(r"tag == '(\w+)':\n\s+obj\.\w+ = (\w+)\.(\w+)\(([^\n]*)\)")
_ENUM = re.compile(r"types\.(\w+)")
BOOLEANS = frozenset({"true", "false", "0", "1"})
# The order in which the engine tells the words of an enumeration, where it is not the alphabet's.
WORDS = {
    "ConfigurationType": ("ovf", "ova"),
    "DiskInterface": ("ide", "virtio_scsi", "virtio", "spapr_vscsi", "sata"),
}


@dataclass(frozen=True)
class Rule:
    """What an element is: a plain kind (``boolean``, ``integer`` ...), an enumeration, or a type of its own."""

    kind: str
    of: str = ""
    many: bool = False


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a body: ``unknown`` element, ``boolean``, ``enum`` or ``number``; where, and which text."""

    kind: str
    type: str
    name: str
    text: str = ""


def type_of(tag: str) -> str | None:
    """Return the name of the type with this tag; None if the API has none."""
    name = "".join(part.capitalize() for part in tag.split("_"))
    return name if hasattr(readers, f"{name}Reader") else None


@cache
def rules(type_name: str) -> Mapping[str, Rule]:
    """Return the elements of a type."""
    source = inspect.getsource(getattr(readers, f"{type_name}Reader"))
    return {tag: _rule(*rest) for tag, *rest in _CASE.findall(source)}


def _rule(reader: str, method: str, arguments: str) -> Rule:
    many = method.endswith("s") or method == "read_many"
    if reader != "Reader":
        return Rule("type", reader.removesuffix("Reader"), many)
    enum = _ENUM.search(arguments)
    kind = method.removeprefix("read_").removesuffix("s")
    return Rule(kind, enum.group(1) if enum else "", many)


def words(enum: str) -> tuple[str, ...]:
    """Return the words of an enumeration, in the engine's order."""
    return WORDS.get(enum) or tuple(one.value for one in getattr(types, enum))


def wrongs(node: ET.Element, type_name: str) -> Iterator[Wrong]:
    """Yield all that is wrong with an element of a type, in the order of the text."""
    known = rules(type_name)
    for child in node:
        rule = known.get(child.tag)
        if rule is None and child.tag not in {"link", "actions"}:
            yield Wrong("unknown", type_name, child.tag)
        elif rule is not None:
            yield from _wrong(child, rule, type_name)


def _wrong(node: ET.Element, rule: Rule, type_name: str) -> Iterator[Wrong]:
    if rule.many:
        single = Rule(rule.kind, rule.of)
        for child in node:
            yield from _wrong(child, single, type_name)
    elif rule.kind == "type":
        yield from wrongs(node, rule.of)
    elif not _fits((node.text or "").strip(), rule):
        yield Wrong(rule.kind, rule.of or type_name, node.tag, (node.text or "").strip())


def in_small_letters(node: ET.Element, type_name: str) -> bool:
    """Write the words of enumerations as the SDK knows them; whether any was written otherwise."""
    changed, known = False, rules(type_name)
    for child in node:
        rule = known.get(child.tag)
        if rule is not None and rule.kind == "type" and not rule.many:
            changed |= in_small_letters(child, rule.of)
        elif rule is not None and rule.kind == "enum" and child.text != (child.text or "").lower():
            child.text, changed = (child.text or "").lower(), True
    return changed


def _fits(text: str, rule: Rule) -> bool:
    if rule.kind == "boolean":
        return text.lower() in BOOLEANS
    if rule.kind == "enum":
        return text.lower() in words(rule.of)
    if rule.kind in {"integer", "decimal"}:
        return (
            re.fullmatch(r"[+-]?\d+" if rule.kind == "integer" else r"[+-]?[\d.]+", text)
            is not None
        )
    return True
