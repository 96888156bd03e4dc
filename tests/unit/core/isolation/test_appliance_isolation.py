# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks are the appliance's own, and what is written to isolate the others."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    parse_mounts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.appliance_isolation import (
    LocalDisk,
    Node,
    Programs,
    Unmounted,
    Volume,
)

ID = "c4a2b8f0-6d1e-4f53-9a57-2e8c7d90b1a4"
ROOT = "22 1 8:1 / / rw - ext4 /dev/sda1 rw"


def disk(name: str, number: str, **more: object) -> LocalDisk:
    """Return a disk with one partition."""
    minor = int(number.partition(":")[2])
    part = (f"/dev/{name}1", f"8:{minor + 1}")
    device = BlockDevice(name, f"/dev/{name}", number, partitions=(part,))
    nodes = tuple(Node(path, shown) for path, shown in device.nodes)
    return replace(LocalDisk(device, nodes=nodes), **more)  # type: ignore[arg-type]


def test_the_database_of_udev() -> None:
    text = "S:disk/by-id/virtio-a\nI:12\nE:ID_SERIAL=a=b\nE:ID_PATH=pci\nG:systemd\n"
    assert appliance_isolation.properties(text) == {"ID_SERIAL": "a=b", "ID_PATH": "pci"}


# What systemd's udevadm-test.c prints: bare lines up to 255, since 256 below a heading.
BARE = """\
This program is for debugging only, it does not run any program
specified by a RUN key. It may show incorrect results, because
some values may be different, or not available at a simulation run.

ACTION=change
DEVPATH=/devices/pci0000:00/0000:00:05.0/virtio2/block/vda
DEVNAME=/dev/vda
.ID_LINE=a=b
{mark}run: 'kmod load BACKUP_ISOLATED=1'
"""
INDENTED = """\
This program is for debugging only, it does not run any program
specified by a RUN key. It may show incorrect results, because
some values may be different, or not available at a simulation run.

Loading builtins...
Loading builtins done.

Processing udev rules (verbose logs can be shown by -v/--verbose)...
Processing udev rules done.

Device node symlinks: (priority=0)
  /dev/disk/by-path/BACKUP_ISOLATED=1
Properties:
  ACTION=change
  DEVNAME=/dev/vda
  DEVPATH=/devices/pci0000:00/0000:00:05.0/virtio2/block/vda
  .ID_LINE=a=b
{mark}Queued commands:
  RUN{{builtin}} : kmod load
  BACKUP_ISOLATED=1
"""
VDA = "/devices/pci0000:00/0000:00:05.0/virtio2/block/vda"


@pytest.mark.parametrize(
    ("text", "mark"), [(BARE, "BACKUP_ISOLATED=1\n"), (INDENTED, "  BACKUP_ISOLATED=1\n")]
)
def test_what_udevadm_would_make_of_a_device(text: str, mark: str) -> None:
    plain = appliance_isolation.tested_properties(text.format(mark=""), VDA)
    assert plain == {"ACTION": "change", "DEVPATH": VDA, "DEVNAME": "/dev/vda", ".ID_LINE": "a=b"}
    marked = appliance_isolation.tested_properties(text.format(mark=mark), VDA)
    assert marked == {**plain, "BACKUP_ISOLATED": "1"}
    assert appliance_isolation.tested_properties(text.format(mark=mark), f"{VDA}/vda1") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Properties:\n",
        "Properties:\nDEVPATH=/devices/x\n",
        "  DEVPATH=/devices/x\n",
        '{"properties": ["DEVPATH=/devices/x", "BACKUP_ISOLATED=1"]}\n',
    ],
)
def test_a_format_that_is_not_known_says_nothing(text: str) -> None:
    assert appliance_isolation.tested_properties(text, "/devices/x") is None


def test_own_devices_that_would_be_hit_come_before_those_that_nobody_can_tell() -> None:
    hit = appliance_isolation.would_hit_own({"/dev/a": True, "/dev/b": None, "/dev/c": False})
    assert "would isolate the appliance's own /dev/a. They were removed" in str(hit)
    assert hit.details == {"devices": ["/dev/a"]}
    unknown = appliance_isolation.would_hit_own({"/dev/b": None, "/dev/c": False})
    assert "own /dev/b. They were removed" in str(unknown)


