# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of devices to image files: the request, and how qemu-img is called."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)

if TYPE_CHECKING:
    pass
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    PART_SUFFIX,
    check_form,
)

_SERIAL = re.compile(r"^[0-9A-Za-z-]{20}\Z|^[0-9A-Za-z-]{36}\Z")


@dataclass(frozen=True)
class ImageRequest:
    """One device to copy.

    Attributes:
        serial: The disk's id, 36 characters, or its first 20.
        size: Exact size of the device in bytes.
        dest: Absolute path of the image.
    """

    serial: str
    size: int
    dest: str


@dataclass(frozen=True)
class CopyRequest:
    """The request of ``disk_image_copy``.

    Attributes:
        device_timeout: Seconds to wait for the devices to appear.
        snapshot: The snapshot that the devices show; empty if the request does not say.
    """

    images: tuple[ImageRequest, ...]
    format: str = "qcow2"
    compression: str = "none"
    device_timeout: float = 60.0
    snapshot: str = ""


def check_request(request: CopyRequest) -> None:
    """Refuse a contradictory request.

    Raises:
        InvalidRequest: Names the first contradiction.
    """
    check_form(request.format, request.compression)
    for image in request.images:
        _check_image(image)
    for what in ("serial", "dest"):
        values = [getattr(image, what) for image in request.images]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise InvalidRequest(f"The same {what} is given twice: {', '.join(twice)}.")


def _check_image(image: ImageRequest) -> None:
    if not _SERIAL.match(image.serial):
        raise InvalidRequest(
            f"{image.serial!r} is not a disk serial: 36 characters of the disk id, or its first "
            "20, are expected."
        )
    if image.size <= 0:
        raise InvalidRequest(f"The size of {image.serial} must be positive, not {image.size}.")
    if not image.dest.startswith("/") or posixpath.normpath(image.dest) != image.dest:
        raise InvalidRequest(f"dest must be an absolute, plain path, not {image.dest!r}.")
    if "\0" in image.dest or image.dest.endswith(PART_SUFFIX):
        raise InvalidRequest(f"dest must not end in {PART_SUFFIX}: {image.dest!r}.")


def convert_argv(qemu_img: str, request: CopyRequest, device: str, part: str) -> tuple[str, ...]:
    """Return the command that copies a device: zeros become holes, reads bypass the page cache.

    Out-of-order writes help when several clusters are compressed at once; for plain copies they
    gain nothing.
    """
    argv = [qemu_img, "convert", "-p", "-f", "raw", "-O", request.format, "-T", "none"]
    if request.compression == "zstd":
        argv += ["-c", "-W", "-o", "compression_type=zstd"]
    return (*argv, device, part)


def blank_result(image: ImageRequest, request: CopyRequest, device: str) -> dict[str, Any]:
    """Return the result keys of one image; those that only the copy knows are null."""
    return {
        "serial": image.serial,
        "device": device,
        "dest": image.dest,
        "virtual_size": image.size,
        "format": request.format,
        "compression": request.compression,
        "bytes_read": None,
        "bytes_stored": None,
        "file_size": None,
        "content_sha256": None,
        "file_sha256": None,
        "seconds": None,
        "changed": True,
    }
