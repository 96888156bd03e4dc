# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``restore_source_info``: choose the set to restore, read it and check it."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images import qemu
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    digest,
    files,
    identity,
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ImageError,
    NotFound,
    OvfInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    ReadOnlyOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import image_files
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    catalogue,
    manifest,
    naming,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    disk_image_restore,
    restore_source_info,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RestoreSourceInfo(ReadOnlyOperation):
    """Choose a set, and check that it can be restored."""

    def __init__(
        self, request: restore_source_info.SourceRequest, host: System | None = None
    ) -> None:
        """Keep the request.

        Args:
            host: The appliance; this machine by default.
        """
        self._request = request
        self._host = host or System()

    def plan(self) -> Plan[NoStep]:
        """Read the set; there is nothing to do.

        Raises:
            BackupError: It is not a set, or is damaged, or its files contradict each other.
        """
        restore_source_info.check_source(self._request)
        qemu.locate()  # Report a missing qemu-img now, before the restore makes anything.
        entry, warnings = self._entry()
        found, text = read_set(entry, self._request.disks)
        chosen = disk_image_restore.select(found, self._request.disks)
        with held(entry.path):
            check_images(entry.path, chosen, verify=self._request.verify)
        return Plan(
            result={
                "set": catalogue.to_dict(entry),
                "manifest": manifest.to_dict(found),
                "ovf": text,
                "disks": [disk.id for disk in chosen],
                "verified": self._request.verify,
                "notes": list(warnings),
                "machine_id": identity.machine(self._host),
            },
            warnings=warnings,
        )

    def _entry(self) -> tuple[catalogue.Entry, tuple[str, ...]]:
        """Return the set, and notes on the choice."""
        request = self._request
        if not request.vm:
            return entry_at(request.path), ()
        found = repository.read(request.repository)
        hidden = found.unread(request.vm)
        try:
            entry = catalogue.choose(found.entries, request.vm, request.before, request.disks)
        except NotFound:
            if hidden:
                raise catalogue.unread_error(hidden[0]) from None
            raise
        passed = catalogue.passed_over(found.entries, entry, request.before)
        other = catalogue.other_name(entry, request.vm)
        return entry, (*other, *(f"{one.path} {one.reason}." for one in hidden), *passed)


def read_set(entry: catalogue.Entry, words: Sequence[str] = ()) -> tuple[manifest.Manifest, str]:
    """Return the manifest and the configuration of a set, which agree.

    Args:
        words: Names or ids of the wanted disks; empty means all.

    Raises:
        BackupError: It is not a set, or is damaged, or its files contradict each other.
    """
    found = disk_image_restore.good_manifest(entry, words)
    disk_image_restore.check_whole(found)
    text = _configuration(entry.path, found)
    disk_image_restore.check_agreement(found, ovf.read(text))
    return found, text


def prove(path: str, data: bytes) -> None:
    """Read a set from the disk as a restore would, before its manifest is written.

    Only the content of the images is not read again: the copy has verified it.

    Args:
        data: The manifest that will be written.

    Raises:
        BackupError: A restore would refuse the set.
    """
    place = naming.SetPath.parse(backup_set.plain_path("path", path))
    try:
        fd = opening.directory(place.above)
    except OSError as exc:
        raise image_files.unread(place.above, str(exc.strerror)) from exc
    try:
        seen = repository.see(fd, place.vm_directory, place.name, set())
    finally:
        os.close(fd)
    if not seen:
        raise ImageError(
            f"The set {path} no longer exists.", hint="Paths of sets are listed by backup_set_info."
        )
    entry = catalogue.judge(place.repository, replace(seen[0], manifest=data))
    found, _text = read_set(entry)
    check_images(entry.path, found.disks, verify=False)


def entry_at(path: str) -> catalogue.Entry:
    """Return the set in a directory of a repository.

    Raises:
        InvalidRequest: It is not a set.
    """
    plain = backup_set.plain_path("path", path)
    return catalogue.find(repository.read(naming.SetPath.parse(plain).repository), [plain])[0]


