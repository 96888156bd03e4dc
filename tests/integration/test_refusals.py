# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules refuse: each refusal has a code and a readable message, and changes nothing."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.playbooks import A_WAIT, Step
from support.scene import Scene

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
)

Json = Any
NOBODY = "4b1f9c77-0f0e-4d55-9d41-0a0f6c1d2e3f"
ATTACH = {"appliance": "backup01", "source_vm": "web01", "snapshot": "nightly backup"}
ADDRESSED: dict[str, dict[str, Json]] = {  # how each module names a VM
    "vm_snapshot": {"vm": "{}", "snapshot": "x"},
    "disk_snapshot_attach": {"appliance": "backup01", "source_vm": "{}", "snapshot": "x"},
    "disk_snapshot_detach": {"appliance": "{}", "all": True},
    "disk_snapshot_info": {"appliance": "{}"},
    "vm_guard": {"vm": "{}", "operations": ["migrate"]},
    "vm_ovf_info": {"vm": "{}"},
    "backup_plan_info": {"vms": ["web01"], "appliance": "{}"},
}


def named(module: str, name: str) -> dict[str, Json]:
    """Options of a module for a VM of this name."""
    return {
        key: value.format(name) if isinstance(value, str) else value
        for key, value in ADDRESSED[module].items()
    }


# ----- names ------------------------------------------------------------------------------------


def test_names_that_are_no_name_of_one_vm(scene: Scene) -> None:
    twin = scene.control.add_vm("twin", data_centre="Second")
    scene.control.patch("vms", twin["id"], name="db01")
    cases = {
        "web02": ("not_found", "web02"),
        NOBODY: ("not_found", NOBODY),
        "db01": ("ambiguous", "db01", twin["id"], "Use the id"),
        "web*": ("invalid_request", "web*", "exactly"),
        'web01" or name="db01': ("invalid_request", "exactly"),
        "": ("invalid_request", "exactly"),
    }
    run = scene.run(*(Step("disk_snapshot_info", {"appliance": name}) for name in cases))
    assert run.complaints == []
    for result, (name, (code, *words)) in zip(run.results, cases.items(), strict=True):
        assert result.failed
        assert result["error_code"] == code, f"{name!r}: {result.message}"
        assert [word for word in words if word not in result.message] == []
    matches = run.results[2]["details"]["matches"]
    assert {match["id"] for match in matches} >= {twin["id"]}
    assert len(matches) == 2


def test_no_module_takes_a_wildcard(scene: Scene) -> None:
    run = scene.run(*(Step(module, named(module, "web*")) for module in ADDRESSED))
    assert run.complaints == []
    for result in run.results:
        assert (result.failed, result["error_code"]) == (True, "invalid_request")
        assert [one.query for one in result.requests if re.search(r"\*|%2A", one.query)] == []


def test_a_snapshot_of_another_vm(scene: Scene) -> None:
    scene.snapshot()
    foreign = scene.snapshot("db01", "of the database")
    for snapshot in (foreign, "of the database", "no such", NOBODY):
        options = {**ATTACH, "snapshot": snapshot}
        result = scene.refused("disk_snapshot_attach", options, "not_found", "web01", snapshot)
        assert result.writes == []
    owner = scene.refused("vm_ovf_info", {"vm": "web01", "snapshot": foreign}, "not_found")
    assert scene.vm_id("db01") in owner.message


def test_the_active_layer_is_no_snapshot(scene: Scene) -> None:
    active = scene.lab.world.active_snapshot(scene.vm_id("web01")).id
    options = {**ATTACH, "snapshot": active}
    assert scene.refused("disk_snapshot_attach", options, "refused", "active").writes == []
    options = {"vm": "web01", "snapshot": active, "state": "absent"}
    assert scene.refused("vm_snapshot", options, "refused", "active").writes == []


def test_disks_that_are_not_there(scene: Scene) -> None:
    scene.snapshot()
    for disk in ("web01_log", NOBODY, "web01_*"):
        options = {**ATTACH, "disks": ["web01_data", disk]}
        words = (disk, "web01_system")
        result = scene.refused("disk_snapshot_attach", options, "not_found", *words)
        assert result.writes == []
    options = {"vm": "web01", "snapshot": "x", "disks": ["web01_log"]}
    scene.refused("vm_snapshot", options, "not_found", "web01_log", "web01_data")