def test_uses_reach_through_what_is_built_on_a_disk() -> None:
    sda = BlockDevice("sda", "/dev/sda", "8:0", holders=("md0", "gone"))
    md0 = BlockDevice("md0", "/dev/md0", "9:0", holders=("dm-0", "dm-1"))
    dm0 = BlockDevice("dm-0", "/dev/dm-0", "253:0")
    dm1 = BlockDevice("dm-1", "/dev/dm-1", "253:1", holders=("dm-0",))
    sdb = BlockDevice("sdb", "/dev/sdb", "8:16")
    devices = (sda, md0, dm0, dm1, sdb)
    assert {one.name for one in appliance_isolation.stack(devices, sda)} == {"md0", "dm-0", "dm-1"}
    mounts = parse_mounts("30 1 253:1 / /srv rw - xfs /dev/mapper/vg-lv rw\n")
    swaps = "Filename Type Size Used Priority\n/dev/dm-0 partition 1 0 -2\n"
    assert sorted(appliance_isolation.uses(devices, sda, mounts, swaps)) == [
        "mounted on /srv",
        "swap on /dev/dm-0",
    ]
    assert appliance_isolation.uses(devices, sdb, mounts, swaps) == ()


def test_idle_volumes_of_a_used_group_are_own() -> None:
    used = disk("sda", "8:0", reasons=("mounted on /",))
    idle, other = disk("sdb", "8:16"), disk("sdc", "8:32")
    volumes = [
        Volume(Node("/dev/sda1", "8:1"), "vg", "1"),
        Volume(Node("/dev/sdb1", "8:17"), "vg", "1"),
        Volume(Node("/dev/sdc", "8:32"), "vg", "2"),
        Volume(Node("/dev/sdc1", "8:33"), "", ""),
        Volume(Node("/dev/md0", "9:0"), "vg", "1"),
    ]
    found = appliance_isolation.group_reasons([used, idle, other], volumes)
    assert found == {"8:0": ("in volume group vg",), "8:16": ("in volume group vg",)}


def test_the_disk_of_a_clone_that_is_isolated_stays_so() -> None:
    used = replace(disk("sda", "8:0", reasons=("mounted on /",)), isolated=True)
    clone = replace(disk("sdb", "8:16"), isolated=True)
    volumes = [
        Volume(Node("/dev/sda1", "8:1"), "vg", "1"),
        Volume(Node("/dev/sdb1", "8:17"), "vg", "1"),
    ]
    assert appliance_isolation.group_reasons([used, clone], volumes) == {
        "8:0": ("in volume group vg",)
    }


FSTAB = """\
# a comment
UUID=1 / ext4 defaults 0 1
UUID=2 /data\\040one ext4 defaults 0 2
LABEL=three none swap sw 0 0
/dev/sdz /old ext4 noauto 0 0
tmpfs /tmp tmpfs defaults 0 0
server:/x /nfs nfs defaults 0 0
short line
"""


def test_lines_of_fstab_that_are_not_in_use() -> None:
    data = "31 1 8:17 / /data\\040one rw - ext4 /dev/sdb1 rw\n"
    on = "Filename\n/dev/sda2 partition 1 0 -2\n"
    assert appliance_isolation.unmounted(FSTAB, f"{ROOT}\n{data}", on) == (("/dev/sdz", "/old"),)
    assert appliance_isolation.unmounted(FSTAB, f"{ROOT}\n", "Filename\n") == (
        ("UUID=2", "/data one"),
        ("LABEL=three", "none"),
        ("/dev/sdz", "/old"),
    )


