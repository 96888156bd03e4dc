# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations on a VM that holds disk snapshots, and on their source, without the guard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from lab.control import Control
from lab.engine.client import ApiClient, Reply
from lab.lab import Lab
from lab.model import Export, Settings, Vm, World
from lab.world import ADMIN, DiskSpec, VmSpec

HOLDER = VmSpec(
    "holder",
    disks=(DiskSpec("holder_system", bootable=True), DiskSpec("holder_shared", shareable=True)),
)
SOURCE = VmSpec("source", disks=(DiskSpec("source_system"), DiskSpec("source_data", fmt="raw")))
OTHER = VmSpec("other", status="down", disks=(DiskSpec("other_system"),))
MIGRATE = (
    "[Cannot migrate VM. The following VM's activated disks are disk snapshots (VM/Disk Snapshots):"
    "\n\nholder / source_data. \n\nPlease deactivate them and try again.]"
)
MAINTENANCE = (
    "[Cannot switch the following Hosts to Maintenance mode: host1a.\nThe following VMs cannot be "
    "migrated because they have activated Disk Snapshot attached (VM/Disk Snapshots): \n \n"
    "${disksInfo} \n \nplease deactivate/detach the Disk snapshots or turn off those VMs and try "
    "again., $disksinfo holder / source data]"
)


def attached(action: str, kind: str) -> str:
    """Return the refusal while source_data is attached to the holder."""
    return (
        f"[Cannot {action} {kind}. The following VM's disks snapshots are attached to other VMs "
        "(Disk Alias/Snapshot Description/VM attached to):\n\n source_data ,nightly, holder \n\n"
        "Please detach them from those VMs and try again.]"
    )


@dataclass(frozen=True)
class Scene:
    """source with a snapshot, whose second disk the holder holds as a disk snapshot."""

    lab: Lab
    api: ApiClient
    holder: Vm
    source: Vm
    snapshot_id: str

    @property
    def world(self) -> World:
        """What the engine knows."""
        return self.lab.world

    @property
    def control(self) -> Control:
        """The lab's other side."""
        return self.lab.control()

    def disk(self, alias: str) -> str:
        """Return the id of a disk that is no copy."""
        return next(d.id for d in self.world.disks.values() if d.alias == alias)

    def aliases(self, ids: tuple[str, ...] | list[str]) -> set[str]:
        """Return what is in something."""
        return {self.world.disks[one].alias for one in ids}

    def previews(self) -> bool:
        """Tell whether the source is in preview."""
        return self.source.in_preview

    def plug(self, plugged: bool) -> None:
        """Plug the disk snapshot, or leave it attached but unplugged."""
        self.world.attachments[(self.holder.id, self.disk("source_data"))].active = plugged

    def do(self, path: str, inner: str = "") -> Reply:
        """Send an action, and wait for what it started."""
        reply = self.api.post(path, f"<action>{inner}</action>")
        self.lab.engine.tasks.drain(20)
        return reply

    def export(self, name: str) -> Export:
        """The only export, of that VM."""
        (found,) = self.world.exports
        assert found.vm_name == name
        return found

    def ova(self, vm: Vm) -> Reply:
        """An OVA export."""
        inner = "<host><name>host1a</name></host><directory>/exports</directory>"
        return self.do(f"vms/{vm.id}/export", f"{inner}<filename>{vm.name}.ova</filename>")

    def codes(self) -> list[int]:
        """Return the codes of all events."""
        return [event.code for event in self.world.events]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(snapshot_polls=0, removal_polls=0)
    specs = (HOLDER, SOURCE, OTHER)
    root = tmp_path_factory.mktemp("lab")
    with Lab(root, host=False, appliance=False, vms=specs, settings=settings) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    lab.reset()
    holder, source = lab.vm("holder"), lab.vm("source")
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as api:
        path = f"vms/{source.id}/snapshots"
        made = api.post(path, "<snapshot><description>nightly</description></snapshot>").xml()
        lab.engine.tasks.drain(10)
        found = Scene(lab, api, holder, source, made.get("id") or "")
        disk = f'<disk id="{found.disk("source_data")}"><snapshot id="{found.snapshot_id}"/></disk>'
        body = f"<interface>virtio_scsi</interface><active>true</active>{disk}"
        path = f"vms/{holder.id}/diskattachments"
        assert api.post(path, f"<disk_attachment>{body}</disk_attachment>").status == 201
        yield found


# ----- the holder ---------------------------------------------------------------------------------


