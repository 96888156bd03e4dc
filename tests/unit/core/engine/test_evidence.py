# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshot is attached: known only if there is evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import (
    APPLIANCE,
    DISKS,
    SNAPSHOTS,
    SOURCE,
    attachment,
    event,
    layer,
    snapshot_disk,
)

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import evidence
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskLayer,
    Event,
    SnapshotId,
)

Z1, Z2, Z3, OTHER = SNAPSHOTS
TWO = [layer(Z1), layer(Z2)]
ATTACHED, DETACHED = evidence.EVENT_ATTACHED, evidence.EVENT_DETACHED

layer_lists = st.lists(st.sampled_from([layer(one) for one in SNAPSHOTS]), max_size=4)
event_lists = st.lists(
    st.builds(
        event,
        st.integers(0, 50),
        st.sampled_from([ATTACHED, DETACHED, 2017, 45]),
        alias=st.sampled_from(["system", "data"]),
        correlation_id=st.sampled_from([*SNAPSHOTS, "", "made-up"]),
        vm_id=st.sampled_from([APPLIANCE.id, SOURCE.id, None]),
    ),
    max_size=8,
    unique_by=lambda one: one.index,
)
snapshot_sets = st.sets(st.sampled_from(SNAPSHOTS))


def told(layers: list[DiskLayer], *events: Event) -> tuple[SnapshotId | None, str]:
    return evidence.attached_snapshot(attachment(), ("system",), layers, events)


@pytest.mark.parametrize(
    ("layers", "own", "is_one"),
    [
        ([], [], False),
        ([], [Z1], False),
        ([layer(Z1)], [], True),
        ([layer(Z1)], [OTHER], True),
        ([layer(Z1)], [Z1], False),
        (TWO, [Z2, OTHER], False),
    ],
)
def test_is_disk_snapshot(layers: list[DiskLayer], own: list[SnapshotId], is_one: bool) -> None:
    assert evidence.is_disk_snapshot(layers, own) is is_one


def test_a_disk_in_one_snapshot_is_attached_with_that_one() -> None:
    assert told([layer(Z1), layer(Z1)]) == (Z1, evidence.ONLY_SNAPSHOT)


def test_an_event_tells_which_of_several() -> None:
    assert told(TWO, event(1, ATTACHED, correlation_id=Z2)) == (Z2, evidence.EVENT)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event(1, ATTACHED, correlation_id="made-up")],
        [event(1, ATTACHED, correlation_id=OTHER)],
        [event(1, ATTACHED, correlation_id=Z1, alias="system2")],
        [event(1, ATTACHED, correlation_id=Z1, vm_id=SOURCE.id)],
        [event(1, 2017, correlation_id=Z1)],
        [event(1, ATTACHED, correlation_id=Z1), event(2, DETACHED)],
        [event(2, DETACHED), event(1, ATTACHED, correlation_id=Z1)],
        [event(1, DETACHED), event(2, ATTACHED, correlation_id=Z1), event(3, DETACHED)],
        [
            event(1, ATTACHED, correlation_id=Z1),
            event(2, DETACHED),
            event(3, ATTACHED, correlation_id="made-up"),
        ],
    ],
)
def test_otherwise_nothing_is_told(events: list[Event]) -> None:
    assert told(TWO, *events) == (None, evidence.UNKNOWN)


def test_the_last_attachment_counts_whatever_the_order_of_the_list() -> None:
    events = [
        event(1, ATTACHED, correlation_id=Z1),
        event(2, DETACHED),
        event(3, ATTACHED, correlation_id=Z2),
    ]
    assert told(TWO, *events) == told(TWO, *reversed(events)) == (Z2, evidence.EVENT)


def test_a_detach_whose_attach_is_too_old_to_be_listed_does_not_count_against_a_later_one() -> None:
    events = [event(1, DETACHED), event(2, DETACHED), event(3, ATTACHED, correlation_id=Z2)]
    assert told(TWO, *events) == (Z2, evidence.EVENT)


def test_an_event_that_names_no_vm_counts() -> None:
    assert told(TWO, event(1, ATTACHED, correlation_id=Z1, vm_id=None)) == (Z1, evidence.EVENT)


def test_two_disks_of_one_alias_in_the_same_snapshots_are_not_mixed_up() -> None:
    """Events name a disk by its alias alone."""
    both = [event(1, ATTACHED, correlation_id=Z1), event(2, ATTACHED, correlation_id=Z2)]
    assert told(TWO, *both) == (None, evidence.UNKNOWN)
    # One of them is detached, and not known which; then a third comes.
    assert told(TWO, *both, event(3, DETACHED)) == (None, evidence.UNKNOWN)
    later = [event(3, DETACHED), event(4, ATTACHED, correlation_id=Z3)]
    assert told([*TWO, layer(Z3)], *both, *later) == (None, evidence.UNKNOWN)
    # Only when all are gone does a new attachment tell again.
    fresh = [event(3, DETACHED), event(4, DETACHED), event(5, ATTACHED, correlation_id=Z1)]
    assert told(TWO, *both, *fresh) == (Z1, evidence.EVENT)


def test_disks_of_one_alias_of_different_vms_are_told_apart_by_their_snapshots() -> None:
    both = [event(1, ATTACHED, correlation_id=Z1), event(2, ATTACHED, correlation_id=OTHER)]
    assert told(TWO, *both) == (Z1, evidence.EVENT)
    assert told([layer(OTHER), layer(Z3)], *both) == (OTHER, evidence.EVENT)


