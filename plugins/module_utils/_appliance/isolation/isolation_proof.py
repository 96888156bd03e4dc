# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the isolation: lay a trap on a spare disk, plug it in again, and see whether a program acts on it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    mounts,
    scan,
    survey,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    opening,
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceError,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
    check_unused,
    not_found,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    choose as choose_device,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    at,
    parse_mounts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
    isolation_proof,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
        System,
    )

# linux/fs.h
_BLKRRPART = 0x125F
_BLKFLSBUF = 0x1261

_APPEAR_SECONDS = 60.0
_LONGEST_PAUSE = 0.25
_MODULE = "scsi_debug"
_MODULE_MIB = 24
_LABEL_LENGTH = 16  # ext4's
_HOST = re.compile(r"/(host[0-9]+)/")

Finder = Callable[[], Optional[BlockDevice]]


@dataclass(frozen=True)
class ProofRequest:
    """The disk for the proof.

    Attributes:
        kind: ``disk`` (the one with ``serial``) or ``scsi_debug``.
        settle: Seconds in which programs that act on a new disk will have acted.
    """

    kind: str
    serial: str
    settle: float


def choose(host: System, serial: str, disks: Sequence[appliance_isolation.LocalDisk]) -> str:
    """Return the kind of proof that is possible; empty if there is no disk for it.

    Raises:
        Refused: The named disk is the appliance's own.
        DeviceNotFound: It does not exist.
    """
    if serial:
        found = choose_device([disk.device for disk in disks], serial)
        if not found:
            raise not_found([serial], [disk.device for disk in disks], 0.0)
        [disk] = [one for one in disks if one.device is found]
        if disk.own:
            raise Refused(
                f"{found.path} is the appliance's own ({', '.join(disk.reasons)}); the proof "
                "would overwrite it.",
                hint=f"Name another disk in {option('probe_serial')}.",
            )
        return "disk"
    loaded = os.path.exists(f"{host.sys}/module/{_MODULE}")
    if loaded or not programs.locate(host, "modprobe"):
        return ""
    there = programs.call(host, ["modprobe", "--dry-run", "--quiet", _MODULE]).code == 0
    return _MODULE if there else ""


def prove(host: System, found: survey.Survey, request: ProofRequest) -> dict[str, Any]:
    """Make the proof; return its record, without the time.

    Raises:
        IsolationFailed: A program acted on the disk.
        Refused: The disk holds data.
    """
    with _disk(host, request) as finder:
        trap = _Trap(host, finder, _twin(host, found))
        try:
            layers = trap.lay()
            event = trap.plug_again()
            _settle(host, request.settle)
            seen = isolation_proof.checks(trap.look())
        finally:
            trap.clear()
        isolation_proof.judge(trap.path, seen)
    how = {"kind": request.kind, "event": event, "serial": request.serial}
    return isolation_proof.record(how, layers, seen)


@contextmanager
def _disk(host: System, request: ProofRequest) -> Iterator[Finder]:
    """Provide the spare disk; a disk that the kernel made for it is removed afterwards."""
    if request.kind == "disk":
        yield lambda: choose_device(scan.scan(host.paths), request.serial)
        return
    programs.must(host, ["modprobe", _MODULE, f"dev_size_mb={_MODULE_MIB}"])
    try:
        yield lambda: _debug_disk(host)
    finally:
        # A program that took the disk may hold it; the module then stays loaded, and the failed proof says why.
        programs.call(host, ["udevadm", "settle"])
        programs.call(host, ["modprobe", "--remove", _MODULE])


def _debug_disk(host: System) -> BlockDevice | None:
    for device in scan.scan(host.paths):
        model = programs.text(f"{host.paths.sys_block}/{device.name}/device/model")
        if (model or "").strip() == _MODULE:
            return device
    return None


def _settle(host: System, seconds: float) -> None:
    """Wait until udev, and what it starts in the background, are done."""
    programs.must(host, ["udevadm", "settle"])
    # udev does not report when a service that it started ends, so this waits without a condition.
    host.clock.sleep(seconds)
    programs.must(host, ["udevadm", "settle"])


def _twin(host: System, found: survey.Survey) -> isolation_proof.Twin:
    """Return what the trap must imitate: the appliance's root file system and volume group."""
    root = survey.properties(host, programs.number(_root(host)))
    own = [disk for disk in found.disks if disk.own]
    numbers = {node.number for disk in own for node in disk.nodes}
    groups = sorted(
        {one.group for one in found.programs.volumes if one.node.number in numbers and one.group}
    )
    return isolation_proof.Twin(
        uuid=root.get("ID_FS_UUID", ""),
        label=root.get("ID_FS_LABEL", "")[:_LABEL_LENGTH],
        group=groups[0] if groups else isolation_proof.GROUP,
    )


