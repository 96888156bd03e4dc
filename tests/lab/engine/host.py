# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine asks of a host, and a host that accepts everything, for tests without disks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

# The engine's own code (VDS_NETWORK_ERROR) for a host that gave no answer.
NO_ANSWER = 5022
# What vdsm says to an unplug that failed.
NOT_UNPLUGGED = 46
# What vdsm says to what a disk behind an overlay cannot stand.
TRANSIENT_DISK = 59


THIN = 196 * 1024
"""Bytes that a thin volume takes which nobody wrote to."""


class HostFailure(Exception):
    """The host could not do what it was asked; ``str()`` is the host's own word for why.

    ``code`` is vdsm's, or None when the failure has none: the command's own is meant then.
    """

    def __init__(self, message: str = "", code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Image:
    """One volume of a disk on the storage: format and guest-visible size in bytes."""

    domain_id: str
    disk_id: str
    volume_id: str
    fmt: str
    virtual_size: int


@dataclass(frozen=True)
class Plug:
    """A disk to put on a VM; a transient one gets an overlay that dies at unplug."""

    image: Image
    interface: str
    read_only: bool
    transient: bool


@dataclass(frozen=True)
class Layer:
    """A new active volume over the one that a snapshot freezes."""

    parent: Image
    volume_id: str


class HostAgent(Protocol):
    """The host side of storage and VMs. Every method may raise HostFailure and may take long."""

    def create_disk(self, image: Image, fill: str | None, seed: int) -> None:
        """Make the first volume of a disk; ``fill`` is ``pattern``, ``ext4`` or nothing."""

    def remove_disk(self, domain_id: str, disk_id: str) -> None:
        """Delete a disk with all of its volumes."""

    def remove_volume(self, image: Image) -> None:
        """Delete one layer that nothing is based on."""

    def move_disk(
        self, running_vm: str | None, domain_id: str, disk_id: str, target_id: str
    ) -> None:
        """Move a disk with all of its volumes to another domain."""

    def start_vm(self, vm_id: str, plugs: Sequence[Plug]) -> None:
        """Start a VM with these disks."""

    def stop_vm(self, vm_id: str) -> None:
        """Power a VM off; its overlays go."""

    def hibernate_vm(self, vm_id: str) -> None:
        """Write a VM's memory away and end it; refused while it has a transient disk."""

    def pause_vm(self, vm_id: str) -> None:
        """Pause a running VM."""

    def resume_vm(self, vm_id: str) -> None:
        """Let a paused VM run on."""

    def plug(self, vm_id: str, plug: Plug) -> None:
        """Hot plug a disk."""

    def unplug(self, vm_id: str, disk_id: str) -> None:
        """Hot unplug a disk and drop its overlay."""

    def leak_next_plug(self) -> None:
        """Let the next plug fail and leave its overlay, as vdsm does when libvirt refuses."""

    def harm(self, vm_id: str, what: Mapping[str, Any]) -> None:
        """Harm a running VM's storage: ``kill``, ``slow`` (bytes a second), ``read_error``."""

    def snapshot(self, running_vm: str | None, layers: Sequence[Layer]) -> None:
        """Make the new layers and, where the VM runs, let it write to them from one moment on."""

    def merge(self, running_vm: str | None, top: Image, base: Image) -> None:
        """Commit ``top`` into ``base``; ``base`` remains."""

    def actual_size(self, image: Image) -> int:
        """Return the bytes that a volume takes on the storage."""

    def witness(self, image: Image, dest: Path) -> None:
        """Write the guest-visible bytes of a frozen volume to a raw file."""

    def writer(self, vm_id: str, disk_id: str, seed: int, run: bool) -> None:
        """Start or stop a guest's writing to one of its disks."""

    def describe(self) -> Mapping[str, object]:
        """Describe overlays, devices and whatever else there is to see."""

    def close(self) -> None:
        """Stop everything."""


class NoHost:
    """A host without storage or VMs: every request succeeds at once and nothing is there."""

    def create_disk(self, image: Image, fill: str | None, seed: int) -> None:
        """Nod."""

    def remove_disk(self, domain_id: str, disk_id: str) -> None:
        """Nod."""

    def remove_volume(self, image: Image) -> None:
        """Nod."""

    def move_disk(
        self, running_vm: str | None, domain_id: str, disk_id: str, target_id: str
    ) -> None:
        """Nod."""

    def start_vm(self, vm_id: str, plugs: Sequence[Plug]) -> None:
        """Nod."""

    def stop_vm(self, vm_id: str) -> None:
        """Nod."""

    def hibernate_vm(self, vm_id: str) -> None:
        """Nod."""

    def pause_vm(self, vm_id: str) -> None:
        """Nod."""

    def resume_vm(self, vm_id: str) -> None:
        """Nod."""

    def plug(self, vm_id: str, plug: Plug) -> None:
        """Nod."""

    def unplug(self, vm_id: str, disk_id: str) -> None:
        """Nod."""

    def leak_next_plug(self) -> None:
        """Nod."""

    def harm(self, vm_id: str, what: Mapping[str, Any]) -> None:
        """Do nothing: there is nothing to harm."""
        raise HostFailure(f"this lab has no host that runs {vm_id}: {sorted(what)}")

    def snapshot(self, running_vm: str | None, layers: Sequence[Layer]) -> None:
        """Nod."""

    def merge(self, running_vm: str | None, top: Image, base: Image) -> None:
        """Nod."""

    def actual_size(self, image: Image) -> int:
        """Nothing is stored: what a simulated host of an engine says of every thin volume."""
        return min(image.virtual_size, THIN) if image.fmt == "raw" else THIN

    def witness(self, image: Image, dest: Path) -> None:
        """Do nothing: there are no bytes to keep."""

    def writer(self, vm_id: str, disk_id: str, seed: int, run: bool) -> None:
        """Do nothing: there is no guest to write."""

    def describe(self) -> Mapping[str, object]:
        """Return nothing."""
        return {"overlays": [], "devices": []}

    def close(self) -> None:
        """Do nothing: there is nothing to stop."""
