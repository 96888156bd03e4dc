# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules: what must not happen around an attached disk snapshot, and what to do instead.

Each rule is a sentence with a reason and a remedy; a check is a pure function that returns the
violations it finds. Every operation that changes something asks here first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineFault,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
        Holding,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        AttachSettings,
        Checkpointed,
        Disk,
        Location,
        Snapshot,
        SnapshotDisk,
        Vm,
    )


@dataclass(frozen=True)
class Rule:
    """What must hold, why, and what to do if it does not."""

    id: str
    sentence: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Violation:
    """A rule that would be broken, and the evidence."""

    rule: Rule
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the violation as a module's result."""
        return {
            "rule": self.rule.id,
            "message": self.message,
            "reason": self.rule.reason,
            "remedy": self.rule.remedy,
            "evidence": dict(self.evidence),
        }


APPLIANCE_READY = Rule(
    "appliance-ready",
    "The appliance is Up or Down, and not changing state.",
    "The engine attaches to a paused VM but cannot detach from it.",
    "Resume, start or stop the appliance, then try again.",
)
ONE_PER_DISK = Rule(
    "one-per-disk",
    "An appliance holds at most one snapshot of a disk.",
    "The engine keeps only one attachment per disk and VM.",
    f"Detach the disk or the other snapshot first, or use another appliance. {option('replace', ': true')} detaches the other snapshot.",
)
NOT_ITS_OWN = Rule(
    "not-its-own",
    "An appliance is never the source VM of its own backup.",
    "The engine does not attach the snapshot of a disk to the VM that owns the disk.",
    "Use another appliance to back up this one.",
)
SNAPSHOT_REGULAR = Rule(
    "snapshot-regular",
    "Only a regular snapshot that is not in preview is attached.",
    "The VM is still writing to the active layer or to a previewed snapshot.",
    "Create a snapshot for the backup, or end the preview.",
)
DISK_HEALTHY = Rule(
    "disk-healthy",
    "A disk snapshot with status illegal is not attached.",
    "The content of an illegal image is undefined, but a copy of it would look like a backup.",
    "Repair the source VM's disk, then create a new snapshot.",
)
BOOT = Rule(
    "boot",
    "A disk snapshot is attached as bootable only on request, only one at a time, and only to an appliance without a"
    " boot disk of its own.",
    "Otherwise the appliance boots the source VM's system at its next start.",
    f"Set {option('bootable', ': false')}.",
)
INTERFACE = Rule(
    "interface",
    "The interface must support hot plug, and read-only access if that is requested.",
    "IDE, SATA and sPAPR disks cannot be hot-plugged; IDE and SATA cannot be read-only.",
    "Use virtio_scsi or virtio.",
)
DETACH_ONLY = Rule(
    "detach-only",
    "Only disk snapshots are detached, and no disk is deleted.",
    "An appliance's own disks and shared disks must stay attached.",
    "Name only disk snapshots; disk_snapshot_info lists them.",
)

