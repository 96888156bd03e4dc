# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which permits a backup needs, where they are inherited from, and how missing ones are reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import APPLIANCE, DISKS, SOURCE, attachment, disk

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import permissions
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Location,
    Vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
    MISSING,
    NEEDS,
    PERMITS,
    SYSTEM,
    UNCERTAIN,
    Grant,
    Permission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots import (
    backup_plan_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
    ApplianceOverview,
    SourceOverview,
)

ROOT = Path(__file__).resolve().parents[4]
CENTRE, CLUSTER, FAR, DOMAIN = "centre", "cluster", "far-cluster", "domain"
HERE = Location("Default", CENTRE)
WEB = replace(SOURCE, cluster_id=CLUSTER)
BOX = replace(APPLIANCE, cluster_id=FAR)
DATA = disk(DISKS[0], "data", storage_domain_id=DOMAIN)
LUN = disk(DISKS[1], "lun", storage_type="lun", storage_domain_id="")
ALL = frozenset(PERMITS)
BY_PERMIT = {need.permit: need for need in NEEDS}


def source(*disks_: str, vm: Vm = WEB) -> SourceOverview:
    pairs = [disk(one, f"disk {one}", storage_domain_id=DOMAIN) for one in disks_]
    return SourceOverview(
        "web01", vm, tuple((attachment(one.id), one) for one in pairs), location=HERE
    )


def appliance(*given_: Grant) -> ApplianceOverview:
    return ApplianceOverview(BOX, HERE, grants=given_)


def lacking(where: SourceOverview, *given_: Grant) -> set[tuple[str, str, str]]:
    found = backup_plan_info.missing_permits(where, appliance(*given_))
    return {(one.need.permit, one.place.id, one.certainty) for one in found}


def test_the_least_that_is_needed() -> None:
    kinds = {need.permit: need.kind for need in NEEDS}
    assert kinds == {
        "login": permissions.ANYTHING,
        "manipulate_vm_snapshots": permissions.SOURCE,
        "configure_vm_storage": permissions.APPLIANCE,
        "attach_disk": permissions.DISK,
    }
    assert all(need.calls and need.sentence.endswith(".") and need.grant_on for need in NEEDS)


def test_the_playbook_makes_roles_of_exactly_these() -> None:
    plays = yaml.safe_load((ROOT / "playbooks/permissions.yml").read_text(encoding="utf-8"))
    tasks = [task.get("ovirt.ovirt.ovirt_role") for play in plays for task in play["tasks"]]
    backup, events, restore, importing = [task for task in tasks if task is not None]
    assert sorted(backup["permits"]) == sorted(PERMITS)
    assert events["permits"] == ["login"]
    needed = {need.permit for need in permissions.RESTORE_NEEDS}
    administrative = {"import_export_vm", "change_vm_custom_properties"}
    assert {*restore["permits"], *administrative} == needed
    assert set(importing["permits"]) == {"login", *administrative}
    assert importing["administrative"] is True
    assert [one for one in (backup, events, restore) if "administrative" in one] == []


@given(st.sets(st.sampled_from(DISKS), min_size=1), st.sampled_from([CENTRE, SYSTEM]))
def test_the_list_on_the_data_centre_is_enough(disks_: set[str], where: str) -> None:
    assert lacking(source(*disks_), Grant(where, ALL)) == set()


@given(
    st.sets(st.sampled_from(DISKS), min_size=1),
    st.sampled_from(PERMITS),
    st.sampled_from([CENTRE, SYSTEM]),
)
def test_one_permit_less_and_exactly_that_is_named(
    disks_: set[str], permit: str, where: str
) -> None:
    given_ = appliance(Grant(where, ALL - {permit}))
    found = backup_plan_info.missing_permits(source(*disks_), given_)
    assert {(one.need.permit, one.certainty) for one in found} == {(permit, MISSING)}
    facts = backup_plan_info.source_dict(source(*disks_), given_)
    [problem] = facts["problems"]
    assert facts["warnings"] == []
    assert f"lacks the permit {permit} on" in problem
    assert [name for name in PERMITS if name in problem] == [permit]
    assert all(call in problem for call in BY_PERMIT[permit].calls)
    if permit == "attach_disk":
        assert all(one in problem for one in disks_)


@given(st.sampled_from(PERMITS), st.permutations(PERMITS))
def test_permits_may_come_from_several_roles(permit: str, order: list[str]) -> None:
    split = [Grant(CENTRE, frozenset({one})) for one in order if one != permit]
    assert lacking(source(DISKS[0]), *split, Grant(SYSTEM, frozenset({permit}))) == set()
    assert {one[0] for one in lacking(source(DISKS[0]), *split)} == {permit}


