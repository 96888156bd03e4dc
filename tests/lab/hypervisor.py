# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor of tier local: a storage daemon a VM, a FUSE file a drive.

What an ordinary VM's guest writes, goes to that file. A VM that is registered as an
appliance gets each drive as a block device too, under the names that udev would give it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import loop
from lab.appliance import Appliance
from lab.basehost import BaseHypervisor, Plugged, RunningVm, find
from lab.daemon import Export, StorageDaemon
from lab.host import Drive, GuestName, HostError, Hypervisor, guest_name
from lab.processes import run
from lab.writer import GuestWriter

_FILLING = "filling"
_PAGE = 4096

__all__ = ["Drive", "GuestWriter", "HostError", "Hypervisor", "LocalHypervisor"]


@dataclass(frozen=True)
class _Device:
    """A drive as an appliance's block device."""

    name: str
    file: Path
    names: GuestName


@dataclass
class _Shown:
    """A drive as a file, and as an appliance's device."""

    export: Export
    device: _Device | None


@dataclass
class _Vm(RunningVm[_Shown]):
    """A VM whose chains a storage daemon has open."""

    front: StorageDaemon | None = None
    appliance: Appliance | None = None

    @property
    def daemon(self) -> StorageDaemon:
        """The process that has the chains open."""
        if not isinstance(self.blocks, StorageDaemon):
            raise TypeError("not a storage daemon")
        return self.blocks


