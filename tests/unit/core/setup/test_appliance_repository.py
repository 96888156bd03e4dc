# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the repository disk becomes the repository, and when it must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    UnhandledStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import (
    appliance_repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_repository import (
    AddLine,
    DeviceFacts,
    MakeFilesystem,
    MakeMountPoint,
    MountDisk,
    PlaceFacts,
    RepositoryRequest,
    Restrict,
)

PATH = "/srv/backup"
ROOT = PlaceFacts("/", frozenset({"8:1"}), "/dev/sda1", "ext4")
EMPTY = replace(ROOT, is_directory=True, mode=0o755)
MOUNTED = PlaceFacts(PATH, frozenset({"8:16"}), "/dev/sdb", "xfs", is_directory=True, mode=0o700)
BLANK = DeviceFacts("/dev/sdb", "8:16", "", "", "new", blank=True)
MADE = DeviceFacts("/dev/sdb", "8:16", "xfs", "filesystem", "old", blank=None)
ASKED = RepositoryRequest(PATH, "disk")
FORMAT = replace(ASKED, format=True)
LOOK = RepositoryRequest(PATH)
LINE = f"UUID=old {PATH} xfs {appliance_repository.OPTIONS} 0 0"


def kinds(
    request: RepositoryRequest, place: PlaceFacts, device: DeviceFacts | None, fstab: str
) -> list[str]:
    return [
        type(step).__name__ for step in appliance_repository.steps(request, place, device, fstab)
    ]


def test_a_line_may_name_the_disk_in_any_way_that_leads_to_it() -> None:
    for spec, number in (("UUID=old", ""), ("LABEL=mine", "8:16"), ("/dev/disk/by-id/x", "8:16")):
        fstab = f"{spec} {PATH} xfs noauto 0 0\n"
        todo = appliance_repository.steps(ASKED, EMPTY, MADE, fstab, {spec: number}.__getitem__)
        assert [type(step).__name__ for step in todo] == ["MountDisk", "Restrict"]
    assert kinds(ASKED, replace(MOUNTED, owner=(0, 0)), MADE, f"LABEL=mine {PATH} xfs noauto") == []


def test_a_blank_disk_is_made_the_repository() -> None:
    todo = appliance_repository.steps(FORMAT, ROOT, BLANK, "/dev/sda1 / ext4 defaults 0 1\n")
    assert todo == (
        MakeFilesystem("/dev/sdb", "ext4", "new"),
        MakeMountPoint(PATH),
        AddLine(f"UUID=new {PATH} ext4 {appliance_repository.OPTIONS} 0 2"),
        MountDisk(PATH),
        Restrict(PATH),
    )
    state = appliance_repository.after(ROOT, todo, BLANK)
    assert state["made"] == {"device": "/dev/sdb", "filesystem": "ext4"}
    assert (state["mount_point"], state["source"], state["mode"]) == (PATH, "/dev/sdb", "0700")
    assert appliance_repository.describe(ROOT)["mode"] is None


def test_a_disk_with_a_file_system_is_mounted() -> None:
    assert appliance_repository.steps(FORMAT, EMPTY, MADE, "") == (
        AddLine(LINE),
        MountDisk(PATH),
        Restrict(PATH),
    )
    assert kinds(ASKED, EMPTY, MADE, f"{LINE}\n") == ["MountDisk", "Restrict"]


def test_what_is_there_stays_as_it_is() -> None:
    assert kinds(ASKED, MOUNTED, MADE, f"{LINE}\n") == []
    assert kinds(ASKED, MOUNTED, MADE, f"/dev/disk/by-id/x {PATH}/ xfs ro 0 0") == []
    assert kinds(LOOK, MOUNTED, None, "") == []
    assert kinds(LOOK, replace(MOUNTED, mode=0o755), None, "") == ["Restrict"]
    assert kinds(LOOK, replace(MOUNTED, owner=(0, 5)), None, "") == ["Restrict"]
    assert kinds(ASKED, MOUNTED, MADE, "# comment only\n") == ["AddLine"]
    assert kinds(replace(LOOK, require_mount=False), ROOT, None, "") == ["MakeMountPoint"]
    below = replace(MOUNTED, mount_point="/srv", mode=None, is_directory=False)
    assert kinds(LOOK, below, None, "") == ["MakeMountPoint"]


