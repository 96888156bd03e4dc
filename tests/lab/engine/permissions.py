# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which calls are allowed, and what filtered reads show (docs/engine.md#permits).

There are two different trees, as in the engine: whether a call is *allowed* depends on grants on an
object and its parents (``fn_get_entity_parents``), whether a filtered read *shows* an object
depends on the permission views (``create_views.sql``), which consider only roles for users and look
at more than one parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.engine.texts import refuse
from lab.model import (
    EVERYONE,
    SYSTEM,
    Cluster,
    DataCentre,
    Disk,
    Domain,
    Grant,
    Group,
    Host,
    Role,
    Template,
    User,
    Vm,
    World,
)

if TYPE_CHECKING:
    from lab.engine.core import Call

CONFIGURE_VM_STORAGE = "CONFIGURE_VM_STORAGE"
ATTACH_DISK = "ATTACH_DISK"
EDIT_DISK = "EDIT_DISK_PROPERTIES"
DELETE_DISK = "DELETE_DISK"
CREATE_DISK = "CREATE_DISK"
MOVE_DISK = "CONFIGURE_DISK_STORAGE"
SNAPSHOTS = "MANIPULATE_VM_SNAPSHOTS"
MIGRATE = "MIGRATE_VM"
RUN_VM = "RUN_VM"
STOP_VM = "STOP_VM"
SHUT_DOWN_VM = "SHUT_DOWN_VM"
SUSPEND_VM = "HIBERNATE_VM"
DELETE_VM = "DELETE_VM"
CREATE_VM = "CREATE_VM"
EDIT_VM = "EDIT_VM_PROPERTIES"
CUSTOM_PROPERTIES = "CHANGE_VM_CUSTOM_PROPERTIES"
VM_NETWORK = "CONFIGURE_VM_NETWORK"
EXPORT_VM = "IMPORT_EXPORT_VM"
CREATE_TEMPLATE = "CREATE_TEMPLATE"
DELETE_TEMPLATE = "DELETE_TEMPLATE"
HOSTS = "MANIPULATE_HOST"
USERS = "MANIPULATE_USERS"
ROLES = "MANIPULATE_ROLES"
PERMISSIONS = "MANIPULATE_PERMISSIONS"
BACKUP_DISK = "BACKUP_DISK"
INJECT_EVENTS = "INJECT_EXTERNAL_EVENTS"
LOGIN = "LOGIN"
SUPER = "SuperUser"


@dataclass(frozen=True)
class Held:
    """A grant with whoever has it."""

    holder: User | Group
    grant: Grant


def all_held(world: World) -> Iterator[Held]:
    """Yield every grant of every user and group."""
    holders: Iterable[User | Group] = [*world.users.values(), *world.groups.values()]
    for holder in holders:
        for grant in holder.grants:
            yield Held(holder, grant)


def held_by(world: World, user: User) -> Iterator[Held]:
    """Return the grants that count for a user: own ones, those of the user's groups, and everybody's."""
    mine = {user.id, EVERYONE, *user.groups}
    return (held for held in all_held(world) if held.holder.id in mine)


def role_of(world: World, grant: Grant) -> Role:
    """Return the role that a grant gives."""
    return world.roles[grant.role]


def is_admin(world: World, user: User) -> bool:
    """Tell whether the user holds an administrator's role anywhere."""
    return any(role_of(world, held.grant).admin for held in held_by(world, user))


def is_super(world: World, user: User) -> bool:
    """Tell whether the user is a SuperUser of the whole system."""
    held = held_by(world, user)
    return any(one.grant.role == SUPER and one.grant.object_id == SYSTEM for one in held)


def vm_scopes(world: World, vm: Vm) -> set[str]:
    """Return the objects whose grants reach a VM."""
    return {vm.id, vm.cluster_id, world.data_centre_of(vm), SYSTEM}


def host_scopes(world: World, host: Host) -> set[str]:
    """Return the objects whose grants reach a host."""
    return {host.id, *cluster_scopes(world, world.clusters[host.cluster_id])}


def cluster_scopes(_world: World, cluster: Cluster) -> set[str]:
    """Return the objects whose grants reach a cluster."""
    return {cluster.id, cluster.data_centre_id, SYSTEM}


def domain_scopes(domain: Domain) -> set[str]:
    """Return the objects whose grants reach a storage domain."""
    return {domain.id, domain.data_centre_id, SYSTEM}


def template_scopes(world: World, template: Template) -> set[str]:
    """Return the objects whose grants reach a template: its cluster is none of them."""
    return {template.id, world.clusters[template.cluster_id].data_centre_id, SYSTEM}


