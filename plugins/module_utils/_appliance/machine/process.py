# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs that end with us, and work that does not."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
    scope,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    Outcome,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

_PR_SET_PDEATHSIG = 1
_CHUNK = 4096
_LIBC = ctypes.CDLL(None, use_errno=True)
# Loaded here: between fork and exec nothing may be imported.


class Process:
    """A program in a session of its own, which the kernel kills when our process ends.

    Start it while this process has one thread: the child runs Python before it becomes the program.
    The thread that starts it must live as long as the program.
    """

    def __init__(self, argv: Sequence[str], tell: Callable[[str], None] | None = None) -> None:
        """Start ``argv``; its messages are in English.

        Args:
            argv: The program and its arguments.
            tell: Gets what the program prints, as it comes; nobody does by default.

        Raises:
            OSError: The program cannot be started.
        """
        parent = os.getpid()
        self._tell = tell
        # run_command cannot be aborted, and does not end its children.
        self._popen = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if tell else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509
        )

    def kill(self) -> None:
        """Kill the program now; harmless if it has ended."""
        self._popen.kill()

    def wait(self) -> Outcome:
        """Wait for the program's end; kill it if the wait is interrupted."""
        try:
            err = self._listen()
            self._popen.wait()
        finally:
            if self._popen.poll() is None:
                self._popen.kill()
                self._popen.wait()
        return Outcome(self._popen.returncode, err.decode("utf-8", "replace"))

    def _listen(self) -> bytes:
        """Read both outputs to their ends; return the errors."""
        errors: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            for stream in filter(None, (self._popen.stdout, self._popen.stderr)):
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for ready, _events in selector.select():
                    data = os.read(ready.fd, _CHUNK)
                    if not data:
                        selector.unregister(ready.fileobj)
                    elif ready.fileobj is self._popen.stderr:
                        errors.append(data)
                    elif self._tell:
                        self._tell(data.decode("ascii", "replace"))
        for stream in filter(None, (self._popen.stdout, self._popen.stderr)):
            stream.close()
        return b"".join(errors)


def run(argv: Sequence[str], tell: Callable[[str], None] | None = None) -> Outcome:
    """Start a program and wait for its end; see ``Process``."""
    return Process(argv, tell).wait()


def detach(
    work: Callable[[], None],
    log: str,
    keep: int,
    leave: Callable[[], None] = scope.leave_login,
) -> None:
    """Do work in a process of its own that outlives us, our session, our terminal and our login.

    Whatever the work needs must be imported before: Ansible removes a module's archive when the
    module ends. The process keeps none of our open files but ``keep``.

    Args:
        work: What to do. Its process ends when this returns.
        log: File for what the process prints; replaced.
        keep: A descriptor that stays open as long as the process lives.
        leave: Takes the process out of the login that started it.

    Raises:
        OSError: No process could be made.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _let_go(log, keep)
            leave()
            work()
    finally:
        if sys.exc_info()[0]:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(0)


def _let_go(log: str, keep: int) -> None:
    """Release everything that belongs to the starter, in the new process."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    os.umask(0o077)
    output = opening.emptied_file(log)
    for source, target in ((opening.node(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd != keep:  # noqa: PLR2004  (standard input, output and errors)
            with suppress(OSError):
                os.close(fd)
    sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _die_with(parent: int) -> None:
    """Die with the parent, in the child, also if it has died before this line."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
