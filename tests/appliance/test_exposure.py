# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of a repository whose directories others than root could replace."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    exposure,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set import (
    PrepareSet,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_preflight import (
    AppliancePreflight,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_repository import (
    ApplianceRepository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set import (
    PrepareRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_preflight import (
    PreflightRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_repository import (
    RepositoryRequest,
)

VM = f"web01.{uuid.UUID(int=1)}"
_OTHER = 12345


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository two directories down, with one VM."""
    found = tmp_path / "srv/backup"
    for path in (found.parent, found, found / VM):
        path.mkdir(mode=0o755)
    return found


def give_away(path: Path) -> None:
    os.chown(path, _OTHER, _OTHER, follow_symlinks=False)


def refusal(place: Path) -> str:
    """Return why the preflight refuses it."""
    wanted = PreflightRequest(str(place), require_mount=False, require_zstd=False)
    with pytest.raises(Refused) as caught:
        AppliancePreflight(wanted).plan()
    [problem] = caught.value.details["problems"]
    assert problem["check"] == "exposed"
    return str(problem["message"])


def test_a_place_of_roots_alone_is_fine(place: Path) -> None:
    assert exposure.of_repository(str(place)) == ()
    assert exposure.of_repository(f"{place}/") == ()
    assert exposure.of_set(str(place), str(place / "not there")) == ()
    sticky = place.parent
    sticky.chmod(0o1777)
    assert exposure.of_repository(str(place)) == ()
    wanted = PreflightRequest(str(place), require_mount=False, require_zstd=False)
    facts = AppliancePreflight(wanted).plan().result
    assert facts["repository"]["exposed"] == []


@pytest.mark.parametrize("which", ["srv", "srv/backup", f"srv/backup/{VM}"])
def test_each_directory_counts(tmp_path: Path, place: Path, which: str) -> None:
    path = tmp_path / which
    path.chmod(0o775)
    assert f"{path} (mode 0775)" in refusal(place)
    path.chmod(0o755)
    give_away(path)
    assert f"{path} (owner {_OTHER})" in refusal(place)
    assert len(exposure.of_set(str(place), str(place / VM))) == 1


def test_the_repository_itself_may_not_be_open_to_all_though_sticky(place: Path) -> None:
    place.chmod(0o1777)
    assert f"{place} (mode 01777)" in refusal(place)


def test_links_are_followed_as_linux_does(tmp_path: Path, place: Path) -> None:
    through = tmp_path / "through"
    through.mkdir()
    first, second = tmp_path / "first", through / "second"
    first.symlink_to("through/./second/../backup")
    second.symlink_to(place)
    assert exposure.of_repository(str(first)) == ()
    through.chmod(0o777)
    assert f"{through} (mode 0777)" in refusal(first)
    through.chmod(0o755)
    give_away(second)
    assert f"{second} (owner {_OTHER})" in refusal(first)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert exposure.of_repository(str(loop)) == ()


def test_whoever_prepares_an_appliance_is_warned(place: Path) -> None:
    wanted = RepositoryRequest(str(place), require_mount=False)
    assert ApplianceRepository(wanted).plan().warnings == ()
    give_away(place.parent)
    [warning] = ApplianceRepository(wanted).plan().warnings
    assert f"{place.parent} (owner {_OTHER})" in warning
    assert "chown" in warning
    # The directory itself is given to root.
    os.chown(place.parent, 0, 0)
    give_away(place)
    plan = ApplianceRepository(wanted).plan()
    assert (plan.changed, plan.warnings) == (True, ())


def test_no_set_is_begun_where_a_stranger_made_the_directory(place: Path) -> None:
    give_away(place / VM)
    vm, run = ("web01", str(uuid.UUID(int=1))), ("2026-11-23T01:00:00Z", "run1")
    request = PrepareRequest(str(place), vm, run, (), "raw")
    with pytest.raises(Refused, match=f"owner {_OTHER}"):
        PrepareSet(request).plan()
    assert list((place / VM).iterdir()) == []