def disk_scopes(world: World, disk: Disk) -> set[str]:
    """Return the objects whose grants reach a disk.

    The permission tree asks for one parent VM; with two holders the engine's choice is arbitrary.
    Here it is the lowest VM id, so that a test sees the trap and sees it each time. A direct LUN is
    found in no image table: nothing but itself and the system reaches it.
    """
    if disk.storage_type == "lun":
        return {disk.id, SYSTEM}
    scopes = {disk.id, *domain_scopes(world.domains[disk.domain_id])}
    parents = sorted(holder.vm_id for holder in world.holders(disk.id))
    if parents and parents[0] in world.vms:
        vm = world.vms[parents[0]]
        scopes |= {vm.id, vm.cluster_id}
    return scopes


def scopes_of(world: World, object_id: str) -> set[str]:
    """Return the objects whose grants reach any object; for an unknown one, itself and the system."""
    tables: tuple[tuple[Mapping[str, Any], Callable[[World, Any], set[str]]], ...] = (
        (world.vms, vm_scopes),
        (world.disks, disk_scopes),
        (world.domains, lambda _world, row: domain_scopes(row)),
        (world.clusters, cluster_scopes),
        (world.hosts, host_scopes),
        (world.templates, template_scopes),
    )
    for table, scopes in tables:
        if object_id in table:
            return scopes(world, table[object_id])
    return {object_id, SYSTEM}


def permitted(world: World, user: User, permit: str, scopes: set[str]) -> bool:
    """Tell whether a grant with this permit reaches one of the objects."""
    return any(
        held.grant.object_id in scopes and permit in role_of(world, held.grant).permits
        for held in held_by(world, user)
    )


def require(call: Call, permit: str, scopes: set[str]) -> None:
    """Refuse with 403 unless permitted."""
    if not permitted(call.world, call.user, permit, scopes):
        raise refuse("NOT_AUTHORIZED")


def forget(world: World, object_id: str) -> None:
    """An object is gone, and every grant on it."""
    holders: Iterable[User | Group] = [*world.users.values(), *world.groups.values()]
    for holder in holders:
        holder.grants[:] = [grant for grant in holder.grants if grant.object_id != object_id]


class View:
    """What the reads of one call show. Filtered ones consider user roles alone."""

    def __init__(self, call: Call) -> None:
        world = call.world
        self._world = world
        self._all = not call.filtered
        user_roles = [
            (held.grant.object_id, role_of(world, held.grant).viewing)
            for held in held_by(world, call.user)
            if not role_of(world, held.grant).admin
        ]
        self._on = {object_id for object_id, _unused in user_roles}
        self._below = {object_id for object_id, viewing in user_roles if viewing}

    def vm(self, vm: Vm) -> bool:
        """On the VM itself any role will do; from above only one that shows what is below."""
        above = {vm.cluster_id, self._world.data_centre_of(vm), SYSTEM}
        return self._all or vm.id in self._on or bool(self._below & above)

    def disk(self, disk: Disk) -> bool:
        """Through the disk, through *any* VM that holds it, through its domain or data centre."""
        if self._all or disk.id in self._on:
            return True
        world = self._world
        holders = [world.vms[one.vm_id] for one in world.holders(disk.id) if one.vm_id in world.vms]
        # The system's grants reach the disks of VMs alone, not those that float.
        if any(self.vm(vm) for vm in holders):
            return True
        domain = world.domains[disk.domain_id]
        above = {domain.id, domain.data_centre_id}
        return disk.storage_type != "lun" and bool(self._below & above)

    def cluster(self, cluster: Cluster) -> bool:
        """Through it, its data centre, the system, or a VM in it: whatever the role shows below."""
        inside = {vm.id for vm in self._world.vms.values() if vm.cluster_id == cluster.id}
        near = {cluster.id, cluster.data_centre_id, SYSTEM}
        return self._all or bool(self._on & (near | inside))

    def data_centre(self, centre: DataCentre) -> bool:
        """Through it, the system, a cluster of it or a VM in it."""
        world = self._world
        clusters = {one.id for one in world.clusters.values() if one.data_centre_id == centre.id}
        vms = {vm.id for vm in world.vms.values() if vm.cluster_id in clusters}
        return self._all or bool(self._on & ({centre.id, SYSTEM} | clusters | vms))

    def domain(self, domain: Domain) -> bool:
        """Through it, its data centre, the system, or a VM of the data centre; not through a cluster."""
        world = self._world
        vms = {v.id for v in world.vms.values() if world.data_centre_of(v) == domain.data_centre_id}
        return self._all or bool(self._on & ({domain.id, domain.data_centre_id, SYSTEM} | vms))

    def host(self, host: Host) -> bool:
        """Through it, its cluster, its data centre or the system."""
        return self._all or bool(self._on & host_scopes(self._world, host))

    def template(self, template: Template) -> bool:
        """Through it, its data centre or the system."""
        above = template_scopes(self._world, template) - {template.id}
        return self._all or template.id in self._on or bool(self._below & above)
