# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as Ansible passes them, and the requests made from them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.vm_guard import (
    GuardRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_info import (
    InfoRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_ovf_info import (
    OvfRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    SnapshotRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    engine_args,
    snapshots_args,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import Spec

SPECS = {
    "attach": snapshots_args.DISK_SNAPSHOT_ATTACH,
    "detach": snapshots_args.DISK_SNAPSHOT_DETACH,
    "snapshot": snapshots_args.VM_SNAPSHOT,
    "info": snapshots_args.DISK_SNAPSHOT_INFO,
    "ovf": snapshots_args.VM_OVF_INFO,
    "plan": snapshots_args.BACKUP_PLAN_INFO,
    "guard": snapshots_args.VM_GUARD,
}
VARIABLES = (
    "OVIRT_URL",
    "OVIRT_HOSTNAME",
    "OVIRT_USERNAME",
    "OVIRT_PASSWORD",
    "OVIRT_TOKEN",
    "OVIRT_CAFILE",
    "OVIRT_INSECURE",
    "OVIRT_INI_PATH",
)


@pytest.fixture(autouse=True)
def _no_engine_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read(options: Spec, timeout: int | None = None, **given: object) -> dict[str, Any]:
    """Parameters as AnsibleModule makes them: types, defaults, aliases."""
    spec = engine_args.engine_spec(timeout, **options)
    found = ArgumentSpecValidator(spec).validate(given)
    assert not found.error_messages
    return dict(found.validated_parameters)


@pytest.mark.parametrize("name", SPECS)
def test_specs_are_complete_and_secrets_are_marked(name: str) -> None:
    spec = engine_args.engine_spec(180, **SPECS[name])
    assert {"auth", "wait", "timeout", "poll_interval"} <= spec.keys()
    auth = spec["auth"]["options"]
    marked = {key for key, option in auth.items() if option.get("no_log")}
    assert marked == {"headers", "password", "token"}
    for option in spec.values():
        assert "type" in option
        assert not (option.get("required") and "default" in option)


def test_modules_that_only_read_do_not_wait() -> None:
    spec = engine_args.engine_spec(None, **snapshots_args.DISK_SNAPSHOT_INFO)
    assert not {"wait", "timeout", "poll_interval"} & spec.keys()
    assert engine_args.patience(read(snapshots_args.VM_OVF_INFO, vm="a")) == Patience()


def test_patience() -> None:
    params = read(snapshots_args.DISK_SNAPSHOT_ATTACH, 180, vm="a", source_vm="b", snapshot="c")
    assert engine_args.patience(params) == Patience(wait=True, timeout=180, poll_interval=3)
    changed = {**params, "wait": False, "timeout": 5, "poll_interval": 1}
    assert engine_args.patience(changed) == Patience(wait=False, timeout=5, poll_interval=1)


@pytest.mark.parametrize("name", ["timeout", "poll_interval"])
@pytest.mark.parametrize("seconds", [0, -1])
def test_times_are_more_than_nothing(name: str, seconds: int) -> None:
    params = {"wait": True, "timeout": 5, "poll_interval": 1, name: seconds}
    with pytest.raises(InvalidRequest, match=f"{name} must be more than 0 seconds, not {seconds}"):
        engine_args.patience(params)


def test_settings_of_the_task() -> None:
    auth = {"hostname": "engine.example", "username": "admin@internal", "password": "x"}
    found = engine_args.settings(read(snapshots_args.VM_OVF_INFO, vm="a", auth=auth))
    assert found.url == "https://engine.example/ovirt-engine/api"
    assert (found.username, found.password) == ("admin@internal", "x")
    assert (found.insecure, found.compress, found.kerberos) == (False, True, False)


def test_settings_as_awx_injects_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ini = tmp_path / "ovirt.ini"
    ini.write_text("[ovirt]\novirt_url=e\novirt_password=50%off\novirt_ca_file=/ca.pem\n")
    monkeypatch.setenv("OVIRT_INI_PATH", str(ini))
    monkeypatch.setenv("OVIRT_URL", "https://engine.example")
    monkeypatch.setenv("OVIRT_USERNAME", "admin@internal")
    found = engine_args.settings(read(snapshots_args.VM_OVF_INFO, vm="a"))
    assert found.url == "https://engine.example/ovirt-engine/api"
    assert (found.username, found.password) == ("admin@internal", "50%off")
    assert found.ca_file == "/ca.pem"


def test_an_ini_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = read(snapshots_args.VM_OVF_INFO, vm="a")
    path = tmp_path / "ovirt.ini"
    monkeypatch.setenv("OVIRT_INI_PATH", str(path))
    with pytest.raises(InvalidRequest, match=r"OVIRT_INI_PATH.*ovirt\.ini"):
        engine_args.settings(params)
    path.write_bytes(b"[ovirt]\novirt_password=\xe9\n")
    with pytest.raises(InvalidRequest, match="OVIRT_INI_PATH"):
        engine_args.settings(params)


def test_attach_request() -> None:
    params = read(snapshots_args.DISK_SNAPSHOT_ATTACH, appliance="a", source_vm="b", snapshot="c")
    assert snapshots_args.disk_snapshot_attach_request(params) == AttachRequest(
        "a", "b", "c", (), AttachSettings()
    )
    params = read(
        snapshots_args.DISK_SNAPSHOT_ATTACH,
        vm="a",
        source_vm="b",
        snapshot="c",
        disks=["d", "e"],
        interface="virtio",
        bootable=True,
        read_only=False,
        pass_discard=True,
        active=False,
        replace=True,
    )
    assert snapshots_args.disk_snapshot_attach_request(params) == AttachRequest(
        "a", "b", "c", ("d", "e"), AttachSettings("virtio", True, False, True, False), replace=True
    )


@pytest.mark.parametrize(
    ("given", "request_"),
    [
        ({"disks": ["d"]}, DetachRequest("a", disks=("d",))),
        ({"all": True}, DetachRequest("a", everything=True)),
        ({"all": True, "disks": []}, DetachRequest("a", everything=True)),
        ({"all": True, "keep": ["d"]}, DetachRequest("a", everything=True, keep=("d",))),
        ({"snapshot": "s"}, DetachRequest("a", snapshot="s")),
        (
            {"snapshot": "s", "source_vm": "b"},
            DetachRequest("a", source="b", snapshot="s"),
        ),
        ({"disks": ["d"], "snapshot": "", "source_vm": ""}, DetachRequest("a", disks=("d",))),
    ],
)
def test_detach_request(given: dict[str, Any], request_: DetachRequest) -> None:
    assert (
        snapshots_args.disk_snapshot_detach_request(
            read(snapshots_args.DISK_SNAPSHOT_DETACH, vm="a", **given)
        )
        == request_
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"disks": []},
        {"snapshot": ""},
        {"all": False},
        {"disks": ["d"], "all": True},
        {"disks": ["d"], "snapshot": "s"},
        {"snapshot": "s", "all": True},
        {"disks": ["d"], "snapshot": "s", "all": True},
    ],
)
def test_what_to_detach_is_said_in_exactly_one_way(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="exactly one of disks, snapshot and all"):
        snapshots_args.disk_snapshot_detach_request(
            read(snapshots_args.DISK_SNAPSHOT_DETACH, vm="a", **given)
        )