class LocalHypervisor(BaseHypervisor[_Vm, _Shown]):
    """One host; see `lab.host.Hypervisor` for what each method promises.

    Attributes to set: unplug_seconds (how long an unplug waits for the guest to let go),
    short_scsi (cut the serial in SCSI links to 20 characters, as some QEMU and udev do).
    """

    def __init__(self, root: Path, *, short_scsi: bool = False) -> None:
        """Work below `root`; raises LabInUseError if another process does."""
        super().__init__(root)
        self.short_scsi = short_scsi
        self._appliances: dict[str, Appliance] = {}

    def register_appliance(self, vm_id: str, appliance: Appliance) -> None:
        """Make `appliance` the guest of `vm_id`, from the VM's next start on."""
        self._appliances[vm_id] = appliance

    def _make_vm(self, vm_id: str, directory: Path) -> _Vm:
        daemon = self._make_daemon(directory)
        return _Vm(daemon, directory, appliance=self._appliances.get(vm_id))

    def _make_daemon(self, directory: Path) -> StorageDaemon:
        return StorageDaemon(self._owner(), directory / "log")

    def _boot(self, _vm_id: str, vm: _Vm) -> None:
        if vm.appliance is not None:
            vm.appliance.start()

    def _halt(self, vm: _Vm) -> None:
        if vm.appliance is not None:
            vm.appliance.stop()

    def _end(self, vm: _Vm) -> None:
        if vm.front is not None:
            vm.front.quit()
        super()._end(vm)

    def pause(self, vm_id: str) -> None:
        """Stop the guest: writers wait, unplug fails."""
        self._vm("start", vm_id).going.clear()

    def resume(self, vm_id: str) -> None:
        """Let the guest go on."""
        self._vm("start", vm_id).going.set()

    def device(self, vm_id: str, disk_id: str) -> Path:
        """Return the block device ("/dev/loopN") of an appliance's drive; raises HostError."""
        device = find(self._vm("plug", vm_id), "plug", disk_id).shown.device
        if device is None:
            raise HostError("plug", f"VM {vm_id} is no appliance")
        return Path(device.name)

    def guest_file(self, vm_id: str, disk_id: str) -> Path:
        """Return the file that is the disk as the guest sees it; raises HostError "plug"."""
        return find(self._vm("plug", vm_id), "plug", disk_id).shown.export.file

    def writer(self, vm_id: str, disk_id: str, seed: int) -> GuestWriter:
        """A writer to a disk in place of its guest; `start` begins."""
        return GuestWriter(self, vm_id, disk_id, seed)

    def harm(self, vm_id: str, what: Mapping[str, Any]) -> None:
        """Limit the room for overlays (`host_room`: bytes, 0 lifts it), fill it or make room again
        (`host_full`); raises HostError.
        """
        if set(what) - {"host_room", "host_full"}:
            raise HostError("start", f"tier local cannot do this to {vm_id}: {sorted(what)}")
        if "host_room" in what:
            self.limit(int(what["host_room"]))
        if "host_full" in what:
            self.fill(full=bool(what["host_full"]))

    def limit(self, room: int) -> None:
        """Give overlays a file system of their own, of so many bytes, or (0) the host's again.

        Raises HostError if there are overlays now: they would be hidden.
        """
        if self.overlays():
            raise HostError("start", "there are overlays")
        if os.path.ismount(self.transient):
            run(["umount", "-n", self.transient])
        if room:
            size = f"size={room},mode=755"
            run(["mount", "-n", "-t", "tmpfs", "-o", size, "overlays", self.transient])

    def fill(self, *, full: bool) -> None:
        """Leave no byte for overlays, or take the filling away; only what has a limit is filled."""
        filling = self.transient / _FILLING
        filling.unlink(missing_ok=True)
        if full and not os.path.ismount(self.transient):
            raise HostError("start", "the room for overlays has no limit: use host_room")
        if full:
            with filling.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(_PAGE)):
                    pass

    def overlays(self) -> list[Path]:
        """Overlay files, in use or leaked; the filling is none."""
        return [path for path in super().overlays() if path.name != _FILLING]

    def kill(self, vm_id: str) -> None:
        """SIGKILL the VM's storage: its devices answer with EIO. `stop` cleans up."""
        vm = self._vm("start", vm_id)
        vm.daemon.kill()
        if vm.front is not None:
            vm.front.kill()

    def _show(self, vm: _Vm, drive: Drive, node: str, undo: ExitStack) -> _Shown:
        mountpoint = vm.directory / "exports" / drive.disk_id
        daemon, front_node = self._guest_side(vm, drive, node, undo)
        export = daemon.export(front_node, mountpoint, writable=not drive.read_only)
        undo.callback(daemon.unexport, export)
        if vm.appliance is None:
            return _Shown(export, None)
        return _Shown(export, self._make_device(vm.appliance, drive, mountpoint))

    def _guest_side(
        self, vm: _Vm, drive: Drive, node: str, undo: ExitStack
    ) -> tuple[StorageDaemon, str]:
        """Return the daemon and the node that the guest's file shows.

        A writable FUSE export reserves the right to resize, which an active commit does not
        allow. So a disk that may be merged goes by NBD to a second daemon that has the file.
        """
        if drive.transient:
            return vm.daemon, node
        if vm.front is None:
            vm.front = self._make_daemon(vm.directory)
        writable = not drive.read_only
        remote = vm.daemon.export_nbd(node, writable=writable)
        undo.callback(vm.daemon.unexport, remote)
        front_node = vm.front.open_remote(vm.daemon, remote, read_only=not writable)
        undo.callback(vm.front.delete_node, front_node)
        return vm.front, front_node

    def _make_device(self, appliance: Appliance, drive: Drive, file: Path) -> _Device:
        names = guest_name(drive.interface, drive.disk_id, short_scsi=self.short_scsi)
        device = _Device(loop.attach(file, read_only=drive.read_only), file, names)
        try:
            appliance.link(device.name, names)
        except BaseException:
            loop.release(device.name, file)
            raise
        return device

    def _withdraw(self, vm: _Vm, plugged: Plugged[_Shown], seconds: float) -> bool:
        if not vm.going.is_set():
            disk_id = plugged.drive.disk_id
            raise HostError("unplug", f"disk {disk_id}: a paused guest does not answer")
        device = plugged.shown.device
        if device is None or vm.appliance is None:
            return True
        if not loop.detach(device.name, device.file, seconds):
            return False
        vm.appliance.unlink(device.name, device.names)
        plugged.shown.device = None
        return True

    def _tear(self, plugged: Plugged[_Shown]) -> None:
        device = plugged.shown.device
        if device is not None:
            loop.release(device.name, device.file)
