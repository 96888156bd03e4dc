# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs on one VM, at every step of a backup: real processes, one engine, one appliance."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from appliance.loops import MIB
from appliance.site import Play, Site, descendants, until

from lab.lab import Lab
from lab.model import Settings
from lab.world import DiskSpec, VmSpec

pytestmark = pytest.mark.usefixtures("pipelining")

EARLY = (
    "Take the claim if nobody has it",
    "Look at the VM in its turn",
    "Create a snapshot",
    "Get the configuration",
    "Attach the disks to the appliance",
    "Copy the disks",
)
LATE = (
    "Finish the set",
    "Detach the disks from the appliance",
    "Remove the snapshot and wait for the merge",
    "Release the claim",
)
"""Tasks of the role at which a run is stopped: before its data are copied, and after."""

SHORT = {"vm_backup_attach_timeout": 20, "vm_backup_device_timeout": 5}
AT_ONCE = 3
"""Runs that are on their way to where they are stopped."""


def small(name: str) -> VmSpec:
    return VmSpec(name, disks=(DiskSpec(f"{name}_system", 4 * MIB, bootable=True, seed=7),))


@contextmanager
def site_of(path: Path, names: Sequence[str]) -> Iterator[Site]:
    """A lab with small VMs of these names."""
    vms = [small(name) for name in names]
    with Lab(path / "lab", vms=vms, settings=Settings(witness=True)) as lab:
        found = Site(lab, path)
        try:
            yield found
        finally:
            found.close()


def family(play: Play) -> list[int]:
    return [play.process.pid, *descendants(play.process.pid)]


def signal_to(play: Play, number: int) -> None:
    for pid in family(play):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def stop_at_steps(site: Site, at: Mapping[str, str]) -> dict[str, Play]:
    """Start a run for each VM and stop it where the task of its step begins; return the runs by VM name."""
    waiting = list(at.items())
    going: dict[str, tuple[str, Play]] = {}
    stopped: dict[str, Play] = {}
    while waiting or going:
        while waiting and len(going) < AT_ONCE:
            name, step = waiting.pop(0)
            going[name] = (step, site.back_up(vm_backup_vms=[name], **SHORT))
        for name, (step, play) in list(going.items()):
            if f": {step} ({name})]" in play.text:
                signal_to(play, signal.SIGSTOP)
                stopped[name] = play
                del going[name]
            else:
                assert play.process.poll() is None, play.text
        time.sleep(0.02)
    return stopped


def run_id(play: Play) -> str:
    found = re.search(r"Run (\w+) on backup01", play.text)
    assert found, play.text
    return found[1]


def check_sets(site: Site) -> list[dict[str, Any]]:
    """Check that every finished set is whole, and of a snapshot with its run's stamp; return the manifests."""
    manifests = [site.check_whole(directory) for directory in site.sets()]
    for one in manifests:
        assert f" run={one['run_id']} " in one["snapshot"]["description"]
    return manifests


@pytest.mark.parametrize("steps", [EARLY, LATE], ids=["early", "late"])
def test_a_run_that_is_stopped_at_any_step_is_followed_and_notices(
    tmp_path: Path, steps: Sequence[str]
) -> None:
    """To who comes next, a run that stands still is as one that was killed. Then it goes on."""
    names = [f"vm{number:02}" for number in range(len(steps))]
    with site_of(tmp_path, names) as site:
        stopped = stop_at_steps(site, dict(zip(names, steps, strict=True)))
        # Two runs, so that it is not so long.
        later = [
            site.back_up(vm_backup_vms=part, vm_backup_heartbeat_timeout=2, **SHORT)
            for part in (names[::2], names[1::2])
        ]
        for play in later:
            assert play.ends() == 0, play.text
        sets = {one["vm"]["name"] for one in check_sets(site)}
        assert sets == set(names)
        for play in stopped.values():
            signal_to(play, signal.SIGCONT)
        for name, play in stopped.items():
            status = play.ends()
            whole = [one["run_id"] for one in check_sets(site) if one["vm"]["name"] == name]
            assert whole
            assert (run_id(play) in whole) or status == 2, play.text
            assert status in (0, 2), play.text
        site.check_nothing_left()
        assert site.inside("ls", "/run/ovirt_community.backup-claims") == []
        # The next night knows of nothing.
        assert "was killed;" not in check(site, names)


def check(site: Site, names: Sequence[str]) -> str:
    play = site.back_up("--check", vm_backup_vms=names)
    assert play.ends() == 0, play.text
    return play.text


