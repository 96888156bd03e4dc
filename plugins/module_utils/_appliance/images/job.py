# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that continues when its caller is gone: the base of ``disk_image_copy`` and ``disk_image_restore``.

The work is done in a process of its own. That has a directory below ``Paths.jobs``, where only root
can write; a restart empties that place, and each new job tidies it. The directory holds

- ``alive``, which the process keeps locked: so no process id has to be trusted, which another
  process may have by now, and the death of the process is noticed at once;
- ``follower``, ``progress``, ``outcome`` and ``collected``, each one JSON value, replaced as a
  whole;
- ``log``, what the process printed.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import shutil
import time
from abc import abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import scan
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.meter import (
    Meter,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    opening,
    private,
    process,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
    perform,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    UnhandledStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import (
    jobs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.progress import (
    Progress,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Deadline,
    )

_TOUCH = 5.0
"""Seconds after which a follower shows again that its run is alive."""

_NAME = re.compile(r"[0-9a-f]{32}")
"""The form of a job directory's name."""

_NOTHING: dict[str, Any] = {"images": []}


Step = TypeVar("Step")


class Job(Operation[Step]):
    """Have work done by a job that is started or joined, or whose result is collected."""

    def __init__(self, key: str, following: jobs.Following, host: Host | None = None) -> None:
        """Keep the request.

        Args:
            key: The name of the job.
            following: How long to wait, and for which follower.
            host: The appliance; this machine by default.
        """
        self._following = following
        self._host = host or Host()
        self._note = JobNote(f"{self._host.paths.jobs}/{key}")

    @abstractmethod
    def _check(self) -> None:
        """Refuse an invalid request, before there is a job."""

    @abstractmethod
    def _meter(self) -> Meter:
        """Return what counts the work, and writes the progress into the job's directory."""

    @abstractmethod
    def _operation(self, meter: Meter | None) -> Operation[Step]:
        """Return the work of the job."""

    @abstractmethod
    def _bound(self) -> bool:
        """Tell whether equal requests have equal content, so that another caller's result is ours as well."""

    @abstractmethod
    def _stands(self, outcome: Mapping[str, Any]) -> bool:
        """Tell whether the result of another caller's job still exists."""

    @abstractmethod
    def _touch(self, *, first: bool) -> None:
        """Show that the follower is alive.

        Args:
            first: For the first time in this call.
        """

    def plan(self) -> Plan[Step]:
        """See how far the job is. Planning is left to the job, since it may read disks."""
        self._check()
        return Plan(result={**_NOTHING, **self._unfinished()}, waits=True)

    def predict(self) -> Plan[Step]:
        """Say what a job would do if one were started."""
        waiting = self.plan()
        if self._decided() != jobs.START:
            return waiting
        plan = self._operation(None).predict()
        return replace(plan, result={**plan.result, **self._unfinished()})

    def _unfinished(self) -> dict[str, Any]:
        begun = self._note.progress() or self._meter().progress.to_dict()
        return {"finished": False, "progress": begun}

    def _decided(self) -> str:
        return jobs.decide(self._found(), self._following.follower, bound=self._bound())

    def execute(self, plan: Plan[Step]) -> Mapping[str, Any]:
        """Start the job or join it, and wait for its end as long as requested.

        Raises:
            BackupError: The error that ended the job.
            CopyDied: The job ended without an outcome.
            UnhandledStep: The plan has a step; steps belong to the job's own plan.
        """
        if plan.changed:
            raise UnhandledStep(plan.steps[0])
        follower = self._following.follower
        wait = self._following.wait_seconds
        deadline = self._host.deadline(math.inf if wait is None else wait)
        step = jobs.OUTLAST
        while step == jobs.OUTLAST:
            step = self._step()
            if not self._wait(deadline):
                progress = self._note.progress() or self._meter().progress.to_dict()
                return {"changed": step == jobs.START, "finished": False, "progress": progress}
        outcome = self._note.read("outcome")
        if outcome is None:
            raise jobs.died(self._note.log())
        self._note.write("collected", follower)
        jobs.raise_failure(outcome)
        return {**outcome["result"], "finished": True}

    def _found(self) -> jobs.Found | None:
        """Return the job as far as this call may use it."""
        found = self._note.look()
        if found is None or found.running or found.outcome is None:
            return found
        usable = found.is_of(self._following.follower) or self._stands(found.outcome)
        return found if usable else None

    def _step(self) -> str:
        """Decide, and start or join the job."""
        follower = self._following.follower
        with self._note.held():
            step = self._decided()
            if step == jobs.START:
                self._start()
            if step in (jobs.START, jobs.JOIN):
                self._note.write("follower", follower)
        return step

    def _wait(self, deadline: Deadline) -> bool:
        """Wait for the end of the job; return whether it came.

        Args:
            deadline: The time that the call has.
        """
        touched: float | None = None
        for waited in deadline.ticks():
            if not self._note.is_running():
                return True
            if touched is None or waited - touched >= _TOUCH:
                self._touch(first=touched is None)
                touched = waited
        return False

    def _start(self) -> None:
        """Start the job; it is running when this returns."""
        _tidy(self._host.paths.jobs)
        lock = self._note.renew()
        try:
            process.detach(self._work, self._note.path("log"), lock)
        finally:
            os.close(lock)

    def _work(self) -> None:
        """Do the work, in the job's process, and write its outcome."""
        self._note.write("outcome", self._do())

    def _do(self) -> dict[str, Any]:
        meter = self._meter()
        try:
            result, warnings = perform(self._operation(meter), self._host.clock, check_mode=False)
        except BackupError as exc:
            return jobs.outcome_of(exc)
        rate = meter.progress.size / max(result["seconds"], 0.01)
        end = Progress(meter.progress.size, 0, rate=rate)
        return {"result": {**result, "progress": end.to_dict(), "warnings": list(warnings)}}


class JobNote:
    """The files of one job."""

    def __init__(self, directory: str) -> None:
        """Keep the directory."""
        self._directory = directory

    def path(self, name: str) -> str:
        """Return the path of one of its files."""
        return f"{self._directory}/{name}"

    def look(self) -> jobs.Found | None:
        """Return what is known of the job; None if there is none."""
        follower = self.read("follower")
        if follower is None:
            return None
        # In this order: a job that ends between the two calls has written its outcome.
        running = self.is_running()
        return jobs.Found(running, follower, self.read("outcome"), self.read("collected"))

    def is_running(self) -> bool:
        """Tell whether the job's process is alive, by the lock that it holds."""
        try:
            fd = opening.any_file(self.path("alive"))
        except FileNotFoundError:
            return False
        try:
            # A shared lock, so that two callers do not take each other for the job.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other calls from deciding meanwhile.

        Raises:
            InvalidRequest: This user may not write there.
        """
        with files.locked_directory(os.path.dirname(self._directory)):
            yield

    def changed(self) -> float:
        """Return when a file of the job was last written, in seconds since 1970; 0 if there is none."""
        try:
            return os.stat(self._directory).st_mtime
        except OSError:
            return 0.0

    def remove(self) -> None:
        """Remove the job's files. Whoever looks meanwhile finds no job, never half of one."""
        with suppress(OSError):
            os.unlink(self.path("follower"))
        shutil.rmtree(self._directory, ignore_errors=True)

    def renew(self) -> int:
        """Replace an earlier job; return the held lock that shows that the new one is alive."""
        shutil.rmtree(self._directory, ignore_errors=True)
        private.make_directory(self._directory)
        fd = opening.new_file(self.path("alive"))
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def tell(self, progress: Progress) -> None:
        """Write the progress."""
        self.write("progress", progress.to_dict())

    def progress(self) -> dict[str, Any] | None:
        """Return the progress that was written last."""
        found = self.read("progress")
        return found if isinstance(found, dict) else None

    def write(self, name: str, value: object) -> None:
        """Replace one value."""
        files.write_whole(self.path(name), json.dumps(value).encode("ascii"), 0o600)

    def read(self, name: str) -> Any:  # noqa: ANN401  (JSON)
        """Return one value; None if it does not exist."""
        try:
            with open(self.path(name), encoding="ascii") as file:
                return json.load(file)
        except OSError:
            return None

    def log(self) -> str:
        """Return what the job's process printed."""
        try:
            with open(self.path("log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""


def _tidy(directory: str) -> None:
    """Remove the files of jobs that are over. The caller holds the lock.

    The place is in memory, and each name is used once: the jobs of a night would stay until a
    restart.
    """
    now = time.time()
    for name in filter(_NAME.fullmatch, scan.names(directory)):
        note = JobNote(f"{directory}/{name}")
        found = note.look() or jobs.Found(note.is_running())
        if jobs.is_over(found, now - note.changed()):
            note.remove()
