# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal that the code recognises, by its text.

Facts: docs/engine.md#refusals-of-an-attach, docs/engine.md#refusals-of-a-detach,
docs/engine.md#refusals-of-a-creation, docs/engine.md#removing-a-snapshot, docs/engine.md#permits,
docs/engine.md#locks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from contract.bench import Bench
from player.names import Names
from support.refusals import (
    RAW,
    RECORDED,
    UNRECORDED,
    Place,
    Unrecorded,
    detail_of,
    fault_of,
    put,
    question_of,
)
from support.refusals import Row as Recorded

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineConflict,
    EngineFault,
    EnginePermission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    DiskId,
    SnapshotId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect_v4,
)
from lab.control import Control
from lab.lab import Lab

ARRANGED = pytest.mark.behind("locks, states and faults")
NOBODY = "4b1f9c77-0f0e-4d55-9d41-0a0f6c1d2e3f"
Json = Any


@dataclass(frozen=True)
class Stage:
    """A bench with a snapshot, and one disk of it."""

    bench: Bench
    lab: Lab
    snapshot_id: SnapshotId
    disk_id: DiskId

    @property
    def control(self) -> Control:
        """The lab's control API."""
        return self.lab.control()

    def patch(self, kind: str, object_id: str, **values: Json) -> None:
        """Set columns of a row behind the engine's back."""
        self.control.patch(kind, object_id, **values)

    def order_snapshot(self) -> None:
        """Order a snapshot of the source VM, once."""
        self.bench.engine.create_snapshot(self.bench.source.id, "another", None, False, "x")

    def volume(self) -> str:
        """Return the volume that the snapshot froze."""
        volume = self.lab.world.volume_of(self.disk_id, self.snapshot_id)
        assert volume is not None
        return volume.id

    def active_volume(self) -> str:
        """Return the volume that the source VM writes to."""
        return self.lab.world.disks[self.disk_id].active_volume_id

    def domain(self) -> str:
        """Return the disk's storage domain."""
        return self.lab.world.disks[self.disk_id].domain_id

    def appliance_status(self, status: str) -> None:
        """Bring the appliance into a state."""
        self.control.patch("vms", self.bench.appliance.id, status=status)


@pytest.fixture
def stage(bench: Bench, lab: Lab) -> Stage:
    """A stage; the lab's alone."""
    snapshot_id = bench.snapshot()
    return Stage(bench, lab, snapshot_id, bench.disks(snapshot_id)[0].disk_id)


@dataclass(frozen=True)
class Row:
    """A state of the engine, and how the port tells the refusal."""

    reason: str
    arrange: Callable[[Stage], object]
    status: int = 409
    retry: bool = False


def _snapshot(status: str) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("snapshots", stage.snapshot_id, status=status)


def _domain(**values: Json) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("domains", stage.domain(), **values)


def _nothing(_stage: Stage) -> None:
    """What was done before is enough."""


def refused(row: Row, order: Callable[[], object]) -> EngineFault:
    """Check that an order is refused as a row says."""
    with pytest.raises(EngineFault) as caught:
        order()
    fault = caught.value
    told = (fault.reason, fault.retryable, fault.details["status"])
    assert told == (row.reason, row.retry, row.status), fault.message
    assert isinstance(fault, EngineConflict) == (row.status == 409)
    return fault


# ----- attach and detach --------------------------------------------------------------------------


@pytest.mark.behind("locks and states")
@pytest.mark.parametrize("row", [one for one in UNRECORDED if one.reason != RAW], ids=str)
def test_a_refusal_that_was_not_recorded(stage: Stage, row: Unrecorded) -> None:
    bench, box = stage.bench, stage.bench.appliance.id
    if row.detach:
        bench.attach(stage.disk_id, stage.snapshot_id)
    row.arrange(Place(stage.control, box, stage.disk_id))
    attach = partial(bench.engine.attach, box, stage.disk_id, stage.snapshot_id, AttachSettings())
    fault = fault_of(partial(bench.engine.detach, box, stage.disk_id) if row.detach else attach)
    assert fault is not None
    told = (fault.details["status"], fault.reason, fault.retryable)
    assert told == (row.status, row.reason, row.retry), fault.message
    assert fault.details["fault"]["detail"] == f"[{row.text}]"
    stage.control.settings(maintenance=False)
    assert (bench.engine.attachment(box, stage.disk_id) is not None) == row.detach


