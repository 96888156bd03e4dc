# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach and detach: every row of docs/engine.md#refusals-of-an-attach and docs/engine.md#refusals-of-a-detach."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import pytest
from player.compare import Answered, compare
from player.names import Names
from support.refusals import (
    RAW,
    RECORDED,
    UNRECORDED,
    Place,
    Unrecorded,
    question_of,
    refusals_of,
    scene_of,
    stage_of,
)
from support.refusals import Row as Recorded

from lab.engine.client import ApiClient, Reply
from lab.lab import Lab
from lab.model import Attachment, Snapshot, Vm
from lab.world import ADMIN, BACKUP, GUEST

UNKNOWN = "11111111-2222-4333-8444-555555555555"
P = "Cannot attach Virtual Disk"
D = "Cannot detach Virtual Disk"


@dataclass(frozen=True)
class Scene:
    """web01 with a snapshot of its disks, and backup01 to attach them to."""

    lab: Lab
    api: ApiClient
    source: Vm
    appliance: Vm
    disk_id: str
    other_id: str
    snapshot_id: str

    def attach(self, disk_id: str | None = None, **options: str | None) -> Reply:
        """POST an attach of the disk snapshot; options replace or (None) drop elements."""
        given: dict[str, str | None] = {
            "interface": "virtio_scsi",
            "active": "true",
            "snapshot": self.snapshot_id,
            **options,
        }
        snapshot = given.pop("snapshot")
        disk = disk_id or self.disk_id
        inner = f'<snapshot id="{snapshot}"/>' if snapshot else ""
        elements = "".join(f"<{k}>{v}</{k}>" for k, v in given.items() if v is not None)
        body = f'<disk_attachment>{elements}<disk id="{disk}">{inner}</disk></disk_attachment>'
        return self.api.post(f"vms/{self.appliance.id}/diskattachments", body)

    def detach(self, query: str = "", vm_id: str | None = None) -> Reply:
        """DELETE the attachment."""
        path = f"vms/{vm_id or self.appliance.id}/diskattachments/{self.disk_id}"
        return self.api.delete(path + query)

    def snapshot(self) -> Snapshot:
        """Return the snapshot's row."""
        return self.lab.world.snapshots[self.snapshot_id]

    def attached(self) -> Attachment | None:
        """Return the row of the attachment."""
        return self.lab.world.attachments.get((self.appliance.id, self.disk_id))

    def settled(self) -> None:
        """Look at the disk until it is ok: an update ends after its answer."""
        path = f"disks/{self.disk_id}"
        while self.api.get(path).xml().findtext("status") != "ok":
            time.sleep(0.02)

    def events(self) -> list[int]:
        """Return the codes of all events so far."""
        return [event.code for event in self.lab.world.events]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    lab.reset()
    lab.world.settings.snapshot_polls = 0
    source, appliance = lab.vm("web01"), lab.vm("backup01")
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as api:
        path = f"vms/{source.id}/snapshots"
        made = api.post(path, "<snapshot><description>nightly</description></snapshot>").xml()
        lab.engine.tasks.drain(10)
        lab.engine.polled(made.get("id") or "")
        disks = {d.alias: d.id for d in lab.world.disks.values()}
        yield Scene(
            lab,
            api,
            source,
            appliance,
            disks["web01_system"],
            disks["web01_data"],
            made.get("id") or "",
        )


def test_attach_answers_201_and_never_shows_the_snapshot(scene: Scene) -> None:
    reply = scene.attach()
    assert reply.status == 201
    href = f"/ovirt-engine/api/vms/{scene.appliance.id}/diskattachments/{scene.disk_id}"
    assert reply.headers["location"].endswith(href)
    node = reply.xml()
    assert (node.get("id"), node.get("href")) == (scene.disk_id, href)
    assert node.findtext("active") == "true"
    assert scene.snapshot_id.encode() not in reply.body
    shown = scene.api.get(f"vms/{scene.appliance.id}/diskattachments?follow=disk")
    assert shown.status == 200
    assert scene.snapshot_id.encode() not in shown.body
    row = scene.attached()
    assert row is not None
    assert row.snapshot_id == scene.snapshot_id