def test_two_disks_of_one_name(scene: Scene) -> None:
    scene.control.add_vm("twins", disks=[{"alias": "disk"}, {"alias": "disk"}])
    night = scene.snapshot("twins")
    options = {**ATTACH, "source_vm": "twins", "disks": ["disk"]}
    scene.refused("disk_snapshot_attach", options, "ambiguous", "'disk'", "id")
    scene.refused(
        "vm_snapshot", {"vm": "twins", "snapshot": "x", "disks": ["disk"]}, "ambiguous", "'disk'"
    )
    rows = scene.lab.world.attachments_of(scene.vm_id("twins"))
    for row in rows:
        settings = AttachSettings()
        scene.engine.attach(scene.vm_id("backup01"), row.disk_id, night, settings)  # type: ignore[arg-type]
    scene.refused(
        "disk_snapshot_detach", {"appliance": "backup01", "disks": ["disk"]}, "ambiguous", "'disk'"
    )
    both = {"appliance": "backup01", "disks": [row.disk_id for row in rows]}
    assert scene.one("disk_snapshot_detach", both).changed
    assert scene.attached() == {}


def test_two_snapshots_of_one_description(scene: Scene) -> None:
    scene.snapshot()
    scene.snapshot()
    scene.refused("disk_snapshot_attach", ATTACH, "ambiguous", "nightly backup", "id")
    for wanted in ("present", "absent"):
        options = {"vm": "web01", "snapshot": "nightly backup", "state": wanted}
        assert scene.refused("vm_snapshot", options, "ambiguous").writes == []


# ----- what was asked for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (
            "disk_snapshot_detach",
            {"appliance": "backup01"},
            "exactly one of disks, snapshot and all",
        ),
        ("disk_snapshot_detach", {"appliance": "backup01", "disks": []}, "empty list"),
        (
            "disk_snapshot_detach",
            {"appliance": "backup01", "all": True, "disks": ["x"]},
            "exactly one",
        ),
        (
            "disk_snapshot_detach",
            {"appliance": "backup01", "all": True, "snapshot": "x"},
            "exactly one",
        ),
        (
            "disk_snapshot_detach",
            {"appliance": "backup01", "disks": ["x"], "snapshot": "y"},
            "exactly one",
        ),
        ("disk_snapshot_attach", {**ATTACH, "timeout": 0}, "timeout"),
        ("disk_snapshot_attach", {**ATTACH, "poll_interval": -1}, "poll_interval"),
        ("vm_snapshot", {"vm": "web01", "snapshot": " "}, "description"),
        ("backup_plan_info", {"vms": [], "appliance": "backup01"}, "empty"),
    ],
)
def test_options_that_make_no_sense(
    scene: Scene, module: str, options: Mapping[str, Json], words: str
) -> None:
    assert scene.refused(module, options, "invalid_request", words).writes == []


def test_options_that_ansible_itself_refuses(scene: Scene) -> None:
    run = scene.run(
        Step("disk_snapshot_info", {}),
        Step("disk_snapshot_info", {"appliance": "backup01", "snapshot": "x"}),
        Step("disk_snapshot_attach", {**ATTACH, "interface": "usb"}),
        Step("vm_snapshot", {"vm": "web01"}),
    )
    words = (
        "one of the following is required: appliance, source_vm",
        "source_vm",
        "usb",
        "snapshot",
    )
    for result, word in zip(run.results, words, strict=True):
        assert result.failed
        assert word in result.message
        assert result.requests == []


# ----- the appliance ----------------------------------------------------------------------------


def test_an_appliance_that_is_paused(scene: Scene) -> None:
    night = scene.snapshot()
    scene.attach("web01_data", night)
    scene.control.status("backup01", "paused")
    options = {**ATTACH, "disks": ["web01_system"]}
    words = ("'backup01' is paused", "appliance-ready", "Resume")
    assert scene.refused("disk_snapshot_attach", options, "refused", *words).writes == []
    detach = {"appliance": "backup01", "all": True}
    assert scene.refused("disk_snapshot_detach", detach, "refused", *words).writes == []


