# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The player of recorded scenes: it sees each kind of difference, and reports excuses that excuse nothing."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from player import excused
from player.__main__ import RECORDED, main
from player.compare import Answered, compare
from player.names import Names
from player.play import Excuses, play
from player.scenes import Question, Scene, SceneError, load

Json: TypeAlias = Any
PRODUCT = Path(__file__).resolve().parents[2] / "plugins/module_utils"
ENGINE = PRODUCT / "_engine"
CONFIGURATION = PRODUCT / "_core/configuration/ovf.py"
SOURCE = "b8f2a9c4-1d3e-4f5a-8b6c-7d8e9f0a1b2c"
OTHER = "11111111-2222-3333-4444-555555555555"
XML = {"content-type": "application/xml;charset=UTF-8"}
SNAPSHOT = (
    '<snapshots><snapshot id="{one}"><description>first</description><date>{date.dddZ}</date></snapshot>'
    '<snapshot id="{two}"><description>second</description><date>{date.dddZ}</date></snapshot></snapshots>'
)
CAME = (
    f'<snapshots><snapshot id="{SOURCE}"><description>first</description>'
    "<date>2026-11-28T18:26:01.123Z</date></snapshot>"
    f'<snapshot id="{OTHER}"><description>second</description><date>2026-11-28T18:26:02.456Z</date></snapshot></snapshots>'
)


def question(answer: str, status: int = 200, **more: Json) -> Question:
    values: dict[str, Json] = {"title": "a question", "user": "admin", "method": "GET"}
    values |= {"path": "/vms", "headers": {}, "body": None, "save": {}, "answer_headers": XML}
    return Question(**{**values, "status": status, "answer": answer, **more})


def paths(asked: Question, came: Answered) -> list[str]:
    names = Names({"one": SOURCE, "two": OTHER})
    return [one.path for one in compare(asked, came, names)]


def test_an_equal_answer_has_no_difference() -> None:
    assert paths(question(SNAPSHOT), Answered(200, XML, CAME)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda text: text.replace(">first<", ">First<"), "snapshot/description"),
        (lambda text: text.replace("01.123Z", "01Z"), "snapshot/date"),
        (lambda text: text.replace("01.123Z", "01.123+01:00"), "snapshot/date"),
        (lambda text: text.replace(SOURCE, "not-an-id"), "snapshot"),
        (
            lambda text: text.replace("<description>second</description>", ""),
            "snapshot/description",
        ),
        (lambda text: text.replace("<date>", "<vm/><date>"), "vm"),
        (lambda text: text.replace(' id="', ' href="/x" id="'), "snapshot/@href"),
    ],
)
def test_a_changed_answer_is_seen(change: Callable[[str], str], path: str) -> None:
    changed = change(CAME)
    assert changed != CAME
    assert path in paths(question(SNAPSHOT), Answered(200, XML, changed))


def test_the_order_of_snapshots_counts() -> None:
    first, second = (
        CAME.removeprefix("<snapshots>").removesuffix("</snapshots>").split("</snapshot>")[:2]
    )
    turned = f"<snapshots>{second}</snapshot>{first}</snapshot></snapshots>"
    assert paths(question(SNAPSHOT), Answered(200, XML, turned)) == ["snapshots/order"]


def test_a_call_that_the_lab_lacks_is_told_apart() -> None:
    assert paths(question("<vms/>"), Answered(501, XML, "<fault/>")) == ["not in the lab"]


@pytest.mark.parametrize("name", ["content-type", "www-authenticate", "correlation-id", "location"])
def test_headers_count(name: str) -> None:
    headers = {**XML, name: "application/xml"}
    assert paths(question("<vms/>"), Answered(200, headers, "<vms/>")) == [f"header/{name}"]


def test_a_fault_is_compared_word_for_word() -> None:
    fault = (
        "<fault><detail>[Cannot attach {one}. It is ${VmName}.]</detail><reason>x</reason></fault>"
    )
    came = fault.replace("{one}", SOURCE)
    asked = question(fault, status=409)
    assert paths(asked, Answered(409, XML, came)) == []
    assert paths(asked, Answered(409, XML, came.replace("It", "it"))) == ["fault/detail"]
    assert paths(asked, Answered(400, XML, came)) == ["status"]


def test_json_tells_numbers_from_texts() -> None:
    kind = {"content-type": "application/json"}
    asked = question('{"time" : {ms}, "active" : "true"}', answer_headers=kind)
    assert paths(asked, Answered(200, kind, '{"time": 1234, "active": "true"}')) == []
    assert paths(asked, Answered(200, kind, '{"time": 1234, "active": true}')) == ["active"]


