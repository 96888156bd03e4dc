# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API: JSON over plain HTTP, for tests and people; it is beside the engine and not part of it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from lab import world as worlds
from lab.engine.events import actor, record_creation, record_start
from lab.engine.faults import Fault
from lab.engine.fields import converted, set_fields
from lab.engine.host import HostFailure
from lab.engine.http import JSON, Request, Response
from lab.engine.locks import Want
from lab.engine.permissions import all_held
from lab.engine.roles import PERMITS, shows_below
from lab.engine.texts import MESSAGES, Refusal, Said
from lab.model import VM_STATUS_WORDS, Grant, Group, Role, Settings, User, Vm, VnicProfile, new_id

if TYPE_CHECKING:
    from lab.lab import Lab

KINDS = {
    "clusters": "clusters",
    "disks": "disks",
    "domains": "domains",
    "hosts": "hosts",
    "snapshots": "snapshots",
    "vms": "vms",
    "volumes": "volumes",
}
Json: TypeAlias = Any
Action = Callable[..., Json]


class ControlApi:
    """What the control API answers."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._routes: tuple[tuple[str, str, Action], ...] = (
            ("GET", "/health", self._health),
            ("GET", "/world", self._world),
            ("GET", "/requests", self._requests),
            ("DELETE", "/requests", self._forget_requests),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("DELETE", "/faults/([a-z_]+)/([A-Za-z_.]+)", self._forget_faults),
            ("GET", "/locks", self._locks),
            ("POST", "/locks", self._add_lock),
            ("DELETE", "/locks", self._clear_locks),
            ("POST", "/settings", self._settings),
            ("POST", "/users", self._add_user),
            ("POST", "/groups", self._add_group),
            ("POST", "/roles", self._add_role),
            ("POST", "/domains", self._add_domain),
            ("POST", "/profiles", self._add_profile),
            ("POST", "/tokens/expire", self._expire),
            ("POST", "/engine", self._engine),
            ("POST", "/reset", self._reset),
            ("POST", "/luns", self._add_lun),
            ("POST", "/vms", self._add_vm),
            ("POST", "/vms/([^/]+)/status", self._status),
            ("POST", "/vms/([^/]+)/writer", self._writer),
            ("POST", "/vms/([^/]+)/host", self._harm),
            ("POST", "/vms/([^/]+)/guest", self._install),
            ("POST", "/vms/([^/]+)/checkpoints", self._add_checkpoint),
            ("POST", "/vms/([^/]+)/devices/([^/]+)", self._device),
            ("POST", "/objects/([a-z]+)/([^/]+)", self._patch),
        )

    def handle(self, request: Request) -> Response:
        """Answer a request; a mistake of the caller's is 400 with its reason."""
        for method, path, action in self._routes:
            match = re.fullmatch(path, request.path)
            if match is None or method != request.method:
                continue
            try:
                body = json.loads(request.body) if request.body else {}
                if not isinstance(body, dict):
                    raise ValueError("the body is no object")
                return _json(200, action(*match.groups(), body))
            except (ValueError, TypeError, KeyError, HostFailure, Refusal) as problem:
                return _json(400, {"error": f"{type(problem).__name__}: {problem}"})
        return _json(404, {"error": "no such address"})

    def _health(self, _body: Json) -> Json:
        return {"status": "up", "url": self._lab.url, "control": self._lab.control_url}

    def _requests(self, _body: Json) -> Json:
        return self._lab.app.log.listing()

    def _forget_requests(self, _body: Json) -> Json:
        self._lab.app.log.clear()
        return {}

    def _faults(self, _body: Json) -> Json:
        return self._lab.engine.faults.listing()

    def _add_fault(self, body: Mapping[str, Any]) -> Json:
        fault: Fault = self._lab.engine.faults.add(str(body["kind"]), body)
        return fault.as_dict()

    def _clear_faults(self, _body: Json) -> Json:
        self._lab.engine.faults.clear()
        return {}

    def _forget_faults(self, kind: str, verb: str, _body: Json) -> Json:
        self._lab.engine.faults.forget(kind, verb)
        return {}

    def _locks(self, _body: Json) -> Json:
        return self._lab.engine.locks.listing()

    def _add_lock(self, body: Mapping[str, Any]) -> Json:
        key = str(body.get("message", "OBJECT_LOCKED"))
        if key not in MESSAGES:
            raise ValueError(f"no message {key}")
        said = Said(key, dict(body.get("variables", {})))
        want = Want(str(body["kind"]), str(body["id"]), said, bool(body.get("exclusive", True)))
        self._lab.engine.locks.acquire([want])
        return self._locks({})

    def _clear_locks(self, _body: Json) -> Json:
        self._lab.engine.locks.clear()
        return {}

    def _settings(self, body: Mapping[str, Any]) -> Json:
        settings = self._lab.world.settings
        with self._lab.world.lock:
            # A version that cannot be read would end every GET of the root.
            replace(settings, **converted(Settings, body)).announced()
            set_fields(settings, body)
        return asdict(settings)

    def _add_user(self, body: Mapping[str, Any]) -> Json:
        user = User(str(body["name"]), str(body["password"]), self._grants(body))
        user.groups = [str(one) for one in body.get("groups", ())]
        with self._lab.world.lock:
            if set(user.groups) - set(self._lab.world.groups):
                raise ValueError(f"no groups {user.groups}")
            self._lab.world.users[user.name] = user
        return {"name": user.name, "id": user.id}

    def _grants(self, body: Mapping[str, Any]) -> list[Grant]:
        grants = [Grant(**grant) for grant in body.get("grants", ())]
        for grant in grants:
            if grant.role not in self._lab.world.roles:
                raise ValueError(f"no role {grant.role}")
        return grants

    def _add_group(self, body: Mapping[str, Any]) -> Json:
        group = Group(str(body["name"]), self._grants(body))
        with self._lab.world.lock:
            self._lab.world.groups[group.id] = group
        return {"name": group.name, "id": group.id}

    def _add_role(self, body: Mapping[str, Any]) -> Json:
        permits = {str(one).upper() for one in body["permits"]}
        if permits - set(PERMITS):
            raise ValueError(f"no permits {sorted(permits - set(PERMITS))}")
        admin = any(PERMITS[name].admin for name in permits)
        role = Role(str(body["name"]), permits, admin, shows_below(permits))
        with self._lab.world.lock:
            self._lab.world.roles[role.name] = role
        return {"name": role.name, "id": role.id}

    def _add_domain(self, body: Mapping[str, Any]) -> Json:
        name, kind = str(body["name"]), str(body.get("type", "data"))
        with self._lab.world.lock:
            centre = str(body.get("data_centre", "Default"))
            return asdict(worlds.add_domain(self._lab.world, name, kind, centre))

    def _add_profile(self, body: Mapping[str, Any]) -> Json:
        """Return a vNIC profile of a network; it is named after the network unless it has a name."""
        world, network = self._lab.world, str(body["network"])
        with world.lock:
            named = str(body.get("data_centre", "Default"))
            centre = next(c.id for c in world.data_centres.values() if c.name == named)
            profile = VnicProfile(new_id(), str(body.get("name", network)), network, centre)
            world.profiles[profile.id] = profile
        return asdict(profile)

    def _expire(self, _body: Json) -> Json:
        self._lab.app.sso.expire_all()
        return {}

    def _engine(self, body: Mapping[str, Any]) -> Json:
        """Let the engine vanish from the network, or come back on the same port."""
        self._lab.server.stop()
        if body["up"]:
            self._lab.server.start()
        return {"up": bool(body["up"])}

    def _reset(self, _body: Json) -> Json:
        self._lab.reset()
        return {}

    def _add_vm(self, body: Mapping[str, Any]) -> Json:
        vm = self._lab.add_vm(worlds.spec_of(body))
        world = self._lab.world
        with world.lock:
            who = actor(worlds.ADMIN[0], None)
            record_creation(world, vm, who)
            if vm.host_id is not None:
                record_start(world, vm, who)
        return self._shown_vm(vm)

    def _vm(self, name: str) -> Vm:
        world = self._lab.world
        with world.lock:
            return world.vms[name] if name in world.vms else self._lab.vm(name)

    def _shown_vm(self, vm: Vm) -> dict[str, Any]:
        world = self._lab.world
        with world.lock:
            rows = world.attachments_of(vm.id)
            disks = {world.disks[row.disk_id].alias: row.disk_id for row in rows}
            shown = {"id": vm.id, "name": vm.name, "status": vm.status, "disks": disks}
        guest = self._lab.appliances.get(vm.id) or self._lab.guests.get(vm.id)
        if guest is None:
            return shown
        command = shlex.join(guest.ssh_command())
        return {**shown, "ssh_vars": guest.ssh_vars(), "ssh_command": command}

    def _status(self, name: str, body: Mapping[str, Any]) -> Json:
        status = str(body["status"])
        if status not in VM_STATUS_WORDS:
            raise ValueError(f"no status {status}")
        vm = self._vm(name)
        worlds.set_status(self._lab.engine, vm, status)
        return self._shown_vm(vm)

    def _writer(self, name: str, body: Mapping[str, Any]) -> Json:
        vm = self._vm(name)
        disks = self._shown_vm(vm)["disks"]
        wanted = body.get("disk")
        chosen = [i for alias, i in disks.items() if wanted in (None, alias, i)]
        if not chosen:
            raise KeyError(f"{vm.name} has no disk {wanted}")
        for number, disk_id in enumerate(chosen):
            seed = int(body.get("seed", 1)) + number
            self._lab.engine.host.writer(vm.id, disk_id, seed, bool(body.get("run", True)))
        return {"disks": chosen}

    def _harm(self, name: str, body: Mapping[str, Any]) -> Json:
        vm = self._vm(name)
        self._lab.engine.host.harm(vm.id, body)
        return self._shown_vm(vm)

    def _install(self, name: str, _body: Json) -> Json:
        vm = self._vm(name)
        self._lab.install(vm)
        return self._shown_vm(vm)

    def _add_checkpoint(self, name: str, body: Mapping[str, Any]) -> Json:
        vm = self._vm(name)
        disks, parent = [str(one) for one in body["disks"]], body.get("parent")
        with self._lab.world.lock:
            return _plain(asdict(worlds.add_checkpoint(self._lab.world, vm, disks, parent)))

    def _add_lun(self, body: Mapping[str, Any]) -> Json:
        spec = worlds.LunSpec(**converted(worlds.LunSpec, body))
        return {"id": worlds.add_lun(self._lab.engine, spec).id}

    def _device(self, name: str, disk_id: str, body: Mapping[str, Any]) -> Json:
        """Change the rows behind an attachment, and nothing on the host."""
        vm = self._vm(name)
        with self._lab.world.lock:
            worlds.change_device(self._lab.world, (vm.id, disk_id), body)
        return self._shown_vm(vm)

    def _patch(self, kind: str, object_id: str, body: Mapping[str, Any]) -> Json:
        world = self._lab.world
        with world.lock:
            row = getattr(world, KINDS[kind])[object_id]
            set_fields(row, body, world)
            return _plain(asdict(row))

    def _world(self, _body: Json) -> Json:
        """Return the full truth, hidden columns included."""
        world = self._lab.world
        with world.lock:
            tables = ("data_centres", "clusters", "hosts", "domains", "vms", "disks", "volumes")
            shown = {name: [asdict(r) for r in getattr(world, name).values()] for name in tables}
            shown["snapshots"] = [asdict(row) for row in world.snapshots.values()]
            shown["attachments"] = [asdict(row) for row in world.attachments.values()]
            shown["checkpoints"] = [asdict(row) for row in world.checkpoints.values()]
            shown["events"] = [asdict(row) for row in world.events]
            shown["jobs"] = [asdict(row) for row in world.jobs.values()]
            shown["templates"] = [asdict(row) for row in world.templates.values()]
            shown["exports"] = [asdict(row) for row in world.exports]
            shown["roles"] = [
                {**asdict(r), "permits": sorted(r.permits)} for r in world.roles.values()
            ]
            shown["permissions"] = [
                {**asdict(held.grant), "holder_id": held.holder.id, "holder": held.holder.name}
                for held in all_held(world)
            ]
            chains = {d: [v.id for v in world.chain(d)] for d in world.disks}
            extra = {"chains": chains, "settings": asdict(world.settings)}
        host = dict(self._lab.engine.host.describe())
        locks = self._lab.engine.locks.listing()
        return _plain({**shown, **extra, "host": host, "locks": locks})


def _plain(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _json(status: int, body: Json) -> Response:
    return Response(status, json.dumps(body).encode(), JSON)