@pytest.mark.parametrize("plugged", [True, False])
def test_an_ova_of_the_holder_lacks_the_disk_without_a_word(scene: Scene, plugged: bool) -> None:
    scene.plug(plugged)
    reply = scene.ova(scene.holder)
    assert reply.status == 200
    assert reply.xml().find("job") is not None
    made = scene.export("holder")
    assert (made.kind, made.target) == ("ova", "/exports/holder.ova")
    assert scene.aliases(made.disks) == {"holder_system"}
    assert made.leftover is None
    assert [s.type for s in scene.world.snapshots_of(scene.holder.id)] == ["active"]
    assert {1223, 1224} <= set(scene.codes())
    assert scene.control.world()["exports"][0]["disks"] == list(made.disks)


def test_an_export_needs_a_proxy_host_in_the_data_centre(scene: Scene) -> None:
    path = f"vms/{scene.holder.id}/export"
    reply = scene.do(path, "<directory>/exports</directory>")
    assert reply.status == 400
    inner = "<host><name>nobody</name></host><directory>/exports</directory>"
    reply = scene.do(path, inner)
    assert reply.detail == "[Cannot export VM. No host specified to serve as proxy.]"
    reply = scene.do(path, inner.replace("nobody", "host2a"))
    assert (reply.status, scene.world.exports) == (409, [])


def test_an_export_of_the_holder_to_a_domain_lacks_the_disk(scene: Scene) -> None:
    domain = scene.control.add_domain("exports", "export")
    path = f"vms/{scene.holder.id}/export"
    inner = f'<storage_domain id="{domain}"/>'
    reply = scene.do(path, inner)
    assert (reply.status, reply.detail) == (
        409,
        "[Cannot export VM. At least one of the VMs is not down.]",
    )
    scene.control.status("holder", "down")
    data = next(d for d in scene.world.domains.values() if d.name == "data1")
    reply = scene.do(path, f'<storage_domain id="{data.id}"/>')
    assert (reply.status, reply.detail) == (
        400,
        "[Cannot export VM. The specified domain 'data1' is not an export domain.]",
    )
    assert scene.do(path, inner).status == 200
    assert scene.aliases(scene.export("holder").disks) == {"holder_system"}
    listed = scene.api.get(f"storagedomains/{domain}/vms").xml()
    assert [vm.findtext("name") for vm in listed] == ["holder"]


def test_a_template_of_the_holder_lacks_the_disk(scene: Scene) -> None:
    body = f'<template><name>golden</name><vm id="{scene.holder.id}"/></template>'
    reply = scene.api.post("templates", body)
    assert (reply.status, reply.detail) == (
        409,
        "[Cannot add Template. VM is locked or still running, try again once VM is in the Down "
        "state.]",
    )
    scene.control.status("holder", "down")
    made = scene.api.post("templates", body)
    assert made.status == 201
    template_id = made.xml().get("id") or ""
    assert scene.api.get(f"templates/{template_id}").xml().findtext("status") == "ok"
    row = scene.world.templates[template_id]
    assert scene.aliases(row.sources) == {"holder_system"}
    listed = scene.api.get(f"templates/{template_id}/diskattachments").xml()
    assert [one.get("id") for one in listed] == row.disks
    assert scene.api.post("templates", body).status == 409
    assert scene.api.delete(f"templates/{template_id}").status == 200
    assert row.disks[0] not in scene.world.disks
    assert scene.disk("holder_system") in scene.world.disks


def test_a_clone_of_the_holder_lacks_the_disk(scene: Scene) -> None:
    reply = scene.do(f"vms/{scene.holder.id}/clone", "<vm><name>twin</name></vm>")
    assert reply.status == 200
    twin = scene.lab.vm("twin")
    assert twin.status == "down"
    own = [row.disk_id for row in scene.world.attachments_of(twin.id)]
    assert scene.aliases(own) == {"holder_system"}
    assert scene.aliases(scene.export("holder").disks) == {"holder_system"}


def test_a_snapshot_of_the_holder_lacks_the_disk_even_when_it_is_named(scene: Scene) -> None:
    named = [scene.disk("holder_system"), scene.disk("source_data")]
    disks = "".join(f'<disk_attachment><disk id="{d}"/></disk_attachment>' for d in named)
    inner = f"<description>x</description><disk_attachments>{disks}</disk_attachments>"
    reply = scene.api.post(f"vms/{scene.holder.id}/snapshots", f"<snapshot>{inner}</snapshot>")
    assert reply.status == 201
    scene.lab.engine.tasks.drain(10)
    frozen = scene.world.snapshots[reply.xml().get("id") or ""].disks
    assert [one.alias for one in frozen] == ["holder_system"]


