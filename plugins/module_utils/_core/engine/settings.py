# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach the engine: from the task, the environment, or what AWX injects.

AWX's stock credential type "Red Hat Virtualization" sets ``OVIRT_URL``, ``OVIRT_USERNAME`` and
``OVIRT_PASSWORD``, and puts the CA only into the file that ``OVIRT_INI_PATH`` names.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

API_PATH = "/ovirt-engine/api"
_URL = "An engine's URL looks like https://engine.example.com/ovirt-engine/api."

_ENVIRONMENT = {
    "url": "OVIRT_URL",
    "hostname": "OVIRT_HOSTNAME",
    "username": "OVIRT_USERNAME",
    "password": "OVIRT_PASSWORD",
    "token": "OVIRT_TOKEN",
    "ca_file": "OVIRT_CAFILE",
}

_TRUE = ("1", "true", "yes", "on", "t", "y")


@dataclass(frozen=True)
class EngineSettings:
    """Address and credentials: a token, or a user with a password."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    insecure: bool = False
    kerberos: bool = False
    compress: bool = True
    timeout: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def resolve(
    auth: Mapping[str, Any] | None, environment: Mapping[str, str], ini: str = ""
) -> EngineSettings:
    """Find the settings: the task overrides the environment, the environment overrides AWX's file.

    Args:
        auth: The module's ``auth`` option; None and empty values are looked up elsewhere.
        ini: Content of the file that ``OVIRT_INI_PATH`` names.

    Raises:
        InvalidRequest: A setting is missing; the message names it. Or the URL is plain HTTP, and
            ``insecure`` does not allow that.
    """
    given = {key: value for key, value in (auth or {}).items() if value not in (None, "")}
    exported = {
        key: environment[name] for key, name in _ENVIRONMENT.items() if environment.get(name)
    }
    found = _over(given, _over(exported, _from_ini(ini)))
    insecure = given.get("insecure")
    if insecure is None:
        insecure = environment.get("OVIRT_INSECURE", "").lower() in _TRUE
    _require_credentials(found)
    url = complete_url(found)
    _require_privacy(url, bool(insecure))
    return EngineSettings(
        url=url,
        username=found.get("username"),
        password=found.get("password"),
        token=found.get("token"),
        ca_file=found.get("ca_file"),
        insecure=bool(insecure),
        kerberos=bool(found.get("kerberos")),
        compress=bool(found.get("compress", True)),
        timeout=int(found.get("timeout") or 0),
        headers=dict(found.get("headers") or {}),
    )


def _over(stronger: Mapping[str, Any], weaker: Mapping[str, Any]) -> dict[str, Any]:
    """Override one source's settings with another's, without mixing settings that belong together."""
    rest = dict(weaker)
    if "url" in stronger or "hostname" in stronger:
        # Do not mix the URL of one engine with the host name of another.
        rest = {key: value for key, value in rest.items() if key not in ("url", "hostname")}
    if stronger.get("kerberos") or stronger.keys() & {"username", "password"}:
        # The SDK prefers a token to a user, so a weaker token would win.
        rest.pop("token", None)
    elif "token" in stronger:
        # Once the token has expired, the SDK would silently continue as the other user.
        rest = {key: value for key, value in rest.items() if key not in ("username", "password")}
    return {**rest, **stronger}


def complete_url(found: Mapping[str, Any]) -> str:
    """Return the API's URL from ``url`` or ``hostname``, with scheme and path filled in.

    Raises:
        InvalidRequest: There is neither, or the URL is not HTTP. The message does not quote an
            address that contains a user, since it may contain a password too.
    """
    text = str(found.get("url") or found.get("hostname") or "").strip()
    if not text:
        raise InvalidRequest(
            f"The engine's URL is not set: neither {option('auth', '.url')} nor OVIRT_URL is set.",
            hint=f"Set {option('auth', '.url')} to https://ENGINE/ovirt-engine/api, or OVIRT_URL.",
        )
    if "@" in text:
        raise InvalidRequest(
            "The engine's URL contains a user name.",
            hint=f"Give user name and password as {option('auth', '.username')} and {option('auth', '.password')}.",
        )
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError as exc:
        raise InvalidRequest(f"{text!r} is not the URL of an engine: {exc}.", hint=_URL) from exc
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise InvalidRequest(f"{text!r} is not the URL of an engine.", hint=_URL)
    path = parts.path.rstrip("/")
    if path in ("", "/ovirt-engine"):
        path = API_PATH
    return f"{parts.scheme}://{parts.netloc}{path}"


def _require_privacy(url: str, insecure: bool) -> None:
    if insecure or not url.startswith("http://"):
        return
    raise InvalidRequest(
        f"{url!r} is not encrypted: the password would be sent in plain text.",
        hint=f"Use https://. On a trusted network, {option('auth', '.insecure: true')} (or OVIRT_INSECURE) allows http://.",
    )


def _require_credentials(found: Mapping[str, Any]) -> None:
    if found.get("token") or found.get("kerberos"):
        return
    missing = [key for key in ("username", "password") if not found.get(key)]
    if missing:
        names = " and ".join(
            f"{option('auth', f'.{key}')} (or {_ENVIRONMENT[key]})" for key in missing
        )
        verb = "is" if len(missing) == 1 else "are"
        raise InvalidRequest(
            f"No credentials for the engine: {names} {verb} not set.",
            hint="Give a token, or a user name (user@profile) and a password.",
        )


def _from_ini(text: str) -> dict[str, Any]:
    """Read AWX's file. The parser does not interpolate, because a password may contain a %."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        # The parser's message quotes the line, which may hold the password.
        raise InvalidRequest(
            f"The file named by OVIRT_INI_PATH is not an INI file ({type(exc).__name__}).",
            hint='It should have a section "ovirt" with ovirt_url, ovirt_username and so on.',
        ) from None
    if not parser.has_section("ovirt"):
        return {}
    section = dict(parser.items("ovirt"))
    keys = ("url", "username", "password", "ca_file")
    return {key: section["ovirt_" + key] for key in keys if section.get("ovirt_" + key)}
