# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, permissions and users: who may change them, and what the engine refuses (docs/engine.md#permits)."""

from __future__ import annotations

from dataclasses import dataclass

from lab.engine import permissions as may
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.permissions import Held
from lab.engine.roles import PERMITS, shows_below
from lab.engine.texts import refuse
from lab.model import EVERYONE, SYSTEM, Grant, Group, Role, User, World, new_id

ADD_ROLE = Wording("add", "Role")
EDIT_ROLE = Wording("edit", "Role")
REMOVE_ROLE = Wording("remove", "Role")
ATTACH = Wording("attach", "Role")
DETACH = Wording("detach", "Role")
# AddPermission sets neither variable: they stay in a text that has them.
ADD_PERMISSION = Wording("${action}", "${type}")
REMOVE_PERMISSION = Wording("remove", "Permission")
ADD_USER = Wording("add", "User")
REMOVE_USER = Wording("remove", "User")
KINDS = (
    ("vms", "VM"),
    ("disks", "Disk"),
    ("data_centres", "Data Center"),
    ("clusters", "Cluster"),
    ("domains", "Storage"),
    ("hosts", "Host"),
    ("templates", "Template"),
)


def kind_of(world: World, object_id: str) -> tuple[str, str] | None:
    """Return the kind and the name of an object that permissions can be on; None when there is none."""
    if object_id == SYSTEM:
        return "System", "(system)"
    for table, kind in KINDS:
        row = getattr(world, table).get(object_id)
        if row is not None:
            return kind, str(getattr(row, "alias", None) or row.name)
    return None


@dataclass(frozen=True)
class WantedRole:
    """A role to add; ``admin`` None where the body does not say."""

    name: str
    permits: tuple[str, ...]
    admin: bool | None
    description: str = ""


def add_role(call: Call, wanted: WantedRole) -> Role:
    """Add a role; an administrator's permit needs a role of that type."""
    world = call.world
    with command(call.engine, ADD_ROLE), world.lock:
        may.require(call, may.ROLES, {SYSTEM})
        if not wanted.permits:
            raise refuse("ACTION_LIST_EMPTY")
        if wanted.name in world.roles:
            raise refuse("NAME_USED")
        if wanted.admin is None:
            raise refuse("ROLE_TYPE_EMPTY")
        _types_fit(wanted.admin, wanted.permits)
        permits = set(wanted.permits)
        role = Role(wanted.name, permits, wanted.admin, shows_below(permits), wanted.description)
        world.roles[role.name] = role
        record(world, 864, call.who, role=role.name)
        return role


def _types_fit(admin: bool, permits: tuple[str, ...]) -> None:
    if not admin and any(PERMITS[name].admin for name in permits):
        raise refuse("ADMIN_PERMIT_IN_USER_ROLE")


def update_role(call: Call, role: Role, name: str | None, admin: bool | None) -> Role:
    """Rename a role: its type does not change."""
    world = call.world
    with command(call.engine, EDIT_ROLE), world.lock:
        may.require(call, may.ROLES, {SYSTEM, role.id})
        if not role.mutable:
            raise refuse("ROLE_READ_ONLY")
        if name not in (None, role.name) and name in world.roles:
            raise refuse("NAME_USED")
        if admin not in (None, role.admin):
            raise refuse("ROLE_TYPE_CHANGED")
        if name is not None and name != role.name:
            _rename(world, role, name)
        return role


def _rename(world: World, role: Role, name: str) -> None:
    holders: list[User | Group] = [*world.users.values(), *world.groups.values()]
    for holder in holders:
        holder.grants[:] = [
            Grant(name, g.object_id, g.id) if g.role == role.name else g for g in holder.grants
        ]
    world.roles.pop(role.name)
    role.name = name
    world.roles[name] = role


def remove_role(call: Call, role: Role) -> None:
    """Remove a role that nobody has."""
    world = call.world
    with command(call.engine, REMOVE_ROLE), world.lock:
        may.require(call, may.ROLES, {SYSTEM, role.id})
        if not role.mutable:
            raise refuse("ROLE_READ_ONLY")
        if any(held.grant.role == role.name for held in may.all_held(world)):
            raise refuse("ROLE_IN_USE")
        world.roles.pop(role.name)
        record(world, 858, call.who, role=role.name)


def add_permit(call: Call, role: Role, name: str) -> None:
    """Add a permit to a role."""
    world = call.world
    with command(call.engine, ATTACH), world.lock:
        may.require(call, may.ROLES, {SYSTEM})
        if not role.mutable:
            raise refuse("ROLE_READ_ONLY")
        if name in role.permits:
            raise refuse("PERMIT_ATTACHED")
        _types_fit(role.admin, (name,))
        role.permits.add(name)
        role.viewing = shows_below(role.permits)


