# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of an attach: what is requested and nothing else, once."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import (
    APPLIANCE,
    DISKS,
    SNAPSHOTS,
    SOURCE,
    attach_settings,
    held_disks,
    holding,
    snapshot,
    snapshot_disk,
    vm_states,
)

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
    Holding,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    Checkpointed,
    Location,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachSituation,
    AttachStep,
    DetachStep,
    device_dict,
    differences,
    plan_attach,
)

SETTINGS = AttachSettings()
WANTED = (snapshot_disk(DISKS[0]), snapshot_disk(DISKS[1]))


def situation(*held: Holding, **changes: object) -> AttachSituation:
    now = AttachSituation(
        appliance=APPLIANCE,
        source=SOURCE,
        snapshot=snapshot(SNAPSHOTS[0]),
        disks=WANTED,
        settings=SETTINGS,
        held=held,
    )
    return replace(now, **changes)  # type: ignore[arg-type]


def refusals(now: AttachSituation) -> list[str]:
    with pytest.raises(Refused) as caught:
        plan_attach(now)
    return [one["rule"] for one in caught.value.details["violations"]]


def after(now: AttachSituation) -> AttachSituation:
    """Carry out the plan on the model."""
    held = {one.disk_id: one for one in now.held}
    for step in plan_attach(now).steps:
        if isinstance(step, DetachStep):
            del held[step.disk_id]
            continue
        assert step.disk.disk_id not in held, "an appliance holds one snapshot of a disk"
        held[step.disk.disk_id] = holding(
            step.disk.disk_id, step.disk.snapshot_id, settings=step.settings
        )
    return replace(now, held=tuple(held.values()))


situations = st.builds(
    AttachSituation,
    appliance=vm_states.map(lambda status: replace(APPLIANCE, status=status)),
    source=st.sampled_from([SOURCE, SOURCE, SOURCE, APPLIANCE]),
    snapshot=st.builds(
        snapshot,
        st.just(SNAPSHOTS[0]),
        status=st.sampled_from(["ok", "ok", "locked", "in_preview"]),
        kind=st.sampled_from(["regular", "regular", "regular", "active"]),
    ),
    disks=st.lists(
        st.builds(
            snapshot_disk,
            st.sampled_from(DISKS),
            status=st.sampled_from(["ok", "ok", "ok", "illegal"]),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda disk: disk.disk_id,
    ).map(tuple),
    settings=attach_settings,
    held=held_disks,
    replace=st.booleans(),
)
ready = st.builds(
    replace,
    situations,
    appliance=st.just(APPLIANCE),
    source=st.just(SOURCE),
    snapshot=st.just(snapshot(SNAPSHOTS[0])),
    disks=st.lists(
        st.builds(snapshot_disk, st.sampled_from(DISKS)),
        min_size=1,
        max_size=4,
        unique_by=lambda disk: disk.disk_id,
    ).map(tuple),
    settings=st.builds(
        AttachSettings,
        interface=st.sampled_from(["virtio", "virtio_scsi"]),
        read_only=st.booleans(),
        active=st.booleans(),
    ),
)
"""Situations that are refused for nothing but what the appliance holds."""


def test_nothing_is_attached_yet() -> None:
    plan = plan_attach(situation())
    assert plan.steps == tuple(AttachStep(APPLIANCE, disk, SETTINGS) for disk in WANTED)
    aliases = [disk.alias for disk in WANTED]
    assert plan.before == {"attached": dict.fromkeys(aliases)}
    assert plan.after == {
        "attached": {key: {"snapshot_id": SNAPSHOTS[0], **asdict(SETTINGS)} for key in aliases}
    }
    assert plan.result["attached"] == [DISKS[0], DISKS[1]]
    assert plan.result["appliance"] == {"id": APPLIANCE.id, "name": "appliance"}
    assert plan.result["source_vm"] == {"id": SOURCE.id, "name": "web01"}
    assert plan.result["snapshot"] == {"id": SNAPSHOTS[0], "description": "nightly"}
    assert plan.result["disks"] == [device_dict(disk, SETTINGS) for disk in WANTED]


def test_only_what_is_missing_is_attached() -> None:
    plan = plan_attach(situation(holding(DISKS[0])))
    assert plan.steps == (AttachStep(APPLIANCE, WANTED[1], SETTINGS),)
    alias = WANTED[0].alias
    assert plan.before["attached"][alias] == plan.after["attached"][alias]


def test_all_is_attached_already() -> None:
    plan = plan_attach(situation(holding(DISKS[0]), holding(DISKS[1]), holding(DISKS[2])))
    assert not plan.changed
    assert plan.before == plan.after


def test_what_is_attached_already_stays_whatever_became_of_the_appliance() -> None:
    held = [holding(DISKS[0]), holding(DISKS[1])]
    paused = replace(APPLIANCE, status="paused")
    assert not plan_attach(situation(*held, appliance=paused)).changed
    assert refusals(situation(held[0], appliance=paused)) == ["appliance-ready"]


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (holding(DISKS[0], SNAPSHOTS[1]), f"already attached with snapshot {SNAPSHOTS[1]}"),
        (holding(DISKS[0], None), "unknown which"),
        (holding(DISKS[0], foreign=False), "itself, not as a disk snapshot"),
        (
            holding(DISKS[0], settings=AttachSettings(interface="virtio", read_only=False)),
            "interface is 'virtio', not 'virtio_scsi', read_only is False, not True",
        ),
        (
            holding(DISKS[0], settings=AttachSettings(active=False, read_only=False)),
            "read_only is False, not True, active is False, not True",
        ),
    ],
)
def test_another_attachment_of_the_disk_is_refused(held: Holding, text: str) -> None:
    with pytest.raises(Refused, match="one-per-disk") as caught:
        plan_attach(situation(held))
    assert text in caught.value.message
    [violation] = caught.value.details["violations"]
    assert violation["evidence"] == held.to_dict()
    # Also if nothing else is to be done.
    assert refusals(situation(held, disks=WANTED[:1])) == ["one-per-disk"]


