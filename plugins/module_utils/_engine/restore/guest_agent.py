# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the engine whether a guest agent answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    OperationFailed,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Deadline,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Vm,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        ConfigurationPort,
    )


def answers(engine: ConfigurationPort, vm: Vm) -> bool:
    """Tell whether the agent of the running guest has reported to the engine."""
    found = engine.extras(vm.id)
    return found is not None and found.answered


def await_answer(engine: ConfigurationPort, vm: Vm, deadline: Deadline) -> None:
    """Wait for the guest agent: the engine reports a VM as up without one, even in emergency mode.

    Raises:
        OperationFailed: It does not answer in time.
    """
    began = deadline.waited
    for _waited in deadline.ticks():
        if answers(engine, vm):
            return
    waited = deadline.waited - began
    raise OperationFailed(
        f"VM {vm.name!r} is up, but its guest agent, which answered when the VM was backed up, has not"
        f" answered in {waited:.0f} s. Its system may be in emergency mode.",
        hint="Test again, let the test keep the incomplete VM, and look at the VM's console. If the"
        ' guest does not find its volumes, see "Ids of disks" in docs/restore.md.',
        details={"vm_id": vm.id, "waited_seconds": round(waited, 1)},
    )
