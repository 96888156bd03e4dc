# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's refusals, in its own words (AppErrors.properties, VdsmErrors.properties)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import conflicts

ADD = "Cannot add Virtual Disk"
ATTACH = "Cannot attach Virtual Disk"
DETACH = "Cannot detach Virtual Disk"
CREATE = "Cannot create Snapshot"
REMOVE = "Cannot remove Snapshot"
PASSES = [
    (
        f"{ATTACH}. Related operation is currently in progress. Please try again later.",
        "object_locked",
    ),
    (
        f"{ATTACH}: The following disks are locked: web01_Disk1. Please try again in a few minutes.",
        "disks_locked",
    ),
    (
        f"{ATTACH}: The following disks are locked: ${{diskAliases}}. Please try again in a few"
        " minutes.",
        "disks_locked",
    ),
    (f"{REMOVE}: Disk is locked. Please try again later.", "disks_locked"),
    (f"{CREATE}: VM is locked. Please try again in a few minutes.", "vm_locked"),
    (
        f"{ATTACH}. The VM is performing an operation on a Snapshot. Please wait for the operation"
        " to finish, and try again.",
        "vm_during_snapshot",
    ),
    (f"{CREATE}. Snapshot is currently being created for VM web01.", "snapshot_being_taken"),
    (f"{ATTACH}. The snapshot is in LOCKED status.", "snapshot_locked"),
    (f"{ATTACH}. Disk web01_Disk1 is being moved or copied.", "disk_being_moved"),
    (f"{ATTACH}. VM web01 is being exported.", "vm_being_exported"),
    (
        f"{ATTACH}: VM is being exported now. Please try again in a few minutes.",
        "vm_being_exported",
    ),
    (f"{CREATE}. VM is being cloned.", "vm_being_cloned"),
    (f"{REMOVE}. The VM is during a backup operation.", "vm_during_backup"),
    (f"{CREATE}. VM migration is in progress", "migration_in_progress"),
    (f"{CREATE}. VM web01 is being migrated.", "migration_in_progress"),
    (f"{REMOVE}. VM web01 must be in status Down, Up or Paused.", "vm_not_down_or_up"),
    (
        f"{CREATE}. VM is in saving/restoring state.\n-Please try again when the VM is either up or"
        " down.",
        "vm_saving_restoring",
    ),
    (f"{CREATE}. VM is hibernating.", "vm_hibernating"),
    ("Desktop does not exist", "vm_not_on_host"),
    *[
        (f"{verb} because the VM is in {state} status.", "vm_status_passing")
        for verb in (ATTACH, DETACH, CREATE)
        for state in (
            "Powering Up",
            "Powering Down",
            "Migrating",
            "Wait for Launch",
            "Reboot in Progress",
            "Saving State",
            "Restoring State",
            "Image Locked",
        )
    ],
    (
        "Engine is running in Maintenance mode and is not accepting commands.",
        "engine_maintenance",
    ),
    *[
        (f"{ATTACH}. The relevant Storage Domain's status is {state}.", "domain_status_passing")
        for state in ("Locked", "Activating", "PreparingForMaintenance", "Unknown")
    ],
    ("Cannot create Snapshot. Unknown Data Center status.", "data_center_status_passing"),
    ("Failed to hot-unplug disk", "unplug_failed"),
    ("Network error during communication with the Host.", "host_unreachable"),
]
STAYS = [
    (f"{ATTACH}. The specified disk does not exist.", "disk_not_in_snapshot"),
    (f"{ATTACH}. The disk contains the hosted engine.", "hosted_engine_disk"),
    (f"{ATTACH}. The operation is not supported for ISO disks.", "content_type"),
    (f"{ATTACH}. VM's Snapshot does not exist.", "snapshot_missing"),
    (f"{ATTACH}. The operation is only allowed for regular snapshots.", "snapshot_not_regular"),
    (f"{ATTACH}. The snapshot is in IN_PREVIEW status.", "snapshot_in_preview"),
    (
        f"{ATTACH}. Disk is in an illegal state. Disks in an illegal state can only be deleted.",
        "disk_illegal",
    ),
    (f"{ATTACH}. VM is not found.", "vm_missing"),
    *[
        (f"{verb} because the VM is in {state} status.", "vm_status")
        for verb in (ATTACH, DETACH, CREATE)
        for state in (
            "Paused",
            "Suspended",
            "Not Responding",
            "Unknown",
            "Image Illegal",
            "Unassigned",
        )
    ],
    (f"{DETACH}. This VM is not managed by the engine.", "vm_external"),
    (f"{ATTACH}. Disk system in VM appliance is already marked as boot.", "boot_in_use"),
    *[
        (f"{ATTACH}. Maximum {bus} devices exceeded.", "no_free_slot")
        for bus in ("PCI", "IDE", "SATA", "VirtIO SCSI", "sPAPR VSCSI")
    ],
    (f"{ATTACH}. The disk is already attached to VM.", "already_attached"),
    (
        f"{ATTACH}. The target Data Center does not contain the Virtual Disk.",
        "other_data_center",
    ),
    (
        f"{ATTACH}. Running VM can not contain disks which are stored on a backup storage domain.",
        "backup_domain",
    ),
    (f"{ATTACH}. The relevant Storage Domain's status is Maintenance.", "domain_status"),
    (f"{ATTACH}. The relevant Storage Domain's status is Inactive.", "domain_status"),
    (f"{ATTACH}. IDE disks can't be read-only.", "read_only_unsupported"),
    (f"{ATTACH}. SATA disks can't be read-only.", "read_only_unsupported"),
    (f"{ATTACH}. VirtIO-SCSI is disabled for the VM", "virtio_scsi_disabled"),
    (
        f"{ATTACH}: The disk interface is not supported by the VM OS: Other OS.",
        "interface_unsupported",
    ),
    (
        f"{ATTACH}. Enable discard for web01_Disk1 is supported only by VirtIO-SCSI and IDE disk"
        " interfaces.",
        "pass_discard_unsupported",
    ),
    (
        f"{ATTACH}. Enable discard for web01_Disk1 is not supported by the underlying storage of"
        " data.",
        "pass_discard_unsupported",
    ),
    (
        f"{ATTACH}. The underlying storage of data doesn't support securely discarding which is"
        " required by web01_Disk1's wipe after delete property.",
        "pass_discard_unsupported",
    ),
    (f"{ATTACH}. VM is previewing a Snapshot.", "vm_in_preview"),
    *[
        (
            f"Cannot attach web01_Disk1 to appliance. Hot plugging a disk to {bus} interface is not"
            " supported.",
            "interface_no_hotplug",
        )
        for bus in ("an IDE", "a sPAPR VSCSI")
    ],
    ("Failed to hot-plug disk", "plug_failed"),
    (
        f"{DETACH}. The specified disk is not attached to the VM ${{VmName}}., appliance",
        "not_attached",
    ),
    (f"{DETACH}. The disk is already detached from VM.", "already_detached"),
    (
        f"{DETACH}. The disk is already configured in a snapshot. In order to detach it, remove the"
        " disk's snapshots.",
        "disk_configured_in_snapshot",
    ),
    (
        f"{REMOVE}. The following VM's disks snapshots are attached to other VMs (Disk"
        " Alias/Snapshot Description/VM attached to):\n\n system ,nightly, appliance \n\nPlease"
        " detach them from those VMs and try again.",
        "disk_snapshot_attached",
    ),
    (
        "Cannot migrate VM. The following VM's activated disks are disk snapshots (VM/Disk"
        " Snapshots):\n\nappliance / system. \n\nPlease deactivate them and try again.",
        "plugged_disk_snapshot",
    ),
    (
        f"{REMOVE}. The following disks are either unplugged or unattached: \n system",
        "disks_unplugged",
    ),
    (
        f"{CREATE}. The following attached disks are in ILLEGAL status: system - please remove them"
        " and try again.",
        "disk_illegal",
    ),
    (f"{CREATE}. Low disk space on Storage Domain data.", "domain_space"),
    (
        f"{ADD}. The selected disk ID: 2f8c is already used by the following existing disk: a.",
        "disk_id_taken",
    ),
    ("query execution failed due to insufficient permissions.", "insufficient_query"),
    (f"{CREATE}. The following disk(s) ID(s) does not exist: 1, 2.", "unknown"),
    (f"{CREATE}. VM's Image might be corrupted.", "unknown"),
    (f"{ATTACH}. Managed Block database is required.", "managed_block"),
    ("", "no_reason"),
    ("Disk is already activated.", "already_activated"),
    ("Disk is already deactivated.", "already_deactivated"),
    ("Cannot edit Virtual Disk. Disk snapshot cannot be resized.", "disk_snapshot_resize"),
    ("General command validation failure.", "unknown"),
    ("Unexpected exception", "host_refused"),
    ("General Exception", "host_refused"),
    ("Volume does not exist", "volume_missing"),
    (
        "Storage domain cannot be reached. Please ensure it is accessible from the host(s).",
        "domain_unreachable",
    ),
    ("Internal Engine Error", "unknown"),
]


