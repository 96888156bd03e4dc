# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of both tiers' hypervisors: chains, overlays, live snapshots and merges, faults.

A tier adds how a VM runs, and how an open drive gets to the guest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from lab.blocks import BlockProcess, Layer
from lab.host import Drive, Faults, HostError, HostErrorKind
from lab.processes import CommandError, Registry
from lab.qmp import QmpError
from lab.storage import StorageError, backing_chain, create_overlay

_JOB_SECONDS = 600.0
_SLOW = "slow"
_STOP_SECONDS = 5.0
_FAILURES = (QmpError, CommandError, StorageError)

ShownT = TypeVar("ShownT")


@dataclass
class Plugged(Generic[ShownT]):
    """A plugged drive; `layers` is its chain, base first, and `undo` ends what plug began.

    shown: what the tier made to get it in front of the guest.
    """

    drive: Drive
    layers: list[Layer]
    shown: ShownT
    undo: ExitStack

    def note_active(self) -> None:
        """Record the layer that is written to now as the drive's."""
        active = self.layers[-1]
        self.drive = replace(
            self.drive, path=active.path, fmt=active.fmt, volume_id=active.path.name
        )


@dataclass
class RunningVm(Generic[ShownT]):
    """A running VM: the process that has its chains open, and what is plugged."""

    blocks: BlockProcess
    directory: Path
    lock: threading.RLock = field(default_factory=threading.RLock)
    going: threading.Event = field(default_factory=threading.Event)
    plugged: dict[str, Plugged[ShownT]] = field(default_factory=dict)


VmT = TypeVar("VmT", bound=RunningVm)  # type: ignore[type-arg]


