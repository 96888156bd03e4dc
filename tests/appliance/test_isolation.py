# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolation, its proof and the repository disk on loop devices, with a udev of our own.

The real behaviour of LVM, mdadm, multipathd and systemd is tested only in a guest
(tests/guest_tests).
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from appliance.loops import MIB, LoopAppliance, run
from support.clocks import MadeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    survey,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.isolation.appliance_isolation import (
    ApplianceIsolation,
    IsolationStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Paths,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup import (
    prepared,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_repository import (
    ApplianceRepository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceError,
    DeviceNotFound,
    IsolationFailed,
    MissingDependency,
    Refused,
    ToolFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
    isolation_proof,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.appliance_isolation import (
    IsolationRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_preflight import (
    IsolationFacts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_repository import (
    RepositoryRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge

OWN, PROBE = (str(uuid.UUID(int=number << 96)) for number in (0xA, 0xB))
UDEV = Path(__file__).with_name("udev.py")


@dataclass
class Machine:
    """An appliance below one directory, whose disks are loop devices."""

    root: Path
    loops: LoopAppliance
    sleeps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("etc", "dev/disk", "udev", "sys_block", "serials", "tools", "run", "sys"):
            (self.root / name).mkdir(parents=True)
        (self.root / "sys/dev").symlink_to("/sys/dev")
        self.tool("udevadm", f"#!/usr/bin/env python3\n{UDEV.read_text()}")
        (self.root / "swaps").write_text("Filename\n")

    @property
    def system(self) -> System:
        """For an operation."""
        root = self.root
        paths = Paths(
            by_id=f"{root}/dev/disk/by-id",
            sys_block=f"{root}/sys_block",
            udev=f"{root}/udev",
            dev=f"{root}/dev",
            swaps=f"{root}/swaps",
        )
        return System(
            paths=paths,
            clock=MadeClock(sleep=self.sleeps.append),
            etc=f"{root}/etc",
            sys=f"{root}/sys",
            run=f"{root}/run",
            disk_names="loop",
            tools=f"{root}/tools:/usr/sbin:/usr/bin:/sbin:/bin",
            now=lambda: 0.0,
        )

    def tool(self, name: str, text: str) -> None:
        """Install a program."""
        path = self.root / "tools" / name
        path.write_text(text)
        path.chmod(0o755)

    def disk(self, serial: str, content: bytes = b"", size: int = 32 * MIB) -> str:
        """Plug a disk: its node."""
        file = self.loops.file(content, size)
        device = run("losetup", "-fP", "--show", file)
        self.loops.loops.append(device)
        name = Path(device).name
        (self.root / "sys_block" / name).symlink_to(f"/sys/block/{name}")
        (self.root / "serials" / name).write_text(f"0QEMU_QEMU_HARDDISK_{serial}")
        self.udevadm("settle")
        return f"{self.root}/dev/{name}"

    def udevadm(self, *words: str) -> None:
        """Call our udev."""
        run(self.root / "tools/udevadm", *words)

    def bad(self, *words: str) -> None:
        """Let our udev misbehave."""
        (self.root / "bad").write_text(" ".join(words))

    def isolate(
        self, *own: str, probe: str = "", proof: str = "once", present: bool = True
    ) -> tuple[Plan[IsolationStep], dict[str, Any]]:
        """Plan and execute, as the edge does."""
        request = IsolationRequest(present, own, "/srv/backup", probe, proof)
        operation = ApplianceIsolation(request, self.system)
        plan = operation.plan()
        result, _warnings = edge.perform(operation, check_mode=False)
        return plan, result

    def text(self, path: str) -> str | None:
        """Return a file below etc."""
        return programs.text(f"{self.root}/etc/{path}")

    @property
    def facts(self) -> IsolationFacts:
        """What the preflight sees."""
        return prepared.isolation_facts(self.system)


@pytest.fixture
def machine(tmp_path: Path, appliance: LoopAppliance) -> Machine:
    """An appliance whose own disk is listed, since nothing is mounted from it."""
    return Machine(tmp_path / "machine", appliance)


def test_from_nothing_to_a_proof_and_back(machine: Machine) -> None:
    own, probe = machine.disk(OWN), machine.disk(PROBE)
    assert machine.facts.prepared == ""
    plan, result = machine.isolate(OWN, probe=PROBE)
    assert plan.changed
    assert [one["device"] for one in result["own_disks"]] == [own]
    assert [one["device"] for one in result["isolated_disks"]] == [probe]
    assert result["isolation"]["multipath"] == "not installed"
    assert result["proof"]["event"] == "trigger"
    assert {"filesystem", "swap"} <= set(result["proof"]["trap"])
    assert 5.0 in machine.sleeps
    assert not any(Path(probe).read_bytes())
    fact = json.loads(machine.text(appliance_isolation.FACT) or "")
    assert fact["repository"] == "/srv/backup"
    assert machine.facts == replace(
        machine.facts, prepared="1970-01-01T00:00:00Z", proof="disk", altered=(), loose=()
    )

    again, result = machine.isolate(OWN, probe=PROBE)
    assert not again.changed
    assert result["proof"] == fact["proof"]
    assert again.warnings == ()

    gone, result = machine.isolate(present=False)
    assert gone.changed
    assert result["proof"] is None
    assert not list((machine.root / "etc").rglob("*ovirt*"))
    assert "BACKUP_ISOLATED" not in "".join(
        path.read_text() for path in (machine.root / "udev").iterdir()
    )
    assert not machine.isolate(present=False)[0].changed


def test_check_mode_writes_nothing(machine: Machine) -> None:
    machine.disk(OWN)
    plan = ApplianceIsolation(IsolationRequest(own_disks=(OWN,)), machine.system).plan()
    assert plan.changed
    assert plan.after[appliance_isolation.MARK_RULES]
    assert list((machine.root / "etc").iterdir()) == []


def test_a_disk_that_became_own_is_looked_into_again(machine: Machine) -> None:
    machine.disk(OWN)
    other = machine.disk(PROBE)
    run("mke2fs", "-q", "-t", "ext4", other)
    machine.isolate(OWN, proof="never")
    assert not (machine.root / "dev/disk/by-uuid").exists() or not os.listdir(
        machine.root / "dev/disk/by-uuid"
    )
    machine.isolate(OWN, other, proof="never")
    assert len(os.listdir(machine.root / "dev/disk/by-uuid")) == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (("greedy",), "would isolate the appliance's own"),
        (("greedy", "indented"), "would isolate the appliance's own"),
        (("mute",), "cannot be checked"),
    ],
)
def test_rules_that_would_hit_own_disks_or_cannot_be_tried_are_taken_back(
    machine: Machine, bad: tuple[str, ...], said: str
) -> None:
    own = machine.disk(OWN)
    machine.bad(*bad)
    with pytest.raises(IsolationFailed, match=f"{said}.*removed again") as caught:
        machine.isolate(OWN)
    assert caught.value.details == {"devices": [own]}
    assert machine.text(appliance_isolation.MARK_RULES) is None
    assert machine.text(appliance_isolation.JUDGE_RULES) is None


def test_udevadm_of_systemd_256_and_later_is_understood(machine: Machine) -> None:
    machine.disk(OWN)
    machine.bad("indented")
    machine.isolate(OWN, proof="never")
    assert machine.text(appliance_isolation.JUDGE_RULES)


def test_a_disk_that_is_not_left_alone_fails_the_proof_and_voids_an_older_one(
    machine: Machine,
) -> None:
    machine.disk(OWN)
    probe = machine.disk(PROBE)
    machine.isolate(OWN, probe=PROBE)
    assert machine.facts.proven
    machine.bad("blind")
    with pytest.raises(IsolationFailed, match=r"marked.*not_looked_into.*no_names"):
        machine.isolate(OWN, probe=PROBE, proof="always")
    assert (machine.facts.prepared, machine.facts.proven) == ("1970-01-01T00:00:00Z", "")
    assert not any(Path(probe).read_bytes())
    assert machine.facts.loose == (probe,)


def test_without_a_disk_the_isolation_stays_unproven(machine: Machine) -> None:
    machine.disk(OWN)
    machine.tool("modprobe", "#!/bin/sh\nexit 1\n")
    plan, result = machine.isolate(OWN)
    assert result["proof"] is None
    assert "could not be proven" in plan.warnings[0]
    (machine.root / "sys/module/scsi_debug").mkdir(parents=True)
    assert machine.isolate(OWN)[1]["proof"] is None


def test_the_kernels_own_disk_is_made_and_taken_away(machine: Machine) -> None:
    machine.disk(OWN)
    name = Path(machine.disk(PROBE)).name
    hidden = machine.root / "hidden"
    (machine.root / "sys_block" / name).rename(hidden)
    # A directory in place of the link: the model is one that no loop device has.
    machine.tool(
        "modprobe",
        f"""#!/bin/sh
case "$1" in
--dry-run) exit 0 ;;
--remove) rm -r {machine.root}/sys_block/{name} ;;
*) mkdir {machine.root}/sys_block/{name}
   for file in /sys/block/{name}/*; do ln -s $file {machine.root}/sys_block/{name}/; done
   rm -f {machine.root}/sys_block/{name}/device
   mkdir {machine.root}/sys_block/{name}/device
   echo scsi_debug > {machine.root}/sys_block/{name}/device/model ;;
esac
""",
    )
    machine.tool("blkid", "#!/bin/sh\nexit 2\n")
    # Its partitions cannot show through the links that were made before them.
    with pytest.raises(DeviceError, match="did not appear"):
        ApplianceIsolation(
            IsolationRequest(own_disks=(OWN,)),
            replace(machine.system, clock=_Rushing()),
        ).execute(ApplianceIsolation(IsolationRequest(own_disks=(OWN,)), machine.system).plan())
    assert not (machine.root / "sys_block" / name).exists()


class _Rushing(MadeClock):
    """Every look at it is a minute later."""

    def __init__(self) -> None:
        ticks = iter(range(0, 6000, 40))
        super().__init__(monotonic=lambda: float(next(ticks)), sleep=lambda _seconds: None)


@pytest.mark.parametrize("content", [b"data", b"\0" * (8 * MIB) + b"x"])
def test_a_probe_disk_with_data_is_refused_and_keeps_it(machine: Machine, content: bytes) -> None:
    machine.disk(OWN)
    probe = machine.disk(PROBE, content)
    with pytest.raises(Refused, match="not blank"):
        machine.isolate(OWN, probe=PROBE)
    assert Path(probe).read_bytes()[: len(content)] == content


def test_own_and_missing_probe_disks_are_refused(machine: Machine) -> None:
    machine.disk(OWN)
    with pytest.raises(Refused, match="appliance's own"):
        machine.isolate(OWN, probe=OWN)
    with pytest.raises(DeviceNotFound):
        machine.isolate(OWN, probe=PROBE)
    with pytest.raises(DeviceNotFound):
        machine.isolate(PROBE)
    with pytest.raises(DeviceNotFound, match="no device UUID"):
        machine.isolate("UUID=x")
    machine.disk(PROBE, size=2 * MIB)
    with pytest.raises(Refused, match="too small"):
        machine.isolate(OWN, probe=PROBE)


LVM = """#!/bin/sh
echo "$@" >> {root}/calls
case "$1" in
lvmconfig) printf 'use_devicesfile={on}\\ndevicesfile="system.devices"\\n' ;;
pvs) test "$2" = --noheadings && cat {root}/seen && exit
     echo '{{"report":[{{"pv":[{{"pv_name":"{own}","vg_name":"vg","vg_uuid":"v"}},{{"pv_name":"/gone","vg_name":"","vg_uuid":""}}]}}]}}' ;;
lvmdevices) test "$4" = --adddev && echo "  Device $5 ID" >> {root}/listed
            cat {root}/listed ;;
esac
"""


def test_lvm_mdadm_and_multipath_where_they_are_installed(machine: Machine) -> None:
    own, probe = machine.disk(OWN), machine.disk(PROBE)
    for file in ("seen", "listed", "calls"):
        (machine.root / file).touch()
    machine.tool("lvm", LVM.format(root=machine.root, on=0, own=own))
    machine.tool("mdadm", f'#!/bin/sh\necho "$@" >> {machine.root}/calls\n')
    machine.tool("multipathd", f'#!/bin/sh\necho "$@" >> {machine.root}/calls\n')
    (machine.root / "etc/mdadm").mkdir()
    plan, result = machine.isolate(OWN, probe=PROBE)
    assert result["isolation"]["lvm"] == "devices file"
    assert {"lvm", "md"} <= set(result["proof"]["trap"])
    assert "use_devicesfile = 1" in (machine.text(appliance_isolation.LVM_LOCAL) or "")
    assert "AUTO -all" in (machine.text("mdadm/mdadm.conf.d/ovirt_backup.conf") or "")
    calls = (machine.root / "calls").read_text()
    assert f"lvmdevices --config devices/use_devicesfile=1 --adddev {own}" in calls
    assert "reconfigure" in calls
    assert "vgcreate" in calls
    assert " vg " in next(line for line in calls.splitlines() if "vgcreate" in line)
    assert not machine.isolate(OWN, probe=PROBE)[0].changed

    (machine.root / "etc/lvm/devices/system.devices").unlink()
    (machine.root / "etc" / appliance_isolation.MULTIPATH).write_text("changed")
    assert [Path(path).name for path in machine.facts.altered] == [
        "ovirt_backup.conf",
        "system.devices",
    ]
    (machine.root / "seen").write_text(f"  {probe}p2\n")
    with pytest.raises(IsolationFailed, match="lvm"):
        machine.isolate(OWN, probe=PROBE, proof="always")

    for name in ("lvm", "mdadm", "multipathd"):
        (machine.root / "tools" / name).unlink()
    stale = machine.isolate(OWN, proof="never")[0]
    assert stale.changed
    assert machine.text("mdadm/mdadm.conf.d/ovirt_backup.conf") is None
    assert appliance_isolation.BEGIN not in (machine.text(appliance_isolation.LVM_LOCAL) or "")
    assert plan.changed


def test_programs_that_fail_or_are_missing(machine: Machine) -> None:
    with pytest.raises(MissingDependency, match="no-such"):
        programs.call(machine.system, ["no-such"])
    machine.tool("odd", "#!/bin/sh\nexit 3\n")
    with pytest.raises(ToolFailed, match="odd x: exit code 3"):
        programs.must(machine.system, ["odd", "x"])
    machine.tool("slow", "#!/bin/sh\nexec sleep 9\n")
    with pytest.raises(ToolFailed, match="did not end within 0 s"):
        programs.call(machine.system, ["slow"], seconds=0.1)


def test_lines_of_fstab_are_resolved(machine: Machine) -> None:
    run("mke2fs", "-q", "-t", "ext4", "-U", OWN, machine.disk(OWN))
    machine.udevadm("settle")
    (machine.root / "etc/fstab").write_text(f"UUID={OWN} /not/there ext4 defaults 0 0\n")
    found = survey.survey(machine.system, ()).unmounted
    assert [(line.spec, bool(line.number)) for line in found] == [(f"UUID={OWN}", True)]
    with pytest.raises(Refused, match="fstab names"):
        machine.isolate()


@pytest.fixture
def place(machine: Machine) -> Iterator[Path]:
    """Where the repository will be; nothing stays mounted there."""
    path = machine.root / "srv" / "backup"
    machine.tool(
        "mount",
        f'#!/bin/sh\nexec /usr/bin/mount {machine.root}/dev/$(cat {machine.root}/disk) "$1"\n',
    )
    machine.tool("systemctl", f'#!/bin/sh\necho "$@" >> {machine.root}/calls\n')
    yield path
    machine.loops.mounts.append(path)


def ask(machine: Machine, path: Path, device: str = "", *, make: bool = False) -> dict[str, Any]:
    request = RepositoryRequest(str(path), device, format=make)
    operation = ApplianceRepository(request, machine.system)
    predicted = operation.plan()
    result, _warnings = edge.perform(operation, check_mode=False)
    assert predicted.changed == result["changed"]
    return result


def test_a_blank_disk_becomes_the_repository(machine: Machine, place: Path) -> None:
    device = machine.disk(OWN)
    (machine.root / "disk").write_text(Path(device).name)
    (machine.root / "run/systemd/system").mkdir(parents=True)
    result = ask(machine, place, OWN, make=True)
    assert (result["changed"], result["device"]) == (True, device)
    assert place.stat().st_mode & 0o777 == 0o700
    [line] = (machine.root / "etc/fstab").read_text().splitlines()
    assert line.startswith("UUID=")
    assert "nodev,nosuid,noexec" in line
    assert (machine.root / "calls").read_text() == "daemon-reload\n"
    assert not ask(machine, place, OWN, make=True)["changed"]
    assert not ask(machine, place)["changed"]
    place.chmod(0o755)
    assert ask(machine, place)["changed"]
    # Known again by what is on it, after it was unmounted.
    run("umount", place)
    assert ask(machine, place, device)["changed"]
    uuid_ = line.split()[0]
    machine.udevadm("settle")
    assert not ask(machine, place, uuid_)["changed"]


def test_disks_with_anything_on_them_stay_as_they_are(machine: Machine, place: Path) -> None:
    device = machine.disk(OWN, b"\0" * (5 * MIB + 100) + b"x")
    before = Path(device).read_bytes()
    with pytest.raises(Refused, match=r"is blank|data on it"):
        ask(machine, place, OWN)
    tail = machine.disk(PROBE, b"\0" * (32 * MIB - 1) + b"x")
    with pytest.raises(Refused, match="data on it"):
        ask(machine, place, tail, make=True)
    run("mkswap", tail)
    with pytest.raises(Refused, match="swap"):
        ask(machine, place, tail, make=True)
    with pytest.raises(DeviceError, match="is neither a disk nor a partition"):
        ask(machine, place, "/dev/null", make=True)
    assert Path(device).read_bytes() == before


def test_partitions_are_named_themselves(machine: Machine, place: Path) -> None:
    device = machine.disk(OWN)
    with open(device, "r+b") as file:
        file.write(isolation_proof.table())
    run("blockdev", "--rereadpt", device)
    machine.udevadm("settle")
    name = Path(device).name
    (machine.root / "disk").write_text(f"{name}p1")
    with pytest.raises(Refused, match="partitions"):
        ask(machine, place, OWN, make=True)
    assert ask(machine, place, f"{device}p1", make=True)["changed"]


def test_a_disk_that_blkid_cannot_tell(machine: Machine, place: Path) -> None:
    machine.disk(OWN)
    machine.tool("blkid", "#!/bin/sh\nexit 8\n")
    with pytest.raises(DeviceError, match="could not be identified"):
        ask(machine, place, OWN, make=True)
