# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_guard answers as the table says, with an administrator's rights and with those of a backup."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from support.guarded import ATTACHED, CASES, HOLDER, NONE, PLUGGED, SOURCE, expected
from support.playbooks import A_WAIT, Result, Step
from support.scene import Scene, state

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    DiskId,
    SnapshotId,
    VmId,
)
from lab.world import ADMIN, BACKUP

Json = Any
User = tuple[str, str]
OPERATIONS = sorted({case.operation for case in CASES})
VMS = {HOLDER: "backup01", SOURCE: "web01"}
USERS = {"admin": ADMIN, "backup": BACKUP}


def ask(scene: Scene, vm: str, user: User, **options: Json) -> Step:
    """Return a question about everything at once."""
    given = {"vm": vm, "operations": OPERATIONS, "fail": False, "auth": scene.lab.auth(user)}
    return Step("vm_guard", {**given, **options})


def verdict(result: Result) -> set[tuple[str, str]]:
    """Return what is forbidden, and by which rule."""
    assert not result.failed, result.message
    assert result.writes == []
    assert result["allowed"] == (not result["violations"])
    return {(one["evidence"]["operation"], one["rule"]) for one in result["violations"]}


def loans(result: Result, key: str) -> set[tuple[str, str, str | None, bool]]:
    """Disk, holder, source and plug of what is held or lent."""
    return {
        (one["alias"], one["holder_name"], one["source_vm_name"], one["plugged"])
        for one in result[key]
    }


@pytest.mark.parametrize("attached", ATTACHED)
def test_every_rule_in_both_parts(scene: Scene, attached: str) -> None:
    night = scene.snapshot()
    if attached != NONE:
        settings = AttachSettings(active=attached == PLUGGED)
        scene.attach("web01_data", night, settings=settings)
    asked = [(part, user) for part in VMS for user in USERS]
    run = scene.run(*(ask(scene, VMS[part], USERS[user]) for part, user in asked))
    assert run.complaints == []
    results = dict(zip(asked, run.results, strict=True))
    for (part, _user), result in results.items():
        assert verdict(result) == expected(part, attached)
    for part in VMS:
        admin, backup = results[part, "admin"], results[part, "backup"]
        for key in ("allowed", "violations", "holds", "lent", "vm"):
            assert admin[key] == backup[key]
        assert admin["unseen"] == []
    assert results[HOLDER, "backup"]["unseen"] == []
    told = results[SOURCE, "backup"]["unseen"]
    assert [("only administrators" in one) for one in told] == [True]


def test_a_violation_has_evidence_and_remedy(scene: Scene) -> None:
    night = scene.snapshot()
    disk = scene.attach("web01_data", night)
    options = {"vm": "web01", "operations": ["remove"]}
    words = ("remove of 'web01'", "'web01_data'", night, "'backup01'", "since", "source-frozen")
    result = scene.refused("vm_guard", options, "refused", *words, "Wait until the backup")
    [found] = result["details"]["violations"]
    assert found["remedy"] in result["hint"]
    assert found["reason"]
    [event] = scene.events(2016)
    assert found["evidence"] == {
        "operation": "remove",
        "part": "source",
        "disk_id": disk,
        "alias": "web01_data",
        "snapshot_id": night,
        "evidence": "only_snapshot",
        "holder_id": scene.vm_id("backup01"),
        "holder_name": "backup01",
        "source_vm_id": scene.vm_id("web01"),
        "source_vm_name": "web01",
        "plugged": True,
        "since": found["evidence"]["since"],
        "owner": None,
        "run_id": None,
    }
    assert found["evidence"]["since"][:19] == str(event["time"]).replace(" ", "T")[:19]


# ----- more than one attachment -------------------------------------------------------------------


def attach_to(scene: Scene, holder: str, disk: DiskId, snapshot: SnapshotId) -> None:
    scene.engine.attach(VmId(scene.vm_id(holder)), disk, snapshot, AttachSettings())


