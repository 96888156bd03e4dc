# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role on a real host and a real appliance: devices in use there, and a host without space."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import Ansible, Order, Run, Step
from support.scene import Scene, engine_of

from lab.appliance import Appliance
from lab.lab import Lab
from lab.processes import wait_until
from lab.world import DiskSpec, VmSpec

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices and mounts need root")

Json = Any
MIB = 1024 * 1024
INITIAL = 512 * 1024
"""More than the header and the tables of an overlay that nobody wrote to."""
SOURCE = VmSpec(
    "web01",
    disks=(
        DiskSpec("web01_system", 32 * MIB, bootable=True, fill="ext4", seed=11),
        DiskSpec("web01_data", 16 * MIB, fmt="raw", interface="virtio", seed=12),
    ),
)


@dataclass(frozen=True)
class House:
    """A lab with a host, its appliance, and the role."""

    scene: Scene
    inventory: Path

    @property
    def appliance(self) -> Appliance:
        """The guest."""
        guest = self.scene.lab.appliances[self.scene.vm_id("backup01")]
        assert isinstance(guest, Appliance)
        return guest

    @property
    def transient(self) -> Path:
        """The host's directory of overlays."""
        return self.scene.lab.root / "host/transient"

    def back_up(
        self, orders: Mapping[str, Sequence[Order]] | None = None, **variables: Json
    ) -> Run:
        """Run the role for web01; orders are carried out before tasks of the role."""
        prefix = "ovirt_community.backup.vm_backup : "
        before = {f"{prefix}{task} (web01)": order for task, order in (orders or {}).items()}
        role = {"name": "ovirt_community.backup.vm_backup"}
        play = {
            "hosts": "appliance",
            "gather_facts": False,
            "vars": {"vm_backup_vms": ["web01"], "vm_backup_space_factor": 0, **variables},
            "tasks": [{"name": "Back up", "ansible.builtin.include_role": role}],
        }
        playbook = self.inventory.with_name("backup.json")
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        args = ["-i", str(self.inventory)]
        return self.scene.ansible.playbook(self.scene.lab, playbook, args=args, orders=before)

    def is_clean(self) -> bool:
        """Nothing is attached, no snapshot stands, no overlay and no device is left."""
        devices = self.appliance.path("/dev/disk/by-id")
        left = list(devices.iterdir()) if devices.exists() else []
        overlays = [path for path in self.transient.iterdir() if path.name != "filling"]
        return (self.scene.attached(), self.scene.snapshots(), overlays, left) == ({}, {}, [], [])

    @contextmanager
    def holder(self, disk: str, script: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process in the appliance that waits for a disk and then does something with it ($1)."""
        disk_id = self.scene.disk_ids("web01")[disk]
        note = "echo $$ > /run/holder; "
        wait = f'until set -- /dev/disk/by-id/*{disk_id}* && [ -e "$1" ]; do sleep 0.02; done; '
        words = [*self.appliance.ssh_command(), note + wait + script]
        running = subprocess.Popen(words, stdin=subprocess.PIPE)
        try:
            yield running
        finally:
            running.terminate()
            running.communicate()
            self.appliance.run(["sh", "-c", "kill $(cat /run/holder)"], ok=(0, 1))


@dataclass
class Overlays:
    """The largest size of each overlay, looked at all the time."""

    directory: Path
    largest: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look until the end of the block."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.02):
                for path in self.directory.iterdir():
                    try:
                        taken = path.stat().st_blocks * 512
                    except FileNotFoundError:
                        continue
                    self.largest[path.name] = max(taken, self.largest.get(path.name, 0))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


@pytest.fixture
def house(tmp_path: Path, ansible: Ansible) -> Iterator[House]:
    """A house whose source VM has two small disks."""
    with Lab(tmp_path / "lab", vms=[SOURCE]) as lab:
        engine = engine_of(lab)
        try:
            scene = Scene(lab, lab.control(), engine, ansible)
            inventory = tmp_path / "inventory.json"
            guest = lab.appliances[scene.vm_id("backup01")]
            hosts = {"backup01": guest.ssh_vars()}
            inventory.write_text(json.dumps({"appliance": {"hosts": hosts}}), encoding="utf-8")
            yield House(scene, inventory)
        finally:
            engine.close()


def failures(run: Run) -> str:
    """Return what the role wrote down."""
    facts = [one.result.get("ansible_facts", {}) for one in run.results]
    [results] = [one["vm_backup_results"] for one in facts if one.get("vm_backup_results")]
    return " ".join(results[0]["failures"])


def result_of(run: Run, task: str) -> Mapping[str, Json]:
    """Return the result of the one task whose name begins so."""
    [found] = [one for one in run.results if task in one.task]
    return found.result


def names(disks: Sequence[Mapping[str, Json]]) -> list[str]:
    return sorted(disk["alias"] for disk in disks)


def test_a_host_without_room_and_then_with_it(house: House) -> None:
    control = house.scene.control
    control.harm("backup01", host_room=4 * MIB, host_full=True)
    run = house.back_up()
    assert run.status != 0
    told = failures(run)
    assert "Failed to hot-plug disk" in told
    assert "/var/lib/vdsm/transient" in told, "the hint"
    assert "LEFT BEHIND" not in told
    assert house.is_clean()

    # There is room again, and the guest releases a disk only when it is asked twice.
    control.harm("backup01", host_full=False)
    control.add_fault("fail_unplug", disk=house.scene.disk_ids("web01")["web01_data"])
    overlays = Overlays(house.transient)
    with overlays.watched():
        run = house.back_up()
    assert run.status == 0, run.text
    assert len(overlays.largest) == 2
    assert max(overlays.largest.values()) < INITIAL, "nothing writes to an attached disk"
    assert house.is_clean()


def test_a_device_in_use_is_left_with_who_holds_it(house: House) -> None:
    script = 'exec sleep 600 < "$1"'
    with house.holder("web01_data", script):
        run = house.back_up(vm_backup_device_timeout=2)
        assert run.status != 0
        told = failures(run)
        assert "LEFT BEHIND: disks attached to the appliance." in told
        assert "open by process " in told
        assert "(sleep)" in told
        assert list(house.scene.attached()) == ["web01_data"], "the other one is detached"
        detached = result_of(run, "Detach the disks from the appliance")
        assert names(detached["detached"]) == ["web01_system"]
        assert names(detached["kept"]) == ["web01_data"]
        assert "LEFT BEHIND: snapshot" in told
    disk_id = house.scene.disk_ids("web01")["web01_data"]
    release = Step("disk_device_release", {"serials": [disk_id], "timeout": 10})
    play = {"hosts": "appliance"}
    args = ["-i", str(house.inventory)]
    assert house.scene.run(release, play=play, args=args).results[0]["busy"] == []
    absent = {"vm": "web01", "snapshot": next(iter(house.scene.snapshots())), "state": "absent"}
    house.scene.run(
        Step("disk_snapshot_detach", {"appliance": "backup01", "all": True}),
        Step("vm_snapshot", absent),
    )
    assert house.is_clean()


def test_a_mount_in_another_namespace_keeps_the_device(house: House) -> None:
    """The disk is mounted where the role does not see it: there is no image, and no unplug."""
    mount = 'mkdir -p /run/place; until mount -r -o noload "$0" /run/place; do sleep 0.02; done'
    script = f"""exec unshare -m sh -c '{mount}; exec sleep 600' "$1" """
    with house.holder("web01_system", script):
        run = house.back_up(vm_backup_device_timeout=2)
        told = failures(run)
        assert "LEFT BEHIND: disks attached to the appliance." in told
        assert "mounted on /run/place in the mount namespace of process" in told
        assert list(house.scene.attached()) == ["web01_system"]


def test_a_refusal_for_ever_names_who_came_meanwhile(house: House) -> None:
    """The device was free when the role looked; the guest refuses the unplug, and by then it is in use."""
    disk_id = house.scene.disk_ids("web01")["web01_data"]
    house.scene.control.add_fault("fail_unplug", disk=disk_id, times=-1)
    run = house.back_up(vm_backup_attach_timeout=6)
    told = failures(run)
    assert "LEFT BEHIND: disks attached to the appliance." in told
    assert "Failed to hot-unplug disk" in told
    assert "Detached: 'web01_system'." in told
    assert list(house.scene.attached()) == ["web01_data"]
    held = result_of(run, "Find out what uses the devices")
    assert (held["changed"], held["busy"]) == (False, [])
    assert wait_until(lambda: len(house.scene.snapshots()) == 1, 5.0)


def test_a_disk_that_a_host_plugged_after_the_engine_gave_up_is_not_read(house: House) -> None:
    """Its device has the serial of the next night's, and holds what an older snapshot froze."""
    scene, backup01 = house.scene, house.scene.vm_id("backup01")
    scene.control.settings(host_seconds=0.5)
    scene.control.add_fault("host_slow", verb="VM.hotplugDisk", seconds=0.6)
    told = failures(house.back_up())
    assert "Network error during communication with the Host" in told
    assert scene.attached() == {}
    host = scene.lab.real.hypervisor
    assert wait_until(lambda: len(host.plugged(backup01)) > 0, 5.0), "nobody knows of it"
    [stray] = host.plugged(backup01)
    # The device holds the frozen volume, so the snapshot cannot be merged; that is told.
    assert "LEFT BEHIND: snapshot" in told
    [left] = scene.snapshots()
    # Of another owner: it neither waits for the first run to go on nor cleans up after it.
    run = house.back_up(vm_backup_device_timeout=1, vm_backup_owner="another")
    told = failures(run)
    assert "has devices of disks that this run has not attached" in told
    assert stray in told
    assert "Restart the appliance" in told
    assert not [one for one in run.results if "Attach the disks" in one.task]
    assert (scene.attached(), list(scene.snapshots())) == ({}, [left])
    host.unplug(backup01, stray)
    assert failures(house.back_up(vm_backup_owner="another")) == ""
    scene.run(Step("vm_snapshot", {"vm": "web01", "snapshot": left, "state": "absent"}))
    assert house.is_clean()


def test_an_appliance_that_is_lost_is_detached_from_all_the_same(house: House) -> None:
    down = ("status", {"vm": "backup01", "status": "down"})
    run = house.back_up({"Release the devices on the appliance": [down]})
    assert failures(run) == "", run.text
    assert result_of(run, "Release the devices")["error_code"] == "appliance_unavailable"
    assert (house.scene.attached(), house.scene.snapshots()) == ({}, {})
    assert list(house.transient.iterdir()) == []
