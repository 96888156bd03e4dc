# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release of devices before a detach: the request, and how to word the outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceBusy,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.serial import (
    VIRTIO_SERIAL_LENGTH,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RELEASED = "released"
ABSENT = "absent"
STATES = (RELEASED, ABSENT)

HINT = (
    "Unmount it and end what uses it. Keep LVM, MD and multipath of the appliance away from attached "
    "disks. Devices in use are never removed."
)


@dataclass(frozen=True)
class ReleaseRequest:
    """The request of ``disk_device_release``.

    Attributes:
        serials: Serial numbers (ids of disks).
        state: ``RELEASED`` before the detach, ``ABSENT`` after it.
        timeout: Seconds to wait for what uses the devices.
        fail: Whether a device in use is an error.
    """

    serials: tuple[str, ...]
    state: str = RELEASED
    timeout: float = 30.0
    fail: bool = True


def check_request(request: ReleaseRequest) -> None:
    """Refuse serials that could mean another device.

    Raises:
        InvalidRequest: A serial is shorter than any that a disk of the engine has.
    """
    short = [serial for serial in request.serials if len(serial) < VIRTIO_SERIAL_LENGTH]
    if short:
        raise InvalidRequest(
            f"Not the serial number of a disk: {', '.join(map(repr, short))}.",
            hint="Give the ids of the disks, or their first 20 characters.",
        )


@dataclass(frozen=True)
class Item:
    """One serial, and what happened to its device.

    Attributes:
        device: The device node; None if no device has the serial.
        removed: The layers that are, or were, removed.
        used_by: What uses the device; empty if it is released.
    """

    serial: str
    device: str | None = None
    removed: tuple[str, ...] = ()
    used_by: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the item for the result."""
        return {
            "serial": self.serial,
            "device": self.device,
            "free": not self.used_by,
            "removed": list(self.removed),
            "used_by": list(self.used_by),
        }


def result(items: Sequence[Item]) -> dict[str, Any]:
    """Return the result keys."""
    busy = [item for item in items if item.used_by]
    return {
        "devices": [item.to_dict() for item in items],
        "busy": [item.serial for item in busy],
        "why": " ".join(map(sentence, busy)),
    }


def sentence(item: Item) -> str:
    """Say what uses one device."""
    return f"{item.device} (serial {item.serial}) is in use: {'; '.join(item.used_by)}."


def busy_error(items: Sequence[Item], waited: float) -> DeviceBusy:
    """Return the error for devices in use."""
    facts = result(items)
    return DeviceBusy(
        f"{facts['why']} Waited {waited:.0f} s.",
        hint=HINT,
        details={**facts, "waited": round(waited, 3)},
    )


def diff(items: Sequence[Item]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what is on the devices before and after, for diff mode."""
    held = {item.device: list(item.removed) for item in items if item.removed and item.device}
    return {"removable": held}, {"removable": {device: [] for device in held}}
