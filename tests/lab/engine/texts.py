# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's messages, letter by letter, and the status that each kind of message gives.

docs/engine.md#faults says how they are made. ``${action}`` and ``${type}`` are the caller's; a
variable without a value stays in the text as it is, because the engine leaves it there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import Template

BAD = 400
CONFLICT = 409
INTERNAL = 500
FORBIDDEN = 403
UNAUTHENTICATED = 401
# With several messages the first kind of this row that occurs decides.
PRECEDENCE = (BAD, CONFLICT, INTERNAL, FORBIDDEN, UNAUTHENTICATED)

DOT = "Cannot ${action} ${type}. "
COLON = "Cannot ${action} ${type}: "
ATTACHED = (
    "(Disk Alias/Snapshot Description/VM attached to):\n\n ${disksInfo} \n\n"
    "Please detach them from those VMs and try again."
)
PLUGGED = "(VM/Disk Snapshots):\n\n${disksInfo}. \n\nPlease deactivate them and try again."


@dataclass(frozen=True)
class Message:
    """One row of the message table: its key, its HTTP status, its text."""

    key: str
    status: int
    text: str


def _limit(key: str, what: str) -> Message:
    return Message(f"EXCEEDED_MAX_{key}", CONFLICT, f"{DOT}Maximum {what} exceeded.")


