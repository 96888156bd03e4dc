# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m player [DIRECTORY] [SCENE ...]``: what a real engine was asked, asked of the lab.

The last line counts; the exit status is 1 if any answer is different or an excuse is idle.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from player import excused
from player.play import Excuses, Result, play
from player.scenes import Scene, load_all

RECORDED = Path(__file__).resolve().parent.parent / "lab_tests/recorded"
SHOWN = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Play, tell what differs, and count."""
    parser = argparse.ArgumentParser(prog="player", description=__doc__)
    parser.add_argument("--recordings", type=Path, default=RECORDED)
    parser.add_argument("--verbose", action="store_true", help="every difference of an answer")
    parser.add_argument("scenes", nargs="*", help="names; all that do not speak API 3.x if none")
    given = parser.parse_args(argv)
    found = load_all(given.recordings)
    chosen = [one for one in found if _chosen(one, given.scenes)]
    if not chosen:
        print(f"no scenes in {given.recordings}", file=sys.stderr)  # noqa: T201  talks to a person
        return 2
    excuses = Excuses()
    results: list[Result] = []
    for scene in chosen:
        results += _told(play(scene, excuses), given.verbose)
    return _summary(results, found, chosen, excuses)


def _chosen(scene: Scene, names: Sequence[str]) -> bool:
    return scene.name in names if names else not scene.legacy


def _told(results: list[Result], verbose: bool) -> list[Result]:
    for result in results:
        if result.verdict != "different":
            continue
        _say(f"{result.scene}: {result.title}")
        for one in result.differences[: None if verbose else SHOWN]:
            _say(f"    {one}")
        if not verbose and len(result.differences) > SHOWN:
            _say(f"    and {len(result.differences) - SHOWN} more")
    return results


def _summary(
    results: Sequence[Result], found: Sequence[Scene], chosen: Sequence[Scene], excuses: Excuses
) -> int:
    count = Counter(result.verdict for result in results)
    missing = sum(
        any(one.path == "not in the lab" for one in result.differences) for result in results
    )
    legacy = [scene for scene in found if scene.legacy and scene not in chosen]
    everything = len(chosen) == sum(not scene.legacy for scene in found)
    idle = excuses.idle(chosen) if everything else []
    for entry in idle:
        _say(f"excused, and no longer different: {entry}")
    if len(excuses.elements) > excused.MOST:
        _say(f"{len(excuses.elements)} elements are excused, more than {excused.MOST}")
    _say(f"of API 3.x, not played: {sum(scene.questions for scene in legacy)} questions")
    _say(f"not in the lab (501): {missing} questions")
    verdicts = ", ".join(f"{count[one]} {one}" for one in ("equal", "excused", "different"))
    _say(f"{len(results)} questions, {verdicts}")
    crowded = len(excuses.elements) > excused.MOST
    return 1 if count["different"] or idle or crowded else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  talks to a person


if __name__ == "__main__":
    sys.exit(main())
