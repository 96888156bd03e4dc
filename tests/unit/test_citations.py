# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Citations: everything that a comment, a docstring or a guide refers to is in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "docs/engine.md"
SCENES = ROOT / "tests/lab_tests/recorded"
REFUSALS = ROOT / "tests/support/refusals.py"
TREES = ("plugins", "roles", "playbooks", "tests", "tools", "docs", "extensions", "changelogs")
KINDS = {".py", ".yml", ".yaml", ".md", ".toml", ".j2", ".sh", ""}

_CITATION = re.compile(r"\bengine\.md#([\w-]+)")
_DOCUMENT = re.compile(r"(?<![\w/.-])((?:[\w.-]+/)*[\w-]+\.md)\b")
_OUTSIDE = re.compile(
    r"\b(?:contract|design),? sections?\b|\bsections? \d|\bcontract,? \d|\brule G\d|\d of the contract"
)
_EVIDENCE = re.compile(r"^(?:Recorded|Seen|Source|Deduced): ", re.MULTILINE)
_RECORDED = re.compile(
    r"^Recorded: (.*?)(?=\b(?:Seen|Source|Deduced): |\Z)", re.DOTALL | re.MULTILINE
)
_SCENE = re.compile(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`")
_ROW = re.compile(r"^\| (\d+[a-c]?) \|", re.MULTILINE)


@cache
def files() -> tuple[Path, ...]:
    """Return every text of the repository, but for this one, which names what it looks for."""
    found = [path for tree in TREES for path in (ROOT / tree).rglob("*")]
    found += [*ROOT.glob("*.md"), *ROOT.glob("*.py"), ROOT / "Makefile"]
    return tuple(
        path
        for path in found
        if path.is_file()
        and path.suffix in KINDS
        and "__pycache__" not in path.parts
        and path != Path(__file__).resolve()
    )


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def sections() -> dict[str, str]:
    """Return the sections of the page by their anchors, as the usual web views make them."""
    parts = re.split(r"^## (.+)$", text_of(ENGINE), flags=re.MULTILINE)[1:]
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-"): body
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }


def citations() -> Iterator[tuple[str, str]]:
    for path in files():
        for anchor in _CITATION.findall(text_of(path)):
            yield str(path.relative_to(ROOT)), anchor


def test_every_citation_leads_to_a_section() -> None:
    known = sections()
    assert [(file, anchor) for file, anchor in citations() if anchor not in known] == []


def test_every_section_is_cited() -> None:
    """The page has what something relies on, and no more."""
    cited = {anchor for file, anchor in citations() if file != "docs/engine.md"}
    assert set(sections()) - cited == set()


def test_code_and_lab_cite_the_page() -> None:
    cited = {file.split("/")[0] for file, _anchor in citations()}
    assert {"plugins", "tests"} <= cited


def test_nothing_outside_the_repository_is_cited() -> None:
    """A number names no section of ours: guides may number their own steps."""
    found = [
        (str(path.relative_to(ROOT)), match.group())
        for path in files()
        if path.suffix != ".md"
        for match in _OUTSIDE.finditer(text_of(path))
    ]
    assert found == []


def test_every_document_that_is_named_exists() -> None:
    names = {path.name for path in files() if path.suffix == ".md"}
    missing = [
        (str(path.relative_to(ROOT)), name)
        for path in files()
        for name in _DOCUMENT.findall(text_of(path))
        if name.rpartition("/")[2] not in names
    ]
    assert missing == []


@pytest.mark.parametrize("anchor", sections())
def test_every_section_has_its_evidence(anchor: str) -> None:
    assert _EVIDENCE.search(sections()[anchor])


@pytest.mark.parametrize("anchor", sections())
def test_recorded_scenes_exist(anchor: str) -> None:
    known = {path.stem for path in SCENES.glob("*.jsonl")}
    claimed = {
        scene for part in _RECORDED.findall(sections()[anchor]) for scene in _SCENE.findall(part)
    }
    assert claimed <= known
    assert claimed or "Recorded: " not in sections()[anchor]


def test_every_scene_proves_something() -> None:
    named = set(_SCENE.findall(text_of(ENGINE)))
    assert {path.stem for path in SCENES.glob("*.jsonl")} <= named


def test_rows_of_the_refusals_are_those_of_the_page() -> None:
    """The tests' table of refusals calls its rows by the numbers of the page."""
    known = sections()
    table = text_of(REFUSALS)
    attach, detach = table.split("\n_DETACH = (")
    for part, anchor in ((attach, "attach"), (detach, "detach")):
        used = set(re.findall(r'_rows\(\s*(?:\*\()?"(\w+)"', part))
        assert len(used) >= 7
        assert used <= set(
            _ROW.findall(known[f"refusals-of-{'an' if anchor == 'attach' else 'a'}-{anchor}"])
        )