def test_the_holder_migrates_only_with_nothing_plugged(scene: Scene) -> None:
    reply = scene.do(f"vms/{scene.holder.id}/migrate")
    assert (reply.status, reply.detail) == (409, MIGRATE)
    scene.plug(False)
    former = scene.holder.host_id
    assert scene.do(f"vms/{scene.holder.id}/migrate").status == 200
    assert scene.holder.host_id != former
    inner = "<host><name>host1a</name></host>"
    assert scene.do(f"vms/{scene.holder.id}/migrate", inner).status == 200
    assert scene.world.hosts[scene.holder.host_id or ""].name == "host1a"


def test_the_hosts_maintenance_waits_for_the_plugged_disk(scene: Scene) -> None:
    host = scene.world.hosts[scene.holder.host_id or ""]
    reply = scene.do(f"hosts/{host.id}/deactivate")
    assert (reply.status, reply.detail) == (409, MAINTENANCE)
    assert host.status == "up"
    scene.plug(False)
    assert scene.do(f"hosts/{host.id}/deactivate").status == 200
    assert host.status == "maintenance"
    assert scene.holder.host_id not in {None, host.id}
    assert scene.do(f"hosts/{host.id}/deactivate").status == 409
    assert scene.do(f"hosts/{host.id}/activate").status == 200
    assert host.status == "up"


def test_a_host_keeps_vms_that_can_go_nowhere(scene: Scene) -> None:
    scene.plug(False)
    here, there = sorted(scene.world.hosts.values(), key=lambda host: host.name)[:2]
    assert scene.do(f"hosts/{there.id}/deactivate").status == 200
    assert scene.do(f"hosts/{here.id}/deactivate").status == 200
    assert here.status == "preparing_for_maintenance"
    assert scene.holder.host_id == here.id


def test_suspending_the_holder_is_answered_202_and_fails_on_the_host(scene: Scene) -> None:
    # A host refuses a VM with transient disks; this lab has none that could.
    scene.control.add_fault("host_fails", verb="VM.hibernate", code=59)
    reply = scene.do(f"vms/{scene.holder.id}/suspend")
    assert (reply.status, reply.xml().findtext("status")) == (202, "pending")
    assert scene.holder.status == "up"
    assert scene.codes()[-2:] == [501, 130]
    scene.plug(False)
    assert scene.do(f"vms/{scene.holder.id}/suspend").status == 202
    assert scene.holder.status == "suspended"
    reply = scene.do(f"vms/{scene.holder.id}/suspend")
    assert (reply.status, reply.detail) == (409, "[Cannot hibernate VM. VM is not up.]")


def test_removing_the_holder_leaves_the_source_alone(scene: Scene) -> None:
    scene.control.status("holder", "down")
    data = scene.disk("source_data")
    assert scene.api.delete(f"vms/{scene.holder.id}").status == 200
    assert data in scene.world.disks
    assert [row.vm_id for row in scene.world.holders(data)] == [scene.source.id]
    scene.control.status("source", "down")
    path = f"vms/{scene.source.id}/snapshots/{scene.snapshot_id}"
    assert scene.api.delete(path).status == 200


# ----- the source ---------------------------------------------------------------------------------


@pytest.mark.parametrize("plugged", [True, False])
def test_no_snapshot_of_the_source_goes(scene: Scene, plugged: bool) -> None:
    scene.plug(plugged)
    reply = scene.api.delete(f"vms/{scene.source.id}/snapshots/{scene.snapshot_id}")
    assert (reply.status, reply.detail) == (409, attached("remove", "Snapshot"))


def test_one_disk_leaves_a_snapshot_only_if_it_is_not_attached(scene: Scene) -> None:
    frozen = {d.alias: d.volume_id for d in scene.world.snapshots[scene.snapshot_id].disks}
    disk = scene.disk("source_data")
    path = f"disks/{disk}/disksnapshots/{frozen['source_data']}"
    reply = scene.api.delete(path)
    assert (reply.status, reply.detail) == (409, attached("remove", "Disk Snapshot"))
    domain = scene.world.disks[disk].domain_id
    other = f"storagedomains/{domain}/disksnapshots/{frozen['source_system']}"
    assert scene.api.delete(other).status == 200
    scene.lab.engine.tasks.drain(10)
    snapshot = scene.world.snapshots[scene.snapshot_id]
    assert snapshot.status == "ok"
    assert [one.alias for one in snapshot.disks] == ["source_data"]
    assert len(scene.world.chain(scene.disk("source_system"))) == 1
    assert scene.codes()[-1] == 375
    active = scene.world.disks[disk].active_volume_id
    reply = scene.api.delete(f"disks/{disk}/disksnapshots/{active}")
    assert (reply.status, "is active" in reply.detail) == (400, True)
    assert scene.api.delete(other).status == 400, "the volume remains, as the active one"
    assert scene.api.delete(f"disks/{disk}/disksnapshots/{scene.snapshot_id}").status == 404


