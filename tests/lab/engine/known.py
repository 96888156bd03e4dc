# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of the engine's API: its paths with their methods, as the SDK's services have them.

The SDK is generated from the API's model. Its services are the paths: a locator without an argument
is a fixed part of the path below, one with an argument an id. Their methods are the calls.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from ovirtsdk4 import services

Service: TypeAlias = Any

_CALLS = {
    "_internal_get": "GET",
    "_internal_add": "POST",
    "_internal_update": "PUT",
    "_internal_remove": "DELETE",
}
_ACTION = re.compile(r"_internal_action\(action, '(\w+)'")
# In the order in which the engine lists them.
_ORDER = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT")


@dataclass(frozen=True)
class Known:
    """A path that the API has: ids of it are ``{}`` in the template."""

    template: str
    methods: frozenset[str]

    @property
    def allow(self) -> str:
        """The methods as the engine lists them in ``Allow``."""
        more = {"OPTIONS"} | ({"HEAD"} if "GET" in self.methods else set())
        return ", ".join(one for one in _ORDER if one in self.methods | more)


@dataclass(frozen=True)
class _Node:
    """A service: what is below it by name, what is below it by id, its methods and actions."""

    below: Mapping[str, Service]
    item: Service | None
    methods: frozenset[str]
    actions: frozenset[str]


def find(parts: Sequence[str]) -> Known | None:
    """Return the path of the API that these parts are; None for one that it does not have."""
    service: Service = services.SystemService
    template: list[str] = []
    for position, part in enumerate(parts):
        node = _node(service)
        if part in node.actions and position == len(parts) - 1:
            return Known("/".join([*template, part]), frozenset({"POST"}))
        service = node.below.get(part, node.item)
        if service is None:
            return None
        template.append(part if part in node.below else "{}")
    return Known("/".join(template), _node(service).methods)


@cache
def _node(service: Service) -> _Node:
    below: dict[str, Service] = {}
    item = None
    methods: set[str] = set()
    actions: set[str] = set()
    at_root = service(None, "")
    for name, member in inspect.getmembers(service, inspect.isfunction):
        if name.endswith("_service"):
            if len(inspect.signature(member).parameters) == 1:
                found = member(at_root)
                below[found._path.strip("/")] = type(found)
            else:
                item = type(member(at_root, "id"))
        elif "_internal_action" in member.__code__.co_names:
            actions.update(_ACTION.findall(inspect.getsource(member)))
        else:
            methods.update(_CALLS[one] for one in member.__code__.co_names if one in _CALLS)
    return _Node(below, item, frozenset(methods), frozenset(actions))
