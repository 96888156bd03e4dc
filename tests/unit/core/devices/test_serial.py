# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a disk is recognised in the guest (docs/engine.md#serial-numbers-in-the-guest)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices import serial
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    INTERFACES,
)

DISK = "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10"
SHORT = "b8d5cb5c-21ba-4a57-a"
BY_ID = "/dev/disk/by-id/"


@pytest.mark.parametrize(
    ("interface", "number", "links"),
    [
        ("virtio", SHORT, [f"virtio-{SHORT}"]),
        (
            "virtio_scsi",
            DISK,
            [f"scsi-0QEMU_QEMU_HARDDISK_{DISK}", f"scsi-0QEMU_QEMU_HARDDISK_{SHORT}"],
        ),
        ("sata", DISK, [f"ata-QEMU_HARDDISK_{DISK}", f"ata-QEMU_HARDDISK_{SHORT}"]),
        ("ide", DISK, [f"ata-QEMU_HARDDISK_{DISK}", f"ata-QEMU_HARDDISK_{SHORT}"]),
        (
            "spapr_vscsi",
            DISK,
            [f"scsi-0QEMU_QEMU_HARDDISK_{DISK}", f"scsi-0QEMU_QEMU_HARDDISK_{SHORT}"],
        ),
        ("unheard_of", DISK, []),
    ],
)
def test_serial_and_links(interface: str, number: str, links: list[str]) -> None:
    assert serial.guest_serial(DISK, interface) == number
    assert list(serial.device_links(DISK, interface)) == [BY_ID + link for link in links]


def test_forms() -> None:
    assert serial.serial_forms(DISK) == (DISK, SHORT)
    assert serial.serial_forms("short") == ("short",)


@given(st.uuids().map(str), st.sampled_from(INTERFACES))
def test_every_interface_has_links_and_each_ends_with_a_form(disk: str, interface: str) -> None:
    links = serial.device_links(disk, interface)
    assert links
    assert len(set(links)) == len(links)
    assert all(link.endswith(serial.serial_forms(disk)) for link in links)
    assert serial.guest_serial(disk, interface) in serial.serial_forms(disk)
