# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports, reverts and moves with real disks: the chains stay intact, and no byte changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine.client import ApiClient
from lab.engine.commands import base
from lab.lab import Lab
from lab.model import Settings
from lab.world import ADMIN, DiskSpec, VmSpec

MIB = 1 << 20
SPEC = VmSpec(
    "source",
    disks=(DiskSpec("first", 4 * MIB, seed=3), DiskSpec("second", 4 * MIB, fmt="raw", seed=4)),
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    settings = Settings(snapshot_polls=0, removal_polls=0)
    with Lab(tmp_path / "lab", appliance=False, vms=(SPEC,), settings=settings) as running:
        yield running


@pytest.fixture
def api(lab: Lab) -> Iterator[ApiClient]:
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as signed_in:
        yield signed_in


def bytes_of(lab: Lab, root: Path) -> dict[str, str]:
    """Return a digest of what the guest sees on each disk."""
    found = {}
    for disk in lab.world.disks.values():
        dest = root / f"{disk.alias}.raw"
        active = lab.world.volumes[disk.active_volume_id]
        lab.engine.host.witness(base.image_of(disk, active), dest)
        found[disk.alias] = hashlib.sha256(dest.read_bytes()).hexdigest()
    return found


def test_an_ova_of_a_running_vm_leaves_the_chains_as_they_were(lab: Lab, api: ApiClient) -> None:
    vm = lab.vm("source")
    inner = "<host><name>host1a</name></host><directory>/exports</directory>"
    assert api.post(f"vms/{vm.id}/export", f"<action>{inner}</action>").status == 200
    lab.engine.tasks.drain(60)
    (made,) = lab.world.exports
    assert made.leftover is None
    assert set(made.disks) == set(lab.world.disks)
    for disk in lab.world.disks.values():
        stored = lab.real.storage.chain(disk.domain_id, disk.id)
        assert [volume.volume_id for volume in stored] == [disk.active_volume_id]


def test_a_preview_and_a_move_change_no_byte(lab: Lab, api: ApiClient, tmp_path: Path) -> None:
    lab.control().status("source", "down")
    vm = lab.vm("source")
    before = bytes_of(lab, tmp_path)
    body = "<snapshot><description>nightly</description></snapshot>"
    snapshot = api.post(f"vms/{vm.id}/snapshots", body).xml().get("id")
    lab.engine.tasks.drain(60)
    inner = f'<action><snapshot id="{snapshot}"/></action>'
    lab.control().settings(snapshot_polls=0)
    assert api.post(f"vms/{vm.id}/previewsnapshot", inner).status == 202
    assert bytes_of(lab, tmp_path) == before
    assert api.post(f"vms/{vm.id}/undosnapshot").status == 202
    assert bytes_of(lab, tmp_path) == before
    target = lab.control().add_domain("data9")
    move = f'<action><storage_domain id="{target}"/></action>'
    for disk in list(lab.world.disks):
        assert api.post(f"disks/{disk}/move", move).status == 200
    assert bytes_of(lab, tmp_path) == before
    assert api.delete(f"vms/{vm.id}/snapshots/{snapshot}").status == 200
    lab.engine.tasks.drain(60)
    assert bytes_of(lab, tmp_path) == before
    assert {len(lab.world.chain(disk)) for disk in lab.world.disks} == {1}


def test_this_host_moves_no_disk_of_a_running_vm(lab: Lab, api: ApiClient) -> None:
    target = lab.control().add_domain("data9")
    move = f'<action><storage_domain id="{target}"/></action>'
    disk = next(iter(lab.world.disks.values()))
    former = disk.domain_id
    assert api.post(f"disks/{disk.id}/move", move).status == 200
    lab.engine.tasks.drain(60)
    assert disk.domain_id == former
    assert [job.status for job in lab.world.jobs.values() if "Moving" in job.description] == [
        "failed"
    ]
