# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs over API v4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Location,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import (
    convert,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    translated,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.service import (
    V4Service,
    or_none,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Attachment,
        Vm,
    )


class V4Vms(V4Service):
    """The implementation of ``ports.VmPort``."""

    def vms_named(self, name: str) -> list[Vm]:
        """Find VMs by name. The caller makes sure that the name has no search syntax (docs/engine.md#searches)."""
        with translated(f"look for VM {name!r}"):
            found = self._vms.list(search=f'name="{name}"')
        return [convert.vm(vm) for vm in found if vm.name == name]

    def vm(self, vm_id: VmId) -> Vm | None:
        """Return one VM, or None."""
        with translated(f"read VM {vm_id}"):
            found = or_none(self._vm(vm_id).get)
        return None if found is None else convert.vm(found)

    def location(self, vm: Vm) -> Location:
        """Return the VM's cluster, and the cluster's data centre."""
        with translated(f"read the cluster of VM {vm.name!r}"):
            cluster = self._system.clusters_service().cluster_service(vm.cluster_id).get()
        return Location(cluster.name or "", convert.id_of(cluster.data_center))

    def everybody(self) -> list[tuple[Vm, list[Attachment]]]:
        """Return all VMs with their disks."""
        with translated("list the VMs and their disks"):
            found = self._vms.list(follow="disk_attachments")
        return [
            (
                convert.vm(vm),
                [convert.attachment(one, VmId(vm.id)) for one in vm.disk_attachments or ()],
            )
            for vm in found
        ]
