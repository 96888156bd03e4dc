# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One suite over the engine port: against the lab, and against a live engine where OVIRT_URL names one.

A live engine needs OVIRT_USERNAME, OVIRT_PASSWORD, OVIRT_CAFILE, and the names of two VMs that may be used:
OVIRT_CONTRACT_SOURCE (snapshots of it are made and removed) and OVIRT_CONTRACT_APPLIANCE (Up or Down, without a disk of
the source's). Tests that need to look behind the engine, or to make it fail, are for the lab alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.bench import Bench, Site, lab_site, live_site

from ansible_collections.ovirt_community.backup.plugins.module_utils.engine.connect import connect
from lab.lab import Lab


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The engine to test: a lab of its own for each test, or the live one."""
    if os.environ.get("OVIRT_URL"):
        yield live_site()
        return
    with Lab(tmp_path / "lab", host=False) as lab:
        yield lab_site(lab)


@pytest.fixture
def bench(site: Site) -> Iterator[Bench]:
    """A bench, logged in."""
    engine = connect(site.settings)
    try:
        yield Bench(site, engine)
        if site.lab is None:
            Bench(site, engine).clean()
    finally:
        engine.close()