def test_active_defaults_to_false(scene: Scene) -> None:
    assert scene.attach(active=None).xml().findtext("active") == "false"


def test_events_carry_the_correlation_id(scene: Scene) -> None:
    body = (
        "<disk_attachment><interface>virtio</interface><active>true</active>"
        f'<disk id="{scene.disk_id}"><snapshot id="{scene.snapshot_id}"/></disk></disk_attachment>'
    )
    path = f"vms/{scene.appliance.id}/diskattachments"
    scene.api.post(path, body, Correlation_Id=scene.snapshot_id)
    query = f"type%3D2016+and+correlation_id%3D{scene.snapshot_id}"
    events = scene.api.get(f"events?search={query}+and+_event_vm_id%3D{scene.appliance.id}").xml()
    texts = [event.findtext("description") for event in events]
    wanted = "Disk web01_system was successfully attached to VM backup01 by admin@internal-authz."
    assert texts == [wanted]
    assert events[0].findtext("correlation_id") == scene.snapshot_id
    assert (
        scene.api.get(f"events?search=type%3D2018+and+correlation_id%3D{UNKNOWN}")
        .xml()
        .find("event")
        is None
    )


def _attach_first(**options: str | None) -> Callable[[Scene], object]:
    def arrange(scene: Scene) -> None:
        assert scene.attach(**options).status == 201

    return arrange


def _active_id(scene: Scene) -> str:
    return scene.lab.world.active_snapshot(scene.source.id).id


@dataclass(frozen=True)
class Played:
    """A recorded scene that was played: its names, and the lab's answers by the steps' titles."""

    names: Names
    answers: Mapping[str, Answered]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Played]:
    """Recorded scenes by their names; each is played once."""

    @cache
    def play(name: str) -> Played:
        with stage_of(scene_of(name), tmp_path_factory.mktemp("played")) as (stage, _lab):
            return Played(stage.names, stage.walk(stage.send))

    return play


@pytest.mark.parametrize("row", RECORDED, ids=str)
def test_a_recorded_refusal_is_answered_word_for_word(
    played: Callable[[str], Played], row: Recorded
) -> None:
    found = played(row.scene)
    assert compare(question_of(row), found.answers[row.title], found.names) == []


def test_no_recorded_refusal_is_left_out() -> None:
    """The host's refusals (detach-3) are no rows of these sections."""
    for scene in {row.scene for row in RECORDED}:
        titles = [row.title for row in RECORDED if row.scene == scene]
        assert sorted(titles) == sorted(refusals_of(scene))


@pytest.mark.parametrize("row", UNRECORDED, ids=str)
def test_a_refusal_that_was_not_recorded(scene: Scene, row: Unrecorded) -> None:
    if row.detach:
        _attach_first()(scene)
    row.arrange(Place(scene.lab.control(), scene.appliance.id, scene.disk_id))
    before = dict(scene.lab.world.attachments)
    options = {"snapshot": None} if row.reason == RAW else {}
    reply = scene.detach() if row.detach else scene.attach(**options)
    assert (reply.status, reply.reason) == (row.status, "Operation Failed")
    assert reply.detail == f"[{row.text}]"
    assert scene.lab.world.attachments == before


def test_active_snapshot_is_not_regular(scene: Scene) -> None:
    reply = scene.attach(snapshot=_active_id(scene))
    assert reply.detail == f"[{P}. The operation is only allowed for regular snapshots.]"


def test_earlier_rows_hide_later_ones(scene: Scene) -> None:
    _attach_first()(scene)
    scene.appliance.status = "migrating"
    scene.snapshot().status = "locked"
    assert scene.attach().detail == f"[{P}. The snapshot is in LOCKED status.]"
    scene.snapshot().status = "ok"
    assert scene.attach().detail == f"[{P} because the VM is in Migrating status.]"
    scene.appliance.status = "up"
    assert scene.attach().detail == f"[{P}. The disk is already attached to VM.]"


def test_unknown_vm(scene: Scene) -> None:
    scene.lab.world.vms.pop(scene.appliance.id)
    reply = scene.attach()
    assert (reply.status, reply.detail) == (400, f"[{P}. VM is not found.]")


