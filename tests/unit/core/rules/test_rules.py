# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.samples import (
    APPLIANCE,
    DISKS,
    SNAPSHOTS,
    SOURCE,
    disk,
    holding,
    snapshot,
    snapshot_disk,
)

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineConflict,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import conflicts
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    NO_CHECKPOINTS,
    AttachSettings,
    Checkpointed,
    Location,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules

ALL = [value for value in vars(rules).values() if isinstance(value, rules.Rule)]
BOOTABLE = AttachSettings(bootable=True)


def test_rules_are_complete_and_their_ids_are_stable_names() -> None:
    ids = [rule.id for rule in ALL]
    assert len(set(ids)) == len(ids)
    assert set(ids) >= {
        "appliance-ready",
        "boot",
        "checkpoints",
        "detach-only",
        "disk-healthy",
        "interface",
        "no-export",
        "no-migration",
        "no-template",
        "not-in-snapshot",
        "not-its-own",
        "one-per-disk",
        "same-data-center",
        "same-host",
        "snapshot-regular",
        "source-frozen",
    }
    for rule in ALL:
        for text in (rule.sentence, rule.reason, rule.remedy):
            assert text.endswith((".", ")"))


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ("up", True),
        ("down", True),
        # These pass by themselves: the engine's refusal is waited out.
        ("powering_up", True),
        ("powering_down", True),
        ("wait_for_launch", True),
        ("reboot_in_progress", True),
        ("migrating", True),
        ("saving_state", True),
        ("restoring_state", True),
        ("image_locked", True),
        # The engine attaches to a paused VM and does not detach from it.
        ("paused", False),
        ("suspended", False),
        ("not_responding", False),
        ("unknown", False),
        ("unassigned", False),
        ("image_illegal", False),
        ("", False),
    ],
)
def test_appliance_ready(status: str, ready: bool) -> None:
    found = rules.appliance_ready(replace(APPLIANCE, status=status))
    assert [one.rule for one in found] == ([] if ready else [rules.APPLIANCE_READY])
    assert [one.evidence for one in found] == ([] if ready else [{"status": status}])


@pytest.mark.parametrize(
    ("kind", "status", "usable"),
    [
        ("regular", "ok", True),
        ("regular", "locked", True),
        ("regular", "in_preview", False),
        ("active", "ok", False),
        ("preview", "ok", False),
        ("stateless", "ok", False),
        ("", "ok", False),
    ],
)
def test_snapshot_usable(kind: str, status: str, usable: bool) -> None:
    found = rules.snapshot_usable(snapshot(kind=kind, status=status))
    assert [one.rule for one in found] == ([] if usable else [rules.SNAPSHOT_REGULAR])


def test_disks_healthy() -> None:
    disks = [
        snapshot_disk(DISKS[0]),
        snapshot_disk(DISKS[1], status="illegal"),
        snapshot_disk(DISKS[2], status="locked"),
    ]
    found = rules.disks_healthy(disks)
    assert [one.evidence for one in found] == [{"disk_id": DISKS[1], "status": "illegal"}]


def test_a_vm_is_not_its_own_appliance() -> None:
    assert rules.not_its_own(APPLIANCE, SOURCE) == []
    again = replace(APPLIANCE, name="by another name")
    assert [one.rule for one in rules.not_its_own(APPLIANCE, again)] == [rules.NOT_ITS_OWN]


def test_nothing_bootable_was_asked_for() -> None:
    own = holding(DISKS[3], foreign=False, settings=BOOTABLE)
    disks = [snapshot_disk(DISKS[0]), snapshot_disk(DISKS[1])]
    assert rules.bootable_alone(AttachSettings(), disks, [own]) == []


def test_only_one_disk_can_boot() -> None:
    disks = [snapshot_disk(DISKS[0]), snapshot_disk(DISKS[1])]
    found = rules.bootable_alone(BOOTABLE, disks, [])
    assert [one.evidence for one in found] == [{"disk_ids": [DISKS[0], DISKS[1]]}]


@pytest.mark.parametrize("foreign", [True, False])
def test_the_appliance_has_a_boot_disk_already(foreign: bool) -> None:
    held = [
        holding(DISKS[0], settings=BOOTABLE),  # the very disk that is asked for
        holding(DISKS[1]),
        holding(DISKS[2], foreign=foreign, settings=BOOTABLE),
    ]
    found = rules.bootable_alone(BOOTABLE, [snapshot_disk(DISKS[0])], held)
    assert [one.evidence for one in found] == [{"disk_id": DISKS[2]}]
    assert rules.bootable_alone(BOOTABLE, [snapshot_disk(DISKS[0])], held[:2]) == []