FILE = replace(ROOT, mode=0o644)


@pytest.mark.parametrize(
    ("request_", "place", "device", "fstab", "said"),
    [
        (LOOK, ROOT, None, "", "root file system"),
        (LOOK, EMPTY, None, "", "root file system"),
        (replace(LOOK, require_mount=False), FILE, None, "", "not a directory"),
        (FORMAT, FILE, BLANK, "", "not a directory"),
        (ASKED, ROOT, BLANK, "", "is blank"),
        (FORMAT, ROOT, replace(BLANK, blank=False), "", "data on it"),
        (FORMAT, ROOT, replace(BLANK, blank=None, signature="LVM2_member"), "", "LVM2_member"),
        (FORMAT, ROOT, replace(BLANK, signature="gpt", partitions=("/dev/sdb1",)), "", "partitions"),
        (FORMAT, ROOT, replace(BLANK, uses=("held by dm-0",)), "", "in use"),
        (ASKED, MOUNTED, replace(MADE, path="/dev/sdc", number="8:32"), "", "is mounted, not"),
        (ASKED, EMPTY, MADE, f'UUID="other" {PATH} xfs defaults 0 0', "fstab mounts UUID=other"),
        (ASKED, EMPTY, MADE, f"LABEL=old {PATH} xfs noauto 0 0", "fstab mounts LABEL=old"),
        (FORMAT, EMPTY, BLANK, f"/dev/sdc {PATH} xfs noauto 0 0", "fstab mounts /dev/sdc"),
        (ASKED, MOUNTED, MADE, f"UUID=other {PATH} xfs noauto 0 0", "fstab mounts UUID=other"),
    ],
)  # fmt: skip
def test_refusals(
    request_: RepositoryRequest,
    place: PlaceFacts,
    device: DeviceFacts | None,
    fstab: str,
    said: str,
) -> None:
    with pytest.raises(Refused, match=said):
        appliance_repository.steps(request_, place, device, fstab)


@given(
    st.builds(
        DeviceFacts,
        path=st.just("/dev/sdb"),
        number=st.just("8:16"),
        signature=st.sampled_from(["", "xfs", "LVM2_member", "gpt", "swap"]),
        usage=st.sampled_from(["", "filesystem", "raid", "other"]),
        uuid=st.just("u"),
        blank=st.sampled_from([True, False, None]),
        uses=st.sampled_from([(), ("swap on /dev/sdb",)]),
        partitions=st.sampled_from([(), ("/dev/sdb1",)]),
    ),
    st.booleans(),
)
def test_a_file_system_is_made_on_nothing_but_a_blank_unused_disk(
    device: DeviceFacts, wanted: bool
) -> None:
    try:
        todo = appliance_repository.steps(replace(ASKED, format=wanted), EMPTY, device, "")
    except Refused:
        return
    if any(isinstance(step, MakeFilesystem) for step in todo):
        assert wanted
        assert device.blank
        assert (device.signature, device.uses, device.partitions) == ("", (), ())


@pytest.mark.parametrize("path", ["srv", "/", "/a b", "/a//b", "/a/../b", "/a,b", "/a\\b", "/a/"])
def test_paths_that_fstab_cannot_hold(path: str) -> None:
    with pytest.raises(InvalidRequest, match="plain path"):
        appliance_repository.check_request(RepositoryRequest(path))


def test_options_are_one_word() -> None:
    appliance_repository.check_request(ASKED)
    with pytest.raises(InvalidRequest, match="with commas and without spaces"):
        appliance_repository.check_request(replace(ASKED, options="ro 0 0\n/dev/sda"))


def test_a_line_is_added_on_a_line_of_its_own() -> None:
    assert appliance_repository.with_line("a", "b") == "a\nb\n"
    assert appliance_repository.with_line("a\n", "b") == "a\nb\n"
    assert appliance_repository.with_line("", "b") == "b\n"


def test_a_step_that_leads_to_no_known_state_is_an_error() -> None:
    strange: Any = "shrink the file system"
    with pytest.raises(UnhandledStep, match="shrink"):
        appliance_repository.after(EMPTY, [strange], MADE)
