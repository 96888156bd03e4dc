# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark that protects a set from removal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from appliance.stored import Repository

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_protection import (
    BackupSetProtection,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageError,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform


def protect(
    path: Path, reason: str = "", *, protected: bool = True, check_mode: bool = False
) -> dict[str, Any]:
    operation = BackupSetProtection(str(path), reason, protected=protected)
    result, _warnings = perform(operation, check_mode=check_mode)
    return result


def is_protected(path: Path) -> bool:
    [entry] = repository.read(str(path.parent.parent)).entries
    return entry.seen.protected


def test_a_mark_comes_and_goes(repository: Path) -> None:
    path = Repository(repository).add()
    mark = path.with_name(f"{path.name}.protected")
    assert protect(path, "ask Jo", check_mode=True)["changed"]
    assert not is_protected(path)
    assert protect(path, "ask Jo")["changed"]
    assert is_protected(path)
    assert mark.read_text() == "ask Jo\n"
    assert not protect(path, "ask Jo")["changed"]
    assert protect(path, "ask Kim")["changed"]
    assert mark.read_text() == "ask Kim\n"
    assert protect(path, protected=False, check_mode=True)["changed"]
    assert is_protected(path)
    assert protect(path, protected=False)["changed"]
    assert not is_protected(path)
    assert not protect(path, protected=False)["changed"]


def test_marks_that_are_none_of_ours(repository: Path) -> None:
    path = Repository(repository).add()
    mark = path.with_name(f"{path.name}.protected")
    mark.symlink_to(repository / "elsewhere")
    assert is_protected(path)
    assert protect(path, "x")["changed"]
    assert not (repository / "elsewhere").exists()
    assert not mark.is_symlink()
    mark.unlink()
    mark.mkdir()
    assert is_protected(path)
    for protected in (True, False):
        with pytest.raises(ImageError, match="could not be"):
            protect(path, protected=protected)


def test_what_is_no_set(repository: Path) -> None:
    path = Repository(repository).add()
    link = path.with_name("20200101T000000Z.link")
    link.symlink_to(path)
    for wrong in (repository, path.parent, link, path / "x", path.with_name("20200101T000000Z.no")):
        with pytest.raises(InvalidRequest, match="not a backup set"):
            protect(wrong)


def test_a_mark_that_goes_meanwhile(repository: Path) -> None:
    path = Repository(repository).add()
    protect(path)
    operation = BackupSetProtection(str(path), "", protected=False)
    plan = operation.plan()
    operation.execute(plan)
    assert operation.execute(plan) == {}
