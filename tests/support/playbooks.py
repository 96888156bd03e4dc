# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules and playbooks, run by the real Ansible of this environment against a lab."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from lab.control import Logged
from lab.lab import Lab

SUPPORT = Path(__file__).resolve().parent
COLLECTION = "ovirt_community.backup"
SECONDS = 120.0
ENGINE_VARIABLES = ("OVIRT_URL", "OVIRT_USERNAME", "OVIRT_PASSWORD", "OVIRT_CAFILE")

A_WAIT = re.compile(r"Waited [1-9]\d* s\b")
"""What is said after a timeout of one second: at least that, and as long as the last look took."""

Json = Any
Order = tuple[str, Mapping[str, Json]]
"""A call of a method of lab.control.Control, before a task."""


@dataclass(frozen=True)
class Step:
    """A task: a module (short names are this collection's), its options, and what comes before it.

    ``keywords`` are those of a task: ``check_mode``, ``diff``, ``environment``, ``register`` ...
    """

    module: str
    options: Mapping[str, Json] = field(default_factory=dict)
    before: Sequence[Order] = ()
    keywords: Mapping[str, Json] = field(default_factory=dict)

    def task(self, name: str) -> dict[str, Json]:
        """As a playbook has it."""
        module = self.module if "." in self.module else f"{COLLECTION}.{self.module}"
        return {"name": name, module: dict(self.options), **self.keywords}


@dataclass(frozen=True)
class Result:
    """What a task gave, and what the lab saw while it ran."""

    task: str
    failed: bool
    result: Mapping[str, Json]
    requests: Sequence[Logged]
    world: Mapping[str, Json]

    def __getitem__(self, key: str) -> Json:
        """Return a key of the module's result."""
        return self.result[key]

    @property
    def changed(self) -> bool:
        """Whether the module says that it changed something."""
        return bool(self.result["changed"])

    @property
    def message(self) -> str:
        """The text of a failure."""
        return str(self.result["msg"])

    @property
    def keys(self) -> set[str]:
        """Keys of the result that the module made: not those that Ansible adds."""
        return {key for key in self.result if not key.startswith(("_ansible", "ansible_"))} - {
            "invocation",
            "warnings",
            "deprecations",
            "failed",
        }

    def sent(self, method: str, path: str = "") -> list[Logged]:
        """Requests of a method whose path contains a text."""
        return [one for one in self.requests if one.method == method and path in one.path]

    @property
    def writes(self) -> list[Logged]:
        """Requests that may have changed something."""
        return [one for one in self.requests if one.write]


@dataclass(frozen=True)
class Run:
    """One call of ansible-playbook."""

    status: int
    results: Sequence[Result]
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return self.out + self.err

    @property
    def complaints(self) -> list[str]:
        """Warnings of Ansible, deprecations among them."""
        words = ("[WARNING]", "[DEPRECATION", "[ERROR]: Unexpected")
        return [line for line in self.text.splitlines() if any(word in line for word in words)]


class Ansible:
    """ansible-playbook. Close it at the end."""

    def __init__(self, root: Path) -> None:
        """Start it; its files lie below ``root``."""
        self._root = root
        self._runs = 0
        (root / "ansible.cfg").touch()
        self._server = subprocess.Popen(
            [sys.executable, "-B", str(SUPPORT / "playbook_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=self._environment(),
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        """Ours, without what would reach an engine or steer Ansible by accident."""
        kept = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME")
        dropped = ("ANSIBLE_", "OVIRT_")
        env = {k: v for k, v in os.environ.items() if k in kept or not k.startswith(dropped)}
        return {
            **env,
            "ANSIBLE_CALLBACKS_ENABLED": "tape",
            "ANSIBLE_CALLBACK_PLUGINS": str(SUPPORT / "plugins/callback"),
            "ANSIBLE_INJECT_INVOCATION": "1",  # else newer cores hide what may hold a secret
            "ANSIBLE_CONFIG": str(self._root / "ansible.cfg"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "PYTHONPATH": os.pathsep.join([str(SUPPORT.parent), env.get("PYTHONPATH", "")]),
        }

    def run(
        self,
        lab: Lab,
        steps: Sequence[Step],
        *,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        play: Mapping[str, Json] | None = None,
    ) -> Run:
        """Run steps one after the other; failures do not end the play.

        Args:
            env: Variables beside the process's own; the lab's address and user if not given.
        """
        tasks = [step.task(f"step {number}") for number, step in enumerate(steps)]
        orders = {f"step {number}": list(step.before) for number, step in enumerate(steps)}
        content = {"hosts": "localhost", "gather_facts": False, "ignore_errors": True}
        content.update(play or {})
        playbook = self._file("playbook.json")
        playbook.write_text(json.dumps([{**content, "tasks": tasks}]), encoding="utf-8")
        return self.playbook(lab, playbook, env=env, args=args, orders=orders)

    def playbook(
        self,
        lab: Lab,
        playbook: Path,
        *,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        orders: Mapping[str, Sequence[Order]] | None = None,
    ) -> Run:
        """Run a playbook that is a file."""
        tape, out, err = (self._file(name) for name in ("tape", "out", "err"))
        tape.touch()
        variables = {
            **self._environment(),
            **(engine_variables(lab) if env is None else env),
            "SUPPORT_TAPE": str(tape),
            "SUPPORT_CONTROL": lab.control_url,
            "SUPPORT_ORDERS": json.dumps(orders or {}),
        }
        argv = ["ansible-playbook", *args, str(playbook)]
        order = {"argv": argv, "env": variables, "out": str(out), "err": str(err)}
        status = self._perform(order)
        self._runs += 1
        entries = [json.loads(line) for line in tape.read_text(encoding="utf-8").splitlines()]
        return Run(
            status,
            [_result(entry) for entry in entries],
            out.read_text(encoding="utf-8"),
            err.read_text(encoding="utf-8"),
        )

    def one(self, lab: Lab, module: str, options: Mapping[str, Json], **keywords: Json) -> Result:
        """Run one task; nothing but its result may be printed."""
        run = self.run(lab, [Step(module, options, keywords=keywords)])
        return only(run)

    def _file(self, name: str) -> Path:
        return self._root / f"{self._runs:04}-{name}"

    def _perform(self, order: Mapping[str, Json]) -> int:
        source, sink = _pipes(self._server)
        source.write(json.dumps(order) + "\n")
        source.flush()
        ready, _unused, _unused = select.select([sink], [], [], SECONDS)
        answer = sink.readline() if ready else ""
        if not answer:
            self.close()
            raise TimeoutError(f"ansible-playbook did not end: {order['out']}, {order['err']}")
        return int(answer)

    def close(self) -> None:
        """End it, with whatever still runs."""
        source, sink = _pipes(self._server)
        source.close()
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._server.pid, 9)
            self._server.wait()
        sink.close()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    return process.stdin, process.stdout


def _result(entry: Mapping[str, Json]) -> Result:
    requests = [Logged(**one) for one in entry["requests"]]
    return Result(entry["task"], entry["failed"], entry["result"], requests, entry["world"])


def engine_variables(lab: Lab) -> dict[str, str]:
    """Return the environment variables that modules read."""
    auth = lab.auth()
    values = (auth["url"], auth["username"], auth["password"], auth["ca_file"])
    return dict(zip(ENGINE_VARIABLES, values, strict=True))


def only(run: Run) -> Result:
    """Return the result of a run with one task, of which Ansible has nothing to complain."""
    assert run.complaints == []
    assert len(run.results) == 1, run.text
    return run.results[0]
