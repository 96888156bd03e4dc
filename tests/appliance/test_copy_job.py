# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy as a job: it continues without its caller, is joined, is found dead, and gives its result once."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from appliance.loops import MIB, LoopAppliance, serve

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.disk_image_copy import (
    DiskImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    CopyDied,
    DeviceNotFound,
    ImageExists,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import jobs
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

SIZE = 48 * MIB
"""More than qemu-img reads at once, else it has no progress to tell of."""

SLOW = 12 * MIB
"""Bytes a second: a copy takes four seconds, and as long again to prove."""


def open_files(pid: int) -> set[str]:
    """Return what a process has open; some of it may be closed while we look."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(path))
    return found


@dataclass
class Desk:
    """An appliance, one disk of it, and where its image goes."""

    appliance: LoopAppliance
    repository: Path
    disk_id: str
    content: bytes
    snapshot: str = ""

    @property
    def host(self) -> Host:
        """The appliance, with a place of its own for notes of jobs."""
        return Host(replace(self.appliance.paths, jobs=str(self.appliance.root / "jobs")))

    @property
    def dest(self) -> Path:
        """The image."""
        return self.repository / "a.raw"

    @property
    def request(self) -> CopyRequest:
        """What every call asks for."""
        return CopyRequest(
            (ImageRequest(self.disk_id, SIZE, str(self.dest)),), "raw", "none", 0.0, self.snapshot
        )

    def ask(
        self, wait: float | None = None, follower: str = "", *, check: bool = False
    ) -> dict[str, Any]:
        """One call."""
        following = jobs.Following(wait, follower)
        result, _warnings = perform(
            DiskImageCopy(self.request, following, self.host), check_mode=check
        )
        return result

    def workers(self) -> list[int]:
        """Processes of jobs that live, by the lock that they hold open."""
        locks = {str(path) for path in Path(self.host.paths.jobs).glob("*/alive")}
        found = []
        for process in filter(lambda path: path.name.isdigit(), Path("/proc").iterdir()):
            with suppress(OSError):
                if locks & open_files(int(process.name)):
                    found.append(int(process.name))
        return found

    def whole(self) -> bool:
        """Tell whether the image has its final name and every byte."""
        return self.dest.read_bytes() == self.content


@pytest.fixture
def desk(appliance: LoopAppliance, repository: Path, disk_id: str) -> Iterator[Desk]:
    """A fast disk; whatever copies at the end is ended."""
    content = os.urandom(SIZE)
    appliance.plug(content, SIZE, disk_id)
    found = Desk(appliance, repository, disk_id, content)
    yield found
    end(found)


@pytest.fixture
def slow_desk(appliance: LoopAppliance, repository: Path, disk_id: str) -> Iterator[Desk]:
    """A disk that takes seconds to copy."""
    content = os.urandom(SIZE)
    export = serve(appliance.file(content, SIZE), bytes_per_second=SLOW)
    try:
        appliance.name(appliance.attach(export.file), disk_id)
        found = Desk(appliance, repository, disk_id, content)
        yield found
        end(found)
    finally:
        export.kill()


def end(desk: Desk) -> None:
    for pid in desk.workers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: desk.workers() == [])


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


def test_one_call_is_all_that_an_ordinary_user_makes(desk: Desk) -> None:
    result = desk.ask()
    assert (result["changed"], result["finished"]) == (True, True)
    assert desk.whole()
    [image] = result["images"]
    assert image["content_sha256"] == hashlib.sha256(desk.content).hexdigest()
    assert result["progress"]["percent"] == 100
    assert result["progress"]["bytes_total"] == SIZE
    assert result["progress"]["seconds_left"] == 0
    assert result["diff"]["after"] == {"images": [str(desk.dest)]}
    again = desk.ask()
    assert (again["changed"], again["finished"]) == (False, True)
    assert set(again) == set(result) == set(desk.ask(check=True))
    assert desk.workers() == []


def test_the_copy_goes_on_between_calls(slow_desk: Desk) -> None:
    first = slow_desk.ask(0.3, "me")
    assert (first["changed"], first["finished"], first["images"]) == (True, False, [])
    [worker] = slow_desk.workers()
    seen = [first["progress"]["percent"]]
    while not (now := slow_desk.ask(0.5, "me"))["finished"]:
        assert not now["changed"]
        assert slow_desk.workers() in ([worker], [])
        seen.append(now["progress"]["percent"])
    assert seen == sorted(seen)
    assert len(set(seen) - {100}) >= 3, "progress was seen"
    assert 100 not in seen[:-1], "between the last byte and the end there is a moment"
    assert now["changed"]
    assert now["seconds"] > 2, "what the copy took, not the last call"
    assert slow_desk.whole()


def test_the_job_belongs_to_nobody(slow_desk: Desk) -> None:
    slow_desk.ask(0.0)
    [worker] = slow_desk.workers()
    words = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    parent, group, session = (int(word) for word in words[1:4])
    assert session != os.getsid(0)
    assert group == session != worker, "no leader, so no terminal can become its own"
    assert parent != os.getpid()
    fds, ours = open_files(worker), open_files(os.getpid())
    assert fds & ours <= {"/dev/null"} | {link for link in fds if link.startswith("anon_inode:")}
    assert os.readlink(f"/proc/{worker}/cwd") == "/"


def test_it_outlives_who_asked_for_it(slow_desk: Desk) -> None:
    """As with a connection that is lost: the whole session of the caller is killed."""
    program = (
        "import sys, time; from appliance import test_copy_job as t; from pathlib import Path;"
        "from appliance.loops import LoopAppliance; a = object.__new__(LoopAppliance);"
        "a.root = Path(sys.argv[1]);"
        "print(t.Desk(a, Path(sys.argv[2]), sys.argv[3], b'').ask(0.2)['finished'], flush=True);"
        "time.sleep(60)"
    )
    words = [str(slow_desk.appliance.root), str(slow_desk.repository), slow_desk.disk_id]
    caller = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert caller.stdout
    with caller.stdout:
        assert caller.stdout.readline() == "False\n"
        os.killpg(caller.pid, signal.SIGHUP)
        os.killpg(caller.pid, signal.SIGKILL)
        # The job holds nothing of the pipe, else a connection would hang until its end.
        assert caller.stdout.read() == ""
    caller.wait()
    assert len(slow_desk.workers()) == 1
    until(lambda: slow_desk.workers() == [], 60)
    assert slow_desk.whole()


def test_two_callers_have_one_job(slow_desk: Desk) -> None:
    slow_desk.ask(0.0, "first")
    [worker] = slow_desk.workers()
    slow_desk.ask(0.0, "second")
    assert slow_desk.workers() == [worker]


def test_a_result_of_a_snapshot_is_given_once_and_again_to_who_had_it(desk: Desk) -> None:
    desk = replace(desk, snapshot="one")
    desk.ask(0.0, "gone")
    until(lambda: desk.workers() == [])
    taken = desk.ask(None, "new")
    assert taken["changed"], "the one who follows later has what the first left"
    assert desk.ask(None, "new") == taken, "its answer may have been lost"
    assert not desk.ask(None, "other")["changed"], "the image was proven again"


@pytest.mark.parametrize("snapshots", [("", ""), ("one", "two"), ("one", "")])
def test_the_copy_of_another_night_is_not_this_nights(
    desk: Desk, snapshots: tuple[str, str]
) -> None:
    """One disk, one serial, one size and one dest, but the device shows another snapshot."""
    first, second = (replace(desk, snapshot=one) for one in snapshots)
    first.ask(0.0, "killed")
    until(lambda: desk.workers() == [])
    assert desk.whole()
    (desk.appliance.root / "by-id" / f"virtio-{desk.disk_id[:20]}").unlink()
    later = os.urandom(SIZE)
    desk.appliance.plug(later, SIZE, desk.disk_id)
    with pytest.raises(ImageExists, match="differs from the content of the device"):
        second.ask(None, "tonight")
    desk.dest.unlink()
    assert second.ask(None, "tomorrow")["images"][0]["content_sha256"] == digest(later)
    assert desk.dest.read_bytes() == later


def test_a_copy_that_goes_on_for_a_stranger_is_waited_for_and_proven(slow_desk: Desk) -> None:
    slow_desk.ask(0.0, "stranger")
    waited = slow_desk.ask(0.2, "me")
    assert (waited["changed"], waited["finished"]) == (False, False)
    result = slow_desk.ask(None, "me")
    assert (result["changed"], result["finished"]) == (False, True)
    assert result["images"][0]["seconds"]["copying"] == 0.0
    assert result["images"][0]["content_sha256"] == digest(slow_desk.content)


def test_an_image_that_is_gone_is_no_result(desk: Desk) -> None:
    desk = replace(desk, snapshot="one")
    desk.ask(0.0, "killed")
    until(lambda: desk.workers() == [])
    desk.dest.unlink()
    assert desk.ask(None, "me")["changed"]
    assert desk.whole()


def test_a_failure_is_not_handed_on(desk: Desk) -> None:
    desk = replace(desk, snapshot="one")
    desk.dest.write_bytes(b"something else")
    desk.ask(0.0, "killed")
    until(lambda: desk.workers() == [])
    desk.dest.unlink()
    assert desk.ask(None, "me")["changed"]
    assert desk.whole()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_failure_is_given_as_it_was(desk: Desk) -> None:
    desk.dest.write_bytes(b"something else")
    with pytest.raises(ImageExists) as told:
        desk.ask()
    assert told.value.details["dest"] == str(desk.dest)
    assert told.value.hint
    with pytest.raises(DeviceNotFound):
        replace(desk, disk_id=str(uuid.uuid4())).ask()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_job_is_seen_at_once_and_begun_anew(slow_desk: Desk, number: int) -> None:
    slow_desk.ask(0.5, "me")
    [worker] = slow_desk.workers()
    os.kill(worker, number)
    start = time.monotonic()
    with pytest.raises(CopyDied):
        slow_desk.ask(30, "me")
    assert time.monotonic() - start < 5
    assert not slow_desk.dest.exists()
    result = slow_desk.ask(None, "next")
    assert result["changed"]
    assert slow_desk.whole()
    assert sorted(path.name for path in slow_desk.repository.iterdir()) == ["a.raw"]


def test_a_job_that_breaks_says_where(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours in the job: its traceback is in the log, and the log is in the failure."""
    monkeypatch.setattr(DiskImageCopy, "_do", None)
    with pytest.raises(CopyDied, match="'NoneType' object is not callable") as told:
        desk.ask(None, "me")
    assert "Traceback" in told.value.details["log"]


def test_check_mode_starts_nothing(desk: Desk) -> None:
    predicted = desk.ask(check=True)
    assert (predicted["changed"], predicted["finished"]) == (True, False)
    assert predicted["images"][0]["dest"] == str(desk.dest)
    assert not Path(desk.host.paths.jobs).exists()
    assert list(desk.repository.iterdir()) == []


def test_check_mode_beside_a_job_looks_at_the_job(slow_desk: Desk) -> None:
    until(lambda: slow_desk.ask(0.1)["progress"]["percent"] > 0)
    seen = slow_desk.ask(check=True)
    assert (seen["changed"], seen["finished"]) == (False, False)
    assert seen["progress"]["percent"] > 0


def test_notes_are_for_their_owner_alone(desk: Desk) -> None:
    desk.ask()
    for path in [Path(desk.host.paths.jobs), *Path(desk.host.paths.jobs).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("kind", ["open", "link", "foreign"])
def test_a_place_that_others_can_write_to_is_refused(desk: Desk, kind: str) -> None:
    place = Path(desk.host.paths.jobs)
    if kind == "link":
        (desk.appliance.root / "elsewhere").mkdir()
        place.symlink_to(desk.appliance.root / "elsewhere")
    else:
        place.mkdir()
        place.chmod(0o777 if kind == "open" else 0o700)
        os.chown(place, 65534 if kind == "foreign" else 0, 0)
    with pytest.raises(InvalidRequest, match="cannot hold job records"):
        desk.ask()
    assert list(desk.repository.iterdir()) == []
