# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of a restore that need neither engine nor device."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.restorable import STARTED, VM_ID, StoredDisk, configuration
from unit.samples import APPLIANCE, SOURCE, uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import options
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Cluster,
    Disk,
    DiskId,
    Domain,
    Location,
    Vm,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import image_files
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    disk_image_restore,
    restore_marks,
    restore_plan_info,
    restore_source_info,
    restore_steps,
    restored_disks,
    restored_vm,
)

SHA = "0" * 64
OTHER = "1" * 64
DISK_ID = uuid(0xD0)
OVF = configuration([StoredDisk(DISK_ID, b"", 1)])
MARK = restore_marks.make("tests", "0123456789ab", "run1")
ORDER: dict[str, Any] = {
    "disk_id": DISK_ID,
    "alias": "web01_system",
    "size": 1024,
    "format": "qcow2",
    "sparse": True,
    "storage_domain": uuid(0xE),
    "interface": "virtio",
    "bootable": True,
    "read_only": False,
    "pass_discard": False,
    "active": True,
}


def facts(**changes: object) -> dict[str, Any]:
    disk = {
        "id": DISK_ID,
        "alias": "web01_system",
        "interface": "virtio",
        "bootable": True,
        "virtual_size": 1024,
        "format": "qcow2",
        "compression": "none",
        "file": "a.qcow2",
        "file_size": 512,
        "bytes_stored": 512,
        "content_sha256": SHA,
        "file_sha256": SHA,
        "parent": None,
    }
    return {
        "format": manifest.FORMAT,
        "version": 1,
        "run_id": "run1",
        "correlation_id": "",
        "started": STARTED,
        "finished": STARTED,
        "vm": {"id": VM_ID, "name": "web01", "cluster": "", "data_center": "", "description": ""},
        "snapshot": {"id": VM_ID, "description": "", "date": ""},
        "consistency": {"level": "crash", "evidence": []},
        "versions": {"engine": "", "collection": "", "qemu_img": "", "ansible": ""},
        "ovf": {"file": "vm.ovf", "size": 1, "sha256": SHA},
        "disks": [{**disk, **changes}],
    }


SET = manifest.from_dict(facts())
REQUEST = restore_plan_info.RestoreRequest("backup01", "tests", SET, OVF)
DOMAIN = Domain(uuid(0xE), "data1", "data", "active", 10_000)
CLUSTER = Cluster(uuid(0xC), "Default", uuid(0xDC))
TARGET = restore_plan_info.RestoreTarget(
    APPLIANCE, Location("Default", uuid(0xDC)), (CLUSTER,), (DOMAIN,), frozenset({"ovirtmgmt/fast"})
)


def result(
    request: restore_plan_info.RestoreRequest, target: restore_plan_info.RestoreTarget
) -> tuple[Any, tuple[str, ...]]:
    return restore_plan_info.result(request, ovf.read(request.ovf), target)


# ----- the plan -----------------------------------------------------------------------------------


def test_defaults_need_no_choice_where_there_is_one_of_each() -> None:
    found, warnings = result(REQUEST, replace(TARGET, state=restore_plan_info.INCOMPLETE))
    assert found["problems"] == []
    assert found["cluster"]["name"] == "Default"
    assert found["disks"][0]["storage_domain"] == DOMAIN.id
    assert found["name"] == "web01-restored-20261123T010000Z"
    assert "The data of the set has the consistency 'crash'." in warnings
    assert any("this run continues it" in one for one in warnings)


def test_a_storage_domain_that_is_not_there_is_named_with_those_that_are() -> None:
    other = Domain(uuid(0xF), "data2", "data", "active", 10_000)
    two = replace(TARGET, domains=(DOMAIN, other))
    wishes = restore_plan_info.Wishes(
        storage_domains={"web01_system": "dta1"}, storage_domain="data1"
    )
    found, _warnings = result(replace(REQUEST, wishes=wishes), two)
    assert found["problems"] == [
        "There is no storage domain 'dta1' in the appliance's data centre, for disk 'web01_system'."
        " Active data domains: data1, data2."
    ]
    [unsaid] = result(REQUEST, two)[0]["problems"]
    assert options.told(unsaid, "restore_plan_info") == (
        "No storage domain could be chosen for disk 'web01_system'. Choose with storage_domain (variable"
        " vm_restore_storage_domain) or storage_domains (variable vm_restore_storage_domains); active data"
        " domains: data1, data2."
    )


