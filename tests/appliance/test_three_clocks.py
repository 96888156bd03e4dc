# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks of engine, controller and appliance that drift and jump: no set is removed that true clocks would keep.

A night is what the role does on the appliance: the arguments of its tasks, rendered from its files
with the controller's clock, go through the modules' options into a real repository. Then a prune,
with the appliance's clock, removes sets for real.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from appliance.stored import MIB, iso, ovf, uuid
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set import (
    FinishSet,
    PrepareSet,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_prune import (
    BackupSetPrune,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import arrival
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set_prune,
    catalogue,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

ROLE = Path(__file__).resolve().parents[2] / "roles/vm_backup"
BEGIN = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
DISK, VM = uuid(0xD0), uuid(1)
COPY = timedelta(minutes=40)
DRIFT = timedelta(minutes=4)
"""How clocks drift. Between two of them there are never more than the ten minutes that are tolerated."""
Args = dict[str, Any]


# ----- the role -----------------------------------------------------------------------------------


def tasks(name: str) -> dict[str, Args]:
    """Return the tasks of a file of the role, those of blocks too, by the first words of their names."""
    found: dict[str, Args] = {}
    waiting = list(yaml.safe_load((ROLE / "tasks" / name).read_text(encoding="utf-8")))
    while waiting:
        task = waiting.pop(0)
        waiting = [*task.get("block", []), *waiting]
        found.setdefault(task["name"].partition(" (")[0], task)
    return found


VARIABLES: Args = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
ASKED = tasks("vm.yml")["Begin"]["ansible.builtin.set_fact"]["vm_backup_asked"]
PREPARE = tasks("copy.yml")["Prepare the set"]["ovirt_community.backup.backup_set"]
SET = ArgumentSpecValidator(
    repository_args.BACKUP_SET, required_if=repository_args.BACKUP_SET_REQUIRED_IF
)
FINISH = tasks("finish.yml")["Finish the set"]["ovirt_community.backup.backup_set"]


@functools.cache
def compiled(template: str) -> Callable[..., Any]:
    """Return an argument of a task that is one expression."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - no HTML
    return environment.compile_expression(template[2:-2], undefined_to_none=False)


def rendered(value: Any, known: Mapping[str, Any], now: datetime) -> Any:  # noqa: ANN401
    """An argument of a task, as Ansible would hand it to the module while the controller's clock shows this."""
    if isinstance(value, dict):
        return {key: rendered(one, known, now) for key, one in value.items()}
    if not isinstance(value, str) or not value.startswith("{{"):
        return value
    context = {**known, "now": lambda *, utc, fmt: now.strftime(fmt) if utc else None}
    for name in ("vm_backup_wanted",):
        if name in value:
            context[name] = rendered(VARIABLES[name], known, now)
    found = compiled(value)(**context)
    return list(found) if isinstance(found, Iterator) else found


def params(task: Args, known: Mapping[str, Any], now: datetime) -> Args:
    """Return what the module gets: the task's arguments, checked and completed as Ansible does it."""
    result = SET.validate(rendered(task, known, now))
    assert not result.error_messages
    return dict(result.validated_parameters)


# ----- the world ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Night:
    """A run: when it truly was, and by how much each clock was off.

    Attributes:
        jump: By how much more the controller's is off when the snapshot is there.
        later: By how much more it is off at the end of the copy.
        killed: The run ends before its set is finished.
        prune: By how much the appliance's is off when it prunes.
    """

    time: datetime
    engine: timedelta
    controller: timedelta
    appliance: timedelta
    jump: timedelta
    later: timedelta
    killed: bool
    prune: timedelta

    @property
    def wrong(self) -> int:
        """How many clocks are wrong while the snapshot is made."""
        both = self.controller, self.controller + self.jump
        off = (self.engine, max(both, key=abs), self.appliance)
        return sum(abs(one) > DRIFT for one in off)


minutes = st.integers(-4, 4).map(lambda number: timedelta(minutes=number))


def jumps(*hours: int) -> st.SearchStrategy[timedelta]:
    """How a clock jumps; no two by nearly as much, as nobody tells two clocks that are wrong in the same way from right ones."""
    return st.sampled_from([timedelta(hours=one) for one in hours])


def clock(*hours: int) -> st.SearchStrategy[timedelta]:
    return st.one_of(*[minutes] * 7, jumps(*hours))


NOTHING = st.just(timedelta(0))
nights = st.builds(
    Night,
    time=st.just(BEGIN),
    engine=clock(-72, 72, -5, 87600, -87600),
    controller=clock(-79, 79, -12, 87000, -87000),
    appliance=clock(-103, 103, 20, 86000, -86000),
    jump=st.one_of(*[NOTHING] * 9, jumps(-80, 500, 90000)),
    later=st.one_of(*[NOTHING] * 9, jumps(-81, 501, -90001)),
    killed=st.sampled_from([False] * 5 + [True]),
    prune=clock(-110, 110, 85000, -85000),
)
histories = st.lists(nights, min_size=3, max_size=9).map(
    lambda found: [
        replace(one, time=BEGIN + timedelta(hours=12 * number)) for number, one in enumerate(found)
    ]
)
counts = st.integers(0, 3)
policies = st.builds(
    backup_set_prune.Policy,
    last=counts,
    hourly=counts,
    daily=counts,
    weekly=counts,
    monthly=counts,
    yearly=counts,
    within=st.sampled_from(["", "", "6h", "1d6h"]),
).map(lambda one: replace(one, last=1) if one.is_empty else one)


@contextmanager
def place() -> Iterator[Path]:
    """A repository in memory, where flushes cost nothing."""
    shared = "/dev/shm"  # noqa: S108 - a directory of our own is made in it
    path = Path(tempfile.mkdtemp(dir=shared if os.path.isdir(shared) else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def back_up(path: Path, number: int, night: Night) -> None:
    """What the role does in a night, each part by the clock of who does it."""
    start = night.time + night.controller
    there = start + timedelta(seconds=30) + night.jump
    snapshot = night.time + timedelta(seconds=8)
    disk = {
        "disk_id": DISK,
        "alias": "d",
        "virtual_size": MIB,
        "source_interface": "virtio",
        "source_bootable": True,
    }
    text = ovf(VM, [{**disk, "id": DISK}]).decode()
    known: Args = {
        "ovirt_backup_repository": str(path),
        "vm_backup_plan": {
            "run_id": f"r{number}",
            "started": iso(start - timedelta(minutes=2)),
            "engine_version": "4.5.7",
            "collection_version": "0",
        },
        "vm_backup_source": {
            "name": "web01",
            "vm": {"id": VM, "name": "web01", "cluster": "c"},
            "left_out": [],
        },
        "vm_backup_snapshot": {
            "snapshot": {
                "id": uuid(0x50),
                "description": "s",
                "date": (snapshot + night.engine).isoformat(),
            },
            "consistency": "filesystem",
            "events": [],
            "disks": [disk],
        },
        "vm_backup_preflight": {"qemu_img": {"version": "7.2"}},
        "ansible_version": {"full": "2.21"},
        "vm_backup_format": "raw",
        "vm_backup_compression": "none",
        "vm_backup_attached": {"disks": [disk]},
        "vm_backup_ovf": {"ovf": text, "ovf_sha256": arrival.digest(text)},
    }
    known["vm_backup_asked"] = rendered(ASKED, known, start)

    def appliance() -> float:
        return (night.time + timedelta(seconds=31) + night.appliance).timestamp()

    prepared, _warnings = perform(
        PrepareSet(repository_args.prepare_request(params(PREPARE, known, there)), appliance),
        check_mode=False,
    )
    image = Path(prepared["images"][0]["dest"])
    image.touch()
    os.truncate(image, MIB)
    known["vm_backup_begun"] = prepared
    known["vm_backup_copied"] = {
        "images": [
            {
                **prepared["images"][0],
                "virtual_size": MIB,
                "format": "raw",
                "compression": "none",
                "file_size": MIB,
                "bytes_stored": 0,
                "content_sha256": "a" * 64,
                "file_sha256": "a" * 64,
            }
        ]
    }
    if not night.killed:
        finish = params(FINISH, known, there + COPY + night.later)
        perform(FinishSet(repository_args.finish_request(finish)), check_mode=False)
    for one in (*image.parent.iterdir(), image.parent):
        os.utime(one, (appliance(), appliance()))


def prune(path: Path, policy: backup_set_prune.Policy, now: datetime) -> set[str]:
    """Remove what the policy lets go, by the appliance's clock; the runs of the finished sets that went."""
    before = {one.run_id: one for one in repository.read(str(path), now.timestamp()).entries}
    request = backup_set_prune.PruneRequest(str(path), policy)
    perform(BackupSetPrune(request, now.timestamp), check_mode=False)
    after = {one.run_id for one in repository.read(str(path), now.timestamp()).entries}
    return {run for run, one in before.items() if one.is_good and run not in after}


def truly_gone(
    path: Path, policy: backup_set_prune.Policy, history: list[Night], now: datetime
) -> set[str]:
    """Return what a prune under true clocks would remove now."""
    found = repository.read(str(path), now.timestamp())
    entries = tuple(
        replace(one, time=history[int(one.run_id[1:])].time, doubt="")
        for one in found.entries
        if one.is_good
    )
    truth = catalogue.Catalogue(str(path), tuple(sorted(entries, key=lambda one: one.time)))
    decided = backup_set_prune.decide(truth, backup_set_prune.PruneRequest(str(path), policy), now)
    return {one.entry.run_id for one in decided if not one.keep}


Look = Callable[[Path, list[Night], Night], None]


def live(history: list[Night], policy: backup_set_prune.Policy, look: Look) -> int:
    """Back up and prune, night after night; how many sets went."""
    removed = 0
    with place() as path:
        for number, night in enumerate(history):
            back_up(path, number, night)
            true = night.time + timedelta(hours=3)
            allowed = truly_gone(path, policy, history, true)
            look(path, history, night)
            gone = prune(path, policy, true + night.prune)
            assert gone <= allowed
            if all(one.wrong < 2 for one in history) and abs(night.prune) <= DRIFT:
                assert gone == allowed
            removed += len(gone)
    return removed


def nothing(_path: Path, _history: list[Night], _night: Night) -> None:
    """Look at nothing."""


def restore_takes_the_newest(path: Path, history: list[Night], night: Night) -> None:
    """By name, a restore takes the set that truly is the newest of those whose time is certain."""
    now = night.time + timedelta(hours=3) + night.prune
    entries = repository.read(str(path), now.timestamp()).entries
    sure = [one for one in entries if one.counts]
    try:
        chosen = catalogue.choose(entries, "web01")
    except NotFound:
        assert not sure
        return
    assert chosen.run_id == max(sure, key=lambda one: history[int(one.run_id[1:])].time).run_id
    assert not chosen.doubt


limits = settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)


@limits
@given(histories, policies)
def test_no_set_goes_that_would_stay_under_true_clocks(
    history: list[Night], policy: backup_set_prune.Policy
) -> None:
    removed = live(history, policy, restore_takes_the_newest)
    event("something was removed" if removed else "nothing was removed")
    event(f"{sum(one.wrong > 1 for one in history)} nights with two wrong clocks or more")


def steady(count: int = 6, **last: Any) -> list[Night]:  # noqa: ANN401
    """Nights with true clocks; the last one is otherwise."""
    zero = timedelta(0)
    plain = Night(BEGIN, zero, zero, zero, zero, zero, False, zero)
    found = [replace(plain, time=BEGIN + timedelta(days=number)) for number in range(count)]
    return [*found[:-1], replace(found[-1], **last)]


def runs(path: Path) -> list[str]:
    return sorted(one.name.rpartition(".")[2] for one in next(path.iterdir()).iterdir())


def test_true_clocks_remove_what_is_to_go() -> None:
    assert live(steady(), backup_set_prune.Policy(last=2), nothing) == 4


def test_an_engine_ten_years_ahead_costs_nothing() -> None:
    """The set has its run's own time, and says so; the real sets take their places."""
    history = [*steady(5, engine=timedelta(days=3650)), steady(6)[-1]]
    with place() as path:
        for number, night in enumerate(history):
            back_up(path, number, night)
        now = history[-1].time + timedelta(hours=3)
        found = {one.run_id: one for one in repository.read(str(path), now.timestamp()).entries}
        assert found["r4"].note.startswith("the engine's clock said 2036-")
        assert iso(found["r4"].time) == "2026-03-06T01:30:30Z"
        assert catalogue.choose(list(found.values()), "web01").run_id == "r5"
        assert prune(path, backup_set_prune.Policy(last=1), now) == {"r0", "r1", "r2", "r3", "r4"}
        assert runs(path) == ["r5"]


def test_an_engine_three_days_behind_does_not_make_tonight_older_than_last_night() -> None:
    history = steady(5, engine=-timedelta(days=3))
    with place() as path:
        for number, night in enumerate(history):
            back_up(path, number, night)
        now = history[-1].time + timedelta(hours=3)
        entries = repository.read(str(path), now.timestamp()).entries
        assert catalogue.choose(entries, "web01").run_id == "r4"
        prune(path, backup_set_prune.Policy(last=1), now)
        assert runs(path) == ["r4"]


def test_two_wrong_clocks_cost_room_and_nothing_else() -> None:
    history = steady(4, engine=timedelta(days=3650), controller=timedelta(days=30))
    with place() as path:
        for number, night in enumerate(history):
            back_up(path, number, night)
        now = history[-1].time + timedelta(hours=3)
        assert prune(path, backup_set_prune.Policy(last=1), now) == {"r0", "r1"}
        assert runs(path) == ["r2", "r3"]
        entries = repository.read(str(path), now.timestamp()).entries
        chosen = catalogue.choose(entries, "web01")
        assert chosen.run_id == "r2"
        [said] = catalogue.passed_over(entries, chosen)
        assert "its time is not certain, no two clocks agree" in said