@pytest.mark.parametrize(("words", "reason"), PASSES)
def test_refusals_that_pass_are_retried(words: str, reason: str) -> None:
    meaning = conflicts.meaning_of(f"[{words}]")
    assert (meaning.reason, meaning.retryable) == (reason, True)


@pytest.mark.parametrize(("words", "reason"), STAYS)
def test_refusals_that_stay_are_not_retried(words: str, reason: str) -> None:
    meaning = conflicts.meaning_of(f"[{words}]")
    assert (meaning.reason, meaning.retryable) == (reason, False)


def test_every_entry_of_the_table_is_met_by_a_sentence_of_the_engine() -> None:
    met = {reason for _words, reason in [*PASSES, *STAYS]}
    assert met == {entry.reason for entry in conflicts.TABLE} | {conflicts.UNKNOWN.reason}


def test_reasons_are_stable_names_and_each_stands_once() -> None:
    reasons = [entry.reason for entry in conflicts.TABLE]
    assert len(reasons) == len(set(reasons))
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in reasons)


@pytest.mark.parametrize("detail", [None, "", "[]x", "[Something new.]"])
def test_what_is_not_known_is_not_retried(detail: str | None) -> None:
    assert conflicts.meaning_of(detail) is conflicts.UNKNOWN
    assert not conflicts.UNKNOWN.retryable


@given(quoted=st.sampled_from([words for words, _reason in PASSES]))
def test_a_description_that_reads_like_a_refusal_changes_nothing(quoted: str) -> None:
    words = (
        f"[{REMOVE}. The following VM's disks snapshots are attached to other VMs (Disk"
        f" Alias/Snapshot Description/VM attached to):\n\n system ,{quoted}, appliance \n\n]"
    )
    assert conflicts.meaning_of(words).reason == "disk_snapshot_attached"


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (None, ""),
        ("", ""),
        ("[]", ""),
        ("[VM is not found.]", "VM is not found."),
        ("Entity not found: x", "Entity not found: x"),
        ("[Cannot remove.\n\n a  \n\nPlease]", "Cannot remove. a Please"),
        ("[a ,b, c%nd ,e, f]", "a ,b, c; d ,e, f"),
        ("[not closed", "[not closed"),
    ],
)
def test_clean(detail: str | None, words: str) -> None:
    assert conflicts.clean(detail) == words