def test_what_cannot_be_told_apart_is_refused() -> None:
    own = disk("sda", "8:0", reasons=("mounted on /",))
    other = disk("sdb", "8:16")
    lines = [Unmounted("UUID=1", "/x", ""), Unmounted("a", "/", "8:1")]
    listed = (Node("/dev/sda1", "8:1"), Node("/dev/md0", "9:0"))
    appliance_isolation.check_disks([own, other], lines, Programs(devices_listed=listed))
    with pytest.raises(Refused) as caught:
        appliance_isolation.check_disks(
            [own, replace(other, stacked=("/dev/dm-3",))],
            [Unmounted("UUID=2", "/y", "8:17")],
            Programs(devices_listed=(*listed, Node("/dev/sdb1", "8:17"))),
        )
    first, second, third = caught.value.details["problems"]
    assert "/dev/sdb is not used, but /dev/dm-3 is built on it" in first
    assert "fstab names UUID=2 (/y)" in second
    assert "lists /dev/sdb1" in third
    with pytest.raises(Refused, match="No disk of the appliance itself"):
        appliance_isolation.check_disks([other], [], Programs())


@pytest.mark.parametrize(
    ("serial", "bus_path", "wanted"),
    [
        (f"0QEMU_QEMU_HARDDISK_{ID}", "pci-1", f'ENV{{ID_SERIAL}}=="*{ID[:20]}*"'),
        (ID[:20], "", f'ENV{{ID_SERIAL}}=="*{ID[:20]}*"'),
        ("lab-root", "pci-1", 'ENV{ID_SERIAL}=="lab-root"'),
        ('a*b"c', "", 'ENV{ID_SERIAL}=="a?b?c"'),
        ("", "pci-0000:00:02.0", 'ENV{ID_PATH}=="pci-0000:00:02.0"'),
        ("***", "", 'KERNEL=="sda|sda[0-9]*|sdap[0-9]*"'),
    ],
)
def test_a_disk_is_recognised(serial: str, bus_path: str, wanted: str) -> None:
    assert (
        appliance_isolation.match(disk("sda", "8:0", udev_serial=serial, bus_path=bus_path))
        == wanted
    )


@given(serial=st.text(min_size=1, max_size=60), other=st.uuids())
def test_a_match_finds_its_disk_and_stays_one_line(serial: str, other: object) -> None:
    rule = appliance_isolation.match(disk("sda", "8:0", udev_serial=serial))
    found = re.fullmatch(r'(?:ENV\{ID_SERIAL\}|KERNEL)=="([A-Za-z0-9._:@+=/?*|\[\]-]+)"', rule)
    assert found
    if rule.startswith("ENV"):
        shown = serial.encode("utf-8", "surrogateescape").decode("latin-1")
        assert fnmatch.fnmatchcase(shown, found.group(1))
        assert not fnmatch.fnmatchcase(f"0QEMU_QEMU_HARDDISK_{other}", found.group(1))


@given(st.uuids())
def test_a_disk_of_the_engine_is_known_on_every_bus(disk_id: object) -> None:
    rule = appliance_isolation.match(
        disk("sda", "8:0", udev_serial=f"0QEMU_QEMU_HARDDISK_{disk_id}")
    )
    pattern = rule.split('"')[1]
    for shown in (str(disk_id)[:20], str(disk_id), f"0QEMU_QEMU_HARDDISK_{str(disk_id)[:20]}"):
        assert fnmatch.fnmatchcase(shown, pattern)


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=10)), min_size=1, max_size=5))
def test_an_own_disk_is_known_again_and_another_is_not(shown: list[tuple[str, str]]) -> None:
    disks = [
        disk(f"sd{chr(97 + index)}", f"8:{16 * index}", udev_serial=serial, bus_path=path)
        for index, (serial, path) in enumerate(shown)
    ]
    other = disk("vdz", "254:0", udev_serial=f"0QEMU_QEMU_HARDDISK_{ID}", bus_path="pci-of-another")
    matches = [appliance_isolation.match(one) for one in disks]
    assert all(appliance_isolation.is_own(one, matches) for one in disks)
    assert not appliance_isolation.is_own(other, matches)


