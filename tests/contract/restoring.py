# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of a restore on an engine, one after the other as in the role; in a lab or live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from support.restorable import facts_of
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Clock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    restore_marks,
    restore_plan_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_steps import (
    read_orders,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_disks import (
    DisksRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_vm import (
    VmRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_plan_info import (
    RestorePlanInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restored_disks import (
    RestoredDisks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restored_vm import (
    RestoredVm,
)
from lab.lab import Lab

Json = Mapping[str, Any]


Step = TypeVar("Step")


@contextmanager
def set_of(lab: Lab, name: str) -> Iterator[tuple[EnginePort, str, manifest.Manifest]]:
    """Make a lab new; yield a connection to it, a VM's configuration, and a manifest of the VM as it is now."""
    lab.reset()
    engine = engine_of(lab)
    try:
        ovf = engine.ovf(engine.vms_named(name)[0].id, None) or ""
        yield engine, ovf, manifest.from_dict(facts_of(lab, name, ovf))
    finally:
        engine.close()


@dataclass
class Restore:
    """A set, and the operations of a restore of it."""

    engine: EnginePort
    ovf: str
    found: manifest.Manifest
    appliance: str = "backup01"
    patience: Patience = Patience(timeout=5.0, poll_interval=0.02)  # noqa: RUF009  (frozen)
    clock: Clock = field(default_factory=SystemClock)

    def request(self, **changes: Any) -> restore_plan_info.RestoreRequest:  # noqa: ANN401
        wishes = {
            k: changes.pop(k) for k in list(changes) if hasattr(restore_plan_info.Wishes(), k)
        }
        base = restore_plan_info.RestoreRequest(self.appliance, "tests", self.found, self.ovf)
        return replace(base, wishes=restore_plan_info.Wishes(**wishes), **changes)

    def plan(self, engine: EnginePort | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
        operation = RestorePlanInfo(
            engine or self.engine, self.clock, self.patience, self.request(**changes)
        )
        return dict(operation.plan().result)

    def mark(self, plan: Json) -> restore_marks.Mark:
        return restore_marks.make(plan["owner"], plan["restore_id"], plan["run_id"])

    def disks(self, plan: Json, state: str, **how: Any) -> dict[str, Any]:  # noqa: ANN401
        orders = () if state == "absent" else read_orders(plan["disks"])
        engine = how.pop("engine", self.engine)
        vm = how.pop("vm", plan["name"] or "")
        request = DisksRequest(state, self.mark(plan), self.appliance, orders, vm)
        return self._run(RestoredDisks(engine, self.clock, self.patience, request), **how)

    def vm(self, plan: Json, state: str = "present", **how: Any) -> dict[str, Any]:  # noqa: ANN401
        engine, start = how.pop("engine", self.engine), how.pop("start", False)
        test = how.pop("test", False)
        request = VmRequest(
            state,
            self.mark(plan),
            self.appliance,
            plan["name"],
            read_orders(plan["disks"]),
            plan["cluster"]["id"] if plan["cluster"] else "",
            self.ovf,
            tuple(plan["vnic_profiles"].items()),
            plan["keep_identity"],
            start,
            test,
        )
        return self._run(RestoredVm(engine, self.clock, self.patience, request), **how)

    def _run(
        self,
        operation: Operation[Step],
        *,
        check: bool = False,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        plan = operation.plan()
        meanwhile()
        done = {} if check or not plan.changed else operation.execute(plan)
        return {**plan.result, **done, "changed": plan.changed, "warnings": plan.warnings}

    def restore(self, engine: EnginePort | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
        """Restore as the role does, without writing the disks."""
        used = engine or self.engine
        plan = self.plan(used, **changes)
        assert plan["problems"] == []
        if plan["state"] != "finished":
            self.vm(plan, "prepared", engine=used)
            self.disks(plan, "prepared", engine=used)
        made = self.vm(plan, engine=used)
        lost = [*plan["losses"], *made["losses"]]
        return {**plan, "orders": plan["disks"], **made, "losses": lost}