@given(layer_lists, event_lists)
def test_a_snapshot_that_the_disk_is_not_in_is_never_claimed(
    layers: list[DiskLayer], events: list[Event]
) -> None:
    found, how = told(layers, *events)
    assert (found is None) == (how == evidence.UNKNOWN)
    assert found is None or found in {one.snapshot_id for one in layers}


@given(layer_lists, event_lists)
def test_what_is_told_does_not_depend_on_the_order_of_the_events(
    layers: list[DiskLayer], events: list[Event]
) -> None:
    assert told(layers, *events) == told(layers, *reversed(events))


@given(layer_lists, event_lists)
def test_a_later_detach_voids_the_only_attach(layers: list[DiskLayer], events: list[Event]) -> None:
    attached = [one for one in events if one.code == ATTACHED][:1]
    assert told([*TWO, *layers], *attached, event(99, DETACHED)) == (None, evidence.UNKNOWN)


@given(layer_lists, event_lists)
def test_events_of_other_vms_and_other_disks_say_nothing(
    layers: list[DiskLayer], events: list[Event]
) -> None:
    ours = [one for one in events if one.vm_id != SOURCE.id and "Disk system " in one.description]
    assert told(layers, *events) == told(layers, *ours)


@given(layer_lists, snapshot_sets, event_lists)
def test_a_disk_in_a_snapshot_of_the_holder_is_never_a_disk_snapshot(
    layers: list[DiskLayer], own: set[SnapshotId], events: list[Event]
) -> None:
    held = evidence.make_holding(attachment(), "system", layers, own, events)
    in_snapshots = {one.snapshot_id for one in layers}
    assert held.is_disk_snapshot == (bool(in_snapshots) and not in_snapshots & own)
    if not held.is_disk_snapshot:
        assert (held.snapshot_id, held.evidence, held.candidates) == (None, evidence.UNKNOWN, ())
    else:
        assert set(held.candidates) == in_snapshots
        assert held.snapshot_id is None or held.snapshot_id in held.candidates


def test_to_dict() -> None:
    plugged = replace(attachment(), logical_name="/dev/sdb")
    held = evidence.make_holding(plugged, "system", [layer(Z1)], [], [])
    assert held.to_dict() == {
        "disk_id": held.disk_id,
        "alias": "system",
        "is_disk_snapshot": True,
        "snapshot_id": Z1,
        "evidence": "only_snapshot",
        "active": True,
        "interface": "virtio_scsi",
        "bootable": False,
        "read_only": True,
        "pass_discard": False,
        "logical_name": "/dev/sdb",
    }


def test_a_disk_is_told_by_a_former_name_too() -> None:
    before = event(1, ATTACHED, correlation_id=Z2, alias="then")
    held = evidence.make_holding(attachment(), "system", TWO, [], [before])
    assert (held.snapshot_id, held.evidence) == (None, evidence.UNKNOWN)
    assert evidence.was_renamed(held, [before])
    known = evidence.make_holding(attachment(), "system", TWO, [], [before], ("then",))
    assert (known.snapshot_id, known.evidence) == (Z2, evidence.EVENT)
    assert known.names == ("system", "then")
    gone = [before, event(2, DETACHED, alias="system")]
    assert (
        evidence.make_holding(attachment(), "system", TWO, [], gone, ("then",)).snapshot_id is None
    )


@pytest.mark.parametrize(
    "other",
    [
        event(1, ATTACHED, correlation_id=OTHER, alias="then"),
        event(1, ATTACHED, correlation_id=Z1, alias="then", vm_id=SOURCE.id),
        event(1, ATTACHED, correlation_id=Z1, alias="system"),
        event(1, DETACHED, correlation_id=Z1, alias="then"),
    ],
)
def test_no_former_name_is_looked_up_without_an_event_under_one(other: Event) -> None:
    held = evidence.make_holding(attachment(), "system", TWO, [], [other])
    assert not evidence.was_renamed(held, [other])


def test_a_former_name_that_another_disk_has_or_had_tells_nothing() -> None:
    mine = [snapshot_disk(DISKS[0], Z1, alias="a"), snapshot_disk(DISKS[0], Z2, alias="b")]
    assert evidence.former_names(DISKS[0], mine, ()) == ("a", "b")
    assert evidence.former_names(DISKS[0], mine, ("a",)) == ("b",)
    other = snapshot_disk(DISKS[1], Z2, alias="b")
    assert evidence.former_names(DISKS[0], [*mine, other], ()) == ("a",)


@pytest.mark.parametrize(
    ("later", "proves"),
    [
        (event(6, ATTACHED, correlation_id=Z1), True),
        (event(5, ATTACHED, correlation_id=Z1), False),
        (event(6, ATTACHED, correlation_id=Z2), False),
        (event(6, ATTACHED, correlation_id=Z1, alias="system2"), False),
        (event(6, ATTACHED, correlation_id=Z1, vm_id=SOURCE.id), False),
        (event(6, DETACHED, correlation_id=Z1), False),
        (event(6, 2017, correlation_id=Z1), False),
    ],
)
def test_only_a_later_event_of_this_attach_says_that_it_is_done(later: Event, proves: bool) -> None:
    before = [event(4, ATTACHED, correlation_id=Z1), event(5, DETACHED)]
    since = evidence.newest(before)
    assert since == 5
    events = [*before, later]
    assert evidence.told_attached(events, since, APPLIANCE.id, "system", Z1) is proves


def test_nobody_has_seen_an_event() -> None:
    assert evidence.newest([]) == 0
