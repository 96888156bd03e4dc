# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users can find out about their own permits, and whether we judge them as the engine does.

Facts: docs/engine.md#permits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from contract.bench import Bench
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineUnavailable,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import permissions
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import Disk
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
    MISSING,
    PERMITS,
    SYSTEM,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import granting
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from lab.control import Control
from lab.engine import permissions as lab_permissions
from lab.engine.roles import PERMITS as OF_THE_ENGINE
from lab.lab import Lab
from lab.model import EVERYONE
from lab.world import ADMIN, BACKUP, GUEST

ACCOUNTS = pytest.mark.behind("accounts and their grants")


@contextmanager
def signed_in(lab: Lab, user: tuple[str, str]) -> Iterator[EnginePort]:
    """A connection of another user."""
    engine = engine_of(lab, user)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def granted(lab: Lab, *objects: str) -> Iterator[EnginePort]:
    """A connection of a user with the least role on some objects."""
    grants = [{"role": "BackupRole", "object_id": one} for one in objects]
    lab.control().add_user("somebody@internal", "secret", grants)
    with signed_in(lab, ("somebody@internal", "secret")) as engine:
        yield engine


def test_a_user_may_read_their_own_rights(bench: Bench) -> None:
    given, warnings = granting.read(bench.engine)
    assert warnings == ()
    assert given


def test_the_user_of_this_suite_has_what_a_backup_needs(bench: Bench) -> None:
    """So no refusal of a live engine is for a missing right."""
    given, _warnings = granting.read(bench.engine)
    assert given is not None
    assert permissions.missing(permissions.NEEDS, given, backup_places(bench)) == ()


@ACCOUNTS
@pytest.mark.parametrize(
    ("user", "held"), [(ADMIN, set(PERMITS)), (BACKUP, set(PERMITS)), (GUEST, {"login"})]
)
def test_what_each_user_may_do(lab: Lab, user: tuple[str, str], held: set[str]) -> None:
    with signed_in(lab, user) as engine:
        given, warnings = granting.read(engine)
    assert warnings == ()
    assert given is not None
    system = [one for one in given if one.object_id == SYSTEM]
    assert {permit for one in system for permit in one.permits} & set(PERMITS) == held


@ACCOUNTS
def test_grants_of_a_group_count(lab: Lab) -> None:
    source = lab.vm("web01").id
    group = lab.control().add_group("operators", [{"role": "BackupRole", "object_id": source}])
    with granted(lab) as engine:
        with lab.world.lock:
            lab.world.users["somebody@internal"].groups.append(group)
        mine = engine.own_permissions()
    assert mine is not None
    assert source in {one.object_id for one in mine}
    everybody = lab.world.groups[EVERYONE].grants
    assert len(mine) == 1 + len(everybody)


def test_no_permit_is_an_administrators() -> None:
    assert [name for name in PERMITS if OF_THE_ENGINE[name.upper()].admin] == []


WHERE = ("source", "appliance", "cluster", "centre", "domain", "disk", "system", "other")


def a_disk(bench: Bench) -> Disk:
    """Return a disk of the source VM."""
    disk = bench.engine.disk(bench.engine.attachments(bench.source.id)[0].disk_id)
    assert disk is not None
    return disk


def backup_places(bench: Bench) -> tuple[permissions.GrantPlace, ...]:
    """Return where a backup of one disk needs rights."""
    source, box = bench.source, bench.appliance
    place = bench.engine.location(source)
    return (
        permissions.vm_place(permissions.SOURCE, source, place),
        permissions.vm_place(permissions.APPLIANCE, box, bench.engine.location(box)),
        permissions.disk_place(a_disk(bench), source, place),
    )


@ACCOUNTS
@pytest.mark.parametrize("where", WHERE)
def test_we_judge_as_the_engine_does(bench: Bench, lab: Lab, where: str) -> None:
    """What is missing is refused, what is granted is not; of the rest nobody can say."""
    world, source, box = lab.world, bench.source, bench.appliance
    disk, place = a_disk(bench), bench.engine.location(source)
    second = next(one.id for one in world.clusters.values() if one.name == "Second")
    object_id = {
        "source": source.id,
        "appliance": box.id,
        "cluster": source.cluster_id,
        "centre": place.data_center_id,
        "domain": disk.storage_domain_id,
        "disk": disk.id,
        "system": SYSTEM,
        "other": second,
    }[where]
    with granted(lab, object_id) as engine:
        given, _warnings = granting.read(engine)
    assert given is not None
    places = backup_places(bench)
    found = permissions.missing(permissions.NEEDS, given, places)
    judged = {(one.need.permit, one.place.id): one.certainty for one in found}
    user = world.users["somebody@internal"]
    for need in permissions.NEEDS:
        for one in places:
            if one.kind != need.kind:
                continue
            scopes = lab_permissions.scopes_of(world, one.id)
            allowed = lab_permissions.permitted(world, user, need.permit.upper(), scopes)
            word = judged.get((need.permit, one.id))
            assert (word == MISSING) == (not allowed), (need.permit, one.name, word)


@pytest.mark.behind("an injected fault")
@pytest.mark.parametrize("path", ["/users/[^/]+/permissions", "/roles/[^/]+/permits"])
@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_an_engine_that_does_not_tell_is_a_warning(
    bench: Bench, control: Control, path: str, status: int
) -> None:
    control.add_fault("respond", method="GET", path=path, status=status, detail="no")
    given, warnings = granting.read(bench.engine)
    assert given is None
    [warning] = warnings
    assert "could not be read" in warning


@pytest.mark.behind("an injected fault")
def test_an_engine_that_is_gone_is_no_warning(bench: Bench, control: Control) -> None:
    control.add_fault("drop_before", method="GET", path="/users/[^/]+/permissions", times=-1)
    with pytest.raises(EngineUnavailable):
        granting.read(bench.engine)
