# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, permits, permissions, users and groups: what the engine shows to which user (docs/engine.md#permits).

A user without an administrator's role can read: ``users/{own id}/permissions`` (own grants, those
of own groups and everybody's), ``roles`` (those for users), ``roles/{any}/permits``,
``clusterlevels`` (the permits by name), and below an object's ``permissions`` own grants on it and
on its parents, all of them shown as if on the object, and, with a grant on the object itself,
everybody's there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ovirtsdk4 import types

from lab.engine import codec, present
from lab.engine import permissions as may
from lab.engine.codec import Entity, incomplete
from lab.engine.commands import access as commands
from lab.engine.core import Call
from lab.engine.http import Answer, Response, not_found
from lab.engine.permissions import Held
from lab.engine.resources.common import admins_only, created, listing, ok, query_of, removed
from lab.engine.roles import BY_NUMBER, PERMITS, Permit
from lab.engine.router import Route
from lab.engine.search import Fields, search
from lab.model import API, SYSTEM, Group, Role, User

LEVELS = ("4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8")
OBJECTS = {
    "vms": "vm",
    "disks": "disk",
    "clusters": "cluster",
    "datacenters": "data_center",
    "storagedomains": "storage_domain",
    "hosts": "host",
    "templates": "template",
}


def list_roles(call: Call) -> Response:
    """GET /roles: only an administrator sees the roles of administrators."""
    with call.world.lock:
        rows = [r for r in call.world.roles.values() if call.admin or not r.admin]
        return listing("roles", [present.role(row) for row in rows])


def _role(call: Call, role_id: str) -> Role:
    for row in call.world.roles.values():
        if row.id == role_id:
            return row
    raise not_found()


def get_role(call: Call, role_id: str) -> Response:
    """GET /roles/{id}: any role, for anybody."""
    with call.world.lock:
        return ok(present.role(_role(call, role_id)))


def _permit(given: types.Permit) -> Permit:
    if given.id is not None:
        permit = BY_NUMBER.get(int(given.id)) if str(given.id).isdigit() else None
        if permit is None:
            text = f"{given.id} is not a valid permit ID.".encode()
            raise Answer(Response(400, text))
        return permit
    if given.name is None or given.name.upper() not in PERMITS:
        raise incomplete("Permit [name|id] required for add")
    return PERMITS[given.name.upper()]


def add_role(call: Call) -> Response:
    """POST /roles with permits by id."""
    body = codec.read(call.request.body, types.Role)
    given = body.permits or []
    missing = "name" if body.name is None else "permits.id"
    if body.name is None or not given or any(one.id is None for one in given):
        text = f"Parameter 'role.{missing}' is mandatory but was not provided."
        raise codec.fault(400, "Input validation failed.", text)
    permits = tuple(_permit(one).name for one in given)
    wanted = commands.WantedRole(body.name, permits, body.administrative, body.description or "")
    row = commands.add_role(call, wanted)
    return created(call, present.role(row))


def update_role(call: Call, role_id: str) -> Response:
    """PUT /roles/{id}: name and description."""
    body = codec.read(call.request.body, types.Role)
    with call.world.lock:
        row = _role(call, role_id)
        commands.update_role(call, row, body.name, body.administrative)
        row.description = row.description if body.description is None else body.description
        return ok(present.role(row))


def remove_role(call: Call, role_id: str) -> Response:
    """DELETE /roles/{id}."""
    with call.world.lock:
        commands.remove_role(call, _role(call, role_id))
        return removed(call)


def list_permits(call: Call, role_id: str) -> Response:
    """GET /roles/{id}/permits: of any role, for anybody."""
    with call.world.lock:
        row = _role(call, role_id)
        found = sorted((PERMITS[name] for name in row.permits), key=lambda one: one.id)
        return listing("permits", [present.permit(one, row) for one in found])


def get_permit(call: Call, role_id: str, number: str) -> Response:
    """GET of one: any permit that there is, whether the role has it or not."""
    with call.world.lock:
        return ok(present.permit(_known_permit(number), _role(call, role_id)))


def _known_permit(number: str) -> Permit:
    permit = BY_NUMBER.get(int(number)) if number.isdigit() else None
    if permit is None:
        raise not_found()
    return permit


def add_permit(call: Call, role_id: str) -> Response:
    """POST /roles/{id}/permits."""
    permit = _permit(codec.read(call.request.body, types.Permit))
    with call.world.lock:
        row = _role(call, role_id)
        commands.add_permit(call, row, permit.name)
        return created(call, present.permit(permit, row))


def remove_permit(call: Call, role_id: str, number: str) -> Response:
    """DELETE /roles/{id}/permits/{id}."""
    permit = _known_permit(number)
    with call.world.lock:
        commands.remove_permit(call, _role(call, role_id), permit.name)
        return removed(call)


def list_levels(_call: Call) -> Response:
    """GET /clusterlevels: the permits by name and number, for anybody."""
    return listing("cluster_levels", [present.cluster_level(one) for one in LEVELS])


def get_level(_call: Call, level: str) -> Response:
    """GET /clusterlevels/{version}."""
    if level not in LEVELS:
        raise not_found()
    return ok(present.cluster_level(level))


