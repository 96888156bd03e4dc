# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of a restore: new disks, attached to one VM after another, and VMs imported from an OVF."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from uuid import uuid4
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
        self,
        fields: Mapping[str, str] | None = None,
        api: ApiClient | None = None,
        disk_id: str | None = None,
    ) -> Reply:
        """POST /disks."""
        domain = f'<storage_domains><storage_domain id="{self.domain_id}"/></storage_domains>'
        given = {"alias": "new", "provisioned_size": str(MIB), "format": "cow", **(fields or {})}
        inner = "".join(f"<{name}>{text}</{name}>" for name, text in given.items())
        tag = f'<disk id="{disk_id}">' if disk_id else "<disk>"
        return (api or self.api).post("disks", f"{tag}{inner}{domain}</disk>")

    def new_disk(self) -> Disk:
        """Return a new disk that is no longer locked."""
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
        """Return the configuration of a VM."""
        path = f"vms/{self.lab.vm(name).id}?all_content=true"
        return self.api.get(path).xml().findtext("initialization/configuration/data", "")

    def saved(self, name: str) -> str:
        """Return the configuration that a snapshot of a VM keeps, without its disks."""
        path = f"vms/{self.lab.vm(name).id}/snapshots"
        body = "<snapshot><description>s</description></snapshot>"
        snapshot_id = self.api.post(path, body).xml().get("id")
        self.lab.engine.tasks.drain(10.0)
        for _look in range(2):
            reply = self.api.get(f"{path}/{snapshot_id}?all_content=true")
        text = reply.xml().findtext("initialization/configuration/data", "")
        return re.sub("<References>.*?</References>", "<References/>", text)

    def edit(self, name: str, inner: str) -> Reply:
        """PUT of a VM."""
        return self.api.put(f"vms/{self.lab.vm(name).id}", f"<vm>{inner}</vm>")

    def shown(self, name: str, path: str) -> str | None:
        """Return what the API shows of a VM."""
        found = self.api.get(f"vms/{self.lab.vm(name).id}?all_content=true").xml()
        return found.findtext(path)

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
        """Return the codes of all events."""
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
        reply = api.delete(f"disks/{disk_id}")
        assert reply.xml().find("job") is not None
        deadline = time.monotonic() + 20
        while api.get(f"disks/{disk_id}").status != 404:
            assert time.monotonic() < deadline


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


def test_a_disk_gets_the_ids_that_it_is_to_have(scene: Scene) -> None:
    wished, image = str(uuid4()), str(uuid4())
    reply = scene.add_disk({"image_id": image}, disk_id=wished)
    assert reply.status == 201
    assert (reply.xml().get("id"), reply.xml().findtext("image_id")) == (wished, image)
    again = scene.add_disk(disk_id=wished)
    assert (again.status, again.detail) == (
        409,
        f"[Cannot add Virtual Disk. The selected disk ID: {wished} is already used by the following "
        "existing disk: new.]",
    )


# ----- VMs made of a configuration ----------------------------------------------------------------


def test_a_vm_is_made_anew_of_a_configuration(scene: Scene) -> None:
    old = scene.lab.vm("web01")
    text = scene.ovf("web01")
    reply = scene.import_vm(text, "<name>web02</name><comment>incomplete</comment>")
    assert reply.status == 201
    new = scene.lab.vm("web02")
    assert new.id != old.id
    assert new.nics[0].mac != old.nics[0].mac
    assert (new.comment, new.description) == ("incomplete", old.description)
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
    unknown = scene.api.post("vms", gone)
    assert (unknown.status, unknown.detail) == (404, "Entity not found: GetClusterById")


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


# ----- what an import keeps, changes, loses and damages ---------------------------------------------

