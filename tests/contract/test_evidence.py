# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attached snapshot stays known, however much the appliance has attached and detached since."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contract.bench import Bench

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import evidence
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
    Holding,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import facts
from lab.lab import Lab

PAIRS = 600
"""Other disks attached and detached: with two events each, more than two answers of the engine hold."""


def nights(bench: Bench, lab: Lab, alias: str) -> None:
    """Let the appliance detach and attach a disk many times."""
    name = bench.appliance.name
    with lab.world.lock:
        [attached] = [one for one in lab.world.events if one.code == evidence.EVENT_ATTACHED][-1:]
        index = max(one.index for one in lab.world.events)
        for number in range(PAIRS):
            for step, (code, deed) in enumerate(((2018, "detached from"), (2016, "attached to"))):
                text = f"Disk {alias} was successfully {deed} VM {name} by somebody."
                event = replace(
                    attached,
                    index=index + 2 * number + step + 1,
                    code=code,
                    description=text,
                    correlation_id=f"night-{number}",
                )
                lab.world.events.append(event)


def held(bench: Bench, disk_id: str) -> Holding:
    [one] = [x for x in facts.holdings(bench.engine, bench.appliance) if x.disk_id == disk_id]
    found = bench.engine.attachment(bench.appliance.id, one.disk_id)
    assert found is not None
    assert facts.holding(bench.engine, bench.appliance, found) == one
    return one


@pytest.mark.behind("hundreds of attachments")
def test_what_is_attached_is_known_after_a_busy_night(bench: Bench, lab: Lab) -> None:
    first, second = bench.snapshot(), bench.snapshot()
    assert first != second
    [disk, *_disks] = bench.disks(second)
    bench.attach(disk.disk_id, second)
    nights(bench, lab, "another")
    one = held(bench, disk.disk_id)
    assert (one.snapshot_id, one.evidence) == (second, evidence.EVENT)


@pytest.mark.behind("hundreds of attachments")
def test_an_attachment_that_a_later_detach_ended_tells_nothing(bench: Bench, lab: Lab) -> None:
    """The disk was attached again, without the snapshot's id as correlation id."""
    first, second = bench.snapshot(), bench.snapshot()
    assert first != second
    [disk, *_disks] = bench.disks(second)
    bench.attach(disk.disk_id, second)
    nights(bench, lab, disk.alias)
    one = held(bench, disk.disk_id)
    assert (one.snapshot_id, one.evidence) == (None, evidence.UNKNOWN)
