# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor of tier local: a storage daemon a VM, a FUSE file a drive.

What an ordinary VM's guest writes, goes to that file. A VM that is registered as an
appliance gets each drive as a block device too, under the names that udev would give it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab import loop
from lab.appliance import Appliance
from lab.daemon import Export, Layer, StorageDaemon
from lab.host import (
    Drive,
    Faults,
    GuestName,
    HostError,
    HostErrorKind,
    Hypervisor,
    guest_name,
)
from lab.processes import CommandError, Registry
from lab.qmp import QmpError
from lab.storage import StorageError, backing_chain, create_overlay
from lab.writer import GuestWriter

__all__ = ["Drive", "GuestWriter", "HostError", "Hypervisor", "LocalHypervisor"]

_JOB_SECONDS = 600.0
_SLOW = "slow"
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class _Device:
    """A drive as an appliance's block device."""

    name: str
    file: Path
    names: GuestName


@dataclass
class _Plugged:
    """A plugged drive; `layers` is its chain, base first, and `undo` ends what plug began."""

    drive: Drive
    layers: list[Layer]
    export: Export
    device: _Device | None
    undo: ExitStack

    def note_active(self) -> None:
        """Bring the drive up to date with the layer that is written to now."""
        active = self.layers[-1]
        self.drive = replace(
            self.drive, path=active.path, fmt=active.fmt, volume_id=active.path.name
        )


@dataclass
class _Vm:
    """A running VM."""

    daemon: StorageDaemon
    appliance: Appliance | None
    directory: Path
    front: StorageDaemon | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    going: threading.Event = field(default_factory=threading.Event)
    plugged: dict[str, _Plugged] = field(default_factory=dict)