def test_a_restore_stops_half_way_and_leaves_the_source_in_preview(scene: Scene) -> None:
    scene.control.status("source", "down")
    path = f"vms/{scene.source.id}/snapshots/{scene.snapshot_id}"
    before = {d.id: d.active_volume_id for d in scene.world.disks.values()}
    reply = scene.do(f"{path}/restore")
    assert (reply.status, reply.detail) == (409, attached("revert to", "Snapshot"))
    assert scene.previews()
    shown = scene.api.get(path).xml()
    assert shown.findtext("snapshot_status") == "in_preview"
    kinds = [
        s.findtext("snapshot_type") for s in scene.api.get(f"vms/{scene.source.id}/snapshots").xml()
    ]
    assert sorted(filter(None, kinds)) == ["active", "preview", "regular"]
    assert scene.do(f"vms/{scene.source.id}/commitsnapshot").status == 409
    reply = scene.do(f"vms/{scene.source.id}/undosnapshot")
    assert (reply.status, reply.xml().findtext("status")) == (202, "pending")
    assert not scene.previews()
    assert {d.id: d.active_volume_id for d in scene.world.disks.values()} == before
    assert scene.api.get(path).xml().findtext("snapshot_status") == "ok"


def until(there: Callable[[], bool]) -> None:
    """Wait for what an engine does after its answer."""
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_revert_without_attachments_is_committed(scene: Scene) -> None:
    scene.control.status("source", "down")
    data, path = scene.disk("source_data"), f"vms/{scene.source.id}"
    assert scene.api.delete(f"vms/{scene.holder.id}/diskattachments/{data}").status == 200
    scene.api.post(f"{path}/snapshots", "<snapshot><description>later</description></snapshot>")
    scene.lab.engine.tasks.drain(10)
    reply = scene.do(f"{path}/commitsnapshot")
    assert (reply.status, reply.detail) == (
        400,
        "[Cannot revert to Snapshot. VM's Snapshot does not exist.]",
    )
    frozen = scene.world.volume_of(data, scene.snapshot_id)
    inner = f'<snapshot id="{scene.snapshot_id}"/>'
    reply = scene.do(f"{path}/previewsnapshot", inner)
    assert (reply.status, reply.xml().findtext("status")) == (202, "pending")
    until(lambda: scene.world.snapshots[scene.snapshot_id].status == "in_preview")
    assert scene.do(f"{path}/previewsnapshot", inner).detail == (
        "[Cannot preview Snapshot. VM is previewing a Snapshot.]"
    )
    scene.control.settings(snapshot_polls=1)
    assert scene.do(f"{path}/commitsnapshot").status == 202
    # The VM stays locked until the job ends.
    assert scene.source.status == "image_locked"
    until(lambda: scene.source.status == "down")
    kept = [(s.type, s.description) for s in scene.world.snapshots_of(scene.source.id)]
    assert kept == [("regular", "nightly"), ("active", "Active VM")]
    chain = scene.world.chain(data)
    assert [volume.id for volume in chain[:-1]] == [frozen.id if frozen else ""]
    assert {v.id for v in scene.world.volumes.values() if v.disk_id == data} == {
        v.id for v in chain
    }


def test_a_preview_needs_a_vm_that_is_down(scene: Scene) -> None:
    reply = scene.do(
        f"vms/{scene.source.id}/previewsnapshot", f'<snapshot id="{scene.snapshot_id}"/>'
    )
    assert (reply.status, reply.detail) == (
        409,
        "[Cannot preview Snapshot. At least one of the VMs is not down.]",
    )


def test_the_source_is_not_deleted_with_or_without_its_disks(scene: Scene) -> None:
    scene.control.status("source", "down")
    path = f"vms/{scene.source.id}"
    reply = scene.api.delete(path)
    assert (reply.status, reply.detail) == (409, attached("remove", "VM"))
    reply = scene.api.delete(f"{path}?detach_only=true")
    assert (reply.status, reply.detail) == (
        409,
        "[Cannot remove VM with detaching disks, snapshots exist.]",
    )
    assert scene.source.id in scene.world.vms


