# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress never goes back or promises the impossible; lines are short and few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import progress
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.progress import (
    Progress,
)

GIB = 1 << 30
sizes = st.integers(1, 1 << 50)
moments = st.lists(
    st.tuples(st.integers(-(1 << 40), 1 << 52), st.floats(-1e6, 1e6)), min_size=1, max_size=30
)


@given(sizes, sizes, moments)
def test_whatever_is_told_the_progress_makes_sense(
    size: int, work: int, told: list[tuple[int, float]]
) -> None:
    now = Progress(size, work)
    for done, at in told:
        after = progress.advance(now, done, at)
        assert now.done <= after.done <= work
        assert now.percent <= after.percent <= 100
        assert after.at >= now.at
        assert after.rate is None or after.rate >= 0
        assert after.seconds_left is None or after.seconds_left >= 0
        assert (after.percent == 100) == (after.done == work)
        facts = after.to_dict()
        assert facts["seconds_left"] is None or facts["seconds_left"] >= 0
        assert progress.line("vm", facts).startswith(f"vm: {after.percent} % of ")
        now = after


@given(st.integers(1 << 12, 1 << 40), st.floats(0.1, 100), st.integers(2, 50))
def test_a_steady_copy_has_a_steady_rate(rate: int, step: float, steps: int) -> None:
    """From 4 KiB a second on: of a byte a second, whole bytes tell no rate."""
    work = int(rate * step * steps * 2)
    now = Progress(work, work)
    for number in range(1, steps + 1):
        now = progress.advance(now, int(rate * step * number), step * number)
    assert now.rate == pytest.approx(rate, rel=0.01, abs=2 / step)
    assert now.seconds_left == pytest.approx((work - now.done) / rate, rel=0.05, abs=1 + step)


def test_a_stall_lowers_the_rate_slowly() -> None:
    now = progress.advance(Progress(GIB, GIB), GIB // 2, 10.0)
    later = progress.advance(now, GIB // 2, 20.0)
    assert now.rate is not None
    assert later.rate is not None
    assert 0.6 * now.rate < later.rate < 0.8 * now.rate


def test_nothing_to_do_is_done() -> None:
    assert Progress(0, 0).to_dict() == {
        "percent": 100,
        "bytes_total": 0,
        "rate": None,
        "seconds_left": 0,
    }


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("    (0.00/100%)\r", 0.0),
        ("    (1.01/100%)\r    (45.50/100%)\r", 0.455),
        ("    (100.00/100%)\r\n", 1.0),
        ("0%)\r    (7.0/100%)\r   (8.", 0.07),
        ("(130.00/100%)", 1.0),
        ("", None),
        ("qemu-img: warning", None),
    ],
)
def test_what_qemu_img_prints(text: str, fraction: float | None) -> None:
    assert progress.parse_fraction(text) == (
        None if fraction is None else pytest.approx(fraction, abs=1e-9)
    )


@given(st.text())
def test_anything_may_be_printed(text: str) -> None:
    found = progress.parse_fraction(text)
    assert found is None or 0 <= found <= 1


def test_lines() -> None:
    facts: dict[str, int | None] = {
        "percent": 45,
        "bytes_total": 100 * GIB,
        "rate": 210 << 20,
        "seconds_left": 260,
    }
    assert progress.line("web01", facts) == (
        "web01: 45 % of 100.0 GB, 210.0 MB/s, about 4 min left"
    )
    facts = {"percent": 0, "bytes_total": 512, "rate": None, "seconds_left": None}
    assert progress.line("web01", facts) == "web01: 0 % of 512 B"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "about 1 min"),
        (3599, "about 60 min"),
        (3600, "about 1 h"),
        (7 * 3600 + 599, "about 7 h 10 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        ((1 << 20) - 1, "1.0 MB"),
        (3 << 40, "3.0 TB"),
        (1 << 62, "4096.0 PB"),
    ],
)
def test_amounts(count: int, words: str) -> None:
    assert progress.amount(count) == words


def test_lines_become_rare() -> None:
    gaps = [progress.gap(number) for number in range(20)]
    assert gaps[0] == 10
    assert gaps == sorted(gaps)
    assert gaps[-1] == 300
    assert sum(progress.gap(number) for number in range(100)) > 8 * 3600 - 1500, "a night's copy"
