# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs are to be backed up: what a run records, what is retired, and what is not a record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    InvalidRequest,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_vm import (
    Source,
)

THEN, NOW = "2026-11-01T00:00:00Z", "2026-11-23T01:00:00Z"
WEB = Source(uuid(1), "web01", THEN)


def test_what_a_run_records() -> None:
    new = (uuid(2), "db01")
    assert backup_vm.wanted([WEB], [(WEB.id, "web01"), new], NOW) == [Source(*new, NOW)]
    assert backup_vm.wanted([WEB], [(WEB.id, "www")], NOW) == [replace(WEB, name="www")]
    gone = replace(WEB, retired=THEN, reason="old")
    assert backup_vm.wanted([gone], [(WEB.id, "web01")], NOW) == [WEB], "it is backed up again"
    assert backup_vm.wanted([gone], [], NOW) == [], "it was not asked for"


def test_what_is_retired() -> None:
    gone = replace(WEB, retired=NOW, reason="old")
    for word in ("web01", WEB.id):
        assert backup_vm.retired([WEB], [], [word], "old", NOW) == [gone]
    assert backup_vm.retired([gone], [], ["web01"], "old", "2027-01-01T00:00:00Z") == []
    assert backup_vm.retired([gone], [], ["web01"], "", "2027-01-01T00:00:00Z") == []
    [again] = backup_vm.retired([gone], [], ["web01"], "broken", "2027-01-01T00:00:00Z")
    assert again == replace(gone, reason="broken")


def test_a_vm_that_only_its_sets_tell_of_is_retired() -> None:
    sets = [(uuid(2), "db01"), (uuid(2), "old-db01")]
    [found] = backup_vm.retired([WEB], sets, ["old-db01"], "", NOW)
    assert (found.id, found.since, found.retired) == (uuid(2), NOW, NOW)


def test_who_is_retired_is_certain() -> None:
    with pytest.raises(NotFound) as unknown:
        backup_vm.retired([WEB], [], ["web02"], "", NOW)
    assert unknown.value.hint == "It knows: web01."
    with pytest.raises(NotFound) as unknown:
        backup_vm.retired([], [], ["web02"], "", NOW)
    assert unknown.value.hint == "It knows no VM."
    with pytest.raises(Ambiguous) as several:
        backup_vm.retired([WEB], [(uuid(2), "web01")], ["web01"], "", NOW)
    assert several.value.details["matches"] == [uuid(1), uuid(2)]


def test_vms_as_a_plan_has_them() -> None:
    assert backup_vm.named([{"id": uuid(1), "name": "a, b", "status": "up"}]) == [(uuid(1), "a, b")]
    for wrong in ({}, {"id": "../x", "name": "a"}, {"id": None, "name": "a"}):
        with pytest.raises(InvalidRequest):
            backup_vm.named([wrong])


@given(st.text(), st.text(), st.sampled_from(["", NOW]))
def test_records_come_back(name: str, reason: str, retired: str) -> None:
    source = Source(uuid(1), name[:99], THEN, retired, reason[:99])
    assert backup_vm.loads(uuid(1), backup_vm.dumps(source)) == source
    assert source.to_dict()["retired"] == (retired or None)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "x"},
        {"version": 2},
        {"id": uuid(2)},
        {"since": "yesterday"},
        {"retired": "tomorrow"},
    ],
    ids=str,
)
def test_what_is_no_record(change: dict[str, object]) -> None:
    data = {**json.loads(backup_vm.dumps(WEB)), **change}
    assert backup_vm.loads(WEB.id, json.dumps(data).encode()) is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_not_even_json(data: bytes) -> None:
    assert backup_vm.loads(WEB.id, data) is None
