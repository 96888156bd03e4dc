# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in the repository, whatever the name of a VM is."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming

VM = "5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11"
DISK = "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10"
RUN = ("2026-11-23T01:02:03Z", "4f0c2a91d7be")

anything = st.text(st.characters(), max_size=400)
"""Lone surrogates and NUL included."""


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("web01", "web01"),
        ("web-01_a.b", "web-01_a.b"),
        ("", "%"),
        ("%", "%25"),
        ("~", "%7E"),
        (".", "%2E"),
        ("..", "%2E."),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("-rf", "%2Drf"),
        ("a\nb", "a%0Ab"),
        ("a b", "a%20b"),
        ("é", "%C3%A9"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_escape(name: str, escaped: str) -> None:
    assert naming.escape(name) == escaped
    assert naming.unescape(escaped) == name


@given(anything)
@example("a" * 218)
@example("a" * 219)
@example("é" * 100)
def test_a_name_is_one_safe_path_component(name: str) -> None:
    directory = naming.vm_directory(name, VM)
    assert re.fullmatch(r"[0-9A-Za-z_%][0-9A-Za-z_.%~-]*", directory)
    assert len(directory.encode()) <= naming.NAME_LIMIT
    split = naming.split_vm_directory(directory)
    assert split is not None
    assert split[1] == VM
    assert split[0] in (name, None)
    # Only a name that does not fit is cut.
    fits = sum(1 if char.isascii() and re.match(r"[0-9A-Za-z_]", char) else 12 for char in name)
    assert split[0] == name or fits > 218


@given(anything, anything)
def test_different_names_have_different_directories(one: str, other: str) -> None:
    assume(one != other)
    assert naming.escape(one) != naming.escape(other)


@given(st.text(st.characters(), min_size=230, max_size=300), st.text(min_size=1, max_size=3))
def test_names_that_differ_only_where_they_are_cut(name: str, tail: str) -> None:
    assert naming.escape(name) != naming.escape(name + tail)


@given(anything)
def test_unescape_accepts_only_what_escape_makes(text: str) -> None:
    name = naming.unescape(text)
    assert name is None or naming.escape(name) == text


@pytest.mark.parametrize("directory", ["web01", f".{VM}", VM, f"web01.{VM.upper()}", "lost+found"])
def test_other_directories_are_no_vm(directory: str) -> None:
    assert naming.split_vm_directory(directory) is None


def test_set_names() -> None:
    names = naming.set_names("/backup/", ("web 01", VM), RUN, ((DISK, "qcow2"),))
    assert names.vm_directory == f"/backup/web%2001.{VM}"
    assert names.path == f"/backup/web%2001.{VM}/20261123T010203Z.4f0c2a91d7be"
    assert names.disks == (naming.DiskFile(DISK, f"{DISK}.qcow2", f"{names.path}/{DISK}.qcow2"),)


@given(anything, st.sampled_from(["/", "/backup", "/backup/", "/srv/a.b"]))
def test_the_path_of_a_set_comes_apart_into_its_names(name: str, repository: str) -> None:
    names = naming.set_names(repository, (name, VM), RUN, ())
    found = naming.SetPath.parse(names.path)
    assert found.is_set
    assert (found.path, found.above) == (names.path, names.vm_directory)
    assert found.repository == (repository.rstrip("/") or "/")
    assert found.run == RUN
    assert found.vm is not None
    assert found.vm[1] == VM
    assert found.vm[0] in (name, None)


@given(st.lists(st.text("ab.", min_size=1), min_size=2, max_size=5))
def test_any_path_comes_together_again(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    found = naming.SetPath.parse(path)
    assert found.path == path
    assert not found.is_set


@pytest.mark.parametrize(
    ("vm_id", "time", "run_id", "disks"),
    [
        ("../" + VM[3:], *RUN, (DISK,)),
        (VM + "\n", *RUN, (DISK,)),
        (VM, "2026-11-23 01:02:03", RUN[1], (DISK,)),
        (VM, "2026-11-23T01:02:03+02:00", RUN[1], (DISK,)),
        (VM, RUN[0], "", (DISK,)),
        (VM, RUN[0], "../x", (DISK,)),
        (VM, RUN[0], "-x", (DISK,)),
        (VM, RUN[0], "x" * 65, (DISK,)),
        (VM, *RUN, ("disk1",)),
        (VM, *RUN, (DISK, DISK)),
    ],
)
def test_what_is_no_id_or_time_is_refused(
    vm_id: str, time: str, run_id: str, disks: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidRequest):
        naming.set_names(
            "/backup", ("vm", vm_id), (time, run_id), tuple((disk, "raw") for disk in disks)
        )
