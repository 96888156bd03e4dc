# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the engine's requests with real storage and a real hypervisor."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.engine.host import TRANSIENT_DISK, HostFailure, Image, Layer, Plug
from lab.guest.hypervisor import GuestHypervisor
from lab.guest.linux import RemoteWriter
from lab.host import Drive, HostError
from lab.hypervisor import LocalHypervisor
from lab.processes import CommandError
from lab.qmp import QmpError
from lab.storage import Storage, StorageError, filesystem, pattern
from lab.writer import GuestWriter

_HARMS = {"kill", "slow", "read_error"}


@contextmanager
def _host_words() -> Iterator[None]:
    """Whatever the host side raises, as the one failure that the engine knows."""
    try:
        yield
    except (HostError, StorageError, CommandError, QmpError, OSError) as error:
        raise HostFailure(str(error)) from error


class RealHost:
    """A host agent over `lab.storage` and `lab.hypervisor`."""

    def __init__(self, storage: Storage, hypervisor: LocalHypervisor | GuestHypervisor) -> None:
        self.storage = storage
        self.hypervisor = hypervisor
        self._mutex = threading.Lock()
        self._writers: dict[tuple[str, str], GuestWriter | RemoteWriter] = {}

    def create_disk(self, image: Image, fill: str | None, seed: int) -> None:
        """Make the first volume of a disk and write its test data."""
        with _host_words():
            path = self.storage.create_disk(
                image.domain_id, image.disk_id, image.volume_id, image.fmt, image.virtual_size
            )
            if fill == "pattern":
                self.storage.fill_fresh(path, image.fmt, pattern(seed, image.virtual_size))
            elif fill == "ext4":
                chunks = filesystem(image.virtual_size, _files(seed), f"lab{seed}")
                self.storage.fill_fresh(path, image.fmt, chunks)
            elif fill == "repository":
                self.storage.fill_fresh(
                    path, image.fmt, filesystem(image.virtual_size, {}, "backup")
                )

    def remove_disk(self, domain_id: str, disk_id: str) -> None:
        """Delete a disk with all of its volumes."""
        with _host_words():
            self.storage.remove_disk(domain_id, disk_id)

    def remove_volume(self, image: Image) -> None:
        """Delete one layer that nothing is based on."""
        with _host_words():
            self.storage.remove_volume(image.domain_id, image.disk_id, image.volume_id)

    def move_disk(
        self, running_vm: str | None, domain_id: str, disk_id: str, target_id: str
    ) -> None:
        """Move a disk that nobody uses; a chain names its layers relative to each other."""
        if running_vm is not None:
            raise HostFailure("this host moves no disk of a running VM")
        with _host_words():
            target = self.storage.path(target_id, disk_id, "").parent
            target.mkdir(parents=True, exist_ok=True)
            self.storage.path(domain_id, disk_id, "").rename(target / disk_id)

    def _drive(self, plug: Plug) -> Drive:
        image = plug.image
        interface = "sata" if plug.interface not in {"virtio", "virtio_scsi"} else plug.interface
        return Drive(
            image.disk_id,
            self.storage.path(image.domain_id, image.disk_id, image.volume_id),
            image.fmt,
            image.virtual_size,
            interface,  # type: ignore[arg-type]
            plug.read_only,
            plug.transient,
            image.domain_id,
            image.volume_id,
        )

    def start_vm(self, vm_id: str, plugs: Sequence[Plug]) -> None:
        """Start a VM with these disks."""
        with _host_words():
            self.hypervisor.start(vm_id, [self._drive(plug) for plug in plugs])

    def stop_vm(self, vm_id: str) -> None:
        """Power a VM off; its writers end first."""
        with self._mutex:
            keys = [key for key in self._writers if key[0] == vm_id]
            writers = [self._writers.pop(key) for key in keys]
        with _host_words():
            self.hypervisor.resume(vm_id) if vm_id in self.hypervisor.running() else None
            for one in writers:
                one.stop()
            self.hypervisor.stop(vm_id)

    def hibernate_vm(self, vm_id: str) -> None:
        """End a VM that has no transient disk; nothing of its memory is kept."""
        with _host_words():
            drives = self.hypervisor.plugged(vm_id).values()
        if any(drive.transient for drive in drives):
            raise HostFailure("hibernation of a VM with transient disks", TRANSIENT_DISK)
        self.stop_vm(vm_id)

    def pause_vm(self, vm_id: str) -> None:
        """Pause a running VM."""
        with _host_words():
            self.hypervisor.pause(vm_id)

    def resume_vm(self, vm_id: str) -> None:
        """Let a paused VM run on."""
        with _host_words():
            self.hypervisor.resume(vm_id)

    def plug(self, vm_id: str, plug: Plug) -> None:
        """Hot plug a disk, a transient one behind an overlay."""
        with _host_words():
            self.hypervisor.plug(vm_id, self._drive(plug))

    def unplug(self, vm_id: str, disk_id: str) -> None:
        """Hot unplug a disk."""
        with _host_words():
            self.hypervisor.unplug(vm_id, disk_id)

    def leak_next_plug(self) -> None:
        """Let the next plug fail and leave its overlay."""
        self.hypervisor.fail_next_plug("libvirt refuses", leak_overlay=True)

    def harm(self, vm_id: str, what: Mapping[str, Any]) -> None:
        """Kill the VM's storage, slow its disk snapshots down, or spoil a sector from its next plug on.

        What else there is to do to it, the hypervisor knows.
        """
        with _host_words():
            if what.get("kill"):
                self.hypervisor.kill(vm_id)
            if "slow" in what:
                self.hypervisor.slow(vm_id, int(what["slow"]))
            if "read_error" in what:
                spoiled = what["read_error"]
                self.hypervisor.read_error(vm_id, str(spoiled["disk"]), spoiled["offset"])
            more = {key: value for key, value in what.items() if key not in _HARMS}
            if more:
                self.hypervisor.harm(vm_id, more)

    def snapshot(self, running_vm: str | None, layers: Sequence[Layer]) -> None:
        """Make the layers; on failure none of them is left."""
        made: list[Image] = []
        plugged = set(self.hypervisor.plugged(running_vm)) if running_vm else set()
        live: dict[str, Path] = {}
        try:
            with _host_words():
                for layer in layers:
                    old = layer.parent
                    path = self.storage.create_layer(
                        old.domain_id, old.disk_id, layer.volume_id, old.volume_id
                    )
                    size = old.virtual_size
                    made.append(Image(old.domain_id, old.disk_id, layer.volume_id, "qcow2", size))
                    if old.disk_id in plugged:
                        live[old.disk_id] = path
                if running_vm and live:
                    self.hypervisor.snapshot(running_vm, live)
        except HostFailure:
            for image in made:
                self.storage.remove_volume(image.domain_id, image.disk_id, image.volume_id)
            raise

    def merge(self, running_vm: str | None, top: Image, base: Image) -> None:
        """Commit live where a running VM has the disk plugged, cold otherwise."""
        with _host_words():
            if running_vm and top.disk_id in self.hypervisor.plugged(running_vm):
                self.hypervisor.merge(running_vm, top.disk_id, top.volume_id, base.volume_id)
                return
            self.storage.commit(top.domain_id, top.disk_id, top.volume_id, base.volume_id)

    def actual_size(self, image: Image) -> int:
        """Return what the file system says that the volume takes; nothing if it is not there."""
        path = self.storage.path(image.domain_id, image.disk_id, image.volume_id)
        try:
            return path.stat().st_blocks * 512
        except OSError:
            return 0

    def witness(self, image: Image, dest: Path) -> None:
        """Keep the bytes of a frozen volume; under its final name only when complete."""
        part = dest.with_suffix(".part")
        with _host_words():
            self.storage.witness(image.domain_id, image.disk_id, image.volume_id, part)
            part.replace(dest)

    def writer(self, vm_id: str, disk_id: str, seed: int, run: bool) -> None:
        """Start or stop the guest's writing to a disk."""
        with self._mutex, _host_words():
            present = self._writers.pop((vm_id, disk_id), None)
            if present is not None:
                present.stop()
            if run:
                fresh = self.hypervisor.writer(vm_id, disk_id, seed)
                fresh.start()
                self._writers[(vm_id, disk_id)] = fresh

    def describe(self) -> Mapping[str, object]:
        """Overlays, running VMs with what they have plugged, and writers."""
        vms: dict[str, object] = {}
        devices: list[dict[str, str]] = []
        for vm_id in sorted(self.hypervisor.running()):
            drives = self.hypervisor.plugged(vm_id)
            vms[vm_id] = {key: str(drive.path) for key, drive in drives.items()}
            devices.extend(self._devices(vm_id, drives))
        with self._mutex:
            writers = [
                {"vm": vm, "disk": disk, "blocks": one.blocks}
                for (vm, disk), one in self._writers.items()
            ]
        overlays = [str(path) for path in self.hypervisor.overlays()]
        return {"overlays": overlays, "devices": devices, "plugged": vms, "writers": writers}

    def _devices(self, vm_id: str, drives: Mapping[str, Drive]) -> Iterator[dict[str, str]]:
        for disk_id in drives:
            try:
                device = str(self.hypervisor.device(vm_id, disk_id))
            except HostError:
                continue
            yield {"vm": vm_id, "disk": disk_id, "device": device}

    def close(self) -> None:
        """Stop everything."""
        with self._mutex:
            writers, self._writers = list(self._writers.values()), {}
        for vm_id in self.hypervisor.running():
            self.hypervisor.resume(vm_id)
        for one in writers:
            one.stop()
        self.hypervisor.close()


def _files(seed: int) -> dict[str, bytes]:
    """Return a small tree for a file system, the same for the same seed."""
    lines = "".join(f"{seed} {number}: all is well\n" for number in range(4096))
    binary = b"".join(data for _unused, data in pattern(seed, 1 << 20))
    return {"README": b"test data\n", "var/log/messages": lines.encode(), "srv/data.bin": binary}
