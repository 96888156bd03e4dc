# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``backup_vm``: record which VMs are to be backed up, and which no longer."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    show_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set,
    backup_vm,
    naming,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MODE = 0o600


@dataclass(frozen=True)
class BackupVmRequest:
    """The request of ``backup_vm``.

    Attributes:
        wanted: VMs that are to be backed up, as ``backup_plan_info`` returns them.
        retired: Names or ids of VMs that are no longer to be backed up.
        reason: Why they are not.
    """

    repository: str
    wanted: Sequence[Mapping[str, Any]] = ()
    retired: Sequence[str] = ()
    reason: str = ""


def read(path: str) -> backup_vm.Recorded:
    """Return all records of a repository. An unreadable one is named, and hides no other.

    Raises:
        InvalidRequest: There is no such repository.
    """
    where = f"{backup_set.plain_path('repository', path)}/{backup_vm.DIRECTORY}"
    with repository.opened(os.path.dirname(where)) as top:
        try:
            directory = opening.directory(backup_vm.DIRECTORY, within=top)
        except FileNotFoundError:
            return backup_vm.Recorded()
        except OSError as exc:
            return backup_vm.Recorded(
                there=True, faults=(f"{where} cannot be read: {exc.strerror}",)
            )
    try:
        return _all(directory, where)
    finally:
        os.close(directory)


def _all(directory: int, where: str) -> backup_vm.Recorded:
    found, faults = [], []
    try:
        names = sorted(os.listdir(directory))
    except OSError as exc:
        return backup_vm.Recorded(there=True, faults=(f"{where} cannot be read: {exc.strerror}",))
    for name in names:
        vm_id = name[: -len(backup_vm.SUFFIX)]
        if not name.endswith(backup_vm.SUFFIX) or not naming.UUID.match(vm_id):
            continue
        try:
            data = repository.read_file(directory, name, backup_vm.SIZE_LIMIT)
        except (ValueError, repository.UnreadError) as exc:
            faults.append(f"{where}/{exc}")
            continue
        source = backup_vm.loads(vm_id, data) if data is not None else None
        if source:
            found.append(source)
        elif data is not None:
            faults.append(f"{where}/{name} is not a VM record")
    return backup_vm.Recorded(tuple(found), there=True, faults=tuple(faults))


class BackupVm(Operation[backup_vm.Source]):
    """Record which VMs are to be backed up, or retire some."""

    def __init__(self, request: BackupVmRequest, now: Callable[[], float] = time.time) -> None:
        """Keep the request.

        Args:
            request: What to record.
            now: Tells the time of day, in seconds since 1970.
        """
        self._request = request
        self._time = now

    def plan(self) -> Plan[backup_vm.Source]:
        """See which records must be written.

        Raises:
            NotFound: A VM to be retired is unknown.
            Ambiguous: Several VMs have its name.
        """
        request = self._request
        known = read(request.repository)
        now = show_time(datetime.fromtimestamp(self._time(), timezone.utc))
        changed = backup_vm.wanted(known.vms, backup_vm.named(request.wanted), now)
        if request.retired:
            found = repository.read(request.repository, self._time())
            names = [(one.vm_id, one.title) for one in found.entries]
            changed += backup_vm.retired(known.vms, names, request.retired, request.reason, now)
        before = {one.id: one.to_dict() for one in known.vms}
        after = {**before, **{one.id: one.to_dict() for one in changed}}
        return Plan(
            steps=tuple(changed),
            result={"vms": [after[vm_id] for vm_id in sorted(after)]},
            before={"vms": before},
            after={"vms": after},
            warnings=tuple(naming.show_text(f"{fault}.") for fault in known.faults),
        )

    def execute(self, plan: Plan[backup_vm.Source]) -> Mapping[str, Any]:
        """Write the records, each completely.

        Raises:
            ImageError: One cannot be written.
        """
        for step in plan.steps:
            if not isinstance(step, backup_vm.Source):
                unhandled(step)
        directory = (
            f"{backup_set.plain_path('repository', self._request.repository)}/{backup_vm.DIRECTORY}"
        )
        files.make_directory(directory)
        for source in plan.steps:
            path = f"{directory}/{source.id}{backup_vm.SUFFIX}"
            files.write_whole(path, backup_vm.dumps(source), _MODE)
        return {}
