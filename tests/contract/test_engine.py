# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine shows and does, on the lab or a live engine.

Facts: docs/engine.md#what-the-reads-show to docs/engine.md#events."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace

import pytest
from contract.bench import OURS, Bench, Site

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineConflict,
    EngineFault,
    EngineNotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
    EVENT_ATTACHED,
    EVENT_DETACHED,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    DiskId,
    SnapshotId,
    VmId,
    is_uuid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect_v4,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from lab.control import Control

NOBODY = "4b1f9c77-0f0e-4d55-9d41-0a0f6c1d2e3f"
GIB = 1 << 30


# ----- this suite ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lab", "control", "administrator"])
def test_nothing_reaches_behind_the_engine_without_saying_so(
    request: pytest.FixtureRequest, name: str
) -> None:
    """So no test can find out that it needs the lab when its work is done."""
    with pytest.raises(AssertionError, match="mark the test with"):
        request.getfixturevalue(name)


# ----- looking ----------------------------------------------------------------------------------


def test_the_version_is_told(bench: Bench) -> None:
    assert re.match(r"4\.\d+", bench.engine.version())


def test_a_password_begins_a_session_and_a_token_has_one(bench: Bench, site: Site) -> None:
    """Who has a token keeps its session alive; nobody can begin another with it."""
    assert bench.engine.own_session()
    settings = replace(site.settings, username=None, password=None, token="a token")
    engine = connect_v4(settings)
    assert not engine.own_session()
    engine.close()


def test_vms_are_found_by_their_exact_name(bench: Bench) -> None:
    name = bench.site.source
    [found] = bench.engine.vms_named(name)
    assert found.name == name
    assert bench.engine.vm(found.id) == found
    assert bench.engine.vms_named(name[:-1]) == []
    assert bench.engine.vms_named(name.swapcase()) == [], "the engine's search ignores case"


def test_what_is_not_there_is_none(bench: Bench) -> None:
    engine, vm = bench.engine, bench.source
    assert engine.vm(VmId(NOBODY)) is None
    assert engine.disk(DiskId(NOBODY)) is None
    assert engine.attachment(vm.id, DiskId(NOBODY)) is None
    assert engine.snapshot(vm.id, SnapshotId(NOBODY)) is None
    assert engine.attachments(VmId(NOBODY)) == [], "200 and empty: no look at the VM"


def test_an_id_that_is_none_is_not_there(bench: Bench) -> None:
    assert bench.engine.vm(VmId("no-uuid")) is None


def test_both_vms_have_a_place(bench: Bench) -> None:
    source, appliance = (bench.engine.location(vm) for vm in (bench.source, bench.appliance))
    assert source.cluster
    assert is_uuid(source.data_center_id)
    assert source.data_center_id == appliance.data_center_id


def test_a_disk_is_told_exactly(bench: Bench) -> None:
    for held in bench.engine.attachments(bench.source.id):
        disk = bench.engine.disk(held.disk_id)
        assert disk is not None
        assert disk.alias
        assert disk.virtual_size > 0
        assert disk.format in ("qcow2", "raw")
        assert bench.engine.attachment(bench.source.id, held.disk_id) == held