def _path(call: Call) -> str:
    """Return the address of the collection that a request for permissions goes to."""
    path = call.request.path.removeprefix(API).removeprefix("/v4").strip("/")
    return path.split("permissions")[0].strip("/")


def _shown(call: Call, held: Held, kind: str, parent: str, object_id: str) -> Entity:
    """Return a permission.

    If the caller may not see the holder, the engine takes users for groups in a single GET alone.
    """
    is_group = isinstance(held.holder, Group)
    base = f"groups/{held.holder.id}" if is_group else parent
    return present.permission(call, held, kind, f"{base}/permissions".strip("/"), object_id)


def _kind(call: Call, object_id: str) -> str:
    """Return the element that names an object in a permission; none for the system."""
    tables = {"data_centres": "data_center", "domains": "storage_domain"}
    for table, _unused in commands.KINDS:
        if object_id in getattr(call.world, table):
            return tables.get(table, table.removesuffix("s"))
    # The template that every engine has, and the lab has no row for.
    return "template" if object_id == present.BLANK else ""


def list_of_object(call: Call, object_id: str) -> Response:
    """GET of an object's permissions: those on it, and those on its parents, shown as if on it.

    Nobody looks whether there is such an object, or whether the caller may see it.
    """
    parent = _path(call)
    kind = OBJECTS[parent.split("/")[0]] if parent else ""
    with call.world.lock:
        scopes = may.scopes_of(call.world, object_id)
        rows = sorted(_reaching(call, object_id, scopes), key=lambda held: held.grant.id)
        return listing(
            "permissions", [_shown(call, held, kind, parent, object_id) for held in rows]
        )


def list_of_system(call: Call) -> Response:
    """GET /permissions."""
    return list_of_object(call, SYSTEM)


def _reaching(call: Call, object_id: str, scopes: set[str]) -> Iterable[Held]:
    world = call.world
    everybody = [held for held in may.all_held(world) if held.grant.object_id in scopes]
    if not call.filtered:
        return everybody
    mine = {held.grant.id for held in may.held_by(world, call.user)}
    own = [held for held in everybody if held.grant.id in mine]
    if any(held.grant.object_id == object_id for held in own):
        direct = [held for held in everybody if held.grant.object_id == object_id]
        own = list({held.grant.id: held for held in [*own, *direct]}.values())
    return own


def list_of_holder(collection: str, call: Call, holder_id: str) -> Response:
    """GET /users/{id}/permissions: own grants, those of own groups and everybody's; of other users: nothing.

    Each is shown with the object that it is on; one on the system has none.
    """
    with call.world.lock:
        rows = _on_behalf(call, holder_id)
        parent = f"{collection}/{holder_id}"
        shown = []
        for held in rows:
            object_id = held.grant.object_id
            shown.append(_shown(call, held, _kind(call, object_id), parent, object_id))
        return listing("permissions", shown)


def _on_behalf(call: Call, holder_id: str) -> list[Held]:
    if call.filtered and holder_id != call.user.id:
        return []
    user = next((u for u in call.world.users.values() if u.id == holder_id), None)
    if user is not None:
        return list(may.held_by(call.world, user))
    return [held for held in may.all_held(call.world) if held.holder.id == holder_id]


def list_roles_of_holder(call: Call, holder_id: str) -> Response:
    """GET /users/{id}/roles: the roles that a user has on the system."""
    with call.world.lock:
        names = [h.grant.role for h in _on_behalf(call, holder_id) if h.grant.object_id == SYSTEM]
        rows = [call.world.roles[name] for name in dict.fromkeys(names)]
        return listing("roles", [present.role(row) for row in rows])


def _held(call: Call, grant_id: str) -> Held:
    for held in may.all_held(call.world):
        if held.grant.id == grant_id:
            return held
    raise not_found()


def get_permission(call: Call, *ids: str) -> Response:
    """GET of one permission, whatever the path says, with the object that it is on."""
    with call.world.lock:
        held = _held(call, ids[-1])
        object_id = held.grant.object_id
        return ok(_shown(call, held, _kind(call, object_id), _path(call), object_id))


def add_to_object(call: Call, object_id: str) -> Response:
    """POST below an object: a role for a user or a group."""
    body = codec.read(call.request.body, types.Permission)
    holder = body.user or body.group
    _complete(body.role, "user|group.id", holder is not None and holder.id is not None)
    return _add(call, object_id, holder.id, body.role)


def _complete(role: types.Role | None, other: str, given: bool) -> None:
    """Refuse a permission without a role, or without what else it needs."""
    missing = ["role.id|name"] if role is None else []
    missing += [] if given else [other]
    if missing:
        raise incomplete(f"Permission [{', '.join(missing)}] required for add")


def add_to_system(call: Call) -> Response:
    """POST /permissions."""
    return add_to_object(call, SYSTEM)


