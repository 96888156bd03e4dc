# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup while things break: the connection, the appliance, the process that copies."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliance.loops import MIB
from appliance.site import Play, Site, statistics, until

from lab.lab import Lab
from lab.model import Settings
from lab.world import DEFAULT_VMS

pytestmark = pytest.mark.usefixtures("pipelining")

SLOW = 2 * MIB
"""Bytes a second: db01 takes 30 seconds to copy, and about as long to prove."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Everything slow from the start."""
    vms = [spec for spec in DEFAULT_VMS if spec.name == "db01"]
    with Lab(tmp_path / "lab", vms=vms, settings=Settings(witness=True)) as lab:
        found = Site(lab, tmp_path)
        found.control.harm("backup01", slow=SLOW)
        try:
            yield found
        finally:
            found.close()


def cut(site: Site, backup: Play) -> None:
    """Kill the SSH sessions of the appliance, not its server, until it is noticed.

    Between two calls nothing is lost: the next one connects again.
    """

    def noticed() -> bool:
        sessions = site.inside("pgrep", "-f", "^sshd(-session)?: root")
        if sessions:
            site.inside("kill", "-KILL", *sessions)
        time.sleep(1)
        return "db01: no answer from backup01, the copy goes on without us" in backup.text

    until(noticed)


def test_a_connection_that_is_lost_loses_nothing(site: Site) -> None:
    backup = site.back_up()
    backup.until(r"db01: \d+ % of 64\.0 MB, [\d.]+ MB/s, (less than a|about \d+) min\w* left")
    [copying] = site.copying()
    cut(site, backup)
    assert site.copying() == [copying]
    backup.until("db01: backup01 answers again")
    site.control.harm("backup01", slow=0)
    assert backup.ends() == 0, backup.text
    assert "unreachable=0" in backup.text
    [directory] = site.sets()
    site.check_whole(directory)
    site.check_nothing_left()


def unfinished(backup: Play) -> list[str]:
    """Return the lines of the summary about unfinished sets."""
    _before, found, after = backup.text.partition("Unfinished in the repository, so no backup:")
    return re.findall(r"/srv/backup/\S+ \([^)]*\)", after.partition("TASK")[0]) if found else []


def test_a_restart_of_the_appliance_begins_the_copy_anew(site: Site) -> None:
    backup = site.back_up()
    backup.until("db01: .* % of")
    site.control.status("backup01", "down")
    backup.until("no answer from backup01")
    site.control.status("backup01", "up")
    site.control.harm("backup01", slow=0)
    assert backup.ends() == 0, backup.text
    [directory] = site.sets()
    site.check_whole(directory)
    site.check_nothing_left()


def test_an_appliance_that_stays_away_ends_the_wait(site: Site) -> None:
    backup = site.back_up(vm_backup_reconnect_timeout=2)
    until(site.copying)
    site.control.status("backup01", "down")
    assert backup.ends() == 2
    assert re.search(
        r"appliance backup01 cannot be reached: .*No answer from backup01 for \d", backup.text
    )
    assert "The unfinished sets of the repository could not be listed: " in backup.text
    site.control.status("backup01", "up")
    site.check_nothing_left()
    assert site.sets() == []


@pytest.mark.parametrize("name", ["qemu-img", "job"])
def test_a_killed_copy_is_red_and_leaves_no_image(site: Site, name: str) -> None:
    backup = site.back_up()
    until(site.copying)
    copying = site.copying()
    if name == "job":
        copying = site.inside("ps", "-o", "ppid=", "-p", *copying)
    site.inside("kill", "-KILL", *copying)
    assert backup.ends() == 2
    expected = "signal 9" if name == "qemu-img" else "ended without a result"
    assert expected in backup.text
    [said] = unfinished(backup)
    assert re.search(r"/db01\..*Z\.\w+ \(this run, since 20", said)
    site.check_nothing_left()
    assert site.inside("find", "/srv/backup", "-name", "*.qcow2") == []


def test_a_quick_copy_shows_no_progress(site: Site) -> None:
    site.control.harm("backup01", slow=0)
    backup = site.back_up("-v", vm_backup_report=True)
    assert backup.ends() == 0, backup.text
    assert "% of" not in backup.text
    recorded = site.inside("find", "/srv/backup/vms", "-type", "f", "-printf", "%f ")
    assert recorded == [f"{site.lab.vm('db01').id}.json"], "the page knows whom to expect"
    assert "does not know" not in backup.text
    assert "content_sha256" in backup.text, "results are shown"
    assert "Envelope" not in backup.text, "but no configuration"


