# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal that the code tells apart, by its text: sections 1.3, 3, 6.4, 6.5, 8 and 11. The lab's alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from contract.bench import Bench

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.errors import (
    EngineConflict,
    EngineFault,
    EnginePermission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.model import (
    DiskId,
    SnapshotId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.engine.connect import connect
from lab.control import Control
from lab.lab import Lab

pytestmark = pytest.mark.behind("locks, states and faults")
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
        """The volume that the snapshot froze."""
        volume = self.lab.world.volume_of(self.disk_id, self.snapshot_id)
        assert volume is not None
        return volume.id

    def active_volume(self) -> str:
        """The volume that the source VM writes to."""
        return self.lab.world.disks[self.disk_id].active_volume_id

    def domain(self) -> str:
        """The disk's storage domain."""
        return self.lab.world.disks[self.disk_id].domain_id

    def appliance_status(self, status: str) -> None:
        """Bring the appliance into a state."""
        self.control.patch("vms", self.bench.appliance.id, status=status)

    def lock(self, message: str, **names: str) -> None:
        """Somebody else holds the disk."""
        self.control.lock("disk", self.disk_id, message, **names)

    def fill(self, interface: str, count: int) -> None:
        """Give the appliance disks of an interface."""
        disks = [{"alias": f"filler{n}", "interface": interface} for n in range(count)]
        full = self.control.add_vm("full", disks=disks)
        world = self.lab.world
        appliance = self.bench.appliance.id
        with world.lock:
            for row in world.attachments_of(full["id"]):
                del world.attachments[(row.vm_id, row.disk_id)]
                world.attachments[(appliance, row.disk_id)] = replace(row, vm_id=appliance)


@pytest.fixture
def stage(bench: Bench, lab: Lab) -> Stage:
    """A stage; the lab's alone."""
    snapshot_id = bench.snapshot()
    return Stage(bench, lab, snapshot_id, bench.disks(snapshot_id)[0].disk_id)


@dataclass(frozen=True)
class Row:
    """A state of the engine, what is asked of it, and how the port tells the refusal."""

    reason: str
    arrange: Callable[[Stage], object]
    status: int = 409
    retry: bool = False
    settings: dict[str, Json] = field(default_factory=dict)


def _appliance(**values: Json) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("vms", stage.bench.appliance.id, **values)


def _snapshot(status: str) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("snapshots", stage.snapshot_id, status=status)


def _disk(**values: Json) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("disks", stage.disk_id, **values)


def _domain(**values: Json) -> Callable[[Stage], object]:
    return lambda stage: stage.patch("domains", stage.domain(), **values)


def _lock(message: str, **names: str) -> Callable[[Stage], object]:
    return lambda stage: stage.lock(message, **names)


def _own_boot_disk(stage: Stage) -> None:
    stage.fill("virtio", 1)
    world, appliance = stage.lab.world, stage.bench.appliance.id
    with world.lock:
        for row in world.attachments_of(appliance):
            row.bootable = True


def _second_centre(stage: Stage) -> None:
    clusters = stage.control.world()["clusters"]
    second = next(row["id"] for row in clusters if row["name"] == "Second")
    stage.patch("vms", stage.bench.appliance.id, cluster_id=second)


def _nothing(_stage: Stage) -> None:
    """The settings alone are enough."""


ATTACH = {
    # section 1.3, in its order
    "content": Row("content_type", _disk(content_type="iso")),
    "locked": Row("snapshot_locked", _snapshot("locked"), retry=True),
    "preview": Row("snapshot_in_preview", _snapshot("in_preview")),
    "illegal": Row(
        "disk_illegal", lambda s: s.patch("volumes", s.active_volume(), status="illegal"), 400
    ),
    "volume-locked": Row(
        "disks_locked", lambda s: s.patch("volumes", s.volume(), status="locked"), retry=True
    ),
    "suspended": Row("vm_status", _appliance(status="suspended")),
    "external": Row("vm_external", _appliance(managed=False), 400),
    "boot": Row("boot_in_use", _own_boot_disk, settings={"bootable": True}),
    "slots": Row("no_free_slot", lambda s: s.fill("virtio", 22), settings={"interface": "virtio"}),
    "centre": Row("other_data_center", _second_centre),
    "backup-domain": Row("backup_domain", _domain(backup=True), 400),
    "maintenance": Row("domain_status", _domain(status="maintenance")),
    "activating": Row("domain_status_passing", _domain(status="activating"), retry=True),
    "read-only": Row(
        "read_only_unsupported", _nothing, 400, settings={"interface": "sata", "active": False}
    ),
    "no-scsi": Row("virtio_scsi_disabled", _appliance(virtio_scsi=False)),
    "unknown-to-os": Row(
        "interface_unsupported",
        _nothing,
        400,
        settings={"interface": "ide", "read_only": False, "active": False},
    ),
    "discard": Row(
        "pass_discard_unsupported",
        _nothing,
        400,
        settings={"interface": "virtio", "pass_discard": True},
    ),
    "vm-in-preview": Row("vm_in_preview", _appliance(in_preview=True)),
    "ide-plug": Row(
        "interface_no_hotplug",
        _appliance(chipset="i440fx_sea_bios"),
        400,
        settings={"interface": "ide", "read_only": False},
    ),
    # section 11: the holder's message
    "object": Row("object_locked", _lock("OBJECT_LOCKED"), retry=True),
    "disks": Row("disks_locked", _lock("DISKS_LOCKED", diskAliases="a"), retry=True),
    "disks-unnamed": Row("disks_locked", _lock("DISKS_LOCKED"), retry=True),
    "moved": Row("disk_being_moved", _lock("DISK_BEING_MIGRATED", DiskName="a"), retry=True),
    "taken": Row("snapshot_being_taken", _lock("SNAPSHOT_BEING_TAKEN", VmName="a"), retry=True),
    "vm": Row("vm_locked", _lock("VM_IS_LOCKED"), retry=True),
    "exported": Row("vm_being_exported", _lock("VM_BEING_EXPORTED", VmName="a"), retry=True),
    "cloned": Row("vm_being_cloned", _lock("VM_BEING_CLONED"), retry=True),
    "backup": Row("vm_during_backup", _lock("VM_DURING_BACKUP"), retry=True),
    # the host (section 0.2)
    "plug": Row("plug_failed", lambda s: s.control.add_fault("fail_plug"), 400),
    "engine": Row("engine_maintenance", lambda s: s.control.settings(maintenance=True), retry=True),
}
PASSING = (
    "powering_up",
    "powering_down",
    "migrating",
    "wait_for_launch",
    "reboot_in_progress",
    "saving_state",
    "restoring_state",
    "image_locked",
)
LASTING = ("unknown", "not_responding", "suspended", "unassigned")


def refused(row: Row, order: Callable[[], object]) -> EngineFault:
    """An order is refused as a row says."""
    with pytest.raises(EngineFault) as caught:
        order()
    fault = caught.value
    told = (fault.reason, fault.retryable, fault.details["status"])
    assert told == (row.reason, row.retry, row.status), fault.message
    assert isinstance(fault, EngineConflict) == (row.status == 409)
    return fault


@pytest.mark.parametrize("name", ATTACH)
def test_attach_is_refused(stage: Stage, name: str) -> None:
    row = ATTACH[name]
    row.arrange(stage)
    refused(row, lambda: stage.bench.attach(stage.disk_id, stage.snapshot_id, **row.settings))
    stage.control.settings(maintenance=False)
    assert stage.bench.engine.attachment(stage.bench.appliance.id, stage.disk_id) is None


@pytest.mark.parametrize("status", PASSING + LASTING)
def test_states_of_the_appliance_pass_or_last(stage: Stage, status: str) -> None:
    stage.appliance_status(status)
    passes = status in PASSING
    row = Row("vm_status_passing" if passes else "vm_status", _nothing, retry=passes)
    refused(row, lambda: stage.bench.attach(stage.disk_id, stage.snapshot_id))


def test_an_appliance_that_makes_a_snapshot(stage: Stage) -> None:
    stage.control.add_fault("stick_snapshot")
    appliance = stage.bench.appliance
    stage.bench.engine.create_snapshot(appliance.id, "its own", None, False, "x")
    row = Row("vm_during_snapshot", _nothing, retry=True)
    refused(row, lambda: stage.bench.attach(stage.disk_id, stage.snapshot_id))


def test_a_direct_order_without_rights(stage: Stage) -> None:
    grants = [{"role": "UserRole", "object_id": "system"}]
    stage.control.add_user("weak@internal", "secret", grants)
    settings = replace(stage.bench.site.settings, username="weak@internal", password="secret")
    engine = connect(settings)
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


def test_paused_takes_and_does_not_give_back(stage: Stage) -> None:
    stage.appliance_status("paused")
    stage.bench.attach(stage.disk_id, stage.snapshot_id)
    appliance = stage.bench.appliance
    row = Row("vm_status", _nothing)
    fault = refused(row, lambda: stage.bench.engine.detach(appliance.id, stage.disk_id))
    assert "Paused" in fault.message
    assert stage.bench.engine.attachment(appliance.id, stage.disk_id) is not None


def test_an_unplug_that_fails_keeps_the_disk(stage: Stage) -> None:
    stage.bench.attach(stage.disk_id, stage.snapshot_id)
    stage.control.add_fault("fail_unplug")
    appliance = stage.bench.appliance
    row = Row("unplug_failed", _nothing, 400, retry=True)
    refused(row, lambda: stage.bench.engine.detach(appliance.id, stage.disk_id))
    assert stage.bench.engine.attachment(appliance.id, stage.disk_id) is not None
    stage.bench.engine.detach(appliance.id, stage.disk_id)


def test_the_live_disk_of_a_source(stage: Stage) -> None:
    source = stage.bench.source
    row = Row("disk_configured_in_snapshot", _nothing)
    refused(row, lambda: stage.bench.engine.detach(source.id, stage.disk_id))


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


@pytest.mark.parametrize("name", REMOVE)
def test_a_removal_is_refused(stage: Stage, name: str) -> None:
    REMOVE[name].arrange(stage)
    engine, source = stage.bench.engine, stage.bench.source
    refused(REMOVE[name], lambda: engine.remove_snapshot(source.id, stage.snapshot_id, "x"))