def test_an_appliance_cannot_be_its_own_source(scene: Scene) -> None:
    scene.snapshot()
    options = {**ATTACH, "appliance": "web01"}
    assert scene.refused("disk_snapshot_attach", options, "refused", "'web01'").writes == []


def test_an_appliance_of_another_data_centre(scene: Scene) -> None:
    scene.control.add_vm("far", data_centre="Second")
    scene.snapshot()
    scene.refused("disk_snapshot_attach", {**ATTACH, "appliance": "far"}, "refused", "data centre")


def test_an_appliance_that_starts_is_waited_for(scene: Scene) -> None:
    scene.snapshot()
    scene.control.status("backup01", "powering_up")
    options = {**ATTACH, "timeout": 1, "poll_interval": 1}
    result = scene.refused("disk_snapshot_attach", options, "engine_conflict", "Powering Up")
    assert A_WAIT.search(result.message)


@dataclass(frozen=True)
class Asked:
    """A way to attach that cannot be, and why."""

    options: Mapping[str, Json]
    words: tuple[str, ...]
    down: bool = False


@pytest.mark.parametrize(
    "case",
    [
        Asked({"bootable": True}, ("2 disks", "boot")),
        Asked({"bootable": True, "disks": ["web01_data"]}, ("own_boot", "boot")),
        Asked({"interface": "sata", "read_only": False}, ("sata", "running")),
        Asked({"interface": "ide", "read_only": False}, ("ide", "running")),
        Asked({"interface": "sata"}, ("sata", "read-only"), down=True),
        Asked({"interface": "sata", "active": False}, ("sata", "read-only")),
    ],
    ids=["boot-twice", "boot-already", "sata-plug", "ide-plug", "sata-read-only", "sata-unplugged"],
)
def test_what_no_bus_can_do(scene: Scene, case: Asked) -> None:
    appliance = {"alias": "own_boot", "bootable": True}
    scene.control.add_vm("backup02", disks=[appliance], status="down" if case.down else "up")
    scene.snapshot()
    options = {**ATTACH, "appliance": "backup02", **case.options}
    assert scene.refused("disk_snapshot_attach", options, "refused", *case.words).writes == []


def test_virtio_scsi_that_is_disabled(scene: Scene) -> None:
    scene.control.add_vm("plain", virtio_scsi=False)
    scene.keep_apart("plain")
    scene.snapshot()
    options = {**ATTACH, "appliance": "plain"}
    words = ("VirtIO-SCSI is disabled", "attach with interface: virtio")
    refused = scene.refused("disk_snapshot_attach", options, "refused", *words)
    assert "Resume" not in refused.message, "that is no remedy here"
    assert scene.one("disk_snapshot_attach", {**options, "interface": "virtio"}).changed


def test_an_illegal_image(scene: Scene) -> None:
    scene.snapshot()
    disk = scene.disk_ids("web01")["web01_data"]
    active = scene.lab.world.disks[disk].active_volume_id
    scene.control.patch("volumes", active, status="illegal")
    scene.refused("disk_snapshot_attach", ATTACH, "refused", "illegal", "disk-healthy")


# ----- what is attached already -----------------------------------------------------------------


def test_another_snapshot_is_attached_already(scene: Scene) -> None:
    old, new = scene.snapshot(description="old"), scene.snapshot()
    scene.attach("web01_data", old)
    words = ("web01_data", old, "one-per-disk", "replace")
    assert scene.refused("disk_snapshot_attach", ATTACH, "refused", *words).writes == []
    run = scene.run(
        Step("disk_snapshot_attach", {**ATTACH, "replace": True}, (), {"check_mode": True}),
        Step("disk_snapshot_attach", {**ATTACH, "replace": True}),
        Step("disk_snapshot_attach", {**ATTACH, "replace": True}),
    )
    check, real, again = run.results
    assert (check.changed, real.changed, again.changed) == (True, True, False)
    assert check.writes == []
    assert [one.method for one in real.writes] == ["DELETE", "POST", "POST"]
    assert scene.attached() == {"web01_data": new, "web01_system": new}


