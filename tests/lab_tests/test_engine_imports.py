# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore asks of an engine: new disks, their life between VMs, and VMs made of an OVF."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from xml.sax.saxutils import escape

import pytest

from lab.control import Control
from lab.engine.client import ApiClient, Reply
from lab.lab import Lab
from lab.model import Disk, Settings, Vm
from lab.world import ADMIN, BACKUP

MIB = 1 << 20
DENIED = "[User is not authorized to perform this action.]"


@dataclass(frozen=True)
class Scene:
    """The default VMs and an administrator."""

    lab: Lab
    api: ApiClient

    @property
    def control(self) -> Control:
        """The lab's other side."""
        return self.lab.control()

    @property
    def domain_id(self) -> str:
        """The data domain of the default data centre."""
        return next(d.id for d in self.lab.world.domains.values() if d.name == "data1")

    @property
    def cluster_id(self) -> str:
        """The default cluster."""
        return next(c.id for c in self.lab.world.clusters.values() if c.name == "Default")

    def add_disk(
        self, fields: Mapping[str, str] | None = None, api: ApiClient | None = None
    ) -> Reply:
        """POST /disks."""
        domain = f'<storage_domains><storage_domain id="{self.domain_id}"/></storage_domains>'
        given = {"alias": "new", "provisioned_size": str(MIB), "format": "cow", **(fields or {})}
        inner = "".join(f"<{name}>{text}</{name}>" for name, text in given.items())
        return (api or self.api).post("disks", f"<disk>{inner}{domain}</disk>")

    def new_disk(self) -> Disk:
        """A new disk that is not locked any more."""
        disk_id = self.add_disk().xml().get("id") or ""
        self.settle(disk_id)
        return self.lab.world.disks[disk_id]

    def settle(self, disk_id: str) -> None:
        """Look as often as it takes."""
        for _look in range(2):
            self.api.get(f"disks/{disk_id}")

    def attach(self, vm: Vm, disk_id: str) -> Reply:
        """Attach a live disk, not a snapshot of it."""
        body = f'<interface>virtio</interface><active>true</active><disk id="{disk_id}"/>'
        return self.api.post(
            f"vms/{vm.id}/diskattachments", f"<disk_attachment>{body}</disk_attachment>"
        )

    def ovf(self, name: str) -> str:
        """The configuration of a VM."""
        path = f"vms/{self.lab.vm(name).id}?all_content=true"
        return self.api.get(path).xml().findtext("initialization/configuration/data", "")

    def import_vm(
        self, text: str, fields: str = "", *, regenerate: bool = True, api: ApiClient | None = None
    ) -> Reply:
        """POST /vms with a configuration."""
        again = f"<regenerate_ids>{str(regenerate).lower()}</regenerate_ids>"
        configuration = (
            f"<configuration><type>ovf</type><data>{escape(text)}</data></configuration>"
        )
        body = f'<cluster id="{self.cluster_id}"/>{fields}'
        body += f"<initialization>{again}{configuration}</initialization>"
        return (api or self.api).post("vms", f"<vm>{body}</vm>")

    def codes(self) -> list[int]:
        """The codes of all events."""
        return [event.code for event in self.lab.world.events]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False, settings=Settings()) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    lab.reset()
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as api:
        yield Scene(lab, api)


# ----- disks --------------------------------------------------------------------------------------


def test_a_new_disk_is_locked_for_a_while_and_exact(scene: Scene) -> None:
    reply = scene.add_disk({"provisioned_size": "1048064", "description": "for a test"})
    assert reply.status == 201
    assert reply.xml().findtext("status") == "locked"
    disk_id = reply.xml().get("id") or ""
    assert scene.attach(scene.lab.vm("files01"), disk_id).status == 409
    assert scene.api.get(f"disks/{disk_id}").xml().findtext("status") == "locked"
    found = scene.api.get(f"disks/{disk_id}").xml()
    assert found.findtext("status") == "ok"
    assert found.findtext("provisioned_size") == "1048064"
    listed = scene.api.get("disks?search=description%3D*test*").xml()
    assert [one.get("id") for one in listed] == [disk_id]


@pytest.mark.parametrize(
    ("setting", "fields", "status", "detail"),
    [
        (
            {"available": 1000},
            {"format": "raw", "sparse": "false"},
            409,
            "[Cannot add Virtual Disk. Low disk space on Storage Domain data1.]",
        ),
        (
            {"type": "export"},
            {},
            400,
            "[Cannot add Virtual Disk. The provided storage domain's type is not supported for this "
            "operation.]",
        ),
        (
            {"status": "maintenance"},
            {},
            409,
            "[Cannot add Virtual Disk. The relevant Storage Domain's status is Maintenance.]",
        ),
    ],
)
def test_where_no_disk_can_be(
    scene: Scene, setting: dict[str, str], fields: dict[str, str], status: int, detail: str
) -> None:
    scene.control.patch("domains", scene.domain_id, **setting)
    reply = scene.add_disk(fields)
    assert (reply.status, reply.detail) == (status, detail)


