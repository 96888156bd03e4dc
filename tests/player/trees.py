# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse answers into trees, whether they are XML, JSON, or an OVF inside of either."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# A bare placeholder of a number makes no JSON.
NUMBER = "number "
"""Before what stands in JSON without quotes."""
BARE = re.compile(r'(?<![\w"])\{(ms|n)\}(?!")')


@dataclass
class Node:
    """An element: its tag, its attributes, its own text, its children."""

    tag: str
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """This element and all below."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse(body: str, content_type: str) -> Node | None:
    """Return the tree of an answer; None where it is neither XML nor JSON."""
    try:
        if "xml" in content_type:
            return _element(ET.fromstring(body))  # noqa: S314  our own lab's, or recorded
        if "json" in content_type:
            return _member("", json.loads(BARE.sub(rf'"{NUMBER}{{\1}}"', body)))
    except (ET.ParseError, ValueError):
        return None
    return None


def _element(element: ET.Element) -> Node:
    tag = element.tag.rpartition("}")[2]
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    text = (element.text or "").strip()
    node = Node(tag, text, attributes, [_element(child) for child in element])
    if tag == "data" and text.startswith("<?xml"):
        node.text, node.children = "", [_element(ET.fromstring(text))]  # noqa: S314
    return node


def _member(tag: str, value: Any) -> Node:  # noqa: ANN401  JSON is anything
    if isinstance(value, dict):
        children = [one for item in value.items() for one in _named(*item)]
        return Node(tag, children=children)
    if isinstance(value, str):
        return Node(tag, value)
    return Node(tag, NUMBER + json.dumps(value))


def _named(name: str, member: Any) -> list[Node]:  # noqa: ANN401
    """Return a member; the members of a list are marked as such."""
    if not isinstance(member, list):
        return [_member(name, member)]
    found = [_member(name, one) for one in member]
    for node in found:
        node.attributes["list"] = "yes"
    return found
