# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is allowed on a VM that holds disk snapshots, or whose disk snapshots others hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.guarded import ATTACHED, CASES, HOLDER, NONE, Case
from support.guarded import PLUGGED as PLUGGED_WORD
from support.guarded import SOURCE as SOURCE_PART
from support.guarded import UNPLUGGED as UNPLUGGED_WORD
from unit.samples import APPLIANCE, DISKS, SNAPSHOTS, SOURCE

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import (
    rules,
    vm_guard,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.vm_guard import (
    Loan,
    Standing,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import stamp

PLUGGED = Loan(
    DISKS[0], "system", SNAPSHOTS[0], "event", APPLIANCE.id, "appliance", SOURCE.id, "web01", True
)
UNPLUGGED = replace(PLUGGED, disk_id=DISKS[1], alias="data", plugged=False)


def broken(operation: str, standing: Standing) -> list[str]:
    return [one.rule.id for one in vm_guard.check([operation], standing)]


@pytest.mark.parametrize("operation", ["exprot", "", "EXPORT"])
def test_an_operation_that_the_table_does_not_know_is_never_allowed(operation: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{operation!r} is not known"):
        vm_guard.check(["start", operation], Standing(SOURCE))


def test_the_table_has_every_operation_in_both_parts() -> None:
    asked = {(case.operation, case.part) for case in CASES}
    assert asked == {(name, part) for name in vm_guard.OPERATIONS for part in (HOLDER, SOURCE_PART)}
    assert len(asked) == len(CASES)


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.operation}-{case.part}")
def test_every_operation(case: Case, attached: str) -> None:
    loans = {PLUGGED_WORD: (PLUGGED,), UNPLUGGED_WORD: (UNPLUGGED,), NONE: ()}[attached]
    vm = APPLIANCE if case.part == HOLDER else SOURCE
    standing = Standing(vm, holds=loans) if case.part == HOLDER else Standing(vm, lent=loans)
    rule = case.rule[attached]
    assert broken(case.operation, standing) == ([rule] if rule else [])


def test_each_loan_is_named() -> None:
    since = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    standing = Standing(SOURCE, lent=(replace(PLUGGED, since=since), UNPLUGGED))
    first, second = vm_guard.check(["remove"], standing)
    assert first.message == (
        f"remove of 'web01': its disk 'system' as in snapshot {SNAPSHOTS[0]} is attached to"
        " 'appliance' (plugged, since 2026-11-23T01:02:03+00:00)."
    )
    assert "'data'" in second.message
    assert "(not plugged)" in second.message
    assert first.evidence == {
        "operation": "remove",
        "part": "source",
        "disk_id": DISKS[0],
        "alias": "system",
        "snapshot_id": SNAPSHOTS[0],
        "evidence": "event",
        "holder_id": APPLIANCE.id,
        "holder_name": "appliance",
        "source_vm_id": SOURCE.id,
        "source_vm_name": "web01",
        "plugged": True,
        "since": "2026-11-23T01:02:03+00:00",
        "owner": None,
        "run_id": None,
    }
    assert second.evidence["since"] is None


@pytest.mark.parametrize(
    ("loan", "text"),
    [
        (PLUGGED, f"holds disk 'system' of 'web01' as in snapshot {SNAPSHOTS[0]} (plugged)"),
        (replace(PLUGGED, source_name=None), f"of '{SOURCE.id}'"),
        (replace(PLUGGED, source_name=None, source_id=None), "of 'another VM'"),
        (replace(PLUGGED, snapshot_id=None), "as in an unknown snapshot"),
    ],
)
def test_what_a_holder_is_told(loan: Loan, text: str) -> None:
    [found] = vm_guard.check(["export"], Standing(APPLIANCE, holds=(loan,)))
    assert text in found.message
    assert found.rule is rules.NO_EXPORT


loans = st.lists(st.sampled_from([PLUGGED, UNPLUGGED]), unique=True).map(tuple)


@given(st.lists(st.sampled_from(vm_guard.OPERATIONS), unique=True), loans, loans)
def test_operations_are_judged_one_by_one(
    operations: list[str], holds: tuple[Loan, ...], lent: tuple[Loan, ...]
) -> None:
    standing = Standing(APPLIANCE, holds, lent)
    together = vm_guard.check(operations, standing)
    assert together == [one for name in operations for one in vm_guard.check([name], standing)]
    assert {one.evidence["operation"] for one in together} <= set(operations)
    if not holds and not lent:
        assert together == []


STAMP = stamp.make("site", "4f0c2a91d7be", datetime(2026, 11, 24, tzinfo=UTC))


def test_whose_backup_it_is() -> None:
    since = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    ours = replace(PLUGGED, since=since, stamp=STAMP)
    found = vm_guard.check(
        ["export"], Standing(APPLIANCE, holds=(ours, replace(ours, alias="data")))
    )
    assert (
        "(plugged, since 2026-11-23T01:02:03+00:00, for run 4f0c2a91d7be of owner site)"
        in found[0].message
    )
    assert vm_guard.wait_line("appliance", [one.to_dict() for one in found], 7199.6) == (
        "appliance: waiting until the backup of web01 on appliance is over (run 4f0c2a91d7be of owner site,"
        " since 2026-11-23T01:02:03+00:00); at most 7200 s left"
    )


def test_a_wait_for_what_nobody_knows() -> None:
    strange = replace(PLUGGED, source_name=None)
    unknown = replace(strange, source_id=None, holder_name="other")
    found = vm_guard.check(["remove"], Standing(SOURCE, lent=(strange, unknown)))
    assert vm_guard.wait_line("web01", [one.to_dict() for one in found], 1) == (
        f"web01: waiting until the backup of {SOURCE.id} on appliance is over (no known run) and the backup of"
        " another VM on other is over (no known run); at most 1 s left"
    )
