# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine as an appliance: real loop devices with made-up names."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
    Paths,
)

MIB = 1024 * 1024


def run(*argv: str | Path) -> str:
    """Run a program that must succeed; its output."""
    done = subprocess.run([*map(str, argv)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@dataclass
class LoopAppliance:
    """This machine as an appliance: loop devices with the serials that a test gives them."""

    root: Path
    loops: list[str] = field(default_factory=list)
    mounts: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        for path in (self.paths.by_id, self.paths.udev):
            Path(path).mkdir(parents=True)

    @property
    def paths(self) -> Paths:
        """Only links and udev database are made up; sysfs and the rest are real."""
        return Paths(by_id=str(self.root / "by-id"), udev=str(self.root / "udev"))

    @property
    def host(self) -> Host:
        """The appliance for an operation."""
        return Host(self.paths)

    def file(self, content: bytes, size: int) -> Path:
        """Return a sparse file that begins with `content`."""
        path = self.root / f"{uuid.uuid4()}.img"
        path.write_bytes(content)
        os.truncate(path, size)
        return path

    def attach(self, file: Path) -> str:
        """Make a file a block device: its node."""
        device = run("losetup", "-f", "--show", "--direct-io=on", file)
        run("blockdev", "--setrw", device)
        self.loops.append(device)
        return device

    def plug(self, content: bytes, size: int, serial: str, links: Sequence[str] = ()) -> str:
        """Attach a disk as a guest's udev would show it: its node."""
        device = self.attach(self.file(content, size))
        self.name(device, serial, links)
        return device

    def name(self, device: str, serial: str, links: Sequence[str] = ()) -> None:
        """Give a device the link of virtio-blk, or those given, and no udev entry."""
        for link in links or (f"virtio-{serial[:20]}",):
            (self.root / "by-id" / link).symlink_to(device)

    def udev(self, device: str, **properties: str) -> None:
        """Write the device's entry of the udev database."""
        number = os.stat(device).st_rdev
        entry = self.root / "udev" / f"b{os.major(number)}:{os.minor(number)}"
        entry.write_text("".join(f"E:{key}={value}\n" for key, value in properties.items()))

    def mount(self, source: str, place: Path, *options: str) -> Path:
        """Mount something for the length of the test."""
        place.mkdir(exist_ok=True)
        run("mount", *options, source, place)
        self.mounts.append(place)
        return place

    def close(self) -> None:
        """Undo everything, whatever state it is in."""
        for place in reversed(self.mounts):
            subprocess.run(["umount", place], check=False, capture_output=True)
        for device in self.loops:
            # The flag belongs to the kernel's device, which another file may get next.
            subprocess.run(["blockdev", "--setrw", device], check=False, capture_output=True)
            subprocess.run(["losetup", "-d", device], check=False, capture_output=True)
        # What held the file of a loop device could not go before that.
        for place in filter(os.path.ismount, reversed(self.mounts)):
            run("umount", place)


@dataclass
class Export:
    """A disk served by qemu-storage-daemon through FUSE, as slow or as broken as wanted."""

    daemon: subprocess.Popen[bytes]
    file: Path

    def kill(self) -> None:
        """The storage goes away; harmless if it is gone."""
        self.daemon.kill()
        self.daemon.wait()
        subprocess.run(["umount", "-l", self.file], check=False, capture_output=True)


def serve(backing: Path, *, bytes_per_second: int = 0, bad_sector: int | None = None) -> Export:
    """Serve a raw file as another file, which can then be attached as a loop device."""
    file = backing.with_suffix(".fuse")
    file.touch()
    node: dict[str, Any] = {"driver": "raw", "file": {"driver": "file", "filename": str(backing)}}
    if bad_sector is not None:
        error = {"event": "none", "iotype": "read", "errno": 5, "sector": bad_sector}
        node = {"driver": "blkdebug", "image": node, "inject-error": [error]}
    words = ["qemu-storage-daemon"]
    if bytes_per_second:
        limits = f"throttle-group,id=t,x-bps-read={bytes_per_second}"
        words += ["--object", limits]
        node = {"driver": "throttle", "throttle-group": "t", "file": node}
    export = f"type=fuse,id=e,node-name=disk,mountpoint={file},writable=off"
    words += ["--blockdev", json.dumps({**node, "node-name": "disk"}), "--export", export]
    size = backing.stat().st_size
    daemon = subprocess.Popen(words)
    served = Export(daemon, file)
    for _attempt in range(200):
        if os.path.ismount(file) and file.stat().st_size == size:
            return served
        if daemon.poll() is not None:
            break
        time.sleep(0.02)
    served.kill()
    raise RuntimeError("qemu-storage-daemon did not serve the file")
