# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks the appliance has, how it uses them, and which programs could act on others."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    mounts,
    scan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceNotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
    choose,
    mount_uses,
    not_found,
    swap_uses,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
        System,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
        Mount,
    )

_TAGS = {
    "UUID": "by-uuid",
    "LABEL": "by-label",
    "PARTUUID": "by-partuuid",
    "PARTLABEL": "by-partlabel",
}


WITH_DEVICES_FILE = ("--config", "devices/use_devicesfile=1")
"""Makes a command of LVM use the devices file before that is enabled."""


@dataclass(frozen=True)
class Survey:
    """The facts that were read."""

    disks: tuple[appliance_isolation.LocalDisk, ...]
    programs: appliance_isolation.Programs
    unmounted: tuple[appliance_isolation.Unmounted, ...]


def survey(host: System, listed: Sequence[str]) -> Survey:
    """Read everything; write nothing.

    Args:
        listed: Own disks by name: serial, path, or ``UUID=`` and the like.

    Raises:
        DeviceNotFound: One of them does not exist.
    """
    devices = scan.scan(host.paths)
    installed = _programs(host)
    named = {resolve(host, devices, name) for name in listed}
    found = disks(host, devices, named)
    grouped = appliance_isolation.group_reasons(found, installed.volumes)
    return Survey(
        disks=tuple(
            replace(disk, reasons=disk.reasons + grouped.get(disk.device.number, ()))
            for disk in found
        ),
        programs=installed,
        unmounted=_unmounted(host),
    )


def disks(
    host: System, devices: Sequence[BlockDevice], named: set[str]
) -> tuple[appliance_isolation.LocalDisk, ...]:
    """Return every disk with a name such as attached disks have, and how the appliance uses it.

    Args:
        named: Numbers of devices that are own by request.
    """
    mounted, swaps = mounts.read(host.paths), mounts.swap_areas(host.paths)
    return tuple(
        _disk(host, devices, device, named, mounted, swaps)
        for device in devices
        if re.match(host.disk_names, device.name)
    )


def resolve(host: System, devices: Sequence[BlockDevice], name: str) -> str:
    """Return ``major:minor`` of the device that a serial, a path or a tag such as ``UUID=`` names.

    Raises:
        DeviceNotFound: There is no such device.
    """
    path = name if name.startswith("/") else _tag_link(host, name)
    if not path:
        device = choose(devices, name)
        if not device:
            raise not_found([name], devices, 0.0)
        return device.number
    number = programs.number(path)
    if not number:
        raise DeviceNotFound(
            f"There is no device {name}.",
            hint="A disk that is isolated has no name by UUID or label: name it by its serial "
            "number, which is the id of the disk in the engine.",
        )
    return number


def leads_to(host: System, spec: str) -> str:
    """Return ``major:minor`` of the device that the first word of a line of fstab leads to; empty if none."""
    return programs.number(_tag_link(host, spec) or spec)


def properties(host: System, number: str) -> dict[str, str]:
    """Return what udev's database says of a device."""
    return appliance_isolation.properties(programs.text(f"{host.paths.udev}/b{number}") or "")


def uses(host: System, device: BlockDevice) -> tuple[str, ...]:
    """Return what uses a device, or is built on it."""
    return (
        *mount_uses(mounts.read(host.paths), device),
        *swap_uses(mounts.swap_areas(host.paths), device),
        *(f"held by {holder}" for holder in device.holders),
    )


def _tag_link(host: System, name: str) -> str:
    tag, equals, value = name.partition("=")
    directory = _TAGS.get(tag, "") if equals else ""
    quoted = value.strip('"').replace("/", "\\x2f")
    return f"{host.paths.dev}/disk/{directory}/{quoted}" if directory else ""