def test_rules_ask_nothing_of_a_disk_before_it_is_known_whose_it_is() -> None:
    mark, judge = (
        appliance_isolation.mark_rules(),
        appliance_isolation.judge_rules(['KERNEL=="vda"', "B"]),
    )
    assert (
        appliance_isolation.MARK_RULES
        < "udev/rules.d/60-persistent-storage.rules"
        < appliance_isolation.JUDGE_RULES
    )
    assert 'ENV{UDEV_DISABLE_PERSISTENT_STORAGE_BLKID_FLAG}="1"' in mark
    own, theirs = judge.index('KERNEL=="vda", GOTO'), judge.index('ENV{SYSTEMD_READY}="0"')
    assert own < judge.index('B, GOTO="ovirt_backup_own"') < theirs
    assert theirs < judge.index('LABEL="ovirt_backup_own"') < judge.index('IMPORT{builtin}="blkid"')
    for text in (mark, judge):
        labels = set(re.findall(r'LABEL="(\w+)"', text))
        assert set(re.findall(r'GOTO="(\w+)"', text)) == labels
        assert f'ENV{{{appliance_isolation.SWITCH}}}=="off", GOTO="ovirt_backup_end"' in text


def test_lvm_gets_own_volumes_listed_and_no_others() -> None:
    volumes = (
        Volume(Node("/dev/sdb", "8:16"), "theirs", "2"),
        Volume(Node("/dev/md0", "9:0"), "vg", "1"),
        Volume(Node("/dev/sda1", "8:1"), "vg", "1"),
    )
    fresh = Programs(lvm=True, volumes=volumes)
    missing = appliance_isolation.lvm_missing([OWN, THEIRS], fresh)
    assert [node.path for node in missing] == ["/dev/md0", "/dev/sda1"]
    listed = replace(fresh, devices_listed=missing)
    assert appliance_isolation.lvm_missing([OWN, THEIRS], listed) == ()


@given(st.text(alphabet="ab\n#", max_size=40), st.sampled_from(["x", "y = 1"]))
def test_a_block_comes_and_goes_without_trace(text: str, line: str) -> None:
    once = appliance_isolation.with_block(text, line)
    assert appliance_isolation.with_block(once, line) == once
    assert appliance_isolation.block_of(once).splitlines()[1] == line
    assert appliance_isolation.without_block(once).rstrip("\n") == text.rstrip("\n")
    assert appliance_isolation.block_of(text) == ""


def test_mdadm_keeps_what_runs() -> None:
    said = "ARRAY /dev/md0 metadata=1.2 name=h:0 UUID=aa:bb\nARRAY /dev/md1 UUID=cc:dd\n"
    programs = Programs(mdadm="", md_main="ARRAY /dev/md1 UUID=cc:dd\n", md_arrays=said)
    text = appliance_isolation.mdadm_conf(programs)
    assert text.splitlines()[-2:] == ["AUTO -all", "ARRAY /dev/md0 UUID=aa:bb"]
    assert appliance_isolation.md_path("") == "mdadm.conf.d/ovirt_backup.conf"
    assert appliance_isolation.md_path("mdadm") == "mdadm/mdadm.conf.d/ovirt_backup.conf"


@pytest.mark.parametrize(
    ("main", "warned"), [("", 0), ("AUTO -all\n", 0), ("AUTO +imsm +1.x -all\n", 1)]
)
def test_what_comes_first_in_mdadm_conf_is_told(main: str, warned: int) -> None:
    assert len(appliance_isolation.warnings([], Programs(mdadm="", md_main=main))) == warned
    assert appliance_isolation.warnings([], Programs(md_main=main)) == ()


def test_a_disk_known_by_its_name_alone_is_told() -> None:
    nameless = disk("sda", "8:0", reasons=("mounted on /",))
    [warning] = appliance_isolation.warnings([nameless, disk("sdb", "8:16")], Programs())
    assert "/dev/sda has neither" in warning


OWN = disk("sda", "8:0", udev_serial="root", reasons=("mounted on /",))
THEIRS = disk("sdb", "8:16", udev_serial=ID)


