# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's host half on this machine: storage, hypervisor, appliance, and a clean end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lab.appliance import Appliance
from lab.hypervisor import Drive, GuestWriter, HostError, LocalHypervisor
from lab.processes import (
    CommandError,
    LabInUseError,
    ProcessId,
    Registry,
    loops_below,
    mounts_below,
    reap_stale,
    run,
    wait_until,
)
from lab.requirements import missing_packages, problems
from lab.storage import Storage, StorageError, Volume, compare, filesystem, pattern

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices and mounts need root")

DOMAIN = "11111111-aaaa-bbbb-cccc-000000000001"
ODD_SIZE = 5 * 2**20 + 512
FORMATS = ("raw", "qcow2")


class House:
    """A storage and a hypervisor on one root, and short ways to use them."""

    def __init__(self, root: Path) -> None:
        """Nothing runs yet but the hypervisor."""
        self.root = root
        self.storage = Storage(root / "storage")
        self.hypervisor = LocalHypervisor(root / "host")

    def disk(self, fmt: str, size: int = ODD_SIZE, seed: int = 1) -> Drive:
        """Return a new disk with a pattern on it, as a source VM has it."""
        disk_id = str(uuid.uuid4())
        path = self.storage.create_disk(DOMAIN, disk_id, "v0", fmt, size)
        self.storage.fill(path, fmt, pattern(seed, size))
        return Drive(disk_id, path, fmt, size, "virtio", domain_id=DOMAIN, volume_id="v0")

    def appliance(self, vm_id: str = "B", size: int | None = None) -> Appliance:
        """Return a running appliance."""
        guest = Appliance(self.root / "appliances", f"guest-{vm_id}", size)
        self.hypervisor.register_appliance(vm_id, guest)
        self.hypervisor.start(vm_id, [])
        return guest

    def freeze(self, vm_id: str, drives: Sequence[Drive], volume: str = "v1") -> None:
        """Snapshot a running VM: its disks go on in `volume`."""
        layers = {}
        for drive in drives:
            top = self.chain(drive)[-1].volume_id
            layers[drive.disk_id] = self.storage.create_layer(DOMAIN, drive.disk_id, volume, top)
        self.hypervisor.snapshot(vm_id, layers)

    def chain(self, drive: Drive) -> list[Volume]:
        """Return the disk's volumes, base first."""
        return self.storage.chain(DOMAIN, drive.disk_id)

    def witness(self, drive: Drive, volume: str = "v0") -> Path:
        """Return a raw copy of a volume, a new one at each call."""
        dest = self.root / f"{uuid.uuid4()}.raw"
        return self.storage.witness(DOMAIN, drive.disk_id, volume, dest)

    def transient(self, drive: Drive, **changes: object) -> Drive:
        """Return the disk's first volume as a disk snapshot for an appliance."""
        return replace(drive, transient=True, **changes)  # type: ignore[arg-type]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house, and the proof that nothing of it is left on the machine."""
    before = children(os.getpid())
    house = House(tmp_path)
    yield house
    house.hypervisor.close()
    assert loops_below(tmp_path) == []
    assert mounts_below(tmp_path) == []
    assert children(os.getpid()) == before


