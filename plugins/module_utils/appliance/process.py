# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs that do not outlive us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.images import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
# Loaded here: between fork and exec nothing may be imported.


class Process:
    """A program in a session of its own, which the kernel kills when our process ends.

    Start it while this process has one thread: the child runs Python before it becomes the
    program. The thread that starts it must live as long as it does.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start ``argv``; its errors are read in English.

        Raises:
            OSError: The program cannot be started.
        """
        parent = os.getpid()
        # run_command can neither be ended half way nor takes its children along.
        self._popen = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509
        )

    def kill(self) -> None:
        """End it now; harmless if it has ended."""
        self._popen.kill()

    def wait(self) -> Outcome:
        """Wait for its end; kills it if the wait is interrupted."""
        try:
            _out, err = self._popen.communicate()
        finally:
            if self._popen.poll() is None:
                self._popen.kill()
                self._popen.wait()
        return Outcome(self._popen.returncode, err.decode("utf-8", "replace"))


def run(argv: Sequence[str]) -> Outcome:
    """Start a program and wait for its end."""
    return Process(argv).wait()


def _die_with(parent: int) -> None:
    """In the child: die with the parent, also if it has died before this line."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