def test_interface_is_required_before_any_lock(scene: Scene) -> None:
    scene.lab.control().lock("disk", scene.disk_id)
    reply = scene.attach(interface=None)
    assert reply.status == 400
    assert reply.detail == "[Interface is required, Attribute: diskVmElement.diskInterface]"


def test_bodies_that_are_none(scene: Scene) -> None:
    path = f"vms/{scene.appliance.id}/diskattachments"
    reply = scene.attach(interface="nonsense")
    assert (reply.status, reply.reason) == (400, "Invalid value")
    body = f'<disk_attachment><disk id="{scene.disk_id}"><snapshot/></disk></disk_attachment>'
    reply = scene.api.post(path, body)
    assert (reply.status, reply.reason) == (400, "Incomplete parameters")
    assert reply.detail == "Disk [snapshot.id] required for attachDiskToVm"
    reply = scene.attach(snapshot="no-uuid")
    assert (reply.status, reply.reason) == (400, "Operation failed")
    assert reply.detail == "Invalid UUID string: no-uuid"
    assert scene.attach(disk_id="no-uuid").status == 500


def test_a_lock_hides_validation_and_speaks_with_the_holders_voice(scene: Scene) -> None:
    control = scene.lab.control()
    control.lock("disk", scene.disk_id)
    scene.appliance.status = "migrating"
    text = f"{P}. Related operation is currently in progress. Please try again later."
    reply = scene.attach()
    assert (reply.status, reply.detail) == (409, f"[{text}]")
    control.unlock()
    control.lock("disk", scene.disk_id, "DISK_BEING_MIGRATED", DiskName="web01_system")
    assert scene.attach().detail == f"[{P}. Disk web01_system is being moved or copied.]"


def test_a_missing_right_hides_a_lock(scene: Scene) -> None:
    scene.lab.control().lock("disk", scene.disk_id)
    with ApiClient(scene.lab.url, str(scene.lab.identity.ca_file), *GUEST) as guest:
        path = f"vms/{scene.appliance.id}/diskattachments"
        body = f'<disk_attachment><disk id="{scene.disk_id}"/></disk_attachment>'
        reply = guest.post(path, body)
    text = "[User is not authorized to perform this action.]"
    assert (reply.status, reply.detail) == (403, text)


def test_the_least_role_is_enough(scene: Scene) -> None:
    with ApiClient(scene.lab.url, str(scene.lab.identity.ca_file), *BACKUP) as api:
        body = (
            "<disk_attachment><interface>virtio</interface>"
            f'<disk id="{scene.disk_id}"><snapshot id="{scene.snapshot_id}"/></disk>'
            "</disk_attachment>"
        )
        path = f"vms/{scene.appliance.id}/diskattachments"
        assert api.post(path, body).status == 201
        assert api.delete(f"{path}/{scene.disk_id}").status == 200
        assert api.post(f"vms/{scene.appliance.id}/migrate").status == 403


def test_maintenance_mode(scene: Scene) -> None:
    scene.lab.control().settings(maintenance=True)
    reply = scene.attach()
    text = "[Engine is running in Maintenance mode and is not accepting commands.]"
    assert (reply.status, reply.detail) == (409, text)


def test_failed_plug_leaves_no_attachment(scene: Scene) -> None:
    scene.lab.control().add_fault("fail_plug", vm=scene.appliance.id, disk=scene.disk_id)
    reply = scene.attach()
    assert (reply.status, reply.detail) == (400, "[Failed to hot-plug disk]")
    assert scene.attached() is None
    assert scene.events()[-2:] == [10802, 2017]
    assert scene.attach().status == 201


def _slow(scene: Scene, verb: str, seconds: float = 1.0) -> None:
    scene.lab.control().add_fault("host_slow", verb=verb, seconds=seconds)


def _begin(ask: Callable[[], Reply]) -> tuple[threading.Thread, list[Reply]]:
    """Ask something and do not wait for the answer, but until the host was asked."""
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(ask()))
    thread.start()
    thread.join(0.3)
    return thread, replies


