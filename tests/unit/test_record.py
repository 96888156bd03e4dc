# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set is finished with its path and its images; all else is in its record."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from appliance import stored

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set import (
    FinishSet,
    PrepareSet,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageError,
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

MIB = 1024 * 1024
VM = {"id": str(uuid.UUID(int=1)), "name": "web01", "cluster": "C"}
DISK = {
    "disk_id": str(uuid.UUID(int=2)),
    "alias": "web01_system",
    "virtual_size": MIB,
    "source_interface": "virtio_scsi",
    "source_bootable": True,
}
OVF = stored.ovf(VM["id"], [{**DISK, "id": DISK["disk_id"]}]).decode()
DEFAULTS = {key: one.get("default") for key, one in repository_args.BACKUP_SET.items()}
PREPARE: dict[str, Any] = {
    **DEFAULTS,
    "run_id": "run1",
    "started": "2026-11-23T01:00:00Z",
    "correlation_id": "run1",
    "vm": {**VM, "data_center": "", "description": "asterisks ********"},
    "snapshot": {"id": str(uuid.UUID(int=3)), "description": "s", "date": "today"},
    "consistency": "filesystem",
    "evidence": ["The guest was frozen."],
    "versions": {"engine": "4.5.7", "collection": "", "qemu_img": "", "ansible": ""},
    "format": "raw",
    "disks": [DISK],
    "ovf": OVF,
}


class Copied:
    """A set that is prepared, with its image."""

    def __init__(self, repository: Path) -> None:
        request = repository_args.prepare_request({**PREPARE, "repository": str(repository)})
        self.prepared, _warnings = perform(PrepareSet(request), check_mode=False)
        self.path = Path(self.prepared["path"])
        image = self.prepared["images"][0]
        Path(image["dest"]).touch(0o600)
        os.truncate(image["dest"], MIB)
        told = {"virtual_size": MIB, "format": "raw", "compression": "none", "file_size": MIB}
        digests = dict.fromkeys(("content_sha256", "file_sha256"), "a" * 64)
        self.images = [{**image, **told, **digests, "bytes_stored": 0}]

    def finish(self, minute: int = 10, **changes: object) -> dict[str, Any]:
        told = {"path": str(self.path), "finished": f"2026-11-23T01:{minute}:00Z"}
        params = {**DEFAULTS, **told, "images": self.images, **changes}
        operation = FinishSet(repository_args.finish_request(params))
        return perform(operation, check_mode=False)[0]


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    repository = tmp_path / "repository"
    repository.mkdir()
    return Copied(repository)


def test_preparing_returns_what_it_records(copied: Copied) -> None:
    recorded = {key: PREPARE[key] for key in ("run_id", "snapshot", "format", "compression")}
    assert recorded.items() <= copied.prepared.items()
    assert copied.prepared["disks"] == [DISK]
    assert "ovf" not in copied.prepared


def test_the_record_tells_what_the_manifest_says(copied: Copied) -> None:
    manifest = copied.finish()["manifest"]
    plain = ("run_id", "started", "correlation_id", "vm", "snapshot", "versions")
    assert {key: manifest[key] for key in plain} == {key: PREPARE[key] for key in plain}
    assert manifest["consistency"]["level"] == "filesystem"
    assert list(manifest["consistency"]["evidence"]) == PREPARE["evidence"]
    assert [one["alias"] for one in manifest["disks"]] == ["web01_system"]
    assert (copied.path / "vm.ovf").read_text() == OVF
    assert not (copied.path / "unfinished.json").exists()


def test_a_finished_set_is_left_as_it_is(copied: Copied) -> None:
    first, again = copied.finish(), copied.finish()
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["manifest"] == again["manifest"]
    with pytest.raises(Refused, match="differs in finished"):
        copied.finish(minute=11)


def test_without_a_record_nothing_is_made_up(copied: Copied) -> None:
    (copied.path / "unfinished.json").unlink()
    with pytest.raises(ImageError, match="could not be read"):
        copied.finish()


def test_a_part_of_the_record_is_refused(copied: Copied) -> None:
    with pytest.raises(InvalidRequest, match="run_id, vm were given without started"):
        copied.finish(run_id="run1", vm=PREPARE["vm"])
