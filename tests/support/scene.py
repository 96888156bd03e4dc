# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with what a test needs, prepared through the engine port, inspected through the control API."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.playbooks import Ansible, Order, Result, Run, Step, only

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Deadline,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    DiskId,
    SnapshotId,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.settings import (
    EngineSettings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect_v4,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from lab.control import Control
from lab.lab import Lab
from lab.world import ADMIN

Json = Any
GUEST_LIFE = ("events", "jobs", "host", "locks", "settings")
"""What the world shows beside the state that a backup could change."""


def engine_of(lab: Lab, user: tuple[str, str] = ADMIN) -> EnginePort:
    """Return a connection of our own to a lab's engine."""
    auth = lab.auth(user)
    return connect_v4(
        EngineSettings(auth["url"], auth["username"], auth["password"], ca_file=auth["ca_file"])
    )


def state(world: Mapping[str, Json]) -> dict[str, Json]:
    """Return the part of the truth that must not change."""
    return {key: value for key, value in world.items() if key not in GUEST_LIFE}


@dataclass(frozen=True)
class Scene:
    """A lab, its control, an engine port to prepare with, and Ansible to test with."""

    lab: Lab
    control: Control
    engine: EnginePort
    ansible: Ansible

    # ----- preparing --------------------------------------------------------------------------

    def vm_id(self, name: str) -> VmId:
        """Return the id of a VM that only one has the name of."""
        return VmId(self.lab.vm(name).id)

    def disk_ids(self, name: str) -> dict[str, DiskId]:
        """Return the ids of a VM's disks by their names."""
        world = self.lab.world
        rows = world.attachments_of(self.vm_id(name))
        return {world.disks[row.disk_id].alias: DiskId(row.disk_id) for row in rows}

    def snapshot(
        self, vm: str = "web01", description: str = "nightly backup", *, settle: bool = True
    ) -> SnapshotId:
        """Make a snapshot; wait until it is usable."""
        vm_id = self.vm_id(vm)
        mark = str(uuid.uuid4())
        made = self.engine.create_snapshot(vm_id, description, None, False, mark)
        if settle:
            patience().wait_for(
                lambda: self.engine.snapshot(vm_id, made.id),
                lambda found: found is not None and found.status == "ok",
                what="a snapshot",
            )
        return made.id

    def attach(
        self,
        disk: str,
        snapshot_id: SnapshotId,
        source: str = "web01",
        settings: AttachSettings | None = None,
    ) -> DiskId:
        """Attach a disk snapshot to the appliance."""
        disk_id = self.disk_ids(source)[disk]
        self.engine.attach(
            self.vm_id("backup01"), disk_id, snapshot_id, settings or AttachSettings()
        )
        return disk_id

    def keep_apart(self, vm: str) -> None:
        """Put a VM on the appliance's host, away from the source VMs: else there is a warning."""
        host = self.lab.vm("backup01").host_id
        self.control.patch("vms", self.vm_id(vm), host_id=host)

    def forget_events(self) -> None:
        """Remove all events, as an engine does after thirty days."""
        with self.lab.world.lock:
            self.lab.world.events.clear()

    # ----- looking ----------------------------------------------------------------------------

    def attached(self, vm: str = "backup01") -> dict[str, str | None]:
        """Return the truth: disk names on a VM, and the snapshot that each shows (None: the disk itself)."""
        return attached(self.control.world(), self.vm_id(vm))

    def snapshots(self, vm: str = "web01") -> dict[str, str]:
        """Return the truth: descriptions and statuses of a VM's regular snapshots."""
        rows = self.control.world()["snapshots"]
        own = [row for row in rows if row["vm_id"] == self.vm_id(vm) and row["type"] != "active"]
        found = {row["description"]: row["status"] for row in own}
        assert len(found) == len(own), f"two snapshots of one description: {own}"
        return found

    def events(self, *codes: int) -> list[Mapping[str, Json]]:
        """Return events of some codes, oldest first."""
        return [one for one in self.control.world()["events"] if one["code"] in codes]

    # ----- doing ------------------------------------------------------------------------------

    def run(self, *steps: Step, **how: Json) -> Run:
        """Run steps."""
        return self.ansible.run(self.lab, steps, **how)

    def one(
        self,
        module: str,
        options: Mapping[str, Json],
        *,
        before: Sequence[Order] = (),
        env: Mapping[str, str] | None = None,
        **keywords: Json,
    ) -> Result:
        """Run one task."""
        return only(self.run(Step(module, options, before, keywords), env=env))

    def refused(
        self,
        module: str,
        options: Mapping[str, Json],
        code: str,
        *words: str,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a task that must be refused with a code and some words, and change nothing."""
        before = state(self.control.world())
        result = self.one(module, options, env=env)
        assert result.failed, result.result
        assert result["error_code"] == code, result.message
        missing = [word for word in words if word not in result.message]
        assert not missing, f"{missing} not in: {result.message}"
        assert set(result.result) >= {"msg", "error_code", "hint", "details"}
        assert result.result.get("exception") in (None, "(traceback unavailable)")
        assert state(self.control.world()) == before
        return result


def attached(world: Mapping[str, Json], vm_id: str) -> dict[str, str | None]:
    """Return disk names on a VM and the snapshot that each shows, of a world."""
    alias = {row["id"]: row["alias"] for row in world["disks"]}
    rows = [row for row in world["attachments"] if row["vm_id"] == vm_id]
    return {alias[row["disk_id"]]: row["snapshot_id"] for row in rows}


def patience(seconds: float = 20.0, interval: float = 0.02) -> Deadline:
    """Return a deadline for something that takes an instant."""
    return Deadline(SystemClock(), seconds, interval)
