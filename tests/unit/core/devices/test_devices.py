# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device carries a disk: tables and properties."""

from __future__ import annotations

import errno
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceAmbiguous,
    DeviceBusy,
    DeviceLost,
    DeviceMismatch,
    DeviceNotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
    DeviceFault,
    bare_serial,
    by_serial,
    candidates,
    check_size,
    check_unused,
    choose,
    ignored,
    link_serial,
    match_length,
    missing,
    mount_uses,
    near,
    not_found,
    read_fault,
    state_fault,
    swap_uses,
    udev_serials,
    vpd_serial,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    is_made_up,
    parse_mounts,
)

DISK = "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10"
SHORT = DISK[:20]
TWIN = SHORT + "FFFFFFFFFFFFFFFF"
OTHER = "0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02"


def device(name: str, *serials: str, number: str = "8:0") -> BlockDevice:
    return BlockDevice(name=name, path=f"/dev/{name}", number=number, serials=serials)


@pytest.mark.parametrize(
    ("link", "serial"),
    [
        (f"virtio-{SHORT}", SHORT),
        (f"scsi-0QEMU_QEMU_HARDDISK_{DISK}", DISK),
        (f"scsi-SQEMU_QEMU_HARDDISK_{SHORT}", SHORT),
        (f"ata-QEMU_HARDDISK_{SHORT}", SHORT),
        (f"virtio-{SHORT}-part1", ""),
        (f"scsi-0QEMU_QEMU_HARDDISK_{DISK}-part12", ""),
        (f".virtio-{SHORT}", ""),
        ("lvm-pv-uuid-Xyz", ""),
        ("wwn-0x5000c500a1b2c3d4", ""),
        ("", ""),
    ],
)
def test_link_serial(link: str, serial: str) -> None:
    assert link_serial(link) == serial


@pytest.mark.parametrize("text", [DISK, f"0QEMU_QEMU_HARDDISK_{DISK}", f"QEMU_HARDDISK_{DISK}"])
def test_bare_serial(text: str) -> None:
    assert bare_serial(text) == DISK


def test_udev_serials_reads_every_key_and_nothing_else() -> None:
    database = (
        "S:disk/by-id/virtio-x\nI:1\n"
        f"E:ID_SERIAL=0QEMU_QEMU_HARDDISK_{SHORT}\n"
        f"E:ID_SERIAL_SHORT={DISK}\n"
        f"E:SCSI_IDENT_SERIAL={DISK}\nE:ID_SCSI_SERIAL=\nE:ID_MODEL={OTHER}\nG:systemd\nnonsense\n"
    )
    assert udev_serials(database) == (SHORT, DISK)


@pytest.mark.parametrize(
    ("page", "serial"),
    [
        (b"\x00\x80\x00\x24" + DISK.encode(), DISK),
        (b"\x00\x80\x00\x26" + DISK.encode() + b" \0", DISK),
        (b"\x00\x80\x00\x14" + DISK.encode(), SHORT),
        (b"\x00\x83\x00\x24" + DISK.encode(), ""),
        (b"\x00\x80", ""),
        (b"", ""),
    ],
)
def test_vpd_serial(page: bytes, serial: str) -> None:
    assert vpd_serial(page) == serial


@pytest.mark.parametrize(
    ("serials", "wanted", "length"),
    [
        ((DISK,), DISK, 36),
        ((SHORT,), DISK, 20),
        ((SHORT, DISK), DISK, 36),
        ((DISK,), SHORT, 20),
        ((SHORT,), SHORT, 20),
        ((TWIN,), DISK, 0),
        ((SHORT, TWIN), DISK, 0),  # the link is cut, the serial tells another disk
        ((TWIN,), SHORT, 20),
        ((DISK[:19],), DISK, 0),
        ((OTHER,), DISK, 0),
        ((), DISK, 0),
    ],
)
def test_match_length(serials: tuple[str, ...], wanted: str, length: int) -> None:
    assert match_length(device("sda", *serials), wanted) == length


def test_the_whole_serial_beats_its_first_twenty_characters() -> None:
    cut, whole = device("vda", SHORT), device("sda", DISK)
    for order in itertools.permutations((cut, whole)):
        assert choose(order, DISK) is whole


