# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be read is reported: it is neither bad nor gone, and does not stop anything else.

The dead mounts are real: file systems in user space whose server is gone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from appliance.stored import START, Repository, uuid
from appliance.test_prune import run as prune
from appliance.test_report import report
from appliance.test_repository import listing
from appliance.test_verify import CONTENT, IMAGE, record, verify

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_verify import (
    BackupSetVerify,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.restore_source_info import (
    RestoreSourceInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs import (
    unfinished,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageError,
    ImageMismatch,
    NotFound,
    SetsCorrupt,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set_verify import (
    VerifyRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    restore_source_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import takeover

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2
DEAD = "Transport endpoint is not connected"


@contextmanager
def dead_mount(path: Path) -> Iterator[None]:
    """A mount whose server is gone: whatever is asked for in it, and the place itself, is ENOTCONN."""
    kind = stat.S_IFMT(path.stat().st_mode)
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode={kind:o},user_id=0,group_id=0".encode()
    done = _LIBC.mount(b"dead", os.fsencode(path), b"fuse.dead", 0, options)
    os.close(fd)
    assert done == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        _LIBC.umount2(os.fsencode(path), _DETACH)


@contextmanager
def nobody() -> Iterator[None]:
    """Run as a user that permissions restrict, unlike root."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def source(top: Path, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    request = restore_source_info.SourceRequest(
        **{"repository": str(top), "vm": "web01", **options}
    )
    return dict(RestoreSourceInfo(request).plan().result)


def test_a_dead_mount_in_the_repository_is_a_finding_and_the_rest_works(repository: Path) -> None:
    stored = Repository(repository)
    old, good = (
        stored.add(1, START + timedelta(days=number), run=f"r{number}", content=CONTENT)
        for number in range(2)
    )
    (repository / "offsite").mkdir()
    with dead_mount(repository / "offsite"):
        with pytest.raises(OSError, match=DEAD):
            (repository / "offsite").lstat()
        finding = {"path": f"{repository}/offsite", "reason": f"cannot be read: {DEAD}"}
        for result in (
            listing(repository),
            verify(repository),
            prune(repository, keep={"last": 1}),
        ):
            assert result["unrecognised"] == [finding]
        assert not old.exists()
        assert report(repository)["totals"]["sets"] == 1
        assert source(repository)["set"]["path"] == str(good)


def test_a_vm_that_cannot_be_looked_at_is_red_and_hides_no_other(repository: Path) -> None:
    stored = Repository(repository)
    lost = stored.add(2, name="app", content=CONTENT).parent
    stored.add(1, content=CONTENT)
    with dead_mount(lost):
        assert [one["vm"]["name"] for one in listing(repository)["sets"]] == ["web01"]
        with pytest.raises(ImageError, match="1 of 2 sets could not be verified") as told:
            verify(repository)
        assert told.value.details["undecided"] == {str(lost): [f"cannot be read: {DEAD}"]}
        assert verify(repository, vm="web01")["sets"]
        assert prune(repository, keep={"last": 1})["removed"] == []
        assert report(repository)["problems"][0] == f"{lost} cannot be read: {DEAD}"
        assert "1 directory of sets could not be read." in (repository / "index.html").read_text()
        assert source(repository)["set"]["vm"]["name"] == "web01"
        with pytest.raises(ImageError, match=DEAD):
            source(repository, vm="app")
        with pytest.raises(ImageError, match=DEAD):
            source(repository, repository="", vm="", path=f"{lost}/20261123T010000Z.run1")
        with pytest.raises(NotFound):
            source(repository, vm="db")
        with pytest.raises(ImageError, match=DEAD):
            look_for_runs(repository, uuid(2))


def look_for_runs(repository: Path, vm: str, run_id: str = "r") -> None:
    left = {"vm_id": vm, "run_id": run_id, "snapshot_id": "s", "description": "", "status": "ok"}
    wanted = takeover.Wanted(START, {}, ())
    leftovers = [{**left, "attached": []}]
    unfinished.TakeoverWatch(str(repository), leftovers, (0.0, 0.0), lambda _vm: wanted).decide()


def test_a_set_that_cannot_be_listed_is_neither_gone_nor_corrupt(repository: Path) -> None:
    stored = Repository(repository)
    lost = stored.add(1, content=CONTENT, run="lost")
    good = stored.add(1, START - timedelta(days=1), content=CONTENT, run="good")
    oldest = stored.add(1, START - timedelta(days=2), content=CONTENT, run="old")
    verify(repository)
    before = record(lost)
    with dead_mount(lost):
        states = {one["run_id"]: one["state"] for one in listing(repository)["sets"]}
        assert states == {"old": "complete", "good": "complete", "lost": "unreadable"}
        with pytest.raises(ImageError, match="1 of 3 sets could not be verified") as told:
            verify(repository)
        [why] = told.value.details["undecided"][str(lost)]
        assert DEAD in why
        assert record(lost) == before
        assert report(repository)["problems"][1].startswith(
            f"web01: the set {lost.name} cannot be read"
        )
        found = source(repository)
        assert found["set"]["path"] == str(good)
        assert f"The set {lost} was not chosen: it is unreadable" in found["notes"][0]
        result = prune(repository, keep={"last": 1}, remove_corrupt=True)
        assert result["removed"] == []
        with pytest.raises(ImageError, match=DEAD):
            look_for_runs(repository, uuid(1), "lost")
    assert oldest.is_dir()
    assert verify(repository)["sets"]


def test_a_set_that_becomes_unreadable_after_it_was_listed_is_not_gone(repository: Path) -> None:
    path = Repository(repository).add(content=CONTENT)
    operation = BackupSetVerify(VerifyRequest(str(repository), polite=False))
    plan = operation.plan()
    with dead_mount(path), pytest.raises(ImageError, match=DEAD):
        operation.execute(plan)
    shutil.rmtree(path)
    assert operation.execute(plan)["gone"] == [str(path)]


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that everybody reaches: those of pytest are root's alone."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        path = Path(name)
        path.chmod(0o777)
        yield path


def test_without_permission_nothing_is_said_of_a_set(top: Path) -> None:
    repository = top / "repository"
    repository.mkdir()
    path = Repository(repository).add(content=CONTENT)
    # What Python loads late, only root can here.
    assert source(repository)["set"]["path"] == str(path)
    path.chmod(0o700)
    with nobody():
        [found] = listing(repository)["sets"]
        assert (found["state"], found["reason"]) == (
            "unreadable",
            "The directory cannot be read: Permission denied.",
        )
        with pytest.raises(ImageError, match="Permission denied"):
            verify(repository)
    path.chmod(0o755)
    (path / "manifest.json").chmod(0o600)
    with nobody():
        [found] = listing(repository)["sets"]
        assert found["state"] == "unreadable"
    (path / "manifest.json").chmod(0o644)
    (path / f"{uuid(0xD0)}.raw").chmod(0o600)
    with nobody():
        with pytest.raises(ImageError, match=r"raw cannot be read: Permission denied"):
            verify(repository)
        with pytest.raises(ImageError, match=r"raw could not be read: Permission denied") as told:
            source(repository)
        assert not isinstance(told.value, ImageMismatch)
    verified = path.with_name(f"{path.name}.verified.json")
    verified.write_text("{}")
    verified.chmod(0o600)
    with nobody():
        [found] = listing(repository)["sets"]
        assert found["reason"] == f"{verified.name}: Permission denied."
        with pytest.raises(ImageError, match="it is unreadable") as told:
            source(repository, repository="", vm="", path=str(path))
        assert not isinstance(told.value, ImageMismatch)


def test_an_image_that_nobody_can_look_at_may_be_written_now(top: Path) -> None:
    stored = Repository(top)
    stored.add(1, START + timedelta(days=1), run="good")
    path = stored.unfinished(1, START - timedelta(days=30))
    path.parent.chmod(0o777)
    path.chmod(0o755)
    (path / "image.part").touch(0o600)
    for one in (path / "image.part", path):
        os.utime(one, (0, 0))
    with nobody():
        result = prune(top, keep={"last": 1})
    [found] = [one for one in result["sets"] if one["path"] == str(path)]
    assert found["reasons"] == ["image.part cannot be read: Permission denied"]
    assert prune(top, keep={"last": 1})["removed"] == [str(path)]


@contextmanager
def served(image: Path, tmp_path: Path) -> Iterator[None]:
    """An image that qemu-nbd has open without -r."""
    socket = tmp_path / "nbd"
    server = subprocess.Popen(["qemu-nbd", "-t", "-f", "qcow2", "-k", socket, image])
    try:
        while not socket.exists():
            assert server.poll() is None
            time.sleep(0.02)
        yield
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize("content", [False, True])
def test_an_image_that_is_open_elsewhere_is_not_corrupt(
    repository: Path, tmp_path: Path, content: bool
) -> None:
    path = Repository(repository).add(content=CONTENT, fmt="qcow2")
    verify(repository)
    before = record(path)
    with served(path / IMAGE, tmp_path):
        with pytest.raises(ImageError, match='Failed to get shared "write" lock') as told:
            verify(repository, content=content)
        assert not isinstance(told.value, SetsCorrupt)
    assert record(path) == before
    assert [one["state"] for one in listing(repository)["sets"]] == ["complete"]
    assert prune(repository, remove_corrupt=True)["removed"] == []


def test_a_reader_without_descriptors_says_nothing_of_the_set(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Repository(repository).add(content=CONTENT, fmt="qcow2")
    program = tmp_path / "bin/qemu-img"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" = check ] && ulimit -n 6\nexec {shutil.which("qemu-img")} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(ImageError, match="Too many open files") as told:
        verify(repository)
    assert not isinstance(told.value, SetsCorrupt)
    assert not path.with_name(f"{path.name}.verified.json").exists()


def spoilt(repository: Path) -> tuple[Path, Path]:
    """Return a good set, and a newer one whose second image is damaged, verified."""
    stored = Repository(repository)
    good = stored.add(1, START, run="r0", content=CONTENT, disks=3)
    bad = stored.add(1, START + timedelta(days=1), run="r1", content=CONTENT, disks=3)
    with (bad / f"{uuid(0xD1)}.raw").open("r+b") as file:
        file.write(b"!")
    with pytest.raises(SetsCorrupt):
        verify(repository)
    return good, bad


def test_a_good_disk_of_a_set_with_a_bad_one_is_restored(repository: Path) -> None:
    good, bad = spoilt(repository)
    names = {number: f"disk & {uuid(number)[:8]}" for number in (0xD0, 0xD1, 0xD2)}
    by_path = {"repository": "", "vm": "", "path": str(bad)}
    for word in (names[0xD0], uuid(0xD2)):
        found = source(repository, **by_path, disks=(word,))
        assert found["set"]["path"] == str(bad)
        assert source(repository, disks=(word,))["set"]["path"] == str(bad)
    assert source(repository, **by_path, disks=(names[0xD0], uuid(0xD2)))["disks"]
    for disks in ((), (names[0xD1],), (names[0xD0], uuid(0xD1))):
        with pytest.raises(ImageMismatch, match="corrupt") as told:
            source(repository, **by_path, disks=disks)
        assert f"can be restored alone: {names[0xD0]} ({uuid(0xD0)})" in told.value.hint
        assert source(repository, disks=disks)["set"]["path"] == str(good)
    # What is asked for is checked, whatever is recorded.
    with (bad / f"{uuid(0xD0)}.raw").open("r+b") as file:
        file.write(b"!")
    with pytest.raises(ImageMismatch, match="does not match the checksum"):
        source(repository, **by_path, disks=(names[0xD0],))


CHANGES = ("content_sha256", "alias", "name")


def one_digit(path: Path, what: str) -> None:
    """Change one character in a manifest, which stays one that the schema allows."""
    target = path / "manifest.json"
    text = target.read_text()
    start = text.index(f'"{what}": "') + len(what) + 5
    if what == "name":
        start = text.index('"name": "web01"') + len('"name": "')
    other = "0" if text[start] != "0" else "1"
    target.write_text(text[:start] + other + text[start + 1 :])


@pytest.mark.parametrize("what", CHANGES)
def test_a_manifest_that_is_not_the_one_that_was_verified(repository: Path, what: str) -> None:
    path = Repository(repository).add(content=CONTENT, fmt="qcow2")
    whole = (path / "manifest.json").read_bytes()
    verify(repository)
    one_digit(path, what)
    by_path = {"repository": "", "vm": "", "path": str(path)}
    for _time in range(3):
        with pytest.raises(ImageMismatch, match="not the one that was verified"):
            source(repository, **by_path)
        with pytest.raises(SetsCorrupt, match="not the one that was verified"):
            verify(repository, unverified_days=30)
    (path / "manifest.json").write_bytes(whole)
    assert verify(repository)["sets"][0]["state"] == "complete"
    assert source(repository, **by_path)["set"]["path"] == str(path)


@pytest.mark.parametrize("what", CHANGES)
def test_a_manifest_vouches_for_itself_before_it_was_ever_verified(
    repository: Path, what: str
) -> None:
    path = Repository(repository).add(content=CONTENT, fmt="qcow2", checksum=True)
    whole = (path / "manifest.json").read_bytes()
    assert listing(repository)["sets"][0]["state"] == "complete"
    one_digit(path, what)
    for _time in range(3):
        with pytest.raises(ImageMismatch, match="does not match the checksum"):
            source(repository, repository="", vm="", path=str(path))
        with pytest.raises(SetsCorrupt, match="does not match the checksum"):
            verify(repository)
    (path / "manifest.json").write_bytes(whole)
    assert verify(repository)["sets"][0]["state"] == "complete"
    (path / "manifest.sha256").unlink()
    with pytest.raises(
        SetsCorrupt, match=r"manifest\.sha256, the file with the manifest's checksum, is missing"
    ):
        verify(repository)
