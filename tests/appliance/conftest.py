# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that use real loop devices and the real qemu-img."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliance.loops import LoopAppliance


@pytest.fixture(scope="session", autouse=True)
def unwind_when_terminated() -> Iterator[None]:
    """Loop devices and mounts must go on SIGTERM as on an interrupt."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session", autouse=True)
def root_only() -> None:
    """Loop devices and mounts need root."""
    if os.geteuid() != 0:
        pytest.skip("loop devices and mounts need root")


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[LoopAppliance]:
    """This machine as an appliance; nothing is left of it."""
    root = tmp_path / "appliance"
    root.mkdir()
    found = LoopAppliance(root)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def pipelining(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ansible use one connection for each task, not five: for tests that run many tasks on few cores."""
    monkeypatch.setenv("ANSIBLE_PIPELINING", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A directory for images."""
    path = tmp_path / "repository"
    path.mkdir()
    return path


@pytest.fixture
def disk_id() -> str:
    """The id of a disk."""
    return str(uuid.uuid4())
