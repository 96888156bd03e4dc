# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints of incremental backup, which newer engines clear when a disk snapshot is detached."""

from __future__ import annotations

from typing import Any

import pytest
from support.playbooks import Step
from support.scene import Scene

from lab.world import ADMIN, BACKUP

ATTACH = {"appliance": "backup01", "source_vm": "marked", "snapshot": "nightly backup"}


@pytest.fixture
def marked(scene: Scene) -> Scene:
    """A VM with checkpoints and a snapshot, on an engine that clears checkpoints at detach."""
    scene.control.settings(version="4.5.8")
    scene.control.add_vm("marked", checkpoints=2, disks=[{"alias": "marked"}])
    scene.snapshot("marked")
    return scene


def checkpoints(scene: Scene) -> int:
    """Return how many checkpoints the lab's engine has of the VM."""
    world = scene.control.world()
    (vm,) = (vm["id"] for vm in world["vms"] if vm["name"] == "marked")
    return sum(row["vm_id"] == vm for row in world["checkpoints"])


@pytest.mark.parametrize(
    ("user", "words"),
    [(ADMIN, "has checkpoints"), (BACKUP, "may have checkpoints")],
    ids=["administrator", "backup user"],
)
def test_they_are_not_put_at_risk(marked: Scene, user: tuple[str, str], words: str) -> None:
    options: dict[str, Any] = {**ATTACH, "auth": marked.lab.auth(user)}
    result = marked.refused("disk_snapshot_attach", options, "refused", words, "[checkpoints]")
    assert result.writes == []
    plan = {"vms": ["marked"], "appliance": "backup01", "auth": marked.lab.auth(user)}
    [found] = marked.run(Step("backup_plan_info", plan)).results
    assert any(words in problem for problem in found["plans"][0]["problems"])
    assert checkpoints(marked) == 2


@pytest.mark.parametrize("policy", ["warn", "allow"])
def test_they_may_be_given_up(marked: Scene, policy: str) -> None:
    attach = Step("disk_snapshot_attach", {**ATTACH, "checkpoints": policy})
    detach = Step("disk_snapshot_detach", {"appliance": "backup01", "all": True})
    attached, detached = marked.run(attach, detach).results
    assert attached["changed"]
    assert detached["changed"]
    warned = [text for text in attached.result.get("warnings", []) if "checkpoints" in text]
    assert bool(warned) is (policy == "warn")
    assert checkpoints(marked) == 0, "what the engine does, and why refuse is the default"


def test_older_engines_keep_them(marked: Scene) -> None:
    marked.control.settings(version="4.5.7")
    steps = [
        Step("disk_snapshot_attach", ATTACH),
        Step("disk_snapshot_detach", {"appliance": "backup01", "all": True}),
    ]
    assert all(result["changed"] for result in marked.run(*steps).results)
    assert checkpoints(marked) == 2
