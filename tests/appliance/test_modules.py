# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module as a user runs it: by Ansible, on a guest's view of /run/udev, old Python included."""

from __future__ import annotations

import ast
import glob
import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from appliance import stored
from appliance.loops import MIB, LoopAppliance

from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge

RELEASE = Path(edge.__file__).parents[2] / "modules/disk_device_release.py"
WORKSPACE = Path(edge.__file__).parents[5].parent
IN_GUEST = (
    'mount -t tmpfs none /run && mkdir -p /run/udev && cp -r "$0" /run/udev/data && exec "$@"'
)


def interpreters() -> list[str]:
    """Return the Python that runs the tests, and the oldest that an appliance may have, if it is here."""
    places = [
        shutil.which("python3.9"),
        *glob.glob(os.path.expanduser("~/.pyenv/versions/3.9.*/bin/python3.9")),
    ]
    for place in filter(None, places):
        if subprocess.run([place, "-c", ""], check=False, capture_output=True).returncode == 0:
            return [sys.executable, place]
    return [sys.executable]


class Ansible:
    """Ad-hoc tasks on this machine."""

    def __init__(self, appliance: LoopAppliance, interpreter: str, home: Path) -> None:
        self._udev = appliance.paths.udev
        self._interpreter = interpreter
        self._home = home

    def __call__(self, module: str, *, check: bool = False, **params: object) -> dict[str, Any]:
        """Run a module; its result, with what Ansible said of the task as ``_status``."""
        words = [str(Path(sys.executable).parent / "ansible"), "localhost", "-c", "local"]
        words += ["-e", f"ansible_python_interpreter={self._interpreter}"]
        words += ["-m", f"ovirt_community.backup.{module}", "-a", json.dumps(params)]
        words += ["--check", "--diff"] if check else []
        done = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_GUEST, self._udev, *words],
            check=False,
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(WORKSPACE),
                "ANSIBLE_HOME": str(self._home),
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
                "ANSIBLE_NOCOLOR": "1",
            },
        )
        head, _arrow, body = done.stdout.partition(" => ")
        result = json.loads(body)
        result["_status"] = head.split()[-1].rstrip("!")
        assert "WARNING" not in done.stdout + done.stderr
        return dict(result)


@pytest.fixture(params=interpreters(), ids=lambda path: Path(path).name)
def ansible(appliance: LoopAppliance, request: pytest.FixtureRequest, tmp_path: Path) -> Ansible:
    """Ansible with one of the interpreters."""
    return Ansible(appliance, request.param, tmp_path / "ansible")


def test_a_set_from_preflight_to_manifest(
    appliance: LoopAppliance, ansible: Ansible, tmp_path: Path
) -> None:
    repository = appliance.mount("none", tmp_path / "r", "-t", "tmpfs", "-o", "size=64m,mode=755")
    serials = [str(uuid.uuid4()) for _unused in range(2)]
    for shown in (serials[0], serials[1][:20]):
        appliance.udev(appliance.attach(appliance.file(os.urandom(MIB), 2 * MIB)), ID_SERIAL=shown)
    disks = [
        {
            "disk_id": serial,
            "alias": "d",
            "virtual_size": 2 * MIB,
            "source_interface": "virtio",
            "source_bootable": False,
            "more": {"keys": None},
        }
        for serial in serials
    ]
    common: dict[str, Any] = {
        "run_id": "r1",
        "started": "2026-11-23T01:00:00Z",
        "vm": {"id": str(uuid.uuid4()), "name": "wéb 01"},
        "disks": disks,
    }

    ready = ansible("appliance_preflight", repository=str(repository), isolation="ignore")
    assert (ready["_status"], ready["changed"]) == ("SUCCESS", False)

    asked: dict[str, Any] = {"state": "prepared", "repository": str(repository), **common}
    predicted = ansible("backup_set", check=True, **asked)
    assert predicted["changed"]
    assert list(repository.iterdir()) == []
    prepared = ansible("backup_set", **asked)
    assert prepared["path"] == predicted["path"]

    wanted = {"images": prepared["images"], "compression": "zstd", "device_timeout": 5}
    predicted = ansible("disk_image_copy", check=True, **wanted)
    assert predicted["changed"]
    assert list(Path(prepared["path"]).iterdir()) == []
    copied = ansible("disk_image_copy", **wanted)
    again = ansible("disk_image_copy", check=True, **wanted)
    assert (copied["changed"], again["changed"]) == (True, False)
    assert [image["content_sha256"] for image in copied["images"]] == [
        image["content_sha256"] for image in again["images"]
    ]

    facts: dict[str, Any] = {
        "state": "present",
        "path": prepared["path"],
        "finished": "2026-11-23T01:05:00Z",
        "snapshot": {"id": str(uuid.uuid4())},
        "images": copied["images"],
        "ovf": stored.ovf(
            common["vm"]["id"], [{**disk, "id": disk["disk_id"]} for disk in disks]
        ).decode(),
        **common,
    }
    predicted = ansible("backup_set", check=True, **facts)
    assert predicted["changed"]
    assert not (Path(prepared["path"]) / "manifest.json").exists()
    first, second = ansible("backup_set", **facts), ansible("backup_set", **facts)
    assert (first["changed"], second["changed"]) == (True, False)
    assert json.loads((Path(prepared["path"]) / "manifest.json").read_text()) == first["manifest"]