def _attach_with(scene: Scene, active: str) -> Reply:
    body = (
        f"<disk_attachment><active>{active}</active><interface>virtio</interface>"
        f'<disk id="{scene.disk_id}"><snapshot id="{scene.snapshot_id}"/></disk></disk_attachment>'
    )
    with ApiClient(scene.lab.url, str(scene.lab.identity.ca_file), *ADMIN) as other:
        return other.post(f"vms/{scene.appliance.id}/diskattachments", body)


def test_while_it_is_plugged_an_attachment_shows_as_active_and_goes_if_the_host_refuses(
    scene: Scene,
) -> None:
    _slow(scene, "VM.hotplugDisk")
    scene.lab.control().add_fault("host_fails", verb="VM.hotplugDisk", code=201)
    thread, replies = _begin(lambda: _attach_with(scene, "true"))
    path = f"vms/{scene.appliance.id}/diskattachments/{scene.disk_id}"
    assert scene.api.get(path).xml().findtext("active") == "true"
    thread.join(10)
    assert (replies[0].status, replies[0].detail) == (400, "[Volume does not exist]")
    assert scene.api.get(path).status == 404


def test_two_plugged_attaches_wait_for_each_other_and_an_unplugged_one_does_not(
    scene: Scene,
) -> None:
    _slow(scene, "VM.hotplugDisk")
    first, firsts = _begin(lambda: _attach_with(scene, "true"))
    second, seconds = _begin(lambda: _attach_with(scene, "true"))
    locked = f"[{P}. Related operation is currently in progress. Please try again later.]"
    assert _attach_with(scene, "false").detail == locked
    assert seconds == []
    first.join(10)
    second.join(10)
    assert firsts[0].status == 201
    assert seconds[0].detail == f"[{P}. The disk is already attached to VM.]"


def test_a_disk_that_is_in_no_snapshot_is_told_before_the_lock(scene: Scene) -> None:
    _slow(scene, "VM.hotplugDisk")
    thread, _replies = _begin(lambda: _attach_with(scene, "true"))
    reply = scene.attach(active="false", snapshot=UNKNOWN)
    assert reply.detail == f"[{P}. The specified disk does not exist.]"
    thread.join(10)


def test_a_detach_waits_for_an_attach_and_a_second_one_finds_nothing_to_unplug(
    scene: Scene,
) -> None:
    _slow(scene, "VM.hotplugDisk")
    plugging, _unused = _begin(lambda: _attach_with(scene, "true"))
    assert scene.detach().status == 200
    plugging.join(10)
    assert _attach_with(scene, "true").status == 201
    _slow(scene, "VM.hotunplugDisk")
    first, firsts = _begin(scene.detach)
    with ApiClient(scene.lab.url, str(scene.lab.identity.ca_file), *ADMIN) as other:
        reply = other.delete(f"vms/{scene.appliance.id}/diskattachments/{scene.disk_id}")
    first.join(10)
    assert firsts[0].status == 200
    assert (reply.status, reply.detail) == (400, "[Failed to hot-unplug disk]")


def test_a_host_that_never_answers_may_plug_what_the_engine_has_forgotten(scene: Scene) -> None:
    scene.lab.control().settings(host_seconds=0.2)
    _slow(scene, "VM.hotplugDisk", 0.4)
    reply = scene.attach(active="true")
    assert (reply.status, reply.detail) == (
        400,
        "[Network error during communication with the Host.]",
    )
    assert scene.attached() is None
    assert scene.attach(active="true").status == 201


def test_an_unplug_without_an_answer_ends_by_itself_and_the_next_detach_is_fine(
    scene: Scene,
) -> None:
    assert scene.attach(active="true").status == 201
    scene.lab.control().settings(host_seconds=0.2)
    _slow(scene, "VM.hotunplugDisk", 0.4)
    reply = scene.detach()
    assert reply.detail == "[Network error during communication with the Host.]"
    row = scene.attached()
    assert row is not None
    until = time.monotonic() + 5
    while row.active and time.monotonic() < until:
        time.sleep(0.02)
    assert not row.active
    assert scene.detach().status == 200


