# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests of ``backup_set``, and the release that its manifest names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import version
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
)

ROOT = Path(__file__).resolve().parents[4]
DISK: dict[str, Any] = {
    "disk_id": "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10",
    "alias": "web01_Disk1",
    "source_interface": "virtio_scsi",
    "source_bootable": True,
    "virtual_size": 1 << 30,
}


@pytest.mark.parametrize("path", ["/srv/backup", "/srv/backup/", "/"])
def test_plain_paths(path: str) -> None:
    assert backup_set.plain_path("path", path) == (path.rstrip("/") or "/")


@pytest.mark.parametrize("path", ["", "srv", "./srv", "/srv/../etc", "/srv//backup", "/srv\0/x"])
def test_paths_with_detours_are_refused(path: str) -> None:
    with pytest.raises(InvalidRequest, match="plain path"):
        backup_set.plain_path("path", path)


def test_disks_are_read_as_the_attach_returns_them() -> None:
    (disk,) = backup_set.read_disks([{**DISK, "virtual_size": "1073741824", "unknown": "ignored"}])
    assert (disk.id, disk.alias, disk.bootable) == (DISK["disk_id"], DISK["alias"], True)


@pytest.mark.parametrize("key", DISK)
def test_a_disk_without_what_is_needed_is_refused(key: str) -> None:
    disk = {name: value for name, value in DISK.items() if name != key}
    with pytest.raises(InvalidRequest, match=key):
        backup_set.read_disks([DISK, disk])


def test_a_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"disks\[0\].virtual_size is not a number"):
        backup_set.read_disks([{**DISK, "virtual_size": "big"}])


def test_the_release_is_that_of_galaxy_yml() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["version"] == version.VERSION