def test_files_by_what_is_installed() -> None:
    plain = appliance_isolation.wanted_files([OWN, THEIRS], Programs(), {})
    assert list(plain) == [appliance_isolation.MARK_RULES, appliance_isolation.JUDGE_RULES]
    assert ID[:20] not in "".join(plain.values())
    every = Programs(lvm=True, multipath=True, mdadm="mdadm")
    files = appliance_isolation.wanted_files(
        [OWN, THEIRS], every, {appliance_isolation.LVM_LOCAL: "local {\n}\n"}
    )
    # The rules come last: they are what counts at once.
    assert list(files)[-2:] == [appliance_isolation.MARK_RULES, appliance_isolation.JUDGE_RULES]
    assert files[appliance_isolation.LVM_LOCAL].startswith("local {\n}\n# BEGIN")
    assert "use_devicesfile = 1" in files[appliance_isolation.LVM_LOCAL]
    assert appliance_isolation.PROPERTY in files[appliance_isolation.MULTIPATH]
    assert "AUTO -all" in files["mdadm/mdadm.conf.d/ovirt_backup.conf"]
    assert appliance_isolation.kinds(every)["lvm"] == "devices file"
    assert appliance_isolation.kinds(Programs())["multipath"] == "not installed"


def test_a_setting_that_is_on_is_not_written_and_ours_stays() -> None:
    on = Programs(lvm=True, devices_file_on=True)
    assert appliance_isolation.LVM_LOCAL not in appliance_isolation.wanted_files(
        [OWN], on, {appliance_isolation.LVM_LOCAL: ""}
    )
    once = appliance_isolation.wanted_files([OWN], Programs(lvm=True), {})
    assert appliance_isolation.wanted_files([OWN], on, once) == once


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6))
def test_a_used_disk_is_never_isolated(kinds: list[tuple[bool, bool]]) -> None:
    disks = [
        disk(
            f"sd{chr(97 + index)}",
            f"8:{16 * index}",
            udev_serial=f"S{index}" if serial else "",
            reasons=("mounted on /",) if own else (),
        )
        for index, (own, serial) in enumerate(kinds)
    ]
    rules = appliance_isolation.wanted_files(disks, Programs(), {})[appliance_isolation.JUDGE_RULES]
    for one in disks:
        known = f'{appliance_isolation.match(one)}, GOTO="ovirt_backup_own"\n' in rules
        assert known == one.own


def test_the_fact_and_whether_a_proof_still_counts() -> None:
    files = appliance_isolation.wanted_files(
        [OWN], Programs(lvm=True), {appliance_isolation.LVM_LOCAL: "theirs\n"}
    )
    noted = {
        "proof": {"kind": "disk", "files": appliance_isolation.digests(files)},
        "prepared": "t",
    }
    fact = appliance_isolation.fact([OWN, THEIRS], Programs(), files, noted)
    assert fact["devices_file"] == ""
    listed = appliance_isolation.fact([OWN], Programs(lvm=True), files, noted)
    assert listed["devices_file"] == "lvm/devices/system.devices"
    assert fact["own_disks"] == [{"udev_serial": "root", "match": 'ENV{ID_SERIAL}=="root"'}]
    assert appliance_isolation.read_fact(appliance_isolation.fact_text(fact)) == fact
    assert appliance_isolation.proof_holds(fact, files)
    # What is not ours in a shared file may change.
    other = {
        **files,
        appliance_isolation.LVM_LOCAL: f"more\n{files[appliance_isolation.LVM_LOCAL]}",
    }
    assert appliance_isolation.proof_holds(fact, other)
    assert not appliance_isolation.proof_holds(fact, {**files, appliance_isolation.MARK_RULES: ""})
    assert not appliance_isolation.proof_holds({"proof": None}, files)
    assert (
        appliance_isolation.lines_of(other)[appliance_isolation.LVM_LOCAL][0]
        == appliance_isolation.BEGIN
    )
    for text in (None, "", "[]", "{}", '{"version": 99}', '{"version": 1}', "no json"):
        assert appliance_isolation.read_fact(text) == {}


def test_a_disk_is_described() -> None:
    assert appliance_isolation.describe(OWN) == {
        "device": "/dev/sda",
        "udev_serial": "root",
        "match": 'ENV{ID_SERIAL}=="root"',
        "reasons": ["mounted on /"],
    }
