# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release of devices: real processes, mounts and namespaces hold them; only sysfs is made up."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
from appliance.loops import MIB, LoopAppliance, run
from appliance.site import until
from appliance.sysfs import Sysfs
from support.clocks import MadeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices.disk_device_release import (
    DiskDeviceRelease,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceBusy,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.disk_device_release import (
    ReleaseRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

LVM = "LVM-QzJ5Cwm6rSWTYbkEnAzqSjRbpm7Lh2yV7tkqqPa0lY9Sb2cDhAE8vZLV0jEXGwMn"
NOBODY = "4b1f9c77-0f0e-4d55-9d41-0a0f6c1d2e3f"


def release(
    host: Host,
    *serials: str,
    state: str = "released",
    timeout: float = 0.0,
    fail: bool = True,
    check_mode: bool = False,
) -> dict[str, Any]:
    """Do what the module does; its result."""
    request = ReleaseRequest(serials, state, timeout, fail)
    result, warnings = perform(DiskDeviceRelease(request, host), check_mode=check_mode)
    return {**result, "warnings": warnings}


@contextmanager
def process(*argv: str | Path, stdin: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs meanwhile, once it has said a line."""
    running = subprocess.Popen([*map(str, argv)], stdin=stdin, stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        yield running
    finally:
        running.kill()
        running.communicate()


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    """A sysfs to be written."""
    return Sysfs(tmp_path / "sysfs")


# ----- nobody uses it -----------------------------------------------------------------------------


def test_what_is_not_there_or_free_is_no_change(appliance: LoopAppliance, disk_id: str) -> None:
    node = appliance.plug(b"x", MIB, disk_id)
    for check_mode in (True, False, False):
        result = release(appliance.host, NOBODY, disk_id, check_mode=check_mode)
        assert not result["changed"]
        assert [one["device"] for one in result["devices"]] == [None, node]
        assert all(one["free"] for one in result["devices"])
        assert (result["busy"], result["why"]) == ([], "")


def test_what_is_no_serial_is_refused(appliance: LoopAppliance) -> None:
    with pytest.raises(InvalidRequest):
        release(appliance.host, "vda")


def wait_called(pid: int, name: str) -> None:
    """Wait until a shell has become the program that it is to be."""
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == f"{name}\n")


# ----- in use -------------------------------------------------------------------------------------


def test_an_open_device_is_named_with_its_process(appliance: LoopAppliance, disk_id: str) -> None:
    node, other = appliance.plug(b"x", MIB, disk_id), str(uuid.uuid4())
    appliance.plug(b"x", MIB, other)
    with (
        Path(node).open("rb") as device,
        process("sh", "-c", "echo ready; exec sleep 60", stdin=device) as holder,
    ):
        device.close()
        wait_called(holder.pid, "sleep")
        for check_mode in (True, False):
            with pytest.raises(DeviceBusy) as caught:
                release(appliance.host, disk_id, other, check_mode=check_mode)
            assert f"open by process {holder.pid} (sleep)" in caught.value.message
            assert caught.value.details["busy"] == [disk_id]
        result = release(appliance.host, disk_id, other, fail=False)
        assert result["busy"] == [disk_id]
        assert [one["free"] for one in result["devices"]] == [False, True]
        assert node in result["why"]
    assert release(appliance.host, disk_id)["busy"] == []


def test_who_only_watches_is_no_user(
    appliance: LoopAppliance, disk_id: str, tmp_path: Path
) -> None:
    node = appliance.plug(b"x", MIB, disk_id)
    watcher = tmp_path / "multipathd"
    shutil.copy("/bin/sleep", watcher)
    with Path(node).open("rb") as device:
        script = f"echo ready; exec {watcher} 60"
        with process("sh", "-c", script, stdin=device) as running:
            device.close()
            wait_called(running.pid, "multipathd")
            assert release(appliance.host, disk_id)["busy"] == []


def test_who_is_about_to_finish_is_waited_for(appliance: LoopAppliance, disk_id: str) -> None:
    node = appliance.plug(b"x", MIB, disk_id)
    pauses: list[float] = []
    with Path(node).open("rb") as device:

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 4:
                device.close()

        host = Host(appliance.paths, MadeClock(time.monotonic, sleep))
        assert release(host, disk_id, timeout=30.0)["busy"] == []
    assert len(pauses) == 4
    assert pauses == sorted(pauses)


def test_a_mount_is_named(appliance: LoopAppliance, disk_id: str, tmp_path: Path) -> None:
    node = appliance.plug(b"", 8 * MIB, disk_id)
    run("mkfs.ext4", "-q", node)
    place = appliance.mount(node, tmp_path / "a place")
    with pytest.raises(DeviceBusy, match=f"mounted on {place}; |mounted on {place}[.]"):
        release(appliance.host, disk_id)
    assert os.path.ismount(place), "it is not ours to unmount"


def test_a_mount_in_another_namespace_is_named(
    appliance: LoopAppliance, disk_id: str, tmp_path: Path
) -> None:
    node = appliance.plug(b"", 8 * MIB, disk_id)
    run("mkfs.ext4", "-q", node)
    place = tmp_path / "elsewhere"
    place.mkdir()
    script = 'mount -r "$0" "$1" && echo ready && exec sleep 60'
    words: list[str | Path] = [
        "unshare",
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        script,
        node,
        place,
    ]
    with process(*words) as holder:
        wait_called(holder.pid, "sleep")
        assert not os.path.ismount(place)
        with pytest.raises(DeviceBusy) as caught:
            release(appliance.host, disk_id)
        told = f"mounted on {place} in the mount namespace of process {holder.pid} (sleep)"
        assert told in caught.value.message
    assert release(appliance.host, disk_id, timeout=5.0)["busy"] == []


def test_a_loop_device_over_it_is_named(appliance: LoopAppliance, disk_id: str) -> None:
    node = appliance.plug(b"x", MIB, disk_id)
    above = appliance.attach(Path(node))
    with pytest.raises(DeviceBusy, match=f"under the loop device {Path(above).name}"):
        release(appliance.host, disk_id)


def test_swap_is_named(appliance: LoopAppliance, disk_id: str, tmp_path: Path) -> None:
    node = appliance.plug(b"", 8 * MIB, disk_id)
    swaps = tmp_path / "swaps"
    swaps.write_text(f"Filename\tType\tSize\tUsed\tPriority\n{node}\tpartition\t8188\t0\t-2\n\n")
    with pytest.raises(DeviceBusy, match=f"swap on {node}"):
        release(Host(replace(appliance.paths, swaps=str(swaps))), disk_id)


def test_a_claim_that_no_list_shows_is_told(
    appliance: LoopAppliance, disk_id: str, tmp_path: Path
) -> None:
    """A mount namespace lives on without a process where something is bound to it."""
    node = appliance.plug(b"", 8 * MIB, disk_id)
    run("mkfs.ext4", "-q", node)
    private = appliance.mount("none", tmp_path / "private", "-t", "tmpfs")
    run("mount", "--make-private", private)
    (private / "namespace").touch()
    (tmp_path / "place").mkdir()
    run("unshare", f"--mount={private}/namespace", "mount", "-r", node, tmp_path / "place")
    try:
        with pytest.raises(DeviceBusy, match="claimed by the kernel"):
            release(appliance.host, disk_id)
    finally:
        run("umount", private / "namespace")


def test_who_comes_between_the_look_and_the_deed_is_named(
    appliance: LoopAppliance, disk_id: str
) -> None:
    node = appliance.plug(b"x", MIB, disk_id)
    operation = DiskDeviceRelease(ReleaseRequest((disk_id,), timeout=0.0), appliance.host)
    plan = operation.plan()
    fd = os.open(node, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(DeviceBusy, match=f"open by process {os.getpid()} "):
            operation.execute(plan)
    finally:
        os.close(fd)


def test_a_device_that_goes_between_the_look_and_the_deed_is_gone(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id)
    operation = DiskDeviceRelease(ReleaseRequest((disk_id,), timeout=0.0), sysfs.host())
    plan = operation.plan()
    (sysfs.root / "dev/sdb").unlink()
    assert operation.execute(plan)["busy"] == []


# ----- what is built on it ------------------------------------------------------------------------


def test_an_array_is_stopped(appliance: LoopAppliance, sysfs: Sysfs, disk_id: str) -> None:
    sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id)
    array = sysfs.array("md127", ["sdb"])
    result = release(sysfs.host(), disk_id, check_mode=True)
    assert result["changed"]
    assert (array / "md/array_state").read_text() == "read-auto\n"
    assert result["diff"]["before"] != result["diff"]["after"]
    again = release(sysfs.host(), disk_id)
    assert {key: again[key] for key in ("devices", "busy", "diff", "changed")} == {
        key: result[key] for key in ("devices", "busy", "diff", "changed")
    }
    assert again["devices"][0]["removed"] == ["MD array md127"]
    assert (array / "md/array_state").read_text().startswith("clear")


def test_an_array_in_use_stays(appliance: LoopAppliance, sysfs: Sysfs, disk_id: str) -> None:
    sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id)
    array = sysfs.array("md127", ["sdb"])
    swaps = sysfs.root / "swaps"
    swaps.write_text(f"Filename\n{sysfs.root}/dev/md127 partition 1 0 -2\n")
    host = replace(sysfs.host(), paths=replace(sysfs.paths, swaps=str(swaps)))
    with pytest.raises(DeviceBusy, match="MD array md127 is swap on"):
        release(host, disk_id)
    assert (array / "md/array_state").read_text() == "read-auto\n"


def test_an_order_that_is_not_obeyed_is_told(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    """The node of the device mapper is an ordinary file here, which takes no orders."""
    sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id)
    sysfs.partition("sdb", "sdb2", "8:18")
    sysfs.mapped("dm-0", "vg0-root", LVM, ["sdb2"])
    (sysfs.root / "dev/mapper/control").touch()
    assert release(sysfs.host(), disk_id, check_mode=True)["changed"]
    with pytest.raises(DeviceBusy) as caught:
        release(sysfs.host(), disk_id)
    assert "LVM volume vg0/root (dm-0) could not be deactivated: Inappropriate ioctl" in str(
        caught.value
    )
    result = release(sysfs.host(), disk_id, fail=False)
    assert result["busy"] == [disk_id]
    assert result["devices"][0]["removed"] == []


def test_a_layer_that_is_another_one_by_now_is_left_alone(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id)
    mapped = sysfs.mapped("dm-0", "vg0-root", LVM, ["sdb"])
    operation = DiskDeviceRelease(ReleaseRequest((disk_id,), timeout=0.0), sysfs.host())
    plan = operation.plan()
    assert plan.changed
    (mapped / "dm/uuid").write_text("LVM-another\n")
    # There is no node to give orders to: an order would be told of.
    assert operation.execute(plan)["busy"] == []


def test_a_volume_of_the_appliance_stays_whatever_is_asked(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    """One group over the appliance's own disk and the asked one: nothing of it is touched."""
    own = str(uuid.uuid4())
    sysfs.disk("sda", appliance.attach(appliance.file(b"x", MIB)), own)
    sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id)
    sysfs.mapped("dm-0", "vg0-root", LVM, ["sda"])
    sysfs.mapped("dm-1", "vg0-spare", LVM, ["sdb"])
    with pytest.raises(DeviceBusy, match="one volume group with LVM volume vg0/root"):
        release(sysfs.host(), disk_id)


# ----- after the detach ---------------------------------------------------------------------------


def test_a_dead_device_is_forgotten(appliance: LoopAppliance, sysfs: Sysfs, disk_id: str) -> None:
    node = appliance.attach(appliance.file(b"x", MIB))
    disk = sysfs.disk("sdb", node, disk_id, state="offline")
    result = release(sysfs.host(), disk_id, state="absent", check_mode=True)
    assert result["changed"]
    assert (disk / "device/delete").read_text() == ""
    result = release(sysfs.host(), disk_id, state="absent")
    assert result["changed"]
    assert result["devices"][0]["removed"] == [f"{sysfs.root}/dev/sdb"]
    assert (disk / "device/delete").read_text() == "1"


def test_nothing_there_is_gone(appliance: LoopAppliance, disk_id: str) -> None:
    result = release(appliance.host, disk_id, state="absent")
    assert not result["changed"]
    assert result["devices"] == [
        {"serial": disk_id, "device": None, "free": True, "removed": [], "used_by": []}
    ]


@pytest.mark.parametrize("state", ["running", "blocked", None])
def test_what_is_not_proven_dead_is_never_deleted(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str, state: str | None
) -> None:
    disk = sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id, state=state)
    with pytest.raises(DeviceBusy, match="still there, and not dead"):
        release(sysfs.host(), disk_id, state="absent")
    if state:
        assert (disk / "device/delete").read_text() == ""


def test_a_dead_device_in_use_is_named_and_stays(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    node = appliance.attach(appliance.file(b"x", MIB))
    disk = sysfs.disk("sdb", node, disk_id, state="transport-offline")
    with (
        (sysfs.root / "dev/sdb").open("rb"),
        pytest.raises(DeviceBusy, match=f"open by process {os.getpid()} "),
    ):
        release(sysfs.host(), disk_id, state="absent")
    assert (disk / "device/delete").read_text() == ""


def test_a_dead_device_that_cannot_be_removed_is_told(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    disk = sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id, state="offline")
    (disk / "device/delete").unlink()
    with pytest.raises(DeviceBusy, match="offers no way to remove it"):
        release(sysfs.host(), disk_id, state="absent")


def test_a_device_that_came_back_to_life_is_not_deleted(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    disk = sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id, state="offline")
    request = ReleaseRequest((disk_id,), state="absent", timeout=0.0)
    operation = DiskDeviceRelease(request, sysfs.host())
    plan = operation.plan()
    (disk / "device/state").write_text("running\n")
    with pytest.raises(DeviceBusy, match="not removed: still there"):
        operation.execute(plan)
    assert (disk / "device/delete").read_text() == ""


def test_a_device_that_goes_a_little_later_is_waited_for(
    appliance: LoopAppliance, sysfs: Sysfs, disk_id: str
) -> None:
    disk = sysfs.disk("sdb", appliance.attach(appliance.file(b"x", MIB)), disk_id)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            run("rm", "-r", disk)

    host = sysfs.host(MadeClock(time.monotonic, sleep))
    assert not release(host, disk_id, state="absent", timeout=30.0)["changed"]
    assert len(pauses) == 3
