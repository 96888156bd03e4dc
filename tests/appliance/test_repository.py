# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository is listed whatever it contains, and nothing outside it is read."""

from __future__ import annotations

import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from appliance.stored import MIB, START, Repository, uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_info import (
    BackupSetInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.repository import (
    NAMES_LIMIT,
    read,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform


def listing(repository: Path, **params: object) -> dict[str, Any]:
    asked = {
        key: option.get("default") for key, option in repository_args.BACKUP_SET_INFO.items()
    } | params
    operation = BackupSetInfo(
        str(repository),
        repository_args.backup_set_info_filter(asked),
        manifests=bool(asked["manifests"]),
    )
    result, _warnings = perform(operation, check_mode=False)
    json.dumps(result, ensure_ascii=False).encode()
    assert not result["changed"]
    return result


def states(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {Path(one["path"]).name: (one["state"], one["reason"]) for one in result["sets"]}


def test_sets_are_listed_by_vm_and_time(repository: Path) -> None:
    stored = Repository(repository)
    late = stored.add(1, START + timedelta(days=1), run="late", disks=2)
    early = stored.add(1, START, run="early")
    other = stored.add(2, START, name="app/01\n", run="early")
    result = listing(repository)
    assert [one["path"] for one in result["sets"]] == [str(other), str(early), str(late)]
    assert result["sets"][2] == {
        "path": str(late),
        "vm": {"id": uuid(1), "name": "web01"},
        "run_id": "late",
        "time": "2026-11-24T01:00:05Z",
        "time_certain": True,
        "time_note": "",
        "finished": "2026-11-24T01:10:00Z",
        "state": "complete",
        "reason": "",
        "consistency": "filesystem",
        "disks": 2,
        "virtual_size": 2 * MIB,
        "bytes_stored": 8192,
        "parents": [],
        "protected": False,
        "verified": None,
        "unfinished": None,
    }
    assert result["totals"] == {
        "vms": 2,
        "sets": 3,
        "bytes_stored": 16384,
        "complete": 3,
        "unfinished": 0,
        "corrupt": 0,
        "parent_missing": 0,
        "unsupported": 0,
        "unreadable": 0,
    }
    assert result["unrecognised"] == []


def test_filters(repository: Path) -> None:
    stored = Repository(repository)
    for number in range(3):
        stored.add(1, START + timedelta(days=number), run=f"r{number}", disks=number + 1)
    stored.unfinished(1, START + timedelta(days=3), run="r3")
    stored.add(
        2,
        START,
        name="app01",
        run="r0",
        changes={"consistency": {"level": "crash", "evidence": []}},
    )

    def runs(**params: object) -> list[str]:
        return [
            f"{one['vm']['name']} {one['run_id']}" for one in listing(repository, **params)["sets"]
        ]

    assert runs(vm="app01") == runs(vm=uuid(2)) == ["app01 r0"]
    assert runs(vm="APP01") == []
    assert runs(vm="web01", before="2026-11-24T01:00:05Z") == ["web01 r0"]
    assert runs(vm="web01", after="2026-11-25") == ["web01 r2", "web01 r3"]
    assert runs(states=["unfinished"]) == ["web01 r3"]
    assert runs(consistency=["crash"]) == ["app01 r0"]
    assert runs(min_size=8192, max_size=8192) == ["web01 r1"]
    assert runs(select="newest") == ["app01 r0", "web01 r3"]
    assert runs(select="newest_good") == ["app01 r0", "web01 r2"]
    assert runs(select="newest_good", vm="web01", before="2026-11-25") == ["web01 r1"]
    with pytest.raises(InvalidRequest, match="before"):
        runs(before="yesterday")


def test_manifests_come_when_asked_for(repository: Path) -> None:
    stored = Repository(repository)
    path = stored.add(name="web\udc8001")
    stored.unfinished(2)
    broken, good = listing(repository, manifests=True)["sets"]
    assert broken["manifest"] is None
    assert good["path"] == str(path)
    assert good["manifest"]["vm"]["name"] == "web\\udc8001"
    assert good["manifest"]["disks"][0]["file"] == f"{uuid(0xD0)}.raw"


def _make(path: Path, how: str) -> None:
    """Something that is not a regular file, instead of a set's manifest."""
    target = path / "manifest.json"
    text = target.read_text()
    target.unlink()
    if how == "link":
        (path / "elsewhere").write_text(text)
        target.symlink_to(path / "elsewhere")
    elif how == "fifo":
        os.mkfifo(target)
    elif how == "socket":
        os.mknod(target, stat.S_IFSOCK | 0o600)
    elif how == "directory":
        target.mkdir()
    else:
        target.touch()
        os.truncate(target, manifest.SIZE_LIMIT + 1)


def _write(path: Path, how: str) -> None:
    """A manifest that is not the set's."""
    target = path / "manifest.json"
    data = json.loads(target.read_text())
    changes: dict[str, dict[str, Any]] = {
        "future": {"version": 2},
        "vm": {"vm": {**data["vm"], "id": uuid(9)}},
        "run": {"run_id": "other"},
    }
    if how in changes:
        target.write_text(json.dumps({**data, **changes[how]}))
    else:
        target.write_text("[" * 100_000 if how == "deep" else how)


@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [
        ("link", "corrupt", "manifest.json is a link"),
        ("fifo", "corrupt", "manifest.json is not a regular file"),
        ("socket", "corrupt", "manifest.json"),
        ("directory", "corrupt", "manifest.json is not a regular file"),
        ("huge", "corrupt", "longer than"),
        ("future", "unsupported", "version 2"),
        ("vm", "corrupt", "another VM"),
        ("run", "corrupt", "another run"),
        ("deep", "corrupt", "not JSON"),
        ("{", "corrupt", "not JSON"),
        ("", "corrupt", "not JSON"),
        ("{}", "corrupt", "format"),
    ],
)
def test_a_manifest_that_is_none(repository: Path, how: str, state: str, reason: str) -> None:
    stored = Repository(repository)
    made = how in ("link", "fifo", "socket", "directory", "huge")
    (_make if made else _write)(stored.add(), how)
    stored.add(2)
    found = listing(repository)["sets"]
    assert [one["state"] for one in found] == [state, "complete"]
    assert reason in found[0]["reason"]


@pytest.mark.parametrize("how", ["missing", "short", "link", "ovf", "ovf size"])
def test_files_that_do_not_fit(repository: Path, how: str) -> None:
    path = Repository(repository).add(content=b"x")
    image = path / f"{uuid(0xD0)}.raw"
    if how == "missing":
        image.unlink()
    elif how == "short":
        os.truncate(image, MIB - 1)
    elif how == "link":
        image.rename(repository / "image")
        image.symlink_to(repository / "image")
    elif how == "ovf":
        (path / "vm.ovf").unlink()
    else:
        (path / "vm.ovf").write_text("x")
    [found] = listing(repository)["sets"]
    assert found["state"] == "corrupt"
    wanted = {
        "missing": f"{image.name} is not there.",
        "short": f"{image.name} has {MIB - 1} bytes, not {MIB}.",
        "link": f"{image.name} is not a regular file.",
        "ovf": "vm.ovf is not there.",
        "ovf size": "vm.ovf has 1 bytes, not",
    }
    assert found["reason"].startswith(wanted[how])


def test_parents(repository: Path) -> None:
    stored = Repository(repository)
    stored.add(1, START, run="root")
    stored.add(1, START + timedelta(hours=1), run="child", parent="root")
    stored.add(1, START + timedelta(hours=2), run="orphan", parent="gone")
    stored.add(1, START + timedelta(hours=3), run="grandchild", parent="orphan")
    stored.add(1, START + timedelta(hours=4), run="ring1", parent="ring2")
    stored.add(1, START + timedelta(hours=5), run="ring2", parent="ring1")
    stored.add(2, START, run="stranger", parent="root")  # the root is another VM's
    found = {one["run_id"]: one["state"] for one in listing(repository)["sets"]}
    assert found == {
        "root": "complete",
        "child": "complete",
        "orphan": "parent_missing",
        "grandchild": "parent_missing",
        "ring1": "parent_missing",
        "ring2": "parent_missing",
        "stranger": "parent_missing",
    }


def test_strangers_are_named_and_nothing_else(repository: Path) -> None:
    stored = Repository(repository)
    path = stored.add()
    (repository / "notes.txt").touch()
    (repository / "index.html").touch()
    (repository / "lost+found").mkdir()
    (repository / f"we b.{uuid(3)}").mkdir()
    (repository / f"link.{uuid(4)}").symlink_to(path.parent)
    os.mkdir(os.fsencode(repository) + b"/\xff\xfe")
    (path.parent / "20261199").mkdir()
    (path.parent / f"{path.name}.protected").touch()
    (path.parent / "20200101T000000Z.gone.protected").touch()
    (path.parent / "20200101T000000Z.link").symlink_to(path)
    (path.parent / ".trash.20200101T000000Z.old").mkdir()
    result = listing(repository)
    assert [one["path"] for one in result["sets"]] == [str(path)]
    assert result["sets"][0]["protected"]
    found = {Path(one["path"]).name for one in result["unrecognised"]}
    assert found == {
        "notes.txt",
        f"we b.{uuid(3)}",
        f"link.{uuid(4)}",
        "\\udcff\\udcfe",
        "20261199",
        "20200101T000000Z.gone.protected",
        "20200101T000000Z.link",
    }
    assert [one.name for one in read(str(repository)).trash] == ["20200101T000000Z.old"]


def test_a_directory_of_very_many_files(repository: Path) -> None:
    path = Repository(repository).add()
    for number in range(NAMES_LIMIT):
        (path / f"x{number}").touch()
    [found] = listing(repository)["sets"]
    assert (found["state"], found["reason"]) == (
        "corrupt",
        f"It has more than {NAMES_LIMIT} files.",
    )


def test_a_repository_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(InvalidRequest, match="cannot be read"):
            listing(path)
    with pytest.raises(InvalidRequest, match="plain path"):
        listing(Path("relative"))
