# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost answers: an order is carried out once, and the module knows that it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from support.playbooks import A_WAIT, Result
from support.scene import Scene

Json = Any


@dataclass(frozen=True)
class Deed:
    """An order to the engine: the task that gives it, its request, and the event of its effect."""

    module: str
    options: Mapping[str, Json]
    method: str
    path: str
    event: int
    needs: Callable[[Scene], None]
    happened: Callable[[Scene], bool]


def _nothing(_scene: Scene) -> None:
    """Needs nothing."""


def _snapshot(scene: Scene) -> None:
    scene.snapshot()


def _attached(scene: Scene) -> None:
    scene.attach("web01_data", scene.snapshot())


DEEDS = {
    "attach": Deed(
        "disk_snapshot_attach",
        {
            "appliance": "backup01",
            "source_vm": "web01",
            "snapshot": "nightly backup",
            "disks": ["web01_data"],
        },
        "POST",
        "/diskattachments$",
        2016,
        _snapshot,
        lambda scene: list(scene.attached()) == ["web01_data"],
    ),
    "detach": Deed(
        "disk_snapshot_detach",
        {"appliance": "backup01", "all": True},
        "DELETE",
        "/diskattachments/",
        2018,
        _attached,
        lambda scene: scene.attached() == {},
    ),
    "create": Deed(
        "vm_snapshot",
        {"vm": "web01", "snapshot": "nightly backup"},
        "POST",
        "/snapshots$",
        68,
        _nothing,
        lambda scene: scene.snapshots() == {"nightly backup": "ok"},
    ),
    "remove": Deed(
        "vm_snapshot",
        {"vm": "web01", "snapshot": "nightly backup", "state": "absent"},
        "DELETE",
        "/snapshots/",
        356,
        _snapshot,
        lambda scene: scene.snapshots() == {},
    ),
}
LOSSES: dict[str, dict[str, Json]] = {
    "dropped-after": {"kind": "drop_after"},
    "dropped-before": {"kind": "drop_before"},
    "500-after": {"kind": "respond_after", "status": 500, "detail": "[Internal Engine Error]"},
    "proxy-after": {"kind": "respond_after", "status": 504, "body": "<html>Gateway Timeout</html>"},
    "401-before": {"kind": "unauthorized"},
    "401-after": {"kind": "respond_after", "status": 401},
}


def perform(scene: Scene, deed: Deed, loss: Mapping[str, Json]) -> Result:
    """Run the task while the answer to its order gets lost."""
    deed.needs(scene)
    before = len(scene.events(deed.event))
    fault = {"method": deed.method, "path": deed.path, **loss}
    result = scene.one(deed.module, deed.options, before=[("add_fault", fault)])
    assert not result.failed, result.message
    assert scene.control.faults() == [], "the fault never happened"
    assert len(scene.events(deed.event)) == before + 1
    return result


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("deed", DEEDS)
def test_an_order_whose_answer_is_lost(scene: Scene, deed: str, loss: str) -> None:
    result = perform(scene, DEEDS[deed], LOSSES[loss])
    assert result.changed
    assert DEEDS[deed].happened(scene)
    # At most one more than needed: the SDK, or libcurl under it, repeats by itself.
    assert 1 <= len(result.writes) <= 2
    if loss in ("500-after", "proxy-after"):
        assert len(result.writes) == 1, "the state tells that nothing is to be repeated"


def test_a_token_that_expires_in_the_middle(scene: Scene) -> None:
    scene.snapshot()
    fault = {"kind": "expire_token", "method": "POST", "path": "/diskattachments"}
    options = {"appliance": "backup01", "source_vm": "web01", "snapshot": "nightly backup"}
    result = scene.one("disk_snapshot_attach", options, before=[("add_fault", fault)])
    assert result.changed
    assert set(scene.attached()) == {"web01_system", "web01_data"}
    assert len(scene.events(2016)) == 2


def test_an_answer_that_is_lost_for_good(scene: Scene) -> None:
    """The effect never comes: the refusal names what failed, and nothing is left behind."""
    scene.snapshot()
    scene.control.add_fault("drop_before", method="POST", path="/diskattachments", times=-1)
    options = {**DEEDS["attach"].options, "timeout": 1, "poll_interval": 1}
    words = ("web01_data", "backup01")
    result = scene.refused("disk_snapshot_attach", options, "engine_unavailable", *words)
    assert A_WAIT.search(result.message)