def test_an_unknown_snapshot_is_attached_already(scene: Scene) -> None:
    """Several snapshots, and no event left: nobody can tell which one it is."""
    old, new = scene.snapshot(description="old"), scene.snapshot()
    scene.attach("web01_data", old)
    scene.forget_events()
    options = {**ATTACH, "disks": ["web01_data"]}
    words = ("web01_data", "unknown which")
    assert scene.refused("disk_snapshot_attach", options, "refused", *words).writes == []
    by_snapshot = {"appliance": "backup01", "source_vm": "web01", "snapshot": "nightly backup"}
    refused = scene.refused("disk_snapshot_detach", by_snapshot, "refused", "web01_data", "disks")
    assert refused.writes == []
    [held] = scene.one("disk_snapshot_info", {"appliance": "backup01"})["attachments"]
    assert (held["snapshot_id"], held["evidence"]) == (None, "unknown")
    assert scene.one("disk_snapshot_attach", {**options, "replace": True}).changed
    assert scene.attached() == {"web01_data": new}


def test_a_disk_that_was_renamed_while_it_is_attached(scene: Scene) -> None:
    """Old events and snapshots keep the old name; ids and the names of now find the disk all the same."""
    old, _new = scene.snapshot(description="old"), scene.snapshot()
    scene.attach("web01_data", old)
    scene.control.patch("disks", scene.disk_ids("web01")["web01_data"], alias="renamed")
    [held] = scene.one("disk_snapshot_info", {"appliance": "backup01"})["attachments"]
    assert (held["alias"], held["snapshot_id"], held["evidence"]) == ("renamed", old, "event")
    options = {**ATTACH, "snapshot": "old", "disks": ["renamed"]}
    again = scene.one("disk_snapshot_attach", options)
    assert (again.changed, [one["alias"] for one in again["disks"]]) == (False, ["renamed"])
    of_old = {"appliance": "backup01", "source_vm": "web01", "snapshot": "old"}
    assert scene.one("disk_snapshot_detach", of_old).changed
    assert scene.attached() == {}


def test_the_same_snapshot_with_other_settings(scene: Scene) -> None:
    night = scene.snapshot()
    scene.attach("web01_data", night, settings=AttachSettings(read_only=False))
    options = {**ATTACH, "disks": ["web01_data"]}
    words = ("web01_data", "read_only is False, not True")
    scene.refused("disk_snapshot_attach", options, "refused", *words)
    assert scene.one("disk_snapshot_attach", {**options, "replace": True}).changed
    [row] = [row for row in scene.control.world()["attachments"] if row["snapshot_id"]]
    assert row["read_only"]


def test_an_ordinary_disk_is_never_detached(scene: Scene) -> None:
    scene.control.add_vm("backup02", disks=[{"alias": "storage"}])
    scene.keep_apart("backup02")
    detach = {"appliance": "backup02", "disks": ["storage"]}
    words = ("storage", "not a disk snapshot", "detach-only")
    assert scene.refused("disk_snapshot_detach", detach, "refused", *words).writes == []
    assert not scene.one("disk_snapshot_detach", {"appliance": "backup02", "all": True}).changed
    scene.snapshot()
    at_source = {"appliance": "web01", "disks": ["web01_data"]}
    assert scene.refused("disk_snapshot_detach", at_source, "refused", "web01_data").writes == []
    replacing = {**ATTACH, "appliance": "backup02", "replace": True}
    shared = scene.lab.world
    with shared.lock:  # the live disk of the source VM, as an administrator might attach it
        row = shared.attachments.pop((scene.vm_id("web01"), scene.disk_ids("web01")["web01_data"]))
        row.vm_id = scene.vm_id("web01")
        shared.attachments[(row.vm_id, row.disk_id)] = row
    assert scene.one("disk_snapshot_attach", replacing).changed
    assert scene.attached("backup02")["storage"] is None


