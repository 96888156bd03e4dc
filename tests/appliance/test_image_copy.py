# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of real block devices by the real qemu-img, and everything that can go wrong."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from appliance.loops import MIB, Export, LoopAppliance, run, serve
from support.clocks import MadeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    device,
    scan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images import qemu
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.image_copy import (
    ImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import files
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
    Paths,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    DeviceAmbiguous,
    DeviceBusy,
    DeviceLost,
    DeviceMismatch,
    DeviceNotFound,
    ImageBusy,
    ImageExists,
    ImageMismatch,
    InvalidRequest,
    MissingDependency,
    NoSpace,
    ToolFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

ODD = 5 * MIB + 512
MIXED = os.urandom(MIB) + bytes(MIB) + b"text, which can be compressed. " * 30000
FORMATS = [("qcow2", "zstd"), ("qcow2", "none"), ("raw", "none")]


def copy(
    appliance: LoopAppliance,
    *images: tuple[str, int, Path],
    form: tuple[str, str] = ("qcow2", "none"),
    timeout: float = 0.0,
    check_mode: bool = False,
) -> dict[str, Any]:
    """Do what the module does; its result."""
    requests = tuple(ImageRequest(serial, size, str(dest)) for serial, size, dest in images)
    request = CopyRequest(requests, form[0], form[1], timeout)
    result, _warnings = perform(ImageCopy(request, appliance.host), check_mode=check_mode)
    return result


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def guest_bytes(image: Path, fmt: str, size: int) -> bytes:
    """Return what a guest would read, converted by another path than the one under test."""
    plain = image.with_suffix(".check")
    run("qemu-img", "convert", "-f", fmt, "-O", "raw", image, plain)
    data = plain.read_bytes()
    plain.unlink()
    assert len(data) == size
    return data


def is_read_only(node: str) -> bool:
    return run("blockdev", "--getro", node) == "1"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("form", FORMATS, ids="-".join)
@pytest.mark.parametrize(
    ("content", "size"),
    [(MIXED, 8 * MIB), (MIXED, ODD), (b"", 64 * MIB), (os.urandom(ODD), ODD), (b"x", 512)],
    ids=["sparse", "odd", "zero", "random", "sector"],
)
def test_an_image_has_the_devices_bytes(
    appliance: LoopAppliance,
    repository: Path,
    disk_id: str,
    content: bytes,
    size: int,
    form: tuple[str, str],
) -> None:
    node = appliance.plug(content, size, disk_id)
    dest = repository / "image"
    expected = content.ljust(size, b"\0")

    predicted = copy(appliance, (disk_id, size, dest), form=form, check_mode=True)
    assert names(repository) == []
    assert not is_read_only(node)
    first = copy(appliance, (disk_id, size, dest), form=form)
    again = copy(appliance, (disk_id, size, dest), form=form)

    (image,) = first["images"]
    assert guest_bytes(dest, form[0], size) == expected
    assert image["content_sha256"] == sha256(expected)
    assert image["file_sha256"] == sha256(dest.read_bytes())
    assert image["file_size"] == dest.stat().st_size
    assert image["bytes_stored"] == dest.stat().st_blocks * 512
    assert (image["device"], image["bytes_read"], image["virtual_size"]) == (node, size, size)
    assert names(repository) == ["image"]
    assert dest.stat().st_mode & 0o777 == 0o600
    assert is_read_only(node)
    assert (predicted["changed"], first["changed"], again["changed"]) == (True, True, False)
    assert predicted.keys() == first.keys() == again.keys()
    assert first["seconds"] >= sum(image["seconds"].values()) - 0.01
    assert predicted["images"][0].keys() == image.keys() == again["images"][0].keys()
    for key in image.keys() - {"seconds", "changed"}:
        assert again["images"][0][key] == image[key], key


def test_zeros_are_not_stored(appliance: LoopAppliance, repository: Path, disk_id: str) -> None:
    appliance.plug(b"", 64 * MIB, disk_id)
    for fmt, compression in FORMATS:
        dest = repository / f"{fmt}-{compression}"
        (image,) = copy(appliance, (disk_id, 64 * MIB, dest), form=(fmt, compression))["images"]
        assert image["bytes_stored"] < MIB


def test_zstd_stores_less_and_says_so_in_the_header(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    appliance.plug(b"0123456789abcdef" * 65536 * 4, 4 * MIB, disk_id)
    plain = copy(appliance, (disk_id, 4 * MIB, repository / "a"))["images"][0]
    packed = copy(appliance, (disk_id, 4 * MIB, repository / "b"), form=("qcow2", "zstd"))
    assert packed["images"][0]["bytes_stored"] * 4 < plain["bytes_stored"]
    assert "compression type: zstd" in run("qemu-img", "info", repository / "b")
    run("qemu-img", "check", repository / "b")


# ---- finding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [36, 20], ids=["whole", "cut"])
@pytest.mark.parametrize("source", ["virtio", "scsi", "scsi-cut", "udev", "udev-virtio"])
def test_every_source_of_the_serial_is_enough(
    appliance: LoopAppliance, repository: Path, disk_id: str, source: str, cut: int
) -> None:
    links = {
        "virtio": f"virtio-{disk_id[:20]}",
        "scsi": f"scsi-0QEMU_QEMU_HARDDISK_{disk_id}",
        "scsi-cut": f"scsi-0QEMU_QEMU_HARDDISK_{disk_id[:20]}",
    }
    node = appliance.attach(appliance.file(b"x", MIB))
    if source in links:
        appliance.name(node, disk_id, [links[source]])
    elif source == "udev":
        appliance.udev(node, ID_SERIAL="0QEMU_QEMU_HARDDISK_cut", ID_SERIAL_SHORT=disk_id)
    else:
        appliance.udev(node, ID_SERIAL=disk_id[:20])
    result = copy(appliance, (disk_id[:cut], MIB, repository / "a"))
    assert result["images"][0]["device"] == node


def test_sysfs_alone_is_enough(tmp_path: Path, disk_id: str) -> None:
    page = b"\x00\x80\x00\x24" + disk_id.encode()
    entries: dict[str, dict[str, bytes]] = {
        "vda": {"dev": b"252:0\n", "size": b"8\n", "serial": disk_id[:20].encode()},
        "sda": {"dev": b"8:0\n", "size": b"8\n", "device/vpd_pg80": page},
        "sdb": {"dev": b"8:16\n", "size": b"0\n", "device/vpd_pg80": page},
        "sdc": {"dev": b"8:32\n", "size": b"8\n", "device/serial": b"nvme-like \n"},
    }
    for name, attributes in entries.items():
        for file, data in attributes.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    paths = Paths(sys_block=str(tmp_path), by_id="/nowhere")
    found = {disk.name: disk.serials for disk in scan.scan(paths)}
    assert found == {"vda": (disk_id[:20],), "sda": (disk_id,), "sdc": ("nvme-like",)}


def test_no_device_tells_what_was_seen(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    other = str(uuid.uuid4())
    appliance.plug(b"x", MIB, other)
    slept: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    host = Host(appliance.paths, MadeClock(lambda: now[0], sleep))
    request = CopyRequest((ImageRequest(disk_id, MIB, str(repository / "a")),), device_timeout=30.0)
    with pytest.raises(DeviceNotFound, match=other[:20]) as caught:
        ImageCopy(request, host).plan()
    assert sum(slept) == pytest.approx(30.0)
    assert slept[0] < 0.1
    assert max(slept) <= 1.0
    assert caught.value.details["missing"] == [disk_id]


def test_a_device_that_comes_late_is_waited_for(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    node = appliance.attach(appliance.file(b"x", MIB))
    (appliance.root / "by-id").rmdir()  # as on a guest without any disk
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            (appliance.root / "by-id").mkdir()
            appliance.name(node, disk_id)

    host = Host(appliance.paths, MadeClock(time.monotonic, sleep))
    request = CopyRequest((ImageRequest(disk_id, MIB, str(repository / "a")),), device_timeout=60.0)
    result, _warnings = perform(ImageCopy(request, host), check_mode=False)
    assert result["images"][0]["device"] == node
    assert len(pauses) == 3


def test_two_devices_with_one_serial(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    nodes = [appliance.plug(b"x", MIB, disk_id)]
    nodes.append(appliance.attach(appliance.file(b"x", MIB)))
    appliance.udev(nodes[1], ID_SERIAL_SHORT=disk_id[:20])
    with pytest.raises(DeviceAmbiguous) as caught:
        copy(appliance, (disk_id, MIB, repository / "a"))
    assert sorted(match["device"] for match in caught.value.details["matches"]) == sorted(nodes)


def test_two_names_of_one_device_are_one_device(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    links = [f"virtio-{disk_id[:20]}", f"scsi-0QEMU_QEMU_HARDDISK_{disk_id}"]
    node = appliance.plug(b"x", MIB, disk_id, links)
    appliance.udev(node, ID_SERIAL_SHORT=disk_id)
    assert copy(appliance, (disk_id, MIB, repository / "a"))["changed"]


@pytest.mark.parametrize("difference", [-512, 512, MIB])
def test_another_size_is_refused(
    appliance: LoopAppliance, repository: Path, disk_id: str, difference: int
) -> None:
    appliance.plug(b"x", 2 * MIB, disk_id)
    with pytest.raises(DeviceMismatch, match=str(2 * MIB)):
        copy(appliance, (disk_id, 2 * MIB + difference, repository / "a"))
    assert names(repository) == []


# ---- in use -----------------------------------------------------------------------------------


def test_a_mounted_device_is_refused(
    appliance: LoopAppliance, repository: Path, disk_id: str, tmp_path: Path
) -> None:
    node = appliance.plug(b"", 8 * MIB, disk_id)
    run("mkfs.ext4", "-q", node)
    place = appliance.mount(node, tmp_path / "a place")
    with pytest.raises(DeviceBusy, match=f"mounted on {place}"):
        copy(appliance, (disk_id, 8 * MIB, repository / "a"))
    assert not is_read_only(node)


def test_a_device_with_a_mounted_partition_is_refused(
    appliance: LoopAppliance, repository: Path, disk_id: str, tmp_path: Path
) -> None:
    # A partition table with one Linux partition, from the first MiB to the end.
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", 2048, 30720)
    file = appliance.file(bytes(446) + entry + bytes(48) + b"\x55\xaa", 16 * MIB)
    node = run("losetup", "-f", "--show", "-P", file)
    appliance.loops.append(node)
    if not os.path.exists(f"{node}p1"):
        run("partx", "-a", node)
    appliance.name(node, disk_id)
    # A link to the partition is no second disk.
    (appliance.root / "by-id" / f"virtio-{disk_id[:20]}-part1").symlink_to(f"{node}p1")
    assert copy(appliance, (disk_id, 16 * MIB, repository / "a"), check_mode=True)["changed"]
    run("mkfs.ext4", "-q", f"{node}p1")
    appliance.mount(f"{node}p1", tmp_path / "part")
    with pytest.raises(DeviceBusy, match="part"):
        copy(appliance, (disk_id, 16 * MIB, repository / "a"))


def test_a_device_held_exclusively_is_refused_with_the_holder(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    node = appliance.plug(b"x", MIB, disk_id)
    fd = os.open(node, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(DeviceBusy, match=f"process {os.getpid()} "):
            copy(appliance, (disk_id, MIB, repository / "a"))
    finally:
        os.close(fd)
    assert copy(appliance, (disk_id, MIB, repository / "a"))["changed"]


def test_a_passing_look_at_the_device_is_waited_out(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    node = appliance.plug(b"x", MIB, disk_id)
    fd = os.open(node, os.O_RDONLY | os.O_EXCL)
    looked: list[float] = []

    def sleep(seconds: float) -> None:
        looked.append(seconds)
        if len(looked) == 2:
            os.close(fd)

    host = Host(appliance.paths, MadeClock(time.monotonic, sleep))
    request = CopyRequest((ImageRequest(disk_id, MIB, str(repository / "a")),))
    result, _warnings = perform(ImageCopy(request, host), check_mode=False)
    assert result["changed"]
    assert len(looked) == 2


def test_a_claimed_device_cannot_be_mounted(
    appliance: LoopAppliance, disk_id: str, tmp_path: Path
) -> None:
    node = appliance.plug(b"", 8 * MIB, disk_id)
    run("mkfs.ext4", "-q", node)
    (tmp_path / "m").mkdir()
    with device.claimed(appliance.host, ImageRequest(disk_id, 8 * MIB, "/x")) as claim:
        device.set_read_only(claim)
        mounted = subprocess.run(["mount", node, tmp_path / "m"], check=False, capture_output=True)
        assert mounted.returncode != 0
        with pytest.raises(OSError, match="not permitted"):
            Path(node).write_bytes(b"x")


# ---- what is there already --------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS, ids="-".join)
def test_a_file_that_differs_is_refused_and_kept(
    appliance: LoopAppliance, repository: Path, disk_id: str, form: tuple[str, str]
) -> None:
    appliance.plug(MIXED, 8 * MIB, disk_id)
    other = str(uuid.uuid4())
    appliance.plug(MIXED[:-1], 8 * MIB, other)
    dest = repository / "image"
    copy(appliance, (other, 8 * MIB, dest), form=form)
    before = dest.read_bytes()
    for check_mode in (True, False):
        with pytest.raises(ImageExists, match="differs from the content"):
            copy(appliance, (disk_id, 8 * MIB, dest), form=form, check_mode=check_mode)
    assert dest.read_bytes() == before
    assert names(repository) == ["image"]


def test_things_in_the_way_are_refused_and_kept(
    appliance: LoopAppliance, repository: Path, disk_id: str, tmp_path: Path
) -> None:
    appliance.plug(b"x", MIB, disk_id)
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(MIB))
    (repository / "link").symlink_to(secret)
    (repository / "directory").mkdir()
    os.mkfifo(repository / "fifo")
    (repository / "text").write_text("hello")
    backing = repository / "backing"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", backing)
    before = names(repository)
    for name in before:
        with pytest.raises(ImageExists):
            copy(appliance, (disk_id, MIB, repository / name))
    assert names(repository) == before


def test_no_directory(appliance: LoopAppliance, repository: Path, disk_id: str) -> None:
    with pytest.raises(InvalidRequest, match="not a directory"):
        copy(appliance, (disk_id, MIB, repository / "missing" / "a"))


def test_a_stale_part_is_replaced(appliance: LoopAppliance, repository: Path, disk_id: str) -> None:
    appliance.plug(MIXED, 4 * MIB, disk_id)
    (repository / "a.part").write_bytes(b"stale" * MIB)
    (repository / "kept").hardlink_to(repository / "a.part")
    copy(appliance, (disk_id, 4 * MIB, repository / "a"), form=("raw", "none"))
    assert names(repository) == ["a", "kept"]
    assert (repository / "kept").read_bytes() == b"stale" * MIB
    assert (repository / "a").read_bytes() == MIXED.ljust(4 * MIB, b"\0")


def test_a_part_that_another_run_writes_is_left_alone(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    appliance.plug(b"x", MIB, disk_id)
    with files.part(str(repository / "a")) as part:
        os.write(part.fd, b"half")
        with pytest.raises(ImageBusy):
            copy(appliance, (disk_id, MIB, repository / "a"))
        assert (repository / "a.part").read_bytes() == b"half"
    assert names(repository) == []


def test_a_part_that_is_a_link_is_not_followed(
    appliance: LoopAppliance, repository: Path, disk_id: str, tmp_path: Path
) -> None:
    appliance.plug(b"x", MIB, disk_id)
    (tmp_path / "precious").write_text("precious")
    (repository / "a.part").symlink_to(tmp_path / "precious")
    with pytest.raises(BackupError):
        copy(appliance, (disk_id, MIB, repository / "a"))
    assert (tmp_path / "precious").read_text() == "precious"


def test_publishing_never_replaces(repository: Path) -> None:
    with files.part(str(repository / "a")) as part:
        (repository / "a").write_text("came meanwhile")
        with pytest.raises(ImageExists, match="came while"):
            files.publish(part)
    assert (repository / "a").read_text() == "came meanwhile"
    assert names(repository) == ["a"]


# ---- several ----------------------------------------------------------------------------------


def test_one_failure_stops_the_rest_and_tells_what_is_done(
    appliance: LoopAppliance, repository: Path
) -> None:
    ids = [str(uuid.uuid4()) for _unused in range(4)]
    for serial in ids:
        appliance.plug(serial.encode(), MIB, serial)
    copy(appliance, (ids[0], MIB, repository / "0"))
    images = [(serial, MIB, repository / str(index)) for index, serial in enumerate(ids)]
    lock = os.open(repository / "2.part", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(ImageBusy) as caught:
        copy(appliance, *images)
    os.close(lock)
    assert caught.value.details["serial"] == ids[2]
    done = caught.value.details["done"]
    assert [(image["serial"], image["changed"]) for image in done] == [
        (ids[0], False),
        (ids[1], True),
    ]
    assert names(repository) == ["0", "1", "2.part"]
    result = copy(appliance, *images)
    assert [image["changed"] for image in result["images"]] == [False, False, True, True]
    assert names(repository) == ["0", "1", "2", "3"]


def test_nothing_is_copied_if_one_device_is_missing(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    appliance.plug(b"x", MIB, disk_id)
    with pytest.raises(DeviceNotFound):
        copy(
            appliance,
            (disk_id, MIB, repository / "a"),
            (str(uuid.uuid4()), MIB, repository / "b"),
        )
    assert names(repository) == []


# ---- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS, ids="-".join)
def test_a_full_file_system(
    appliance: LoopAppliance, disk_id: str, tmp_path: Path, form: tuple[str, str]
) -> None:
    appliance.plug(os.urandom(16 * MIB), 16 * MIB, disk_id)
    small = appliance.mount("none", tmp_path / "small", "-t", "tmpfs", "-o", "size=8m")
    with pytest.raises(NoSpace) as caught:
        copy(appliance, (disk_id, 16 * MIB, small / "a"), form=form)
    assert caught.value.details["free"] < 16 * MIB <= caught.value.details["needed"]
    assert names(small) == []


def test_a_full_ext4(appliance: LoopAppliance, disk_id: str, tmp_path: Path) -> None:
    appliance.plug(os.urandom(16 * MIB), 16 * MIB, disk_id)
    medium = appliance.attach(appliance.file(b"", 12 * MIB))
    run("mkfs.ext4", "-q", medium)
    small = appliance.mount(medium, tmp_path / "small")
    with pytest.raises(NoSpace):
        copy(appliance, (disk_id, 16 * MIB, small / "a"), form=("raw", "none"))
    assert names(small) == ["lost+found"]


@pytest.fixture
def exports() -> Iterator[list[Export]]:
    """Exports that a test started; all end with it."""
    started: list[Export] = []
    yield started
    for export in started:
        export.kill()


def slow_disk(
    appliance: LoopAppliance, exports: list[Export], serial: str, size: int, **fault: int
) -> str:
    """Return a disk behind a storage daemon."""
    export = serve(appliance.file(os.urandom(size), size), **fault)
    exports.append(export)
    node = appliance.attach(export.file)
    appliance.name(node, serial)
    return node


@pytest.mark.parametrize("form", FORMATS, ids="-".join)
def test_a_read_error(
    appliance: LoopAppliance,
    exports: list[Export],
    repository: Path,
    disk_id: str,
    form: tuple[str, str],
) -> None:
    slow_disk(appliance, exports, disk_id, 8 * MIB, bad_sector=9000)
    with pytest.raises(DeviceLost, match="Input/output error"):
        copy(appliance, (disk_id, 8 * MIB, repository / "a"), form=form)
    assert names(repository) == []


def test_a_read_error_while_an_image_is_verified(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    for index, form in enumerate(FORMATS):
        serial = f"{index}{disk_id[1:]}"
        file = appliance.file(os.urandom(8 * MIB), 8 * MIB)
        node = appliance.attach(file)
        appliance.name(node, serial)
        copy(appliance, (serial, 8 * MIB, repository / str(index)), form=form)
        os.truncate(file, 4 * MIB)
        run("blockdev", "--flushbufs", node)
        with pytest.raises(DeviceLost):
            copy(appliance, (serial, 8 * MIB, repository / str(index)), form=form)
    assert names(repository) == ["0", "1", "2"]


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll a condition that another process makes true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_blocks * 512 >= MIB


@pytest.mark.parametrize("form", [("qcow2", "none"), ("raw", "none")], ids="-".join)
def test_a_device_that_vanishes_while_it_is_copied(
    appliance: LoopAppliance,
    exports: list[Export],
    repository: Path,
    disk_id: str,
    form: tuple[str, str],
) -> None:
    slow_disk(appliance, exports, disk_id, 32 * MIB, bytes_per_second=8 * MIB)

    def vanish() -> None:
        wait_for(lambda: has_bytes(repository / "a.part"))
        exports[0].kill()

    thread = threading.Thread(target=vanish)
    thread.start()
    try:
        # qemu-img starts from this thread alone, so a second one may run beside it here.
        with pytest.raises(DeviceLost):
            copy(appliance, (disk_id, 32 * MIB, repository / "a"), form=form)
    finally:
        thread.join()
    assert names(repository) == []


PROGRAM = """
import sys
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import Host, Paths
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.image_copy import ImageCopy
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import CopyRequest, ImageRequest
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform
by_id, serial, size, dest, fmt = sys.argv[1:]
request = CopyRequest((ImageRequest(serial, int(size), dest),), fmt, "none", 0.0)
perform(ImageCopy(request, Host(Paths(by_id=by_id))), check_mode=False)
"""


def programs_with(word: str) -> list[int]:
    """Processes that have a word among their arguments."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            found.append(int(pid))
    return found


@pytest.mark.parametrize(
    ("sig", "fmt"),
    [(signal.SIGKILL, "qcow2"), (signal.SIGKILL, "raw"), (signal.SIGTERM, "qcow2")],
)
def test_a_killed_copy_leaves_a_part_only_and_no_process(
    appliance: LoopAppliance,
    exports: list[Export],
    repository: Path,
    disk_id: str,
    sig: signal.Signals,
    fmt: str,
) -> None:
    # More than qemu-img has in flight at once (16 MiB), so that it still copies when bytes are seen.
    size = 32 * MIB
    slow_disk(appliance, exports, disk_id, size, bytes_per_second=8 * MIB)
    dest, part = repository / "a", repository / "a.part"
    words = [appliance.paths.by_id, disk_id, str(size), str(dest), fmt]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    victim = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], env=environment)
    wait_for(lambda: has_bytes(part))
    assert programs_with(str(part)) != []
    victim.send_signal(sig)
    assert victim.wait(10) == -sig
    wait_for(lambda: programs_with(str(part)) == [], 5.0)
    assert names(repository) == ["a.part"]

    result = copy(appliance, (disk_id, size, dest), form=(fmt, "none"))
    assert result["changed"]
    assert names(repository) == ["a"]


def test_an_image_that_differs_gets_no_name(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    appliance.plug(MIXED, 8 * MIB, disk_id)
    image = repository / "other"
    for fmt in ("qcow2", "raw"):
        source = appliance.file(MIXED[:-1], 8 * MIB)
        run("qemu-img", "convert", "-f", "raw", "-O", fmt, source, image)
        fd = os.open(image, os.O_RDONLY)
        stored = qemu.Stored(str(image), fd, fmt, image.stat().st_size)
        request = ImageRequest(disk_id, 8 * MIB, str(image))
        with (
            device.claimed(appliance.host, request) as claim,
            pytest.raises(ImageMismatch),
        ):
            qemu.prove(qemu.locate(), claim, stored)
        os.close(fd)


@pytest.mark.parametrize("fmt", ["qcow2", "raw"])
def test_the_proof_reads_the_disk_and_not_the_memory_of_what_was_written(
    appliance: LoopAppliance, repository: Path, disk_id: str, fmt: str
) -> None:
    content = os.urandom(2 * MIB)
    appliance.plug(content, 2 * MIB, disk_id)
    medium = appliance.file(b"", 64 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", medium)
    appliance.mount(appliance.attach(medium), repository)
    image = repository / "image"
    source = appliance.file(content, 2 * MIB)
    run("qemu-img", "convert", "-f", "raw", "-O", fmt, source, image)
    with (
        device.claimed(appliance.host, ImageRequest(disk_id, 2 * MIB, str(image))) as claim,
        image.open("r+b") as file,
    ):
        os.fsync(file.fileno())
        stored = qemu.Stored(str(image), file.fileno(), fmt, image.stat().st_size)
        qemu.prove(qemu.locate(), claim, stored)
        # One bit goes bad on the disk, below the file system; the page cache is as it was.
        where = medium.read_bytes().index(content[MIB : MIB + 4096])
        with medium.open("r+b") as disk:
            disk.seek(where)
            disk.write(bytes([content[MIB] ^ 1]))
            os.fsync(disk.fileno())
        before = image.read_bytes()
        assert content[MIB : MIB + 4096] in before
        with pytest.raises(ImageMismatch):
            qemu.prove(qemu.locate(), claim, stored)
        assert image.read_bytes() != before


def test_without_qemu_img(
    appliance: LoopAppliance,
    repository: Path,
    disk_id: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    appliance.plug(b"x", MIB, disk_id)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(qemu, "_PATH", str(tmp_path))
    with pytest.raises(MissingDependency) as caught:
        copy(appliance, (disk_id, MIB, repository / "a"))
    assert re.search("qemu-utils .*qemu-img .*EL", caught.value.hint)


def fake_qemu_img(directory: Path, script: str) -> None:
    """A program in the way of the real qemu-img."""
    program = directory / "qemu-img"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    "lie",
    [
        ("kill -9 $$", "signal 9"),
        ("echo qemu-img: something else >&2; exit 1", "something else"),
        ("exit 0", "does not have the same content as|could not|failed"),
    ],
    ids=["killed", "other", "liar"],
)
def test_a_program_that_fails_or_lies(
    appliance: LoopAppliance,
    repository: Path,
    disk_id: str,
    monkeypatch: pytest.MonkeyPatch,
    lie: tuple[str, str],
) -> None:
    script, words = lie
    appliance.plug(b"x", MIB, disk_id)
    fake_qemu_img(appliance.root, script)
    monkeypatch.setenv("PATH", f"{appliance.root}:{os.environ['PATH']}")
    with pytest.raises(BackupError) as caught:
        copy(appliance, (disk_id, MIB, repository / "a"), form=("raw", "none"))
    assert re.search(words, caught.value.message)
    assert names(repository) == []


def test_a_comparison_that_could_not_begin_finds_no_difference(
    appliance: LoopAppliance, repository: Path, disk_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit status is that of images that differ."""
    appliance.plug(MIXED, 8 * MIB, disk_id)
    limit = '[ "$1" = compare ] && ulimit -n 6'
    fake_qemu_img(appliance.root, f'{limit}\nexec {qemu.locate()} "$@"')
    monkeypatch.setenv("PATH", f"{appliance.root}:{os.environ['PATH']}")
    with pytest.raises(ToolFailed, match="Too many open files"):
        copy(appliance, (disk_id, 8 * MIB, repository / "a"))
    assert names(repository) == []


def test_a_qemu_img_without_zstd(
    appliance: LoopAppliance,
    repository: Path,
    disk_id: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    appliance.plug(b"x", MIB, disk_id)
    # What the real one says of a method that it was built without.
    fake_qemu_img(tmp_path, 'eval exec /usr/bin/qemu-img "$(echo "$@" | sed s/=zstd/=nope/)"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(MissingDependency, match="zstd"):
        copy(appliance, (disk_id, MIB, repository / "a"), form=("qcow2", "zstd"))
    assert names(repository) == []


def test_the_kernel_read_the_device_twice(
    appliance: LoopAppliance, repository: Path, disk_id: str
) -> None:
    size = 64 * MIB
    node = appliance.plug(os.urandom(size), size, disk_id)
    statistics = Path(f"/sys/block/{Path(node).name}/stat")

    def sectors() -> int:
        return int(statistics.read_text().split()[2])

    before = sectors()
    copy(appliance, (disk_id, size, repository / "a"))
    assert (sectors() - before) * 512 < 2.2 * size
