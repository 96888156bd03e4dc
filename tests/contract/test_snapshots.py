# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An id that changes hands: what it stands for is looked at each time, and nobody else's snapshot is ever removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from contract.bench import OURS, Bench

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.errors import (
    InvalidRequest,
    OperationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.model import (
    Snapshot,
    SnapshotId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.requests import (
    OverviewRequest,
    Patience,
    SnapshotRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.waiting import Clock
from ansible_collections.ovirt_community.backup.plugins.module_utils.engine.looking import (
    BackupPlan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.engine.snapshotting import (
    VmSnapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.module.clock import SystemClock
from lab.control import Control

MINE = OURS + "of this run"
OTHERS = OURS + "of another"


def operation(
    bench: Bench,
    word: str,
    *,
    present: bool,
    disks: tuple[str, ...] = (),
    clock: Clock | None = None,
) -> VmSnapshot:
    patience = Patience(timeout=bench.site.patience, poll_interval=bench.site.interval)
    request = SnapshotRequest(
        bench.source.id, word, present, disks, correlation_id="changing-hands"
    )
    return VmSnapshot(bench.engine, clock or SystemClock(), patience, request)


def planned(bench: Bench, word: str) -> tuple[VmSnapshot, Plan]:
    """A removal that is decided, and not begun."""
    removal = operation(bench, word, present=False)
    return removal, removal.plan()


def of_another(bench: Bench) -> Snapshot:
    made = bench.engine.create_snapshot(bench.source.id, OTHERS, None, False, "another")
    bench.await_snapshot(made.id, "ok")
    return made


def failing(bench: Bench, control: Control) -> SnapshotId:
    """A snapshot of ours that is on its way and will fail."""
    control.add_fault("host_slow", verb="VM.snapshot", seconds=0.3)
    control.add_fault("host_fails", verb="VM.snapshot", code=48)
    make = bench.engine.create_snapshot
    return make(bench.source.id, MINE, None, False, "failing").id


@pytest.mark.behind("a host that fails")
@pytest.mark.parametrize("by_id", [True, False])
def test_a_removal_does_not_take_the_next_one_for_the_failed_one(
    bench: Bench, control: Control, by_id: bool
) -> None:
    snapshot_id = failing(bench, control)
    removal, plan = planned(bench, snapshot_id if by_id else MINE)
    bench.await_snapshot(snapshot_id, "ok")
    other = of_another(bench)
    assert other.id == snapshot_id
    removal.execute(plan)
    found = bench.engine.snapshot(bench.source.id, snapshot_id)
    assert found is not None
    assert (found.description, found.status) == (OTHERS, "ok")
    assert bench.engine.events("type = 342") == []


@pytest.mark.behind("a host that fails")
def test_a_removal_of_the_failed_one_has_nothing_to_do(bench: Bench, control: Control) -> None:
    snapshot_id = failing(bench, control)
    removal, plan = planned(bench, MINE)
    bench.await_snapshot(snapshot_id, "ok")
    removal.execute(plan)
    assert bench.engine.events("type = 342") == []


@pytest.mark.behind("a host that fails")
def test_a_creation_does_not_take_the_next_one_for_its_own(bench: Bench, control: Control) -> None:
    """Who waits for a snapshot that failed meanwhile finds another's under its id: ok, and not his."""
    snapshot_id = failing(bench, control)
    waiting = operation(bench, MINE, present=True)
    plan = waiting.plan()
    assert plan.waits
    bench.await_snapshot(snapshot_id, "ok")
    of_another(bench)
    with pytest.raises(OperationFailed, match="could not make the snapshot"):
        waiting.execute(plan)


class Meanwhile(SystemClock):
    """Somebody does something while we wait for the first time."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self._deeds = [deed]

    def sleep(self, seconds: float) -> None:
        while self._deeds:
            self._deeds.pop()()
        super().sleep(seconds)


@pytest.mark.behind("a VM that is started")
@pytest.mark.parametrize("started", ["never", "after the plan", "during the snapshot"])
def test_offline_is_what_was_down_before_and_after(
    bench: Bench, control: Control, started: str
) -> None:
    control.status(bench.source.name, "down")
    clock = Meanwhile(lambda: control.status(bench.source.name, "up"))
    made = operation(bench, MINE, present=True)
    if started == "during the snapshot":
        made = operation(bench, MINE, present=True, clock=clock)
    plan = made.plan()
    if started == "after the plan":
        control.status(bench.source.name, "up")
    result = made.execute(plan)
    assert bench.source.status == ("down" if started == "never" else "up")
    assert result["consistency"] == ("offline" if started == "never" else "unknown")


@pytest.mark.behind("where the ACTIVE entry stands")
def test_the_active_entry_may_stand_anywhere(bench: Bench, control: Control) -> None:
    snapshot_id = bench.snapshot()
    active = next(one for one in bench.engine.snapshots(bench.source.id) if one.type == "active")
    control.patch("snapshots", active.id, date="2099-01-01T00:00:00Z")
    assert [one.type for one in bench.engine.snapshots(bench.source.id)] == ["regular", "active"]
    made = operation(bench, MINE, present=True)
    assert made.execute(made.plan())["snapshot"]["description"] == MINE
    removal = operation(bench, snapshot_id, present=False)
    removal.execute(removal.plan())
    assert {one.description for one in bench.ours()} == {MINE}


@pytest.mark.parametrize("text", ["äöü ß", "日本語", "ASCII ~ <&> \"'\t\n%", "x" * 4000])
def test_descriptions_that_the_engine_takes_are_found_again(bench: Bench, text: str) -> None:
    word = (OURS + text)[:4000]
    made = operation(bench, word, present=True)
    first = made.execute(made.plan())
    again = operation(bench, word, present=True)
    assert not again.plan().changed
    assert again.plan().result["snapshot"]["id"] == first["snapshot"]["id"]


@pytest.mark.parametrize("text", ["10 €", "😀", "e\u0301", "a\r\nb", "\x07", "x" * 4001, "  "])
def test_descriptions_that_it_refuses_are_told_before_anything_is_sent(
    bench: Bench, text: str
) -> None:
    before = len(bench.engine.snapshots(bench.source.id))
    with pytest.raises(InvalidRequest):
        operation(bench, text, present=True).plan()
    assert len(bench.engine.snapshots(bench.source.id)) == before


@pytest.mark.behind("an unplugged disk")
def test_an_unplugged_disk_of_a_vm_that_runs_stops_a_backup(bench: Bench, control: Control) -> None:
    """Its snapshot could be made, and not removed (contract section 15)."""
    [first, *_others] = bench.engine.attachments(bench.source.id)
    alias = unplugged(bench, control)
    assert first.active
    plan = operation(bench, MINE, present=True).plan()
    assert [alias in text for text in plan.warnings] == [True]
    some = operation(bench, MINE, present=True, disks=(first.disk_id,))
    assert some.plan().warnings == ()
    [found] = overview(bench).result["plans"]
    assert [text for text in found["problems"] if "not plugged" in text] != []
    control.status(bench.source.name, "down")
    assert operation(bench, MINE, present=True).plan().warnings == ()
    [found] = overview(bench).result["plans"]
    assert [text for text in found["problems"] if "not plugged" in text] == []


@pytest.mark.behind("an unplugged disk")
def test_a_removal_with_an_unplugged_disk_says_what_to_do(bench: Bench, control: Control) -> None:
    snapshot_id = bench.snapshot()
    alias = unplugged(bench, control)
    removal = operation(bench, snapshot_id, present=False)
    with pytest.raises(Refused) as caught:
        removal.execute(removal.plan())
    assert f"either unplugged or unattached: {alias}" in caught.value.message
    assert "[disks-plugged]" in caught.value.message
    assert "Plug the disks that are named" in caught.value.hint


def unplugged(bench: Bench, control: Control) -> str:
    """Unplug the last disk of the source VM; its alias."""
    held = bench.engine.attachments(bench.source.id)[-1]
    control.device(bench.source.id, held.disk_id, plugged=False)
    found = bench.engine.disk(held.disk_id)
    assert found is not None
    return found.alias


def overview(bench: Bench) -> Plan:
    request = OverviewRequest(
        sources=(bench.source.name,),
        appliance=bench.appliance.name,
        owner="contract",
        run_id="run-1",
        started=datetime.now(UTC),
    )
    return BackupPlan(bench.engine, SystemClock(), Patience(), request).plan()