def test_attached_disk_snapshots_keep_their_snapshot(scene: Scene) -> None:
    night = scene.snapshot()
    scene.attach("web01_data", night)
    options = {"vm": "web01", "snapshot": "nightly backup", "state": "absent"}
    words = ("web01_data", "backup01", "Detach", "[source-frozen]")
    scene.refused("vm_snapshot", options, "refused", *words)


def test_a_guard_speaks_for_both_sides(scene: Scene) -> None:
    """Asked before anything is tried: what the engine would refuse or silently do."""
    scene.attach("web01_data", scene.snapshot())
    source = {"vm": "web01", "operations": ["remove_snapshot"]}
    words = ("web01_data", "backup01")
    assert scene.refused("vm_guard", source, "refused", *words).writes == []
    appliance = {"vm": "backup01", "operations": ["migrate", "export_ova"]}
    result = scene.refused("vm_guard", appliance, "refused", "web01_data")
    rules = {one["rule"] for one in result["details"]["violations"]}
    assert rules == {"no-migration", "no-export"}
    assert not scene.one("vm_guard", {"vm": "db01", "operations": ["remove_snapshot"]}).failed


# ----- snapshots that are not ready -------------------------------------------------------------


def test_a_snapshot_that_stays_locked(scene: Scene) -> None:
    scene.control.add_fault("stick_snapshot")
    scene.snapshot(settle=False)
    hurry = {"timeout": 1, "poll_interval": 1}
    locked = scene.refused("disk_snapshot_attach", {**ATTACH, **hurry}, "engine_conflict", "LOCKED")
    assert A_WAIT.search(locked.message)
    options = {"vm": "web01", "snapshot": "nightly backup", **hurry}
    result = scene.refused("vm_snapshot", options, "timeout", "snapshot locked", "1 s", "timeout")
    assert result["details"]["last_state"] == "snapshot locked"
    assert result["details"]["waited_seconds"] >= 1
    assert result.writes == []


def test_a_snapshot_that_is_released_is_waited_for(scene: Scene) -> None:
    scene.control.settings(snapshot_polls=1, linger=1.0)
    night = scene.snapshot(settle=False)
    result = scene.one("disk_snapshot_attach", {**ATTACH, "poll_interval": 1})
    assert result.changed
    assert set(scene.attached().values()) == {night}


def test_a_snapshot_in_preview(scene: Scene) -> None:
    night = scene.snapshot()
    scene.control.patch("snapshots", night, status="in_preview")
    assert scene.refused("disk_snapshot_attach", ATTACH, "refused", "preview").writes == []


def test_a_lock_that_is_released(scene: Scene) -> None:
    scene.snapshot()
    disk = scene.disk_ids("web01")["web01_data"]
    scene.control.lock("disk", disk)
    options = {**ATTACH, "disks": ["web01_data"], "timeout": 1, "poll_interval": 1}
    words = ("Related operation is currently in progress",)
    result = scene.refused("disk_snapshot_attach", options, "engine_conflict", *words)
    assert A_WAIT.search(result.message)
    assert len(result.sent("POST", "diskattachments")) > 2
    scene.control.unlock()
    assert scene.one("disk_snapshot_attach", options).changed


# ----- the way to the engine --------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """An obstacle between here and the engine: what auth says, and the answer it gets."""

    code: str
    words: tuple[str, ...]
    auth: Mapping[str, Json] = field(default_factory=dict)
    fault: Mapping[str, Json] | None = None


