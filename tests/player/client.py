# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put requests to an engine exactly as they were sent, and read the answers."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from player.compare import Answered

SECONDS = 60.0
API = "/ovirt-engine/api"
PASSWORD = "secret"
USUAL = {"Accept": "application/xml", "Version": "4"}


@dataclass
class Client:
    """A client of one engine; each user signs in once."""

    address: str
    tls: ssl.SSLContext
    accounts: Mapping[str, str]
    _tokens: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str | None], body: str | None, user: str
    ) -> Answered:
        """Ask as a user, with the headers that every recorded request had."""
        token = f"Bearer {self._token(user)}"
        given: dict[str, str | None] = {**USUAL, "Authorization": token}
        if body is not None:
            given["Content-Type"] = "application/xml"
        return self.send(method, API + path, {**given, **headers}, body)

    def send(
        self, method: str, path: str, headers: Mapping[str, str | None], body: str | None
    ) -> Answered:
        """Send just these headers; one without a value is left out."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, context=self.tls, timeout=SECONDS
        )
        sent = {name: value for name, value in headers.items() if value is not None}
        data = body.encode() if body is not None else None
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, found, text)

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            form = {"grant_type": "password", "scope": "ovirt-app-api"}
            form |= {"username": self.accounts[user], "password": PASSWORD}
            headers = {
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
            }
            answered = self.send("POST", "/ovirt-engine/sso/oauth/token", headers, urlencode(form))
            self._tokens[user] = str(json.loads(answered.body)["access_token"])
        return self._tokens[user]