@pytest.mark.parametrize(
    ("shown", "wanted"), [((DISK, DISK), DISK), ((SHORT, SHORT), DISK), ((DISK, TWIN), SHORT)]
)
def test_two_devices_with_one_serial_are_refused(shown: tuple[str, str], wanted: str) -> None:
    devices = [device("sda", shown[0]), device("sdb", shown[1], number="8:16")]
    with pytest.raises(DeviceAmbiguous) as caught:
        choose(devices, wanted)
    assert [match["device"] for match in caught.value.details["matches"]] == [
        "/dev/sda",
        "/dev/sdb",
    ]


def test_no_device_matches() -> None:
    assert choose([device("sda", OTHER), device("sdb")], DISK) is None
    assert choose([], DISK) is None


@given(
    st.lists(st.uuids().map(str), min_size=1, max_size=8, unique_by=lambda uuid: uuid[:20]),
    st.data(),
)
def test_every_disk_is_found_whatever_form_the_guest_shows(
    disks: list[str], data: st.DataObject
) -> None:
    forms = [
        data.draw(st.sampled_from([(disk,), (disk[:20],), (disk[:20], disk)])) for disk in disks
    ]
    devices = [device(f"sd{index}", *shown) for index, shown in enumerate(forms)]
    for index, disk in enumerate(disks):
        for wanted in (disk, disk[:20]):
            assert choose(devices, wanted) is devices[index]


DEAD = DeviceFault("its state is offline", dead=True)
WAITING = DeviceFault("No such file or directory", dead=False)


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ("running", None),
        ("", None),
        ("live", None),
        ("offline", True),
        ("transport-offline", True),
        ("deleted", True),
        ("cancel", True),
        ("blocked", False),
        ("created", False),
        ("quiesce", False),
    ],
)
def test_state_fault(state: str, fault: bool | None) -> None:
    found = state_fault(state)
    assert (found and found.dead) == fault
    assert found is None or state in found.said


@pytest.mark.parametrize(
    ("number", "dead"),
    [(errno.EIO, True), (errno.ENODEV, True), (errno.ENXIO, True), (errno.ENOENT, False)],
)
def test_read_fault(number: int, dead: bool) -> None:
    assert read_fault(number, "said") == DeviceFault("said", dead)


def test_a_dead_twin_is_told_apart_and_named() -> None:
    old, new = device("sdb", DISK), device("sdc", DISK, number="8:32")
    for order in itertools.permutations((old, new)):
        assert choose(order, DISK, {"sdb": DEAD}) is new
    [said] = ignored([old, new], {DISK: new}, {"sdb": DEAD})
    assert said.startswith(
        f"/dev/sdb has the serial {DISK} too, but is dead (its state is offline)"
    )
    assert "/dev/sdc is the disk" in said
    assert ignored([old, new], {DISK: new}, {}) == ()


def test_a_dead_twin_counts_for_nothing_whatever_it_shows() -> None:
    """The old one shows the whole serial, the new one on another bus only its beginning."""
    old, new = device("sdb", DISK), device("vdb", SHORT)
    assert choose([old, new], DISK, {"sdb": DEAD}) is new


def test_what_is_not_proven_dead_is_ambiguous() -> None:
    devices = [device("sdb", DISK), device("sdc", DISK)]
    with pytest.raises(DeviceAmbiguous):
        choose(devices, DISK, {"sdb": WAITING})


def test_what_is_built_on_a_disk_is_not_the_disk() -> None:
    disk, path = device("sdb", DISK), replace(device("dm-0", DISK), slaves=("sdb",))
    assert choose([path, disk], DISK) is disk
    assert candidates([path], DISK) == ()


@given(st.lists(st.sampled_from(["live", "dead", "waiting", "built", "other"]), max_size=6))
def test_the_live_one_is_found_among_any_others_or_none_is(kinds: list[str]) -> None:
    devices = [
        replace(
            device(f"sd{number}", OTHER if kind == "other" else DISK),
            slaves=("sdz",) if kind == "built" else (),
        )
        for number, kind in enumerate(kinds)
    ]
    known = {"dead": DEAD, "waiting": WAITING}
    faults = {f"sd{number}": known[kind] for number, kind in enumerate(kinds) if kind in known}
    able = [one for one, kind in zip(devices, kinds, strict=True) if kind in ("live", "waiting")]
    if len(able) > 1:
        with pytest.raises(DeviceAmbiguous):
            choose(devices, DISK, faults)
    else:
        assert choose(devices, DISK, faults) is (able[0] if able else None)