@pytest.mark.parametrize(
    "held",
    [
        holding(DISKS[0], SNAPSHOTS[1]),
        holding(DISKS[0], None),
        holding(DISKS[0], settings=AttachSettings(interface="virtio")),
    ],
)
def test_replace(held: Holding) -> None:
    plan = plan_attach(situation(held, replace=True))
    assert plan.steps == (
        DetachStep(APPLIANCE, DISKS[0], held.alias, held.snapshot_id),
        *(AttachStep(APPLIANCE, disk, SETTINGS) for disk in WANTED),
    )
    before = plan.before["attached"][WANTED[0].alias]
    assert before["snapshot_id"] == (held.snapshot_id or "unknown")
    assert before["interface"] == held.attachment.interface


def test_what_is_in_the_way_goes_before_anything_comes() -> None:
    plan = plan_attach(situation(holding(DISKS[1], SNAPSHOTS[1]), replace=True))
    assert [type(step) for step in plan.steps] == [DetachStep, AttachStep, AttachStep]


def test_replace_does_not_touch_a_disk_of_the_appliance() -> None:
    own = holding(DISKS[0], foreign=False)
    assert refusals(situation(own, replace=True)) == ["one-per-disk"]


def test_what_is_attached_unplugged_is_attached_anew_plugged() -> None:
    unplugged = holding(DISKS[0], settings=AttachSettings(active=False))
    plan = plan_attach(situation(unplugged, disks=WANTED[:1]))
    assert [type(step) for step in plan.steps] == [DetachStep, AttachStep]


def test_what_is_plugged_is_not_pulled_because_it_should_not_be() -> None:
    plugged = holding(DISKS[0])
    unplug = AttachSettings(active=False)
    assert refusals(situation(plugged, disks=WANTED[:1], settings=unplug)) == ["one-per-disk"]


def test_every_rule_that_stands_against_it_is_named() -> None:
    now = situation(
        holding(DISKS[1], SNAPSHOTS[2]),
        appliance=replace(SOURCE, status="paused"),
        snapshot=snapshot(kind="active"),
        disks=(
            snapshot_disk(DISKS[0], status="illegal"),
            replace(WANTED[1], storage_type="managed_block_storage"),
        ),
        settings=AttachSettings(interface="ide", bootable=True),
    )
    assert refusals(now) == [
        "not-its-own",
        "appliance-ready",
        "snapshot-regular",
        "disk-healthy",
        "image-disks",
        "interface",
        "interface",
        "boot",
        "one-per-disk",
    ]


CHECKPOINTED: dict[str, Any] = {
    "engine_version": "4.5.8",
    "checkpointed": Checkpointed((DISKS[1], DISKS[4])),
}


def test_a_disk_with_checkpoints_is_refused_unless_it_is_allowed() -> None:
    assert refusals(situation(**CHECKPOINTED)) == ["checkpoints"]
    for engine_version, checkpoints, warned in [
        ("4.5.8", "warn", True),
        ("4.5.8", "allow", False),
        ("4.5.7", "refuse", False),
        ("4.5.7", "warn", False),
    ]:
        now = situation(**CHECKPOINTED)
        plan = plan_attach(replace(now, engine_version=engine_version, checkpoints=checkpoints))
        assert len(plan.steps) == 2
        assert bool(plan.warnings) is warned


