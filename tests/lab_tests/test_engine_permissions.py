# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, permissions and what a user without an administrator's role may see (docs/engine.md#permits)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab.control import Control
from lab.engine.client import FORM, ApiClient, Reply
from lab.engine.sso import LOGOUT_PATH
from lab.lab import Lab
from lab.model import EVERYONE, SYSTEM, Settings
from lab.world import ADMIN, BACKUP, GUEST, LEAST

UNKNOWN = "11111111-2222-4333-8444-555555555555"
DENIED = "[User is not authorized to perform this action.]"
ADMINS_ONLY = "query execution failed due to insufficient permissions."
SUPER_USER = "00000000-0000-0000-0000-000000000001"


class Scene:
    """The default VMs, a snapshot of web01, and accounts made to measure."""

    def __init__(self, lab: Lab, stack: ExitStack) -> None:
        self.lab, self._stack = lab, stack
        self.admin = self.sign_in(*ADMIN)
        self.web, self.appliance = lab.vm("web01"), lab.vm("backup01")
        self.disk = next(d.id for d in lab.world.disks.values() if d.alias == "web01_data")
        path = f"vms/{self.web.id}/snapshots"
        body = "<snapshot><description>nightly</description></snapshot>"
        self.snapshot = self.admin.post(path, body).xml().get("id") or ""
        lab.engine.tasks.drain(10)

    @property
    def control(self) -> Control:
        """The lab's other side."""
        return self.lab.control()

    def sign_in(self, name: str, password: str) -> ApiClient:
        """Return a client of one account."""
        client = ApiClient(self.lab.url, str(self.lab.identity.ca_file), name, password)
        return self._stack.enter_context(client)

    def user(self, *grants: tuple[str, str], groups: tuple[str, ...] = ()) -> ApiClient:
        """Return a new account with roles on objects."""
        given = [{"role": role, "object_id": object_id} for role, object_id in grants]
        self.control.add_user("somebody@internal", "secret", given, groups)
        return self.sign_in("somebody@internal", "secret")

    def id_of(self, name: str) -> str:
        """Return the id of an account."""
        return self.lab.world.users[name].id

    def attach(self, api: ApiClient, *, active: bool = False) -> Reply:
        """Attach the disk snapshot to the appliance."""
        disk = f'<disk id="{self.disk}"><snapshot id="{self.snapshot}"/></disk>'
        how = f"<active>{str(active).lower()}</active><interface>virtio_scsi</interface>"
        body = f"<disk_attachment>{how}{disk}</disk_attachment>"
        return api.post(f"vms/{self.appliance.id}/diskattachments", body)

    def detach(self, api: ApiClient) -> Reply:
        """Detach it."""
        return api.delete(f"vms/{self.appliance.id}/diskattachments/{self.disk}")

    def role(self, name: str) -> str:
        """Return the id of a role."""
        return self.lab.world.roles[name].id


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(snapshot_polls=0, removal_polls=0)
    with Lab(tmp_path_factory.mktemp("lab"), host=False, settings=settings) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    lab.reset()
    # Whoever is logged in shows events to the others.
    lab.control().expire_tokens()
    with ExitStack() as stack:
        yield Scene(lab, stack)


def ids(reply: Reply) -> set[str | None]:
    assert reply.status == 200
    return {one.get("id") for one in reply.xml()}


def names(reply: Reply) -> set[str | None]:
    assert reply.status == 200
    return {one.findtext("name") for one in reply.xml()}


# ----- what users learn about themselves ----------------------------------------------------------


