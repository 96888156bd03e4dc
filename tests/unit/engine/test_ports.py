# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports are separate, each has a class over API v4, and a backup needs none of a restore's."""

from __future__ import annotations

import inspect
from collections import Counter
from itertools import chain

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine import ports
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.configurations import (
    V4Configurations,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.disks import (
    V4Attachments,
    V4Disks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.engine import (
    V4Engine,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.events import (
    V4Events,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.permissions import (
    V4Permissions,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.restores import (
    V4DiskOrders,
    V4Targets,
    V4VmOrders,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.session import (
    V4Session,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.snapshots import (
    V4SnapshotOrders,
    V4Snapshots,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.vms import V4Vms

BACKUP: dict[type, type] = {
    ports.SessionPort: V4Session,
    ports.VmPort: V4Vms,
    ports.DiskPort: V4Disks,
    ports.SnapshotPort: V4Snapshots,
    ports.EventPort: V4Events,
    ports.ConfigurationPort: V4Configurations,
    ports.PermissionPort: V4Permissions,
    ports.AttachmentPort: V4Attachments,
    ports.SnapshotOrderPort: V4SnapshotOrders,
}
RESTORE: dict[type, type] = {
    ports.TargetPort: V4Targets,
    ports.DiskOrderPort: V4DiskOrders,
    ports.VmOrderPort: V4VmOrders,
}
ALL = {**BACKUP, **RESTORE}


def calls(one: type, *, inherited: bool = False) -> set[str]:
    """Names of the public methods of a class."""
    found = dict(inspect.getmembers(one, inspect.isfunction)) if inherited else vars(one)
    return {name for name in found if not name.startswith("_")}


def test_every_port_of_one_subject_is_here() -> None:
    small = {
        one
        for one in vars(ports).values()
        if inspect.isclass(one) and one.__module__ == ports.__name__ and calls(one)
    }
    assert small == set(ALL)


@pytest.mark.parametrize(("port", "over_v4"), ALL.items(), ids=lambda one: one.__name__)
def test_the_class_of_a_port_has_its_calls_and_no_other(port: type, over_v4: type) -> None:
    assert calls(port) == calls(over_v4)
    assert calls(over_v4, inherited=True) == calls(over_v4)


def test_no_call_is_in_two_ports() -> None:
    counted = Counter(chain.from_iterable(calls(port) for port in ALL))
    assert {name for name, times in counted.items() if times > 1} == set()
    assert calls(V4Engine, inherited=True) == set(counted)


@pytest.mark.parametrize(
    ("engine", "expected"),
    [(ports.BackupEngine, set(BACKUP)), (ports.EnginePort, set(ALL))],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_an_engine_has_the_calls_of_its_ports(engine: type, expected: set[type]) -> None:
    assert set(engine.__mro__) & set(ALL) == expected
    assert calls(engine, inherited=True) == {name for port in expected for name in calls(port)}


def test_what_plans_a_restore_gives_no_orders() -> None:
    orders = {
        ports.AttachmentPort,
        ports.SnapshotOrderPort,
        ports.DiskOrderPort,
        ports.VmOrderPort,
    }
    assert set(ports.RestorePlanEngine.__mro__) & orders == set()
