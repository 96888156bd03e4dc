# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup in check mode: it refuses what the run would refuse, and shows what the run needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliance.site import Site

from lab.lab import Lab
from lab.model import Settings
from lab.world import DEFAULT_VMS


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A lab in which db01 alone can be backed up."""
    vms = [spec for spec in DEFAULT_VMS if spec.name == "db01"]
    with Lab(tmp_path / "lab", vms=vms, settings=Settings(witness=True)) as lab:
        found = Site(lab, tmp_path)
        try:
            yield found
        finally:
            found.close()


def test_what_the_run_would_refuse_is_refused(site: Site) -> None:
    for args in (("--check",), ()):
        refused = site.back_up(*args, vm_backup_format="raw")
        assert refused.ends() != 0, refused.text
        assert "A raw image cannot be compressed" in refused.text
    assert [one for one in site.world()["events"] if "snapshot" in one["description"].lower()] == []
    assert site.inside("find", "/srv/backup", "-type", "f") == []


def test_an_appliance_that_the_engine_does_not_know_is_told_with_the_variable(site: Site) -> None:
    """As where the inventory has another name for it than the engine."""
    refused = site.back_up("--check", ovirt_backup_appliance="backup01.example.org")
    assert refused.ends() != 0, refused.text
    text = " ".join(refused.text.split())
    assert "There is no VM 'backup01.example.org' to use as the appliance." in text
    assert (
        "Set appliance (variable ovirt_backup_appliance) to the name or id that the engine has"
        in text
    )


def test_an_appliance_that_is_down_is_told_by_the_engine(site: Site) -> None:
    """SSH alone would say that a port is closed."""
    site.control.status("backup01", "down")
    refused = site.back_up("--check", ansible_port=1)
    assert refused.ends() != 0, refused.text
    text = " ".join(refused.text.split())
    assert (
        "The appliance, VM 'backup01', is down, as the engine says, so it was not connected" in text
    )
    refused = site.restore("--check", vm_restore_vm="db01", ansible_port=1)
    assert refused.ends() != 0, refused.text
    text = " ".join(refused.text.split())
    assert "The appliance backup01 is down in the engine. Start it, then try again." in text


def test_sizes_and_room_are_shown(site: Site) -> None:
    shown = site.back_up("--check", vm_backup_space_factor=1, vm_backup_reserve_bytes=1048576)
    assert shown.ends() == 0, shown.text
    disks = [row for row in site.world()["disks"] if row["alias"].startswith("db01")]
    assert disks
    for disk in disks:
        assert re.search(
            rf"disk      {disk['alias']}: [\d.]+ \wB, [\d.]+ \w+ on its storage", shown.text
        )
    assert re.search(
        r"Room in /srv/backup: [\d.]+ \wB free of [\d.]+ \wB, [\d.]+ \wB asked for", shown.text
    ), shown.text
