# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single sign-on: password grants, bearer tokens and their end (docs/engine.md#login).

A correct password gets a token, whatever the user may do. The API requires the scope and the permit
login when a token, or a name with a password, is used there.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

from lab.engine.events import actor, record
from lab.engine.http import HTML, JSON, Request, Response, Unauthorized
from lab.engine.permissions import LOGIN, held_by, role_of
from lab.model import User, World

SSO = "/ovirt-engine/sso"
TOKEN_PATH = f"{SSO}/oauth/token"
LOGOUT_PATH = "/ovirt-engine/services/sso-logout"
NEVER = "9223372036854775807"
API_SCOPE = "ovirt-app-api"
# What a scope brings with it.
DEPENDENT = {
    API_SCOPE: (
        *("ovirt-ext=token-info:authz-search", "ovirt-ext=token-info:public-authz-search"),
        *("ovirt-ext=token-info:validate", "ovirt-ext=token:password-access"),
    ),
    "ovirt-app-portal": (API_SCOPE, "ovirt-ext=revoke:revoke-all"),
}
EXPIRED = "invalid_grant: The provided authorization grant for the auth code has expired."
NO_SCOPE = f"The required scope {API_SCOPE} is not granted."
NO_LOGIN = "The user {}-authz with profile [{}] is not authorized to perform login"
UNSUPPORTED = "The authorization grant type is not supported by the authorization server."
WRONG = "Unable to log in. Verify your login information or contact the system administrator."
NO_PROFILE = "No valid profile found in credentials."
NO_NAME = "No user name found in credentials."
NOSNIFF = {"X-Content-Type-Options": "NOSNIFF"}


