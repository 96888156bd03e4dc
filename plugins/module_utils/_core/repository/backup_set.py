# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests of ``backup_set``, and what it writes."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageMismatch,
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    show_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.serial import (
    serial_forms,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    QCOW2_HEADER_LENGTH,
    parse_qcow2_header,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.catalogue import (
    moment,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.manifest import (
    FORMAT,
    VERSION,
    Manifest,
    ManifestDisk,
    checksum,
    differences,
    dumps,
    from_dict,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.readme import (
    render,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COPIED = (
    "format",
    "compression",
    "file_size",
    "bytes_stored",
    "content_sha256",
    "file_sha256",
)
"""Keys of a result of ``disk_image_copy`` that go into the manifest."""

HEAD_LENGTH = QCOW2_HEADER_LENGTH


@dataclass(frozen=True)
class DiskFacts:
    """What the engine says of a disk of the source VM.

    Attributes:
        virtual_size: Size in bytes.
    """

    id: str
    alias: str
    interface: str
    bootable: bool
    virtual_size: int


@dataclass(frozen=True)
class PrepareRequest:
    """The request to make the directory of a new set.

    Attributes:
        vm: Name and id.
        run: UTC time and run id.
        format: Format of the images to come.
        record: What a later run needs to finish the set; None for no record.
        ovf: The VM's configuration, if it is known already.
    """

    repository: str
    vm: tuple[str, str]
    run: tuple[str, str]
    disks: tuple[DiskFacts, ...]
    format: str
    record: bytes | None = None
    ovf: str | None = None


@dataclass(frozen=True)
class FinishRequest:
    """The request to describe a set whose images are complete.

    Attributes:
        path: The set's directory.
        facts: The content of the manifest, except ``format``, ``version``, ``ovf`` and ``disks``; None to take what
            the set was prepared with.
        images: What ``disk_image_copy`` returned for the disks, in any order.
        ovf: The VM's configuration; None for the one that the set was prepared with.
        finished: When the last image was complete, UTC.
    """

    path: str
    facts: Mapping[str, Any] | None
    disks: tuple[DiskFacts, ...]
    images: tuple[Mapping[str, Any], ...]
    ovf: str | None
    finished: str = ""


@dataclass(frozen=True)
class FoundFile:
    """An existing file: its size, and its first ``HEAD_LENGTH`` bytes."""

    size: int
    head: bytes


def plain_path(what: str, path: str) -> str:
    """Check that a path is absolute and has no detours.

    Raises:
        InvalidRequest: It is not such a path.
    """
    plain = path.rstrip("/") or "/"
    if not path.startswith("/") or posixpath.normpath(plain) != plain or "\0" in plain:
        raise InvalidRequest(f"{what} must be an absolute, plain path, not {path!r}.")
    return plain


_DISKS = "Pass the disks unchanged, as disk_snapshot_attach returns them."


def read_disks(disks: Sequence[Mapping[str, Any]]) -> tuple[DiskFacts, ...]:
    """Return disks from the result of ``disk_snapshot_attach``; unused keys are ignored.

    Raises:
        InvalidRequest: A key is missing.
    """
    return tuple(_read_disk(index, disk) for index, disk in enumerate(disks))


def _read_disk(index: int, disk: Mapping[str, Any]) -> DiskFacts:
    needed = ("disk_id", "alias", "source_interface", "source_bootable", "virtual_size")
    missing = [key for key in needed if disk.get(key) is None]
    if missing:
        raise InvalidRequest(f"disks[{index}] has no {', '.join(missing)}.", hint=_DISKS)
    try:
        size = int(disk["virtual_size"])
    except (TypeError, ValueError) as exc:
        raise InvalidRequest(f"disks[{index}].virtual_size is not a number.", hint=_DISKS) from exc
    return DiskFacts(
        id=str(disk["disk_id"]),
        alias=str(disk["alias"]),
        interface=str(disk["source_interface"]),
        bootable=disk["source_bootable"] is True,
        virtual_size=size,
    )


def told_facts(told: Mapping[str, Any], finished: str) -> dict[str, Any]:
    """Return the facts of a ``FinishRequest`` from the options, or from the record of a set."""
    taken = ("run_id", "correlation_id", "started", "vm", "snapshot", "versions")
    consistency = {"level": told["consistency"], "evidence": told["evidence"]}
    return {**{key: told[key] for key in taken}, "finished": finished, "consistency": consistency}


def as_found(request: FinishRequest, known: Manifest, ovf: str) -> FinishRequest:
    """Complete a request from the manifest of a finished set, which has no record."""
    found = asdict(known)
    kept = ("run_id", "correlation_id", "started", "vm", "snapshot", "versions", "consistency")
    facts = {**{key: found[key] for key in kept}, "finished": request.finished}
    fields = ("id", "alias", "interface", "bootable", "virtual_size")
    disks = [DiskFacts(**{key: disk[key] for key in fields}) for disk in found["disks"]]
    return replace(request, facts=facts, disks=tuple(disks), ovf=ovf)


def names(request: PrepareRequest) -> naming.SetNames:
    """Return every path of the requested set.

    Raises:
        InvalidRequest: See ``naming.set_names``.
    """
    repository = plain_path("repository", request.repository)
    disks = tuple((disk.id, request.format) for disk in request.disks)
    return naming.set_names(repository, request.vm, request.run, disks)


def image_requests(request: PrepareRequest) -> list[dict[str, Any]]:
    """Return the option ``images`` of ``disk_image_copy`` for the requested set."""
    return [
        {"serial": disk.id, "size": disk.virtual_size, "dest": file.dest}
        for disk, file in zip(request.disks, names(request).disks)
    ]


def build(
    request: FinishRequest,
    found: Manifest | None = None,
    clocks: Mapping[str, str] | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and every file to write beside the images, the manifest last.

    Args:
        found: The manifest that exists already. It keeps what was noted at its writing.
        clocks: What three clocks said around the snapshot.

    Raises:
        InvalidRequest: A disk has no image, or an image no disk.
        ManifestInvalid: The facts are not what a manifest can say.
    """
    ovf = (request.ovf or "").encode("utf-8", "surrogatepass")
    manifest = from_dict(
        {
            **(request.facts or {}),
            "format": FORMAT,
            "version": VERSION,
            "ovf": _ovf_entry(ovf),
            "disks": _entries(request),
            **({"clocks": clocks} if clocks else {}),
            "checksum": naming.CHECKSUM,
        }
    )
    if found:
        manifest = replace(manifest, clocks=found.clocks, checksum=found.checksum)
    data = dumps(manifest).encode("ascii")
    vouching = {naming.CHECKSUM: checksum(data)} if manifest.checksum else {}
    files = {
        naming.OVF: ovf,
        naming.README: render(manifest).encode("utf-8"),
        **vouching,
        naming.MANIFEST: data,
    }
    return manifest, files


def _ovf_entry(ovf: bytes) -> dict[str, Any]:
    """Return the manifest's entry of the VM's configuration."""
    return {"file": naming.OVF, "size": len(ovf), "sha256": hashlib.sha256(ovf).hexdigest()}


def _entries(request: FinishRequest) -> list[dict[str, Any]]:
    """Return the manifest's entry of each disk, from what the engine and the copy said of it."""
    if len(request.images) != len(request.disks):
        raise InvalidRequest(
            f"The set has {len(request.disks)} disks, but {len(request.images)} images."
        )
    return [_entry(request, disk) for disk in request.disks]


def _entry(request: FinishRequest, disk: DiskFacts) -> dict[str, Any]:
    images = [image for image in request.images if image.get("serial") in serial_forms(disk.id)]
    if len(images) != 1:
        raise InvalidRequest(f"The disk {disk.id} has {len(images)} images; it must have one.")
    image = images[0]
    directory, file = posixpath.split(str(image.get("dest")))
    if directory != plain_path("path", request.path):
        raise InvalidRequest(f"The image {image.get('dest')} is not in the set's directory.")
    if image.get("virtual_size") != disk.virtual_size:
        raise InvalidRequest(
            f"The image of {disk.id} has {image.get('virtual_size')} bytes, the disk has "
            f"{disk.virtual_size}."
        )
    return {
        **asdict(disk),
        **{key: image.get(key) for key in _COPIED},
        "file": file,
        "parent": None,
    }


def check_images(manifest: Manifest, found: Mapping[str, FoundFile | None]) -> None:
    """Refuse a set whose images are missing or differ from their description.

    Args:
        found: By file name; None for a missing file and for anything but a regular file.

    Raises:
        ImageMismatch: ``details["faults"]`` has every fault.
    """
    checked = {disk.file: _fault(disk, found[disk.file]) for disk in manifest.disks}
    faults = {file: fault for file, fault in checked.items() if fault}
    if faults:
        raise ImageMismatch(
            "The set is not complete: "
            + "; ".join(f"{file} {fault}" for file, fault in faults.items())
            + ".",
            hint="No manifest was written, so this directory is not a backup set.",
            details={"faults": faults},
        )


def _fault(disk: ManifestDisk, found: FoundFile | None) -> str:
    if found is None:
        return "is not there"
    if found.size != disk.file_size:
        return f"has {found.size} bytes, not {disk.file_size}"
    return "" if disk.format == "raw" else _qcow2_fault(disk, found.head)


def _qcow2_fault(disk: ManifestDisk, head: bytes) -> str:
    header = parse_qcow2_header(head)
    if header is None:
        return "is not a qcow2 image"
    if header.virtual_size != disk.virtual_size:
        return f"holds a disk of {header.virtual_size} bytes, not {disk.virtual_size}"
    if header.backing_file and disk.parent is None:
        return "needs a backing file that is not part of the set"
    return ""


def time_dict(manifest: Manifest) -> dict[str, Any]:
    """Return the time of a set as a module's result."""
    found = moment(manifest)
    return {
        "time": show_time(found.time),
        "time_certain": not found.doubt,
        "time_note": found.doubt or found.note,
    }


def time_warnings(path: str, manifest: Manifest) -> tuple[str, ...]:
    """Return warnings if the recorded clocks disagree."""
    found = moment(manifest)
    said = found.doubt or found.note
    if not said or not manifest.snapshot.date:
        return ()
    taken = "No rule of prune counts it, and none removes it." if found.doubt else ""
    return (
        f"The clocks disagree about the time of the set {path}: {said}. {taken} Synchronise the "
        f"clocks of the engine, the controller and the appliance with the same time servers.",
    )


def check_same(path: str, found: Manifest, wanted: Manifest) -> None:
    """Refuse to replace a different manifest.

    Raises:
        Refused: Names the fields that differ.
    """
    fields = differences(found, wanted)
    if fields:
        raise Refused(
            f"{path} is the manifest of a finished set that differs in {', '.join(fields)}. "
            "It was left unchanged.",
            hint="A finished set is never rewritten; every run has a directory of its own.",
            details={"manifest": path, "fields": list(fields)},
        )
