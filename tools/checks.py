# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the nox sessions in three lanes, say how each ended, and end with the truth.

Two lanes keep two cores busy: one begins with the sessions that make devices (tag `lab`), the other with those that make none
(tag `light`), and a lane that has none of its own left helps with the rest. A third lane is for long sessions that wait for part of
their time (tag `waiting`). Sessions with the tag `last` come when all are done. Each session's output goes to .cache/logs; a
failure's end of log is shown. What a session leaves running, mounted or attached to a loop device is removed, and fails that session's run.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
LOGS = CACHE / "logs"
REPORTS = CACHE / "reports"
NOX = ROOT / ".venv/bin/nox"
MARK = (
    "CHECKS_SESSION"  # environment variable by which a session's processes are known, orphans too
)
LANES = (
    ("lab", "light", "waiting"),
    ("light", "lab", "waiting"),
    ("waiting",),
)  # each with the tags of its sessions, in the order of its choice
GRACE_SECONDS = 30.0  # for a session that was told to stop, to clean up behind itself
TAIL_LINES = 80
PR_SET_CHILD_SUBREAPER = 36
PYTEST_SUMMARY = re.compile(r"^=+ .*\b\d+ (?:passed|failed|errors?|skipped)\b.* in [\d.]+s.*=+$")
PLAYER_SUMMARY = re.compile(r"^\d+ questions, \d+ equal, \d+ excused, \d+ different$")
REASON = re.compile(r"^(?:FAILED |ERROR |E   |\[ERROR\]: |fatal: |CRITICAL |nox > .* failed|[><] )")
REASON_LINES = 12
REASON_COLUMNS = 300


@dataclasses.dataclass(frozen=True)
class Session:
    """A nox session that was chosen."""

    name: str
    tags: tuple[str, ...]

    @property
    def log(self) -> pathlib.Path:
        """Where its output goes."""
        return LOGS / f"{re.sub('[^A-Za-z0-9.]+', '-', self.name).strip('-')}.log"

    @property
    def junit(self) -> pathlib.Path:
        """Where its tests are counted: the log's name is the report's name."""
        return REPORTS / f"{self.log.stem}.xml"


@dataclasses.dataclass(frozen=True)
class Count:
    """Tests of one session; a session without tests of its own counts as one."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        """Sum by kind."""
        return Count(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one session ended."""

    session: Session
    result: str  # "ok", "FAILED", "NOT RUN", "stopped"
    seconds: float
    count: Count
    note: str = ""


class StoppedError(Exception):
    """A signal asked this program to end."""


# ----- processes ------------------------------------------------------------------------------------------------------


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that none escapes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def parents() -> dict[int, int]:
    """Return every living process and its parent."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # gone meanwhile
            continue
        if state != "Z":
            found[int(entry.name)] = int(parent)
    return found


def is_marked(pid: int, mark: bytes) -> bool:
    """Tell whether a process was started with an entry in its environment."""
    try:
        return mark in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or not ours to read
        return False


def started_by(mark: str | None) -> list[int]:
    """Return the living processes of one session, by its mark or by descent; of all sessions, if there is no mark."""
    tree = parents()
    entry = f"{MARK}={mark}".encode()
    members = {pid for pid in tree if is_marked(pid, entry)} if mark else {os.getpid()}
    while more := {pid for pid, parent in tree.items() if parent in members} - members:
        members |= more
    return sorted(members - {os.getpid()})


def signal_all(processes: list[int], number: signal.Signals) -> None:
    """Send a signal to processes, of which some may be gone."""
    for pid in processes:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end_processes(mark: str | None) -> list[str]:
    """End what a session (or all of them) left running; return the command lines."""
    processes = started_by(mark)
    commands = [command_line(pid) for pid in processes]
    signal_all(processes, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while processes and time.monotonic() < deadline:
        reap(processes)
        time.sleep(0.05)
        processes = started_by(mark)
    signal_all(processes, signal.SIGKILL)
    return commands


def reap(processes: list[int]) -> None:
    """Collect adopted processes that have ended; others' children and living ones are left alone."""
    for pid in processes:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def command_line(pid: int) -> str:
    """Return a process's command line, for a message."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    return f"process {pid}: " + b" ".join(words).decode(errors="replace").strip()[:150]


def left_mounts(directory: str) -> list[str]:
    """Return mount points and loop devices that still use a directory."""
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    points = [
        f"mount {line.split()[1]}" for line in mounts if line.split()[1].startswith(directory)
    ]
    for backing in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            file = backing.read_text(encoding="utf-8").strip()
        except OSError:  # detached meanwhile
            continue
        if file.startswith(directory):
            points.append(f"loop device /dev/{backing.parent.parent.name} on {file}")
    return points


# ----- sessions -------------------------------------------------------------------------------------------------------


def known_sessions() -> list[Session]:
    """Return all sessions of noxfile.py, in its order."""
    argv = [str(NOX), "--list", "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Session(one["session"], tuple(one["tags"])) for one in json.loads(done.stdout)]


def choose(names: list[str], without: list[str]) -> list[Session]:
    """Return the sessions of these names, or all, but for those left out.

    `units` means units(2.21) and units(2.16), `units-2.21` the first.
    """
    sessions = known_sessions()
    aliases = {one.name: {one.name, one.log.stem, one.name.partition("(")[0]} for one in sessions}
    for name in (*names, *without):
        if not any(name in known for known in aliases.values()):
            sys.exit(f"checks: no session {name}; there are: {' '.join(aliases)}")
    wanted = [one for one in sessions if not names or aliases[one.name].intersection(names)]
    return [one for one in wanted if not aliases[one.name].intersection(without)]


def count_tests(session: Session, passed: bool) -> Count:
    """Return what a session adds to the totals."""
    if not session.junit.is_file():
        return Count(passed=1) if passed else Count(failed=1)
    report = ElementTree.parse(session.junit)  # noqa: S314 - pytest wrote it a moment ago
    suites = list(report.getroot().iter("testsuite"))

    def total(key: str) -> int:
        return sum(int(suite.get(key, "0")) for suite in suites)

    failed, skipped = total("failures") + total("errors"), total("skipped")
    if not passed and not failed:  # the runner itself failed, or a process was left
        failed = 1
    return Count(
        max(0, total("tests") - total("failures") - total("errors") - skipped), failed, skipped
    )


def nox_result(report: pathlib.Path, code: int) -> str:
    """Return nox's own word for how a session ended; its exit code does not tell a skip from success."""
    if code:
        return "FAILED"
    try:
        [entry] = json.loads(report.read_text(encoding="utf-8"))["sessions"]
    except (OSError, ValueError, KeyError):
        return "FAILED"
    return {"success": "ok", "skipped": "NOT RUN"}.get(str(entry["result"]).lower(), "FAILED")


