# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that a snapshot must not include: reported before anything is made, left out if that is requested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from appliance.loops import MIB
from appliance.site import Site, until

from lab.lab import Lab
from lab.model import Settings
from lab.world import DEFAULT_VMS, DiskSpec

LOOSE = "db01_loose"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A lab in which db01 runs with a disk that is not plugged."""
    [spec] = [one for one in DEFAULT_VMS if one.name == "db01"]
    loose = DiskSpec(LOOSE, 8 * MIB, active=False)
    vms = [replace(spec, disks=(*spec.disks, loose))]
    with Lab(tmp_path / "lab", vms=vms, settings=Settings(witness=True)) as lab:
        found = Site(lab, tmp_path)
        try:
            yield found
        finally:
            found.close()


def held(site: Site, directory: Path) -> set[str]:
    """Names of the disks that a set holds, each whole."""
    return {disk["alias"] for disk in site.check_whole(directory)["disks"]}


def test_a_disk_that_is_not_plugged_leaves_nothing_behind(site: Site) -> None:
    others = {row["alias"] for row in site.world()["disks"]} - {LOOSE}
    others = {alias for alias in others if alias.startswith("db01")}

    refused = site.back_up()
    assert refused.ends() != 0
    assert f"Disk '{LOOSE}' of 'db01' is not plugged." in refused.text
    assert site.sets() == []
    site.check_nothing_left()
    assert [one for one in site.control.writes() if one.path.endswith("/snapshots")] == []

    site.control.harm("backup01", slow=2 * MIB)
    killed = site.back_up(vm_backup_unplugged="leave_out")
    until(site.copying)
    killed.kill()
    site.control.harm("backup01", slow=0)
    # What prevents a new backup does not prevent the removal of that snapshot.
    again = site.back_up(vm_backup_heartbeat_timeout=1)
    assert again.ends() != 0
    assert f"Disk '{LOOSE}' of 'db01' is not plugged." in again.text
    site.check_nothing_left()
    [directory] = site.sets()
    assert held(site, directory) == others

    green = site.back_up(vm_backup_unplugged="leave_out")
    assert green.ends() == 0, green.text
    assert f"left out  {LOOSE}: it is not plugged" in green.text
    site.check_nothing_left()
    [second] = [one for one in site.sets() if one != directory]
    assert held(site, second) == others


def test_a_disk_of_managed_block_storage_is_never_attached(site: Site) -> None:
    [row] = [row for row in site.world()["disks"] if row["alias"] == LOOSE]
    site.control.device("db01", row["id"], plugged=True)
    site.control.patch("disks", row["id"], storage_type="managed_block_storage")
    green = site.back_up()
    assert green.ends() == 0, green.text
    assert f"left out  {LOOSE}: it is a managed_block_storage disk" in green.text
    [directory] = site.sets()
    assert LOOSE not in held(site, directory)
    asked = [one.path for one in site.control.writes() if "diskattachments" in one.path]
    assert asked
    assert [path for path in asked if row["id"] in path] == []
    site.check_nothing_left()


def test_a_host_that_is_not_the_appliance_gets_no_disk(site: Site) -> None:
    """The inventory's host is one machine, and the VM that the engine is asked to attach to another."""
    site.control.add_vm("backup02", status="up")
    for play in (
        site.back_up(vm_backup_unplugged="leave_out", ovirt_backup_appliance="backup02"),
        site.back_up("--check", vm_backup_unplugged="leave_out", ovirt_backup_appliance="backup02"),
    ):
        assert play.ends() != 0
        assert "This machine is not the appliance: the UUID of its system is" in play.text
    assert [one.path for one in site.control.writes()] == []
    assert site.sets() == []
    site.check_nothing_left()
