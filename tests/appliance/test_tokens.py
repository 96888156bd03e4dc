# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy that takes longer than the engine keeps the session of an unused token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import ovirtsdk4
import pytest
from appliance.loops import MIB
from appliance.site import Play, Site, until

from lab.lab import Lab
from lab.model import Settings
from lab.world import DEFAULT_VMS

IDLE = 30.0
"""Seconds that a token lives unused: longer than any few tasks take, shorter than the copy."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A lab in which the copy of db01 takes longer than a token lives unused."""
    vms = [spec for spec in DEFAULT_VMS if spec.name == "db01"]
    settings = Settings(witness=True, token_seconds=IDLE)
    with Lab(tmp_path / "lab", vms=vms, settings=settings) as lab:
        found = Site(lab, tmp_path)
        found.control.harm("backup01", slow=MIB)
        try:
            yield found
        finally:
            found.close()


def token(site: Site) -> dict[str, str]:
    """Return the auth of a session that was begun elsewhere, as ovirt.ovirt.ovirt_auth returns it."""
    auth = site.lab.auth()
    connection = ovirtsdk4.Connection(**auth)
    made = connection.authenticate()
    connection.close(logout=False)
    return {"url": auth["url"], "ca_file": auth["ca_file"], "token": made}


def copy_for_longer_than_a_session(site: Site, backup: Play) -> None:
    """Let the copy take just long enough for an unused token to die."""
    until(site.copying)
    time.sleep(IDLE + 1)
    assert site.copying() != []
    site.control.harm("backup01", slow=0)
    assert backup.process.poll() is None, backup.text


def test_a_token_outlives_a_copy_that_is_longer_than_its_session(site: Site) -> None:
    kept = site.back_up(ovirt_backup_auth=token(site), vm_backup_token_seconds=4)
    copy_for_longer_than_a_session(site, kept)
    assert kept.ends() == 0, kept.text
    assert "Keep the token's session alive (db01)" in kept.text
    [directory] = site.sets()
    site.check_whole(directory)
    site.check_nothing_left()


def test_without_that_the_session_ends_and_what_stays_is_told(site: Site) -> None:
    """What was seen: disks and snapshot stay. It is told once, without another attempt to log in."""
    lost = site.back_up(ovirt_backup_auth=token(site), vm_backup_token_seconds=0)
    copy_for_longer_than_a_session(site, lost)
    assert lost.ends() == 2
    assert "The token has expired or was revoked" in lost.text
    assert "LEFT BEHIND, because the engine refused the login" in lost.text
    assert [row for row in site.world()["attachments"] if row["snapshot_id"]] != []
    again = site.back_up(ovirt_backup_auth=token(site), vm_backup_heartbeat_timeout=1)
    assert again.ends() == 0, again.text
    site.check_nothing_left()
