# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module through the real Ansible, against a lab without real disks; molecule tests the disks' content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from support.playbooks import Ansible
from support.scene import Scene, engine_of

from lab.lab import Lab


@pytest.fixture(scope="session")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ansible]:
    """ansible-playbook, started once."""
    running = Ansible(tmp_path_factory.mktemp("ansible"))
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def scene(tmp_path: Path, ansible: Ansible) -> Iterator[Scene]:
    """A lab of its own for each test: web01, db01, files01 (down), and the appliance backup01."""
    with Lab(tmp_path / "lab", host=False) as lab:
        engine = engine_of(lab)
        try:
            yield Scene(lab, lab.control(), engine, ansible)
        finally:
            engine.close()


@pytest.fixture
def foreign_ca(tmp_path: Path) -> str:
    """A CA that no lab has its certificate from."""
    path = tmp_path / "foreign.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)
