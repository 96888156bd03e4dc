# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``appliance_repository``: mount the repository disk."""

from __future__ import annotations

import os
import stat
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    mounts,
    scan,
    survey,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    opening,
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    exposure as ways,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    above,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    exposure,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import (
    appliance_repository,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING_FOUND = 2
"""Exit code of blkid for a device without a signature."""
_FSTAB_MODE = 0o644
_MKFS_SECONDS = 3600.0
"""A large disk may take long to discard."""


class ApplianceRepository(Operation[appliance_repository.Step]):
    """Mount the repository disk as the repository."""

    def __init__(
        self, request: appliance_repository.RepositoryRequest, host: System | None = None
    ) -> None:
        """Keep the request.

        Args:
            request: What is wanted.
            host: The appliance; this machine by default.
        """
        self._request = request
        self._host = host or System()

    def plan(self) -> Plan[appliance_repository.Step]:
        """Read the directory and the device, and decide.

        Raises:
            Refused: A step would destroy data, or what exists is not what was requested.
            DeviceNotFound: There is no such device.
        """
        appliance_repository.check_request(self._request)
        place = self._place()
        device = self._device() if self._request.device else None
        fstab = programs.text(self._fstab()) or ""
        todo = appliance_repository.steps(
            self._request, place, device, fstab, lambda spec: survey.leads_to(self._host, spec)
        )
        path = self._request.repository
        exposed = ways.above(path)
        return Plan(
            steps=todo,
            result={"repository": path, "device": device.path if device else ""},
            before=appliance_repository.describe(place),
            after=appliance_repository.after(place, todo, device),
            warnings=(f"{exposure.message(path, exposed)} {exposure.REMEDY}",) if exposed else (),
        )

    def execute(self, plan: Plan[appliance_repository.Step]) -> Mapping[str, Any]:
        """Take the steps; the result has nothing beyond the plan's."""
        for step in plan.steps:
            if isinstance(step, appliance_repository.MakeFilesystem):
                self._make(step)
            elif isinstance(step, appliance_repository.MakeMountPoint):
                self._directory(step)
            elif isinstance(step, appliance_repository.AddLine):
                self._add_line(step)
            elif isinstance(step, appliance_repository.MountDisk):
                self._mount(step)
            elif isinstance(step, appliance_repository.Restrict):
                self._restrict(step)
            else:
                unhandled(step)
        return {}

    def _fstab(self) -> str:
        return f"{self._host.etc}/fstab"

    def _place(self) -> appliance_repository.PlaceFacts:
        path = self._request.repository
        mount = above(mounts.read(self._host.paths), path)
        facts = appliance_repository.PlaceFacts(
            mount.point, mount.devices, mount.source, mount.filesystem
        )
        try:
            status = os.lstat(path)
        except OSError:
            return facts
        return replace(
            facts,
            is_directory=stat.S_ISDIR(status.st_mode),
            mode=stat.S_IMODE(status.st_mode),
            owner=(status.st_uid, status.st_gid),
        )

    def _device(self) -> appliance_repository.DeviceFacts:
        host = self._host
        devices = scan.scan(host.paths)
        number = survey.resolve(host, devices, self._request.device)
        for device in devices:
            for path, found in device.nodes:
                if found == number:
                    return self._facts(device, path, number)
        raise DeviceError(f"{self._request.device} is neither a disk nor a partition.")

    def _facts(
        self, device: BlockDevice, path: str, number: str
    ) -> appliance_repository.DeviceFacts:
        """Return what is on a device. It is read directly, since udev does not probe isolated disks."""
        done = programs.call(self._host, ["blkid", "-p", "-o", "export", path])
        if done.code not in (0, _NOTHING_FOUND):
            raise DeviceError(
                f"The content of {path} could not be identified: {done.err.strip() or 'several signatures'}.",
                hint="Inspect it with wipefs.",
            )
        found = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
        signature = found.get("TYPE", found.get("PTTYPE", ""))
        whole = path == device.path
        return appliance_repository.DeviceFacts(
            path=path,
            number=number,
            signature=signature,
            usage=found.get("USAGE", ""),
            uuid=found.get("UUID", "") if signature else str(uuid.uuid4()),
            blank=None if signature else _is_blank(path),
            uses=survey.uses(self._host, device if whole else self._part(path, number)),
            partitions=tuple(part for part, _number in device.partitions) if whole else (),
        )

    def _part(self, path: str, number: str) -> BlockDevice:
        """Return a partition as a device of its own."""
        holders = f"{self._host.sys}/dev/block/{number}/holders"
        names = tuple(sorted(os.listdir(holders))) if os.path.isdir(holders) else ()
        return BlockDevice(os.path.basename(path), path, number, holders=names)

    def _make(self, step: appliance_repository.MakeFilesystem) -> None:
        """Make the file system, unless something was written to the device meanwhile."""
        if not _is_blank(step.device):
            raise DeviceError(
                f"{step.device} is no longer blank: something wrote to it since it was checked. It was not formatted.",
                hint="Find out what uses the disk, then run the task again.",
                details={"device": step.device},
            )
        identity = {"ext4": ["-U", step.uuid], "xfs": ["-m", f"uuid={step.uuid}"]}
        argv = [f"mkfs.{step.filesystem}", "-q", *identity[step.filesystem], step.device]
        programs.must(self._host, argv, seconds=_MKFS_SECONDS)
        programs.must(self._host, ["udevadm", "settle"])

    def _directory(self, step: appliance_repository.MakeMountPoint) -> None:
        files.make_directories(os.path.dirname(step.path), 0o755)
        files.make_directory(step.path)

    def _add_line(self, step: appliance_repository.AddLine) -> None:
        text = appliance_repository.with_line(programs.text(self._fstab()) or "", step.line)
        files.write_whole(self._fstab(), text.encode("utf-8", "surrogateescape"), _FSTAB_MODE)
        if os.path.isdir(f"{self._host.run}/systemd/system"):
            programs.must(self._host, ["systemctl", "daemon-reload"])

    def _mount(self, step: appliance_repository.MountDisk) -> None:
        programs.must(self._host, ["mount", step.path])

    def _restrict(self, step: appliance_repository.Restrict) -> None:
        """Restrict the directory through a descriptor, so that no link is followed."""
        with opening.closing(opening.directory(step.path)) as fd:
            os.fchown(fd, 0, 0)
            os.fchmod(fd, appliance_repository.OWNER_ONLY)


def _is_blank(path: str) -> bool:
    """Tell whether the first and the last MiB of a device, and samples between, are zero."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        stride = max(size // appliance_repository.SAMPLES, 1)
        samples = [
            (0, appliance_repository.MIB),
            (max(size - appliance_repository.MIB, 0), appliance_repository.MIB),
        ]
        samples += [(start, appliance_repository.SAMPLE_BYTES) for start in range(0, size, stride)]
        for start, length in samples:
            file.seek(start)
            if file.read(length).strip(b"\0"):
                return False
    return size > 0