def test_two_sources_on_one_holder(scene: Scene) -> None:
    scene.attach("web01_data", scene.snapshot())
    scene.attach("db01_system", scene.snapshot("db01", "of the database"), "db01")
    asked = {"backup01": BACKUP, "web01": ADMIN, "db01": BACKUP}
    steps = [ask(scene, vm, user) for vm, user in asked.items()]
    holder, web, database = scene.run(*steps).results
    assert verdict(holder) == expected(HOLDER, PLUGGED)
    both = {
        ("web01_data", "backup01", "web01", True),
        ("db01_system", "backup01", "db01", True),
    }
    assert loans(holder, "holds") == both
    assert len(holder["violations"]) == 2 * len(expected(HOLDER, PLUGGED)), "each is named"
    assert loans(web, "lent") | loans(database, "lent") == both
    assert len(web["lent"]) == len(database["lent"]) == 1


def test_two_holders_of_one_source(scene: Scene) -> None:
    first, second = scene.snapshot(description="first"), scene.snapshot(description="second")
    disk = scene.attach("web01_data", first)
    scene.control.add_vm("backup02", status="up")
    attach_to(scene, "backup02", disk, second)
    steps = [ask(scene, "web01", user) for user in USERS.values()]
    for result in scene.run(*steps).results:
        assert verdict(result) == expected(SOURCE, PLUGGED)
        shown = {one["holder_name"]: one["snapshot_id"] for one in result["lent"]}
        assert shown == {"backup01": first, "backup02": second}
    scene.engine.detach(VmId(scene.vm_id("backup01")), disk)
    [left] = scene.run(ask(scene, "web01", ADMIN)).results
    assert verdict(left) == expected(SOURCE, PLUGGED), "the other holder freezes it still"
    assert [one["holder_name"] for one in left["lent"]] == ["backup02"]


def test_a_vm_that_is_holder_and_source(scene: Scene) -> None:
    scene.attach("web01_data", scene.snapshot())
    disk = scene.disk_ids("db01")["db01_system"]
    attach_to(scene, "web01", disk, scene.snapshot("db01", "of the database"))
    steps = [ask(scene, "web01", user) for user in USERS.values()]
    for result in scene.run(*steps).results:
        assert verdict(result) == expected(HOLDER, PLUGGED) | expected(SOURCE, PLUGGED)
        assert loans(result, "holds") == {("db01_system", "web01", "db01", True)}
        assert loans(result, "lent") == {("web01_data", "backup01", "web01", True)}
        parts = {
            one["evidence"]["part"]
            for one in result["violations"]
            if one["evidence"]["operation"] == "export_ova"
        }
        assert parts == {HOLDER, SOURCE}


def test_a_shareable_disk_is_no_disk_snapshot(scene: Scene) -> None:
    made = scene.control.add_vm("shares", disks=[{"alias": "common", "shareable": True}])
    world = scene.lab.world
    with world.lock:
        row = world.attachments[(made["id"], made["disks"]["common"])]
        other = scene.vm_id("backup01")
        world.attachments[(other, row.disk_id)] = type(row)(other, row.disk_id, "virtio_scsi", True)
    scene.snapshot("shares")  # without the shareable disk: the engine leaves it out
    steps = (ask(scene, "backup01", ADMIN), ask(scene, "shares", BACKUP))
    for result in scene.run(*steps).results:
        assert result["allowed"]
        assert (result["holds"], result["lent"]) == ([], [])


# ----- what cannot be known -----------------------------------------------------------------------


def test_an_attachment_without_evidence(scene: Scene) -> None:
    """Events are kept for thirty days, and the disk is in two snapshots: which one, nobody knows."""
    scene.snapshot(description="first")
    scene.attach("web01_data", scene.snapshot(description="second"))
    scene.forget_events()
    results = scene.run(ask(scene, "backup01", BACKUP), ask(scene, "web01", ADMIN)).results
    for result, part in zip(results, VMS, strict=True):
        assert verdict(result) == expected(part, PLUGGED)
        for one in result["violations"]:
            assert "an unknown snapshot" in one["message"]
            shown = one["evidence"]
            assert (shown["snapshot_id"], shown["since"]) == (None, None)
            assert (shown["evidence"], shown["source_vm_name"]) == ("unknown", "web01")


