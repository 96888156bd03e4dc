# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup and one restore, by the ansible-core of this environment: the session `round_trip` has one per version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ansible.release
import pytest
from appliance.loops import MIB
from appliance.site import Site
from support.restored import compare

from lab.lab import Lab
from lab.model import Settings
from lab.world import DiskSpec, VmSpec

SHOP = VmSpec(
    "shop01",
    disks=(
        DiskSpec("shop01_system", 8 * MIB, bootable=True, fill="ext4", seed=71),
        DiskSpec("shop01_data", MIB + 512, fmt="raw", interface="virtio", seed=72),
    ),
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A small VM, which the lab keeps a copy of at each snapshot, and an appliance."""
    with Lab(tmp_path / "lab", vms=[SHOP], settings=Settings(witness=True)) as lab:
        site = Site(lab, tmp_path)
        try:
            yield site
        finally:
            site.close()


def test_a_vm_is_backed_up_and_restored(site: Site) -> None:
    backup = site.back_up(vm_backup_vms=["shop01"])
    assert backup.ends() == 0, backup.text
    [directory] = site.sets()
    manifest = site.check_whole(directory)
    assert manifest["versions"]["ansible"] == ansible.release.__version__
    given = {"manifest": manifest, "ovf": (directory / "vm.ovf").read_text(encoding="utf-8")}
    restore = site.restore(vm_restore_vm="shop01", vm_restore_name="shop02")
    assert restore.ends() == 0, restore.text
    kept = {name: str(site.lab.root / name) for name in ("storage", "witness")}
    compare(site.world(), kept, given, "shop02")
    site.check_nothing_left()
