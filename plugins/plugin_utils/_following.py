# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the controller: follow a copy that runs on the appliance by itself.

The module is called in slices. A lost connection costs only a slice; the next call joins the job.
Between slices a line shows the progress.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ansible import constants as C  # noqa: N812 - as everywhere in Ansible
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Deadline,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import progress

MODULE = "ovirt_community.backup.disk_image_copy"
RECONNECT_SECONDS = 600.0
"""Default of the option ``reconnect_timeout``."""

LONGEST_SLICE = 30.0
"""Seconds of a call at most: a killed run may look alive for so long."""

_ANSWER_SECONDS = 120
"""How many seconds longer than its slice a call may take before its connection counts as lost."""

_FOR_PEOPLE = ("awx_display", "debug", "default", "dense", "diy", "minimal", "unixy", "yaml")
"""Stdout callbacks to whose output a line may be added; programs read that of others, such as
json."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_KILLED = 128

Result = dict[str, Any]


class Follower:
    """One task, from its first call to the result of the copy."""

    def __init__(
        self,
        action: ActionBase,
        task: Task,
        connection: ConnectionBase,
        variables: Mapping[str, Any],
        module: str = MODULE,
    ) -> None:
        """Keep what the calls need."""
        self._module = module
        self._action = action
        self._task = task
        self._connection = connection
        self._variables = dict(variables)
        self._looks_once = task.check_mode or task.args.get("wait_seconds") is not None
        # Repeated single looks are separate tasks, which must name their follower themselves.
        word = "" if self._looks_once else uuid.uuid4().hex
        self._args = {**task.args, "follower": task.args.get("follower") or word}
        self._display = Display()
        self._clock = SystemClock()
        self._parent = os.getppid()
        self._host = str(self._variables.get("inventory_hostname", "the appliance"))
        self._title = str(task.args.get("title") or self._host)

    def run(self) -> Result:
        """Call until the copy has ended, its limit is over, or the task asks for only one look.

        Raises:
            AnsibleConnectionFailure: The appliance could not be reached for too long.
        """
        if self._looks_once:
            return self._call(self._args, None)
        began = self._clock.now()
        lines, due, end = 0, began + progress.gap(0), began + (self._limit() or math.inf)
        # Each call waits on the appliance for the length of its slice, so nothing waits here.
        while True:
            left = min(due, end) - self._clock.now()
            result = self._persist(max(min(left, LONGEST_SLICE), 0.0))
            if result.get("finished") is not False or result.get("failed"):
                return result
            if self._clock.now() >= end:
                return result
            if self._clock.now() >= due:
                self._tell(progress.line(self._title, result["progress"]))
                lines += 1
                due = self._clock.now() + progress.gap(lines)

    def _persist(self, wait: float) -> Result:
        """Run one slice; repeat it while the connection is lost."""
        result, lost = self._slice(wait)
        if not lost:
            return result
        patience = self._patience()
        deadline = Deadline(self._clock, patience, _LONGEST_PAUSE, _FIRST_PAUSE)
        ticks = deadline.ticks()
        next(ticks)  # The first tick comes at once: the lost call was that attempt.
        self._tell(
            f"{self._title}: no answer from {self._host}, the copy goes on without us; "
            f"trying for {patience:.0f} s. {lost}"
        )
        self._forget()
        for _waited in ticks:
            result, lost = self._slice(0.0)  # A peer that answers again is reported at once.
            if not lost:
                self._tell(
                    f"{self._title}: {self._host} answers again after {deadline.waited:.0f} s"
                )
                return result
            self._forget()
        raise AnsibleConnectionFailure(
            f"No answer from {self._host} for {deadline.waited:.0f} s. {lost}"
        )

    def _slice(self, wait: float) -> tuple[Result, str]:
        """Call once; return the result, and why the connection was lost (empty if it was not).

        Raises:
            AnsibleError: Ansible has ended.
        """
        if os.getppid() != self._parent:
            # Otherwise this process would make a killed run look alive.
            raise AnsibleError("Ansible has ended; the copy goes on without it.")
        try:
            result = self._call({**self._args, "wait_seconds": wait}, wait)
        except AnsibleConnectionFailure as exc:
            result = {"unreachable": True, "msg": str(exc)}
        return result, lost_because(result)

    def _call(self, args: Mapping[str, Any], wait: float | None) -> Result:
        with answer_within(None if wait is None or self._task.timeout else wait + _ANSWER_SECONDS):
            return dict(
                self._action._execute_module(
                    module_name=self._module, module_args=dict(args), task_vars=self._variables
                )
            )

    def _forget(self) -> None:
        """Drop what belonged to a lost connection."""
        # Its temporary directory may be gone, because the appliance may have been restarted.
        self._connection._shell.tmpdir = None
        reset = getattr(self._connection, "reset", None)
        if reset:
            try:
                reset()
            except AnsibleError as exc:
                self._display.vvv(f"The connection could not be reset: {exc}", host=self._host)

    def _patience(self) -> float:
        return self._seconds("reconnect_timeout", RECONNECT_SECONDS)

    def _limit(self) -> float:
        return self._seconds("return_after", 0.0)

    def _seconds(self, option: str, default: float) -> float:
        """Return an option in seconds; anything but a number is left for the module to refuse."""
        try:
            return float(self._task.args.get(option, default))
        except (TypeError, ValueError):
            return 0.0

    def _tell(self, text: str) -> None:
        tell(self._display, text)


def tell(display: Display, text: str) -> None:
    """Show a line while a task runs, unless a program reads the play's output."""
    callback = str(C.config.get_config_value("DEFAULT_STDOUT_CALLBACK"))
    display.display(text, stderr=not read_by_people(callback))


def read_by_people(callback: str) -> bool:
    """Tell whether people read what a stdout callback prints; an unknown one is assumed to be for programs.

    Args:
        callback: Its name, with or without its collection.
    """
    return callback.rpartition(".")[2] in _FOR_PEOPLE


def lost_because(result: Mapping[str, Any]) -> str:
    """Return why there is no result: the connection was lost. Empty if there is one.

    A killed program leaves no answer either; the next call finds out what happened to it.
    """
    if result.get("unreachable"):
        return first_line(result.get("msg"))
    status = result.get("rc")
    silent = "error_code" not in result and not str(result.get("module_stdout") or "").strip()
    killed = isinstance(status, int) and (status < 0 or status > _KILLED)
    if result.get("failed") and silent and killed:
        return first_line(result.get("module_stderr") or result.get("msg"))
    return ""


def first_line(text: object) -> str:
    """Return the first line with text."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "No reason.")


@contextmanager
def answer_within(seconds: float | None) -> Iterator[None]:
    """Abort a call that hangs: ssh by itself may wait for hours for a lost peer.

    Args:
        seconds: None for no limit. Outside the main thread there is none either.

    Raises:
        AnsibleConnectionFailure: The call took longer.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise AnsibleConnectionFailure(f"A call had no answer for {seconds:.0f} s.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
