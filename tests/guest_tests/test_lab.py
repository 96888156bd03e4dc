# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tier guest: how QEMU and a real Linux handle the lab's disks. One lab for all tests here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.engine.client import ApiClient
from lab.guest.image import missing_packages
from lab.guest.linux import Linux
from lab.lab import Lab
from lab.model import Settings, Vm
from lab.processes import CommandError, run, wait_until
from lab.storage import compare
from lab.world import ADMIN, MIB, SHELF, DiskSpec, VmSpec

pytestmark = pytest.mark.skipif(bool(missing_packages()), reason="QEMU's guest is not installed")

APPEAR_SECONDS = 10.0
"""In which a device is there, or gone."""
MOUNT_SECONDS = 60.0
"""In which a guest that was reset has checked its repository disk, whose journal it replays, and mounted it."""
SOURCE = VmSpec(
    "source",
    guest=True,
    disks=(
        DiskSpec("source_system", 16 * MIB, fmt="qcow2", seed=1),
        DiskSpec("source_data", 48 * MIB, fmt="raw", interface="virtio", fill=None),
    ),
)


@dataclass
class House:
    """The lab, a client of its engine, and short ways to ask both."""

    lab: Lab
    client: ApiClient

    @property
    def api(self) -> ApiClient:
        """The client on a new connection: the engine closes those that idle while a guest boots."""
        self.client.close()
        return self.client

    @property
    def source(self) -> Vm:
        """The VM that runs and writes."""
        return self.lab.vm("source")

    @property
    def appliance(self) -> Vm:
        """The VM that disk snapshots are attached to."""
        return self.lab.vm("backup01")

    @property
    def inside(self) -> Linux:
        """The appliance's Linux."""
        return self.lab.guests[self.appliance.id]

    def freeze(self, vm: Vm) -> str:
        """Make a snapshot and wait until it can be used; its id."""
        body = (
            "<snapshot><description>test</description>"
            "<persist_memorystate>false</persist_memorystate></snapshot>"
        )
        reply = self.api.post(f"vms/{vm.id}/snapshots", body)
        assert reply.status == 201, reply.body
        snapshot_id = reply.xml().get("id") or ""
        assert wait_until(lambda: self.status(vm, snapshot_id) == "ok", 60)
        return snapshot_id

    def status(self, vm: Vm, snapshot_id: str) -> str:
        """Return a snapshot's status, or "404"."""
        reply = self.api.get(f"vms/{vm.id}/snapshots/{snapshot_id}")
        return "404" if reply.status == 404 else reply.xml().findtext("snapshot_status", "")

    def melt(self, vm: Vm, snapshot_id: str) -> None:
        """Remove a snapshot and wait for the merge."""
        assert self.api.delete(f"vms/{vm.id}/snapshots/{snapshot_id}").status == 200
        assert wait_until(lambda: self.status(vm, snapshot_id) == "404", 60)

    def attach(self, disk_id: str, snapshot_id: str, interface: str = "virtio_scsi") -> int:
        """Attach a disk snapshot to the appliance, plugged and read-only; the HTTP status."""
        body = (
            f"<disk_attachment><interface>{interface}</interface><active>true</active>"
            f'<read_only>true</read_only><disk id="{disk_id}">'
            f'<snapshot id="{snapshot_id}"/></disk></disk_attachment>'
        )
        return self.api.post(f"vms/{self.appliance.id}/diskattachments", body).status

    def detach(self, disk_id: str) -> int:
        """Detach it; the HTTP status."""
        return self.api.delete(f"vms/{self.appliance.id}/diskattachments/{disk_id}").status

    def disk(self, alias: str) -> str:
        """Return a disk's id."""
        return next(d.id for d in self.lab.world.disks.values() if d.alias == alias)

    def serials(self) -> list[str]:
        """Serial numbers of the disks in the appliance."""
        return self.inside.run(["lsblk", "-dnro", "SERIAL"]).stdout.split()

    def shows(self, disk_id: str, *, there: bool = True) -> bool:
        """Wait until a disk is in the appliance, or is gone from it."""
        return wait_until(
            lambda: any(disk_id.startswith(serial) for serial in self.serials()) is there,
            APPEAR_SECONDS,
        )

    def overlays(self) -> list[Path]:
        """Overlay files on the host."""
        return self.lab.real.hypervisor.overlays()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two guests: a source VM, and an appliance."""
    root = tmp_path_factory.mktemp("guest")
    lab = Lab(root, vms=(SOURCE, SHELF), settings=Settings(witness=True), host="guest")
    with lab, ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as api:
        yield House(lab, api)


@pytest.fixture
def undo() -> Iterator[list[Callable[[], object]]]:
    """What a test has to take back, also when it fails."""
    calls: list[Callable[[], object]] = []
    yield calls
    for call in reversed(calls):
        call()


def test_a_guest_is_a_linux_with_a_clock_a_name_and_a_repository(house: House) -> None:
    told = house.inside.shell("hostname; date +%s; findmnt -no FSTYPE /srv/backup; uname -s")
    name, seconds, filesystem, system = told.split()
    assert (name, filesystem, system) == ("backup01", "ext4", "Linux")
    assert abs(int(seconds) - time.time()) < 30


@pytest.mark.thorough
def test_guests_of_one_saved_state_do_not_think_alike(house: House) -> None:
    other = house.lab.guests[house.source.id]
    command = "cat /proc/sys/kernel/random/uuid"
    assert house.inside.shell(command) != other.shell(command)


@pytest.mark.parametrize(
    "interface", [pytest.param("virtio", marks=pytest.mark.thorough), "virtio_scsi"]
)
def test_a_disk_snapshot_comes_under_its_serial_and_goes(house: House, interface: str) -> None:
    snapshot_id = house.freeze(house.source)
    disk_id = house.disk("source_system")
    assert house.attach(disk_id, snapshot_id, interface) == 201
    assert house.shows(disk_id)
    shown = disk_id[:20] if interface == "virtio" else disk_id
    device = house.inside.device(shown)
    links = house.inside.shell(f"udevadm settle; udevadm info -q symlink {device}")
    prefix = "virtio-" if interface == "virtio" else "scsi-0QEMU_QEMU_HARDDISK_"
    assert f"disk/by-id/{prefix}{shown}" in links.split()
    # Read-only for the guest: nobody can fill the host's directory of overlays.
    assert house.inside.shell(f"lsblk -dno RO {device}").strip() == "1"
    with pytest.raises(CommandError):
        house.inside.shell(f"dd if=/dev/zero of={device} bs=4k count=1 oflag=direct")
    [overlay] = house.overlays()
    assert overlay.stat().st_size < 512 * 1024
    assert house.detach(disk_id) == 200
    assert house.shows(disk_id, there=False)
    assert house.overlays() == []
    house.melt(house.source, snapshot_id)


@pytest.mark.thorough
def test_a_running_source_is_frozen_copied_and_merged(house: House, tmp_path: Path) -> None:
    """The guest writes through a file system: after the merge it is whole, and it never noticed."""
    linux = house.lab.guests[house.source.id]
    device = linux.device(house.disk("source_data"))
    linux.shell(
        f"mkfs.ext4 -q {device}; mkdir -p /data; mount {device} /data\n"
        "systemd-run -q --unit ticker sh -c 'n=0; while :; do n=$((n+1)); echo $n >> /data/log; "
        "cp /data/log /data/copy; sync -f /data; sleep 0.05; done'\nsleep 2"
    )
    snapshot_id = house.freeze(house.source)
    data = house.disk("source_data")
    assert house.attach(data, snapshot_id) == 201
    device = house.inside.device(data)
    house.inside.shell(f"dd if={device} of=/srv/backup/copy bs=1M iflag=direct status=none")
    copied = house.inside.run(["sha256sum", "/srv/backup/copy"]).stdout.split()[0]
    witness = house.lab.root / "witness" / snapshot_id / f"{data}.raw"
    assert run(["sha256sum", witness]).stdout.split()[0] == copied
    # Frozen through the guest agent: the journal has nothing to replay.
    dumped = run(["dumpe2fs", "-h", witness]).stdout
    assert "needs_recovery" not in dumped
    assert run(["e2fsck", "-fn", witness]).returncode == 0
    assert house.detach(data) == 200
    house.melt(house.source, snapshot_id)
    row = house.lab.world.disks[data]
    chain = house.lab.real.storage.chain(row.domain_id, data)
    assert [volume.volume_id for volume in chain] == [row.active_volume_id]
    linux.shell("sleep 0.5; systemctl stop ticker; umount /data")
    assert linux.shell("dmesg | grep -ci 'I/O error' || true").strip() == "0"
    now = house.lab.real.storage.witness(row.domain_id, data, row.active_volume_id, tmp_path / "w")
    assert run(["e2fsck", "-fn", now]).returncode == 0
    assert not compare(now, "raw", witness)
    house.inside.run(["rm", "/srv/backup/copy"])


@pytest.mark.thorough
def test_twenty_disks_on_one_bus(house: House) -> None:
    shelf = house.lab.vm("shelf01")
    snapshot_id = house.freeze(shelf)
    ids = [d.disk_id for d in house.lab.world.snapshots[snapshot_id].disks]
    assert [house.attach(disk_id, snapshot_id) for disk_id in ids] == [201] * 20
    assert wait_until(lambda: set(ids) <= set(house.serials()), 60)
    assert [house.detach(disk_id) for disk_id in ids] == [200] * 20
    assert wait_until(lambda: not set(ids) & set(house.serials()), 60)
    house.melt(shelf, snapshot_id)


@pytest.mark.thorough
def test_there_are_as_many_ports_as_the_engine_reserves(house: House) -> None:
    shelf = house.lab.vm("shelf01")
    snapshot_id = house.freeze(shelf)
    ids = [d.disk_id for d in house.lab.world.snapshots[snapshot_id].disks]
    answers = [house.attach(disk_id, snapshot_id, "virtio") for disk_id in ids[:17]]
    assert answers == [201] * 16 + [400]
    assert len(house.overlays()) == 16
    short = {disk_id[:20] for disk_id in ids[:16]}
    assert wait_until(lambda: short <= set(house.serials()), 60)
    assert [house.detach(disk_id) for disk_id in ids[:16]] == [200] * 16
    house.melt(shelf, snapshot_id)


@pytest.mark.thorough
def test_a_guest_that_hangs_does_not_let_go_of_a_pci_device(
    house: House, undo: list[Callable[[], object]]
) -> None:
    """On virtio-scsi QEMU asks nobody; a virtio-blk disk goes when the guest has let it go."""
    control, hypervisor = house.lab.control(), house.lab.real.hypervisor
    snapshot_id = house.freeze(house.source)
    disk_id = house.disk("source_system")
    assert house.attach(disk_id, snapshot_id, "virtio") == 201
    assert house.shows(disk_id)
    undo.append(lambda: control.harm("backup01", hang=False, unplug_seconds=30))
    control.harm("backup01", hang=True, unplug_seconds=1)
    assert house.detach(disk_id) == 400
    assert (house.appliance.id, disk_id) in house.lab.world.attachments
    control.harm("backup01", hang=False)
    assert house.shows(disk_id, there=False)
    assert house.detach(disk_id) == 200
    # vdsm has given up by then, and its overlay stays until it restarts (docs/engine.md#overlays).
    assert len(house.overlays()) == 1
    hypervisor.clean_overlays()
    house.melt(house.source, snapshot_id)


@pytest.mark.thorough
def test_an_appliance_that_is_reset_comes_back_with_its_disks(house: House) -> None:
    snapshot_id = house.freeze(house.source)
    disk_id = house.disk("source_system")
    assert house.attach(disk_id, snapshot_id) == 201
    before = house.inside.shell("cat /proc/sys/kernel/random/boot_id")
    house.lab.control().harm("backup01", reset=True)

    def is_back() -> bool:
        try:
            return house.inside.shell("cat /proc/sys/kernel/random/boot_id") != before
        except CommandError:
            return False

    assert wait_until(is_back, 120)
    assert house.shows(disk_id)
    assert wait_until(
        lambda: "/srv/backup" in house.inside.shell("cat /proc/self/mounts"), MOUNT_SECONDS
    )
    assert house.detach(disk_id) == 200
    house.melt(house.source, snapshot_id)


@pytest.mark.thorough
def test_a_power_cycle_keeps_what_the_guest_wrote(house: House) -> None:
    house.inside.shell("echo kept > /root/kept; sync")
    control = house.lab.control()
    control.status("backup01", "down")
    control.status("backup01", "up")
    assert house.inside.shell("cat /root/kept; findmnt -no FSTYPE /srv/backup").split() == [
        "kept",
        "ext4",
    ]
