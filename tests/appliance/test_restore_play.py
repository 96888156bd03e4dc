# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook restore: what it shows before it does anything, and a controller that dies at each step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from appliance.loops import MIB
from appliance.site import Play, Site, statistics, until
from support.restored import compare

from lab.engine.client import ApiClient
from lab.lab import Lab
from lab.model import Settings
from lab.world import DiskSpec, VmSpec

pytestmark = pytest.mark.usefixtures("pipelining")

SHOP = VmSpec(
    "shop01",
    status="down",
    disks=(
        DiskSpec("shop01_system", 8 * MIB, bootable=True, fill="ext4", seed=61),
        DiskSpec("shop01_data", MIB + 512, fmt="raw", interface="virtio", seed=62),
        DiskSpec("shop01_files", 4 * MIB, seed=63),
    ),
    fields={"comment": "sells things"},
)
DISKS = len(SHOP.disks)


@dataclass(frozen=True)
class Step:
    """An order to the engine that the controller never gets an answer to.

    Attributes:
        spare: Orders like it that come before.
    """

    name: str
    method: str
    path: str
    spare: int = 0

    def happens(self, site: Site, play: Play) -> None:
        """Lose the controller while the engine is at it; returns when the engine is done."""
        site.control.forget_requests()
        fault = {"method": self.method, "path": self.path, "after": self.spare, "seconds": 1.0}
        number = site.control.add_fault("delay", **fault)
        until(lambda: all(one["id"] != number for one in site.control.faults()))
        play.lose()
        until(lambda: self._seen(site) > self.spare)

    def _seen(self, site: Site) -> int:
        writes = site.control.writes()
        return sum(
            one.method == self.method and bool(re.search(self.path, one.path)) for one in writes
        )


@dataclass(frozen=True)
class Writing:
    """The controller is lost as soon as it had the images written."""

    name: str = "the images are written"

    def happens(self, _site: Site, play: Play) -> None:
        """Lose it; what it began goes on."""
        play.until("Write the images to the disks")
        play.lose()