_ROWS = (
    # The text begins with this sign.
    Message(
        "EXTERNAL_EVENT_EXISTS",
        BAD,
        "=Cannot add External Event. External Event with this custom id already exists.",
    ),
    Message("DISK_NOT_EXIST", BAD, DOT + "The specified disk does not exist."),
    Message("DISKS_NOT_EXIST", BAD, DOT + "The following disk(s) ID(s) does not exist: ${ids}."),
    Message(
        "DISKS_NOT_ATTACHED_TO_VM",
        BAD,
        DOT + "The following disk(s) are not attached to the VM ${vmName}: ${diskAliases}.",
    ),
    Message(
        "DISK_SNAPSHOT_NOT_SUPPORTED",
        BAD,
        DOT + "Snapshot is not allowed for the following disk(s): ${diskAliases}.",
    ),
    Message("HOSTED_ENGINE_DISK", CONFLICT, DOT + "The disk contains the hosted engine."),
    Message(
        "CONTENT_TYPE",
        CONFLICT,
        DOT + "The operation is not supported for ${diskContentType} disks.",
    ),
    Message("SNAPSHOT_NOT_EXIST", BAD, DOT + "VM's Snapshot does not exist."),
    Message(
        "SNAPSHOT_NOT_REGULAR",
        CONFLICT,
        DOT + "The operation is only allowed for regular snapshots.",
    ),
    Message("SNAPSHOT_STATUS", CONFLICT, DOT + "The snapshot is in ${snapshotStatus} status."),
    Message(
        "ILLEGAL_DISK",
        BAD,
        DOT + "Disk is in an illegal state. Disks in an illegal state can only be deleted.",
    ),
    Message(
        "DISKS_LOCKED",
        CONFLICT,
        COLON
        + "The following disks are locked: ${diskAliases}. Please try again in a few minutes.",
    ),
    Message(
        "DISKS_ILLEGAL",
        INTERNAL,
        DOT + "The following attached disks are in ILLEGAL status: ${diskAliases} - please remove "
        "them and try again.",
    ),
    Message(
        "DESCRIPTION_CHARACTERS",
        BAD,
        "Snapshot description must be formed only from alpha-numeric characters and special characters "
        "that conform to the standard ASCII character set., Attribute: description",
    ),
    Message(
        "DESCRIPTION_TOO_LONG",
        BAD,
        "Snapshot description must not exceed 4000 characters, Attribute: description",
    ),
    Message("VM_NOT_FOUND", BAD, DOT + "VM is not found."),
    Message(
        "VM_STATUS",
        CONFLICT,
        "Cannot ${action} ${type} because the VM is in ${vmStatus} status.",
    ),
    Message("VM_IS_LOCKED", CONFLICT, COLON + "VM is locked. Please try again in a few minutes."),
    Message("VM_NOT_DOWN", CONFLICT, DOT + "At least one of the VMs is not down."),
    Message(
        "VM_NOT_DOWN_OR_UP",
        CONFLICT,
        DOT + "VM ${VmName} must be in status Down, Up or Paused.",
    ),
    Message("VM_RUNNING", CONFLICT, DOT + "VM is running."),
    Message("VM_NOT_RUNNING", CONFLICT, DOT + "VM is not running."),
    Message(
        "VM_RUNNING_STATELESS",
        CONFLICT,
        DOT
        + "The VM is running as Stateless. Please try again when VM is not running as Stateless.",
    ),
    Message(
        "VM_SAVING_RESTORING",
        CONFLICT,
        DOT
        + "VM is in saving/restoring state.\n-Please try again when the VM is either up or down.",
    ),
    Message("VM_HIBERNATING", CONFLICT, DOT + "VM is hibernating."),
    Message("MIGRATION_IN_PROGRESS", CONFLICT, DOT + "VM migration is in progress"),
    Message("NON_MANAGED_VM", BAD, DOT + "This VM is not managed by the engine."),
    Message(
        "DELETE_PROTECTED",
        CONFLICT,
        DOT + "Delete protection is enabled. In order to delete, disable Delete protection first.",
    ),
    Message(
        "REMOVE_NOT_DOWN",
        CONFLICT,
        "Cannot remove VM that its state is not down.\n-Please stop the VM first.",
    ),
    Message(
        "BOOT_IN_USE", CONFLICT, DOT + "Disk ${DiskName} in VM ${VmName} is already marked as boot."
    ),
    _limit("PCI_SLOTS", "PCI devices"),
    _limit("IDE_SLOTS", "IDE devices"),
    _limit("SATA_SLOTS", "SATA devices"),
    _limit("VIRTIO_SCSI_DISKS", "VirtIO SCSI devices"),
    _limit("SPAPR_VSCSI_DISKS", "sPAPR VSCSI devices"),
    Message("ALREADY_ATTACHED", CONFLICT, DOT + "The disk is already attached to VM."),
    Message(
        "NOT_SHAREABLE_ATTACHED",
        CONFLICT,
        DOT + "The disk is not shareable and is already attached to a VM.",
    ),
    Message(
        "POOL_NOT_MATCH",
        CONFLICT,
        DOT + "The target Data Center does not contain the Virtual Disk.",
    ),
    Message(
        "BACKUP_DOMAIN",
        BAD,
        DOT + "Running VM can not contain disks which are stored on a backup storage domain.",
    ),
    Message("DOMAIN_NOT_EXIST", BAD, DOT + "Storage Domain doesn't exist."),
    Message("DOMAIN_STATUS", CONFLICT, DOT + "The relevant Storage Domain's status is ${status}."),
    Message(
        "DOMAIN_TYPE",
        BAD,
        DOT + "The provided storage domain's type is not supported for this operation.",
    ),
    Message(
        "DISK_EXISTS",
        CONFLICT,
        DOT + "The selected disk ID: ${diskID} is already used by the following existing disk: "
        "${diskAlias}.",
    ),
    Message("CLUSTER_EMPTY", BAD, DOT + "The relevant Cluster doesn't exist."),
    Message(
        "IMPORT_VM_EXISTS",
        CONFLICT,
        "Import VM failed - VM ID already exists in the system. Please remove the VM (${VmName}) from "
        "the system first",
    ),
    Message(
        "IMPORT_NAME_EXISTS",
        CONFLICT,
        "Import VM failed - VM Name already exists in the Data Center. Please rename the VM in the Data "
        "Center first",
    ),
    Message(
        "MAC_DUPLICATES",
        CONFLICT,
        "Cannot import Virtual Machine, because that action would create duplicates in target MAC pool, "
        "which are not allowed. Either allow duplicate MACs in MAC Pool, or allow reassignment of bad "
        "MACs during import. Problematic NICs are ${nics}",
    ),
    Message(
        "PROPERTIES_UNKNOWN",
        BAD,
        "Cannot ${action} ${type} if some of the specified custom properties are not configured by the "
        "system. The keys are: ${MissingKeys}",
    ),
    Message(
        "PROPERTIES_ILLEGAL",
        BAD,
        "Cannot ${action} ${type} if some of the specified custom properties have illegal values. The "
        "keys are: ${WrongValueKeys}",
    ),
    Message(
        "MEMORY_EXCEEDS",
        CONFLICT,
        DOT + "Memory size (${memory}MB) cannot exceed maximum memory size (${maximum}MB).",
    ),
    Message(
        "DISPLAY_UNSUPPORTED",
        BAD,
        DOT + "Selected display type is not supported by the operating system.",
    ),
    Message(
        "ARCHITECTURE_UNSUPPORTED",
        BAD,
        DOT + "The selected cluster doesn't support VM architecture",
    ),
    Message(
        "NAME_CHARACTERS",
        BAD,
        "Can not ${action} ${type}. The given name contains special characters. Only lower-case and "
        "upper-case letters, numbers, '_', '-', '.' are allowed., Attribute: vm.vmStatic.name",
    ),
    Message("NAME_SIZE", BAD, "size must be between 1 and 255, Attribute: vm.vmStatic.name"),
    Message("NO_MACS", CONFLICT, DOT + "Not enough MAC addresses left in MAC Address Pool."),
    Message(
        "DISK_CONFIGURATION",
        BAD,
        DOT
        + "Disk configuration (${volumeFormat} ${volumeType} backup-${backup}) is incompatible with"
        " the storage domain type.",
    ),
    Message(
        "DISCARD_UNDERLYING",
        BAD,
        DOT + "Enable discard for ${diskAlias} is not supported by the underlying storage of"
        " ${storageDomainName}.",
    ),
    Message(
        "DISCARD_WIPED",
        BAD,
        DOT + "Enable discard for ${diskAlias} is not supported by the underlying storage of"
        " ${storageDomainName} when wipe after delete is enabled.",
    ),
    Message("LOW_SPACE", CONFLICT, DOT + "Low disk space on Storage Domain ${storageName}."),
    Message("READ_ONLY_IDE", BAD, DOT + "${interface} disks can't be read-only."),
    Message("VIRTIO_SCSI_DISABLED", CONFLICT, DOT + "VirtIO-SCSI is disabled for the VM"),
    Message(
        "INTERFACE_UNSUPPORTED",
        BAD,
        COLON + "The disk interface is not supported by the VM OS: ${osName}.",
    ),
    Message(
        "VM_DURING_SNAPSHOT",
        CONFLICT,
        DOT + "The VM is performing an operation on a Snapshot. Please wait for the operation to "
        "finish, and try again.",
    ),
    Message("VM_IN_PREVIEW", CONFLICT, DOT + "VM is previewing a Snapshot."),
    Message("VM_DURING_BACKUP", CONFLICT, DOT + "The VM is during a backup operation."),
    Message(
        "HOT_PLUG_IDE",
        BAD,
        "Cannot ${action} ${DiskAlias} to ${VmName}. Hot plugging a disk to an IDE interface is not "
        "supported.",
    ),
    Message(
        "HOT_PLUG_SPAPR",
        BAD,
        "Cannot ${action} ${DiskAlias} to ${VmName}. Hot plugging a disk to a sPAPR VSCSI interface "
        "is not supported.",
    ),
    # The engine adds the VM's name as a second message, not as this variable: it stays unfilled.
    Message(
        "CANNOT_DETACH_NOT_ATTACHED",
        BAD,
        DOT + "The specified disk is not attached to the VM ${VmName}.",
    ),
    Message("ALREADY_DETACHED", CONFLICT, DOT + "The disk is already detached from VM."),
    Message(
        "DETACH_WITH_SNAPSHOT",
        CONFLICT,
        DOT + "The disk is already configured in a snapshot. In order to detach it, remove the "
        "disk's snapshots.",
    ),
    Message("ALREADY_ACTIVATED", CONFLICT, "Disk is already activated."),
    Message("ALREADY_DEACTIVATED", CONFLICT, "Disk is already deactivated."),
    Message("RESIZE_DISK_SNAPSHOT", CONFLICT, DOT + "Disk snapshot cannot be resized."),
    Message(
        "SNAPSHOT_ATTACHED",
        CONFLICT,
        DOT + "The following VM's disks snapshots are attached to other VMs " + ATTACHED,
    ),
    Message(
        "HAS_PLUGGED_SNAPSHOT",
        CONFLICT,
        DOT + "The following VM's activated disks are disk snapshots " + PLUGGED,
    ),
    Message(
        "MAINTENANCE_PLUGGED_SNAPSHOT",
        CONFLICT,
        "Cannot switch the following Hosts to Maintenance mode: ${HostsList}.\nThe following VMs "
        "cannot be migrated because they have activated Disk Snapshot attached (VM/Disk Snapshots): "
        "\n \n${disksInfo} \n \nplease deactivate/detach the Disk snapshots or turn off those VMs and "
        "try again.",
    ),
    Message(
        "SNAPSHOT_UNPLUGGED_DISKS",
        CONFLICT,
        DOT + "The following disks are either unplugged or unattached: \n ${diskAliases}",
    ),
    Message(
        "REMOVE_DETACH_SNAPSHOTS_EXIST",
        CONFLICT,
        "Cannot remove VM with detaching disks, snapshots exist.",
    ),
    Message(
        "OBJECT_LOCKED",
        CONFLICT,
        DOT + "Related operation is currently in progress. Please try again later.",
    ),
    Message("DISK_BEING_MIGRATED", CONFLICT, DOT + "Disk ${DiskName} is being moved or copied."),
    Message("DISK_BEING_REMOVED", CONFLICT, DOT + "Disk ${DiskName} is being removed."),
    Message(
        "SNAPSHOT_BEING_TAKEN",
        CONFLICT,
        DOT + "Snapshot is currently being created for VM ${VmName}.",
    ),
    Message("VM_BEING_EXPORTED", CONFLICT, DOT + "VM ${VmName} is being exported."),
    Message("VM_BEING_CLONED", CONFLICT, DOT + "VM is being cloned."),
    Message("VM_NOT_UP", CONFLICT, DOT + "VM is not up."),
    Message(
        "TEMPLATE_VM_NOT_DOWN",
        CONFLICT,
        DOT + "VM is locked or still running, try again once VM is in the Down state.",
    ),
    Message("TEMPLATE_NOT_EXIST", BAD, DOT + "The relevant Template doesn't exist."),
    Message(
        "NAME_USED",
        CONFLICT,
        DOT + "The ${type} name is already in use, please choose a unique name and try again.",
    ),
    Message(
        "NOT_EXPORT_DOMAIN",
        BAD,
        DOT + "The specified domain '${storageDomainName}' is not an export domain.",
    ),
    Message("NO_PROXY_HOST", BAD, DOT + "No host specified to serve as proxy."),
    Message(
        "HOST_STATUS",
        CONFLICT,
        DOT + "Operation can be performed only when Host status is ${hostStatus}.",
    ),
    Message(
        "PROXY_HOST_ELSEWHERE",
        CONFLICT,
        DOT + "Proxy host and virtual machine do not reside at the same data center.",
    ),
    Message(
        "DISK_PLUGGED_TO_NON_DOWN",
        CONFLICT,
        DOT + "The disk ${DiskName} is plugged to non-Down VMs: ${VmList}",
    ),
    Message(
        "SOURCE_AND_TARGET_SAME",
        BAD,
        DOT + "The source and target storage domains are the same.",
    ),
    Message(
        "DISK_SNAPSHOTS_NOT_EXIST",
        BAD,
        DOT + "The following disk snapshot(s) ID(s) does not exist: ${diskSnapshotIds}.",
    ),
    Message(
        "DISK_SNAPSHOTS_ACTIVE",
        BAD,
        DOT + "The following disk snapshot(s) is active: ${diskSnapshotIds}.",
    ),
    Message(
        "HOST_IN_MAINTENANCE",
        CONFLICT,
        "Cannot switch Host to Maintenance mode. Host is already in Maintenance mode.",
    ),
    Message("ROLE_READ_ONLY", CONFLICT, DOT + "The Role is Read-Only."),
    Message("ACTION_LIST_EMPTY", BAD, "Actions list cannot be empty."),
    Message("ROLE_TYPE_EMPTY", BAD, "Invalid Role Type."),
    Message(
        "ADMIN_PERMIT_IN_USER_ROLE",
        CONFLICT,
        "Cannot add administrator's action group to a User Role.",
    ),
    Message(
        "PERMIT_ATTACHED",
        CONFLICT,
        "Cannot attach action group to Role. This action group is already attached to Role.",
    ),
    Message(
        "PERMIT_NOT_ATTACHED",
        BAD,
        "Cannot detach action group from Role. This action group is not attached to this Role.",
    ),
    Message(
        "ROLE_IN_USE",
        CONFLICT,
        "One or more Permissions is still associated with Role.\n- Please remove all Permissions "
        "first.",
    ),
    Message("ROLE_TYPE_CHANGED", BAD, "Cannot ${action} Role. Changing Role type is not allowed."),
    Message("PERMISSION_NO_ROLE", BAD, "Cannot add permission, invalid Role id"),
    Message("PERMISSION_NO_OBJECT", BAD, "Cannot add permission, invalid object ID or type"),
    Message(
        "PERMISSION_ADMIN_ROLE",
        FORBIDDEN,
        "Cannot add permission, only system super user can give permissions with admin Role",
    ),
    Message(
        "PERMISSION_REMOVE_ADMIN_ROLE",
        FORBIDDEN,
        "Cannot remove permission, only system super user can remove permissions with admin Role",
    ),
    Message(
        "LAST_SUPER_USER",
        CONFLICT,
        DOT + "The system must have at least one Super User Role defined.",
    ),
    Message(
        "EVERYONE_SYSTEM",
        CONFLICT,
        "It's not allowed to remove system permissions assigned to built-in Everyone group",
    ),
    Message("INHERITED_PERMISSION", CONFLICT, "Cannot remove inherited permission"),
    Message("USER_NOT_IN_DB", UNAUTHENTICATED, "User must exist in Database."),
    Message("USER_REMOVES_HIMSELF", CONFLICT, DOT + "User is currently logged in."),
    Message("NOT_AUTHORIZED", FORBIDDEN, "User is not authorized to perform this action."),
    Message(
        "HOSTED_ENGINE_SUPERUSER",
        FORBIDDEN,
        "Only users with SuperUser role are authorized to perform actions on Hosted Engine resources.",
    ),
    Message(
        "MAINTENANCE_MODE",
        CONFLICT,
        "Engine is running in Maintenance mode and is not accepting commands.",
    ),
    Message("VALIDATION_CRASHED", INTERNAL, "General command validation failure."),
    Message(
        "DB_CONNECTION",
        INTERNAL,
        "Action failed due to database connection failure. Please check connectivity to your "
        "Database server.",
    ),
    Message(
        "INTERFACE_REQUIRED", BAD, "Interface is required, Attribute: diskVmElement.diskInterface"
    ),
    # Execution errors: never mapped to a kind, hence 400.
    Message("EXEC_PLUG", BAD, "Failed to hot-plug disk"),
    Message("EXEC_UNPLUG", BAD, "Failed to hot-unplug disk"),
    Message("EXEC_NETWORK", BAD, "Network error during communication with the Host."),
    Message("EXEC_UNEXPECTED", BAD, "Unexpected exception"),
    Message("EXEC_INTERNAL", BAD, "Internal Engine Error"),
    Message("EXEC_NO_VM", BAD, "Desktop does not exist"),
    Message("EXEC_GENERAL", BAD, "General Exception"),
    Message("EXEC_NO_VOLUME", BAD, "Volume does not exist"),
    Message(
        "EXEC_NO_DOMAIN",
        BAD,
        "Storage domain cannot be reached. Please ensure it is accessible from the host(s).",
    ),
)
MESSAGES: dict[str, Message] = {row.key: row for row in _ROWS}
# What a failure is called by the host's code; a code that the engine does not know is unexpected.
EXEC_OF_CODE = {
    1: "EXEC_NO_VM",
    45: "EXEC_PLUG",
    46: "EXEC_UNPLUG",
    100: "EXEC_GENERAL",
    201: "EXEC_NO_VOLUME",
    358: "EXEC_NO_DOMAIN",
    5022: "EXEC_NETWORK",
}


