# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a fault, and which sets are read together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from unit.core.repository.test_backup_set_prune import VERIFIED
from unit.core.repository.test_catalogue import entries, seen
from unit.samples import uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    Outcome,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backlog,
    backup_set_verify,
    catalogue,
    manifest,
    verification_record,
)

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "fault", "note"),
    [
        (0, "", ""),
        (3, "", "x contains unused clusters, which only waste space"),
        (63, "", "x cannot be checked by this qemu-img"),
        (2, "x is damaged inside (qemu-img check: b)", ""),
    ],
)
def test_what_qemu_img_check_means(code: int, fault: str, note: str) -> None:
    findings = backup_set_verify.Findings()
    backup_set_verify.structure("x", Outcome(code, ""), "a\nb\n", findings)
    assert [one.text() for one in findings.faults] == ([fault] if fault else [])
    assert findings.notes == ([note] if note else [])
    assert findings.verdict == ("corrupt" if fault else "ok")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Outcome(-9, ""), "x: qemu-img was killed by signal 9"),
        (
            Outcome(1, "Check failed: Cannot allocate memory"),
            "x: qemu-img could not look (Check failed: Cannot allocate memory)",
        ),
        (
            Outcome(
                1, "qemu-img: Could not open 'x': Failed to get shared \"write\" lock\nIs another"
            ),
            "x: qemu-img could not look (Could not open 'x': Failed to get shared \"write\" lock)",
        ),
        (
            Outcome(1, "qemu-img: Could not open 'x': Too many open files"),
            "x: qemu-img could not look (Could not open 'x': Too many open files)",
        ),
    ],
)
def test_a_program_that_could_not_work_says_nothing_of_the_set(outcome: Outcome, why: str) -> None:
    findings = backup_set_verify.Findings()
    backup_set_verify.structure("x", outcome, outcome.stderr, findings)
    assert (findings.faults, findings.notes, findings.undecided) == ([], [], [why])
    disk = replace(manifest.loads(seen().manifest or b"").disks[0], file="x")
    findings = backup_set_verify.Findings()
    for found in ("", "of a part"):
        backup_set_verify.content(disk, outcome, outcome.stderr, found, findings)
    assert (findings.faults, findings.undecided) == ([], [why, why])


def test_a_check_that_says_nothing() -> None:
    findings = backup_set_verify.Findings()
    backup_set_verify.structure("x", Outcome(2, ""), "\n", findings)
    assert findings.faults[0].fault == "is damaged inside (qemu-img check: it said nothing)"


def test_a_check_that_was_not_completed_says_nothing_of_the_set() -> None:
    """qemu-img's exit status 1, whatever the words."""
    for said, why in (("", "it said nothing"), ("EIO\n", "EIO")):
        findings = backup_set_verify.Findings()
        backup_set_verify.structure("x", Outcome(1, said), said, findings)
        assert (findings.faults, findings.verdict) == ([], "ok")
        assert findings.undecided == [f"x: qemu-img could not look ({why})"]


def test_what_waits_longest_comes_first() -> None:
    """A record dated in the future does not count, or a limit would never reach the set."""
    [entry] = entries(seen())
    record = verification_record.VerificationRecord(
        "r0", "", "2036-01-01T00:00:00Z", "ok", "files", (), (), {}, 1.0
    )
    future = replace(entry, path="/r/f", verified=record)
    known = replace(entry, path="/r/k", verified=replace(record, time="2026-11-30T00:00:00Z"))
    found = catalogue.Catalogue("/r", (known, future))
    assert backup_set_verify.choose(
        found, backup_set_verify.VerifyRequest("/r", limit=1), NOW
    ).due == (future,)


def test_directories_that_could_not_be_looked_at() -> None:
    other = catalogue.Stranger(f"/r/app.{uuid(2)}", "is a link")
    dead = catalogue.Stranger(
        f"/r/web01.{uuid(1)}", "cannot be read: Stale file handle", unread=True
    )
    mount = catalogue.Stranger("/r/offsite", "cannot be read: Stale file handle", unread=True)
    found = catalogue.Catalogue("/r", (), (other, dead, mount))
    asked = backup_set_verify.VerifyRequest("/r")
    for wanted in (asked, replace(asked, vm="web01"), replace(asked, vm=uuid(1))):
        assert backup_set_verify.unread(found, wanted) == [dead]
    for wanted in (replace(asked, vm="app"), replace(asked, sets=("/r/x",))):
        assert backup_set_verify.unread(found, wanted) == []


def test_small_sets_are_read_together() -> None:
    found = entries(*(seen(hours=number) for number in range(5)))
    broken = replace(found[0], manifest=None, state=catalogue.CORRUPT)
    sizes = [len(batch) for batch in backup_set_verify.batches([broken, *found], 2)]
    assert sizes == [3, 2, 1]
    assert backup_set_verify.batches([], 2) == []


