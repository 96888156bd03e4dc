# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy leaves the login's control group if systemd is running, and continues where it cannot."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    process,
    scope,
)


@dataclass
class Systemd:
    """A directory with a program ``busctl``, and the file that tells a control group."""

    place: scope.UnitScope
    said: Path

    def answers(self, script: str) -> None:
        """Make the program record its arguments, and do something."""
        path = self.said.parent / "busctl"
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {self.said}\n{script}\n')
        path.chmod(0o755)

    def moves(self) -> None:
        """Have it do what systemd does: move the process, some time after the answer."""
        cgroup = f'"0::/system.slice/$(grep scope {self.said})"'
        self.answers(f"(sleep 0.3; echo {cgroup} > {self.place.cgroup}) > /dev/null 2>&1 &")


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    """Without a program; the process is in the scope of a session."""
    tools = tmp_path / "tools"
    tools.mkdir()
    cgroup = tmp_path / "cgroup"
    cgroup.write_text("0::/user.slice/user-1000.slice/session-3.scope\n")
    path = f"{tools}:{os.defpath}"
    return Systemd(scope.UnitScope(str(tools), path, str(cgroup)), tools / "said")


def test_systemd_is_asked_for_a_scope_with_this_process(
    systemd: Systemd, capfd: pytest.CaptureFixture[str]
) -> None:
    systemd.moves()
    scope.leave_login(systemd.place)
    words = systemd.said.read_text().splitlines()
    assert words[words.index("PIDs") :][:4] == ["PIDs", "au", "1", str(os.getpid())]
    assert scope.name_of(os.getpid()) in words
    assert scope.name_of(os.getpid()) in Path(systemd.place.cgroup).read_text(), "waited for"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo No such method. >&2; exit 1", "No such method."),
        ("kill -KILL $$", "busctl ended with -9."),
        ("exit 0", "systemd did not make"),
    ],
)
def test_a_refusal_stops_nothing(
    systemd: Systemd, script: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    systemd.answers(script)
    scope.leave_login(systemd.place)
    said = capfd.readouterr().err
    assert "could not leave the login session's control group" in said
    assert reason in said


def test_without_systemd_nobody_is_asked(systemd: Systemd) -> None:
    systemd.answers("exit 0")
    missing = replace(systemd.place, running=f"{systemd.place.running}/missing")
    scope.leave_login(missing)
    assert not systemd.said.exists()


def test_a_detached_process_leaves_before_it_works(systemd: Systemd, tmp_path: Path) -> None:
    systemd.moves()
    done, end = os.pipe()
    found = tmp_path / "found"

    def work() -> None:
        found.write_text(f"{os.getpid()} {Path(systemd.place.cgroup).read_text()}")

    process.detach(work, str(tmp_path / "log"), end, lambda: scope.leave_login(systemd.place))
    os.close(end)
    assert os.read(done, 1) == b"", "the end of the process"
    os.close(done)
    pid, cgroup = found.read_text().split()
    assert int(pid) != os.getpid()
    assert cgroup == f"0::/system.slice/{scope.name_of(int(pid))}"
