# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/engine.md agree with what a real engine was recorded to answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from player.scenes import Question
from support.refusals import RAW, RECORDED, Row, detail_of, question_of, scene_of

from lab.engine.events import TEXTS

PAGE = (Path(__file__).resolve().parents[2] / "docs/engine.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, list[str]]:
    """Return the cells of a section's table by their first cell; a row "as row N" has the text of that row."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return {cells[0]: cells[1:] for cells in lines[1:]}


def texts(cell: str) -> list[re.Pattern[str]]:
    """Return what a text of the engine may contain; dots stand for what differs."""
    pieces = re.findall(r"`([^`]+)`", cell)
    return [re.compile(".*".join(map(re.escape, one.split("…"))), re.DOTALL) for one in pieces]


ATTACH, DETACH = table("Refusals of an attach"), table("Refusals of a detach")
ASKED = [row for row in RECORDED if row.reason not in (RAW, "unknown")]


@pytest.mark.parametrize("row", ASKED, ids=str)
def test_a_refusal_is_as_the_page_says(row: Row) -> None:
    question = question_of(row)
    rows = DETACH if question.method == "DELETE" else ATTACH
    _refused, status, text = rows[row.number]
    again = re.fullmatch(r"as row (\w+)", text)
    told = detail_of(question.answer or "")
    assert question.status == int(status)
    assert any(one.search(told) for one in texts(rows[again[1]][2] if again else text)), told


def test_a_hosts_code_has_the_text_that_the_page_says() -> None:
    codes = {
        code: re.compile("|".join(one.pattern for one in texts(cells[0])))
        for key, cells in table("While the host plugs").items()
        for code in re.findall(r"-?\d+", key)
    }
    asked = [
        (match[1], one)
        for one in scene_of("detach-3").steps
        if isinstance(one, Question)
        for match in [re.fullmatch(r"host says (-?\d+) to the (?:un)?plug", one.title)]
        if match
    ]
    assert {code for code, _one in asked} <= set(codes)
    assert len(asked) >= 12
    for code, one in asked:
        assert one.status == 400
        assert codes[code].search(detail_of(one.answer or "")), one.title


def test_the_lab_knows_every_event_of_the_page() -> None:
    named = {int(code) for key in table("Events") for code in re.findall(r"\d+", key)}
    assert len(named) >= 20
    assert named <= set(TEXTS)