STEPS = (
    Step("the VM is made", "POST", "/vms$"),
    Step("the VM takes a change", "PUT", "/vms/[^/]*$"),
    Step("a disk is made", "POST", "/disks$", 1),
    Step("a disk goes to the appliance", "POST", "/diskattachments$", 1),
    Writing(),
    Step("a disk leaves the appliance", "DELETE", "/diskattachments/[^/]*$", 1),
    Step("a disk goes to the VM", "POST", "/diskattachments$", DISKS + 1),
    Step("a disk is finished", "PUT", "/diskattachments/[^/]*$", 1),
    Step("the VM is finished", "PUT", "/vms/[^/]*$", 1),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A lab, and a set of shop01."""
    root = tmp_path_factory.mktemp("site")
    with Lab(root / "lab", vms=[SHOP], settings=Settings(witness=True, disk_polls=0)) as lab:
        found = Site(lab, root)
        try:
            backup = found.back_up(vm_backup_vms=["shop01"])
            assert backup.ends() == 0, backup.text
            yield found
        finally:
            found.close()


@pytest.fixture(scope="module")
def given(site: Site) -> dict[str, Any]:
    """What the set says."""
    [directory] = site.sets()
    manifest = json.loads((directory / "manifest.json").read_text())
    return {"manifest": manifest, "ovf": (directory / "vm.ovf").read_text()}


def rows(world: Mapping[str, Any]) -> list[Any]:
    """Return what a restore makes."""
    return [world[key] for key in ("vms", "disks", "attachments")]


def test_check_mode_shows_the_whole_plan_and_what_is_missing(site: Site) -> None:
    before = site.world()
    shown = site.restore("--check", vm_restore_vm="shop01")
    assert shown.ends() == 0, shown.text
    for line in (
        "(check mode: nothing was done)",
        "would be restored",
        r"VM        shop01-restored-\d+T\d+Z in cluster Default, new id and MAC addresses",
        "card      nic1: ovirtmgmt/ovirtmgmt",
        r"disk      shop01_system: 8\.00 MB, qcow2, virtio_scsi, boot, in data1",
        r"disk      shop01_data: 1\.00 MB, raw, virtio, in data1",
    ):
        assert re.search(line.replace("(", r"\(").replace(")", r"\)"), shown.text), shown.text
    wanting = site.restore(
        "--check",
        vm_restore_vm="shop01",
        vm_restore_name="web01" * 20,
        vm_restore_cluster="Nowhere",
        vm_restore_storage_domain="nowhere",
        vm_restore_vnic_profiles={"nic1": "dmz/slow"},
    )
    assert wanting.ends() == 2
    for said in (
        "longer than 64",
        "no cluster 'Nowhere'",
        r"Choose one with cluster \(variable vm_restore_cluster\)",
        "no storage domain 'nowhere' .*, for disk 'shop01_data'. Active data domains: data1",
    ):
        assert re.search(f"because   .*{said}", wanting.text), wanting.text
    after = site.world()
    assert rows(after) == rows(before)


def test_a_disk_alone_is_named_with_who_has_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody was told which disk was made, and its name was that of the original beside it."""
    monkeypatch.setenv("ANSIBLE_SHOW_CUSTOM_STATS", "1")
    wanted = {
        "vm_restore_vm": "shop01",
        "vm_restore_disks": ["shop01_files"],
        "vm_restore_attach_to": "shop01",
        "ovirt_backup_auth": site.lab.auth(),
    }
    vm = site.lab.vm("shop01").id
    before = {row["id"] for row in site.world()["disks"]}
    for again in (False, True):
        done = site.play("restore_disk", **wanted)
        assert done.ends() == 0, done.text
        [made] = [row for row in site.world()["disks"] if row["id"] not in before]
        assert re.fullmatch(r"shop01_files-restored-\d+T\d+Z", made["alias"])
        assert f"disk      {made['alias']}, of shop01_files: " in done.text
        assert f"in data1, new id {made['id']}" in done.text
        assert f"attached  to shop01 ({vm})" in done.text
        assert ("OK, it was there already" in done.text) == again
        [said] = statistics(done.text)["vm_restore"].values()
        assert (said["ok"], said["check_mode"], said["was_there"]) == (True, False, again)
        assert said["attached_to"] == {"id": vm, "name": "shop01"}
        [disk] = said["disks"]
        assert (disk["new_disk_id"], disk["alias"]) == (made["id"], made["alias"])


def changes(play: Play) -> int:
    """Return how many tasks changed something, or would have."""
    found = re.search(r"^backup01 +: .* changed=(\d+) ", play.text, re.MULTILINE)
    assert found is not None, play.text
    return int(found[1])


@pytest.mark.parametrize(
    ("name", "wanted", "count", "again"),
    [
        ("restore", {"vm_restore_name": "shop-checked"}, 4, 0),
        ("restore", {"vm_restore_test": True}, 5, 5),
        ("restore_disk", {"vm_restore_disks": ["shop01_data"]}, 3, 0),
    ],
)
def test_check_mode_says_how_much_would_change(
    site: Site, name: str, wanted: Mapping[str, Any], count: int, again: int
) -> None:
    def play(*args: str) -> int:
        given = {"vm_restore_vm": "shop01", "ovirt_backup_auth": site.lab.auth(), **wanted}
        running = site.play(name, *args, **given)
        assert running.ends() == 0, running.text
        return changes(running)

    before = site.world()
    assert play("--check") == count
    assert rows(site.world()) == rows(before)
    assert play() == count
    assert play("--check") == again


def test_a_test_comes_up_and_goes_again(site: Site) -> None:
    before = site.world()
    tested = site.restore("-v", "-e", "vm_restore_test=true", vm_restore_vm="shop01")
    assert tested.ends() == 0, tested.text
    assert "OK, it came up and was removed" in tested.text
    assert "card      nic1: not connected (was ovirtmgmt/ovirtmgmt)" in tested.text
    assert "content_sha256" in tested.text, "results are shown"
    assert "Envelope" not in tested.text, "but no configuration"
    after = site.world()
    assert rows(after) == rows(before)
    new = [one["code"] for one in after["events"] if one not in before["events"]]
    assert [code for code in new if code in (32, 33)] == [32, 33]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name.replace(" ", "-"))