NO_EXPORT = Rule(
    "no-export",
    "A VM that holds a disk snapshot, plugged or not, is not exported.",
    "The engine leaves the disk out of the export (domain or OVA), and does not say so.",
    "Detach the disk snapshots first.",
)
NO_TEMPLATE = Rule(
    "no-template",
    "No template or clone is made of a VM that holds a disk snapshot.",
    "The engine leaves the disk out of the template or clone, and does not say so.",
    "Detach the disk snapshots first.",
)
NOT_IN_SNAPSHOT = Rule(
    "not-in-snapshot",
    "No snapshot is taken of a VM that holds a disk snapshot.",
    "The snapshot would not include the disk, even if it is named.",
    "Detach the disk snapshots first.",
)
NO_MIGRATION = Rule(
    "no-migration",
    "A VM with a plugged disk snapshot is not migrated or suspended, and its host is not put into"
    " maintenance.",
    "The overlay is on the local disk of the host. The engine refuses migration and maintenance. It passes a"
    " suspend on to the host, where it fails.",
    "Wait until the backup has ended, or detach the disk snapshots. An unplugged attachment forbids nothing.",
)
SOURCE_FROZEN = Rule(
    "source-frozen",
    "While a disk snapshot of a VM is attached anywhere, plugged or not: do not remove the VM's snapshots, commit a"
    " revert, delete the VM or its disks, move or sparsify its disks, or export it as OVA.",
    "The engine refuses some of these operations. It starts the others but cannot finish them, and leaves a preview"
    " or an automatic snapshot behind. If both VMs are down, it even deletes the disk.",
    "Wait until the backup has ended, or detach the disk snapshots from the named VMs.",
)
CHECKPOINTS = Rule(
    "checkpoints",
    "A disk with checkpoints of incremental backup is not attached if the detach would clear them.",
    "Engines from 4.5.8 on, and builds that are not releases, clear the bitmaps and checkpoints of a disk"
    " at every detach, also of a disk snapshot. Other backup products then lose their chain.",
    f"If the next incremental backup may be a full one, set {option('checkpoints')} to warn or allow. Otherwise use"
    " an engine up to 4.5.7.",
)
DISKS_PLUGGED = Rule(
    "disks-plugged",
    "All disks of a running VM must be plugged for a backup.",
    "A snapshot includes unplugged disks, too. But while the VM runs, the engine does not remove a snapshot with"
    " such a disk.",
    "Plug the disk, detach it, back the VM up while it is down, or leave the disk out (unplugged: leave_out).",
)
SOURCE_READY = Rule(
    "source-ready",
    "No snapshot of a VM is created or removed while the VM is suspended or in preview.",
    "The engine refuses it, and neither state ends by itself.",
    "Start or shut down the suspended VM; commit or undo the preview.",
)
IMAGE_DISKS = Rule(
    "image-disks",
    "Only image disks are attached.",
    "A host creates overlays only for images, not for disks of managed block storage or Cinder.",
    "Name only image disks. The role vm_backup leaves other disks out by itself.",
)
SAME_DATA_CENTER = Rule(
    "same-data-center",
    "Appliance and source VM are in the same data centre.",
    "The appliance's host cannot reach the storage of another data centre.",
    "Use an appliance in the data centre of the source VM.",
)

SAME_HOST = Rule(
    "same-host",
    "Appliance and source VM run on different hosts. This is only a warning.",
    "The detach may remove paths to the source VM's disks on that host (concluded from the sources of vdsm, never"
    " observed).",
    "Separate them with an affinity rule, or migrate one of them before the backup.",
)

ATTACH_STATES = ("up", "down")
PASSING_STATES = (
    "powering_up",
    "powering_down",
    "wait_for_launch",
    "reboot_in_progress",
    "migrating",
    "saving_state",
    "restoring_state",
    "image_locked",
)
_NO_HOT_PLUG = ("ide", "sata", "spapr_vscsi")
_NO_READ_ONLY = ("ide", "sata")


def appliance_ready(appliance: Vm) -> list[Violation]:
    """Refuse states of the appliance in which a detach is impossible. Passing states are waited for instead."""
    if appliance.status in ATTACH_STATES + PASSING_STATES:
        return []
    message = f"The appliance {appliance.name!r} is {appliance.status}."
    return [Violation(APPLIANCE_READY, message, {"status": appliance.status})]


def snapshot_usable(snapshot: Snapshot) -> list[Violation]:
    """Refuse an entry that is not a regular snapshot, and a snapshot that is being previewed."""
    evidence = {"snapshot_id": snapshot.id, "type": snapshot.type, "status": snapshot.status}
    if snapshot.type != "regular":
        message = f"Snapshot {snapshot.description!r} is of type {snapshot.type}, not regular."
        return [Violation(SNAPSHOT_REGULAR, message, evidence)]
    if snapshot.status == "in_preview":
        message = f"Snapshot {snapshot.description!r} is in preview."
        return [Violation(SNAPSHOT_REGULAR, message, evidence)]
    return []


def disks_healthy(disks: Iterable[SnapshotDisk]) -> list[Violation]:
    """Refuse illegal images."""
    return [
        Violation(
            DISK_HEALTHY,
            f"Disk {disk.alias!r} of the snapshot is illegal.",
            {"disk_id": disk.disk_id, "status": disk.status},
        )
        for disk in disks
        if disk.status == "illegal"
    ]


def images_only(disks: Iterable[SnapshotDisk]) -> list[Violation]:
    """Refuse disks on which no host can put an overlay."""
    return [
        Violation(
            IMAGE_DISKS,
            f"Disk {disk.alias!r} of the snapshot is a {disk.storage_type} disk.",
            {"disk_id": disk.disk_id, "storage_type": disk.storage_type},
        )
        for disk in disks
        if disk.storage_type not in ("", "image")
    ]


