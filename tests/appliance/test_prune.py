# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets are removed as decided, completely and once, and nothing else is, whatever interferes."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from appliance.stored import START, Repository, uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    backup_set_prune,
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageError,
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

NOW = (START + timedelta(days=100)).timestamp()


def operation(path: Path, **params: Any) -> backup_set_prune.BackupSetPrune:  # noqa: ANN401
    keep = (
        dict.fromkeys(("last", "hourly", "daily", "weekly", "monthly", "yearly"), 0)
        | {"within": ""}
        | params.pop("keep", {"last": 1})
    )
    asked = {key: option.get("default") for key, option in repository_args.BACKUP_SET_PRUNE.items()}
    request = repository_args.backup_set_prune_request(
        {**asked, "repository": str(path), "keep": keep, **params}
    )
    return backup_set_prune.BackupSetPrune(request, lambda: NOW)


def run(path: Path, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:  # noqa: ANN401
    result, _warnings = perform(operation(path, **params), check_mode=check_mode)
    return result


def names(path: Path) -> set[str]:
    """Return everything below, relative."""
    return {str(one.relative_to(path)) for one in path.rglob("*")}


@pytest.fixture
def history(repository: Path) -> list[Path]:
    """Four sets of one VM, the newest last."""
    stored = Repository(repository)
    return [stored.add(1, START + timedelta(days=number), run=f"r{number}") for number in range(4)]


def test_sets_go_as_predicted(repository: Path, history: list[Path]) -> None:
    history[0].with_name(f"{history[0].name}.verified.json").touch()
    before = names(repository)
    predicted = run(repository, check_mode=True, keep={"daily": 2})
    assert names(repository) == before
    done = run(repository, keep={"daily": 2})
    for result in (predicted, done):
        assert result["changed"]
        assert sorted(result["removed"]) == sorted(map(str, history[:2]))
        assert result["totals"] == {"kept": 2, "removed": 2, "bytes_freed": 8192}
        assert result["diff"] == predicted["diff"]
        assert result["summary"] == predicted["summary"]
    assert result["summary"][0] == "web01 2026-11-23T01:00:05Z r0 remove: no rule keeps it"
    assert set(done["diff"]["before"]["sets"]) - set(done["diff"]["after"]["sets"]) == set(
        done["summary"][:2]
    )
    assert [one["keep"] for one in done["sets"]] == [False, False, True, True]
    assert {path.name for path in history[0].parent.iterdir()} == {
        path.name for path in history[2:]
    }
    again = run(repository, keep={"daily": 2})
    assert (again["changed"], again["removed"]) == (False, [])


def test_an_empty_policy_removes_nothing(repository: Path, history: list[Path]) -> None:
    trash = history[0].with_name(f".trash.{history[0].name}")
    history[0].rename(trash)
    before = names(repository)
    result = run(repository, keep={})
    assert (result["changed"], result["leftovers"]) == (False, [])
    assert names(repository) == before


def test_strangers_stay(repository: Path, history: list[Path]) -> None:
    """Also such as would lead somewhere else."""
    elsewhere = repository.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (repository / "notes").touch()
    (repository / f"web02.{uuid(2)}").symlink_to(elsewhere)
    (history[0].parent / "20200101T000000Z.link").symlink_to(elsewhere)
    (history[0].parent / ".trash.20200101T000000Z.link").symlink_to(elsewhere)
    (history[0].parent / ".trash.other").mkdir()
    (history[0] / "link").symlink_to(elsewhere / "file")
    (history[0] / "link to directory").symlink_to(elsewhere)
    os.mkfifo(history[0] / "fifo")
    result = run(repository)
    assert len(result["removed"]) == 3
    assert (elsewhere / "file").exists()
    assert {one.name for one in history[0].parent.iterdir()} == {
        history[3].name,
        "20200101T000000Z.link",
        ".trash.20200101T000000Z.link",
        ".trash.other",
    }
    assert (repository / "notes").exists()
    assert (repository / f"web02.{uuid(2)}").is_symlink()


def test_what_holds_more_than_files_stays(repository: Path, history: list[Path]) -> None:
    (history[0] / "mine").mkdir()
    result = run(repository)
    assert result["removed"] == [str(path) for path in reversed(history[1:3])]
    assert result["sets"][0]["reasons"] == ["it holds a directory, mine"]
    assert history[0].is_dir()


def test_what_is_protected_or_in_use_stays(repository: Path, history: list[Path]) -> None:
    history[0].with_name(f"{history[0].name}.protected").touch()
    fd = os.open(history[1], os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    result = run(repository)
    assert [one["reasons"] for one in result["sets"]] == [
        ["protected"],
        ["it is in use"],
        ["no rule keeps it"],
        ["last", "the newest good set"],
    ]
    assert result["removed"] == [str(history[2])]
    os.close(fd)
    assert run(repository)["removed"] == [str(history[1])]


def test_unfinished_sets(repository: Path, history: list[Path]) -> None:
    stored = Repository(repository)
    paths = [stored.unfinished(1, START, run=name) for name in ("old", "young", "alive")]
    for path in paths:
        (path / "image.part").touch()
        os.utime(path / "image.part", (NOW - 8 * 86400,) * 2)
        os.utime(path, (NOW - 8 * 86400,) * 2)
    os.utime(paths[1] / "image.part", (NOW - 6 * 86400,) * 2)
    fd = os.open(paths[2] / "image.part", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    # A clock that says it is later makes nothing old; a backup that was made later does.
    assert run(repository, keep={"last": 9})["removed"] == []
    stored.add(2, START + timedelta(days=99.9), name="app")
    result = run(repository, keep={"last": 9})
    os.close(fd)
    assert result["removed"] == [str(paths[0])]
    reasons = {one["run_id"]: one["reasons"] for one in result["sets"]}
    assert reasons["old"] == ["unfinished for more than 7 days"]
    assert reasons["young"] == ["unfinished, and changed in the last 7 days"]
    assert reasons["alive"] == ["a run is writing it"]
    assert all(path.is_dir() for path in history)


def test_what_changes_between_decision_and_deed(repository: Path, history: list[Path]) -> None:
    """Another directory under the name, protected, in use, finished, gone: all are left alone."""
    stored = Repository(repository)
    unfinished = stored.unfinished(2, name="app")
    stored.add(2, START - timedelta(days=1), name="app", run="good")
    stored.add(3, START + timedelta(days=99.9), name="db")
    pruning = operation(repository, unfinished_days=0)
    plan = pruning.plan()
    assert len(plan.steps) == 4
    history[0].rename(history[0].with_name("aside"))
    history[0].mkdir()
    history[1].with_name(f"{history[1].name}.protected").touch()
    (history[2] / "x").mkdir()
    (unfinished / "manifest.json").touch()
    result = pruning.execute(plan)
    assert result["removed"] == []
    reasons = {Path(one["path"]): one["reasons"] for one in result["sets"]}
    assert reasons[history[0]] == ["the directory was replaced"]
    assert reasons[history[1]] == ["it was protected meanwhile"]
    assert reasons[history[2]] == ["it holds a directory, x"]
    assert reasons[unfinished] == ["it has been finished meanwhile"]
    assert all(path.is_dir() for path in (*history, unfinished))
    history[0].rmdir()
    assert pruning.execute(plan)["totals"]["removed"] == 1  # another prune was faster


def test_a_directory_that_became_a_link(repository: Path, history: list[Path]) -> None:
    pruning = operation(repository)
    plan = pruning.plan()
    elsewhere = repository.parent / "elsewhere"
    history[0].parent.rename(elsewhere)
    history[0].parent.symlink_to(elsewhere)
    with pytest.raises(ImageError, match="3 sets could not be removed") as caught:
        pruning.execute(plan)
    assert len(caught.value.details["failed"]) == 3
    assert len(list(elsewhere.iterdir())) == 4


def test_a_set_that_became_a_link(repository: Path, history: list[Path]) -> None:
    pruning = operation(repository)
    plan = pruning.plan()
    history[0].rename(repository / "elsewhere")
    history[0].symlink_to(repository / "elsewhere")
    with pytest.raises(ImageError, match="1 sets could not be removed") as caught:
        pruning.execute(plan)
    assert sorted(caught.value.details["removed"]) == [str(path) for path in history[1:3]]
    assert (repository / "elsewhere/manifest.json").exists()


class Stop(Exception):
    """Where a run is killed."""


@pytest.mark.parametrize("calls", range(1, 19))
def test_a_run_that_is_killed(repository: Path, history: list[Path], calls: int) -> None:
    """Killed before each call that changes anything: no half set is left, the next run finishes."""
    for path in history:
        path.with_name(f"{path.name}.verified.json").touch()
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event: str, _arguments: object) -> None:
            nonlocal count
            if event in ("os.rename", "os.remove", "os.rmdir"):
                count += 1
                if count == calls:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        run(repository)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    found = repository_states(repository)
    assert found["r3"] == "complete"
    assert set(found.values()) == {"complete"}
    again = run(repository)
    assert again["changed"]
    assert {one.name for one in history[0].parent.iterdir()} == {
        history[3].name,
        f"{history[3].name}.verified.json",
    }
    assert not run(repository)["changed"]


def repository_states(path: Path) -> dict[str, str]:
    return {one.run_id: one.state for one in repository.read(str(path)).entries}


def test_a_file_that_cannot_be_deleted(repository: Path, history: list[Path]) -> None:
    del history
    pruning = operation(repository)
    plan = pruning.plan()
    victim = Path(plan.steps[0].path)
    change = subprocess.run(["chattr", "+i", victim / "vm.ovf"], check=False, capture_output=True)
    if change.returncode:
        pytest.skip("this file system has no immutable files")
    try:
        with pytest.raises(ImageError, match="not permitted") as caught:
            pruning.execute(plan)
        trash = victim.with_name(f".trash.{victim.name}")
        assert trash.is_dir()
        assert list(caught.value.details["failed"]) == [str(victim)]
    finally:
        subprocess.run(["chattr", "-R", "-i", repository], check=True)
    again = run(repository)
    assert again["leftovers"] == [str(trash)]
    assert not trash.exists()


def test_requests(repository: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"keep": {"last": -1}},
        {"keep": {"within": "soon"}},
        {"unfinished_days": -1},
    ]
    for params in wrong:
        with pytest.raises(InvalidRequest):
            run(repository, **params)
    assert run(repository)["sets"] == []
