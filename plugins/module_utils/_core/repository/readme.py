# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README of a backup set: how to restore it without this collection."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    show_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.catalogue import (
    moment,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.manifest import (
        Manifest,
        ManifestDisk,
    )

_INTERFACES = {
    "virtio_scsi": "VirtIO-SCSI",
    "virtio": "VirtIO",
    "sata": "SATA",
    "ide": "IDE",
    "spapr_vscsi": "sPAPR VSCSI",
}
"""Names of the interfaces in oVirt's web interface."""


def render(manifest: Manifest) -> str:
    """Return the README's text.

    Names that people gave are shown as JSON strings, so that a newline in one cannot pass for a
    line of this text; commands hold only checked file names and numbers.
    """
    return "\n".join((*_head(manifest), *_disks(manifest), *_steps(manifest), ""))


def _name(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _head(manifest: Manifest) -> tuple[str, ...]:
    vm, snapshot = manifest.vm, manifest.snapshot
    return (
        f"Backup set of the virtual machine {_name(vm.name)}",
        "",
        f"VM id         {vm.id}",
        f"Cluster       {_name(vm.cluster)}",
        f"Snapshot      {snapshot.id} {_name(snapshot.description)}",
        f"Taken         {_name(snapshot.date)}",
        *_time(manifest),
        f"Consistency   {manifest.consistency.level}",
        f"Finished      {manifest.finished}",
        f"Run           {manifest.run_id}",
        f"Engine        {_name(manifest.versions.engine)}",
        "",
        "manifest.json contains the same for programs. To restore this set, you need only qemu-img",
        "(QEMU 5.1 or newer for zstd) and the engine's web interface.",
        "",
    )


def _time(manifest: Manifest) -> tuple[str, ...]:
    """Return remarks on the time of the set; none if the clocks agree."""
    found = moment(manifest)
    said = found.doubt or found.note
    sure = "not certain" if found.doubt else show_time(found.time)
    return (f"Time          {sure}: {said}",) if said and manifest.snapshot.date else ()


def _disks(manifest: Manifest) -> tuple[str, ...]:
    lines = ["Disks", "-----", ""]
    for number, disk in enumerate(manifest.disks, start=1):
        lines += [
            f"{number}. {_name(disk.alias)}",
            f"   id          {disk.id}",
            f"   file        {disk.file} ({disk.file_size} bytes, {disk.format}, "
            f"compression {disk.compression})",
            f"   size        {disk.virtual_size} bytes (a new disk needs {_gib(disk.virtual_size)} GiB)",
            f"   interface   {_INTERFACES.get(disk.interface, disk.interface)}",
            f"   bootable    {'yes' if disk.bootable else 'no'}",
            f"   sha256      {disk.content_sha256} (of the disk's content)",
            "",
        ]
    return tuple(lines)


def _gib(size: int) -> int:
    return -(-size // 1024**3)


def _steps(manifest: Manifest) -> tuple[str, ...]:
    return (
        "1. Check the files",
        "------------------",
        "",
        "In this directory:",
        "",
        *(_check(disk.file_sha256, disk.file) for disk in manifest.disks),
        _check(manifest.ovf.sha256, manifest.ovf.file),
        *((f"    sha256sum --check {manifest.checksum}",) if manifest.checksum else ()),
        "",
        "2. Prepare the images",
        "---------------------",
        "",
        "The web interface uploads plain qcow2 or raw files. These commands create them and prove",
        "that they equal the images of this set:",
        "",
        *(line for disk in manifest.disks for line in _commands(disk)),
        "3. Upload",
        "---------",
        "",
        "Storage > Disks > Upload > Start, once per file. Choose the storage domain, and this alias:",
        "",
        *(_upload(disk) for disk in manifest.disks),
        "",
        "Wait until each disk is OK.",
        "",
        "4. Create the VM",
        "----------------",
        "",
        f"Compute > Virtual Machines > New, name {_name(manifest.vm.name)} or another one, in the",
        f"cluster {_name(manifest.vm.cluster)}. Memory, CPUs, network interfaces, MAC addresses,",
        "BIOS type and the rest are in vm.ovf (an XML file; read it with any text editor). It contains",
        "secrets: keys for the guest, and the contents of its TPM. Protect it like the images.",
        "Attach the uploaded disks (Disks > Attach):",
        "",
        *(_attach(disk) for disk in manifest.disks),
        "",
        "Do not start it in the same network as the original VM.",
    )


def _check(sha256: str, file: str) -> str:
    return f"    echo {shlex.quote(f'{sha256}  {file}')} | sha256sum --check"


def _commands(disk: ManifestDisk) -> tuple[str, ...]:
    source, target = shlex.quote(disk.file), shlex.quote(f"upload-{disk.id}.{disk.format}")
    return (
        f"    qemu-img convert -p -f {disk.format} -O {disk.format} {source} {target}",
        f"    qemu-img compare -f {disk.format} -F {disk.format} {source} {target}",
        "",
    )


def _upload(disk: ManifestDisk) -> str:
    return f"    upload-{disk.id}.{disk.format}   alias {_name(disk.alias)}"


def _attach(disk: ManifestDisk) -> str:
    interface = _INTERFACES.get(disk.interface, disk.interface)
    boot = "bootable (OS)" if disk.bootable else "not bootable"
    return f"    {_name(disk.alias)}   interface {interface}, {boot}"
