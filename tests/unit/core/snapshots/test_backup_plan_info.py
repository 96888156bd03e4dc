# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would back up, and every problem."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from unit.samples import APPLIANCE, DISKS, SNAPSHOTS, SOURCE, attachment, disk, snapshot

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Attachment,
    Checkpointed,
    Disk,
    DiskId,
    Location,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.takeover import (
    Leftover,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    backup_plan_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
    ApplianceOverview,
    SourceOverview,
)

HERE = Location("Default", "dc-1")
SYSTEM = disk(DISKS[0], "system")
DATA = disk(DISKS[1], "data")
SHARED = disk(DISKS[2], "shared", shareable=True)


def pairs(*disks: Disk) -> tuple[tuple[Attachment, Disk], ...]:
    return tuple((replace(attachment(one.id), vm_id=SOURCE.id), one) for one in disks)


APART = ApplianceOverview(replace(APPLIANCE, host_id="h1"), HERE)
WEB = SourceOverview("web01", replace(SOURCE, host_id="h2"), pairs(SYSTEM, DATA), location=HERE)


def test_a_vm_that_can_be_backed_up() -> None:
    facts = backup_plan_info.source_dict(WEB, APART)
    assert (facts["name"], facts["vm"]["id"]) == ("web01", SOURCE.id)
    assert [one["disk_id"] for one in facts["disks"]] == [SYSTEM.id, DATA.id]
    assert facts["disks"][0] == {
        "disk_id": SYSTEM.id,
        "alias": "system",
        "virtual_size": SYSTEM.virtual_size,
        "total_size": SYSTEM.total_size,
        "format": "qcow2",
        "interface": "virtio_scsi",
        "bootable": False,
    }
    assert facts["required_bytes"] == SYSTEM.total_size + DATA.total_size
    assert (facts["left_out"], facts["problems"], facts["warnings"]) == ([], [], [])


def test_a_vm_that_was_not_found_has_the_problem_that_it_was_not_found() -> None:
    gone = SourceOverview("gone", problems=("There is no VM 'gone'.",))
    facts = backup_plan_info.source_dict(gone, APART)
    assert facts["name"] == "gone"
    assert facts["vm"] is None
    assert facts["problems"] == ["There is no VM 'gone'."]
    assert (facts["disks"], facts["required_bytes"], facts["warnings"]) == ([], 0, [])


def test_a_vm_that_is_named_twice_counts_once() -> None:
    gone = SourceOverview("gone", problems=("There is no VM 'gone'.",))
    by_id = replace(WEB, word=SOURCE.id)
    assert backup_plan_info.once([WEB, gone, by_id, gone]) == [WEB, gone]
    assert backup_plan_info.once([by_id, WEB]) == [by_id]


def test_a_disk_that_a_snapshot_cannot_include_is_left_out_and_said() -> None:
    facts = backup_plan_info.source_dict(replace(WEB, disks=pairs(SYSTEM, SHARED)), APART)
    assert [one["alias"] for one in facts["disks"]] == ["system"]
    [left] = facts["left_out"]
    assert (left["disk_id"], left["alias"]) == (SHARED.id, "shared")
    assert facts["warnings"] == [
        f"Disk 'shared' of 'web01' will not be in the set: {left['reason']}."
    ]
    assert facts["required_bytes"] == SYSTEM.total_size
    assert facts["problems"] == []


@pytest.mark.parametrize(
    ("source", "appliance", "problem"),
    [
        ({"disks": pairs(SHARED)}, {}, "has no disk that a snapshot could include"),
        ({"disks": ()}, {}, "has no disk that a snapshot could include"),
        (
            {"location": Location("Other", "dc-2")},
            {},
            "is in another data centre than the appliance",
        ),
        ({}, {"vm": replace(APPLIANCE, status="paused")}, "The appliance 'appliance' is paused"),
        ({}, {"held_disk_ids": (DATA.id,)}, "The appliance holds disk 'data' of 'web01' already"),
        ({"problems": ("Ask Ann first.",)}, {}, "Ask Ann first."),
        ({"vm": APPLIANCE}, {"held_disk_ids": (SYSTEM.id, DATA.id)}, "both the source VM and"),
    ],
)
def test_problems(source: dict[str, Any], appliance: dict[str, Any], problem: str) -> None:
    facts = backup_plan_info.source_dict(replace(WEB, **source), replace(APART, **appliance))
    [found] = facts["problems"]
    assert problem in found


def test_a_disk_that_is_held_for_a_dead_run_is_no_problem() -> None:
    held = replace(APART, held_disk_ids=(SYSTEM.id, DATA.id), dead_disk_ids=(SYSTEM.id,))
    assert backup_plan_info.source_dict(WEB, held)["problems"] == [
        "The appliance holds disk 'data' of 'web01' already."
    ]


def test_a_disk_that_both_share_is_no_problem_because_it_is_left_out() -> None:
    appliance = replace(APART, held_disk_ids=(SHARED.id,))
    facts = backup_plan_info.source_dict(replace(WEB, disks=pairs(SYSTEM, SHARED)), appliance)
    assert facts["problems"] == []


