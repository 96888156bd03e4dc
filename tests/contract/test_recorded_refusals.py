# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded refusals of an attach and a detach, as the port reports them (docs/engine.md#refusals-of-an-attach)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial

import pytest
from player.client import PASSWORD
from player.names import Names
from player.scenes import Question
from support.refusals import (
    RAW,
    RECORDED,
    Row,
    detail_of,
    fault_of,
    put,
    question_of,
    scene_of,
    stage_of,
)
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineConflict,
    EngineFault,
)


@dataclass(frozen=True)
class Played:
    """A scene that was played: the names in it, and what the port raised, by the steps' titles."""

    names: Names
    faults: Mapping[str, EngineFault | None]


Asked = Callable[[str], Played]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Recorded scenes by their names; each is played once, its refusals through the port."""

    @cache
    def play(name: str) -> Played:
        raw = {row.title for row in RECORDED if (row.scene, row.reason) == (name, RAW)}
        with stage_of(scene_of(name), tmp_path_factory.mktemp("lab")) as (stage, lab):

            def ask(question: Question) -> EngineFault | None:
                if question.title in raw:
                    stage.send(question)
                    return None
                return fault_of(partial(put, engine, question, stage.names))

            with closing(engine_of(lab, ("admin@internal", PASSWORD))) as engine:
                return Played(stage.names, stage.walk(ask))

    return play


THROUGH = [row for row in RECORDED if row.reason != RAW]


@pytest.mark.behind("states and rows of an engine that was recorded")
@pytest.mark.parametrize("row", THROUGH, ids=str)
def test_a_refusal_is_told_as_what_it_is(asked: Asked, row: Row) -> None:
    played = asked(row.scene)
    fault = played.faults[row.title]
    assert fault is not None, "the engine refused this"
    question = question_of(row)
    told = (fault.details["status"], fault.reason, fault.retryable)
    assert told == (question.status, row.reason, row.retry), fault.message
    assert isinstance(fault, EngineConflict) == (question.status == 409)
    came = fault.details["fault"]["detail"]
    assert played.names.pattern(detail_of(question.answer)).fullmatch(came), came
