# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs are to be backed up, in a real repository, and what the page says of them."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from appliance.stored import START, Repository, uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    backup_vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository as repositories,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_repository_report import (
    BackupRepositoryReport,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

NOW = (START + timedelta(hours=5)).timestamp()
WEB, DB = {"id": uuid(1), "name": "web01"}, {"id": uuid(2), "name": "db01"}


def record(path: Path, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:  # noqa: ANN401
    request = backup_vm.BackupVmRequest(str(path), **params)
    result, warnings = perform(backup_vm.BackupVm(request, lambda: NOW), check_mode=check_mode)
    return {**result, "warnings": warnings}


def problems(path: Path, hours: int = 5) -> list[str]:
    asked = {
        key: option.get("default")
        for key, option in repository_args.BACKUP_REPOSITORY_REPORT.items()
    }
    request = repository_args.backup_repository_report_request({**asked, "repository": str(path)})
    now = (START + timedelta(hours=hours)).timestamp()
    result, _warnings = perform(BackupRepositoryReport(request, lambda: now), check_mode=False)
    return list(result["problems"])


def test_a_vm_that_was_never_backed_up_is_named_and_can_be_retired(repository: Path) -> None:
    Repository(repository).add(1, START)
    assert any("has no record of the VMs" in one for one in problems(repository))
    predicted = record(repository, check_mode=True, wanted=[WEB, DB])
    assert predicted["changed"]
    assert not (repository / "vms").exists()
    first = record(repository, wanted=[WEB, DB])
    assert (first["vms"], first["changed"]) == (predicted["vms"], True)
    assert not record(repository, wanted=[DB])["changed"]
    assert [one for one in problems(repository) if "verified" not in one] == [
        "db01: no set, although backups were requested since 2026-11-23T06:00:00Z"
    ]
    assert repositories.read(str(repository)).strangers == ()
    for path in (repository / "vms", *(repository / "vms").iterdir()):
        assert path.stat().st_mode & 0o077 == 0

    assert problems(repository, 100)[1].startswith("web01: overdue")
    done = record(repository, retired=["web01", uuid(2)], reason="sold")
    assert [one["retired"] for one in done["vms"]] == ["2026-11-23T06:00:00Z"] * 2
    assert not record(repository, retired=["db01"])["changed"]
    assert problems(repository, 100) == ["web01: never verified"], "its sets are looked after"
    page = (repository / "index.html").read_text()
    assert "retired 2026-11-23T06:00:00Z: sold" in page

    back = record(repository, wanted=[WEB])
    assert back["changed"]
    assert problems(repository, 100)[0].startswith("web01: overdue")


def test_a_vm_that_nobody_knows_is_not_retired(repository: Path) -> None:
    with pytest.raises(NotFound):
        record(repository, retired=["web01"])
    with pytest.raises(InvalidRequest, match="cannot be read"):
        record(repository / "missing", wanted=[WEB])


@pytest.mark.parametrize("kind", ["link", "pipe", "text", "long", "directory"])
def test_a_record_that_is_none_is_named_and_hides_nothing(repository: Path, kind: str) -> None:
    record(repository, wanted=[WEB, DB])
    path = repository / "vms" / f"{uuid(2)}.json"
    (repository / "vms/notes.txt").touch()
    path.unlink()
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "text":
        path.write_text("[]")
    elif kind == "long":
        path.write_bytes(bytes(70_000))
    else:
        path.mkdir()
    found = record(repository, wanted=[WEB])
    assert [one["name"] for one in found["vms"]] == ["web01"]
    [said] = found["warnings"]
    assert path.name in said
    told = problems(repository)
    assert any(path.name in one for one in told)
    assert "web01: no set, although" in " ".join(told)


def test_records_that_cannot_be_looked_at(repository: Path) -> None:
    (repository / "vms").touch()
    found = record(repository)
    assert (found["vms"], found["changed"]) == ([], False)
    [said] = found["warnings"]
    assert said.startswith(f"{repository}/vms cannot be read: ")
    assert problems(repository) == [said.rstrip(".")]
