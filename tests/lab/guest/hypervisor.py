# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor of tier guest: VMs with a guest run in QEMU, disks are hot plugged and unplugged.

A VM without a guest is up as well, but nothing runs in it: a storage daemon holds its chains.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.basehost import BaseHypervisor, Plugged, RunningVm, find
from lab.blocks import BlockProcess
from lab.daemon import StorageDaemon
from lab.guest.image import Image
from lab.guest.linux import Linux, RemoteWriter
from lab.guest.machine import Machine, command_line
from lab.host import Drive, HostError
from lab.processes import CommandError, run
from lab.qmp import QmpError

UNPLUG_SECONDS = 30.0
"""How long vdsm waits: ``hotunplug_timeout`` (docs/engine.md#while-the-host-plugs)."""
_AGENT_SECONDS = 60.0


@dataclass
class _Shown:
    """A drive as a device of the guest: QEMU's name for it, and whether its unplug came too late."""

    device: str
    asked: bool = False


@dataclass
class _Vm(RunningVm[_Shown]):
    """A VM; `linux` is None if nothing runs in it."""

    linux: Linux | None = None

    @property
    def machine(self) -> Machine | None:
        """The QEMU that runs the guest, if there is a guest."""
        return self.blocks if isinstance(self.blocks, Machine) else None


class GuestHypervisor(BaseHypervisor[_Vm, _Shown]):
    """One host; see `lab.host.Hypervisor` for what each method promises.

    Attribute to set: unplug_seconds (how long an unplug waits for the guest to let go).
    """

    def __init__(self, root: Path, image: Image) -> None:
        """Work below `root`; raises LabInUseError if another process does."""
        super().__init__(root)
        self.image = image
        self.unplug_seconds = UNPLUG_SECONDS
        self._guests: dict[str, Linux] = {}

    def register_guest(self, vm_id: str, linux: Linux) -> None:
        """Let `linux` run in `vm_id`, from the VM's next start on."""
        self._guests[vm_id] = linux

    def _make_vm(self, vm_id: str, directory: Path) -> _Vm:
        linux = self._guests.get(vm_id)
        if linux is None:
            return _Vm(StorageDaemon(self._owner(), directory / "log"), directory)
        return _Vm(self._resume(directory), directory, linux=linux)

    def _resume(self, directory: Path) -> BlockProcess:
        """Resume a guest at the saved state, or boot it if this VM ran before.

        A root disk that was written to no longer belongs to the saved state.
        """
        root, image = directory / "root.qcow2", self.image
        fresh = not root.exists()
        if fresh:
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.disk, root])
        words = command_line(image.kernel, image.initrd)
        return Machine(self._owner(), words, root, directory, image.state if fresh else None)

    def _boot(self, _vm_id: str, vm: _Vm) -> None:
        if vm.linux is not None and vm.machine is not None:
            vm.linux.came_up(vm.machine.port)

    def start(self, vm_id: str, drives: Sequence[Drive]) -> None:
        """Run a VM with these drives; an appliance's repository is mounted. Raises HostError."""
        super().start(vm_id, drives)
        linux = self._guests.get(vm_id)
        if linux is not None and linux.repository:
            try:
                linux.mount_repository()
            except CommandError as error:
                self.stop(vm_id)
                raise HostError("start", str(error)) from error

    def _halt(self, vm: _Vm) -> None:
        """Power off: the guest and all of its devices end with its QEMU."""
        if vm.machine is not None:
            vm.machine.quit()

    def _end(self, vm: _Vm) -> None:
        if vm.machine is None:
            super()._end(vm)

    def _show(self, vm: _Vm, drive: Drive, node: str, undo: ExitStack) -> _Shown:
        shown = _Shown(f"d{vm.blocks.name()}")
        if vm.machine is None:
            return shown
        if drive.read_only:
            # The guest sees a disk that refuses writes, as libvirt's <readonly/> makes it.
            name = vm.blocks.name()
            options = {"driver": "raw", "file": node, "node-name": name, "read-only": True}
            vm.blocks.qmp.execute("blockdev-add", options)
            undo.callback(vm.blocks.delete_node, name)
            node = name
        vm.machine.plug(shown.device, drive.interface, node, drive.disk_id)
        return shown

    def _withdraw(self, vm: _Vm, plugged: Plugged[_Shown], seconds: float) -> bool:
        if vm.machine is None or not vm.machine.alive():
            return True
        shown = plugged.shown
        late = shown.asked
        shown.asked = True
        if not vm.machine.unplug(shown.device, seconds):
            return False
        if late:
            self._leak_overlay(plugged)
        return True

    def _tear(self, plugged: Plugged[_Shown]) -> None:
        """Do nothing: the guest is gone."""

    @contextmanager
    def _frozen(self, vm: _Vm) -> Iterator[None]:
        """Freeze the guest's file systems through its agent, if it has one (docs/engine.md#consistency-of-a-snapshot)."""
        if vm.machine is None:
            yield
            return
        agent = vm.machine.agent
        with contextlib.suppress(TimeoutError, QmpError, OSError):
            agent.call("guest-fsfreeze-freeze", _AGENT_SECONDS)
        try:
            yield
        finally:
            with contextlib.suppress(TimeoutError, QmpError, OSError):
                agent.call("guest-fsfreeze-thaw", _AGENT_SECONDS)

    def pause(self, vm_id: str) -> None:
        """Stop the guest's processors: unplug fails."""
        self._let(vm_id, going=False)

    def resume(self, vm_id: str) -> None:
        """Let the guest go on."""
        self._let(vm_id, going=True)

    def _let(self, vm_id: str, *, going: bool) -> None:
        vm = self._vm("start", vm_id)
        with vm.lock:
            vm.going.set() if going else vm.going.clear()
            if vm.machine is not None and vm.machine.alive():
                vm.machine.qmp.execute("cont" if going else "stop")

    def device(self, vm_id: str, disk_id: str) -> Path:
        """Raise HostError: only the guest knows where it has a drive."""
        find(self._vm("plug", vm_id), "plug", disk_id)
        raise HostError("plug", f"VM {vm_id} has its devices to itself")

    def writer(self, vm_id: str, disk_id: str, seed: int) -> RemoteWriter:
        """Return a process in the guest that writes to a disk; raises HostError if there is no guest."""
        linux = self._vm("plug", vm_id).linux
        if linux is None:
            raise HostError("plug", f"nothing runs in VM {vm_id}")
        return RemoteWriter(linux, disk_id, seed)

    def kill(self, vm_id: str) -> None:
        """SIGKILL the VM's QEMU: guest and all. `stop` cleans up."""
        self._vm("start", vm_id).blocks.kill()

    def harm(self, vm_id: str, what: Mapping[str, Any]) -> None:
        """Harm a guest behind the engine's back.

        `hang`: its processors stop, or go on. `reset`: as by the button; it boots again.
        `unplug_seconds`: how long every unplug on this host waits from now on.
        """
        if "unplug_seconds" in what:
            self.unplug_seconds = float(what["unplug_seconds"])
        if "hang" in what:
            self._let(vm_id, going=not what["hang"])
        if what.get("reset"):
            vm = self._vm("start", vm_id)
            with vm.lock:
                vm.blocks.qmp.execute("system_reset")
