# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a backup set, fill it, finish it, and restore it by its README alone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from appliance import stored
from appliance.loops import MIB, LoopAppliance
from appliance.test_unread import DEAD, dead_mount

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.image_copy import (
    ImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    backup_set,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageError,
    ImageMismatch,
    InvalidRequest,
    ManifestInvalid,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    images_args,
    repository_args,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

SCHEMA = Path(__file__).resolve().parents[2] / "docs/schema/manifest-1.schema.json"
VM = {"id": str(uuid.uuid4()), "name": "web/01\n-rf", "cluster": "C", "data_center": "D"}
COMMON = {"run_id": "run1", "started": "2026-11-23T01:00:00Z"}


def do(operation: Operation[Any], *, check_mode: bool = False) -> dict[str, Any]:
    result, _warnings = perform(operation, check_mode=check_mode)
    return result


def disk(serial: str, size: int, *, bootable: bool = False) -> dict[str, Any]:
    """Return a disk as disk_snapshot_attach returns it; some keys are of no interest here."""
    return {
        "disk_id": serial,
        "alias": f"alias {serial[:4]}",
        "virtual_size": size,
        "source_interface": "virtio_scsi",
        "source_bootable": bootable,
        "interface": "virtio",
        "format": "raw",
    }


def configuration(disks: list[dict[str, Any]]) -> str:
    """Return the VM's configuration, with these disks."""
    known = [{**one, "id": one["disk_id"], "alias": f"wéb {one['alias']}"} for one in disks]
    return stored.ovf(VM["id"], known).decode()


def prepare(repository: Path, disks: list[dict[str, Any]], fmt: str) -> backup_set.PrepareSet:
    params = {**COMMON, "repository": str(repository), "vm": VM, "disks": disks}
    params |= {"format": fmt, "compression": "none"}
    return backup_set.PrepareSet(repository_args.prepare_request(params))


def finish(
    path: str, disks: list[dict[str, Any]], images: list[dict[str, Any]], **changes: object
) -> backup_set.FinishSet:
    params = {
        **COMMON,
        "path": path,
        "finished": "2026-11-23T01:10:00Z",
        "correlation_id": "run1",
        "vm": {**VM, "description": ""},
        "snapshot": {"id": str(uuid.UUID(int=7)), "description": "s", "date": "today"},
        "consistency": "filesystem",
        "evidence": [],
        "versions": {"engine": "4.5.7", "collection": "0.1.0", "qemu_img": "", "ansible": ""},
        "disks": disks,
        "images": images,
        "ovf": configuration(disks),
        **changes,
    }
    return backup_set.FinishSet(repository_args.finish_request(params))


class Filled:
    """A set whose images are copied from real devices, not finished yet."""

    def __init__(self, appliance: LoopAppliance, repository: Path, fmt: str) -> None:
        self.contents = {str(uuid.uuid4()): os.urandom(MIB) + bytes(MIB) for _unused in range(2)}
        self.disks = [disk(serial, 2 * MIB) for serial in self.contents]
        self.disks[0]["source_bootable"] = True
        for serial, content in self.contents.items():
            appliance.plug(content, 2 * MIB, serial)
        prepared = do(prepare(repository, self.disks, fmt))
        self.path = Path(prepared["path"])
        compression = "zstd" if fmt == "qcow2" else "none"
        params = {"images": prepared["images"], "format": fmt, "compression": compression}
        request = images_args.disk_image_copy_request(
            {**params, "device_timeout": 0.0, "snapshot": ""}
        )
        self.images: list[dict[str, Any]] = do(ImageCopy(request, appliance.host))["images"]

    def finish(self, **changes: object) -> backup_set.FinishSet:
        return finish(str(self.path), self.disks, self.images, **changes)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


@pytest.fixture
def filled(appliance: LoopAppliance, repository: Path) -> Filled:
    return Filled(appliance, repository, "qcow2")


def test_prepare_makes_private_directories_once(repository: Path) -> None:
    disks = [disk(str(uuid.uuid4()), MIB)]
    operation = prepare(repository, disks, "raw")
    predicted = do(operation, check_mode=True)
    assert list(repository.iterdir()) == []
    first, again = do(operation), do(operation)
    assert (predicted["changed"], first["changed"], again["changed"]) == (True, True, False)
    assert predicted["path"] == first["path"] == again["path"]
    path = Path(first["path"])
    assert path.parent.name == f"web%2F01%0A-rf.{VM['id']}"
    assert path.name == "20261123T010000Z.run1"
    for directory in (path, path.parent):
        assert directory.stat().st_mode & 0o777 == 0o700
    serial = disks[0]["disk_id"]
    assert first["images"] == [{"serial": serial, "size": MIB, "dest": f"{path}/{serial}.raw"}]


def test_prepare_refuses_what_is_in_the_way(repository: Path, tmp_path: Path) -> None:
    operation = prepare(repository, [disk(str(uuid.uuid4()), MIB)], "raw")
    (repository / f"web%2F01%0A-rf.{VM['id']}").symlink_to(tmp_path)
    with pytest.raises(ImageError, match="not a directory"):
        operation.plan()
    with pytest.raises(InvalidRequest, match="not a directory"):
        prepare(repository / "missing", [disk(str(uuid.uuid4()), MIB)], "raw").plan()


@pytest.mark.parametrize("fmt", ["qcow2", "raw"])
def test_a_finished_set_is_restored_by_its_readme_alone(
    appliance: LoopAppliance, repository: Path, fmt: str
) -> None:
    filled = Filled(appliance, repository, fmt)
    predicted = do(filled.finish(), check_mode=True)
    assert "manifest.json" not in filled.names()
    first, again = do(filled.finish()), do(filled.finish())
    assert (predicted["changed"], first["changed"], again["changed"]) == (True, True, False)
    assert predicted["manifest"] == first["manifest"] == again["manifest"]

    stored = json.loads((filled.path / "manifest.json").read_text())
    jsonschema.validate(stored, json.loads(SCHEMA.read_text()))
    assert stored["vm"]["name"] == VM["name"]
    for entry in stored["disks"]:
        data = filled.contents[entry["id"]]
        assert entry["content_sha256"] == hashlib.sha256(data).hexdigest()
        file = (filled.path / entry["file"]).read_bytes()
        assert entry["file_sha256"] == hashlib.sha256(file).hexdigest()
    assert (filled.path / "vm.ovf").read_text() == configuration(filled.disks)

    readme = (filled.path / "README").read_text()
    commands = [
        line.strip()
        for line in readme.splitlines()
        if line.startswith(("    qemu-img ", "    echo "))
    ]
    assert len(commands) == 2 * len(filled.contents) + len(filled.contents) + 1
    script = "\n".join(["set -e", *commands])
    subprocess.run(["sh", "-c", script], cwd=filled.path, check=True, capture_output=True)
    for serial, content in filled.contents.items():
        upload = filled.path / f"upload-{serial}.{fmt}"
        plain = filled.path / "plain"
        subprocess.run(["qemu-img", "convert", "-f", fmt, "-O", "raw", upload, plain], check=True)
        assert plain.read_bytes() == content


def test_the_manifest_is_written_last(filled: Filled) -> None:
    steps = filled.finish().plan().steps
    assert [os.path.basename(step.file) for step in steps] == [
        *("vm.ovf", "README", "manifest.sha256", "manifest.json")
    ]


def test_the_manifest_has_its_checksum_beside_it(filled: Filled) -> None:
    result = do(filled.finish())
    assert json.loads(json.dumps(result["manifest"])) == json.loads(
        (filled.path / "manifest.json").read_text()
    )
    assert result["manifest"]["checksum"] == "manifest.sha256"
    text = (filled.path / "manifest.sha256").read_text()
    assert text.startswith("# ovirt_community.backup manifest checksum 1\n")
    argv = ["sha256sum", "--strict", "--check", "manifest.sha256"]
    subprocess.run(argv, cwd=filled.path, check=True, capture_output=True)
    assert "    sha256sum --check manifest.sha256\n" in (filled.path / "README").read_text()


def test_a_set_of_an_earlier_release_is_left_as_it_is(filled: Filled) -> None:
    do(filled.finish())
    target = filled.path / "manifest.json"
    data = json.loads(target.read_text())
    del data["checksum"]
    target.write_text(json.dumps(data, indent=2) + "\n")
    (filled.path / "manifest.sha256").unlink()
    do(filled.finish())
    before = filled.names()
    assert not do(filled.finish())["changed"]
    assert filled.names() == before
    assert "manifest.sha256" not in before


def test_what_the_clocks_say_goes_into_the_set(appliance: LoopAppliance, repository: Path) -> None:
    filled = Filled(appliance, repository, "raw")
    snapshot = {
        "id": str(uuid.UUID(int=7)),
        "description": "s",
        "date": "2036-11-23T01:00:05+00:00",
        "asked": "2026-11-23T01:00:00Z",
        "there": "2026-11-23T01:00:20Z",
    }
    params = {**record_params(repository, filled), "snapshot": snapshot}
    operation = backup_set.PrepareSet(repository_args.prepare_request(params), lambda: 1795395625.0)
    assert do(operation)["changed"]
    assert not do(operation)["changed"]
    operation_done = filled.finish(snapshot=snapshot)
    [warning] = operation_done.plan().warnings
    assert "the engine's clock said 2036-11-23T01:00:05Z; the run's own time is taken" in warning
    result = do(operation_done)
    assert result["manifest"]["clocks"] == {
        "asked": "2026-11-23T01:00:00Z",
        "there": "2026-11-23T01:00:20Z",
        "appliance": "2026-11-23T01:00:25Z",
    }
    assert (result["time"], result["time_certain"]) == ("2026-11-23T01:00:20Z", True)
    assert (
        "Time          2026-11-23T01:00:20Z: the engine's clock"
        in (filled.path / "README").read_text()
    )
    assert not (filled.path / "unfinished.json").exists()
    again = do(filled.finish(snapshot=snapshot))
    assert (again["changed"], again["manifest"]) == (False, result["manifest"])
    with pytest.raises(InvalidRequest, match=r"snapshot\.there"):
        repository_args.prepare_request({**params, "snapshot": {**snapshot, "there": "now"}})


def record_params(repository: Path, filled: Filled) -> dict[str, Any]:
    return {
        **COMMON,
        "repository": str(repository),
        "vm": {**VM, "description": ""},
        "disks": filled.disks,
        "format": "raw",
        "correlation_id": "run1",
        "consistency": "filesystem",
        "evidence": [],
        "versions": {},
        "compression": "none",
        "ovf": configuration(filled.disks),
    }


def test_what_a_dead_run_left_is_finished(filled: Filled) -> None:
    operation = filled.finish()
    plan = operation.plan()
    operation.execute(Plan(steps=plan.steps[:1]))
    (filled.path / "README").write_text("half")
    (filled.path / "manifest.json.tmp").write_text("half")
    assert do(filled.finish())["changed"]
    assert not do(filled.finish())["changed"]
    assert "manifest.json.tmp" not in filled.names()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_only_files_of_its_own_describe_a_set(filled: Filled, tmp_path: Path, kind: str) -> None:
    do(filled.finish())
    for name in ("README", "vm.ovf", "manifest.sha256"):
        file, other = filled.path / name, tmp_path / name
        other.write_bytes(file.read_bytes())
        file.unlink()
        if kind == "link":
            file.symlink_to(other)
        else:
            os.mkfifo(file)
    assert do(filled.finish())["changed"]
    found = [path for path in filled.path.iterdir() if path.is_symlink() or not path.is_file()]
    assert not found
    assert not do(filled.finish())["changed"]


def test_an_image_that_cannot_be_looked_at_is_not_called_missing(filled: Filled) -> None:
    image = Path(filled.images[1]["dest"])
    with dead_mount(image), pytest.raises(ImageError, match=DEAD) as caught:
        do(filled.finish())
    assert not isinstance(caught.value, ImageMismatch)
    assert caught.value.details["path"] == str(image)
    assert do(filled.finish())["changed"]


def test_another_manifest_is_refused_and_kept(filled: Filled) -> None:
    do(filled.finish())
    before = (filled.path / "manifest.json").read_bytes()
    for check_mode in (True, False):
        with pytest.raises(Refused, match="consistency") as caught:
            do(filled.finish(consistency="crash"), check_mode=check_mode)
        assert caught.value.details["fields"] == ["consistency"]
    assert (filled.path / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"format": "ovirt_community.backup", "version": 2}']
)
def test_a_strange_manifest_is_refused_and_kept(filled: Filled, data: bytes) -> None:
    (filled.path / "manifest.json").write_bytes(data)
    with pytest.raises(ManifestInvalid):
        do(filled.finish())
    assert (filled.path / "manifest.json").read_bytes() == data