@pytest.mark.parametrize(
    "row",
    [
        {"world": {"moons": {}}},
        {"world": {"vms": {"src": {"name": "src", "colour": "red"}}}},
    ],
)
def test_an_unknown_key_of_a_world_is_an_error(row: Json) -> None:
    scene = Scene("made-up", row["world"], (question("<vms/>"),))
    [result] = play(scene, Excuses({}, {}))
    assert (result.verdict, result.differences[0].path) == ("different", "scene")


@pytest.mark.parametrize(
    "row", [{"arrange": "full_moon"}, {"arrange": "undo vm_status", "vm": "x"}]
)
def test_an_unknown_word_is_an_error(tmp_path: Path, row: Json) -> None:
    scene = load(written(tmp_path, row, a_question()))
    [result] = play(scene, Excuses({}, {}))
    assert result.verdict == "different"
    assert "SceneError" in result.differences[0].came


def test_an_unknown_key_of_a_step_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="mood"):
        load(written(tmp_path, {**a_question(), "mood": "good"}))


def a_question(**more: Json) -> Json:
    asked: Json = {
        "title": "clusters",
        "user": "admin",
        "method": "GET",
        "path": "/clusters/nouuid",
    }
    asked |= {"headers": {}, "body": None, "save": {}, "status": 404, "answer": ""}
    return {**asked, "answer_headers": {"correlation-id": "{id:1}"}, **more}


def written(directory: Path, *steps: Json) -> Path:
    path = directory / "made-up.jsonl"
    head = {"scene": "made-up", "engine": "none", "about": "a test"}
    rows = [head, {"world": {}}, *steps]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_a_directory_is_played_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, a_question(), a_question(status=200))
    assert main(["--recordings", str(tmp_path)]) == 1
    assert (
        capsys.readouterr().out.splitlines()[-1] == "2 questions, 1 equal, 0 excused, 1 different"
    )
    written(tmp_path, a_question())
    assert main(["--recordings", str(tmp_path)]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1] == "1 questions, 1 equal, 0 excused, 0 different"
    )


def test_an_excused_step_that_writes_is_not_sent() -> None:
    step = question("", method="DELETE", path="/vms/{nothing}", key="remove it")
    scene = Scene("made-up", {}, (step,))
    [result] = play(scene, Excuses({}, {("made-up", "remove it"): "a reason"}))
    assert result.verdict == "excused"


def test_an_excuse_that_excuses_nothing_is_named() -> None:
    step = question("", status=404, path="/clusters/nouuid", key="a cluster")
    step = Question(**{**vars(step), "answer_headers": {"correlation-id": "{id:1}"}})
    scene = Scene("made-up", {}, (step,))
    excuses = Excuses({"vm/colour": "?"}, {("made-up", "a cluster"): "?", ("other", "x"): "?"})
    [result] = play(scene, excuses)
    assert result.verdict == "equal"
    assert excuses.idle_steps([scene]) == ["made-up: a cluster"]
    assert excuses.idle_elements() == ["vm/colour"]


def taken_from_objects() -> set[str]:
    """Return every name that the product takes from an object of the engine."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in ENGINE.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def looked_for_in_a_configuration() -> set[str]:
    """Return every word of the code that reads a VM's configuration."""
    nodes = ast.walk(ast.parse(CONFIGURATION.read_text(encoding="utf-8")))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_no_element_that_the_product_reads_is_excused() -> None:
    objects, configuration = taken_from_objects(), looked_for_in_a_configuration()
    assert {"snapshot_status", "provisioned_size"} <= objects
    assert {"diskId", "volume-format"} <= configuration
    read = []
    for entry in excused.ELEMENTS:
        # A section or an item is told by its kind, which stands in brackets.
        name = re.findall(r"[^/@\[\]]+", entry)[-1]
        if name in (configuration if entry.startswith("Envelope") else objects):
            read.append(entry)
    assert read == []


def test_every_excuse_has_a_reason_and_a_step() -> None:
    assert len(excused.ELEMENTS) <= excused.MOST
    assert all(reason.strip() for reason in [*excused.ELEMENTS.values(), *excused.STEPS.values()])
    keys = {
        (scene.name, step.key)
        for scene in map(load, sorted(RECORDED.glob("*.jsonl")))
        for step in scene.steps
        if isinstance(step, Question)
    }
    assert set(excused.STEPS) <= keys
