# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which block devices exist, and what they are: read, never guessed from a name."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
    link_serial,
    udev_serials,
    vpd_serial,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
        Paths,
    )

_SERIAL_FILES = ("serial", "device/serial")
_INITIALIZED = "\nI:"
"""The line that udev writes when it has run all its rules for a device."""

Identity = tuple[int, str]


class Scanner:
    """Reads the block devices again and again; facts that are certain are read only once.

    A device is certain when the kernel told its serial, or udev is done with it, and as long as it
    is the same object of the kernel. An appliance may hold hundreds of disks.
    """

    def __init__(self, paths: Paths) -> None:
        """Start without any facts."""
        self._paths = paths
        self._known: dict[str, tuple[Identity, BlockDevice]] = {}

    def scan(self) -> tuple[BlockDevice, ...]:
        """Return every whole disk that has a size. Devices may come and go while they are read."""
        known, self._known = self._known, {}
        unsure: list[BlockDevice] = []
        for name in names(self._paths.sys_block):
            identity = identity_of(self._paths, name)
            if name in known and known[name][0] == identity:
                self._known[name] = known[name]
                continue
            device, is_sure = _read(self._paths, name)
            if device and is_sure:
                self._known[name] = (identity, device)
            elif device:
                unsure.append(device)
        found = [device for _identity, device in self._known.values()]
        return tuple(sorted((*found, *_linked(self._paths, unsure)), key=lambda one: one.name))


def scan(paths: Paths) -> tuple[BlockDevice, ...]:
    """Return every whole disk that has a size, read once."""
    return Scanner(paths).scan()


def again(paths: Paths, name: str) -> BlockDevice | None:
    """Return one device as it is now, whatever is known of it; None if it is gone."""
    device, is_sure = _read(paths, name)
    if device is None or is_sure:
        return device
    return _linked(paths, [device])[0]


def identity_of(paths: Paths, name: str) -> Identity:
    """Return what changes when a name goes to another disk: the inode in sysfs, and newer kernels' number."""
    directory = f"{paths.sys_block}/{name}"
    try:
        inode = os.stat(directory).st_ino
    except OSError:
        inode = 0
    return inode, text(f"{directory}/diskseq")


def _read(paths: Paths, name: str) -> tuple[BlockDevice | None, bool]:
    """Return a device, and whether its serials are complete."""
    directory = f"{paths.sys_block}/{name}"
    number = text(f"{directory}/dev").strip()
    if not number or text(f"{directory}/size").strip() in ("", "0"):
        return None, False
    parts = partitions(paths, name)
    own = [
        *(text(f"{directory}/{file}").strip("\0 \n") for file in _SERIAL_FILES),
        vpd_serial(_bytes(f"{directory}/device/vpd_pg80")),
    ]
    database = text(f"{paths.udev}/b{number}")
    serials = tuple(dict.fromkeys(filter(None, [*own, *udev_serials(database)])))
    device = BlockDevice(
        name=name,
        path=node(paths, name),
        number=number,
        serials=serials,
        partitions=tuple(
            (node(paths, part), text(f"{directory}/{part}/dev").strip()) for part in parts
        ),
        holders=tuple(
            holder for entry in ("", *parts) for holder in names(f"{directory}/{entry}/holders")
        ),
        slaves=tuple(names(f"{directory}/slaves")),
    )
    return device, bool(serials) and (any(own) or _INITIALIZED in f"\n{database}")


def partitions(paths: Paths, name: str) -> list[str]:
    """Return the kernel names of a device's partitions; they begin with its own."""
    directory = f"{paths.sys_block}/{name}"
    alike = [entry for entry in names(directory) if entry.startswith(name)]
    return [entry for entry in alike if text(f"{directory}/{entry}/partition")]


def node(paths: Paths, name: str) -> str:
    """Return the device node of a kernel name."""
    return f"{paths.dev}/{name.replace('!', '/')}"


def _linked(paths: Paths, devices: list[BlockDevice]) -> list[BlockDevice]:
    """Return the devices with the serials that links name added to those read already."""
    links = _links(paths) if devices else {}
    return [
        replace(one, serials=tuple(dict.fromkeys([*one.serials, *links.get(one.number, ())])))
        for one in devices
    ]


def _links(paths: Paths) -> dict[str, list[str]]:
    """Return the serials that links name, by the number of the device they lead to."""
    found: dict[str, list[str]] = {}
    for name in names(paths.by_id):
        serial = link_serial(name)
        for number in numbers(f"{paths.by_id}/{name}") if serial else ():
            found.setdefault(number, []).append(serial)
    return found


def numbers(path: str) -> Iterator[str]:
    """Yield ``major:minor`` of the node that a path leads to; nothing if there is none."""
    try:
        rdev = os.stat(path).st_rdev
    except OSError:
        return
    yield f"{os.major(rdev)}:{os.minor(rdev)}"


def names(directory: str) -> list[str]:
    """Return the entries of a directory that may not exist: by-id disappears with the last disk."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def target(link: str) -> str:
    """Return where a link leads; empty if it is not a link or may not be read."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def text(path: str) -> str:
    """Return the content of a small kernel file; empty if it does not exist."""
    return _bytes(path).decode("utf-8", "replace")