@pytest.mark.parametrize(
    ("interface", "read_only", "active", "status", "count"),
    [
        ("virtio_scsi", True, True, "up", 0),
        ("virtio", True, True, "up", 0),
        ("spapr_vscsi", True, True, "up", 1),
        ("spapr_vscsi", True, True, "down", 0),
        ("spapr_vscsi", True, False, "up", 0),
        ("sata", False, True, "up", 1),
        ("sata", False, True, "down", 0),
        ("sata", True, False, "down", 1),
        ("ide", True, True, "up", 2),
        ("ide", False, False, "up", 0),
    ],
)
def test_interface_fits(
    interface: str, read_only: bool, active: bool, status: str, count: int
) -> None:
    settings = AttachSettings(interface=interface, read_only=read_only, active=active)
    found = rules.interface_fits(settings, replace(APPLIANCE, status=status))
    assert [one.rule for one in found] == [rules.INTERFACE] * count


def test_only_disk_snapshots() -> None:
    held = [holding(DISKS[0]), holding(DISKS[1], foreign=False)]
    found = rules.only_disk_snapshots(held)
    assert [(one.rule, one.evidence) for one in found] == [
        (rules.DETACH_ONLY, {"disk_id": DISKS[1]})
    ]


def test_same_data_center() -> None:
    here, there = Location("Default", "dc-1"), Location("Other", "dc-2")
    assert rules.same_data_center(APPLIANCE, SOURCE, (here, replace(here, cluster="b"))) == []
    [found] = rules.same_data_center(APPLIANCE, SOURCE, (here, there))
    assert found.rule is rules.SAME_DATA_CENTER
    assert found.evidence == {"appliance": "dc-1", "source_vm": "dc-2"}


def test_an_appliance_in_preview() -> None:
    calm = [snapshot(SNAPSHOTS[0]), snapshot(SNAPSHOTS[1], status="locked")]
    assert rules.not_in_preview(APPLIANCE, calm) == []
    previewed = snapshot(SNAPSHOTS[2], status="in_preview")
    [found] = rules.not_in_preview(APPLIANCE, [*calm, previewed])
    assert found.rule is rules.APPLIANCE_READY
    assert found.evidence == {"snapshot_id": SNAPSHOTS[2], "status": "in_preview"}


@pytest.mark.parametrize(
    ("version", "clears"),
    [
        ("4.3.10.4-1.el7", False),
        ("4.4.10.7-0.4.el8ev", False),
        ("4.4.10", False),
        ("4.5.7-1.el9", False),
        ("4.5.8-1.el9", True),
        ("4.5.8_master", True),
        ("4.5.10", True),
        ("4.6.0", True),
        ("5.0", True),
        ("4.5.8.1-1.el9", True),
        ("", True),
        ("master", True),
        ("4.5", True),
        ("4.4.0.0", True),
        ("4.5.6-SNAPSHOT", True),
        ("4.5.5-0.master.20230612.el9", True),
        ("4.5.6-1.gitabcdef.el9", True),
    ],
)
def test_checkpoints_are_cleared_by_newer_engines(version: str, clears: bool) -> None:
    assert rules.clears_checkpoints(version) is clears
    disks = [snapshot_disk(DISKS[0]), snapshot_disk(DISKS[1])]
    found = rules.checkpoints_kept(version, disks, Checkpointed((DISKS[1], DISKS[2])))
    assert [one.evidence["disk_id"] for one in found] == [DISKS[1]] * clears
    assert rules.checkpoints_kept(version, disks, NO_CHECKPOINTS) == []


@pytest.mark.parametrize("reason", rules.BY_REASON)
def test_a_refusal_of_the_engine_that_a_rule_foresaw_is_told_as_that_rule(reason: str) -> None:
    [meaning] = [entry for entry in conflicts.TABLE if entry.reason == reason]
    assert not meaning.retryable
    fault = EngineConflict("No.", reason=reason, hint=meaning.hint, details={"status": 409})
    error = rules.explain(fault)
    rule = rules.BY_REASON[reason]
    assert isinstance(error, Refused)
    assert error.message == f"No. [{rule.id}]"
    # What is known of the very case comes before what the rule says for many.
    assert error.hint == (fault.hint or rule.remedy)
    assert meaning.hint in error.hint
    assert (error.details["status"], error.details["reason"]) == (409, reason)
    [violation] = error.details["violations"]
    assert (violation["rule"], violation["evidence"]) == (rule.id, {"reason": reason})


def test_other_refusals_stay_what_they_are() -> None:
    fault = EngineConflict("No.", reason="domain_space")
    assert rules.explain(fault) is fault


