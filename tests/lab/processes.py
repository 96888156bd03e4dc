# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes, loop devices and mounts of a lab, and how they end whatever happens to the lab.

Everything that a lab starts on this machine is written down below its root. A small minder
process waits for the lab's end (also by SIGKILL) and releases what is written down there.
This file is also the minder's program, so it imports the standard library alone.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import ClassVar

STATE_DIRECTORY = ".running"
_KILL_SECONDS = 10.0
_OWNER_SECONDS = 60.0


class CommandError(RuntimeError):
    """A program ended with an error; carries argv, the exit status and what it printed."""

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str) -> None:
        """Keep argv (list of words), returncode and stderr (text)."""
        super().__init__(f"{' '.join(argv)}: exit {returncode}: {stderr.strip()}")
        self.argv = list(argv)
        self.returncode = returncode
        self.stderr = stderr


class LabInUseError(RuntimeError):
    """Another process, still alive, runs a lab on this root."""


def run(
    argv: Sequence[str | Path],
    *,
    stdin: bytes | None = None,
    timeout: float = 300.0,
    ok: Sequence[int] = (0,),
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Raises CommandError for an exit status outside `ok`, and for a program that is missing or
    needs more than `timeout` seconds.
    """
    words = [str(word) for word in argv]
    # Debian's `su` leaves root without the directories of losetup and mke2fs.
    search = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": search}
    try:
        done = subprocess.run(
            words,
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=timeout,
            env=environment,
            check=False,
        )
    except FileNotFoundError as missing:
        raise CommandError(words, 127, f"not installed: {missing.filename}") from missing
    except subprocess.TimeoutExpired as late:
        printed = (late.stderr or late.stdout or b"").decode(errors="replace")
        told = f"{printed.rstrip()}\nnot done after {timeout} s"
        raise CommandError(words, 124, told.lstrip()) from late
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if done.returncode not in ok:
        raise CommandError(words, done.returncode, err or out)
    return subprocess.CompletedProcess(words, done.returncode, out, err)


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Ask `done` again and again, with a growing pause, for `seconds`; its last answer."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while not done():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 2, 0.1)
    return True


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ssh_answers(port: int) -> bool:
    """Tell whether an SSH server greets on a port of the loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be taken for a later one with the same number."""

    pid: int
    start: str

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """Return the process `pid` as it runs now; raises ProcessLookupError."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except (FileNotFoundError, ProcessLookupError) as gone:
            raise ProcessLookupError(pid) from gone
        return cls(pid, f"{boot}:{text.rpartition(')')[2].split()[19]}")

    def pidfd(self) -> int | None:
        """Return an open pidfd of the process, or None if it is gone. The caller closes it."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return None
        try:
            if ProcessId.of(self.pid) == self:
                return descriptor
        except ProcessLookupError:
            pass
        os.close(descriptor)
        return None

    def alive(self) -> bool:
        """Tell whether the process still runs; a zombie does not."""
        return not self.wait(0.0)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process; False if it still runs after `seconds`."""
        descriptor = self.pidfd()
        if descriptor is None:
            return True
        try:
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            return bool(poller.poll(int(seconds * 1000)))
        finally:
            os.close(descriptor)

    def kill(self) -> bool:
        """End the process with SIGKILL and wait for it; True if it ran and is gone now."""
        descriptor = self.pidfd()
        if descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return self.wait(_KILL_SECONDS)


def mounts_below(root: Path) -> list[Path]:
    """Mount points of this mount namespace below `root`, the youngest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        raw = line.split()[4].encode("utf-8").decode("unicode_escape")
        path = Path(raw.encode("latin-1").decode("utf-8"))
        if root in path.parents:
            found.append(path)
    return found[::-1]


def loops_below(root: Path) -> list[str]:
    """Loop devices ("/dev/loopN") whose file lies below `root`."""
    found = []
    for backing in sorted(Path("/sys/block").glob("loop*/loop/backing_file")):
        try:
            text = backing.read_text(encoding="utf-8", errors="surrogateescape").strip()
        except OSError:
            continue
        if root in Path(text.removesuffix(" (deleted)")).parents:
            found.append(f"/dev/{backing.parent.parent.name}")
    return found


class Registry:
    """What one process has running for the lab on one root.

    Shared by all parts of a lab in this process: each part calls `acquire` and, at its end,
    `release`; the last release ends the minder and removes the state directory.
    """

    _all: ClassVar[dict[Path, Registry]] = {}
    _all_lock = threading.RLock()

    def __init__(self, root: Path) -> None:
        """Use `acquire`. Raises LabInUseError."""
        self.root = root
        self.state = root / STATE_DIRECTORY
        self._users = 0
        reap_stale(root)
        self.state.mkdir(parents=True, exist_ok=True)
        self._write("owner.json", ProcessId.of(os.getpid()))
        self._minder = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self._at_exit)

    @classmethod
    def acquire(cls, root: Path) -> Registry:
        """Return the registry of `root`, made at the first call; raises LabInUseError."""
        root = root.resolve()
        root.mkdir(parents=True, exist_ok=True)
        with cls._all_lock:
            found = cls._all.get(root)
            if found is None:
                found = cls._all[root] = cls(root)
            found._users += 1
            return found

    def release(self) -> None:
        """One part of the lab is done; the last one closes the registry."""
        with self._all_lock:
            self._users -= 1
            if self._users <= 0:
                self._close()

    def spawn(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        pass_fds: Sequence[int] = (),
        stdout: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, its messages in `log`, and write it down."""
        with log.open("ab") as messages:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=messages if stdout is None else stdout,
                stderr=messages,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
                env=None if environment is None else dict(environment),
                cwd="/",
            )
        self.note(process.pid)
        return process

    def note(self, pid: int) -> None:
        """Record a process that has to end with the lab."""
        try:
            self._write(f"process-{pid}.json", ProcessId.of(pid))
        except ProcessLookupError:
            return

    def end(self, process: subprocess.Popen[bytes], seconds: float = 0.0) -> None:
        """Give a spawned process `seconds` to end by itself, then kill it; forget it."""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_KILL_SECONDS)
        self.forget(process.pid)

    def forget(self, pid: int) -> None:
        """Strike a process that has ended."""
        (self.state / f"process-{pid}.json").unlink(missing_ok=True)

    def _write(self, name: str, process: ProcessId) -> None:
        partial = self.state / f"{name}.part"
        partial.write_text(json.dumps({"pid": process.pid, "start": process.start}), "utf-8")
        partial.rename(self.state / name)

    def _at_exit(self) -> None:
        with self._all_lock:
            self._close()

    def _close(self) -> None:
        if self._all.get(self.root) is not self:
            return
        # A forked copy of the owner must not end what the owner still uses.
        if _read_process(self.state / "owner.json") == ProcessId.of(os.getpid()):
            _release_all(self.root)
        del self._all[self.root]
        atexit.unregister(self._at_exit)
        if self._minder.stdin is not None:
            self._minder.stdin.close()
        self._minder.wait(_KILL_SECONDS)