def test_statistics_have_every_host_and_say_what_was_a_check(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_SHOW_CUSTOM_STATS", "1")
    site.control.harm("backup01", slow=0)
    site.hosts = ["backup01", "backup02"]
    checked = site.back_up("--check", ovirt_backup_appliance="backup01")
    assert checked.ends() == 0, checked.text
    found = statistics(checked.text)["vm_backup"]
    assert sorted(found) == site.hosts
    for said in found.values():
        assert (said["ok"], said["check_mode"], said["failures"]) == (True, True, [])
        assert [(one["vm"], one["check_mode"], one["path"]) for one in said["vms"]] == [
            ("db01", True, "")
        ]
    site.hosts = ["backup01"]
    done = site.back_up()
    assert done.ends() == 0, done.text
    [said] = statistics(done.text)["vm_backup"].values()
    assert (said["ok"], said["check_mode"], said["vms"][0]["check_mode"]) == (True, False, False)
    assert said["vms"][0]["path"].startswith(said["repository"])

    site.control.status("backup01", "down")
    lost = site.back_up()
    assert lost.ends() == 2, lost.text
    [said] = statistics(lost.text)["vm_backup"].values()
    assert (said["ok"], said["vms"]) == (False, [])
    assert said["failures"][0].startswith("The appliance, VM 'backup01', is down")
    site.control.status("backup01", "up")


def killed(site: Site, slow: int = SLOW, **variables: object) -> str:
    """Kill a backup in the middle of its copy; its run id."""
    site.control.harm("backup01", slow=slow)
    backup = site.back_up(**variables)
    until(site.copying)
    backup.kill()
    [directory] = site.inside("find", "/srv/backup", "-name", "unfinished.json")
    return Path(directory).parent.name.partition(".")[2]


def test_a_copy_that_goes_on_is_taken_over(site: Site) -> None:
    run_id = killed(site, slow=MIB // 4)
    [copying] = site.copying()
    backup = site.back_up(vm_backup_heartbeat_timeout=12)
    backup.until("Copy the disks, or take what was copied")
    assert site.copying() == [copying]
    site.control.harm("backup01", slow=0)
    assert backup.ends() == 0, backup.text
    assert f"took over run {run_id}, which was killed" in backup.text
    assert "Create a snapshot (db01)" in backup.text
    [directory] = site.sets()
    assert site.check_whole(directory)["run_id"] == run_id
    site.check_nothing_left()


def test_a_copy_that_has_ended_meanwhile_is_taken_over(site: Site) -> None:
    run_id = killed(site)
    site.control.harm("backup01", slow=0)
    until(lambda: not site.inside("pgrep", "qemu-img"))
    [begun] = site.inside("find", "/srv/backup", "-name", "unfinished.json", "-printf", "%h")
    dead = begun.replace("/2", "/1").replace(run_id, "b0b")
    site.inside("mkdir", dead)
    site.inside("touch", "-d", "yesterday", dead)
    checked = site.back_up("--check", vm_backup_heartbeat_timeout=1)
    assert checked.ends() == 0, checked.text
    assert any(f"(run {run_id} of owner default, since 20" in one for one in unfinished(checked))
    assert f"Run {run_id} was killed; its set would be finished." in checked.text
    backup = site.back_up(vm_backup_heartbeat_timeout=1)
    assert backup.ends() == 0, backup.text
    assert f"took over run {run_id}" in backup.text
    [said] = unfinished(backup)
    assert said.startswith(f"{dead} (run b0b of owner unknown, since 1"), "and not what is finished"
    [directory] = site.sets()
    site.check_whole(directory)
    site.check_nothing_left()


def test_a_disk_that_is_not_attached_any_more_after_its_copy_is_in_no_set(site: Site) -> None:
    """Another snapshot may have been attached meanwhile: its device has the same serial."""
    backup = site.back_up()
    until(site.copying)
    world = site.lab.world
    with world.lock:
        [lent] = [key for key, row in world.attachments.items() if row.snapshot_id]
        del world.attachments[lent]
    site.control.harm("backup01", slow=0)
    assert backup.ends() == 2
    assert "After the copy, db01_system of snapshot" in backup.text
    assert site.sets() == []


def test_a_set_that_is_too_old_is_finished_as_what_it_is_and_a_backup_is_made(site: Site) -> None:
    run_id = killed(site, vm_backup_lease_hours=0.0003)
    site.control.harm("backup01", slow=0)
    until(lambda: not site.inside("pgrep", "qemu-img"))
    backup = site.back_up(vm_backup_heartbeat_timeout=1)
    assert backup.ends() == 0, backup.text
    assert f"The set that run {run_id} began at" in backup.text
    assert "does not count as the backup of this run: its lease has ended" in backup.text
    assert "took over" not in backup.text
    manifests = [site.check_whole(directory) for directory in site.sets()]
    [fresh] = [one for one in manifests if one["run_id"] != run_id]
    assert len(manifests) == 2
    assert f"Run {fresh['run_id']} on backup01" in backup.text
    site.check_nothing_left()


def test_what_cannot_be_taken_over_is_cleaned_up_and_a_backup_is_made(site: Site) -> None:
    run_id = killed(site)
    for copying in site.copying():
        site.inside("kill", "-KILL", *site.inside("ps", "-o", "ppid=", "-p", copying))
    site.control.harm("backup01", slow=0)
    until(lambda: not site.inside("pgrep", "qemu-img"))
    [snapshot] = [row for row in site.world()["snapshots"] if row["type"] != "active"]
    site.detach(snapshot["id"])
    backup = site.back_up(vm_backup_heartbeat_timeout=1)
    assert backup.ends() == 0, backup.text
    assert (
        f"Run {run_id} was killed; it was not taken over: its disks are no longer attached"
        in backup.text
    )
    [directory] = site.sets()
    assert site.check_whole(directory)["run_id"] != run_id
    site.check_nothing_left()


def test_a_run_that_lives_is_left_alone(site: Site) -> None:
    """Whatever its lease says, which cannot be renewed: its claim counts."""
    site.control.harm("backup01", slow=MIB // 4)
    first = site.back_up(vm_backup_lease_hours=0.0003)
    until(site.copying)
    second = site.back_up(vm_backup_heartbeat_timeout=20)
    assert second.ends() == 2
    assert "db01: BUSY, not backed up by this run" in second.text
    assert re.search(
        r"Run \w+ of owner default has been working on this VM since 20\S+Z: copying its disks\.",
        second.text,
    )
    assert unfinished(second) == [], "what it writes"
    site.control.harm("backup01", slow=0)
    assert first.ends() == 0, first.text
    [directory] = site.sets()
    site.check_whole(directory)
    site.check_nothing_left()
