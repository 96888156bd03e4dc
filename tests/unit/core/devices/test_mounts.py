# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mount a path lies on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices import mounts

TABLE = mounts.parse_mounts(
    "24 1 8:2 / / rw - ext4 /dev/sda2 rw\n"
    "30 24 8:17 / /srv rw - xfs /dev/sdb1 rw\n"
    "31 24 8:33 / /srv/backup rw - xfs /dev/sdc1 rw\n"
    "32 24 0:50 / /srv/backup rw - nfs4 server:/backup rw\n"
)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/srv/backup", "server:/backup"),
        ("/srv/backup/set", "server:/backup"),
        ("/srv/backups", "/dev/sdb1"),
        ("/srv", "/dev/sdb1"),
        ("/srvx", "/dev/sda2"),
        ("/", "/dev/sda2"),
    ],
)
def test_the_mount_above_a_path(path: str, source: str) -> None:
    assert mounts.above(TABLE, path).source == source
    unseen = mounts.Mount("", "", "btrfs", "")
    assert mounts.above((*TABLE, unseen), path).source == source


def test_no_mount_above_a_path_is_the_root_without_a_source() -> None:
    assert mounts.above(TABLE[1:], "/var/lib") == mounts.Mount("", "/", "", "")


def test_the_last_mount_on_a_point() -> None:
    found = mounts.at(TABLE, "/srv/backup")
    assert found is not None
    assert found.source == "server:/backup"
    assert mounts.at(TABLE, "/srv/backup/set") is None


@given(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4), st.permutations(TABLE))
def test_the_mount_above_covers_the_path(names: list[str], table: list[mounts.Mount]) -> None:
    path = "/srv/" + "/".join(names)
    point = mounts.above(table, path).point
    assert path == point or path.startswith(point.rstrip("/") + "/")
    assert all(
        len(one.point) <= len(point)
        for one in table
        if path == one.point or path.startswith(one.point.rstrip("/") + "/")
    )