class Watch:
    """Counts, all the time, the snapshots that runs of ours have of each VM."""

    def __init__(self, site: Site) -> None:
        self.most: Counter[str] = Counter()
        self._site = site
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._ends.wait(0.1):
            rows = self._site.world()["snapshots"]
            now = Counter(row["vm_id"] for row in rows if row["type"] != "active")
            for vm_id, count in now.items():
                self.most[vm_id] = max(self.most[vm_id], count)

    def end(self) -> None:
        self._ends.set()
        self._thread.join()


def test_two_runs_at_once_take_turns(tmp_path: Path) -> None:
    """Whoever comes second to a VM says whose backup is running, or has its turn after it; nobody is taken for dead."""
    names = ["one", "two", "three"]
    with site_of(tmp_path, names) as site:
        watch = Watch(site)
        try:
            plays = [site.back_up(vm_backup_vms=names) for _run in range(2)]
            states = [play.ends() for play in plays]
        finally:
            watch.end()
        texts = "".join(play.text for play in plays)
        assert set(states) <= {0, 2}, texts
        assert watch.most
        assert set(watch.most.values()) == {1}, texts
        assert "was killed;" not in texts
        assert "took over run" not in texts
        assert "LEFT BEHIND" not in texts
        manifests = check_sets(site)
        assert {one["vm"]["name"] for one in manifests} == set(names)
        for play in plays:
            mine = {one["vm"]["name"] for one in manifests if one["run_id"] == run_id(play)}
            ok = set(re.findall(r'"(\w+): OK"', play.text))
            busy = set(re.findall(r'"(\w+): BUSY, not backed up by this run"', play.text))
            assert ok == mine, play.text
            assert ok | busy == set(names), play.text
            for _name in busy:
                assert re.search(
                    r"Run \w+ of owner default has been working on this VM since 20\S+Z: \w+",
                    play.text,
                )
        site.check_nothing_left()


def test_what_ended_is_not_waited_for(tmp_path: Path) -> None:
    """A failed attach whose snapshot had to stay: the next run knows at once that the first has ended."""
    with site_of(tmp_path, ["one"]) as site:
        site.control.settings(merge_seconds=1.0)
        site.control.add_fault("fail_plug", disk=disk_of(site, "one"))
        site.control.add_fault("fail_merge")
        first = site.back_up(vm_backup_vms=["one"])
        assert first.ends() == 2
        assert "LEFT BEHIND: snapshot" in first.text
        site.control.clear_faults()
        began = time.monotonic()
        second = site.back_up(vm_backup_vms=["one"])
        assert second.ends() == 0, second.text
        assert time.monotonic() - began < 50, "less than vm_backup_heartbeat_timeout"
        assert {one["run_id"] for one in check_sets(site)} == {run_id(second)}
        site.check_nothing_left()


def disk_of(site: Site, name: str) -> str:
    vm = site.lab.vm(name)
    [disk] = [row["disk_id"] for row in site.world()["attachments"] if row["vm_id"] == vm.id]
    return str(disk)


@pytest.mark.parametrize(
    "step", ["Create a snapshot", "Remove the snapshot and wait for the merge"]
)
def test_what_the_engine_makes_or_merges_is_waited_for(tmp_path: Path, step: str) -> None:
    """The run was killed meanwhile; the next one waits for the engine, and goes on."""
    with site_of(tmp_path, ["one"]) as site:
        removing = step.startswith("Remove")
        slow = {"removal_polls" if removing else "snapshot_polls": 10_000}
        site.control.settings(**slow, linger=60.0)  # a busy machine takes 20 s to the wait
        first = site.back_up(vm_backup_vms=["one"])
        first.until(re.escape(f": {step} (one)]"))
        until(lambda: "locked" in [row["status"] for row in site.world()["snapshots"]])
        first.lose()
        site.control.settings(snapshot_polls=1, removal_polls=1, linger=1.0)
        second = site.back_up(vm_backup_vms=["one"], vm_backup_heartbeat_timeout=3)
        second.until(r"Wait for snapshots that the engine creates or merges \(one\)")
        assert "locked" in [row["status"] for row in site.world()["snapshots"]]
        assert second.ends() == 0, second.text
        manifests = check_sets(site)
        assert run_id(second) in {one["run_id"] for one in manifests}
        assert len(manifests) == (2 if removing else 1)
        site.check_nothing_left()
