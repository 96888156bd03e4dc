# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide how the repository disk is formatted and mounted, from facts that others read."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    fstab_fields,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable

MIB = 1024 * 1024
SAMPLES = 256
SAMPLE_BYTES = 4096
FILESYSTEMS = ("ext4", "xfs")
OPTIONS = "defaults,noatime,nodev,nosuid,noexec,nofail"
"""Images are only read and written: no devices, no programs. ``nofail``: an appliance without its
repository disk must boot, so that it can be repaired; a backup then refuses the root file
system."""
OWNER_ONLY = 0o700

_FIELDS = 4
_PASS = {"ext4": 2}
_PLAIN = re.compile(r"^/[^\s\\,]+$")


@dataclass(frozen=True)
class RepositoryRequest:
    """The request of ``appliance_repository``.

    Attributes:
        device: Serial, path or ``UUID=`` of the repository disk; empty to change no mounts.
        format: Make a file system if the device is blank.
    """

    repository: str
    device: str = ""
    filesystem: str = "ext4"
    format: bool = False
    options: str = OPTIONS
    require_mount: bool = True


@dataclass(frozen=True)
class DeviceFacts:
    """The named device.

    Attributes:
        signature: What blkid recognises on it; empty if nothing.
        uuid: UUID of its file system; a new one if a file system is to be made.
        blank: Whether its first and last MiB, and samples between, are zero; None if they were not
            read, since it has a signature.
        uses: How the appliance uses it.
        partitions: Paths of its partitions.
    """

    path: str
    number: str
    signature: str
    usage: str
    uuid: str
    blank: bool | None
    uses: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlaceFacts:
    """The directory of the repository.

    Attributes:
        mount_point: Where the file system that it is on is mounted, empty if there is none.
        numbers: ``major:minor`` of the devices that this file system lies on.
        source: What is mounted there.
        mode: Its permissions, None if it does not exist.
    """

    mount_point: str
    numbers: frozenset[str]
    source: str
    filesystem: str
    is_directory: bool = False
    mode: int | None = None
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class MakeFilesystem:
    """Make a file system on a blank device."""

    device: str
    filesystem: str
    uuid: str


@dataclass(frozen=True)
class MakeMountPoint:
    """Make the directory, accessible to root alone."""

    path: str


@dataclass(frozen=True)
class AddLine:
    """Add a line to fstab."""

    line: str


@dataclass(frozen=True)
class MountDisk:
    """Mount the file system according to fstab."""

    path: str


@dataclass(frozen=True)
class Restrict:
    """Make the directory accessible to root alone."""

    path: str


Step = Union[MakeFilesystem, MakeMountPoint, AddLine, MountDisk, Restrict]


def check_request(request: RepositoryRequest) -> None:
    """Refuse values that cannot be written into fstab.

    Raises:
        InvalidRequest: Names the value.
    """
    parts = request.repository.split("/")
    if not _PLAIN.match(request.repository) or not set(parts[1:]).isdisjoint({"", ".", ".."}):
        raise InvalidRequest(
            f"The repository {request.repository!r} is not a plain path.",
            hint="Give an absolute path without spaces, commas, backslashes, . or ..",
        )
    if not re.match(r"^[^\s#]+$", request.options):
        raise InvalidRequest(
            f"{option('mount_options')} must be a list with commas and without spaces, such as noatime,nofail."
        )


def steps(
    request: RepositoryRequest,
    place: PlaceFacts,
    device: DeviceFacts | None,
    fstab: str,
    number_of: Callable[[str], str] = lambda _spec: "",
) -> tuple[Step, ...]:
    """Return the steps to take, in order.

    Args:
        number_of: ``major:minor`` of the device that the first word of a line of fstab leads to,
            empty if there is none.

    Raises:
        Refused: A step would destroy data, or what exists is not what was requested.
    """
    mounted = place.mount_point == request.repository
    found: list[Step] = []
    if device is None:
        _check_place(request, place)
    elif mounted:
        _check_mounted(request, place, device)
        if not _has_line(request, place, device, fstab, number_of):
            found.append(_new_line(request, device, place.filesystem))
    else:
        found, filesystem = _making(request, place, device)
        if not _has_line(request, place, device, fstab, number_of):
            found.append(_new_line(request, device, filesystem))
        found.append(MountDisk(request.repository))
    if place.mode is None and device is None:
        found.append(MakeMountPoint(request.repository))
    fresh = any(isinstance(step, MountDisk) for step in found)
    strict = place.mode == OWNER_ONLY and place.owner == (0, 0)
    if fresh or (place.mode is not None and not strict):
        found.append(Restrict(request.repository))
    return tuple(found)