def test_enforce() -> None:
    rules.enforce([])
    both = [
        *rules.snapshot_usable(snapshot(SNAPSHOTS[0], "first", kind="active")),
        *rules.snapshot_usable(snapshot(SNAPSHOTS[1], "second", status="in_preview")),
        *rules.not_its_own(APPLIANCE, APPLIANCE),
    ]
    with pytest.raises(Refused) as caught:
        rules.enforce(both)
    error = caught.value
    assert error.message == (
        "Snapshot 'first' is of type active, not regular. [snapshot-regular]"
        " Snapshot 'second' is in preview. [snapshot-regular]"
        " 'appliance' cannot be both the source VM and the appliance. [not-its-own]"
    )
    assert error.hint.count(rules.SNAPSHOT_REGULAR.remedy) == 1, "each remedy is named once"
    assert error.hint.count(rules.NOT_ITS_OWN.remedy) == 1
    assert error.details["violations"][1] == {
        "rule": "snapshot-regular",
        "message": "Snapshot 'second' is in preview.",
        "reason": rules.SNAPSHOT_REGULAR.reason,
        "remedy": rules.SNAPSHOT_REGULAR.remedy,
        "evidence": {"snapshot_id": SNAPSHOTS[1], "type": "regular", "status": "in_preview"},
    }


@pytest.mark.parametrize(
    ("hidden", "why"), [(True, "this user may not see"), (False, "whose parent was deleted")]
)
def test_checkpoints_that_no_list_shows_are_taken_for_possible(hidden: bool, why: str) -> None:
    disks = [snapshot_disk(DISKS[0]), snapshot_disk(DISKS[1]), snapshot_disk(DISKS[2])]
    known = Checkpointed((DISKS[0],), (DISKS[1],), hidden)
    has, may_have = rules.checkpoints_kept("4.5.8", disks, known)
    assert "has checkpoints" in has.message
    assert has.evidence["certain"] is True
    assert "may have checkpoints" in may_have.message
    assert why in may_have.message
    assert may_have.evidence["certain"] is False


@pytest.mark.parametrize(("version", "told"), [("4.4.0.0", "'4.4.0.0'"), ("", "an unknown")])
def test_a_version_that_is_no_release_is_told_as_such(version: str, told: str) -> None:
    known = Checkpointed((DISKS[1],))
    (found,) = rules.checkpoints_kept(version, [snapshot_disk(DISKS[1])], known)
    assert told in found.message
    assert "no release" in found.message


@pytest.mark.parametrize(
    ("source", "appliance", "words"),
    [
        ({"host_id": "h1"}, {"host_id": "h1"}, "run on one host"),
        ({"host_id": "h1"}, {"host_id": "h2"}, None),
        ({"host_id": None}, {"host_id": None}, "It is not known"),
        ({"host_id": "h1"}, {"host_id": None}, "It is not known"),
        ({"host_id": None, "status": "down"}, {"host_id": "h1"}, None),
        ({"host_id": None}, {"host_id": None, "status": "down"}, None),
    ],
)
def test_one_host_is_warned_of_and_so_is_not_knowing(
    source: dict[str, Any], appliance: dict[str, Any], words: str | None
) -> None:
    found = rules.same_host(
        replace(APPLIANCE, **{"status": "up", **appliance}),
        replace(SOURCE, **{"status": "up", **source}),
    )
    assert [one.rule for one in found] == [rules.SAME_HOST] * (words is not None)
    assert words is None or words in found[0].message


def test_every_final_refusal_of_the_engine_has_a_rule_or_a_sentence_why_not() -> None:
    final = {one.reason for one in conflicts.TABLE if not one.retryable}
    passing = {one.reason for one in conflicts.TABLE} - final
    assert final <= set(rules.BY_REASON) | set(rules.NO_RULE)
    assert not set(rules.BY_REASON) & set(rules.NO_RULE)
    assert set(rules.BY_REASON) | set(rules.NO_RULE) <= final | passing
    assert all(why.endswith(".") for why in rules.NO_RULE.values())


@pytest.mark.parametrize("kind", ["image", "", "managed_block_storage", "cinder"])
def test_images_only(kind: str) -> None:
    found = rules.images_only([replace(snapshot_disk(DISKS[1]), storage_type=kind)])
    other = kind not in ("image", "")
    assert [one.rule for one in found] == [rules.IMAGE_DISKS] * other
    assert all(kind in one.message for one in found)


def test_images_legal() -> None:
    disks = [disk(DISKS[0], "fine"), disk(DISKS[1], "broken", status="illegal")]
    [found] = rules.images_legal(SOURCE, disks)
    assert found.rule is rules.DISK_HEALTHY
    assert found.message == f"Disk 'broken' of {SOURCE.name!r} is illegal."


@pytest.mark.parametrize(
    ("status", "snapshot_status", "said"),
    [
        ("up", "ok", []),
        ("down", "locked", []),
        ("paused", "ok", []),
        ("saving_state", "ok", []),
        ("suspended", "ok", ["is suspended"]),
        ("down", "in_preview", ["is previewing snapshot 'nightly'"]),
        ("suspended", "in_preview", ["is suspended", "is previewing"]),
    ],
)
def test_states_in_which_nothing_is_frozen(
    status: str, snapshot_status: str, said: list[str]
) -> None:
    source = replace(SOURCE, status=status)
    known = [snapshot(kind="active"), snapshot(status=snapshot_status)]
    found = rules.source_ready(source, known)
    assert [word in one.message for word, one in zip(said, found, strict=True)] == [True] * len(
        said
    )
