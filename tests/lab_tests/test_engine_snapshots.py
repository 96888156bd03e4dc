# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: ids, states, texts and failures, with real disks if there is a host.

Facts: docs/engine.md#making-a-snapshot and the sections after it.
"""

from __future__ import annotations

import hashlib
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.engine.client import ApiClient, Reply
from lab.lab import Lab
from lab.model import Settings, Vm
from lab.world import ADMIN, DiskSpec, VmSpec

OVF = "{http://schemas.dmtf.org/ovf/envelope/1/}"
UNKNOWN = "11111111-2222-4333-8444-555555555555"
C = "Cannot create Snapshot"
R = "Cannot remove Snapshot"
MIB = 1 << 20


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


@pytest.fixture
def lab(plain: Lab) -> Lab:
    plain.reset()
    return plain


@pytest.fixture
def api(lab: Lab) -> Iterator[ApiClient]:
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as signed_in:
        yield signed_in


def create(api: ApiClient, vm: Vm, body: str = "", **headers: str) -> Reply:
    inner = f"<description>nightly</description>{body}"
    return api.post(f"vms/{vm.id}/snapshots", f"<snapshot>{inner}</snapshot>", **headers)


def status_of(api: ApiClient, vm: Vm, snapshot_id: str) -> str:
    reply = api.get(f"vms/{vm.id}/snapshots/{snapshot_id}")
    return reply.xml().findtext("snapshot_status", "") if reply.status == 200 else str(reply.status)


def wait(api: ApiClient, vm: Vm, snapshot_id: str, wanted: str) -> None:
    deadline = time.monotonic() + 20
    while status_of(api, vm, snapshot_id) != wanted:
        assert time.monotonic() < deadline, f"{snapshot_id} never became {wanted}"
        time.sleep(0.01)


def made(api: ApiClient, vm: Vm, body: str = "") -> str:
    snapshot_id = create(api, vm, body).xml().get("id") or ""
    wait(api, vm, snapshot_id, "ok")
    return snapshot_id


def codes(lab: Lab) -> list[int]:
    return [event.code for event in lab.world.events]


def test_a_snapshot_takes_the_id_that_active_had(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    former = lab.world.active_snapshot(vm.id).id
    reply = create(api, vm, "<persist_memorystate>false</persist_memorystate>")
    assert reply.status == 201
    assert reply.xml().get("id") == former
    assert reply.xml().findtext("snapshot_status") == "locked"
    assert reply.xml().findtext("persist_memorystate") == "false"
    assert reply.xml().find("job") is None
    wait(api, vm, former, "ok")
    listed = {s.findtext("snapshot_type"): s for s in api.get(f"vms/{vm.id}/snapshots").xml()}
    assert set(listed) == {"active", "regular"}
    assert listed["active"].get("id") != former
    assert listed["active"].find("vm") is None
    assert listed["active"].find("link") is None
    assert codes(lab)[-2:] == [45, 68]


def test_locked_lasts_as_many_polls_as_asked_for(lab: Lab, api: ApiClient) -> None:
    lab.control().settings(snapshot_polls=3, linger=60.0)
    vm = lab.vm("web01")
    snapshot_id = create(api, vm).xml().get("id") or ""
    lab.engine.tasks.drain(10)
    seen = [status_of(api, vm, snapshot_id) for _unused in range(5)]
    assert seen == ["locked", "locked", "locked", "ok", "ok"]


def test_locked_ends_though_nobody_polls(lab: Lab, api: ApiClient) -> None:
    lab.control().settings(snapshot_polls=1000, linger=0.05)
    vm = lab.vm("web01")
    snapshot_id = create(api, vm).xml().get("id") or ""
    deadline = time.monotonic() + 10
    while lab.world.snapshots[snapshot_id].status != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_memory_is_saved_by_default_when_running(lab: Lab, api: ApiClient) -> None:
    for name, wanted in (("web01", "true"), ("files01", "false")):
        reply = create(api, lab.vm(name))
        assert reply.xml().findtext("persist_memorystate") == wanted


def test_a_creation_is_created_whatever_is_expected(lab: Lab, api: ApiClient) -> None:
    reply = create(api, lab.vm("web01"), X_Ovirt_Expect="202-accepted")
    assert reply.status == 201
    href = reply.xml().get("href")
    assert reply.headers["location"] == f"{lab.url}/v4{href}"


@pytest.mark.parametrize("header", ["Expect", "X_Ovirt_Expect"])
def test_a_removal_is_accepted_where_that_is_expected(
    lab: Lab, api: ApiClient, header: str
) -> None:
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    path = f"vms/{vm.id}/snapshots/{snapshot_id}"
    reply = api.delete(path, **{header: "202-accepted"})
    assert (reply.status, reply.body) == (202, b"")
    wait(api, vm, snapshot_id, "404")


def test_matrix_parameters_count(lab: Lab, api: ApiClient) -> None:
    assert len(api.get("vms;max=2").xml()) == 2
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot_id};async=true").status == 202


def test_disks_of_a_snapshot_are_rounded_and_bare(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    frozen = {d.disk_id: d.volume_id for d in lab.world.snapshots[snapshot_id].disks}
    disks = api.get(f"vms/{vm.id}/snapshots/{snapshot_id}/disks").xml()
    assert {d.get("id"): d.findtext("image_id") for d in disks} == frozen
    for disk in disks:
        assert disk.get("href") is None
        assert disk.find("storage_domains/storage_domain").get("href") is None  # type: ignore[union-attr]
        assert [disk.find(one) for one in ("interface", "bootable", "qcow_version")] == [None] * 3
        assert disk.findtext("provisioned_size") == str(1 << 30)
        assert disk.findtext("total_size") == "0"
        assert disk.find("snapshot").get("id") == snapshot_id  # type: ignore[union-attr]
    assert api.get(f"vms/{UNKNOWN}/snapshots/{snapshot_id}").status == 200


def test_disk_snapshots_have_exact_sizes_and_parents(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("db01")
    first, second = made(api, vm), made(api, vm)
    disk = next(d for d in lab.world.disks.values() if d.alias == "db01_system")
    domain = disk.domain_id
    for path in (f"disks/{disk.id}", f"storagedomains/{domain}"):
        rows = [
            row
            for row in api.get(f"{path}/disksnapshots").xml()
            if row.find("disk").get("id") == disk.id  # type: ignore[union-attr]
        ]
        snapshots = [row.find("snapshot").get("id") for row in rows]  # type: ignore[union-attr]
        assert snapshots == [first, second]
        assert [row.findtext("provisioned_size") for row in rows] == [str(64 * MIB)] * 2
        assert rows[0].find("parent") is None
        parent = rows[1].find("parent")
        assert parent is not None
        assert parent.get("id") == rows[0].get("id")
    assert len(api.get(f"disks/{disk.id}/disksnapshots?include_active=true").xml()) == 3


def test_the_ovf_is_that_of_the_moment(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    vm.name = "renamed"
    reply = api.get(f"vms/{vm.id}/snapshots/{snapshot_id}?all_content=true").xml()
    text = reply.findtext("initialization/configuration/data", "")
    envelope = ET.fromstring(text)  # noqa: S314  the lab's own
    assert envelope.findtext("Content/Name") == "web01"
    frozen = {d.volume_id: d.disk_id for d in lab.world.snapshots[snapshot_id].disks}
    disks = {d.get(f"{OVF}diskId"): d for d in envelope.iter("Disk")}
    assert set(disks) == set(frozen)
    for volume_id, disk in disks.items():
        assert disk.get(f"{OVF}fileRef") == f"{frozen[volume_id or '']}/{volume_id}"
        assert disk.get(f"{OVF}vm_snapshot_id") == snapshot_id
        assert disk.get(f"{OVF}size") == "1"
    plain = api.get(f"vms/{vm.id}/snapshots/{snapshot_id}").xml()
    assert plain.find("initialization") is None


def test_a_subset_of_disks(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    disk = next(d for d in lab.world.disks.values() if d.alias == "web01_data")
    inner = f'<disk_attachment><disk id="{disk.id}"/></disk_attachment>'
    snapshot_id = made(api, vm, f"<disk_attachments>{inner}</disk_attachments>")
    assert [d.alias for d in lab.world.snapshots[snapshot_id].disks] == ["web01_data"]
    active = lab.world.active_snapshot(vm.id).id
    other = next(d for d in lab.world.disks.values() if d.alias == "web01_system")
    assert lab.world.volumes[other.active_volume_id].snapshot_id == active
    assert len(lab.world.chain(other.id)) == 1


def test_disk_snapshots_held_by_a_vm_are_no_part_of_its_snapshot(lab: Lab, api: ApiClient) -> None:
    source, appliance = lab.vm("db01"), lab.vm("backup01")
    snapshot_id = made(api, source)
    disk_id = lab.world.snapshots[snapshot_id].disks[0].disk_id
    body = (
        "<disk_attachment><interface>virtio</interface><active>true</active>"
        f'<disk id="{disk_id}"><snapshot id="{snapshot_id}"/></disk></disk_attachment>'
    )
    assert api.post(f"vms/{appliance.id}/diskattachments", body).status == 201
    own = made(api, appliance)
    assert lab.world.snapshots[own].disks == []
    assert disk_id not in lab.world.snapshots[own].ovf


def _vm(**values: object) -> Callable[[Lab, Vm], None]:
    def arrange(_lab: Lab, vm: Vm) -> None:
        for name, value in values.items():
            setattr(vm, name, value)

    return arrange


def _volumes(status: str) -> Callable[[Lab, Vm], None]:
    def arrange(lab: Lab, vm: Vm) -> None:
        for attachment in lab.world.attachments_of(vm.id):
            disk = lab.world.disks[attachment.disk_id]
            lab.world.volumes[disk.active_volume_id].status = status

    return arrange


def _domain(**values: object) -> Callable[[Lab, Vm], None]:
    def arrange(lab: Lab, _vm: Vm) -> None:
        for domain in lab.world.domains.values():
            for name, value in values.items():
                setattr(domain, name, value)

    return arrange


CREATIONS = (
    (_vm(managed=False), 400, f"{C}. This VM is not managed by the engine."),
    (
        _vm(status="saving_state"),
        409,
        f"{C}. VM is in saving/restoring state.\n-Please try again when the VM is either up or down.",
    ),
    (_vm(status="migrating"), 409, f"{C} because the VM is in Migrating status."),
    (_vm(in_preview=True), 409, f"{C}. VM is previewing a Snapshot."),
    (
        _vm(stateless=True),
        409,
        f"{C}. The VM is running as Stateless. Please try again when VM is not running as Stateless.",
    ),
    (
        _volumes("locked"),
        409,
        f"{C}: The following disks are locked: web01_system, web01_data. Please try again in a few "
        "minutes.",
    ),
    (
        _volumes("illegal"),
        500,
        f"{C}. The following attached disks are in ILLEGAL status: web01_system, web01_data - please "
        "remove them and try again.",
    ),
    (
        _domain(status="maintenance"),
        409,
        f"{C}. The relevant Storage Domain's status is Maintenance.",
    ),
    (_domain(low_space=True), 409, f"{C}. Low disk space on Storage Domain data1."),
)


@pytest.mark.parametrize(("arrange", "status", "text"), CREATIONS, ids=[c[2] for c in CREATIONS])
def test_creation_is_refused_with_the_engines_words(
    lab: Lab, api: ApiClient, arrange: Callable[[Lab, Vm], None], status: int, text: str
) -> None:
    vm = lab.vm("web01")
    arrange(lab, vm)
    reply = create(api, vm)
    assert (reply.status, reply.detail) == (status, f"[{text}]")
    assert len(lab.world.snapshots_of(vm.id)) == 1


def test_creation_of_nothing(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    reply = api.post(
        f"vms/{UNKNOWN}/snapshots", "<snapshot><description>x</description></snapshot>"
    )
    assert (reply.status, reply.detail) == (400, f"[{C}. VM is not found.]")
    reply = api.post(f"vms/{vm.id}/snapshots", "<snapshot/>")
    assert (reply.status, reply.reason) == (400, "Input validation failed.")
    assert reply.detail == "Parameter 'snapshot.description' is mandatory but was not provided."
    inner = f'<disk_attachment><disk id="{UNKNOWN}"/></disk_attachment>'
    reply = create(api, vm, f"<disk_attachments>{inner}</disk_attachments>")
    assert reply.detail == f"[{C}. The following disk(s) ID(s) does not exist: {UNKNOWN}.]"


def test_a_second_creation_meets_the_first(lab: Lab, api: ApiClient) -> None:
    lab.control().settings(snapshot_polls=5, linger=60.0)
    vm = lab.vm("web01")
    assert create(api, vm).status == 201
    reply = create(api, vm)
    text = f"[{C}. Snapshot is currently being created for VM web01.]"
    assert (reply.status, reply.detail) == (409, text)


@pytest.mark.parametrize(("name", "told"), [("files01", [45, 69]), ("web01", [45, 170, 69])])
def test_a_failed_creation_gives_its_id_back(
    lab: Lab, api: ApiClient, name: str, told: list[int]
) -> None:
    lab.control().add_fault("fail_snapshot")
    vm = lab.vm(name)
    status = vm.status
    snapshot_id = create(api, vm).xml().get("id") or ""
    wait(api, vm, snapshot_id, "ok")
    entry = api.get(f"vms/{vm.id}/snapshots/{snapshot_id}").xml()
    assert entry.findtext("description") == "Active VM"
    assert entry.findtext("snapshot_type") == "active"
    # What tests before this one ordered may end, and be told, meanwhile.
    assert [code for code in codes(lab) if code in {45, 69, 170}][-len(told) :] == told
    assert vm.status == status
    disk = next(d for d in lab.world.disks.values() if d.alias == f"{name}_system")
    assert [v.status for v in lab.world.chain(disk.id)] == ["ok"]
    assert lab.world.volumes[disk.active_volume_id].snapshot_id == snapshot_id
    assert made(api, vm) == snapshot_id


def test_a_failed_creation_may_leave_a_snapshot(lab: Lab, api: ApiClient) -> None:
    lab.control().add_fault("fail_snapshot", used=True)
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    assert lab.world.snapshots[snapshot_id].type == "regular"
    assert codes(lab)[-2:] == [10774, 69]
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}").status == 200


def test_a_refused_volume_ends_the_creation_at_once(lab: Lab, api: ApiClient) -> None:
    lab.control().add_fault("host_fails", verb="Volume.create", code=205)
    vm = lab.vm("web01")
    reply = create(api, vm, Correlation_Id="no-volume")
    assert (reply.status, reply.detail) == (400, "[]")
    assert codes(lab)[-7:] == [117, *[69] * 6]
    job = api.get("jobs?search=correlation_id%3Dno-volume").xml().find("job")
    assert job is not None
    assert job.findtext("status") == "failed"
    assert len(lab.world.snapshots_of(vm.id)) == 1
    assert made(api, vm)


@pytest.mark.parametrize("text", ["ASCII ~ &amp; &lt;", "Größe", "日本", "x" * 4000, "𐐀"])
def test_descriptions_that_pass(lab: Lab, api: ApiClient, text: str) -> None:
    body = f"<snapshot><description>{text}</description></snapshot>"
    assert api.post(f"vms/{lab.vm('web01').id}/snapshots", body).status == 201


@pytest.mark.parametrize("text", ["10 €", "😀", "e\u0301", "1 µ²"])
def test_descriptions_with_anything_but_ascii_and_letters(
    lab: Lab, api: ApiClient, text: str
) -> None:
    body = f"<snapshot><description>{text}</description></snapshot>"
    reply = api.post(f"vms/{lab.vm('web01').id}/snapshots", body)
    assert reply.status == 400
    assert reply.detail.startswith("[Snapshot description must be formed only from alpha-numeric")


def test_a_description_that_is_too_long(lab: Lab, api: ApiClient) -> None:
    body = f"<snapshot><description>{'x' * 4001}</description></snapshot>"
    reply = api.post(f"vms/{lab.vm('web01').id}/snapshots", body)
    text = "[Snapshot description must not exceed 4000 characters, Attribute: description]"
    assert (reply.status, reply.detail) == (400, text)


def test_disks_named_badly(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    disk = next(d for d in lab.world.disks.values() if d.alias == "web01_data")
    one = f'<disk_attachment><disk id="{disk.id}"/></disk_attachment>'
    for inner in ("", one * 2):
        reply = create(api, vm, f"<disk_attachments>{inner}</disk_attachments>")
        assert (reply.status, reply.headers["content-type"]) == (500, "text/html;charset=UTF-8")
        assert "correlation-id" not in reply.headers
    snapshot_id = made(api, vm, "<disk_attachments><disk_attachment/></disk_attachments>")
    assert lab.world.snapshots[snapshot_id].disks == []


def test_the_active_entry_has_no_fixed_place(lab: Lab, api: ApiClient) -> None:
    def types_in_order() -> list[str]:
        listed = api.get(f"vms/{vm.id}/snapshots").xml()
        return [one.findtext("snapshot_type", "") for one in listed]

    vm = lab.vm("files01")
    first = made(api, vm)
    assert types_in_order() == ["active", "regular"]
    preview = f'<action><snapshot id="{first}"/></action>'
    assert api.post(f"vms/{vm.id}/previewsnapshot", preview).status == 202
    wait(api, vm, first, "in_preview")
    assert api.post(f"vms/{vm.id}/undosnapshot").status == 202
    assert status_of(api, vm, first) == "ok"
    # All reads ok but the ACTIVE entry, and that is what a creation meets.
    busy = "[Cannot create Snapshot. The VM is performing an operation on a Snapshot."
    assert create(api, vm).detail.startswith(busy)
    wait(api, vm, lab.world.active_snapshot(vm.id).id, "ok")
    assert types_in_order() == ["regular", "active"]
    made(api, vm)
    assert types_in_order() == ["regular", "active", "regular"]


def test_ok_may_be_inconsistent(lab: Lab, api: ApiClient) -> None:
    lab.control().add_fault("snapshot_event", code=170)
    made(api, lab.vm("web01"))
    assert codes(lab)[-2:] == [170, 68]


def test_locked_forever(lab: Lab, api: ApiClient) -> None:
    lab.control().add_fault("stick_snapshot")
    lab.control().settings(linger=0.01)
    vm = lab.vm("web01")
    snapshot_id = create(api, vm).xml().get("id") or ""
    lab.engine.tasks.drain(10)
    assert {status_of(api, vm, snapshot_id) for _unused in range(10)} == {"locked"}


def test_removal_is_locked_then_404(lab: Lab, api: ApiClient) -> None:
    lab.control().settings(removal_polls=2, linger=60.0)
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    reply = api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}")
    assert (reply.status, reply.xml().findtext("status")) == (200, "complete")
    job = reply.xml().find("job")
    assert job is not None
    lab.engine.tasks.drain(10)
    seen = [status_of(api, vm, snapshot_id) for _unused in range(3)]
    assert seen == ["locked", "locked", "404"]
    assert codes(lab)[-2:] == [342, 356]
    assert api.get(f"jobs/{job.get('id')}").xml().findtext("status") == "finished"


def test_a_second_removal_meets_the_first(lab: Lab, api: ApiClient) -> None:
    lab.control().settings(removal_polls=50, linger=60.0)
    vm = lab.vm("web01")
    first, second = made(api, vm), made(api, vm)
    assert api.delete(f"vms/{vm.id}/snapshots/{first}").status == 200
    reply = api.delete(f"vms/{vm.id}/snapshots/{second}")
    text = (
        "The VM is performing an operation on a Snapshot. Please wait for the operation to finish"
    )
    assert (reply.status, reply.detail) == (409, f"[{R}. {text}, and try again.]")


def test_a_failed_merge_goes_back_to_ok(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    lab.control().add_fault("fail_merge")
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}").status == 200
    lab.engine.tasks.drain(10)
    assert status_of(api, vm, snapshot_id) == "ok"
    assert codes(lab)[-2:] == [342, 357]
    frozen = lab.world.snapshots[snapshot_id].disks[0]
    assert lab.world.volumes[frozen.volume_id].status == "illegal"
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}").status == 200
    wait(api, vm, snapshot_id, "404")


def test_a_merge_that_fails_halfway(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    older, snapshot_id = made(api, vm), made(api, vm)
    first, second = lab.world.snapshots[snapshot_id].disks
    lab.control().add_fault("fail_merge", disk=second.disk_id)
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}").status == 200
    lab.engine.tasks.drain(10)
    assert status_of(api, vm, snapshot_id) == "ok"
    assert codes(lab)[-2:] == [342, 357]
    assert [d.disk_id for d in lab.world.snapshots[snapshot_id].disks] == [second.disk_id]
    # What was merged stays locked for a while, in the way of nothing but older snapshots of that disk.
    chain = lab.world.chain(first.disk_id)
    assert [volume.status for volume in chain] == ["ok", "locked"]
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}").status == 200
    wait(api, vm, snapshot_id, "404")
    assert older in lab.world.snapshots


def test_a_removal_locks_every_layer_of_its_disks(lab: Lab, api: ApiClient) -> None:
    lab.control().settings(removal_polls=5, linger=60.0)
    vm = lab.vm("web01")
    first, second = made(api, vm), made(api, vm)
    assert api.delete(f"vms/{vm.id}/snapshots/{first}").status == 200
    disk = lab.world.snapshots[second].disks[0]
    body = (
        f'<disk_attachment><interface>virtio</interface><disk id="{disk.disk_id}">'
        f'<snapshot id="{second}"/></disk></disk_attachment>'
    )
    reply = api.post(f"vms/{lab.vm('backup01').id}/diskattachments", body)
    assert reply.status == 409
    assert f"The following disks are locked: {disk.alias}." in reply.detail


def test_a_removal_that_nobody_waits_for(lab: Lab, api: ApiClient) -> None:
    lab.control().settings(async_seconds=0.05)
    vm = lab.vm("web01")
    snapshot_id, refused = made(api, vm), made(api, vm)
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}?async=true").status == 202
    wait(api, vm, snapshot_id, "404")
    lab.engine.tasks.drain(10)
    vm.during_backup = True
    assert api.delete(f"vms/{vm.id}/snapshots/{refused}?async=true").status == 202
    deadline = time.monotonic() + 10
    while codes(lab)[-1] != 357:
        assert time.monotonic() < deadline, "the refusal was never told"
        time.sleep(0.01)
    assert status_of(api, vm, refused) == "ok"


def _attached(lab: Lab, api: ApiClient, vm: Vm, snapshot_id: str) -> None:
    for disk in lab.world.snapshots[snapshot_id].disks:
        body = (
            f'<disk_attachment><interface>virtio</interface><disk id="{disk.disk_id}">'
            f'<snapshot id="{snapshot_id}"/></disk></disk_attachment>'
        )
        assert api.post(f"vms/{vm.id}/diskattachments", body).status == 201


def test_no_snapshot_is_removed_while_any_is_attached(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    first, second = made(api, vm), made(api, vm)
    _attached(lab, api, lab.vm("backup01"), first)
    text = (
        "The following VM's disks snapshots are attached to other VMs (Disk Alias/Snapshot "
        "Description/VM attached to):\n\n web01_system ,nightly, backup01%nweb01_data ,nightly, "
        "backup01 \n\nPlease detach them from those VMs and try again.]"
    )
    reply = api.delete(f"vms/{vm.id}/snapshots/{second}")
    assert (reply.status, reply.detail) == (409, f"[{R}. {text}")
    vm.status = "down"
    reply = api.delete(f"vms/{vm.id}")
    assert (reply.status, reply.detail) == (409, f"[Cannot remove VM. {text}")
    reply = api.delete(f"vms/{vm.id}?detach_only=true")
    assert reply.detail == "[Cannot remove VM with detaching disks, snapshots exist.]"


REMOVALS = (
    (_vm(during_backup=True), 409, f"{R}. The VM is during a backup operation."),
    (_vm(in_preview=True), 409, f"{R}. VM is previewing a Snapshot."),
    (_vm(status="suspended"), 409, f"{R}. VM web01 must be in status Down, Up or Paused."),
)


@pytest.mark.parametrize(("arrange", "status", "text"), REMOVALS, ids=[r[2] for r in REMOVALS])
def test_removal_is_refused_with_the_engines_words(
    lab: Lab, api: ApiClient, arrange: Callable[[Lab, Vm], None], status: int, text: str
) -> None:
    vm = lab.vm("web01")
    snapshot_id = made(api, vm)
    arrange(lab, vm)
    reply = api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}")
    assert (reply.status, reply.detail) == (status, f"[{text}]")
    assert lab.world.snapshots[snapshot_id].status == "ok"


def test_removal_of_what_is_none(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("web01")
    reply = api.delete(f"vms/{vm.id}/snapshots/{UNKNOWN}")
    text = f"Entity not found: GetSnapshotBySnapshotId: snapshot id={UNKNOWN}"
    assert (reply.status, reply.detail) == (404, text)
    active = lab.world.active_snapshot(vm.id).id
    reply = api.delete(f"vms/{vm.id}/snapshots/{active}")
    text = f"[{R}. The operation is only allowed for regular snapshots.]"
    assert (reply.status, reply.detail) == (409, text)


# ----- with a host: the bits ---------------------------------------------------------------------

SMALL = (
    VmSpec(
        "web01",
        disks=(
            DiskSpec("web01_system", 16 * MIB, bootable=True, seed=1),
            DiskSpec("web01_data", 8 * MIB, fmt="raw", interface="virtio", seed=2),
        ),
    ),
    VmSpec("holder", status="down"),
)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, vms=SMALL, appliance=False, settings=Settings(witness=True)) as running:
        yield running


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("status", ["up", "down"])
def test_snapshot_and_removal_keep_the_bits(real: Lab, tmp_path: Path, status: str) -> None:
    control = real.control()
    vm = real.vm("web01")
    with ApiClient(real.url, str(real.identity.ca_file), *ADMIN) as client:
        if status == "up":
            control.writer("web01")
        else:
            control.status("web01", "down")
        first = made(client, vm)
        second = made(client, vm)
        if status == "up":
            control.writer("web01", run=False)
        world, storage = real.world, real.real.storage
        for disk in world.snapshots[first].disks:
            row = world.disks[disk.disk_id]
            witness = tmp_path / "witness" / first / f"{row.id}.raw"
            again = storage.witness(row.domain_id, row.id, disk.volume_id, tmp_path / "again")
            assert digest(witness) == digest(again)
            assert witness.stat().st_size == row.virtual_size
            chain = [v.volume_id for v in storage.chain(row.domain_id, row.id)]
            assert chain == [v.id for v in world.chain(row.id)]
            assert len(chain) == 3
        now = {d.id: _bits(real, d.id, tmp_path) for d in world.disks.values()}
        for snapshot_id in (first, second):
            assert client.delete(f"vms/{vm.id}/snapshots/{snapshot_id}").status == 200
            wait(client, vm, snapshot_id, "404")
    for row in world.disks.values():
        chain = [v.volume_id for v in storage.chain(row.domain_id, row.id)]
        assert chain == [row.active_volume_id]
        assert _bits(real, row.id, tmp_path) == now[row.id]


def _bits(lab: Lab, disk_id: str, tmp_path: Path) -> str:
    """Return the digest of what the guest sees of a disk now."""
    row = lab.world.disks[disk_id]
    dest = tmp_path / "bits"
    return digest(lab.real.storage.witness(row.domain_id, row.id, row.active_volume_id, dest))


def test_an_attached_snapshot_gets_an_overlay_when_its_holder_starts(real: Lab) -> None:
    source, holder = real.vm("web01"), real.vm("holder")
    with ApiClient(real.url, str(real.identity.ca_file), *ADMIN) as client:
        snapshot_id = made(client, source)
        for disk in real.world.snapshots[snapshot_id].disks:
            body = (
                "<disk_attachment><interface>virtio</interface><active>true</active>"
                f'<disk id="{disk.disk_id}"><snapshot id="{snapshot_id}"/></disk></disk_attachment>'
            )
            assert client.post(f"vms/{holder.id}/diskattachments", body).status == 201
        assert real.real.hypervisor.overlays() == []
        assert client.post(f"vms/{holder.id}/start").status == 200
        names = {path.name.split(".")[0] for path in real.real.hypervisor.overlays()}
        domain = next(iter(real.world.disks.values())).domain_id
        frozen = real.world.snapshots[snapshot_id].disks
        assert names == {f"{domain}-{d.volume_id}" for d in frozen}
        assert client.post(f"vms/{holder.id}/stop").status == 200
        assert real.real.hypervisor.overlays() == []
        assert len(client.get(f"vms/{holder.id}/diskattachments").xml()) == 2


def test_a_paused_holder_does_not_let_go(real: Lab) -> None:
    source, holder = real.vm("web01"), real.vm("holder")
    control = real.control()
    with ApiClient(real.url, str(real.identity.ca_file), *ADMIN) as client:
        snapshot_id = made(client, source)
        assert client.post(f"vms/{holder.id}/start").status == 200
        disk_id = real.world.snapshots[snapshot_id].disks[0].disk_id
        body = (
            "<disk_attachment><interface>virtio</interface><active>true</active>"
            f'<disk id="{disk_id}"><snapshot id="{snapshot_id}"/></disk></disk_attachment>'
        )
        path = f"vms/{holder.id}/diskattachments"
        assert client.post(path, body).status == 201
        control.status("holder", "paused")
        assert client.delete(f"{path}/{disk_id}").status == 409
        control.status("holder", "up")
        assert client.delete(f"{path}/{disk_id}").status == 200
    assert control.world()["host"]["overlays"] == []


def test_a_refused_plug_leaks_its_overlay(real: Lab) -> None:
    source, holder = real.vm("web01"), real.vm("holder")
    control = real.control()
    with ApiClient(real.url, str(real.identity.ca_file), *ADMIN) as client:
        snapshot_id = made(client, source)
        assert client.post(f"vms/{holder.id}/start").status == 200
        control.add_fault("fail_plug", vm=holder.id, leak=True)
        disk_id = real.world.snapshots[snapshot_id].disks[0].disk_id
        body = (
            "<disk_attachment><interface>virtio</interface><active>true</active>"
            f'<disk id="{disk_id}"><snapshot id="{snapshot_id}"/></disk></disk_attachment>'
        )
        reply = client.post(f"vms/{holder.id}/diskattachments", body)
        assert (reply.status, reply.detail) == (400, "[Failed to hot-plug disk]")
        assert len(client.get(f"vms/{holder.id}/diskattachments").xml()) == 0
    assert len(control.world()["host"]["overlays"]) == 1


def test_storage_can_be_killed(real: Lab) -> None:
    control = real.control()
    control.harm("web01", kill=True)
    assert real.vm("web01").id not in control.world()["host"]["plugged"]
    with ApiClient(real.url, str(real.identity.ca_file), *ADMIN) as client:
        snapshot_id = create(client, real.vm("web01")).xml().get("id") or ""
        wait(client, real.vm("web01"), snapshot_id, "ok")
    assert real.world.snapshots[snapshot_id].type == "active"