@pytest.mark.parametrize("fault", ["missing", "short", "long", "link", "other", "backing", "size"])
def test_an_image_that_is_not_as_described(filled: Filled, fault: str) -> None:
    image = Path(filled.images[1]["dest"])
    length = image.stat().st_size
    other = filled.path / "other"
    if fault == "missing":
        image.unlink()
    elif fault in ("short", "long"):
        os.truncate(image, length + (1 if fault == "long" else -1))
    elif fault == "link":
        image.rename(other)
        image.symlink_to(other)
    elif fault == "other":
        image.write_bytes(bytes(length))
    else:
        size = 2 * MIB if fault == "backing" else MIB
        more = ["-b", filled.images[0]["dest"], "-F", "qcow2"] if fault == "backing" else []
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", *more, str(image), str(size)], check=True
        )
        os.truncate(image, length)
    with pytest.raises(ImageMismatch) as caught:
        do(filled.finish())
    assert list(caught.value.details["faults"]) == [image.name]
    assert not {"manifest.json", "README", "vm.ovf"} & set(filled.names())


def test_disks_and_images_must_belong_together(filled: Filled) -> None:
    path, disks, images = str(filled.path), filled.disks, filled.images
    wrong: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
        (disks, images[:1]),
        (disks[:1], images),
        (disks, [images[0], images[0]]),
        (disks, [images[0], {**images[1], "dest": f"/elsewhere/{disks[1]['disk_id']}.qcow2"}]),
        (disks, [images[0], {**images[1], "virtual_size": MIB}]),
        (disks, [images[0], {**images[1], "file_sha256": None}]),
        ([disks[0], {**disks[1], "source_interface": None}], images),
    ]
    for some_disks, some_images in wrong:
        with pytest.raises(BackupError):
            do(finish(path, some_disks, some_images))
    assert "manifest.json" not in filled.names()


def test_images_are_joined_by_either_form_of_the_serial(filled: Filled) -> None:
    images = [{**image, "serial": image["serial"][:20]} for image in reversed(filled.images)]
    result = do(finish(str(filled.path), filled.disks, images))
    assert [entry["id"] for entry in result["manifest"]["disks"]] == list(filled.contents)