def test_snapshot_request() -> None:
    params = read(
        snapshots_args.VM_SNAPSHOT,
        vm="a",
        description="nightly",
        state="absent",
        disks=["d"],
        memory=True,
        correlation_id="Run_1-a",
    )
    assert snapshots_args.vm_snapshot_request(params) == SnapshotRequest(
        "a", "nightly", False, ("d",), True, "Run_1-a"
    )


def test_a_snapshot_request_has_a_mark_of_its_own_and_no_memory() -> None:
    params = read(snapshots_args.VM_SNAPSHOT, vm="a", snapshot="nightly")
    first, second = (snapshots_args.vm_snapshot_request(params) for _unused in range(2))
    assert (first.present, first.memory, first.disks) == (True, False, ())
    assert re.fullmatch(r"[0-9a-f-]{36}", first.correlation_id)
    assert first.correlation_id != second.correlation_id


@pytest.mark.parametrize("mark", ["a b", "a*", "a" * 37, "run.1", "ä", "a\n"])
def test_a_mark_that_the_engine_would_change_is_refused(mark: str) -> None:
    """It would not be found again, or all events would be found by it."""
    params = read(snapshots_args.VM_SNAPSHOT, vm="a", snapshot="nightly", correlation_id=mark)
    with pytest.raises(InvalidRequest, match="correlation id"):
        snapshots_args.vm_snapshot_request(params)


def test_info_and_ovf_requests() -> None:
    params = read(snapshots_args.DISK_SNAPSHOT_INFO, appliance="a", source_vm="b", snapshot="c")
    assert snapshots_args.disk_snapshot_info_request(params) == InfoRequest("a", "b", "c")
    assert snapshots_args.vm_ovf_info_request(
        read(snapshots_args.VM_OVF_INFO, vm="a")
    ) == OvfRequest("a")
    assert snapshots_args.vm_ovf_info_request(
        read(snapshots_args.VM_OVF_INFO, vm="a", snapshot="c")
    ) == OvfRequest("a", "c")


def test_guard_request() -> None:
    params = read(
        snapshots_args.VM_GUARD, vm="a", operations=["export", "migrate", "export"], fail=False
    )
    assert snapshots_args.vm_guard_request(params) == GuardRequest(
        "a", ("export", "migrate"), fail=False
    )
    with pytest.raises(InvalidRequest, match="empty"):
        snapshots_args.vm_guard_request(read(snapshots_args.VM_GUARD, vm="a", operations=[]))


def test_plan_request() -> None:
    params = read(
        snapshots_args.BACKUP_PLAN_INFO, vms=["a", "b"], appliance="c", owner="awx", run_id="r"
    )
    found = snapshots_args.backup_plan_info_request(params)
    assert (found.appliance, found.sources, found.owner, found.run_id) == (
        "c",
        ("a", "b"),
        "awx",
        "r",
    )
    assert found.lease_hours == 24.0
    assert found.started.microsecond == 0
    assert abs(datetime.now(UTC) - found.started) < timedelta(minutes=1)


def test_a_run_without_a_name_gets_one() -> None:
    params = read(snapshots_args.BACKUP_PLAN_INFO, vms=["a"], appliance="c")
    first, second = (snapshots_args.backup_plan_info_request(params) for _unused in range(2))
    assert re.fullmatch(r"[0-9a-f]{12}", first.run_id)
    assert first.run_id != second.run_id


def test_a_plan_needs_vms() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        snapshots_args.backup_plan_info_request(
            read(snapshots_args.BACKUP_PLAN_INFO, vms=[], appliance="c")
        )


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "1e9"])
def test_a_lease_ends_after_it_began_and_before_the_end_of_time(hours: str) -> None:
    params = read(snapshots_args.BACKUP_PLAN_INFO, vms=["a"], appliance="c", lease_hours=hours)
    with pytest.raises(InvalidRequest, match="lease_hours"):
        snapshots_args.backup_plan_info_request(params)