def test_an_empty_thin_disk_needs_no_room(scene: Scene) -> None:
    scene.control.patch("domains", scene.domain_id, available=1000)
    assert scene.add_disk().status == 201


def test_who_makes_a_disk_may_remove_and_describe_it(scene: Scene) -> None:
    scene.control.add_role("Restorer", ["LOGIN", "CREATE_DISK"])
    grants = [{"role": "Restorer", "object_id": scene.domain_id}]
    scene.control.add_user("restorer@internal", "secret", grants)
    ca_file = str(scene.lab.identity.ca_file)
    with ApiClient(scene.lab.url, ca_file, "restorer@internal", "secret") as api:
        disk_id = scene.add_disk(api=api).xml().get("id") or ""
        scene.settle(disk_id)
        body = "<disk><description>other</description></disk>"
        assert api.put(f"disks/{disk_id}", body).status == 200
        assert scene.lab.world.disks[disk_id].description == "other"
        assert api.delete(f"disks/{disk_id}").status == 200
        assert api.get(f"disks/{disk_id}").status == 404


def test_a_live_disk_belongs_to_who_holds_it(scene: Scene) -> None:
    disk, vm, other = scene.new_disk(), scene.lab.vm("files01"), scene.lab.vm("db01")
    assert scene.attach(vm, disk.id).status == 201
    active = scene.lab.world.active_snapshot(vm.id)
    assert scene.lab.world.volumes[disk.active_volume_id].snapshot_id == active.id
    assert scene.attach(other, disk.id).detail == (
        "[Cannot attach Virtual Disk. The disk is not shareable and is already attached to a VM.]"
    )
    path = f"vms/{vm.id}/diskattachments/{disk.id}"
    body = "<disk_attachment><disk><description>mine</description></disk></disk_attachment>"
    assert scene.api.put(path, body).status == 200
    assert disk.description == "mine"
    assert scene.api.delete(path).status == 200
    while scene.api.get(f"disks/{disk.id}").xml().findtext("status") != "ok":
        time.sleep(0.02)
    assert scene.attach(other, disk.id).status == 201


# ----- VMs made of a configuration ----------------------------------------------------------------


def test_a_vm_is_made_anew_of_a_configuration(scene: Scene) -> None:
    old = scene.lab.vm("web01")
    text = scene.ovf("web01")
    reply = scene.import_vm(text, "<name>web02</name><comment>half made</comment>")
    assert reply.status == 201
    new = scene.lab.vm("web02")
    assert new.id != old.id
    assert new.nics[0].mac != old.nics[0].mac
    assert (new.comment, new.description) == ("half made", old.description)
    assert (new.status, new.nics[0].network, new.os) == ("down", "ovirtmgmt", old.os)
    assert scene.lab.world.attachments_of(new.id) == [], "the disks are not free"
    assert 175 in scene.codes()
    assert scene.api.put(f"vms/{new.id}", "<vm><comment/></vm>").status == 200
    assert scene.api.put(f"vms/{new.id}", "<vm><comment>x</comment></vm>").status == 200
    assert new.comment == "x"
    assert scene.api.delete(f"vms/{new.id}?detach_only=true").status == 200


def test_disks_of_an_ovf_are_attached_to_the_vm_that_the_ovf_names(scene: Scene) -> None:
    text, vm = scene.ovf("files01"), scene.lab.vm("files01")
    (row,) = scene.lab.world.attachments_of(vm.id)
    assert scene.api.delete(f"vms/{vm.id}/diskattachments/{row.disk_id}").status == 200
    assert scene.import_vm(text, "<name>files02</name>").status == 201
    assert scene.lab.world.attachments_of(scene.lab.vm("files02").id) == []
    taken = scene.lab.world.attachments_of(vm.id)
    assert [one.disk_id for one in taken] == [row.disk_id], "the original's, and not the new VM's"
    assert scene.codes()[-2:] == [2016, 174]
    assert scene.api.delete(f"vms/{vm.id}?detach_only=true").status == 200
    assert scene.import_vm(text, "<name>files03</name>").status == 201
    assert scene.codes()[-1] == 175
    assert scene.import_vm(text, regenerate=False).status == 201
    assert [one.vm_id for one in scene.lab.world.holders(row.disk_id)] == [vm.id]


def test_an_import_without_disks_logs_no_success(scene: Scene) -> None:
    text = re.sub("<References>.*?</References>", "<References/>", scene.ovf("files01"))
    assert scene.import_vm(text, "<name>files02</name>").status == 201
    assert not {174, 175} & set(scene.codes())