def processes() -> dict[int, int]:
    """Parent by process of this machine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(path.parent.name)] = int(words[1])
    return found


def children(pid: int) -> set[int]:
    """Return all descendants of a process."""
    parents = processes()
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def names(guest: Appliance) -> list[str]:
    """Return what a guest has in /dev/disk/by-id."""
    script = "cd /dev/disk/by-id 2>/dev/null && ls -1 || true"
    return guest.run(["sh", "-c", script]).stdout.split()


# ----- the machine -----


def test_this_machine_has_what_the_lab_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems() == []
    monkeypatch.setenv("PATH", "/nowhere")
    assert "qemu-utils" in missing_packages()
    assert any("qemu-utils" in sentence for sentence in problems())


# ----- storage -----


def test_pattern_is_repeatable_sparse_and_ends_with_the_disk() -> None:
    chunks = list(pattern(5, 2**20 + 512))
    assert chunks == list(pattern(5, 2**20 + 512))
    assert chunks != list(pattern(6, 2**20 + 512))
    written = sum(len(data) for _offset, data in chunks)
    assert 2**17 < written < 2**20 - 2**17
    assert chunks[-1][0] + len(chunks[-1][1]) == 2**20 + 512


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_cold_chain_keeps_each_moment(house: House, fmt: str) -> None:
    drive, storage = house.disk(fmt), house.storage
    first = house.witness(drive)
    for number in (1, 2, 3):
        storage.create_layer(DOMAIN, drive.disk_id, f"v{number}", f"v{number - 1}")
        path = storage.path(DOMAIN, drive.disk_id, f"v{number}")
        storage.fill(path, "qcow2", pattern(10 + number, ODD_SIZE, 0.2))
    last = house.witness(drive, "v3")
    assert [v.volume_id for v in house.chain(drive)] == ["v0", "v1", "v2", "v3"]
    assert {v.virtual_size for v in house.chain(drive)} == {ODD_SIZE}
    assert compare(drive.path, fmt, first)
    assert not compare(drive.path, fmt, last)

    storage.commit(DOMAIN, drive.disk_id, "v2", "v1")
    assert [(v.volume_id, v.backing) for v in house.chain(drive)] == [
        ("v0", None),
        ("v1", "v0"),
        ("v3", "v1"),
    ]
    storage.commit(DOMAIN, drive.disk_id, "v1", "v0")
    storage.commit(DOMAIN, drive.disk_id, "v3", "v0")
    assert [v.volume_id for v in house.chain(drive)] == ["v0"]
    assert compare(drive.path, fmt, last)
    assert storage.check(DOMAIN, drive.disk_id, "v0")
    storage.remove_disk(DOMAIN, drive.disk_id)
    assert storage.disks(DOMAIN) == []


def test_fill_writes_what_the_pattern_says(house: House) -> None:
    plain = house.root / "plain"
    plain.touch()
    os.truncate(plain, ODD_SIZE)
    with plain.open("r+b") as target:
        for offset, data in pattern(1, ODD_SIZE):
            target.seek(offset)
            target.write(data)
    for fmt in FORMATS:
        drive = house.disk(fmt)
        assert compare(drive.path, fmt, plain)
        assert house.chain(drive)[0].actual_size < ODD_SIZE


def test_compare_sees_one_bit_and_one_sector(house: House) -> None:
    drive = house.disk("qcow2")
    copy = house.witness(drive)
    os.truncate(copy, ODD_SIZE + 512)
    assert not compare(drive.path, "qcow2", copy)
    os.truncate(copy, ODD_SIZE)
    assert compare(drive.path, "qcow2", copy)
    with copy.open("r+b") as target:
        target.seek(ODD_SIZE - 1)
        last = target.read(1)
        target.seek(ODD_SIZE - 1)
        target.write(bytes([last[0] ^ 1]))
    assert not compare(drive.path, "qcow2", copy)


def test_storage_refuses_what_cannot_be(house: House) -> None:
    drive, storage = house.disk("raw"), house.storage
    with pytest.raises(StorageError, match="512"):
        storage.create_disk(DOMAIN, "other", "v0", "raw", 1000)
    with pytest.raises(StorageError, match="no volume"):
        storage.create_layer(DOMAIN, drive.disk_id, "v1", "unknown")
    with pytest.raises(StorageError, match="no child"):
        storage.commit(DOMAIN, drive.disk_id, "v0", "v0")
    with pytest.raises(StorageError, match="ends behind"):
        storage.fill(drive.path, "raw", [(ODD_SIZE, b"x")])
    with pytest.raises(StorageError, match="not one chain"):
        storage.chain(DOMAIN, "unknown")


def test_a_broken_chain_is_found(house: House) -> None:
    drive = house.disk("qcow2")
    house.storage.create_layer(DOMAIN, drive.disk_id, "v1", "v0")
    drive.path.rename(drive.path.with_name("v9"))
    with pytest.raises(StorageError, match="broken"):
        house.storage.chain(DOMAIN, drive.disk_id, "v1")


def test_a_volume_in_use_is_neither_merged_nor_filled(house: House) -> None:
    drive = house.disk("qcow2")
    house.hypervisor.start("S", [drive])
    house.freeze("S", [drive])
    with pytest.raises(CommandError, match="lock"):
        house.storage.commit(DOMAIN, drive.disk_id, "v1", "v0")
    assert [v.volume_id for v in house.chain(drive)] == ["v0", "v1"]


# ----- the source VM: live snapshot and merge below a writing guest -----


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_guest_writes_on_through_snapshots_and_merges(house: House, fmt: str) -> None:
    drive, hypervisor = house.disk(fmt), house.hypervisor
    before = house.witness(drive)
    hypervisor.start("S", [drive])
    writer = GuestWriter(hypervisor, "S", drive.disk_id, 3, interval=0.002)
    writer.start()
    frozen = []
    for number in (1, 2, 3):
        assert writer.wait_blocks(10)
        house.freeze("S", [drive], f"v{number}")
        frozen.append(house.witness(drive, f"v{number - 1}"))
    assert writer.wait_blocks(5)

    hypervisor.merge("S", drive.disk_id, "v2", "v1")  # inside the chain
    assert [v.volume_id for v in house.chain(drive)] == ["v0", "v1", "v3"]
    assert writer.wait_blocks(5)
    hypervisor.merge("S", drive.disk_id, "v1", "v0")  # into the base
    assert hypervisor.plugged("S")[drive.disk_id].volume_id == "v3"
    hypervisor.merge("S", drive.disk_id, "v3", "v0")  # the active layer: pivot
    assert hypervisor.plugged("S")[drive.disk_id] == drive
    assert [v.volume_id for v in house.chain(drive)] == ["v0"]
    assert writer.wait_blocks(5)
    blocks = writer.stop()
    hypervisor.stop("S")

    found = [writer.moment(before, copy) for copy in frozen]
    moments = [moment for moment in found if moment is not None]
    assert moments == sorted(moments)
    assert len(set(moments)) == 3
    writer.replay(before, blocks)
    assert compare(drive.path, fmt, before)
    assert house.storage.check(DOMAIN, drive.disk_id, "v0")


def test_moment_recognises_no_other_content(house: House) -> None:
    drive = house.disk("raw")
    before = house.witness(drive)
    house.hypervisor.start("S", [drive])
    writer = GuestWriter(house.hypervisor, "S", drive.disk_id, 3, interval=0.002)
    writer.start()
    assert writer.wait_blocks(10)
    blocks = writer.stop()
    after = house.witness(drive)
    assert writer.moment(before, after) == blocks
    skipped = house.root / "skipped"
    shutil.copy(before, skipped)
    writer.replay(skipped, blocks, first=1)
    assert writer.moment(before, skipped) is None


def test_a_snapshot_of_several_disks_is_one_moment(house: House) -> None:
    drives = [house.disk("raw"), house.disk("qcow2")]
    hypervisor = house.hypervisor
    hypervisor.start("S", drives)
    first, second = (hypervisor.guest_file("S", drive.disk_id) for drive in drives)
    stop = threading.Event()

    def count() -> None:
        number = 0
        with first.open("r+b", buffering=0) as one, second.open("r+b", buffering=0) as two:
            while not stop.wait(0.0005):
                number += 1
                for disk in (one, two):
                    disk.seek(0)
                    disk.write(number.to_bytes(512, "big"))

    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(count)
        try:
            for number in range(1, 6):
                time.sleep(0.02)
                house.freeze("S", drives, f"v{number}")
        finally:
            stop.set()
        counting.result()
    for number in range(5):
        numbers = []
        for drive in drives:
            with house.witness(drive, f"v{number}").open("rb") as copy:
                numbers.append(int.from_bytes(copy.read(512), "big"))
        # The first disk is written first: it is level or one ahead, never behind.
        assert numbers[0] - numbers[1] in (0, 1)


def test_a_refused_snapshot_changes_nothing(house: House) -> None:
    drives = [house.disk("raw"), house.disk("qcow2")]
    house.hypervisor.start("S", drives)
    layer = house.storage.create_layer(DOMAIN, drives[0].disk_id, "v1", "v0")
    absent = drives[1].path.with_name("absent")
    with pytest.raises(HostError) as caught:
        house.hypervisor.snapshot("S", {drives[0].disk_id: layer, drives[1].disk_id: absent})
    assert caught.value.kind == "snapshot"
    house.hypervisor.snapshot("S", {drives[0].disk_id: layer})
    house.hypervisor.merge("S", drives[0].disk_id, "v1", "v0")


def test_an_injected_merge_failure_leaves_the_chain(house: House) -> None:
    drive = house.disk("qcow2")
    house.hypervisor.start("S", [drive])
    house.freeze("S", [drive])
    house.hypervisor.fail_next_merge()
    with pytest.raises(HostError) as caught:
        house.hypervisor.merge("S", drive.disk_id, "v1", "v0")
    assert caught.value.kind == "merge"
    assert [v.volume_id for v in house.chain(drive)] == ["v0", "v1"]
    with pytest.raises(HostError, match="no child"):
        house.hypervisor.merge("S", drive.disk_id, "v0", "v1")
    house.hypervisor.merge("S", drive.disk_id, "v1", "v0")


# ----- the appliance: disk snapshots as devices -----


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_attached_snapshot_reads_as_it_was_while_the_source_writes(
    house: House, fmt: str
) -> None:
    drive, hypervisor, guest = house.disk(fmt), house.hypervisor, house.appliance()
    before = house.witness(drive)
    hypervisor.start("S", [drive])
    writer = GuestWriter(hypervisor, "S", drive.disk_id, 4, interval=0.002)
    writer.start()
    assert writer.wait_blocks(10)
    house.freeze("S", [drive])
    witness = house.witness(drive)
    hypervisor.plug("B", house.transient(drive))
    assert writer.wait_blocks(10)

    device = hypervisor.device("B", drive.disk_id)
    assert int(run(["blockdev", "--getsize64", device]).stdout) == ODD_SIZE
    assert run(["losetup", "-n", "-O", "DIO", device]).stdout.strip() == "1"
    assert names(guest) == [f"virtio-{drive.disk_id[:20]}"]
    by_id = f"/dev/disk/by-id/virtio-{drive.disk_id[:20]}"
    copied = guest.run(["sh", "-c", f"cat {by_id} | sha256sum"]).stdout.split()[0]
    assert copied == run(["sha256sum", witness]).stdout.split()[0]
    assert compare(device, "raw", witness)
    (overlay,) = hypervisor.overlays()
    assert overlay.name.startswith(f"{DOMAIN}-v0.")
    assert overlay.stat().st_mode & 0o777 == 0o660

    guest.run(["dd", "if=/dev/zero", f"of={by_id}", "bs=64k", "count=16", "conv=fsync"])
    assert not compare(device, "raw", witness)
    assert compare(drive.path, fmt, witness)
    hypervisor.unplug("B", drive.disk_id)
    assert hypervisor.overlays() == []
    assert names(guest) == []
    assert not guest.path("/dev/disk").exists()

    hypervisor.merge("S", drive.disk_id, "v1", "v0")
    blocks = writer.stop()
    hypervisor.stop("S")
    assert writer.moment(before, witness) is not None
    writer.replay(before, blocks)
    assert compare(drive.path, fmt, before)


def test_the_source_cannot_be_merged_while_its_snapshot_is_attached(house: House) -> None:
    drive, hypervisor = house.disk("qcow2"), house.hypervisor
    house.appliance()
    hypervisor.start("S", [drive])
    house.freeze("S", [drive])
    hypervisor.plug("B", house.transient(drive))
    with pytest.raises(HostError, match="lock"):
        hypervisor.merge("S", drive.disk_id, "v1", "v0")
    hypervisor.unplug("B", drive.disk_id)
    hypervisor.merge("S", drive.disk_id, "v1", "v0")


@pytest.mark.parametrize(
    ("interface", "short", "link", "serial"),
    [
        ("virtio", False, "virtio-{short}", "{short}"),
        ("virtio_scsi", False, "scsi-0QEMU_QEMU_HARDDISK_{full}", "{full}"),
        ("virtio_scsi", True, "scsi-0QEMU_QEMU_HARDDISK_{short}", "{full}"),
        ("sata", False, "ata-QEMU_HARDDISK_{short}", "{short}"),
    ],
)
def test_the_guest_names_a_disk_as_its_udev_would(
    house: House, interface: str, short: bool, link: str, serial: str
) -> None:
    guest, drive = house.appliance(), house.disk("raw")
    house.hypervisor.short_scsi = short
    house.hypervisor.plug("B", house.transient(drive, interface=interface))
    words = {"short": drive.disk_id[:20], "full": drive.disk_id}
    assert names(guest) == [link.format(**words)]
    device = house.hypervisor.device("B", drive.disk_id)
    told = guest.run(["lsblk", "--json", "-b", "-o", "PATH,SIZE,RO,SERIAL", str(device)]).stdout
    assert json.loads(told)["blockdevices"] == [
        {"path": str(device), "size": ODD_SIZE, "ro": False, "serial": serial.format(**words)}
    ]


def test_a_guest_that_sets_a_device_read_only_does_so_for_itself(house: House) -> None:
    drive, guest = house.transient(house.disk("raw")), house.appliance()
    for _twice in range(2):
        house.hypervisor.plug("B", drive)
        device = str(house.hypervisor.device("B", drive.disk_id))
        assert guest.run(["blockdev", "--getro", device]).stdout.strip() == "0"
        guest.run(["blockdev", "--setro", device])
        assert guest.run(["blockdev", "--getro", device]).stdout.strip() == "1"
        house.hypervisor.unplug("B", drive.disk_id)


def test_read_only_is_read_only(house: House) -> None:
    drive, guest = house.disk("raw"), house.appliance()
    house.hypervisor.plug("B", house.transient(drive, read_only=True))
    device = str(house.hypervisor.device("B", drive.disk_id))
    assert guest.run(["blockdev", "--getro", device]).stdout.strip() == "1"
    guest.run(["dd", f"if={device}", "of=/dev/null", "bs=1M"])
    with pytest.raises(CommandError, match="Operation not permitted"):
        guest.run(["dd", "if=/dev/zero", f"of={device}", "bs=512", "count=1", "conv=notrunc"])


def test_a_device_in_use_is_not_unplugged(house: House) -> None:
    drive, hypervisor, guest = house.disk("raw"), house.hypervisor, house.appliance()
    hypervisor.unplug_seconds = 0.05
    hypervisor.plug("B", house.transient(drive))
    device = hypervisor.device("B", drive.disk_id)
    with guest.path(str(device)).open("rb") as user:
        for _twice in range(2):
            with pytest.raises(HostError, match="in use") as caught:
                hypervisor.unplug("B", drive.disk_id)
            assert caught.value.kind == "unplug"
        assert "B" in hypervisor.running()
        assert names(guest) == [f"virtio-{drive.disk_id[:20]}"]
        assert len(hypervisor.overlays()) == 1
        user.seek(ODD_SIZE - 512)
        assert len(user.read()) == 512
    # The refused unplug does not come true later, when the last user is gone.
    told = run(["losetup", "-n", "-O", "AUTOCLEAR,DIO", device]).stdout.split()
    assert told == ["0", "1"]
    hypervisor.unplug("B", drive.disk_id)
    assert hypervisor.overlays() == []


def test_a_mounted_snapshot_is_not_unplugged(house: House) -> None:
    guest, hypervisor = house.appliance(), house.hypervisor
    hypervisor.unplug_seconds = 0.05
    disk_id = str(uuid.uuid4())
    size = 8 * 2**20
    path = house.storage.create_disk(DOMAIN, disk_id, "v0", "qcow2", size)
    house.storage.fill(path, "qcow2", filesystem(size, {"etc/motd": b"guest file\n" * 500}))
    drive = Drive(disk_id, path, "qcow2", size, "virtio_scsi", False, True, DOMAIN, "v0")
    hypervisor.plug("B", drive)
    script = "mkdir /run/m && mount /dev/disk/by-id/scsi-* /run/m && cat /run/m/etc/motd"
    assert guest.run(["sh", "-c", script]).stdout == "guest file\n" * 500
    with pytest.raises(HostError, match="in use"):
        hypervisor.unplug("B", disk_id)
    guest.run(["umount", "/run/m"])
    hypervisor.unplug("B", disk_id)


def test_a_paused_guest_does_not_unplug(house: House) -> None:
    drive, hypervisor = house.disk("raw"), house.hypervisor
    house.appliance()
    hypervisor.plug("B", house.transient(drive))
    hypervisor.pause("B")
    assert hypervisor.running() == {"B"}
    with pytest.raises(HostError, match="paused"):
        hypervisor.unplug("B", drive.disk_id)
    hypervisor.resume("B")
    hypervisor.unplug("B", drive.disk_id)


def test_a_paused_guest_does_not_write(house: House) -> None:
    drive, hypervisor = house.disk("raw"), house.hypervisor
    hypervisor.start("S", [drive])
    writer = GuestWriter(hypervisor, "S", drive.disk_id, 1, interval=0.002)
    writer.start()
    assert writer.wait_blocks(3)
    hypervisor.pause("S")
    writer.wait_blocks(1, 0.1)  # the one that was on its way
    assert not writer.wait_blocks(1, 0.2)
    hypervisor.resume("S")
    assert writer.wait_blocks(3)
    writer.stop()


def test_a_power_cycle_makes_a_fresh_overlay(house: House) -> None:
    drive, hypervisor = house.transient(house.disk("raw")), house.hypervisor
    guest = house.appliance(size=16 * 2**20)
    port = guest.port
    hypervisor.plug("B", drive)
    device = str(hypervisor.device("B", drive.disk_id))
    (first,) = hypervisor.overlays()
    guest.run(["dd", "if=/dev/zero", f"of={device}", "bs=1M", "count=1", "conv=fsync"])
    guest.run(
        [
            "sh",
            "-c",
            "echo kept > /srv/backup/file; sleep 300 < /dev/zero > /dev/null 2>&1 & exit 0",
        ]
    )
    hypervisor.stop("B")
    assert hypervisor.overlays() == []
    assert not guest.up()

    hypervisor.start("B", [drive])
    (second,) = hypervisor.overlays()
    assert second != first
    assert guest.port == port
    assert guest.run(["cat", "/srv/backup/file"]).stdout == "kept\n"
    assert compare(hypervisor.device("B", drive.disk_id), "raw", house.witness(drive))


def test_a_failed_plug_leaves_nothing_or_leaks_as_vdsm_does(house: House) -> None:
    drive, hypervisor = house.transient(house.disk("raw")), house.hypervisor
    guest = house.appliance()
    hypervisor.fail_next_plug()
    with pytest.raises(HostError) as caught:
        hypervisor.plug("B", drive)
    assert caught.value.kind == "plug"
    assert hypervisor.overlays() == []
    hypervisor.fail_next_plug(leak_overlay=True)
    with pytest.raises(HostError):
        hypervisor.plug("B", drive)
    assert len(hypervisor.overlays()) == 1
    assert names(guest) == []
    hypervisor.plug("B", drive)
    assert len(hypervisor.overlays()) == 2
    hypervisor.clean_overlays()
    assert len(hypervisor.overlays()) == 1
    hypervisor.fail_next_unplug()
    with pytest.raises(HostError) as caught:
        hypervisor.unplug("B", drive.disk_id)
    assert caught.value.kind == "unplug"
    hypervisor.unplug("B", drive.disk_id)
    assert hypervisor.overlays() == []


def test_a_host_without_room_makes_no_overlay(house: House) -> None:
    hypervisor, disk = house.hypervisor, house.disk("raw")
    house.appliance()
    with pytest.raises(HostError, match="has no limit"):
        hypervisor.harm("B", {"host_full": True})
    hypervisor.harm("B", {"host_room": 2**20, "host_full": True})
    with pytest.raises(HostError, match="No space left on device"):
        hypervisor.plug("B", house.transient(disk))
    assert hypervisor.overlays() == []
    assert [path.name for path in hypervisor.transient.iterdir()] == ["filling"]
    assert hypervisor.plugged("B") == {}
    hypervisor.harm("B", {"host_full": False})
    hypervisor.plug("B", house.transient(disk))
    with pytest.raises(HostError, match="there are overlays"):
        hypervisor.harm("B", {"host_room": 0})
    hypervisor.unplug("B", disk.disk_id)
    hypervisor.harm("B", {"host_room": 0})
    assert mounts_below(house.root / "host" / "transient") == []
    with pytest.raises(HostError, match="cannot do this"):
        hypervisor.harm("B", {"earthquake": True})


def test_reading_leaves_an_overlay_as_small_as_it_was_made(house: House) -> None:
    hypervisor, disk = house.hypervisor, house.disk("raw", 16 * 2**20)
    appliance = house.appliance()
    hypervisor.plug("B", house.transient(disk, read_only=True))
    [overlay] = hypervisor.overlays()
    made = (overlay.stat().st_blocks, overlay.stat().st_size)
    device = hypervisor.device("B", disk.disk_id)
    appliance.run(["dd", f"if={device}", "of=/dev/null", "bs=1M", "iflag=direct"])
    assert (overlay.stat().st_blocks, overlay.stat().st_size) == made
    assert made[0] * 512 < 512 * 1024


def test_a_plug_of_a_missing_image_is_an_error(house: House) -> None:
    house.appliance()
    lost = Drive("d", house.root / "lost", "raw", 512, transient=True)
    with pytest.raises(HostError) as caught:
        house.hypervisor.plug("B", lost)
    assert caught.value.kind == "plug"
    with pytest.raises(HostError) as caught:
        house.hypervisor.start("C", [lost])
    assert caught.value.kind == "start"
    assert house.hypervisor.running() == {"B"}
    assert house.hypervisor.overlays() == []


def test_overlays_in_use_are_not_cleaned(house: House) -> None:
    drive, hypervisor = house.transient(house.disk("raw")), house.hypervisor
    house.appliance()
    hypervisor.plug("B", drive)
    hypervisor.clean_overlays()
    assert len(hypervisor.overlays()) == 1
    with pytest.raises(HostError, match="transient") as caught:
        hypervisor.snapshot("B", {drive.disk_id: drive.path})
    assert caught.value.kind == "snapshot"
    with pytest.raises(HostError, match="transient") as caught:
        hypervisor.merge("B", drive.disk_id, "v1", "v0")
    assert caught.value.kind == "merge"


def test_a_killed_host_answers_with_io_errors(house: House) -> None:
    drive, hypervisor, guest = house.disk("raw"), house.hypervisor, house.appliance()
    hypervisor.plug("B", house.transient(drive))
    device = str(hypervisor.device("B", drive.disk_id))
    hypervisor.kill("B")
    assert hypervisor.running() == set()
    with pytest.raises(CommandError, match="Input/output error"):
        guest.run(["dd", f"if={device}", "of=/dev/null", "iflag=direct", "bs=64k"])
    hypervisor.unplug("B", drive.disk_id)
    hypervisor.stop("B")
    hypervisor.start("B", [house.transient(drive)])
    assert compare(hypervisor.device("B", drive.disk_id), "raw", house.witness(drive))


def test_a_writer_of_a_killed_vm_tells_of_it(house: House) -> None:
    drive = house.disk("raw")
    house.hypervisor.start("S", [drive])
    writer = GuestWriter(house.hypervisor, "S", drive.disk_id, 1, interval=0.002)
    writer.start()
    assert writer.wait_blocks(3)
    house.hypervisor.kill("S")
    assert not writer.wait_blocks(10**6, 10)
    with pytest.raises(OSError) as caught:  # noqa: PT011
        writer.stop()
    assert caught.value.errno in {errno.EIO, errno.ENOTCONN, errno.ECONNABORTED}


def test_a_bad_sector_fails_where_it_is(house: House) -> None:
    drive, hypervisor, guest = house.disk("raw"), house.hypervisor, house.appliance()
    hypervisor.read_error("B", drive.disk_id, 2**20)
    hypervisor.plug("B", house.transient(drive))
    device = str(hypervisor.device("B", drive.disk_id))
    read = ["dd", f"if={device}", "of=/dev/null", "iflag=direct", "bs=64k", "count=1"]
    guest.run([*read, "skip=15"])
    with pytest.raises(CommandError, match="Input/output error"):
        guest.run([*read, "skip=16"])
    hypervisor.unplug("B", drive.disk_id)
    hypervisor.read_error("B", drive.disk_id, None)
    hypervisor.plug("B", house.transient(drive))
    guest.run(["dd", f"if={hypervisor.device('B', drive.disk_id)}", "of=/dev/null", "bs=64k"])


def test_a_slow_device_is_slow_until_it_is_not(house: House) -> None:
    drive, hypervisor, guest = house.disk("raw"), house.hypervisor, house.appliance()
    hypervisor.plug("B", house.transient(drive))
    device = str(hypervisor.device("B", drive.disk_id))

    def seconds() -> float:
        begun = time.monotonic()
        guest.run(["dd", f"if={device}", "of=/dev/null", "iflag=direct", "bs=64k"])
        return time.monotonic() - begun

    fast = seconds()
    hypervisor.slow("B", 4 * 2**20)
    slow = seconds()
    hypervisor.slow("B", 0)
    assert slow > 0.9
    assert max(fast, seconds()) < slow / 2


# ----- appliances as guests -----


def test_appliances_live_side_by_side(house: House) -> None:
    guests = {vm_id: house.appliance(vm_id, 16 * 2**20) for vm_id in ("B", "C")}
    drives = {vm_id: house.disk("raw", seed=ord(vm_id)) for vm_id in guests}
    for vm_id, drive in drives.items():
        house.hypervisor.plug(vm_id, house.transient(drive))
    for vm_id, guest in guests.items():
        assert names(guest) == [f"virtio-{drives[vm_id].disk_id[:20]}"]
        guest.run(["sh", "-c", f"echo {vm_id} > /srv/backup/own"])
    for vm_id, guest in guests.items():
        assert guest.path("/srv/backup/own").read_text(encoding="ascii") == f"{vm_id}\n"
        assert guest.run(["hostname"]).stdout.strip() == f"guest-{vm_id}"
        assert run([*guest.ssh_command(), "cat", "/srv/backup/own"]).stdout == f"{vm_id}\n"
    assert not Path("/srv/backup/own").exists()
    house.hypervisor.stop("B")
    assert run([*guests["C"].ssh_command(), "true"]).returncode == 0
    house.hypervisor.start("B", [])
    assert guests["B"].run(["cat", "/srv/backup/own"]).stdout == "B\n"


def test_an_appliance_does_not_hold_what_others_mount(house: House) -> None:
    drive = house.disk("raw")
    house.hypervisor.start("S", [drive])
    guest = house.appliance()
    mounted = guest.path("/proc/1/mountinfo").read_text(encoding="utf-8")
    assert str(house.hypervisor.guest_file("S", drive.disk_id)) not in mounted


def test_the_repository_disk_can_be_full(house: House) -> None:
    guest = house.appliance(size=8 * 2**20)
    assert guest.run(["findmnt", "-n", "-o", "FSTYPE", "/srv/backup"]).stdout.strip() == "ext4"
    with pytest.raises(CommandError, match="No space left"):
        guest.run(["dd", "if=/dev/zero", "of=/srv/backup/big", "bs=1M", "count=16"])
    assert house.appliance("C").run(["findmnt", "/srv/backup"], ok=(1,)).stdout == ""


def test_ansible_works_in_the_appliance(house: House, tmp_path: Path) -> None:
    pytest.importorskip("ansible")
    guest = house.appliance(size=16 * 2**20)
    inventory = tmp_path / "inventory.json"
    hosts = {"appliance": guest.ssh_vars()}
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    source = tmp_path / "source"
    source.write_bytes(os.urandom(100_000))
    settings = {
        "ANSIBLE_SSH_TRANSFER_METHOD": "sftp",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
    }
    words = ["-i", str(inventory), "-m", "ansible.builtin.copy"]
    what = f"src={source} dest=/srv/backup/copied mode=0600"
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "adhoc", "appliance", *words, "-a", what],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **settings},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CHANGED" in done.stdout
    assert guest.path("/srv/backup/copied").read_bytes() == source.read_bytes()


def test_calls_from_threads_that_end(house: House) -> None:
    guest = house.appliance()
    drives = [house.disk("raw", 2**20, seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda d: house.hypervisor.plug("B", house.transient(d)), drives))
        list(pool.map(lambda d: house.hypervisor.start(d.disk_id, [d]), drives[3:]))
    assert len(names(guest)) == 6
    assert len(house.hypervisor.running()) == 4
    for drive in drives:
        device = house.hypervisor.device("B", drive.disk_id)
        assert compare(device, "raw", house.witness(drive))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda d: house.hypervisor.unplug("B", d.disk_id), drives))
    assert names(guest) == []


# ----- nothing is left -----


def test_close_twice_and_start_after_close(house: House) -> None:
    house.appliance()
    house.hypervisor.close()
    house.hypervisor.close()
    with pytest.raises(HostError, match="closed"):
        house.hypervisor.start("S", [])


def test_a_root_in_use_is_not_reaped(house: House) -> None:
    house.appliance()
    code = "import sys; from pathlib import Path; from lab.processes import *\n"
    code += "try: reap_stale(Path(sys.argv[1]))\nexcept LabInUseError: print('in use')"
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    told = subprocess.run(
        [sys.executable, "-c", code, str(house.hypervisor.root)],
        capture_output=True,
        text=True,
        check=True,
        env=path,
    )
    assert told.stdout == "in use\n"
    assert house.hypervisor.running() == {"B"}
    with pytest.raises(LabInUseError):
        reap_stale(house.hypervisor.root)


def test_a_number_used_again_is_not_killed() -> None:
    mine = ProcessId.of(os.getpid())
    stranger = ProcessId(mine.pid, mine.start + "0")
    assert mine.alive()
    assert not stranger.alive()
    assert not stranger.kill()


_SCRIPT = """
import signal, sys
from pathlib import Path
from lab.appliance import Appliance
from lab.hypervisor import Drive, GuestWriter, LocalHypervisor
from lab.processes import exit_on_signals
from lab.requirements import missing_packages, problems
from lab.storage import Storage, pattern
root, polite = Path(sys.argv[1]), sys.argv[2] == "polite"
if polite:
    exit_on_signals()