def test_thin_raw_disks_are_thick_on_block_storage() -> None:
    disk = replace(SET.disks[0], virtual_size=3 * restore_plan_info.EXTENT)
    device = replace(ovf.read(OVF).disks[0], format="raw")
    assert restore_plan_info.order(disk, device, DOMAIN)["sparse"]
    assert not restore_plan_info.order(disk, device, replace(DOMAIN, block=True))["sparse"]
    assert restore_plan_info.order(
        disk, replace(device, format="qcow2"), replace(DOMAIN, block=True)
    )["sparse"]
    assert restore_plan_info.order(disk, device, None)["storage_domain"] == ""


def test_raw_disks_on_block_storage_are_not_blank_when_they_are_made() -> None:
    disk = replace(SET.disks[0], virtual_size=restore_plan_info.EXTENT)
    thin = ovf.read(OVF).disks[0]
    raw, block = replace(thin, format="raw"), replace(DOMAIN, block=True)
    found = [
        restore_plan_info.order(disk, device, domain)["blank"]
        for device in (raw, thin)
        for domain in (DOMAIN, block, None)
    ]
    assert found == [True, False, True, True, True, True]
    odd = restore_plan_info.order(
        replace(disk, virtual_size=restore_plan_info.EXTENT + 512), raw, block
    )
    assert (odd["format"], odd["sparse"], odd["blank"]) == ("qcow2", True, True)
    [order] = restore_steps.read_orders([{**ORDER, "blank": False}])
    assert not order.blank
    assert restore_steps.read_orders([ORDER])[0].blank


def test_a_raw_disk_that_block_storage_would_round_is_named() -> None:
    raw = replace(REQUEST, ovf=OVF.replace('volume-format="COW"', 'volume-format="RAW"'))
    assert raw.ovf != OVF
    block = replace(TARGET, domains=(replace(DOMAIN, block=True),))
    found, _warnings = result(raw, block)
    assert found["disks"][0]["format"] == "qcow2"
    assert [one for one in found["losses"] if "was raw and becomes qcow2" in one["lost"]]
    found, _warnings = result(raw, TARGET)
    assert found["disks"][0]["format"] == "raw"
    assert not [one for one in found["losses"] if "becomes qcow2" in one["lost"]]


def test_the_home_of_the_original_is_taken_where_it_is_usable() -> None:
    other = Domain(uuid(0xF), "data2", "data", "active", 10_000)
    both = replace(TARGET, domains=(DOMAIN, other), homes={DISK_ID: other.id})
    assert result(REQUEST, both)[0]["disks"][0]["storage_domain_name"] == "data2"
    away = replace(both, domains=(DOMAIN, replace(other, status="maintenance")))
    assert result(REQUEST, away)[0]["disks"][0]["storage_domain_name"] == "data1"
    nowhere = replace(both, homes={})
    assert "active data domains: data1, data2" in result(REQUEST, nowhere)[0]["problems"][0]
    silent = replace(TARGET, domains=(replace(DOMAIN, available=None),))
    assert result(REQUEST, silent)[0]["problems"] == []


def test_a_map_that_fits_no_card_is_told() -> None:
    wishes = restore_plan_info.Wishes(vnic_profiles={"producton/fast": "", "nic1": ""})
    _found, warnings = result(replace(REQUEST, wishes=wishes), TARGET)
    assert any("'producton/fast', which is not a network card" in one for one in warnings)
    assert not any("'nic1'" in one for one in warnings)


