# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole backup, killed and taken over, with a password that occurs in every value that is passed on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from appliance.loops import MIB
from appliance.site import Site, until
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    restore_source_info,
)
from lab.lab import Lab
from lab.model import Settings
from lab.world import DEFAULT_VMS

USER = "nightly@internal"
PASSWORD = "ovirt"
"""A part of the stamp, of networks and of names."""


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


def test_the_set_is_whole_and_nothing_is_left(site: Site) -> None:
    site.control.add_user(USER, PASSWORD, [{"role": "SuperUser", "object_id": "system"}])
    auth = site.lab.auth((USER, PASSWORD))
    site.control.harm("backup01", slow=2 * MIB)
    first = site.back_up(ovirt_backup_auth=auth)
    until(site.copying)
    first.kill()
    [row] = [row for row in site.world()["snapshots"] if row["type"] != "active"]
    engine = engine_of(site.lab)
    try:
        configuration = engine.ovf(row["vm_id"], row["id"])
    finally:
        engine.close()
    site.control.harm("backup01", slow=0)

    second = site.back_up(ovirt_backup_auth=auth, vm_backup_heartbeat_timeout=1)
    assert second.ends() == 0, second.text
    assert "took over run " in second.text
    [directory] = site.sets()
    manifest = site.check_whole(directory)
    assert manifest["snapshot"]["description"] == row["description"]
    assert row["description"].startswith("Backup by ovirt_community.backup [owner=")
    assert "********" not in (directory / "manifest.json").read_text()
    found, text = restore_source_info.read_set(restore_source_info.entry_at(str(directory)))
    assert text.partition("<?ovirt_community.backup ")[0] == configuration
    assert found.vm.name == "db01"
    site.check_nothing_left()
