# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API v4 through the SDK: the implementation of ``port.EnginePort``."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineError,
    EnginePermission,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    DiskId,
    Location,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.port import (
    EVENTS_AT_ONCE,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import (
    convert,
    login,
    pages,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    translated,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.restore_calls import (
    RestoreCalls,
    or_none,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
    ovirtsdk4,
    types,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Attachment,
        AttachSettings,
        Disk,
        DiskLayer,
        Event,
        Snapshot,
        SnapshotDisk,
        SnapshotId,
        Vm,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.permissions import (
        Permission,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.settings import (
        EngineSettings,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
        SdkObject,
    )

REQUEST_TIMEOUT = 300
"""Seconds before one request is given up, unless ``auth.timeout`` says otherwise. Attach answers
only when the host has plugged the disk, and plugs into one VM queue (docs/engine.md#while-the-host-plugs)."""

_CONTENT = {"all_content": "true"}


class V4Engine(RestoreCalls):
    """An engine reached over API v4."""

    def __init__(self, settings: EngineSettings) -> None:
        with translated("connect to the engine"):
            self._connection = ovirtsdk4.Connection(
                url=settings.url,
                username=settings.username,
                password=settings.password,
                token=settings.token,
                ca_file=settings.ca_file,
                insecure=settings.insecure,
                kerberos=settings.kerberos,
                compress=settings.compress,
                timeout=settings.timeout or REQUEST_TIMEOUT,
                headers=dict(settings.headers),
            )
        login.watch(
            self._connection, renews=settings.username is not None or bool(settings.kerberos)
        )
        pages.watch(self._connection)
        self._own_session = settings.token is None
        self._system = self._connection.system_service()

    def own_session(self) -> bool:
        """Whether the login began the session; that of a token was begun elsewhere."""
        return self._own_session

    def version(self) -> str:
        """The engine's full version."""
        with translated("read the engine's version"):
            info = self._system.get().product_info
        return str(info.version.full_version or f"{info.version.major}.{info.version.minor}")

    def vms_named(self, name: str) -> list[Vm]:
        """Find VMs by name. The caller makes sure that it has no search syntax (docs/engine.md#searches)."""
        with translated(f"look for VM {name!r}"):
            found = self._vms.list(search=f'name="{name}"')
        return [convert.vm(vm) for vm in found if vm.name == name]

    def vm(self, vm_id: VmId) -> Vm | None:
        """One VM, or None."""
        with translated(f"read VM {vm_id}"):
            found = or_none(self._vms.vm_service(vm_id).get)
        return None if found is None else convert.vm(found)

    def location(self, vm: Vm) -> Location:
        """The VM's cluster and the data centre of that."""
        with translated(f"read the cluster of VM {vm.name!r}"):
            cluster = self._system.clusters_service().cluster_service(vm.cluster_id).get()
        return Location(cluster.name or "", convert.id_of(cluster.data_center))

    def attachments(self, vm_id: VmId) -> list[Attachment]:
        """All disks of a VM."""
        with translated(f"list the disks of VM {vm_id}"):
            found = self._attachments(vm_id).list()
        return [convert.attachment(one, vm_id) for one in found]

    def attachment(self, vm_id: VmId, disk_id: DiskId) -> Attachment | None:
        """One disk of a VM, or None."""
        with translated(f"read disk {disk_id} of VM {vm_id}"):
            found = or_none(self._attachments(vm_id).attachment_service(disk_id).get)
        return None if found is None else convert.attachment(found, vm_id)

    def disk(self, disk_id: DiskId) -> Disk | None:
        """A disk, or None."""
        with translated(f"read disk {disk_id}"):
            found = or_none(self._disks.disk_service(disk_id).get)
        return None if found is None else convert.disk(found)

    def layers(self, disk_id: DiskId) -> list[DiskLayer]:
        """Frozen volumes of a disk; none if the disk is not there."""
        with translated(f"list the snapshots of disk {disk_id}"):
            service = self._disks.disk_service(disk_id).disk_snapshots_service()
            found = or_none(service.list) or []
        layers = [convert.layer(one, disk_id) for one in found]
        return [one for one in layers if one.snapshot_id]

    def snapshots(self, vm_id: VmId) -> list[Snapshot]:
        """All snapshots of a VM, with the active layer's entry."""
        with translated(f"list the snapshots of VM {vm_id}"):
            found = self._snapshots(vm_id).list()
        return [convert.snapshot(one) for one in found]

    def snapshot(self, vm_id: VmId, snapshot_id: SnapshotId) -> Snapshot | None:
        """One snapshot, or None."""
        with translated(f"read snapshot {snapshot_id}"):
            found = or_none(self._snapshots(vm_id).snapshot_service(snapshot_id).get)
        return None if found is None else convert.snapshot(found)

    def snapshot_disks(self, vm_id: VmId, snapshot_id: SnapshotId) -> list[SnapshotDisk]:
        """Disks that a snapshot holds, as its stored configuration says."""
        with translated(f"list the disks of snapshot {snapshot_id}"):
            service = self._snapshots(vm_id).snapshot_service(snapshot_id).disks_service()
            found = service.list()
        return [convert.snapshot_disk(one, snapshot_id) for one in found]

    def attach(
        self, vm_id: VmId, disk_id: DiskId, snapshot_id: SnapshotId, settings: AttachSettings
    ) -> None:
        """Attach a disk snapshot. Event 2016 will carry the snapshot's id (docs/engine.md#correlation-ids)."""
        order = types.DiskAttachment(
            disk=types.Disk(id=disk_id, snapshot=types.Snapshot(id=snapshot_id)),
            interface=types.DiskInterface(settings.interface),
            active=settings.active,
            bootable=settings.bootable,
            read_only=settings.read_only,
            pass_discard=settings.pass_discard,
        )
        with translated(f"attach disk {disk_id} of snapshot {snapshot_id} to VM {vm_id}"):
            self._attachments(vm_id).add(order, headers=_correlation(snapshot_id))

    def detach(self, vm_id: VmId, disk_id: DiskId) -> None:
        """Take a disk off a VM. ``detach_only=false`` would delete it; it is never sent."""
        with translated(f"detach disk {disk_id} from VM {vm_id}"):
            self._attachments(vm_id).attachment_service(disk_id).remove(detach_only=True)

    def create_snapshot(
        self,
        vm_id: VmId,
        description: str,
        disk_ids: Sequence[DiskId] | None,
        memory: bool,
        correlation_id: str,
    ) -> Snapshot:
        """Order a snapshot. The engine would save the memory by default (docs/engine.md#making-a-snapshot)."""
        disks = None
        if disk_ids is not None:
            disks = [types.DiskAttachment(disk=types.Disk(id=disk_id)) for disk_id in disk_ids]
        order = types.Snapshot(
            description=description, persist_memorystate=memory, disk_attachments=disks
        )
        with translated(f"make a snapshot of VM {vm_id}"):
            made = self._snapshots(vm_id).add(order, headers=_correlation(correlation_id))
        return convert.snapshot(made)

    def remove_snapshot(self, vm_id: VmId, snapshot_id: SnapshotId, correlation_id: str) -> None:
        """Order the removal of a snapshot."""
        with translated(f"remove snapshot {snapshot_id} of VM {vm_id}"):
            service = self._snapshots(vm_id).snapshot_service(snapshot_id)
            service.remove(headers=_correlation(correlation_id))

    def events(self, search: str) -> list[Event]:
        """Events found, newest first."""
        with translated("read events"):
            found = self._system.events_service().list(search=search, max=EVENTS_AT_ONCE)
        return sorted((convert.event(one) for one in found), key=lambda one: -one.index)

    def ovf(self, vm_id: VmId, snapshot_id: SnapshotId | None) -> str | None:
        """Read the stored configuration. SDK 4 has no working argument for it (docs/engine.md#the-python-sdk)."""
        service: SdkObject = self._vms.vm_service(vm_id)
        if snapshot_id is not None:
            service = service.snapshots_service().snapshot_service(snapshot_id)
        with translated(f"read the configuration of VM {vm_id}"):
            found = or_none(lambda: service.get(query=_CONTENT))
        initialization = None if found is None else found.initialization
        configuration = None if initialization is None else initialization.configuration
        return None if configuration is None else configuration.data

    def holders(self, disk_id: DiskId) -> list[VmId] | None:
        """VMs that have the disk. The engine tells administrators only (docs/engine.md#what-the-reads-show)."""
        with translated(f"read who has disk {disk_id}"):
            found = or_none(lambda: self._disks.disk_service(disk_id).get(query=_CONTENT))
        if found is None or found.vms is None:
            return None
        return [VmId(one.id) for one in found.vms]

    def everybody(self) -> list[tuple[Vm, list[Attachment]]]:
        """All VMs with their disks."""
        with translated("list the VMs and their disks"):
            found = self._vms.list(follow="disk_attachments")
        return [
            (
                convert.vm(vm),
                [convert.attachment(one, VmId(vm.id)) for one in vm.disk_attachments or ()],
            )
            for vm in found
        ]

    def checkpointed(self, vm_id: VmId) -> list[DiskId] | None:
        """Disks with checkpoints; none on engines before 4.4, which know no checkpoints.

        Queries about checkpoints are for administrators (QueryType.java); others get None.
        """
        service = self._vms.vm_service(vm_id).checkpoints_service()
        disks: list[DiskId] = []
        try:
            with translated(f"list the checkpoints of VM {vm_id}"):
                for one in or_none(service.list) or []:
                    held = service.checkpoint_service(one.id).disks_service().list()
                    disks.extend(DiskId(disk.id) for disk in held)
        except EnginePermission:
            return None
        return list(dict.fromkeys(disks))

    def own_permissions(self) -> list[Permission] | None:
        """Own grants, those of one's groups and everybody's (docs/engine.md#permits)."""
        with translated("read the permissions of this user"):
            myself = self._system.get().authenticated_user
            if not convert.id_of(myself):
                return None
            service = self._system.users_service().user_service(myself.id)
            found = service.permissions_service().list()
        return [convert.permission(one) for one in found]

    def permits(self, role_id: str) -> list[str]:
        """Permits of a role, whether of this user or not."""
        with translated(f"read the permits of role {role_id}"):
            role = self._system.roles_service().role_service(role_id)
            found = role.permits_service().list()
        return [str(one.name or "").lower() for one in found]

    def close(self) -> None:
        """End the connection; log out only from a session that this connection began.

        A failure is not worth more than what was done before: the engine ends the session itself.
        """
        with suppress(EngineError), translated("log out"):
            self._connection.close(logout=self._own_session)

    @property
    def _vms(self) -> SdkObject:
        return self._system.vms_service()

    @property
    def _disks(self) -> SdkObject:
        return self._system.disks_service()

    def _attachments(self, vm_id: VmId) -> SdkObject:
        return self._vms.vm_service(vm_id).disk_attachments_service()

    def _snapshots(self, vm_id: VmId) -> SdkObject:
        return self._vms.vm_service(vm_id).snapshots_service()


def _correlation(text: str) -> dict[str, str]:
    return {"Correlation-Id": text}
