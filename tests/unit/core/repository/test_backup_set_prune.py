# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sets are kept and which are removed, over random histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.core.repository.test_catalogue import document, seen
from unit.samples import uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    catalogue,
    manifest,
    verification_record,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set_prune import (
    BUCKETS,
    Duration,
    Policy,
    PruneRequest,
    decide,
    parse_duration,
    summary,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MANIFEST = manifest.from_dict(document(1, 0, "web01"))
VERIFIED = verification_record.VerificationRecord(
    run_id="",
    manifest_sha256="",
    time="2026-11-24T00:00:00Z",
    verdict="ok",
    depth="files",
    faults=(),
    notes=(),
    tools={},
    seconds=1.0,
)


@dataclass(frozen=True)
class Made:
    """A set of a history."""

    time: datetime
    state: str = catalogue.COMPLETE
    vm: int = 1
    parent: str | None = None
    verified: bool = False
    protected: bool = False
    changed_days_ago: float = 100.0
    name: str = "web01"
    doubt: str = ""


def build(*history: Made) -> catalogue.Catalogue:
    """Return a catalogue; the run id of a set is its place in the history."""
    entries = []
    for number, made in enumerate(history):
        disks = (replace(MANIFEST.disks[0], parent=made.parent),)
        entries.append(
            catalogue.Entry(
                path=f"/r/{made.vm}/{number}",
                vm_id=uuid(made.vm),
                vm_name=made.name,
                run_id=str(number),
                time=made.time,
                state=made.state,
                reason="",
                manifest=replace(MANIFEST, disks=disks),
                verified=VERIFIED if made.verified else None,
                doubt=made.doubt,
                seen=replace(
                    seen(),
                    protected=made.protected,
                    modified=(NOW - timedelta(days=made.changed_days_ago)).timestamp(),
                ),
            )
        )
    return catalogue.Catalogue("/r", tuple(entries))


def kept(
    found: catalogue.Catalogue,
    policy: Policy,
    busy: dict[str, str] | None = None,
    **options: Any,  # noqa: ANN401
) -> dict[str, list[str]]:
    """Reasons by run id, of those that stay."""
    decisions = decide(found, PruneRequest("/r", policy, **options), NOW, busy)
    return {one.entry.run_id: one.reasons for one in decisions if one.keep}


def days(*ago: float, **more: Any) -> list[Made]:  # noqa: ANN401
    return [Made(NOW - timedelta(days=one), **more) for one in ago]


# ----- random histories ---------------------------------------------------------------------------

moments = st.integers(0, 3 * 366 * 24).map(lambda hours: NOW - timedelta(hours=hours))


@st.composite
def histories(draw: st.DrawFn) -> catalogue.Catalogue:
    made = draw(
        st.lists(
            st.builds(
                Made,
                time=moments,
                state=st.sampled_from([*[catalogue.COMPLETE] * 6, *catalogue.STATES]),
                vm=st.integers(1, 2),
                parent=st.one_of(st.none(), st.none(), st.integers(0, 30).map(str)),
                verified=st.booleans(),
                doubt=st.sampled_from(["", "", "", "odd"]),
                protected=st.sampled_from([False] * 5 + [True]),
                changed_days_ago=st.sampled_from([0.5, 3.0, 8.0, 100.0]),
            ),
            max_size=30,
        )
    )
    return build(*made)


counts = st.integers(0, 8)
policies = st.builds(
    Policy,
    last=counts,
    hourly=counts,
    daily=counts,
    weekly=counts,
    monthly=counts,
    yearly=counts,
    within=st.sampled_from(["", "12h", "3d", "1m2d", "1y"]),
)
requests = st.builds(
    PruneRequest,
    repository=st.just("/r"),
    policy=policies,
    unfinished_days=st.sampled_from([0.0, 1.0, 7.0]),
    remove_corrupt=st.booleans(),
)


def split(
    found: catalogue.Catalogue, request: PruneRequest
) -> tuple[list[catalogue.Entry], list[catalogue.Entry]]:
    """Return what stays and what goes."""
    decisions = decide(found, request, NOW)
    stays = [one.entry for one in decisions if one.keep]
    return stays, [one.entry for one in decisions if not one.keep]


@given(histories(), requests)
def test_the_last_good_set_stays(found: catalogue.Catalogue, request: PruneRequest) -> None:
    stays, _goes = split(found, request)
    for vm in {entry.vm_id for entry in found.entries if entry.counts}:
        good = [one for one in found.entries if one.vm_id == vm and one.counts]
        newest = max(good, key=lambda one: (one.time, one.run_id))
        assert newest in stays
        verified = [one for one in good if one.verified]
        if verified:
            assert max(verified, key=lambda one: (one.time, one.run_id)) in stays


@given(histories(), requests)
def test_nothing_goes_that_a_kept_set_builds_on(
    found: catalogue.Catalogue, request: PruneRequest
) -> None:
    stays, goes = split(found, request)
    needed = {(entry.vm_id, parent) for entry in stays for parent in entry.parents}
    assert not needed & {(entry.vm_id, entry.run_id) for entry in goes}


@given(histories(), requests)
def test_what_is_never_removed(found: catalogue.Catalogue, request: PruneRequest) -> None:
    _stays, goes = split(found, request)
    for entry in goes:
        assert not request.policy.is_empty
        assert not entry.seen.protected
        assert entry.state != catalogue.UNSUPPORTED
        assert entry.state != catalogue.UNREADABLE
        assert not (entry.is_good and entry.doubt)
        if entry.state == catalogue.UNFINISHED:
            age = NOW.timestamp() - entry.seen.modified
            assert age >= request.unfinished_days * 86400
        elif not entry.is_good:
            assert request.remove_corrupt
            assert any(one.vm_id == entry.vm_id and one.is_good for one in found.entries)


@given(histories(), requests)
def test_some_set_of_every_vm_stays(found: catalogue.Catalogue, request: PruneRequest) -> None:
    stays, _goes = split(found, request)
    assert {one.vm_id for one in stays} == {one.vm_id for one in found.entries}


@given(histories(), requests)
def test_a_second_prune_removes_nothing(found: catalogue.Catalogue, request: PruneRequest) -> None:
    stays, _goes = split(found, request)
    again = replace(found, entries=tuple(stays))
    assert split(again, request) == (stays, [])


@given(histories(), requests, st.sampled_from([*BUCKETS, "within"]), st.integers(1, 5))
def test_a_laxer_policy_keeps_no_less(
    found: catalogue.Catalogue, request: PruneRequest, rule: str, more: int
) -> None:
    policy = request.policy
    if policy.is_empty:
        return  # keeps everything, and so more than any other
    if rule == "within":
        longer = {"": "1d", "12h": "13h", "3d": "4d", "1m2d": "2m2d", "1y": "1y1d"}
        laxer = replace(policy, within=longer[policy.within])
    else:
        laxer = replace(policy, **{rule: getattr(policy, rule) + more})
    strict, _goes = split(found, request)
    lax, _goes = split(found, replace(request, policy=laxer))
    assert {one.path for one in strict} <= {one.path for one in lax}


@given(histories(), policies)
def test_rules_add_up(found: catalogue.Catalogue, one: Policy) -> None:
    """Several rules keep what each of them keeps by itself."""
    if one.is_empty:
        return
    parts = [replace(Policy(), **{rule: getattr(one, rule)}) for rule in (*BUCKETS, "within")]
    together = set(kept(found, one))
    apart: set[str] = set()
    for part in parts:
        if not part.is_empty:
            apart |= set(kept(found, part))
    assert together == apart


@given(histories(), requests)
def test_every_decision_has_its_reasons(found: catalogue.Catalogue, request: PruneRequest) -> None:
    decisions = decide(found, request, NOW)
    assert [one.entry for one in decisions] == list(found.entries)
    numbers = summary(decisions)
    assert numbers["kept"] + numbers["removed"] == len(decisions)
    for one in decisions:
        assert one.to_dict()["reasons"]
        assert ("keep" if one.keep else "remove") in one.line()


# ----- by example ---------------------------------------------------------------------------------


def test_an_empty_policy_keeps_everything() -> None:
    found = build(*days(0, 1, 400), *days(500, state="corrupt"))
    reasons = kept(found, Policy(), remove_corrupt=True)
    assert len(reasons) == 4
    assert reasons["2"] == ["the policy is empty"]
    assert Policy(within=" ").is_empty


def test_days_that_have_no_set_do_not_count() -> None:
    found = build(*days(0, 0.1, 5, 5.2, 9, 20, 21))
    assert kept(found, Policy(daily=3)) == {
        "0": ["daily 2026-11-24", "the newest good set"],
        "2": ["daily 2026-11-19"],
        "4": ["daily 2026-11-15"],
    }


def test_a_rule_with_room_keeps_the_oldest() -> None:
    found = build(*days(0, 1, 1.1))
    assert kept(found, Policy(daily=3))["2"] == ["daily, as the oldest"]
    assert "2" not in kept(found, Policy(daily=2))


def test_weeks_are_of_iso() -> None:
    found = build(
        Made(datetime(2027, 1, 4, tzinfo=UTC)),
        Made(datetime(2027, 1, 3, tzinfo=UTC)),
        Made(datetime(2026, 12, 28, tzinfo=UTC)),
        Made(datetime(2026, 12, 27, tzinfo=UTC)),
    )
    assert kept(found, Policy(weekly=3)) == {
        "0": ["weekly 2027-W01", "the newest good set"],
        "1": ["weekly 2026-W53"],
        "3": ["weekly 2026-W52"],
    }


def test_every_rule_has_its_name() -> None:
    found = build(*days(0))
    everything = Policy(1, 1, 1, 1, 1, 1, "1d")
    assert kept(found, everything)["0"] == [
        "last",
        "hourly 2026-11-24 12",
        "daily 2026-11-24",
        "weekly 2026-W48",
        "monthly 2026-11",
        "yearly 2026",
        "within 1d",
        "the newest good set",
    ]


def test_within_counts_from_the_newest_good_set() -> None:
    old = build(*days(300, 301, 303))
    assert set(kept(old, Policy(within="2d"))) == {"0", "1"}
    future = build(Made(NOW + timedelta(days=900)), *days(1, 3))
    assert set(kept(future, Policy(within="2d"))) == {"0", "1"}


def test_broken_sets_do_not_count() -> None:
    found = build(*days(0, state="corrupt"), *days(20, state="unfinished"), *days(2, 3))
    reasons = kept(found, Policy(last=1))
    assert reasons == {
        "0": [f"corrupt: check it, then use {option('remove_corrupt')}"],
        "2": ["last", "the newest good set"],
    }
    assert set(kept(found, Policy(last=1), remove_corrupt=True)) == {"2"}


def test_a_vm_without_a_good_set() -> None:
    found = build(*days(0, 1, state="corrupt"))
    assert set(kept(found, Policy(last=1), remove_corrupt=True)) == {"0", "1"}
    found = build(*days(9, 10, state="unfinished"))
    assert kept(found, Policy(last=1)) == {"0": ["there is no better set of this VM"]}


def test_unfinished_sets_wait() -> None:
    found = build(
        *days(0),
        *days(1, state="unfinished", changed_days_ago=6.9),
        *days(9, state="unfinished", changed_days_ago=7.1),
    )
    assert set(kept(found, Policy(last=1))) == {"0", "1"}
    assert set(kept(found, Policy(last=1), unfinished_days=8)) == {"0", "1", "2"}


def test_unfinished_sets_age_by_what_was_finished_after_them() -> None:
    """Not by the appliance's clock alone: it may have jumped ahead, now or when they were made."""
    found = build(*days(20), *days(19, state="unfinished", changed_days_ago=19))
    assert kept(found, Policy(last=1))["1"] == ["unfinished, and changed in the last 7 days"]
    found = build(*days(0), *days(1, state="unfinished", changed_days_ago=400))
    assert "1" in kept(found, Policy(last=1))


def test_a_verified_set_stays_beside_a_newer_one() -> None:
    found = build(*days(0, 1), *days(2, 3, verified=True))
    assert kept(found, Policy(last=1))["2"] == ["the newest set that was verified"]


def test_protected_busy_and_later_sets() -> None:
    found = build(*days(0, 1), *days(2, protected=True))
    assert kept(found, Policy(last=1))["2"] == ["protected"]
    assert kept(found, Policy(last=1), {"/r/1/1": "it is in use"})["1"] == ["it is in use"]
    later = build(*days(0, 1), *days(2, state="unsupported"), *days(0, 1, vm=2))
    reason = ["a set that cannot be read, or not by this release, may build on it"]
    assert kept(later, Policy(last=1))["1"] == reason
    assert "4" not in kept(later, Policy(last=1))


def test_what_cannot_be_looked_at_stays_and_so_does_what_it_may_build_on() -> None:
    reason = "a set that cannot be read, or not by this release, may build on it"
    found = build(*days(0, 1), *days(2, state="unreadable"), *days(0, 1, vm=2))
    decided = kept(found, Policy(last=1), remove_corrupt=True)
    assert set(decided) == {"0", "1", "2", "3"}
    assert decided["2"] == [reason, "it cannot be read: "]
    dead = catalogue.Stranger(f"/r/web01.{uuid(2)}", "cannot be read: EIO", unread=True)
    found = replace(build(*days(0, 1), *days(0, 1, vm=2)), strangers=(dead,))
    assert set(kept(found, Policy(last=1))) == {"0", "2", "3"}


def test_sets_of_no_certain_time_take_no_place_and_stay() -> None:
    future = [Made(NOW + timedelta(days=3650 + n), doubt="it is dated so") for n in range(3)]
    found = build(*future, *days(0, 1, 2))
    for policy, stays in (
        (Policy(last=1), {"3"}),
        (Policy(last=3), {"3", "4", "5"}),
        (Policy(daily=2), {"3", "4"}),
        (Policy(within="36h"), {"3", "4"}),
    ):
        decided = kept(found, policy)
        assert set(decided) == {"0", "1", "2", *stays}
        assert decided["0"] == ["its time is not certain: it is dated so"]
        assert "the newest good set" in decided["3"]


def test_parents_of_parents() -> None:
    found = build(*days(2), *days(1, parent="0"), *days(0, parent="1"), *days(3))
    assert kept(found, Policy(last=1)) == {
        "0": ["1 builds on it"],
        "1": ["2 builds on it"],
        "2": ["last", "the newest good set"],
    }


def test_a_renamed_vm_is_one_vm() -> None:
    found = build(*days(0, name="new"), *days(1, 2, name="old"))
    assert set(kept(found, Policy(last=2))) == {"0", "1"}
    assert set(kept(found, Policy(last=2), vm="old")) == {"1"}
    decisions = decide(found, PruneRequest("/r", Policy(last=1), vm="new"), NOW)
    assert [one.entry.run_id for one in decisions] == ["0"]


def test_lines() -> None:
    decisions = decide(build(*days(0, 1)), PruneRequest("/r", Policy(last=1)), NOW)
    assert [one.line() for one in decisions] == [
        "web01 2026-11-24T12:00:00Z 0 keep: last, the newest good set",
        "web01 2026-11-23T12:00:00Z 1 remove: no rule keeps it",
    ]
    nameless = replace(decisions[0].entry, vm_name=None)
    assert replace(decisions[0], entry=nameless).line().startswith(uuid(1))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1y5m7d2h", Duration(1, 5, 7, 2)),
        ("30d", Duration(days=30)),
        (" 2h ", Duration(hours=2)),
        ("", None),
    ],
)
def test_durations(text: str, wanted: Duration | None) -> None:
    assert parse_duration(text) == wanted


@pytest.mark.parametrize("text", ["x", "0d", "1", "5d1y", "-1d", "1w", "1d 2h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not a duration"):
        parse_duration(text)


def test_months_have_ends() -> None:
    march = datetime(2028, 3, 31, 5, tzinfo=UTC)
    assert Duration(months=1).before(march) == datetime(2028, 2, 29, 5, tzinfo=UTC)
    assert Duration(years=1, months=3, days=1, hours=6).before(march) == datetime(
        2026, 12, 29, 23, tzinfo=UTC
    )
    first = datetime.min.replace(tzinfo=UTC)
    assert Duration(years=9999).before(march) == first
    assert Duration(days=999_999).before(march) == first


@pytest.mark.parametrize("policy", [Policy(last=-1), Policy(within="1w")])
def test_policies_that_are_none(policy: Policy) -> None:
    with pytest.raises(InvalidRequest):
        decide(build(), PruneRequest("/r", policy), NOW)
    with pytest.raises(InvalidRequest, match="unfinished_days"):
        decide(build(), PruneRequest("/r", Policy(), unfinished_days=-1), NOW)