def _disk(
    host: System,
    devices: Sequence[BlockDevice],
    device: BlockDevice,
    named: set[str],
    mounted: Sequence[Mount],
    swaps: str,
) -> appliance_isolation.LocalDisk:
    known = properties(host, device.number)
    above = appliance_isolation.stack(devices, device)
    numbers = {number for layer in (device, *above) for _path, number in layer.nodes}
    reasons = appliance_isolation.uses(devices, device, mounted, swaps)
    return appliance_isolation.LocalDisk(
        device=device,
        udev_serial=known.get("ID_SERIAL", ""),
        bus_path=known.get("ID_PATH", ""),
        reasons=reasons + (("listed",) if numbers & named else ()),
        stacked=tuple(layer.path for layer in above),
        isolated=known.get(appliance_isolation.PROPERTY) == "1",
        nodes=tuple(appliance_isolation.Node(path, number) for path, number in device.nodes),
    )


def _programs(host: System) -> appliance_isolation.Programs:
    mdadm = bool(programs.locate(host, "mdadm"))
    etc = host.etc
    # Debian has a directory for it.
    directory = "mdadm" if os.path.isdir(f"{etc}/mdadm") else ""
    main = f"{etc}/{directory}/mdadm.conf"
    known = appliance_isolation.Programs(
        multipath=bool(programs.locate(host, "multipathd")),
        mdadm=directory if mdadm else None,
        md_main=(programs.text(main) or "") if mdadm else "",
        md_arrays=programs.call(host, ["mdadm", "--detail", "--scan"]).out if mdadm else "",
    )
    return _with_lvm(host, known) if programs.locate(host, "lvm") else known


def _with_lvm(host: System, known: appliance_isolation.Programs) -> appliance_isolation.Programs:
    """Add what LVM sees, whatever its devices file lists, and what that lists."""
    argv = ["lvm", "lvmconfig", "--type", "full"]
    said = programs.must(host, [*argv, "devices/use_devicesfile", "devices/devicesfile"])
    name = re.search(r'^devicesfile="([^"/]+)"', said, re.MULTILINE)
    found = replace(
        known,
        lvm=True,
        devices_file=name.group(1) if name else known.devices_file,
        devices_file_on=bool(re.search(r"^use_devicesfile=1", said, re.MULTILINE)),
        volumes=_volumes(host),
    )
    if not os.path.exists(f"{host.etc}/{appliance_isolation.LVM_DEVICES}/{found.devices_file}"):
        return found
    return replace(found, devices_listed=_listed(host))


def _listed(host: System) -> tuple[appliance_isolation.Node, ...]:
    """Return the existing devices that LVM's devices file lists."""
    said = programs.must(host, ["lvm", "lvmdevices", *WITH_DEVICES_FILE])
    found = []
    for path in re.findall(r"^\s*Device (/\S+)", said, re.MULTILINE):
        number = programs.number(path)
        if number:
            found.append(appliance_isolation.Node(path, number))
    return tuple(found)


def _volumes(host: System) -> tuple[appliance_isolation.Volume, ...]:
    """Return every physical volume."""
    fields = ["-o", "pv_name,vg_name,vg_uuid"]
    argv = ["lvm", "pvs", "--devicesfile", "", "--reportformat", "json", *fields]
    rows = json.loads(programs.must(host, argv) or "{}").get("report", [{}])[0].get("pv", [])
    found = []
    for row in rows:
        number = programs.number(row["pv_name"])
        if number:
            node = appliance_isolation.Node(row["pv_name"], number)
            found.append(appliance_isolation.Volume(node, row["vg_name"], row["vg_uuid"]))
    return tuple(found)


def _unmounted(host: System) -> tuple[appliance_isolation.Unmounted, ...]:
    lines = appliance_isolation.unmounted(
        programs.text(f"{host.etc}/fstab") or "",
        mounts.table(host.paths),
        mounts.swap_areas(host.paths),
    )
    return tuple(
        appliance_isolation.Unmounted(spec, point, leads_to(host, spec)) for spec, point in lines
    )
