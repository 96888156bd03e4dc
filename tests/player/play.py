# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play scenes to a lab and count equal, excused and different answers."""

from __future__ import annotations

import re
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.sax.saxutils import escape

from lab.control import ControlError
from lab.lab import Lab
from lab.model import Settings
from lab.world import CENTRES
from player import excused
from player.arranging import Arranger
from player.client import Client
from player.compare import NOT_IN_THE_LAB, Answered, Difference, compare
from player.names import Names, Unnamed
from player.reading import until, value_of
from player.scenes import Arrange, Question, Scene, SceneError, Step, Wait
from player.world import Maker, accounts

WRITES = frozenset({"POST", "PUT", "DELETE", "PATCH"})
OTHER = "other_cluster"
SLOW = Settings(linger=3.0, async_seconds=3.0)
"""What a scene sees in progress lasts as long as a busy machine may need to ask for it."""
SETTLE = 0.3
"""Seconds that a question which is not waited for gets to arrive."""


@dataclass(frozen=True)
class Result:
    """What became of one question."""

    scene: str
    key: str
    verdict: str
    differences: Sequence[Difference] = ()
    missing: bool = False
    """Whether the lab said that it does not know the call."""


@dataclass
class Excuses:
    """The one table of what is to differ, and which of its entries were needed."""

    elements: Mapping[str, str] = field(default_factory=lambda: excused.ELEMENTS)
    steps: Mapping[tuple[str, str], str] = field(default_factory=lambda: excused.STEPS)
    used: set[str | tuple[str, str]] = field(default_factory=set)

    def step(self, scene: str, key: str) -> bool:
        """Tell whether a step is excused as a whole."""
        return (scene, key) in self.steps

    def rest(self, differences: Sequence[Difference]) -> list[Difference]:
        """Return the differences that no entry excuses."""
        return [one for one in differences if not self._excused(one.path)]

    def _excused(self, path: str) -> bool:
        for entry in self.elements:
            if path == entry or path.startswith((f"{entry}/", f"{entry}[")):
                self.used.add(entry)
                return True
        return False

    def idle_steps(self, scenes: Sequence[Scene]) -> list[str]:
        """Steps that were excused and did not differ; those of scenes that were not played do not count."""
        played = {scene.name for scene in scenes}
        steps = [key for key in self.steps if key[0] in played and key not in self.used]
        return [f"{scene}: {title}" for scene, title in steps]

    def idle_elements(self) -> list[str]:
        """Elements that were excused and never differed."""
        return [entry for entry in self.elements if entry not in self.used]


@dataclass(frozen=True)
class Flight:
    """A question that was sent and not waited for."""

    question: Question
    thread: threading.Thread
    answers: list[Answered]


