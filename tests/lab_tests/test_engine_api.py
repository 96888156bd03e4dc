# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's addresses, sign-on and reads, over real sockets, without a host."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from lab.engine.client import FORM, ApiClient
from lab.engine.sso import EXPIRED
from lab.lab import Lab
from lab.world import ADMIN, BACKUP, GUEST, DiskSpec, VmSpec

UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


def client(lab: Lab, user: tuple[str, str] = ADMIN) -> ApiClient:
    return ApiClient(lab.url, str(lab.identity.ca_file), *user)


@pytest.fixture
def admin(lab: Lab) -> Iterator[ApiClient]:
    with client(lab) as signed_in:
        yield signed_in


@pytest.fixture
def backup(lab: Lab) -> Iterator[ApiClient]:
    with client(lab, BACKUP) as signed_in:
        yield signed_in


@pytest.fixture
def guest(lab: Lab) -> Iterator[ApiClient]:
    with client(lab, GUEST) as signed_in:
        yield signed_in


def connection(lab: Lab, user: tuple[str, str] = ADMIN) -> ovirtsdk4.Connection:
    return ovirtsdk4.Connection(
        url=lab.url, username=user[0], password=user[1], ca_file=str(lab.identity.ca_file)
    )


def names(found: list[types.Vm]) -> list[str]:
    return [one.name for one in found]


def test_root_tells_the_version(lab: Lab) -> None:
    api = connection(lab).system_service().get()
    assert api.product_info.version.major == 4
    assert api.product_info.version.minor == 5


def test_wrong_password_is_400_with_json(lab: Lab) -> None:
    body = b"grant_type=password&scope=ovirt-app-api&username=admin%40internal&password=no"
    with contextlib.closing(client(lab)) as wrong:
        reply = wrong.raw("POST", "/ovirt-engine/sso/oauth/token", body, FORM)
    assert reply.status == 400
    assert b'"error_code":"access_denied"' in reply.body
    assert b"Cannot authenticate user 'admin@internal': Unable to log in." in reply.body
    with pytest.raises(ovirtsdk4.AuthError, match="access_denied"):
        connection(lab, ("admin@internal", "no")).authenticate()


def test_wrong_ca_is_refused(lab: Lab, tmp_path: Path) -> None:
    with Lab(tmp_path, host=False, vms=(), appliance=False) as other:
        stranger = ovirtsdk4.Connection(
            url=lab.url,
            username=ADMIN[0],
            password=ADMIN[1],
            ca_file=str(other.identity.ca_file),
        )
        with pytest.raises(ovirtsdk4.Error, match="SSL certificate"):
            stranger.authenticate()


@pytest.mark.parametrize(
    ("authorization", "text"),
    [
        ("Bearer nonsense", EXPIRED),
        ("bearer nonsense", "Unauthorized"),
        ("Digest x", "Unauthorized"),
    ],
)
def test_without_token_is_401_with_a_page(admin: ApiClient, authorization: str, text: str) -> None:
    reply = admin.get("vms", Authorization=authorization)
    assert reply.status == 401
    page = f"<html><head><title>Error</title></head><body>{text}</body></html>"
    assert reply.body.decode() == page
    assert reply.headers["content-type"] == "text/html;charset=UTF-8"
    assert reply.headers["www-authenticate"] == 'Basic realm="RESTAPI"'


def test_who_may_not_log_in_gets_a_token_and_no_answer(lab: Lab) -> None:
    control = lab.control()
    control.add_role("NoLogin", ["attach_disk"])
    control.add_user("no-login@internal", "secret", [{"role": "NoLogin"}])
    with ApiClient(lab.url, str(lab.identity.ca_file), "no-login@internal", "secret") as api:
        reply = api.get("vms")
    assert api.token
    assert reply.status == 401
    assert b"is not authorized to perform login</body>" in reply.body


def test_basic_authentication_works(admin: ApiClient) -> None:
    assert (
        admin.get("vms", Authorization="Basic YWRtaW5AaW50ZXJuYWw6YWRtaW4tc2VjcmV0").status == 200
    )


def test_expired_token_is_renewed_by_the_sdk(lab: Lab) -> None:
    vms = connection(lab).system_service().vms_service()
    before = len(vms.list())
    lab.control().expire_tokens()
    assert len(vms.list()) == before


def test_a_token_lives_as_long_as_somebody_uses_it(lab: Lab) -> None:
    control = lab.control()
    control.settings(token_seconds=4.0)
    try:
        with client(lab) as api:
            for _use in range(3):
                assert api.get("vms").status == 200
                time.sleep(2)
            time.sleep(3)
            assert api.get("vms").status == 401
    finally:
        control.settings(token_seconds=1800.0)


def test_ca_can_be_downloaded(lab: Lab, admin: ApiClient) -> None:
    path = "/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA"
    assert admin.raw("GET", path, b"", {}).body == lab.identity.ca_file.read_bytes()


