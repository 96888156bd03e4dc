# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A typed client of a lab's control API, with the standard library alone."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

SECONDS = 120.0
Json: TypeAlias = Any


class ControlError(Exception):
    """The lab refused what the control API was asked for."""


@dataclass(frozen=True)
class Logged:
    """One request that the engine got."""

    number: int
    time: str
    method: str
    path: str
    query: str
    user: str | None
    correlation_id: str | None
    status: int
    write: bool
    seconds: float


class Control:
    """A client; ``url`` is the ``control`` of lab.json."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._url + path, data, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
            raise ControlError(f"{method} {path}: {error.code} {text}") from error

    def health(self) -> dict[str, str]:
        """Return the lab's addresses if it is there."""
        found: dict[str, str] = self._call("GET", "/health")
        return found

    def requests(self) -> list[Logged]:
        """Return the requests since the log was emptied."""
        return [Logged(**entry) for entry in self._call("GET", "/requests")]

    def writes(self) -> list[Logged]:
        """Return the requests that may have changed something; signing in is none."""
        return [entry for entry in self.requests() if entry.write]

    def forget_requests(self) -> None:
        """Empty the request log."""
        self._call("DELETE", "/requests")

    def world(self) -> dict[str, Any]:
        """Return the full truth: rows with hidden columns, chains, locks, the host's overlays and devices."""
        found: dict[str, Any] = self._call("GET", "/world")
        return found

    def add_fault(self, kind: str, **values: Json) -> int:
        """Inject a fault; see the README for kinds and values. Returns its id."""
        return int(self._call("POST", "/faults", {"kind": kind, **values})["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Faults that wait to happen."""
        found: list[dict[str, Any]] = self._call("GET", "/faults")
        return found

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._call("DELETE", "/faults")

    def lock(self, kind: str, object_id: str, message: str = "OBJECT_LOCKED", **names: str) -> None:
        """Hold a lock (kind ``disk``, ``vm`` or ``vm_disk_boot``) until ``unlock``."""
        body = {"kind": kind, "id": object_id, "message": message, "variables": names}
        self._call("POST", "/locks", body)

    def unlock(self) -> None:
        """Drop all locks."""
        self._call("DELETE", "/locks")

    def settings(self, **values: Json) -> dict[str, Any]:
        """Change settings of the engine; returns all of them."""
        found: dict[str, Any] = self._call("POST", "/settings", values)
        return found

    def add_user(
        self, name: str, password: str, grants: list[dict[str, str]], groups: Sequence[str] = ()
    ) -> str:
        """Add an account; a grant is ``{"role": ..., "object_id": ...}``, groups are ids. Its id."""
        body = {"name": name, "password": password, "grants": grants, "groups": list(groups)}
        return str(self._call("POST", "/users", body)["id"])

    def add_group(self, name: str, grants: list[dict[str, str]]) -> str:
        """Add a group of users; its id."""
        return str(self._call("POST", "/groups", {"name": name, "grants": grants})["id"])

    def add_role(self, name: str, permits: Sequence[str]) -> str:
        """Add a role with permits (``attach_disk``); an administrator's if one of them is. Its id."""
        return str(self._call("POST", "/roles", {"name": name, "permits": list(permits)})["id"])

    def add_domain(self, name: str, kind: str = "data", data_centre: str = "Default") -> str:
        """Add a storage domain, ``data`` or ``export``; its id."""
        body = {"name": name, "type": kind, "data_centre": data_centre}
        return str(self._call("POST", "/domains", body)["id"])

    def add_profile(self, network: str, name: str = "", data_centre: str = "Default") -> str:
        """Add a vNIC profile of a network, named after it unless it has a name; its id."""
        body = {"network": network, "name": name or network, "data_centre": data_centre}
        return str(self._call("POST", "/profiles", body)["id"])

    def expire_tokens(self) -> None:
        """End all tokens."""
        self._call("POST", "/tokens/expire", {})

    def engine(self, *, up: bool) -> None:
        """Take the engine off the network, or bring it back on the same port."""
        self._call("POST", "/engine", {"up": up})

    def add_vm(self, name: str, **spec: Json) -> dict[str, Any]:
        """Make a VM; returns its id, name, status and disks (alias to id)."""
        found: dict[str, Any] = self._call("POST", "/vms", {"name": name, **spec})
        return found

    def status(self, vm: str, status: str) -> dict[str, Any]:
        """Bring a VM (id or name) into a status."""
        found: dict[str, Any] = self._call("POST", f"/vms/{vm}/status", {"status": status})
        return found

    def writer(
        self, vm: str, *, run: bool = True, disk: str | None = None, seed: int = 1
    ) -> list[str]:
        """Let a VM's guest write to one or all of its disks, or stop it; returns the disks' ids."""
        body = {"run": run, "disk": disk, "seed": seed}
        found: list[str] = self._call("POST", f"/vms/{vm}/writer", body)["disks"]
        return found

    def harm(self, vm: str, **what: Json) -> dict[str, Any]:
        """Harm a VM's storage: ``kill=True``, ``slow=bytes a second`` (0 lifts it), or
        ``read_error={"disk": id, "offset": byte}``, which is met from the disk's next plug on;
        ``host_room=bytes`` limits what overlays may take on the host (0 lifts it), ``host_full=True``
        leaves none of it.
        """
        found: dict[str, Any] = self._call("POST", f"/vms/{vm}/host", what)
        return found

    def patch(self, kind: str, object_id: str, **values: Json) -> dict[str, Any]:
        """Set fields of a row: kinds are vms, disks, volumes, snapshots, domains, hosts, clusters."""
        found: dict[str, Any] = self._call("POST", f"/objects/{kind}/{object_id}", values)
        return found

    def forget(self, kind: str, verb: str) -> None:
        """Forget the faults of a kind that wait for a verb of the host."""
        self._call("DELETE", f"/faults/{kind}/{verb}")

    def add_lun(self, **spec: Json) -> str:
        """Make a direct LUN that no VM holds; its id."""
        return str(self._call("POST", "/luns", spec)["id"])

    def add_checkpoint(self, vm: str, disks: Sequence[str], parent: str | None = None) -> str:
        """Add a checkpoint of some disks of a VM, after ``parent``; its id."""
        body = {"disks": list(disks), "parent": parent}
        return str(self._call("POST", f"/vms/{vm}/checkpoints", body)["id"])

    def device(self, vm: str, disk: str, **rows: bool) -> None:
        """Change the rows behind an attachment: ``plugged``, or ``device`` or ``element`` False to delete it."""
        self._call("POST", f"/vms/{vm}/devices/{disk}", rows)

    def reset(self) -> None:
        """Discard the world and make a new one."""
        self._call("POST", "/reset", {})