storage, hypervisor = Storage(root / "storage"), LocalHypervisor(root / "host")
guest = Appliance(root / "appliances", "guest", 16 * 2**20)
hypervisor.register_appliance("B", guest)
path = storage.create_disk("dom", "disk", "v0", "raw", 2**20)
source = Drive("disk", path, "raw", 2**20, "virtio", False, False, "dom", "v0")
hypervisor.start("S", [source])
writer = GuestWriter(hypervisor, "S", "disk", 1)
writer.start()
hypervisor.snapshot("S", {"disk": storage.create_layer("dom", "disk", "v1", "v0")})
hypervisor.start("B", [Drive("disk", path, "raw", 2**20, "virtio", False, True, "dom", "v0")])
guest.run(["sh", "-c", "sleep 300 < /dev/disk/by-id/virtio-disk > /srv/backup/x 2>&1 & exit 0"])
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    ("manner", "number"),
    [
        ("polite", signal.SIGTERM),
        ("polite", signal.SIGINT),
        ("rude", signal.SIGTERM),
        ("rude", signal.SIGKILL),
    ],
)
def test_nothing_is_left_of_a_lab_that_is_ended(
    tmp_path: Path, manner: str, number: signal.Signals
) -> None:
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(tmp_path), manner], stdout=subprocess.PIPE, env=path
    ) as lab:
        assert lab.stdout is not None
        assert lab.stdout.readline() == b"ready\n"
        family = [ProcessId.of(pid) for pid in children(lab.pid)]
        assert len(family) >= 6
        assert len(loops_below(tmp_path)) == 3
        assert len(mounts_below(tmp_path)) == 2
        lab.send_signal(number)
        lab.wait(30)
    gone: list[Callable[[], bool]] = [
        lambda: not any(process.alive() for process in family),
        lambda: loops_below(tmp_path) == [],
        lambda: mounts_below(tmp_path) == [],
    ]
    assert all(wait_until(done, 20) for done in gone)
    assert reap_stale(tmp_path / "host") == []
    assert reap_stale(tmp_path / "appliances") == []


def test_reap_stale_releases_what_a_lab_and_its_minder_left(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    registry = Registry.acquire(root)
    file = root / "file"
    file.touch()
    os.truncate(file, 2**20)
    sleeper = registry.spawn(["sleep", "300"], root / "log")
    device = run(["losetup", "-f", "--show", file]).stdout.strip()
    place = root / "a place"
    place.mkdir()
    run(["mount", "-n", "-t", "tmpfs", "lab", place])
    saved = tmp_path / "saved"
    shutil.copytree(registry.state, saved)
    (registry.state / "owner.json").write_text('{"pid": 1, "start": "another boot"}', "utf-8")
    released = reap_stale(root)
    assert set(released) == {f"process {sleeper.pid}", device, str(place)}
    assert sleeper.wait(10) == -signal.SIGKILL
    assert reap_stale(root) == []
    registry.release()
