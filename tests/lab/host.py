# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the lab's host side: drives, errors, and what a hypervisor does."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

HostErrorKind = Literal["plug", "unplug", "snapshot", "merge", "start"]
Interface = Literal["virtio", "virtio_scsi", "sata"]

# What udev makes of a serial: the link's prefix, and how much of the serial survives.
_LINKS: Mapping[str, tuple[str, int | None]] = {
    "virtio": ("virtio-", 20),
    "virtio_scsi": ("scsi-0QEMU_QEMU_HARDDISK_", None),
    "sata": ("ata-QEMU_HARDDISK_", 20),
}
_ID_PREFIXES = {"virtio": "", "virtio_scsi": "0QEMU_QEMU_HARDDISK_", "sata": "QEMU_HARDDISK_"}


class HostError(Exception):
    """The host could not do it; `kind` names the work that failed."""

    def __init__(self, kind: HostErrorKind, message: str) -> None:
        """Keep kind and message."""
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Drive:
    """A disk as a VM gets it; virtual_size in bytes.

    transient: a throw-away overlay over `path` is plugged in its place, as vdsm does for a
    disk snapshot (docs/engine.md#overlays).
    """

    disk_id: str
    path: Path
    fmt: str
    virtual_size: int
    interface: Interface = "virtio_scsi"
    read_only: bool = False
    transient: bool = False
    domain_id: str = ""
    volume_id: str = ""


@dataclass(frozen=True)
class GuestName:
    """How a guest's udev calls a disk: the by-id link, and the two serial properties."""

    link: str
    serial: str
    short_serial: str


def guest_name(interface: str, disk_id: str, *, short_scsi: bool = False) -> GuestName:
    """Return the names of a disk in a guest (docs/engine.md#serial-numbers-in-the-guest)."""
    prefix, kept = _LINKS[interface]
    if interface == "virtio_scsi" and short_scsi:
        kept = 20
    # virtio-scsi keeps the whole serial in its own page even where the link is cut.
    short = disk_id if interface == "virtio_scsi" else disk_id[:kept]
    return GuestName(prefix + disk_id[:kept], _ID_PREFIXES[interface] + disk_id[:kept], short)


class Hypervisor(Protocol):
    """What the engine asks of the hosts. Every method may be called from any thread."""

    def start(self, vm_id: str, drives: Sequence[Drive]) -> None:
        """Run a VM with these drives; raises HostError "start"."""

    def stop(self, vm_id: str) -> None:
        """Power a VM off; overlays go with it. A VM that does not run is no error."""

    def plug(self, vm_id: str, drive: Drive) -> None:
        """Hot plug; raises HostError "plug", and nothing is plugged then."""

    def unplug(self, vm_id: str, disk_id: str) -> None:
        """Hot unplug; raises HostError "unplug", and the drive stays plugged then."""

    def snapshot(self, vm_id: str, layers: Mapping[str, Path]) -> None:
        """Write to new layers (disk id: path) from one moment on; raises HostError "snapshot"."""

    def merge(self, vm_id: str, disk_id: str, top: str, base: str) -> None:
        """Merge volume `top` into `base` while the VM runs; raises HostError "merge"."""

    def pause(self, vm_id: str) -> None:
        """Stop the VM's processors."""

    def resume(self, vm_id: str) -> None:
        """Let the VM go on."""

    def running(self) -> set[str]:
        """Ids of the VMs that run, paused ones included."""

    def overlays(self) -> list[Path]:
        """Overlay files on the host, in use or leaked."""

    def close(self) -> None:
        """Power everything off and leave nothing on the machine."""


class Faults:
    """Failures to come: each `fail_next` makes one later call fail."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._messages: dict[str, list[str]] = {}

    def fail_next(self, kind: HostErrorKind, message: str = "", times: int = 1) -> None:
        """Let the next `times` calls of that kind fail with `message`."""
        with self._lock:
            texts = self._messages.setdefault(kind, [])
            texts.extend([message or f"injected {kind} failure"] * times)

    def check(self, kind: HostErrorKind) -> None:
        """Raise HostError if a failure of that kind is due."""
        with self._lock:
            waiting = self._messages.get(kind)
            message = waiting.pop(0) if waiting else None
        if message is not None:
            raise HostError(kind, message)
