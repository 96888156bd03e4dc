# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract's tests work with: an engine, a source VM and an appliance, in the lab or live."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, replace

import pytest
from support.scene import patience

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.model import (
    AttachSettings,
    DiskId,
    Snapshot,
    SnapshotDisk,
    SnapshotId,
    Vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.settings import (
    EngineSettings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.engine.port import EnginePort
from lab.control import Control
from lab.lab import Lab

PATIENCE = 600.0
"""Seconds for a snapshot or a merge of a live engine."""


@dataclass(frozen=True)
class Site:
    """Where the engine is, and what may be used of it."""

    settings: EngineSettings
    source: str
    appliance: str
    lab: Lab | None = None


@dataclass(frozen=True)
class Bench:
    """An engine with a source VM and an appliance; cleans up behind itself."""

    site: Site
    engine: EnginePort

    @property
    def source(self) -> Vm:
        """The source VM, as it is now."""
        [found] = self.engine.vms_named(self.site.source)
        return found

    @property
    def appliance(self) -> Vm:
        """The appliance, as it is now."""
        [found] = self.engine.vms_named(self.site.appliance)
        return found

    @property
    def control(self) -> Control:
        """The lab's control API."""
        return self.lab.control()

    @property
    def lab(self) -> Lab:
        """The lab; skips the test where the engine is a live one."""
        if self.site.lab is None:
            pytest.skip("needs the lab's control API")
        return self.site.lab

    def order_snapshot(self, description: str | None = None, mark: str | None = None) -> Snapshot:
        """Order a snapshot of the source VM; do not wait for it."""
        text = description or f"contract {uuid.uuid4()}"
        name = mark or str(uuid.uuid4())
        return self.engine.create_snapshot(self.source.id, text, None, False, name)

    def snapshot(self) -> SnapshotId:
        """Make a snapshot of the source VM and wait until it is usable."""
        made = self.order_snapshot()
        self.await_snapshot(made.id, "ok")
        return made.id

    def await_snapshot(self, snapshot_id: SnapshotId, status: str | None) -> None:
        """Wait for a status of a snapshot of the source VM; None: until it is gone."""
        vm_id = self.source.id

        def look() -> str | None:
            found = self.engine.snapshot(vm_id, snapshot_id)
            return found.status if found else None

        interval = 0.02 if self.site.lab else 2.0
        patience(PATIENCE, interval).wait_for(look, lambda seen: seen == status, what="a snapshot")

    def disks(self, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
        """Disks of a snapshot of the source VM."""
        return self.engine.snapshot_disks(self.source.id, snapshot_id)

    def attach(self, disk_id: DiskId, snapshot_id: SnapshotId, **settings: object) -> None:
        """Attach a disk snapshot to the appliance."""
        wanted = replace(AttachSettings(), **settings)  # type: ignore[arg-type]
        self.engine.attach(self.appliance.id, disk_id, snapshot_id, wanted)

    def clean(self) -> None:
        """Detach what is of our snapshots, and remove them."""
        ours = [one for one in self.engine.snapshots(self.source.id) if _is_ours(one)]
        known = {layer.disk_id for one in ours for layer in self.disks(one.id)}
        for held in self.engine.attachments(self.appliance.id):
            if held.disk_id in known:
                self.engine.detach(self.appliance.id, held.disk_id)
        for one in ours:
            self.await_snapshot(one.id, "ok")
            self.engine.remove_snapshot(self.source.id, one.id, str(uuid.uuid4()))
            self.await_snapshot(one.id, None)


def _is_ours(snapshot: Snapshot) -> bool:
    return snapshot.type == "regular" and snapshot.description.startswith("contract ")


def live_site() -> Site:
    """The live engine that the environment names."""
    env = os.environ
    settings = EngineSettings(
        env["OVIRT_URL"],
        env["OVIRT_USERNAME"],
        env["OVIRT_PASSWORD"],
        ca_file=env.get("OVIRT_CAFILE"),
    )
    return Site(settings, env["OVIRT_CONTRACT_SOURCE"], env["OVIRT_CONTRACT_APPLIANCE"])


def lab_site(lab: Lab) -> Site:
    """A lab of this process."""
    auth = lab.auth()
    settings = EngineSettings(
        auth["url"], auth["username"], auth["password"], ca_file=auth["ca_file"]
    )
    return Site(settings, "web01", "backup01", lab)
