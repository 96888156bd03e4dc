# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the appliance's own programs, and read its small files."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    MissingDependency,
    ToolFailed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
        System,
    )

TOOLS = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Directories of the system's programs."""

_SECONDS = 120.0
"""The time limit of a call that names none."""


@dataclass(frozen=True)
class Output:
    """What a program printed, and how it ended."""

    code: int
    out: str
    err: str


def find(name: str, path: str = TOOLS) -> str:
    """Return the path of a program; empty if it is not installed.

    Args:
        name: The program.
        path: Where to look; not in the task's PATH, which others may have set.
    """
    return shutil.which(name, path=path) or ""


def locate(host: System, name: str) -> str:
    """Return the path of one of the appliance's programs; empty if it is not installed."""
    return find(name, host.tools)


def call(
    host: System,
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    seconds: float = _SECONDS,
) -> Output:
    """Run an installed program, in English, and wait for its end.

    Raises:
        MissingDependency: It is not installed.
        ToolFailed: It did not end in time.
    """
    path = locate(host, argv[0])
    if not path:
        raise MissingDependency(f"{argv[0]} is not installed.", hint="Install it on the appliance.")
    try:
        # Code below the edge has no AnsibleModule, and so no run_command.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [path, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env={"PATH": host.tools, "LC_ALL": "C", **(environment or {})},
        )
    except subprocess.TimeoutExpired as exc:
        raise _failed(argv, f"it did not end within {seconds:.0f} s") from exc
    return Output(
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


def must(
    host: System,
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    hint: str = "",
    seconds: float = _SECONDS,
) -> str:
    """Run a program that must succeed; return what it printed.

    Raises:
        ToolFailed: It failed.
    """
    done = call(host, argv, environment, seconds=seconds)
    if done.code != 0:
        raise _failed(argv, done.err.strip() or done.out.strip() or f"exit code {done.code}", hint)
    return done.out


def text(path: str) -> str | None:
    """Return the content of a small text file; None if it does not exist."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def number(path: str) -> str:
    """Return ``major:minor`` of the block device that a path leads to; empty if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if status.st_rdev else ""


def _failed(argv: Sequence[str], said: str, hint: str = "") -> ToolFailed:
    return ToolFailed(f"{' '.join(argv)}: {said}", hint=hint, details={"argv": list(argv)})
