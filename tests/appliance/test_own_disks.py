# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks are the appliance's own if mountinfo shows no device number for the root file system.

The mounts are written as Linux 6.18 showed a btrfs on two devices that was mounted by another name
of one of them: a number that no device has, the name that it was mounted by, and every device below
``/sys/fs/btrfs/UUID/devices``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from appliance.sysfs import Sysfs

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    device,
    scan,
    survey,
    usage,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Paths,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_repository import (
    ApplianceRepository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_repository import (
    RepositoryRequest,
)

BTRFS = "0:39 /@ / rw,relatime - btrfs {source} rw,space_cache=v2,subvol=/@"


@dataclass
class Machine:
    """An appliance with two disks: one of its own, one of another."""

    sysfs: Sysfs

    @property
    def paths(self) -> Paths:
        """Where to look."""
        root = self.sysfs.root
        found = replace(self.sysfs.paths, mountinfo=f"{root}/mountinfo", swaps=f"{root}/swaps")
        return replace(found, btrfs=f"{root}/btrfs", proc=f"{root}/proc")

    @property
    def system(self) -> System:
        """For an operation."""
        root = self.sysfs.root
        return System(self.paths, etc=f"{root}/etc", tools=f"{root}/tools")

    def mounted(self, *mounts: str) -> None:
        """What mountinfo says."""
        lines = [f"{40 + index} 27 {mount}\n" for index, mount in enumerate(mounts)]
        (self.sysfs.root / "mountinfo").write_text("".join(lines))

    def btrfs(self, *numbers: str) -> None:
        """A btrfs that is mounted, with its devices."""
        found = self.sysfs.root / f"btrfs/{numbers[0]}-uuid/devices"
        for number in numbers:
            (found / f"device{number}").mkdir(parents=True)
            (found / f"device{number}/dev").write_text(f"{number}\n")

    def stack(self, *labels: str) -> str:
        """Build one mapped device upon another, on the second partition of vda; the last one's node."""
        below = "vda2"
        for index, label in enumerate(labels):
            self.sysfs.mapped(f"dm-{index}", label, f"X-{label}", [below])
            below = f"dm-{index}"
        return self.sysfs.node(f"mapper/{labels[-1]}", f"253:{len(labels) - 1}")

    def own(self) -> Sequence[str]:
        """Return the appliance's own disks."""
        found = survey.survey(self.system, ()).disks
        appliance_isolation.check_disks(found, (), appliance_isolation.Programs())
        return [disk.device.name for disk in found if disk.own]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """With a partitioned disk, and a plain one."""
    sysfs = Sysfs(tmp_path)
    for name, minor in (("vda", 0), ("vdb", 16), ("vdc", 32)):
        sysfs.virtual(name, f"252:{minor}")
    for number in (1, 2):
        sysfs.partition("vda", f"vda{number}", f"252:{number}")
    (tmp_path / "btrfs/features").mkdir(parents=True)
    (tmp_path / "swaps").write_text("Filename\n")
    return Machine(sysfs)


@pytest.mark.parametrize(
    "labels", [("system-root",), ("cr_root", "system-root"), ("cr_root",)], ids="/".join
)
def test_a_root_btrfs_on_lvm_or_luks_makes_the_disk_own(
    machine: Machine, labels: tuple[str, ...]
) -> None:
    node = machine.stack(*labels)
    machine.mounted(BTRFS.format(source=node))
    assert machine.own() == ["vda"]
    machine.btrfs(f"253:{len(labels) - 1}")
    assert machine.own() == ["vda"]
    [disk] = [one for one in survey.survey(machine.system, ()).disks if one.own]
    assert disk.reasons == ("mounted on /",)


def test_each_device_of_a_btrfs_is_own(machine: Machine) -> None:
    machine.mounted(BTRFS.format(source=machine.stack("system-root")))
    machine.btrfs("253:0", "252:32")
    assert machine.own() == ["vda", "vdc"]
    vdc = scan.again(machine.paths, "vdc")
    assert vdc
    assert survey.uses(machine.system, vdc) == ("mounted on /",)
    places = [usage.MountedAt("vdc", (vdc.path,), vdc.number, top=False)]
    assert usage.uses(machine.paths, places) == {"vdc": ("mounted on /",)}
    assert device.users(machine.system, vdc)[0] == "mounted on /"


def test_a_btrfs_whose_source_has_no_node_is_known_by_its_devices(machine: Machine) -> None:
    machine.stack("system-root")
    machine.mounted(BTRFS.format(source="/dev/root"))
    machine.btrfs("253:0")
    assert machine.own() == ["vda"]


def test_other_made_up_numbers_say_nothing_of_a_disk(machine: Machine) -> None:
    dead = machine.sysfs.root / "dead"
    dead.symlink_to(dead)
    machine.mounted(
        "252:1 / / rw - ext4 /dev/vda1 rw",
        f"0:40 / /mnt rw - fuse {dead} rw",
        f"0:41 / /mnt2 rw - fuse {machine.sysfs.root}/dev/gone rw",
        "0:42 / /proc rw - proc proc rw",
    )
    assert machine.own() == ["vda"]


def test_a_repository_disk_with_btrfs_below_lvm_is_known_again(machine: Machine) -> None:
    node = machine.stack("backup-repository")
    place = machine.sysfs.root / "place"
    place.mkdir(mode=0o700)
    machine.mounted(f"0:39 / {place} rw - btrfs {node} rw")
    tools = machine.sysfs.root / "tools"
    tools.mkdir()
    (tools / "blkid").write_text("#!/bin/sh\necho TYPE=btrfs; echo USAGE=filesystem; echo UUID=u\n")
    (tools / "blkid").chmod(0o755)
    plan = ApplianceRepository(RepositoryRequest(str(place), node), machine.system).plan()
    assert [type(step).__name__ for step in plan.steps] == ["AddLine"]
