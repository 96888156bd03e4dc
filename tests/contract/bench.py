# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The equipment of the contract's tests: an engine, a source VM and an appliance, in the lab or live.

A bench does not know the lab: the fixtures ``lab`` and ``control`` arrange what lies behind the
API.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

import pytest
from support.scene import patience

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Deadline,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    DiskId,
    Event,
    Snapshot,
    SnapshotDisk,
    SnapshotId,
    Vm,
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
from lab.lab import Lab
from lab.world import ADMIN, BACKUP

OURS = "contract "
"""How the description of each snapshot begins that a test makes."""

NEEDED = (
    *("OVIRT_USERNAME", "OVIRT_PASSWORD"),
    *("OVIRT_CONTRACT_SOURCE", "OVIRT_CONTRACT_APPLIANCE"),
)

Answer = TypeVar("Answer")
What = ParamSpec("What")


def _storage_passes(fault: EngineFault) -> bool:
    """Tell whether a refusal only lasts until another host is the SPM (docs/engine.md#refusals-that-pass)."""
    return bool(re.search(r"status is Unknown|Unknown Data Center status", fault.message))


def _may_pass(fault: EngineFault) -> bool:
    return fault.retryable or _storage_passes(fault)


@dataclass(frozen=True)
class Site:
    """Where the engine is, and what may be used of it.

    Attributes:
        settings: The backup user, who has the least role.
        administrator: An administrator, if there is one.
        patience: Seconds for a snapshot, a merge or a state that passes.
        interval: Longest pause between two looks, in seconds.
    """

    settings: EngineSettings
    source: str
    appliance: str
    administrator: EngineSettings | None = None
    patience: float = 600.0
    interval: float = 2.0


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

    # ----- ordering -----------------------------------------------------------------------------

    def settled(
        self, order: Callable[What, Answer], *args: What.args, **names: What.kwargs
    ) -> Answer:
        """Carry out an order, again while the engine refuses it for a state of the storage that passes."""
        return self._again(_storage_passes, order, *args, **names)

    def again(
        self, order: Callable[What, Answer], *args: What.args, **names: What.kwargs
    ) -> Answer:
        """Carry out an order, again while waiting may help."""
        return self._again(_may_pass, order, *args, **names)

    def refused(
        self, order: Callable[What, object], *args: What.args, **names: What.kwargs
    ) -> EngineFault:
        """Return the fault that an order is refused with, once the storage is settled."""
        try:
            self.settled(order, *args, **names)
        except EngineFault as fault:
            return fault
        raise AssertionError("the engine did not refuse")

    def order_snapshot(self, mark: str | None = None, *, memory: bool = False) -> Snapshot:
        """Order a snapshot of the source VM; do not wait for it."""
        name = mark or str(uuid.uuid4())
        text = f"{OURS}{uuid.uuid4()}"
        make = self.engine.create_snapshot
        return self.settled(make, self.source.id, text, None, memory, name)

    def snapshot(self) -> SnapshotId:
        """Make a snapshot of the source VM and wait until it is usable."""
        made = self.order_snapshot()
        self.await_snapshot(made.id, "ok")
        return made.id

    def remove(self, snapshot_id: SnapshotId, mark: str) -> None:
        """Order the removal of a snapshot of the source VM."""
        self.settled(self.engine.remove_snapshot, self.source.id, snapshot_id, mark)

    def attach(self, disk_id: DiskId, snapshot_id: SnapshotId, **settings: object) -> None:
        """Attach a disk snapshot to the appliance."""
        wanted = replace(AttachSettings(), **settings)  # type: ignore[arg-type]
        self.settled(self.engine.attach, self.appliance.id, disk_id, snapshot_id, wanted)

    def detach(self, disk_id: DiskId) -> None:
        """Detach a disk snapshot from the appliance."""
        self.settled(self.engine.detach, self.appliance.id, disk_id)

    # ----- looking ------------------------------------------------------------------------------

    def await_snapshot(self, snapshot_id: SnapshotId, status: str | None) -> None:
        """Wait for a status of a snapshot of the source VM; None: until it is gone."""
        vm_id = self.source.id

        def look() -> str | None:
            found = self.engine.snapshot(vm_id, snapshot_id)
            return found.status if found else None

        self._deadline().wait_for(look, lambda seen: seen == status, what="a snapshot")

    def await_events(self, search: str, *codes: int) -> list[Event]:
        """Wait until events of all these codes are found, newest first: an engine writes them later."""
        return self._deadline().wait_for(
            lambda: self.engine.events(search),
            lambda found: set(codes) <= {event.code for event in found},
            what=f"events {codes}",
        )

    def disks(self, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
        """Return the disks of a snapshot of the source VM."""
        return self.engine.snapshot_disks(self.source.id, snapshot_id)

    def boot_disk(self) -> str:
        """Return the name of the appliance's own boot disk; empty if it has none."""
        held = [one for one in self.engine.attachments(self.appliance.id) if one.bootable]
        found = [self.engine.disk(one.disk_id) for one in held]
        return next((one.alias for one in found if one is not None), "")

    # ----- leaving ------------------------------------------------------------------------------

    def ours(self) -> list[Snapshot]:
        """Return the snapshots of the source VM that a test made; the active entry is never one, whatever its id was."""
        return [
            one
            for one in self.engine.snapshots(self.source.id)
            if one.type == "regular" and one.description.startswith(OURS)
        ]

    def clean(self) -> None:
        """Detach what is of our snapshots, and remove them; continue after a failure, and raise it at the end."""
        failed: list[BackupError] = []
        ours = self.ours()
        for step in (self._release, self._remove_for_good):
            for one in ours:
                try:
                    step(one.id)
                except BackupError as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    def borrowed(self) -> list[DiskId]:
        """Return the disks of the source VM that are attached to the appliance."""
        own = {one.disk_id for one in self.engine.attachments(self.source.id)}
        held = self.engine.attachments(self.appliance.id)
        return [one.disk_id for one in held if one.disk_id in own]

    def _release(self, snapshot_id: SnapshotId) -> None:
        """Detach the disks of a snapshot. One in creation ends first; if it fails, the snapshot is gone."""
        vm_id, appliance = self.source.id, self.appliance.id
        self._deadline().wait_for(
            lambda: self.engine.snapshot(vm_id, snapshot_id),
            lambda found: found is None or found.status != "locked",
            what="a snapshot that is locked",
        )
        if snapshot_id not in {one.id for one in self.ours()}:
            return
        known = {one.disk_id for one in self.disks(snapshot_id)}
        for held in self.engine.attachments(appliance):
            if held.disk_id in known:
                self.again(self.engine.detach, appliance, held.disk_id)

    def _remove_for_good(self, snapshot_id: SnapshotId) -> None:
        if snapshot_id not in {one.id for one in self.ours()}:
            return
        vm_id = self.source.id
        mark = str(uuid.uuid4())
        self.again(self.engine.remove_snapshot, vm_id, snapshot_id, mark)
        self._deadline().wait_for(
            lambda: {one.id for one in self.ours()},
            lambda left: snapshot_id not in left,
            what="the end of a removal",
        )

    def _again(
        self,
        passes: Callable[[EngineFault], bool],
        order: Callable[What, Answer],
        *args: What.args,
        **names: What.kwargs,
    ) -> Answer:
        """Carry out an order, again while a refusal passes; raise the last refusal."""
        ticks = self._deadline().ticks()
        while True:
            try:
                return order(*args, **names)
            except EngineFault as fault:
                if not passes(fault) or next(ticks, None) is None:
                    raise

    def _deadline(self) -> Deadline:
        return patience(self.site.patience, self.site.interval)


@contextmanager
def at_work(site: Site, *, tidy: bool = True) -> Iterator[Bench]:
    """Log a bench in. What was made with it is removed, also after a failure, and what a killed run left.

    Args:
        tidy: Whether to remove it; not if the engine itself is discarded with everything in it.
    """
    engine = connect_v4(site.settings)
    bench = Bench(site, engine)
    try:
        if tidy:
            bench.clean()
            held = bench.borrowed()
            assert not held, f"detach {held} from {site.appliance} first: they are the source's"
        yield bench
    finally:
        try:
            if tidy:
                bench.clean()
        finally:
            engine.close()


def is_live() -> bool:
    """Tell whether the environment names a live engine."""
    return bool(os.environ.get("OVIRT_URL"))


def has_administrator() -> bool:
    """Tell whether the environment names an administrator of the live engine."""
    return bool(os.environ.get("OVIRT_ADMIN_USERNAME"))


def live_site() -> Site:
    """Return the live engine that the environment names."""
    env = os.environ
    missing = [name for name in NEEDED if not env.get(name)]
    if missing:
        raise pytest.UsageError(f"OVIRT_URL names a live engine; set {', '.join(missing)}, too")
    url, ca_file = env["OVIRT_URL"], env.get("OVIRT_CAFILE")
    user = EngineSettings(url, env["OVIRT_USERNAME"], env["OVIRT_PASSWORD"], ca_file=ca_file)
    administrator = None
    if has_administrator():
        name, password = env["OVIRT_ADMIN_USERNAME"], env["OVIRT_ADMIN_PASSWORD"]
        administrator = EngineSettings(url, name, password, ca_file=ca_file)
    return Site(user, env["OVIRT_CONTRACT_SOURCE"], env["OVIRT_CONTRACT_APPLIANCE"], administrator)


def lab_site(lab: Lab) -> Site:
    """Return a lab of this process."""
    user, administrator = (_settings(lab, who) for who in (BACKUP, ADMIN))
    return Site(user, "web01", "backup01", administrator, patience=20.0, interval=0.02)


def _settings(lab: Lab, user: tuple[str, str]) -> EngineSettings:
    auth = lab.auth(user)
    return EngineSettings(auth["url"], auth["username"], auth["password"], ca_file=auth["ca_file"])
