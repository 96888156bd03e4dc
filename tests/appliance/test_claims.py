# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims on an appliance: real files, and real processes that compete for the same claim."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.clocks import MadeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
    Paths,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs import (
    backup_claim,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageError,
    InvalidRequest,
    VmClaimed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.backup_claim import (
    ATTACH,
    COPY,
    RELEASE,
    SNAPSHOT,
    Wish,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

VM = str(uuid.uuid4())
FIRST = Wish(VM, "awx", "first", SNAPSHOT, (300.0, 60.0))
SECOND = replace(FIRST, run_id="second", heartbeat_timeout=60.0, standing=frozenset({"first"}))


class Machine:
    """An appliance whose monotonic clock stands still until a sleep."""

    def __init__(self, root: Path) -> None:
        self.seconds = 5000.0
        self.events: list[Callable[[], object]] = []
        self._boot = root / "proc/sys/kernel/random/boot_id"
        self._boot.parent.mkdir(parents=True)
        self.start("first boot")
        paths = Paths(claims=str(root / "claims"), proc=str(root / "proc"))
        self.host = Host(paths, MadeClock(lambda: self.seconds, self._sleep))

    def start(self, boot: str) -> None:
        self._boot.write_text(boot + "\n", encoding="ascii")

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.events:
            self.events.pop(0)()

    def take(self, wish: Wish, *, check_mode: bool = False) -> dict[str, Any]:
        return perform(backup_claim.TakeClaim(wish, self.host), check_mode=check_mode)[0]

    def give(self, wish: Wish, *, left: bool = False) -> dict[str, Any]:
        return perform(backup_claim.GiveBack(wish, self.host, left=left), check_mode=False)[0]

    @property
    def files(self) -> list[str]:
        return [name for name in os.listdir(self.host.paths.claims) if name != ".boot"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_claim_is_taken_signed_and_given_back(machine: Machine) -> None:
    assert machine.take(FIRST, check_mode=True)["changed"]
    assert not os.path.exists(machine.host.paths.claims)
    taken = machine.take(FIRST)
    assert (taken["changed"], taken["dead"], taken["boot"]) == (True, [], taken["boot"])
    assert taken["boot"].startswith("first boot.")
    with pytest.raises(VmClaimed, match="Run first of owner awx has been working"):
        machine.take(replace(SECOND, heartbeat_timeout=None))
    again = machine.take(replace(FIRST, boot=taken["boot"]))
    assert not again["changed"]
    assert machine.take(replace(FIRST, boot=taken["boot"], step=ATTACH))["changed"]
    assert not machine.give(SECOND)["changed"]
    assert machine.give(FIRST)["changed"]
    assert not machine.give(FIRST)["changed"]
    assert machine.files == []
    assert machine.take(SECOND)["dead"] == []


def test_a_dead_run_is_followed_at_once_or_after_its_silence(machine: Machine) -> None:
    machine.take(replace(FIRST, step=COPY))
    machine.seconds += 61
    before = machine.seconds
    assert machine.take(SECOND)["dead"] == ["first"]
    assert machine.seconds == before
    third = replace(SECOND, run_id="third")
    assert machine.take(third)["dead"] == ["first", "second"]
    assert 60 <= machine.seconds - before < 62


def test_a_run_that_signs_is_not_followed(machine: Machine) -> None:
    machine.take(replace(FIRST, step=COPY))
    machine.events = [lambda: None, lambda: machine.take(replace(FIRST, step=COPY))]
    with pytest.raises(VmClaimed, match="copying its disks"):
        machine.take(SECOND)
    assert machine.seconds < 5002


def test_a_run_that_ends_meanwhile_is_followed(machine: Machine) -> None:
    machine.take(FIRST)
    machine.events = [lambda: machine.give(FIRST)]
    assert machine.take(SECOND)["dead"] == []


def test_what_an_ended_run_left_is_known_to_the_next_at_once(machine: Machine) -> None:
    machine.take(replace(FIRST, step=ATTACH))
    machine.give(FIRST, left=True)
    assert machine.take(replace(SECOND, heartbeat_timeout=None))["dead"] == ["first"]
    assert machine.seconds == 5000


def test_whose_snapshot_is_gone_is_followed_at_once(machine: Machine) -> None:
    machine.take(replace(FIRST, step=RELEASE))
    assert machine.take(replace(SECOND, standing=frozenset()))["dead"] == ["first"]


def test_who_was_followed_loses_it_for_good(machine: Machine) -> None:
    late = replace(FIRST, boot=machine.take(FIRST)["boot"])
    machine.seconds += 61
    machine.take(SECOND)
    with pytest.raises(VmClaimed, match="Run second of owner awx took over this VM"):
        machine.take(late)
    assert not machine.give(late)["changed"]
    machine.give(SECOND)
    with pytest.raises(VmClaimed, match="has ended"):
        machine.take(late)


def test_a_restart_ends_all_claims(machine: Machine) -> None:
    late = replace(FIRST, boot=machine.take(FIRST)["boot"])
    machine.start("second boot")
    assert machine.take(late)["boot"].startswith("second boot.")
    machine.start("third boot")
    assert machine.take(replace(SECOND, heartbeat_timeout=None))["dead"] == []


def test_a_restart_of_a_container_ends_all_claims(machine: Machine) -> None:
    """Its boot is the machine's, but its /run is empty."""
    late = replace(FIRST, boot=machine.take(FIRST)["boot"])
    shutil.rmtree(machine.host.paths.claims)
    again = machine.take(late)
    assert again["boot"] != late.boot
    shutil.rmtree(machine.host.paths.claims)
    machine.take(SECOND)
    with pytest.raises(VmClaimed, match="Run second of owner awx took over this VM"):
        machine.take(late)


def test_between_watch_and_deed_another_may_be_faster(machine: Machine) -> None:
    operation = backup_claim.TakeClaim(replace(SECOND, heartbeat_timeout=None), machine.host)
    plan = operation.plan()
    machine.take(FIRST)
    with pytest.raises(VmClaimed):
        operation.execute(plan)
    back = backup_claim.GiveBack(FIRST, machine.host)
    given = back.plan()
    machine.give(FIRST)
    assert back.execute(given) == {"changed": False}


def test_a_copy_signs_for_the_run_it_is_of(machine: Machine) -> None:
    directory = f"/srv/backup/web01.{VM}/20261123T010000Z.first"
    backup_claim.sign(machine.host, [directory, "/nowhere/at/all"], call=True)
    machine.take(replace(FIRST, step=ATTACH))
    machine.seconds += 50
    backup_claim.sign(machine.host, [directory], call=True)
    machine.seconds += 59
    machine.events = [lambda: backup_claim.sign(machine.host, [directory], call=False)] * 9
    machine.events += [lambda: backup_claim.sign(machine.host, [directory], call=True)]
    with pytest.raises(VmClaimed, match="copying its disks"):
        machine.take(SECOND)
    machine.seconds += 61
    machine.take(SECOND)
    # The dead run's last call signs for nobody.
    backup_claim.sign(machine.host, [directory], call=True)
    machine.seconds += 61
    assert machine.take(replace(SECOND, run_id="third"))["dead"] == ["first", "second"]


def test_what_cannot_be_read_is_not_taken_for_free(machine: Machine) -> None:
    machine.take(FIRST)
    path = Path(machine.host.paths.claims) / f"{VM}.json"
    path.write_text("{}", encoding="ascii")
    with pytest.raises(InvalidRequest, match="is not a valid claim"):
        machine.take(SECOND)
    path.unlink()
    path.mkdir()
    with pytest.raises(ImageError, match="cannot be read"):
        machine.take(SECOND)
    path.rmdir()
    path.symlink_to("/dev/null")
    with pytest.raises(ImageError, match="cannot be read"):
        machine.take(SECOND)
    path.unlink()
    Path(machine.host.paths.claims).chmod(0o777)
    with pytest.raises(InvalidRequest, match="others can write there"):
        machine.take(FIRST)


def test_without_a_boot_nothing_is_decided(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "proc/sys/kernel/random/boot_id").unlink()
    with pytest.raises(ImageError, match="boot_id"):
        machine.take(FIRST)


def _race(paths: Paths, run: str, barrier: Any, won: Any) -> None:  # noqa: ANN401
    wish = replace(FIRST, run_id=run)
    barrier.wait(20)
    try:
        perform(backup_claim.TakeClaim(wish, Host(paths)), check_mode=False)
        won.put(run)
    except BackupError:
        won.put("")


def test_of_many_at_once_one_has_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    paths = Paths(claims=str(tmp_path / "claims"))
    barrier, won = context.Barrier(6), context.Queue()
    runs = [
        context.Process(target=_race, args=(paths, f"r{number}", barrier, won))
        for number in range(6)
    ]
    for one in runs:
        one.start()
    found = [won.get(timeout=20) for _one in runs]
    for one in runs:
        one.join(20)
    assert len([run for run in found if run]) == 1