def test_who_has_a_disk(bench: Bench) -> None:
    """Both VMs are seen to have it; who may ask for holders is told of both, too."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    bench.attach(disk, snapshot_id, active=False)
    told = bench.engine.holders(disk)
    seen = {vm.id: [one.disk_id for one in held] for vm, held in bench.engine.everybody()}
    both = {bench.source.id, bench.appliance.id}
    assert told is None or set(told) == both
    assert {vm_id for vm_id, disks in seen.items() if disk in disks} == both
    assert bench.engine.holders(DiskId(NOBODY)) is None


@pytest.mark.administrator
def test_an_administrator_is_told_who_has_a_disk(bench: Bench, administrator: EnginePort) -> None:
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    bench.attach(disk, snapshot_id, active=False)
    assert set(administrator.holders(disk) or ()) == {bench.source.id, bench.appliance.id}


def test_checkpoints_are_of_the_vms_own_disks(bench: Bench) -> None:
    known = {one.disk_id for one in bench.engine.attachments(bench.source.id)}
    assert set(bench.engine.checkpointed(bench.source.id) or ()) <= known


@pytest.mark.administrator
@pytest.mark.behind("a VM with checkpoints")
def test_checkpoints_are_told_by_disk(
    bench: Bench, administrator: EnginePort, control: Control
) -> None:
    made = control.add_vm("marked", checkpoints=2, disks=[{"alias": "marked"}])
    marked = VmId(made["id"])
    assert administrator.checkpointed(marked) == list(made["disks"].values())
    assert bench.engine.checkpointed(marked) is None, "a backup user may not know"


# ----- snapshots --------------------------------------------------------------------------------


def test_a_new_snapshot_takes_the_id_of_the_active_entry(bench: Bench) -> None:
    before = [one for one in bench.engine.snapshots(bench.source.id) if one.type == "active"]
    made = bench.order_snapshot()
    assert made.status == "locked"
    bench.await_snapshot(made.id, "ok")
    after = [one for one in bench.engine.snapshots(bench.source.id) if one.type == "active"]
    assert [one.id for one in before] == [made.id]
    assert len(after) == 1
    assert after[0].id != made.id
    found = bench.engine.snapshot(bench.source.id, made.id)
    assert found is not None
    assert (found.type, found.vm_id, found.memory) == ("regular", bench.source.id, False)
    assert found.description == made.description
    assert found.date is not None


def test_a_snapshot_is_found_below_any_vm(bench: Bench) -> None:
    """Only its id is looked up: whoever asks has to compare the owner."""
    snapshot_id = bench.snapshot()
    found = bench.engine.snapshot(bench.appliance.id, snapshot_id)
    assert found is not None
    assert found.vm_id == bench.source.id


def test_sizes_of_a_snapshot_are_rounded_and_those_of_layers_exact(bench: Bench) -> None:
    snapshot_id = bench.snapshot()
    disks = bench.disks(snapshot_id)
    assert disks
    for rounded in disks:
        assert not rounded.exact
        assert rounded.virtual_size % GIB == 0
        layers = bench.engine.layers(rounded.disk_id)
        [layer] = [one for one in layers if one.snapshot_id == snapshot_id]
        whole = bench.engine.disk(rounded.disk_id)
        assert whole is not None
        assert layer.virtual_size == whole.virtual_size <= rounded.virtual_size
        assert layer.image_id == rounded.image_id
        assert layer.disk_id == rounded.disk_id == whole.id


def test_layers_tell_their_parents(bench: Bench) -> None:
    first, second = bench.snapshot(), bench.snapshot()
    disk = bench.disks(first)[0].disk_id
    layers = {one.snapshot_id: one for one in bench.engine.layers(disk)}
    assert layers[second].parent_image_id == layers[first].image_id
    assert layers[second].format == "qcow2"


def test_some_disks_of_a_vm(bench: Bench) -> None:
    chosen = bench.engine.attachments(bench.source.id)[0].disk_id
    vm_id, mark = bench.source.id, str(uuid.uuid4())
    make = bench.engine.create_snapshot
    made = bench.settled(make, vm_id, OURS + mark, [chosen], False, mark)
    bench.await_snapshot(made.id, "ok")
    assert [disk.disk_id for disk in bench.disks(made.id)] == [chosen]


def test_events_tell_of_a_snapshot_by_its_correlation_id(bench: Bench) -> None:
    mark = str(uuid.uuid4())
    made = bench.order_snapshot(mark=mark)
    bench.await_snapshot(made.id, "ok")
    found = bench.await_events(f"correlation_id = {mark}", 45, 68)
    assert {event.correlation_id for event in found} == {mark}
    assert {event.vm_id for event in found} == {bench.source.id}
    assert [event.index for event in found] == sorted((e.index for e in found), reverse=True)
    assert all(made.description in event.description for event in found if event.code == 68)


def test_a_removal_ends_with_404(bench: Bench) -> None:
    snapshot_id, mark = bench.snapshot(), str(uuid.uuid4())
    bench.remove(snapshot_id, mark)
    bench.await_snapshot(snapshot_id, None)
    bench.await_events(f"correlation_id = {mark}", 342, 356)


def test_removing_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(EngineNotFound) as caught:
        bench.remove(SnapshotId(NOBODY), "x")
    assert f"snapshot id={NOBODY}" in caught.value.message


# ----- configuration ----------------------------------------------------------------------------


def test_configuration_of_now_and_of_a_snapshot(bench: Bench) -> None:
    snapshot_id = bench.snapshot()
    vm_id = bench.source.id
    now, then = bench.engine.ovf(vm_id, None), bench.engine.ovf(vm_id, snapshot_id)
    assert now is not None
    assert then is not None
    for disk in bench.disks(snapshot_id):
        assert f"{disk.disk_id}/{disk.image_id}" in then
        assert disk.disk_id in now
    assert "<ovf:Envelope" in then
    assert bench.engine.ovf(VmId(NOBODY), None) is None
    assert bench.engine.ovf(vm_id, SnapshotId(NOBODY)) is None


# ----- attach and detach ------------------------------------------------------------------------


def test_an_attachment_does_not_say_what_it_is(bench: Bench) -> None:
    """Sections 1 and 2: it is there, as asked for, and only the event knows the snapshot."""
    snapshot_id = bench.snapshot()
    [disk, *_disks] = bench.disks(snapshot_id)
    bench.attach(disk.disk_id, snapshot_id, active=False)
    held = bench.engine.attachment(bench.appliance.id, disk.disk_id)
    assert held is not None
    assert (held.interface, held.active, held.bootable) == ("virtio_scsi", False, False)
    assert (held.read_only, held.pass_discard) == (True, False)
    assert snapshot_id not in repr(held)
    assert held in bench.engine.attachments(bench.appliance.id)
    marked = f"type = {EVENT_ATTACHED} and correlation_id = {snapshot_id}"
    [event] = bench.await_events(marked, EVENT_ATTACHED)
    assert event.vm_id == bench.appliance.id
    assert disk.alias in event.description
    bench.detach(disk.disk_id)
    assert bench.engine.attachment(bench.appliance.id, disk.disk_id) is None
    later = f"type = {EVENT_DETACHED} and _event_vm_id = {bench.appliance.id}"
    [newest, *_older] = bench.await_events(later, EVENT_DETACHED)
    assert (newest.vm_id, disk.alias in newest.description) == (bench.appliance.id, True)
    assert bench.engine.disk(disk.disk_id) is not None


def test_what_the_engine_fails_over_is_told_as_that(bench: Bench) -> None:
    """Section 0.2: an id of a disk that is none is 500 and a page with a stack trace."""
    snapshot_id = bench.snapshot()
    with pytest.raises(EngineFault, match="Invalid UUID string: none") as caught:
        bench.engine.attach(
            bench.appliance.id, DiskId("none"), snapshot_id, AttachSettings(active=False)
        )
    assert caught.value.details["status"] == 500
    assert "engine.log" in caught.value.hint


def test_a_plugged_disk_is_unplugged_by_detach(bench: Bench) -> None:
    snapshot_id = bench.snapshot()
    [disk, *_disks] = bench.disks(snapshot_id)
    bench.attach(disk.disk_id, snapshot_id)
    held = bench.engine.attachment(bench.appliance.id, disk.disk_id)
    assert held is not None
    assert held.active
    bench.detach(disk.disk_id)
    assert bench.engine.attachment(bench.appliance.id, disk.disk_id) is None


def test_one_snapshot_of_a_disk_on_a_vm(bench: Bench) -> None:
    """The same snapshot, another one, the owner itself: all have one answer."""
    first, second = bench.snapshot(), bench.snapshot()
    disk = bench.disks(first)[0].disk_id
    bench.attach(disk, first, active=False)
    for vm, snapshot_id in (
        (bench.appliance, first),
        (bench.appliance, second),
        (bench.source, first),
    ):
        wanted = AttachSettings(active=False)
        fault = bench.refused(bench.engine.attach, vm.id, disk, snapshot_id, wanted)
        assert (fault.reason, fault.retryable) == ("already_attached", False)
        assert (type(fault), fault.details["status"]) == (EngineConflict, 409)


def test_a_snapshot_that_does_not_hold_the_disk(bench: Bench) -> None:
    """Unknown snapshot, unknown disk, disk of another snapshot: "The specified disk does not exist"."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    for wrong in ((disk, SnapshotId(NOBODY)), (DiskId(NOBODY), snapshot_id)):
        with pytest.raises(EngineFault) as caught:
            bench.attach(*wrong)
        assert (caught.value.reason, caught.value.retryable) == ("disk_not_in_snapshot", False)
        assert caught.value.details["status"] == 400
        assert not caught.value.message.endswith("]"), "the brackets are the engine's, not ours"


