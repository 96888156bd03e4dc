# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the world of a scene by the lab's control API, or by the API of its engine for what only that makes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from xml.sax.saxutils import escape

from lab.control import Control
from player.client import PASSWORD, Client
from player.names import Names
from player.reading import until, value_of
from player.scenes import Scene, SceneError

Json: TypeAlias = Any
Row: TypeAlias = Mapping[str, Any]
ADMIN = "admin@internal"
FORMATS = {"cow": "qcow2", "raw": "raw"}
VM_KEYS = frozenset(
    {
        *("name", "status", "host", "disks", "nics", "virtio_scsi"),
        *("os", "bios_type", "boot", "description"),
    }
)
DISK_KEYS = frozenset(
    {
        *("alias", "size", "format", "sparse", "interface", "bootable", "active", "domain"),
        "incremental",
    }
)
CAPITALS = re.compile(r"id of (\w+) in capital letters")
ACTIVE = re.compile(r"active entry of (\w+)")


@dataclass
class Maker:
    """Makes the world of one scene; the names of all that it makes are bound."""

    control: Control
    client: Client
    names: Names

    def make(self, scene: Scene) -> None:
        """Make everything that exists when the scene begins.

        Raises:
            SceneError: The world has a key that nobody knows.
        """
        makers: Mapping[str, Callable[[Json], None]] = {
            "hosts": self._hosts,
            "domains": self._domains,
            "cluster": lambda name: self._place("clusters", name),
            "data_center": lambda name: self._place("data_centres", name),
            "cluster_name": lambda text: self._named("clusters", text),
            "data_center_name": lambda text: self._named("data_centres", text),
            "vms": self._vms,
            "luns": self._luns,
            "snapshots": self._snapshots,
            "checkpoints": self._checkpoints,
            "attachments": self._attachments,
            "roles": self._roles,
            "users": self._users,
            "ids": self._ids,
            "unknown": self._unknown,
        }
        unknown = set(scene.world) - set(makers)
        if unknown:
            raise SceneError(f"{scene.name}: a world with {sorted(unknown)}")
        for key, maker in makers.items():
            if key in scene.world:
                maker(scene.world[key])

    def _rows(self, table: str) -> list[Row]:
        rows: list[Row] = self.control.world()[table]
        return rows

    def _hosts(self, hosts: Row) -> None:
        for name, row in zip(hosts, self._rows("hosts"), strict=False):
            self.control.patch("hosts", row["id"], name=name)
            self.names.bound[name] = row["id"]

    def _domains(self, domains: Row) -> None:
        first, *rest = domains
        row = self._rows("domains")[0]
        self.control.patch("domains", row["id"], name=first)
        self.names.bound[first] = row["id"]
        for name in rest:
            self.names.bound[name] = self.control.add_domain(name)

    def _place(self, table: str, name: str) -> None:
        self.names.bound[name] = self._rows(table)[0]["id"]

    def _named(self, table: str, text: str) -> None:
        if self._rows(table)[0]["name"] != text:
            raise SceneError(f"the lab's first of {table} is not called {text}")

    def _vms(self, vms: Row) -> None:
        for name, spec in vms.items():
            self._vm(name, spec)

    def _vm(self, name: str, spec: Row) -> None:
        _only(spec, VM_KEYS, f"VM {name}")
        disks = [_disk(one) for one in spec["disks"].values()]
        fields = {"host_id": self.names.bound.get(spec.get("host", ""))}
        given = {"os": spec.get("os"), "chipset": spec.get("bios_type"), "boot": spec.get("boot")}
        fields |= {key: value for key, value in given.items() if value is not None}
        made = self.control.add_vm(
            spec["name"],
            status=spec["status"],
            disks=disks,
            virtio_scsi=spec["virtio_scsi"],
            nics=("",) * spec["nics"],
            description=spec.get("description", ""),
            fields=fields,
        )
        self.names.bound[name] = made["id"]
        for key, one in spec["disks"].items():
            disk_id = made["disks"][one["alias"]]
            self.names.bound[key] = disk_id
            backup = "incremental" if one["incremental"] else "none"
            self.control.patch("disks", disk_id, backup=backup, sparse=one["sparse"])

    def _luns(self, luns: Row) -> None:
        for name, spec in luns.items():
            self.names.bound[name] = self.control.add_lun(**spec)

    def _snapshots(self, snapshots: Row) -> None:
        for name, spec in snapshots.items():
            _only(spec, {"vm", "description", "disks"}, f"snapshot {name}")
            disks = "".join(
                f'<disk_attachment><disk id="{self.names.bound[one]}"/></disk_attachment>'
                for one in spec["disks"]
            )
            body = (
                f"<snapshot><description>{escape(spec['description'])}</description>"
                "<persist_memorystate>false</persist_memorystate>"
                f"<disk_attachments>{disks}</disk_attachments></snapshot>"
            )
            path = f"/vms/{self.names.bound[spec['vm']]}/snapshots"
            answered = self.client.ask("POST", path, {}, body, "admin")
            made = value_of(answered, "@id")
            if made is None:
                raise SceneError(f"snapshot {name}: {answered.status} {answered.body}")
            self.names.bound[name] = made
            until(self.client, f"{path}/{made}", "snapshot_status", ("ok",), "admin")

    def _checkpoints(self, checkpoints: Row) -> None:
        for name, spec in checkpoints.items():
            _only(spec, {"vm", "disks", "parent"}, f"checkpoint {name}")
            disks = [self.names.bound[one] for one in spec["disks"]]
            parent = self.names.bound[spec["parent"]] if spec["parent"] else None
            vm = self.names.bound[spec["vm"]]
            self.names.bound[name] = self.control.add_checkpoint(vm, disks, parent)

    def _attachments(self, attachments: list[Row]) -> None:
        for spec in attachments:
            _only(spec, {"vm", "disk", "snapshot", "active", "interface"}, "attachment")
            body = (
                f"<disk_attachment><active>{str(spec['active']).lower()}</active>"
                f'<interface>{spec["interface"]}</interface><disk id="{self.names.bound[spec["disk"]]}">'
                f'<snapshot id="{self.names.bound[spec["snapshot"]]}"/></disk></disk_attachment>'
            )
            path = f"/vms/{self.names.bound[spec['vm']]}/diskattachments"
            answered = self.client.ask("POST", path, {}, body, "admin")
            if answered.status != 201:
                raise SceneError(f"attachment: {answered.status} {answered.body}")

    def _roles(self, roles: Row) -> None:
        for name, spec in roles.items():
            _only(spec, {"administrative", "permits"}, f"role {name}")
            self.names.bound[name] = self.control.add_role(name, spec["permits"])

    def _users(self, users: Row) -> None:
        for name, spec in users.items():
            _only(spec, {"name", "grants"}, f"user {name}")
            grants = [
                {"role": one["role"], "object_id": self.names.bound.get(one["on"], one["on"])}
                for one in spec["grants"]
            ]
            self.names.bound[name] = self.control.add_user(spec["name"], PASSWORD, grants)

    def _ids(self, ids: Row) -> None:
        for name, words in ids.items():
            self.names.bound[name] = self._id(words)

    def _id(self, words: str) -> str:
        capitals, active = CAPITALS.fullmatch(words), ACTIVE.fullmatch(words)
        if capitals:
            return self.names.bound[capitals.group(1)].upper()
        if active:
            vm = self.names.bound[active.group(1)]
            rows = self._rows("snapshots")
            return str(next(r["id"] for r in rows if r["vm_id"] == vm and r["type"] == "active"))
        if words == "cluster of another data centre":
            return str(self._rows("clusters")[1]["id"])
        raise SceneError(f"an id of {words}")

    def _unknown(self, wanted: bool) -> None:
        if wanted:
            self.names.bound["unknown"] = str(uuid.uuid4())


def accounts(scene: Scene) -> dict[str, str]:
    """Return the users of a scene by their symbolic names, with the names that they sign in with."""
    users = scene.world.get("users", {})
    return {"admin": ADMIN, **{name: spec["name"] for name, spec in users.items()}}


def _only(spec: Row, known: frozenset[str] | set[str], what: str) -> None:
    if set(spec) - known:
        raise SceneError(f"{what} with {sorted(set(spec) - known)}")


def _disk(spec: Row) -> dict[str, Json]:
    _only(spec, DISK_KEYS, f"disk {spec['alias']}")
    kept = ("alias", "size", "interface", "bootable", "active", "domain")
    return {**{key: spec[key] for key in kept}, "fmt": FORMATS[spec["format"]], "fill": None}
