# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in with names and passwords of any characters, by form, by Basic and through the SDK."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator

import ovirtsdk4
import pytest

from lab.engine.client import ApiClient
from lab.lab import Lab

TEXTS = (
    "ü",
    "Müßig Ähre",
    "合言葉",
    "100%",
    "%41%",
    "a+b",
    "a&b=c",
    "=",
    "&x",
    "a b",
    ":p:",
    "'\"<>",
)
FORM = "/ovirt-engine/sso/oauth/token"
NAMES = ("jürgen", "山田", "50%25", "a+b", "a&b", "a=b")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


def _account(lab: Lab, name: str, password: str) -> tuple[str, str]:
    full = f"{name}@internal"
    lab.control().add_user(full, password, [{"role": "BackupRole"}])
    return full, password


def _signs_in(lab: Lab, name: str, password: str) -> None:
    """The account signs in each way, and with no other password."""
    with ApiClient(lab.url, str(lab.identity.ca_file), name, password) as api:
        assert len(api.get("vms").xml()) > 0
        word = base64.b64encode(f"{name}:{password}".encode()).decode()
        assert api.get("vms", Authorization=f"Basic {word}").status == 200
        wrong = base64.b64encode(f"{name}:{password}ü".encode()).decode()
        assert api.get("vms", Authorization=f"Basic {wrong}").status == 401
    for other in (password + "ü", password[:-1], "ü" + password):
        with (
            contextlib.closing(
                ApiClient(lab.url, str(lab.identity.ca_file), name, other)
            ) as refused,
            pytest.raises(PermissionError, match="Unable to log in"),
        ):
            refused.sign_in()
    connection = ovirtsdk4.Connection(
        url=lab.url, username=name, password=password, ca_file=str(lab.identity.ca_file)
    )
    with contextlib.closing(connection):
        assert connection.authenticate()
        user = connection.system_service().users_service().list()[0]
    assert user.user_name == f"{name}-authz"


@pytest.mark.parametrize("password", TEXTS)
def test_a_password_of_any_characters(lab: Lab, password: str) -> None:
    _signs_in(lab, *_account(lab, "somebody", password))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_characters(lab: Lab, name: str) -> None:
    _signs_in(lab, *_account(lab, name, "ü%+&=合"))


def test_bytes_of_no_text_are_a_refusal_and_no_broken_connection(lab: Lab) -> None:
    with contextlib.closing(ApiClient(lab.url, str(lab.identity.ca_file), "", "")) as api:
        body = b"grant_type=password&username=admin%40internal&password=\xff"
        headers = {"Accept": "application/json"}
        assert api.raw("POST", FORM, body, headers).status == 400
        assert api.raw("POST", FORM, body[:-1] + b"%FF", headers).status == 400
        for value in ("Basic %%%", "Basic \xfc", "Basic /w=="):
            assert api.get("vms", Authorization=value).status == 401
