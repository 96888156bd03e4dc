# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup sets that can be restored, made without an engine: real images, a configuration that fits."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from lab.lab import Lab

VM_ID = "0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001"
STARTED = "2026-11-23T01:00:00Z"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><ovf:Envelope'
    ' xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/"'
    ' xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ovf:version="4.4.0.0">'
)


@dataclass(frozen=True)
class StoredDisk:
    """A disk of a set; what `content` does not fill is zero."""

    id: str
    content: bytes
    size: int
    alias: str = "web01_system"
    fmt: str = "qcow2"
    changes: Mapping[str, Any] = field(default_factory=dict)


def configuration(disks: Sequence[StoredDisk], vm_id: str = VM_ID) -> str:
    """Return the configuration of a VM with these disks and one network card."""
    files = "".join(
        f'<File ovf:href="{disk.id}/{image(disk.id)}" ovf:id="{image(disk.id)}"/>' for disk in disks
    )
    described = "".join(
        f'<Disk ovf:diskId="{image(disk.id)}" ovf:disk-interface="VirtIO_SCSI" ovf:boot="false"'
        f' ovf:volume-format="COW" ovf:disk-alias={quoteattr(disk.alias)}/>'
        for disk in disks
    )
    return (
        f"{HEAD}<References>{files}</References>"
        f'<Section xsi:type="ovf:DiskSection_Type">{described}</Section>'
        f'<Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Name>web01</Name>'
        f'<Section ovf:id="{vm_id}" xsi:type="ovf:OperatingSystemSection_Type"/>'
        '<Section xsi:type="ovf:VirtualHardwareSection_Type">'
        "<Item><rasd:ResourceType>10</rasd:ResourceType><rasd:Name>nic1</rasd:Name>"
        "<rasd:Connection>ovirtmgmt</rasd:Connection></Item></Section></Content></ovf:Envelope>"
    )


def image(disk_id: str) -> str:
    """Return the id of a disk's image."""
    return f"{disk_id[:-4]}ffff"


def make_set(
    repository: Path, disks: Sequence[StoredDisk], ovf: str = "", run_id: str = "run1"
) -> Path:
    """Make a finished set in a repository; return its directory."""
    stamp = STARTED.replace("-", "").replace(":", "")
    path = repository / f"web01.{VM_ID}" / f"{stamp}.{run_id}"
    path.mkdir(parents=True)
    text = (ovf or configuration(disks)).encode()
    (path / "vm.ovf").write_bytes(text)
    manifest = {
        "format": "ovirt_community.backup",
        "version": 1,
        "run_id": run_id,
        "correlation_id": run_id,
        "started": STARTED,
        "finished": "2026-11-23T01:10:00Z",
        "vm": {
            "id": VM_ID,
            "name": "web01",
            "cluster": "Default",
            "data_center": "",
            "description": "",
        },
        "snapshot": {"id": VM_ID, "description": "s", "date": "2026-11-23T01:00:05+00:00"},
        "consistency": {"level": "unknown", "evidence": []},
        "versions": {"engine": "", "collection": "", "qemu_img": "", "ansible": ""},
        "ovf": {"file": "vm.ovf", "size": len(text), "sha256": hashlib.sha256(text).hexdigest()},
        "disks": [_store(path, disk) for disk in disks],
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def facts_of(lab: Lab, name: str, ovf: str) -> dict[str, Any]:
    """Return a manifest of a VM of a lab as it is now, whose images nobody will read."""
    vm = lab.vm(name)
    rows = [(row, lab.world.disks[row.disk_id]) for row in lab.world.attachments_of(vm.id)]
    disks = [
        {
            "id": disk.id,
            "alias": disk.alias,
            "interface": row.interface,
            "bootable": row.bootable,
            "virtual_size": disk.virtual_size,
        }
        for row, disk in rows
    ]
    return facts(vm.id, vm.name, ovf, disks)


def facts(vm_id: str, name: str, ovf: str, disks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a manifest of a VM whose images nobody will read; ``disks`` say what an engine shows of each."""
    sha = "0" * 64
    return {
        "format": "ovirt_community.backup",
        "version": 1,
        "run_id": "run1",
        "correlation_id": "run1",
        "started": STARTED,
        "finished": "2026-11-23T01:10:00Z",
        "vm": {
            "id": vm_id,
            "name": name,
            "cluster": "Default",
            "data_center": "",
            "description": "",
        },
        "snapshot": {"id": vm_id, "description": "", "date": ""},
        "consistency": {"level": "offline", "evidence": []},
        "versions": {"engine": "", "collection": "", "qemu_img": "", "ansible": ""},
        "ovf": {"file": "vm.ovf", "size": len(ovf), "sha256": sha},
        "disks": [
            {
                **disk,
                "format": "qcow2",
                "compression": "none",
                "file": f"{disk['id']}.qcow2",
                "file_size": 1,
                "bytes_stored": 4096,
                "content_sha256": sha,
                "file_sha256": sha,
                "parent": None,
            }
            for disk in disks
        ],
    }


def _store(path: Path, disk: StoredDisk) -> dict[str, Any]:
    """Write an image; return the manifest's entry of it."""
    whole = disk.content + bytes(disk.size - len(disk.content))
    raw, file = path / "raw.tmp", path / f"{disk.id}.{disk.fmt}"
    raw.write_bytes(whole)
    convert: list[str | Path] = ["qemu-img", "convert", "-f", "raw", "-O", disk.fmt, raw, file]
    subprocess.run(convert, check=True)
    raw.unlink()
    stored = file.read_bytes()
    return {
        "id": disk.id,
        "alias": disk.alias,
        "interface": "virtio_scsi",
        "bootable": False,
        "virtual_size": disk.size,
        "format": disk.fmt,
        "compression": "none",
        "file": file.name,
        "file_size": len(stored),
        "bytes_stored": file.stat().st_blocks * 512,
        "content_sha256": hashlib.sha256(whole).hexdigest(),
        "file_sha256": hashlib.sha256(stored).hexdigest(),
        "parent": None,
        **disk.changes,
    }


def rewrite(path: Path, **changes: Any) -> None:  # noqa: ANN401  (JSON)
    """Change keys of a set's manifest."""
    file = path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