def test_a_user_finds_out_all_he_needs_about_himself(scene: Scene) -> None:
    api = scene.sign_in(*BACKUP)
    root = api.get("").xml()
    me = root.find("authenticated_user")
    assert me is not None
    assert me.get("id") == scene.id_of(BACKUP[0])
    assert root.find("summary") is None
    found = api.get(f"users/{me.get('id')}/permissions").xml()
    mine = [one for one in found if one.find("user") is not None]
    everybody = [one for one in found if one.find("group") is not None]
    by_role = {grant.find("role").get("id"): grant for grant in mine}  # type: ignore[union-attr]
    assert set(by_role) == {scene.role("BackupRole"), scene.role("LoginOnly")}
    grant = by_role[scene.role("BackupRole")]
    role = grant.find("role")
    assert role is not None
    system = {"vm", "disk", "cluster", "data_center", "storage_domain", "host", "template"}
    assert not system & {child.tag for child in grant}, "a grant on the system names no object"
    assert by_role[scene.role("LoginOnly")].find("data_center") is not None
    assert {one.find("group").get("id") for one in everybody} == {EVERYONE}  # type: ignore[union-attr]
    permits = api.get(f"roles/{role.get('id')}/permits")
    assert names(permits) == {name.lower() for name in LEAST}


def test_of_others_a_user_learns_nothing(scene: Scene) -> None:
    api = scene.sign_in(*BACKUP)
    admin = scene.id_of(ADMIN[0])
    assert ids(api.get(f"users/{admin}/permissions")) == set()
    assert api.get(f"users/{admin}").status == 404
    assert ids(api.get("users")) == {scene.id_of(BACKUP[0])}
    assert api.get(f"groups/{EVERYONE}").detail == ADMINS_ONLY


def test_roles_of_administrators_are_not_listed_but_told_by_id(scene: Scene) -> None:
    api = scene.sign_in(*BACKUP)
    listed = names(api.get("roles"))
    assert {"BackupRole", "UserVmManager", "DiskOperator"} <= listed
    assert not {"SuperUser", "ClusterAdmin"} & listed
    assert "SuperUser" in names(scene.admin.get("roles"))
    assert api.get(f"roles/{SUPER_USER}").xml().findtext("administrative") == "true"
    assert "backup_disk" in names(api.get(f"roles/{SUPER_USER}/permits"))


def test_permits_are_listed_with_the_cluster_levels(scene: Scene) -> None:
    api = scene.sign_in(*GUEST)
    permits = api.get("clusterlevels/4.3").xml().findall("permits/permit")
    known = {
        one.findtext("name"): (one.get("id"), one.findtext("administrative")) for one in permits
    }
    assert known["attach_disk"] == ("1101", "false")
    assert known["backup_disk"] == ("1110", "true")
    assert api.get("clusterlevels/3.0").status == 404


def test_permissions_of_an_object_show_ones_own_also_from_above(scene: Scene) -> None:
    cluster = scene.web.cluster_id
    group = scene.control.add_group("operators", [{"role": "UserRole", "object_id": cluster}])
    api = scene.user(("BackupRole", SYSTEM), ("DiskOperator", scene.web.id), groups=(group,))
    other = [{"role": "UserVmManager", "object_id": scene.web.id}]
    other_id = scene.control.add_user("other@internal", "x", other)
    rows = list(api.get(f"vms/{scene.web.id}/permissions").xml())
    assert {one.find("vm").get("id") for one in rows} == {scene.web.id}  # type: ignore[union-attr]
    who = {one.find("role").get("id") for one in rows}  # type: ignore[union-attr]
    wanted = {"BackupRole", "DiskOperator", "UserRole", "UserVmManager", "UserProfileEditor"}
    assert who == {scene.role(name) for name in wanted}
    # The user has no grant on this object itself, so those of others are hidden.
    disk = api.get(f"disks/{scene.disk}/permissions").xml()
    assert other_id not in {u.get("id") for u in disk.iter("user")}
    db01 = api.get(f"vms/{scene.lab.vm('db01').id}/permissions").xml()
    roles = {one.get("id") for one in db01.iter("role")}
    assert roles == {scene.role(name) for name in ("BackupRole", "UserRole", "UserProfileEditor")}


def test_nobody_checks_whether_the_object_is_there(scene: Scene) -> None:
    api = scene.sign_in(*BACKUP)
    assert len(ids(api.get(f"vms/{UNKNOWN}/permissions"))) == 2
    hidden = scene.user(("BackupRole", scene.web.id))
    db01 = scene.lab.vm("db01").id
    assert hidden.get(f"vms/{db01}").status == 404
    assert len(ids(hidden.get(f"vms/{db01}/permissions"))) == 1