def test_what_cannot_be_read_is_another_error_than_what_is_not_there() -> None:
    devices = [device("sdb", DISK)]
    lost = missing([DISK], devices, {"sdb": DEAD}, 3.0)
    assert isinstance(lost, DeviceLost)
    assert "/dev/sdb" in lost.message
    assert "its state is offline" in lost.message
    assert lost.details["unreadable"][0]["dead"]
    assert isinstance(missing([DISK, OTHER], devices, {"sdb": DEAD}, 3.0), DeviceNotFound)
    assert isinstance(missing([OTHER], devices, {}, 3.0), DeviceNotFound)


@given(
    st.lists(
        st.lists(st.sampled_from([DISK, SHORT, TWIN, OTHER, OTHER[:20], "x", ""]), max_size=3)
    ),
    st.sampled_from([DISK, SHORT, TWIN, OTHER, OTHER[:20]]),
)
def test_an_index_leaves_out_nobody(shown: list[list[str]], wanted: str) -> None:
    devices = [device(f"sd{number}", *serials) for number, serials in enumerate(shown)]
    assert candidates(near(by_serial(devices), wanted), wanted) == candidates(devices, wanted)


MOUNTINFO = (
    "24 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
    "30 24 8:17 / /mnt/with\\040space rw - xfs /dev/sdb1 rw\n"
    "31 24 0:40 / /btrfs rw master:1 shared:2 - btrfs /dev/sdc rw\n"
    "short line\n"
)


@pytest.mark.parametrize(
    ("name", "number", "partitions", "uses"),
    [
        ("sda", "8:0", (("/dev/sda2", "8:2"),), ("mounted on /",)),
        ("sdb", "8:16", (("/dev/sdb1", "8:17"),), ("mounted on /mnt/with space",)),
        ("sdb", "8:16", (), ()),
        ("sdc", "8:32", (), ("mounted on /btrfs",)),
        ("sdd", "8:48", (), ()),
    ],
)
def test_mount_uses(
    name: str, number: str, partitions: tuple[tuple[str, str], ...], uses: tuple[str, ...]
) -> None:
    found = BlockDevice(name, f"/dev/{name}", number, partitions=partitions)
    assert mount_uses(parse_mounts(MOUNTINFO), found) == uses


def test_devices_below_a_mount_count_though_it_shows_a_number_of_its_own() -> None:
    [shown] = parse_mounts("43 27 0:39 / / rw - btrfs /dev/mapper/system-root rw\n")
    below = device("dm-0", number="253:0")
    assert is_made_up(shown.number)
    assert mount_uses([shown], below) == ()
    found = replace(shown, devices=shown.devices | {"253:0"})
    assert mount_uses([found, replace(found, point="")], below) == (
        "mounted on /",
        "in a mounted btrfs",
    )
    assert not is_made_up("8:1")


def test_swap_uses() -> None:
    swaps = (
        "Filename\tType\tSize\tUsed\tPriority\n/dev/sda1 partition 1024 0 -2\n/swap file 1 0 -3\n"
    )
    disk = BlockDevice("sda", "/dev/sda", "8:0", partitions=(("/dev/sda1", "8:1"),))
    assert swap_uses(swaps, disk) == ("swap on /dev/sda1",)
    assert swap_uses(swaps, device("sdb")) == ()
    assert swap_uses("", disk) == ()


def test_refusals_name_what_they_refuse() -> None:
    disk = device("sda", DISK)
    check_size(disk, DISK, 512, 512)
    check_unused(disk, DISK, ())
    with pytest.raises(DeviceMismatch, match="has 512 bytes; expected 1024"):
        check_size(disk, DISK, 512, 1024)
    with pytest.raises(DeviceBusy, match="held by dm-0"):
        check_unused(disk, DISK, ("held by dm-0",))
    error = not_found([DISK], [device("sdb", OTHER)], 1.25)
    assert DISK in error.message
    assert OTHER in error.message
    assert "1.2 s" in error.message
    assert error.details["missing"] == [DISK]
    assert "Serials seen: none" in not_found([DISK], [], 0.0).message
