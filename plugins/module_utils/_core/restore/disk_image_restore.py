# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a set's images to new disks: the request, what may be overwritten, and how qemu-img is called.

A device is written to only if all of it is blank, or if this same restore found it blank before and
was interrupted. So no disk with data is ever overwritten. The exception are new raw disks on block
storage, which the caller must name: the storage does not zero them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    DeviceLost,
    ImageError,
    ImageMismatch,
    InvalidRequest,
    ManifestInvalid,
    NoSpace,
    NotFound,
    OvfInvalid,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import image_files
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.catalogue import (
    CORRUPT,
    UNREADABLE,
    UNSUPPORTED,
    has_good_disks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.ovf import (
        Configuration,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.catalogue import (
        Entry,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.manifest import (
        Manifest,
        ManifestDisk,
    )

DONE = "done"
WRITE = "write"
REWRITE = "rewrite"

_RESTORE_ID = re.compile(r"[0-9a-zA-Z_-]{1,36}")


@dataclass(frozen=True)
class WriteTarget:
    """An image of the set, and the new disk to write it to.

    Attributes:
        serial: The new disk's id.
        blank: Whether the device must be blank. A raw disk on block storage holds what was there
            before it was made.
        same_id: Whether the new disk has the id of the original, which is gone.
        storage: Name of the new disk's storage domain; empty if unknown.
    """

    disk_id: str
    serial: str
    blank: bool = True
    same_id: bool = False
    storage: str = ""


@dataclass(frozen=True)
class WriteRequest:
    """The request of ``disk_image_restore``.

    Attributes:
        path: The set's directory.
        restore_id: The id of the restore; only the same one continues what it left unfinished.
        device_timeout: Seconds to wait for the devices to appear.
    """

    path: str
    restore_id: str
    targets: tuple[WriteTarget, ...]
    device_timeout: float = 60.0


def job_key(request: WriteRequest) -> str:
    """Return the name of a request's job: the same for the same writing, whatever the time-outs."""
    wanted = [request.path, request.restore_id, [asdict(target) for target in request.targets]]
    return hashlib.sha256(json.dumps(wanted).encode("ascii")).hexdigest()[:32]


def check_write(request: WriteRequest) -> None:
    """Refuse a contradictory request.

    Raises:
        InvalidRequest: Names the first contradiction.
    """
    if not _RESTORE_ID.fullmatch(request.restore_id):
        raise InvalidRequest(
            f"{request.restore_id!r} is not a restore id as restore_plan_info returns it."
        )
    if not request.targets:
        raise InvalidRequest("The list of images is empty.")
    for what in ("disk_id", "serial"):
        values = [getattr(target, what) for target in request.targets]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise InvalidRequest(f"The same {what} is given twice: {', '.join(twice)}.")
    same = [
        target.serial
        for target in request.targets
        if target.serial == target.disk_id and not target.same_id
    ]
    if same:
        raise InvalidRequest(
            f"{', '.join(same)} is the original disk. A restore writes only to new disks."
        )


def good_manifest(entry: Entry, disks: Sequence[str] = ()) -> Manifest:
    """Return the manifest of a set if the set can be restored.

    Args:
        disks: Names or ids of the wanted disks; empty means all. Only these must be good.

    Raises:
        ManifestInvalid: The set is of a later release.
        ImageMismatch: It is damaged.
        ImageError: It cannot be read.
        Refused: It is unfinished, or its parent is missing.
    """
    if entry.manifest and has_good_disks(entry, disks):
        return entry.manifest
    kinds: dict[str, type[BackupError]] = {
        UNSUPPORTED: ManifestInvalid,
        CORRUPT: ImageMismatch,
        UNREADABLE: ImageError,
    }
    kind = kinds.get(entry.state, Refused)
    other = _good_disks(entry)
    raise kind(
        f"The set {entry.path} cannot be restored, it is {entry.state}: {entry.reason}",
        hint="backup_set_info lists the sets that are complete. Nothing was changed."
        + (f" Disks of it that can be restored alone: {other}." if other else ""),
        details={"path": entry.path, "state": entry.state, "reason": entry.reason},
    )


def _good_disks(entry: Entry) -> str:
    disks = entry.manifest.disks if entry.manifest else ()
    good = [disk for disk in disks if entry.has_good([disk.file])]
    return ", ".join(f"{disk.alias} ({disk.id})" for disk in good)


def check_whole(manifest: Manifest) -> None:
    """Refuse a set with incremental images.

    Raises:
        Refused: An image builds on that of another set.
    """
    partial = [disk.alias for disk in manifest.disks if disk.parent is not None]
    if partial:
        raise Refused(
            f"This release cannot restore images that depend on other sets: {partial}.",
            details={"problems": partial},
        )


def check_agreement(manifest: Manifest, configuration: Configuration) -> None:
    """Refuse a configuration that does not belong to the set's VM.

    Raises:
        OvfInvalid: It names another VM, or lacks a disk of the set.
    """
    check_belongs(manifest.vm.id, [disk.id for disk in manifest.disks], configuration)


def check_belongs(vm_id: str, disk_ids: Sequence[str], configuration: Configuration) -> None:
    """Refuse a configuration that does not belong to a VM whose set has no manifest yet.

    Raises:
        OvfInvalid: It names another VM, or lacks one of the disks.
    """
    faults = []
    if configuration.vm_id != vm_id:
        faults.append(f"belongs to another VM, {configuration.vm_id!r}")
    known = {disk.disk_id for disk in configuration.disks}
    faults += [f"does not name disk {disk_id}" for disk_id in disk_ids if disk_id not in known]
    if faults:
        raise OvfInvalid(
            f"The configuration (OVF) {'; '.join(faults)}.",
            hint="It does not belong to this set's manifest. Nothing was changed.",
            details={"faults": faults},
        )


def select(manifest: Manifest, words: Sequence[str]) -> tuple[ManifestDisk, ...]:
    """Return the disks with these names or ids; with no words, all disks.

    Raises:
        NotFound: A word matches no disk, or several.
    """
    if not words:
        return manifest.disks
    chosen = {}
    for word in words:
        matches = [disk for disk in manifest.disks if word in (disk.id, disk.alias)]
        if len(matches) != 1:
            there = ", ".join(f"{disk.alias} ({disk.id})" for disk in manifest.disks)
            raise NotFound(
                f"{len(matches)} disks of the set have the name or id {word!r}.",
                hint=f"It has: {there}.",
                details={"disks": [disk.id for disk in manifest.disks]},
            )
        chosen[matches[0].id] = matches[0]
    return tuple(disk for disk in manifest.disks if disk.id in chosen)


def image_fault(disk: ManifestDisk, size: int, head: bytes) -> str:
    """Return what is wrong with an image's size or header, before any program opens it.

    A backing file or an external data file would make ``qemu-img`` open other files through this
    one.
    """
    if size != disk.file_size:
        return f"has {size} bytes, not {disk.file_size}"
    if disk.format == "raw":
        return ""
    header = image_files.parse_qcow2_header(head)
    if header is None:
        return "is not a qcow2 image"
    if header.backing_file or header.external_data or header.encrypted:
        return "depends on other files (backing file, external data file or encryption)"
    if header.virtual_size != disk.virtual_size:
        return f"holds a disk of {header.virtual_size} bytes, not {disk.virtual_size}"
    return ""


def bad_image(path: str, fault: str) -> ImageMismatch:
    """Return the error for an image that differs from its record."""
    return ImageMismatch(
        f"{path} {fault}.",
        hint="The set is damaged. Restore an older one; backup_set_verify finds the others.",
        details={"path": path, "fault": fault},
    )


def unread_image(path: str, said: str) -> ImageError:
    """Return the error for an image that could not be read; the image may still be good."""
    return ImageError(
        f"{path} could not be read: {said}.",
        hint="The set itself may be good. Check the repository's file system and the appliance's kernel log.",
        details={"path": path},
    )


@dataclass(frozen=True)
class DeviceContent:
    """The result of reading a whole device."""

    sha256: str
    blank: bool


@dataclass(frozen=True)
class WriteRecord:
    """What is recorded about a device before the first byte is written to it."""

    restore_id: str
    serial: str
    size: int
    content_sha256: str


def key(record: WriteRecord) -> str:
    """Return the name of a record's file."""
    text = json.dumps(asdict(record), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def decide(wanted: WriteRecord, content: DeviceContent, begun: bool, device: str) -> str:
    """Decide what to do with a device.

    Args:
        begun: Whether its content may be overwritten: this restore began to write to it, or it was
            made without being zeroed.

    Raises:
        Refused: It holds data, and nothing shows that this restore wrote it.
    """
    if content.sha256 == wanted.content_sha256:
        return DONE
    if content.blank:
        return WRITE
    if begun:
        return REWRITE
    raise Refused(
        f"{device} (serial {wanted.serial}) is not blank, and this restore has not begun to write to"
        " it. It was left unchanged.",
        hint="Check that it is a new disk. After a restart of the appliance an interrupted restore begins"
        " with new disks: let the role remove its own, then run it again.",
        details={"serial": wanted.serial, "device": device, "problems": ["not blank"]},
    )


def write_argv(
    qemu_img: str, disk: ManifestDisk, image: str, device: str, *, blank: bool
) -> list[str]:
    """Return the command that writes an image: past the page cache, and with zeros only if the device may hold data."""
    argv = [qemu_img, "convert", "-n", "-f", disk.format, "-O", "raw", "-t", "none"]
    if blank:
        argv.append("--target-is-zero")
    return [*argv, image, device]


def write_fault(
    outcome: image_files.Outcome, device: str, disk: ManifestDisk, target: WriteTarget
) -> BackupError:
    """Return the error that a failed ``qemu-img convert`` to a device means."""
    said, text = outcome.stderr.strip(), outcome.stderr.lower()
    if "error while writing" in text or image_files.is_no_space(text):
        return not_written(device, disk, target, said)
    if f"could not open '{device.lower()}'" in text:
        return device_lost(device, said, disk.alias)
    return image_files.tool_failed("qemu-img convert", outcome)


def device_lost(device: str, said: str, alias: str = "") -> DeviceLost:
    """Return the error for a new disk that disappeared or cannot be read."""
    named = f"Disk {alias!r} ({device})" if alias else device
    return DeviceLost(
        f"{named} was lost: {said}.",
        hint="It may have been detached during the restore. Check the engine's events and the appliance's kernel log.",
        details={"device": device, "said": said},
    )


def not_written(device: str, disk: ManifestDisk, target: WriteTarget, said: str) -> BackupError:
    """Return the error for a new disk that accepted no more bytes.

    The host reports "no space" only by some interfaces; by others it is an I/O error, or the
    appliance is paused.
    """
    where = f"storage domain {target.storage!r}" if target.storage else "its storage domain"
    details = {"device": device, "said": said, "storage": target.storage}
    if image_files.is_no_space(said.lower()):
        return NoSpace(
            f"Disk {disk.alias!r} was not written completely: {where} is full ({said}).",
            hint="Free space in the storage domain, or enlarge it, or restore to another one with"
            f" {option('storage_domain', of='restore_plan_info')}; then run the restore again.",
            details=details,
        )
    return DeviceLost(
        f"Disk {disk.alias!r} ({device}) was not written completely: {said}.",
        hint=f"If {where} is full, free space in it, enlarge it, or restore to another one with"
        f" {option('storage_domain', of='restore_plan_info')}. Otherwise the engine's events and the appliance's kernel log show what happened to the disk.",
        details=details,
    )


def blank_result(disk: ManifestDisk, target: WriteTarget, device: str) -> dict[str, Any]:
    """Return the result keys of one image that are known before anything is written."""
    return {
        "disk_id": disk.id,
        "alias": disk.alias,
        "serial": target.serial,
        "device": device,
        "virtual_size": disk.virtual_size,
        "content_sha256": disk.content_sha256,
        "seconds": None,
        "changed": True,
    }