def test_a_lost_controller_loses_nothing(
    site: Site, given: dict[str, Any], step: Step | Writing
) -> None:
    name = f"shop-{STEPS.index(step)}"
    before = {row["id"] for row in site.world()["disks"]}
    wanted = {"vm_restore_vm": "shop01", "vm_restore_name": name}
    step.happens(site, site.restore(**wanted))
    again = site.restore(**wanted)
    assert again.ends() == 0, again.text
    world = site.world()
    facts = {"storage": str(site.lab.root / "storage"), "witness": str(site.lab.root / "witness")}
    compare(world, facts, given, name)
    made = [row for row in world["disks"] if row["id"] not in before]
    assert len(made) == DISKS, "none twice, none lost"
    texts = [row["description"] for row in world["disks"]] + [r["comment"] for r in world["vms"]]
    assert [text for text in texts if "in progress" in text] == []
    appliance = site.lab.vm("backup01").id
    assert [row for row in world["attachments"] if row["vm_id"] == appliance] == []


def test_what_is_refused_before_the_writing_leaves_nothing(site: Site) -> None:
    before = site.world()
    refusal = {"method": "POST", "path": "/vms$", "status": 409, "detail": "[No such chipset.]"}
    site.control.add_fault("respond", **refusal)
    refused = site.restore(vm_restore_vm="shop01", vm_restore_name="shop-refused")
    assert refused.ends() == 2, refused.text
    assert re.search(r"because   .*No such chipset", refused.text), refused.text
    assert "Create the disks and attach them" not in refused.text
    assert rows(site.world()) == rows(before)


def test_what_is_refused_after_the_writing_throws_nothing_away(
    site: Site, given: dict[str, Any]
) -> None:
    name = "shop-late"
    before = {row["id"] for row in site.world()["disks"]}
    wanted = {"vm_restore_vm": "shop01", "vm_restore_name": name}
    refusal = {"method": "POST", "path": "/diskattachments$", "status": 409, "detail": "[No.]"}
    site.control.add_fault("respond", after=DISKS, **refusal)
    refused = site.restore(**wanted)
    assert refused.ends() == 2, refused.text
    made = {row["id"] for row in site.world()["disks"]} - before
    assert len(made) == DISKS
    told = re.search(
        r"because   All images are written, and what was created stays.*", refused.text
    )
    assert told is not None, refused.text
    assert all(one in told[0] for one in made), told[0]
    again = site.restore(**wanted)
    assert again.ends() == 0, again.text
    world = site.world()
    facts = {"storage": str(site.lab.root / "storage"), "witness": str(site.lab.root / "witness")}
    compare(world, facts, given, name)
    assert {row["id"] for row in world["disks"]} - before == made, "nothing was made twice"


def test_disks_have_their_ids_again_when_the_originals_are_gone(site: Site) -> None:
    lab = site.lab
    shop = lab.vm("shop01")
    own = {disk.alias for disk in SHOP.disks}
    rows = lab.world.attachments_of(shop.id)
    ids = [row.disk_id for row in rows if lab.world.disks[row.disk_id].alias in own]
    auth = lab.auth()
    with ApiClient(lab.url, auth["ca_file"], auth["username"], auth["password"]) as api:
        assert api.delete(f"vms/{shop.id}").status == 200
        until(lambda: not set(ids) & set(lab.world.disks))
    restored = site.restore(vm_restore_vm="shop01", vm_restore_name="shop-again")
    assert restored.ends() == 0, restored.text
    held = lab.world.attachments_of(lab.vm("shop-again").id)
    assert [row.disk_id for row in held] == ids
    assert f"same id {ids[0]}" in restored.text