class BaseHypervisor(ABC, Generic[VmT, ShownT]):
    """One host; see `lab.host.Hypervisor` for what each method promises.

    Attribute to set: unplug_seconds (how long an unplug waits for the guest to let go).
    """

    def __init__(self, root: Path) -> None:
        """Work below `root`; raises LabInUseError if another process does."""
        self.root = root.resolve()
        self.transient = self.root / "transient"
        self.unplug_seconds = 0.5
        self.faults = Faults()
        self._leak = False
        self._overlays_in_use: set[Path] = set()
        self._read_errors: dict[tuple[str, str], int] = {}
        self._vms: dict[str, VmT] = {}
        self._lock = threading.RLock()
        self._registry: Registry | None = Registry.acquire(self.root)
        self.transient.mkdir(parents=True, exist_ok=True)
        self.clean_overlays()

    # ----- what a tier adds ---------------------------------------------------------------------

    @abstractmethod
    def _make_vm(self, vm_id: str, directory: Path) -> VmT:
        """Start the VM's process; the guest does not run yet."""

    @abstractmethod
    def _boot(self, vm_id: str, vm: VmT) -> None:
        """Bring the guest up."""

    @abstractmethod
    def _halt(self, vm: VmT) -> None:
        """End the guest, but not the process that has its chains open."""

    @abstractmethod
    def _show(self, vm: VmT, drive: Drive, node: str, undo: ExitStack) -> ShownT:
        """Get the open drive in front of the guest."""

    @abstractmethod
    def _withdraw(self, vm: VmT, plugged: Plugged[ShownT], seconds: float) -> bool:
        """Take the drive from the guest; False, and it stays, if the guest does not let go."""

    @abstractmethod
    def _tear(self, plugged: Plugged[ShownT]) -> None:
        """Take the drive by force: the VM is going off and the guest still has it."""

    def _end(self, vm: VmT) -> None:
        """End the VM's processes."""
        vm.blocks.quit()

    def _frozen(self, _vm: VmT) -> AbstractContextManager[None]:
        """Freeze the guest's file systems meanwhile, if the guest can do that."""
        return nullcontext()

    # ----- life of a VM -------------------------------------------------------------------------

    def start(self, vm_id: str, drives: Sequence[Drive]) -> None:
        """Run a VM with these drives, and boot its guest; raises HostError "start"."""
        self.faults.check("start")
        vm = self._enter(vm_id)
        try:
            with vm.lock:
                vm.blocks.qmp.execute("object-add", **{"qom-type": "throttle-group"}, id=_SLOW)
                self._boot(vm_id, vm)
                for drive in drives:
                    self._plug(vm, vm_id, drive)
                vm.going.set()
        except (*_FAILURES, HostError) as error:
            self.stop(vm_id)
            raise HostError("start", str(error)) from error

    def _enter(self, vm_id: str) -> VmT:
        with self._lock:
            if vm_id in self._vms:
                raise HostError("start", f"VM {vm_id} runs")
            directory = self.root / "vms" / vm_id
            directory.mkdir(parents=True, exist_ok=True)
            try:
                vm = self._vms[vm_id] = self._make_vm(vm_id, directory)
            except _FAILURES as error:
                raise HostError("start", str(error)) from error
        return vm

    def _owner(self) -> Registry:
        if self._registry is None:
            raise HostError("start", "the hypervisor is closed")
        return self._registry

    def stop(self, vm_id: str) -> None:
        """Power a VM off: guest, devices, overlays. A VM that does not run is no error."""
        with self._lock:
            vm = self._vms.get(vm_id)
        if vm is None:
            return
        with vm.lock:
            vm.going.set()
            self._halt(vm)
            for disk_id in list(vm.plugged):
                plugged = vm.plugged.pop(disk_id)
                if not self._withdraw(vm, plugged, _STOP_SECONDS):
                    self._tear(plugged)
                with contextlib.suppress(QmpError):  # what did not close ends with its process
                    plugged.undo.close()
            self._end(vm)
        with self._lock:
            self._vms.pop(vm_id, None)

    def running(self) -> set[str]:
        """Ids of the VMs that run, paused ones included, killed ones not."""
        with self._lock:
            return {vm_id for vm_id, vm in self._vms.items() if vm.blocks.alive()}

    def wait_running(self, vm_id: str, seconds: float) -> bool:
        """Wait until the VM is not paused; False if it still is. True if it is gone."""
        with self._lock:
            vm = self._vms.get(vm_id)
        return vm is None or vm.going.wait(seconds)

    def close(self) -> None:
        """Power everything off; nothing of this hypervisor is left on the machine."""
        for vm_id in list(self._vms):
            self.stop(vm_id)
        if self._registry is not None:
            self._registry.release()
            self._registry = None

    # ----- drives -------------------------------------------------------------------------------

    def plug(self, vm_id: str, drive: Drive) -> None:
        """Hot plug a drive, all or nothing; raises HostError "plug"."""
        vm = self._vm("plug", vm_id)
        with vm.lock:
            try:
                self._plug(vm, vm_id, drive)
            except _FAILURES as error:
                raise HostError("plug", str(error)) from error

    def unplug(self, vm_id: str, disk_id: str) -> None:
        """Hot unplug; raises HostError "unplug" and changes nothing if the guest holds it."""
        vm = self._vm("unplug", vm_id)
        with vm.lock:
            self.faults.check("unplug")
            plugged = find(vm, "unplug", disk_id)
            if not self._withdraw(vm, plugged, self.unplug_seconds):
                raise HostError("unplug", f"disk {disk_id} is in use in the guest")
            del vm.plugged[disk_id]
            try:
                plugged.undo.close()
            except QmpError as error:
                raise HostError("unplug", str(error)) from error

    def plugged(self, vm_id: str) -> dict[str, Drive]:
        """Return the plugged drives of a VM by disk id, as they are now; none if it does not run."""
        with self._lock:
            vm = self._vms.get(vm_id)
        return {} if vm is None else {key: item.drive for key, item in vm.plugged.items()}

    def _vm(self, kind: HostErrorKind, vm_id: str) -> VmT:
        with self._lock:
            vm = self._vms.get(vm_id)
        if vm is None:
            raise HostError(kind, f"VM {vm_id} does not run")
        return vm

    def _plug(self, vm: VmT, vm_id: str, drive: Drive) -> None:
        if drive.disk_id in vm.plugged:
            raise HostError("plug", f"disk {drive.disk_id} is plugged")
        with ExitStack() as undo:
            layers = self._open(vm, drive, undo)
            top = self._filter(vm, vm_id, drive, layers[-1].node, undo)
            shown = self._show(vm, drive, top, undo)
            vm.plugged[drive.disk_id] = Plugged(drive, layers, shown, undo.pop_all())

    def _open(self, vm: VmT, drive: Drive, undo: ExitStack) -> list[Layer]:
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
        layers = vm.blocks.open_chain(images, read_only=read_only)
        undo.callback(vm.blocks.close_layers, layers)
        return layers

    def _filter(self, vm: VmT, vm_id: str, drive: Drive, node: str, undo: ExitStack) -> str:
        """Put the error and the speed filter over a node; the new top node."""
        filters: list[dict[str, object]] = []
        offset = self._read_errors.get((vm_id, drive.disk_id))
        if offset is not None:
            rule = {"event": "none", "iotype": "read", "errno": errno.EIO, "sector": offset // 512}
            filters.append({"driver": "blkdebug", "image": node, "inject-error": [rule]})
        if drive.transient:
            filters.append({"driver": "throttle", "throttle-group": _SLOW})
        for options in filters:
            name = vm.blocks.name()
            child = "image" if options["driver"] == "blkdebug" else "file"
            vm.blocks.qmp.execute("blockdev-add", **{**options, child: node, "node-name": name})
            undo.callback(vm.blocks.delete_node, name)
            node = name
        return node

    # ----- overlays -----------------------------------------------------------------------------

    def overlays(self) -> list[Path]:
        """Overlay files in the host's transient directory, in use or leaked."""
        return sorted(self.transient.iterdir()) if self.transient.exists() else []

    def clean_overlays(self) -> None:
        """Remove the overlays that no VM uses, as a restart of vdsm does."""
        with self._lock:
            for path in self.overlays():
                if path not in self._overlays_in_use:
                    path.unlink(missing_ok=True)

    def _make_overlay(self, drive: Drive) -> Path:
        prefix = f"{drive.domain_id}-{drive.volume_id}."
        with self._lock:
            descriptor, name = tempfile.mkstemp(prefix=prefix, dir=self.transient)
            self._overlays_in_use.add(Path(name))
        os.fchmod(descriptor, 0o660)
        os.close(descriptor)
        try:
            create_overlay(Path(name), drive.path, drive.fmt, drive.virtual_size)
        except CommandError:
            self._remove_overlay(Path(name))
            raise
        return Path(name)

    def _remove_overlay(self, overlay: Path) -> None:
        """Remove an overlay, unless it has leaked."""
        if overlay in self._overlays_in_use:
            self._overlays_in_use.discard(overlay)
            overlay.unlink(missing_ok=True)

    def _leak_overlay(self, plugged: Plugged[ShownT]) -> None:
        """Leave the overlay of a drive behind, as vdsm does when an unplug ends too late."""
        self._overlays_in_use.discard(plugged.layers[-1].path)

    # ----- snapshots ----------------------------------------------------------------------------

    def snapshot(self, vm_id: str, layers: Mapping[str, Path]) -> None:
        """Let the VM write to new layers (disk id: path of Storage.create_layer), all at once.

        Raises HostError "snapshot", and the VM writes to its old layers then.
        """
        vm = self._vm("snapshot", vm_id)
        with vm.lock, ExitStack() as undo:
            self.faults.check("snapshot")
            actions = []
            fresh: list[tuple[Plugged[ShownT], Layer]] = []
            try:
                for disk_id, path in layers.items():
                    plugged = find(vm, "snapshot", disk_id)
                    if plugged.drive.transient:
                        raise HostError("snapshot", f"disk {disk_id} is transient")
                    layer = vm.blocks.open_layer(path, "qcow2", None)
                    undo.callback(vm.blocks.delete_node, layer.node)
                    fresh.append((plugged, layer))
                    data = {"node": plugged.layers[-1].node, "overlay": layer.node}
                    actions.append({"type": "blockdev-snapshot", "data": data})
                with self._frozen(vm):
                    vm.blocks.qmp.execute("transaction", actions=actions)
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
            plugged = find(vm, "merge", disk_id)
            if plugged.drive.transient:
                raise HostError("merge", f"disk {disk_id} is transient")
            try:
                removed = _commit(vm.blocks, plugged.layers, top, base)
                _verify_chain(plugged.layers)
            except (QmpError, StorageError) as error:
                raise HostError("merge", str(error)) from error
            plugged.note_active()
            removed.unlink()

    # ----- faults -------------------------------------------------------------------------------

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

    def slow(self, vm_id: str, bytes_per_second: int) -> None:
        """Limit all transient drives of a VM together; 0 lifts the limit."""
        vm = self._vm("start", vm_id)
        with vm.lock:
            limits = {"bps-total": bytes_per_second}
            vm.blocks.qmp.execute(
                "qom-set", path=f"/objects/{_SLOW}", property="limits", value=limits
            )

    def read_error(self, vm_id: str, disk_id: str, offset: int | None) -> None:
        """Let reads of the sector at byte `offset` fail, from the next plug of the disk on.

        None: no longer.
        """
        self._read_errors.pop((vm_id, disk_id), None)
        if offset is not None:
            self._read_errors[vm_id, disk_id] = offset


def find(vm: RunningVm[ShownT], kind: HostErrorKind, disk_id: str) -> Plugged[ShownT]:
    """Return a plugged drive; raise HostError of that kind if there is none."""
    plugged = vm.plugged.get(disk_id)
    if plugged is None:
        raise HostError(kind, f"disk {disk_id} is not plugged")
    return plugged


def _commit(blocks: BlockProcess, layers: list[Layer], top: str, base: str) -> Path:
    """Commit one layer into the one below it and close it; the path of the layer that went."""
    names = [layer.path.name for layer in layers]
    index = names.index(top) if top in names else 0
    if index == 0 or names[index - 1] != base:
        raise StorageError(f"{top} is no child of {base}: {names}")
    layer, below, job = layers[index], layers[index - 1], blocks.name()
    nodes = {"top-node": layer.node, "base-node": below.node, "device": layers[-1].node}
    active = index == len(layers) - 1
    if not active:
        # Without it QEMU writes the name as it was opened into the image above.
        nodes["backing-file"] = base
    blocks.qmp.execute("block-commit", job_id=job, **nodes)
    done = blocks.wait_job(job, "BLOCK_JOB_READY", _JOB_SECONDS)
    if active and done["event"] == "BLOCK_JOB_READY":
        blocks.qmp.execute("job-complete", id=job)
        done = blocks.wait_job(job, "BLOCK_JOB_COMPLETED", _JOB_SECONDS)
    if "error" in done:
        raise QmpError("block-commit", done["error"])
    del layers[index]
    blocks.delete_node(layer.node)
    return layer.path


def _verify_chain(layers: Sequence[Layer]) -> None:
    """Read the chain back: a guest runs on for a while over a chain broken on the storage."""
    active = layers[-1]
    found = [volume.path for volume in backing_chain(active.path, active.fmt)]
    if found != [layer.path for layer in layers]:
        raise StorageError(f"after a merge the chain of {active.path} reads {found}")
