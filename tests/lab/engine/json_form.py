# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's JSON, from and to the XML tree: attributes and elements are members alike, and the root has no name.

Numbers and booleans are strings, dates are milliseconds since 1970, an empty list is an empty object.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

Json: TypeAlias = Any
ATTRIBUTES = ("href", "id", "rel")
# Elements that say nothing when they are empty, though their names are no plurals.
EMPTY_OBJECTS = frozenset({"engine_backup", "job"})


def from_json(text: bytes, tag: str) -> ET.Element:
    """Return the element that a JSON body stands for.

    Raises:
        ValueError: For what is no JSON object.
    """
    value = json.loads(text)
    if not isinstance(value, Mapping):
        raise ValueError("no object")
    return _element(tag, value)


def _element(tag: str, value: Json) -> ET.Element:
    node = ET.Element(tag)
    if not isinstance(value, Mapping):
        node.text = _text(value)
        return node
    for name, member in value.items():
        if name in ATTRIBUTES:
            node.set(name, _text(member))
            continue
        for one in member if isinstance(member, list) else [member]:
            node.append(_element(name, one))
    return node


def _text(value: Json) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def to_json(root: ET.Element, dates: tuple[str, ...]) -> bytes:
    """Return the JSON of an element; ``dates`` are the ends of the names of elements that hold a date."""
    text = json.dumps(_value(root, dates), indent=2, ensure_ascii=False, separators=(",", " : "))
    return text.encode() if text != "{}" else b"{ }"


def _value(node: ET.Element, dates: tuple[str, ...]) -> Json:
    if len(node) == 0 and not node.attrib:
        return _leaf(node, dates)
    members: dict[str, Json] = {}
    for child in node:
        value = _value(child, dates)
        if child.tag == "link" or plural(node.tag, child.tag) or child.tag in members:
            former = members.setdefault(child.tag, [])
            members[child.tag] = former if isinstance(former, list) else [former]
            members[child.tag].append(value)
        else:
            members[child.tag] = value
    return {**members, **node.attrib}


def _leaf(node: ET.Element, dates: tuple[str, ...]) -> Json:
    text = node.text or ""
    if not text and (node.tag.endswith("s") or node.tag in EMPTY_OBJECTS):
        return {}
    if node.tag.endswith(dates):
        try:
            return int(datetime.fromisoformat(text).timestamp() * 1000)
        except ValueError:
            return text
    return text


def plural(parent: str, child: str) -> bool:
    """Tell whether an element is the list of such children, by its name."""
    return parent in {f"{child}s", f"{child}es", f"{child.removesuffix('y')}ies"}
