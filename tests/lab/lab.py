# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole lab in this process: engine, host, control, in a directory of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from lab import world as worlds
from lab.appliance import Appliance
from lab.control import Control
from lab.engine.app import Application
from lab.engine.control import ControlApi
from lab.engine.core import Engine
from lab.engine.host import HostAgent, HostFailure, NoHost
from lab.engine.realhost import RealHost
from lab.engine.server import HttpServer
from lab.engine.tls import make_identity
from lab.guest import image
from lab.guest.hypervisor import GuestHypervisor
from lab.guest.linux import Linux
from lab.hypervisor import LocalHypervisor
from lab.model import Settings, Vm, World
from lab.storage import Storage
from lab.world import DEFAULT_VMS, VmSpec

Tier = Literal["local", "guest"]


class Lab:
    """A running lab; a context manager.

    ``host=False`` leaves storage and VMs out: API tests that need no bits, no root and no programs.
    ``appliance`` adds ``backup01``, or the VM it describes: with a host it is reachable by SSH.
    ``host="guest"`` is tier guest: the VMs are Linux guests under QEMU, not devices and namespaces
    of this machine, and no root is needed.
    """

    def __init__(
        self,
        root: Path,
        *,
        host: bool | Literal["guest"] = True,
        appliance: bool | VmSpec = True,
        vms: Sequence[VmSpec] = DEFAULT_VMS,
        settings: Settings | None = None,
        centres: Sequence[str] = worlds.CENTRES,
    ) -> None:
        """Prepare a lab below ``root``; nothing runs before ``start``."""
        self.root = root
        self.tier: Tier = "guest" if host == "guest" else "local"
        self.after_reset: Callable[[], object] = lambda: None
        """Called when there is a new world: descriptions of the old one are no longer true."""
        self.appliances: dict[str, Appliance | Linux] = {}
        self.guests: dict[str, Linux] = {}
        mine = appliance if isinstance(appliance, VmSpec) else worlds.APPLIANCE
        self._vms = [*vms, *([mine] if appliance else [])]
        self._settings = replace(settings or Settings())
        self._centres = centres
        self._with_host = bool(host)
        self._real: RealHost | None = None
        self._hypervisor: LocalHypervisor | GuestHypervisor | None = None
        self._started = False

    def __enter__(self) -> Lab:
        """Start."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def start(self) -> None:
        """Bring up host, world, engine and control."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.identity = make_identity(self.root)
        self.world = World(settings=replace(self._settings))
        self.engine = Engine(self.world, self._make_host(), self.root / "witness")
        self.app = Application(self.engine, self.identity.ca_pem)
        self.server = HttpServer(self.app.handle, self.identity.context)
        self.control_server = HttpServer(ControlApi(self).handle)
        self._started = True
        self.furnish()
        self.server.start()
        self.control_server.start()

    def _make_host(self) -> HostAgent:
        if not self._with_host:
            return NoHost()
        storage = Storage(self.root / "storage")
        storage.root.mkdir(parents=True, exist_ok=True)
        host = self.root / "host"
        self._hypervisor = (
            GuestHypervisor(host, image.ensure()) if self.tier == "guest" else LocalHypervisor(host)
        )
        self._real = RealHost(storage, self._hypervisor)
        return self._real

    @property
    def real(self) -> RealHost:
        """The host side, for tests that look at bits."""
        if self._real is None:
            raise RuntimeError("this lab has no host")
        return self._real

    def furnish(self) -> None:
        """Make the world that the lab starts with."""
        with self.world.lock:
            worlds.furnish(self.world, self._centres)
        made = [(self._make_vm(spec), spec) for spec in self._vms]
        with ThreadPoolExecutor() as pool:  # a guest takes seconds, and most of them it waits
            list(pool.map(lambda one: self._start_vm(*one), made))

    def add_vm(self, spec: VmSpec) -> Vm:
        """Make a VM with disks, and start it if it is to be up."""
        vm = self._make_vm(spec)
        self._start_vm(vm, spec)
        return vm

    def _make_vm(self, spec: VmSpec) -> Vm:
        guest = isinstance(self._hypervisor, GuestHypervisor)
        vm = worlds.add_vm(self.engine, worlds.with_repository(spec) if guest else spec)
        self._register(vm, spec)
        return vm

    def _start_vm(self, vm: Vm, spec: VmSpec) -> None:
        if spec.status != "down":
            worlds.set_status(self.engine, vm, spec.status)

    def _register(self, vm: Vm, spec: VmSpec) -> None:
        """Give the VM something to run, as the tier has it."""
        if isinstance(self._hypervisor, LocalHypervisor) and spec.appliance:
            appliance = Appliance(self.root / "appliances", vm.name, spec.repository_size, vm.id)
            appliance.discard()  # a new VM has nothing of an earlier one with its name
            self.appliances[vm.id] = appliance
            self._hypervisor.register_appliance(vm.id, appliance)
        if isinstance(self._hypervisor, GuestHypervisor) and (spec.appliance or spec.guest):
            linux = self.install(vm)
            linux.repository = spec.appliance and spec.repository_mounted
            if spec.appliance:
                self.appliances[vm.id] = linux

    def install(self, vm: Vm) -> Linux:
        """Have a Linux run in a VM from its next start on, on a root disk of the lab's own.

        Raises:
            HostFailure: No guests run on this lab's hosts.
        """
        if not isinstance(self._hypervisor, GuestHypervisor):
            raise HostFailure("only on tier guest do VMs run something")
        if vm.id not in self.guests:
            directory = self.root / "appliances" / vm.name
            self.guests[vm.id] = Linux(vm.name, self._hypervisor.image, directory, vm.id)
            self._hypervisor.register_guest(vm.id, self.guests[vm.id])
        return self.guests[vm.id]

    def reset(self) -> None:
        """Discard the world and make a new one, with the files that describe it; addresses, CA and accounts stay."""
        self._empty()
        self.furnish()
        self.after_reset()

    def _empty(self) -> None:
        engine, world = self.engine, self.world
        engine.faults.clear()
        engine.tasks.drain(60.0)
        for vm in list(world.vms.values()):
            engine.host.stop_vm(vm.id)
        for disk in list(world.disks.values()):
            engine.host.remove_disk(disk.domain_id, disk.id)
        with world.lock:
            worlds.clear(world)
            engine.polls.clear()
        world.settings = replace(self._settings)
        engine.locks.clear()
        self.app.log.clear()
        self.appliances.clear()
        self.guests.clear()
        shutil.rmtree(self.root / "witness", ignore_errors=True)

    def close(self) -> None:
        """Stop everything; nothing is left on the machine but the directory."""
        if not self._started:
            if self._real is not None:
                self._real.close()
            return
        self._started = False
        self.control_server.stop()
        self.server.stop()
        self.engine.tasks.close()
        self.engine.host.close()

    def control(self) -> Control:
        """Return a client of this lab's control API."""
        return Control(self.control_url)

    def vm(self, name: str) -> Vm:
        """Return the VM with a name; raises KeyError."""
        for vm in self.world.vms.values():
            if vm.name == name:
                return vm
        raise KeyError(name)

    @property
    def url(self) -> str:
        """The engine's API address."""
        return f"https://localhost:{self.server.port}/ovirt-engine/api"

    @property
    def control_url(self) -> str:
        """The control API's address."""
        return f"http://127.0.0.1:{self.control_server.port}"

    def auth(self, user: tuple[str, str] = worlds.ADMIN) -> dict[str, Any]:
        """Return the ``auth`` option of modules for one of the lab's users."""
        name, password = user
        return {
            "url": self.url,
            "username": name,
            "password": password,
            "ca_file": str(self.identity.ca_file),
        }
