# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded scenes as data: what exists at first, and the steps, each with the engine's answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = Any


class SceneError(Exception):
    """A scene holds a key or a word that the player does not know."""


@dataclass(frozen=True)
class Question:
    """A request as it was sent, and the engine's answer to it."""

    title: str
    user: str | None
    method: str
    path: str
    headers: Mapping[str, str | None]
    body: str | None
    save: Mapping[str, str]
    status: int
    answer_headers: Mapping[str, str]
    answer: str
    raw: bool = False
    begin: str | None = None
    any_order: str | None = None
    body_from: Mapping[str, Any] | None = None
    key: str = ""
    """The title, numbered from the second of its kind on: unique in a scene."""


@dataclass(frozen=True)
class Wait:
    """Poll a path until an element has one of these texts; None waits for 404."""

    path: str
    element: str
    wanted: tuple[str, ...] | None
    user: str = "admin"


@dataclass(frozen=True)
class Arrange:
    """Something done behind the API, by its word."""

    word: str
    values: Mapping[str, Any]


Step: TypeAlias = Question | Wait | Arrange


@dataclass(frozen=True)
class Scene:
    """One recorded scene."""

    name: str
    world: Mapping[str, Any]
    steps: tuple[Step, ...]

    @property
    def legacy(self) -> bool:
        """Whether the scene speaks API 3.x."""
        return self.name.startswith("v3-")

    @property
    def questions(self) -> int:
        """How many questions it puts."""
        return sum(isinstance(step, Question) for step in self.steps)


def load(path: Path) -> Scene:
    """Read a scene.

    Raises:
        SceneError: A line has a key that the player does not know.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    head, world, steps = rows[0], rows[1], rows[2:]
    if set(head) - {"adapters"} != {"scene", "engine", "about"} or set(world) != {"world"}:
        raise SceneError(f"{path.name}: the first two lines are a head and a world")
    return Scene(str(head["scene"]), world["world"], tuple(_keyed(_step(row) for row in steps)))


def load_all(directory: Path) -> list[Scene]:
    """Read every scene of a directory, by name."""
    return [load(path) for path in sorted(directory.glob("*.jsonl"))]


def _keyed(steps: Iterable[Step]) -> Iterator[Step]:
    seen: Counter[str] = Counter()
    for step in steps:
        if isinstance(step, Question):
            seen[step.title] += 1
            number = seen[step.title]
            yield replace(step, key=step.title if number == 1 else f"{step.title} #{number}")
        else:
            yield step


def _step(row: dict[str, Json]) -> Step:
    if "wait" in row:
        return _wait(row)
    if "arrange" in row:
        return Arrange(str(row["arrange"]), {k: v for k, v in row.items() if k != "arrange"})
    known = {one.name for one in fields(Question)} - {"key"}
    if not set(row) <= known:
        raise SceneError(f"a question with {sorted(set(row) - known)}")
    return Question(**{**row, "answer": row["answer"] or "", "save": row["save"] or {}})


def _wait(row: dict[str, Json]) -> Wait:
    if not set(row) <= {"wait", "for_", "is_", "user"}:
        raise SceneError(f"a wait with {sorted(row)}")
    wanted = row["is_"]
    texts = None if wanted is None else (wanted,) if isinstance(wanted, str) else tuple(wanted)
    return Wait(str(row["wait"]), row["for_"] or "", texts, row.get("user") or "admin")
