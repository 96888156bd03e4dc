# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret may occur in anything: results are complete, and masked values are not stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.module_args import module_args

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import arrival
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ValueMasked,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import takeover
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    repository_args,
    restore_args,
    snapshots_args,
)

VM_ID = "5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11"
DISK_ID = "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10"
DESCRIPTION = (
    "Backup by ovirt_community.backup [owner=default run=4f0c2a91d7be expires=2026-11-24T01:00:00Z]"
)
OVF = (
    "<Envelope><Name>web01</Name><MinAllocatedMem>1024</MinAllocatedMem>"
    "<Connection>ovirtmgmt</Connection><ClusterName>Default</ClusterName></Envelope>"
)
SENT: dict[str, Any] = {
    "state": "prepared",
    "repository": "/srv/backup",
    "path": None,
    "run_id": "4f0c2a91d7be",
    "started": "2026-11-23T01:00:00Z",
    "finished": None,
    "correlation_id": "4f0c2a91d7be",
    "vm": {
        "id": VM_ID,
        "name": "web01",
        "cluster": "Default",
        "data_center": "",
        "description": "",
    },
    "snapshot": {
        "id": "2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01",
        "description": DESCRIPTION,
        "date": "2026-11-23T01:00:05+00:00",
    },
    "consistency": "unknown",
    "evidence": [f"Snapshot '{DESCRIPTION}' creation for VM 'web01' has been completed."],
    "versions": {"engine": "4.5.7", "collection": "0.1.0", "qemu_img": "10.0", "ansible": "2.21"},
    "format": "qcow2",
    "compression": "none",
    "disks": [
        {
            "disk_id": DISK_ID,
            "alias": "web01_Disk1",
            "source_interface": "virtio_scsi",
            "source_bootable": True,
            "virtual_size": 1024 * 1024 * 1024,
        }
    ],
    "images": None,
    "ovf": OVF,
    "ovf_sha256": arrival.digest(OVF),
}
LEFTOVER: dict[str, Any] = {
    "vm_id": VM_ID,
    "run_id": "4f0c2a91d7be",
    "snapshot_id": "2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01",
    "description": DESCRIPTION,
    "status": "ok",
    "attached": [DISK_ID],
    "expired": False,
}
RESTORED: dict[str, Any] = {
    "owner": "default",
    "restore_id": "4f0c2a91d7be",
    "run_id": "4f0c2a91d7be",
    "appliance": "2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01",
    "name": "web01",
    "vm": "web01",
    "cluster_id": VM_ID,
    "disks": [{"id": DISK_ID, "alias": "web01_Disk1", "size": 1024, "ovirt": "Default"}],
    "vnic_profiles": {"nic1": "ovirtmgmt/ovirtmgmt"},
}
RESULT = {"plans": [SENT], "leftovers": [LEFTOVER], "description": DESCRIPTION, "ovf": OVF}
TEXT = json.dumps(RESULT)
COMMON = ["ovirt", "1024", "backup", "Default", "e", "*", "web01", DESCRIPTION, OVF, DISK_ID]

passwords = st.one_of(
    st.sampled_from(COMMON),
    st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 12)).map(
        lambda cut: TEXT[cut[0] : cut[0] + cut[1]]
    ),
).filter(str.strip)


class Returned(Operation[NoStep]):
    """An operation that returns much."""

    def plan(self) -> Plan[NoStep]:
        return Plan(result=RESULT)

    def execute(self, plan: Plan[NoStep], /) -> Mapping[str, Any]:
        raise AssertionError(plan)


def returned(
    password: str, capsys: pytest.CaptureFixture[str], operation: Operation[NoStep]
) -> dict[str, Any]:
    """Return what a module of the engine prints, made by the real AnsibleModule of this environment."""
    options = {"vm": password, "auth": {"url": "https://e", "username": "u", "password": password}}
    with module_args(options):
        module = AnsibleModule(argument_spec=engine_args.engine_spec(vm={"type": "str"}))
        with pytest.raises(SystemExit):
            edge.run(module, lambda _params: operation)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(password=passwords)
def test_a_result_leaves_whole_whatever_the_password(
    password: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = returned(password, capsys, Returned())
    assert {key: found[key] for key in RESULT} == RESULT


def test_what_was_given_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    found = returned("hunter2", capsys, Returned())
    assert "hunter2" not in json.dumps(found)


def test_a_failure_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    class Fails(Returned):
        def plan(self) -> Plan[NoStep]:
            raise BackupError("The engine says hunter2.")

    found = returned("hunter2", capsys, Fails())
    assert found["msg"] == "The engine says ********."


@given(password=passwords)
def test_a_masked_value_is_never_stored(password: str) -> None:
    """The second lock: whoever masks on the way, the set is not begun."""
    arrived = remove_values(SENT, {password})
    if arrived == SENT:
        repository_args.prepare_request(arrived)
        return
    with pytest.raises(ValueMasked) as caught:
        repository_args.prepare_request(arrived)
    assert caught.value.details["values"]
    assert "password" in caught.value.hint


@given(password=passwords)
def test_a_masked_leftover_is_not_looked_for(password: str) -> None:
    arrived = remove_values(LEFTOVER, {password})
    if arrived == LEFTOVER:
        takeover.named([arrived])
        return
    with pytest.raises(ValueMasked):
        takeover.named([arrived])


@pytest.mark.parametrize(
    ("request_of", "spec"),
    [
        (restore_args.restored_disks_request, restore_args.RESTORED_DISKS),
        (restore_args.restored_vm_request, restore_args.RESTORED_VM),
    ],
)
@given(password=passwords)
def test_nothing_is_restored_from_what_was_masked(
    request_of: Callable[[Mapping[str, Any]], object], spec: Mapping[str, Any], password: str
) -> None:
    sent = {key: value for key, value in RESTORED.items() if key in spec}
    arrived = remove_values(sent, {password})
    if arrived == sent:
        return
    with pytest.raises(ValueMasked):
        request_of(arrived)


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("password", ["ovirt", "backup", "4f0c2a91d7be", DESCRIPTION])
def test_a_masked_description_is_neither_sent_nor_looked_for(password: str, state: str) -> None:
    params = {
        "vm": "web01",
        "snapshot": remove_values(DESCRIPTION, {password}),
        "state": state,
        "disks": [],
        "memory": False,
        "correlation_id": None,
    }
    with pytest.raises(ValueMasked, match="snapshot"):
        snapshots_args.vm_snapshot_request(params)


def test_asterisks_of_ones_own_in_what_a_digest_vouches_for() -> None:
    ovf = OVF.replace("web01", "********")
    vm = {**SENT["vm"], "description": "password: ********"}
    repository_args.prepare_request(
        {**SENT, "vm": vm, "ovf": ovf, "ovf_sha256": arrival.digest(ovf)}
    )
    with pytest.raises(ValueMasked, match="ovf was changed before it reached the module"):
        repository_args.prepare_request({**SENT, "ovf": ovf})
    with pytest.raises(ValueMasked) as caught:
        repository_args.prepare_request({**SENT, "ovf": OVF + " "})
    assert caught.value.hint == "Pass ovf unchanged."