def images_legal(source: Vm, disks: Iterable[Disk]) -> list[Violation]:
    """Refuse a source VM with an illegal image: the engine makes no snapshot of it."""
    return [
        Violation(
            DISK_HEALTHY,
            f"Disk {disk.alias!r} of {source.name!r} is illegal.",
            {"disk_id": disk.id, "status": disk.status},
        )
        for disk in disks
        if disk.status == "illegal"
    ]


def source_ready(source: Vm, snapshots: Iterable[Snapshot]) -> list[Violation]:
    """Refuse lasting states of a source VM in which no snapshot can be made or removed."""
    found = []
    if source.status == "suspended":
        message = f"{source.name!r} is suspended."
        found.append(Violation(SOURCE_READY, message, {"status": source.status}))
    found += [
        Violation(
            SOURCE_READY,
            f"{source.name!r} is previewing snapshot {one.description!r}.",
            {"snapshot_id": one.id, "status": one.status},
        )
        for one in snapshots
        if one.status == "in_preview"
    ]
    return found


def not_its_own(appliance: Vm, source: Vm) -> list[Violation]:
    """Refuse a source VM that would be its own appliance."""
    if appliance.id != source.id:
        return []
    message = f"{source.name!r} cannot be both the source VM and the appliance."
    return [Violation(NOT_ITS_OWN, message, {"vm_id": source.id})]


def bootable_alone(
    settings: AttachSettings, wanted: Sequence[SnapshotDisk], held: Iterable[Holding]
) -> list[Violation]:
    """Refuse more than one boot disk."""
    if not settings.bootable:
        return []
    if len(wanted) > 1:
        message = f"{len(wanted)} disks cannot all be the boot disk."
        return [Violation(BOOT, message, {"disk_ids": [disk.disk_id for disk in wanted]})]
    others = [
        holding
        for holding in held
        if holding.attachment.bootable and holding.disk_id not in {d.disk_id for d in wanted}
    ]
    return [
        Violation(
            BOOT,
            f"The appliance has a boot disk already: {holding.alias!r}.",
            {"disk_id": holding.disk_id},
        )
        for holding in others
    ]


def can_be_plugged(interface: str) -> bool:
    """Tell whether a disk on an interface can be attached to a running VM.

    The rows 21 and 21b of docs/engine.md#refusals-of-an-attach.
    """
    return interface not in _NO_HOT_PLUG


def interface_fits(settings: AttachSettings, appliance: Vm) -> list[Violation]:
    """Refuse an interface or a setting that the engine or the bus does not support."""
    violations = []
    if settings.read_only and settings.interface in _NO_READ_ONLY:
        message = f"A disk on {settings.interface} cannot be read-only."
        violations.append(Violation(INTERFACE, message, {"interface": settings.interface}))
    hot = settings.active and appliance.status != "down"
    if hot and not can_be_plugged(settings.interface):
        message = f"A disk on {settings.interface} cannot be plugged into a running VM."
        violations.append(Violation(INTERFACE, message, {"interface": settings.interface}))
    return violations


def same_data_center(
    appliance: Vm, source: Vm, places: tuple[Location, Location]
) -> list[Violation]:
    """Refuse a source VM in a data centre that the appliance's host cannot reach."""
    mine, theirs = places
    if mine.data_center_id == theirs.data_center_id:
        return []
    message = (
        f"The source VM {source.name!r} is in another data centre than the appliance"
        f" {appliance.name!r}."
    )
    evidence = {"appliance": mine.data_center_id, "source_vm": theirs.data_center_id}
    return [Violation(SAME_DATA_CENTER, message, evidence)]


def not_in_preview(appliance: Vm, snapshots: Iterable[Snapshot]) -> list[Violation]:
    """Refuse an appliance that previews a snapshot. A snapshot in creation is waited for."""
    return [
        Violation(
            APPLIANCE_READY,
            f"The appliance {appliance.name!r} is previewing a snapshot.",
            {"snapshot_id": snapshot.id, "status": snapshot.status},
        )
        for snapshot in snapshots
        if snapshot.status == "in_preview"
    ]


