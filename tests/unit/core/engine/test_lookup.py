# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects by exact name, or an error that lists what exists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.samples import DISKS, snapshot_disk

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    InvalidRequest,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.lookup import (
    require_single,
    searchable_name,
    select_disks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    is_uuid,
)

SYSTEM = snapshot_disk(DISKS[0], alias="system")
DATA = snapshot_disk(DISKS[1], alias="data")
TWIN = snapshot_disk(DISKS[2], alias="data")


@pytest.mark.parametrize("name", ["web01", "web-01_a.b+c", "größe", "a b", "or", "123"])
def test_names_that_can_be_looked_up(name: str) -> None:
    assert searchable_name(name, "VM") == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "*", "web*", 'a"', "a'", "a\\", "a=b", "a<b", "a>b", "!a", "(a", "a)", "a\nb", "a\0"],
)
def test_names_with_search_syntax_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        searchable_name(name, "VM")
    assert repr(name) in caught.value.message
    assert "VM" in caught.value.message
    assert caught.value.details == {"name": name}


@given(st.text(max_size=30))
def test_no_name_gets_through_with_anything_that_could_end_its_quotes(name: str) -> None:
    try:
        searchable_name(name, "VM")
    except InvalidRequest:
        return
    assert not set(name) & set("*\"'\\=<>!()\n\r\t")
    assert name.strip()


def test_require_single() -> None:
    assert require_single("VM", "a", [1], lambda one: {"id": str(one)}) == 1


def test_none_is_an_error_that_says_what_there_is() -> None:
    known = [f"vm{number:02}" for number in range(30)]
    with pytest.raises(NotFound) as caught:
        require_single("VM", "a", [], lambda one: {"id": str(one)}, reversed(known))
    assert caught.value.message == "There is no VM 'a'."
    assert caught.value.hint == f"There are: {', '.join(known[:20])}."
    assert caught.value.details == {"name": "a"}


def test_none_where_nothing_is_known() -> None:
    with pytest.raises(NotFound) as caught:
        require_single("VM", "a", [], lambda one: {"id": str(one)})
    assert caught.value.hint == ""


def test_several_are_an_error_that_lists_them() -> None:
    with pytest.raises(Ambiguous) as caught:
        require_single("VM", "a", [1, 2], lambda one: {"id": str(one), "name": "a"})
    assert caught.value.message == "More than one VM is named 'a': 1, 2."
    assert caught.value.details["matches"] == [{"id": "1", "name": "a"}, {"id": "2", "name": "a"}]


def test_disks_by_id_or_name_each_once_in_the_order_asked_for() -> None:
    disks = (SYSTEM, DATA)
    assert select_disks(disks, []) == disks
    assert select_disks(disks, ["data", "system", DISKS[1]]) == (DATA, SYSTEM)
    assert select_disks((SYSTEM, DATA, TWIN), [DISKS[2]]) == (TWIN,)
    assert select_disks(disks, [DISKS[1].upper()]) == (DATA,)


def test_an_id_is_an_id_even_if_another_disk_has_it_as_its_name() -> None:
    impostor = snapshot_disk(DISKS[3], alias=DISKS[0])
    assert select_disks((impostor, SYSTEM), [DISKS[0]]) == (SYSTEM,)


@pytest.mark.parametrize("word", ["", "Data", "dat", "data*", DISKS[4]])
def test_disks_that_are_not_there(word: str) -> None:
    with pytest.raises(NotFound, match="disk of this snapshot") as caught:
        select_disks((SYSTEM, DATA), [word])
    assert caught.value.hint == "There are: data, system."


def test_two_disks_of_one_name() -> None:
    with pytest.raises(Ambiguous) as caught:
        select_disks((SYSTEM, DATA, TWIN), ["data"])
    assert [one["id"] for one in caught.value.details["matches"]] == [DISKS[1], DISKS[2]]


@given(st.lists(st.sampled_from([*DISKS, "system", "data", "other"]), max_size=4))
def test_never_a_disk_that_was_not_asked_for(words: list[str]) -> None:
    disks = (SYSTEM, DATA, snapshot_disk(DISKS[3], alias="spare"))
    try:
        chosen = select_disks(disks, words)
    except NotFound:
        return
    assert len(set(chosen)) == len(chosen)
    for disk in chosen:
        assert not words or disk.disk_id in words or disk.alias in words


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (DISKS[0], True),
        (DISKS[0].upper(), True),
        (DISKS[0][:-1], False),
        (DISKS[0] + "0", False),
        (DISKS[0] + "\n", False),
        (DISKS[0].replace("-", ""), False),
        ("", False),
        ("web01", False),
    ],
)
def test_is_uuid(text: str, is_one: bool) -> None:
    assert is_uuid(text) is is_one
