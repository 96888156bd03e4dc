# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What jobs leave in memory, night after night: real processes with little to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.clocks import MadeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.job import (
    Job,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.meter import (
    Meter,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
    Paths,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import jobs
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)

DAY = 86400.0
VMS = 500
NIGHTS = 3


@dataclass(frozen=True)
class Call:
    """The step of a job whose work is a function."""


class Little(Job[Call]):
    """A job whose work is a function."""

    def __init__(
        self,
        number: int,
        place: Path,
        does: Callable[[], None] = lambda: None,
        wait: float | None = None,
    ) -> None:
        following = jobs.Following(wait_seconds=wait, follower="run")
        host = Host(replace(Paths(), jobs=str(place)))
        super().__init__(f"{number:032x}", following, host)
        self._does = does

    def _check(self) -> None:
        pass

    def _meter(self) -> Meter:
        request = CopyRequest((ImageRequest("a" * 20, 1, "/a"),))
        return Meter(MadeClock(), request, lambda _progress: None)

    def _operation(self, _meter: Meter | None) -> Operation[Call]:
        does = self._does

        class Doing(Operation[Call]):
            def plan(self) -> Plan[Call]:
                return Plan(steps=(Call(),), result={"images": []})

            def execute(self, _plan: Plan[Call]) -> Mapping[str, Any]:
                does()
                return {}

        return Doing()

    def _bound(self) -> bool:
        return True

    def _stands(self, _outcome: Mapping[str, Any]) -> bool:
        return True

    def _touch(self, *, first: bool) -> None:
        pass

    def run(self) -> Mapping[str, Any]:
        """Start it, and wait for its end."""
        return self.execute(Plan())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where jobs are noted."""
    return tmp_path / "jobs"


def plant(place: Path, number: int, age: float, *, collected: bool) -> Path:
    """Return what a job of an earlier night left."""
    path = place / f"{number:032x}"
    path.mkdir(0o700)
    notes = {"alive": "", "log": "", "follower": '"run"', "progress": '{"size": 1}'}
    notes["outcome"] = '{"result": {"images": []}}'
    for name, text in {**notes, **({"collected": '"run"'} if collected else {})}.items():
        (path / name).write_text(text)
    grow_old(path, age)
    return path


def grow_old(path: Path, age: float) -> None:
    """Let its last note be some time ago."""
    then = time.time() - age
    os.utime(path, (then, then))


def entries(place: Path) -> int:
    """Files and directories: in a file system in memory each takes a page at least."""
    return sum(1 for _path in place.rglob("*"))


def test_weeks_of_backups_leave_no_more_than_one_night(place: Path) -> None:
    place.mkdir(mode=0o700)
    most = []
    for night in range(NIGHTS):
        for number in range(VMS):
            plant(place, night * VMS + number, DAY, collected=True)
        begun = time.monotonic()
        Little(10**9 + night, place).run()
        took = time.monotonic() - begun
        most.append(entries(place))
        assert took < 10, "tidying holds up the start of a job"
        for path in place.iterdir():
            grow_old(path, DAY)
    one_job = 7
    assert max(most) <= one_job
    assert len(most) == NIGHTS


def test_what_may_still_be_asked_for_stays(place: Path) -> None:
    place.mkdir(mode=0o700)
    stays = [
        plant(place, 1, DAY, collected=False),
        plant(place, 2, 60, collected=True),
        place / "somebody-elses",
    ]
    stays[-1].mkdir()
    grow_old(stays[-1], 100 * DAY)
    goes = [
        plant(place, 3, 8 * DAY, collected=False),
        plant(place, 4, 2 * 3600, collected=True),
        plant(place, 5, -300 * DAY, collected=True),
    ]
    Little(6, place).run()
    assert [path for path in stays if path.exists()] == stays
    assert [path for path in goes if path.exists()] == []
    assert Little(1, place).run()["finished"]


def test_a_job_that_lives_is_never_removed(place: Path) -> None:
    go, done = place.parent / "go", place.parent / "done"

    def work() -> None:
        deadline = time.monotonic() + 60
        while not go.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        done.touch()

    slow = Little(1, place, work, wait=0.0)
    assert not slow.run()["finished"]
    for age in (DAY, 400 * DAY, -400 * DAY):
        grow_old(place / f"{1:032x}", age)
        Little(2, place).run()
        assert (place / f"{1:032x}/follower").exists()
    go.touch()
    assert Little(1, place).run()["finished"]
    assert done.exists()
