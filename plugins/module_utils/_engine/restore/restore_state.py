# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what exists of a restore on the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import lookup
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    Vm,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    restore_marks,
    restore_plan_info,
    restore_steps,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import (
    facts,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Location,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        RestoreReadingPort,
        VmPort,
    )


def receiver(engine: VmPort, word: str) -> Vm | None:
    if not word:
        return None
    try:
        return facts.find_vm(engine, word)
    except NotFound:
        return None


def state_of(
    namesake: Vm | None, mark: restore_marks.Mark, found: tuple[restore_steps.Made, ...]
) -> str:
    if namesake is None:
        begun = any(one.incomplete and one.holders is not None for one in found)
        return restore_plan_info.INCOMPLETE if begun else restore_plan_info.ABSENT
    if is_incomplete(namesake, mark):
        return restore_plan_info.INCOMPLETE
    done = [
        one
        for one in found
        if not one.incomplete and one.holders is not None and namesake.id in one.holders
    ]
    return restore_plan_info.FINISHED if done else restore_plan_info.TAKEN


def is_incomplete(vm: Vm, mark: restore_marks.Mark) -> bool:
    """Tell whether a VM's mark says that this restore has not finished it."""
    read = restore_marks.parse(vm.comment)
    return read is not None and read.incomplete and read.mark == mark


def named(engine: VmPort, name: str, place: Location) -> Vm | None:
    """Return the VM of this name in a data centre; another data centre may have a VM of the same name."""
    matches = engine.vms_named(lookup.searchable_name(name, "VM"))
    return next(
        (vm for vm in matches if engine.location(vm).data_center_id == place.data_center_id),
        None,
    )


def find_made(
    engine: RestoreReadingPort, mark: restore_marks.Mark, known: tuple[Vm | None, ...]
) -> tuple[restore_steps.Made, ...]:
    """Return the disks of a restore, with the VMs that have them.

    Only administrators are told which VMs have a disk. For other users, the known VMs are read
    first, and then all that the user may see.
    """
    found = []
    for disk in engine.disks_described(mark.restore_id):
        read = restore_marks.parse(disk.description)
        if read is not None and read.mark == mark and read.disk_id:
            found.append(restore_steps.Made(disk, read.disk_id, read.incomplete))
    holders = _Holders(engine, known)
    return tuple(replace(one, holders=holders.of(one.disk.id)) for one in found)


class _Holders:
    """The VMs that have each disk."""

    def __init__(self, engine: RestoreReadingPort, known: tuple[Vm | None, ...]) -> None:
        self._engine = engine
        self._seen: dict[DiskId, set[VmId]] | None = None
        self._known: dict[DiskId, set[VmId]] = {}
        for vm in known:
            for held in engine.attachments(vm.id) if vm else ():
                self._known.setdefault(held.disk_id, set()).add(held.vm_id)

    def of(self, disk_id: DiskId) -> frozenset[VmId]:
        """Return the VMs that have a disk."""
        told = self._engine.holders(disk_id)
        if told is not None:
            return frozenset(told)
        if disk_id in self._known:
            return frozenset(self._known[disk_id])
        if self._seen is None:
            self._seen = {}
            for vm, attachments in self._engine.everybody():
                for held in attachments:
                    self._seen.setdefault(held.disk_id, set()).add(vm.id)
        return frozenset(self._seen.get(disk_id, ()))
