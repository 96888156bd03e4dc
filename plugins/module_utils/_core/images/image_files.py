# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files: their formats, how qemu-img is called, and what its answers mean."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    DeviceLost,
    ImageError,
    ImageExists,
    InvalidRequest,
    MissingDependency,
    NoSpace,
    ToolFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = ("qcow2", "raw")
COMPRESSIONS = ("zstd", "none")
PART_SUFFIX = ".part"
UNREAD = "Check the repository's file system and the appliance's kernel log."
"""What to do where a file of the repository cannot be read."""

QCOW2_HEADER_LENGTH = 112
_QCOW2_MAGIC = b"QFI\xfb"
_HEAD = struct.Struct(">4xIQIIQI")
_FEATURES = struct.Struct(">Q")
_VERSION_3 = 3
_COMPRESSION_TYPE = 104
_EXTERNAL_DATA = 1 << 2
_COMPRESSION_BIT = 1 << 3

_NO_SPACE = ("no space left on device", "disk quota exceeded", "file too large")


def check_form(image_format: str, compression: str) -> None:
    """Refuse a format that no image can have.

    Raises:
        InvalidRequest: Compression is requested for a raw image.
    """
    if image_format == "raw" and compression != "none":
        raise InvalidRequest(
            "A raw image cannot be compressed.", hint=f"Use {option('compression', ': none')}."
        )


def compare_argv(qemu_img: str, image: str, device: str) -> tuple[str, ...]:
    """Return the command that compares a qcow2 image with the device.

    It reads through the page cache, so that the hash of the device, computed at the same time, uses
    the same reads.
    """
    return (qemu_img, "compare", "-q", "-f", "qcow2", "-F", "raw", image, device)


@dataclass(frozen=True)
class Qcow2Header:
    """The fields of a qcow2 header that tell whether an image needs other files."""

    version: int
    virtual_size: int
    backing_file: bool
    external_data: bool
    encrypted: bool
    compression: str


def parse_qcow2_header(data: bytes) -> Qcow2Header | None:
    """Parse a qcow2 header (docs/interop/qcow2.txt of QEMU); None if it is not one.

    Args:
        data: The file's first ``QCOW2_HEADER_LENGTH`` bytes.
    """
    if len(data) < QCOW2_HEADER_LENGTH or data[:4] != _QCOW2_MAGIC:
        return None
    version, backing, _length, _bits, size, crypt = _HEAD.unpack_from(data)
    (features,) = _FEATURES.unpack_from(data, 72) if version >= _VERSION_3 else (0,)
    compressed_by = data[_COMPRESSION_TYPE] if features & _COMPRESSION_BIT else 0
    return Qcow2Header(
        version=version,
        virtual_size=size,
        backing_file=backing != 0,
        external_data=bool(features & _EXTERNAL_DATA),
        encrypted=crypt != 0,
        compression={0: "zlib", 1: "zstd"}.get(compressed_by, "unknown"),
    )


def found_compression(head: bytes) -> str:
    """Return how an existing image is compressed, as far as its header tells."""
    header = parse_qcow2_header(head)
    return "zstd" if header and header.compression == "zstd" else "none"


def check_found(path: str, fmt: str, size: int, file_size: int, head: bytes) -> None:
    """Refuse a file that, by its header and size, cannot be the image.

    A backing file or an external data file would make ``qemu-img`` open other files through this
    one, so such an image is refused before any program reads it.

    Args:
        size: Guest-visible bytes that the image must have.
        file_size: Bytes of the file.

    Raises:
        ImageExists: Says what does not match.
    """
    reason = _raw_fault(size, file_size) if fmt == "raw" else _qcow2_fault(size, head)
    if reason:
        raise image_exists(path, reason)


def image_exists(path: str, reason: str) -> ImageExists:
    """Return the error for an existing file that is not the image."""
    return ImageExists(
        f"{path} exists and {reason}. It was left unchanged.",
        hint="Choose another dest, or move the file away.",
        details={"dest": path, "reason": reason},
    )


def _raw_fault(size: int, file_size: int) -> str:
    return "" if size == file_size else f"has {file_size} bytes, not {size}"


