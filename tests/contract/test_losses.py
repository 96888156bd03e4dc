# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore brings back beside the bytes, and that it names the rest before anything is made.

Always in the lab: its world tells what an engine would hide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from contract.restoring import Restore
from support.restorable import facts_of
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils.core import manifest
from lab.lab import Lab
from lab.model import Disk, Settings, Vm
from lab.world import DiskSpec, VmSpec

pytestmark = pytest.mark.behind("the rows of the engine")
SHOP = VmSpec(
    "shop01",
    status="down",
    disks=(
        DiskSpec("shop01_system", bootable=True),
        DiskSpec("shop01_data", fmt="raw", size=128 << 20),
    ),
)


@dataclass
class Scene(Restore):
    """A lab, and a set of shop01 as it was when the set was read."""

    lab: Lab = field(kw_only=True)

    @property
    def shop(self) -> Vm:
        """The original."""
        return self.lab.vm("shop01")

    def disks_of(self, name: str) -> dict[str, Disk]:
        """The disks of a VM by name."""
        rows = self.lab.world.attachments_of(self.lab.vm(name).id)
        found = [self.lab.world.disks[row.disk_id] for row in rows]
        return {disk.alias: disk for disk in found}

    def read(self) -> None:
        """Take the set anew."""
        self.ovf = self.engine.ovf(self.engine.vms_named("shop01")[0].id, None) or ""
        self.found = manifest.from_dict(facts_of(self.lab, "shop01", self.ovf))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(disk_polls=0)
    with Lab(tmp_path_factory.mktemp("lab"), host=False, vms=(SHOP,), settings=settings) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    lab.reset()
    engine = engine_of(lab)
    try:
        text = engine.ovf(engine.vms_named("shop01")[0].id, None) or ""
        facts = facts_of(lab, "shop01", text)
        yield Scene(engine, text, manifest.from_dict(facts), lab=lab)
    finally:
        engine.close()


def kinds(plan: dict[str, object], subject: str) -> list[str]:
    losses = plan["losses"]
    assert isinstance(losses, list)
    return [one["kind"] for one in losses if one["subject"] == subject]


# ----- disks --------------------------------------------------------------------------------------


def test_flags_of_a_disk_come_back(scene: Scene) -> None:
    was = scene.disks_of("shop01")
    was["shop01_system"].backup = "incremental"
    was["shop01_system"].sparse = False
    was["shop01_data"].wipe_after_delete = True
    scene.read()
    plan = scene.restore()
    new = scene.disks_of(str(plan["name"]))
    for alias, disk in scene.disks_of("shop01").items():
        made = new[alias]
        assert (made.backup, made.wipe_after_delete) == (disk.backup, disk.wipe_after_delete)
        assert (made.fmt, made.sparse) == (disk.fmt, disk.sparse)
        assert kinds(plan, alias) == []


def test_what_the_engine_does_not_make_of_a_disk_is_named(scene: Scene) -> None:
    was = scene.disks_of("shop01")
    was["shop01_system"].sparse = False
    was["shop01_data"].backup = "incremental"
    scene.read()
    plan = scene.restore()
    assert kinds(plan, "shop01_system") == ["allocation"]
    assert kinds(plan, "shop01_data") == ["incremental"]
    new = scene.disks_of(str(plan["name"]))
    assert (new["shop01_system"].sparse, new["shop01_data"].backup) == (True, "none")


@pytest.mark.parametrize(
    ("storage", "supports", "wiped", "kept"),
    [
        ("nfs", False, False, True),
        ("nfs", False, True, True),
        ("iscsi", True, False, True),
        ("iscsi", True, True, False),
        ("iscsi", False, False, False),
    ],
)
def test_discards_are_passed_on_where_the_storage_takes_them(
    scene: Scene, storage: str, supports: bool, wiped: bool, kept: bool
) -> None:
    [row, *_rest] = scene.lab.world.attachments_of(scene.shop.id)
    row.pass_discard = True
    scene.disks_of("shop01")["shop01_system"].wipe_after_delete = wiped
    scene.read()
    domain = next(iter(scene.lab.world.domains.values()))
    domain.storage, domain.supports_discard = storage, supports
    plan = scene.restore()
    [made, *_rest] = scene.lab.world.attachments_of(scene.lab.vm(str(plan["name"])).id)
    assert made.pass_discard is kept
    assert ("pass_discard" in kinds(plan, "shop01_system")) is not kept