def _root(host: System) -> str:
    """Return the device of the root file system; it may not be a path (tmpfs)."""
    mount = at(parse_mounts(mounts.table(host.paths)), "/")
    if not mount:
        return ""
    node = os.path.realpath(f"{host.paths.dev}/block/{mount.number}")
    return node if programs.number(node) else mount.source


class _Trap:
    """A spare disk with copies of the identity of the appliance's file system, swap, volume group and array."""

    def __init__(self, host: System, finder: Finder, twin: isolation_proof.Twin) -> None:
        self._host = host
        self._finder = finder
        self._twin = twin
        self._digest = ""
        self._laid = False
        self._before = self._stacked()
        self.path = ""

    def lay(self) -> tuple[str, ...]:
        """Write the trap; return its layers, which depend on the installed programs."""
        host, device = self._host, self._wait(parts=False)
        check_unused(device, device.name, survey.uses(host, device))
        size = self._size(device.path)
        start = _read(device.path, 0, isolation_proof.TRAP_BYTES)
        end = _read(device.path, max(size - isolation_proof.EDGE_BYTES, 0), size)
        isolation_proof.check_blank(device.path, start, end)
        self._laid = True
        first = isolation_proof.table().ljust(isolation_proof.MARKER_OFFSET, b"\0")
        _write(
            device.path, (first + isolation_proof.MARKER).ljust(isolation_proof.TRAP_BYTES, b"\0")
        )
        programs.must(host, ["udevadm", "settle"])
        nodes = [path for path, _number in self._wait(parts=True).partitions]
        made = dict(zip(isolation_proof.PARTS, nodes))
        layers = tuple(kind for kind, node in made.items() if getattr(self, f"_lay_{kind}")(node))
        programs.must(host, ["udevadm", "settle"])
        self._digest = self._hash(device.path)
        return layers

    def _lay_filesystem(self, node: str) -> bool:
        if not programs.locate(self._host, "mke2fs"):
            return False
        identity = ["-U", self._twin.uuid or str(uuid.uuid4()), "-L", self._twin.label]
        programs.must(self._host, ["mke2fs", "-q", "-F", "-t", "ext4", *identity, node])
        return True

    def _lay_swap(self, node: str) -> bool:
        programs.must(self._host, ["mkswap", node])
        return True

    def _lay_lvm(self, node: str) -> bool:
        """Lay a volume group, with a configuration that shows LVM only this device and keeps no records of it."""
        if not programs.locate(self._host, "lvm"):
            return False
        directory = tempfile.mkdtemp(dir=self._host.run)
        try:
            with open(f"{directory}/lvm.conf", "w", encoding="ascii") as file:
                file.write(
                    f'devices {{ global_filter = [ "a|^{node}$|", "r|.*|" ] hints = "none" '
                    "use_devicesfile = 0 }\nbackup { backup = 0 archive = 0 }\n"
                )
            environment = {"LVM_SYSTEM_DIR": directory}
            group = self._twin.group
            # In a directory without the appliance's own /dev/GROUP, which would be in the way.
            elsewhere = ["--config", f'devices/dir="{directory}" devices/scan=["/dev"]']
            volume = ["-l", "2", "-n", isolation_proof.GROUP]
            for words in (
                ["pvcreate", "-ff", "-y", node],
                ["vgcreate", *elsewhere, "-s", "1m", group, node],
                ["lvcreate", "-a", "n", "-Z", "n", "-W", "n", *volume, group],
            ):
                programs.must(self._host, ["lvm", *words], environment)
        finally:
            shutil.rmtree(directory)
        return True

    def _lay_md(self, node: str) -> bool:
        if not programs.locate(self._host, "mdadm"):
            return False
        name = f"/dev/md/{isolation_proof.ARRAY}"
        shape = ["--metadata=1.2", "--level=1", "--raid-devices=1", "--force", "--run"]
        programs.must(self._host, ["mdadm", "--create", name, *shape, node])
        programs.must(self._host, ["udevadm", "settle"])
        programs.must(self._host, ["mdadm", "--stop", name])
        return True

    def plug_again(self) -> str:
        """Make the kernel remove the disk and find it again, if it can; return the event used."""
        device = self._wait(parts=True)
        directory = os.path.realpath(f"{self._host.paths.sys_block}/{device.name}/device")
        scsi = _HOST.search(directory)
        event = "replug"
        if device.name.startswith("sd") and scsi:
            _echo(f"{directory}/delete", "1")
            _echo(f"{self._host.sys}/class/scsi_host/{scsi.group(1)}/scan", "- - -")
        elif device.name.startswith("vd"):
            driver = f"{self._host.sys}/bus/virtio/drivers/virtio_blk"
            _echo(f"{driver}/unbind", os.path.basename(directory))
            _echo(f"{driver}/bind", os.path.basename(directory))
        else:
            event = "trigger"
            nodes = [path for path, _number in device.nodes]
            programs.must(self._host, ["udevadm", "trigger", "--action=add", *nodes])
        programs.must(self._host, ["udevadm", "settle"])
        self._wait(parts=True)
        return event

    def look(self) -> isolation_proof.Observation:
        """Return what happened to the disk."""
        host, device = self._host, self._wait(parts=True)
        nodes = tuple(path for path, _number in device.nodes)
        root = _root(host)
        twin = f"{host.paths.dev}/disk/by-uuid/{self._twin.uuid}"
        seen, said = self._lvm()
        return isolation_proof.Observation(
            nodes=nodes,
            uses=survey.uses(host, device),
            new_devices=tuple(sorted(self._stacked() - self._before)),
            links=tuple(self._links(nodes)),
            properties={path: survey.properties(host, number) for path, number in device.nodes},
            lvm=seen,
            lvm_said=said,
            root_link=os.path.realpath(twin) if os.path.lexists(twin) else "",
            root=os.path.realpath(root),
            unchanged=self._hash(device.path) == self._digest,
        )

    def clear(self) -> None:
        """Make the disk blank again, unless something holds it or nothing was written."""
        device = self._finder()
        if not self._laid or not device or survey.uses(self._host, device):
            return
        _write(device.path, bytes(isolation_proof.TRAP_BYTES))
        programs.must(self._host, ["udevadm", "settle"])

    def _lvm(self) -> tuple[tuple[str, ...] | None, str]:
        if not programs.locate(self._host, "lvm"):
            return None, ""
        done = programs.call(self._host, ["lvm", "pvs", "--noheadings", "-o", "pv_name"])
        said = " ".join(line.strip() for line in done.err.splitlines() if "WARNING" in line)
        return tuple(done.out.split()), said

    def _stacked(self) -> set[str]:
        names = os.listdir(self._host.paths.sys_block)
        return {name for name in names if re.match(r"dm-|md", name)}

    def _links(self, nodes: Sequence[str]) -> Iterator[str]:
        base = f"{self._host.paths.dev}/disk"
        for directory, _directories, names in os.walk(base):
            for name in names:
                link = f"{directory}/{name}"
                if os.path.realpath(link) in nodes:
                    yield os.path.relpath(link, base)

    def _wait(self, *, parts: bool) -> BlockDevice:
        """Wait for the disk, and for all its partitions if they are wanted."""
        for _waited in self._host.deadline(_APPEAR_SECONDS, _LONGEST_PAUSE).ticks():
            device = self._finder()
            if device and (not parts or len(device.partitions) == len(isolation_proof.PARTS)):
                self.path = device.path
                return device
        raise DeviceError(
            f"The probe disk {self.path or 'of the proof'} and its partitions did not appear within "
            f"{_APPEAR_SECONDS:.0f} s.",
            hint="Check the appliance's kernel log.",
        )

    def _size(self, path: str) -> int:
        with open(path, "rb") as file:
            return file.seek(0, os.SEEK_END)

    def _hash(self, path: str) -> str:
        """Hash what is on the disk: what was written, and the last MiB."""
        with open(path, "rb") as file:
            fcntl.ioctl(file.fileno(), _BLKFLSBUF)
        size = self._size(path)
        digest = hashlib.sha256(_read(path, 0, isolation_proof.TRAP_BYTES))
        digest.update(_read(path, size - isolation_proof.EDGE_BYTES, size))
        return digest.hexdigest()


def _read(path: str, start: int, end: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(end - start)


def _write(path: str, data: bytes) -> None:
    """Overwrite the start of a disk that nothing else has claimed, and make the kernel read it again."""
    fd = opening.node(path, os.O_WRONLY | os.O_EXCL)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
        fcntl.ioctl(fd, _BLKRRPART)


def _echo(path: str, word: str) -> None:
    """Write a word to a file of sysfs."""
    with open(path, "w", encoding="ascii") as file:
        file.write(word)
