# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No sequence of our operations loses anyone's disk, with any arguments, even if the engine fails now and then.

Always in the lab: its world tells what an engine would hide, and its log has the requests, also of
failed calls.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    INTERFACES,
    AttachSettings,
    DiskId,
    SnapshotId,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import vm_guard
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.vm_guard import (
    GuardRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
    BackupPlanRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_info import (
    InfoRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_ovf_info import (
    OvfRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    SnapshotRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.backup_plan_info import (
    BackupPlanInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_attach import (
    DiskSnapshotAttach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_detach import (
    DiskSnapshotDetach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_info import (
    DiskSnapshotInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_guard import (
    VmGuard,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_ovf_info import (
    VmOvfInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_snapshot import (
    VmSnapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge
from lab.lab import Lab
from lab.model import Settings
from lab.world import DiskSpec, VmSpec

pytestmark = pytest.mark.behind(
    "the rows of the engine after each step, and what goes wrong before it"
)
Json = Any
NOBODY = "4b1f9c77-0f0e-4d55-9d41-0a0f6c1d2e3f"
SHORT = Patience(wait=True, timeout=0.15, poll_interval=0.05)

VMS = (
    VmSpec("web01", disks=(DiskSpec("system", bootable=True), DiskSpec("web01_data"))),
    VmSpec("db01", disks=(DiskSpec("system"),)),
    VmSpec("files01", status="down", disks=(DiskSpec("files01_data", fmt="raw"),)),
    VmSpec(
        "backup01",
        appliance=True,
        disks=(DiskSpec("scratch"), DiskSpec("common", shareable=True), DiskSpec("l", lun=True)),
    ),
)

# ----- arguments ----------------------------------------------------------------------------------
# Words with a colon are looked up when their turn comes: "vm:web01" is the id of that VM, "disk:3" the
# id of the fourth disk, "snapshot:5" that of the sixth snapshot of all VMs, if there are so many.

# Half of the requests could succeed; in the others any word may stand anywhere.

numbers = st.integers(0, 9)
NAMES = [spec.name for spec in VMS]
names = st.sampled_from(NAMES)
ODD = ["", "*", "web*", NOBODY, "disk:0", "snapshot:0"]
vms = st.sampled_from(NAMES * 3 + [f"vm:{name}" for name in NAMES] + ODD)
aliases = st.sampled_from(["system", "web01_data", "files01_data", "scratch", "common", "l"])
disks = st.one_of(aliases, numbers.map("disk:{}".format), st.sampled_from(ODD))
descriptions = st.sampled_from(["first", "second", "Active VM", *ODD])
snapshots = st.one_of(descriptions, numbers.map("snapshot:{}".format))
some_disks = st.one_of(st.just(()), st.lists(disks, max_size=3).map(tuple))
known = st.sampled_from(
    [("web01", "first"), ("web01", "second"), ("db01", "first"), ("backup01", "first")]
)
holders = st.sampled_from(["backup01", "backup01", "files01", "web01"])

attach_settings = st.builds(
    AttachSettings,
    interface=st.sampled_from(INTERFACES),
    active=st.booleans(),
    bootable=st.booleans(),
    read_only=st.booleans(),
)
likely = st.one_of(
    st.builds(
        lambda holder, pair, replace: AttachRequest(holder, pair[0], pair[1], replace=replace),
        holders,
        known,
        st.booleans(),
    ),
    st.builds(DetachRequest, holders, everything=st.just(True)),
    st.builds(
        lambda holder, pair: DetachRequest(holder, source=pair[0], snapshot=pair[1]), holders, known
    ),
    known.map(lambda pair: SnapshotRequest(*pair, present=False)),
    st.builds(SnapshotRequest, names, st.sampled_from(["first", "third"]), st.just(True)),
)
attaching = st.builds(
    AttachRequest,
    vms,
    vms,
    snapshots,
    some_disks,
    attach_settings,
    st.booleans(),
    st.sampled_from(["refuse", "warn", "allow"]),
)
detaching = st.builds(
    DetachRequest, vms, some_disks, st.none() | vms, st.none() | snapshots, st.booleans()
)
snapshotting = st.builds(SnapshotRequest, vms, snapshots, st.booleans(), some_disks, st.booleans())
looking = st.one_of(
    st.builds(
        GuardRequest, vms, st.lists(st.sampled_from(vm_guard.OPERATIONS), max_size=3).map(tuple)
    ),
    st.builds(InfoRequest, st.none() | vms, st.none() | vms, st.none() | snapshots),
    st.builds(OvfRequest, vms, st.none() | snapshots),
    st.builds(
        BackupPlanRequest,
        vms,
        st.lists(vms, max_size=2).map(tuple),
        st.just("tests"),
        st.just("run"),
        st.just(datetime(2026, 11, 23, tzinfo=UTC)),
    ),
)
anything = st.one_of(attaching, detaching, snapshotting, looking)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at the next occasion."""

    kind: str
    values: Mapping[str, Json]


@dataclass(frozen=True)
class Turn:
    """Something that others do: a VM changes its status, or the engine forgets its events."""

    vm: str
    status: str


WRITING = "POST|DELETE"
faults = st.one_of(
    st.builds(
        Fault,
        st.sampled_from(["respond", "respond_after"]),
        st.fixed_dictionaries(
            {
                "method": st.sampled_from([WRITING, "GET"]),
                "path": st.sampled_from(["/diskattachments", "/snapshots", "/disks/", "/events"]),
                "status": st.sampled_from([404, 409, 500, 503]),
                "after": st.integers(0, 2),
            }
        ),
    ),
    st.builds(
        Fault,
        st.sampled_from(["drop_before", "drop_after", "unauthorized"]),
        st.fixed_dictionaries(
            {"method": st.sampled_from([WRITING, "GET"]), "path": st.just("/api/vms/")}
        ),
    ),
    st.builds(
        Fault,
        st.sampled_from(["fail_plug", "fail_unplug", "fail_merge", "fail_snapshot"]),
        st.just({}),
    ),
)
turns = st.builds(Turn, names, st.sampled_from(["up", "down", "paused", "forget events"]))
kinds = st.sampled_from([likely] * 4 + [anything] * 4 + [faults, turns])
steps = st.lists(kinds.flatmap(lambda kind: kind), min_size=6, max_size=12)

# What is prepared before: the appliance holds disks of two VMs, and is a source itself.
PREPARED = (("web01", "first"), ("web01", "second"), ("db01", "first"), ("backup01", "first"))
HELD = (
    ("backup01", "web01", 0, True),
    ("backup01", "db01", 2, True),
    ("files01", "backup01", 3, False),
)
ALL_DOWN = [Turn(spec.name, "down") for spec in VMS]


# ----- the lab ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("lab")
    quick = Settings(snapshot_polls=0, removal_polls=0)
    with Lab(root, host=False, appliance=False, vms=VMS, settings=quick) as running:
        yield running


def prepare(lab: Lab, engine: EnginePort) -> None:
    """Make snapshots, and attach some of their disks."""
    made: list[SnapshotId] = []
    for vm, description in PREPARED:
        vm_id = VmId(lab.vm(vm).id)
        made.append(engine.create_snapshot(vm_id, description, None, False, str(uuid.uuid4())).id)
        lab.engine.tasks.drain(10)
    for holder, source, number, active in HELD:
        row = next(
            one for one in lab.world.attachments_of(lab.vm(source).id) if not one.snapshot_id
        )
        wanted = AttachSettings(active=active)
        engine.attach(VmId(lab.vm(holder).id), DiskId(row.disk_id), made[number], wanted)


def looked_up(lab: Lab, word: Json) -> Json:
    """Return a word with a colon as the id that it stands for."""
    if isinstance(word, tuple):
        return tuple(looked_up(lab, one) for one in word)
    if not isinstance(word, str) or ":" not in word:
        return word
    kind, _unused, key = word.partition(":")
    if kind == "vm":
        return lab.vm(key).id
    ids = list(lab.world.disks if kind == "disk" else lab.world.snapshots)
    return ids[int(key) % len(ids)]


MAKERS: dict[type, Callable[..., Operation[Any]]] = {
    AttachRequest: DiskSnapshotAttach,
    DetachRequest: DiskSnapshotDetach,
    SnapshotRequest: VmSnapshot,
    GuardRequest: VmGuard,
    InfoRequest: DiskSnapshotInfo,
    OvfRequest: VmOvfInfo,
    BackupPlanRequest: BackupPlanInfo,
}


def carry_out(lab: Lab, step: Json) -> None:
    """Do a step; an operation may fail, but only in words."""
    if isinstance(step, Fault):
        lab.control().add_fault(step.kind, **step.values)
        return
    if isinstance(step, Turn):
        if step.status == "forget events":
            lab.world.events.clear()
        else:
            lab.control().status(step.vm, step.status)
        return
    values = {key: looked_up(lab, value) for key, value in vars(step).items()}
    if isinstance(step, SnapshotRequest):
        values["correlation_id"] = str(uuid.uuid4())
    operation = MAKERS[type(step)](engine_of(lab), SystemClock(), SHORT, type(step)(**values))
    with suppress(BackupError):
        edge.perform(operation, check_mode=False)


# ----- what must hold -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """The world at one moment: what may not be lost. Memory that a snapshot saved is nobody's disk."""

    vms: frozenset[str]
    ordinary: frozenset[tuple[Json, ...]]
    volumes: Mapping[str, str]
    snapshots: Mapping[str, tuple[str, str]]
    covered: Mapping[str, frozenset[str]]


def picture(lab: Lab) -> Picture:
    """Look behind the engine."""
    lab.engine.tasks.drain(10)
    world = lab.world
    with world.lock:
        owned = {row.disk_id for row in world.attachments.values() if row.snapshot_id is None}
        return Picture(
            frozenset(world.vms),
            frozenset(
                (row.vm_id, row.disk_id, row.interface, row.active, row.bootable)
                for row in world.attachments.values()
                if row.snapshot_id is None
            ),
            {
                volume.id: volume.disk_id
                for volume in world.volumes.values()
                if volume.disk_id in owned
            },
            {one.id: (one.vm_id, one.description) for one in world.snapshots.values()},
            {
                one.id: frozenset(disk.disk_id for disk in one.disks)
                for one in world.snapshots.values()
            },
        )


def asked_to_remove(lab: Lab, step: Json, before: Picture) -> set[str]:
    """Snapshots that the step names, in the VM that it names, for removal."""
    if not isinstance(step, SnapshotRequest) or step.present:
        return set()
    vm, word = looked_up(lab, step.vm), looked_up(lab, step.snapshot)
    named = {one.id for one in lab.world.vms.values() if vm in (one.id, one.name)}
    return {
        key
        for key, (vm_id, description) in before.snapshots.items()
        if vm_id in named and word in (key, description)
    }


def check(lab: Lab, step: Json, before: Picture, after: Picture, wanted: set[str]) -> None:
    """Compare the world before a step with that after it."""
    assert after.vms == before.vms, step
    assert after.ordinary == before.ordinary, step
    gone = set(before.snapshots) - set(after.snapshots)
    assert gone <= wanted, step
    assert len(gone) <= 1, step
    lost = [disk for volume, disk in before.volumes.items() if volume not in after.volumes]
    covered = [disk for one in gone for disk in before.covered[one]]
    assert len(lost) == len(set(lost)), step
    assert set(lost) <= set(covered), step
    for disk in lab.world.disks.values():
        chain = lab.world.chain(disk.id)
        own = {volume.id for volume in lab.world.volumes.values() if volume.disk_id == disk.id}
        assert {volume.id for volume in chain} == own, "a chain is broken"
        assert disk.active_volume_id in own


_VM = "/ovirt-engine/api/vms/([^/]+)"
_ATTACHMENT = re.compile(rf"{_VM}/diskattachments/([^/]+)")
_SNAPSHOT = re.compile(rf"{_VM}/snapshots/([^/]+)")
_MAKING = re.compile(rf"{_VM}/(?:diskattachments|snapshots)")


def check_log(lab: Lab, step: Json, before: Picture, wanted: set[str]) -> int:
    """Look at what was asked of the engine, also where it failed. Counts the deletions."""
    ordinary = {row[:2] for row in before.ordinary}
    deletions = 0
    for one in lab.app.log.listing():
        if not one["write"]:
            continue
        if one["method"] == "POST":
            assert _MAKING.fullmatch(one["path"]), one
            continue
        assert one["method"] == "DELETE", one
        deletions += 1
        attachment = _ATTACHMENT.fullmatch(one["path"])
        if attachment:
            assert one["query"] == "detach_only=true", one
            assert attachment.groups() not in ordinary, one
            continue
        snapshot = _SNAPSHOT.fullmatch(one["path"])
        assert snapshot, one
        assert snapshot[2] in wanted, (step, one)
    return deletions


def play(lab: Lab, sequence: list[Json]) -> int:
    """Play a sequence in a new world; keep what must hold after every step. Counts the deletions."""
    lab.reset()
    engine = engine_of(lab)
    try:
        prepare(lab, engine)
    finally:
        engine.close()
    deletions = 0
    for step in sequence:
        before = picture(lab)
        wanted = asked_to_remove(lab, step, before)
        lab.app.log.clear()
        carry_out(lab, step)
        after = picture(lab)
        deletions += check_log(lab, step, before, wanted)
        check(lab, step, before, after, wanted)
    return deletions


DETACH_ALL = DetachRequest("backup01", everything=True)
REMOVE = SnapshotRequest("web01", "first", present=False)


@settings(
    max_examples=35,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(sequence=[*ALL_DOWN, DETACH_ALL, REMOVE])
@example(sequence=[*ALL_DOWN, DetachRequest("backup01", disks=("scratch", "disk:0", "common"))])
@example(sequence=[*ALL_DOWN, SnapshotRequest("web01", "first", present=False), REMOVE])
@given(sequence=steps)
def test_no_sequence_loses_a_disk(lab: Lab, sequence: list[Json]) -> None:
    play(lab, sequence)


def test_the_sequences_do_what_they_are_about(lab: Lab) -> None:
    """Two detaches and a removal go out when they are asked for, so there is something to look at."""
    assert play(lab, [*ALL_DOWN, DETACH_ALL, REMOVE]) == 3
    assert lab.world.attachments_of(lab.vm("backup01").id)
    assert [one.snapshot_id for one in lab.world.attachments_of(lab.vm("backup01").id)] == [
        None
    ] * 3
