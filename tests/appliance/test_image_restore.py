# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images onto real block devices: what is written, what is refused, what an interruption leaves."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from appliance.loops import MIB, LoopAppliance, run
from support.restorable import StoredDisk, configuration, make_set, rewrite

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.restore_source_info import (
    RestoreSourceInfo,
    check_hash,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.restore.disk_image_restore import (
    DiskImageRestore,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.restore.image_restore import (
    ImageRestore,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    DeviceMismatch,
    ImageError,
    ImageMismatch,
    InvalidRequest,
    ManifestInvalid,
    NoSpace,
    NotFound,
    OvfInvalid,
    Refused,
    ToolFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.jobs import (
    Following,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    disk_image_restore,
    restore_source_info,
)

SIZE = 4 * MIB + 512
CONTENT = bytes(range(256)) * 4096 + bytes(MIB) + b"the end of it"


class Scene:
    """A set with one disk, and a new disk on the appliance."""

    def __init__(self, appliance: LoopAppliance, repository: Path, fmt: str) -> None:
        self.appliance, self.repository = appliance, repository
        self.disk = StoredDisk(str(uuid.uuid4()), CONTENT, SIZE, fmt=fmt)
        self.path = make_set(repository, [self.disk])
        self.serial = str(uuid.uuid4())
        self.device = appliance.plug(b"", SIZE, self.serial)
        self.records = repository.parent / "records"

    def request(self, restore_id: str = "r1", **changes: object) -> disk_image_restore.WriteRequest:
        target = disk_image_restore.WriteTarget(self.disk.id, self.serial)
        values = {"targets": (target,), "device_timeout": 0.5, "path": str(self.path), **changes}
        return disk_image_restore.WriteRequest(restore_id=restore_id, **values)  # type: ignore[arg-type]

    def operation(self, restore_id: str = "r1", **changes: object) -> ImageRestore:
        wanted = self.request(restore_id, **changes)
        return ImageRestore(wanted, self.appliance.host, str(self.records))

    def restore(self, restore_id: str = "r1", **changes: object) -> dict[str, object]:
        operation = self.operation(restore_id, **changes)
        plan = operation.plan()
        return {**plan.result, **operation.execute(plan), "changed": plan.changed}

    def content(self, device: str = "") -> bytes:
        return Path(device or self.device).read_bytes()

    @property
    def wanted(self) -> bytes:
        return CONTENT + bytes(SIZE - len(CONTENT))

    def source(self, **options: object) -> RestoreSourceInfo:
        given = {"path": str(self.path), **options}
        return RestoreSourceInfo(restore_source_info.SourceRequest(**given))  # type: ignore[arg-type]


@pytest.fixture(params=["qcow2", "raw"])
def scene(appliance: LoopAppliance, repository: Path, request: pytest.FixtureRequest) -> Scene:
    return Scene(appliance, repository, request.param)


def test_an_image_is_written_and_a_second_time_changes_nothing(scene: Scene) -> None:
    plan = scene.operation().plan()
    assert plan.changed
    assert scene.content() == bytes(SIZE), "the plan writes nothing"
    result = scene.restore()
    assert scene.content() == scene.wanted
    images = result["images"]
    assert isinstance(images, list)
    assert [(one["device"], one["changed"]) for one in images] == [(scene.device, True)]
    assert os.listdir(scene.records) == []
    again = scene.restore()
    assert not again["changed"]
    assert scene.restore("another")["changed"] is False


@pytest.mark.parametrize("foreign", [b"x", b"\0" * (SIZE - 1) + b"x"])
def test_a_disk_that_holds_anything_is_left_alone(scene: Scene, foreign: bytes) -> None:
    Path(scene.device).write_bytes(foreign)
    with pytest.raises(Refused, match="is not blank"):
        scene.restore()
    assert scene.content()[: len(foreign)] == foreign


def test_a_disk_that_is_not_zeroed_is_written_as_a_whole(scene: Scene) -> None:
    Path(scene.device).write_bytes(os.urandom(SIZE))
    target = disk_image_restore.WriteTarget(scene.disk.id, scene.serial, blank=False)
    assert scene.restore(targets=(target,))["changed"]
    assert scene.content() == scene.wanted
    assert not scene.restore(targets=(target,))["changed"]


def test_what_changes_between_plan_and_deed_is_seen(scene: Scene) -> None:
    operation = scene.operation()
    plan = operation.plan()
    Path(scene.device).write_bytes(b"somebody else")
    with pytest.raises(Refused, match="is not blank"):
        operation.execute(plan)
    assert scene.content().startswith(b"somebody else")
    assert not scene.records.exists()


def fake_qemu_img(monkeypatch: pytest.MonkeyPatch, root: Path, script: str) -> None:
    """Another program under that name, for one test; its last argument is the device."""
    program = root / "bin" / "qemu-img"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\nfor device; do :; done\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_an_interrupted_restore_goes_on_where_it_may(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_qemu_img(monkeypatch, tmp_path, 'printf half > "$device"; kill -9 $$')
    with pytest.raises(ToolFailed, match="was ended by signal 9"):
        scene.restore()
    monkeypatch.undo()
    with pytest.raises(Refused, match="is not blank"):
        scene.restore("another")
    assert scene.content().startswith(b"half")
    assert scene.restore()["changed"]
    assert scene.content() == scene.wanted


def test_a_note_that_others_could_write_is_no_proof(scene: Scene) -> None:
    Path(scene.device).write_bytes(b"precious")
    record = disk_image_restore.WriteRecord("r1", scene.serial, SIZE, _content_hash(scene))
    scene.records.mkdir()
    note = {"restore_id": "r1", "serial": scene.serial, "size": SIZE}
    note["content_sha256"] = record.content_sha256
    (scene.records / disk_image_restore.key(record)).write_text(json.dumps(note))
    scene.records.chmod(0o777)
    with pytest.raises(Refused):
        scene.restore()
    Path(scene.device).write_bytes(bytes(8))
    with pytest.raises(InvalidRequest, match="others can write there"):
        scene.restore()
    assert scene.content() == bytes(SIZE)


@pytest.mark.parametrize("kind", ["writable", "link"])
def test_a_note_that_others_could_have_written_is_no_proof(scene: Scene, kind: str) -> None:
    Path(scene.device).write_bytes(b"precious")
    record = disk_image_restore.WriteRecord("r1", scene.serial, SIZE, _content_hash(scene))
    scene.records.mkdir(mode=0o700)
    note = scene.records / disk_image_restore.key(record)
    file = scene.path.parent / "elsewhere" if kind == "link" else note
    file.write_text(json.dumps(asdict(record)))
    file.chmod(0o600 if kind == "link" else 0o620)
    if kind == "link":
        note.symlink_to(file)
    with pytest.raises(Refused):
        scene.restore()
    assert scene.content().startswith(b"precious")


def _content_hash(scene: Scene) -> str:
    return str(json.loads((scene.path / "manifest.json").read_text())["disks"][0]["content_sha256"])


def test_a_write_that_goes_wrong_is_noticed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_qemu_img(monkeypatch, tmp_path, "exit 0")
    with pytest.raises(ImageMismatch, match="gives other bytes than were"):
        scene.restore()
    monkeypatch.undo()
    run("blockdev", "--setro", scene.device)
    with pytest.raises(BackupError) as caught:
        scene.restore()
    assert caught.value.details["serial"] == scene.serial
    assert caught.value.details["done"] == []
    run("blockdev", "--setrw", scene.device)
    scene.restore()
    assert scene.content() == scene.wanted


def test_all_images_are_read_before_the_first_byte_is_written(
    appliance: LoopAppliance, repository: Path
) -> None:
    good, bad = (StoredDisk(str(uuid.uuid4()), CONTENT, SIZE, alias=name) for name in "ab")
    path = make_set(repository, [good, bad])
    image = path / f"{bad.id}.qcow2"
    data = image.read_bytes()
    image.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    serials = [str(uuid.uuid4()), str(uuid.uuid4())]
    devices = [appliance.plug(b"", SIZE, serial) for serial in serials]
    targets = (
        disk_image_restore.WriteTarget(good.id, serials[0]),
        disk_image_restore.WriteTarget(bad.id, serials[1]),
    )
    request = disk_image_restore.WriteRequest(str(path), "r1", targets, device_timeout=0.5)
    operation = ImageRestore(request, appliance.host, str(repository.parent / "records"))
    with pytest.raises(ImageMismatch, match="does not match the checksum") as caught:
        operation.execute(operation.plan())
    assert caught.value.details["serial"] == serials[1]
    assert [Path(device).read_bytes() for device in devices] == [bytes(SIZE)] * 2


def test_a_set_is_not_pruned_while_it_is_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    locks = "flock --exclusive --nonblock"
    fake_qemu_img(monkeypatch, tmp_path, f"{locks} {scene.path} true && echo free > {tmp_path}/f")
    with pytest.raises(BackupError):
        scene.restore()
    monkeypatch.undo()
    assert not (tmp_path / "f").exists()
    run("flock", "--exclusive", "--nonblock", scene.path, "true")


def test_a_set_that_is_being_removed_is_not_restored(scene: Scene) -> None:
    operation = scene.operation()
    plan = operation.plan()
    fd = os.open(scene.path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(ImageError, match="is being removed"):
            operation.execute(plan)
        with pytest.raises(ImageError, match="is being removed"):
            scene.source().plan()
    finally:
        os.close(fd)
    assert scene.content() == bytes(SIZE)


def test_a_storage_that_is_full_is_named(scene: Scene) -> None:
    """A disk that grows as it is written, on a file system that has no room for it."""
    small = scene.appliance.mount(
        "none", scene.repository.parent / "small", "-t", "tmpfs", "-o", "size=512k"
    )
    file = small / "disk"
    file.touch()
    os.truncate(file, SIZE)
    device = run("losetup", "-f", "--show", file)
    scene.appliance.loops.append(device)
    serial = str(uuid.uuid4())
    scene.appliance.name(device, serial)
    target = disk_image_restore.WriteTarget(scene.disk.id, serial, storage="data1")
    with pytest.raises(NoSpace, match="storage domain 'data1' is full") as told:
        scene.restore(targets=(target,))
    assert "restore to another one" in told.value.hint
    assert "snapshot" not in told.value.message + told.value.hint


def test_a_device_of_another_size_is_refused(scene: Scene) -> None:
    other = str(uuid.uuid4())
    scene.appliance.plug(b"", SIZE + 512, other)
    with pytest.raises((DeviceMismatch, BackupError), match="bytes"):
        scene.restore(targets=(disk_image_restore.WriteTarget(scene.disk.id, other),))


def test_what_is_asked_for_must_make_sense(scene: Scene) -> None:
    target = disk_image_restore.WriteTarget(scene.disk.id, scene.serial)
    original = disk_image_restore.WriteTarget(scene.disk.id, scene.disk.id)
    for changes, said in (
        ({"targets": ()}, "is empty"),
        ({"targets": (target, target)}, "given twice"),
        ({"targets": (original,)}, "is the original disk"),
        ({"path": str(scene.path.parent)}, "no set of the repository"),
        ({"restore_id": "a b"}, "is not a restore id"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            scene.restore(**changes)
    with pytest.raises(NotFound, match="has no disk"):
        scene.restore(targets=(disk_image_restore.WriteTarget(str(uuid.uuid4()), scene.serial),))
    assert scene.content() == bytes(SIZE)


def damage(scene: Scene, how: str) -> None:
    """Do one thing to the set that must not go unnoticed."""
    image = scene.path / f"{scene.disk.id}.{scene.disk.fmt}"
    aside = scene.path.parent / "elsewhere"
    data = image.read_bytes()
    disk = json.loads((scene.path / "manifest.json").read_text())["disks"][0]
    deeds: dict[str, Callable[[], object]] = {
        "flipped bit": lambda: image.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]),
        "truncated": lambda: image.write_bytes(data[:-512]),
        "missing": image.unlink,
        "link": lambda: image.rename(aside),
        "future": lambda: rewrite(scene.path, version=2),
        "unfinished": (scene.path / "manifest.json").unlink,
        "path in a name": lambda: rewrite(scene.path, disks=[{**disk, "file": "../../etc/passwd"}]),
        "parent": lambda: rewrite(scene.path, disks=[{**disk, "parent": "gone"}]),
        "ovf changed": lambda: (scene.path / "vm.ovf").write_text(
            configuration([scene.disk]).replace("web01", "web02")
        ),
    }
    deeds[how]()
    if how == "link":
        image.symlink_to(aside)


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("flipped bit", ImageMismatch, "does not match the checksum in the manifest"),
        ("truncated", ImageMismatch, "bytes, not"),
        ("missing", ImageMismatch, "is not there"),
        ("link", ImageMismatch, "is not a regular file"),
        ("future", ManifestInvalid, "version 2"),
        ("unfinished", Refused, "There is no manifest"),
        ("path in a name", ImageMismatch, "not a plain file name"),
        ("parent", Refused, "parent_missing"),
    ],
)
def test_a_damaged_set_is_refused_and_nothing_is_written(
    scene: Scene, how: str, kind: type[BackupError], said: str
) -> None:
    damage(scene, how)
    with pytest.raises(kind, match=said):
        scene.source().plan()
    with pytest.raises(BackupError):
        scene.restore()
    assert scene.content() == bytes(SIZE)


def test_an_image_that_cannot_be_read_is_not_called_damaged(scene: Scene) -> None:
    """An image on a failing medium: the memory of a process, at an address that it does not use, is one."""
    disk = manifest.loads((scene.path / "manifest.json").read_bytes()).disks[0]
    with (
        open("/proc/self/mem", "rb") as unread,
        pytest.raises(ImageError, match=r"mem could not be read: Input/output error") as told,
    ):
        check_hash("/proc/self", replace(disk, file="mem"), unread.fileno())
    assert not isinstance(told.value, ImageMismatch)
    assert "kernel log" in str(told.value.hint)


def bombed(text: str) -> str:
    return text.replace("<ovf:Env", '<!DOCTYPE x [<!ENTITY a "aa">]><ovf:Env', 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (bombed, "declares a document type"),
        (lambda text: text.replace("0c9b2c32", "0c9b2c33"), "belongs to another VM"),
        (lambda text: text.replace("<Disk", "<Disc"), "does not name disk"),
        (lambda text: text[:200], "is not XML"),
    ],
)
def test_a_configuration_with_tricks_is_refused(
    repository: Path, change: object, said: str
) -> None:
    disk = StoredDisk(str(uuid.uuid4()), b"x", MIB)
    path = make_set(repository, [disk], change(configuration([disk])))  # type: ignore[operator]
    with pytest.raises(OvfInvalid, match=said):
        RestoreSourceInfo(restore_source_info.SourceRequest(path=str(path))).plan()


def test_a_configuration_that_was_changed_later_is_refused(scene: Scene) -> None:
    damage(scene, "ovf changed")
    with pytest.raises(OvfInvalid, match="does not match the checksum"):
        scene.source().plan()
    (scene.path / "vm.ovf").unlink()
    with pytest.raises(ImageError):
        scene.source().plan()


def test_an_image_with_a_backing_file_reaches_no_program(
    appliance: LoopAppliance, repository: Path
) -> None:
    scene = Scene(appliance, repository, "qcow2")
    image = scene.path / f"{scene.disk.id}.qcow2"
    base = appliance.file(b"secret", SIZE)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", image)
    disks = json.loads((scene.path / "manifest.json").read_text())["disks"]
    rewrite(scene.path, disks=[{**disks[0], "file_size": image.stat().st_size}])
    with pytest.raises(ImageMismatch, match="depends on other files"):
        scene.restore()
    assert scene.content() == bytes(SIZE)


def test_the_writing_goes_on_by_itself(scene: Scene) -> None:
    paths = replace(scene.appliance.paths, jobs=str(scene.repository.parent / "jobs"))
    host = Host(paths)

    def job(wait: float | None, follower: str, *, predict: bool = False) -> dict[str, object]:
        following = Following(wait, follower)
        operation = DiskImageRestore(scene.request(), following, host, str(scene.records))
        if predict:
            return dict(operation.predict().result)
        plan = operation.plan()
        return {**plan.result, **operation.execute(plan)}

    seen = job(None, "a", predict=True)
    assert (seen["finished"], scene.content()) == (False, bytes(SIZE))
    assert isinstance(seen["images"], list)
    assert len(seen["images"]) == 1
    begun = job(0.0, "a")
    assert begun["images"] == [] or begun["finished"]
    done = job(None, "a")
    assert (done["finished"], done["changed"]) == (True, True)
    assert scene.content() == scene.wanted
    progress = done["progress"]
    assert isinstance(progress, dict)
    assert (progress["percent"], progress["bytes_total"]) == (100, SIZE)
    assert job(None, "a")["changed"] is True, "the same follower gets the same result"
    assert job(None, "b")["changed"] is False, "another one has the devices proven again"


def test_what_stops_the_writing_reaches_who_asked(scene: Scene) -> None:
    paths = replace(scene.appliance.paths, jobs=str(scene.repository.parent / "jobs"))
    Path(scene.device).write_bytes(b"precious")
    following = Following(None, "a")
    operation = DiskImageRestore(scene.request(), following, Host(paths), str(scene.records))
    with pytest.raises(Refused, match="is not blank"):
        operation.execute(operation.plan())
    assert scene.content().startswith(b"precious")


def test_a_set_is_chosen_and_its_disks_are(scene: Scene) -> None:
    repository = str(scene.repository)
    found = scene.source(path="", repository=repository, vm="web01").plan().result
    assert found["set"]["path"] == str(scene.path)
    assert found["disks"] == [scene.disk.id]
    assert found["manifest"]["run_id"] == "run1"
    assert "<ovf:Envelope" in found["ovf"]
    assert scene.source(disks=("web01_system",)).plan().result["disks"] == [scene.disk.id]
    with pytest.raises(NotFound, match="have the name or id 'other'"):
        scene.source(disks=("other",)).plan()
    with pytest.raises(InvalidRequest):
        scene.source(vm="web01").plan()
    with pytest.raises(InvalidRequest):
        scene.source(path="", vm="web01").plan()
    damage(scene, "flipped bit")
    assert scene.source(verify=False).plan().result["verified"] is False
