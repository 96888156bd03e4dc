# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One suite over the engine port: against the lab, and against a live engine if OVIRT_URL names one.

CONTRIBUTING.md says what a live engine needs. A test that arranges or reads something behind the
API has the mark ``behind``, one that needs an administrator the mark ``administrator``: on a live
engine they are skipped before anything is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.bench import Bench, Site, at_work, has_administrator, is_live, lab_site, live_site

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect_v4,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from lab.control import Control
from lab.lab import Lab


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip live what a live engine cannot be asked: before a fixture is set up."""
    if not is_live():
        return
    behind = item.get_closest_marker("behind")
    if behind is not None:
        pytest.skip(f"arranged behind the API: {behind.args[0]}")
    if item.get_closest_marker("administrator") is not None and not has_administrator():
        pytest.skip("needs an administrator: OVIRT_ADMIN_USERNAME, OVIRT_ADMIN_PASSWORD")


@pytest.fixture
def _lab(tmp_path: Path) -> Iterator[Lab | None]:
    """A lab of its own for each test; none where the engine is a live one."""
    if is_live():
        yield None
        return
    with Lab(tmp_path / "lab", host=False) as lab:
        yield lab


@pytest.fixture
def lab(request: pytest.FixtureRequest, _lab: Lab | None) -> Lab:
    """The lab behind the engine, for tests with the mark ``behind`` alone."""
    marked = request.node.get_closest_marker("behind") is not None
    assert marked, "mark the test with behind(...), and say what is arranged"
    assert _lab is not None
    return _lab


@pytest.fixture
def control(lab: Lab) -> Control:
    """The lab's control API, for tests with the mark ``behind`` alone."""
    return lab.control()


@pytest.fixture
def site(_lab: Lab | None) -> Site:
    """The engine to test."""
    return live_site() if _lab is None else lab_site(_lab)


@pytest.fixture
def bench(request: pytest.FixtureRequest, site: Site) -> Iterator[Bench]:
    """A bench of the backup user. It removes what the test made, unless the lab was arranged: that is thrown away."""
    tidy = request.node.get_closest_marker("behind") is None
    with at_work(site, tidy=tidy) as bench:
        yield bench


@pytest.fixture
def administrator(request: pytest.FixtureRequest, site: Site) -> Iterator[EnginePort]:
    """A connection of an administrator, for tests with the mark ``administrator`` alone."""
    marked = request.node.get_closest_marker("administrator") is not None
    assert marked, "mark the test with administrator"
    assert site.administrator is not None
    engine = connect_v4(site.administrator)
    try:
        yield engine
    finally:
        engine.close()
