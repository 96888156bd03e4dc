# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognise a disk of the engine as a block device inside the appliance.

The engine gives every disk its id as serial number. How much the guest sees of it depends on the
bus (docs/engine.md#serial-numbers-in-the-guest): virtio-blk has room for 20 characters, virtio-scsi
shows all 36, and some combinations of QEMU and udev cut the link's name, but not the serial, to 20.
"""

from __future__ import annotations

import re

VIRTIO_SERIAL_LENGTH = 20
"""Bytes of a virtio-blk serial (linux/virtio_blk.h, VIRTIO_BLK_ID_BYTES)."""

_SHORT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]")
"""The first 20 characters of an id."""

BY_ID = "/dev/disk/by-id"

_LINK_PREFIXES = {
    "virtio": ("virtio-",),
    "virtio_scsi": ("scsi-0QEMU_QEMU_HARDDISK_",),
    "sata": ("ata-QEMU_HARDDISK_",),
    "ide": ("ata-QEMU_HARDDISK_",),
    "spapr_vscsi": ("scsi-0QEMU_QEMU_HARDDISK_",),
}


def serial_forms(disk_id: str) -> tuple[str, ...]:
    """Return the serial numbers that a guest may show for a disk, the longest first."""
    short = disk_id[:VIRTIO_SERIAL_LENGTH]
    return (disk_id,) if short == disk_id else (disk_id, short)


def is_short_serial(text: str) -> bool:
    """Tell whether a text may be what virtio-blk shows of a disk's id."""
    return _SHORT.fullmatch(text.lower()) is not None


def device_links(disk_id: str, interface: str) -> tuple[str, ...]:
    """Return the paths under ``/dev/disk/by-id`` that may lead to the disk on this bus, best first."""
    if interface == "virtio":
        forms: tuple[str, ...] = (disk_id[:VIRTIO_SERIAL_LENGTH],)
    else:
        forms = serial_forms(disk_id)
    prefixes = _LINK_PREFIXES.get(interface, ())
    return tuple(f"{BY_ID}/{prefix}{form}" for prefix in prefixes for form in forms)


def guest_serial(disk_id: str, interface: str) -> str:
    """Return the serial number that the guest's kernel shows for the disk on this bus."""
    return disk_id[:VIRTIO_SERIAL_LENGTH] if interface == "virtio" else disk_id