def test_right_after_a_put_an_attach_is_told_a_variable_that_nobody_filled(scene: Scene) -> None:
    path = f"vms/{scene.source.id}/diskattachments/{scene.disk_id}"
    assert scene.api.put(path, "<disk_attachment/>").status == 200
    reply = scene.attach(active="false")
    text = f"[{P}: The following disks are locked: ${{diskAliases}}. Please try again in a few minutes.]"
    assert (reply.status, reply.detail) == (409, text)
    scene.settled()
    assert scene.attach(active="false").status == 201


def test_detach(scene: Scene) -> None:
    _attach_first()(scene)
    reply = scene.detach()
    assert (reply.status, reply.xml().findtext("status")) == (200, "complete")
    assert scene.attached() is None
    assert scene.events()[-1] == 2018
    assert scene.disk_id in scene.lab.world.disks


def test_asynchronous_detach_is_202(scene: Scene) -> None:
    _attach_first()(scene)
    reply = scene.detach("?async=true")
    assert (reply.status, reply.body) == (202, b"")


@pytest.mark.parametrize("query", ["?detach_only", "?detach_only=nonsense", "?detach_only=1"])
def test_what_is_no_false_detaches_only(scene: Scene, query: str) -> None:
    _attach_first()(scene)
    assert scene.detach(query).status == 200
    assert scene.disk_id in scene.lab.world.disks


def test_detach_of_what_is_not_attached_has_the_engines_malformed_text(scene: Scene) -> None:
    scene.appliance.name = "Backup_01"
    reply = scene.detach()
    text = f"{D}. The specified disk is not attached to the VM ${{VmName}}., backup 01"
    assert (reply.status, reply.detail) == (400, f"[{text}]")
    reply = scene.detach(vm_id=UNKNOWN)
    assert (reply.status, reply.detail) == (400, f"[{D}. VM is not found.]")


def test_a_disk_with_snapshots_is_not_detached_from_its_owner(scene: Scene) -> None:
    reply = scene.detach(vm_id=scene.source.id)
    text = (
        f"{D}. The disk is already configured in a snapshot. In order to detach it, remove the "
        "disk's snapshots."
    )
    assert (reply.status, reply.detail) == (409, f"[{text}]")


def test_failed_unplug_keeps_the_attachment(scene: Scene) -> None:
    _attach_first()(scene)
    scene.lab.control().add_fault("fail_unplug")
    reply = scene.detach()
    assert (reply.status, reply.detail) == (400, "[Failed to hot-unplug disk]")
    assert scene.attached() is not None
    assert scene.events()[-1] == 2019
    assert scene.detach().status == 200


def test_detach_only_false_is_stopped_by_a_running_holder(scene: Scene) -> None:
    _attach_first()(scene)
    reply = scene.detach("?detach_only=false")
    text = "[Cannot remove Virtual Disk. At least one of the VMs is not down.]"
    assert (reply.status, reply.detail) == (409, text)


def gone(api: ApiClient, disk_id: str) -> None:
    """See a disk locked for a while, then gone."""
    seen, deadline = [], time.monotonic() + 20
    while (reply := api.get(f"disks/{disk_id}")).status != 404:
        seen.append(reply.xml().findtext("status"))
        assert time.monotonic() < deadline
    assert set(seen) == {"locked"}


def test_detach_only_false_destroys_the_source_disk(scene: Scene) -> None:
    _attach_first(active="false")(scene)
    control = scene.lab.control()
    control.status("web01", "down")
    control.status("backup01", "down")
    assert scene.detach("?detach_only=false").status == 200
    gone(scene.api, scene.disk_id)
    world = scene.lab.world
    assert scene.disk_id not in world.disks
    assert not [a for a in world.attachments.values() if a.disk_id == scene.disk_id]
    assert scene.events()[-1] == 2042
    shown = scene.api.get(f"vms/{scene.source.id}/snapshots/{scene.snapshot_id}/disks").xml()
    status = {one.get("id"): one.findtext("status") for one in shown}
    assert status == {scene.disk_id: "illegal", scene.other_id: "ok"}