KEPT = (
    ("<memory>2147483648</memory>", "memory", "2147483648"),
    ("<cpu><topology><sockets>2</sockets></topology></cpu>", "cpu/topology/sockets", "2"),
    ("<cpu><topology><cores>4</cores></topology></cpu>", "cpu/topology/cores", "4"),
    ("<cpu><topology><threads>2</threads></topology></cpu>", "cpu/topology/threads", "2"),
    (
        "<high_availability><enabled>true</enabled></high_availability>",
        "high_availability/enabled",
        "true",
    ),
    (
        "<high_availability><priority>50</priority></high_availability>",
        "high_availability/priority",
        "50",
    ),
    (
        "<placement_policy><affinity>pinned</affinity></placement_policy>",
        "placement_policy/affinity",
        "pinned",
    ),
    ("<io><threads>3</threads></io>", "io/threads", "3"),
    ("<time_zone><name>Europe/Vienna</name></time_zone>", "time_zone/name", "Europe/Vienna"),
    ("<custom_cpu_model>SandyBridge</custom_cpu_model>", "custom_cpu_model", "SandyBridge"),
    (
        "<custom_emulated_machine>pc-q35</custom_emulated_machine>",
        "custom_emulated_machine",
        "pc-q35",
    ),
    ("<start_paused>true</start_paused>", "start_paused", "true"),
    (
        "<storage_error_resume_behaviour>leave_paused</storage_error_resume_behaviour>",
        "storage_error_resume_behaviour",
        "leave_paused",
    ),
    ("<bios><type>q35_secure_boot</type></bios>", "bios/type", "q35_secure_boot"),
    ("<tpm_enabled>true</tpm_enabled>", "tpm_enabled", "true"),
    ("<delete_protected>true</delete_protected>", "delete_protected", "true"),
    ("<description>a d\u00e9pot</description>", "description", "a d\u00e9pot"),
    ("<comment>of mine</comment>", "comment", "of mine"),
    (
        "<custom_properties><custom_property><name>sap_agent</name><value>true</value>"
        "</custom_property></custom_properties>",
        "custom_properties/custom_property/value",
        "true",
    ),
)


def test_what_an_import_keeps(scene: Scene) -> None:
    for body, path, text in KEPT:
        assert scene.shown("files01", path) != text, path
        assert scene.edit("files01", body).xml().findtext(path) == text
    assert scene.import_vm(scene.saved("files01"), "<name>files02</name>").status == 201
    assert {path: scene.shown("files02", path) for _body, path, _text in KEPT} == {
        path: text for _body, path, text in KEPT
    }


def test_what_an_import_changes_and_loses(scene: Scene) -> None:
    old = scene.lab.vm("web01")
    old.cpu_shares, old.tpm, old.external = 512, True, {"tpm": "c2VhbGVk"}
    text, own = scene.saved("web01"), scene.ovf("web01")
    section = "VmExternalDataSection_Type"
    assert (section in text, "c2VhbGVk" in text, section in own) == (True, True, False)
    assert scene.import_vm(text, "<name>web02</name>").status == 201
    new = scene.lab.vm("web02")
    assert (new.cpu_shares, new.tpm, new.external) == (0, True, {})
    assert (old.tags, new.tags) == (["backup"], [])
    regular = [one for one in scene.lab.world.snapshots_of(new.id) if one.type == "regular"]
    assert regular == []
    assert scene.api.get(f"vms/{old.id}").xml().find("quota") is not None
    assert scene.api.get(f"vms/{new.id}").xml().find("quota") is None


def test_an_unplugged_card_is_plugged_in_a_vm_with_new_ids(scene: Scene) -> None:
    vm = scene.lab.vm("files01")
    nic = "<nic><name>nic2</name><plugged>false</plugged><linked>false</linked></nic>"
    assert scene.api.post(f"vms/{vm.id}/nics", nic).status == 201
    text = scene.saved("files01")
    assert scene.import_vm(text, "<name>files02</name>").status == 201
    new = [(one.name, one.plugged, one.linked) for one in scene.lab.vm("files02").nics]
    assert new == [("nic1", True, True), ("nic2", True, False)]
    assert not {one.id for one in vm.nics} & {one.id for one in scene.lab.vm("files02").nics}
    reply = scene.import_vm(text, "<name>files03</name>", regenerate=False)
    assert reply.status == 409
    assert "${ACTION_TYPE_FAILED_CANNOT_ADD_IFACE_DUE_TO_MAC_DUPLICATES_LIST}" in reply.detail
    assert scene.api.delete(f"vms/{vm.id}").status == 200
    assert scene.import_vm(text, regenerate=False).status == 201
    assert scene.lab.vm("files01").nics == vm.nics, "with the same ids it is as it was"