@pytest.mark.parametrize("path", ["vms/no-uuid", f"vms/{UNKNOWN}", f"disks/{UNKNOWN}"])
def test_not_found_is_404_without_body(admin: ApiClient, path: str) -> None:
    reply = admin.get(path)
    assert (reply.status, reply.body) == (404, b"")


def test_unknown_method_is_405(admin: ApiClient) -> None:
    assert admin.delete("vms").status == 405


def test_attachments_of_an_unknown_vm_are_an_empty_list(lab: Lab, admin: ApiClient) -> None:
    reply = admin.get(f"vms/{UNKNOWN}/diskattachments")
    assert (reply.status, len(reply.xml())) == (200, 0)
    assert admin.get(f"vms/{lab.vm('web01').id}/diskattachments/{UNKNOWN}").body == b""


def test_unknown_snapshot_is_a_fault_without_brackets(lab: Lab, admin: ApiClient) -> None:
    reply = admin.get(f"vms/{lab.vm('web01').id}/snapshots/{UNKNOWN}")
    assert reply.status == 404
    wanted = f"Entity not found: GetSnapshotBySnapshotId: snapshot id={UNKNOWN}"
    assert reply.detail == wanted


def test_search_by_name(lab: Lab) -> None:
    vms = connection(lab).system_service().vms_service()
    assert names(vms.list(search="name=web01")) == ["web01"]
    assert names(vms.list(search='name="web01"')) == ["web01"]
    assert names(vms.list(search="name=WEB01")) == ["web01"]
    assert names(vms.list(search="name=WEB01", case_sensitive=True)) == []
    assert names(vms.list(search="name=web* or name=db01")) == ["db01", "web01"]
    assert names(vms.list(search="name=*01 and status=down")) == ["files01"]
    assert names(vms.list(search=f"id={lab.vm('db01').id}")) == ["db01"]
    assert names(vms.list(search="name!=web01 sortby name desc", max=1)) == ["files01"]
    assert names(vms.list(search="name=*01 sortby name asc page 2", max=3)) == ["web01"]
    # A page follows a direction, not the name of a field.
    assert names(vms.list(search="name=*01 sortby name page 2", max=3)) == []


def test_wildcards_work_inside_quotes(lab: Lab) -> None:
    vms = connection(lab).system_service().vms_service()
    assert names(vms.list(search='name="*01"')) == ["backup01", "db01", "files01", "web01"]


@pytest.mark.parametrize("text", ["name=a b c=", "nonsense=x", "name=", 'name="web01'])
def test_malformed_search_finds_nothing_and_says_nothing(admin: ApiClient, text: str) -> None:
    reply = admin.get("vms?search=" + quote(text))
    assert (reply.status, len(reply.xml())) == (200, 0)


def test_a_limited_sorted_search_of_a_user_forgets_its_conditions(
    admin: ApiClient, backup: ApiClient
) -> None:
    path = "vms?max=1&search=" + quote("name=web01 sortby name asc")
    assert admin.get(path).xml().findtext("vm/name") == "web01"
    assert backup.get(path).xml().findtext("vm/name") == "backup01"


def test_disks_by_the_names_of_their_vms(lab: Lab) -> None:
    disks = connection(lab).system_service().disks_service()
    found = {disk.alias for disk in disks.list(search="vm_names=web01")}
    assert found == {"web01_system", "web01_data"}


def test_vm_has_links_and_follow_inlines_them(lab: Lab, admin: ApiClient) -> None:
    vm_id = lab.vm("web01").id
    plain = admin.get(f"vms/{vm_id}").xml()
    assert plain.find("disk_attachments") is None
    reply = admin.get(f"vms/{vm_id}?follow=disk_attachments.disk,nics,tags").xml()
    aliases = {one.text for one in reply.findall("disk_attachments/disk_attachment/disk/alias")}
    assert aliases == {"web01_system", "web01_data"}
    assert reply.findtext("tags/tag/name") == "backup"
    followed = (
        connection(lab).system_service().vms_service().list(follow="nics", search="name=web01")
    )
    assert followed[0].nics[0].name == "nic1"


def test_disk_hides_snapshots_and_shows_exact_sizes(lab: Lab) -> None:
    disks = connection(lab).system_service().disks_service()
    disk = disks.list(search="name=web01_data")[0]
    assert disk.provisioned_size == 64 << 20
    assert disk.format == types.DiskFormat.RAW
    assert disk.snapshot is None
    assert disk.vms is None
    everything = disks.disk_service(disk.id).get(all_content=True)
    assert [vm.id for vm in everything.vms] == [lab.vm("web01").id]


def test_users_are_filtered(
    lab: Lab, admin: ApiClient, backup: ApiClient, guest: ApiClient
) -> None:
    vm_id = lab.vm("web01").id
    assert len(guest.get("vms").xml()) == 0
    assert len(guest.get("disks").xml()) == 0
    assert guest.get(f"vms/{vm_id}").status == 404
    assert guest.get(f"vms/{vm_id}/snapshots").status == 200
    assert len(backup.get("vms").xml()) == len(admin.get("vms").xml()) > 0
    assert backup.get(f"vms/{vm_id}").xml().find("host") is None
    assert admin.get(f"vms/{vm_id}").xml().find("host") is not None