def test_deleting_the_disk_takes_everything_once_both_vms_are_down(scene: Scene) -> None:
    data = scene.disk("source_data")
    for running in ("holder", "source"):
        reply = scene.api.delete(f"disks/{data}")
        assert (reply.status, reply.detail) == (
            409,
            "[Cannot remove Virtual Disk. At least one of the VMs is not down.]",
        )
        scene.control.status(running, "down")
    path = f"vms/{scene.holder.id}/diskattachments/{data}?detach_only=false"
    assert scene.api.delete(path).status == 200
    deadline = time.monotonic() + 20
    while scene.api.get(f"disks/{data}").status != 404:
        assert time.monotonic() < deadline
    assert data not in scene.world.disks
    assert scene.world.holders(data) == []
    assert [v for v in scene.world.volumes.values() if v.disk_id == data] == []
    assert scene.codes()[-1] == 2042


def test_a_disk_that_is_plugged_anywhere_is_not_moved(scene: Scene) -> None:
    target = scene.control.add_domain("data9")
    path = f"disks/{scene.disk('source_data')}/move"
    inner = f'<storage_domain id="{target}"/>'
    text = "[Cannot move Virtual Disk. The disk source_data is plugged to non-Down VMs: {}]"
    reply = scene.do(path, inner)
    assert (reply.status, reply.detail) == (409, text.format("holder"))
    scene.control.status("source", "down")
    reply = scene.do(path, inner)
    assert (reply.status, reply.detail) == (409, text.format("holder"))
    scene.control.status("holder", "down")
    assert scene.do(path, inner).status == 200
    assert scene.world.disks[scene.disk("source_data")].domain_id == target
    assert scene.do(path, inner).detail == (
        "[Cannot move Virtual Disk. The source and target storage domains are the same.]"
    )


def test_a_live_move_leaves_its_snapshot_when_something_is_attached(scene: Scene) -> None:
    target = scene.control.add_domain("data9")
    scene.plug(False)
    # The move is a live one only if the engine comes upon the source first.
    holder = scene.world.attachments.pop((scene.holder.id, scene.disk("source_data")))
    holder.vm_id = scene.control.add_vm("z", fields={"id": "ffffffff-ffff-4fff-bfff-ffffffffffff"})[
        "id"
    ]
    scene.world.attachments[(holder.vm_id, holder.disk_id)] = holder
    assert (
        scene.do(f"disks/{holder.disk_id}/move", f'<storage_domain id="{target}"/>').status == 200
    )
    names = [
        s.description for s in scene.world.snapshots_of(scene.source.id) if s.type == "regular"
    ]
    assert names == ["nightly", "Auto-generated for Live Storage Migration"]
    assert scene.codes()[-1] == 2052


def test_an_ova_of_the_source_leaves_its_snapshot(scene: Scene) -> None:
    assert scene.ova(scene.source).status == 200
    made = scene.export("source")
    assert scene.aliases(made.disks) == {"source_system", "source_data"}
    leftover = scene.world.snapshots[made.leftover or ""]
    assert (leftover.description, leftover.status) == ("Auto-generated for Export To OVA", "ok")
    assert scene.codes()[-1] == 1224


def test_an_ova_export_locks_the_vm(scene: Scene) -> None:
    scene.control.lock("vm", scene.source.id, "VM_BEING_EXPORTED", VmName="source")
    reply = scene.api.delete(f"vms/{scene.source.id}/snapshots/{scene.snapshot_id}")
    assert (reply.status, reply.detail) == (
        409,
        "[Cannot remove Snapshot. VM source is being exported.]",
    )


def test_template_clone_and_power_of_the_source_are_allowed(scene: Scene) -> None:
    path = f"vms/{scene.source.id}"
    assert scene.do(f"{path}/clone", "<vm><name>twin</name></vm>").status == 200
    assert scene.aliases(scene.export("source").disks) == {"source_system", "source_data"}
    assert scene.do(f"{path}/migrate").status == 200
    assert scene.do(f"{path}/stop").status == 200
    body = "<template><name>golden</name><vm><name>source</name></vm></template>"
    assert scene.api.post("templates", body).status == 201
    assert scene.do(f"{path}/start").status == 200
    snapshot = "<snapshot><description>another</description></snapshot>"
    assert scene.api.post(f"{path}/snapshots", snapshot).status == 201
    scene.lab.engine.tasks.drain(10)