def _qcow2_fault(size: int, head: bytes) -> str:
    header = parse_qcow2_header(head)
    if header is None:
        return "is not a qcow2 image"
    if header.backing_file or header.external_data or header.encrypted:
        return "depends on other files (backing file, external data file or encryption)"
    if header.virtual_size != size:
        return f"has a virtual size of {header.virtual_size} bytes, not {size}"
    return ""


@dataclass(frozen=True)
class Outcome:
    """How a program ended; negative codes are signals, as in ``subprocess``."""

    code: int
    stderr: str


def convert_fault(
    outcome: Outcome, device: str, dest: str, space: Mapping[str, int]
) -> BackupError:
    """Return the error that a failed ``qemu-img convert`` means.

    Args:
        space: ``free`` and ``size`` in bytes, for the message.
    """
    text = outcome.stderr.lower()
    if is_no_space(text):
        return no_space(dest, space, outcome.stderr.strip())
    if "compression" in text and "does not accept value" in text:
        return no_zstd(outcome.stderr.strip())
    if "error while reading" in text or f"could not open '{device.lower()}'" in text:
        return device_lost(device, outcome.stderr.strip())
    return tool_failed("qemu-img convert", outcome)


def compare_fault(outcome: Outcome, device: str) -> BackupError:
    """Return the error for a ``qemu-img compare`` that ended without a verdict."""
    text = outcome.stderr
    if f"of {device}:" in text or f"Could not open '{device}'" in text:
        return device_lost(device, text.strip())
    return tool_failed("qemu-img compare", outcome)


def is_no_space(text: str) -> bool:
    """Tell whether a message, in lower case, says that there is no space left."""
    return any(phrase in text for phrase in _NO_SPACE)


def no_space(dest: str, space: Mapping[str, int], said: str) -> NoSpace:
    """Return the error for a full file system, a quota or the file system's size limit."""
    return NoSpace(
        f"No space for {dest}: {space['free']} bytes are free, up to {space['size']} are needed ({said}).",
        hint="Free space in the repository, enlarge it, or compress.",
        details={"dest": dest, "free": space["free"], "needed": space["size"]},
    )


def device_lost(device: str, said: str) -> DeviceLost:
    """Return the error for a device that had read errors, ended early or disappeared."""
    return DeviceLost(
        f"{device} could not be read to its end: {said}",
        hint="The disk snapshot may have been detached, or its overlay lost, during the copy. Check the appliance's kernel log and the engine's events.",
        details={"device": device, "said": said},
    )


def no_zstd(said: str) -> MissingDependency:
    """Return the error for a qemu-img built without zstd."""
    return MissingDependency(
        f"qemu-img cannot compress with zstd ({said}).",
        hint=f"Install QEMU 5.1 or newer with zstd support, or use {option('compression', ': none')}.",
        details={"program": "qemu-img", "feature": "zstd"},
    )


def unread(path: str, said: str) -> ImageError:
    """Make the error for a file of the repository that cannot be read."""
    return ImageError(f"{path} could not be read: {said}.", hint=UNREAD)


def no_qemu_img() -> MissingDependency:
    """Return the error for an appliance without qemu-img."""
    return MissingDependency(
        "qemu-img is not installed on the appliance.",
        hint="Install the package qemu-utils (Debian, Ubuntu) or qemu-img (EL, Fedora).",
        details={"program": "qemu-img", "packages": {"debian": "qemu-utils", "el": "qemu-img"}},
    )


def tool_failed(what: str, outcome: Outcome) -> ToolFailed:
    """Return the error for a program's failure that has no class of its own."""
    how = f"was ended by signal {-outcome.code}" if outcome.code < 0 else f"failed ({outcome.code})"
    return ToolFailed(
        f"{what} {how}: {outcome.stderr.strip()[-2000:] or 'it said nothing'}",
        details={"program": what, "rc": outcome.code, "stderr": outcome.stderr[-8000:]},
    )


def parse_version(text: str) -> str:
    """Return the version in the first line of ``qemu-img --version``; empty if there is none."""
    match = re.search(r"version (\d+(?:\.\d+)+)", text)
    return match.group(1) if match else ""


def part_of(dest: str) -> str:
    """Return the name under which an image is written until it is complete and verified."""
    return dest + PART_SUFFIX
