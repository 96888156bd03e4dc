# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The player does find differences: each former mistake of the lab is put back, one by one, and is noticed.

A deviation is a change of one place in the lab's code, made in a copy of it that the player then
plays to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SECONDS = 120


@dataclass(frozen=True)
class Deviation:
    """What the lab did: the file, the text of today, the text of then, a scene that shows it, and where."""

    what: str
    file: str
    today: str
    then: str
    scene: str
    shown: str


DEVIATIONS = (
    Deviation(
        "a failed creation leaves an id that nothing has",
        "engine/commands/snapshots.py",
        """        del world.snapshots[active.id]
        active.id = snapshot.id
        world.snapshots[active.id] = active
""",
        """        del world.snapshots[snapshot.id]
""",
        "snapshot-failures",
        "status: recorded '200', came '404",
    ),
    Deviation(
        "a creation is answered 202 where the client expects that",
        "engine/resources/common.py",
        "return Response(201, codec.dump(codec.tree(body)), headers=headers)",
        "return Response(202 if asynchronous(call) else 201, codec.dump(codec.tree(body)), headers=headers)",
        "protocol-expect",
        "status: recorded '201', came '202",
    ),
    Deviation(
        "a role on the system shows a VM's events",
        "engine/resources/events.py",
        "        if call.filtered:\n            granted",
        "        if call.filtered and may.SYSTEM not in _granted(call):\n            granted",
        "rights-events",
        "event:",
    ),
    Deviation(
        "the ACTIVE entry stands last in every list",
        "model.py",
        "return sorted(found, key=lambda s: s.date)",
        'return sorted(found, key=lambda s: (s.type == "active", s.date))',
        "snapshot-life",
        "snapshots/order:",
    ),
    Deviation(
        "every checkpoint is listed",
        "model.py",
        "        listed = [row for row in rows if row.parent_id is None]\n",
        "        return rows\n        listed = [row for row in rows if row.parent_id is None]\n",
        "checkpoints",
        "checkpoint:",
    ),
)


def start(deviation: Deviation, root: Path) -> subprocess.Popen[str]:
    """Start the player against a copy of the lab that deviates."""
    copy = root / "lab"
    shutil.copytree(TESTS / "lab", copy, ignore=shutil.ignore_patterns("__pycache__"))
    changed = copy / deviation.file
    code = changed.read_text(encoding="utf-8")
    assert code.count(deviation.today) == 1
    changed.write_text(code.replace(deviation.today, deviation.then), encoding="utf-8")

    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", ""), str(TESTS)])
    argv = [sys.executable, "-B", "-m", "player", deviation.scene]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def players(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All of them at once, since a scene mostly waits for the engine; by what the lab did."""
    with ExitStack() as running:
        started = {}
        for one in DEVIATIONS:
            process = running.enter_context(start(one, tmp_path_factory.mktemp("deviation")))
            running.callback(process.kill)
            started[one.what] = process
        yield started


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda one: one.what)
def test_the_player_sees_what_the_lab_once_did(
    deviation: Deviation, players: dict[str, subprocess.Popen[str]]
) -> None:
    process = players[deviation.what]
    shown, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, errors
    assert deviation.shown in shown
