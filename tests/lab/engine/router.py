# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route each path to its handler. A path id that is not a UUID is 404 before any handler runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.engine import codec, known
from lab.engine.core import Call
from lab.engine.http import Answer, Response, not_found
from lab.model import API

Handler = Callable[..., Response]
HTML = "text/html;charset=UTF-8"
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TEXT = "text/plain;charset=UTF-8"


@dataclass(frozen=True)
class Route:
    """A method and a path below the API root; ``{}`` is a UUID, ``{n}`` a number."""

    method: str
    path: str
    handler: Handler


class Router:
    """The table of routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._routes = [(tuple(r.path.split("/")) if r.path else (), r) for r in routes]

    def dispatch(self, call: Call) -> Response:
        """Hand a call to its handler, path ids as further arguments."""
        return self.find(call)(call)

    def find(self, call: Call) -> Callable[[Call], Response]:
        """Return the handler of a call, with the ids of its path.

        Raises:
            Answer: 404 for a path that the API does not have and for an id that is none, 405 for a
                method that the path does not have, 501 for a call that the engine knows and the lab
                does not.
        """
        parts = parts_of(call.request.path)
        method = "GET" if call.request.method == "HEAD" else call.request.method
        fitting = [
            (ids, route)
            for template, route in self._routes
            if (ids := _match(template, parts)) is not None
        ]
        for ids, route in fitting:
            if route.method != method:
                continue
            if None in ids:
                raise not_found()
            return lambda one, handler=route.handler, ids=ids: handler(one, *ids)  # type: ignore[misc]
        found = known.find(parts)
        if found is None:
            raise _unknown(call, parts)
        if method == "OPTIONS":
            raise Answer(Response(200, found.allow.encode(), TEXT, {"Allow": found.allow}))
        if method not in found.methods:
            raise Answer(Response(405, headers={"Allow": found.allow}))
        raise codec.not_implemented(f"{method} /{found.template}")


def parts_of(path: str) -> tuple[str, ...]:
    """Return the parts of a path below the API's root, without its version."""
    below = path.removeprefix(API).removeprefix("/v4")
    return tuple(part for part in below.split("/") if part)


def name_of(call: Call) -> str:
    """Return the method and the path template of a call: ``POST /vms/{}/migrate``."""
    found = known.find(parts_of(call.request.path))
    return f"{call.request.method} /{found.template if found else ''}"


def carried_out(call: Call, body: object, *elements: str) -> None:
    """Refuse what a call asks for and the lab would not do.

    Args:
        body: The object of the SDK that the call brings.
        elements: What the lab carries out, as dotted names; ``vm.name``.

    Raises:
        Answer: 501 that names the call and what else is given.
    """
    more = sorted(set(codec.given(body)) - set(elements))
    if more:
        raise codec.not_implemented(name_of(call), ", ".join(more))


def _unknown(call: Call, parts: Sequence[str]) -> Answer:
    """Return the 404 of a path that the API does not have: asked without a version it is the fourth."""
    host = call.request.headers.get("host", "localhost")
    path = "/".join([f"https://{host}{API}/v4", *parts])
    path += f"?{call.request.raw_query}" if call.request.raw_query else ""
    text = f"RESTEASY003210: Could not find resource for full path: {path}"
    return Answer(Response(404, text.encode(), HTML))


def _match(template: Sequence[str], parts: Sequence[str]) -> list[str | None] | None:
    """Return the ids of a path that fits, None for one that is no UUID; None where the path does not fit."""
    if len(template) != len(parts):
        return None
    ids: list[str | None] = []
    for wanted, part in zip(template, parts, strict=True):
        if wanted == "{}":
            ids.append(_uuid(part))
        elif wanted == "{n}":
            ids.append(part)
        elif wanted != part:
            return None
    return ids


def _uuid(text: str) -> str | None:
    return text.lower() if ID.fullmatch(text) else None