def test_roles_of_a_user_are_those_on_the_system(scene: Scene) -> None:
    api = scene.user(("BackupRole", SYSTEM), ("DiskOperator", scene.web.id))
    me = scene.id_of("somebody@internal")
    assert names(api.get(f"users/{me}/roles")) == {"BackupRole", "UserProfileEditor"}


# ----- what filtered reads show -------------------------------------------------------------------


def test_queries_of_administrators_are_400_for_others(scene: Scene) -> None:
    api = scene.sign_in(*BACKUP)
    domain = scene.lab.world.disks[scene.disk].domain_id
    event = scene.lab.world.events[-1].index
    paths = (
        *("jobs", "tags", f"hosts/{scene.web.host_id}", f"events/{event}"),
        *(f"vms/{scene.web.id}/checkpoints", f"vms/{scene.web.id}/tags"),
        f"vms/{scene.web.id}/backups",
        *(f"storagedomains/{domain}/disksnapshots", f"storagedomains/{domain}/vms"),
    )
    for path in paths:
        reply = api.get(path)
        assert (path, reply.status, reply.detail) == (path, 400, ADMINS_ONLY)
        assert scene.admin.get(path).status == 200
        assert scene.admin.get(path, Filter="true").status == 400


@pytest.mark.parametrize(
    ("role", "place", "attached", "made"),
    [
        ("BackupRole", "system", False, False),
        ("LoginOnly", "data centre", True, True),
        ("LoginOnly", "cluster", True, True),
        ("LoginOnly", "appliance", True, False),
        ("LoginOnly", "source", False, True),
        ("BackupRole", "disk", False, False),
        ("BackupRole", "domain", False, False),
    ],
)
def test_events_are_shown_by_what_was_granted_near_the_vm(
    scene: Scene, role: str, place: str, attached: bool, made: bool
) -> None:
    assert scene.attach(scene.admin).status == 201
    world = scene.lab.world
    objects = {
        "system": SYSTEM,
        "data centre": world.data_centre_of(scene.web),
        "cluster": scene.web.cluster_id,
        "appliance": scene.appliance.id,
        "source": scene.web.id,
        "disk": scene.disk,
        "domain": world.disks[scene.disk].domain_id,
    }
    api = scene.user((role, objects[place]))
    found = {one.findtext("code") for one in api.get("events").xml()}
    assert ("2016" in found, "68" in found) == (attached, made)
    assert list(scene.admin.get("events", Filter="true").xml()) or not (attached or made)


def test_what_another_session_may_see_is_shown_too(scene: Scene) -> None:
    blind = scene.user(("BackupRole", SYSTEM))
    assert list(blind.get("events").xml()) == []
    seeing = scene.sign_in(*BACKUP)
    assert seeing.get("vms").status == 200
    assert list(blind.get("events").xml()), "the view joins the sessions of all users"
    form = f"scope=ovirt-app-api&token={seeing.token}".encode()
    assert seeing.raw("POST", LOGOUT_PATH, form, FORM).body == b"{ }"
    assert list(blind.get("events").xml()) == []


def test_what_a_host_says_belongs_to_no_vm(scene: Scene) -> None:
    scene.control.add_fault("fail_plug")
    assert scene.attach(scene.admin, active=True).status == 400
    (event,) = scene.admin.get("events?search=type=10802").xml()
    assert event.find("vm") is None
    assert event.find("correlation_id") is None
    assert event.findtext("host/name")
    search = f"type=10802 and _event_vm_id={scene.appliance.id}".replace(" ", "%20")
    assert list(scene.admin.get(f"events?search={search}").xml()) == []


def test_a_role_that_shows_nothing_below_shows_no_vms(scene: Scene) -> None:
    for role in ("UserVmRunTimeManager", "UserInstanceManager", "LoginOnly"):
        api = scene.user((role, SYSTEM))
        assert ids(api.get("vms")) == set()
        assert ids(api.get("disks")) == set()
        assert names(api.get("datacenters")) == {"Default", "Second"}
    api = scene.user(("UserVmRunTimeManager", scene.web.id))
    assert names(api.get("vms")) == {"web01"}
    assert names(api.get("disks")) == {"web01_system", "web01_data"}


