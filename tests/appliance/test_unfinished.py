# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of unfinished sets: which run each belongs to, which runs are alive, and who may not forge one."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set import (
    PrepareSet,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_info import (
    BackupSetInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs import (
    unfinished,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_preflight import (
    AppliancePreflight,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    catalogue,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import takeover
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_preflight import (
    PreflightRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import runs_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

VM = str(uuid.uuid4())
DISK = str(uuid.uuid4())
WANTED = takeover.Wanted(datetime(2026, 11, 23, 2, tzinfo=UTC), {DISK: "a"}, ("unknown",))
LEFT = takeover.Leftover(VM, "r1", "s1", "d", "ok", (DISK,)).to_dict()
STAMP = "Backup by ovirt_community.backup [owner=anna run=r1 expires=2026-11-24T01:00:00Z]"


@pytest.fixture
def place(repository: Path) -> Path:
    """A set that was prepared."""
    disk = {"alias": "a", "virtual_size": 1, "source_interface": "virtio", "source_bootable": True}
    facts: dict[str, Any] = {
        "run_id": "r1",
        "started": "2026-11-23T01:00:00Z",
        "correlation_id": "r1",
        "vm": {"id": VM, "name": "web01"},
        "snapshot": {"id": "s1", "description": STAMP},
        "consistency": "unknown",
        "evidence": [],
        "versions": {},
        "format": "raw",
        "compression": "none",
        "disks": [{**disk, "disk_id": DISK}],
    }
    request = backup_set.PrepareRequest(
        repository=str(repository),
        vm=("web01", VM),
        run=(facts["started"], "r1"),
        disks=backup_set.read_disks(facts["disks"]),
        format="raw",
    )
    request = replace(request, record=takeover.dump(facts, "<ovf/>"))
    first, _warnings = perform(PrepareSet(request), check_mode=False)
    second, _warnings = perform(PrepareSet(request), check_mode=False)
    assert (first["changed"], second["changed"]) == (True, False)
    return Path(first["path"])


def look(
    repository: Path, silence: float = 0.0, attaching: float = 0.0
) -> tuple[dict[str, Any], tuple[str, ...]]:
    vms, warnings = unfinished.TakeoverWatch(
        str(repository), [LEFT], (silence, attaching), lambda _vm: WANTED
    ).decide()
    return dict(vms[VM]), warnings


def test_a_record_is_found_and_read(repository: Path, place: Path) -> None:
    record, ovf = unfinished.read(str(place))
    assert (record.run_id, ovf) == ("r1", "<ovf/>")
    found, warnings = look(repository)
    assert found["take_over"]["path"] == str(place)
    assert warnings == ()


@contextmanager
def touching(place: Path, seconds: float) -> Iterator[None]:
    """A run that follows its copy."""
    stop = threading.Event()

    def touch() -> None:
        end = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < end:
            unfinished.touch([str(place), "/nowhere"])
            time.sleep(0.1)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_who_touches_its_record_lives(
    repository: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "_LAST_CALL", 1.0)
    with touching(place, 60):
        found, _warnings = look(repository, 1.5)
    assert found["problems"] == ["Run r1 is working on this VM."]
    assert found["take_over"] is None


def test_who_has_just_written_its_record_may_be_attaching(
    repository: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "_LAST_CALL", 0.5)
    found, _warnings = look(repository, attaching=60)
    assert found["problems"] == ["Run r1 is working on this VM."]
    # It copies, and nobody touches its record.
    (place / f"{DISK}.raw.part").touch()
    assert look(repository, attaching=60)[0]["take_over"]
    # It was killed while it attached.
    (place / f"{DISK}.raw.part").unlink()
    os.utime(place / unfinished.NAME, (time.time() - 61,) * 2)
    assert look(repository, attaching=60)[0]["take_over"]


def test_the_last_call_of_a_dead_run_is_waited_for(repository: Path, place: Path) -> None:
    start = time.monotonic()
    with touching(place, 2):
        found, _warnings = look(repository, 1.5)
    assert found["take_over"]
    assert 3 < time.monotonic() - start < 20


@pytest.mark.parametrize("kind", ["group", "foreign", "directory", "link", "pipe", "text", "moved"])
def test_a_record_that_others_could_have_written_is_not_believed(
    repository: Path, place: Path, kind: str
) -> None:
    record = place / unfinished.NAME
    if kind == "group":
        record.chmod(0o620)
    if kind == "foreign":
        os.chown(record, 65534, 0)
    if kind == "directory":
        place.parent.chmod(0o777)
    if kind == "link":
        record.rename(repository / "elsewhere")
        record.symlink_to(repository / "elsewhere")
    if kind == "pipe":
        record.unlink()
        os.mkfifo(record, 0o600)
    if kind == "text":
        record.write_text("[]")
    if kind == "moved":
        place.rename(place.with_name("20261123T010000Z.r2"))
        place = place.with_name("20261123T010000Z.r2")
    with pytest.raises(BackupError):
        unfinished.read(str(place))
    found, warnings = look(repository)
    assert found["take_over"] is None
    assert len(warnings) == 1


def test_no_record(repository: Path, place: Path) -> None:
    (place / unfinished.NAME).unlink()
    with pytest.raises(ImageError, match="could not be read"):
        unfinished.read(str(place))
    found, warnings = look(repository)
    assert found["take_over"] is None
    assert warnings == ()
    found, warnings = look(repository / "missing")
    assert found["take_over"] is None


def listed(repository: Path) -> dict[str, Any]:
    """Return the only set, as backup_set_info lists it."""
    operation = BackupSetInfo(str(repository), catalogue.Filter(), manifests=False)
    [found] = perform(operation, check_mode=False)[0]["sets"]
    return dict(found["unfinished"])


def test_who_left_a_set_and_for_how_long_nothing_changed(repository: Path, place: Path) -> None:
    found = listed(repository)
    assert found["owner"] == "anna"
    assert 0 <= found["quiet_seconds"] < 60
    for path in (place / unfinished.NAME, place):
        os.utime(path, (time.time() - 3600,) * 2)
    assert 3600 <= listed(repository)["quiet_seconds"] < 3660
    (place / f"{DISK}.raw.part").touch()
    assert listed(repository)["quiet_seconds"] < 60
    os.utime(place / f"{DISK}.raw.part", (time.time() + 3600,) * 2)
    assert listed(repository)["quiet_seconds"] is None
    (place / unfinished.NAME).write_text("[]")
    assert listed(repository)["owner"] is None
    (place / unfinished.NAME).unlink()
    assert listed(repository)["owner"] is None


def test_the_preflight_decides_about_killed_runs_if_it_is_asked(
    repository: Path, place: Path
) -> None:
    fit = PreflightRequest(
        str(repository), require_mount=False, require_zstd=False, isolation="ignore"
    )
    told = {
        "leftovers": [LEFT],
        "heartbeat_timeout": 0.0,
        "attach_timeout": 0.0,
        "dead": [],
        "plans": [{"vm": {"id": VM}, "disks": [{"disk_id": DISK, "alias": "a"}]}],
        "accept_consistency": ["unknown"],
        "started": "2026-11-23T02:00:00Z",
    }
    asked = AppliancePreflight(fit, takeover=runs_args.takeover_request(told))
    result, _warnings = perform(asked, check_mode=False)
    assert result["takeover"][VM]["take_over"]["path"] == str(place)
    assert result["takeover"][VM]["stands_in"] is True
    plain = AppliancePreflight(fit, takeover=runs_args.takeover_request(None))
    result, _warnings = perform(plain, check_mode=False)
    assert result["takeover"] is None
