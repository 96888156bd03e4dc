# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An id that passes to another snapshot: the operations check what it belongs to, and never remove another snapshot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from contract.bench import OURS, Bench

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import options
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    NotFound,
    OperationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Clock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Snapshot,
    SnapshotId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
    SYSTEM,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import stamp
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
    BackupPlanRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    SnapshotRequest,
    SnapshotStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.backup_plan_info import (
    BackupPlanInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_snapshot import (
    VmSnapshot,
)
from lab.control import Control
from lab.lab import Lab
from lab.world import BACKUP

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


def planned(bench: Bench, word: str) -> tuple[VmSnapshot, Plan[SnapshotStep]]:
    """Return a removal that is decided, and not begun."""
    removal = operation(bench, word, present=False)
    return removal, removal.plan()


def of_another(bench: Bench) -> Snapshot:
    made = bench.engine.create_snapshot(bench.source.id, OTHERS, None, False, "another")
    bench.await_snapshot(made.id, "ok")
    return made


def failing(bench: Bench, control: Control) -> SnapshotId:
    """Return a snapshot of ours that is on its way and will fail."""
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
    """A snapshot that failed during the wait: another one has its id now and is ok, but is not ours."""
    snapshot_id = failing(bench, control)
    waiting = operation(bench, MINE, present=True)
    plan = waiting.plan()
    assert plan.waits
    bench.await_snapshot(snapshot_id, "ok")
    of_another(bench)
    with pytest.raises(OperationFailed, match="could not create the snapshot"):
        waiting.execute(plan)


class Meanwhile(SystemClock):
    """Something happens during the first wait."""

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
    """Its snapshot could be made, and not removed (docs/engine.md#making-a-snapshot)."""
    [first, *_others] = bench.engine.attachments(bench.source.id)
    alias = unplugged(bench, control)
    assert first.active
    plan = operation(bench, MINE, present=True).plan()
    assert [alias in text for text in plan.warnings] == [True]
    assert overview(bench).result["token"] is False
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
    assert "Plug the named disks" in caught.value.hint


def unplugged(bench: Bench, control: Control) -> str:
    """Unplug the last disk of the source VM; its alias."""
    held = bench.engine.attachments(bench.source.id)[-1]
    control.device(bench.source.id, held.disk_id, plugged=False)
    found = bench.engine.disk(held.disk_id)
    assert found is not None
    return found.alias


@pytest.mark.behind("a snapshot that is long in the making")
def test_what_another_run_has_in_the_making_is_waited_for(bench: Bench, control: Control) -> None:
    left = stamp.make("contract", "killed", datetime.now(UTC) + timedelta(hours=1)).text()
    control.settings(snapshot_polls=10_000, linger=4.0)
    order = SnapshotRequest(bench.source.id, left, True, correlation_id="killed")
    patience = Patience(wait=False, timeout=bench.site.patience)
    making = VmSnapshot(bench.engine, SystemClock(), patience, order)
    try:
        making.execute(making.plan())
        assert [one["status"] for one in overview(bench).result["leftovers"]] == ["locked"]
        short = overview(bench, settle=0.3)
        assert [one["status"] for one in short.result["leftovers"]] == ["locked"]
        settled = overview(bench, settle=20.0, more=("no such VM",))
        assert [one["status"] for one in settled.result["leftovers"]] == ["ok"]
    finally:
        control.settings(snapshot_polls=1, linger=1.0)
        removal = operation(bench, left, present=False)
        removal.execute(removal.plan())


def overview(
    bench: Bench,
    unplugged: str = "refuse",
    appliance: str = "",
    settle: float = 0.0,
    more: tuple[str, ...] = (),
) -> Plan[NoStep]:
    request = BackupPlanRequest(
        sources=(bench.source.name, *more),
        appliance=appliance or bench.appliance.name,
        owner="contract",
        run_id="run-1",
        started=datetime.now(UTC),
        unplugged=unplugged,
        settle=settle,
    )
    return BackupPlanInfo(bench.engine, SystemClock(), Patience(), request).plan()


def test_an_appliance_that_the_engine_does_not_know_is_told_as_such(bench: Bench) -> None:
    """An inventory may have another name for it than the engine."""
    with pytest.raises(NotFound, match="no VM 'nobody-1' to use as the appliance") as caught:
        overview(bench, appliance="nobody-1")
    said = options.told(caught.value.hint, "backup_plan_info")
    assert said.startswith(
        "Set appliance (variable ovirt_backup_appliance) to the name or id that the engine has"
    )


@pytest.mark.behind("an unplugged disk")
def test_an_unplugged_disk_is_left_out_where_that_is_asked_for(
    bench: Bench, control: Control
) -> None:
    """The snapshot names the others, so it is removed while the VM runs (docs/engine.md#removing-a-snapshot)."""
    alias = unplugged(bench, control)
    [found] = overview(bench, unplugged="leave_out").result["plans"]
    assert found["problems"] == []
    assert [one["alias"] for one in found["left_out"]] == [alias]
    kept = [one["disk_id"] for one in found["disks"]]
    assert found["snapshot_disks"] == kept != []
    made = operation(bench, MINE, present=True, disks=tuple(found["snapshot_disks"]))
    assert [one["disk_id"] for one in made.execute(made.plan())["disks"]] == kept
    removal = operation(bench, MINE, present=False)
    removal.predict()
    removal.execute(removal.plan())
    assert bench.ours() == []


@pytest.mark.behind("an unplugged disk")
def test_the_plan_tells_of_an_old_snapshot_that_cannot_be_removed_now(
    bench: Bench, control: Control
) -> None:
    made = bench.engine.create_snapshot(
        bench.source.id,
        stamp.make("contract", "run-0", datetime.now(UTC)).text(),
        None,
        False,
        "earlier",
    )
    bench.await_snapshot(made.id, "ok")
    alias = unplugged(bench, control)
    plan = overview(bench, unplugged="leave_out").result
    assert [one["run_id"] for one in plan["leftovers"]] == ["run-0"]
    [problem] = plan["plans"][0]["problems"]
    assert "run run-0" in problem
    assert repr(alias) in problem
    control.status(bench.source.name, "down")
    assert overview(bench, unplugged="leave_out").result["plans"][0]["problems"] == []


@pytest.mark.behind("a disk of managed block storage")
def test_a_snapshot_leaves_managed_block_storage_out(bench: Bench, control: Control) -> None:
    """A snapshot that names no disks has it, so the plan names the others; attach refuses what has it."""
    disk_id = bench.engine.attachments(bench.source.id)[-1].disk_id
    control.patch("disks", disk_id, storage_type="managed_block_storage")
    assert disk_id in [one.disk_id for one in bench.disks(bench.snapshot())]
    [found] = overview(bench).result["plans"]
    assert [one["disk_id"] for one in found["left_out"]] == [disk_id]
    assert "managed_block_storage" in found["left_out"][0]["reason"]
    made = operation(bench, MINE, present=True, disks=tuple(found["snapshot_disks"]))
    held = [one["disk_id"] for one in made.execute(made.plan())["disks"]]
    assert held == [one["disk_id"] for one in found["disks"]] != []
    assert disk_id not in held


@pytest.mark.behind("a state that the engine refuses")
@pytest.mark.parametrize(
    ("state", "said", "fault"),
    [
        ("suspended", "is suspended", "the VM is in Suspended status"),
        ("in preview", "is previewing snapshot", "VM is previewing a Snapshot"),
        ("illegal", "is illegal", "disks are in ILLEGAL status"),
    ],
)
def test_what_the_engine_would_refuse_is_told_in_the_plan(
    bench: Bench, control: Control, state: str, said: str, fault: str
) -> None:
    """Before anything is made: the texts are those of the recorded scenes snapshot-states and snapshot-failures."""
    source = bench.source
    bench.snapshot()
    if state == "suspended":
        control.status(source.name, "suspended")
    elif state == "in preview":
        control.status(source.name, "down")
        control.patch("snapshots", bench.ours()[0].id, status="in_preview")
        control.patch("vms", source.id, in_preview=True)
    else:
        disk = bench.engine.attachments(source.id)[0].disk_id
        volume = control.world()["disks"]
        [active] = [one["active_volume_id"] for one in volume if one["id"] == disk]
        control.patch("volumes", active, status="illegal")
    [found] = overview(bench).result["plans"]
    assert [said in one for one in found["problems"]] == [True]
    refused = bench.refused(bench.engine.create_snapshot, source.id, MINE, None, False, "state")
    assert fault in refused.message
    wanted = operation(bench, MINE, present=True)
    with pytest.raises(Refused, match=r"source-ready|disk-healthy"):
        wanted.predict()


@pytest.mark.behind("an unplugged disk")
@pytest.mark.parametrize("why", ["attached", "unplugged"])
def test_a_removal_that_is_refused_is_refused_in_check_mode(
    bench: Bench, control: Control, why: str
) -> None:
    snapshot_id = bench.snapshot()
    removal = operation(bench, snapshot_id, present=False)
    removal.predict()
    if why == "attached":
        bench.attach(bench.disks(snapshot_id)[0].disk_id, snapshot_id)
    else:
        unplugged(bench, control)
    rule = {"attached": "source-frozen", "unplugged": "disks-plugged"}[why]
    with pytest.raises(Refused, match=rule):
        removal.predict()
    with pytest.raises(Refused, match=rule):
        removal.execute(removal.plan())


@pytest.mark.behind("accounts and their grants")
@pytest.mark.parametrize("hidden", [True, False])
def test_a_snapshot_whose_events_are_hidden_is_told(
    bench: Bench, lab: Lab, request: pytest.FixtureRequest, hidden: bool
) -> None:
    """The events say how consistent it is; a role on the system does not show them (docs/engine.md#who-sees-events)."""
    user = lab.world.users[BACKUP[0]]
    before = list(user.grants)
    request.addfinalizer(lambda: user.grants.__setitem__(slice(None), before))
    if hidden:
        user.grants[:] = [grant for grant in before if grant.object_id == SYSTEM]
    making = operation(bench, MINE, present=True)
    result = making.execute(making.plan())
    said = [repr(bench.source.name) in text for text in result["warnings"] if "shown" in text]
    assert said == [True] * hidden
    assert bool(result["events"]) is not hidden
