# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine asks a host by verbs, and each verb can be refused, be slow, or go unanswered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.control import ControlError
from lab.engine.core import Engine
from lab.engine.host import HostFailure, Image, NoHost, Plug
from lab.lab import Lab
from lab.model import Attachment, Settings, World

IMAGE = Image("domain", "disk", "volume", "raw", 1024)


class Counting(NoHost):
    """A host that counts what it plugged."""

    def __init__(self) -> None:
        self.plugged: list[tuple[str, str]] = []

    def plug(self, vm_id: str, plug: Plug) -> None:
        """Count it."""
        self.plugged.append((vm_id, plug.image.disk_id))


@pytest.fixture
def plain_lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, host=False) as lab:
        yield lab


def engine(patience: float = 180.0) -> tuple[Engine, Counting]:
    host = Counting()
    return Engine(World(settings=Settings(host_seconds=patience)), host), host


def plug(engine: Engine) -> None:
    engine.host.plug("vm", Plug(IMAGE, "virtio", read_only=False, transient=True))


def test_a_verb_fails_as_often_as_the_fault_says_and_with_its_code() -> None:
    asked, host = engine()
    asked.faults.add("host_fails", {"verb": "VM.hotplugDisk", "code": 201, "times": 2})
    asked.host.unplug("vm", "disk")
    codes = []
    for _unused in range(2):
        with pytest.raises(HostFailure) as caught:
            plug(asked)
        codes.append(caught.value.code)
    plug(asked)
    assert codes == [201, 201]
    assert host.plugged == [("vm", "disk")]


def test_a_slow_verb_takes_its_time_once() -> None:
    asked, host = engine()
    asked.faults.add("host_slow", {"verb": "VM.hotplugDisk", "seconds": 0.3})
    before = time.monotonic()
    plug(asked)
    between = time.monotonic()
    plug(asked)
    assert between - before >= 0.3
    assert time.monotonic() - between < 0.3
    assert len(host.plugged) == 2


def test_the_engine_gives_up_on_a_host_that_does_it_all_the_same() -> None:
    asked, host = engine(patience=0.1)
    asked.faults.add("host_slow", {"verb": "VM.hotplugDisk", "seconds": 0.3})
    with pytest.raises(HostFailure) as caught:
        plug(asked)
    assert caught.value.code == 5022
    assert host.plugged == []
    deadline = time.monotonic() + 5
    while not host.plugged and time.monotonic() < deadline:
        time.sleep(0.02)
    assert host.plugged == [("vm", "disk")]


def test_a_late_unplug_is_seen_by_the_monitoring() -> None:
    asked, _host = engine(patience=0.1)
    row = Attachment("vm", "disk", "virtio", active=True)
    asked.world.attachments[("vm", "disk")] = row
    asked.faults.add("host_slow", {"verb": "VM.hotunplugDisk", "seconds": 0.3})
    with pytest.raises(HostFailure):
        asked.host.unplug("vm", "disk")
    assert row.active
    deadline = time.monotonic() + 5
    while row.active and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not row.active


def test_faults_of_a_verb_are_forgotten_alone(plain_lab: Lab) -> None:
    control = plain_lab.control()
    for kind, values in (("host_fails", {"code": 45}), ("host_slow", {"seconds": 1})):
        for verb in ("VM.merge", "VM.snapshot"):
            control.add_fault(kind, verb=verb, **values)
    control.forget("host_fails", "VM.merge")
    control.forget("host_fails", "VM.merge")
    left = {(fault["kind"], fault["verb"]) for fault in control.faults()}
    assert left == {
        ("host_fails", "VM.snapshot"),
        ("host_slow", "VM.merge"),
        ("host_slow", "VM.snapshot"),
    }
    with pytest.raises(ControlError, match="needs seconds"):
        control.add_fault("host_slow", verb="VM.merge")


def test_a_lun_of_nobody(plain_lab: Lab) -> None:
    control = plain_lab.control()
    lun = control.add_lun(alias="lun", lun_id="lun-1", address="127.0.0.9", port=3260, target="iqn")
    row = next(one for one in control.world()["disks"] if one["id"] == lun)
    assert row["storage_type"] == "lun"
    assert row["lun"]["target"] == "iqn"
    assert not [one for one in control.world()["attachments"] if one["disk_id"] == lun]


def test_rows_behind_an_attachment_go_one_after_the_other(plain_lab: Lab) -> None:
    control, world = plain_lab.control(), plain_lab.world
    vm = plain_lab.vm("files01")
    disk = world.attachments_of(vm.id)[0].disk_id
    control.device(vm.name, disk, plugged=False)
    assert not world.attachments[(vm.id, disk)].active
    with pytest.raises(ControlError, match="goes first"):
        control.device(vm.name, disk, element=False)
    control.device(vm.name, disk, device=False)
    assert (vm.id, disk) not in world.attachments
    control.device(vm.name, disk, element=False)
    assert world.elements == {}
    with pytest.raises(ControlError):
        control.device(vm.name, disk, device=True)
