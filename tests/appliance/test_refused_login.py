# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A password that is changed during a backup: one login is refused, no other is tried, and leftovers are reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from appliance.loops import MIB
from appliance.site import Site, until

from lab.lab import Lab
from lab.model import Settings
from lab.world import DEFAULT_VMS

USER = "nightly@internal"
VMS = ["db01", "files01", "web01"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A lab with three VMs to back up."""
    vms = [spec for spec in DEFAULT_VMS if spec.name in VMS]
    with Lab(tmp_path / "lab", vms=vms, settings=Settings(witness=True)) as lab:
        found = Site(lab, tmp_path)
        try:
            yield found
        finally:
            found.close()


def password(site: Site, word: str) -> None:
    """Have a user with this password, from now on."""
    site.control.add_user(USER, word, [{"role": "SuperUser", "object_id": "system"}])


def logins(site: Site) -> list[int]:
    """Return what the sign-on answered, one login after the other."""
    found = site.control.requests()
    return [one.status for one in found if one.path.endswith("/sso/oauth/token")]


def test_one_login_is_refused_and_no_other_is_tried(site: Site) -> None:
    password(site, "of yesterday")
    auth = site.lab.auth((USER, "of yesterday"))
    site.control.harm("backup01", slow=4 * MIB)
    backup = site.back_up(ovirt_backup_auth=auth, vm_backup_vms=VMS)
    until(site.copying)
    password(site, "of today")
    site.control.forget_requests()
    site.control.harm("backup01", slow=0)
    assert backup.ends() == 2
    assert logins(site) == [400], backup.text
    assert "LEFT BEHIND, because the engine refused the login" in backup.text
    assert "disks of db01 attached to the appliance, and snapshot Backup by" in backup.text
    assert (
        backup.text.count("Not started, because the engine has refused the login of this run") >= 2
    )
    snapshots = [row for row in site.world()["snapshots"] if row["type"] != "active"]
    assert len(snapshots) == 1, "only what was made before stays"

    today = site.lab.auth((USER, "of today"))
    again = site.back_up(ovirt_backup_auth=today, vm_backup_vms=VMS, vm_backup_heartbeat_timeout=1)
    assert again.ends() == 0, again.text
    assert len(site.sets()) == len(VMS)
    site.check_nothing_left()