def test_what_an_earlier_run_made_needs_no_room_again() -> None:
    tight = replace(
        TARGET, domains=(replace(DOMAIN, available=1),), state=restore_plan_info.INCOMPLETE
    )
    found, warnings = result(REQUEST, tight)
    assert "bytes available" in found["problems"][0]
    assert any("what it created stays for now" in one for one in warnings)
    found, _warnings = result(REQUEST, replace(tight, begun={DISK_ID: 510}))
    assert "at least 2 are needed" in found["problems"][0], "thin, and hardly written"
    found, warnings = result(REQUEST, replace(tight, begun={DISK_ID: 512}))
    assert found["problems"] == []
    assert any("this run continues it" in one for one in warnings)


@pytest.mark.parametrize(
    ("receiver", "place", "interface", "said"),
    [
        (SOURCE, uuid(0xDC), "sata", "on sata, and cannot be plugged into a running VM"),
        (replace(SOURCE, status="down"), uuid(0xDC), "sata", ""),
        (SOURCE, uuid(0xDC), "virtio", ""),
        (replace(SOURCE, status="suspended"), uuid(0xDC), "virtio", "is suspended"),
        (SOURCE, uuid(0xDD), "virtio", "is in another data centre"),
    ],
)
def test_a_vm_that_cannot_take_the_disks_is_told_before_they_are_written(
    receiver: Vm, place: str, interface: str, said: str
) -> None:
    request = replace(
        REQUEST,
        what=restore_plan_info.DISKS,
        vm="x",
        manifest=manifest.from_dict(facts(interface=interface)),
    )
    target = replace(TARGET, receiver=receiver, receiver_place=Location("Default", place))
    found, _warnings = result(request, replace(target, state=restore_plan_info.FINISHED))
    assert found["problems"] == []
    found, _warnings = result(request, target)
    assert (said in " ".join(found["problems"])) if said else found["problems"] == []


def test_other_restores_of_the_same_disks_are_told() -> None:
    def half(text: str) -> Disk:
        return replace(made(1).disk, description=text)

    other = restore_marks.make("tests", "fedcba987654", "run0")
    strangers = (
        restore_marks.make("others", "fedcba987654", "run0").disk_text(DISK_ID),
        MARK.disk_text(DISK_ID),
        other.done_text(DISK_ID),
        other.disk_text(uuid(0xD1)),
        "in progress",
    )
    disks = [half(other.disk_text(DISK_ID)), *(half(text) for text in strangers)]
    [found] = restore_plan_info.unfinished(MARK, {DISK_ID}, disks)
    assert found == restore_plan_info.Unfinished("fedcba987654", "run0", ("web01_system",))
    _found, warnings = result(REQUEST, replace(TARGET, unfinished=(found,)))
    assert any("Another restore, fedcba987654 of the set of run run0" in one for one in warnings)


def test_a_network_alone_is_a_connection_too() -> None:
    assert result(REQUEST, TARGET)[0]["nics"][0]["was"] == "ovirtmgmt"
    assert result(REQUEST, TARGET)[0]["problems"] == []
    bare = replace(TARGET, profiles=frozenset())
    assert "none this user may use" in result(REQUEST, bare)[0]["problems"][0]


def test_a_test_is_called_so_and_connected_where_it_was_said_alone() -> None:
    test = replace(REQUEST, wishes=restore_plan_info.Wishes(test=True))
    found = result(test, replace(TARGET, profiles=frozenset()))[0]
    assert (found["name"], found["problems"]) == ("web01-test-20261123T010000Z", [])
    assert found["nics"] == [{"name": "nic1", "was": "ovirtmgmt", "will_be": ""}]
    wishes = restore_plan_info.Wishes(test=True, vnic_profiles={"nic1": "ovirtmgmt"})
    connected = result(replace(REQUEST, wishes=wishes), TARGET)[0]
    assert connected["vnic_profiles"] == {"nic1": "ovirtmgmt"}


def test_what_a_set_lacks_is_told() -> None:
    more = configuration([StoredDisk(DISK_ID, b"", 1), StoredDisk(uuid(0xD1), b"", 1, "lun")])
    found, warnings = result(replace(REQUEST, ovf=more), TARGET)
    assert found["left_out"] == [
        {"disk_id": uuid(0xD1), "alias": "lun", "reason": "the set has no image of it"}
    ]
    assert any("'lun' will not be restored" in one for one in warnings)


