# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sysfs that a test writes, over nodes of real block devices: SCSI, LVM and MD devices that do not exist."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.clocks import MadeClock

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
    Paths,
)

SECTOR = 512


@dataclass
class Sysfs:
    """Directories that look like /sys/block and /dev."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("block", "dev/mapper", "udev", "by-id"):
            (self.root / name).mkdir(parents=True)

    @property
    def paths(self) -> Paths:
        """Where an operation is to look; processes and mounts are this machine's."""
        return Paths(
            sys_block=str(self.root / "block"),
            dev=str(self.root / "dev"),
            udev=str(self.root / "udev"),
            by_id=str(self.root / "by-id"),
        )

    def host(self, clock: MadeClock | None = None) -> Host:
        """Return the appliance for an operation."""
        return Host(self.paths, clock or MadeClock())

    def disk(self, name: str, backing: str, serial: str, *, state: str | None = "running") -> Path:
        """Return a SCSI disk (or, without a state, one of virtio) whose node is that of a real device."""
        number = os.stat(backing).st_rdev
        os.mknod(self.root / "dev" / name, stat.S_IFBLK | 0o600, number)
        sectors = int(Path(f"/sys/block/{Path(backing).name}/size").read_text())
        directory = self._device(name, f"{os.major(number)}:{os.minor(number)}", sectors)
        (directory / "serial").write_text(serial[:20] if state is None else "")
        if state is not None:
            page = b"\x00\x80\x00" + bytes([len(serial)]) + serial.encode()
            (directory / "device").mkdir()
            (directory / "device/vpd_pg80").write_bytes(page)
            (directory / "device/state").write_text(f"{state}\n")
            (directory / "device/delete").write_text("")
        return directory

    def virtual(self, name: str, number: str) -> Path:
        """Return a disk of virtio with a node that nobody opens."""
        self.node(name, number)
        return self._device(name, number, 8)

    def node(self, name: str, number: str) -> str:
        """Return a node that leads to no device; its path."""
        path = self.root / "dev" / name
        os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(*map(int, number.split(":"))))
        return str(path)

    def partition(self, disk: str, name: str, number: str) -> Path:
        """Return a partition of a disk."""
        directory = self.root / "block" / disk / name
        (directory / "holders").mkdir(parents=True)
        (directory / "partition").write_text("1\n")
        (directory / "dev").write_text(f"{number}\n")
        return directory

    def mapped(self, name: str, label: str, uuid: str, below: Sequence[str]) -> Path:
        """Return a device of the device mapper."""
        directory = self._device(name, f"253:{name.removeprefix('dm-')}", 8)
        (directory / "dm").mkdir()
        (directory / "dm/name").write_text(f"{label}\n")
        (directory / "dm/uuid").write_text(f"{uuid}\n")
        self._build(directory, below)
        return directory

    def array(self, name: str, below: Sequence[str]) -> Path:
        """Return an array of MD."""
        directory = self._device(name, f"9:{name.removeprefix('md')}", 8)
        (directory / "md").mkdir()
        (directory / "md/array_state").write_text("read-auto\n")
        self._build(directory, below)
        return directory

    def _device(self, name: str, number: str, sectors: int) -> Path:
        directory = self.root / "block" / name
        for part in ("holders", "slaves"):
            (directory / part).mkdir(parents=True)
        (directory / "dev").write_text(f"{number}\n")
        (directory / "size").write_text(f"{sectors}\n")
        return directory

    def _build(self, directory: Path, below: Sequence[str]) -> None:
        for name in below:
            (directory / "slaves" / name).mkdir()
            [under] = [*self.root.glob(f"block/{name}"), *self.root.glob(f"block/*/{name}/holders")]
            holders = under if under.name == "holders" else under / "holders"
            (holders / directory.name).mkdir()
