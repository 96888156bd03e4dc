# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address goes to which handler. A path id that is no UUID is 404 before any handler runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from lab.engine.core import Call
from lab.engine.http import Answer, Response, not_found
from lab.model import API

Handler = Callable[..., Response]


@dataclass(frozen=True)
class Route:
    """A method and a path below the API root; ``{}`` is a UUID, ``{n}`` a number."""

    method: str
    path: str
    handler: Handler


class Router:
    """The table of routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = [(tuple(r.path.split("/")) if r.path else (), r) for r in routes]

    def dispatch(self, call: Call) -> Response:
        """Hand a call to its handler, path ids as further arguments.

        :raises Answer: 404 for an unknown path or an id that is none, 405 for a method.
        """
        path = call.request.path.removeprefix(API).removeprefix("/v4").strip("/")
        parts = tuple(path.split("/")) if path else ()
        known = False
        for template, route in self._routes:
            ids = _match(template, parts)
            if ids is None:
                continue
            known = True
            if route.method == call.request.method:
                return route.handler(call, *ids)
        raise Answer(Response(405)) if known else not_found()


def _match(template: Sequence[str], parts: Sequence[str]) -> list[str] | None:
    """The ids of a path that fits; None where it does not."""
    if len(template) != len(parts):
        return None
    ids = []
    for wanted, part in zip(template, parts, strict=True):
        if wanted == "{}":
            ids.append(_uuid(part))
        elif wanted == "{n}":
            ids.append(part)
        elif wanted != part:
            return None
    return None if None in ids else [one for one in ids if one is not None]


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None