@given(st.text(min_size=1, max_size=300))
def test_a_name_that_was_made_up_is_never_too_long(name: str) -> None:
    vm = replace(SET.vm, name=name)
    request = replace(REQUEST, manifest=replace(SET, vm=vm))
    assert len(restore_plan_info.wanted_name(request)) <= restore_plan_info.NAME_LIMIT


def test_a_disk_that_is_restored_alone_has_another_name_than_its_original() -> None:
    alone = replace(REQUEST, what=restore_plan_info.DISKS, vm="x")
    found = result(alone, replace(TARGET, receiver=SOURCE))[0]
    assert found["disks"][0]["alias"] == "web01_system-restored-20261123T010000Z"
    assert found["disks"][0]["source_alias"] == "web01_system"
    assert found["receiver"] == {"id": SOURCE.id, "name": SOURCE.name}
    assert result(replace(alone, vm=""), TARGET)[0]["receiver"] is None
    found = result(REQUEST, replace(TARGET, receiver=SOURCE))[0]
    assert (found["disks"][0]["alias"], found["receiver"]) == ("web01_system", None)
    disk = replace(SET.disks[0], alias="x" * 300)
    assert len(restore_plan_info.disk_name(disk, alone)) == restore_plan_info.ALIAS_LIMIT


def test_the_same_restore_has_the_same_name_and_no_other_has() -> None:
    others = [
        replace(REQUEST, owner="other"),
        replace(REQUEST, what=restore_plan_info.DISKS),
        replace(REQUEST, what=restore_plan_info.DISKS, vm="a"),
        replace(REQUEST, disks=(DISK_ID,)),
        replace(REQUEST, wishes=restore_plan_info.Wishes(name="x")),
        replace(REQUEST, wishes=restore_plan_info.Wishes(keep_identity=True)),
        replace(REQUEST, wishes=restore_plan_info.Wishes(test=True)),
        replace(
            REQUEST,
            wishes=restore_plan_info.Wishes(test=True, name=restore_plan_info.wanted_name(REQUEST)),
        ),
        replace(REQUEST, manifest=replace(SET, run_id="run2")),
    ]
    names = {restore_plan_info.restore_id(one) for one in [REQUEST, *others]}
    assert len(names) == len(others) + 1
    assert restore_plan_info.restore_id(replace(REQUEST, appliance="another")) in names


# ----- marks --------------------------------------------------------------------------------------


def test_marks_are_read_as_they_were_written() -> None:
    assert restore_marks.parse(MARK.begun_text()) == restore_marks.Read(MARK, True)
    assert restore_marks.parse(MARK.vm_text()) == restore_marks.Read(MARK, True)
    assert restore_marks.parse(MARK.test_text()) == restore_marks.Read(MARK, True, test=True)
    assert restore_marks.parse(MARK.disk_text(DISK_ID)) == restore_marks.Read(MARK, True, DISK_ID)
    assert restore_marks.parse(MARK.done_text(DISK_ID)) == restore_marks.Read(MARK, False, DISK_ID)


@given(st.text())
def test_nothing_else_is_a_mark(text: str) -> None:
    assert restore_marks.parse(text) is None
    assert restore_marks.parse(f"{text} {MARK.vm_text()} {text}") is None


def test_another_heading_is_no_mark() -> None:
    assert restore_marks.parse(MARK.vm_text().replace("in progress", "forever")) is None


