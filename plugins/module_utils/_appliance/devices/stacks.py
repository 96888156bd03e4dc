# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices built on disks: read from sysfs, and removed through the kernel alone."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    scan,
    usage,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.stacks import (
    ARRAY,
    MAPPED,
    OTHER,
    StackLayer,
    Stacks,
    disks_below,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
        Paths,
    )

# linux/dm-ioctl.h: struct dm_ioctl without a payload, and the order to remove a device.
_DM_HEADER = struct.Struct("=3I3Ii3IQ128s129s7x")
_DM_DEV_REMOVE = 0xC138FD04
_DM_VERSION = (4, 0, 0)


def layers(paths: Paths) -> dict[str, StackLayer]:
    """Return every device that is built on others, by kernel name."""
    found = {}
    for name in scan.names(paths.sys_block):
        below = scan.names(f"{paths.sys_block}/{name}/slaves")
        if below:
            found[name] = layer(paths, name, below)
    return found


def layer(paths: Paths, name: str, below: list[str]) -> StackLayer:
    """Return one device that is built on others."""
    directory = f"{paths.sys_block}/{name}"
    label = scan.text(f"{directory}/dm/name").strip()
    uuid = scan.text(f"{directory}/dm/uuid").strip()
    kind = MAPPED if label else ARRAY if os.path.isdir(f"{directory}/md") else OTHER
    return StackLayer(
        name=name,
        number=scan.text(f"{directory}/dev").strip(),
        kind=kind,
        title=title(name, label, uuid),
        below=tuple(dict.fromkeys(_whole(paths, one) for one in below)),
        uuid=uuid,
        label=label,
    )


def _whole(paths: Paths, name: str) -> str:
    """Return the device that a partition belongs to; a whole device is itself."""
    if os.path.lexists(f"{paths.sys_block}/{name}"):
        return name
    for disk in scan.names(paths.sys_block):
        if name.startswith(disk) and os.path.lexists(f"{paths.sys_block}/{disk}/{name}"):
            return disk
    return name


def stacks(paths: Paths, asked: frozenset[str]) -> Stacks:
    """Return what is built on the given disks, and what uses the disks or these layers."""
    known = layers(paths)
    on_them = {name for name in known if disks_below(known, name) & asked}
    places = [
        place for name in sorted(asked | on_them) for place in _places(paths, name, known.get(name))
    ]
    return Stacks(known, usage.uses(paths, places))


def _places(paths: Paths, name: str, known: StackLayer | None) -> Iterator[usage.MountedAt]:
    """Yield the nodes of a device and of its partitions."""
    directory = f"{paths.sys_block}/{name}"
    parts = scan.partitions(paths, name)
    held = {part: bool(scan.names(f"{directory}/{part}/holders")) for part in parts}
    aliases = (f"{paths.dev}/mapper/{known.label}",) if known and known.label else ()
    free = not any(held.values()) and not scan.names(f"{directory}/holders")
    number = scan.text(f"{directory}/dev").strip()
    yield usage.MountedAt(name, (scan.node(paths, name), *aliases), number, free)
    for part in parts:
        number = scan.text(f"{directory}/{part}/dev").strip()
        yield usage.MountedAt(name, (scan.node(paths, part),), number, not held[part])


def names_of(known: Mapping[str, StackLayer], holders: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names for people of a device's holders."""
    return tuple(known[name].title if name in known else name for name in holders)


def take_down(paths: Paths, one: StackLayer) -> None:
    """Remove a device that nothing uses; the kernel refuses if something does. A missing one is no error.

    Raises:
        OSError: EBUSY while it is in use.
    """
    now = scan.text(f"{paths.sys_block}/{one.name}/dev").strip()
    uuid = scan.text(f"{paths.sys_block}/{one.name}/dm/uuid").strip()
    if (now, uuid) != (one.number, one.uuid):
        return
    try:
        if one.kind == ARRAY:
            _write(f"{paths.sys_block}/{one.name}/md/array_state", b"clear")
        else:
            _remove_mapped(f"{paths.dev}/mapper/control", one)
    except OSError as exc:
        if exc.errno not in (errno.ENXIO, errno.ENODEV, errno.ENOENT):
            raise


def delete_disk(paths: Paths, name: str) -> None:
    """Make the kernel remove a SCSI device.

    Raises:
        OSError: The kernel refuses, or the device is of another kind.
    """
    _write(f"{paths.sys_block}/{name}/device/delete", b"1")


def can_delete(paths: Paths, name: str) -> bool:
    """Tell whether the kernel offers to remove the device."""
    return os.path.exists(f"{paths.sys_block}/{name}/device/delete")


def _write(path: str, data: bytes) -> None:
    fd = opening.node(path, os.O_WRONLY)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def _remove_mapped(control: str, one: StackLayer) -> None:
    """Remove by UUID, else by number: names cannot be trusted, and no program is needed."""
    major, _colon, minor = one.number.partition(":")
    device = 0 if one.uuid else os.makedev(int(major), int(minor))
    size = _DM_HEADER.size
    order = _DM_HEADER.pack(*_DM_VERSION, size, size, 0, 0, 0, 0, 0, device, b"", one.uuid.encode())
    fd = opening.node(control, os.O_RDWR)
    try:
        fcntl.ioctl(fd, _DM_DEV_REMOVE, order)
    finally:
        os.close(fd)