@dataclass
class Play:
    """One scene played to one lab."""

    scene: Scene
    client: Client
    names: Names
    maker: Maker
    arranger: Arranger
    excuses: Excuses
    results: list[Result] = field(default_factory=list)
    _flying: dict[str, Flight] = field(default_factory=dict)

    def run(self) -> list[Result]:
        """Play every step in turn; if the lab cannot go on, the remaining questions count as different."""
        try:
            self.maker.make(self.scene)
            for step in self.scene.steps:
                self._step(step)
        except (SceneError, ControlError, Unnamed, OSError, LookupError) as problem:
            told = {result.key for result in self.results}
            why = Difference("scene", "", f"{type(problem).__name__}: {problem}")
            for step in self.scene.steps:
                if isinstance(step, Question) and step.key not in told:
                    self._note(step, "different", [why])
        return self.results

    def _step(self, step: Step) -> None:
        if isinstance(step, Question):
            self._question(step)
        elif isinstance(step, Wait):
            until(self.client, self.names.fill(step.path), step.element, step.wanted, step.user)
        elif step.word == "end":
            self._land(step)
        else:
            self.arranger.do(step)

    def _question(self, question: Question) -> None:
        step = self.excuses.step(self.scene.name, question.key)
        if step and question.method in WRITES:
            # What is to differ and would change something is not sent: the rest of the scene goes on without it.
            self.excuses.used.add((self.scene.name, question.key))
            self._note(question, "excused")
            return
        try:
            send = self._sender(question)
        except Unnamed as problem:
            self._note(
                question, "different", [Difference("request", "", f"nothing is named {problem}")]
            )
            return
        if question.begin is not None:
            self._begin(question, question.begin, send)
        else:
            self._judge(question, send())

    def _sender(self, question: Question) -> Callable[[], Answered]:
        names, headers = self.names, dict(question.headers)
        filled = {k: None if v is None else names.fill(v) for k, v in headers.items()}
        path, body = names.fill(question.path), self._body(question)
        if question.raw:
            path = path.removeprefix(self.client.address)
            return lambda: self.client.send(question.method, path, filled, body)
        user = question.user or "admin"
        return lambda: self.client.ask(question.method, path, filled, body, user)

    def _body(self, question: Question) -> str | None:
        """Return the body; a saved text that it is made of is changed first, and escaped."""
        if question.body is None:
            return None
        if question.body_from is None:
            return self._names_in(question.body).fill(question.body)
        name = question.body_from["name"]
        text = self.names.bound.get(name, "")
        for expression, replacement in question.body_from["replace"]:
            filled = self.names.fill(expression), self.names.fill(replacement)
            text = re.sub(*filled, text, flags=re.DOTALL)
        return Names({**self.names.bound, name: escape(text)}).fill(question.body)

    def _names_in(self, body: str) -> Names:
        """Return the names as a body holds them: a saved configuration stands in XML as its text."""
        if not body.startswith("<"):
            return self.names
        return Names({name: escape(text) for name, text in self.names.bound.items()})

    def _begin(self, question: Question, title: str, send: Callable[[], Answered]) -> None:
        answers: list[Answered] = []
        thread = threading.Thread(target=lambda: answers.append(send()), daemon=True)
        thread.start()
        thread.join(SETTLE)
        self._flying[title] = Flight(question, thread, answers)

    def _land(self, step: Arrange) -> None:
        flight = self._flying.pop(step.values["of"])
        flight.thread.join()
        if not flight.answers:
            self._note(flight.question, "different", [Difference("answer", "one", "none")])
        else:
            self._judge(flight.question, flight.answers[0])

    def _judge(self, question: Question, answered: Answered) -> None:
        for name, path in question.save.items():
            value = value_of(answered, path)
            if value is not None:
                self.names.bound[name] = value
        found = compare(question, answered, self.names)
        rest = self.excuses.rest(found)
        key = (self.scene.name, question.key)
        if rest and key in self.excuses.steps:
            self.excuses.used.add(key)
            rest = []
        verdict = "different" if rest else "excused" if found else "equal"
        self._note(question, verdict, rest, answered.status == NOT_IN_THE_LAB)

    def _note(
        self,
        question: Question,
        verdict: str,
        differences: Sequence[Difference] = (),
        missing: bool = False,
    ) -> None:
        result = Result(self.scene.name, question.key, verdict, differences, missing)
        self.results.append(result)


def play(scene: Scene, excuses: Excuses) -> list[Result]:
    """Play one scene to a lab of its own."""
    with tempfile.TemporaryDirectory() as directory:
        centres = CENTRES if OTHER in scene.world.get("ids", {}) else CENTRES[:1]
        with Lab(
            Path(directory),
            host=False,
            appliance=False,
            vms=(),
            centres=centres,
            settings=replace(SLOW),
        ) as lab:
            address = f"localhost:{lab.server.port}"
            names = Names({"engine": f"https://{address}", "engine_http": f"http://{address}"})
            tls = ssl.create_default_context(cafile=str(lab.identity.ca_file))
            client = Client(names.bound["engine"], tls, accounts(scene))
            control = lab.control()
            _without_accounts(lab)
            # What an engine announces that was built by itself.
            control.settings(version="4.4.0.0")
            control.add_user("admin@internal", "secret", [{"role": "SuperUser"}])
            maker = Maker(control, client, names)
            return Play(scene, client, names, maker, Arranger(control, names), excuses).run()


def _without_accounts(lab: Lab) -> None:
    """Take the lab's own accounts and roles away: the engine that was asked had none of them."""
    with lab.world.lock:
        lab.world.users.clear()
        for name in [row.name for row in lab.world.roles.values() if row.mutable]:
            del lab.world.roles[name]
