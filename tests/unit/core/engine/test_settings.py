# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine is and how to log in: task, environment, AWX's file, in this order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.settings import (
    API_PATH,
    EngineSettings,
    complete_url,
    resolve,
)

SECRET = "s%cr(et)#;'\"=%(here)s"
USER = {"username": "admin@internal", "password": SECRET}
URL = {"url": "https://engine.example/ovirt-engine/api"}
ENVIRONMENT = {
    "OVIRT_URL": "https://environment.example",
    "OVIRT_USERNAME": "of-environment",
    "OVIRT_PASSWORD": "environment-password",
    "OVIRT_CAFILE": "/environment/ca.pem",
}
INI = f"""[ovirt]
ovirt_url=https://ini.example
ovirt_username=of-ini
ovirt_password={SECRET}
ovirt_ca_file=/ini/ca.pem
"""


def test_the_task_wins_over_the_environment_and_that_over_the_file() -> None:
    by_ini = resolve(None, {}, INI)
    assert (by_ini.url, by_ini.username) == ("https://ini.example" + API_PATH, "of-ini")
    assert by_ini.ca_file == "/ini/ca.pem"
    by_environment = resolve(None, ENVIRONMENT, INI)
    assert by_environment.url == "https://environment.example" + API_PATH
    assert by_environment.username == "of-environment"
    assert by_environment.password == "environment-password"
    assert by_environment.ca_file == "/environment/ca.pem"
    by_task = resolve({**URL, **USER, "ca_file": "/task/ca.pem"}, ENVIRONMENT, INI)
    assert (by_task.url, by_task.username) == (URL["url"], USER["username"])
    assert (by_task.password, by_task.ca_file) == (SECRET, "/task/ca.pem")


def test_awx_injects_all_but_the_ca_into_the_environment() -> None:
    environment = {key: ENVIRONMENT[key] for key in ENVIRONMENT if key != "OVIRT_CAFILE"}
    found = resolve(None, environment, INI)
    assert found.username == "of-environment"
    assert found.ca_file == "/ini/ca.pem"


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40)
)
def test_a_password_in_the_file_is_taken_as_it_is(password: str) -> None:
    found = resolve(
        None, {}, f"[ovirt]\novirt_url=e\novirt_username=u\novirt_password={password}\n"
    )
    assert found.password == password


def test_empty_values_are_looked_up_elsewhere() -> None:
    nothing = {"url": "", "username": None, "password": "", "ca_file": ""}
    assert resolve(nothing, ENVIRONMENT, INI) == resolve(None, ENVIRONMENT, INI)
    assert resolve(None, dict.fromkeys(ENVIRONMENT, ""), INI) == resolve(None, {}, INI)


@pytest.mark.parametrize(
    ("auth", "environment", "url"),
    [
        ({"hostname": "task.example"}, ENVIRONMENT, "https://task.example"),
        ({"url": "https://task.example"}, {"OVIRT_HOSTNAME": "other"}, "https://task.example"),
        ({}, {"OVIRT_HOSTNAME": "environment.example"}, "https://environment.example"),
        ({"hostname": "other", "url": "https://task.example:80"}, {}, "https://task.example:80"),
    ],
)
def test_the_address_of_one_engine_is_not_mixed_with_that_of_another(
    auth: dict[str, Any], environment: dict[str, str], url: str
) -> None:
    assert resolve({**auth, **USER}, environment, INI).url == url + API_PATH


@pytest.mark.parametrize(
    ("auth", "token"),
    [
        ({}, "of-environment"),
        ({"token": "of-task"}, "of-task"),
        (USER, None),
        ({"username": "other"}, None),
        ({"kerberos": True}, None),
        ({"kerberos": True, "token": "of-task"}, "of-task"),
        ({"kerberos": False}, "of-environment"),
    ],
)
def test_a_user_of_the_task_is_not_overruled_by_a_token_of_the_environment(
    auth: dict[str, Any], token: str | None
) -> None:
    """The SDK prefers a token to a user."""
    environment = {**ENVIRONMENT, "OVIRT_TOKEN": "of-environment"}
    assert resolve(auth, environment).token == token


def test_a_token_of_the_task_is_not_followed_by_a_user_of_the_environment() -> None:
    """The SDK signs in as the user when the token has expired: silently, as another user."""
    settings = resolve({"token": "of-task"}, ENVIRONMENT)
    assert (settings.token, settings.username, settings.password) == ("of-task", None, None)


@pytest.mark.parametrize(
    ("auth", "value", "insecure"),
    [
        ({}, None, False),
        ({}, "", False),
        ({}, "no", False),
        ({}, "True", True),
        ({}, "1", True),
        ({"insecure": False}, "yes", False),
        ({"insecure": True}, "no", True),
        ({"insecure": None}, "on", True),
    ],
)
def test_insecure(auth: dict[str, Any], value: str | None, insecure: bool) -> None:
    environment = {} if value is None else {"OVIRT_INSECURE": value}
    assert resolve({**URL, **USER, **auth}, environment).insecure is insecure


