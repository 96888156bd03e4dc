# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine with all its parts, and the call that a request becomes."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.engine.asking import AskedHost
from lab.engine.events import Actor
from lab.engine.faults import FaultBook
from lab.engine.host import HostAgent
from lab.engine.http import Request
from lab.engine.locks import LockTable
from lab.engine.permissions import is_admin
from lab.model import User, World


class Tasks:
    """Background work of commands. ``close`` waits for what still runs, for a bounded time."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._timers: list[threading.Timer] = []
        self._closed = False

    def run(self, work: Callable[[], None], name: str) -> None:
        """Do some work in a thread of its own."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        with self._mutex:
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
        thread.start()

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Do some work after a while, unless the engine is closed before."""
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        with self._mutex:
            if self._closed:
                return
            self._timers = [t for t in self._timers if t.is_alive()] + [timer]
            timer.start()

    def drain(self, seconds: float) -> None:
        """Wait for running work, for at most so long a piece."""
        with self._mutex:
            threads = list(self._threads)
        for thread in threads:
            thread.join(seconds)

    def close(self, seconds: float = 10.0) -> None:
        """Drain, and drop what is due later."""
        with self._mutex:
            self._closed = True
            timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()
        self.drain(seconds)


@dataclass
class Polls:
    """How often an asynchronous object is still to be seen locked, and how its wait ends."""

    left: int
    finish: Callable[[], None]
    done: bool = False
    stuck: bool = False


@dataclass
class Engine:
    """The parts of one engine."""

    world: World
    agent: HostAgent
    witness_root: Path | None = None
    locks: LockTable = field(default_factory=LockTable)
    faults: FaultBook = field(default_factory=FaultBook)
    tasks: Tasks = field(default_factory=Tasks)
    polls: dict[str, Polls] = field(default_factory=dict)
    complaints: int = 0
    """How many unknown elements were in bodies."""
    device_locks: dict[str, threading.RLock] = field(
        default_factory=lambda: defaultdict(threading.RLock)
    )
    # Names of the users who have a session; the sign-on knows them.
    logged_in: Callable[[], set[str]] = set
    host: AskedHost = field(init=False)

    def __post_init__(self) -> None:
        """Let commands reach the host only by verbs."""
        self.host = AskedHost(
            self.agent, self.faults, self._patience, self.tasks.later, self._unplugged
        )

    def _patience(self) -> float:
        return self.world.settings.host_seconds

    def _unplugged(self, vm_id: str, disk_id: str) -> None:
        """Record that the monitoring of VMs noticed an unplugged disk."""
        with self.world.lock:
            row = self.world.attachments.get((vm_id, disk_id))
            if row is not None:
                row.active = False

    def watch(self, object_id: str, polls: int, finish: Callable[[], None], stuck: bool) -> None:
        """Keep an object locked for a number of polls, at least until ``work_done``."""
        with self.world.lock:
            self.polls[object_id] = Polls(polls, finish, stuck=stuck)

    def polled(self, object_id: str) -> None:
        """Count a look at an object, and settle the object if it is due."""
        with self.world.lock:
            watched = self.polls.get(object_id)
            if watched is None:
                return
            self._settle(object_id)
            watched.left = max(0, watched.left - 1)

    def work_done(self, object_id: str) -> None:
        """Note that the host's work for an object has ended; it settles after its polls, or after a while."""
        with self.world.lock:
            watched = self.polls.get(object_id)
            if watched is None:
                return
            watched.done = True
            self._settle(object_id)
        self.tasks.later(self.world.settings.linger, lambda: self._expire(object_id))

    def _expire(self, object_id: str) -> None:
        with self.world.lock:
            watched = self.polls.get(object_id)
            if watched is not None:
                watched.left = 0
                self._settle(object_id)

    def _settle(self, object_id: str) -> None:
        watched = self.polls[object_id]
        if watched.done and watched.left == 0 and not watched.stuck:
            del self.polls[object_id]
            watched.finish()


@dataclass(frozen=True)
class Call:
    """One authenticated request with the engine it goes to."""

    engine: Engine
    request: Request
    user: User
    who: Actor

    @property
    def world(self) -> World:
        """What the engine knows."""
        return self.engine.world

    @property
    def admin(self) -> bool:
        """Whether unfiltered reads are allowed."""
        return is_admin(self.world, self.user)

    @property
    def filtered(self) -> bool:
        """Whether reads show only what the user's own roles reach."""
        header = self.request.headers.get("filter", "").strip().lower()
        if header in {"true", "t", "yes", "y", "1"}:
            return True
        return not self.admin
