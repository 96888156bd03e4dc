# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: roles, action groups, and what filtered reads show (section 8 of the contract)."""

from __future__ import annotations

from dataclasses import dataclass

from lab.engine.texts import refuse
from lab.model import SYSTEM, Disk, User, Vm, World

CONFIGURE_VM_STORAGE = "CONFIGURE_VM_STORAGE"
ATTACH_DISK = "ATTACH_DISK"
EDIT_DISK = "EDIT_DISK_PROPERTIES"
DELETE_DISK = "DELETE_DISK"
CREATE_DISK = "CREATE_DISK"
SNAPSHOTS = "MANIPULATE_VM_SNAPSHOTS"
MIGRATE = "MIGRATE_VM"
RUN_VM = "RUN_VM"
DELETE_VM = "DELETE_VM"
CREATE_VM = "CREATE_VM"
HOSTS = "MANIPULATE_HOST"
LOGIN = "LOGIN"

_DISK = frozenset({ATTACH_DISK, EDIT_DISK, DELETE_DISK, CREATE_DISK})
_VM_MANAGER = _DISK | {CONFIGURE_VM_STORAGE, SNAPSHOTS, RUN_VM, DELETE_VM, LOGIN}
_EVERYTHING = _VM_MANAGER | {MIGRATE, CREATE_VM, HOSTS}


@dataclass(frozen=True)
class Role:
    """A set of action groups; an administrator's role opens unfiltered reads."""

    permits: frozenset[str]
    admin: bool = False


ROLES = {
    "SuperUser": Role(_EVERYTHING, admin=True),
    "DataCenterAdmin": Role(_EVERYTHING, admin=True),
    "ClusterAdmin": Role(_EVERYTHING, admin=True),
    "StorageAdmin": Role(_DISK | {LOGIN}, admin=True),
    "UserVmManager": Role(_VM_MANAGER),
    "UserInstanceManager": Role(_VM_MANAGER),
    "UserVmRunTimeManager": Role(_VM_MANAGER - {SNAPSHOTS, DELETE_VM}),
    "DiskOperator": Role(_DISK | {LOGIN}),
    "UserRole": Role(frozenset({RUN_VM, LOGIN})),
    # The least that a backup needs: no predefined role is that small.
    "BackupRole": Role(frozenset({CONFIGURE_VM_STORAGE, ATTACH_DISK, SNAPSHOTS, LOGIN})),
    "LoginOnly": Role(frozenset({LOGIN})),
}


def is_admin(user: User) -> bool:
    """Whether the user holds an administrator's role anywhere."""
    return any(ROLES[grant.role].admin for grant in user.grants)


def vm_scopes(world: World, vm: Vm) -> set[str]:
    """The objects whose grants reach a VM."""
    return {vm.id, vm.cluster_id, world.data_centre_of(vm), SYSTEM}


def disk_scopes(world: World, disk: Disk) -> set[str]:
    """The objects whose grants reach a disk.

    The permission tree asks for one parent VM; with two holders the engine's choice is arbitrary.
    Here it is the lowest VM id, so that a test sees the trap and sees it each time.
    """
    domain = world.domains[disk.domain_id]
    scopes = {disk.id, domain.id, domain.data_centre_id, SYSTEM}
    parents = sorted(holder.vm_id for holder in world.holders(disk.id))
    if parents and parents[0] in world.vms:
        scopes |= vm_scopes(world, world.vms[parents[0]])
    return scopes


def permitted(user: User, permit: str, scopes: set[str]) -> bool:
    """Whether a grant with this action group reaches one of the objects."""
    return any(g.object_id in scopes and permit in ROLES[g.role].permits for g in user.grants)


def require(user: User, permit: str, scopes: set[str]) -> None:
    """Refuse with 403 unless permitted."""
    if not permitted(user, permit, scopes):
        raise refuse("NOT_AUTHORIZED")


def visible(user: User, scopes: set[str], filtered: bool) -> bool:
    """Whether a read shows an object; filtered views consider user roles alone."""
    if not filtered:
        return True
    useful = (g for g in user.grants if not ROLES[g.role].admin and g.role != "LoginOnly")
    return any(g.object_id in scopes for g in useful)
