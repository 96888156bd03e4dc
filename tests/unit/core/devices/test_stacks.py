# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is removed from a disk, and that nothing else ever is: tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.stacks import (
    ARRAY,
    MAPPED,
    OTHER,
    StackLayer,
    Stacks,
    disks_below,
    judge,
    layers_on,
    title,
)

GROUP = "QzJ5Cwm6rSWTYbkEnAzqSjRbpm7Lh2yV"
VOLUME = "7tkqqPa0lY9Sb2cDhAE8vZLV0jEXGwMn"


def mapped(name: str, *below: str, uuid: str = "", label: str = "m") -> StackLayer:
    return StackLayer(name, f"253:{name[3:]}", MAPPED, title(name, label, uuid), below, uuid, label)


def volume(name: str, *below: str, group: str = GROUP) -> StackLayer:
    return mapped(name, *below, uuid=f"LVM-{group}{VOLUME}", label=f"vg0-lv{name[3:]}")


def stacks(*layers: StackLayer, **uses: tuple[str, ...]) -> Stacks:
    known = {name.replace("_", "-"): said for name, said in uses.items()}
    return Stacks({layer.name: layer for layer in layers}, known)


def steps(found: Stacks, *asked: str) -> list[str]:
    return [layer.name for layer in judge(found, frozenset(asked)).steps]


@pytest.mark.parametrize(
    ("name", "label", "uuid", "said"),
    [
        ("dm-1", "vg0-root", f"LVM-{GROUP}{VOLUME}", "LVM volume vg0/root (dm-1)"),
        ("dm-1", "my--vg-a--b--c", f"LVM-{GROUP}{VOLUME}", "LVM volume my-vg/a-b-c (dm-1)"),
        ("dm-1", "vg0-pool-tpool", f"LVM-{GROUP}{VOLUME}-tpool", "LVM volume vg0/pool (dm-1)"),
        ("dm-2", "mpatha", "mpath-36001405", "multipath device mpatha (dm-2)"),
        ("dm-2", "mpatha1", "part1-mpath-36001405", "partition device mpatha1 (dm-2)"),
        ("dm-3", "secret", "CRYPT-LUKS2-x", "encrypted device secret (dm-3)"),
        ("dm-4", "plain", "", "mapped device plain (dm-4)"),
        ("md127", "", "", "MD array md127"),
        ("bcache0", "", "", "bcache0"),
    ],
)
def test_title(name: str, label: str, uuid: str, said: str) -> None:
    assert title(name, label, uuid) == said


def test_what_nobody_uses_is_taken_down_from_the_top() -> None:
    found = stacks(
        volume("dm-0", "md0"),
        volume("dm-1", "md0"),
        StackLayer("md0", "9:0", ARRAY, "md0", ("sdb",)),
    )
    assert steps(found, "sdb") == ["dm-0", "dm-1", "md0"]
    assert steps(found, "sda") == []
    assert steps(found) == []


@pytest.mark.parametrize("place", ["sdb", "dm-0", "dm-1"])
def test_one_use_keeps_the_whole_disk(place: str) -> None:
    found = Stacks(
        {layer.name: layer for layer in (volume("dm-0", "sdb"), volume("dm-1", "sdb"))},
        {place: ("mounted on /mnt",)},
    )
    verdict = judge(found, frozenset({"sdb", "sdc"}))
    assert verdict.steps == ()
    assert list(verdict.busy) == ["sdb"]
    assert "mounted on /mnt" in verdict.busy["sdb"][0]


def test_a_use_of_a_layer_names_the_layer() -> None:
    found = stacks(volume("dm-0", "sdb"), dm_0=("mounted on /mnt",))
    [said] = judge(found, frozenset({"sdb"})).busy["sdb"]
    assert said == "LVM volume vg0/lv0 (dm-0) is mounted on /mnt"


def test_a_layer_that_also_lies_on_another_disk_stays() -> None:
    found = stacks(mapped("dm-0", "sdb", "sda"))
    assert judge(found, frozenset({"sdb"})).busy == {
        "sdb": ("mapped device m (dm-0) also lies on sda",)
    }
    assert steps(found, "sda", "sdb") == ["dm-0"]