# What a live engine refuses as well, with nothing arranged: before an attach, while it lasts, afterwards.
FREE = (
    (
        ("attach-refusals-1", "1 unknown disk"),
        ("attach-refusals-1", "1 unknown snapshot"),
        ("attach-refusals-1", "1 before 6: unknown disk, unknown VM"),
        ("attach-refusals-1", "4b active entry"),
        ("attach-refusals-1", "6 unknown VM"),
        ("attach-refusals-2", "12 owner"),
        ("attach-refusals-4", "16 ro ide, up"),
        ("attach-refusals-4", "16 ro sata"),
        ("detach-1", "detach, unknown VM"),
        ("detach-1", "detach, unknown disk"),
        ("detach-1", "detach, unknown VM and unknown disk"),
        ("detach-1", "detach of the source's own disk (has snapshots)"),
    ),
    (
        ("attach-refusals-2", "12 same snapshot again"),
        ("attach-refusals-2", "12 other snapshot"),
        ("attach-refusals-2", "12 before 16"),
        ("detach-1", "the same while attached to bak"),
    ),
    (("detach-1", "second detach"),),
)


def test_refusals_that_need_no_arranging(bench: Bench) -> None:
    """The recorded words, of any engine; an unknown VM and a missing right have other ones for a backup user."""
    first, second = bench.snapshot(), bench.snapshot()
    [active] = [one for one in bench.engine.snapshots(bench.source.id) if one.type == "active"]
    box, disk = bench.appliance, bench.disks(first)[0].disk_id
    names = Names({"src": bench.source.id, "bak": box.id, "down": box.id, "disk1": disk})
    names.bound |= {"s1": first, "s2": second, "active_src": active.id, "unknown": NOBODY}
    changes: list[Callable[[], None]] = [
        lambda: bench.attach(disk, first, active=False),
        lambda: bench.detach(disk),
        lambda: None,
    ]
    for group, change in zip(FREE, changes, strict=True):
        for scene, title in group:
            [row] = [one for one in RECORDED if (one.scene, one.title) == (scene, title)]
            fault = bench.refused(put, bench.engine, question_of(row), names)
            compare_live(row, fault, names, box.name)
        change()


def compare_live(row: Recorded, fault: EngineFault, names: Names, appliance: str) -> None:
    """The recorded refusal, but for the appliance's name as the engine writes it (docs/engine.md#refusals-of-a-detach, row 4)."""
    question = question_of(row)
    told = (fault.details["status"], fault.reason, fault.retryable)
    assert told == (question.status, row.reason, row.retry), (row.title, fault.message)
    written = appliance.lower().replace("_", " ")
    text = detail_of(question.answer).replace("., bak]", f"., {written}]")
    assert names.pattern(text).fullmatch(fault.details["fault"]["detail"]), row.title


def test_what_is_refused_while_a_snapshot_is_made(bench: Bench) -> None:
    old = bench.snapshot()
    disk = bench.disks(old)[0].disk_id
    made = bench.order_snapshot()
    reasons = {
        "attach": bench.refused(bench.attach, disk, made.id, active=False).reason,
        "remove": bench.refused(bench.remove, made.id, "x").reason,
        "remove another": bench.refused(bench.remove, old, "x").reason,
        "create": bench.refused(bench.order_snapshot).reason,
    }
    bench.attach(disk, old, active=False)
    bench.await_snapshot(made.id, "ok")
    taken = "snapshot_being_taken"
    assert reasons == {
        "attach": "snapshot_locked",
        "remove": taken,
        "remove another": taken,
        "create": taken,
    }


def test_what_is_refused_while_a_snapshot_is_removed(bench: Bench) -> None:
    """Any snapshot of the VM: the removal locks all volumes of its disks."""
    old, other = bench.snapshot(), bench.snapshot()
    disk = bench.disks(old)[0].disk_id
    bench.remove(other, "x")
    reasons = {
        "attach another": bench.refused(bench.attach, disk, old, active=False).reason,
        "remove again": bench.refused(bench.remove, other, "x").reason,
        "remove another": bench.refused(bench.remove, old, "x").reason,
        "create": bench.refused(bench.order_snapshot).reason,
    }
    bench.await_snapshot(other, None)
    merging = "vm_during_snapshot"
    assert reasons == {
        "attach another": "disks_locked",
        "remove again": merging,
        "remove another": merging,
        "create": merging,
    }


# ----- the appliance and the host -----------------------------------------------------------------


@ARRANGED
def test_an_appliance_that_makes_a_snapshot(stage: Stage) -> None:
    stage.control.add_fault("stick_snapshot")
    appliance = stage.bench.appliance
    stage.bench.engine.create_snapshot(appliance.id, "its own", None, False, "x")
    row = Row("vm_during_snapshot", _nothing, retry=True)
    refused(row, lambda: stage.bench.attach(stage.disk_id, stage.snapshot_id))