class Denied(Exception):
    """A request of the sign-on that is refused: its code and its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass
class Token:
    """Whose a token is, until when (monotonic seconds) if nobody uses it, and for what; ``session``: the API has taken it."""

    name: str
    until: float
    scopes: frozenset[str]
    session: bool = False


class Sso:
    """Tokens and whose they are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mutex = threading.Lock()
        self._tokens: dict[str, Token] = {}

    def answer(self, request: Request) -> Response | None:
        """Return what the sign-on answers; None for a path that is not its own."""
        paths: Mapping[str, Callable[[Request, Mapping[str, str]], Response]] = {
            TOKEN_PATH: self._token,
            f"{SSO}/oauth/token-http-auth": self._negotiate,
            f"{SSO}/oauth/token-info": self._client_only,
            f"{SSO}/oauth/revoke": self._client_only,
            f"{SSO}/openid/userinfo": self._userinfo,
            LOGOUT_PATH: self._logout,
        }
        path = request.path.rstrip("/")
        if path not in paths or request.method not in {"GET", "POST"}:
            return None
        form = _form(request)
        try:
            return paths[path](request, form)
        except Denied as denied:
            # Who names no scope is answered in the words of OAuth, everybody else in the engine's own.
            names = ("error_code", "error") if "scope" in form else ("error", "error_description")
            shown = dict(zip(names, (denied.code, denied.text), strict=True))
            return _json(400, shown, NOSNIFF)

    def _token(self, request: Request, form: Mapping[str, str]) -> Response:
        """Answer a password grant."""
        if JSON not in request.headers.get("accept", ""):
            raise Denied("invalid_request", "Missing parameter: 'Accept Header'")
        if form.get("grant_type") != "password":
            raise Denied("unsupported_grant_type", UNSUPPORTED)
        for wanted in ("username", "password"):
            if wanted not in form:
                raise Denied("invalid_request", f"Missing parameter: '{wanted}'")
        user = self._authenticated(form["username"], form["password"])
        scopes = _scopes(form.get("scope", ""))
        token = secrets.token_urlsafe(64)
        until = time.monotonic() + self._world.settings.token_seconds
        with self._mutex:
            self._tokens[token] = Token(user.name, until, scopes)
        shown = {"access_token": token, "scope": " ".join(sorted(scopes))}
        return _json(200, {**shown, "exp": NEVER, "token_type": "bearer"}, NOSNIFF)

    def _authenticated(self, name: str, password: str) -> User:
        """Return the user of a name with its profile.

        Raises:
            Denied: For a wrong name, profile or password.
        """
        account, at, profile = name.rpartition("@")
        if not at:
            account, profile = name, "N/A"
        with self._world.lock:
            known = {one.rpartition("@")[2] for one in self._world.users}
            user = self._world.users.get(name)
        text = WRONG
        if not account:
            text = NO_NAME
        elif profile not in known:
            text = NO_PROFILE
        if user is None or not _same(user.password, password):
            shown = f"{account}@{profile}"
            raise Denied("access_denied", f"Cannot authenticate user '{shown}': {text}.")
        return user

    def _negotiate(self, request: Request, _form: Mapping[str, str]) -> Response:
        """Send the caller back: without a Kerberos ticket there is no token."""
        host = request.headers.get("host", "localhost")
        error = "error=unauthorized_client&error_description=Authentication+required."
        back = f"http://{host}/ovirt-engine/oauth2-callback?{error}"
        return Response(302, headers={**NOSNIFF, "Location": back})

    def _client_only(self, _request: Request, form: Mapping[str, str]) -> Response:
        """Answer what only registered clients may ask for."""
        if "client_id" not in form:
            raise Denied("invalid_request", "Missing parameter: 'client_id'")
        return Response(501, b"clients of the sign-on are not in the lab", "text/plain")

    def _userinfo(self, request: Request, _form: Mapping[str, str]) -> Response:
        """Return the owner of a bearer token, as an unsigned JSON web token."""
        token = self._living(request.headers.get("authorization", "").removeprefix("Bearer "))
        parts = (json.dumps(one).encode() for one in ({"alg": "none"}, {"sub": token.name}))
        text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        return Response(200, f"{text}.".encode(), "application/jwt", headers=NOSNIFF)

    def _logout(self, _request: Request, form: Mapping[str, str]) -> Response:
        """End a token, and the session that it opened; an unknown token is no error."""
        with self._mutex:
            self._tokens.pop(form.get("token", ""), None)
        return Response(200, b"{ }", JSON)

    def user(self, request: Request) -> User:
        """Return the user of a request.

        Raises:
            Unauthorized: There is no valid token of the right scope, nor a name with its password;
                or the user has the permit login on no object.
        """
        scheme, _unused, value = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            return self._bearer(value.strip())
        if scheme == "Basic":
            return self._basic(value.strip())
        raise Unauthorized

    def _living(self, text: str) -> Token:
        with self._mutex:
            token = self._tokens.get(text)
        known = token is not None and token.name in self._world.users
        if token is None or not known or time.monotonic() > token.until:
            raise Unauthorized(EXPIRED)
        return token

    def _bearer(self, text: str) -> User:
        token = self._living(text)
        # A session lasts as long as it is used.
        token.until = time.monotonic() + self._world.settings.token_seconds
        if API_SCOPE not in token.scopes:
            raise Unauthorized(NO_SCOPE)
        user = self._world.users[token.name]
        if not token.session:
            self._may_log_in(user)
            token.session = True
            with self._world.lock:
                record(self._world, 30, actor(user.name, None), session=text[:8])
        return user

    def _basic(self, value: str) -> User:
        try:
            text = base64.b64decode(value, validate=True).decode("utf-8")
        except ValueError:
            text = ""
        name, _unused, password = text.partition(":")
        try:
            user = self._authenticated(name, password)
        except Denied as denied:
            raise Unauthorized(str(denied)) from denied
        self._may_log_in(user)
        return user

    def _may_log_in(self, user: User) -> None:
        world = self._world
        with world.lock:
            held = list(held_by(world, user))
            if not any(LOGIN in role_of(world, one.grant).permits for one in held):
                raise Unauthorized(NO_LOGIN.format(user.name, user.name.rpartition("@")[2]))

    def logged_in(self) -> set[str]:
        """Return the names of the users who have a session of the API."""
        with self._mutex:
            now = time.monotonic()
            return {one.name for one in self._tokens.values() if one.session and now <= one.until}

    def expire_all(self) -> None:
        """End every token, as a restart of the engine or a session's limit does."""
        with self._mutex:
            self._tokens.clear()


def error_page(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the page that stands for an answer of the API where no session is."""
    page = f"<html><head><title>Error</title></head><body>{escape(text, quote=False)}</body></html>"
    return Response(status, page.encode(), HTML, headers or {})


def _form(request: Request) -> dict[str, str]:
    """Return the parameters of a request, wherever they are; of a body only if it is a form."""
    given = dict(request.query)
    if "form-urlencoded" in request.headers.get("content-type", ""):
        text = request.body.decode("utf-8", "replace")
        given |= {k: v[-1] for k, v in parse_qs(text, keep_blank_values=True).items()}
    return given


def _scopes(text: str) -> frozenset[str]:
    """Return the scopes that are granted for those that were asked for: with all that they bring."""
    found: set[str] = set()
    left = text.split()
    while left:
        one = left.pop()
        found.add(one)
        left += DEPENDENT.get(one, ())
    return frozenset(found)


def _same(kept: str, given: str) -> bool:
    """Tell whether two passwords are equal, in a time that tells nothing; of any script, so as bytes."""
    return secrets.compare_digest(kept.encode(), given.encode())


def _json(status: int, body: Mapping[str, str], headers: Mapping[str, str]) -> Response:
    text = json.dumps(body, separators=(",", ":"))
    return Response(status, text.encode(), JSON, headers)