def add_to_holder(call: Call, holder_id: str) -> Response:
    """POST below a user or a group: a role on an object."""
    body = codec.read(call.request.body, types.Permission)
    given = [getattr(body, name) for name in OBJECTS.values() if name != "disk"]
    found = [one.id for one in given if one is not None and one.id is not None]
    objects = "dataCenter|cluster|host|storageDomain|vm|vmPool|template.id"
    _complete(body.role, objects, bool(found))
    return _add(call, found[0], holder_id, body.role)


def _add(call: Call, object_id: str, holder_id: str, role: types.Role) -> Response:
    wanted = commands.WantedPermission(object_id, holder_id, role.id, role.name)
    with call.world.lock:
        held = commands.add_permission(call, wanted)
        on = held.grant.object_id
        return created(call, _shown(call, held, _kind(call, on), _path(call), on))


def remove_permission(call: Call, *ids: str) -> Response:
    """DELETE of one permission."""
    with call.world.lock:
        held = _held(call, ids[-1])
        commands.remove_permission(call, held, ids[0] if len(ids) > 1 else SYSTEM)
        return removed(call)


def list_users(call: Call) -> Response:
    """GET /users: a user who is not an administrator sees only that user."""
    world = call.world
    with world.lock:
        seen = [u for u in world.users.values() if call.admin or u is call.user]
        # A name with its profile, or with the directory behind it, as the API shows it.
        found: dict[str, User] = {}
        for suffix in ("", "-authz"):
            fields: Fields[User] = {
                "usrname": lambda u, s=suffix: u.name + s,  # type: ignore[misc]
                "name": lambda u: u.name.split("@")[0],
                "id": lambda u: u.id,
            }
            rows = search(seen, fields, query_of(call))
            found.update({row.id: row for row in rows})
        return listing("users", [present.user(row) for row in found.values()])


def _user(call: Call, user_id: str) -> User:
    for row in call.world.users.values():
        if row.id == user_id and (call.admin or row is call.user):
            return row
    raise not_found()


def get_user(call: Call, user_id: str) -> Response:
    """GET /users/{id}: 404 for other users unless the caller is an administrator."""
    with call.world.lock:
        return ok(present.user(_user(call, user_id)))


def add_user(call: Call) -> Response:
    """POST /users: add a user of the directory."""
    body = codec.read(call.request.body, types.User)
    if body.user_name is None:
        raise incomplete("User [userName] required for add")
    with call.world.lock:
        row = commands.add_user(call, body.user_name.removesuffix("-authz"))
        return created(call, present.user(row))


def remove_user(call: Call, user_id: str) -> Response:
    """DELETE /users/{id}."""
    with call.world.lock:
        commands.remove_user(call, _user(call, user_id))
        return removed(call)


def list_groups(call: Call) -> Response:
    """GET /groups."""
    fields: Fields[Group] = {"name": lambda g: g.name, "id": lambda g: g.id}
    with call.world.lock:
        rows = search(list(call.world.groups.values()), fields, query_of(call))
        return listing("groups", [present.group(row) for row in rows])


def get_group(call: Call, group_id: str) -> Response:
    """GET /groups/{id}: an administrator's query."""
    with call.world.lock:
        admins_only(call)
        if group_id not in call.world.groups:
            raise not_found()
        return ok(present.group(call.world.groups[group_id]))


def _of_objects() -> list[Route]:
    routes = []
    handlers: dict[str, Any] = {"GET": list_of_object, "POST": add_to_object}
    single: dict[str, Any] = {"GET": get_permission, "DELETE": remove_permission}
    for collection in OBJECTS:
        path = f"{collection}/{{}}/permissions"
        routes += [Route(method, path, work) for method, work in handlers.items()]
        routes += [Route(method, path + "/{}", work) for method, work in single.items()]
    for collection in ("users", "groups"):
        path = f"{collection}/{{}}/permissions"
        routes += [
            Route("GET", path, partial(list_of_holder, collection)),
            Route("POST", path, add_to_holder),
            Route("GET", f"{collection}/{{}}/roles", list_roles_of_holder),
        ]
        routes += [Route(method, path + "/{}", work) for method, work in single.items()]
    return routes


ROUTES = (
    Route("GET", "roles", list_roles),
    Route("POST", "roles", add_role),
    Route("GET", "roles/{}", get_role),
    Route("PUT", "roles/{}", update_role),
    Route("DELETE", "roles/{}", remove_role),
    Route("GET", "roles/{}/permits", list_permits),
    Route("POST", "roles/{}/permits", add_permit),
    Route("GET", "roles/{}/permits/{n}", get_permit),
    Route("DELETE", "roles/{}/permits/{n}", remove_permit),
    Route("GET", "clusterlevels", list_levels),
    Route("GET", "clusterlevels/{n}", get_level),
    Route("GET", "permissions", list_of_system),
    Route("POST", "permissions", add_to_system),
    Route("GET", "permissions/{}", get_permission),
    Route("DELETE", "permissions/{}", remove_permission),
    *_of_objects(),
    Route("GET", "users", list_users),
    Route("POST", "users", add_user),
    Route("GET", "users/{}", get_user),
    Route("DELETE", "users/{}", remove_user),
    Route("GET", "groups", list_groups),
    Route("GET", "groups/{}", get_group),
)
