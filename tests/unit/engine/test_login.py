# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a refused login is reported: each reason of a real engine, and pages of others."""

from __future__ import annotations

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import login

PAGE = "<html><head><title>Error</title></head><body>{}</body></html>"
DENIED = "Error during SSO authentication access_denied : Cannot authenticate user '{}': {}"
WRONG = "Unable to log in. Verify your login information or contact the system administrator."


@pytest.mark.parametrize(
    ("text", "begin", "hint"),
    [
        (
            "The user user4@nologin-authz with profile [nologin] is not authorized to perform login",
            "The user may not log in",
            "permit login",
        ),
        (
            "The required scope ovirt-app-api is not granted",
            "does not take this token",
            "ovirt_auth",
        ),
        (
            "invalid_grant: The provided authorization grant for the auth code has expired",
            "has expired or was revoked",
            "Sign in again",
        ),
        (
            "unauthorized_client: The client is not authorized to request an authorization."
            " It's required to access the system using FQDN.",
            "does not answer to the name",
            "SSO_ALTERNATE_ENGINE_FQDNS",
        ),
        (
            DENIED.format("admin@nope", "No valid profile found in credentials"),
            "profile",
            "@internal",
        ),
        (DENIED.format("admin@internal", WRONG), "refused the login", "password"),
        ("Unauthorized", "no login in the request", "proxy"),
        ("Something new", "refused the login", "token"),
    ],
)
def test_each_reason_has_its_own_words_and_remedy(text: str, begin: str, hint: str) -> None:
    found = login.refused(text, {"status": 401})
    assert found.code == "engine_login"
    assert begin in found.message
    assert text in found.message, "the engine's own words are always there"
    assert hint in found.hint
    assert found.details == {"status": 401}


def test_who_may_not_log_in_is_not_sent_to_check_the_password() -> None:
    found = login.refused("The user a@b-authz is not authorized to perform login", {})
    assert "Check user name" not in found.hint
    assert "are right" in found.hint


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (PAGE.format("Unauthorized"), "Unauthorized"),
        (PAGE.format("a &lt;b&gt; &amp;\n c.").encode(), "a <b> & c"),
        ("plain words", "plain words"),
        ("<style>p {}</style><script>x()</script><p>Proxy <b>login</b></p>", "Proxy login"),
        ("", ""),
        ("x" * 1000, "x" * login.LONGEST),
    ],
)
def test_the_text_of_a_page(page: str | bytes, text: str) -> None:
    assert login.page_text(page) == text
