# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints of incremental backups, and the engines that clear them at a detach (docs/engine.md#checkpoints)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.control import ControlError
from lab.engine.client import ApiClient
from lab.lab import Lab
from lab.model import Settings, Vm
from lab.world import ADMIN, BACKUP, DiskSpec, VmSpec

SOURCE = VmSpec(
    "source",
    disks=(DiskSpec("first"), DiskSpec("second"), DiskSpec("third", fmt="raw")),
    checkpoints=2,
)
UNKNOWN = "11111111-2222-4333-8444-555555555555"


@dataclass(frozen=True)
class Scene:
    """source with two checkpoints and a snapshot."""

    lab: Lab
    api: ApiClient
    source: Vm
    snapshot_id: str

    def disk(self, alias: str) -> str:
        """Return the id of a disk."""
        return next(d.id for d in self.lab.world.disks.values() if d.alias == alias)

    def attach_and_detach(self, alias: str) -> None:
        """A disk snapshot comes and goes."""
        path = f"vms/{self.lab.vm('backup01').id}/diskattachments"
        disk = f'<disk id="{self.disk(alias)}"><snapshot id="{self.snapshot_id}"/></disk>'
        body = f"<disk_attachment><interface>virtio_scsi</interface>{disk}</disk_attachment>"
        assert self.api.post(path, body).status == 201
        assert self.api.delete(f"{path}/{self.disk(alias)}").status == 200

    def covered(self) -> list[set[str]]:
        """Return the aliases that each checkpoint covers, as the API tells it."""
        path = f"vms/{self.source.id}/checkpoints"
        found = [one.get("id") for one in self.api.get(path).xml()]
        shown = [self.api.get(f"{path}/{one}/disks").xml() for one in found]
        return [{disk.findtext("alias", "") for disk in disks} for disks in shown]

    def version(self) -> tuple[int, int, int]:
        """Return what the engine says it is."""
        found = self.api.get("").xml().find("product_info/version")
        assert found is not None
        major, minor, build = (int(found.findtext(n, "")) for n in ("major", "minor", "build"))
        return major, minor, build


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("lab")
    with Lab(root, host=False, vms=(SOURCE,), settings=Settings(snapshot_polls=0)) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    lab.reset()
    source = lab.vm("source")
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as api:
        body = "<snapshot><description>nightly</description></snapshot>"
        made = api.post(f"vms/{source.id}/snapshots", body).xml()
        lab.engine.tasks.drain(10)
        yield Scene(lab, api, source, made.get("id") or "")


def test_checkpoints_form_a_line_and_name_their_disks(scene: Scene) -> None:
    path = f"vms/{scene.source.id}/checkpoints"
    first, second = scene.api.get(path).xml()
    assert first.findtext("parent_id") is None
    assert second.findtext("parent_id") == first.get("id")
    assert scene.covered() == [{"first", "second", "third"}] * 2
    assert scene.api.get(f"{path}/{UNKNOWN}").status == 404
    assert list(scene.api.get(f"vms/{UNKNOWN}/checkpoints").xml()) == []


def test_only_administrators_are_told(scene: Scene) -> None:
    path = f"vms/{scene.source.id}/checkpoints"
    account = (str(scene.lab.identity.ca_file), *BACKUP)
    with ApiClient(scene.lab.url, *account) as api:
        reply = api.get(path)
        assert reply.status == 400
        assert reply.detail == "query execution failed due to insufficient permissions."
        first = scene.lab.world.checkpoints_of(scene.source.id)[0]
        assert api.get(f"{path}/{first.id}/disks").status == 400
        assert api.get(f"vms/{scene.source.id}/backups").detail == reply.detail
        # What is left: whether the disk is meant for incremental backup at all.
        assert api.get(f"disks/{scene.disk('first')}").xml().findtext("backup") == "incremental"


@pytest.mark.parametrize("version", ["4.4.10", "4.5.6", "4.5.7"])
def test_engines_up_to_457_leave_them(scene: Scene, version: str) -> None:
    scene.lab.control().settings(version=version)
    assert ".".join(str(part) for part in scene.version()) == version
    scene.attach_and_detach("first")
    assert scene.covered() == [{"first", "second", "third"}] * 2


@pytest.mark.parametrize("settings", [{"version": "4.5.8"}, {"detach_clears_checkpoints": True}])
def test_later_ones_clear_those_of_the_disk_that_goes(
    scene: Scene, settings: dict[str, str | bool]
) -> None:
    scene.lab.control().settings(**settings)
    assert scene.version() == (4, 5, 8)
    disks = scene.lab.world.disks
    assert len(disks[scene.disk("first")].bitmaps) == 2
    assert disks[scene.disk("third")].bitmaps == [], "a raw disk has no room for any"
    scene.attach_and_detach("first")
    assert scene.covered() == [{"second", "third"}] * 2
    assert disks[scene.disk("first")].bitmaps == []
    assert len(disks[scene.disk("second")].bitmaps) == 2
    scene.attach_and_detach("second")
    scene.attach_and_detach("third")
    assert scene.covered() == [], "a checkpoint without a disk goes"


def test_one_whose_parent_went_is_there_and_in_no_list(scene: Scene) -> None:
    control = scene.lab.control()
    control.settings(version="4.5.8")
    made = control.add_vm("other", disks=[{"alias": "one"}, {"alias": "two"}])
    path = f"vms/{made['id']}/checkpoints"
    first = control.add_checkpoint(made["id"], [made["disks"]["one"]])
    second = control.add_checkpoint(made["id"], list(made["disks"].values()), first)
    assert [one.get("id") for one in scene.api.get(path).xml()] == [first, second]
    body = "<snapshot><description>nightly</description></snapshot>"
    snapshot = scene.api.post(f"vms/{made['id']}/snapshots", body).xml().get("id") or ""
    scene.lab.engine.tasks.drain(10)
    Scene(scene.lab, scene.api, scene.lab.vm("other"), snapshot).attach_and_detach("one")
    assert list(scene.api.get(path).xml()) == [], "an empty list does not prove that there are none"
    assert scene.api.get(f"{path}/{first}").status == 404
    assert scene.api.get(f"{path}/{second}").xml().findtext("parent_id") == first


@pytest.mark.parametrize(
    ("disks", "parent", "text"),
    [
        ([], None, "none given"),
        ([UNKNOWN], None, UNKNOWN),
        (["first"], UNKNOWN, "no checkpoint"),
    ],
)
def test_a_checkpoint_that_cannot_be_is_refused(
    scene: Scene, disks: list[str], parent: str | None, text: str
) -> None:
    ids = [scene.disk(one) if one == "first" else one for one in disks]
    with pytest.raises(ControlError, match=text):
        scene.lab.control().add_checkpoint(scene.source.id, ids, parent)
    assert len(scene.lab.world.checkpoints) == 2