def test_a_user_who_may_not_see_the_other_vm(scene: Scene) -> None:
    scene.attach("web01_data", scene.snapshot())
    users = {}
    for name in ("backup01", "web01"):
        users[name] = (f"{name}@internal", "narrow")
        grant = {"role": "BackupRole", "object_id": scene.vm_id(name)}
        scene.control.add_user(*users[name], [grant])
    steps = [ask(scene, name, user) for name, user in users.items()]
    holder, source = scene.run(*steps).results
    assert verdict(holder) == expected(HOLDER, PLUGGED)
    assert [one["source_vm_name"] for one in holder["holds"]] == [None]
    assert ["'web01_data' cannot be seen" in one for one in holder["unseen"]] == [True]
    # The user cannot see the holder, and the module says that it is unknown.
    assert (verdict(source), source["lent"]) == (set(), [])
    assert ["Only VMs visible to this user" in one for one in source["unseen"]] == [True]


# ----- waiting ------------------------------------------------------------------------------------


@contextmanager
def meanwhile(scene: Scene, deed: Callable[[], None], looks: int) -> Iterator[None]:
    """Do something as soon as the module has looked so often at what the appliance holds."""
    path = f"/vms/{scene.vm_id('backup01')}/diskattachments"
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            log = scene.lab.app.log.listing()
            if sum(str(one["path"]).endswith(path) for one in log) >= looks:
                deed()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("user", USERS)
def test_the_wait_ends_with_the_backup(scene: Scene, user: str) -> None:
    disk = scene.attach("web01_data", scene.snapshot())
    options = {"operations": ["migrate"], "wait": True, "timeout": 30, "poll_interval": 1}
    step = ask(scene, "backup01", USERS[user], **options, fail=True)
    with meanwhile(scene, lambda: scene.engine.detach(scene.vm_id("backup01"), disk), looks=2):
        [result] = scene.run(step).results
    assert not result.failed, result.message
    assert (result["allowed"], result["violations"]) == (True, [])
    assert (result["holds"], result["lent"]) == ([], [])
    assert [one.method for one in result.writes] == ["DELETE"], "the backup's own detach"
    assert 0 < result["waited_seconds"] < 10


STAMP = (
    "Backup by ovirt_community.backup [owner=site run=4f0c2a91d7be expires=2036-01-01T00:00:00Z]"
)


def test_a_wait_tells_for_whom_since_when_and_how_long(scene: Scene) -> None:
    disk = scene.attach("web01_data", scene.snapshot(description=STAMP))
    options = {"operations": ["migrate"], "wait": True, "timeout": 30, "poll_interval": 1}
    step = ask(scene, "backup01", BACKUP, **options, fail=True)
    with meanwhile(scene, lambda: scene.engine.detach(scene.vm_id("backup01"), disk), looks=2):
        run = scene.run(step)
    assert not run.results[0].failed, run.text
    told = re.findall(r"^backup01: waiting .*$", run.text, re.MULTILINE)
    assert len(told) == 1, run.text
    assert re.fullmatch(
        r"backup01: waiting until the backup of web01 on backup01 is over \(run 4f0c2a91d7be of owner site,"
        r" since \d{4}-\d\d-\d\dT[\d:.+]+\); at most ([12]?\d|30) s left",
        told[0],
    ), told
    now = scene.run(ask(scene, "backup01", BACKUP, operations=["migrate"], wait=True)).text
    assert "waiting" not in now


def test_a_wait_that_times_out_says_what_still_stands(scene: Scene) -> None:
    scene.attach("web01_data", scene.snapshot())
    scene.attach("db01_system", scene.snapshot("db01", "of the database"), "db01")
    options = {"operations": ["export"], "wait": True, "timeout": 1, "poll_interval": 1}
    before = state(scene.control.world())
    failing = ask(scene, "backup01", BACKUP, **options, fail=True)
    failed, told = scene.run(failing, ask(scene, "backup01", ADMIN, **options)).results
    _timed_out(failed)
    assert verdict(told) == {("export", "no-export")}
    assert told["waited_seconds"] >= 1
    assert state(scene.control.world()) == before


def _timed_out(result: Result) -> None:
    assert (result.failed, result["error_code"]) == (True, "timeout"), result.result
    for word in ("'web01_data'", "'db01_system'", "no-export", "Detach"):
        assert word in result.message
    assert re.search(f"{A_WAIT.pattern}, and still", result.message)
    details: Mapping[str, Json] = result["details"]
    assert details["waited_seconds"] >= 1
    assert {one["evidence"]["alias"] for one in details["violations"]} == {
        "web01_data",
        "db01_system",
    }