def test_a_kept_identity_needs_a_free_id_and_free_addresses(scene: Scene) -> None:
    text = scene.ovf("files01")
    vm = scene.lab.vm("files01")
    reply = scene.import_vm(text, regenerate=False)
    assert reply.status == 409
    assert "would create duplicates in target MAC pool" in reply.detail
    card = {**asdict(vm.nics[0]), "mac": "00:00:00:00:00:01"}
    scene.control.patch("vms", vm.id, nics=[card])
    assert scene.import_vm(text, regenerate=False).detail == (
        "[Import VM failed - VM ID already exists in the system. Please remove the VM (files01) from "
        "the system first]"
    )
    assert scene.api.delete(f"vms/{vm.id}?detach_only=true").status == 200
    assert scene.import_vm(text, regenerate=False).status == 201
    assert scene.lab.vm("files01").id == vm.id


def test_what_an_import_is_refused_for(scene: Scene) -> None:
    text = scene.ovf("files01")
    taken = (
        "[Import VM failed - VM Name already exists in the Data Center. Please rename the VM in the "
        "Data Center first]"
    )
    assert scene.import_vm(text).detail == taken
    scene.control.settings(free_macs=0)
    reply = scene.import_vm(text, "<name>files02</name>")
    assert reply.status == 409
    assert reply.detail == "[Cannot import VM. Not enough MAC addresses left in MAC Address Pool.]"
    assert scene.import_vm("this is none").status == 400
    assert scene.import_vm("<Envelope/>").status == 400
    assert scene.api.post("vms", "<vm><name>x</name></vm>").reason == "Incomplete parameters"
    cluster = f'<cluster id="{scene.cluster_id}"/>'
    for fields in ("", "<name>x</name>", "<name>x</name><template/>"):
        assert scene.api.post("vms", f"<vm>{cluster}{fields}</vm>").status == 400
    other = f"<vm>{cluster}<name>x</name><template><name>other</name></template></vm>"
    assert scene.api.post("vms", other).status == 404
    gone = scene.import_vm(text, f'<cluster id="{scene.domain_id}"/>')
    assert gone.status in (400, 409)


def test_an_empty_vm_is_made_of_the_blank_template(scene: Scene) -> None:
    fields = "<name>x</name><template><name>Blank</name></template>"
    body = f'<vm><cluster id="{scene.cluster_id}"/>{fields}</vm>'
    assert scene.api.post("vms", body).status == 201
    assert scene.lab.vm("x").status == "down"
    assert scene.api.post("vms", body).status == 409
    gone = f'<vm><cluster id="{scene.domain_id}"/>{fields}</vm>'
    assert scene.api.post("vms", gone).status == 400


def test_a_card_without_a_profile_is_not_connected(scene: Scene) -> None:
    text = re.sub("ovirtmgmt", "vlan7", scene.ovf("files01"))
    assert scene.import_vm(text, "<name>files02</name>").status == 201
    assert scene.lab.vm("files02").nics[0].network is None
    assert 9600 in scene.codes()
    scene.control.add_profile("vlan7")
    assert scene.import_vm(text, "<name>files03</name>").status == 201
    vm = scene.lab.vm("files03")
    assert (vm.nics[0].network, vm.nics[0].profile) == ("vlan7", "vlan7")
    nic = scene.api.get(f"vms/{vm.id}/nics").xml()[0]
    profiles = scene.api.get("vnicprofiles").xml()
    profile = nic.find("vnic_profile")
    assert profile is not None
    assert profile.get("id") in {p.get("id") for p in profiles if p.findtext("name") == "vlan7"}
    networks = scene.api.get(f"clusters/{scene.cluster_id}/networks").xml()
    assert {one.findtext("name") for one in networks} == {"ovirtmgmt", "vlan7"}
    assert scene.api.get(f"clusters/{scene.domain_id}/networks").status == 404


def test_an_import_asks_for_a_permit_on_the_whole_system(scene: Scene) -> None:
    text = scene.ovf("files01")
    ca_file = str(scene.lab.identity.ca_file)
    with ApiClient(scene.lab.url, ca_file, *BACKUP) as api:
        assert scene.import_vm(text, "<name>a</name>", api=api).detail == DENIED
        user = scene.lab.world.users[BACKUP[0]]
        scene.control.add_role("Importer", ["CREATE_VM", "IMPORT_EXPORT_VM", "LOGIN"])
        role = {"role": "Importer", "object_id": "system"}
        scene.control.add_user("importer@internal", "secret", [role])
        assert user.grants
    with ApiClient(scene.lab.url, ca_file, "importer@internal", "secret") as api:
        assert scene.import_vm(text, "<name>a</name>", api=api).status == 201
        vm = scene.lab.vm("a")
        assert api.put(f"vms/{vm.id}", "<vm><comment>mine</comment></vm>").status == 200
        assert api.delete(f"vms/{vm.id}?detach_only=true").status == 200
