# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemd scope of its own for a process that outlives the login that started it.

With ``KillUserProcesses=yes`` logind kills everything left in the scope of a session when the
session ends. A new session or process group does not help; only another control group does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Deadline,
)

_SECONDS = 10.0
"""How long systemd may take to answer; a copy does not wait longer for it."""

_MOVE_SECONDS = 5.0
_LONGEST_PAUSE = 0.1

_MANAGER = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
)


@dataclass(frozen=True)
class UnitScope:
    """Where systemd is looked for. Tests point it elsewhere.

    Attributes:
        running: Exists if systemd is the init system (``sd_booted``).
        path: Directories of programs.
        cgroup: Names the control group of this process.
    """

    running: str = "/run/systemd/system"
    path: str = programs.TOOLS
    cgroup: str = "/proc/self/cgroup"


def name_of(pid: int) -> str:
    """Return the name of a process's scope."""
    return f"ovirt_community.backup-{pid}.scope"


def argv(busctl: str, pid: int) -> tuple[str, ...]:
    """Return the call that makes systemd put a running process into a new scope.

    ``systemd-run --scope`` does the same for a program that it starts; this process is not started
    by it.
    """
    return (
        *(busctl, "--system", "--quiet", "call", *_MANAGER, "StartTransientUnit"),
        *("ssa(sv)a(sa(sv))", name_of(pid), "fail"),
        *("3", "PIDs", "au", "1", str(pid)),
        *("Description", "s", "Copy of ovirt_community.backup"),
        *("CollectMode", "s", "inactive-or-failed"),
        "0",
    )


def leave_login(place: UnitScope | None = None) -> None:
    """Move this process out of the login's control group, if systemd is running.

    It must have no children yet: they would stay. A failure is only printed: the copy continues,
    and the end of the login may stop it.

    Args:
        place: Where systemd is looked for.
    """
    found = place or UnitScope()
    busctl = programs.find("busctl", found.path)
    if not busctl or not os.path.isdir(found.running):
        return
    reason = _ask(busctl) or _wait_for_the_move(found)
    if reason:
        sys.stderr.write(f"The copy could not leave the login session's control group: {reason}\n")
        sys.stderr.flush()


def _ask(busctl: str) -> str:
    """Ask systemd; return why it refused, empty if it did not."""
    try:
        # AnsibleModule, and so its run_command, is gone when this runs.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv(busctl, os.getpid()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    if done.returncode:
        return done.stderr.strip() or f"busctl ended with {done.returncode}."
    return ""


def _wait_for_the_move(place: UnitScope) -> str:
    """Wait for the move, which follows systemd's answer; return why it seems not to have happened, or empty."""
    wanted = f"/{name_of(os.getpid())}"
    try:
        for _waited in Deadline(SystemClock(), _MOVE_SECONDS, _LONGEST_PAUSE).ticks():
            with open(place.cgroup, encoding="utf-8") as file:
                if any(line.rstrip().endswith(wanted) for line in file):
                    return ""
    except OSError as exc:
        return f"{place.cgroup}: {exc.strerror}."
    return f"systemd did not make {wanted[1:]} in time."