@contextmanager
def held(path: str) -> Iterator[None]:
    """Hold the set in a directory for reading: it is not pruned meanwhile.

    Raises:
        ImageError: It is gone, or being removed, or cannot be read.
    """
    with ExitStack() as stack:
        try:
            fd = stack.enter_context(repository.held_at(path))
        except repository.UnreadError as exc:
            raise disk_image_restore.unread_image(path, str(exc)) from exc
        if fd is None:
            raise ImageError(
                f"The set {path} no longer exists, or is being removed.",
                hint="Restore another set. To keep a set from being pruned, use backup_set_protection.",
                details={"path": path},
            )
        yield


def check_images(path: str, disks: Sequence[manifest.ManifestDisk], *, verify: bool) -> None:
    """Check that the images are what the manifest says.

    Raises:
        ImageMismatch: Names the first one that is not.
    """
    for disk in disks:
        with opened_image(path, disk) as fd:
            if verify:
                check_hash(path, disk, fd)


@contextmanager
def opened_image(path: str, disk: manifest.ManifestDisk) -> Iterator[int]:
    """Open an image for reading, if its length and header are right.

    Raises:
        ImageMismatch: They are not.
        ImageError: It cannot be read.
    """
    target = f"{path}/{disk.file}"
    try:
        fd = opening.regular_file(target)
    except opening.NotRegularError as exc:
        raise disk_image_restore.bad_image(target, "is not a regular file") from exc
    except OSError as exc:
        if opening.could_not_look(exc):
            raise disk_image_restore.unread_image(target, str(exc.strerror)) from exc
        raise disk_image_restore.bad_image(target, f"cannot be opened ({exc.strerror})") from exc
    try:
        status = os.fstat(fd)
        fault = disk_image_restore.image_fault(disk, status.st_size, _head(target, fd))
        if fault:
            raise disk_image_restore.bad_image(target, fault)
        yield fd
    finally:
        os.close(fd)


def _head(target: str, fd: int) -> bytes:
    try:
        return os.pread(fd, image_files.QCOW2_HEADER_LENGTH, 0)
    except OSError as exc:
        raise disk_image_restore.unread_image(target, str(exc.strerror)) from exc


def check_hash(path: str, disk: manifest.ManifestDisk, fd: int) -> None:
    """Check the content of an open image.

    Raises:
        ImageMismatch: The content differs.
        ImageError: It could not be read.
    """
    target = f"{path}/{disk.file}"
    files.forget(fd)
    try:
        found = digest.sha256(fd, disk.file_size, Event())
    except digest.ShortReadError as exc:
        raise disk_image_restore.bad_image(target, f"could not be read ({exc})") from exc
    except OSError as exc:
        raise disk_image_restore.unread_image(target, str(exc.strerror)) from exc
    if found != disk.file_sha256:
        raise disk_image_restore.bad_image(target, "does not match the checksum in the manifest")


def _configuration(path: str, found: manifest.Manifest) -> str:
    """Return the text of the configuration.

    Raises:
        OvfInvalid: It is not the one that the manifest records.
    """
    target = f"{path}/{found.ovf.file}"
    # A longer file is refused unread.
    limit = min(found.ovf.size, ovf.BYTES_LIMIT) + 1
    try:
        data = opening.read_regular(target, limit)
    except OSError as exc:
        raise image_files.unread(target, str(exc.strerror)) from exc
    if hashlib.sha256(data).hexdigest() != found.ovf.sha256:
        raise OvfInvalid(
            f"{target} does not match the checksum in the manifest.",
            hint="The set is damaged, or was changed. Restore an older one.",
            details={"path": target},
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise OvfInvalid(
            f"{target} is not UTF-8.",
            hint="The set is damaged, or was changed. Restore an older one.",
            details={"path": target},
        ) from exc