@pytest.mark.parametrize(
    ("source_host", "appliance_host", "warned"),
    [("h1", "h1", True), ("h1", "h2", False), ("", "", True), ("h1", "", True)],
)
def test_one_host(source_host: str, appliance_host: str, warned: bool) -> None:
    source = replace(WEB, vm=replace(SOURCE, host_id=source_host))
    appliance = replace(APART, vm=replace(APPLIANCE, host_id=appliance_host))
    assert len(backup_plan_info.warnings(source, appliance)) == warned


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("up", ""),
        ("unknown", ""),
        ("not_responding", ""),
        ("powering_up", ""),
        ("down", "VM 'appliance', is down.*Start it"),
        ("suspended", "VM 'appliance', is suspended.*Start it"),
        ("paused", "VM 'appliance', is paused.*Resume it"),
    ],
)
def test_an_appliance_that_does_not_run_is_told_before_it_is_connected_to(
    status: str, told: str
) -> None:
    facts = backup_plan_info.appliance_dict(replace(APART, vm=replace(APPLIANCE, status=status)))
    assert re.search(told, facts["unreachable"])
    assert bool(facts["unreachable"]) == bool(told)


def test_appliance_dict() -> None:
    facts = backup_plan_info.appliance_dict(APART)
    assert (facts["id"], facts["name"], facts["status"]) == (APPLIANCE.id, "appliance", "up")
    assert facts["host_id"] == "h1"
    assert (
        backup_plan_info.appliance_dict(replace(APART, vm=replace(APPLIANCE, host_id="")))[
            "host_id"
        ]
        is None
    )


MANAGED = disk(DISKS[2], "managed", storage_type="managed_block_storage")


@pytest.mark.parametrize(
    ("disks", "unwanted", "named"),
    [
        ((SYSTEM, DATA), (), []),
        ((SYSTEM, SHARED), (), []),
        ((SYSTEM, disk(DISKS[2], "lun", storage_type="lun")), (), []),
        ((SYSTEM, MANAGED), (), [SYSTEM.id]),
        ((SYSTEM, DATA), (DATA.id,), [SYSTEM.id]),
        ((SYSTEM,), (SYSTEM.id,), []),
    ],
)
def test_a_snapshot_names_disks_only_to_leave_one_out(
    disks: tuple[Disk, ...], unwanted: tuple[str, ...], named: list[str]
) -> None:
    facts = backup_plan_info.source_dict(
        replace(WEB, disks=pairs(*disks), unwanted=unwanted), APART
    )
    assert facts["snapshot_disks"] == named


def test_a_disk_that_is_not_plugged_is_left_out_where_that_is_asked_for() -> None:
    facts = backup_plan_info.source_dict(replace(WEB, unwanted=(DATA.id,)), APART)
    assert [one["alias"] for one in facts["disks"]] == ["system"]
    [left] = facts["left_out"]
    assert left["alias"] == "data"
    assert left["reason"].startswith("it is not plugged")
    assert facts["problems"] == []
    assert facts["required_bytes"] == SYSTEM.total_size


def test_what_is_left_out_stands_against_nothing() -> None:
    broken = replace(MANAGED, status="illegal")
    held = replace(APART, held_disk_ids=(broken.id,))
    assert (
        backup_plan_info.source_dict(replace(WEB, disks=pairs(SYSTEM, broken)), held)["problems"]
        == []
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"vm": replace(SOURCE, status="suspended")}, "'web01' is suspended"),
        ({"snapshots": (snapshot(status="in_preview"),)}, "is previewing snapshot"),
        (
            {"disks": pairs(SYSTEM, replace(DATA, status="illegal"))},
            "Disk 'data' of 'web01' is illegal",
        ),
        (
            {"unplugged": (rules.NamedDisk(DATA.id, "data"),)},
            "Disk 'data' of 'web01' is not plugged",
        ),
    ],
)
def test_states_that_the_engine_would_refuse(changes: dict[str, Any], problem: str) -> None:
    [found] = backup_plan_info.source_dict(replace(WEB, **changes), APART)["problems"]
    assert problem in found


def test_a_snapshot_of_an_earlier_run_that_cannot_be_removed_now() -> None:
    loose = rules.NamedDisk(DATA.id, "data")
    left = Leftover(SOURCE.id, "run-1", SNAPSHOTS[0], "d", "ok")
    layers = [(loose, [SNAPSHOTS[0], SNAPSHOTS[1]])]
    [told] = backup_plan_info.stuck(SOURCE, [left, replace(left, snapshot_id="another")], layers)
    assert "The snapshot of run run-1 of 'web01' has disk 'data'" in told
    assert backup_plan_info.stuck(SOURCE, [left], [(loose, [])]) == []


@pytest.mark.parametrize(("version", "hands_off"), [("4.5.8", True), ("4.5.7", False)])
def test_nothing_is_touched_whose_checkpoints_a_detach_would_clear(
    version: str, hands_off: bool
) -> None:
    source = replace(WEB, checkpointed=Checkpointed((DiskId(DATA.id),)))
    facts = backup_plan_info.source_dict(source, replace(APART, engine_version=version))
    assert facts["hands_off"] is hands_off
    assert bool(facts["problems"]) is hands_off
    assert (
        backup_plan_info.source_dict(WEB, replace(APART, engine_version=version))["hands_off"]
        is False
    )
