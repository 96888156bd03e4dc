# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which set is chosen, and what a set is called."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from unit.samples import uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    ImageError,
    InvalidRequest,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    catalogue,
    manifest,
    naming,
    verification_record,
)

START = datetime(2026, 11, 23, 1, tzinfo=UTC)
REPOSITORY = "/srv/backup"
IMAGE = f"{uuid(0xD0)}.raw"
OVF = 10


def document(vm: int, hours: int, name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a manifest, as JSON has it."""
    when = START + timedelta(hours=hours)
    return {
        "format": "ovirt_community.backup",
        "version": 1,
        "run_id": f"r{hours}",
        "correlation_id": "",
        "started": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "finished": (when + timedelta(minutes=9)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "vm": {"id": uuid(vm), "name": name, "cluster": "", "data_center": "", "description": ""},
        "snapshot": {"id": uuid(5), "description": "", "date": (when).isoformat()},
        "consistency": {"level": "crash", "evidence": []},
        "versions": {"engine": "", "collection": "", "qemu_img": "", "ansible": ""},
        "ovf": {"file": "vm.ovf", "size": OVF, "sha256": "a" * 64},
        "disks": [
            {
                "id": uuid(0xD0),
                "alias": "d",
                "interface": "virtio",
                "bootable": True,
                "virtual_size": 512,
                "format": "raw",
                "compression": "none",
                "file": IMAGE,
                "file_size": 512,
                "bytes_stored": 512,
                "content_sha256": "b" * 64,
                "file_sha256": "b" * 64,
                "parent": None,
            }
        ],
        **changes,
    }


def seen(
    vm: int = 1, hours: int = 0, name: str = "web01", data: dict[str, Any] | None = None
) -> catalogue.FoundDirectory:
    """Return a set that is whole."""
    found = data or document(vm, hours, name)
    when = START + timedelta(hours=hours)
    return catalogue.FoundDirectory(
        vm_directory=naming.vm_directory(name, uuid(vm)),
        name=f"{when:%Y%m%dT%H%M%SZ}.r{hours}",
        files={IMAGE: 512, "vm.ovf": OVF, "manifest.json": 1},
        manifest=json.dumps(found).encode(),
    )


def entries(*some: catalogue.FoundDirectory) -> tuple[catalogue.Entry, ...]:
    return catalogue.build(REPOSITORY, some).entries


def test_the_newest_good_set_is_chosen() -> None:
    unfinished = replace(seen(hours=3), manifest=None)
    broken = replace(seen(hours=2), files={IMAGE: 511, "vm.ovf": OVF})
    found = entries(unfinished, seen(hours=0), seen(hours=1), broken, seen(2, 9, "app"))
    assert catalogue.choose(found, "web01").run_id == "r1"
    assert catalogue.choose(found, uuid(1)).run_id == "r1"
    assert catalogue.choose(found, "web01", START + timedelta(hours=1)).run_id == "r0"


def test_the_choice_says_what_there_is() -> None:
    found = entries(seen(), replace(seen(hours=1), manifest=None), seen(2, 0, "app"))
    with pytest.raises(NotFound) as caught:
        catalogue.choose(found, "db")
    assert caught.value.hint == "There are sets of: app, web01."
    with pytest.raises(NotFound) as caught:
        catalogue.choose(found, "web01", START)
    assert "from before 2026-11-23T01:00:00Z" in caught.value.message
    assert caught.value.details["sets"] == [
        "20261123T010000Z.r0 complete",
        "20261123T020000Z.r1 unfinished",
    ]
    with pytest.raises(NotFound) as caught:
        catalogue.choose((), "web01")
    assert caught.value.hint == "It is empty."
    with pytest.raises(NotFound, match="no good set of 'web01'"):
        catalogue.choose(entries(replace(seen(), manifest=None)), "web01")


def test_a_name_of_two_vms_is_refused() -> None:
    found = entries(seen(1), seen(2))
    with pytest.raises(Ambiguous) as caught:
        catalogue.choose(found, "web01")
    assert caught.value.details["matches"] == [uuid(1), uuid(2)]
    assert catalogue.choose(found, uuid(2)).vm_id == uuid(2)


def test_a_vm_that_was_renamed_keeps_its_history() -> None:
    found = entries(seen(1, 0, "old"), seen(1, 1, "new"))
    assert catalogue.choose(found, "new").run_id == "r1"
    former = catalogue.choose(found, "old")
    assert former.run_id == "r1", "the newest of the VM, not of the name"
    [note] = catalogue.other_name(former, "old")
    assert f"The VM {uuid(1)} is called 'new' in this set, not 'old'" in note
    assert catalogue.other_name(former, "new") == catalogue.other_name(former, uuid(1)) == []
    earlier = catalogue.choose(found, "new", START + timedelta(hours=1))
    assert earlier.run_id == "r0"
    assert "is called 'old'" in catalogue.other_name(earlier, "new")[0]
    assert catalogue.choose(found, uuid(1)).run_id == "r1"
    newest = catalogue.choose_all(found, catalogue.Filter(select=catalogue.NEWEST))
    assert [one.vm_name for one in newest] == ["new"]


def test_the_newest_of_a_vm_does_not_depend_on_the_order() -> None:
    found = entries(seen(hours=1), seen(hours=0))
    for some in (found, found[::-1]):
        [newest] = catalogue.choose_all(some, catalogue.Filter(select=catalogue.NEWEST))
        assert newest.run_id == "r1"


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("2026-11-23T03:00:00.250000+02:00", "2026-11-23T01:00:00Z"),
        ("2026-11-23T01:05:00Z", "2026-11-23T01:05:00Z"),
        ("2026-11-23T00:55:00Z", "2026-11-23T01:00:00Z"),
        ("2026-11-23T01:15:00Z", "2026-11-23T01:09:00Z"),
        ("2026-11-23T01:30:00Z", "2026-11-23T01:09:00Z"),
        ("2036-11-23T01:05:00Z", "2026-11-23T01:09:00Z"),
        ("2026-11-20T01:05:00Z", "2026-11-23T01:09:00Z"),
        ("yesterday", "2026-11-23T01:09:00Z"),
        ("2026-11-23", "2026-11-23T01:09:00Z"),
        ("0001-01-01T00:00:00+14:00", "2026-11-23T01:09:00Z"),
    ],
)
def test_a_set_is_of_the_time_of_its_snapshot(date: str, time: str) -> None:
    """Or, if that is not known or not within its run, of the time at which the run ended: never older than its data."""
    data = document(1, 0, "web01", snapshot={"id": uuid(5), "description": "", "date": date})
    [found] = entries(seen(data=data))
    assert catalogue.to_dict(found)["time"] == time


def test_a_record_is_of_one_manifest() -> None:
    whole = seen()
    assert whole.manifest
    record = verification_record.VerificationRecord(
        run_id="r0",
        manifest_sha256=hashlib.sha256(whole.manifest).hexdigest(),
        time="2026-11-24T00:00:00Z",
        verdict=verification_record.CORRUPT,
        depth=verification_record.FILES,
        faults=(
            verification_record.SetFault(IMAGE, "has other bytes"),
            verification_record.SetFault("", "is odd"),
        ),
        notes=("dusty",),
        tools={"qemu_img": "7.2"},
        seconds=1.5,
    )
    [found] = entries(replace(whole, record=verification_record.dumps(record)))
    assert found.verified == record
    assert (found.state, found.is_good) == ("corrupt", False)
    assert found.reason == f"Verified 2026-11-24T00:00:00Z: {IMAGE} has other bytes; is odd."
    facts = catalogue.to_dict(found)["verified"]
    assert facts["faults"] == [f"{IMAGE} has other bytes", "is odd"]
    good = replace(record, verdict=verification_record.OK, faults=())
    [found] = entries(replace(whole, record=verification_record.dumps(good)))
    assert found.is_good
    assert found.verified
    assert found.verified.moment == datetime(2026, 11, 24, tzinfo=UTC)
    other = replace(good, manifest_sha256="0" * 64)
    [found] = entries(replace(whole, record=verification_record.dumps(other)))
    assert (found.verified, found.manifest, found.state) == (None, None, "corrupt")
    assert found.reason == "The manifest is not the one that was verified."
    assert catalogue.vouched(found) == "0" * 64
    [found] = entries(replace(whole, record=verification_record.dumps(replace(other, run_id="r9"))))
    assert (found.verified, found.state) == (None, "complete")
    assert catalogue.vouched(found) == record.manifest_sha256


def vouched(**more: Any) -> catalogue.FoundDirectory:  # noqa: ANN401
    """Return a set of this release, with the checksum of its manifest."""
    whole = seen(data=document(1, 0, "web01", checksum="manifest.sha256"))
    assert whole.manifest
    return replace(whole, **{"checksum": manifest.checksum(whole.manifest), **more})


def test_a_checksum_vouches_for_the_manifest() -> None:
    [found] = entries(vouched())
    assert (found.state, found.seen.checksum is None) == ("complete", False)
    whole = vouched().manifest or b""
    assert catalogue.vouched(found) == manifest.digest(whole)
    changed = whole.replace(b'"alias": "d"', b'"alias": "e"')
    [found] = entries(vouched(manifest=changed))
    assert (found.state, found.manifest) == ("corrupt", None)
    assert found.reason.startswith("manifest.json does not match the checksum")
    assert catalogue.vouched(found) == manifest.digest(whole)
    [found] = entries(vouched(checksum=None))
    assert found.reason == "manifest.sha256, the file with the manifest's checksum, is missing."
    [found] = entries(vouched(checksum=b"x"))
    assert (found.state, catalogue.vouched(found)) == ("corrupt", manifest.digest(whole))
    later = manifest.checksum(whole).replace(b"checksum 1", b"checksum 7")
    assert entries(vouched(checksum=later))[0].state == "unsupported"


def test_what_cannot_be_looked_at_is_unreadable() -> None:
    [found] = entries(replace(seen(), unseen="manifest.json: Input/output error."))
    assert (found.state, found.reason) == ("unreadable", "manifest.json: Input/output error.")
    assert not found.has_good([IMAGE])


def test_sets_of_no_certain_time_are_not_chosen() -> None:
    future = seen(hours=24 * 3650)
    found = catalogue.build(REPOSITORY, [seen(), future], now=START + timedelta(days=1)).entries
    assert [one.doubt.partition(",")[0] for one in found] == [
        "",
        "it is dated 2036-11-20T01:00:00Z",
    ]
    assert (found[1].is_good, found[1].counts) == (True, False)
    chosen = catalogue.choose(found, "web01")
    assert chosen.run_id == "r0"
    [said] = catalogue.passed_over(found, chosen)
    assert said.startswith(
        f"The set {found[1].path} was not chosen: its time is not certain, it is"
    )
    for select in (catalogue.NEWEST, catalogue.NEWEST_GOOD):
        assert catalogue.choose_all(found, catalogue.Filter(select=select)) == [chosen]
    assert catalogue.choose_all(found[1:], catalogue.Filter(select=catalogue.NEWEST)) == [found[1]]
    assert catalogue.choose_all(found[1:], catalogue.Filter(select=catalogue.NEWEST_GOOD)) == []
    with pytest.raises(NotFound) as caught:
        catalogue.choose(found[1:], "web01")
    assert "r87600 complete (it is dated 2036" in caught.value.hint
    assert "give its path" in caught.value.hint
    facts = catalogue.to_dict(found[1])
    assert (facts["time_certain"], facts["time_note"]) == (False, found[1].doubt)


def test_the_clocks_of_a_set_decide_its_time() -> None:
    clocks = {
        "asked": "2026-11-23T01:00:02Z",
        "there": "2026-11-23T01:00:20Z",
        "appliance": "2026-11-23T01:00:21Z",
    }
    snapshot = {"id": uuid(5), "description": "", "date": "2036-01-01T00:00:00Z"}
    [found] = entries(seen(data=document(1, 0, "web01", clocks=clocks, snapshot=snapshot)))
    facts = catalogue.to_dict(found)
    assert (facts["time"], facts["time_certain"]) == ("2026-11-23T01:00:20Z", True)
    assert facts["time_note"].startswith("the engine's clock said 2036-01-01T00:00:00Z")


def test_a_choice_of_good_disks_tells_of_what_it_passed_over() -> None:
    data = document(1, 1, "web01")
    data["disks"] = [
        {**data["disks"][0], "id": uuid(n), "alias": f"d{n}", "file": f"{n}.raw"} for n in (1, 2)
    ]
    files = {"1.raw": 512, "2.raw": 511, "vm.ovf": OVF}
    bad = replace(seen(hours=1, data=data), files=files)
    found = entries(seen(), bad)
    assert catalogue.choose(found, "web01", disks=["d1"]).run_id == "r1"
    chosen = catalogue.choose(found, "web01", disks=["d2"])
    assert chosen.run_id == "r0"
    assert catalogue.passed_over(found, chosen) == [
        f"The set {found[1].path} was not chosen: it is corrupt, 2.raw has 511 bytes, not 512."
    ]
    assert catalogue.passed_over(found, chosen, before=START + timedelta(minutes=1)) == []
    assert not catalogue.has_good_disks(found[1], ["other"])
    assert found[0].has_good(["x"])
    record = verification_record.VerificationRecord(
        run_id="r1",
        manifest_sha256=manifest.digest(bad.manifest or b""),
        time="2026-11-24T00:00:00Z",
        verdict=verification_record.CORRUPT,
        depth=verification_record.FILES,
        faults=(verification_record.SetFault("1.raw", "has other bytes"),),
        notes=(),
        tools={},
        seconds=1.0,
    )
    [both] = entries(replace(bad, record=verification_record.dumps(record)))
    assert both.bad_files == {"1.raw", "2.raw"}
    assert both.reason == "2.raw has 511 bytes, not 512."
    no_ovf = replace(bad, files={**files, "vm.ovf": 1})
    assert not catalogue.has_good_disks(entries(no_ovf)[0], ["d1"])


def test_sets_in_a_directory_that_cannot_be_read_are_not_called_missing() -> None:
    dead = catalogue.Stranger(f"/r/web01.{uuid(1)}", "cannot be read: EIO", unread=True)
    other = catalogue.Stranger("/r/x", "is odd", unread=True)
    found = catalogue.Catalogue("/r", (), (dead, other))
    assert found.unread() == found.unread("web01") == found.unread(uuid(1)) == [dead]
    assert found.unread("db") == []
    with pytest.raises(ImageError, match="cannot be read: EIO"):
        catalogue.find(found, [f"{dead.path}/x"])
    with pytest.raises(InvalidRequest):
        catalogue.find(found, ["/r/y/x"])


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "perhaps"},
        {"depth": "sea"},
        {"time": "2026-02-30T00:00:00Z"},
        {"time": "today"},
        {"version": 2},
        {"format": "x"},
        {"faults": 3},
        {"faults": [3]},
        {"tools": []},
        {"seconds": "x"},
        {"seconds": 10**400},
    ],
)
def test_a_record_that_is_none(changes: dict[str, Any]) -> None:
    record = {
        "format": verification_record.FORMAT,
        "version": 1,
        "run_id": "r0",
        "manifest_sha256": "0" * 64,
        "time": "2026-11-24T00:00:00Z",
        "verdict": "ok",
        "depth": "files",
        "faults": [],
        "notes": [],
        "tools": {},
        "seconds": 1,
    }
    assert verification_record.loads(json.dumps(record).encode())
    assert verification_record.loads(json.dumps({**record, **changes}).encode()) is None


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b"[" * 100_000])
def test_a_record_that_is_nothing(data: bytes) -> None:
    assert verification_record.loads(data) is None


def test_names_of_directories_give_what_a_manifest_cannot() -> None:
    known = replace(seen(name="wéb"), manifest=None)
    cut = replace(known, vm_directory=f"web~0123.{uuid(2)}", fault="It is odd.")
    nameless, named = entries(known, cut)
    assert (nameless.vm_name, nameless.title, nameless.reason) == (None, uuid(2), "It is odd.")
    assert (named.vm_name, named.title, named.bytes_stored) == ("wéb", "wéb", 523)
    assert catalogue.to_dict(nameless)["vm"] == {"id": uuid(2), "name": None}
    strange = replace(known, vm_directory="x", name="y")
    [lost] = entries(strange)
    assert (lost.vm_id, lost.run_id, lost.state) == ("", "", "unfinished")


def test_manifests_that_are_not_the_sets() -> None:
    other_vm = seen(data=document(2, 0, "web01"))
    other_run = seen(data=document(1, 1, "web01"))
    later = seen(data=document(1, 0, "web01", version=2))
    none = replace(seen(), manifest=b"{")
    found = [catalogue.judge(REPOSITORY, one) for one in (other_vm, other_run, later, none)]
    assert [one.state for one in found] == ["corrupt", "corrupt", "unsupported", "corrupt"]
    assert "another VM" in found[0].reason
    assert "another run" in found[1].reason


def test_files_are_compared_with_the_manifest() -> None:
    odd: list[dict[str, int | None]] = [
        {IMAGE: None, "vm.ovf": OVF},
        {"vm.ovf": OVF},
        {IMAGE: 512, "vm.ovf": 9},
    ]
    found = [entries(replace(seen(), files=files))[0] for files in odd]
    assert [one.reason for one in found] == [
        f"{IMAGE} is not a regular file.",
        f"{IMAGE} is not there.",
        "vm.ovf has 9 bytes, not 10.",
    ]


def child(hours: int, parent: str) -> catalogue.FoundDirectory:
    data = document(1, hours, "web01")
    data["disks"][0]["parent"] = parent
    return seen(hours=hours, data=data)


def test_a_set_needs_those_that_it_builds_on() -> None:
    found = entries(seen(), child(1, "r0"), child(2, "r1"), child(3, "r9"), child(4, "r3"))
    assert [one.state for one in found] == [*["complete"] * 3, *["parent_missing"] * 2]
    assert found[3].reason == "It builds on r9, which is missing or not good."
    ring = entries(child(1, "r2"), child(2, "r1"))
    assert [one.state for one in ring] == ["parent_missing", "parent_missing"]


def test_filters() -> None:
    found = entries(seen(), replace(seen(hours=1), manifest=None), seen(2, 2, "app"))

    def runs(**wanted: Any) -> list[str]:  # noqa: ANN401
        return [one.run_id for one in catalogue.choose_all(found, catalogue.Filter(**wanted))]

    assert runs() == ["r2", "r0", "r1"]
    assert runs(vm="web01", states=("complete",)) == ["r0"]
    assert runs(after=START + timedelta(hours=1)) == ["r2", "r1"]
    assert runs(consistency=("crash",)) == ["r2", "r0"]
    assert runs(sizes=(513, None)) == ["r1"]
    assert runs(sizes=(None, 512)) == ["r2", "r0"]
    assert catalogue.totals(found)["bytes_stored"] == 512 * 2 + 523


def test_sets_are_found_by_path() -> None:
    found = catalogue.build(REPOSITORY, [seen(), seen(hours=1)])
    first = found.entries[0]
    assert catalogue.find(found, [f"{first.path}/", first.path]) == [first]
    with pytest.raises(InvalidRequest, match="no set of the repository"):
        catalogue.find(found, [first.path, "/etc"])


def test_strangers_are_printable() -> None:
    found = catalogue.build("/r", [], [catalogue.Stranger("/r/\udcff", "is odd")])
    assert catalogue.strangers(found) == [{"path": "/r/\\udcff", "reason": "is odd"}]


def test_a_manifest_is_printable() -> None:
    found = manifest.from_dict(document(1, 0, "w\ud800"))
    assert manifest.to_dict(found)["vm"]["name"] == "w\\ud800"
    assert manifest.to_dict(found)["disks"][0]["bootable"] is True