class LocalHypervisor:
    """One host; see `lab.host.Hypervisor` for what each method promises.

    Attributes to set: unplug_seconds (how long an unplug waits for the guest to let go),
    short_scsi (cut the serial in SCSI links to 20 characters, as some QEMU and udev do).
    """

    def __init__(self, root: Path, *, short_scsi: bool = False) -> None:
        """Work below `root`; raises LabInUseError if another process does."""
        self.root = root.resolve()
        self.transient = self.root / "transient"
        self.unplug_seconds = 0.5
        self.short_scsi = short_scsi
        self.faults = Faults()
        self._leak = False
        self._overlays_in_use: set[Path] = set()
        self._read_errors: dict[tuple[str, str], int] = {}
        self._appliances: dict[str, Appliance] = {}
        self._vms: dict[str, _Vm] = {}
        self._lock = threading.RLock()
        self._registry: Registry | None = Registry.acquire(self.root)
        self.transient.mkdir(parents=True, exist_ok=True)
        self.clean_overlays()

    def register_appliance(self, vm_id: str, appliance: Appliance) -> None:
        """Make `appliance` the guest of `vm_id`, from the VM's next start on."""
        self._appliances[vm_id] = appliance

    def start(self, vm_id: str, drives: Sequence[Drive]) -> None:
        """Run a VM with these drives, and boot its appliance; raises HostError "start"."""
        self.faults.check("start")
        try:
            vm = self._make_vm(vm_id)
            with vm.lock:
                if vm.appliance is not None:
                    vm.appliance.start()
                for drive in drives:
                    self._plug(vm, vm_id, drive)
                vm.going.set()
        except (QmpError, CommandError, StorageError) as error:
            self.stop(vm_id)
            raise HostError("start", str(error)) from error
        except HostError as error:
            if error.kind != "start":
                self.stop(vm_id)
            raise HostError("start", str(error)) from error

    def _make_vm(self, vm_id: str) -> _Vm:
        with self._lock:
            if vm_id in self._vms:
                raise HostError("start", f"VM {vm_id} runs")
            directory = self.root / "vms" / vm_id
            directory.mkdir(parents=True, exist_ok=True)
            daemon = self._make_daemon(directory)
            vm = self._vms[vm_id] = _Vm(daemon, self._appliances.get(vm_id), directory)
        daemon.qmp.execute("object-add", **{"qom-type": "throttle-group"}, id=_SLOW)
        return vm

    def _make_daemon(self, directory: Path) -> StorageDaemon:
        if self._registry is None:
            raise HostError("start", "the hypervisor is closed")
        return StorageDaemon(self._registry, directory / "log")

    def stop(self, vm_id: str) -> None:
        """Power a VM off: guest, devices, overlays. A VM that does not run is no error."""
        with self._lock:
            vm = self._vms.get(vm_id)
        if vm is None:
            return
        with vm.lock:
            vm.going.set()
            if vm.appliance is not None:
                vm.appliance.stop()
            for disk_id in list(vm.plugged):
                plugged = vm.plugged.pop(disk_id)
                if not self._drop_device(vm, plugged, _STOP_SECONDS) and plugged.device:
                    loop.release(plugged.device.name, plugged.device.file)
                with contextlib.suppress(QmpError):  # what did not close ends with its daemon
                    plugged.undo.close()
            if vm.front is not None:
                vm.front.quit()
            vm.daemon.quit()
        with self._lock:
            self._vms.pop(vm_id, None)

    def plug(self, vm_id: str, drive: Drive) -> None:
        """Hot plug a drive, all or nothing; raises HostError "plug"."""
        vm = self._vm("plug", vm_id)
        with vm.lock:
            try:
                self._plug(vm, vm_id, drive)
            except (QmpError, CommandError, StorageError) as error:
                raise HostError("plug", str(error)) from error

    def unplug(self, vm_id: str, disk_id: str) -> None:
        """Hot unplug; raises HostError "unplug" and changes nothing if the guest holds it."""
        vm = self._vm("unplug", vm_id)
        with vm.lock:
            self.faults.check("unplug")
            plugged = _find(vm, "unplug", disk_id)
            if not vm.going.is_set():
                raise HostError("unplug", f"disk {disk_id}: a paused guest does not answer")
            if not self._drop_device(vm, plugged, self.unplug_seconds):
                raise HostError("unplug", f"disk {disk_id} is in use in the guest")
            del vm.plugged[disk_id]
            try:
                plugged.undo.close()
            except QmpError as error:
                raise HostError("unplug", str(error)) from error

    def snapshot(self, vm_id: str, layers: Mapping[str, Path]) -> None:
        """Let the VM write to new layers (disk id: path of Storage.create_layer), all at once.

        Raises HostError "snapshot", and the VM writes to its old layers then.
        """
        vm = self._vm("snapshot", vm_id)
        with vm.lock, ExitStack() as undo:
            self.faults.check("snapshot")
            actions = []
            fresh: list[tuple[_Plugged, Layer]] = []
            try:
                for disk_id, path in layers.items():
                    plugged = _find(vm, "snapshot", disk_id)
                    if plugged.drive.transient:
                        raise HostError("snapshot", f"disk {disk_id} is transient")
                    layer = vm.daemon.open_layer(path, "qcow2", None)
                    undo.callback(vm.daemon.delete_node, layer.node)
                    fresh.append((plugged, layer))
                    data = {"node": plugged.layers[-1].node, "overlay": layer.node}
                    actions.append({"type": "blockdev-snapshot", "data": data})
                vm.daemon.qmp.execute("transaction", actions=actions)
            except QmpError as error:
                raise HostError("snapshot", str(error)) from error
            undo.pop_all()
            for plugged, layer in fresh:
                plugged.layers.append(layer)
                plugged.note_active()

    def merge(self, vm_id: str, disk_id: str, top: str, base: str) -> None:
        """Commit volume `top` into its parent `base` while the VM runs, and remove `top`.

        If `top` is the active volume, `base` is afterwards. Returns when the chain on the
        storage has been read back and is right. Raises HostError "merge".
        """
        vm = self._vm("merge", vm_id)
        with vm.lock:
            self.faults.check("merge")
            plugged = _find(vm, "merge", disk_id)
            if plugged.drive.transient:
                raise HostError("merge", f"disk {disk_id} is transient")
            try:
                removed = _commit(vm.daemon, plugged.layers, top, base)
                _verify_chain(plugged.layers)
            except (QmpError, StorageError) as error:
                raise HostError("merge", str(error)) from error
            plugged.note_active()
            removed.unlink()

    def pause(self, vm_id: str) -> None:
        """Stop the guest: writers wait, unplug fails."""
        self._vm("start", vm_id).going.clear()

    def resume(self, vm_id: str) -> None:
        """Let the guest go on."""
        self._vm("start", vm_id).going.set()

    def running(self) -> set[str]:
        """Ids of the VMs that run, paused ones included, killed ones not."""
        with self._lock:
            return {vm_id for vm_id, vm in self._vms.items() if vm.daemon.alive()}

    def plugged(self, vm_id: str) -> dict[str, Drive]:
        """The plugged drives of a VM by disk id, as they are now; none if it does not run."""
        with self._lock:
            vm = self._vms.get(vm_id)
        return {} if vm is None else {key: item.drive for key, item in vm.plugged.items()}

    def device(self, vm_id: str, disk_id: str) -> Path:
        """The block device ("/dev/loopN") of an appliance's drive; raises HostError."""
        device = _find(self._vm("plug", vm_id), "plug", disk_id).device
        if device is None:
            raise HostError("plug", f"VM {vm_id} is no appliance")
        return Path(device.name)

    def overlays(self) -> list[Path]:
        """Overlay files in the host's transient directory, in use or leaked."""
        return sorted(self.transient.iterdir()) if self.transient.exists() else []

    def clean_overlays(self) -> None:
        """Remove the overlays that no VM uses, as a restart of vdsm does."""
        with self._lock:
            for path in self.overlays():
                if path not in self._overlays_in_use:
                    path.unlink(missing_ok=True)

    def guest_file(self, vm_id: str, disk_id: str) -> Path:
        """The file that is the disk as the guest sees it; raises HostError "plug"."""
        return _find(self._vm("plug", vm_id), "plug", disk_id).export.file

    def wait_running(self, vm_id: str, seconds: float) -> bool:
        """Wait until the VM is not paused; False if it still is. True if it is gone."""
        with self._lock:
            vm = self._vms.get(vm_id)
        return vm is None or vm.going.wait(seconds)

    def fail_next_plug(self, message: str = "", *, leak_overlay: bool = False) -> None:
        """Let the next plug fail; with leak_overlay it leaves its overlay, as vdsm does."""
        self._leak = leak_overlay
        self.faults.fail_next("plug", message)

    def fail_next_unplug(self, message: str = "") -> None:
        """Let the next unplug fail."""
        self.faults.fail_next("unplug", message)

    def fail_next_merge(self, message: str = "") -> None:
        """Let the next live merge fail before it changes anything."""
        self.faults.fail_next("merge", message)

    def kill(self, vm_id: str) -> None:
        """SIGKILL the VM's storage: its devices answer with EIO. `stop` cleans up."""
        vm = self._vm("start", vm_id)
        vm.daemon.kill()
        if vm.front is not None:
            vm.front.kill()

    def slow(self, vm_id: str, bytes_per_second: int) -> None:
        """Limit all transient drives of a VM together; 0 lifts the limit."""
        vm = self._vm("start", vm_id)
        with vm.lock:
            limits = {"bps-total": bytes_per_second}
            vm.daemon.qmp.execute(
                "qom-set", path=f"/objects/{_SLOW}", property="limits", value=limits
            )

    def read_error(self, vm_id: str, disk_id: str, offset: int | None) -> None:
        """Let reads of the sector at byte `offset` fail, from the next plug of the disk on.

        None: no longer.
        """
        self._read_errors.pop((vm_id, disk_id), None)
        if offset is not None:
            self._read_errors[vm_id, disk_id] = offset

    def close(self) -> None:
        """Power everything off; nothing of this hypervisor is left on the machine."""
        for vm_id in list(self._vms):
            self.stop(vm_id)
        if self._registry is not None:
            self._registry.release()
            self._registry = None

    def _vm(self, kind: HostErrorKind, vm_id: str) -> _Vm:
        with self._lock:
            vm = self._vms.get(vm_id)
        if vm is None:
            raise HostError(kind, f"VM {vm_id} does not run")
        return vm

    def _plug(self, vm: _Vm, vm_id: str, drive: Drive) -> None:
        if drive.disk_id in vm.plugged:
            raise HostError("plug", f"disk {drive.disk_id} is plugged")
        with ExitStack() as undo:
            layers = self._open(vm, drive, undo)
            top = self._filter(vm, vm_id, drive, layers[-1].node, undo)
            mountpoint = vm.directory / "exports" / drive.disk_id
            daemon, node = self._guest_side(vm, drive, top, undo)
            export = daemon.export(node, mountpoint, writable=not drive.read_only)
            undo.callback(daemon.unexport, export)
            device = None
            if vm.appliance is not None:
                device = self._make_device(vm.appliance, drive, mountpoint)
            vm.plugged[drive.disk_id] = _Plugged(drive, layers, export, device, undo.pop_all())

    def _open(self, vm: _Vm, drive: Drive, undo: ExitStack) -> list[Layer]:
        images = [(volume.path, volume.fmt) for volume in backing_chain(drive.path, drive.fmt)]
        if drive.transient:
            overlay = self._make_overlay(drive)
            undo.callback(self._remove_overlay, overlay)
            images.append((overlay, "qcow2"))
        try:
            self.faults.check("plug")
        except HostError:
            if self._leak:
                self._overlays_in_use.discard(images[-1][0])
            raise
        # An overlay is writable in any case: read_only is what the guest sees.
        read_only = drive.read_only and not drive.transient
        layers = vm.daemon.open_chain(images, read_only=read_only)
        undo.callback(vm.daemon.close_layers, layers)
        return layers

    def _make_overlay(self, drive: Drive) -> Path:
        prefix = f"{drive.domain_id}-{drive.volume_id}."
        with self._lock:
            descriptor, name = tempfile.mkstemp(prefix=prefix, dir=self.transient)
            self._overlays_in_use.add(Path(name))
        os.fchmod(descriptor, 0o660)
        os.close(descriptor)
        create_overlay(Path(name), drive.path, drive.fmt, drive.virtual_size)
        return Path(name)

    def _remove_overlay(self, overlay: Path) -> None:
        """Remove an overlay, unless it has leaked."""
        if overlay in self._overlays_in_use:
            self._overlays_in_use.discard(overlay)
            overlay.unlink(missing_ok=True)

    def _filter(self, vm: _Vm, vm_id: str, drive: Drive, node: str, undo: ExitStack) -> str:
        """Put the error and the speed filter over a node; the new top node."""
        filters: list[dict[str, object]] = []
        offset = self._read_errors.get((vm_id, drive.disk_id))
        if offset is not None:
            rule = {"event": "none", "iotype": "read", "errno": errno.EIO, "sector": offset // 512}
            filters.append({"driver": "blkdebug", "image": node, "inject-error": [rule]})
        if drive.transient:
            filters.append({"driver": "throttle", "throttle-group": _SLOW})
        for options in filters:
            name = vm.daemon.name()
            child = "image" if options["driver"] == "blkdebug" else "file"
            vm.daemon.qmp.execute("blockdev-add", **{**options, child: node, "node-name": name})
            undo.callback(vm.daemon.delete_node, name)
            node = name
        return node

    def _guest_side(
        self, vm: _Vm, drive: Drive, node: str, undo: ExitStack
    ) -> tuple[StorageDaemon, str]:
        """The daemon and the node that the guest's file shows.

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

    @staticmethod
    def _drop_device(vm: _Vm, plugged: _Plugged, seconds: float) -> bool:
        """Take the device from the guest; False, and it stays, if the guest has it in use."""
        device = plugged.device
        if device is None or vm.appliance is None:
            return True
        if not loop.detach(device.name, device.file, seconds):
            return False
        vm.appliance.unlink(device.name, device.names)
        plugged.device = None
        return True


def _find(vm: _Vm, kind: HostErrorKind, disk_id: str) -> _Plugged:
    plugged = vm.plugged.get(disk_id)
    if plugged is None:
        raise HostError(kind, f"disk {disk_id} is not plugged")
    return plugged


def _commit(daemon: StorageDaemon, layers: list[Layer], top: str, base: str) -> Path:
    """Commit one layer into the one below it and close it; the path of the layer that went."""
    names = [layer.path.name for layer in layers]
    index = names.index(top) if top in names else 0
    if index == 0 or names[index - 1] != base:
        raise StorageError(f"{top} is no child of {base}: {names}")
    layer, below, job = layers[index], layers[index - 1], daemon.name()
    nodes = {"top-node": layer.node, "base-node": below.node, "device": layers[-1].node}
    active = index == len(layers) - 1
    if not active:
        # Without it QEMU writes the name as it was opened into the image above.
        nodes["backing-file"] = base
    daemon.qmp.execute("block-commit", job_id=job, **nodes)
    done = daemon.wait_job(job, "BLOCK_JOB_READY", _JOB_SECONDS)
    if active and done["event"] == "BLOCK_JOB_READY":
        daemon.qmp.execute("job-complete", id=job)
        done = daemon.wait_job(job, "BLOCK_JOB_COMPLETED", _JOB_SECONDS)
    if "error" in done:
        raise QmpError("block-commit", done["error"])
    del layers[index]
    daemon.delete_node(layer.node)
    return layer.path


def _verify_chain(layers: Sequence[Layer]) -> None:
    """Read the chain back: a guest runs on for a while over a chain broken on the storage."""
    active = layers[-1]
    found = [volume.path for volume in backing_chain(active.path, active.fmt)]
    if found != [layer.path for layer in layers]:
        raise StorageError(f"after a merge the chain of {active.path} reads {found}")
