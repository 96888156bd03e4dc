# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite itself: it waits for passing states, and leaves nothing on an engine, whatever happens to a test."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from contract.bench import Bench, Site, at_work

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineConflict,
    EngineFault,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
)
from lab.control import Control
from lab.lab import Lab

pytestmark = pytest.mark.behind("states of the storage, and what others left")


class Broken(Exception):
    """A test that fails."""


def descriptions(lab: Lab) -> list[str]:
    """Of the snapshots of all VMs."""
    found = [one.description for one in lab.world.snapshots.values() if one.type == "regular"]
    return sorted(text.partition(" ")[0] for text in found)


def borrowed(lab: Lab) -> list[str]:
    """Names of disks that are attached as they were in a snapshot."""
    world = lab.world
    held = [row for row in world.attachments.values() if row.snapshot_id is not None]
    return sorted(world.disks[row.disk_id].alias for row in held)


def test_a_state_of_the_storage_that_passes_is_waited_for(bench: Bench, control: Control) -> None:
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0]
    [domain] = {one["domain_id"] for one in control.world()["disks"] if one["id"] == disk.disk_id}
    control.patch("domains", domain, status="unknown")
    timer = threading.Timer(0.3, control.patch, ("domains", domain), {"status": "active"})
    timer.start()
    bench.attach(disk.disk_id, snapshot_id)
    timer.join()
    control.patch("domains", domain, status="unknown")
    short = replace(bench, site=replace(bench.site, patience=0.1))
    with pytest.raises(EngineFault, match="status is Unknown"):
        short.order_snapshot()


def test_an_order_that_is_carried_out_is_no_refusal(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="did not refuse"):
        bench.refused(bench.snapshot)


def test_a_test_that_fails_leaves_nothing(site: Site, lab: Lab) -> None:
    before = lab.control().world()["attachments"]

    def fail(bench: Bench) -> None:
        first = bench.snapshot()
        bench.snapshot()
        for disk in bench.disks(first):
            bench.attach(disk.disk_id, first)
        assert borrowed(lab) == ["web01_data", "web01_system"]
        bench.order_snapshot()
        raise Broken

    with pytest.raises(Broken), at_work(site) as bench:
        fail(bench)
    assert (descriptions(lab), borrowed(lab)) == ([], [])
    assert lab.control().world()["attachments"] == before


def test_what_passes_is_waited_out_at_the_end(site: Site, lab: Lab) -> None:
    """An unplug that the guest does not answer at once, and a disk that is locked."""
    with at_work(site) as bench:
        made = bench.snapshot()
        disk = bench.disks(made)[0].disk_id
        bench.attach(disk, made)
        lab.control().add_fault("fail_unplug", times=2)
        lab.control().lock("disk", disk)
        timer = threading.Timer(0.3, lab.control().unlock)
        timer.start()
    timer.join()
    assert (descriptions(lab), borrowed(lab)) == ([], [])
    assert lab.control().faults() == []


def test_what_a_killed_run_left_goes_and_what_is_of_others_stays(site: Site, lab: Lab) -> None:
    with at_work(site, tidy=False) as killed:
        theirs = killed.engine.create_snapshot(killed.source.id, "nightly", None, False, "x").id
        killed.await_snapshot(theirs, "ok")
        made = killed.snapshot()
        killed.attach(killed.disks(made)[0].disk_id, made)
    with at_work(site):
        assert (descriptions(lab), borrowed(lab)) == (["nightly"], [])
    assert descriptions(lab) == ["nightly"]


def test_the_active_entry_is_never_removed(site: Site, lab: Lab) -> None:
    """A creation that fails gives its id back to it (docs/engine.md#the-id-of-a-snapshot)."""
    with at_work(site) as bench:
        active = lab.world.active_snapshot(lab.vm("web01").id)
        lab.control().patch("snapshots", active.id, description="contract x")
        assert bench.ours() == []
    assert lab.world.active_snapshot(lab.vm("web01").id).id == active.id


def test_an_appliance_that_holds_a_disk_of_the_source_is_not_used(site: Site, lab: Lab) -> None:
    with at_work(site, tidy=False) as theirs:
        made = theirs.engine.create_snapshot(theirs.source.id, "nightly", None, False, "x").id
        theirs.await_snapshot(made, "ok")
        theirs.attach(theirs.disks(made)[0].disk_id, made)
    with pytest.raises(AssertionError, match="first: they are the source's"), at_work(site):
        pass
    assert (descriptions(lab), len(borrowed(lab))) == (["nightly"], 1)


def test_a_cleaning_that_is_refused_is_an_error_and_goes_on(site: Site, lab: Lab) -> None:
    def hold(bench: Bench) -> None:
        first, second = bench.snapshot(), bench.snapshot()
        bench.attach(bench.disks(first)[0].disk_id, first)
        other = lab.control().add_vm("other")["id"]
        bench.engine.attach(other, bench.disks(second)[0].disk_id, second, AttachSettings())

    short = replace(site, patience=0.3)
    with pytest.raises(EngineConflict, match="attached to other VMs"), at_work(short) as bench:
        hold(bench)
    assert len(borrowed(lab)) == 1, "the appliance's is detached, the other's is not ours"
