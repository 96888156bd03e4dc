# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore, in a lab or live: a new VM with the source's configuration and with empty disks like its own.

It is never started; it and its disks are removed afterwards. An import needs a permit of an
administrator.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from contract.bench import Bench
from contract.restoring import Restore
from support.restorable import facts

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Attachment,
    Disk,
    DiskId,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)

pytestmark = pytest.mark.administrator


@dataclass(frozen=True)
class Site:
    """A restore of the source VM, and the name that its new VM gets."""

    bench: Bench
    restore: Restore
    name: str

    @property
    def engine(self) -> EnginePort:
        """The administrator's connection."""
        return self.restore.engine

    def made(self) -> list[Disk]:
        """Disks that say of themselves that this restore makes them."""
        plan = self.restore.plan(name=self.name)
        return [
            one
            for one in self.engine.disks_described(plan["restore_id"])
            if plan["restore_id"] in one.description
        ]

    def held(self, vm_id: VmId) -> dict[str, tuple[Any, ...]]:
        """Return how a VM has its disks, by their names."""
        found = {}
        for one in self.engine.attachments(vm_id):
            disk = disk_of(self.engine, one)
            found[disk.alias] = (one.interface, one.bootable, one.active, disk.virtual_size)
        return found

    def clean(self) -> None:
        """Give up what is incomplete; remove the VM of our name, and its disks."""
        plan = self.restore.plan(name=self.name)
        if plan["state"] == "incomplete":
            self.restore.vm(plan, "absent")
        for vm in self.engine.vms_named(self.name):
            disks = [one.disk_id for one in self.engine.attachments(vm.id)]
            self.engine.remove_vm(vm.id, str(uuid.uuid4()))
            for disk_id in disks:
                self._remove(disk_id)

    def _remove(self, disk_id: DiskId) -> None:
        bench = self.bench
        bench.again(self.engine.remove_disk, disk_id, str(uuid.uuid4()))


def disk_of(engine: EnginePort, held: Attachment) -> Disk:
    """Return a disk that a VM has."""
    disk = engine.disk(held.disk_id)
    assert disk is not None
    return disk


@pytest.fixture
def site_of_restore(bench: Bench, administrator: EnginePort) -> Iterator[Site]:
    """The source's configuration as a set, and a name that no VM has."""
    source = bench.source
    text = administrator.ovf(source.id, None)
    assert text is not None
    disks = [
        {
            "id": one.disk_id,
            "alias": disk_of(administrator, one).alias,
            "interface": one.interface,
            "bootable": one.bootable,
            "virtual_size": disk_of(administrator, one).virtual_size,
        }
        for one in administrator.attachments(source.id)
    ]
    found = manifest.from_dict(facts(source.id, source.name, text, disks))
    patience = Patience(timeout=bench.site.patience, poll_interval=bench.site.interval)
    restore = Restore(administrator, text, found, bench.appliance.name, patience)
    site = Site(bench, restore, f"contract-{uuid.uuid4().hex[:12]}")
    try:
        yield site
    finally:
        site.clean()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cluster": "Nowhere"}, "There is no cluster 'Nowhere'"),
        ({"storage_domain": "nowhere"}, "There is no storage domain 'nowhere'"),
        ({"storage_domains": {"nothing": "nowhere"}}, "is not a disk of the set"),
        ({"keep_identity": True}, "The original VM still exists"),
        ({"name": "n" * 65}, "is longer than 64"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_made(
    site_of_restore: Site, changes: dict[str, Any], said: str
) -> None:
    wanted = {"name": site_of_restore.name, **changes}
    problems = site_of_restore.restore.plan(**wanted)["problems"]
    assert any(said in one for one in problems), problems


def test_a_name_that_is_taken(site_of_restore: Site) -> None:
    taken = site_of_restore.bench.source.name
    problems = site_of_restore.restore.plan(name=taken)["problems"]
    assert any(f"A VM '{taken}' exists already" in one for one in problems), problems


def test_a_new_vm_has_disks_as_the_source_has(site_of_restore: Site) -> None:
    site, restore = site_of_restore, site_of_restore.restore
    source = site.bench.source
    plan = restore.plan(name=site.name)
    assert plan["problems"] == []
    restore.disks(plan, "prepared")
    assert restore.vm(plan)["changed"]
    [made] = site.engine.vms_named(site.name)
    assert (made.status, made.id != source.id) == ("down", True)
    assert site.held(made.id) == site.held(source.id)
    own = {one.disk_id for one in site.engine.attachments(source.id)}
    assert own.isdisjoint(one.disk_id for one in site.engine.attachments(made.id))
    assert restore.plan(name=site.name)["state"] == "finished"
    assert not restore.vm(plan)["changed"]
    assert site.bench.borrowed() == []


def test_one_that_is_given_up_leaves_nothing(site_of_restore: Site) -> None:
    site, restore = site_of_restore, site_of_restore.restore
    plan = restore.plan(name=site.name)
    assert plan["problems"] == []
    restore.disks(plan, "prepared")
    assert len(site.made()) == len(plan["disks"])
    assert restore.plan(name=site.name)["state"] == "incomplete"
    restore.vm(plan, "absent")
    assert (site.made(), site.engine.vms_named(site.name)) == ([], [])
    assert restore.plan(name=site.name)["state"] == "absent"