VM_REACH = [
    ("web", True, False),
    (CLUSTER, True, False),
    ("box", False, True),
    (FAR, False, True),
    (CENTRE, True, True),
    (SYSTEM, True, True),
    (DOMAIN, False, False),
    (DATA.id, False, False),
    ("elsewhere", False, False),
]


@pytest.mark.parametrize(("where", "of_source", "of_appliance"), VM_REACH)
def test_from_where_a_right_reaches_the_vms(
    where: str, of_source: bool, of_appliance: bool
) -> None:
    object_id = {"web": WEB.id, "box": BOX.id}.get(where, where)
    found = {permit for permit, _place, _word in lacking(source(), Grant(object_id, ALL))}
    assert ("manipulate_vm_snapshots" not in found) == of_source
    assert ("configure_vm_storage" not in found) == of_appliance
    assert "login" not in found, "on any object"


@pytest.mark.parametrize(
    ("where", "of_disk", "of_lun"),
    [
        (DATA.id, None, MISSING),
        (DOMAIN, None, MISSING),
        (CENTRE, None, MISSING),
        (SYSTEM, None, None),
        (WEB.id, UNCERTAIN, MISSING),
        (CLUSTER, UNCERTAIN, MISSING),
        (BOX.id, MISSING, MISSING),
        (LUN.id, MISSING, None),
        ("elsewhere", MISSING, MISSING),
        ("", MISSING, MISSING),
    ],
)
def test_from_where_a_right_reaches_a_disk(
    where: str, of_disk: str | None, of_lun: str | None
) -> None:
    for one, expected in ((DATA, of_disk), (LUN, of_lun)):
        place = permissions.disk_place(one, WEB, HERE)
        need = BY_PERMIT["attach_disk"]
        found = permissions.missing([need], [Grant(where, ALL)], [place])
        assert [entry.certainty for entry in found] == ([expected] if expected else [])


def test_a_right_through_a_vm_is_a_warning_and_no_problem() -> None:
    given_ = appliance(Grant(WEB.id, ALL), Grant(BOX.id, ALL))
    facts = backup_plan_info.source_dict(source(DISKS[0], DISKS[1]), given_)
    assert facts["problems"] == []
    [warning] = facts["warnings"]
    assert "attach_disk" in warning
    assert f"'disk {DISKS[0]}' ({DISKS[0]}), 'disk {DISKS[1]}' ({DISKS[1]})" in warning
    direct = [Grant(one, ALL) for one in (WEB.id, BOX.id, DISKS[0], DISKS[1])]
    assert lacking(source(DISKS[0], DISKS[1]), *direct) == set()


def test_a_disk_that_is_left_out_needs_no_permit() -> None:
    pairs = tuple((attachment(one.id), one) for one in (DATA, LUN))
    given_ = appliance(Grant(WEB.id, ALL), Grant(BOX.id, ALL), Grant(DATA.id, ALL))
    assert backup_plan_info.missing_permits(replace(source(), disks=pairs), given_) == ()


def test_nothing_is_missing_where_nobody_looked_or_there_is_no_vm() -> None:
    unknown = ApplianceOverview(BOX, HERE)
    assert backup_plan_info.missing_permits(source(DISKS[0]), unknown) == ()
    assert backup_plan_info.missing_permits(SourceOverview("gone"), appliance()) == ()
    everything = backup_plan_info.missing_permits(source(DISKS[0]), appliance())
    assert [one.need.permit for one in everything] == list(PERMITS)


def test_roles_and_permits_are_joined() -> None:
    mine = [Permission("r1", CENTRE), Permission("r2", SYSTEM), Permission("r1", DOMAIN)]
    joined = permissions.grants(mine, {"r1": ["login", "attach_disk"], "r2": []})
    both = frozenset({"login", "attach_disk"})
    assert joined == (Grant(CENTRE, both), Grant(SYSTEM, frozenset()), Grant(DOMAIN, both))


def test_a_restore_is_told_which_playbook_grants_what_is_missing() -> None:
    needs = [need for need in permissions.RESTORE_NEEDS if need not in NEEDS]
    places = [
        permissions.GrantPlace(need.kind, WEB.id, "web01", frozenset({WEB.id})) for need in needs
    ]
    found = permissions.problems(permissions.missing(needs, [], places))
    assert len(found) == len(needs)
    for problem in found:
        assert problem.endswith(
            "; the playbook ovirt_community.backup.permissions, with restore_user, makes roles that suffice and"
            " grants them."
        )