def test_put_plugs_and_always_updates_the_disk(scene: Scene) -> None:
    _attach_first(active="false")(scene)
    path = f"vms/{scene.appliance.id}/diskattachments/{scene.disk_id}"
    on = "<disk_attachment><active>true</active></disk_attachment>"
    reply = scene.api.put(path, on)
    assert (reply.status, reply.xml().findtext("active")) == (200, "true")
    scene.settled()
    assert scene.events()[-2:] == [2000, 88]
    scene.lab.control().lock("disk", scene.disk_id, "DISKS_LOCKED")
    reply = scene.api.put(path, on)
    text = (
        "[Cannot edit Virtual Disk: The following disks are locked: ${diskAliases}. Please try "
        "again in a few minutes.]"
    )
    assert (reply.status, reply.detail) == (409, text)
    scene.lab.control().unlock()
    size = "<disk_attachment><disk><provisioned_size>1</provisioned_size></disk></disk_attachment>"
    reply = scene.api.put(path, size)
    assert reply.detail == "[Cannot edit Virtual Disk. Disk snapshot cannot be resized.]"
    reply = scene.api.put(path, f'<disk_attachment id="{UNKNOWN}"/>')
    assert (reply.status, reply.reason) == (409, "Broken immutability constraint")


def test_migration_and_maintenance_are_refused_while_plugged(scene: Scene) -> None:
    _attach_first()(scene)
    reply = scene.api.post(f"vms/{scene.appliance.id}/migrate")
    assert reply.status == 409
    assert reply.detail == (
        "[Cannot migrate VM. The following VM's activated disks are disk snapshots (VM/Disk "
        "Snapshots):\n\nbackup01 / web01_system. \n\nPlease deactivate them and try again.]"
    )
    reply = scene.api.post(f"hosts/{scene.appliance.host_id}/deactivate")
    assert reply.status == 409
    assert reply.detail == (
        "[Cannot switch the following Hosts to Maintenance mode: host1b.\nThe following VMs cannot be "
        "migrated because they have activated Disk Snapshot attached (VM/Disk Snapshots): \n \n"
        "${disksInfo} \n \nplease deactivate/detach the Disk snapshots or turn off those VMs and try "
        "again., $disksinfo backup01 / web01 system]"
    )
    scene.lab.control().add_fault("host_fails", verb="VM.hibernate", code=59)
    assert scene.api.post(f"vms/{scene.appliance.id}/suspend").status == 202
    scene.lab.engine.tasks.drain(10)
    assert scene.appliance.status == "up"
    scene.detach()
    before = scene.appliance.host_id
    assert scene.api.post(f"vms/{scene.appliance.id}/migrate").status == 200
    assert scene.appliance.host_id != before


def test_engines_after_457_clear_the_sources_checkpoints(scene: Scene) -> None:
    made = scene.lab.control().add_checkpoint(scene.source.id, [scene.disk_id])
    _attach_first()(scene)
    scene.detach()
    assert [row.id for row in scene.lab.world.checkpoints_of(scene.source.id)] == [made]
    scene.lab.control().settings(detach_clears_checkpoints=True)
    _attach_first()(scene)
    scene.detach()
    assert scene.lab.world.checkpoints_of(scene.source.id) == []
    assert scene.api.get("").xml().findtext("product_info/version/build") == "8"


def test_rights_inherited_through_a_vm_become_arbitrary(scene: Scene) -> None:
    """Whoever may use a disk through its VM may lose that once a second VM holds it."""
    control = scene.lab.control()
    grants = [{"role": "UserVmManager", "object_id": scene.source.id}]
    control.add_user("owner@internal", "x", grants)
    lowest = min(scene.source.id, scene.appliance.id)
    with ApiClient(scene.lab.url, str(scene.lab.identity.ca_file), "owner@internal", "x") as owner:
        path, body = f"vms/{scene.source.id}/diskattachments/{scene.disk_id}", "<disk_attachment/>"
        assert owner.put(path, body).status == 200
        scene.settled()
        _attach_first()(scene)
        assert owner.get(f"disks/{scene.disk_id}").status == 200, "it shows through any holder"
        wanted = 200 if lowest == scene.source.id else 403
        assert owner.put(path, body).status == wanted
