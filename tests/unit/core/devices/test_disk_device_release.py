# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request of a release, and how its outcome is worded."""

from __future__ import annotations

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.disk_device_release import (
    Item,
    ReleaseRequest,
    busy_error,
    check_request,
    diff,
    result,
)

DISK = "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10"
OTHER = "0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02"
FREE = Item(DISK, "/dev/sdb", removed=("LVM volume vg/lv (dm-0)",))
BUSY = Item(OTHER, "/dev/sdc", used_by=("mounted on /mnt", "open by process 7 (tar)"))


@pytest.mark.parametrize("serial", ["", "root", DISK[:19]])
def test_what_is_no_serial_of_a_disk_is_refused(serial: str) -> None:
    check_request(ReleaseRequest((DISK, DISK[:20])))
    with pytest.raises(InvalidRequest, match="Not the serial number"):
        check_request(ReleaseRequest((DISK, serial)))


def test_result() -> None:
    found = result([FREE, BUSY, Item(DISK)])
    assert [one["free"] for one in found["devices"]] == [True, False, True]
    assert found["busy"] == [OTHER]
    assert found["why"] == (
        f"/dev/sdc (serial {OTHER}) is in use: mounted on /mnt; open by process 7 (tar)."
    )
    assert result([FREE])["why"] == ""


def test_error() -> None:
    error = busy_error([BUSY], 30.04)
    assert error.code == "device_busy"
    assert "process 7 (tar)" in error.message
    assert "Waited 30 s." in error.message
    assert error.details["busy"] == [OTHER]


def test_diff() -> None:
    assert diff([FREE, BUSY, Item(DISK)]) == (
        {"removable": {"/dev/sdb": ["LVM volume vg/lv (dm-0)"]}},
        {"removable": {"/dev/sdb": []}},
    )