def test_a_device_is_let_go_of(appliance: LoopAppliance, ansible: Ansible) -> None:
    serial = str(uuid.uuid4())
    node = appliance.attach(appliance.file(b"x", 2 * MIB))
    appliance.udev(node, ID_SERIAL=serial)
    for check in (True, False):
        result = ansible("disk_device_release", check=check, serials=[serial], timeout=5)
        assert (result["_status"], result["changed"]) == ("SUCCESS", False)
        assert [(one["device"], one["free"]) for one in result["devices"]] == [(node, True)]
    with Path(node).open("rb"):
        busy = ansible("disk_device_release", serials=[serial], timeout=0)
        told = ansible("disk_device_release", serials=[serial], timeout=0, fail=False)
    assert (busy["_status"], busy["error_code"]) == ("FAILED", "device_busy")
    assert f"open by process {os.getpid()} " in busy["msg"]
    assert (told["_status"], told["busy"]) == ("SUCCESS", [serial])


def test_examples_of_letting_go(ansible: Ansible) -> None:
    """They name devices that are not here, which is no error."""
    known = {
        ast.unparse(node.targets[0]): yaml.safe_load(ast.literal_eval(node.value))
        for node in ast.parse(RELEASE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    for task in known["EXAMPLES"]:
        result = ansible(
            "disk_device_release", **task["ovirt_community.backup.disk_device_release"]
        )
        assert (result["_status"], result["changed"]) == ("SUCCESS", False)
        keys = {key for key in result if not key.startswith("_")} - {"changed", "diff"}
        assert keys == set(known["RETURN"])


def test_failures_are_results_not_tracebacks(
    appliance: LoopAppliance, ansible: Ansible, tmp_path: Path
) -> None:
    serial = str(uuid.uuid4())
    image = {"serial": serial, "size": MIB, "dest": str(tmp_path / "a")}
    missing = ansible("disk_image_copy", images=[image], device_timeout=0)
    assert (missing["_status"], missing["error_code"]) == ("FAILED", "device_not_found")
    assert serial in missing["msg"]
    assert missing["details"]["missing"] == [serial]

    appliance.udev(appliance.attach(appliance.file(b"x", 2 * MIB)), ID_SERIAL=serial)
    mismatch = ansible("disk_image_copy", images=[image], device_timeout=0)
    assert mismatch["error_code"] == "device_mismatch"
    assert mismatch["details"]["size"] == 2 * MIB

    unfit = ansible("appliance_preflight", repository=str(tmp_path / "missing"))
    assert unfit["error_code"] == "refused"
    assert [problem["check"] for problem in unfit["details"]["problems"]] == ["repository"]
