# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request, a response, and the answers that end a request early."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qsl

XML = "application/xml;charset=UTF-8"
JSON = "application/json"
HTML = "text/html;charset=UTF-8"

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_WRITES = frozenset({"POST", "PUT", "DELETE", "PATCH"})
_CORRELATION = re.compile(r"[^0-9a-zA-Z_-]")
CORRELATION_MAX = 36


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names in lower case, query values as they came, the first one wins."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    raw_query: str = ""

    def correlation_id(self) -> str | None:
        """Return the correlation id as the engine keeps it: cleaned, cut at 36 characters."""
        given = self.headers.get("correlation-id") or self.query.get("correlation_id")
        if not given:
            return None
        return _CORRELATION.sub("", given)[:CORRELATION_MAX] or None

    def flag(self, name: str, absent: bool, empty: bool) -> bool:
        """Return a boolean parameter as the engine reads it: unparsable counts as absent."""
        if name not in self.query:
            return absent
        text = self.query[name].strip().lower()
        if text == "":
            return empty
        if text in _TRUE:
            return True
        return False if text in _FALSE else absent

    def all_content(self) -> bool:
        """Tell whether everything is asked for, by parameter or by header."""
        header = self.headers.get("all-content", "").strip().lower()
        return self.flag("all_content", header in _TRUE, True)

    def is_write(self) -> bool:
        """Tell whether the request may change something."""
        return self.method in _WRITES


@dataclass(frozen=True)
class Response:
    """One HTTP response."""

    status: int
    body: bytes = b""
    content_type: str = XML
    headers: Mapping[str, str] = field(default_factory=dict)
    correlated: bool = True
    """Whether the engine got so far that it tells a correlation id."""


class Answer(Exception):
    """Ends a request with a response of its own."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status}")
        self.response = response


class Dropped(Exception):
    """Ends a request by closing the connection without an answer."""


class Unauthorized(Exception):
    """Ends a request with 401 and a page that says why."""

    def __init__(self, text: str = "Unauthorized") -> None:
        super().__init__(text)
        self.text = text


def error_page(problem: str) -> Answer:
    """500 with a page: what the API's own code did not foresee, told by the web server."""
    trace = (
        f"java.lang.RuntimeException: org.jboss.resteasy.spi.UnhandledException: {escape(problem)}"
    )
    page = f"<html><head><title>ERROR</title></head><body><pre>{trace}\n</pre></body></html>"
    return Answer(Response(500, page.encode(), HTML, correlated=False))


def not_found() -> Answer:
    """404 with an empty body: an object that performGet does not find, an id that is no UUID."""
    return Answer(Response(404))


def parse_query(text: str) -> dict[str, str]:
    """Return the query string as a mapping; parameters without a value are kept, of several the first counts."""
    return dict(reversed(parse_qsl(text, keep_blank_values=True)))


def without_matrix(path: str) -> tuple[str, str]:
    """Return a path without its matrix parameters, and these as a query: ``/vms;max=2`` is asked for two VMs."""
    parts = [part.partition(";") for part in path.split("/")]
    given = "&".join(rest.replace(";", "&") for _unused, _unused, rest in parts if rest)
    return "/".join(name for name, _unused, _unused in parts), given
