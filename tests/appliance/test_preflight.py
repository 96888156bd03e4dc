# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's preflight on this machine."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from appliance.loops import MIB, LoopAppliance

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images import qemu
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_preflight import (
    AppliancePreflight,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import (
    appliance_preflight,
)

VM = f"web01.{uuid.UUID(int=1)}"


@pytest.fixture
def mounted(appliance: LoopAppliance, tmp_path: Path) -> Path:
    """A repository on a file system of its own."""
    return appliance.mount("none", tmp_path / "a place", "-t", "tmpfs", "-o", "size=16m,mode=755")


def request(path: Path) -> appliance_preflight.PreflightRequest:
    return appliance_preflight.PreflightRequest(str(path))


def found(wanted: appliance_preflight.PreflightRequest) -> list[str]:
    """Checks that fail."""
    with pytest.raises(Refused) as caught:
        AppliancePreflight(wanted).plan()
    return [problem["check"] for problem in caught.value.details["problems"]]


def test_a_fit_appliance(mounted: Path) -> None:
    (mounted / "below").mkdir()
    for path in (mounted, mounted / "below"):
        plan = AppliancePreflight(
            replace(request(path), required_bytes=MIB, reserve_bytes=MIB)
        ).plan()
        assert not plan.changed
        facts = plan.result
        assert facts["repository"]["mount_point"] == str(mounted)
        assert facts["repository"]["filesystem"] == "tmpfs"
        assert facts["repository"]["writable"] is True
        assert facts["repository"]["total_bytes"] == 16 * MIB
        assert facts["qemu_img"]["zstd"] is True
        assert facts["qemu_img"]["version"][0].isdigit()
        assert facts["root"] is True
    assert os.listdir(mounted) == ["below"]


def test_every_problem_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qemu-img"
    program.write_text(
        "#!/bin/sh\ncase $1 in --version) echo qemu-img version 4.2.1;; *) exit 1;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    root = Path("/root") if os.stat("/root").st_dev == os.stat("/").st_dev else Path("/")
    assert found(replace(request(root), required_bytes=2**60)) == ["mount", "space", "zstd", "root"]
    assert found(replace(request(root), require_mount=False, require_zstd=False)) == ["root"]


def test_no_directory_and_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(qemu, "_PATH", str(tmp_path))
    assert found(request(tmp_path / "missing")) == ["repository", "qemu_img"]
    (tmp_path / "file").touch()
    assert found(request(tmp_path / "file")) == ["repository", "qemu_img"]


def test_a_read_only_file_system(appliance: LoopAppliance, tmp_path: Path) -> None:
    place = appliance.mount("none", tmp_path / "ro", "-t", "tmpfs", "-o", "ro,size=16m,mode=755")
    assert found(request(place)) == ["writable"]


def test_leftovers_are_told_and_kept(mounted: Path) -> None:
    dead, done = mounted / VM / "20261123T010000Z.a", mounted / VM / "20261124T010000Z.b"
    for path in (dead, done, mounted / "lost+found" / "x", mounted / VM / "c"):
        path.mkdir(parents=True)
    (done / "manifest.json").touch()
    for file in (dead / "d.qcow2.part", done / "e.raw.part", mounted / "lost+found" / "f.part"):
        file.touch()
    facts = AppliancePreflight(request(mounted)).plan().result
    assert facts["leftovers"] == {
        "parts": [str(dead / "d.qcow2.part"), str(done / "e.raw.part")],
        "sets": [str(dead), str(mounted / VM / "c")],
    }
    assert dead.exists()


def test_an_old_python() -> None:
    facts = appliance_preflight.ApplianceFacts(
        repository=appliance_preflight.RepositoryFacts(
            "/r", True, "/r", "xfs", "/dev/sdb", True, 1, 1
        ),
        qemu_img=appliance_preflight.QemuImgFacts("/usr/bin/qemu-img", "7.2", True),
        python="3.8.18",
        kernel="5.14",
        root=True,
        leftovers=appliance_preflight.Leftovers((), ()),
    )
    wanted = appliance_preflight.PreflightRequest("/r")
    assert [problem.check for problem in appliance_preflight.problems(wanted, facts)] == ["python"]
    assert appliance_preflight.problems(wanted, replace(facts, python="3.10.0rc1")) == ()


@pytest.mark.parametrize("place", ["sys/class/dmi/id/product_uuid", "proc/device-tree/vm,uuid"])
def test_the_machine_must_be_the_appliance(mounted: Path, tmp_path: Path, place: str) -> None:
    """A host of the inventory that leads elsewhere is noticed before anything is attached."""
    machine, other = (str(uuid.UUID(int=number)) for number in (7, 8))
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_bytes(machine.upper().encode() + (b"\0" if place.startswith("proc") else b"\n"))
    system = System()
    paths = replace(system.paths, proc=str(tmp_path / "proc"))
    host = replace(system, sys=str(tmp_path / "sys"), paths=paths)
    plan = AppliancePreflight(replace(request(mounted), vm_id=machine), host).plan()
    assert plan.result["machine_id"] == machine
    assert [text for text in plan.warnings if "appliance, VM" in text] == []
    with pytest.raises(Refused, match="This machine is not the appliance") as caught:
        AppliancePreflight(replace(request(mounted), vm_id=other), host).plan()
    assert [one["check"] for one in caught.value.details["problems"]] == ["identity"]


def test_a_machine_that_shows_no_uuid_is_told(mounted: Path, tmp_path: Path) -> None:
    system = System()
    paths = replace(system.paths, proc=str(tmp_path / "proc"))
    host = replace(system, sys=str(tmp_path / "sys"), paths=paths)
    asked = replace(request(mounted), vm_id=str(uuid.UUID(int=8)))
    plan = AppliancePreflight(asked, host).plan()
    assert plan.result["machine_id"] == ""
    assert [text for text in plan.warnings if text.startswith("Cannot tell whether")] != []
    with pytest.raises(Refused, match="Cannot tell whether this machine is the appliance"):
        AppliancePreflight(replace(asked, identity="require"), host).plan()