def test_a_disk_shows_through_any_vm_that_holds_it(scene: Scene) -> None:
    only_appliance = scene.user(("BackupRole", scene.appliance.id))
    assert only_appliance.get(f"disks/{scene.disk}").status == 404
    assert scene.attach(scene.admin).status == 201
    assert only_appliance.get(f"disks/{scene.disk}").status == 200
    assert only_appliance.get(f"vms/{scene.web.id}").status == 404
    path = f"disks/{scene.disk}?all_content=true"
    assert only_appliance.get(path).xml().find("vms") is None
    assert len(scene.admin.get(path).xml().findall("vms/vm")) == 2


def test_domains_show_through_vms_and_not_through_clusters(scene: Scene) -> None:
    everybody = scene.lab.world.groups[EVERYONE]
    everybody.grants.clear()
    through_vm = scene.user(("BackupRole", scene.web.id))
    assert names(through_vm.get("storagedomains")) == {"data1"}
    assert names(through_vm.get("clusters")) == {"Default"}
    assert names(through_vm.get("hosts")) == set()
    through_cluster = scene.user(("BackupRole", scene.web.cluster_id))
    assert names(through_cluster.get("storagedomains")) == set()
    assert names(through_cluster.get("hosts")) == {"host1a", "host1b"}
    assert "web01" in names(through_cluster.get("vms"))
    through_domain = scene.user(("DiskOperator", scene.lab.world.disks[scene.disk].domain_id))
    assert names(through_domain.get("vms")) == set()
    assert "web01_data" in names(through_domain.get("disks"))


# ----- who may do what ----------------------------------------------------------------------------


def test_the_least_rights_by_object(scene: Scene) -> None:
    api = scene.user(("BackupRole", scene.appliance.id))
    assert (scene.attach(api).status, scene.attach(api).detail) == (403, DENIED)
    api = scene.user(("BackupRole", scene.appliance.id), ("BackupRole", scene.disk))
    assert scene.attach(api).status == 201
    assert scene.detach(api).status == 200
    only_disk = scene.user(("BackupRole", scene.disk))
    assert (scene.attach(only_disk).status, scene.attach(only_disk).detail) == (403, DENIED)


@pytest.mark.parametrize("place", ["domain", "centre", "cluster"])
def test_rights_come_from_above(scene: Scene, place: str) -> None:
    world = scene.lab.world
    where = {
        "domain": world.disks[scene.disk].domain_id,
        "centre": world.data_centre_of(scene.web),
        "cluster": scene.web.cluster_id,
    }[place]
    api = scene.user(("BackupRole", where), ("BackupRole", scene.appliance.id))
    assert scene.attach(api).status == 201


def test_with_two_holders_the_right_through_one_of_them_is_a_matter_of_luck(scene: Scene) -> None:
    assert scene.attach(scene.admin).status == 201
    first, second = sorted((scene.web, scene.appliance), key=lambda vm: vm.id)
    body = "<disk_attachment><bootable>false</bootable></disk_attachment>"
    path = f"diskattachments/{scene.disk}"
    lucky = scene.user(("UserVmManager", first.id))
    assert lucky.put(f"vms/{first.id}/{path}", body).status == 200
    unlucky = scene.user(("UserVmManager", second.id))
    assert unlucky.put(f"vms/{second.id}/{path}", body).status == 403


def test_a_group_gives_rights_to_its_members(scene: Scene) -> None:
    group = scene.control.add_group("backup", [{"role": "BackupRole", "object_id": SYSTEM}])
    api = scene.user(groups=(group,))
    assert scene.attach(api).status == 201
    found = api.get(f"users/{scene.id_of('somebody@internal')}/permissions").xml()
    assert {one.get("id") for one in found.iter("group")} == {group, EVERYONE}


