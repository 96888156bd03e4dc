# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run qemu-img: copy a device into a file, and compare the two."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    digest,
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.files import (
    Part,
    forget,
    space_for,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.process import (
    Process,
    run,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageMismatch,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import (
    disk_image_copy,
    image_files,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.progress import (
    parse_fraction,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices.device import (
        DeviceClaim,
    )

_PATH = "/usr/bin:/bin:/usr/local/bin:/usr/libexec"
"""Searched after the task's PATH, which may lack system directories."""

Fault = Callable[[str], BackupError]
Tell = Callable[[int], None]

_DIFFERENT = 1
"""Exit code of ``qemu-img compare`` for images that differ; with ``-q`` it prints nothing then. It
is also the exit code of a program that could not start, which prints why."""


@dataclass(frozen=True)
class Stored:
    """An image file to be verified.

    Attributes:
        fd: The same file, open for reading.
    """

    path: str
    fd: int
    format: str
    file_size: int


@dataclass(frozen=True)
class Proof:
    """Hashes of a device and of the image that was found equal to it."""

    content_sha256: str
    file_sha256: str


def locate(environment: Mapping[str, str] | None = None) -> str:
    """Return the path of qemu-img.

    Raises:
        MissingDependency: It is not installed.
    """
    known = os.environ if environment is None else environment
    found = programs.find("qemu-img", f"{known.get('PATH', '')}:{_PATH}")
    if not found:
        raise image_files.no_qemu_img()
    return found


def convert(
    qemu_img: str, request: disk_image_copy.CopyRequest, claim: DeviceClaim, part: Part, tell: Tell
) -> None:
    """Copy the device into the part, zeros as holes.

    The part keeps its inode, and so its lock: qemu-img empties an existing file.

    Args:
        tell: Gets the number of bytes that are done.

    Raises:
        BackupError: According to qemu-img's message, see ``image_files.convert_fault``.
    """
    device = claim.device.path

    def hear(text: str) -> None:
        fraction = parse_fraction(text)
        if fraction is not None:
            tell(int(fraction * claim.size))

    outcome = run(disk_image_copy.convert_argv(qemu_img, request, device, part.path), hear)
    if outcome.code != 0:
        raise image_files.convert_fault(outcome, device, part.dest, space_for(part, claim.size))


def prove(qemu_img: str, claim: DeviceClaim, stored: Stored, tell: Tell | None = None) -> Proof:
    """Check that an image equals its device, and hash both, in one pass over each.

    The comparison and the hash of the device read the same pages at about the same time, so the
    storage delivers them once. For a raw image its hash is the comparison. The image is dropped
    from the page cache before, which may hold what was written instead of what is on the disk.

    Args:
        tell: Gets the number of bytes of the device that are done.

    Raises:
        ImageMismatch: They differ.
        DeviceLost: The device could not be read to its end.
    """
    stop = Event()
    forget(stored.fd)
    # Before any thread starts: see Process.
    compare = _compare(qemu_img, claim, stored)

    def abandon(future: Future[str]) -> None:
        if future.exception():
            stop.set()
            if compare:
                compare.kill()

    with ThreadPoolExecutor(max_workers=2) as pool:
        content = pool.submit(digest.sha256, claim.fd, claim.size, stop, tell)
        file = pool.submit(digest.sha256, stored.fd, stored.file_size, stop)
        outcome = image_files.Outcome(-1, "")
        try:
            content.add_done_callback(abandon)
            file.add_done_callback(abandon)
            outcome = compare.wait() if compare else image_files.Outcome(0, "")
        finally:
            if outcome.code != 0:
                stop.set()
    _check_read(content, lambda said: image_files.device_lost(claim.device.path, said))
    _check_read(file, lambda said: image_files.unread(stored.path, said))
    return _verdict(claim, stored, outcome, (content, file))


def _compare(qemu_img: str, claim: DeviceClaim, stored: Stored) -> Process | None:
    if stored.format == "raw":
        return None
    return Process(image_files.compare_argv(qemu_img, stored.path, claim.device.path))


def _check_read(future: Future[str], fault: Fault) -> None:
    """Raise what stopped a hash, unless the other one's failure stopped it."""
    exc = future.exception()
    if isinstance(exc, digest.ShortReadError):
        raise fault(str(exc)) from exc
    if isinstance(exc, OSError):
        raise fault(str(exc.strerror)) from exc
    if exc and not isinstance(exc, digest.StoppedError):
        raise exc


def _verdict(
    claim: DeviceClaim,
    stored: Stored,
    outcome: image_files.Outcome,
    hashes: tuple[Future[str], Future[str]],
) -> Proof:
    device = claim.device.path
    if outcome.code == _DIFFERENT and not outcome.stderr.strip():
        raise _mismatch(device, stored)
    if outcome.code != 0:
        raise image_files.compare_fault(outcome, device)
    proof = Proof(hashes[0].result(), hashes[1].result())
    if stored.format == "raw" and proof.content_sha256 != proof.file_sha256:
        raise _mismatch(device, stored)
    return proof


def _mismatch(device: str, stored: Stored) -> ImageMismatch:
    return ImageMismatch(
        f"{stored.path} does not have the same content as {device}.",
        hint="Check whether something wrote to the device, and whether the repository's storage is damaged.",
        details={"device": device, "image": stored.path},
    )
