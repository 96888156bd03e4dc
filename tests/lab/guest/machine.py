# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One QEMU process that runs a guest under software emulation, configured as vdsm would.

Disks are plugged and unplugged by QMP. There is one controller for virtio-scsi, and for virtio-blk
as many free PCIe ports as oVirt's engine reserves (NumOfPciExpressPorts).
"""

from __future__ import annotations

import json
import shlex
import socket
import time
from pathlib import Path

from lab.blocks import BlockProcess
from lab.processes import Registry, free_port
from lab.qmp import Message, QmpError, QmpGoneError

PORTS = 16
"""PCIe ports for virtio-blk disks (0000_config.sql, NumOfPciExpressPorts)."""
MEMORY_MIB = 512
_SAVE_SECONDS = 120.0
_RESUME_SECONDS = 60.0
_GLANCE_SECONDS = 0.01
_UNPLUG_EVENTS = {"DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR"}


def command_line(kernel: Path, initrd: Path) -> list[str]:
    """Return how QEMU is started, but for the root disk and the network port: the same for all guests.

    A saved state can be resumed by the same command line alone. `{}` stands for a descriptor: QMP's,
    then the guest agent's.
    """
    words = [
        *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=128"),
        *("-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config"),
        *("-display", "none", "-kernel", str(kernel), "-initrd", str(initrd)),
        "-append",
        "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off systemd.show_status=0 rw",
        *("-chardev", "socket,id=qmp,fd={}", "-mon", "chardev=qmp,mode=control"),
        *("-chardev", "socket,id=agent,fd={}", "-device", "virtio-serial-pci"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-device", "virtio-blk-pci,drive=root,serial=lab-root"),
        *("-device", "virtio-scsi-pci,id=scsi0"),
    ]
    for port in range(PORTS):
        slot = f"0x{16 + port // 8:x}.{port % 8}"
        device = f"pcie-root-port,id=port{port},chassis={port + 1},bus=pcie.0,addr={slot}"
        words += ["-device", f"{device},multifunction=on"]
    return words


class Machine(BlockProcess):
    """The process, its QMP connection and its guest agent. The owner's lock guards every call."""

    def __init__(
        self, registry: Registry, words: list[str], root: Path, directory: Path, state: Path | None
    ) -> None:
        """Start QEMU; with a saved state the guest goes on from there, else it boots.

        words: see `command_line`. root: the qcow2 image of its root disk. Raises QmpGoneError.
        """
        self.port = free_port()
        self._ports: dict[str, str] = {}
        network = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        drive = f"if=none,id=root,format=qcow2,discard=unmap,file={_option(root)}"
        serial = f"file:{_option(directory / 'serial')}"
        argv = [*words, "-netdev", network, "-drive", drive, "-serial", serial]
        if state is not None:
            argv += ["-incoming", f"exec:cat {shlex.quote(str(state))}"]
        ours, theirs = socket.socketpair()
        self.agent = Agent(ours)
        with theirs:
            super().__init__(registry, argv, directory / "log", [theirs])
        if state is not None:
            try:
                self._go_on()
            except QmpError:
                self.quit()
                raise

    def _go_on(self) -> None:
        """Wait until the saved state is read, and let the guest run: it was saved while it stood."""
        deadline = time.monotonic() + _RESUME_SECONDS
        while self._status() == "inmigrate":
            if time.monotonic() > deadline:
                raise QmpError("incoming", "the saved state was not read in time")
            time.sleep(0.01)
        self.qmp.execute("cont")

    def _status(self) -> str:
        found = self.qmp.execute("query-status")
        return str(found.get("status")) if isinstance(found, dict) else ""

    def save(self, state: Path) -> None:
        """Stop the guest for good and keep its memory and devices in a file; raises QmpError."""
        self.qmp.execute("stop")
        self.qmp.execute("migrate", uri=f"exec:cat > {shlex.quote(str(state))}")
        deadline = time.monotonic() + _SAVE_SECONDS
        while (status := self._migration()) != "completed":
            if status == "failed" or time.monotonic() > deadline:
                raise QmpError("migrate", f"the state was not saved: {status}")
            time.sleep(0.05)

    def _migration(self) -> str:
        found = self.qmp.execute("query-migrate")
        return str(found.get("status")) if isinstance(found, dict) else ""

    def plug(self, device: str, interface: str, node: str, serial: str) -> None:
        """Hot plug an open block node as a disk named `device`; raises QmpError.

        As libvirt does: the serial is the whole disk id, which virtio-blk cuts to 20 characters.
        """
        options: Message = {"id": device, "drive": node, "serial": serial}
        if interface == "virtio":
            options |= {"driver": "virtio-blk-pci", "bus": self._free_slot()}
        else:
            options |= {"driver": "scsi-hd", "bus": "scsi0.0", "device_id": serial}
        self.qmp.execute("device_add", options)
        if interface == "virtio":
            self._ports[device] = str(options["bus"])

    def _free_slot(self) -> str:
        taken = set(self._ports.values())
        free = [name for name in (f"port{n}" for n in range(PORTS)) if name not in taken]
        if not free:
            raise QmpError("device_add", "no PCIe port is free")
        return free[0]

    def unplug(self, device: str, seconds: float) -> bool:
        """Ask the guest to let a disk go; False if it has not within `seconds`.

        A guest that lets go later is noticed by the next call. Raises QmpError.
        """
        if not self._is_gone(device, _GLANCE_SECONDS):
            try:
                self.qmp.execute("device_del", id=device)
            except QmpError as error:
                # A second request while the first is pending.
                if "unplug" not in error.description and "not found" not in error.description:
                    raise
            if not self._is_gone(device, seconds):
                return False
        self._ports.pop(device, None)
        return True

    def _is_gone(self, device: str, seconds: float) -> bool:
        try:
            event = self.qmp.wait_event(
                lambda found: (
                    found["event"] in _UNPLUG_EVENTS and found["data"].get("device") == device
                ),
                "DEVICE_DELETED",
                seconds,
            )
        except QmpGoneError:
            if not self.alive():
                raise
            return False
        return bool(event["event"] == "DEVICE_DELETED")

    def quit(self) -> None:
        """End QEMU and the conversation with the agent."""
        super().quit()
        self.agent.close()


class Agent:
    """The guest agent at the other end of a virtio-serial port, if there is one."""

    def __init__(self, connection: socket.socket) -> None:
        """Talk through `connection`."""
        self._socket = connection
        self._number = 0

    def call(self, command: str, seconds: float) -> object:
        """Have the agent do something; its answer. Raises TimeoutError or QmpError."""
        self._number += 1
        self._say({"execute": "guest-sync", "arguments": {"id": self._number}})
        deadline = time.monotonic() + seconds
        while self._hear(deadline).get("return") != self._number:
            pass
        self._say({"execute": command})
        answer = self._hear(deadline)
        if "error" in answer:
            raise QmpError(command, str(answer["error"].get("desc")))
        return answer.get("return")

    def close(self) -> None:
        """End the conversation."""
        self._socket.close()

    def _say(self, message: Message) -> None:
        self._socket.settimeout(1.0)
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def _hear(self, deadline: float) -> Message:
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the guest agent does not answer")
            self._socket.settimeout(left)
            data = self._socket.recv(1)
            if not data:
                raise TimeoutError("the guest agent's port is closed")
            line += data
        answer: Message = json.loads(line)
        return answer


def _option(path: Path) -> str:
    """Return a path as a value of a QEMU option, where a comma ends a value."""
    return str(path).replace(",", ",,")