def test_records_are_short() -> None:
    found = manifest.loads(seen().manifest or b"")
    faults = tuple(
        verification_record.SetFault(found.disks[0].file, f"x{one}") for one in range(5000)
    )
    record = verification_record.VerificationRecord(
        run_id="r0",
        manifest_sha256="0" * 64,
        time="2026-11-24T00:00:00Z",
        verdict="corrupt",
        depth="files",
        faults=faults,
        notes=tuple(map(str, range(5000))),
        tools={},
        seconds=1.0,
    )
    stored = verification_record.dumps(record)
    assert len(stored) < verification_record.SIZE_LIMIT / 10
    read = verification_record.loads(stored)
    assert read
    assert read.faults == faults[: len(read.faults)]
    assert len(read.faults) == len(read.notes) == 64


def test_depth_that_was_not_reached_is_due() -> None:
    [entry] = entries(seen())
    record = replace(VERIFIED, run_id="r0", time="2026-11-30T00:00:00Z")
    verified = replace(entry, verified=record)
    found = catalogue.Catalogue("/r", (verified,))
    asked = backup_set_verify.VerifyRequest("/r", unverified_days=7)
    assert backup_set_verify.choose(found, asked, NOW).due == ()
    assert backup_set_verify.choose(found, replace(asked, content=True), NOW).due == (verified,)
    deep = replace(verified, verified=replace(record, depth="content"))
    found = catalogue.Catalogue("/r", (deep,))
    assert backup_set_verify.choose(found, replace(asked, content=True), NOW).due == ()


def recorded(entry: catalogue.Entry, time: str, verdict: str = "ok") -> catalogue.Entry:
    """Return a set with the record of a verification."""
    record = verification_record.VerificationRecord(
        entry.run_id, "", time, verdict, "files", (), (), {}, 1.0
    )
    return replace(entry, path=f"/r/{entry.run_id}", verified=record)


def test_what_is_known_to_be_no_good_counts_wherever_it_is_not_read() -> None:
    """Green with a set recorded corrupt: the limit had not come to it, or it was not the newest."""
    old, fresh, newest = (recorded(one, "2026-11-30T00:00:00Z") for one in entries(*map_hours(3)))
    bad = replace(old, state=catalogue.CORRUPT, reason="Verified then: x has other bytes.")
    lost = replace(fresh, state=catalogue.UNREADABLE, reason="EIO.")
    found = catalogue.Catalogue("/r", (bad, lost, newest))
    known = (
        backup_set_verify.Known(
            bad.path, "not read now; Verified then: x has other bytes", undecided=False
        ),
        backup_set_verify.Known(lost.path, "not read now; EIO", undecided=True),
    )
    chosen = backup_set_verify.choose(
        found, backup_set_verify.VerifyRequest("/r", newest=True), NOW
    )
    assert (chosen.due, chosen.known) == ((newest,), known)
    [said] = chosen.warnings()
    assert said.startswith("2 sets that are not read now are known to be bad. /r/r0: not read")
    chosen = backup_set_verify.choose(found, backup_set_verify.VerifyRequest("/r", limit=1), NOW)
    assert (chosen.due, chosen.known) == ((bad,), known[1:])
    asked = backup_set_verify.VerifyRequest("/r", unverified_days=7)
    assert {one.run_id for one in backup_set_verify.choose(found, asked, NOW).due} == {"r0", "r1"}
    for narrow in (replace(asked, vm="app"), replace(asked, sets=(newest.path,))):
        assert backup_set_verify.choose(found, narrow, NOW).known == ()


def map_hours(number: int) -> list[catalogue.FoundDirectory]:
    return [seen(hours=hours) for hours in range(number)]


def test_the_failure_says_what_was_not_reached() -> None:
    left = backlog.Backlog(5, 3, NOW, 20.0, 150.0)
    told = backup_set_verify.failure({"/r/a": ["x"]}, 3, {"/r/b": ["EIO"]}, left)
    assert told.message.startswith("1 of 3 sets are corrupt. /r/a: x. 1 of 3 sets could not be")
    assert told.message.endswith(left.text())
    assert told.details["not_reached"] == left.to_dict()
    told = backup_set_verify.failure({}, 3, {"/r/b": ["EIO"]}, left)
    assert told.message == f"1 of 3 sets could not be verified. /r/b: EIO. {left.text()}"
    told = backup_set_verify.failure({}, 3, {"/r/b": ["EIO"]}, backlog.Backlog())
    assert told.message == "1 of 3 sets could not be verified. /r/b: EIO."
