# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create an empty VM, update a VM, and change its network cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.engine import networks
from lab.engine import permissions as may
from lab.engine.commands import base
from lab.engine.commands.base import Wording, command
from lab.engine.commands.imports import refuse_name
from lab.engine.core import Call
from lab.engine.events import record
from lab.engine.settings import OWN, PREDEFINED
from lab.engine.texts import refuse
from lab.model import Nic, Snapshot, Vm, new_id

ADD = Wording("add", "VM")
UPDATE = Wording("edit", "VM")
UNPLUG_NIC = Wording("hot-unplug", "Interface")
ADD_NIC = Wording("add", "Interface")


@dataclass(frozen=True)
class Edit:
    """What a request says of a VM: fields of its row, settings by their names in the OVF, cloud-init.

    ``initialization`` is None where the request does not name it; else it replaces what there was.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    initialization: Mapping[str, str] | None = None

    def apply(self, vm: Vm) -> None:
        """Change the row."""
        for name, value in self.fields.items():
            setattr(vm, name, value)
        vm.settings |= self.settings
        if self.initialization is not None:
            vm.initialization = dict(self.initialization)


def make(call: Call, vm: Vm, edit: Edit) -> None:
    """Make a VM of the blank template."""
    world = call.world
    with command(call.engine, ADD), world.lock:
        cluster = world.clusters.get(vm.cluster_id)
        if cluster is None:
            raise refuse("CLUSTER_EMPTY")
        may.require(call, may.CREATE_VM, may.cluster_scopes(world, cluster))
        refuse_name(vm.name)
        if any(one.name == vm.name for one in world.vms.values()):
            raise refuse("NAME_USED")
        base.refuse_unfit_properties(edit.settings)
        edit.apply(vm)
        active = Snapshot(new_id(), vm.id, "Active VM", "active", date=vm.created)
        world.vms[vm.id], world.snapshots[active.id] = vm, active


def update(call: Call, vm: Vm, edit: Edit) -> None:
    """Change a VM; one that an import brought is like any other afterwards.

    Custom properties that do not fit are refused even where the request does not name them.
    """
    world = call.world
    with command(call.engine, UPDATE), world.lock:
        may.require(call, may.EDIT_VM, may.vm_scopes(world, vm))
        changed = [
            name
            for name in (PREDEFINED, OWN)
            if edit.settings.get(name, vm.settings.get(name, "")) != vm.settings.get(name, "")
        ]
        if changed:
            may.require(call, may.CUSTOM_PROPERTIES, may.vm_scopes(world, vm))
        refuse_name(str(edit.fields.get("name", vm.name)))
        base.refuse_unfit_properties({**vm.settings, **edit.settings})
        record(world, 35, call.who, vm.id)
        edit.apply(vm)
        vm.imported = vm.bare = False


def add_nic(call: Call, vm: Vm, nic: Nic) -> None:
    """Give a VM another network card, with an address of the pool."""
    world = call.world
    with command(call.engine, ADD_NIC), world.lock:
        may.require(call, may.VM_NETWORK, may.vm_scopes(world, vm))
        if world.settings.free_macs < 1:
            raise refuse("NO_MACS")
        nic.mac = networks.next_mac(world)
        vm.nics.append(nic)


def unplug_nic(call: Call, vm: Vm, nic: Nic) -> None:
    """Take a network card out of a VM."""
    world = call.world
    with command(call.engine, UNPLUG_NIC), world.lock:
        may.require(call, may.VM_NETWORK, may.vm_scopes(world, vm))
        nic.plugged = False
