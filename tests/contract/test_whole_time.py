# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that ``timeout`` is the time of the whole operation: each step is shorter, all of them are longer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from contract.restoring import Restore, set_of
from support.clocks import FakeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    OperationFailed,
    WaitTimeout,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Clock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    SnapshotId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    SnapshotRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_attach import (
    DiskSnapshotAttach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_detach import (
    DiskSnapshotDetach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_snapshot import (
    VmSnapshot,
)
from lab.lab import Lab
from lab.model import Settings
from lab.world import DiskSpec, VmSpec

pytestmark = pytest.mark.behind("an engine and a host that are slow")

TAKES = 0.5
"""Seconds of each of the three steps."""

TIMEOUT = 0.8
"""Of the whole operation: more than one step takes, and less than two."""

SHOP = VmSpec(
    "shop01",
    status="down",
    disks=(
        DiskSpec("shop01_system", bootable=True),
        DiskSpec("shop01_data"),
        DiskSpec("shop01_logs"),
    ),
)


@dataclass
class Scene(Restore):
    """A VM with three disks, and what is done with it within a time."""

    lab: Lab = field(kw_only=True)

    @property
    def short(self) -> Patience:
        """The time that is too short for three steps."""
        return replace(self.patience, timeout=TIMEOUT)

    def snapshot(self) -> SnapshotId:
        """Have a snapshot of the VM."""
        done = self.take("whole", self.patience)
        return SnapshotId(done["snapshot"]["id"])

    def take(
        self, word: str, patience: Patience, *, present: bool = True, clock: Clock | None = None
    ) -> dict[str, dict[str, str]]:
        """Make or remove a snapshot as the module does."""
        request = SnapshotRequest("shop01", word, present, correlation_id=f"whole-{present}")
        return self._run(VmSnapshot(self.engine, clock or self.clock, patience, request))

    def attach(self, snapshot_id: SnapshotId, patience: Patience) -> None:
        """Attach all disks as the module does."""
        request = AttachRequest(self.appliance, "shop01", snapshot_id)
        self._run(DiskSnapshotAttach(self.engine, self.clock, patience, request))

    def detach(self, patience: Patience) -> None:
        """Detach all disks as the module does."""
        request = DetachRequest(self.appliance, everything=True)
        self._run(DiskSnapshotDetach(self.engine, self.clock, patience, request))

    def host_slow(self, verb: str) -> None:
        """Let the host take its time for each of three calls."""
        self.lab.control().add_fault("host_slow", verb=verb, seconds=TAKES, times=3)

    def engine_slow(self, method: str, path: str) -> None:
        """Let the engine take its time for each of three requests."""
        self.lab.control().add_fault("delay", method=method, path=path, seconds=TAKES, times=3)

    def held(self) -> list[str]:
        """Names of what the appliance holds of others."""
        self.lab.engine.tasks.drain(10)
        world = self.lab.world
        rows = world.attachments_of(self.lab.vm(self.appliance).id)
        names = [world.disks[row.disk_id].alias for row in rows]
        return sorted(name for name in names if name.startswith("shop01"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(disk_polls=0)
    with Lab(tmp_path_factory.mktemp("lab"), host=False, vms=(SHOP,), settings=settings) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    with set_of(lab, "shop01") as (engine, ovf, found):
        yield Scene(engine, ovf, found, lab=lab)


def no_time_left(error: BackupError) -> bool:
    return "No time is left for" in error.message


def test_an_attach_begins_no_disk_after_its_time(scene: Scene) -> None:
    snapshot_id = scene.snapshot()
    scene.host_slow("VM.hotplugDisk")
    with pytest.raises(WaitTimeout) as caught:
        scene.attach(snapshot_id, scene.short)
    assert no_time_left(caught.value)
    tried = caught.value.details["rolled_back"]
    assert 0 < len(tried) < 3
    assert set(tried.values()) == {"detached"}
    assert scene.held() == []


def test_a_detach_begins_no_disk_after_its_time(scene: Scene) -> None:
    scene.attach(scene.snapshot(), scene.patience)
    scene.host_slow("VM.hotunplugDisk")
    with pytest.raises(OperationFailed) as caught:
        scene.detach(scene.short)
    assert no_time_left(caught.value)
    left = [one["alias"] for one in caught.value.details["still_attached"]]
    assert 0 < len(left) < 3
    assert scene.held() == sorted(left)


def test_a_rollback_has_the_time_of_one_disk_for_all(scene: Scene) -> None:
    """The host refuses the last disk for good, and does not release the others."""
    snapshot_id = scene.snapshot()
    last = next(one.id for one in scene.lab.world.disks.values() if one.alias == "shop01_logs")
    scene.lab.control().add_fault("fail_plug", disk=last)
    scene.lab.control().add_fault("fail_unplug", times=-1)
    scene.clock = clock = FakeClock(0.0)
    with pytest.raises(BackupError) as caught:
        scene.attach(snapshot_id, Patience(timeout=60, poll_interval=5))
    told = caught.value.details["rolled_back"]
    assert [one.startswith("STILL ATTACHED") for one in told.values()] == [False, True, True]
    assert clock.now() == pytest.approx(60)


def test_a_removal_waits_for_the_order_and_the_merge_within_one_time(scene: Scene) -> None:
    """The engine refuses the order for half of the time, and then the merge does not end."""
    scene.snapshot()
    busy = "[Cannot remove Snapshot. VM is locked.]"
    scene.lab.control().add_fault(
        "respond", method="DELETE", path="/snapshots/", status=409, detail=busy, times=12
    )
    scene.lab.control().add_fault("stick_removal", vm=scene.lab.vm("shop01").id)
    clock = FakeClock(0.0)
    with pytest.raises(WaitTimeout):
        scene.take("whole", Patience(timeout=60, poll_interval=20), present=False, clock=clock)
    assert clock.now() == pytest.approx(60)


def test_a_creation_looks_for_its_events_within_its_time(scene: Scene) -> None:
    """An engine that shows no event is not looked at for longer, however long events may come late."""
    clock = FakeClock(0.0)
    scene.lab.control().add_fault(
        "respond",
        path="/events",
        body="<events/>",
        status=200,
        content_type="application/xml",
        times=-1,
    )
    done = scene.take("unseen", replace(scene.patience, timeout=2.0), clock=clock)
    assert done["snapshot"]["id"]
    assert clock.now() <= 2.0


def test_disks_are_made_within_the_time_of_all(scene: Scene) -> None:
    """Each poll takes five seconds: 500 of 600 for a disk, 1500 of 600 for three."""
    scene.lab.control().settings(disk_polls=100, linger=20.0)
    plan = scene.plan()
    scene.clock, scene.patience = FakeClock(0.0), Patience(timeout=600, poll_interval=5)
    with pytest.raises(WaitTimeout):
        scene.disks(plan, "prepared")
    assert 600 <= scene.clock.now() < 700


def test_a_new_vm_gets_its_disks_within_the_time_of_all(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    scene.engine_slow("DELETE", "/diskattachments/")
    scene.patience = scene.short
    with pytest.raises(WaitTimeout) as caught:
        scene.vm(plan)
    assert no_time_left(caught.value)
    assert len(scene.held()) > 0, "at least one disk is still the appliance's"


def test_a_removal_of_new_disks_begins_none_after_its_time(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    scene.engine_slow("DELETE", "/diskattachments/")
    scene.patience = scene.short
    with pytest.raises(WaitTimeout) as caught:
        scene.disks(plan, "absent")
    held = scene.held()
    assert 0 < len(held) < 3
    left = " ".join(caught.value.details["left"])
    assert all(f"disk {name} " in left for name in held)
