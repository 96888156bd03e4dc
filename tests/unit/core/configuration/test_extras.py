# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instruction after a configuration: it is read back unchanged, hides nothing, and is not trusted."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.core.restore.test_restore_plan_info import OVF

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    OvfInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import (
    extras,
    ovf,
)

TEXT = st.text(alphabet=st.characters(codec="utf-8"))
FREE = [one for one in extras.TEXTS if one not in (extras.PROTOCOL, extras.FLAG)]
FOUND = st.builds(
    extras.Extras,
    initialization=st.dictionaries(st.sampled_from(FREE), TEXT),
    unreadable=st.lists(st.sampled_from(extras.HIDDEN), unique=True).map(tuple),
    cpu_shares=st.integers(0, 2**31 - 1),
    answered=st.booleans(),
    disk_profiles=st.dictionaries(st.uuids().map(str), st.uuids().map(str)),
)


@given(FOUND)
def test_it_comes_back_from_behind_the_configuration(found: extras.Extras) -> None:
    text = extras.appended(OVF, found)
    assert ovf.read(text).beside == found
    assert text.startswith(OVF), "of the engine's text not a byte is changed"
    ours, theirs = ET.fromstring(text), ET.fromstring(OVF)  # noqa: S314  our own
    assert ET.tostring(ours) == ET.tostring(theirs)
    assert ovf.read(ovf.for_import(text, {})).beside is None


def test_others_may_follow_a_configuration_too() -> None:
    assert ovf.read(f"{OVF}<!-- said --><?other text?>").beside is None
    assert ovf.read(OVF).beside is None


def fact(**changes: object) -> dict[str, Any]:
    return {
        **{"initialization": {}, "unreadable": [], "cpu_shares": 0, "answered": True},
        **changes,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "[]",
        json.dumps(fact(initialization=[])),
        json.dumps(fact(initialization={"host_name": 1})),
        json.dumps(fact(initialization={extras.PROTOCOL: "carrier pigeon"})),
        json.dumps(fact(initialization={extras.FLAG: "maybe"})),
        json.dumps(fact(unreadable="root_password")),
        json.dumps(fact(unreadable=[1])),
        json.dumps(fact(cpu_shares=True)),
        json.dumps(fact(cpu_shares=-1)),
        json.dumps(fact(cpu_shares="1")),
        json.dumps(fact(disk_profiles=[])),
        json.dumps(fact(disk_profiles={"d": "../1"})),
    ],
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(OvfInvalid, match="is followed by unexpected content"):
        ovf.read(f"{OVF}<?{extras.TARGET} {text}?>")


def test_what_the_api_could_not_take_is_left_out() -> None:
    known = fact(initialization={"host_name": "a", "root_password": "b"})
    found = ovf.read(f"{OVF}<?{extras.TARGET} {json.dumps(known)}?>").beside
    assert found is not None
    assert found.initialization == {"host_name": "a"}


def test_what_has_to_be_written_again() -> None:
    assert extras.changed({"a": "1", "b": "2"}, {"a": "1", "c": "3"}) == {"b": "2"}