def remove_permit(call: Call, role: Role, name: str) -> None:
    """Take a permit from a role."""
    world = call.world
    with command(call.engine, DETACH), world.lock:
        may.require(call, may.ROLES, {SYSTEM, role.id})
        if not role.mutable:
            raise refuse("ROLE_READ_ONLY")
        if name not in role.permits:
            raise refuse("PERMIT_NOT_ATTACHED")
        role.permits.remove(name)
        role.viewing = shows_below(role.permits)


@dataclass(frozen=True)
class WantedPermission:
    """A permission to add; a role is named by id or name, a holder by id."""

    object_id: str
    holder_id: str
    role_id: str | None
    role_name: str | None


def holder_of(world: World, holder_id: str) -> User | Group | None:
    """Return the user or group with an id."""
    users = (user for user in world.users.values() if user.id == holder_id)
    return next(users, None) or world.groups.get(holder_id)


def add_permission(call: Call, wanted: WantedPermission) -> Held:
    """Grant a role on an object. What is there already is answered as if it were new."""
    world = call.world
    with command(call.engine, ADD_PERMISSION), world.lock:
        may.require(call, may.PERMISSIONS, may.scopes_of(world, wanted.object_id))
        role = _role(world, wanted)
        if role is None:
            raise refuse("PERMISSION_NO_ROLE")
        found = kind_of(world, wanted.object_id)
        if found is None:
            raise refuse("PERMISSION_NO_OBJECT")
        holder = holder_of(world, wanted.holder_id)
        if holder is None:
            raise refuse("USER_NOT_IN_DB")
        if role.admin and not may.is_super(world, call.user):
            raise refuse("PERMISSION_ADMIN_ROLE")
        for grant in holder.grants:
            if (grant.role, grant.object_id) == (role.name, wanted.object_id):
                return Held(holder, grant)
        grant = Grant(role.name, wanted.object_id)
        holder.grants.append(grant)
        _said(call, 850, Held(holder, grant), found)
        return Held(holder, grant)


def _role(world: World, wanted: WantedPermission) -> Role | None:
    if wanted.role_id is not None:
        return next((r for r in world.roles.values() if r.id == wanted.role_id), None)
    return world.roles.get(wanted.role_name or "")


def _said(call: Call, code: int, held: Held, found: tuple[str, str] | None) -> None:
    kind, name = found or ("", "")
    record(
        call.world,
        code,
        call.who,
        subject=held.holder.name,
        authz="internal-authz",
        role=held.grant.role,
        kind=kind,
        name=name,
    )


def remove_permission(call: Call, held: Held, target_id: str) -> None:
    """Take a permission away; ``target_id`` is what the path below it named."""
    world = call.world
    with command(call.engine, REMOVE_PERMISSION), world.lock:
        grant = held.grant
        may.require(call, may.PERMISSIONS, may.scopes_of(world, grant.object_id))
        everybody = list(may.all_held(world))
        supers = [one for one in everybody if one.grant.role == may.SUPER]
        if grant.role == may.SUPER and len(supers) < 2:
            raise refuse("LAST_SUPER_USER")
        if may.role_of(world, grant).admin and not may.is_super(world, call.user):
            raise refuse("PERMISSION_REMOVE_ADMIN_ROLE")
        if held.holder.id == EVERYONE and grant.object_id == SYSTEM:
            raise refuse("EVERYONE_SYSTEM")
        of_user = any(user.id == target_id for user in world.users.values())
        if held.holder.id != target_id and of_user:
            raise refuse("INHERITED_PERMISSION")
        held.holder.grants.remove(grant)
        _said(call, 852, held, kind_of(world, grant.object_id))


def add_user(call: Call, name: str) -> User:
    """Add a user of the directory: the lab's directory has everybody, without a password."""
    world = call.world
    with command(call.engine, ADD_USER), world.lock:
        may.require(call, may.USERS, {SYSTEM})
        if name not in world.users:
            # Nobody knows the password: the account is there to be granted something.
            world.users[name] = User(name, new_id())
        return world.users[name]


def remove_user(call: Call, user: User) -> None:
    """Remove a user with all grants of the user."""
    world = call.world
    with command(call.engine, REMOVE_USER), world.lock:
        may.require(call, may.USERS, {SYSTEM})
        if user.id == call.user.id:
            raise refuse("USER_REMOVES_HIMSELF")
        world.users.pop(user.name)
