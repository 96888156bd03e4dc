# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories for tests: sets with real images, or only with a manifest that fits."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming

MIB = 1024 * 1024
START = datetime(2026, 11, 23, 1, 0, 0, tzinfo=UTC)
OVF_SPACE = "http://schemas.dmtf.org/ovf/envelope/1/"


def uuid(number: int) -> str:
    """Return an id that is easy to read in a failure."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def iso(moment: datetime) -> str:
    """Return a time as manifests have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ovf(vm: str, disks: list[dict[str, Any]]) -> bytes:
    """Return a VM's configuration with these disks, entries of a manifest."""
    files, described = [], []
    for number, disk in enumerate(disks):
        image, name = quoteattr(uuid(0x100 + number)), quoteattr(f"{disk['id']}/{uuid(number)}")
        files.append(f"<File ovf:href={name} ovf:id={image}/>")
        gib = -(-disk["virtual_size"] // 1024**3)
        described.append(
            f'<Disk ovf:diskId={image} ovf:size="{gib}" ovf:disk-alias={quoteattr(disk["alias"])}/>'
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ovf:Envelope xmlns:ovf="{OVF_SPACE}" xmlns:xsi="x">'
        f"<References>{''.join(files)}</References><Section>{''.join(described)}</Section><Content>"
        f'<Name>web01</Name><Section ovf:id="{vm}" xsi:type="ovf:OperatingSystemSection_Type"/>'
        "</Content></ovf:Envelope>\n"
    ).encode()


@dataclass(frozen=True)
class Kind:
    """What a set is like.

    The images are real if there is any content. `changes` replace keys of the manifest. Without a
    checksum it is like one of an earlier release.
    """

    name: str = "web01"
    run: str = "run1"
    content: bytes = b""
    disks: int = 1
    fmt: str = "raw"
    parent: str | None = None
    ovf: bytes = b""
    checksum: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Repository:
    """A repository in the making."""

    path: Path

    def add(self, vm: int = 1, when: datetime = START, **options: Any) -> Path:  # noqa: ANN401
        """Add a finished set; the options are those of Kind."""
        kind = Kind(**options)
        name, run = kind.name, kind.run
        directory = self.unfinished(vm, when, name=name, run=run)
        entries = [
            self._image(directory, uuid(0xD0 + number), kind.content, kind.fmt)
            for number in range(kind.disks)
        ]
        for entry in entries:
            entry["parent"] = kind.parent
        text = kind.ovf or ovf(uuid(vm), entries)
        (directory / "vm.ovf").write_bytes(text)
        manifest = {
            "format": "ovirt_community.backup",
            "version": 1,
            "run_id": run,
            "correlation_id": run,
            "started": iso(when),
            "finished": iso(when + timedelta(minutes=10)),
            "vm": {
                "id": uuid(vm),
                "name": name,
                "cluster": "",
                "data_center": "",
                "description": "",
            },
            "snapshot": {
                "id": uuid(0x50),
                "description": "s",
                "date": (when + timedelta(seconds=5)).isoformat(),
            },
            "consistency": {"level": "filesystem", "evidence": []},
            "versions": {"engine": "4.5.7", "collection": "0", "qemu_img": "", "ansible": ""},
            "ovf": {
                "file": "vm.ovf",
                "size": len(text),
                "sha256": hashlib.sha256(text).hexdigest(),
            },
            "disks": entries,
            **kind.changes,
        }
        if kind.checksum:
            manifest["checksum"] = "manifest.sha256"
        data = json.dumps(manifest)
        (directory / "manifest.json").write_text(data)
        if kind.checksum:
            head = "# ovirt_community.backup manifest checksum 1"
            digest = hashlib.sha256(data.encode()).hexdigest()
            (directory / "manifest.sha256").write_text(f"{head}\n{digest}  manifest.json\n")
        return directory

    def unfinished(
        self, vm: int = 1, when: datetime = START, *, name: str = "web01", run: str = "run1"
    ) -> Path:
        """Add the directory of a set, empty."""
        directory = self.path / naming.vm_directory(name, uuid(vm))
        directory /= naming.set_directory(iso(when), run)
        directory.mkdir(parents=True)
        return directory

    def _image(self, directory: Path, disk: str, content: bytes, fmt: str) -> dict[str, Any]:
        size = max(len(content), MIB)
        path = directory / f"{disk}.{fmt}"
        raw = directory / "raw"
        raw.write_bytes(content)
        os.truncate(raw, size)
        digest = "a" * 64
        if content:
            digest = hashlib.sha256(raw.read_bytes()).hexdigest()
        if fmt == "raw":
            raw.rename(path)
            file_digest = digest
        else:
            subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", fmt, raw, path], check=True)
            raw.unlink()
            file_digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {
            "id": disk,
            "alias": f"disk & {disk[:8]}",
            "interface": "virtio_scsi",
            "bootable": False,
            "virtual_size": size,
            "format": fmt,
            "compression": "none",
            "file": path.name,
            "file_size": path.stat().st_size,
            "bytes_stored": 4096,
            "content_sha256": digest,
            "file_sha256": file_digest,
            "parent": None,
        }
