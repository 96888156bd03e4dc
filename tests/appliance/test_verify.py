# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any damage to a set is found, named and recorded, and the set itself is not changed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from appliance.stored import MIB, START, Repository, ovf, uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_verify import (
    BackupSetVerify,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageError,
    InvalidRequest,
    SetsCorrupt,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

NOW = (START + timedelta(days=10)).timestamp()
CONTENT = os.urandom(102_400) + bytes(MIB)
IMAGE = f"{uuid(0xD0)}.qcow2"


def verify(
    path: Path,
    *,
    now: float = NOW,
    check_mode: bool = False,
    **params: Any,  # noqa: ANN401
) -> dict[str, Any]:
    asked = {
        key: option.get("default") for key, option in repository_args.BACKUP_SET_VERIFY.items()
    }
    request = repository_args.backup_set_verify_request(
        {**asked, "repository": str(path), "polite": False, **params}
    )
    operation = BackupSetVerify(request, lambda: now)
    result, warnings = perform(operation, check_mode=check_mode)
    return {**result, "warnings": warnings}


def faults(path: Path, **params: Any) -> list[str]:  # noqa: ANN401
    """Return what is wrong with the only set."""
    with pytest.raises(SetsCorrupt) as caught:
        verify(path, **params)
    [found] = caught.value.details["corrupt"]
    assert found["path"] in caught.value.message
    return list(found["faults"])


def tree(path: Path) -> dict[str, tuple[int, str]]:
    """Return everything about the files of a set."""
    return {
        file.name: (file.stat().st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in path.iterdir()
    }


def record(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(f"{path.name}.verified.json").read_text())
    return found


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
def test_good_sets(repository: Path, fmt: str, content: bool) -> None:
    stored = Repository(repository)
    paths = [
        stored.add(1, START, content=CONTENT, fmt=fmt, disks=3),
        stored.add(2, START, content=CONTENT, fmt=fmt, name="app"),
    ]
    before = [tree(path) for path in paths]
    predicted = verify(repository, check_mode=True, content=content)
    assert predicted["changed"]
    assert not list(repository.glob("*/*.json"))
    done = verify(repository, content=content)
    assert [one["path"] for one in predicted["sets"]] == [one["path"] for one in done["sets"]]
    assert sorted(one["path"] for one in done["sets"]) == sorted(map(str, paths))
    assert {one["state"] for one in done["sets"]} == {"complete"}
    assert [tree(path) for path in paths] == before
    found = record(paths[0])
    assert found["verdict"] == "ok"
    assert found["depth"] == ("content" if content else "files")
    assert found["time"] == "2026-12-03T01:00:00Z"
    assert found["faults"] == found["notes"] == []
    assert found["tools"]["qemu_img"]
    assert paths[0].with_name(f"{paths[0].name}.verified.json").stat().st_mode & 0o777 == 0o600


def test_compressed_images_are_decoded(repository: Path) -> None:
    path = Repository(repository).add(content=CONTENT, fmt="qcow2")
    compress(path)
    [found] = verify(repository, content=True)["sets"]
    assert found["verified"]["verdict"] == "ok"


@pytest.mark.parametrize("word", ["check", "convert"])
def test_a_reader_that_is_killed_says_nothing_of_the_set(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    stored = Repository(repository)
    good = stored.add(1, content=CONTENT, fmt="qcow2")
    bad = stored.add(2, content=CONTENT, fmt="qcow2", name="app")
    verify(repository)
    before = record(good)
    program = tmp_path / "bin/qemu-img"
    program.parent.mkdir()
    real = shutil.which("qemu-img")
    program.write_text(f'#!/bin/sh\n[ "$1" = {word} ] && kill -9 $$\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(ImageError, match="2 of 2 sets could not be verified") as told:
        verify(repository, content=True)
    assert "qemu-img was killed by signal 9" in told.value.message
    assert set(told.value.details["undecided"]) == {str(good), str(bad)}
    assert record(good) == before
    flip(bad)
    with pytest.raises(SetsCorrupt, match="1 of 2 sets could not be verified") as told:
        verify(repository, content=True)
    assert [one["path"] for one in told.value.details["corrupt"]] == [str(bad)]
    assert set(told.value.details["undecided"]) == {str(good)}
    assert (record(good), record(bad)["verdict"]) == (before, "corrupt")


def compress(path: Path) -> None:
    """Make the image of a set a compressed one, and tell the manifest."""
    argv = ["qemu-img", "convert", "-O", "qcow2", "-c", "-o", "compression_type=zstd"]
    subprocess.run([*argv, path / IMAGE, path / "new"], check=True)
    (path / "new").rename(path / IMAGE)
    retell(path)


def retell(path: Path, **changes: object) -> None:
    """Let the manifest tell of the image as it is now."""
    target = path / "manifest.json"
    data = json.loads(target.read_text())
    image = path / data["disks"][0]["file"]
    data["disks"][0].update(
        file_size=image.stat().st_size,
        file_sha256=hashlib.sha256(image.read_bytes()).hexdigest(),
        **changes,
    )
    target.write_text(json.dumps(data))


def flip(path: Path) -> None:
    """One bit, in the middle of the data."""
    image = path / IMAGE
    data = bytearray(image.read_bytes())
    data[-20_000] ^= 1
    image.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path / IMAGE, 1000)


def lose(path: Path) -> None:
    (path / IMAGE).unlink()


def replace_by_link(path: Path) -> None:
    (path / IMAGE).rename(path / "elsewhere")
    (path / IMAGE).symlink_to(path / "elsewhere")


def replace_by_fifo(path: Path) -> None:
    (path / IMAGE).unlink()
    os.mkfifo(path / IMAGE)


def zero(path: Path) -> None:
    (path / IMAGE).write_bytes(bytes((path / IMAGE).stat().st_size))
    retell(path)


def back(path: Path) -> None:
    """The image would have qemu-img open another file."""
    (path / IMAGE).unlink()
    argv = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw"]
    subprocess.run([*argv, path / IMAGE, str(len(CONTENT))], check=True)
    retell(path)


def outside(path: Path) -> None:
    """The image's data would be in another file."""
    (path / IMAGE).unlink()
    options = f"data_file={path / 'data'},data_file_raw=on"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", options]
    subprocess.run([*argv, path / IMAGE, str(len(CONTENT))], check=True)
    retell(path)


def shrink(path: Path) -> None:
    (path / IMAGE).unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path / IMAGE, "4096"], check=True)
    retell(path)