def test_an_administrators_filtered_view_is_empty(admin: ApiClient) -> None:
    assert len(admin.get("vms", Filter="true").xml()) == 0


def test_administrators_queries_are_400_for_others(lab: Lab, backup: ApiClient) -> None:
    text = "query execution failed due to insufficient permissions."
    domain = next(iter(lab.world.domains))
    reply = backup.get(f"storagedomains/{domain}/disksnapshots")
    assert (reply.status, reply.detail) == (400, text)
    reply = backup.get("vms", Filter="false")
    assert (reply.status, reply.detail) == (400, text)


def test_correlation_id_is_cleaned_cut_and_echoed(admin: ApiClient) -> None:
    long = str(uuid.uuid4())
    assert admin.get("vms", Correlation_Id=f"{long}!tail").headers["correlation-id"] == long
    assert admin.get("vms?correlation_id=a%20b/c").headers["correlation-id"] == "abc"


def test_ovf_of_a_vm(lab: Lab, admin: ApiClient) -> None:
    vm_id = lab.vm("web01").id
    for reply in (
        admin.get(f"vms/{vm_id}?all_content=true"),
        admin.get(f"vms/{vm_id}", All_Content="true"),
    ):
        text = reply.xml().findtext("initialization/configuration/data", "")
        assert "ovf:DiskSection_Type" in text
        assert 'ovf:size="1"' in text
        assert reply.xml().findtext("initialization/configuration/type") == "ovf"
    assert admin.get(f"vms/{vm_id}").xml().find("initialization") is None


def test_request_log_tells_writes(lab: Lab) -> None:
    control = lab.control()
    control.forget_requests()
    with client(lab) as api:
        api.get("vms", Correlation_Id="mine")
        api.post(f"vms/{lab.vm('web01').id}/diskattachments", "<disk_attachment/>")
    logged = control.requests()
    assert [(one.method, one.write) for one in logged] == [
        ("POST", False),
        ("GET", False),
        ("POST", True),
    ]
    assert logged[1].user == ADMIN[0]
    assert logged[1].correlation_id == "mine"
    assert [one.status for one in control.writes()] == [500]


def test_control_makes_vms_and_refuses_nonsense(lab: Lab) -> None:
    control = lab.control()
    made = control.add_vm("app01", status="down", disks=[{"alias": "app01_system"}], checkpoints=2)
    assert set(made["disks"]) == {"app01_system"}
    with client(lab) as api:
        assert len(api.get(f"vms/{made['id']}/checkpoints").xml()) == 2
        assert api.delete(f"vms/{made['id']}").status == 200
        assert api.get(f"vms/{made['id']}").status == 404
    with pytest.raises(Exception, match="there is a VM web01"):
        control.add_vm("web01")
    with pytest.raises(Exception, match="no field"):
        control.patch("vms", lab.vm("web01").id, nonsense=1)


def test_reset_makes_the_world_anew(tmp_path: Path) -> None:
    spec = VmSpec("only", disks=(DiskSpec("only_system"),))
    with Lab(tmp_path, host=False, appliance=False, vms=(spec,)) as lab:
        before = lab.vm("only").id
        lab.control().patch("vms", before, name="changed")
        lab.control().settings(maintenance=True)
        lab.control().reset()
        assert lab.vm("only").id != before
        assert not lab.control().world()["settings"]["maintenance"]


def test_engine_can_vanish_and_return(lab: Lab) -> None:
    control = lab.control()
    control.engine(up=False)
    with pytest.raises(ovirtsdk4.ConnectionError):
        connection(lab).authenticate()
    control.engine(up=True)
    assert connection(lab).test()


def _event(custom_id: str = "<custom_id>1</custom_id>", more: str = "") -> str:
    said = "<description>of a client</description><severity>warning</severity>"
    return f"<event>{said}<origin>client</origin>{custom_id}{more}</event>"


def test_a_client_writes_into_the_log_each_of_its_ids_once(lab: Lab, admin: ApiClient) -> None:
    vm = lab.vm("web01")
    reply = admin.post("events", _event(more=f'<vm id="{vm.id}"/>'), Correlation_Id="not-kept")
    assert reply.status == 201
    told = reply.xml()
    shown = [told.findtext(name) for name in ("code", "origin", "custom_id", "correlation_id")]
    assert shown == ["9802", "client", "1", None]
    found = admin.get(f"events?search=type%3D9802+and+_event_vm_id%3D{vm.id}").xml()
    assert [one.get("id") for one in found] == [told.get("id")]
    reply = admin.post("events", _event())
    text = "[=Cannot add External Event. External Event with this custom id already exists.]"
    assert (reply.status, reply.detail) == (400, text)
    reply = admin.post("events", _event(custom_id=""))
    text = "Parameter 'event.custom_id' is mandatory but was not provided."
    assert (reply.status, reply.detail) == (400, text)


def test_a_client_writes_nothing_without_the_permit(guest: ApiClient) -> None:
    assert guest.post("events", _event()).status == 403
