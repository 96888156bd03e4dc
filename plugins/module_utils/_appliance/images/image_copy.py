# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of devices to image files, as the job of ``disk_image_copy`` runs it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    device,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images import qemu
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.meter import (
    Meter,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageMismatch,
    InvalidRequest,
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
    image_files,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

Result = dict[str, Any]

_BLOCK = 512
"""Unit of st_blocks, whatever the file system's block size."""


@dataclass(frozen=True)
class CopyStep:
    """One device to copy."""

    image: disk_image_copy.ImageRequest
    device: str


class ImageCopy(Operation[CopyStep]):
    """Copy one or several devices to image files."""

    def __init__(
        self,
        request: disk_image_copy.CopyRequest,
        host: Host | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Keep the request.

        Args:
            request: What to copy.
            host: The appliance; this machine by default.
            meter: Counts every byte; none by default.
        """
        self._request = request
        self._host = host or Host()
        self._finder = device.Finder(self._host)
        self._meter = meter or Meter(self._host.clock, request, lambda _progress: None)

    def plan(self) -> Plan[CopyStep]:
        """Find every device, check it, and see which images exist already. Writes nothing."""
        disk_image_copy.check_request(self._request)
        check_directories(self._request)
        qemu_img = qemu.locate()
        sizes = {image.serial: image.size for image in self._request.images}
        _found, warnings = self._finder.find(sizes, self._request.device_timeout)
        results = [self._inspect(qemu_img, image) for image in self._request.images]
        steps = tuple(
            CopyStep(image, result["device"])
            for image, result in zip(self._request.images, results)
            if result["changed"]
        )
        kept = [result["dest"] for result in results if not result["changed"]]
        return Plan(
            steps=steps,
            result={"images": results},
            before={"images": kept},
            after={"images": [result["dest"] for result in results]},
            warnings=warnings,
        )

    def execute(self, plan: Plan[CopyStep]) -> Mapping[str, Any]:
        """Copy what does not exist yet; stop at the first failure and report what was done.

        Raises:
            BackupError: ``details["done"]`` has the results of finished images.
        """
        for step in plan.steps:
            if not isinstance(step, CopyStep):
                unhandled(step)
        qemu_img = qemu.locate()
        results: dict[str, Result] = {result["dest"]: result for result in plan.result["images"]}
        done = [result for result in results.values() if not result["changed"]]
        for step in plan.steps:
            try:
                result = self._copy(qemu_img, step.image)
            except BackupError as exc:
                exc.details.update(serial=step.image.serial, dest=step.image.dest, done=done)
                raise
            results[step.image.dest] = result
            done.append(result)
        return {"images": list(results.values())}

    def _claimed(
        self, image: disk_image_copy.ImageRequest
    ) -> AbstractContextManager[device.DeviceClaim]:
        """Hold the device of an image."""
        return device.claimed(self._host, image, self._finder)

    def _inspect(self, qemu_img: str, image: disk_image_copy.ImageRequest) -> Result:
        """Return the result keys of one image that are known before anything is written."""
        with self._claimed(image) as claim:
            if os.path.lexists(image.dest):
                return self._existing(qemu_img, image, claim)
            return disk_image_copy.blank_result(image, self._request, claim.device.path)

    def _existing(
        self, qemu_img: str, image: disk_image_copy.ImageRequest, claim: device.DeviceClaim
    ) -> Result:
        """Check that an existing file is the image.

        Raises:
            ImageExists: It is something else.
        """
        start = self._host.clock.now()
        fd = _open_existing(image.dest)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise image_files.image_exists(image.dest, "is not a regular file")
            head = os.pread(fd, image_files.QCOW2_HEADER_LENGTH, 0)
            fmt = self._request.format
            image_files.check_found(image.dest, fmt, image.size, status.st_size, head)
            stored = qemu.Stored(image.dest, fd, fmt, status.st_size)
            proof = qemu.prove(qemu_img, claim, stored, self._meter.at)
            self._meter.passed(image.size)
        except ImageMismatch as exc:
            raise image_files.image_exists(
                image.dest, "differs from the content of the device"
            ) from exc
        finally:
            os.close(fd)
        seconds = {"copying": 0.0, "verifying": _rounded(self._host.clock.now() - start)}
        return {
            **disk_image_copy.blank_result(image, self._request, claim.device.path),
            **_result(status, proof, image.size, seconds),
            "compression": image_files.found_compression(head),
            "changed": False,
        }

    def _copy(self, qemu_img: str, image: disk_image_copy.ImageRequest) -> Result:
        """Copy one device, verify the copy, and only then give it its name."""
        clock = self._host.clock
        fmt = self._request.format
        with self._claimed(image) as claim, files.part(image.dest) as part:
            device.set_read_only(claim)
            start = clock.now()
            qemu.convert(qemu_img, self._request, claim, part, self._meter.at)
            _sync(part, image.size)
            self._meter.passed(image.size)
            copied = clock.now()
            status = os.fstat(part.fd)
            stored = qemu.Stored(part.path, part.fd, fmt, status.st_size)
            proof = qemu.prove(qemu_img, claim, stored, self._meter.at)
            self._meter.passed(image.size)
            files.publish(part)
            verified = clock.now()
            files.forget(claim.fd, part.fd)  # nothing reads these pages again
            seconds = {
                "copying": _rounded(copied - start),
                "verifying": _rounded(verified - copied),
            }
            return {
                **disk_image_copy.blank_result(image, self._request, claim.device.path),
                **_result(status, proof, image.size, seconds),
            }


def _result(
    status: os.stat_result, proof: qemu.Proof, size: int, seconds: Mapping[str, float]
) -> Result:
    return {
        "bytes_read": size,
        "bytes_stored": status.st_blocks * _BLOCK,
        "file_size": status.st_size,
        "content_sha256": proof.content_sha256,
        "file_sha256": proof.file_sha256,
        "seconds": dict(seconds),
    }


def check_directories(request: disk_image_copy.CopyRequest) -> None:
    """Refuse a destination whose directory does not exist.

    Raises:
        InvalidRequest: A directory is missing.
    """
    for image in request.images:
        parent = os.path.dirname(image.dest)
        if not os.path.isdir(parent):
            raise InvalidRequest(
                f"{parent} is not a directory.", hint="Make the backup set's directory first."
            )


def _open_existing(path: str) -> int:
    try:
        return opening.any_file(path)
    except OSError as exc:
        raise image_files.image_exists(path, f"cannot be opened ({exc.strerror})") from exc


def _sync(part: files.Part, size: int) -> None:
    """Make the data durable; a full file system may be noticed only now."""
    try:
        os.fsync(part.fd)
    except OSError as exc:
        raise files.write_fault(part.dest, size, exc) from exc


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
