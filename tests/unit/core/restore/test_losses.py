# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore names everything that it does not bring back, whatever the disk was."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from unit.core.restore.test_restore_plan_info import DOMAIN, OVF, REQUEST, SET, TARGET, result
from unit.samples import uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import (
    extras,
    ovf,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Domain,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    losses,
    restore_plan_info,
)

DISK = SET.disks[0]


DEVICES = st.builds(
    partial(replace, ovf.read(OVF).disks[0]),
    format=st.sampled_from(["raw", "qcow2"]),
    sparse=st.booleans(),
    incremental=st.booleans(),
    wipe_after_delete=st.booleans(),
    pass_discard=st.booleans(),
)
DOMAINS = st.builds(partial(replace, DOMAIN), block=st.booleans(), discards=st.booleans())


@given(
    DEVICES, DOMAINS, st.sampled_from([restore_plan_info.EXTENT, restore_plan_info.EXTENT + 512])
)
def test_each_difference_of_a_disk_is_named_and_nothing_else(
    was: ovf.OvfDisk, domain: Domain, size: int
) -> None:
    order = restore_plan_info.order(replace(DISK, virtual_size=size), was, domain)
    named = {one.kind for one in losses.of_disk(was, order)}
    # What the engine makes at all (ImagesHandler.checkImageConfiguration, isPassDiscardSupported).
    raw = order["format"] == "raw"
    assert not (raw and order["incremental"])
    assert raw or order["sparse"] or order["incremental"]
    assert not (domain.block and raw and order["sparse"])
    assert not (order["pass_discard"] and not domain.discards)
    assert not (order["pass_discard"] and domain.block and order["wipe_after_delete"])
    assert order["wipe_after_delete"] == was.wipe_after_delete
    differs = {
        "format": order["format"] != was.format,
        "allocation": order["format"] == was.format and order["sparse"] != was.sparse,
        "pass_discard": order["pass_discard"] != was.pass_discard,
        "incremental": order["incremental"] != was.incremental,
    }
    # A raw disk that becomes qcow2 keeps incremental backup where it had it.
    assert named == {kind for kind, changed in differs.items() if changed}
    assert all(one.do and one.lost for one in losses.of_disk(was, order))


def test_new_ids_are_named_once_for_all_disks() -> None:
    orders = [{"alias": "a", "keep_id": False}, {"alias": "b", "keep_id": True}]
    [loss] = losses.of_ids([*orders, {"alias": "c", "keep_id": False}], "rhel_9x64")
    assert (loss.kind, loss.subject) == ("disk_ids", "disks")
    assert "new serial numbers: a, c." in loss.lost
    assert "LVM devices file" in loss.do
    assert list(losses.of_ids(orders[1:], "")) == []
    [loss] = losses.of_ids(orders, "windows_2022")
    assert "Windows" in loss.do


def test_what_a_vm_loses_follows_its_configuration() -> None:
    was = ovf.read(OVF)
    assert [one.kind for one in losses.of_vm(was)] == ["cpu_shares", "engine"]
    much = replace(was, external=("tpm", "new"), initialized=True, addressed=True)
    assert [one.kind for one in losses.of_vm(much)] == [
        *("tpm", "cloud_init", "cpu_shares", "addresses", "engine"),
    ]
    known = extras.Extras({}, ("root_password",), 0, False)
    assert [one.kind for one in losses.of_vm(replace(much, beside=known))] == [
        *("tpm", "cloud_init", "addresses", "engine"),
    ]


def test_what_was_refused() -> None:
    found = losses.refused("cpu_shares", "VM", "You may not.")
    assert found.lost == "the CPU shares were not set: You may not"


def test_a_disk_profile_that_its_domain_does_not_have() -> None:
    profile, disk_id = uuid(0xAB), SET.disks[0].id
    beside = extras.Extras({}, (), 0, False, {disk_id: profile})
    request = replace(REQUEST, ovf=extras.appended(OVF, beside))
    for at, named in (({}, True), ({profile: uuid(1)}, True), ({profile: DOMAIN.id}, False)):
        found, _warnings = result(request, replace(TARGET, profiles_at=at))
        kinds = [one["kind"] for one in found["losses"]]
        assert ("disk_profile" in kinds) is named