@dataclass(frozen=True)
class Said:
    """A message as it was reported, with the variables known there."""

    key: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def status(self) -> int:
        """Return the HTTP status of this message's kind; an unknown message is 400."""
        row = MESSAGES.get(self.key)
        return row.status if row else BAD

    def text(self, caller: Mapping[str, str]) -> str:
        """Return the text in the caller's wording; an untranslated key in lower case, blanks for ``_``."""
        row = MESSAGES.get(self.key)
        if row is None:
            return self.key.lower().replace("_", " ")
        return Template(row.text).safe_substitute({**caller, **self.variables})


class Refusal(Exception):
    """A command that was refused, or failed, with the messages that say why."""

    def __init__(self, *said: Said) -> None:
        super().__init__(", ".join(one.key for one in said))
        self.said = said


def refuse(key: str, **variables: str) -> Refusal:
    """Return a refusal with one message."""
    return Refusal(Said(key, variables))


def status_of(said: Iterable[Said]) -> int:
    """Return the status of an answer with these messages: 400 before 409 before 500 before 403."""
    kinds = {one.status() for one in said if one.key in MESSAGES}
    return next((status for status in PRECEDENCE if status in kinds), BAD)


def detail_of(said: Iterable[Said], caller: Mapping[str, str]) -> str:
    """Return the ``<detail>`` of a failed command: a Java list printed as text, brackets included."""
    return "[" + ", ".join(one.text(caller) for one in said) + "]"
