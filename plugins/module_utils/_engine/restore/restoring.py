# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore on the engine: what there is of it is read, core decides, the steps are carried out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
    EngineNotFound,
    EnginePermission,
    NotFound,
    OperationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
    UnhandledStep,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import lookup
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    NewDisk,
    NewVm,
    Plugging,
    Vm,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    losses,
    restore_marks,
    restore_plan,
    restore_steps,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common import (
    facts,
    granting,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.base import (
    EngineOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.orders import (
    in_our_words,
    persist,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore import settling
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.looking import (
    ReadOnly,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
        Deadline,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Disk,
        Location,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.requests import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.port import (
        EnginePort,
    )


class RestorePlan(ReadOnly):
    """What a restore would make, and all that stands against it."""

    def __init__(
        self,
        engine: EnginePort,
        clock: Clock,
        patience: Patience,
        request: restore_plan.RestoreRequest,
    ) -> None:
        super().__init__(engine, clock, patience)
        self._request = request

    def plan(self) -> Plan[NoStep]:
        """Look at everything that the restore would meet.

        :raises errors.BackupError: for the appliance, or for a set that says nonsense.
        """
        engine, request = self._engine, self._request
        configuration = ovf.read(request.ovf)
        appliance = facts.find_appliance(engine, request.appliance)
        place = engine.location(appliance)
        given, unread = granting.look(engine) if request.check_permissions else (None, ())
        mark = restore_marks.make(
            request.owner, restore_plan.restore_id(request), request.manifest.run_id
        )
        clusters = tuple(
            one for one in engine.clusters() if one.data_center_id == place.data_center_id
        )
        cluster = restore_plan.chosen_cluster(request, clusters)
        originals = {disk.id: engine.disk(DiskId(disk.id)) for disk in request.manifest.disks}
        target = restore_plan.RestoreTarget(
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
        result, warnings = restore_plan.result(request, configuration, target)
        result["engine_version"] = engine.version()
        result["token"] = not engine.own_session()
        return Plan(result=result, warnings=(*unread, *warnings))

    def _profiles(self, configuration: ovf.Configuration) -> dict[str, str]:
        """Where the disk profiles are that the disks had."""
        beside = configuration.beside
        wanted = set(beside.disk_profiles.values()) if beside else set()
        found = {one: self._engine.profile_domain(one) for one in wanted}
        return {one: domain for one, domain in found.items() if domain}

    def _unfinished(self, mark: restore_marks.Mark) -> tuple[restore_plan.Unfinished, ...]:
        originals = {disk.id for disk in self._request.manifest.disks}
        found = self._engine.disks_described(restore_marks.HALF_MADE_WORD)
        return restore_plan.unfinished(mark, originals, found)

    def _with_state(
        self, target: restore_plan.RestoreTarget, mark: restore_marks.Mark
    ) -> restore_plan.RestoreTarget:
        """Find what there is of this restore already."""
        request, engine = self._request, self._engine
        if request.what == restore_plan.VM:
            namesake = named(engine, restore_plan.wanted_name(request), target.place)
            found = find_made(engine, mark, (target.appliance, namesake))
            state = _state(namesake, mark, found)
            begun = _begun(found, target.appliance, namesake)
            lacking = self._lacking(namesake, found) if state == restore_plan.FINISHED else ()
            return replace(target, namesake=namesake, state=state, begun=begun, lacking=lacking)
        receiver = _receiver(engine, request.vm)
        found = find_made(engine, mark, (target.appliance, receiver))
        wanted = set(request.disks) or {disk.id for disk in request.manifest.disks}
        held = {receiver.id} if receiver else set()
        done = {
            one.source_id
            for one in found
            if not one.half_made and one.holders is not None and one.holders == held
        }
        state = restore_plan.HALF_MADE if found else restore_plan.ABSENT
        if wanted <= done:
            state = restore_plan.FINISHED
        elif not any(one.half_made for one in found):
            state = restore_plan.ABSENT
        place = engine.location(receiver) if receiver else None
        begun = _begun(found, target.appliance, receiver)
        return replace(target, receiver=receiver, receiver_place=place, state=state, begun=begun)

    def _lacking(self, vm: Vm | None, found: tuple[restore_steps.Made, ...]) -> tuple[str, ...]:
        """Names of disks of the set of which a finished VM has none."""
        there = {
            one.source_id
            for one in found
            if vm and not one.half_made and one.holders is not None and vm.id in one.holders
        }
        return tuple(disk.alias for disk in self._request.manifest.disks if disk.id not in there)


def _begun(found: tuple[restore_steps.Made, ...], *known: Vm | None) -> dict[str, int]:
    """What half-made disks take that nobody else has."""
    ours = {vm.id for vm in known if vm}
    return {
        one.source_id: one.disk.total_size
        for one in found
        if one.half_made and one.holders is not None and one.holders <= ours
    }


def _is_of(disk: Disk, mark: restore_marks.Mark) -> bool:
    """Whether a disk says that this restore made it."""
    read = restore_marks.parse(disk.description)
    return read is not None and read.mark == mark


def _receiver(engine: EnginePort, word: str) -> Vm | None:
    if not word:
        return None
    try:
        return facts.find_vm(engine, word)
    except NotFound:
        return None


def _state(
    namesake: Vm | None, mark: restore_marks.Mark, found: tuple[restore_steps.Made, ...]
) -> str:
    if namesake is None:
        half = any(one.half_made and one.holders is not None for one in found)
        return restore_plan.HALF_MADE if half else restore_plan.ABSENT
    if is_half_made(namesake, mark):
        return restore_plan.HALF_MADE
    done = [
        one
        for one in found
        if not one.half_made and one.holders is not None and namesake.id in one.holders
    ]
    return restore_plan.FINISHED if done else restore_plan.TAKEN


def is_half_made(vm: Vm, mark: restore_marks.Mark) -> bool:
    """Whether a VM says of itself that this restore has not finished it."""
    read = restore_marks.parse(vm.comment)
    return read is not None and read.half_made and read.mark == mark


def named(engine: EnginePort, name: str, place: Location) -> Vm | None:
    """The VM of this name in a data centre; another one may have a namesake."""
    matches = engine.vms_named(lookup.searchable_name(name, "VM"))
    return next(
        (vm for vm in matches if engine.location(vm).data_center_id == place.data_center_id),
        None,
    )


def find_made(
    engine: EnginePort, mark: restore_marks.Mark, known: tuple[Vm | None, ...]
) -> tuple[restore_steps.Made, ...]:
    """The disks of a restore, with who has them.

    Only administrators are told who has a disk. For others, the VMs that we know are asked, and
    then all that the user may see.
    """
    found = []
    for disk in engine.disks_described(mark.restore_id):
        read = restore_marks.parse(disk.description)
        if read is not None and read.mark == mark and read.disk_id:
            found.append(restore_steps.Made(disk, read.disk_id, read.half_made))
    holders = _Holders(engine, known)
    return tuple(replace(one, holders=holders.of(one.disk.id)) for one in found)


class _Holders:
    """Who has which disk."""

    def __init__(self, engine: EnginePort, known: tuple[Vm | None, ...]) -> None:
        self._engine = engine
        self._seen: dict[DiskId, set[VmId]] | None = None
        self._known: dict[DiskId, set[VmId]] = {}
        for vm in known:
            for held in engine.attachments(vm.id) if vm else ():
                self._known.setdefault(held.disk_id, set()).add(held.vm_id)

    def of(self, disk_id: DiskId) -> frozenset[VmId]:
        """The holders of a disk."""
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


Step = TypeVar("Step")


class Restoring(EngineOperation[Step]):
    """The steps that both operations below are made of."""

    def __init__(
        self, engine: EnginePort, clock: Clock, patience: Patience, mark: restore_marks.Mark
    ) -> None:
        super().__init__(engine, clock, patience)
        self._mark = mark

    def _making(self, order: restore_steps.DiskOrder) -> Deadline:
        """Begin to count the time in which one disk has to be made."""
        return self.deadline(restore_steps.making_seconds(order, self._patience.timeout))

    def _create(self, step: restore_steps.CreateDiskStep, deadline: Deadline) -> DiskId:
        """Make a disk, wait until it is usable, and be sure that there is one alone.

        The SDK repeats a POST after 401, so that there may be two: one goes again.
        """
        text = step.disk.description

        def made() -> list[Disk]:
            found = self._engine.disks_described(self._mark.restore_id)
            fitting = (
                one for one in found if one.description == text and one.id not in step.others
            )
            return sorted(fitting, key=lambda one: one.id)

        self._order(step.disk, lambda: bool(made()), deadline)
        disk, *surplus = deadline.wait_for(
            made, bool, what=f"disk {step.order.alias!r}", describe=lambda _none: "not there"
        )
        for other in [disk, *surplus]:
            self._settled(other.id, step.order.alias, deadline)
        for other in surplus:
            self._remove(restore_steps.RemoveDiskStep(other.id, other.alias), deadline)
        found = self._engine.disk(disk.id)
        restore_steps.check_size(step.order, found or disk)
        return disk.id

    def _order(self, new: NewDisk, done: Callable[[], bool], deadline: Deadline) -> None:
        """Order a disk.

        With an id of the engine's choice if the wanted one is taken by a disk that this user does not see, and with
        the default profile if the user may not use the wanted one; a VM's disk is tried again when it has it.
        """
        try:
            with in_our_words():
                persist(
                    lambda: self._engine.add_disk(new, self._mark.restore_id),
                    done,
                    deadline,
                )
        except EngineFault as exc:
            if not new.id or exc.reason != "disk_id_taken":
                raise
            self._order(replace(new, id=""), done, deadline)
        except EnginePermission:
            if not new.profile_id:
                raise
            self._order(replace(new, profile_id=""), done, deadline)

    def _settled(self, disk_id: DiskId, alias: str, deadline: Deadline) -> None:
        def settled(disk: Disk | None) -> bool:
            if disk is None or disk.status == "illegal":
                raise OperationFailed(
                    f"The engine began to make disk {alias!r}, and then did not.",
                    hint="Check the engine's events for the reason.",
                    details={"disk_id": disk_id},
                )
            return disk.status == "ok"

        deadline.wait_for(
            lambda: self._engine.disk(disk_id),
            settled,
            what=f"disk {alias!r}",
            describe=lambda disk: disk.status if disk else "gone",
        )

    def _plug(self, vm: Vm, disk_id: DiskId, plugging: Plugging, deadline: Deadline) -> None:
        """Attach a disk itself, and be sure of it."""
        with in_our_words():
            persist(
                lambda: self._engine.plug_disk(vm.id, disk_id, plugging, self._mark.restore_id),
                lambda: self._engine.attachment(vm.id, disk_id) is not None,
                deadline,
            )

    def _unplug(self, vm: Vm, disk_id: DiskId, deadline: Deadline) -> None:
        with in_our_words():
            persist(
                lambda: self._engine.detach(vm.id, disk_id),
                lambda: self._engine.attachment(vm.id, disk_id) is None,
                deadline,
            )

    def _remove(self, step: restore_steps.RemoveDiskStep, deadline: Deadline) -> None:
        """Remove a disk that says of itself, at this moment, that it is half-made, and that nobody has.

        :raises Refused: It does not, or somebody has it.
        """
        disk = self._engine.disk(step.disk_id)
        if disk is None:
            return
        read = restore_marks.parse(disk.description)
        if read is None or not read.half_made or read.mark != self._mark:
            raise Refused(
                f"Disk {step.alias!r} ({step.disk_id}) is not an incomplete one of this restore. It stays.",
                details={"disk_id": step.disk_id, "problems": ["no mark"]},
            )
        holders = self._engine.holders(step.disk_id)
        if holders:
            raise Refused(
                f"Disk {step.alias!r} ({step.disk_id}) is attached to VM {', '.join(sorted(holders))}."
                " It stays.",
                details={"disk_id": step.disk_id, "problems": ["attached"]},
            )
        with in_our_words():
            persist(
                lambda: self._engine.remove_disk(step.disk_id, self._mark.restore_id),
                lambda: self._engine.disk(step.disk_id) is None,
                deadline,
            )
        deadline.wait_for(
            lambda: self._engine.disk(step.disk_id),
            lambda disk: disk is None,
            what=f"the removal of disk {step.alias!r}",
            describe=lambda disk: disk.status if disk else "gone",
        )

    def _describe(self, disk_id: DiskId, text: str, vm: Vm | None, deadline: Deadline) -> None:
        def described() -> bool:
            disk = self._engine.disk(disk_id)
            return disk is not None and disk.description == text

        holder = vm.id if vm else None
        with in_our_words():
            persist(lambda: self._engine.describe_disk(disk_id, holder, text), described, deadline)

    def _clean(self, appliance: Vm, steps: Sequence[restore_steps.CleanStep]) -> None:
        """Carry out the steps of a removal; what fails does not stop the rest.

        :raises errors.BackupError: the first failure, with what is left in its details.
        """
        deadline = self.deadline()
        failures: list[BackupError] = []
        left: list[str] = []
        vm_stays = False
        for step in steps:
            name = restore_steps.name_of(step)
            is_disk = isinstance(step, restore_steps.RemoveDiskStep)
            try:
                if vm_stays and not restore_steps.stands_alone(step):
                    left.append(name)
                else:
                    self._clean_step(appliance, step, deadline)
            except BackupError as exc:
                failures.append(exc)
                left.append(name)
                # A disk that could not be marked would be nobody's without the VM.
                vm_stays = vm_stays or not is_disk
        if failures:
            first = failures[0]
            names = list(dict.fromkeys(left))
            first.message = f"LEFT BEHIND: {', '.join(names)}. {first.message}"
            first.details["left"] = names
            raise first

    def _clean_step(self, appliance: Vm, step: restore_steps.CleanStep, deadline: Deadline) -> None:
        if isinstance(step, restore_steps.RemoveVmStep):
            self._remove_vm(step.vm, deadline)
        elif isinstance(step, restore_steps.ReopenDiskStep):
            self._half_made(step.vm)
            self._describe(step.disk_id, self._mark.disk_text(step.source_id), step.vm, deadline)
        elif isinstance(step, restore_steps.RemoveDiskStep):
            if step.from_appliance:
                self._unplug(appliance, step.disk_id, deadline)
            self._remove(step, deadline)
        else:
            unhandled(step)

    def _half_made(self, vm: Vm) -> Vm | None:
        """The VM as it is at this moment.

        :raises Refused: It does not say any more that it is half-made.
        """
        found = self._engine.vm(vm.id)
        if found is not None and not is_half_made(found, self._mark):
            raise Refused(
                f"VM {vm.name!r} is not an incomplete one of this restore. It stays.",
                details={"vm_id": vm.id, "problems": ["no mark"]},
            )
        return found

    def _remove_vm(self, vm: Vm, deadline: Deadline) -> None:
        """Remove a VM that says of itself, at this moment, that it is half-made."""
        found = self._half_made(vm)
        if found is None:
            return
        read = restore_marks.parse(found.comment)
        if read is not None and read.test and found.status != "down":
            self._power_off(vm, deadline)
        with in_our_words():
            persist(
                lambda: self._engine.remove_vm(vm.id, self._mark.restore_id),
                lambda: self._engine.vm(vm.id) is None,
                deadline,
            )
        deadline.wait_for(
            lambda: self._engine.vm(vm.id),
            lambda one: one is None,
            what=f"the removal of VM {vm.name!r}",
            describe=lambda one: one.status if one else "gone",
        )

    def _power_off(self, vm: Vm, deadline: Deadline) -> None:
        """Power off a VM that was started for a test."""

        def is_off() -> bool:
            found = self._engine.vm(vm.id)
            return found is None or found.status == "down"

        with in_our_words():
            persist(lambda: self._engine.stop_vm(vm.id), is_off, deadline)
        deadline.wait_for(
            is_off,
            bool,
            what=f"VM {vm.name!r} to be down",
            describe=lambda _off: "not down",
        )

    def _move(
        self, step: restore_steps.MoveStep, appliance: Vm, vm: Vm | None, deadline: Deadline
    ) -> None:
        if step.from_appliance:
            self._unplug(appliance, step.disk_id, deadline)
        if vm is not None:
            self._plug(vm, step.disk_id, step.order.plugging, deadline)


class RestoredDisks(Restoring[restore_steps.DiskStep]):
    """The disks of a restore."""

    def __init__(
        self,
        engine: EnginePort,
        clock: Clock,
        patience: Patience,
        request: restore_steps.DisksRequest,
    ) -> None:
        super().__init__(engine, clock, patience, request.mark)
        self._request = request
        self._appliance: Vm | None = None
        self._vm: Vm | None = None

    def plan(self) -> Plan[restore_steps.DiskStep]:
        """Look at what there is, and decide."""
        engine, request = self._engine, self._request
        appliance = self._appliance = facts.find_vm(engine, request.appliance)
        vm = self._vm = _receiver(engine, request.vm)
        if request.state == "present" and request.vm and vm is None:
            raise NotFound(f"There is no VM {request.vm!r}.", details={"vm": request.vm})
        now = restore_steps.Situation(
            mark=request.mark,
            appliance=appliance,
            orders=request.orders,
            made=find_made(engine, request.mark, (appliance, vm)),
            vm=vm,
            half_made=vm is not None and is_half_made(vm, request.mark),
            for_nobody=not request.vm,
        )
        if request.state == "prepared":
            return restore_steps.plan_prepared(now)
        if request.state == "present":
            return restore_steps.plan_handover(now)
        gone = restore_steps.plan_absent(replace(now, half_made=False))
        facts_of_disks = {key: gone.result[key] for key in ("disks", "removed", "left")}
        return replace(gone, result={**facts_of_disks, "images": []})

    def execute(self, plan: Plan[restore_steps.DiskStep]) -> Mapping[str, Any]:
        """Carry out the steps."""
        appliance = self._appliance or facts.find_vm(self._engine, self._request.appliance)
        if self._request.state == "absent":
            self._clean(appliance, restore_steps.removals(plan))
            return {}
        made: dict[str, DiskId] = {}
        for step in plan.steps:
            self._step(step, appliance, made)
        if self._request.state == "present":
            return {}
        disks = [
            {**one, "new_disk_id": made.get(one["disk_id"], one["new_disk_id"])}
            for one in plan.result["disks"]
        ]
        disks = [{**one, "on_appliance": not one["on_vm"] and not one["finished"]} for one in disks]
        return {"disks": disks, "images": restore_steps.images(disks)}

    def _step(self, step: restore_steps.DiskStep, appliance: Vm, made: dict[str, DiskId]) -> None:
        """Carry out a step on the way to the disks.

        :param made: The new disks by id of the original; a disk that is made is added.
        """
        deadline = self.deadline()
        if isinstance(step, restore_steps.CreateDiskStep):
            made[step.order.disk_id] = self._create(step, self._making(step.order))
        elif isinstance(step, restore_steps.PlugStep):
            disk_id = step.disk_id or made[step.order.disk_id]
            self._settled(disk_id, step.order.alias, self._making(step.order))
            plugging = Plugging(self._request.interface)
            self._plug(appliance, disk_id, plugging, self.deadline())
        elif isinstance(step, restore_steps.MoveStep):
            self._move(step, appliance, self._vm, deadline)
        elif isinstance(step, restore_steps.FinishDiskStep):
            text = self._mark.done_text(step.order.disk_id)
            self._describe(step.disk_id, text, self._vm, deadline)
        elif isinstance(step, restore_steps.RemoveDiskStep):
            self._remove(step, deadline)
        elif isinstance(step, (restore_steps.ReopenDiskStep, restore_steps.RemoveVmStep)):
            raise UnhandledStep(step)  # only a removal touches a VM
        else:
            unhandled(step)


class RestoredVm(Restoring[restore_steps.VmStep]):
    """The VM of a restore."""

    def __init__(
        self, engine: EnginePort, clock: Clock, patience: Patience, request: restore_steps.VmRequest
    ) -> None:
        super().__init__(engine, clock, patience, request.mark)
        self._request = request
        self._appliance: Vm | None = None
        self._place: Location | None = None
        self._lost: list[losses.Loss] = []
        self._guest = ""

    def plan(self) -> Plan[restore_steps.VmStep]:
        """Look at what there is, and decide.

        :raises Refused: Another VM has the name.
        """
        engine, request = self._engine, self._request
        appliance = self._appliance = facts.find_vm(engine, request.appliance)
        place = self._place = engine.location(appliance)
        vm = named(engine, request.name, place)
        made = find_made(engine, request.mark, (appliance, vm))
        half_made = vm is not None and is_half_made(vm, request.mark)
        state = _state(vm, request.mark, made)
        now = restore_steps.Situation(
            mark=request.mark,
            appliance=appliance,
            orders=request.orders,
            made=made,
            vm=None if state == restore_plan.TAKEN else vm,
            half_made=half_made,
            tried=vm is not None and vm.comment == request.half_made_text(),
        )
        if request.state == restore_steps.ABSENT:
            return restore_steps.plan_absent(now)
        if state == restore_plan.TAKEN:
            raise Refused(
                f"A VM {request.name!r} exists already and was not created by this restore. Existing VMs are never overwritten.",
                hint=f"Choose another {option('name', of='restore_plan_info')}.",
                details={"problems": ["name taken"], "vm_id": vm.id if vm else None},
            )
        if request.state == restore_steps.PREPARED:
            return restore_steps.plan_prepared_vm(now)
        test = request.state == restore_steps.TESTED
        if test and half_made and vm is not None and vm.status == "up":
            expected, answered = self._expected(), settling.answers(engine, vm)
            now = replace(now, expected=expected, answered=answered)
        return restore_steps.plan_vm(now, start=request.start, test=test)

    def _expected(self) -> bool:
        """Whether a guest agent answered when the VM was backed up."""
        was = ovf.read(self._request.ovf).beside
        return was is not None and was.answered

    def execute(self, plan: Plan[restore_steps.VmStep]) -> Mapping[str, Any]:
        """Carry out the steps."""
        engine, request = self._engine, self._request
        appliance = self._appliance or facts.find_vm(engine, request.appliance)
        if request.state == restore_steps.ABSENT:
            self._clean(appliance, restore_steps.removals(plan))
            return {}
        found = plan.result["vm"]
        vm = engine.vm(VmId(found["id"])) if found else None
        for step in plan.steps:
            deadline = self.deadline()
            if isinstance(step, restore_steps.ImportStep):
                vm = self._import(deadline)
            elif isinstance(step, restore_steps.REMOVALS):
                raise UnhandledStep(step)  # only a removal removes
            elif vm is None:
                raise EngineNotFound(f"VM {request.name!r} is gone.")
            else:
                self._step(step, appliance, vm, plan, deadline)
        last = engine.vm(vm.id) if vm else None
        return {
            "vm": restore_steps.vm_facts(last),
            "losses": [asdict(one) for one in self._lost],
            "guest": self._guest,
        }

    def _step(
        self,
        step: restore_steps.OnVmStep,
        appliance: Vm,
        vm: Vm,
        plan: Plan[restore_steps.VmStep],
        deadline: Deadline,
    ) -> None:
        """Carry out a step on the VM that is there."""
        if isinstance(step, restore_steps.TryStep):
            self._try(vm, deadline)
        elif isinstance(step, restore_steps.MoveStep):
            self._only_own(vm, plan)
            self._move(step, appliance, vm, deadline)
        elif isinstance(step, restore_steps.SettleVmStep):
            was = ovf.read(self._request.ovf)
            made = {one["disk_id"]: DiskId(one["new_disk_id"]) for one in plan.result["disks"]}
            self._lost.extend(settling.settle(self._engine, vm, was, made, deadline))
        elif isinstance(step, restore_steps.FinishDiskStep):
            text = self._mark.done_text(step.order.disk_id)
            self._describe(step.disk_id, text, vm, deadline)
        elif isinstance(step, restore_steps.FinishVmStep):
            self._only_own(vm, plan)
            self._finish_vm(vm, deadline)
        elif isinstance(step, restore_steps.StartStep):
            self._start(vm, deadline)
        elif isinstance(step, restore_steps.AskStep):
            self._ask(vm, deadline)
        else:
            unhandled(step)

    def _ask(self, vm: Vm, deadline: Deadline) -> None:
        """See whether a guest answers, unless nobody waits; in a test of a VM whose guest did, it has to."""
        if not self._patience.wait:
            return
        if self._request.state == restore_steps.TESTED and self._expected():
            settling.await_answer(self._engine, vm, deadline)
        answers = settling.answers(self._engine, vm)
        self._guest = restore_steps.ANSWERED if answers else restore_steps.SILENT

    def _import(self, deadline: Deadline) -> Vm:
        """Make the VM, without disks, with the mark in its comment."""
        request = self._request
        prepared = ovf.for_import(request.ovf, dict(request.connections))
        new = NewVm(
            request.name,
            self._mark.begun_text(),
            request.cluster_id,
            prepared,
            not request.keep_identity,
        )

        def there() -> Vm | None:
            place = self._place
            vm = named(self._engine, request.name, place) if place else None
            return vm if vm and is_half_made(vm, self._mark) else None

        with in_our_words():
            persist(
                lambda: self._engine.import_vm(new, self._mark.restore_id),
                lambda: there() is not None,
                deadline,
            )
        vm = deadline.wait_for(
            there,
            lambda one: one is not None and one.status == "down",
            what=f"VM {request.name!r}",
            describe=lambda one: one.status if one else "not there",
        )
        if vm is None:  # pragma: no cover  (the wait has seen it)
            raise EngineNotFound(f"VM {request.name!r} is gone.")
        return vm

    def _only_own(self, vm: Vm, plan: Plan[restore_steps.VmStep]) -> None:
        """Prove that the new VM has no disk but those of this restore.

        :raises Refused: The engine gave it another one.
        """
        own = {one["new_disk_id"] for one in plan.result["disks"]}
        foreign = [one.disk_id for one in self._engine.attachments(vm.id) if one.disk_id not in own]
        if foreign:
            raise Refused(
                f"VM {vm.name!r} has disks that this restore did not make: {', '.join(foreign)}.",
                hint="They are detached, and never removed, when the half-made VM is removed.",
                details={"problems": foreign, "vm_id": vm.id},
            )

    def _try(self, vm: Vm, deadline: Deadline) -> None:
        text = self._request.half_made_text()

        def done() -> bool:
            found = self._engine.vm(vm.id)
            return found is not None and found.comment == text

        with in_our_words():
            persist(
                lambda: self._engine.comment_vm(vm.id, text, delete_protected=False), done, deadline
            )

    def _finish_vm(self, vm: Vm, deadline: Deadline) -> None:
        """Give the VM what only a finished one has: its comment, and its protection from deletion."""
        was = ovf.read(self._request.ovf)

        def finished() -> bool:
            found = self._engine.vm(vm.id)
            return found is not None and not is_half_made(found, self._mark)

        with in_our_words():
            persist(
                lambda: self._engine.comment_vm(
                    vm.id, was.comment, delete_protected=was.delete_protected
                ),
                finished,
                deadline,
            )
        if not finished():
            raise OperationFailed(f"VM {vm.name!r} did not get its comment back.")

    def _start(self, vm: Vm, deadline: Deadline) -> None:
        def running() -> bool:
            found = self._engine.vm(vm.id)
            return found is not None and found.status != "down"

        def came_up(found: Vm | None) -> bool:
            if found is None or found.status == "down":
                raise OperationFailed(
                    f"VM {vm.name!r} was started, and is down again.",
                    hint="The engine's events and the host's log of the VM say why.",
                    details={"vm_id": vm.id},
                )
            return found.status == "up"

        with in_our_words():
            persist(lambda: self._engine.start_vm(vm.id), running, deadline)
        if self._patience.wait:
            deadline.wait_for(
                lambda: self._engine.vm(vm.id),
                came_up,
                what=f"VM {vm.name!r} to be up",
                describe=lambda one: one.status if one else "gone",
            )
