# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single sign-on: password grants, bearer tokens and their end (section 9 of the contract)."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from urllib.parse import parse_qs

from lab.engine.events import actor, record
from lab.engine.http import JSON, Request, Response, Unauthorized
from lab.model import User, World

TOKEN_PATHS = frozenset(
    {"/ovirt-engine/sso/oauth/token", "/ovirt-engine/sso/oauth/token-http-auth"}
)
LOGOUT_PATH = "/ovirt-engine/services/sso-logout"
DENIED = (
    "Cannot authenticate user '{}': Unable to log in. Verify your login information or contact the "
    "system administrator.."
)


class Sso:
    """Tokens and whose they are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mutex = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}

    def token(self, request: Request) -> Response:
        """POST of a password grant."""
        form = {k: v[-1] for k, v in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "password":
            return _json(400, {"error_code": "unsupported_grant_type", "error": "unsupported"})
        name = form.get("username", "")
        user = self._world.users.get(name)
        if user is None or not _same(user.password, form.get("password", "")):
            return _json(400, {"error_code": "access_denied", "error": DENIED.format(name)})
        token = secrets.token_urlsafe(64)
        seconds = self._world.settings.token_seconds
        with self._mutex:
            self._tokens[token] = (name, time.monotonic() + seconds)
        with self._world.lock:
            record(self._world, 30, actor(name, None), session=token[:8])
        expires = str(int((time.time() + seconds) * 1000))
        scope = form.get("scope", "ovirt-app-api")
        shown = {"access_token": token, "scope": scope, "exp": expires, "token_type": "bearer"}
        return _json(200, shown)

    def logout(self, request: Request) -> Response:
        """POST of a token to revoke."""
        form = {k: v[-1] for k, v in parse_qs(request.body.decode("utf-8", "replace")).items()}
        with self._mutex:
            self._tokens.pop(form.get("token", ""), None)
        return _json(200, {})

    def user(self, request: Request) -> User:
        """Whose request it is.

        :raises Unauthorized: without a living token, or valid basic credentials.
        """
        scheme, _unused, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._bearer(value.strip())
        if scheme.lower() == "basic":
            return self._basic(value.strip())
        raise Unauthorized

    def _bearer(self, token: str) -> User:
        with self._mutex:
            name, until = self._tokens.get(token, ("", 0.0))
        if name not in self._world.users or time.monotonic() > until:
            raise Unauthorized
        return self._world.users[name]

    def _basic(self, value: str) -> User:
        try:
            name, _unused, password = base64.b64decode(value).decode("utf-8").partition(":")
        except ValueError as problem:
            raise Unauthorized from problem
        user = self._world.users.get(name)
        if user is None or not _same(user.password, password):
            raise Unauthorized
        return user

    def expire_all(self) -> None:
        """End every token, as a restart of the engine or a session's limit does."""
        with self._mutex:
            self._tokens.clear()


def _same(kept: str, given: str) -> bool:
    """Whether two passwords are equal, in a time that tells nothing; of any script, so as bytes."""
    return secrets.compare_digest(kept.encode(), given.encode())


def _json(status: int, body: dict[str, str]) -> Response:
    return Response(status, json.dumps(body).encode(), JSON)