def test_the_permit_of_each_call(scene: Scene) -> None:
    """A role without it is refused, a role with it alone is not."""
    web, host = f"vms/{scene.web.id}", f"hosts/{scene.web.host_id}"
    path = f"{web}/snapshots"
    snapshot = "<snapshot><description>x</description></snapshot>"
    ova = "<action><host><name>host1a</name></host><directory>/x</directory></action>"
    domain = scene.control.add_domain("data9")
    move = f'<action><storage_domain id="{domain}"/></action>'
    cases = (
        ("MANIPULATE_VM_SNAPSHOTS", path, snapshot),
        ("MIGRATE_VM", f"{web}/migrate", "<action/>"),
        ("IMPORT_EXPORT_VM", f"{web}/export", ova),
        ("CREATE_VM", f"{web}/clone", "<action><vm><name>twin</name></vm></action>"),
        ("MANIPULATE_HOST", f"{host}/deactivate", "<action/>"),
        ("MANIPULATE_HOST", f"{host}/activate", "<action/>"),
        ("STOP_VM", f"{web}/stop", "<action/>"),
        ("RUN_VM", f"{web}/start", "<action/>"),
        ("HIBERNATE_VM", f"{web}/suspend", "<action/>"),
        ("CONFIGURE_DISK_STORAGE CREATE_DISK", f"disks/{scene.disk}/move", move),
    )
    scene.control.add_role("Viewer", ["CONNECT_TO_VM"])
    for number, (permits, address, body) in enumerate(cases):
        wanted = permits.split()
        role = f"role{number}"
        scene.control.add_role(role, [*wanted, "LOGIN"])
        refused = scene.user(("UserRole" if wanted[0] not in USER_ROLE else "DiskOperator", SYSTEM))
        reply = refused.post(address, body)
        assert (permits, reply.status, reply.detail) == (permits, 403, DENIED)
        # What is not seen is 404: a role that shows without allowing makes up for roles that do not.
        allowed = scene.user((role, SYSTEM), ("Viewer", SYSTEM))
        reply = allowed.post(address, body)
        scene.lab.engine.tasks.drain(10)
        assert (permits, reply.status != 403) == (permits, True)


USER_ROLE = {"RUN_VM", "STOP_VM", "SHUT_DOWN_VM", "HIBERNATE_VM"}


# ----- changing them ------------------------------------------------------------------------------


def test_a_role_and_its_permits(scene: Scene) -> None:
    api = scene.admin
    permits = '<permits><permit id="10"/><permit id="1300"/></permits>'
    body = f"<role><name>least</name><administrative>false</administrative>{permits}</role>"
    made = api.post("roles", body)
    assert made.status == 201
    path = f"roles/{made.xml().get('id')}"
    assert api.post("roles", body).detail == (
        "[Cannot add Role. The Role name is already in use, please choose a unique name and try "
        "again.]"
    )
    assert names(api.get(f"{path}/permits")) == {"configure_vm_storage", "login"}
    assert api.post(f"{path}/permits", "<permit><name>attach_disk</name></permit>").status == 201
    assert api.post(f"{path}/permits", '<permit id="1101"/>').status == 409
    assert api.post(f"{path}/permits", '<permit id="1110"/>').detail == (
        "[Cannot add administrator's action group to a User Role.]"
    )
    assert api.delete(f"{path}/permits/1101").status == 200
    assert api.delete(f"{path}/permits/1101").status == 400
    assert api.put(path, "<role><name>lesser</name></role>").xml().findtext("name") == "lesser"
    grant = f'<permission><role><name>lesser</name></role><user id="{scene.id_of(GUEST[0])}"/></permission>'
    given = api.post(f"vms/{scene.web.id}/permissions", grant)
    assert api.delete(path).detail == (
        "[One or more Permissions is still associated with Role.\n- Please remove all Permissions "
        "first.]"
    )
    where = f"vms/{scene.web.id}/permissions/{given.xml().get('id')}"
    assert api.delete(where).status == 200
    assert api.delete(path).status == 200
    assert api.get(path).status == 404