@dataclass(frozen=True)
class NamedDisk:
    """The part of a disk that a message needs."""

    disk_id: str
    alias: str


def checkpoints_kept(
    engine_version: str, disks: Iterable[SnapshotDisk | NamedDisk], checkpointed: Checkpointed
) -> list[Violation]:
    """Refuse disks whose checkpoints the engine would clear at the detach (docs/engine.md#checkpoints)."""
    if not clears_checkpoints(engine_version):
        return []
    return [
        Violation(
            CHECKPOINTS,
            f"Disk {disk.alias!r} {_has_checkpoints(disk.disk_id, checkpointed)}, which"
            f" {_clearing(engine_version)} when its snapshot is detached.",
            {
                "disk_id": disk.disk_id,
                "engine_version": engine_version,
                "certain": disk.disk_id in checkpointed.disk_ids,
            },
        )
        for disk in disks
        if disk.disk_id in (*checkpointed.disk_ids, *checkpointed.possible)
    ]


def _has_checkpoints(disk_id: str, checkpointed: Checkpointed) -> str:
    if disk_id in checkpointed.disk_ids:
        return "has checkpoints"
    why = (
        "this user may not see them"
        if checkpointed.hidden
        else "the engine's list shows none, and leaves out those whose parent was deleted"
    )
    return f"is enabled for incremental backup, so it may have checkpoints ({why})"


def _clearing(engine_version: str) -> str:
    """Say what an engine of this version does to checkpoints; for a build it is an assumption."""
    if _release(engine_version) is not None:
        return f"engine {engine_version} would clear"
    told = f"engine version {engine_version!r}" if engine_version else "an unknown engine version"
    return f"an engine newer than 4.5.7 would clear ({told} is no release, and counts as one)"


_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(?:\.\d+)*-\d[\w.~^-]*)?")
"""Three numbers, more if the package's release follows, such as 4.5.7-1.el9 and 4.3.10.4-1.el7."""
_BUILD = re.compile(r"snapshot|master|git", re.IGNORECASE)


def _release(engine_version: str) -> tuple[int, int, int] | None:
    """Return the numbers of a release; None for an own build or an unknown version.

    An engine built from the sources announces 4.4.0.0, whatever it is
    (docs/engine.md#the-engines-version).
    """
    found = _RELEASE.fullmatch(engine_version)
    if found is None or _BUILD.search(engine_version):
        return None
    return int(found[1]), int(found[2]), int(found[3])


def clears_checkpoints(engine_version: str) -> bool:
    """Tell whether a detach clears checkpoints: from 4.5.8 on, and, to be safe, if the version is not a release."""
    numbers = _release(engine_version)
    return numbers is None or numbers >= (4, 5, 8)


def disks_plugged(source: Vm, unplugged: Iterable[NamedDisk]) -> list[Violation]:
    """Refuse to make a snapshot that could not be removed.

    Args:
        unplugged: Disks of the source VM that a snapshot would include and that are not plugged.
    """
    if source.status == "down":
        return []
    return [
        Violation(
            DISKS_PLUGGED,
            f"Disk {disk.alias!r} of {source.name!r} is not plugged.",
            {"disk_id": disk.disk_id, "status": source.status},
        )
        for disk in unplugged
    ]


def same_host(appliance: Vm, source: Vm) -> list[Violation]:
    """Warn if both VMs run on one host, or if that is unknown: a detach may disturb the source VM's paths."""
    if not _runs(appliance) or not _runs(source):
        return []
    names = f"{source.name!r} and the appliance {appliance.name!r}"
    if not source.host_id or not appliance.host_id:
        message = (
            f"It is not known whether {names} run on one host: the engine shows the hosts of VMs to"
            " administrators only."
        )
        return [Violation(SAME_HOST, message, {"host_id": None})]
    if source.host_id != appliance.host_id:
        return []
    return [Violation(SAME_HOST, f"{names} run on one host.", {"host_id": source.host_id})]


def _runs(vm: Vm) -> bool:
    return vm.status not in ("down", "suspended")


def only_disk_snapshots(holdings: Iterable[Holding]) -> list[Violation]:
    """Refuse to detach a disk that is not a disk snapshot."""
    return [
        Violation(
            DETACH_ONLY,
            f"Disk {holding.alias!r} on the appliance is not a disk snapshot.",
            {"disk_id": holding.disk_id},
        )
        for holding in holdings
        if not holding.is_disk_snapshot
    ]


