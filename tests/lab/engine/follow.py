# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``follow`` parameter: replace links of a finished body by the objects that they lead to.

A name that the type does not have is an error that the engine does not handle: 500.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

from lab.engine import grammar
from lab.engine.http import error_page

Fetch = Callable[[str], "ET.Element | None"]


def follow(root: ET.Element, paths: str, fetch: Fetch, collection: bool) -> None:
    """Follow comma separated paths such as ``disk_attachments.disk`` from an object or from all items.

    Raises:
        Answer: For a path that begins with a name that the type does not have.
    """
    items = list(root) if collection else [root]
    for path in filter(None, (one.strip() for one in paths.split(","))):
        _known(root, path.split(".")[0], collection)
        for item in items:
            _one(item, path.split("."), fetch)


def _known(root: ET.Element, step: str, collection: bool) -> None:
    name = grammar.type_of(root.tag.removesuffix("s") if collection else root.tag)
    if name is None or any(_same(one, step) for one in grammar.rules(name)):
        return
    where = (
        f"Problem following '{step}' link in {name}s entity."
        if collection
        else f"Problem fetching '{step}' from {name}"
    )
    raise error_page(f"java.lang.IllegalStateException: {where}")


def _one(item: ET.Element, steps: list[str], fetch: Fetch) -> None:
    step, rest = steps[0], steps[1:]
    target = _followed(item, step, fetch)
    if target is None or not rest:
        return
    below = [target] if target.get("id") else list(target)
    for child in below:
        _one(child, rest, fetch)


def _followed(item: ET.Element, step: str, fetch: Fetch) -> ET.Element | None:
    """Return the element that a step leads to, put into the item in place of its link."""
    for child in list(item):
        href = child.get("href")
        is_link = child.tag == "link" and _same(child.get("rel", ""), step)
        if href is None or not (is_link or _same(child.tag, step)):
            continue
        found = fetch(href)
        if found is None:
            return None
        found.tag = step if is_link else child.tag
        if not is_link:
            item.remove(child)
        item.append(found)
        return found
    return next((child for child in item if _same(child.tag, step)), None)


def _same(name: str, step: str) -> bool:
    return name.replace("_", "") == step.replace("_", "")
