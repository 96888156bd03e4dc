# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``disk_image_restore``: write a set's images to new, blank disks."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    device,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images import qemu
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    private,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.process import (
    run,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    restore_source_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageMismatch,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import (
    disk_image_copy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    disk_image_restore,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Callable

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.meter import (
        Meter,
    )

Result = dict[str, Any]

RECORDS = "/run/ovirt_community.backup.restore"
"""Records of devices that were found blank. Only root can write there, and a restart empties the
place: after it, nobody knows what a device holds that is not blank."""

PASSES = 5
"""Passes over a disk: checked, its image read, checked again before the first byte, written,
verified."""

_NOTE_LIMIT = 65536
_CHUNK = 1024 * 1024
_ZEROS = bytes(_CHUNK)


@dataclass(frozen=True)
class WriteStep:
    """One image to write."""

    disk: manifest.ManifestDisk
    target: disk_image_restore.WriteTarget
    device: str
    mode: str


class ImageRestore(Operation[WriteStep]):
    """Write images of one set to new disks.

    The set is held while it is read, so that no prune removes it.
    """

    def __init__(
        self,
        request: disk_image_restore.WriteRequest,
        host: Host | None = None,
        records: str = RECORDS,
        meter: Meter | None = None,
    ) -> None:
        """Keep the request.

        Args:
            request: Which images to write to which disks.
            host: The appliance; this machine by default.
            records: Directory for records of devices that were found blank.
            meter: Counts every byte; none by default.
        """
        self._request = request
        self._meter = meter
        self._host = host or Host()
        self._records = records
        self._finder = device.Finder(self._host)

    def plan(self) -> Plan[WriteStep]:
        """Check the set, find every device, and see which of them may be written. Writes nothing.

        Raises:
            Refused: A device holds data that this restore did not write.
        """
        request = self._request
        disk_image_restore.check_write(request)
        qemu.locate()
        entry = restore_source_info.entry_at(request.path)
        found = disk_image_restore.good_manifest(
            entry, [target.disk_id for target in request.targets]
        )
        disk_image_restore.check_whole(found)
        by_id = {disk.id: disk for disk in found.disks}
        pairs = [(self._disk(by_id, target), target) for target in request.targets]
        restore_source_info.check_images(
            entry.path, [disk for disk, _target in pairs], verify=False
        )
        sizes: dict[str, int | None] = {target.serial: disk.virtual_size for disk, target in pairs}
        _devices, warnings = self._finder.find(sizes, request.device_timeout)
        steps = [self._inspect(disk, target) for disk, target in pairs]
        results = [
            {
                **disk_image_restore.blank_result(step.disk, step.target, step.device),
                "changed": step.mode != disk_image_restore.DONE,
            }
            for step in steps
        ]
        return Plan(
            steps=tuple(step for step in steps if step.mode != disk_image_restore.DONE),
            result={"images": results, "path": entry.path},
            before={"images": [one["serial"] for one in results if not one["changed"]]},
            after={"images": [one["serial"] for one in results]},
            warnings=warnings,
        )

    def execute(self, plan: Plan[WriteStep]) -> Mapping[str, Any]:
        """Write; stop at the first failure and report what was done.

        All images are read before the first byte is written, so that a damaged one is found before
        any writing.

        Raises:
            BackupError: ``details["done"]`` has the results of finished images.
        """
        for step in plan.steps:
            if not isinstance(step, WriteStep):
                unhandled(step)
        qemu_img = qemu.locate()
        path = str(plan.result["path"])
        results: dict[str, Result] = {one["serial"]: one for one in plan.result["images"]}
        done = [result for result in results.values() if not result["changed"]]
        with restore_source_info.held(path):
            for step in plan.steps:
                with _named(step, done):
                    self._prove_image(path, step)
            for step in plan.steps:
                with _named(step, done):
                    result = self._write(qemu_img, path, step)
                results[step.target.serial] = result
                done.append(result)
        return {"images": list(results.values())}

    def _prove_image(self, path: str, step: WriteStep) -> None:
        with restore_source_info.opened_image(path, step.disk) as fd:
            restore_source_info.check_hash(path, step.disk, fd)
        self._passed(step.disk, 1)

    def _disk(
        self, by_id: Mapping[str, manifest.ManifestDisk], target: disk_image_restore.WriteTarget
    ) -> manifest.ManifestDisk:
        disk = by_id.get(target.disk_id)
        if disk is None:
            raise NotFound(
                f"The set {self._request.path} has no disk {target.disk_id}.",
                hint=f"It has: {', '.join(by_id)}.",
                details={"disks": list(by_id)},
            )
        return disk

    def _claim_request(
        self, disk: manifest.ManifestDisk, target: disk_image_restore.WriteTarget
    ) -> disk_image_copy.ImageRequest:
        return disk_image_copy.ImageRequest(target.serial, disk.virtual_size, f"/{disk.file}")

    def _record(
        self, disk: manifest.ManifestDisk, target: disk_image_restore.WriteTarget
    ) -> disk_image_restore.WriteRecord:
        return disk_image_restore.WriteRecord(
            self._request.restore_id, target.serial, disk.virtual_size, disk.content_sha256
        )

    def _inspect(
        self, disk: manifest.ManifestDisk, target: disk_image_restore.WriteTarget
    ) -> WriteStep:
        """Read the device, and decide what may be done with it."""
        wanted = self._record(disk, target)
        with device.claimed(self._host, self._claim_request(disk, target), self._finder) as claim:
            content = self._read(claim)
            may = self._may_overwrite(wanted, target)
            mode = disk_image_restore.decide(wanted, content, may, claim.device.path)
            if mode == disk_image_restore.DONE:
                self._passed(disk, PASSES - 1)
            return WriteStep(disk, target, claim.device.path, mode)

    def _write(self, qemu_img: str, path: str, step: WriteStep) -> Result:
        """Write one image, and check that the device equals what was backed up.

        The device is claimed and examined again: hours may have passed since the plan.
        """
        disk, target = step.disk, step.target
        wanted = self._record(disk, target)
        start = self._host.clock.now()
        request = self._claim_request(disk, target)
        with device.claimed(self._host, request, self._finder) as claim:
            path_now = claim.device.path
            with restore_source_info.opened_image(path, disk):
                if self._may_overwrite(wanted, target):
                    mode = disk_image_restore.REWRITE
                    self._passed(disk, 1)
                else:
                    content = self._read(claim)
                    mode = disk_image_restore.decide(wanted, content, False, path_now)
                if mode != disk_image_restore.DONE:
                    self._note(wanted)
                    blank = mode == disk_image_restore.WRITE
                    _convert(qemu_img, step, (f"{path}/{disk.file}", path_now), blank=blank)
                self._passed(disk, 1)
            _settle(claim, step)
            if self._read(claim).sha256 != disk.content_sha256:
                raise _mismatch(path_now, disk)
            self._forget(wanted)
        seconds = round(self._host.clock.now() - start, 3)
        return {**disk_image_restore.blank_result(disk, target, path_now), "seconds": seconds}

    def _may_overwrite(
        self, wanted: disk_image_restore.WriteRecord, target: disk_image_restore.WriteTarget
    ) -> bool:
        """Tell whether the content of the device does not matter."""
        return not target.blank or self._noted(wanted)

    def _read(self, claim: device.DeviceClaim) -> disk_image_restore.DeviceContent:
        content = _read(claim, self._meter.at if self._meter else None)
        if self._meter:
            self._meter.passed(claim.size)
        return content

    def _passed(self, disk: manifest.ManifestDisk, passes: int) -> None:
        if self._meter:
            self._meter.passed(disk.virtual_size * passes)

    def _path(self, record: disk_image_restore.WriteRecord) -> str:
        return f"{self._records}/{disk_image_restore.key(record)}"

    def _noted(self, record: disk_image_restore.WriteRecord) -> bool:
        """Tell whether this restore began to write to this device."""
        try:
            with private.directory(self._records) as directory:
                name = disk_image_restore.key(record)
                found = json.loads(private.read(name, _NOTE_LIMIT, within=directory))
        except (OSError, ValueError):
            return False
        return bool(found == asdict(record))

    def _note(self, record: disk_image_restore.WriteRecord) -> None:
        """Record that the device was blank, before the first byte is written to it.

        The record needs to survive the death of the run, not a restart.

        Raises:
            InvalidRequest: Others could write the record.
        """
        data = json.dumps(asdict(record)).encode("ascii")
        with private.noted_in(self._records):
            files.write_whole(self._path(record), data, 0o600)

    def _forget(self, record: disk_image_restore.WriteRecord) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path(record))


@contextmanager
def _named(step: WriteStep, done: Sequence[Result]) -> Iterator[None]:
    """Add to an error the image at which it occurred, and which images are finished."""
    try:
        yield
    except BackupError as exc:
        exc.details.update(serial=step.target.serial, disk_id=step.disk.id, done=done)
        raise


def _read(
    claim: device.DeviceClaim, tell: Callable[[int], None] | None = None
) -> disk_image_restore.DeviceContent:
    """Read a whole device once; return its hash, and whether it is blank.

    Args:
        tell: Gets the number of bytes that are done.

    Raises:
        DeviceLost: It could not be read to its end.
    """
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    offset, blank = 0, True
    try:
        while offset < claim.size:
            count = os.preadv(claim.fd, [buffer[: min(_CHUNK, claim.size - offset)]], offset)
            if count == 0:
                raise disk_image_restore.device_lost(
                    claim.device.path, f"ends after {offset} bytes"
                )
            found.update(buffer[:count])
            blank = blank and buffer[:count] == _ZEROS[:count]
            offset += count
            if tell:
                tell(offset)
    except OSError as exc:
        raise disk_image_restore.device_lost(claim.device.path, str(exc.strerror)) from exc
    return disk_image_restore.DeviceContent(found.hexdigest(), blank)


def _convert(qemu_img: str, step: WriteStep, paths: tuple[str, str], *, blank: bool) -> None:
    image, target = paths
    outcome = run(disk_image_restore.write_argv(qemu_img, step.disk, image, target, blank=blank))
    if outcome.code != 0:
        raise disk_image_restore.write_fault(outcome, target, step.disk, step.target)


def _settle(claim: device.DeviceClaim, step: WriteStep) -> None:
    """Flush everything to the storage and drop it from the page cache, so that the check reads the storage."""
    try:
        os.fsync(claim.fd)
        os.posix_fadvise(claim.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as exc:
        said = str(exc.strerror)
        raise disk_image_restore.not_written(
            claim.device.path, step.disk, step.target, said
        ) from exc


def _mismatch(path: str, disk: manifest.ManifestDisk) -> ImageMismatch:
    return ImageMismatch(
        f"Disk {disk.alias!r} was written to {path}, but reading it back gives other bytes than were backed up.",
        hint="Check whether something on the appliance wrote to the device, and whether the storage is damaged.",
        details={"device": path, "disk_id": disk.id},
    )