def test_the_rest_of_auth_as_ovirt_auth_returns_it() -> None:
    fact = {
        "token": "t",
        "url": URL["url"],
        "ca_file": None,
        "insecure": True,
        "timeout": 20,
        "compress": False,
        "kerberos": False,
        "headers": {"X-Tenant": "a"},
        "hostname": None,
        "username": None,
        "password": None,
    }
    assert resolve(fact, {}) == EngineSettings(
        url=URL["url"],
        token="t",
        insecure=True,
        timeout=20,
        compress=False,
        headers={"X-Tenant": "a"},
    )
    plain = resolve({**URL, **USER}, {})
    assert (plain.timeout, plain.compress, plain.kerberos, plain.headers) == (0, True, False, {})


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://e/ovirt-engine/api", "https://e/ovirt-engine/api"),
        ("https://e/ovirt-engine/api/", "https://e/ovirt-engine/api"),
        ("https://e/ovirt-engine", "https://e/ovirt-engine/api"),
        ("https://e/", "https://e/ovirt-engine/api"),
        ("https://e", "https://e/ovirt-engine/api"),
        ("HTTPS://e:8443", "https://e:8443/ovirt-engine/api"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/ovirt-engine/api"),
        ("e", "https://e/ovirt-engine/api"),
        ("e:8443", "https://e:8443/ovirt-engine/api"),
        ("[::1]:8443", "https://[::1]:8443/ovirt-engine/api"),
        (" e ", "https://e/ovirt-engine/api"),
        ("https://e/proxy/of/engine", "https://e/proxy/of/engine"),
        ("https://e?x=1#y", "https://e/ovirt-engine/api"),
    ],
)
def test_complete_url(text: str, url: str) -> None:
    assert complete_url({"url": text}) == url
    assert complete_url({"url": url}) == url


@pytest.mark.parametrize("text", ["", " ", "ftp://e", "https://", "file:///etc", "https://[::1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"engine's URL|URL of an engine"):
        complete_url({"url": text})


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ({}, "auth.username (or OVIRT_USERNAME) and auth.password (or OVIRT_PASSWORD) are not set"),
        ({"username": "u"}, "auth.password (or OVIRT_PASSWORD) is not set"),
        ({"password": "p"}, "auth.username (or OVIRT_USERNAME) is not set"),
    ],
)
def test_missing_credentials_are_named(auth: dict[str, Any], missing: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve({**URL, **auth}, {})
    assert missing in str(caught.value)


PLAIN = "http://engine.example"


@pytest.mark.parametrize(
    ("auth", "environment"),
    [
        ({"url": PLAIN}, {}),
        ({"url": PLAIN.upper(), "insecure": False}, {"OVIRT_INSECURE": "1"}),
        ({}, {"OVIRT_URL": PLAIN}),
        ({"hostname": PLAIN}, {}),
    ],
)
def test_a_password_does_not_go_in_clear_unless_asked_for(
    auth: dict[str, Any], environment: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest, match="password would be sent in plain text"):
        resolve({**auth, **USER}, environment)
    assert resolve({"url": PLAIN, "insecure": True, **USER}, {}).url == PLAIN + API_PATH
    assert resolve({"url": PLAIN, **USER}, {"OVIRT_INSECURE": "yes"}).insecure


@pytest.mark.parametrize("auth", [{"token": "t"}, {"kerberos": True}])
def test_a_token_or_a_ticket_needs_no_user(auth: dict[str, Any]) -> None:
    assert resolve({**URL, **auth}, {}).username is None


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=30))
def test_secrets_are_not_shown(secret: str) -> None:
    def settings(word: str) -> EngineSettings:
        auth = {"url": "e", "username": "u", "password": word, "token": word}
        return resolve({**auth, "headers": {"Authorization": word}}, {})

    assume(secret not in repr(settings("-")))
    assert settings(secret).password == secret
    assert secret not in repr(settings(secret))


@pytest.mark.parametrize(
    "text",
    [
        f"ovirt_password={SECRET}\n",
        f"[ovirt]\n{SECRET.replace('=', '')}\n",
        f"[ovirt]\novirt_password=a\novirt_password={SECRET}\n",
        f"[ovirt]\n[ovirt]\novirt_password={SECRET}\n",
        f"[{SECRET}\n",
    ],
)
def test_a_broken_file_is_an_error_that_does_not_quote_it(text: str) -> None:
    """The parser's own message quotes the line."""
    with pytest.raises(InvalidRequest, match="OVIRT_INI_PATH") as caught:
        resolve(None, {}, text)
    shown = f"{caught.value.message} {caught.value.hint} {caught.value.details}"
    assert "cr(et)" not in shown
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", ["https://admin:hidden@e", "ftp://admin:hidden@e", "a:hidden@e"])
def test_a_password_in_the_address_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        complete_url({"url": text})
    assert "hidden" not in caught.value.message + caught.value.hint


def test_other_sections_of_the_file_do_not_matter() -> None:
    assert resolve({**URL, **USER}, {}, "[vmware]\nurl=x\n") == resolve({**URL, **USER}, {})