class Runner:
    """Runs sessions in lanes until all are done or it is told to stop."""

    def __init__(
        self, sessions: list[Session], temporary: str, *, strict: bool, thorough: bool
    ) -> None:
        """Take the sessions, a directory that stands for /tmp, and the two switches of the command line."""
        self.sessions = sessions
        self.temporary = temporary
        self.switches = {"CHECKS_STRICT": strict, "CHECKS_ALL": thorough}
        self.run_id = f"{os.getpid()}.{time.monotonic_ns()}"
        self.outcomes: list[Outcome] = []
        self.stopping = threading.Event()
        self._queue = list(sessions)
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._lanes = [threading.Thread(target=self._lane, args=tags) for tags in LANES]

    def _next(self, tags: tuple[str, ...]) -> Session | None:
        with self._lock:
            for tag in tags:
                for session in self._queue:
                    if tag in session.tags:
                        self._queue.remove(session)
                        return session
        return None

    def _lane(self, *tags: str) -> None:
        while not self.stopping.is_set():
            session = self._next(tags)
            if session is None:
                return
            outcome = self._run(session)
            with self._lock:
                self.outcomes.append(outcome)
                self._tell(outcome)

    def _run(self, session: Session) -> Outcome:
        start = time.monotonic()
        report = session.log.with_suffix(".json")
        argv = [str(NOX), "--session", session.name, "--report", str(report)]
        mark = f"{self.run_id}:{session.name}"
        variables = {**os.environ, MARK: mark, "TMPDIR": self.temporary}
        variables["CHECKS_JUNIT"] = str(session.junit)
        variables |= {name: "1" for name, on in self.switches.items() if on}
        with session.log.open("wb") as log:
            process = subprocess.Popen(
                argv, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            code = process.wait()
        result = "stopped" if self.stopping.is_set() else nox_result(report, code)
        note = ""
        left = end_processes(mark)
        if left and result != "stopped":
            result, note = "FAILED", "left running: " + "; ".join(left)
        seconds = time.monotonic() - start
        count = Count(skipped=1) if result == "NOT RUN" else count_tests(session, result == "ok")
        return Outcome(session, result, seconds, count, note)

    def _tell(self, outcome: Outcome) -> None:
        passed = time.monotonic() - self._started
        print(
            f"[{passed // 60:3.0f}:{passed % 60:02.0f}] {outcome.result:8}"
            f"{outcome.session.name:18}{outcome.seconds:6.1f} s  {outcome.note}".rstrip(),
            flush=True,
        )

    def run(self) -> None:
        """Run everything; returns early when told to stop."""
        for lane in self._lanes:
            lane.start()
        for lane in self._lanes:
            while lane.is_alive():
                lane.join(0.2)  # short, so that a signal is met
        self._lane("last")

    def stop(self) -> None:
        """Tell every session to end and clean up, and end what does not."""
        self.stopping.set()
        while any(lane.is_alive() for lane in self._lanes):
            end_processes(None)
            for lane in self._lanes:
                lane.join(0.2)


# ----- the report -----------------------------------------------------------------------------------------------------


def show_failure(outcome: Outcome) -> None:
    """Print the end of a failed session's log."""
    log = outcome.session.log
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    print(f"\n===== {outcome.session.name} failed; the end of {log.relative_to(ROOT)}: =====")
    print("\n".join(lines[-TAIL_LINES:]))
    if outcome.note:
        print(outcome.note)


def show_table(runner: Runner) -> None:
    """Print one line per session, in noxfile's order, with the closing lines of the test runners."""
    order = {session.name: place for place, session in enumerate(runner.sessions)}
    outcomes = sorted(runner.outcomes, key=lambda one: order[one.session.name])
    print(f"\n{'session':18}{'result':10}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for one in outcomes:
        count = one.count
        print(
            f"{one.session.name:18}{one.result:10}{one.seconds:8.1f}"
            f"{count.passed:8}{count.failed:8}{count.skipped:9}"
        )
    print()
    for one in outcomes:
        for line in one.session.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if PYTEST_SUMMARY.match(line) or PLAYER_SUMMARY.match(line):
                print(f"{one.session.name}: {line}")
            elif "NOT RUN" in line or (one.result == "NOT RUN" and "skipped" in line):
                print(f"{one.session.name}: NOT RUN: {line.rpartition('NOT RUN: ')[2]}")


def show_reasons(outcomes: list[Outcome]) -> None:
    """Print why each failed, in a few lines at the very end: some systems keep no more than that of a log."""
    for one in outcomes:
        if one.result != "FAILED":
            continue
        lines = one.session.log.read_text(encoding="utf-8", errors="replace").splitlines()
        reasons = list(dict.fromkeys(line for line in lines if REASON.match(line)))
        for line in [*reasons[-REASON_LINES:], one.note]:
            if line:
                print(f"{one.session.name}: {line[:REASON_COLUMNS]}")


def close(runner: Runner, wall: float) -> int:
    """Show failures, the table and the totals; return the exit code."""
    for outcome in runner.outcomes:
        if outcome.result == "FAILED":
            show_failure(outcome)
    show_table(runner)
    show_reasons(runner.outcomes)
    total = sum((one.count for one in runner.outcomes if one.result != "stopped"), Count())
    never = len(runner.sessions) - sum(one.result != "stopped" for one in runner.outcomes)
    processes, mounts = end_processes(None), left_mounts(runner.temporary)
    for thing in processes + mounts:
        print(f"checks: left behind: {thing}")
    if processes or mounts:
        total += Count(failed=1)
    if not mounts:
        shutil.rmtree(runner.temporary, ignore_errors=True)
    not_run = [one.session.name for one in runner.outcomes if one.result == "NOT RUN"]
    if not_run:
        print(f"checks: NOT RUN on this machine: {' '.join(not_run)}")
    if never or runner.stopping.is_set():
        print(f"checks: stopped; {never} sessions did not end")
    print(f"checks: {wall:.0f} s, {total.skipped} skipped")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or never or runner.stopping.is_set() else 0


def raise_stopped(number: int, _frame: object) -> None:
    """Unwind to main on a signal, once; a second signal finds the clean-up in progress."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    raise StoppedError(signal.Signals(number).name)


def main() -> int:
    """Run the chosen sessions."""
    parser = argparse.ArgumentParser(description="Run the checks of this checkout.")
    parser.add_argument(
        "--strict", action="store_true", help="a part that cannot run here is an error"
    )
    parser.add_argument(
        "--all", action="store_true", help="also what takes too long for every change"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="SESSION", help="leave one out"
    )
    parser.add_argument("sessions", nargs="*", help="names; all by default")
    arguments = parser.parse_args()
    sessions = choose(arguments.sessions, arguments.without)
    for directory in (LOGS, REPORTS, CACHE / "coverage"):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    adopt_orphans()
    temporary = tempfile.mkdtemp(prefix="ovirt-backup-checks-")
    runner = Runner(sessions, temporary, strict=arguments.strict, thorough=arguments.all)
    start = time.monotonic()
    print(
        f"checks: {len(sessions)} sessions in {len(LANES)} lanes; their output is in .cache/logs",
        flush=True,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_stopped)
    try:
        runner.run()
    except StoppedError as why:
        print(f"checks: {why}: ending what is running", flush=True)
        runner.stop()
    return close(runner, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