# ----- orders and steps ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disks", "said"),
    [
        ([], "is empty"),
        ([ORDER, ORDER], "The same disk is given twice"),
        ([{**ORDER, "size": 0}], "not a number of bytes"),
        ([{**ORDER, "size": "1"}], "not a number of bytes"),
        ([{**ORDER, "format": "vmdk"}], "unknown format or interface"),
        ([{**ORDER, "interface": "nvme"}], "unknown format or interface"),
        ([{"disk_id": DISK_ID}], "has no alias, size"),
    ],
)
def test_orders_that_make_no_sense(disks: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        restore_steps.read_orders(disks)


def made(
    number: int, *, incomplete: bool = True, holders: frozenset[VmId] | None = frozenset()
) -> restore_steps.Made:
    disk = Disk(DiskId(uuid(number)), "web01_system", 1024, 0, "qcow2", "ok")
    return restore_steps.Made(disk, DISK_ID, incomplete, holders)


def situation(
    *disks: restore_steps.Made, vm: Vm | None = None, incomplete: bool = True
) -> restore_steps.Situation:
    orders = restore_steps.read_orders([ORDER])
    return restore_steps.Situation(
        MARK, APPLIANCE, orders, disks, vm, incomplete and vm is not None
    )


def test_a_test_is_started_and_never_finished() -> None:
    held = made(1, holders=frozenset({APPLIANCE.id}))
    kinds = [
        type(step) for step in restored_vm.plan_vm(situation(held), start=False, test=True).steps
    ]
    assert kinds == [
        *(restore_steps.ImportStep, restore_steps.TryStep, restore_steps.MoveStep),
        *(restore_steps.SettleVmStep, restore_steps.StartStep, restore_steps.AskStep),
    ]
    kept = situation(made(1, incomplete=False), vm=APPLIANCE, incomplete=False)
    with pytest.raises(Refused, match="restored permanently"):
        restored_vm.plan_vm(kept, start=False, test=True)


@pytest.mark.parametrize("start", [True, False])
def test_a_vm_is_put_right_before_it_is_finished(*, start: bool) -> None:
    held = made(1, holders=frozenset({APPLIANCE.id}))
    plan = restored_vm.plan_vm(situation(held), start=start)
    begun = [restore_steps.StartStep, restore_steps.AskStep] if start else []
    assert [type(step) for step in plan.steps] == [
        *(restore_steps.ImportStep, restore_steps.TryStep, restore_steps.MoveStep),
        *(restore_steps.SettleVmStep, restore_steps.FinishDiskStep, restore_steps.FinishVmStep),
        *begun,
    ]


@pytest.mark.parametrize(
    ("expected", "answered", "steps", "guest"),
    [
        (True, False, [restore_steps.AskStep], "silent"),
        (True, True, [], "answered"),
        (False, False, [], "silent"),
        (False, True, [], "answered"),
        (True, None, [restore_steps.AskStep], ""),
    ],
)
def test_a_test_that_is_up_is_not_over_until_its_guest_answers(
    *, expected: bool, answered: bool | None, steps: list[type], guest: str
) -> None:
    up = replace(SOURCE, status="up")
    held = situation(made(1, holders=frozenset({up.id})), vm=up)
    now = replace(held, tried=True, expected=expected, answered=answered)
    plan = restored_vm.plan_vm(now, start=False, test=True)
    assert [type(step) for step in plan.steps] == steps
    assert plan.result["guest"] == guest


def test_a_vm_is_made_and_tried_before_there_is_a_disk() -> None:
    there = situation(vm=SOURCE)
    for now, kinds in (
        (situation(), [restore_steps.ImportStep, restore_steps.TryStep]),
        (there, [restore_steps.TryStep]),
        (replace(there, tried=True), []),
        (situation(vm=SOURCE, incomplete=False), []),
    ):
        plan = restored_vm.plan_prepared_vm(now)
        assert [type(step) for step in plan.steps] == kinds
        assert plan.result["disks"] == []


@pytest.mark.parametrize(
    ("state", "test", "text"),
    [
        (restore_steps.PREPARED, False, MARK.vm_text()),
        (restore_steps.PREPARED, True, MARK.test_text()),
        (restore_steps.PRESENT, False, MARK.vm_text()),
        (restore_steps.TESTED, False, MARK.test_text()),
    ],
)
def test_only_what_is_made_for_a_test_says_that_it_is_one(
    state: str, test: bool, text: str
) -> None:
    request = restored_vm.VmRequest(state, MARK, "backup01", "web02", test=test)
    assert request.incomplete_text() == text


def test_a_disk_is_made_with_the_id_of_an_original_that_is_gone() -> None:
    for target, kept in ((TARGET, False), (replace(TARGET, free_ids=frozenset([DISK_ID])), True)):
        [wanted] = result(REQUEST, target)[0]["disks"]
        assert wanted["keep_id"] is kept
        now = replace(situation(), orders=restore_steps.read_orders([wanted]))
        made_ = restored_disks.plan_prepared(now).steps[0]
        assert isinstance(made_, restore_steps.CreateDiskStep)
        assert made_.disk.id == (DISK_ID if kept else "")
    never = replace(REQUEST, wishes=restore_plan_info.Wishes(keep_disk_ids=False))
    assert not result(never, target)[0]["disks"][0]["keep_id"]


def test_only_what_a_restore_made_with_the_originals_id_is_written() -> None:
    original = disk_image_restore.WriteTarget(DISK_ID, DISK_ID)
    request = disk_image_restore.WriteRequest("/srv/x", "0123456789ab", (original,))
    with pytest.raises(InvalidRequest, match="is the original disk"):
        disk_image_restore.check_write(request)
    disk_image_restore.check_write(replace(request, targets=(replace(original, same_id=True),)))
    disk = replace(made(1).disk, id=DiskId(DISK_ID))
    kept = situation(replace(made(1, holders=frozenset({APPLIANCE.id})), disk=disk))
    [image] = restored_disks.plan_prepared(kept).result["images"]
    assert image["same_id"]
    [other] = restored_disks.plan_prepared(situation(made(1))).result["images"]
    assert not other["same_id"]


def test_the_time_to_make_disks_grows_with_what_the_host_has_to_write() -> None:
    thin = restore_steps.read_orders([{**ORDER, "size": 30 << 30}])[0]
    thick = replace(thin, sparse=False)
    other = replace(thick, disk_id=DiskId("of another disk"))

    def seconds(*orders: restore_steps.DiskOrder) -> float:
        plugs = [restore_steps.PlugStep(one, None) for one in orders]
        return restore_steps.making_seconds(plugs, 600)

    assert seconds(thin) == 600
    assert seconds(thick) == seconds(thick, thick) == 600 + 1536
    assert seconds(thick, other) == 600 + 2 * 1536


def test_a_finished_vm_without_one_of_its_disks_is_not_finished() -> None:
    there = situation(
        made(1, incomplete=False, holders=frozenset({SOURCE.id})), vm=SOURCE, incomplete=False
    )
    assert restored_vm.plan_vm(there, start=False).steps == ()
    with pytest.raises(Refused, match="'web01_system' of the set: detached, removed"):
        restored_vm.plan_vm(situation(vm=SOURCE, incomplete=False), start=False)
    target = replace(
        TARGET, namesake=SOURCE, state=restore_plan_info.FINISHED, lacking=("web01_system",)
    )
    [problem] = result(REQUEST, target)[0]["problems"]
    assert "Restore these disks alone" in problem
    assert result(REQUEST, replace(target, lacking=()))[0]["problems"] == []


def test_of_two_disks_the_one_in_use_stays() -> None:
    plan = restored_disks.plan_prepared(
        situation(made(1), made(2, holders=frozenset({APPLIANCE.id})))
    )
    [step] = plan.steps
    assert step == restore_steps.RemoveDiskStep(DiskId(uuid(1)), "web01_system")


def test_a_new_vm_gets_no_disk_that_another_had() -> None:
    free = made(1, incomplete=False)
    kinds = [type(step) for step in restored_disks.plan_prepared(situation(free)).steps]
    assert kinds == [restore_steps.CreateDiskStep, restore_steps.PlugStep]
    with pytest.raises(Refused, match="has not created a new disk"):
        restored_vm.plan_vm(situation(free), start=False)
    nobody = replace(situation(free), for_nobody=True)
    assert restored_disks.plan_prepared(nobody).steps == ()


def test_what_the_appliance_is_to_get_is_written_all_the_same() -> None:
    held = made(1, holders=frozenset({APPLIANCE.id}))
    now = situation(held, vm=APPLIANCE, incomplete=False)
    [image] = restored_disks.plan_prepared(now).result["images"]
    assert image["serial"] == uuid(1)
    done = situation(
        made(1, incomplete=False, holders=frozenset({APPLIANCE.id})), vm=APPLIANCE, incomplete=False
    )
    assert restored_disks.plan_prepared(done).result["images"] == []
    assert restored_disks.plan_handover(done).steps == ()


def test_a_disk_that_was_handed_over_and_not_said_so_is_finished_alone() -> None:
    there = situation(made(1, holders=frozenset({SOURCE.id})), vm=SOURCE, incomplete=False)
    [step] = restored_disks.plan_handover(there).steps
    assert isinstance(step, restore_steps.FinishDiskStep)
    assert restored_disks.plan_prepared(there).result["images"] == []


def test_an_incomplete_disk_somewhere_else_is_not_used() -> None:
    order = restore_steps.read_orders([ORDER])[0]
    plain = made(1).disk
    for disk in (replace(plain, storage_domain_id=uuid(0xF)), replace(plain, format="raw")):
        there = replace(made(1), disk=disk)
        with pytest.raises(Refused, match=f"not as qcow2 in {order.storage_domain}"):
            restored_disks.plan_prepared(situation(there))


def test_a_disk_whose_holder_nobody_knows_is_nobodys() -> None:
    plan = restored_disks.plan_prepared(situation(made(1, holders=None)))
    assert isinstance(plan.steps[0], restore_steps.CreateDiskStep)
    gone = restore_steps.plan_absent(situation(made(1, holders=None), vm=SOURCE))
    assert gone.steps == (restore_steps.RemoveVmStep(SOURCE),)
    assert gone.result["left"][0]["holders"] == []
    assert not situation(made(1, incomplete=False, holders=None), vm=SOURCE).finished(
        restore_steps.read_orders([ORDER])[0]
    )


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(
                [
                    *(None, frozenset(), frozenset({APPLIANCE.id}), frozenset({SOURCE.id})),
                    frozenset({SOURCE.id, APPLIANCE.id}),
                ]
            ),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_only_what_is_incomplete_and_ours_is_ever_removed(
    disks: list[tuple[bool, frozenset[VmId] | None]], incomplete: bool
) -> None:
    there = [made(n, incomplete=half, holders=held) for n, (half, held) in enumerate(disks)]
    now = situation(*there, vm=SOURCE, incomplete=incomplete)
    ours = {APPLIANCE.id, SOURCE.id} if incomplete else {APPLIANCE.id}
    allowed = {
        one.disk.id
        for one in there
        if one.incomplete and one.holders is not None and one.holders <= ours
    }
    early = {
        one.disk.id
        for one in there
        if incomplete and not one.incomplete and one.holders == frozenset({SOURCE.id})
    }
    reopened = set()
    for plan in (restore_steps.plan_absent(now), restored_disks.plan_prepared(now)):
        for step in plan.steps:
            if isinstance(step, restore_steps.ReopenDiskStep):
                assert step.disk_id in early
                reopened.add(step.disk_id)
            if isinstance(step, restore_steps.RemoveDiskStep):
                assert step.disk_id in allowed | reopened
            if isinstance(step, restore_steps.RemoveVmStep):
                assert incomplete


# ----- images -------------------------------------------------------------------------------------


RECORD = disk_image_restore.WriteRecord("r", "serial", 1024, SHA)


@pytest.mark.parametrize(
    ("sha", "blank", "noted", "verdict"),
    [
        (SHA, True, False, disk_image_restore.DONE),
        (SHA, False, False, disk_image_restore.DONE),
        (OTHER, True, False, disk_image_restore.WRITE),
        (OTHER, True, True, disk_image_restore.WRITE),
        (OTHER, False, True, disk_image_restore.REWRITE),
    ],
)
def test_what_may_be_done_with_a_device(sha: str, blank: bool, noted: bool, verdict: str) -> None:
    content = disk_image_restore.DeviceContent(sha, blank)
    assert disk_image_restore.decide(RECORD, content, noted, "/dev/sdb") == verdict


def test_a_device_that_holds_something_is_refused() -> None:
    with pytest.raises(Refused, match="It was left unchanged"):
        disk_image_restore.decide(
            RECORD, disk_image_restore.DeviceContent(OTHER, False), False, "/dev/sdb"
        )


def test_zeros_are_left_out_on_blank_devices_alone() -> None:
    disk = SET.disks[0]
    blank = disk_image_restore.write_argv("qemu-img", disk, "a", "b", blank=True)
    assert "--target-is-zero" in blank
    assert "--target-is-zero" not in disk_image_restore.write_argv(
        "qemu-img", disk, "a", "b", blank=False
    )
    assert blank[-2:] == ["a", "b"]


@pytest.mark.parametrize(
    ("said", "code", "message", "hint"),
    [
        ("something else", "tool_failed", "failed (1): something else", ""),
        (
            "qemu-img: error while writing at byte 0: No space left on device",
            *(
                "no_space",
                "'web01_system' was not written completely: storage domain 'data1' is full",
            ),
            "Free space in the storage domain",
        ),
        (
            "qemu-img: error while writing at byte 0: Input/output error",
            *("device_lost", "'web01_system' (/dev/sdb) was not written completely: qemu-img"),
            "If storage domain 'data1' is full, free space",
        ),
        (
            "qemu-img: Could not open '/dev/sdb': No such device",
            *(
                "device_lost",
                "(/dev/sdb) was lost: qemu-img: Could not open",
                "may have been detached",
            ),
        ),
    ],
)
def test_what_a_failed_write_means(said: str, code: str, message: str, hint: str) -> None:
    target = disk_image_restore.WriteTarget(DISK_ID, uuid(1), storage="data1")
    outcome = image_files.Outcome(1, said)
    fault = disk_image_restore.write_fault(outcome, "/dev/sdb", SET.disks[0], target)
    assert fault.code == code
    assert message in fault.message
    assert hint in fault.hint
    unnamed = disk_image_restore.not_written(
        "/dev/sdb", SET.disks[0], replace(target, storage=""), "x"
    )
    assert "If its storage domain is full" in unnamed.hint


def test_images_that_need_others_or_are_none() -> None:
    disk = SET.disks[0]
    raw = replace(disk, format="raw")
    assert disk_image_restore.image_fault(raw, 512, b"") == ""
    assert disk_image_restore.image_fault(raw, 511, b"") == "has 511 bytes, not 512"
    assert disk_image_restore.image_fault(disk, 512, b"") == "is not a qcow2 image"
    head = bytearray(image_files.QCOW2_HEADER_LENGTH)
    head[:8] = b"QFI\xfb\x00\x00\x00\x03"
    head[24:32] = (2048).to_bytes(8, "big")
    assert "holds a disk of 2048 bytes" in disk_image_restore.image_fault(disk, 512, bytes(head))
    head[24:32] = (1024).to_bytes(8, "big")
    assert disk_image_restore.image_fault(disk, 512, bytes(head)) == ""


def test_sets_that_build_on_others_are_refused() -> None:
    with pytest.raises(Refused, match="depend on other sets"):
        disk_image_restore.check_whole(manifest.from_dict(facts(parent="run0")))


@pytest.mark.parametrize(
    "request_",
    [
        restore_source_info.SourceRequest(),
        restore_source_info.SourceRequest(vm="web01"),
        restore_source_info.SourceRequest(path="/a", vm="web01"),
        restore_source_info.SourceRequest(path="/a", before=datetime(2026, 11, 23, tzinfo=UTC)),
    ],
)
def test_a_source_that_names_no_set(request_: restore_source_info.SourceRequest) -> None:
    with pytest.raises(InvalidRequest):
        restore_source_info.check_source(request_)


@pytest.mark.parametrize(
    ("machine", "mode", "problems", "warnings"),
    [
        (None, "require", 0, 0),
        (APPLIANCE.id, "compare", 0, 0),
        (SOURCE.id, "compare", 1, 0),
        (SOURCE.id, "ignore", 0, 0),
        ("", "compare", 0, 1),
        ("", "require", 1, 0),
    ],
)
def test_the_machine_that_writes_is_the_appliance(
    machine: str | None, mode: str, problems: int, warnings: int
) -> None:
    found, said = result(replace(REQUEST, machine_id=machine, identity=mode), TARGET)
    assert len(found["problems"]) == problems
    assert len([one for one in said if one.startswith("Cannot tell whether")]) == warnings
