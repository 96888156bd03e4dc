# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m player [DIRECTORY] [SCENE ...]``: put the recorded questions for a real engine to the lab.

The last line has the totals; the exit status is 1 if any answer is different or an excuse is
unused.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from player import excused
from player.play import Excuses, Result, play
from player.scenes import Scene, SceneError, load_all

RECORDED = Path(__file__).resolve().parent.parent / "lab_tests/recorded"
SHOWN = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Play, tell what differs, and count."""
    parser = argparse.ArgumentParser(prog="player", description=__doc__)
    parser.add_argument("--recordings", type=Path, default=RECORDED)
    parser.add_argument("--verbose", action="store_true", help="every difference of an answer")
    parser.add_argument("scenes", nargs="*", help="names; all that do not speak API 3.x if none")
    given = parser.parse_args(argv)
    try:
        found = load_all(given.recordings)
    except SceneError as problem:
        _say(str(problem))
        return 2
    chosen = [one for one in found if _chosen(one, given.scenes)]
    if not chosen:
        _say(f"no scenes in {given.recordings}")
        return 2
    excuses = Excuses()
    results: list[Result] = []
    for scene in chosen:
        results += play(scene, excuses)
        _tell(results, scene, given.verbose)
    legacy = sum(scene.questions for scene in found if scene.legacy and scene not in chosen)
    _tell_excuses(excuses)
    _say(f"of API 3.x, not played: {legacy} questions")
    return _summary(results, _complaints(chosen, excuses))


def _chosen(scene: Scene, names: Sequence[str]) -> bool:
    return scene.name in names if names else not scene.legacy


def _tell(results: Sequence[Result], scene: Scene, verbose: bool) -> None:
    """Show what differs in a scene."""
    for result in results:
        if result.scene != scene.name or result.verdict != "different":
            continue
        _say(f"{result.scene}: {result.key}")
        for one in result.differences[: None if verbose else SHOWN]:
            _say(f"    {one}")
        if not verbose and len(result.differences) > SHOWN:
            _say(f"    and {len(result.differences) - SHOWN} more")


def _tell_excuses(excuses: Excuses) -> None:
    """Name what was excused, with the reason."""
    for entry in sorted(set(excuses.elements) & excuses.used):
        _say(f"excused: {entry}: {excuses.elements[entry]}")
    for key in sorted(set(excuses.steps) & excuses.used):
        _say(f"excused: {key[0]}: {key[1]}: {excuses.steps[key]}")


def _complaints(chosen: Sequence[Scene], excuses: Excuses) -> list[str]:
    """Return what is wrong with the table of excuses. Elements are judged where all our own scenes were played."""
    idle = excuses.idle_steps(chosen)
    ours = {path.stem for path in RECORDED.glob("*.jsonl") if not path.stem.startswith("v3-")}
    if {scene.name for scene in chosen} >= ours:
        idle += excuses.idle_elements()
    found = [f"excused, and no longer different: {entry}" for entry in idle]
    if len(excuses.elements) > excused.MOST:
        found.append(f"{len(excuses.elements)} elements are excused, {excused.MOST} may be")
    return found


def _summary(results: Sequence[Result], complaints: Sequence[str]) -> int:
    for complaint in complaints:
        _say(complaint)
    count = Counter(result.verdict for result in results)
    _say(f"not in the lab (501): {sum(result.missing for result in results)} questions")
    verdicts = ", ".join(f"{count[one]} {one}" for one in ("equal", "excused", "different"))
    _say(f"{len(results)} questions, {verdicts}")
    return 1 if count["different"] or complaints else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  talks to a person


if __name__ == "__main__":
    sys.exit(main())