def _check_place(request: RepositoryRequest, place: PlaceFacts) -> None:
    """Without a device: check that the existing directory will do."""
    if place.mode is not None and not place.is_directory:
        raise Refused(f"{request.repository} exists and is not a directory.")
    if request.require_mount and place.mount_point in ("", "/"):
        raise Refused(
            f"The repository {request.repository} lies on the appliance's root file system.",
            hint=f"Name the repository disk in {option('device')}, or mount it, or set {option('require_mount', ': false')}.",
        )


def _check_mounted(request: RepositoryRequest, place: PlaceFacts, device: DeviceFacts) -> None:
    if device.number not in place.numbers and place.source != device.path:
        raise Refused(
            f"On {request.repository} {place.source} is mounted, not {device.path}.",
            hint="Unmount it, or name another directory.",
        )


def _making(
    request: RepositoryRequest, place: PlaceFacts, device: DeviceFacts
) -> tuple[list[Step], str]:
    """Return the steps before the mount, and the type of the file system after them."""
    if place.mode is not None and not place.is_directory:
        raise Refused(f"{request.repository} exists and is not a directory.")
    if device.uses:
        raise Refused(
            f"{device.path} is in use: {'; '.join(device.uses)}.",
            hint="Unmount the repository disk everywhere else first.",
        )
    found: list[Step] = []
    filesystem = device.signature
    if device.usage != "filesystem":
        _check_blank(request, device)
        filesystem = request.filesystem
        found.append(MakeFilesystem(device.path, filesystem, device.uuid))
    if place.mode is None:
        found.append(MakeMountPoint(request.repository))
    return found, filesystem


def _check_blank(request: RepositoryRequest, device: DeviceFacts) -> None:
    """Refuse to make a file system on a device that is not blank."""
    if device.partitions:
        raise Refused(
            f"{device.path} has partitions: {', '.join(device.partitions)}.",
            hint="Name the partition by its path, for example /dev/disk/by-id/…-part1.",
        )
    if device.signature or not device.blank:
        raise Refused(
            f"{device.path} has no file system but is not blank: "
            f"{device.signature or 'there is data on it'}.",
            hint="A file system is created on a blank disk only. If this is the right disk and its data may be lost, wipe it first.",
        )
    if not request.format:
        raise Refused(
            f"{device.path} is blank.",
            hint=f"Set {option('format', ': true')} to create a file system on it.",
        )


def _has_line(
    request: RepositoryRequest,
    place: PlaceFacts,
    device: DeviceFacts,
    fstab: str,
    number_of: Callable[[str], str],
) -> bool:
    """Tell whether fstab has a line for this place.

    Raises:
        Refused: It has one for another device.
    """
    spec = f"UUID={device.uuid}"
    for fields in fstab_fields(fstab):
        if len(fields) < _FIELDS or fields[1].rstrip("/") != request.repository:
            continue
        named = fields[0].replace('"', "")
        # A mounted device is known to be the right one, however the line names it.
        known = place.mount_point == request.repository and not named.startswith("UUID=")
        if named != spec and not known and number_of(named) != device.number:
            raise Refused(
                f"fstab mounts {named} on {request.repository}, not {spec} ({device.path}).",
                hint="Correct that line.",
            )
        return True
    return False


def _new_line(request: RepositoryRequest, device: DeviceFacts, filesystem: str) -> AddLine:
    spec, order = f"UUID={device.uuid}", str(_PASS.get(filesystem, 0))
    return AddLine(" ".join([spec, request.repository, filesystem, request.options, "0", order]))


def with_line(fstab: str, line: str) -> str:
    """Return the text of fstab with one more line."""
    end = "" if fstab.endswith("\n") or not fstab else "\n"
    return f"{fstab}{end}{line}\n"


def after(place: PlaceFacts, todo: Iterable[Step], device: DeviceFacts | None) -> dict[str, Any]:
    """Return the state after the steps, for diff mode."""
    state = describe(place)
    for step in todo:
        if isinstance(step, MountDisk):
            source = device.path if device else place.source
            state.update(mount_point=step.path, source=source)
        elif isinstance(step, (MakeMountPoint, Restrict)):
            state["mode"] = f"0{OWNER_ONLY:o}"
        elif isinstance(step, AddLine):
            state["fstab"] = step.line
        elif isinstance(step, MakeFilesystem):
            state["made"] = {key: value for key, value in asdict(step).items() if key != "uuid"}
        else:
            unhandled(step)
    return state


def describe(place: PlaceFacts) -> dict[str, Any]:
    """Return the place as JSON types."""
    mode = None if place.mode is None else f"0{place.mode:o}"
    return {"mount_point": place.mount_point, "source": place.source, "mode": mode}
