# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files: requests, command lines, headers, and the meaning of qemu-img's messages."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    DeviceLost,
    ImageExists,
    InvalidRequest,
    MissingDependency,
    NoSpace,
    ToolFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import (
    disk_image_copy,
    image_files,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    Outcome,
)

DISK = "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10"
DEVICE = "/dev/sdb"


def one(serial: str = DISK, size: int = 512, dest: str = "/r/a", **options: str) -> CopyRequest:
    return CopyRequest(images=(ImageRequest(serial, size, dest),), **options)  # type: ignore[arg-type]


def header(
    *,
    version: int = 3,
    size: int = 1024,
    backing: int = 0,
    crypt: int = 0,
    features: int = 0,
    compression: int = 0,
) -> bytes:
    head = struct.pack(">4sIQIIQI", b"QFI\xfb", version, backing, 0, 16, size, crypt)
    head = head.ljust(72, b"\0") + struct.pack(">Q", features)
    return (head.ljust(104, b"\0") + bytes([compression])).ljust(112, b"\0")


def test_good_requests_pass() -> None:
    disk_image_copy.check_request(one())
    disk_image_copy.check_request(one(serial=DISK[:20]))
    disk_image_copy.check_request(one(compression="zstd"))
    disk_image_copy.check_request(one(format="raw"))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (one(format="raw", compression="zstd"), "cannot be compressed"),
        (one(serial=DISK[:19]), "not a disk serial"),
        (one(serial=DISK + "\n"), "not a disk serial"),
        (one(serial="../" + DISK[:17]), "not a disk serial"),
        (one(serial=""), "not a disk serial"),
        (one(size=0), "positive"),
        (one(size=-512), "positive"),
        (one(dest="relative"), "absolute"),
        (one(dest="/r/../etc/passwd"), "absolute"),
        (one(dest="/r/"), "absolute"),
        (one(dest="/r/a.part"), "must not end in"),
        (one(dest="/r/a\0b"), "must not end in"),
        (CopyRequest((ImageRequest(DISK, 1, "/a"), ImageRequest(DISK, 1, "/b"))), "same serial"),
        (
            CopyRequest((ImageRequest(DISK, 1, "/a"), ImageRequest(DISK[:20], 1, "/a"))),
            "same dest",
        ),
    ],
)
def test_bad_requests_are_refused(request_: CopyRequest, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        disk_image_copy.check_request(request_)


def test_convert_argv_says_both_formats() -> None:
    assert disk_image_copy.convert_argv("q", one(format="raw"), DEVICE, "/r/a.part") == (
        "q", "convert", "-p", "-f", "raw", "-O", "raw", "-T", "none", DEVICE, "/r/a.part",
    )  # fmt: skip
    assert disk_image_copy.convert_argv("q", one(compression="zstd"), DEVICE, "/r/a.part") == (
        "q", "convert", "-p", "-f", "raw", "-O", "qcow2", "-T", "none",
        "-c", "-W", "-o", "compression_type=zstd", DEVICE, "/r/a.part",
    )  # fmt: skip


def test_headers_are_read() -> None:
    plain = image_files.parse_qcow2_header(header(size=5 * 1024 * 1024 + 512))
    assert plain is not None
    assert plain.virtual_size == 5 * 1024 * 1024 + 512
    assert (plain.backing_file, plain.external_data, plain.encrypted) == (False, False, False)
    assert plain.compression == "zlib"
    assert image_files.found_compression(header(features=8, compression=1)) == "zstd"
    assert image_files.found_compression(header()) == "none"
    assert image_files.found_compression(b"") == "none"


@given(st.binary(max_size=300))
def test_no_bytes_upset_the_header_parser(data: bytes) -> None:
    for found in (data, b"QFI\xfb" + data):
        parsed = image_files.parse_qcow2_header(found)
        assert parsed is None or parsed.version == int.from_bytes(found[4:8], "big")


@pytest.mark.parametrize(
    ("fmt", "file_size", "head", "words"),
    [
        ("raw", 1023, b"", "has 1023 bytes"),
        ("qcow2", 9999, b"", "is not a qcow2"),
        ("qcow2", 9999, b"\0" * 112, "is not a qcow2"),
        ("qcow2", 9999, header(size=2048), "virtual size of 2048"),
        ("qcow2", 9999, header(backing=200), "depends on other files"),
        ("qcow2", 9999, header(features=4), "depends on other files"),
        ("qcow2", 9999, header(crypt=1), "depends on other files"),
        ("qcow2", 9999, header(version=2, backing=200), "depends on other files"),
    ],
)
def test_files_that_cannot_be_the_image(fmt: str, file_size: int, head: bytes, words: str) -> None:
    with pytest.raises(ImageExists, match=words):
        image_files.check_found("/r/a", fmt, 1024, file_size, head)


def test_files_that_can_be_the_image() -> None:
    image_files.check_found("/r/a", "raw", 1024, 1024, b"")
    image_files.check_found("/r/a", "qcow2", 1024, 200000, header())
    image_files.check_found("/r/a", "qcow2", 1024, 200000, header(version=2))


SPACE = {"free": 4096, "size": 8192}


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (1, "qemu-img: error while writing at byte 0: No space left on device", NoSpace),
        (1, "qemu-img: t/z: error while converting qcow2: Could not write qcow2 header: "
            "No space left on device", NoSpace),
        (1, "qemu-img: error while writing at byte 7: Disk quota exceeded", NoSpace),
        (1, "qemu-img: error while writing at byte 7: File too large", NoSpace),
        (1, "qemu-img: error while reading at byte 104857600: Input/output error", DeviceLost),
        (1, f"qemu-img: Could not open '{DEVICE}': Could not open '{DEVICE}': "
            "No such file or directory", DeviceLost),
        (1, "qemu-img: x: error while converting qcow2: Parameter 'compression-type' does not "
            "accept value 'zstd'", MissingDependency),
        (1, "qemu-img: error while writing at byte 0: Input/output error", ToolFailed),
        (1, "", ToolFailed),
        (-9, "", ToolFailed),
    ],
)  # fmt: skip
def test_what_a_failed_convert_means(code: int, said: str, error: type[BackupError]) -> None:
    fault = image_files.convert_fault(Outcome(code, said), DEVICE, "/r/a", SPACE)
    assert fault.__class__ is error


def test_no_space_has_the_numbers() -> None:
    fault = image_files.no_space("/r/a", SPACE, "full")
    assert fault.details == {"dest": "/r/a", "free": 4096, "needed": 8192}
    assert "4096" in fault.message


def test_a_signal_is_told() -> None:
    assert "ended by signal 9" in image_files.tool_failed("x", Outcome(-9, "")).message
    assert "failed (2)" in image_files.tool_failed("x", Outcome(2, "")).message


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (f"qemu-img: Error while reading offset 0 of {DEVICE}: Input/output error", DeviceLost),
        (f"qemu-img: Could not open '{DEVICE}': No such device", DeviceLost),
        ("qemu-img: Error while reading offset 0 of /r/a: Input/output error", ToolFailed),
    ],
)
def test_what_a_failed_compare_means(said: str, error: type[BackupError]) -> None:
    fault = image_files.compare_fault(Outcome(4, said), DEVICE)
    assert fault.__class__ is error


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright", "7.2.22"),
        ("qemu-img version 9.1.0 (qemu-kvm-9.1.0-15.el9)", "9.1.0"),
        ("nonsense", ""),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert image_files.parse_version(text) == version
