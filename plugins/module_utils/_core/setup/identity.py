# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a machine is the VM that the engine calls the appliance.

The engine attaches disks to a VM by its id; tasks reach a machine by an address in the inventory.
Only the firmware connects the two: an engine gives every VM its own id as system UUID.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)

COMPARE, REQUIRE, IGNORE = "compare", "require", "ignore"
MODES = (COMPARE, REQUIRE, IGNORE)

_ADDRESS = (
    "Have the inventory's host lead to the appliance (ansible_host), or name the VM that it is in"
    f" {option('appliance', of='backup_plan_info')}, for a restore in {option('appliance', of='restore_plan_info')}."
)


@dataclass(frozen=True)
class Doubt:
    """Why a machine may not be the appliance, and what to do.

    Attributes:
        fatal: The machine is not the appliance, or must be shown to be.
    """

    fatal: bool
    message: str
    remedy: str


def doubt(machine: str, vm_id: str, mode: str) -> Doubt | None:
    """Compare what a machine's firmware says with the id of the appliance.

    Args:
        machine: The machine's system UUID; empty if it shows none.
        vm_id: Id that the engine has for the appliance; empty if nothing is to be compared.
        mode: One of ``MODES``. With ``ignore`` nothing is compared; results still show the UUID.
    """
    if mode == IGNORE or not vm_id:
        return None
    if not machine:
        message = f"Cannot tell whether this machine is the appliance (VM {vm_id}): its firmware shows no system UUID."
        return Doubt(mode == REQUIRE, message, _ADDRESS)
    if _same(machine, vm_id):
        return None
    message = (
        f"This machine is not the appliance: the UUID of its system is {machine}, and the appliance is VM {vm_id}."
        " The disks would be attached to another VM than the one this run works on."
    )
    return Doubt(True, message, _ADDRESS)


def _same(machine: str, vm_id: str) -> bool:
    """Tell whether two UUIDs are equal; old firmware shows the first three fields in the other byte order."""
    try:
        found, wanted = uuid.UUID(machine), uuid.UUID(vm_id)
    except ValueError:
        return machine == vm_id
    return wanted in (found, uuid.UUID(bytes_le=found.bytes))
