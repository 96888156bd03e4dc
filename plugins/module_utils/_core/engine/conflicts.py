# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine's refusals mean, and whether waiting can help.

The API gives no error codes, only English sentences (docs/engine.md#faults). They are matched in
this file and in no other. Order matters: the first matching entry wins. The texts:
docs/engine.md#refusals-of-an-attach and the sections after it. Which refusals pass with time:
docs/engine.md#refusals-that-pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from re import Pattern
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Meaning:
    """One known refusal: a stable name, its text, whether to retry, and what to do."""

    reason: str
    pattern: Pattern[str]
    retryable: bool
    hint: str = ""


def _entry(reason: str, text: str, retryable: bool, hint: str = "") -> Meaning:
    return Meaning(reason, re.compile(text), retryable, hint or (_LATER if retryable else ""))


_LATER = f"The engine refuses this only for now. Try again later, or raise {option('timeout')}."


_PASSING = (
    "Powering Up|Powering Down|Migrating|Wait for Launch|Reboot in Progress|Saving State"
    "|Restoring State|Image Locked"
)

TABLE: tuple[Meaning, ...] = (
    # These refusals quote names and descriptions, which may contain any of the sentences below.
    _entry(
        "disk_snapshot_attached",
        "disks snapshots are attached to other VMs",
        False,
        "Detach the disk snapshots from the VMs that are named, then try again.",
    ),
    _entry("plugged_disk_snapshot", "activated disks are disk snapshots", False),
    _entry("not_attached", "The specified disk is not attached to the VM", False),
    _entry("object_locked", "Related operation is currently in progress", True),
    _entry("snapshot_being_taken", "Snapshot is currently being created", True),
    _entry("snapshot_locked", "The snapshot is in LOCKED status", True),
    _entry("disks_locked", "following disks are locked|[Dd]isk is locked", True),
    _entry("vm_locked", "VM is locked", True),
    _entry("vm_during_snapshot", "is performing an operation on a Snapshot", True),
    _entry("disk_being_moved", "Disk .* is being (?:moved or copied|migrated)", True),
    _entry("vm_being_exported", "is being exported", True),
    _entry("vm_being_cloned", "is being cloned", True),
    _entry("vm_during_backup", "during a backup operation", True),
    _entry("migration_in_progress", "[Mm]igration is in progress|VM .* is being migrated", True),
    _entry("vm_saving_restoring", "VM is in saving/restoring state", True),
    _entry("vm_hibernating", "VM is hibernating", True),
    # Also said of a VM that is changing its state; the text does not tell the state.
    _entry("vm_not_down_or_up", "must be in status Down, Up or Paused", True),
    _entry("vm_status_passing", f"because the VM is in (?:{_PASSING}) status", True),
    _entry("engine_maintenance", "Engine is running in Maintenance mode", True),
    _entry(
        "domain_status_passing",
        "Storage Domain's status is (?:Locked|Activating|Preparing ?For ?Maintenance|Unknown)",
        True,
    ),
    # Lasts some seconds, while another host becomes the SPM.
    _entry("data_center_status_passing", "Unknown Data Center status", True),
    _entry(
        "plug_failed",
        "Failed to hot-plug disk",
        False,
        "The host could not plug the disk; its vdsm log says why. Often its directory of overlays"
        " (/var/lib/vdsm/transient) is full, or the host cannot reach the storage.",
    ),
    _entry(
        "unplug_failed",
        "Failed to hot-unplug disk",
        True,
        "The appliance did not release the disk. disk_device_release shows what uses the disk there, and removes"
        " what LVM, MD and multipath built on it. Then try again.",
    ),
    _entry("host_unreachable", "Network error during communication with the Host", True),
    # Texts for other codes of the host (docs/engine.md#while-the-host-plugs). Code 1: the engine does not know yet where the VM is.
    _entry("vm_not_on_host", "Desktop does not exist", True),
    _entry(
        "domain_unreachable",
        "Storage domain cannot be reached",
        False,
        "The appliance's host does not see the disk's storage domain: check its connection, or use another host.",
    ),
    _entry(
        "volume_missing",
        "^\\[?Volume does not exist",
        False,
        "The host does not find the snapshot's volume: it was merged or removed meanwhile, or the host's view of the"
        " storage is old.",
    ),
    # Codes 16, 59, 100, -32603 and all others for which the engine has no text.
    _entry(
        "host_refused",
        r"^\[?(?:Unexpected exception|General Exception)",
        False,
        "The engine does not pass on the host's reason. Read the host's vdsm log.",
    ),
    _entry(
        "already_attached",
        "The disk is already attached to VM",
        False,
        "A VM can have only one snapshot of a disk attached, and no snapshot of its own disks.",
    ),
    _entry("already_detached", "already detached from VM", False),
    _entry("disk_not_in_snapshot", "The specified disk does not exist", False),
    _entry("snapshot_missing", "VM's Snapshot does not exist", False),
    _entry("snapshot_not_regular", "only allowed for regular snapshots", False),
    _entry("snapshot_in_preview", "The snapshot is in IN_PREVIEW status", False),
    _entry(
        "vm_in_preview", "VM is previewing a Snapshot", False, "End the preview of the VM first."
    ),
    _entry(
        "vm_status",
        "because the VM is in [A-Z][A-Za-z ]* status",
        False,
        "Start or stop the VM, so that it is Up or Down.",
    ),
    _entry(
        "boot_in_use", "is already marked as boot", False, f"Set {option('bootable', ': false')}."
    ),
    _entry(
        "no_free_slot",
        "Maximum (?:PCI|IDE|SATA|VirtIO SCSI|sPAPR VSCSI) devices",
        False,
        "Detach disks from the appliance, or attach with another interface.",
    ),
    _entry(
        "virtio_scsi_disabled",
        "VirtIO-SCSI is disabled for the VM",
        False,
        f"Enable VirtIO-SCSI for the appliance, or attach with {option('interface', ': virtio')}.",
    ),
    _entry("interface_unsupported", "disk interface is not supported by the VM OS", False),
    _entry("interface_no_hotplug", "Hot plugging a disk to an? .* interface is not supp", False),
    _entry("read_only_unsupported", "disks can't be read-only", False),
    _entry(
        "pass_discard_unsupported", "Enable discard for .* is |support securely discarding", False
    ),
    _entry(
        "other_data_center",
        "target Data Center does not contain the Virtual Disk",
        False,
        "Use an appliance in the data centre of the source VM.",
    ),
    _entry("disk_id_taken", "The selected disk ID: .* is already used", False),
    _entry(
        "domain_status",
        "Storage Domain's status is",
        False,
        "Activate that storage domain, then try again.",
    ),
    _entry(
        "domain_space",
        "Low disk space on Storage Domain",
        False,
        "Free space in that storage domain, or enlarge it.",
    ),
    _entry("hosted_engine_disk", "disk contains the hosted engine", False),
    _entry("content_type", "operation is not supported for .* disks", False),
    _entry("disk_illegal", "Disk is in an illegal state|are in ILLEGAL status", False),
    _entry("disk_configured_in_snapshot", "already configured in a snapshot", False),
    _entry(
        "disks_unplugged",
        "disks are either unplugged or unattached",
        False,
        "Plug the named disks, or shut the VM down. Then remove the snapshot again.",
    ),
    _entry(
        "no_reason",
        r"^\[\]$",
        False,
        "The engine gives no reason. Often the storage refused a volume. Check the engine's events and engine.log.",
    ),
    _entry(
        "backup_domain",
        "stored on a backup storage domain",
        False,
        "The disk's storage domain is marked as backup, and VMs cannot use its disks. Move the disk to another domain.",
    ),
    _entry("managed_block", "Managed Block database is required", False),
    _entry("already_activated", "Disk is already activated", False),
    _entry("already_deactivated", "Disk is already deactivated", False),
    _entry("disk_snapshot_resize", "Disk snapshot cannot be resized", False),
    _entry("vm_missing", "VM is not found", False, "Check whether the VM was removed."),
    _entry("vm_external", "not managed by the engine", False),
    _entry("insufficient_query", "query execution failed due to insufficient perm", False),
)

PLUG_ONCE: Mapping[str, str] = {
    "host_unreachable": "The host of the appliance may still plug the disk, and the engine then knows nothing of it. Before"
    " the disk is attached again, see that the appliance has no device with its serial (disk_device_release with"
    " state=absent); a device that is there goes when the appliance is restarted.",
    "unplug_failed": "The host refused the disk; its vdsm log says why.",
}
"""Refusals after which an attach is not retried although other operations retry them, and what to
do: a failed plug may leave an overlay on the host, and one without an answer may still take
effect."""

UNPLUG_AGAIN = frozenset({"plug_failed", "host_refused"})
"""Refusals after which a detach is retried although they are final for other operations: they
change nothing, and the guest may release the disk later."""

UNKNOWN = Meaning("unknown", re.compile(""), False)


def meaning_of(detail: str | None) -> Meaning:
    """Find the meaning of a fault's detail; ``UNKNOWN`` if it is not in the table."""
    text = detail or ""
    return next((entry for entry in TABLE if entry.pattern.search(text)), UNKNOWN)


def clean(detail: str | None) -> str:
    """Return the engine's words without the brackets around them (docs/engine.md#faults).

    The engine joins the entries of a list with a literal ``%n``.
    """
    text = " ".join((detail or "").replace("%n", "; ").split())
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return text