def test_a_volume_group_that_reaches_another_disk_stays() -> None:
    found = stacks(volume("dm-0", "sdb"), volume("dm-1", "sda"))
    [said] = judge(found, frozenset({"sdb"})).busy["sdb"]
    assert "one volume group with LVM volume vg0/lv1 (dm-1)" in said
    other = stacks(volume("dm-0", "sdb"), volume("dm-1", "sda", group=GROUP[::-1]))
    assert steps(other, "sdb") == ["dm-0"]


def test_a_busy_disk_makes_those_busy_that_share_a_layer_with_it() -> None:
    found = stacks(mapped("dm-0", "sdb", "sdc"), mapped("dm-1", "sdd"), sdb=("swap on /dev/sdb1",))
    verdict = judge(found, frozenset({"sdb", "sdc", "sdd"}))
    assert sorted(verdict.busy) == ["sdb", "sdc"]
    assert [layer.name for layer in verdict.steps] == ["dm-1"]


def test_what_is_unknown_is_not_taken_down() -> None:
    found = stacks(StackLayer("bcache0", "252:0", OTHER, "bcache0", ("sdb",)))
    assert judge(found, frozenset({"sdb"})).busy == {"sdb": ("held by bcache0",)}


def test_a_circle_ends() -> None:
    found = stacks(mapped("dm-0", "dm-1", "sdb"), mapped("dm-1", "dm-0"))
    assert disks_below(found.layers, "dm-1") == {"sdb"}
    assert sorted(steps(found, "sdb")) == ["dm-0", "dm-1"]


DISKS = [f"sd{letter}" for letter in "abcdef"]


@st.composite
def appliances(draw: st.DrawFn) -> Stacks:
    """Disks with layers on them, on several of them, and on each other; some are in use."""
    layers: list[StackLayer] = []
    for number in range(draw(st.integers(0, 8))):
        under = st.sampled_from(DISKS + [layer.name for layer in layers])
        below = draw(st.lists(under, min_size=1, max_size=3, unique=True))
        group = draw(st.sampled_from(["", GROUP, GROUP[::-1]]))
        kind = draw(st.sampled_from([MAPPED, MAPPED, ARRAY, OTHER]))
        uuid = f"LVM-{group}{VOLUME}" if group else ""
        layers.append(StackLayer(f"dm-{number}", "253:0", kind, f"dm-{number}", tuple(below), uuid))
    places = st.sampled_from(DISKS + [layer.name for layer in layers])
    used = draw(st.lists(places, max_size=3))
    return Stacks({layer.name: layer for layer in layers}, {name: ("in use",) for name in used})


@given(appliances(), st.sets(st.sampled_from(DISKS)))
def test_nothing_but_the_asked_and_unused_is_ever_touched(found: Stacks, asked: set[str]) -> None:
    verdict = judge(found, frozenset(asked))
    gone = {layer.name for layer in verdict.steps}
    used_disks = {disk for name in found.uses for disk in disks_below(found.layers, name)}
    for layer in verdict.steps:
        disks = disks_below(found.layers, layer.name)
        assert disks <= asked
        assert not disks & used_disks, "a disk in use, the root's for one, is left as it is"
        assert layer.kind != OTHER
        for other in found.layers.values():
            if layer.group and other.group == layer.group:
                assert disks_below(found.layers, other.name) <= asked
    for disk in asked - set(verdict.busy):
        assert {layer.name for layer in layers_on(found.layers, disk)} <= gone, "it is free then"
    assert set(verdict.busy) <= asked
    assert asked & used_disks <= set(verdict.busy)


@given(appliances(), st.sets(st.sampled_from(DISKS)))
def test_what_is_on_top_goes_first(found: Stacks, asked: set[str]) -> None:
    order = [layer.name for layer in judge(found, frozenset(asked)).steps]
    assert len(order) == len(set(order))
    for place, name in enumerate(order):
        above = [one.name for one in found.layers.values() if name in one.below]
        assert set(above) <= set(order[:place]), "the kernel refuses what something stands on"
