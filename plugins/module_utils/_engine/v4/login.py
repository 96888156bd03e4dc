# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a login was refused, and what to do about it.

The engine answers 401 with an HTML page whose text is the reason (docs/engine.md#login). The SDK
expects XML and shows nothing of that page, so the page is read here, before the SDK gets it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineLoginError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
    SdkObject,
    ovirtsdk4,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 300
"""How many characters of a page a message shows: a proxy's page may be long."""

_TITLE = re.compile(r"<(head|style|script)\b.*?</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Refusal:
    """A kind of refusal: the pattern that matches it, the beginning of the message, and the remedy."""

    pattern: re.Pattern[str]
    begin: str
    hint: str


def _refusal(pattern: str, begin: str, hint: str) -> Refusal:
    return Refusal(re.compile(pattern, re.IGNORECASE), begin, hint)


REFUSALS = (
    _refusal(
        "is not authorized to perform login",
        "The user may not log in to the engine",
        "User name and password are right. Give the user a role with the permit login: on the"
        " system, or on the data centre of the VMs (docs/permissions.md).",
    ),
    _refusal(
        "required scope .* is not granted",
        "The engine does not take this token for its API",
        "Use a token that ovirt.ovirt.ovirt_auth made (its scope is ovirt-app-api), or give user"
        " name and password.",
    ),
    _refusal(
        "required to access the system using FQDN|client is not authorized",
        "The engine does not answer to the name in its address",
        f"Put the engine's own name (its FQDN) into {option('auth', '.url')}; or have the engine take this name too: add it to"
        " SSO_ALTERNATE_ENGINE_FQDNS in a file under /etc/ovirt-engine/engine.conf.d, and restart the service"
        " ovirt-engine. User name and password were not checked.",
    ),
    _refusal(
        "invalid_grant",
        "The token has expired or was revoked",
        "Sign in again right before, with ovirt.ovirt.ovirt_auth. With user name and password"
        " instead of a token a new session begins by itself.",
    ),
    _refusal(
        "No valid profile found|No user name found",
        "The engine does not know the profile of this user",
        "Write the user name with its profile, such as admin@internal (with Keycloak"
        " admin@ovirt@internalsso). With a token the session is over: sign in again.",
    ),
    _refusal(
        "access_denied",
        "The engine refused the login",
        "Check user name (user@profile) and password. A locked account and an expired password"
        " give the same message.",
    ),
    _refusal(
        "^Unauthorized$",
        "The engine found no login in the request",
        "Either a proxy removed the Authorization header, or the token is empty.",
    ),
)
"""The first matching pattern counts. The engine's texts: docs/engine.md#login."""

OTHER = _refusal(
    "", "The engine refused the login", "Check user name (user@profile), password or token."
)


def refused(text: str, details: Mapping[str, Any]) -> EngineLoginError:
    """Return the error that says why a login was refused.

    Args:
        text: What the engine said.
    """
    kind = next((one for one in REFUSALS if one.pattern.search(text)), OTHER)
    return EngineLoginError(f"{kind.begin} ({text}).", hint=kind.hint, details=dict(details))


def page_text(body: str | bytes) -> str:
    """Return the readable text of an engine's page, in one line.

    Args:
        body: The body of an answer, as the SDK keeps it.
    """
    page = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    words = html.unescape(_TAG.sub(" ", _TITLE.sub(" ", page))).split()
    return " ".join(words).rstrip(".")[:LONGEST]


def watch(connection: SdkObject, *, renews: bool) -> None:
    """Make a connection report the reason of a 401.

    Args:
        renews: Whether the SDK may log in again after a 401. Without a password it would ask for a
            token of the user None, and report that refusal instead of the reason.
    """
    wait = connection.wait

    def told(context: SdkObject, failed_auth: bool = False) -> SdkObject:
        response = wait(context, failed_auth or not renews)
        if response.code == HTTPStatus.UNAUTHORIZED:
            text = page_text(response.body or "") or HTTPStatus.UNAUTHORIZED.phrase
            raise ovirtsdk4.AuthError(text, code=HTTPStatus.UNAUTHORIZED.value)
        return response

    connection.wait = told
