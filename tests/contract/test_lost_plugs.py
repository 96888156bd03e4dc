# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach and detach while a host is slow, refuses or does not answer, and while the answer is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from contract.bench import Bench

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
    EngineUnavailable,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    SnapshotId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_attach import (
    DiskSnapshotAttach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_detach import (
    DiskSnapshotDetach,
)
from lab.control import Control
from lab.lab import Lab
from lab.model import SYSTEM
from lab.world import BACKUP

pytestmark = pytest.mark.behind("a host that is slow, and answers that are lost")

PLUG, UNPLUG = "VM.hotplugDisk", "VM.hotunplugDisk"
TAKES = 1.0
LOST_AFTER = 0.2


@dataclass(frozen=True)
class Fast:
    """A clock that goes ``times`` as fast as the others."""

    times: float = 1.0

    def now(self) -> float:
        """Its seconds."""
        return time.monotonic() * self.times

    def sleep(self, seconds: float) -> None:
        """Let them pass."""
        time.sleep(seconds / self.times)


@dataclass
class Case:
    """A snapshot of the source VM, and one disk of it to attach."""

    bench: Bench
    lab: Lab
    control: Control
    engine: EnginePort
    snapshot_id: SnapshotId
    disk_id: DiskId
    clock: Fast = field(default_factory=Fast)

    def attach(self, timeout: float = 20.0) -> None:
        """Attach as the module does."""
        request = AttachRequest(
            self.bench.appliance.id, self.bench.source.id, self.snapshot_id, (self.disk_id,)
        )
        operation = DiskSnapshotAttach(
            self.engine, self.clock, Patience(True, timeout, 0.1), request
        )
        operation.execute(operation.plan())

    def detach(self, timeout: float = 20.0) -> None:
        """Detach as the module does."""
        request = DetachRequest(self.bench.appliance.id, everything=True)
        operation = DiskSnapshotDetach(
            self.engine, self.clock, Patience(True, timeout, 0.1), request
        )
        operation.execute(operation.plan())

    def lose(self, kind: str = "respond_during") -> None:
        """Let a proxy give up the next order while the host works on it."""
        where = {"method": "POST", "path": "/diskattachments"}
        page = {"status": 504, "body": "<html>Gateway Timeout</html>"}
        self.control.add_fault(kind, seconds=LOST_AFTER, **where, **page)

    def slow(self, verb: str, seconds: float = TAKES) -> None:
        """Let the host take its time once."""
        self.control.add_fault("host_slow", verb=verb, seconds=seconds)

    def fails(self, verb: str, code: int, times: int = 1) -> None:
        """Let the host refuse."""
        self.control.add_fault("host_fails", verb=verb, code=code, times=times)

    def attached(self) -> bool:
        """Tell whether the engine has an attachment, and all of its work is done."""
        self.lab.engine.tasks.drain(10)
        return (self.bench.appliance.id, self.disk_id) in self.lab.world.attachments

    def orders(self) -> int:
        """Return how many were given: what was dropped counts by what the engine made of it."""
        return len(self.control.writes())


@pytest.fixture
def case(bench: Bench, lab: Lab, control: Control) -> Case:
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    # The first body of a kind takes the lab a second, in which no order would have come to the engine.
    bench.attach(disk, snapshot_id)
    bench.detach(disk)
    control.forget_requests()
    return Case(bench, lab, control, bench.engine, snapshot_id, disk)


@pytest.fixture
def blind(case: Case) -> Case:
    """A user who has every permit and sees no events, because all roles are on the system."""
    user = case.lab.world.users[BACKUP[0]]
    user.grants = [grant for grant in user.grants if grant.object_id == SYSTEM]
    return case


@pytest.fixture
def doubtful(case: Case) -> Case:
    """That case with a second snapshot: nothing but the events tells which of them is attached."""
    case.bench.snapshot()
    case.control.forget_requests()
    return case


def timed(work: Callable[[], None]) -> float:
    before = time.monotonic()
    work()
    return time.monotonic() - before


@pytest.mark.parametrize("which", ["case", "doubtful"])
def test_an_answer_that_is_lost_while_the_host_plugs_is_waited_for(
    request: pytest.FixtureRequest, which: str
) -> None:
    """From the first moment on the engine shows the attachment as active: that says nothing yet."""
    case: Case = request.getfixturevalue(which)
    case.slow(PLUG)
    case.lose()
    assert timed(case.attach) >= TAKES
    assert case.attached()
    assert case.orders() == 1


def test_a_connection_that_is_closed_while_the_host_plugs(case: Case) -> None:
    """libcurl repeats the order by itself, which waits for the first: it is attached by then."""
    case.slow(PLUG)
    case.lose("drop_during")
    assert timed(case.attach) >= TAKES
    assert case.attached()


def test_a_host_that_refuses_after_the_answer_was_lost_is_asked_again(case: Case) -> None:
    case.slow(PLUG)
    case.fails(PLUG, 45)
    case.lose()
    assert timed(case.attach) >= TAKES
    assert case.attached()
    assert case.orders() == 2


def test_a_host_that_refuses_again_is_told(case: Case) -> None:
    case.slow(PLUG)
    case.fails(PLUG, 45, times=2)
    case.lose()
    with pytest.raises(EngineFault) as caught:
        case.attach()
    assert caught.value.reason == "plug_failed"
    assert not case.attached()


@pytest.mark.parametrize("code", [None, 45])
def test_who_sees_no_events_waits_as_long_as_the_engine_waits_for_a_host(
    blind: Case, code: int | None
) -> None:
    blind.clock = Fast(100.0)
    blind.slow(PLUG)
    if code is not None:
        blind.fails(PLUG, code)
    blind.lose()
    took = timed(lambda: blind.attach(timeout=500.0))
    assert took >= (TAKES if code else 2.0), "200 s by its clock"
    assert blind.attached()
    assert blind.orders() == (2 if code else 1)


def test_when_the_time_is_up_what_may_still_come_is_taken_back(case: Case) -> None:
    case.slow(PLUG)
    case.lose()
    with pytest.raises(
        EngineUnavailable, match="it is still unknown whether the host plugged"
    ) as hit:
        case.attach(timeout=0.5)
    assert "timeout" in hit.value.hint
    assert hit.value.details["rolled_back"] == {case.disk_id: "detached"}
    assert not case.attached()


def test_a_host_that_does_not_answer_is_asked_once(case: Case) -> None:
    """It may plug the disk later, and the engine knows nothing of it then."""
    case.control.settings(host_seconds=0.2)
    case.slow(PLUG, 0.5)
    with pytest.raises(BackupError) as caught:
        case.attach()
    assert "Network error during communication with the Host" in caught.value.message
    assert "disk_device_release" in caught.value.hint
    assert case.orders() == 1
    assert not case.attached()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (46, "unplug_failed"),
        (16, "host_refused"),
        (59, "host_refused"),
        (-32603, "host_refused"),
        (100, "host_refused"),
        (201, "volume_missing"),
        (358, "domain_unreachable"),
    ],
)
def test_a_plug_that_the_host_refuses_is_not_tried_again(
    case: Case, code: int, reason: str
) -> None:
    case.fails(PLUG, code)
    with pytest.raises(EngineFault) as caught:
        case.attach()
    assert caught.value.reason == reason
    assert caught.value.hint
    assert case.orders() == 1
    assert not case.attached()


def test_a_host_that_does_not_know_the_vm_yet_is_asked_again(case: Case) -> None:
    case.fails(PLUG, 1)
    case.attach()
    assert case.orders() == 2


@pytest.mark.parametrize("code", [1, 45, 46, 59, 100])
def test_an_unplug_that_the_host_refuses_is_tried_again(case: Case, code: int) -> None:
    case.attach()
    case.fails(UNPLUG, code)
    case.control.forget_requests()
    case.detach()
    assert not case.attached()
    assert case.orders() == 2


def test_an_unplug_without_an_answer_ends_by_itself(case: Case) -> None:
    """The engine sees the disk go, and the next order finds nothing to unplug."""
    case.attach()
    case.control.settings(host_seconds=0.2)
    case.slow(UNPLUG, 0.5)
    case.detach()
    assert not case.attached()
