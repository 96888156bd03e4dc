# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore on the engine: what it makes, what it finds, and what is left when it is killed at any step.

Always in the lab: its world tells what an engine would hide.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest
from contract.restoring import Restore, set_of
from support.clocks import FakeClock
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
    EnginePermission,
    InvalidRequest,
    NotFound,
    OperationFailed,
    Refused,
    WaitTimeout,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    Plugging,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    restore_marks,
    restore_plan_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_plan_info import (
    RestorePlanInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge
from lab.lab import Lab
from lab.model import Settings
from lab.world import ADMIN, DiskSpec, VmSpec

pytestmark = pytest.mark.behind("the rows of the engine, and what goes wrong in between")
WRITES = (
    *("add_disk", "remove_disk", "describe_disk", "plug_disk", "detach"),
    *("import_vm", "comment_vm", "remove_vm", "start_vm", "stop_vm"),
    *("change_vm", "unplug_card", "profile_disk"),
)
SHOP = VmSpec(
    "shop01",
    status="down",
    disks=(
        DiskSpec("shop01_system", bootable=True),
        DiskSpec("shop01_data", size=1048576 + 512, fmt="raw", interface="virtio"),
        DiskSpec("shop01_idle", active=False),
    ),
    fields={"comment": "a comment of its own", "delete_protected": True},
)


class Killed(BaseException):
    """The controller was killed."""


class Mortal:
    """An engine whose user is killed at the n-th order, before or after it takes effect."""

    def __init__(self, engine: EnginePort, orders: int, *, after: bool) -> None:
        self._engine, self.left, self._after = engine, orders, after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._engine, name)
        return self._order(method) if name in WRITES else method

    def _order(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def order(*args: object, **options: object) -> object:
            self.left -= 1
            if self.left == 0 and not self._after:
                raise Killed
            result = method(*args, **options)
            if self.left == 0:
                raise Killed
            return result

        return order


@dataclass
class Scene(Restore):
    """A lab, a set of shop01, and the operations of a restore of it."""

    lab: Lab = field(kw_only=True)

    # ----- looking ------------------------------------------------------------------------------

    def held(self, name: str) -> list[dict[str, Any]]:
        """Return what a VM holds, in order, without what is different in each restore."""
        world = self.lab.world
        found = []
        for row in world.attachments_of(self.lab.vm(name).id):
            disk = world.disks[row.disk_id]
            shown = asdict(row)
            del shown["vm_id"], shown["disk_id"]
            found.append({**shown, "alias": disk.alias, "size": disk.virtual_size, "fmt": disk.fmt})
        return found

    def made(self) -> list[str]:
        """Names of disks that a restore made."""
        world = self.lab.world
        return sorted(d.alias for d in world.disks.values() if "ovirt_community" in d.description)

    def incomplete(self) -> list[str]:
        """Return what says of itself that it is not finished."""
        world = self.lab.world
        texts = [
            *(d.description for d in world.disks.values()),
            *(v.comment for v in world.vms.values()),
        ]
        return [text for text in texts if "in progress" in text or "begun" in text]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(disk_polls=0)
    with Lab(tmp_path_factory.mktemp("lab"), host=False, vms=(SHOP,), settings=settings) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    with set_of(lab, "shop01") as (engine, ovf, found):
        yield Scene(engine, ovf, found, lab=lab)


# ----- what is made -------------------------------------------------------------------------------


def test_a_new_vm_is_as_the_old_one_was(scene: Scene) -> None:
    before = scene.lab.control().world()
    plan = scene.plan()
    assert plan["problems"] == []
    assert (plan["state"], plan["name"]) == ("absent", "shop01-restored-20261123T010000Z")
    assert scene.lab.control().world()["disks"] == before["disks"], "a plan changes nothing"
    first = scene.vm(plan, "prepared", check=True)
    assert (first["changed"], first["vm"]) == (True, None)
    assert scene.vm(plan, "prepared")["changed"]
    assert not scene.vm(plan, "prepared")["changed"]
    assert scene.held(plan["name"]) == []
    check = scene.disks(plan, "prepared", check=True)
    assert check["changed"]
    assert [one["new_disk_id"] for one in check["disks"]] == [None] * 3
    assert scene.made() == []
    prepared = scene.disks(plan, "prepared")
    assert [one["serial"] for one in prepared["images"]] == [
        one["new_disk_id"] for one in prepared["disks"]
    ]
    assert not scene.disks(plan, "prepared")["changed"]
    assert scene.plan()["state"] == "incomplete"
    result = scene.vm(plan)
    old, new = scene.lab.vm("shop01"), scene.lab.vm(plan["name"])
    assert result["vm"] == {"id": new.id, "name": new.name, "status": "down"}
    assert (new.comment, new.description, new.os) == (old.comment, old.description, old.os)
    assert new.delete_protected
    assert new.id != old.id
    assert new.nics[0].mac != old.nics[0].mac
    assert scene.held(plan["name"]) == scene.held("shop01")
    assert scene.incomplete() == []
    assert not scene.vm(plan)["changed"]
    assert scene.plan()["state"] == "finished"
    assert scene.lab.world.attachments_of(scene.lab.vm("backup01").id) == []


def test_the_originals_are_not_taken_even_where_they_are_free(scene: Scene) -> None:
    old = scene.lab.vm("shop01")
    originals = {row.disk_id for row in scene.lab.world.attachments_of(old.id)}
    remove(scene, "shop01")
    plan = scene.restore(keep_identity=True)
    new = scene.lab.vm("shop01")
    assert (new.id, new.nics[0].mac) == (old.id, old.nics[0].mac)
    held = {row.disk_id for row in scene.lab.world.attachments_of(new.id)}
    assert held & originals == set()
    assert [one["keep_id"] for one in plan["orders"]] == [False] * 3
    assert originals <= set(scene.lab.world.disks)
    assert plan["name"] == "shop01"
    assert scene.plan(keep_identity=True)["state"] == "finished"


def lose_disks(scene: Scene) -> list[str]:
    """Remove the original and its disks; return the ids of the disks."""
    ids = [row.disk_id for row in _rows(scene, "shop01")]
    remove(scene, "shop01")
    for disk_id in ids:
        scene.engine.remove_disk(DiskId(disk_id), "x")
    until_gone(scene, ids)
    return ids


def until_gone(scene: Scene, ids: list[str]) -> None:
    deadline = time.monotonic() + 20
    while set(ids) & set(scene.lab.world.disks):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_disks_keep_their_ids_where_the_originals_are_gone(scene: Scene) -> None:
    ids = lose_disks(scene)
    plan = scene.restore(storage_domain="data1")
    assert [row.disk_id for row in _rows(scene, plan["name"])] == ids
    assert [one["keep_id"] for one in plan["orders"]] == [True] * 3
    assert "disk_ids" not in {one["kind"] for one in plan["losses"]}
    assert scene.plan(storage_domain="data1")["state"] == "finished"
    second = scene.restore(name="shop02", storage_domain="data1")
    assert not {row.disk_id for row in _rows(scene, "shop02")} & set(ids), "they are alive now"
    [lost] = [one for one in second["losses"] if one["kind"] == "disk_ids"]
    assert "shop01_system, shop01_data, shop01_idle" in lost["lost"]


def test_disks_that_were_made_with_their_ids_are_taken_up(scene: Scene) -> None:
    ids = lose_disks(scene)
    plan = scene.plan()
    assert scene.disks(plan, "prepared")["images"][0]["same_id"]
    again = scene.plan()
    assert (again["state"], [one["keep_id"] for one in again["disks"]]) == (
        "incomplete",
        [True] * 3,
    )
    found = scene.disks(again, "prepared")
    assert (found["changed"], [one["serial"] for one in found["images"]]) == (False, ids)
    assert [one["same_id"] for one in found["images"]] == [True] * 3
    scene.disks(again, "absent")
    assert scene.made() == []


def test_ids_are_new_when_that_is_asked_for(scene: Scene) -> None:
    ids = lose_disks(scene)
    plan = scene.restore(keep_disk_ids=False)
    assert not {row.disk_id for row in _rows(scene, plan["name"])} & set(ids)


def test_an_id_that_is_taken_unseen_is_left_alone(scene: Scene) -> None:
    plan = scene.plan()
    wished = {**plan, "disks": [{**one, "keep_id": True} for one in plan["disks"]]}
    before = {row.disk_id for row in _rows(scene, "shop01")}
    images = scene.disks(wished, "prepared")["images"]
    assert not {one["serial"] for one in images} & before
    assert [one["same_id"] for one in images] == [False] * 3
    assert len(scene.made()) == 3


def remove(scene: Scene, name: str) -> None:
    """Remove a VM as its owner does; its disks stay."""
    scene.lab.vm(name).delete_protected = False
    scene.engine.remove_vm(scene.engine.vms_named(name)[0].id, "x")


def test_it_is_started_when_asked(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    assert scene.vm(plan, start=True)["vm"]["status"] == "up"
    assert not scene.vm(plan, start=True)["changed"]
    scene.lab.control().status(plan["name"], "down")
    assert scene.vm(plan, start=True)["changed"]
    assert scene.lab.vm(plan["name"]).status == "up"


def test_a_test_is_started_without_a_network_and_goes_again(scene: Scene) -> None:
    before = scene.lab.control().world()
    plan = scene.plan(test=True)
    assert (plan["name"], plan["vnic_profiles"]) == ("shop01-test-20261123T010000Z", {"nic1": ""})
    assert plan["restore_id"] != scene.plan(name=plan["name"])["restore_id"]
    scene.vm(plan, "prepared", test=True)
    scene.disks(plan, "prepared")
    assert scene.vm(plan, "tested")["vm"]["status"] == "up"
    made = scene.lab.vm(plan["name"])
    assert not made.delete_protected, "or nobody could remove it"
    assert (made.nics[0].network, made.comment.partition(" [")[0]) == (
        None,
        "Test of a restore, by ovirt_community.backup",
    )
    assert scene.held(plan["name"]) == scene.held("shop01")
    assert scene.plan(test=True)["state"] == "incomplete"
    again = scene.vm(plan, "tested")
    assert (again["vm"]["status"], again["changed"]) == ("up", False), (
        "run again after it was killed"
    )
    [other] = scene.plan(name="shop02")["unfinished"]
    assert other["restore_id"] == plan["restore_id"]
    assert scene.vm(plan, "absent")["changed"]
    now = scene.lab.control().world()
    assert [now[key] for key in ("vms", "disks")] == [before[key] for key in ("vms", "disks")]


def test_an_incomplete_vm_that_somebody_started_is_not_powered_off(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    with pytest.raises(Killed):
        scene.vm(plan, engine=Mortal(scene.engine, 4, after=True))
    [moved] = _rows(scene, plan["name"])
    scene.lab.control().status(plan["name"], "up")
    scene.patience = Patience(timeout=0.3, poll_interval=0.02)
    with pytest.raises(BackupError, match="VM is running") as caught:
        scene.vm(plan, "absent")
    assert caught.value.message.startswith("LEFT BEHIND: VM shop01-restored")
    assert scene.lab.vm(plan["name"]).status == "up"
    assert _rows(scene, plan["name"]) == [moved], "what it has stays with it"
    assert len(scene.made()) == 1


def test_what_was_restored_to_stay_is_no_test(scene: Scene) -> None:
    plan = scene.plan()
    scene.restore()
    with pytest.raises(Refused, match="was restored permanently"):
        scene.vm(plan, "tested")
    scene.vm(plan, "absent")
    assert scene.lab.vm(plan["name"]).status == "down"


def test_a_test_that_does_not_come_up_is_told(scene: Scene) -> None:
    scene.lab.control().add_fault("fail_start")
    plan = scene.plan(test=True)
    scene.disks(plan, "prepared")
    with pytest.raises(OperationFailed, match="is down again"):
        scene.vm(plan, "tested")
    scene.vm(plan, "absent")
    assert scene.made() == []


def test_restores_beside_each_other(scene: Scene) -> None:
    first, second = scene.restore(), scene.restore(name="shop02")
    assert first["restore_id"] != second["restore_id"]
    assert first["vm"]["id"] != second["vm"]["id"]
    assert len(scene.made()) == 6
    cards = [scene.lab.vm(name).nics[0] for name in ("shop02", first["name"])]
    assert cards[0].mac != cards[1].mac


def test_maps_of_domains_and_profiles(scene: Scene) -> None:
    control = scene.lab.control()
    control.add_domain("fast")
    control.add_profile("isolated")
    plan = scene.restore(
        name="shop02",
        storage_domains={"shop01_data": "fast"},
        vnic_profiles={"ovirtmgmt/ovirtmgmt": "isolated/isolated"},
    )
    assert [one["storage_domain_name"] for one in plan["orders"]] == ["data1", "fast", "data1"]
    assert scene.lab.vm("shop02").nics[0].network == "isolated"
    scene.restore(name="shop03", storage_domain="fast", vnic_profiles={"nic1": ""})
    assert scene.lab.vm("shop03").nics[0].network is None
    fast = next(d.id for d in scene.lab.world.domains.values() if d.name == "fast")
    held = scene.lab.world.attachments_of(scene.lab.vm("shop03").id)
    assert {scene.lab.world.disks[row.disk_id].domain_id for row in held} == {fast}


def test_a_raw_disk_on_block_storage_is_not_said_to_be_blank(scene: Scene) -> None:
    domain = next(d.id for d in scene.lab.world.domains.values() if d.name == "data1")
    scene.lab.control().patch("domains", domain, storage="iscsi")
    whole = replace(scene.found.disks[1], virtual_size=restore_plan_info.EXTENT)
    scene.found = replace(scene.found, disks=(scene.found.disks[0], whole, scene.found.disks[2]))
    plan = scene.plan()
    raw = [one["format"] == "raw" for one in plan["disks"]]
    assert [one["blank"] for one in plan["disks"]] == [not one for one in raw]
    prepared = scene.disks(plan, "prepared")
    assert [one["blank"] for one in prepared["images"]] == [not one for one in raw]
    assert True in raw


# ----- disks alone --------------------------------------------------------------------------------


def test_one_disk_comes_back_beside_the_others(scene: Scene) -> None:
    system = scene.found.disks[0].id
    plan = scene.plan(what="disks", disks=(system,), vm="shop01")
    assert (plan["problems"], plan["name"], len(plan["disks"])) == ([], None, 1)
    scene.disks(plan, "prepared", vm="shop01")
    with pytest.raises(NotFound):
        scene.disks(plan, "present", vm="nobody")
    assert scene.disks(plan, "present", vm="shop01")["changed"]
    assert not scene.disks(plan, "present", vm="shop01")["changed"]
    last = scene.held("shop01")[-1]
    assert (last["bootable"], last["snapshot_id"]) == (False, None)
    assert last["alias"].startswith("shop01_system-restored-20")
    assert plan["receiver"]["name"] == "shop01"
    assert scene.incomplete() == []
    assert scene.plan(what="disks", disks=(system,), vm="shop01")["state"] == "finished"


def test_a_disk_comes_back_for_nobody(scene: Scene) -> None:
    data = scene.found.disks[1].id
    plan = scene.plan(what="disks", disks=(data,))
    scene.disks(plan, "prepared")
    scene.disks(plan, "present")
    [name] = scene.made()
    assert name == plan["disks"][0]["alias"] != "shop01_data"
    assert plan["receiver"] is None
    assert not scene.disks(plan, "present")["changed"]
    assert not scene.disks(plan, "absent")["changed"], "a finished disk stays"
    assert scene.plan(what="disks", disks=(data,))["state"] == "finished"
    assert "no VM 'nobody'" in scene.plan(what="disks", vm="nobody")["problems"][0]


def test_what_was_not_prepared_cannot_be_handed_over(scene: Scene) -> None:
    plan = scene.plan()
    with pytest.raises(Refused, match="has not created a new disk"):
        scene.vm(plan)
    with pytest.raises(Refused, match="has not created a new disk"):
        scene.disks(plan, "present", vm="shop01")
    assert scene.made() == []


# ----- problems ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "changes", "said"),
    [
        (None, {"name": "backup01"}, "A VM 'backup01' exists already"),
        (None, {"cluster": "Nowhere"}, "There is no cluster 'Nowhere'"),
        (None, {"cluster": "Second"}, "There is no cluster 'Second'"),
        (
            None,
            {"storage_domain": "nowhere"},
            "There is no storage domain 'nowhere' in the appliance's data centre, for disk 'shop01_system'. Active data domains: data1",
        ),
        (None, {"storage_domains": {"nothing": "data1"}}, "is not a disk of the set"),
        (None, {"vnic_profiles": {"nic1": "dmz/slow"}}, "There is no vNIC profile 'dmz/slow'"),
        (None, {"keep_identity": True, "name": "shop02"}, "The original VM still exists"),
        (None, {"name": "n" * 65}, "is longer than 64"),
        (("domains", "data1", {"available": 1000}), {}, "has 1000 bytes available"),
        (
            ("domains", "data1", {"status": "maintenance"}),
            {"storage_domain": "data1"},
            "in status maintenance",
        ),
        (("vms", "backup01", {"status": "paused"}), {}, "is paused"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_made(
    scene: Scene, control: tuple[str, str, Any] | None, changes: dict[str, Any], said: str
) -> None:
    if control is not None:
        kind, name, values = control
        rows = getattr(scene.lab.world, kind).values()
        scene.lab.control().patch(kind, next(one.id for one in rows if one.name == name), **values)
    problems = scene.plan(**changes)["problems"]
    assert any(said in one for one in problems), problems
    assert scene.made() == []


def test_a_network_that_is_gone_is_told_before_anything_is_made(scene: Scene) -> None:
    scene.ovf = re.sub(r"(<rasd:Connection>)ovirtmgmt", r"\1gone", scene.ovf)
    assert any(
        "There is no vNIC profile 'gone/ovirtmgmt'" in one for one in scene.plan()["problems"]
    )
    assert scene.made() == []


def test_a_foreign_vm_of_that_name_is_never_touched(scene: Scene) -> None:
    plan = {**scene.plan(), "name": "backup01"}
    before = asdict(scene.lab.vm("backup01"))
    with pytest.raises(Refused, match="Existing VMs are never overwritten"):
        scene.vm(plan)
    assert not scene.vm(plan, "absent")["changed"]
    assert asdict(scene.lab.vm("backup01")) == before


def test_what_others_made_is_never_removed(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    world = scene.lab.world
    stolen, renamed, _third = [d for d in world.disks.values() if "in progress" in d.description]
    world.attachments.pop((scene.lab.vm("backup01").id, stolen.id))
    scene.lab.control().status("shop01", "down")
    for row in world.attachments_of(scene.lab.vm("shop01").id):
        row.bootable = False
    other = scene.engine.vms_named("shop01")[0]
    from_us = scene.engine.attachments(other.id)[0]
    assert from_us.vm_id == other.id
    scene.engine.detach(scene.engine.vms_named("backup01")[0].id, renamed.id)  # type: ignore[arg-type]
    renamed.description = "mine now"
    world.attachments[(other.id, stolen.id)] = replace(
        world.attachments_of(other.id)[0], disk_id=stolen.id
    )
    result = scene.disks(plan, "absent")
    assert [one["disk_id"] for one in result["left"]] == [stolen.id]
    assert "it stays" in result["warnings"][0]
    assert {stolen.id, renamed.id} <= set(world.disks)
    assert len(result["removed"]) == 1


def test_a_disk_that_somebody_took_is_neither_used_nor_removed(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    world = scene.lab.world
    rescue, appliance = (scene.engine.vms_named(name)[0] for name in ("shop01", "backup01"))
    stolen = next(d for d in world.disks.values() if "in progress" in d.description)
    scene.engine.detach(appliance.id, DiskId(stolen.id))
    scene.engine.plug_disk(rescue.id, DiskId(stolen.id), Plugging("virtio_scsi", active=True), "x")
    assert scene.plan()["state"] == "incomplete"
    scene.restore()
    assert stolen.id in {row.disk_id for row in world.attachments_of(rescue.id)}
    assert stolen.id not in {row.disk_id for row in _rows(scene, plan["name"])}
    assert len(scene.made()) == 4


def test_a_disk_that_is_taken_at_the_last_moment_stays(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    world = scene.lab.world
    rescue = scene.engine.vms_named("shop01")[0]

    class Taken(Mortal):
        """Attach each disk to a VM as soon as it is free."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            method: Callable[..., Any] = getattr(self._engine, name)
            return self._steal if name == "detach" else method

        def _steal(self, vm_id: VmId, disk_id: DiskId) -> None:
            self._engine.detach(vm_id, disk_id)
            self._engine.plug_disk(rescue.id, disk_id, Plugging("virtio_scsi", active=True), "x")

    with pytest.raises(BackupError, match="is attached to VM"):
        scene.vm(plan, "absent", engine=Taken(scene.engine, 0, after=True))
    assert len(scene.made()) == 3
    assert len(world.attachments_of(rescue.id)) == 6


def test_a_new_vm_gets_no_disks_that_a_lost_one_had(scene: Scene) -> None:
    first = scene.restore()
    old = {row.disk_id for row in _rows(scene, first["name"])}
    remove(scene, first["name"])
    assert scene.plan()["state"] == "absent"
    again = scene.restore()
    assert again["changed"]
    new = {row.disk_id for row in _rows(scene, again["name"])}
    assert (len(new), new & old, old <= set(scene.lab.world.disks)) == (3, set(), True)


def test_the_appliance_itself_may_get_a_disk(scene: Scene) -> None:
    wanted: dict[str, Any] = {
        "what": "disks",
        "disks": (scene.found.disks[1].id,),
        "vm": "backup01",
    }
    plan = scene.plan(**wanted)
    first = scene.disks(plan, "prepared", vm="backup01")
    again = scene.disks(plan, "prepared", vm="backup01")
    assert first["images"] == again["images"] != []
    assert scene.disks(plan, "present", vm="backup01")["changed"]
    assert not scene.disks(plan, "present", vm="backup01")["changed"]
    assert scene.disks(plan, "prepared", vm="backup01")["images"] == []
    assert scene.plan(**wanted)["state"] == "finished"


def test_an_incomplete_disk_elsewhere_is_told(scene: Scene) -> None:
    scene.disks(scene.plan(), "prepared")
    scene.lab.control().add_domain("fast")
    with pytest.raises(Refused, match="An earlier run of this restore created disk"):
        scene.disks(scene.plan(storage_domain="fast"), "prepared")
    scene.vm(scene.plan(), "absent")
    scene.restore(storage_domain="fast")
    assert len(scene.made()) == 3


@pytest.mark.parametrize(
    ("polls", "size", "sparse"),
    [
        pytest.param(30, 1 << 20, True, id="three disks within the time of all"),
        pytest.param(300, 30 << 30, False, id="disks that the host fills with zeros"),
    ],
)
def test_disks_have_the_time_that_their_making_takes(
    scene: Scene, polls: int, size: int, sparse: bool
) -> None:
    """Each poll takes up to five seconds: together less than 600 for thin disks, and more for 30 GiB of zeros."""
    domain = next(iter(scene.lab.world.domains.values()))
    scene.lab.control().patch("domains", domain.id, available=1 << 40)
    scene.lab.control().settings(disk_polls=polls, linger=20.0)
    plan = scene.plan()
    wanted = [{**one, "size": size, "format": "raw", "sparse": sparse} for one in plan["disks"]]
    scene.clock, scene.patience = FakeClock(0.0), Patience(timeout=600, poll_interval=5)
    done = scene.disks({**plan, "disks": wanted}, "prepared")
    assert len(done["images"]) == 3
    assert (scene.clock.now() > 600) is not sparse


def test_a_disk_that_is_never_made_is_waited_for_as_long_as_it_may_take(scene: Scene) -> None:
    scene.lab.control().settings(disk_polls=1_000_000)
    scene.clock, scene.patience = FakeClock(0.0), Patience(timeout=600, poll_interval=60)
    with pytest.raises(WaitTimeout):
        scene.disks(scene.plan(), "prepared")
    assert 600 <= scene.clock.now() < 700


@pytest.mark.parametrize("how", ["detached", "described otherwise"])
def test_a_vm_that_lost_a_disk_is_not_said_to_be_there(scene: Scene, how: str) -> None:
    plan = scene.restore()
    row = _rows(scene, plan["name"])[1]
    if how == "detached":
        vm = scene.engine.vms_named(plan["name"])[0]
        scene.engine.detach(vm.id, DiskId(row.disk_id))
    else:
        scene.lab.world.disks[row.disk_id].description = "mine"
    again = scene.plan()
    [problem] = again["problems"]
    assert "no disk that it has says that it is 'shop01_data' of the set" in problem
    with pytest.raises(Refused, match="was restored from this set before"):
        scene.vm(again)
    assert len(_rows(scene, plan["name"])) == (2 if how == "detached" else 3)


def test_a_size_that_the_engine_rounds_is_noticed(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    disk = next(d for d in scene.lab.world.disks.values() if "in progress" in d.description)
    disk.virtual_size += 512
    with pytest.raises(OperationFailed, match="bytes instead of"):
        scene.disks(plan, "prepared")
    scene.disks(plan, "absent")
    assert scene.made() == []


def test_too_few_addresses_leave_nothing(scene: Scene) -> None:
    scene.lab.control().settings(free_macs=0)
    with pytest.raises(EngineFault, match="Not enough MAC addresses"):
        scene.restore()
    assert scene.made() == [], "nothing was made that would have to be thrown away"
    assert scene.incomplete() == []


def with_(text: str, element: str, value: str) -> str:
    """Return a configuration with another text in an element."""
    changed, count = re.subn(rf"(<{element}>)[^<]*", rf"\g<1>{value}", text)
    assert count == 1
    return changed


@pytest.mark.parametrize(
    ("element", "value", "said"),
    [
        ("BiosType", "9", "General command validation failure"),
        ("CustomCompatibilityVersion", "4.9", "General command validation failure"),
        ("UserDefinedProperties", "foo=1", "custom properties are not configured by the system"),
    ],
)
def test_what_the_engine_refuses_it_refuses_before_there_is_a_disk(
    scene: Scene, element: str, value: str, said: str
) -> None:
    if element == "CustomCompatibilityVersion":
        scene.ovf = scene.ovf.replace("<BiosType>", f"<{element}>{value}</{element}><BiosType>")
    else:
        scene.ovf = with_(scene.ovf, element, value)
    plan = scene.plan()
    assert plan["problems"] == []
    with pytest.raises(BackupError, match=said):
        scene.restore()
    assert scene.made() == []
    scene.vm(plan, "absent")
    assert plan["name"] not in {vm.name for vm in scene.lab.world.vms.values()}


def test_an_import_of_custom_properties_has_a_permit_of_its_own(scene: Scene) -> None:
    control = scene.lab.control()
    scene.ovf = with_(scene.ovf, "PredefinedProperties", "sap_agent=true")
    control.add_role("Restorer", ["LOGIN", "CONFIGURE_VM_STORAGE", "CREATE_DISK", "CREATE_VM"])
    control.add_role("Importer", ["IMPORT_EXPORT_VM"])
    control.add_role("Changer", ["CHANGE_VM_CUSTOM_PROPERTIES"])
    centre = next(iter(scene.lab.world.data_centres))
    grants = [
        {"role": "Restorer", "object_id": centre},
        {"role": "Importer", "object_id": "system"},
    ]
    control.add_user("restorer@internal", "secret", grants)
    user = engine_of(scene.lab, ("restorer@internal", "secret"))
    plan = scene.plan(user)
    [told] = plan["problems"]
    assert "lacks the permit change_vm_custom_properties on cluster" in told
    with pytest.raises(EnginePermission):
        scene.vm(plan, "prepared", engine=user)
    grants.append({"role": "Changer", "object_id": "system"})
    control.add_user("changer@internal", "secret", grants)
    changer = engine_of(scene.lab, ("changer@internal", "secret"))
    assert scene.held(scene.restore(changer)["name"]) == scene.held("shop01")
    for one in (user, changer):
        one.close()


def test_what_is_incomplete_can_be_removed_although_it_was_protected(scene: Scene) -> None:
    assert "<DeleteProtected>true" in scene.ovf
    plan = scene.plan()
    scene.vm(plan, "prepared")
    scene.disks(plan, "prepared")
    with pytest.raises(Killed):
        scene.vm(plan, engine=Mortal(scene.engine, 7, after=True))
    assert scene.plan()["state"] == "incomplete"
    scene.vm(plan, "absent")
    assert (scene.made(), scene.incomplete()) == ([], [])


def test_what_cannot_be_removed_is_named(scene: Scene) -> None:
    plan = scene.plan()
    scene.disks(plan, "prepared")
    scene.lab.control().add_fault("fail_unplug", times=-1)
    scene.patience = Patience(timeout=0.3, poll_interval=0.02)
    with pytest.raises(BackupError) as caught:
        scene.vm(plan, "absent")
    assert caught.value.message.startswith("LEFT BEHIND: disk shop01_")
    assert len(caught.value.details["left"]) == 3
    scene.lab.control().clear_faults()
    scene.patience = Patience(timeout=5.0, poll_interval=0.02)
    scene.vm(plan, "absent")
    assert scene.made() == []


def test_permits_that_are_missing_are_named(scene: Scene) -> None:
    control = scene.lab.control()
    control.add_role("Some", ["LOGIN", "CONFIGURE_VM_STORAGE", "CREATE_DISK"])
    centre = next(iter(scene.lab.world.data_centres))
    control.add_user("some@internal", "secret", [{"role": "Some", "object_id": centre}])
    some = engine_of(scene.lab, ("some@internal", "secret"))
    plan = scene.plan(some)
    told = " ".join(plan["problems"])
    assert "lacks the permit create_vm on cluster 'Default'" in told
    assert "lacks the permit import_export_vm on the whole engine" in told
    assert "create_disk" not in told
    assert scene.plan(some, check_permissions=False)["problems"] == []
    with pytest.raises(EnginePermission):
        scene.vm(plan, "prepared", engine=some)
    assert scene.made() == []
    some.close()


def test_the_least_rights_suffice(scene: Scene) -> None:
    control = scene.lab.control()
    control.add_role("Restorer", ["LOGIN", "CONFIGURE_VM_STORAGE", "CREATE_DISK", "CREATE_VM"])
    control.add_role("Importer", ["IMPORT_EXPORT_VM"])
    centre = next(iter(scene.lab.world.data_centres))
    grants = [
        {"role": "Restorer", "object_id": centre},
        {"role": "Importer", "object_id": "system"},
    ]
    control.add_user("restorer@internal", "secret", grants)
    user = engine_of(scene.lab, ("restorer@internal", "secret"))
    plan = scene.restore(user)
    assert scene.held(plan["name"]) == scene.held("shop01")
    user.close()


def test_nonsense_is_refused() -> None:
    for owner, restore_id, run_id in (
        ("a b", "0" * 12, "r"),
        ("a", "zz", "r"),
        ("a", "0" * 12, "r r"),
    ):
        with pytest.raises(InvalidRequest):
            restore_marks.make(owner, restore_id, run_id)


# ----- killed, and repeated -----------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 19))
def test_killed_at_any_order_and_run_again(scene: Scene, number: int, after: bool) -> None:
    mortal = Mortal(scene.engine, number, after=after)
    with pytest.raises(Killed):
        scene.restore(mortal)
    plan = scene.restore()
    assert scene.held(plan["name"]) == scene.held("shop01")
    assert scene.incomplete() == []
    assert len(scene.made()) == 3, "none twice, none lost"
    assert scene.lab.world.attachments_of(scene.lab.vm("backup01").id) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 19, 2))
def test_killed_at_any_order_and_given_up(scene: Scene, number: int, after: bool) -> None:
    before = {d.id for d in scene.lab.world.disks.values()}
    names = {vm.name for vm in scene.lab.world.vms.values()}
    mortal = Mortal(scene.engine, number, after=after)
    with pytest.raises(Killed):
        scene.restore(mortal)
    plan = scene.plan()
    finished = plan["state"] == "finished"
    scene.vm(plan, "absent")
    assert scene.incomplete() == []
    now = {vm.name for vm in scene.lab.world.vms.values()}
    assert now == (names | {plan["name"]} if finished else names)
    left = {d.id for d in scene.lab.world.disks.values()} - before
    assert left == ({row.disk_id for row in _rows(scene, plan["name"])} if finished else set())


def almost_done(scene: Scene) -> dict[str, Any]:
    """Return a restore that was killed when two disks were finished; its plan."""
    with pytest.raises(Killed):
        scene.restore(Mortal(scene.engine, 16, after=True))
    return scene.plan()


def descriptions(scene: Scene) -> list[str]:
    found = [d.description.partition(" by")[0] for d in scene.lab.world.disks.values()]
    return sorted(text for text in found if text.startswith("Restore"))


def test_a_finished_disk_that_cannot_be_marked_keeps_its_vm(scene: Scene) -> None:
    plan = almost_done(scene)
    control = scene.lab.control()
    refusal = {"method": "PUT", "path": "/diskattachments/", "status": 400, "detail": "[No.]"}
    control.add_fault("respond", times=-1, **refusal)
    patient, scene.patience = scene.patience, Patience(timeout=0.3, poll_interval=0.02)
    with pytest.raises(BackupError, match="No") as told:
        scene.vm(plan, "absent")
    scene.patience = patient
    assert len(told.value.details["left"]) == 4, "three disks and the VM, each once"
    assert len(_rows(scene, plan["name"])) == 3
    control.clear_faults()
    scene.vm(plan, "absent")
    assert scene.made() == []


def test_a_vm_that_is_finished_meanwhile_stays_with_its_disks(scene: Scene) -> None:
    plan = almost_done(scene)
    before = descriptions(scene)
    assert len(set(before)) == 2

    def finish() -> None:
        scene.lab.vm(plan["name"]).comment = "done"

    with pytest.raises(Refused, match="it is not an incomplete VM"):
        scene.vm(plan, "absent", meanwhile=finish)
    assert descriptions(scene) == before
    assert len(_rows(scene, plan["name"])) == 3


def _rows(scene: Scene, name: str) -> list[Any]:
    return list(scene.lab.world.attachments_of(scene.lab.vm(name).id))


def test_eighteen_orders_are_all(scene: Scene) -> None:
    mortal = Mortal(scene.engine, 1000, after=False)
    scene.restore(mortal)
    assert 1000 - mortal.left == 2 + 3 + 3 + 3 + 3 + 3 + 1


@pytest.mark.parametrize("number", range(0, 18, 2))
def test_an_answer_that_is_lost_doubles_nothing(scene: Scene, number: int) -> None:
    control = scene.lab.control()
    control.add_fault("drop_after", method="POST|PUT|DELETE", path="/api/", after=number)
    plan = scene.restore()
    assert len(scene.made()) == 3
    assert scene.held(plan["name"]) == scene.held("shop01")
    assert scene.incomplete() == []


def test_an_order_that_the_sdk_repeats_doubles_nothing(scene: Scene) -> None:
    control = scene.lab.control()
    control.add_fault("respond_after", method="POST", path="/api/disks$", status=401)
    plan = scene.restore()
    assert len(scene.made()) == 3
    assert scene.held(plan["name"]) == scene.held("shop01")


def test_everything_goes_through_the_edge(scene: Scene) -> None:
    operation = RestorePlanInfo(
        engine_of(scene.lab, ADMIN), SystemClock(), scene.patience, scene.request()
    )
    result, warnings = edge.perform(operation, check_mode=False)
    assert (result["changed"], warnings) == (False, ())
