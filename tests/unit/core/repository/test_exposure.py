# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories let others redirect what root writes."""

from __future__ import annotations

import stat

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    exposure,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.exposure import (
    Passed,
)

DIR, LINK = stat.S_IFDIR, stat.S_IFLNK


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (Passed("/a", 0, DIR | 0o755), ()),
        (Passed("/a", 0, DIR | 0o700, holds=True), ()),
        (Passed("/a", 0, DIR | 0o775), ("/a (mode 0775)",)),
        (Passed("/a", 0, DIR | 0o757, holds=True), ("/a (mode 0757)",)),
        (Passed("/a", 0, DIR | 0o1777), ()),
        (Passed("/a", 0, DIR | 0o1777, holds=True), ("/a (mode 01777)",)),
        (Passed("/a", 7, DIR | 0o700), ("/a (owner 7)",)),
        (Passed("/a", 0, LINK | 0o777), ()),
        (Passed("/a", 7, LINK | 0o777), ("/a (owner 7)",)),
    ],
)
def test_reasons(one: Passed, found: tuple[str, ...]) -> None:
    assert exposure.reasons([one, one]) == found


def test_the_refusal_shows_a_few_and_has_all() -> None:
    exposure.check("/r", ())
    few, many = ("/a (owner 7)",), tuple(f"/{number} (owner 7)" for number in range(7))
    with pytest.raises(Refused, match=r"directories of /r: /a \(owner 7\)\.$"):
        exposure.check("/r", few)
    with pytest.raises(Refused, match=r"/4 \(owner 7\) and 2 more\.$") as caught:
        exposure.check("/r", many)
    assert caught.value.details == {"exposed": list(many)}
    assert "chown" in caught.value.hint