HTML = "<html><body><h1>503 Service Unavailable</h1>the proxy</body></html>"
WAYS = {
    "wrong-password": Way(
        "engine_login", ("refused the login", "user@profile"), {"password": "no"}
    ),
    "wrong-token": Way("engine_login", ("expired or was revoked",), {"token": "made-up"}),
    "missing-ca": Way(
        "engine_untrusted", ("/none/ca.pem", "cannot be read"), {"ca_file": "/none/ca.pem"}
    ),
    "nobody-listens": Way(
        "engine_unavailable", ("cannot be reached", "network"), {"url": "https://localhost:9"}
    ),
    "no-such-host": Way(
        "engine_unavailable", ("cannot be reached",), {"url": "https://engine.invalid"}
    ),
    "not-the-api": Way("engine_unavailable", ("the URL is wrong",), {"url": "{url}/v9"}),
    "proxy-page": Way(
        "engine_unavailable", ("not an engine's answer",), fault={"status": 503, "body": HTML}
    ),
    "portal-page": Way(
        "engine_unavailable", ("not an engine's answer",), fault={"status": 200, "body": HTML}
    ),
    "empty-502": Way(
        "engine_unavailable", ("not an engine's answer", "502"), fault={"status": 502}
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_ways_that_lead_to_no_engine(scene: Scene, name: str) -> None:
    scene.snapshot()
    way = WAYS[name]
    if way.fault is not None:
        scene.control.add_fault("respond", method="GET", path="/api/vms", times=-1, **way.fault)
    auth = {**scene.lab.auth(), **way.auth}
    if "{url}" in auth["url"]:
        auth["url"] = auth["url"].replace("{url}", scene.lab.url)
    if "token" in auth:
        auth = {key: auth[key] for key in ("url", "ca_file", "token")}
    result = scene.refused("disk_snapshot_attach", {**ATTACH, "auth": auth}, way.code, *way.words)
    assert result.writes == []


def test_a_certificate_of_another_ca(scene: Scene, foreign_ca: str) -> None:
    auth = {**scene.lab.auth(), "ca_file": foreign_ca}
    options = {"appliance": "backup01", "auth": auth}
    words = ("certificate", "ca_file", "pki-resource")
    result = scene.refused("disk_snapshot_info", options, "engine_untrusted", *words)
    assert result.requests == []
    trusting = {**auth, "insecure": True}
    assert not scene.one("disk_snapshot_info", {"appliance": "backup01", "auth": trusting}).failed


def test_an_engine_that_goes_away_in_the_middle(scene: Scene) -> None:
    scene.snapshot()
    fault = {"method": "GET", "path": "/snapshots", "times": -1}
    scene.control.add_fault("drop_before", **fault)
    result = scene.refused(
        "disk_snapshot_attach", ATTACH, "engine_unavailable", "cannot be reached"
    )
    assert "pycurl" not in result.message
    assert result.writes == []


def test_an_engine_that_is_off(scene: Scene) -> None:
    scene.snapshot()
    scene.control.engine(up=False)
    try:
        scene.refused("vm_ovf_info", {"vm": "web01"}, "engine_unavailable", "that the engine runs")
    finally:
        scene.control.engine(up=True)


# ----- permissions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    """A role that is too small for a task."""

    role: str
    module: str
    options: Mapping[str, Json]


@pytest.mark.parametrize(
    "case",
    [
        Role("UserRole", "vm_snapshot", {"vm": "web01", "snapshot": "x"}),
        Role("DiskOperator", "disk_snapshot_attach", ATTACH),
        Role("DiskOperator", "disk_snapshot_detach", {"appliance": "backup01", "all": True}),
    ],
    ids=["snapshot", "attach", "detach"],
)
def test_a_user_who_may_not(scene: Scene, case: Role) -> None:
    night = scene.snapshot()
    if case.module == "disk_snapshot_detach":
        scene.attach("web01_data", night)
    name = f"{uuid.uuid4().hex}@internal"
    places = ("system", scene.vm_id("web01"), scene.vm_id("backup01"))
    grants = [{"role": case.role, "object_id": place} for place in places]
    scene.control.add_user(name, "secret", grants)
    auth = {**scene.lab.auth(), "username": name, "password": "secret"}
    options = {**case.options, "auth": auth}
    result = scene.refused(case.module, options, "engine_permission", "not authorized", "permits")
    assert len(result.writes) == 1, "a refusal for good is not repeated"


def test_a_user_who_sees_nothing(scene: Scene) -> None:
    auth = {**scene.lab.auth(), "username": "guest@internal", "password": "guest-secret"}
    options = {"vm": "web01", "auth": auth}
    scene.refused("vm_ovf_info", options, "not_found", "web01")