def break_tables(path: Path) -> None:
    """The first entry of the table of tables has an invalid address."""
    data = bytearray((path / IMAGE).read_bytes())
    table = int.from_bytes(data[40:48], "big")
    data[table : table + 8] = (1 << 63 | 0x7FFF0000).to_bytes(8, "big")
    (path / IMAGE).write_bytes(data)
    retell(path)


def spoil_manifest(path: Path) -> None:
    (path / "manifest.json").write_text("{")


def lose_configuration(path: Path) -> None:
    (path / "vm.ovf").unlink()


def spoil_configuration(path: Path) -> None:
    data = (path / "vm.ovf").read_bytes()
    (path / "vm.ovf").write_bytes(data.replace(b"web01", b"web02"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (flip, [f"{IMAGE} does not match the checksum in the manifest"]),
        (cut, [f"{IMAGE} has 1000 bytes, not "]),
        (lose, [f"{IMAGE} cannot be read: No such file"]),
        (replace_by_link, [f"{IMAGE} cannot be read: Too many levels"]),
        (replace_by_fifo, [f"{IMAGE} is not a regular file"]),
        (zero, [f"{IMAGE} is not a qcow2 image"]),
        (back, [f"{IMAGE} names a backing file"]),
        (outside, [f"{IMAGE} depends on other files"]),
        (shrink, [f"{IMAGE} holds a disk of 4096 bytes, not {len(CONTENT)}"]),
        (break_tables, [f"{IMAGE} is damaged inside"]),
        (spoil_manifest, ["The manifest is not JSON"]),
        (lose_configuration, ["vm.ovf is not there"]),
        (spoil_configuration, ["vm.ovf does not match the checksum in the manifest"]),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_faults(repository: Path, spoil: Callable[[Path], None], said: list[str]) -> None:
    stored = Repository(repository)
    path = stored.add(content=CONTENT, fmt="qcow2")
    good = stored.add(2, content=CONTENT, fmt="qcow2", name="app")
    spoil(path)
    found = faults(repository)
    assert len(found) == len(said)
    for one, start in zip(found, said, strict=True):
        assert one.startswith(start), one
    assert record(path)["verdict"] == "corrupt"
    assert record(good)["verdict"] == "ok"


def test_content_that_is_another(repository: Path) -> None:
    """Files as their hashes say, but not the disk: only a deep verification finds that."""
    path = Repository(repository).add(content=CONTENT, fmt="qcow2")
    retell(path, content_sha256="0" * 64)
    assert verify(repository)["changed"]
    assert faults(repository, content=True) == [
        f"{IMAGE} differs from the content of the disk at backup time"
    ]


def test_raw_content_needs_one_pass(repository: Path) -> None:
    path = Repository(repository).add(content=CONTENT)
    image = path / f"{uuid(0xD0)}.raw"
    with image.open("r+b") as file:
        file.seek(5)
        file.write(b"x")
    assert faults(repository, content=True) == [
        f"{image.name} does not match the checksum in the manifest"
    ]


def test_data_that_cannot_be_decoded(repository: Path) -> None:
    """Structure and hash of the file are right, the compressed data are not."""
    path = Repository(repository).add(content=b"abc " * 524_288, fmt="qcow2")
    compress(path)
    data = bytearray((path / IMAGE).read_bytes())
    spot = data.index(b"\x28\xb5\x2f\xfd")  # where a frame of zstd begins
    data[spot : spot + 8] = b"\xff" * 8
    (path / IMAGE).write_bytes(data)
    retell(path)
    [found] = faults(repository, content=True)
    assert found.startswith(f"{IMAGE} cannot be read as a disk: ")
    assert "/proc/" not in found


ENTITY = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


def sets_ovf(stored: Repository, data: bytes) -> None:
    stored.add(content=CONTENT, ovf=data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (ENTITY, "is not a VM configuration: The configuration (OVF) declares"),
        (ENTITY.decode().encode("utf-16"), "is not a VM configuration: 'utf-8'"),
        (b"<x", "is not a VM configuration: The configuration (OVF) is not XML"),
        (ovf(uuid(1), []), f"does not name the disk {uuid(0xD0)}"),
    ],
)
def test_configurations(repository: Path, data: bytes, said: str) -> None:
    sets_ovf(Repository(repository), data)
    [found] = faults(repository)
    assert found.startswith(f"vm.ovf {said}")


def entry(number: int = 0xD0, **changes: object) -> dict[str, Any]:
    size = len(CONTENT)
    disk = {"id": uuid(number), "alias": f"disk & {uuid(number)[:8]}", "virtual_size": size}
    return {**disk, **changes}


def test_configurations_that_disagree(repository: Path) -> None:
    sets_ovf(Repository(repository), ovf(uuid(2), [entry(virtual_size=9 << 30)]))
    assert faults(repository) == [f"vm.ovf belongs to another VM, {uuid(2)}"]


@pytest.mark.parametrize(
    ("size", "gib", "said"),
    [
        (2361393152, 2, []),  # as engines before 4.4 round
        (2361393152, 3, []),
        (
            2361393152,
            4,
            [
                f"vm.ovf says that the disk {uuid(0xD0)} has 4 GiB, but its image has 2361393152 bytes"
            ],
        ),
        (1 << 30, 1, []),
        (1 << 20, 0, []),
        (
            1 << 20,
            9,
            [f"vm.ovf says that the disk {uuid(0xD0)} has 9 GiB, but its image has 1048576 bytes"],
        ),
    ],
)
def test_sizes_that_an_engine_rounded_are_no_fault(
    repository: Path, size: int, gib: int, said: list[str]
) -> None:
    text = ovf(uuid(1), [entry(virtual_size=gib << 30)])
    path = Repository(repository).add(content=CONTENT, ovf=text)
    image = path / f"{uuid(0xD0)}.raw"
    os.truncate(image, size)
    data = json.loads((path / "manifest.json").read_text())
    with image.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    data["disks"][0].update(
        virtual_size=size, file_size=size, file_sha256=digest, content_sha256=digest
    )
    (path / "manifest.json").write_text(json.dumps(data))
    [found] = verify(repository)["sets"]
    assert found["state"] == "complete"
    assert found["verified"]["notes"] == said


def test_what_is_odd_is_noted(repository: Path) -> None:
    sets_ovf(Repository(repository), ovf(uuid(1), [entry(alias="new"), entry(0xE0)]))
    [found] = verify(repository)["sets"]
    assert found["verified"]["notes"] == [
        f"vm.ovf calls the disk {uuid(0xD0)} 'new', not 'disk & 000000d0'",
        f"vm.ovf names the disk {uuid(0xE0)}, but the set has no image of it",
    ]


def test_lost_clusters_are_no_fault(repository: Path) -> None:
    path = Repository(repository).add(content=CONTENT, fmt="qcow2")
    data = bytearray((path / IMAGE).read_bytes())
    table = int.from_bytes(data[48:56], "big")
    block = int.from_bytes(data[table : table + 8], "big")
    clusters = len(data) // 65536
    data += bytes(65536)
    spot = block + 2 * clusters
    data[spot : spot + 2] = b"\x00\x01"
    (path / IMAGE).write_bytes(data)
    retell(path)
    [found] = verify(repository)["sets"]
    assert found["verified"]["notes"] == [
        f"{IMAGE} contains unused clusters, which only waste space"
    ]


def test_a_corrupt_set_stays_due_and_may_recover(repository: Path) -> None:
    stored = Repository(repository)
    path, good = stored.add(content=CONTENT, fmt="qcow2"), stored.add(2, content=CONTENT)
    whole = (path / IMAGE).read_bytes()
    flip(path)
    for _unused in range(2):
        assert faults(repository, unverified_days=7)
        [state] = [one.state for one in repository_entries(repository) if one.path == str(path)]
        assert state == "corrupt"
    (path / IMAGE).write_bytes(whole)
    result = verify(repository, unverified_days=7)
    assert [one["path"] for one in result["sets"]] == [str(path)]
    assert result["sets"][0]["state"] == "complete"
    assert not verify(repository, unverified_days=7)["changed"]
    later = verify(repository, unverified_days=7, now=NOW + 7 * 86400)
    assert [one["path"] for one in later["sets"]] == [str(path), str(good)]


@pytest.mark.parametrize(
    "params",
    [{"limit": 1}, {"select": "newest", "unverified_days": 7}, {"vm": "web01", "limit": 1}],
    ids=str,
)
def test_a_set_that_is_recorded_corrupt_is_never_green(
    repository: Path, params: dict[str, Any]
) -> None:
    """Neither a limit that does not come to it, nor a newer set, nor nothing that is due hides it."""
    stored = Repository(repository)
    bad = stored.add(1, START, content=CONTENT, fmt="qcow2", run="bad")
    flip(bad)
    assert faults(repository)
    fresh = stored.add(1, START + timedelta(days=1), content=CONTENT, run="good")
    if "limit" not in params:
        assert verify(repository, sets=[str(fresh)])["changed"]
    before = record(bad)
    shown = verify(repository, check_mode=True, **params)
    assert any(str(bad) in said for said in shown["warnings"])
    [said] = faults(repository, **params)
    assert said.startswith("not read now; Verified 2026-12-03T01:00:00Z: ")
    assert record(bad) == before
    shutil.rmtree(bad)
    assert verify(repository, **params)["not_reached"]["sets"] == 0


def test_a_limit_says_what_it_left_out(repository: Path) -> None:
    stored = Repository(repository)
    for number in range(4):
        stored.add(1, START + timedelta(days=5 + number), run=f"r{number}", content=b"x")
    done = verify(repository, limit=1, unverified_days=30)
    assert done["not_reached"] == {
        "sets": 3,
        "never_verified": 3,
        "since": "2026-11-29T01:00:05Z",
        "read_a_day": 1.0,
        "new_a_day": 0.7,
        "days": 9,
    }
    assert done["warnings"][0].startswith("The limit left out 3 sets that are due, 3 of them never")
    assert not verify(repository, unverified_days=30)["warnings"]


def repository_entries(path: Path) -> tuple[Any, ...]:
    return repository.read(str(path)).entries


def test_what_is_due(repository: Path) -> None:
    stored = Repository(repository)
    for number in range(3):
        stored.add(1, START + timedelta(days=number), run=f"r{number}", content=b"x")
    stored.unfinished(1, START + timedelta(days=3), run="r3")
    stored.add(2, content=b"x", run="r4", name="app")
    stored.add(2, START + timedelta(days=1), run="r5", name="app", changes={"version": 2})

    def runs(*, now: float = NOW, **params: Any) -> list[str]:  # noqa: ANN401
        found = verify(repository, now=now, check_mode=True, **params)
        return [one["run_id"] for one in found["sets"]]

    assert sorted(runs()) == ["r0", "r1", "r2", "r4"]
    assert sorted(runs(select="newest")) == ["r2", "r4"]
    assert runs(vm="app") == ["r4"]
    assert runs(limit=1) == ["r4"] or runs(limit=1) == ["r0"]
    verify(repository, vm="web01", limit=2)
    verify(repository, vm="web01", limit=1, now=NOW + 60)
    assert runs(vm="web01", now=NOW + 90, unverified_days=1) == []
    assert runs(vm="web01", now=NOW + 90, unverified_days=1, content=True) == ["r0", "r1", "r2"]
    assert runs(vm="web01", now=NOW + 30, unverified_days=1) == ["r2"]  # from the future
    assert runs(unverified_days=1) == ["r4", "r2"]
    path = verify(repository, check_mode=True, vm="app")["sets"][0]["path"]
    assert runs(sets=[path]) == ["r4"]
    wrong: list[dict[str, Any]] = [
        {"sets": ["/etc"]},
        {"parallel": 0},
        {"limit": 0},
        {"unverified_days": -1},
    ]
    for params in wrong:
        with pytest.raises(InvalidRequest):
            runs(**params)


def test_a_set_that_builds_on_nothing(repository: Path) -> None:
    Repository(repository).add(content=CONTENT, parent="gone")
    assert faults(repository) == ["It builds on gone, which is missing or not good."]


def test_a_set_that_goes_away(repository: Path) -> None:
    path = Repository(repository).add(content=CONTENT)
    asked = {
        key: option.get("default") for key, option in repository_args.BACKUP_SET_VERIFY.items()
    }
    params = {**asked, "repository": str(repository), "polite": False}
    operation = BackupSetVerify(repository_args.backup_set_verify_request(params))
    plan = operation.plan()
    path.rename(path.with_name("moved"))
    for _unused in range(2):
        assert operation.execute(plan) == {"sets": [], "gone": [str(path)]}
        path.mkdir(exist_ok=True)  # another one under its name
    assert not list(repository.glob("*/*.json"))
    path.rmdir()
    path.with_name("moved").rename(path)
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert operation.execute(plan)["gone"] == [str(path)]
    release = Timer(0.2, fcntl.flock, (fd, fcntl.LOCK_UN))
    release.start()
    done = operation.execute(plan)
    assert (done["gone"], len(done["sets"])) == ([], 1), "another process had it open for a moment"
    release.join()
    os.close(fd)
    assert operation.execute(plan)["sets"]


def test_a_record_that_cannot_be_written(repository: Path) -> None:
    path = Repository(repository).add(content=CONTENT)
    target = path.with_name(f"{path.name}.verified.json")
    target.mkdir()
    with pytest.raises(ImageError, match="could not be written"):
        verify(repository)
    target.rmdir()
    target.symlink_to(repository / "elsewhere")
    assert verify(repository)["changed"]
    assert not (repository / "elsewhere").exists()
    assert record(path)["verdict"] == "ok"


def test_politeness_reaches_readers(repository: Path) -> None:
    """In a process of its own: it cannot be undone."""
    Repository(repository).add(content=CONTENT, fmt="qcow2")
    child = os.fork()
    if child == 0:
        try:
            verify(repository, polite=True)
            os._exit(0 if os.nice(0) == 19 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_nothing_is_left_of_the_readers(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Repository(repository).add(content=CONTENT, fmt="qcow2", disks=3)
    before = sorted(tmp_path.iterdir())
    verify(repository, content=True, parallel=2)
    assert sorted(tmp_path.iterdir()) == before
