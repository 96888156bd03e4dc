# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a set without this collection: with its README, qemu-img, and plain API calls."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.restorable import StoredDisk, make_set

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set import (
    read_manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import readme
from lab.engine.client import ApiClient
from lab.lab import Lab
from lab.world import ADMIN, VmSpec

MIB = 1 << 20
DISKS = (
    StoredDisk(
        "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10",
        b"boot" * 100_000,
        4 * MIB,
        "web01 system's disk",
        "qcow2",
        {"bootable": True},
    ),
    StoredDisk(
        "0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02",
        b"data" * 1000,
        MIB + 512,
        "web01_data",
        "raw",
        {"interface": "virtio"},
    ),
)
WORDS = {"VirtIO-SCSI": "virtio_scsi", "VirtIO": "virtio"}


@dataclass(frozen=True)
class Told:
    """What the README says of a disk."""

    id: str
    size: int
    interface: str
    bootable: bool
    upload: str


@pytest.fixture
def path(repository: Path) -> Path:
    """A set with its README."""
    path = make_set(repository, DISKS)
    (path / "README").write_text(readme.render(read_manifest(str(path))))
    return path


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A small oVirt with an appliance and no other VM."""
    appliance = VmSpec("backup01", appliance=True, repository_size=16 * MIB)
    with Lab(tmp_path / "lab", vms=(), appliance=appliance) as running:
        yield running


def commands(text: str) -> list[str]:
    """Return the commands of the README, in order."""
    return [line[4:] for line in text.splitlines() if re.match(r"    (echo|qemu-img) ", line)]


def told(text: str) -> list[Told]:
    """Return what it says of each disk."""
    pattern = re.compile(
        r"^\d+\. .*\n +id +(\S+)\n +file .*\n +size +(\d+) bytes.*\n +interface +(\S+)\n +bootable +(\w+)$",
        re.MULTILINE,
    )
    names = {
        name[7:43]: name for name in re.findall(r"^    (upload-\S+) +alias", text, re.MULTILINE)
    }
    return [
        Told(disk_id, int(size), WORDS[interface], bootable == "yes", names[disk_id])
        for disk_id, size, interface, bootable in pattern.findall(text)
    ]


def test_the_readme_is_enough(path: Path, lab: Lab) -> None:
    text = (path / "README").read_text()
    lines = commands(text)
    assert len(lines) == 3 + 2 * len(DISKS)
    script = "set -eu\n" + "\n".join(lines)
    done = subprocess.run(
        ["sh", "-c", script], cwd=path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == 3
    assert done.stdout.count("Images are identical.") == len(DISKS)
    disks = told(text)
    assert [one.id for one in disks] == [disk.id for disk in DISKS]
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as api:
        made = [new_disk(lab, api, path, one) for one in disks]
        vm_id = new_vm(lab, api)
        for disk_id, one in zip(made, disks, strict=True):
            attach(api, vm_id, disk_id, one.interface, bootable=one.bootable)
        held = api.get(f"vms/{vm_id}/diskattachments").xml()
    assert [one.findtext("interface") for one in held] == ["virtio_scsi", "virtio"]
    assert [one.findtext("bootable") for one in held] == ["true", "false"]
    for disk_id, stored in zip(made, DISKS, strict=True):
        assert content(lab, disk_id) == stored.content + bytes(stored.size - len(stored.content))


def attach(
    api: ApiClient, vm_id: str, disk_id: str, interface: str, *, bootable: bool = False
) -> None:
    """Attach a disk by a plain call."""
    flags = f"<active>true</active><bootable>{str(bootable).lower()}</bootable>"
    body = f'<interface>{interface}</interface>{flags}<disk id="{disk_id}"/>'
    reply = api.post(f"vms/{vm_id}/diskattachments", f"<disk_attachment>{body}</disk_attachment>")
    assert reply.status == 201, reply.body


def new_disk(lab: Lab, api: ApiClient, path: Path, one: Told) -> str:
    """Return an empty disk of the size that the README names; the prepared image is written through the appliance."""
    domain = next(row.id for row in lab.world.domains.values() if row.name == "data1")
    where = f'<storage_domains><storage_domain id="{domain}"/></storage_domains>'
    size = f"<provisioned_size>{one.size}</provisioned_size><format>raw</format>"
    made = api.post("disks", f"<disk><alias>{one.upload}</alias>{size}{where}</disk>").xml()
    disk_id = made.get("id") or ""
    for _look in range(2):
        api.get(f"disks/{disk_id}")
    appliance = lab.vm("backup01").id
    attach(api, appliance, disk_id, "virtio_scsi")
    device = lab.real.hypervisor.device(appliance, disk_id)
    fmt = one.upload.rpartition(".")[2]
    write = ["qemu-img", "convert", "-n", "-f", fmt, "-O", "raw", one.upload, str(device)]
    subprocess.run(write, cwd=path, check=True)
    assert api.delete(f"vms/{appliance}/diskattachments/{disk_id}").status == 200
    return disk_id


def new_vm(lab: Lab, api: ApiClient) -> str:
    """Return an empty VM."""
    cluster = next(row.id for row in lab.world.clusters.values() if row.name == "Default")
    body = f'<name>web01</name><cluster id="{cluster}"/><template><name>Blank</name></template>'
    return api.post("vms", f"<vm>{body}</vm>").xml().get("id") or ""


def content(lab: Lab, disk_id: str) -> bytes:
    """Return the bytes of a disk on the storage."""
    disk = lab.world.disks[disk_id]
    return lab.real.storage.path(disk.domain_id, disk_id, disk.active_volume_id).read_bytes()
