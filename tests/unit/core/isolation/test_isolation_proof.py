# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trap, and what fails a proof."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    IsolationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    isolation_proof,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.isolation_proof import (
    MARKER,
    MARKER_OFFSET,
    MIB,
    TRAP_BYTES,
    Observation,
)

NODES = ("/dev/sdb", "/dev/sdb1", "/dev/sdb2", "/dev/sdb3", "/dev/sdb4")
CALM = Observation(
    nodes=NODES,
    uses=(),
    new_devices=(),
    links=("by-id/scsi-x", "by-path/p"),
    properties={node: {"BACKUP_ISOLATED": "1"} for node in NODES},
    lvm=(),
    lvm_said="",
    root_link="/dev/vda1",
    root="/dev/vda1",
    unchanged=True,
)


def test_the_table_is_an_mbr_whose_partitions_lie_in_what_is_written() -> None:
    sector = isolation_proof.table()
    assert len(sector) == 512
    assert sector[-2:] == b"\x55\xaa"
    end = 1
    for index, (kind, first, count) in enumerate(isolation_proof.PARTS.values()):
        entry = struct.unpack_from("<BxxxBxxxII", sector, 446 + 16 * index)
        assert entry == (0, kind, first, count)
        assert first >= end
        end = first + count
    assert end * 512 <= TRAP_BYTES
    assert MARKER_OFFSET + len(MARKER) <= 2048 * 512


@settings(max_examples=20)
@given(st.integers(0, TRAP_BYTES - 1), st.integers(1, 255), st.booleans())
def test_one_byte_of_data_is_enough_to_refuse(place: int, value: int, at_end: bool) -> None:
    start, end = bytearray(TRAP_BYTES), bytearray(MIB)
    if at_end:
        end[place % MIB] = value
    else:
        start[place] = value
    with pytest.raises(Refused, match="not blank"):
        isolation_proof.check_blank("/dev/sdb", bytes(start), bytes(end))


def test_blank_disks_and_our_own_traps_serve() -> None:
    blank = bytes(TRAP_BYTES)
    assert not isolation_proof.check_blank("/dev/sdb", blank, bytes(MIB))
    trap = bytearray(b"\1" * TRAP_BYTES)
    trap[MARKER_OFFSET : MARKER_OFFSET + len(MARKER)] = MARKER
    assert isolation_proof.check_blank("/dev/sdb", bytes(trap), b"\1")
    with pytest.raises(Refused, match="too small"):
        isolation_proof.check_blank("/dev/sdb", blank[1:], b"")


def test_a_disk_that_was_left_alone_passes() -> None:
    for look in (CALM, replace(CALM, lvm=None), replace(CALM, root_link="")):
        found = isolation_proof.checks(look)
        assert not any(found.values())
        assert ("lvm" in found) == (look.lvm is not None)
        isolation_proof.judge("/dev/sdb", found)


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("parts", {"nodes": NODES[:2]}),
        ("unused", {"uses": ("held by dm-0",)}),
        ("no_new_devices", {"new_devices": ("dm-0",)}),
        ("marked", {"properties": {**CALM.properties, "/dev/sdb2": {}}}),
        ("not_looked_into", {"properties": {**CALM.properties, "/dev/sdb": {
            "BACKUP_ISOLATED": "1", "ID_FS_UUID": "u"}}}),
        ("no_names", {"links": (*CALM.links, "by-uuid/1")}),
        ("no_names", {"links": (*CALM.links, "by-partlabel/1")}),
        ("by_id", {"links": ("by-path/p",)}),
        ("root_link", {"root_link": "/dev/sdb1"}),
        ("bytes", {"unchanged": False}),
        ("lvm", {"lvm": ("/dev/vda2", "/dev/sdb2")}),
        ("lvm", {"lvm_said": "WARNING: Not using device /dev/sdb2 for PV x."}),
    ],
)  # fmt: skip
def test_every_touch_fails_the_proof(check: str, change: dict[str, object]) -> None:
    found = isolation_proof.checks(replace(CALM, **change))  # type: ignore[arg-type]
    assert [name for name, seen in found.items() if seen] == [check]
    with pytest.raises(IsolationFailed, match=check) as caught:
        isolation_proof.judge("/dev/sdb", found)
    assert caught.value.details == {"device": "/dev/sdb", "checks": found}


def test_what_is_kept_of_a_proof() -> None:
    how = {"kind": "disk", "event": "replug", "serial": "s"}
    made = isolation_proof.record(how, ("swap",), {"b": "", "a": ""})
    assert made == {**how, "trap": ["swap"], "checks": ["a", "b"]}
