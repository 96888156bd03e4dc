# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of API v4 that only a restore needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EnginePermission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import (
    convert,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    translated,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
    types,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.service import (
    V4Service,
    correlation,
    or_none,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Card,
        Cluster,
        Disk,
        DiskId,
        Domain,
        NewDisk,
        NewVm,
        Plugging,
        VmId,
    )


class V4Targets(V4Service):
    """The implementation of ``ports.TargetPort``."""

    def clusters(self) -> list[Cluster]:
        """Return all clusters that the user may see."""
        with translated("list the clusters"):
            return [convert.cluster(one) for one in self._system.clusters_service().list()]

    def domains(self, data_center_id: str) -> list[Domain]:
        """List storage domains below their data centre.

        Only there do they have a status (docs/engine.md#what-the-reads-show).
        """
        service = self._system.data_centers_service().data_center_service(data_center_id)
        with translated(f"list the storage domains of data centre {data_center_id}"):
            return [convert.domain(one) for one in service.storage_domains_service().list()]

    def vnic_profiles(self, cluster: Cluster) -> list[str]:
        """Return the profiles of the cluster's networks."""
        service = self._system.clusters_service().cluster_service(cluster.id)
        with translated(f"list the networks of cluster {cluster.name!r}"):
            networks = {str(one.id): one.name for one in service.networks_service().list()}
            profiles = self._system.vnic_profiles_service().list()
        linked = [(networks.get(convert.id_of(one.network)), one.name) for one in profiles]
        return [f"{network}/{name}" for network, name in linked if network]

    def profile_domain(self, profile_id: str) -> str | None:
        """Return the storage domain of a disk profile; None if the user can see no such profile."""
        service = self._system.disk_profiles_service().disk_profile_service(profile_id)
        try:
            with translated(f"read disk profile {profile_id}"):
                found = or_none(service.get)
        except EnginePermission:
            return None
        return convert.id_of(found.storage_domain) if found else None

    def disks_described(self, word: str) -> list[Disk]:
        """Find disks by a word without search syntax (docs/engine.md#searches)."""
        with translated(f"look for disks of {word}"):
            found = self._disks.list(search=f"description=*{word}*")
        return [convert.disk(one) for one in found if word in (one.description or "")]

    def cards(self, vm_id: VmId) -> list[Card]:
        """Return the network cards of a VM."""
        with translated(f"list the network cards of VM {vm_id}"):
            found = self._vm(vm_id).nics_service().list()
        return [convert.card(one) for one in found]


class V4DiskOrders(V4Service):
    """The implementation of ``ports.DiskOrderPort``."""

    def add_disk(self, new: NewDisk, correlation_id: str) -> None:
        """Order a disk (docs/engine.md#making-a-disk)."""
        order = types.Disk(
            id=new.id or None,
            alias=new.alias,
            description=new.description,
            provisioned_size=new.size,
            format=types.DiskFormat.RAW if new.format == "raw" else types.DiskFormat.COW,
            sparse=new.sparse,
            wipe_after_delete=new.wipe_after_delete,
            backup=types.DiskBackup.INCREMENTAL if new.incremental else types.DiskBackup.NONE,
            storage_domains=[types.StorageDomain(id=new.domain_id)],
            disk_profile=types.DiskProfile(id=new.profile_id) if new.profile_id else None,
        )
        with translated(f"create disk {new.alias!r}"):
            self._disks.add(order, headers=correlation(correlation_id))

    def remove_disk(self, disk_id: DiskId, correlation_id: str) -> None:
        """Order the removal of a disk."""
        with translated(f"remove disk {disk_id}"):
            service = self._disks.disk_service(disk_id)
            service.remove(headers=correlation(correlation_id))

    def describe_disk(self, disk_id: DiskId, vm_id: VmId | None, description: str) -> None:
        """Change a disk's description; through the VM if a VM has the disk."""
        change = types.Disk(description=description)
        with translated(f"describe disk {disk_id}"):
            if vm_id is None:
                self._disks.disk_service(disk_id).update(change)
            else:
                service = self._attachments(vm_id).attachment_service(disk_id)
                service.update(types.DiskAttachment(disk=change))

    def plug_disk(self, vm_id: VmId, disk_id: DiskId, plugging: Plugging, mark: str) -> None:
        """Attach a disk itself."""
        order = types.DiskAttachment(
            disk=types.Disk(id=disk_id),
            interface=types.DiskInterface(plugging.interface),
            active=plugging.active,
            bootable=plugging.bootable,
            read_only=plugging.read_only,
            pass_discard=plugging.pass_discard,
        )
        with translated(f"attach disk {disk_id} to VM {vm_id}"):
            self._attachments(vm_id).add(order, headers=correlation(mark))

    def profile_disk(self, vm_id: VmId, disk_id: DiskId, profile_id: str) -> None:
        """Give a VM's disk another profile."""
        change = types.Disk(disk_profile=types.DiskProfile(id=profile_id))
        with translated(f"change the profile of disk {disk_id}"):
            service = self._attachments(vm_id).attachment_service(disk_id)
            service.update(types.DiskAttachment(disk=change))


class V4VmOrders(V4Service):
    """The implementation of ``ports.VmOrderPort``."""

    def import_vm(self, new: NewVm, correlation_id: str) -> None:
        """Create a VM from a configuration. It is not protected from deletion."""
        order = types.Vm(
            name=new.name,
            comment=new.comment,
            delete_protected=False,
            cluster=types.Cluster(id=new.cluster_id),
            initialization=types.Initialization(
                regenerate_ids=new.new_identity,
                configuration=types.Configuration(type=types.ConfigurationType.OVF, data=new.ovf),
            ),
        )
        with translated(f"create VM {new.name!r}"):
            self._vms.add(order, headers=correlation(correlation_id))

    def comment_vm(self, vm_id: VmId, comment: str, *, delete_protected: bool) -> None:
        """Change a VM's comment and its protection from deletion in one call."""
        change = types.Vm(comment=comment, delete_protected=delete_protected)
        with translated(f"change VM {vm_id}"):
            self._vm(vm_id).update(change)

    def change_vm(self, vm_id: VmId, shares: int | None, texts: Mapping[str, str]) -> None:
        """Change settings that an import does not bring."""
        order = types.Vm(cpu_shares=shares)
        if texts:
            order.initialization = convert.initialization(texts)
        with translated(f"change VM {vm_id}"):
            self._vm(vm_id).update(order)

    def unplug_card(self, vm_id: VmId, card_id: str) -> None:
        """Unplug a network card of a VM."""
        with translated(f"unplug a network card of VM {vm_id}"):
            self._vm(vm_id).nics_service().nic_service(card_id).deactivate()

    def remove_vm(self, vm_id: VmId, correlation_id: str) -> None:
        """Remove a VM and keep its disks."""
        with translated(f"remove VM {vm_id}"):
            self._vm(vm_id).remove(detach_only=True, headers=correlation(correlation_id))

    def start_vm(self, vm_id: VmId) -> None:
        """Start a VM."""
        with translated(f"start VM {vm_id}"):
            self._vm(vm_id).start()

    def stop_vm(self, vm_id: VmId) -> None:
        """Power a VM off."""
        with translated(f"power off VM {vm_id}"):
            self._vm(vm_id).stop()