def test_cloud_init_is_damaged_and_a_put_repairs_it(scene: Scene) -> None:
    given = {
        "host_name": "files",
        "user_name": "root",
        "authorized_ssh_keys": "ssh-rsa A\nssh-rsa B",
        "custom_script": "runcmd:\n\t- printf 'a\\nb'\n",
    }
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in given.items())
    body = f"<initialization>{inner}</initialization>"
    assert scene.edit("files01", body).status == 200
    assert {name: scene.shown("files01", f"initialization/{name}") for name in given} == given
    assert scene.import_vm(scene.saved("files01"), "<name>files02</name>").status == 201
    assert {name: scene.shown("files02", f"initialization/{name}") for name in given} == {
        "host_name": "files",
        "user_name": None,
        "authorized_ssh_keys": "ssh-rsa A&#10;ssh-rsa B",
        "custom_script": "runcmd:&#10; - printf 'a\nb'&#10;",
    }
    assert scene.edit("files02", body).status == 200
    assert {name: scene.shown("files02", f"initialization/{name}") for name in given} == given


def test_what_the_request_says_beats_the_configuration(scene: Scene) -> None:
    assert scene.edit("files01", "<delete_protected>true</delete_protected>").status == 200
    text = scene.saved("files01")
    fields = "<delete_protected>false</delete_protected><description>mine</description>"
    assert scene.import_vm(text, f"<name>files02</name>{fields}").status == 201
    new = scene.lab.vm("files02")
    assert (new.delete_protected, new.description) == (False, "mine")
    assert scene.import_vm(text, "<name>files03</name>").status == 201
    kept = f"vms/{scene.lab.vm('files03').id}?detach_only=true"
    assert (scene.api.delete(kept).status, scene.lab.vm("files03").delete_protected) == (409, True)


@pytest.mark.parametrize(
    ("pattern", "replacement", "fits"),
    [
        ("<Description>other</Description>", "<Description>plan9</Description>", "os"),
        ("<IsStateless>", "<DedicatedVmForVds>e0</DedicatedVmForVds><IsStateless>", "host"),
        ("<ClusterName>", "<LeaseDomainId>e0</LeaseDomainId><ClusterName>", "lease"),
        ("(<rasd:MACAddress>)[0-9a-f:]*", r"\g<1>02:00:00:00:0e:01", "mac"),
    ],
)
def test_what_does_not_fit_is_taken_all_the_same(
    scene: Scene, pattern: str, replacement: str, fits: str
) -> None:
    text = scene.saved("files01").replace(scene.lab.vm("files01").id, str(uuid4()))
    text = re.sub(r"(?<=<rasd:InstanceId>)[0-9a-f-]{36}", lambda _one: str(uuid4()), text)
    if fits != "mac":
        text = re.sub("(<rasd:MACAddress>)[0-9a-f:]*", r"\g<1>56:6f:1a:2b:00:99", text)
    text = re.sub(pattern, replacement, text)
    assert scene.import_vm(text, "<name>files02</name>", regenerate=False).status == 201
    vm = scene.lab.vm("files02")
    domain = scene.api.get(f"vms/{vm.id}").xml().find("lease/storage_domain")
    assert (vm.os, 925 in scene.codes()) == ("other", fits == "mac")
    assert (domain is not None and domain.get("id")) == (
        scene.domain_id if fits == "lease" else False
    )


@pytest.mark.parametrize("value", ["foo=bar", "sap_agent=perhaps"])
def test_a_property_that_does_not_fit_lets_the_vm_neither_change_nor_start(
    scene: Scene, value: str
) -> None:
    text = re.sub(
        "<PredefinedProperties></PredefinedProperties>",
        f"<PredefinedProperties>{value}</PredefinedProperties>",
        scene.saved("files01"),
    )
    assert scene.import_vm(text, "<name>files02</name>").status == 201
    name = value.partition("=")[0]
    problem = "have illegal values" if name == "sap_agent" else "are not configured by the system"
    said = f"VM if some of the specified custom properties {problem}. The keys are: {name}]"
    assert scene.edit("files02", "<comment>x</comment>").detail == f"[Cannot edit {said}"
    start = scene.api.post(f"vms/{scene.lab.vm('files02').id}/start", "<action/>")
    assert (start.status, start.detail) == (400, f"[Cannot run {said}")
    assert scene.edit("files02", "<custom_properties/>").status == 200


def test_a_description_that_the_database_does_not_take_leaves_nothing(scene: Scene) -> None:
    text = re.sub(
        "<Description></Description>",
        f"<Description>{'d' * 5000}</Description>",
        scene.saved("files01"),
        count=1,
    )
    before = scene.control.world()["vms"]
    reply = scene.import_vm(text, "<name>files02</name>")
    assert (reply.status, reply.detail) == (400, "[Internal Engine Error]")
    assert scene.control.world()["vms"] == before