@ARRANGED
def test_a_direct_order_without_rights(stage: Stage) -> None:
    grants = [{"role": "UserRole", "object_id": "system"}]
    stage.control.add_user("weak@internal", "secret", grants)
    settings = replace(stage.bench.site.settings, username="weak@internal", password="secret")
    engine = connect_v4(settings)
    vm_id = stage.bench.source.id
    for order in (
        lambda: engine.create_snapshot(vm_id, "x", None, False, "x"),
        lambda: engine.remove_snapshot(vm_id, stage.snapshot_id, "x"),
        lambda: replace(stage.bench, engine=engine).attach(stage.disk_id, stage.snapshot_id),
        lambda: engine.detach(stage.bench.appliance.id, stage.disk_id),
    ):
        with pytest.raises(EnginePermission) as caught:
            order()
        assert "not authorized" in caught.value.message
        assert caught.value.details["status"] == 403
    engine.close()


@ARRANGED
def test_paused_takes_and_does_not_give_back(stage: Stage) -> None:
    stage.appliance_status("paused")
    stage.bench.attach(stage.disk_id, stage.snapshot_id)
    appliance = stage.bench.appliance
    row = Row("vm_status", _nothing)
    fault = refused(row, lambda: stage.bench.engine.detach(appliance.id, stage.disk_id))
    assert "Paused" in fault.message
    assert stage.bench.engine.attachment(appliance.id, stage.disk_id) is not None


@ARRANGED
def test_an_unplug_that_fails_keeps_the_disk(stage: Stage) -> None:
    stage.bench.attach(stage.disk_id, stage.snapshot_id)
    stage.control.add_fault("fail_unplug")
    appliance = stage.bench.appliance
    row = Row("unplug_failed", _nothing, 400, retry=True)
    refused(row, lambda: stage.bench.engine.detach(appliance.id, stage.disk_id))
    assert stage.bench.engine.attachment(appliance.id, stage.disk_id) is not None
    stage.bench.engine.detach(appliance.id, stage.disk_id)


# ----- snapshots ------------------------------------------------------------------------------------


def _source(**values: Json) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("vms", stage.bench.source.id, **values)


def _locked_source(message: str, **names: str) -> Callable[[Stage], object]:
    return lambda stage: stage.control.lock("vm", stage.bench.source.id, message, **names)


def _volume(status: str) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("volumes", stage.active_volume(), status=status)


CREATE = {
    "saving": Row("vm_saving_restoring", _source(status="saving_state"), retry=True),
    "migrating": Row("vm_status_passing", _source(status="migrating"), retry=True),
    "suspended": Row("vm_status", _source(status="suspended")),
    "preview": Row("vm_in_preview", _source(in_preview=True)),
    "locked": Row("vm_locked", _locked_source("VM_IS_LOCKED"), retry=True),
    "taken": Row(
        "snapshot_being_taken", _locked_source("SNAPSHOT_BEING_TAKEN", VmName="a"), retry=True
    ),
    "disks": Row("disks_locked", _volume("locked"), retry=True),
    "illegal": Row("disk_illegal", _volume("illegal"), 500),
    "space": Row("domain_space", _domain(low_space=True)),
    "domain": Row("domain_status", _domain(status="inactive")),
}


@ARRANGED
@pytest.mark.parametrize("name", CREATE)
def test_a_snapshot_is_refused(stage: Stage, name: str) -> None:
    CREATE[name].arrange(stage)
    refused(CREATE[name], stage.order_snapshot)


REMOVE = {
    "backup": Row("vm_during_backup", _source(during_backup=True), retry=True),
    "preview": Row("vm_in_preview", _source(in_preview=True)),
    "snapshot": Row("vm_during_snapshot", _snapshot("locked"), retry=True),
    "volumes": Row(
        "disks_locked", lambda s: s.patch("volumes", s.volume(), status="locked"), retry=True
    ),
    "lock": Row("object_locked", _locked_source("OBJECT_LOCKED"), retry=True),
}


@ARRANGED
@pytest.mark.parametrize("name", REMOVE)
def test_a_removal_is_refused(stage: Stage, name: str) -> None:
    REMOVE[name].arrange(stage)
    engine, source = stage.bench.engine, stage.bench.source
    refused(REMOVE[name], lambda: engine.remove_snapshot(source.id, stage.snapshot_id, "x"))