BY_REASON: dict[str, Rule] = {
    "already_attached": ONE_PER_DISK,
    "other_data_center": SAME_DATA_CENTER,
    "snapshot_not_regular": SNAPSHOT_REGULAR,
    "snapshot_in_preview": SNAPSHOT_REGULAR,
    "disk_illegal": DISK_HEALTHY,
    "disks_unplugged": DISKS_PLUGGED,
    "boot_in_use": BOOT,
    "interface_no_hotplug": INTERFACE,
    "interface_unsupported": INTERFACE,
    "read_only_unsupported": INTERFACE,
    "vm_status": APPLIANCE_READY,
    "vm_in_preview": APPLIANCE_READY,
    "no_free_slot": APPLIANCE_READY,
    "virtio_scsi_disabled": APPLIANCE_READY,
    "disk_snapshot_attached": SOURCE_FROZEN,
    "plugged_disk_snapshot": NO_MIGRATION,
    "disk_configured_in_snapshot": DETACH_ONLY,
}
"""The rule behind a refusal of the engine, by ``conflicts.Meaning.reason``."""

NO_RULE: dict[str, str] = {
    "not_attached": "The disk is already detached; the modules check that.",
    "already_detached": "The disk is already detached; the modules check that.",
    "disk_not_in_snapshot": "Only possible if the disk vanished after the modules looked.",
    "snapshot_missing": "Only possible if the snapshot vanished after the modules looked.",
    "vm_missing": "Only possible if the VM vanished after the modules looked.",
    "disk_id_taken": "If the id of the original is not free, a restore uses another one.",
    "plug_failed": "Only the host knows whether it can plug a disk.",
    "unplug_failed": "Only the guest knows whether it can release the disk; retried until the timeout.",
    "host_unreachable": "A detach is retried. An attach is not, because the host may still plug the disk.",
    "domain_unreachable": "A problem of the storage; the host refuses before anything changes.",
    "volume_missing": "Only possible if the volume vanished after the modules looked.",
    "host_refused": "Only the host knows why.",
    "pass_discard_unsupported": "Only on request; the engine knows the storage, and refuses before anything changes.",
    "domain_status": "A problem of the storage; the engine refuses before anything changes.",
    "domain_space": "A problem of the storage; the engine refuses before anything changes.",
    "backup_domain": "A property of the storage; the engine refuses before anything changes.",
    "hosted_engine_disk": "The hosted engine has its own backup; the engine refuses before anything changes.",
    "content_type": "Snapshots include only data disks; backup_plan_info lists the others as left out.",
    "no_reason": "The engine gives no reason.",
    "vm_external": "The engine does not manage the VM, and refuses before anything changes.",
    "managed_block": "A property of the storage; the engine refuses before anything changes.",
    "already_activated": "No module plugs or unplugs an attachment in place.",
    "already_deactivated": "No module plugs or unplugs an attachment in place.",
    "disk_snapshot_resize": "No module changes the size of a disk.",
    "insufficient_query": "A missing permit; the message says so.",
}
"""Final refusals of the engine that need no rule, and why. Those that pass by themselves are waited
for."""


def explain(fault: EngineFault) -> BackupError:
    """Turn the engine's refusal into one by our rule, if a rule covers it; return any other unchanged."""
    rule = BY_REASON.get(fault.reason)
    if rule is None:
        return fault
    violation = Violation(rule, fault.message, {"reason": fault.reason})
    return Refused(
        f"{fault.message} [{rule.id}]",
        # The advice in the table of refusals fits this case better than the rule's, which covers many cases.
        hint=fault.hint or rule.remedy,
        details={**fault.details, "violations": [violation.to_dict()]},
    )


def enforce(violations: Sequence[Violation]) -> None:
    """Raise if any rule is broken.

    Raises:
        Refused: Every violation is in ``details``.
    """
    if not violations:
        return
    text = " ".join(f"{violation.message} [{violation.rule.id}]" for violation in violations)
    remedies = " ".join(dict.fromkeys(violation.rule.remedy for violation in violations))
    raise Refused(
        text,
        hint=remedies,
        details={"violations": [violation.to_dict() for violation in violations]},
    )