def test_the_active_layer_is_refused(bench: Bench) -> None:
    [active] = [one for one in bench.engine.snapshots(bench.source.id) if one.type == "active"]
    disk = bench.engine.attachments(bench.source.id)[0].disk_id
    with pytest.raises(EngineConflict) as caught:
        bench.attach(disk, active.id)
    assert caught.value.reason == "snapshot_not_regular"


def test_no_snapshot_is_removed_while_one_is_attached(bench: Bench) -> None:
    """Plugged or not, and any snapshot of the source VM."""
    first, second = bench.snapshot(), bench.snapshot()
    disk = bench.disks(first)[0]
    bench.attach(disk.disk_id, first, active=False)
    for snapshot_id in (first, second):
        fault = bench.refused(bench.remove, snapshot_id, "x")
        assert (fault.reason, fault.retryable) == ("disk_snapshot_attached", False)
        assert fault.__class__ is EngineConflict
        for name in (disk.alias, bench.appliance.name):
            assert name in fault.message
        assert "%n" not in fault.message


def test_detaching_twice_is_told_by_its_malformed_text(bench: Bench) -> None:
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    bench.attach(disk, snapshot_id, active=False)
    bench.detach(disk)
    fault = bench.refused(bench.engine.detach, bench.appliance.id, disk)
    assert (fault.reason, fault.retryable) == ("not_attached", False)
    assert fault.details["status"] == 400
    assert "${VmName}" in fault.details["fault"]["detail"]


def test_a_source_keeps_its_own_disk(bench: Bench) -> None:
    """Row 8 of docs/engine.md#refusals-of-a-detach: one that is aimed at the source VM by mistake."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    fault = bench.refused(bench.engine.detach, bench.source.id, disk)
    assert fault.reason == "disk_configured_in_snapshot"
    assert bench.engine.attachment(bench.source.id, disk) is not None


def test_detaching_from_nobody(bench: Bench) -> None:
    with pytest.raises(EngineFault) as caught:
        bench.engine.detach(VmId(NOBODY), DiskId(NOBODY))
    assert caught.value.reason == "vm_missing"