def test_what_is_attached_already_is_not_refused_for_its_checkpoints() -> None:
    now = situation(holding(DISKS[0]), holding(DISKS[1]), **CHECKPOINTED)
    assert plan_attach(now).steps == ()


def test_another_data_center_and_an_appliance_in_preview_are_refused() -> None:
    now = situation(
        places=(Location("a", "dc-1"), Location("b", "dc-2")),
        appliance_snapshots=(snapshot(SNAPSHOTS[3], status="in_preview"),),
    )
    assert sorted(refusals(now)) == ["appliance-ready", "same-data-center"]


def test_differences() -> None:
    held = holding(settings=AttachSettings("sata", True, False, True, False))
    assert differences(held, SETTINGS) == {
        "interface": ("sata", "virtio_scsi"),
        "bootable": (True, False),
        "read_only": (False, True),
        "pass_discard": (True, False),
        "active": (False, True),
    }
    assert differences(holding(), SETTINGS) == {}


def test_device_dict() -> None:
    facts = device_dict(WANTED[0], AttachSettings(interface="virtio"))
    assert facts["serial"] == DISKS[0][:20]
    assert facts["device_links"] == [f"/dev/disk/by-id/virtio-{DISKS[0][:20]}"]
    assert facts["snapshot_id"] == SNAPSHOTS[0]
    assert facts["interface"] == "virtio"


@given(situations)
def test_a_second_run_has_nothing_to_do(now: AttachSituation) -> None:
    try:
        then = after(now)
    except Refused:
        return
    assert plan_attach(then).steps == ()


@given(ready)
def test_with_replace_only_the_appliances_own_disks_are_refused(now: AttachSituation) -> None:
    now = replace(now, replace=True)
    wanted = {disk.disk_id for disk in now.disks}
    own = {one.disk_id for one in now.held if not one.is_disk_snapshot}
    try:
        then = after(now)
    except Refused:
        assert wanted & own
        return
    assert not wanted & own
    now_held = {one.disk_id: one for one in then.held}
    for disk in now.disks:
        assert now_held[disk.disk_id].snapshot_id == now.snapshot.id
        assert not differences(now_held[disk.disk_id], now.settings)


@given(situations)
def test_no_step_is_for_a_disk_that_was_not_asked_for(now: AttachSituation) -> None:
    try:
        steps = plan_attach(now).steps
    except Refused:
        return
    wanted = {disk.disk_id for disk in now.disks}
    held = {one.disk_id: one for one in now.held}
    touched = [
        step.disk_id if isinstance(step, DetachStep) else step.disk.disk_id for step in steps
    ]
    assert set(touched) <= wanted
    detached = [step.disk_id for step in steps if isinstance(step, DetachStep)]
    assert all(held[disk_id].is_disk_snapshot for disk_id in detached)


@given(ready)
def test_nothing_that_is_not_known_is_replaced_without_being_asked_to(now: AttachSituation) -> None:
    """Only what is attached as wanted, but unplugged, is detached without ``replace``."""
    now = replace(now, replace=False)
    try:
        steps = plan_attach(now).steps
    except Refused:
        return
    held = {one.disk_id: one for one in now.held}
    for step in steps:
        if isinstance(step, DetachStep):
            assert held[step.disk_id].snapshot_id == now.snapshot.id
            assert set(differences(held[step.disk_id], now.settings)) == {"active"}
            assert not held[step.disk_id].attachment.active


@given(situations)
def test_a_change_breaks_no_rule(now: AttachSituation) -> None:
    try:
        plan = plan_attach(now)
    except Refused:
        return
    assert now.appliance.id != now.source.id
    if plan.changed:
        assert not rules.appliance_ready(now.appliance)
        assert not rules.snapshot_usable(now.snapshot)
        assert not rules.disks_healthy(now.disks)
        assert not rules.interface_fits(now.settings, now.appliance)
        assert not rules.bootable_alone(now.settings, now.disks, now.held)


def test_one_host_is_warned_of_while_there_is_something_to_attach() -> None:
    together = {
        "appliance": replace(APPLIANCE, host_id="h1"),
        "source": replace(SOURCE, host_id="h1"),
    }
    (warning,) = plan_attach(situation(**together)).warnings
    assert "run on one host" in warning
    assert plan_attach(situation()).warnings == ()
