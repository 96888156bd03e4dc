# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What block devices there are, and what uses them: read, never guessed from a letter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.devices import (
    BlockDevice,
    link_serial,
    mount_uses,
    swap_uses,
    udev_serials,
    vpd_serial,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.ovirt_community.backup.plugins.module_utils.appliance.host import Paths

_SERIAL_FILES = ("serial", "device/serial")


def scan(paths: Paths) -> tuple[BlockDevice, ...]:
    """Every whole disk that has a size. Devices may come and go while they are read."""
    links = _links(paths)
    devices = (_device(paths, name, links) for name in _names(paths.sys_block))
    return tuple(device for device in devices if device)


def uses(paths: Paths, device: BlockDevice) -> tuple[str, ...]:
    """What holds the device: mounts, swap, devices built on it."""
    return (
        *mount_uses(_text(paths.mountinfo), device),
        *swap_uses(_text(paths.swaps), device),
        *(f"held by {holder}" for holder in device.holders),
    )


def openers(paths: Paths, device: BlockDevice) -> tuple[str, ...]:
    """Processes that have the device open, for a message."""
    nodes = {path for path, _number in device.nodes}
    found = []
    for pid in filter(str.isdigit, _names(paths.proc)):
        directory = f"{paths.proc}/{pid}/fd"
        if any(_target(f"{directory}/{fd}") in nodes for fd in _names(directory)):
            found.append(f"open by process {pid} ({_text(f'{paths.proc}/{pid}/comm').strip()})")
    return tuple(found)


def _device(paths: Paths, name: str, links: dict[str, list[str]]) -> BlockDevice | None:
    directory = f"{paths.sys_block}/{name}"
    number = _text(f"{directory}/dev").strip()
    if not number or _text(f"{directory}/size").strip() in ("", "0"):
        return None
    parts = [entry for entry in _names(directory) if _text(f"{directory}/{entry}/partition")]
    serials = [
        *(_text(f"{directory}/{file}").strip("\0 \n") for file in _SERIAL_FILES),
        vpd_serial(_bytes(f"{directory}/device/vpd_pg80")),
        *udev_serials(_text(f"{paths.udev}/b{number}")),
        *links.get(number, ()),
    ]
    holders = [name for entry in ("", *parts) for name in _names(f"{directory}/{entry}/holders")]
    return BlockDevice(
        name=name,
        path=_node(paths, name),
        number=number,
        serials=tuple(dict.fromkeys(filter(None, serials))),
        partitions=tuple(
            (_node(paths, part), _text(f"{directory}/{part}/dev").strip()) for part in parts
        ),
        holders=tuple(holders),
    )


def _node(paths: Paths, name: str) -> str:
    return f"{paths.dev}/{name.replace('!', '/')}"


def _links(paths: Paths) -> dict[str, list[str]]:
    """Serials that links name, by the number of the device they lead to."""
    found: dict[str, list[str]] = {}
    for name in _names(paths.by_id):
        serial = link_serial(name)
        for number in _number(f"{paths.by_id}/{name}") if serial else ():
            found.setdefault(number, []).append(serial)
    return found


def _number(path: str) -> Iterator[str]:
    try:
        rdev = os.stat(path).st_rdev
    except OSError:
        return
    yield f"{os.major(rdev)}:{os.minor(rdev)}"


def _names(directory: str) -> list[str]:
    """Entries of a directory that may not exist: by-id goes when the last disk goes."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _target(link: str) -> str:
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


def _text(path: str) -> str:
    return _bytes(path).decode("utf-8", "replace")