def _read_process(path: Path) -> ProcessId | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return ProcessId(int(values["pid"]), str(values["start"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _release_processes(state: Path) -> Iterator[str]:
    for path in sorted(state.glob("process-*.json")):
        process = _read_process(path)
        if process is not None and process.kill():
            yield f"process {process.pid}"


def _release_all(root: Path) -> list[str]:
    state = root / STATE_DIRECTORY
    released = list(_release_processes(state))
    # Three rounds: a mount of a file on a loop device hides what is below it.
    for _round in range(3):
        for device in loops_below(root):
            run(["losetup", "-d", device], ok=(0, 1))
            released.append(device)
        for mount in mounts_below(root):
            run(["umount", "-l", mount], ok=(0, 1, 32))
            released.append(str(mount))
        if not loops_below(root) and not mounts_below(root):
            break
    shutil.rmtree(state, ignore_errors=True)
    return released


def reap_stale(root: Path) -> list[str]:
    """Release what a dead lab left on `root`; names what it released.

    Nothing left is an empty list. Raises LabInUseError if the lab's process is alive.
    """
    root = root.resolve()
    owner = _read_process(root / STATE_DIRECTORY / "owner.json")
    if owner is not None and owner.alive():
        raise LabInUseError(f"process {owner.pid} runs a lab on {root}")
    return _release_all(root)


def exit_on_signals() -> None:
    """Let SIGTERM and SIGINT end this process as sys.exit does, so that clean-up runs."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def mind(root: Path) -> None:
    """The minder: wait until the lab's process is gone, then release what it left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    owner = _read_process(root / STATE_DIRECTORY / "owner.json")
    if owner is None:
        return
    if owner.wait(_OWNER_SECONDS):
        reap_stale(root)


if __name__ == "__main__":
    mind(Path(sys.argv[1]))
