# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a restore would make, and every problem."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf
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
    granting,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    ReadOnly,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    RestorePlanEngine,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_state import (
    find_made,
    named,
    receiver,
    state_of,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Disk,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )


class RestorePlanInfo(ReadOnly[RestorePlanEngine]):
    """The plan of a restore: what it would make, and every problem."""

    def __init__(
        self,
        engine: RestorePlanEngine,
        clock: Clock,
        patience: Patience,
        request: restore_plan_info.RestoreRequest,
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[NoStep]:
        """Read everything that the restore depends on.

        Raises:
            errors.BackupError: There is no such appliance, or the set is contradictory.
        """
        engine, request = self._engine, self._request
        configuration = ovf.read(request.ovf)
        appliance = facts.find_appliance(engine, request.appliance)
        place = engine.location(appliance)
        given, unread = granting.read(engine) if request.check_permissions else (None, ())
        mark = restore_marks.make(
            request.owner, restore_plan_info.restore_id(request), request.manifest.run_id
        )
        clusters = tuple(
            one for one in engine.clusters() if one.data_center_id == place.data_center_id
        )
        cluster = restore_plan_info.chosen_cluster(request, clusters)
        originals = {disk.id: engine.disk(DiskId(disk.id)) for disk in request.manifest.disks}
        target = restore_plan_info.RestoreTarget(
            appliance=appliance,
            place=place,
            clusters=clusters,
            domains=tuple(engine.domains(place.data_center_id)),
            profiles=frozenset(engine.vnic_profiles(cluster) if cluster else ()),
            original=engine.vm(VmId(request.manifest.vm.id)),
            homes={one: disk.storage_domain_id for one, disk in originals.items() if disk},
            free_ids=frozenset(
                one for one, disk in originals.items() if disk is None or _is_of(disk, mark)
            ),
            profiles_at=self._profiles(configuration),
            grants=given,
            unfinished=self._unfinished(mark),
        )
        target = self._with_state(target, mark)
        result, warnings = restore_plan_info.result(request, configuration, target)
        result["engine_version"] = engine.version()
        result["token"] = not engine.own_session()
        return Plan(result=result, warnings=(*unread, *warnings))

    def _profiles(self, configuration: ovf.Configuration) -> dict[str, str]:
        """Return the storage domains of the original disks' profiles."""
        beside = configuration.beside
        wanted = set(beside.disk_profiles.values()) if beside else set()
        found = {one: self._engine.profile_domain(one) for one in wanted}
        return {one: domain for one, domain in found.items() if domain}

    def _unfinished(self, mark: restore_marks.Mark) -> tuple[restore_plan_info.Unfinished, ...]:
        originals = {disk.id for disk in self._request.manifest.disks}
        found = self._engine.disks_described(restore_marks.INCOMPLETE_WORD)
        return restore_plan_info.unfinished(mark, originals, found)

    def _with_state(
        self, target: restore_plan_info.RestoreTarget, mark: restore_marks.Mark
    ) -> restore_plan_info.RestoreTarget:
        """Add what exists of this restore already."""
        request, engine = self._request, self._engine
        if request.what == restore_plan_info.VM:
            namesake = named(engine, restore_plan_info.wanted_name(request), target.place)
            found = find_made(engine, mark, (target.appliance, namesake))
            state = state_of(namesake, mark, found)
            begun = _begun(found, target.appliance, namesake)
            lacking = self._lacking(namesake, found) if state == restore_plan_info.FINISHED else ()
            return replace(target, namesake=namesake, state=state, begun=begun, lacking=lacking)
        vm = receiver(engine, request.vm)
        found = find_made(engine, mark, (target.appliance, vm))
        wanted = set(request.disks) or {disk.id for disk in request.manifest.disks}
        held = {vm.id} if vm else set()
        done = {
            one.source_id
            for one in found
            if not one.incomplete and one.holders is not None and one.holders == held
        }
        state = restore_plan_info.INCOMPLETE if found else restore_plan_info.ABSENT
        if wanted <= done:
            state = restore_plan_info.FINISHED
        elif not any(one.incomplete for one in found):
            state = restore_plan_info.ABSENT
        place = engine.location(vm) if vm else None
        begun = _begun(found, target.appliance, vm)
        return replace(target, receiver=vm, receiver_place=place, state=state, begun=begun)

    def _lacking(self, vm: Vm | None, found: tuple[restore_steps.Made, ...]) -> tuple[str, ...]:
        """Return the names of the set's disks that a finished VM does not have."""
        there = {
            one.source_id
            for one in found
            if vm and not one.incomplete and one.holders is not None and vm.id in one.holders
        }
        return tuple(disk.alias for disk in self._request.manifest.disks if disk.id not in there)


def _begun(found: tuple[restore_steps.Made, ...], *known: Vm | None) -> dict[str, int]:
    """Return the bytes that incomplete disks occupy that no other VM has."""
    ours = {vm.id for vm in known if vm}
    return {
        one.source_id: one.disk.total_size
        for one in found
        if one.incomplete and one.holders is not None and one.holders <= ours
    }


def _is_of(disk: Disk, mark: restore_marks.Mark) -> bool:
    """Tell whether a disk's mark says that this restore made it."""
    read = restore_marks.parse(disk.description)
    return read is not None and read.mark == mark
