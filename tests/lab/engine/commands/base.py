# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of all commands: the caller's wording, maintenance mode, and calls to the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lab.engine import settings
from lab.engine.codec import command_fault
from lab.engine.core import Engine
from lab.engine.host import HostFailure, Image, Plug
from lab.engine.texts import EXEC_OF_CODE, Refusal, Said, refuse
from lab.model import VM_STATUS_WORDS, Attachment, Disk, Vm, Volume, World

# What the engine calls a guest OS in its messages.
OS_NAMES = {"other": "Other OS"}
RUNNING = frozenset(
    {"up", "paused", "powering_up", "powering_down", "wait_for_launch", "migrating"}
    | {"reboot_in_progress", "not_responding", "saving_state", "restoring_state", "unknown"}
)


@dataclass(frozen=True)
class Wording:
    """How a command calls what it does, in every message that its caller gets."""

    action: str
    kind: str


@contextmanager
def command(engine: Engine, wording: Wording) -> Iterator[None]:
    """Run a command: a refusal becomes the fault that its caller reads."""
    try:
        if engine.world.settings.maintenance:
            raise refuse("MAINTENANCE_MODE")
        yield
    except Refusal as refusal:
        raise command_fault(refusal.said, wording.action, wording.kind) from refusal


def os_name(vm: Vm) -> str:
    """Return a VM's guest OS as messages have it."""
    return OS_NAMES.get(vm.os, vm.os)


def vm_status(vm: Vm) -> Refusal:
    """Refused because of the VM's status."""
    return refuse("VM_STATUS", vmStatus=VM_STATUS_WORDS[vm.status])


def image_of(disk: Disk, volume: Volume) -> Image:
    """Return a volume in the host's terms."""
    return Image(disk.domain_id, disk.id, volume.id, volume.fmt, volume.virtual_size)


def plug_of(world: World, attachment: Attachment) -> Plug:
    """Return an attachment in the host's terms: a disk snapshot is plugged behind an overlay."""
    disk = world.disks[attachment.disk_id]
    volume = world.volumes[disk.active_volume_id]
    if attachment.snapshot_id is not None:
        frozen = world.volume_of(disk.id, attachment.snapshot_id)
        if frozen is None:
            raise refuse("DISK_NOT_EXIST")
        volume = frozen
    transient = attachment.snapshot_id is not None
    return Plug(image_of(disk, volume), attachment.interface, attachment.read_only, transient)


def on_host(work: Callable[[], None]) -> HostFailure | None:
    """Let the host do something; its failure, if it fails."""
    try:
        work()
    except HostFailure as failure:
        return failure
    return None


def host_refusal(failure: HostFailure, own: str) -> Refusal:
    """Return what the caller of a command hears of the host's failure: the text follows the host's code.

    ``own`` is the command's own message, for a failure without a code.
    """
    return refuse(
        own if failure.code is None else EXEC_OF_CODE.get(failure.code, "EXEC_UNEXPECTED")
    )


def plug_refusals(vm: Vm, attachment: Attachment, alias: str) -> None:
    """Refuse interfaces without hot plug (docs/engine.md#refusals-of-an-attach, rows 21 and 21b; row 7 of a detach).

    Raises:
        Refusal: For IDE, sPAPR and SATA.
    """
    names = {"DiskAlias": alias, "VmName": vm.name}
    if attachment.interface == "ide":
        raise Refusal(Said("HOT_PLUG_IDE", names))
    if attachment.interface == "spapr_vscsi":
        raise Refusal(Said("HOT_PLUG_SPAPR", names))
    if attachment.interface == "sata":
        raise unsupported_interface(vm)


def unsupported_interface(vm: Vm) -> Refusal:
    """Refused because the VM's OS, by the name that people read, has no such interface."""
    return refuse("INTERFACE_UNSUPPORTED", osName=os_name(vm))


def refuse_unfit_properties(given: Mapping[str, str]) -> None:
    """Refuse for custom properties that an import brought along though the engine cannot use them.

    Raises:
        Refusal: For one that it does not know, and for a value that does not fit.
    """
    unknown, illegal = settings.unfit_properties(given)
    if unknown:
        raise refuse("PROPERTIES_UNKNOWN", MissingKeys=", ".join(unknown))
    if illegal:
        raise refuse("PROPERTIES_ILLEGAL", WrongValueKeys=", ".join(illegal))


def has_locked_snapshot(world: World, vm_id: str) -> bool:
    """Tell whether a snapshot of the VM is being made or removed."""
    return any(s.status == "locked" for s in world.snapshots_of(vm_id))


def settled(world: World, vm: Vm) -> None:
    """Refuse while a snapshot of the VM is made, removed or previewed."""
    if has_locked_snapshot(world, vm.id):
        raise refuse("VM_DURING_SNAPSHOT")
    if vm.in_preview or any(one.status == "in_preview" for one in world.snapshots_of(vm.id)):
        raise refuse("VM_IN_PREVIEW")


def snapshots_attached_elsewhere(world: World, vm_id: str) -> list[Attachment]:
    """Attachments of snapshots of this VM, wherever they are, plugged or not."""
    ids = {s.id for s in world.snapshots_of(vm_id)}
    return [a for a in world.attachments.values() if a.snapshot_id in ids]


def refuse_attached(world: World, vm_id: str, disk_id: str | None = None) -> None:
    """Refuse while a disk snapshot of the VM, or of one disk, is attached anywhere (docs/engine.md#operations-on-the-source-vm)."""
    found = snapshots_attached_elsewhere(world, vm_id)
    found = [one for one in found if disk_id in (None, one.disk_id)]
    if not found:
        return
    lines = []
    for attachment in found:
        snapshot = world.snapshots[attachment.snapshot_id or ""]
        alias = world.disks[attachment.disk_id].alias
        lines.append(f"{alias} ,{snapshot.description}, {world.vms[attachment.vm_id].name}")
    raise refuse("SNAPSHOT_ATTACHED", disksInfo="%n".join(lines))


def domain_ready(world: World, domain_id: str) -> None:
    """Refuse when a storage domain is missing or not active (15b)."""
    domain = world.domains.get(domain_id)
    if domain is None:
        raise refuse("DOMAIN_NOT_EXIST")
    if domain.status != "active":
        raise refuse("DOMAIN_STATUS", status=domain.status.title().replace("_", ""))
