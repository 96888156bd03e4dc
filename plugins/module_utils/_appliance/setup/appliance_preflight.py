# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``appliance_preflight``: gather facts, write nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from itertools import islice
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    mounts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images import qemu
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    identity,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    exposure,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs.unfinished import (
    TakeoverWatch,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup import (
    prepared,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    MissingDependency,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    ReadOnlyOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
    Plan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    above,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    PART_SUFFIX,
    parse_version,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.naming import (
    MANIFEST,
    split_vm_directory,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import (
    appliance_preflight,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.takeover import (
        TakeoverRequest,
    )

_PROBE_SECONDS = 60
_LEFTOVERS_LIMIT = 1000


class AppliancePreflight(ReadOnlyOperation):
    """Check whether this appliance is fit for a backup."""

    def __init__(
        self,
        request: appliance_preflight.PreflightRequest,
        host: System | None = None,
        takeover: TakeoverRequest | None = None,
    ) -> None:
        """Keep the request.

        Args:
            request: The requirements on the appliance.
            takeover: What is known of killed runs; None to decide nothing about them.
            host: The appliance; this machine by default.
        """
        self._request = request
        self._host = host or System()
        self._takeover = takeover

    def plan(self) -> Plan[NoStep]:
        """Gather all facts and judge them; there is never anything to execute.

        Raises:
            Refused: Names every problem at once.
        """
        facts = self.gather()
        appliance_preflight.check(self._request, facts)
        takeover, faults = self._decide()
        return Plan(
            result={
                **appliance_preflight.facts_dict(facts),
                "needed_bytes": self._request.needed_bytes,
                "takeover": takeover,
            },
            warnings=(*appliance_preflight.warnings(self._request, facts), *faults),
        )

    def _decide(self) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """Return what to do about killed runs, by VM, and warnings."""
        asked = self._takeover
        if asked is None:
            return None, ()
        return TakeoverWatch(
            self._request.repository, asked.leftovers, asked.patience, asked.wanted, asked.dead
        ).decide()

    def gather(self) -> appliance_preflight.ApplianceFacts:
        """Return the facts, without judging them."""
        path = self._request.repository
        return appliance_preflight.ApplianceFacts(
            repository=_repository(path, self._host),
            qemu_img=_qemu_img(),
            python=platform.python_version(),
            kernel=platform.release(),
            root=os.geteuid() == 0,
            leftovers=_leftovers(path),
            isolation=prepared.isolation_facts(self._host),
            machine_id=identity.machine(self._host),
        )


def _repository(path: str, host: System) -> appliance_preflight.RepositoryFacts:
    if not os.path.isdir(path):
        return appliance_preflight.RepositoryFacts(path, False, "", "", "", False, 0, 0)
    mount = above(mounts.read(host.paths), os.path.realpath(path))
    status = os.statvfs(path)
    return appliance_preflight.RepositoryFacts(
        path=path,
        is_directory=True,
        mount_point=mount.point,
        filesystem=mount.filesystem,
        source=mount.source,
        writable=os.access(path, os.W_OK | os.X_OK) and not status.f_flag & os.ST_RDONLY,
        free_bytes=status.f_bavail * status.f_frsize,
        total_bytes=status.f_blocks * status.f_frsize,
        exposed=exposure.of_repository(path),
    )


def _qemu_img() -> appliance_preflight.QemuImgFacts:
    try:
        path = qemu.locate()
    except MissingDependency:
        return appliance_preflight.QemuImgFacts("", "", False)
    version = parse_version(_output([path, "--version"]))
    return appliance_preflight.QemuImgFacts(path, version, _has_zstd(path))


def _has_zstd(qemu_img: str) -> bool:
    """Try to make an empty zstd image in memory: qemu-img does not list its compression methods."""
    fd = os.memfd_create("qemu-img-probe")
    try:
        target = f"/proc/self/fd/{fd}"
        argv = [qemu_img, "create", "-q", "-f", "qcow2", "-o", "compression_type=zstd", target]
        # Code below the edge has no AnsibleModule, and so no run_command.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [*argv, "1M"],
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        return done.returncode == 0
    finally:
        os.close(fd)


def _output(argv: list[str]) -> str:
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")


def _leftovers(repository: str) -> appliance_preflight.Leftovers:
    """Return unfinished images and sets, a bounded number of them."""
    sets = list(_sets(repository))
    parts = (
        f"{path}/{name}" for path in sets for name in _names(path) if name.endswith(PART_SUFFIX)
    )
    bare = (path for path in sets if not os.path.lexists(f"{path}/{MANIFEST}"))
    return appliance_preflight.Leftovers(
        parts=tuple(islice(parts, _LEFTOVERS_LIMIT)), sets=tuple(islice(bare, _LEFTOVERS_LIMIT))
    )


def _sets(repository: str) -> Iterator[str]:
    for vm in filter(split_vm_directory, _names(repository)):
        directory = f"{repository.rstrip('/')}/{vm}"
        for name in _names(directory):
            if os.path.isdir(f"{directory}/{name}"):
                yield f"{directory}/{name}"


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
