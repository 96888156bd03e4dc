# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain client of the lab's engine, for tests that check statuses and bodies without the SDK."""

from __future__ import annotations

import http.client
import json
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlencode, urlsplit

SECONDS = 30.0
# What the sign-on wants of a form.
FORM = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Reply:
    """An answer of the engine."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def xml(self) -> ET.Element:
        """Return the body as an element."""
        return ET.fromstring(self.body)  # noqa: S314  the lab's own

    @property
    def reason(self) -> str:
        """A fault's reason."""
        return self._fault("reason")

    @property
    def detail(self) -> str:
        """A fault's detail."""
        return self._fault("detail")

    def _fault(self, name: str) -> str:
        """Return a text of the fault; that of a failed action is inside of the action."""
        return self.xml().findtext(name, "") or self.xml().findtext(f"fault/{name}", "")


class ApiClient:
    """One user's keep-alive connection to the engine at ``url``."""

    def __init__(self, url: str, ca_file: str, username: str, password: str) -> None:
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=ca_file)
        self._http = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=SECONDS, context=context
        )
        self._base = parts.path
        self._account = {"username": username, "password": password}
        self.token = ""

    def __enter__(self) -> ApiClient:
        """Sign in."""
        self.sign_in()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def sign_in(self) -> None:
        """Get a token; raises PermissionError."""
        form = {"grant_type": "password", "scope": "ovirt-app-api", **self._account}
        reply = self.raw("POST", "/ovirt-engine/sso/oauth/token", urlencode(form).encode(), FORM)
        answer = json.loads(reply.body)
        if reply.status != 200:
            raise PermissionError(answer["error"])
        self.token = answer["access_token"]

    def raw(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """One request without a token, path from the root."""
        self._http.request(method, path, body or None, dict(headers))
        answer = self._http.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, answer.read(), named)

    def send(self, method: str, path: str, body: str = "", **headers: str) -> Reply:
        """One API request; header names with ``_`` for ``-``."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Authorization", f"Bearer {self.token}")
        given.setdefault("Content-Type", "application/xml")
        return self.raw(method, f"{self._base}/{path}".rstrip("/"), body.encode(), given)

    def get(self, path: str, **headers: str) -> Reply:
        """GET."""
        return self.send("GET", path, **headers)

    def post(self, path: str, body: str = "<action/>", **headers: str) -> Reply:
        """POST."""
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: str, **headers: str) -> Reply:
        """PUT."""
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Reply:
        """DELETE."""
        return self.send("DELETE", path, **headers)
