# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find devices among dead, unready and many ones; sysfs is made up, nodes are real."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest
from appliance.loops import MIB, Export, LoopAppliance, serve
from appliance.sysfs import Sysfs
from support.clocks import MadeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    device,
    scan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.disk_image_copy import (
    DiskImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.image_copy import (
    ImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceAmbiguous,
    DeviceBusy,
    DeviceLost,
    DeviceMismatch,
    DeviceNotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import jobs
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    """A sysfs to be written."""
    return Sysfs(tmp_path / "sysfs")


@pytest.fixture
def backing(appliance: LoopAppliance) -> str:
    """A device that can be read."""
    return appliance.attach(appliance.file(b"x", MIB))


@pytest.fixture
def dead_backing(appliance: LoopAppliance) -> Iterator[str]:
    """A device whose storage is gone: its size is there, and reads give EIO."""
    export: Export = serve(appliance.file(b"x", MIB))
    try:
        node = appliance.attach(export.file)
        export.kill()
        yield node
    finally:
        export.kill()


def find(host: Host, *serials: str, timeout: float = 0.0) -> tuple[dict[str, str], tuple[str, ...]]:
    """Names of the devices that are found, and warnings."""
    found, warnings = device.Finder(host).find(dict.fromkeys(serials), timeout)
    return {serial: one.name for serial, one in found.items()}, warnings


def after(pauses: int, event: Callable[[], object], slept: list[float] | None = None) -> MadeClock:
    """Return a clock that lets something happen in the n-th pause, and lets no time pass."""
    taken = slept if slept is not None else []
    now = [0.0]

    def sleep(seconds: float) -> None:
        taken.append(seconds)
        now[0] += seconds
        if len(taken) == pauses:
            event()

    return MadeClock(lambda: now[0], sleep)


# ----- the dead -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["offline", "transport-offline", "deleted", "cancel"])
def test_a_device_that_the_kernel_marked_is_ignored_with_a_warning(
    sysfs: Sysfs, backing: str, disk_id: str, state: str
) -> None:
    sysfs.disk("sdb", backing, disk_id, state=state)
    sysfs.disk("sdc", backing, disk_id)
    found, [warning] = find(sysfs.host(), disk_id)
    assert found == {disk_id: "sdc"}
    assert "sdb" in warning
    assert state in warning


def test_a_device_that_gives_errors_is_ignored_with_a_warning(
    sysfs: Sysfs, backing: str, dead_backing: str, disk_id: str
) -> None:
    """QEMU took the LUN away, and the guest's kernel did not hear of it: running, and EIO."""
    sysfs.disk("sdb", dead_backing, disk_id)
    sysfs.disk("sdc", backing, disk_id)
    found, [warning] = find(sysfs.host(), disk_id)
    assert found == {disk_id: "sdc"}
    assert "sdb" in warning
    assert "Input/output error" in warning


def test_a_copy_is_of_the_live_one(
    appliance: LoopAppliance, sysfs: Sysfs, dead_backing: str, disk_id: str, repository: Path
) -> None:
    live = appliance.attach(appliance.file(b"tonight", MIB))
    sysfs.disk("sda", dead_backing, disk_id)
    sysfs.disk("sdb", live, disk_id)
    request = CopyRequest((ImageRequest(disk_id, MIB, str(repository / "a")),), "raw")
    result, warnings = perform(ImageCopy(request, sysfs.host()), check_mode=False)
    assert result["images"][0]["device"].endswith("/sdb")
    assert (repository / "a").read_bytes()[:7] == b"tonight"
    assert len(warnings) == 1
    (repository / "a").unlink()
    host = Host(replace(sysfs.paths, jobs=str(sysfs.root / "jobs")), MadeClock())
    assert perform(DiskImageCopy(request, jobs.Following(), host), check_mode=True)[1] == warnings
    again = perform(DiskImageCopy(request, jobs.Following(), host), check_mode=False)[1]
    assert again == warnings, "from the process of the job"


def test_the_live_one_is_waited_for(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    """At the first look only last night's device is there: it is not tonight's disk."""
    sysfs.disk("sdb", backing, disk_id, state="offline")
    clock = after(3, lambda: sysfs.disk("sdc", backing, disk_id))
    found, warnings = find(sysfs.host(clock), disk_id, timeout=60.0)
    assert found == {disk_id: "sdc"}
    assert len(warnings) == 1


def test_a_dead_device_alone_is_told(sysfs: Sysfs, dead_backing: str, disk_id: str) -> None:
    sysfs.disk("sdb", dead_backing, disk_id)
    with pytest.raises(DeviceLost, match=r"sdb .* Input/output error") as caught:
        find(sysfs.host(after(0, bool)), disk_id, timeout=5.0)
    assert caught.value.details["unreadable"][0]["dead"]
    with pytest.raises(DeviceNotFound):
        find(sysfs.host(), disk_id, str(uuid.uuid4()))


def test_two_that_live_stay_ambiguous(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    sysfs.disk("sdb", backing, disk_id)
    sysfs.disk("vdb", backing, disk_id, state=None)
    sysfs.disk("sdc", backing, disk_id)
    slept: list[float] = []
    with pytest.raises(DeviceAmbiguous, match=r"sdb.*sdc"):
        find(sysfs.host(after(0, bool, slept)), disk_id, timeout=60.0)
    assert 2.0 < sum(slept) < 5.0, "a twin that is about to go is given a moment, and no more"


def test_a_twin_that_goes_is_waited_out(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    old = sysfs.disk("sdb", backing, disk_id)
    sysfs.disk("sdc", backing, disk_id)
    clock = after(2, lambda: shutil.rmtree(old))
    assert find(sysfs.host(clock), disk_id, timeout=60.0)[0] == {disk_id: "sdc"}


def test_what_is_built_on_the_disk_is_not_it(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    """Multipath takes a new disk, and udev gives its map the serial of the path."""
    sysfs.disk("sdb", backing, disk_id)
    sysfs.mapped("dm-0", "mpatha", "mpath-3600", ["sdb"])
    (sysfs.root / "udev/b253:0").write_text(f"I:1\nE:ID_SERIAL_SHORT={disk_id}\n")
    assert find(sysfs.host(), disk_id) == ({disk_id: "sdb"}, ())
    image = ImageRequest(disk_id, MIB, "/x")
    with (
        pytest.raises(DeviceBusy, match=r"held by multipath device mpatha \(dm-0\)"),
        device.claimed(sysfs.host(), image),
    ):
        pass


# ----- the unfinished -----------------------------------------------------------------------------


def test_a_node_that_comes_late_is_waited_for(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    """sysfs knows a disk before udev made its node."""
    sysfs.disk("sdb", backing, disk_id)
    node = sysfs.root / "dev/sdb"
    hidden = node.rename(sysfs.root / "hidden")
    clock = after(2, lambda: hidden.rename(node))
    assert find(sysfs.host(clock), disk_id, timeout=60.0)[0] == {disk_id: "sdb"}


def test_a_state_that_passes_is_waited_for(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    disk = sysfs.disk("sdb", backing, disk_id, state="blocked")
    clock = after(2, lambda: (disk / "device/state").write_text("running\n"))
    assert find(sysfs.host(clock), disk_id, timeout=60.0)[0] == {disk_id: "sdb"}


def test_udev_that_is_not_done_is_asked_again(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    """Its database begins without the serial, and gets it before the line that says: done."""
    sysfs.disk("sdb", backing, "")
    number = (sysfs.root / "block/sdb/dev").read_text().strip()
    database = sysfs.root / f"udev/b{number}"
    database.write_text("E:ID_MODEL=x\nE:ID_SERIAL=something-else\n")
    clock = after(2, lambda: database.write_text(f"I:1\nE:ID_SERIAL_SHORT={disk_id}\n"))
    assert find(sysfs.host(clock), disk_id, timeout=60.0)[0] == {disk_id: "sdb"}


def test_a_size_that_changes_is_waited_for_and_not_for_long(
    sysfs: Sysfs, backing: str, disk_id: str, repository: Path
) -> None:
    disk = sysfs.disk("sdb", backing, disk_id)
    (disk / "size").write_text("8\n")
    clock = after(2, lambda: (disk / "size").write_text("2048\n"))
    sizes = {disk_id: MIB}
    found, _warnings = device.Finder(sysfs.host(clock)).find(sizes, 60.0)
    assert found[disk_id].name == "sdb"
    slept: list[float] = []
    request = CopyRequest(
        (ImageRequest(disk_id, 2 * MIB, str(repository / "a")),), device_timeout=60.0
    )
    with pytest.raises(DeviceMismatch):
        ImageCopy(request, sysfs.host(after(0, bool, slept))).plan()
    assert 2.0 < sum(slept) < 5.0


def test_a_bad_first_sector_is_no_death(sysfs: Sysfs, backing: str, disk_id: str) -> None:
    """What a read may meet that proves nothing: here, a node that is no device at all."""
    sysfs.disk("sdb", backing, disk_id)
    node = sysfs.root / "dev/sdb"
    node.unlink()
    node.write_bytes(b"")
    with pytest.raises(DeviceLost, match="holds no data") as caught:
        find(sysfs.host(), disk_id)
    assert not caught.value.details["unreadable"][0]["dead"]


def test_a_disk_that_goes_between_two_looks_is_told(
    sysfs: Sysfs, backing: str, disk_id: str
) -> None:
    disk = sysfs.disk("sdb", backing, disk_id)
    finder = device.Finder(sysfs.host())
    assert finder.find({disk_id: MIB}, 0.0)[0]
    # The same object of the kernel to whoever looks at its number alone, and another serial.
    (disk / "device/vpd_pg80").write_bytes(b"\x00\x80\x00\x24" + str(uuid.uuid4()).encode())
    with (
        pytest.raises(DeviceLost, match="it went away"),
        device.claimed(sysfs.host(), ImageRequest(disk_id, MIB, "/x"), finder),
    ):
        pass


# ----- the many -----------------------------------------------------------------------------------


def opened(action: Callable[[], object]) -> list[str]:
    """Files that an action opens; directories, which are listed, are not among them."""
    paths: list[str] = []

    def trace(frame: FrameType, event: str, argument: object) -> None:
        name = getattr(argument, "__name__", "")
        if event == "c_call" and name == "open":
            paths.append(str(frame.f_locals.get("path", "")))

    sys.setprofile(trace)
    try:
        action()
    finally:
        sys.setprofile(None)
    return paths


def test_three_hundred_disks_are_read_once(sysfs: Sysfs, backing: str) -> None:
    serials = [str(uuid.uuid4()) for _unused in range(300)]
    for number, serial in enumerate(serials):
        sysfs.disk(f"sd{number}", backing, serial)
    scanner = scan.Scanner(sysfs.paths)
    first = len(opened(scanner.scan))
    again = len(opened(scanner.scan))
    assert {serial for one in scanner.scan() for serial in one.serials} == set(serials)
    assert first <= 8 * len(serials)
    assert again <= len(serials), "one small file a disk, which tells whether it is another one"


def test_a_name_that_went_to_another_disk_is_read_anew(
    sysfs: Sysfs, backing: str, disk_id: str
) -> None:
    other = str(uuid.uuid4())
    disk = sysfs.disk("sdb", backing, disk_id)
    scanner = scan.Scanner(sysfs.paths)
    assert [one.serials for one in scanner.scan()] == [(disk_id,)]
    disk.rename(sysfs.root / "old")
    (sysfs.root / "dev/sdb").unlink()
    assert scanner.scan() == ()
    sysfs.disk("sdb", backing, other)
    assert [one.serials for one in scanner.scan()] == [(other,)]
    (sysfs.root / "block/sdb/diskseq").write_text("12\n")
    (sysfs.root / "block/sdb/device/vpd_pg80").write_bytes(b"\x00\x80\x00\x24" + disk_id.encode())
    assert [one.serials for one in scanner.scan()] == [(disk_id,)]


def test_several_disks_come_one_after_the_other(sysfs: Sysfs, backing: str) -> None:
    serials = [str(uuid.uuid4()) for _unused in range(4)]
    waiting = list(enumerate(serials))
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds
        if waiting:
            number, serial = waiting.pop()
            sysfs.disk(f"sd{number}", backing, serial)

    host = sysfs.host(MadeClock(lambda: now[0], sleep))
    found, _warnings = find(host, *serials, timeout=60.0)
    assert sorted(found) == sorted(serials)
    assert len(slept) == 4
    assert slept[0] <= 0.05
    assert slept == sorted(slept)


def test_a_real_device_is_found_within_a_moment(appliance: LoopAppliance, disk_id: str) -> None:
    appliance.plug(b"x", MIB, disk_id)
    start = time.monotonic()
    assert find(appliance.host, disk_id, timeout=60.0)[0]
    assert time.monotonic() - start < 2.0
