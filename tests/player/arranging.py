# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out what scenes do behind the API, by the lab's control API. ``undo`` restores the former value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lab.control import Control
from player.names import Names
from player.scenes import Arrange, SceneError

Values: TypeAlias = Mapping[str, str]
ACTIVE = "active"


@dataclass
class Arranger:
    """Carries out the words of one scene, and remembers how to take each back."""

    control: Control
    names: Names
    _undo: dict[str, Callable[[], None]] = field(default_factory=dict)

    def do(self, step: Arrange) -> None:
        """Carry out a word.

        Raises:
            SceneError: There is no such word.
        """
        values = {
            key: self.names.fill(value) if isinstance(value, str) else value
            for key, value in step.values.items()
        }
        undo = step.word.startswith("undo ")
        word = step.word.removeprefix("undo ")
        if word not in WORDS:
            raise SceneError(f"nothing is arranged by the word {step.word}")
        if undo:
            self._take_back(word, values)
        else:
            WORDS[word](self, values)

    def _take_back(self, word: str, values: Values) -> None:
        key = self._key(word, values)
        if key not in self._undo:
            raise SceneError(f"{word} was not arranged: {dict(values)}")
        self._undo.pop(key)()

    def _key(self, word: str, values: Values) -> str:
        """Return what was arranged of what: the values that an undo repeats may be fewer."""
        things = (values.get(name, "") for name in ("vm", "disk", "snapshot", "domain", "verb"))
        return " ".join((word, *things))

    def patch(self, word: str, values: Values, kind: str, row: str, **fields: Any) -> None:  # noqa: ANN401
        """Set fields of a row until they are undone."""
        before = next(one for one in self.control.world()[kind] if one["id"] == row)
        former = {name: before[name] for name in fields}
        self.control.patch(kind, row, **fields)

        def undo() -> None:
            self.control.patch(kind, row, **former)

        self.remember(word, values, undo)

    def remember(self, word: str, values: Values, undo: Callable[[], None]) -> None:
        """Keep how a word is undone; the first of several counts."""
        self._undo.setdefault(self._key(word, values), undo)

    def volume(self, values: Values) -> str:
        """Return the volume of a disk that a snapshot froze, or the active one."""
        world = self.control.world()
        disk, snapshot = values["disk"], values["snapshot"]
        if snapshot == ACTIVE:
            row = next(one for one in world["disks"] if one["id"] == disk)
            return str(row["active_volume_id"])
        volumes = [one for one in world["volumes"] if one["disk_id"] == disk]
        return str(next(one["id"] for one in volumes if one["snapshot_id"] == snapshot))


def _vm_status(arranger: Arranger, values: Values) -> None:
    vm, status = values["vm"], values["status"].split("_from")[0].split("_to")[0]
    before = next(one for one in arranger.control.world()["vms"] if one["id"] == vm)["status"]
    arranger.control.patch("vms", vm, status=status)
    arranger.remember("vm_status", values, lambda: _status_back(arranger, vm, before))


def _status_back(arranger: Arranger, vm: str, status: str) -> None:
    arranger.control.patch("vms", vm, status=status)


def _snapshot_status(arranger: Arranger, values: Values) -> None:
    row = values["snapshot"]
    arranger.patch("snapshot_status", values, "snapshots", row, status=values["status"])


def _snapshot_type(arranger: Arranger, values: Values) -> None:
    row = values["snapshot"]
    arranger.patch("snapshot_type", values, "snapshots", row, type=values["type"])


def _image_status(arranger: Arranger, values: Values) -> None:
    row = arranger.volume(values)
    arranger.patch("image_status", values, "volumes", row, status=values["status"])


def _image_of_no_snapshot(arranger: Arranger, values: Values) -> None:
    row = arranger.volume(values)
    arranger.patch("image_of_no_snapshot", values, "volumes", row, snapshot_id=values["to"])


def _domain_status(arranger: Arranger, values: Values) -> None:
    row = values["domain"]
    arranger.patch("domain_status", values, "domains", row, status=values["status"])


def _domain_backup(arranger: Arranger, values: Values) -> None:
    arranger.patch("domain_backup", values, "domains", values["domain"], backup=True)


def _disk_content_type(arranger: Arranger, values: Values) -> None:
    row = values["disk"]
    arranger.patch("disk_content_type", values, "disks", row, content_type=values["type"])


def _vm_origin(arranger: Arranger, values: Values) -> None:
    arranger.patch("vm_origin", values, "vms", values["vm"], origin=values["origin"])


def _vm_cluster(arranger: Arranger, values: Values) -> None:
    arranger.patch("vm_cluster", values, "vms", values["vm"], cluster_id=values["cluster"])


def _device(arranger: Arranger, values: Values, **what: bool) -> None:
    arranger.control.device(values["vm"], values["disk"], **what)


def _device_plugged(arranger: Arranger, values: Values) -> None:
    _device(arranger, values, plugged=True)
    arranger.remember("device_plugged", values, lambda: _device(arranger, values, plugged=False))


def _device_row_deleted(arranger: Arranger, values: Values) -> None:
    _device(arranger, values, device=False)


def _dve_row_deleted(arranger: Arranger, values: Values) -> None:
    _device(arranger, values, element=False)


def _host_fails(arranger: Arranger, values: Mapping[str, Any]) -> None:
    times = int(values.get("times", values.get("count", 1)))
    verb, code = str(values["verb"]), int(values["code"])
    arranger.control.add_fault("host_fails", verb=verb, code=code, times=times)
    arranger.remember("host_fails", values, lambda: arranger.control.forget("host_fails", verb))


def _host_slow(arranger: Arranger, values: Mapping[str, Any]) -> None:
    verb, seconds = str(values["verb"]), float(values["seconds"])
    arranger.control.add_fault("host_slow", verb=verb, seconds=seconds)
    arranger.remember("host_slow", values, lambda: arranger.control.forget("host_slow", verb))


WORDS: Mapping[str, Callable[[Arranger, Values], None]] = {
    "vm_status": _vm_status,
    "snapshot_status": _snapshot_status,
    "snapshot_type": _snapshot_type,
    "image_status": _image_status,
    "image_of_no_snapshot": _image_of_no_snapshot,
    "domain_status": _domain_status,
    "domain_backup": _domain_backup,
    "disk_content_type": _disk_content_type,
    "vm_origin": _vm_origin,
    "vm_cluster": _vm_cluster,
    "device_plugged": _device_plugged,
    "device_row_deleted": _device_row_deleted,
    "dve_row_deleted": _dve_row_deleted,
    "host_fails": _host_fails,
    "host_slow": _host_slow,
}
