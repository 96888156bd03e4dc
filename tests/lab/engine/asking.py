# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only way from the engine to a host: each call goes by its verb in vdsm, and meets the faults of that verb.

``host_fails`` makes the host refuse with a code. ``host_slow`` makes it take so many seconds; if
that is longer than the engine waits (``Settings.host_seconds``), the engine gives up without an
answer, and the host does the work all the same, later and unnoticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.engine.faults import FaultBook
from lab.engine.host import NO_ANSWER, HostAgent, HostFailure, Image, Layer, Plug

Later = Callable[[float, Callable[[], None]], None]


@dataclass(frozen=True)
class AskedHost:
    """A host agent behind the verbs; reads of sizes and what only the lab does with a host have none.

    Attributes:
        patience: Seconds that the engine waits for an answer.
        later: Does work after some seconds.
        unplugged: Told of a disk (VM, disk) that a host unplugged after the engine had given up.
    """

    agent: HostAgent
    faults: FaultBook
    patience: Callable[[], float]
    later: Later
    unplugged: Callable[[str, str], None]

    def ask(
        self, verb: str, work: Callable[[], None], late: Callable[[], None] | None = None
    ) -> None:
        """Ask the host for something; ``late`` follows work that is done after the engine gave up.

        Raises:
            HostFailure: The host refused, or did not answer in time.
        """
        slow = self.faults.take("host_slow", verb=verb)
        fails = self.faults.take("host_fails", verb=verb)
        seconds = float(slow.values["seconds"]) if slow else 0.0
        patience = self.patience()
        # The fault is the delay: there is no event to wait for.
        time.sleep(min(seconds, patience))
        if seconds > patience:
            if fails is None:
                self.later(seconds - patience, lambda: _finish(work, late))
            raise HostFailure(f"{verb}: no answer", NO_ANSWER)
        if fails is not None:
            code = int(fails.values["code"])
            raise HostFailure(str(fails.values.get("message", f"{verb}: code {code}")), code)
        work()

    def create_disk(self, image: Image, fill: str | None, seed: int) -> None:
        """Make the first volume of a disk."""
        self.ask("Volume.create", lambda: self.agent.create_disk(image, fill, seed))

    def remove_disk(self, domain_id: str, disk_id: str) -> None:
        """Delete a disk."""
        self.ask("Image.delete", lambda: self.agent.remove_disk(domain_id, disk_id))

    def remove_volume(self, image: Image) -> None:
        """Delete one layer."""
        self.ask("Volume.delete", lambda: self.agent.remove_volume(image))

    def move_disk(
        self, running_vm: str | None, domain_id: str, disk_id: str, target_id: str
    ) -> None:
        """Move a disk; the blocks of one that a running VM writes to are mirrored."""
        verb = "SDM.copy_data" if running_vm is None else "VM.diskReplicateStart"
        self.ask(verb, lambda: self.agent.move_disk(running_vm, domain_id, disk_id, target_id))

    def start_vm(self, vm_id: str, plugs: Sequence[Plug]) -> None:
        """Start a VM."""
        self.ask("VM.create", lambda: self.agent.start_vm(vm_id, plugs))

    def stop_vm(self, vm_id: str) -> None:
        """Power a VM off."""
        self.ask("VM.destroy", lambda: self.agent.stop_vm(vm_id))

    def hibernate_vm(self, vm_id: str) -> None:
        """Write a VM's memory away and end it."""
        self.ask("VM.hibernate", lambda: self.agent.hibernate_vm(vm_id))

    def pause_vm(self, vm_id: str) -> None:
        """Pause a VM."""
        self.ask("VM.pause", lambda: self.agent.pause_vm(vm_id))

    def resume_vm(self, vm_id: str) -> None:
        """Let a paused VM run on."""
        self.ask("VM.cont", lambda: self.agent.resume_vm(vm_id))

    def plug(self, vm_id: str, plug: Plug) -> None:
        """Hot plug a disk."""
        self.ask("VM.hotplugDisk", lambda: self.agent.plug(vm_id, plug))

    def unplug(self, vm_id: str, disk_id: str) -> None:
        """Hot unplug a disk."""
        self.ask(
            "VM.hotunplugDisk",
            lambda: self.agent.unplug(vm_id, disk_id),
            lambda: self.unplugged(vm_id, disk_id),
        )

    def snapshot(self, running_vm: str | None, layers: Sequence[Layer]) -> None:
        """Make layers and switch a running VM to them.

        The lab's host does both at once, so a command whose volumes may be refused asks for ``Volume.create`` before.
        """
        if running_vm is None:
            self.agent.snapshot(None, layers)
            return
        self.ask("VM.snapshot", lambda: self.agent.snapshot(running_vm, layers))

    def merge(self, running_vm: str | None, top: Image, base: Image) -> None:
        """Commit a layer into the one below."""
        verb = "SDM.merge" if running_vm is None else "VM.merge"
        self.ask(verb, lambda: self.agent.merge(running_vm, top, base))

    def clear_bitmaps(self) -> None:
        """Clear the bitmaps of a volume; in the lab they are the engine's rows alone."""
        self.ask("SDM.clear_bitmaps", lambda: None)

    def leak_next_plug(self) -> None:
        """Let the next plug fail and leave its overlay."""
        self.agent.leak_next_plug()

    def harm(self, vm_id: str, what: Mapping[str, Any]) -> None:
        """Harm a running VM's storage."""
        self.agent.harm(vm_id, what)

    def actual_size(self, image: Image) -> int:
        """Return the bytes that a volume takes on the storage."""
        return self.agent.actual_size(image)

    def witness(self, image: Image, dest: Path) -> None:
        """Keep the bytes of a frozen volume."""
        self.agent.witness(image, dest)

    def writer(self, vm_id: str, disk_id: str, seed: int, run: bool) -> None:
        """Start or stop a guest's writing."""
        self.agent.writer(vm_id, disk_id, seed, run)

    def describe(self) -> Mapping[str, object]:
        """Describe everything there is to see."""
        return self.agent.describe()

    def close(self) -> None:
        """Stop everything."""
        self.agent.close()


def _finish(work: Callable[[], None], late: Callable[[], None] | None) -> None:
    try:
        work()
    except HostFailure:
        return
    if late is not None:
        late()
