# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a restore's modules, and the requests made from them."""

from __future__ import annotations

from typing import Any

import pytest
from unit.core.restore.test_restore_plan_info import DISK_ID, ORDER, OVF, facts

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    ManifestInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import restore_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import Spec

MARK = {"owner": "me", "restore_id": "0123456789ab", "run_id": "run1", "appliance": "backup01"}


def given(spec: Spec, **values: object) -> dict[str, Any]:
    """Parameters as Ansible hands them in."""
    return {**{key: option.get("default") for key, option in spec.items()}, **values}


def plan(**values: object) -> dict[str, Any]:
    return given(
        restore_args.RESTORE_PLAN_INFO, appliance="backup01", manifest=facts(), ovf=OVF, **values
    )


def test_a_source() -> None:
    found = restore_args.restore_source_info_request(
        given(restore_args.RESTORE_SOURCE_INFO, repository="/srv", vm="web01", before="2026-11-23")
    )
    assert (found.path, found.vm, found.verify) == ("", "web01", True)
    assert found.before is not None
    assert (
        restore_args.restore_source_info_request(
            given(restore_args.RESTORE_SOURCE_INFO, path="/a")
        ).before
        is None
    )


def test_what_is_to_be_written() -> None:
    images = [{"disk_id": "a", "serial": "b"}]
    found = restore_args.disk_image_restore_request(
        given(restore_args.DISK_IMAGE_RESTORE, path="/a", restore_id="r", images=images)
    )
    assert (found.targets[0].disk_id, found.targets[0].serial, found.device_timeout) == (
        "a",
        "b",
        60.0,
    )


def test_a_plan() -> None:
    found = restore_args.restore_plan_info_request(plan(vnic_profiles={"nic1": None}, name="x"))
    assert found.wishes.vnic_profiles == {"nic1": ""}
    assert (found.wishes.name, found.owner, found.what) == ("x", "default", "vm")
    with pytest.raises(InvalidRequest, match="do not set name"):
        restore_args.restore_plan_info_request(plan(what="disks", name="x"))
    with pytest.raises(InvalidRequest, match="do not set keep_identity"):
        restore_args.restore_plan_info_request(plan(test=True, keep_identity=True))
    with pytest.raises(InvalidRequest, match="A restore of a VM creates a new one"):
        restore_args.restore_plan_info_request(plan(vm="x"))
    with pytest.raises(ManifestInvalid):
        restore_args.restore_plan_info_request({**plan(), "manifest": {}})
    assert restore_args.restore_plan_info_request(plan(what="disks", vm="x")).vm == "x"


def test_disks() -> None:
    values = given(restore_args.RESTORED_DISKS, state="prepared", disks=[ORDER], **MARK)
    found = restore_args.restored_disks_request(values)
    assert (found.state, found.orders[0].disk_id, found.vm) == ("prepared", DISK_ID, "")
    gone = restore_args.restored_disks_request({**values, "state": "absent", "disks": None})
    assert gone.orders == ()


def test_a_vm() -> None:
    values = given(
        restore_args.RESTORED_VM, name="x", disks=[ORDER], vnic_profiles={"nic1": "a/b"}, **MARK
    )
    found = restore_args.restored_vm_request({**values, "cluster_id": "c", "ovf": OVF})
    assert found.state == "present"
    assert found.connections == (("nic1", "a/b"),)
    first = restore_args.restored_vm_request(
        {**values, "state": "prepared", "disks": None, "test": True}
    )
    assert (first.state, first.orders, first.test) == ("prepared", (), True)
    gone = restore_args.restored_vm_request({**values, "state": "absent", "disks": None})
    assert (gone.state, gone.orders, gone.ovf) == ("absent", (), "")
