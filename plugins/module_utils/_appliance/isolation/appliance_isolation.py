# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``appliance_isolation``: keep the appliance's programs away from others' disks."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices.survey import (
    WITH_DEVICES_FILE,
    Survey,
    survey,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.isolation import (
    isolation_proof,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    IsolationFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.version import (
    VERSION,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MODE = 0o644
_COPY = "Detach any copy of this disk from the appliance, then run this again."
_RULES = (appliance_isolation.MARK_RULES, appliance_isolation.JUDGE_RULES)


@dataclass(frozen=True)
class Write:
    """Write a file below ``/etc``."""

    path: str
    text: str


@dataclass(frozen=True)
class ListVolumes:
    """Make LVM's devices file list these devices too; create the file if it is missing."""

    path: str
    make: bool
    devices: tuple[str, ...]


@dataclass(frozen=True)
class RemoveIsolationFile:
    """Remove a file below ``/etc``."""

    path: str


@dataclass(frozen=True)
class Reload:
    """Make udev and multipathd read their files again, and examine these disks again."""

    disks: tuple[appliance_isolation.LocalDisk, ...]


@dataclass(frozen=True)
class Prove:
    """Prove the isolation on a disk of this kind."""

    kind: str


@dataclass(frozen=True)
class WriteNote:
    """Write the fact file; the step has its content without the proof and the time."""

    fact: Mapping[str, Any]


IsolationStep = Union[Write, ListVolumes, RemoveIsolationFile, Reload, Prove, WriteNote]


class ApplianceIsolation(Operation[IsolationStep]):
    """Isolate disks, or end their isolation."""

    def __init__(
        self, request: appliance_isolation.IsolationRequest, host: System | None = None
    ) -> None:
        """Keep the request.

        Args:
            request: What is wanted.
            host: The appliance; this machine by default.
        """
        self._request = request
        self._host = host or System()

    def plan(self) -> Plan[IsolationStep]:
        """Read the appliance's state, and decide what to write.

        Raises:
            Refused: Own disks cannot be distinguished from others.
            DeviceNotFound: A named disk does not exist.
        """
        found = survey(self._host, self._request.own_disks if self._request.present else ())
        present = self._present()
        if not self._request.present:
            return _undo(found, present)
        appliance_isolation.check_disks(found.disks, found.unmounted, found.programs)
        wanted = appliance_isolation.wanted_files(found.disks, found.programs, present)
        noted = appliance_isolation.read_fact(present[appliance_isolation.FACT])
        kind = self._proof(found, noted, wanted)
        steps = [*_listing(found), *_writing(wanted, present), *_stale(wanted, present)]
        moved = tuple(disk for disk in found.disks if disk.isolated == disk.own)
        if steps or moved:
            steps.append(Reload(moved))
        if kind:
            steps.append(Prove(kind))
        fact = appliance_isolation.fact(
            found.disks, found.programs, wanted, self._noted(noted, wanted)
        )
        if steps or fact != noted:
            steps.append(WriteNote(fact))
        return Plan(
            steps=tuple(steps),
            result=_result(found, fact),
            before=appliance_isolation.lines_of({path: present[path] or "" for path in wanted}),
            after=appliance_isolation.lines_of(wanted),
            warnings=(
                *appliance_isolation.warnings(found.disks, found.programs),
                *self._unproven(kind, fact),
            ),
        )

    def execute(self, plan: Plan[IsolationStep]) -> Mapping[str, Any]:
        """Write the files, apply them at once, prove the isolation, and record it.

        Raises:
            IsolationFailed: It has no effect, or would isolate the appliance's own disks.
        """
        made: dict[str, Any] = {}
        for step in plan.steps:
            if isinstance(step, Write):
                self._write(step)
            elif isinstance(step, ListVolumes):
                self._list(step)
            elif isinstance(step, RemoveIsolationFile):
                os.unlink(self._path(step.path))
            elif isinstance(step, Reload):
                self._reload(step)
            elif isinstance(step, Prove):
                made["proof"] = self._prove(step, _note_of(plan))
            elif isinstance(step, WriteNote):
                made["fact"] = self._note(step, made.get("proof"))
            else:
                unhandled(step)
        return {"proof": made.get("fact", {}).get("proof")}

    def _path(self, path: str) -> str:
        return f"{self._host.etc}/{path}"

    def _present(self) -> dict[str, str | None]:
        """Return the content of every file that may be ours."""
        paths = (
            *_RULES,
            appliance_isolation.LVM_LOCAL,
            appliance_isolation.MULTIPATH,
            *(appliance_isolation.md_path(directory) for directory in ("", "mdadm")),
            appliance_isolation.FACT,
        )
        return {path: programs.text(self._path(path)) for path in paths}

    def _proof(self, found: Survey, noted: Mapping[str, Any], wanted: Mapping[str, str]) -> str:
        """Return the kind of the proof to make; empty if none is to be made, or none is possible."""
        request = self._request
        if request.proof == "never":
            return ""
        if request.proof == "once" and appliance_isolation.proof_holds(noted, wanted):
            return ""
        return isolation_proof.choose(self._host, request.probe_serial, found.disks)

    def _noted(self, noted: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
        """Return what stays of the last fact file: its time, and a proof that still counts."""
        return {
            "collection": VERSION,
            "repository": self._request.repository or noted.get("repository", ""),
            "prepared": noted.get("prepared", ""),
            "proof": noted["proof"] if appliance_isolation.proof_holds(noted, wanted) else None,
        }

    def _unproven(self, kind: str, fact: Mapping[str, Any]) -> tuple[str, ...]:
        if kind or fact["proof"]:
            return ()
        return (
            "Isolation could not be proven. Plug a new, empty disk of at least 16 MiB and name it in "
            f"{option('probe_serial')}; or have the kernel module scsi_debug installed.",
        )

    def _write(self, step: Write) -> None:
        path = self._path(step.path)
        files.make_directories(os.path.dirname(path), 0o755)
        files.write_whole(path, step.text.encode("utf-8", "surrogateescape"), _MODE)

    def _list(self, step: ListVolumes) -> None:
        if step.make:
            self._write(Write(step.path, appliance_isolation.DEVICES_HEAD))
        for device in step.devices:
            argv = ["lvm", "lvmdevices", *WITH_DEVICES_FILE, "--adddev", device]
            programs.must(self._host, argv, hint=_COPY)

    def _reload(self, step: Reload) -> None:
        host = self._host
        programs.must(host, ["udevadm", "control", "--reload"])
        if programs.locate(host, "multipathd"):
            programs.call(host, ["multipathd", "reconfigure"])  # it may not be running
        if self._request.present:
            self._check_own()
        nodes = [node.path for disk in step.disks for node in disk.nodes]
        if nodes:
            programs.must(host, ["udevadm", "trigger", "--action=change", "--settle", *nodes])

    def _check_own(self) -> None:
        """Ask udev how it would treat own disks, before an event makes systemd unmount them.

        Raises:
            IsolationFailed: It would isolate one, or does not tell; the rules are removed again.
        """
        found = survey(self._host, self._request.own_disks)
        nodes = [node for disk in found.disks if disk.own for node in disk.nodes]
        judged = {node.path: self._would_isolate(node) for node in nodes}
        if all(isolated is False for isolated in judged.values()):
            return
        for path in _RULES:
            os.unlink(self._path(path))
        programs.must(self._host, ["udevadm", "control", "--reload"])
        for node in nodes:
            self._would_isolate(node)  # restore what the first test wrote into udev's database
        raise appliance_isolation.would_hit_own(judged)

    def _would_isolate(self, node: appliance_isolation.Node) -> bool | None:
        """Return whether the rules would isolate a device; None if udev does not tell."""
        link = os.path.realpath(f"{self._host.sys}/dev/block/{node.number}")
        said = programs.must(self._host, ["udevadm", "test", "--action=change", link])
        # DEVPATH is what follows the place where sysfs is mounted.
        found = appliance_isolation.tested_properties(said, link[link.find("/devices/") :])
        return None if found is None else found.get(appliance_isolation.PROPERTY) == "1"

    def _prove(self, step: Prove, note: WriteNote) -> dict[str, Any]:
        """Make the proof; a failed one replaces an earlier one."""
        found = survey(self._host, self._request.own_disks)
        request = isolation_proof.ProofRequest(
            step.kind, self._request.probe_serial, self._request.settle
        )
        try:
            made = isolation_proof.prove(self._host, found, request)
        except IsolationFailed:
            self._note(WriteNote({**note.fact, "proof": None}), None)
            raise
        return {**made, "when": self._now()}

    def _note(self, step: WriteNote, made: Mapping[str, Any] | None) -> Mapping[str, Any]:
        fact = {**step.fact, "prepared": self._now()}
        if made:
            fact["proof"] = {**made, "files": step.fact["files"]}
        self._write(Write(appliance_isolation.FACT, appliance_isolation.fact_text(fact)))
        return fact

    def _now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._host.now()))


def _note_of(plan: Plan[IsolationStep]) -> WriteNote:
    """Return the note of a plan with a proof: a failed proof is recorded at once."""
    return next(step for step in plan.steps if isinstance(step, WriteNote))


def _writing(wanted: Mapping[str, str], present: Mapping[str, str | None]) -> list[IsolationStep]:
    return [Write(path, text) for path, text in wanted.items() if present[path] != text]


def _listing(found: Survey) -> list[IsolationStep]:
    """Return the steps that complete LVM's devices file before it is enabled; else LVM would see nothing."""
    known = found.programs
    if not known.lvm:
        return []
    missing = tuple(node.path for node in appliance_isolation.lvm_missing(found.disks, known))
    make = known.devices_listed is None
    path = f"{appliance_isolation.LVM_DEVICES}/{known.devices_file}"
    return [ListVolumes(path, make, missing)] if make or missing else []


def _stale(wanted: Mapping[str, str], present: Mapping[str, str | None]) -> list[IsolationStep]:
    """Return the steps that remove what we wrote and is no longer wanted."""
    steps: list[IsolationStep] = []
    for path, text in present.items():
        if path in wanted or text is None or path == appliance_isolation.FACT:
            continue
        if path != appliance_isolation.LVM_LOCAL:
            steps.append(RemoveIsolationFile(path))
        elif appliance_isolation.block_of(text):
            steps.append(Write(path, appliance_isolation.without_block(text)))
    return steps


def _undo(found: Survey, present: Mapping[str, str | None]) -> Plan[IsolationStep]:
    """Plan the removal of everything that is ours, and a new look at every disk."""
    steps = _stale({}, present)
    if steps:
        steps.append(Reload(tuple(disk for disk in found.disks if disk.isolated)))
    if present[appliance_isolation.FACT] is not None:
        steps.append(RemoveIsolationFile(appliance_isolation.FACT))
    before = {
        path: text or "" for path, text in present.items() if path != appliance_isolation.FACT
    }
    return Plan(
        steps=tuple(steps),
        result={**_result(found, {}), "proof": None},
        before=appliance_isolation.lines_of(before),
        after={path: [] for path in before},
    )


def _result(found: Survey, fact: Mapping[str, Any]) -> dict[str, Any]:
    disks: Sequence[appliance_isolation.LocalDisk] = found.disks
    return {
        "own_disks": [appliance_isolation.describe(disk) for disk in disks if disk.own],
        "isolated_disks": [appliance_isolation.describe(disk) for disk in disks if not disk.own],
        "isolation": dict(fact.get("isolation", {})),
        "files": sorted(fact.get("files", {})),
        "proof": fact.get("proof"),
    }