def test_predefined_roles_stay(scene: Scene) -> None:
    assert scene.admin.delete(f"roles/{SUPER_USER}").detail == (
        "[Cannot remove Role. The Role is Read-Only.]"
    )
    assert scene.admin.delete(f"roles/{SUPER_USER}/permits/1").status == 409


def test_a_permission_comes_and_goes(scene: Scene) -> None:
    guest = scene.sign_in(*GUEST)
    assert guest.get(f"vms/{scene.web.id}").status == 404
    role = f'<role id="{scene.role("BackupRole")}"/>'
    body = f'<permission>{role}<user id="{scene.id_of(GUEST[0])}"/></permission>'
    path = f"vms/{scene.web.id}/permissions"
    made = scene.admin.post(path, body)
    assert made.status == 201
    assert guest.get(f"vms/{scene.web.id}").status == 200
    again = scene.admin.post(path, body)
    assert (again.status, again.xml().get("id")) == (201, made.xml().get("id"))
    of_user = f"users/{scene.id_of(GUEST[0])}/permissions/{made.xml().get('id')}"
    assert guest.delete(of_user).status == 403
    assert scene.admin.delete(of_user).status == 200
    assert guest.get(f"vms/{scene.web.id}").status == 404
    assert [e.code for e in scene.lab.world.events if e.code in {850, 852}] == [850, 852]


def test_what_cannot_be_granted_or_taken(scene: Scene) -> None:
    manager = scene.user(("UserVmManager", scene.web.id))
    guest = f'<user id="{scene.id_of(GUEST[0])}"/>'
    path = f"vms/{scene.web.id}/permissions"
    admin_role = "<permission><role><name>ClusterAdmin</name></role>{}</permission>"
    reply = manager.post(path, admin_role.format(guest))
    assert (reply.status, "only system super user" in reply.detail) == (403, True)
    reply = scene.admin.post(path, admin_role.format(f'<user id="{UNKNOWN}"/>'))
    assert (reply.status, reply.detail) == (401, "[User must exist in Database.]")
    unknown = admin_role.format(guest).replace("ClusterAdmin", "Nobody")
    assert scene.admin.post(path, unknown).detail == "[Cannot add permission, invalid Role id]"
    reply = scene.admin.post(f"vms/{UNKNOWN}/permissions", admin_role.format(guest))
    assert reply.detail == "[Cannot add permission, invalid object ID or type]"
    mine = scene.admin.get(f"users/{scene.id_of(ADMIN[0])}/permissions").xml()
    by_role = {one.find("role").get("id"): one.get("id") for one in mine}  # type: ignore[union-attr]
    super_user = by_role[SUPER_USER]
    reply = scene.admin.delete(f"permissions/{super_user}")
    assert "at least one Super User" in reply.detail
    everybody = by_role[scene.role("UserProfileEditor")]
    assert scene.admin.delete(f"permissions/{everybody}").status == 409
    templates = by_role[scene.role("UserTemplateBasedVm")]
    path = f"users/{scene.id_of(ADMIN[0])}/permissions/{templates}"
    assert scene.admin.delete(path).detail == "[Cannot remove inherited permission]"


def test_grants_go_with_their_object(scene: Scene) -> None:
    scene.control.add_vm("gone", status="down")
    vm = scene.lab.vm("gone")
    scene.user(("BackupRole", vm.id))
    assert scene.admin.delete(f"vms/{vm.id}").status == 200
    assert scene.lab.world.users["somebody@internal"].grants == []


def test_filtered_reads_are_searched_all_the_same(scene: Scene) -> None:
    api = scene.sign_in(*BACKUP)
    assert names(api.get("clusters?search=name%3DSecond")) == {"Second"}
    assert names(api.get("storagedomains?search=name%3Ddata2")) == {"data2"}
    assert ids(api.get("users?search=usrname%3Dadmin%40internal-authz")) == set()
    mine = ids(api.get("users?search=usrname%3Dbackup%40internal-authz"))
    assert mine == {scene.id_of(BACKUP[0])}