# ----- odd ones -----------------------------------------------------------------------------------


def test_a_vm_may_hold_and_be_a_source_at_once(scene: Scene) -> None:
    api = scene.api
    path = f"vms/{scene.holder.id}/snapshots"
    made = api.post(path, "<snapshot><description>own</description></snapshot>").xml()
    scene.lab.engine.tasks.drain(10)
    disk = f'<disk id="{scene.disk("holder_system")}"><snapshot id="{made.get("id")}"/></disk>'
    body = f"<disk_attachment><interface>virtio</interface>{disk}</disk_attachment>"
    other = scene.lab.vm("other")
    assert api.post(f"vms/{other.id}/diskattachments", body).status == 201
    assert api.delete(f"{path}/{made.get('id')}").status == 409
    assert scene.do(f"vms/{scene.holder.id}/migrate").detail == MIGRATE
    data = scene.disk("source_data")
    assert api.delete(f"vms/{scene.holder.id}/diskattachments/{data}").status == 200
    assert scene.do(f"vms/{scene.holder.id}/migrate").status == 200
    assert api.delete(f"{path}/{made.get('id')}").status == 409


def test_a_shareable_disk_is_on_two_vms_and_no_snapshot(scene: Scene) -> None:
    shared = scene.disk("holder_shared")
    body = f'<disk_attachment><interface>virtio_scsi</interface><disk id="{shared}"/></disk_attachment>'
    other = scene.lab.vm("other")
    assert scene.api.post(f"vms/{other.id}/diskattachments", body).status == 201
    shown = scene.api.get(f"disks/{shared}?all_content=true").xml()
    assert {vm.get("id") for vm in shown.findall("vms/vm")} == {scene.holder.id, other.id}
    scene.plug(False)
    assert scene.do(f"vms/{scene.holder.id}/migrate").status == 200
    named = f'<disk_attachment><disk id="{shared}"/></disk_attachment>'
    inner = f"<description>x</description><disk_attachments>{named}</disk_attachments>"
    reply = scene.api.post(f"vms/{other.id}/snapshots", f"<snapshot>{inner}</snapshot>")
    assert reply.status == 400


def test_a_direct_lun_has_no_snapshots(scene: Scene) -> None:
    made = scene.control.add_vm("lunar", disks=[{"alias": "lun0", "lun": True}, {"alias": "img"}])
    lun = made["disks"]["lun0"]
    shown = scene.api.get(f"disks/{lun}").xml()
    assert shown.findtext("storage_type") == "lun"
    assert shown.find("storage_domains") is None
    path = f"vms/{made['id']}/snapshots"
    reply = scene.api.post(path, "<snapshot><description>x</description></snapshot>")
    scene.lab.engine.tasks.drain(10)
    frozen = scene.world.snapshots[reply.xml().get("id") or ""]
    assert [one.alias for one in frozen.disks] == ["img"]
    disk = f'<disk id="{lun}"><snapshot id="{frozen.id}"/></disk>'
    body = f"<disk_attachment><interface>virtio_scsi</interface>{disk}</disk_attachment>"
    reply = scene.api.post(f"vms/{scene.lab.vm('other').id}/diskattachments", body)
    assert (reply.status, reply.detail) == (
        400,
        "[Cannot attach Virtual Disk. The specified disk does not exist.]",
    )


def test_all_holders_of_a_disk_are_named(scene: Scene) -> None:
    shown = scene.api.get(f"disks/{scene.disk('source_data')}?all_content=true").xml()
    assert {vm.get("id") for vm in shown.findall("vms/vm")} == {scene.holder.id, scene.source.id}


def test_nothing_is_done_to_a_vm_that_is_being_suspended(scene: Scene) -> None:
    scene.control.add_fault("host_slow", verb="VM.hibernate", seconds=1)
    path = f"vms/{scene.source.id}"
    assert scene.api.post(f"{path}/suspend").status == 202
    body = "<snapshot><description>x</description></snapshot>"
    reply = scene.api.post(f"{path}/snapshots", body)
    assert (reply.status, reply.detail) == (409, "[Cannot create Snapshot. VM is hibernating.]")
    reply = scene.api.delete(f"{path}/snapshots/{scene.snapshot_id}")
    assert (reply.status, reply.detail) == (409, "[Cannot remove Snapshot. VM is hibernating.]")
    until(lambda: scene.source.status == "suspended")
