# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write images to disks in a job that outlives the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.job import (
    Job,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.meter import (
    Meter,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    restore_source_info,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.restore import (
    image_restore,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.progress import (
    Progress,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    disk_image_restore as requests,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
        Host,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.jobs import (
        Following,
    )


class DiskImageRestore(Job[image_restore.WriteStep]):
    """Have images of a set written to new disks by a job."""

    def __init__(
        self,
        request: requests.WriteRequest,
        following: Following,
        host: Host | None = None,
        records: str = image_restore.RECORDS,
    ) -> None:
        """Keep the request.

        Args:
            request: Which images to write to which disks.
            following: How long to wait, and for which follower.
            host: The appliance; this machine by default.
            records: Directory for records of devices that were found blank.
        """
        super().__init__(requests.job_key(request), following, host)
        self._request = request
        self._records = records
        self._size = 0

    def _check(self) -> None:
        requests.check_write(self._request)
        entry = restore_source_info.entry_at(self._request.path)
        wanted = {target.disk_id for target in self._request.targets}
        disks = requests.good_manifest(entry).disks
        self._size = sum(disk.virtual_size for disk in disks if disk.id in wanted)

    def _meter(self) -> Meter:
        return _WriteMeter(self._host.clock, self._size, self._note.tell)

    def _operation(self, meter: Meter | None) -> image_restore.ImageRestore:
        return image_restore.ImageRestore(self._request, self._host, self._records, meter)

    def _bound(self) -> bool:
        """Return True: the request names a set, which never changes, and disks that were made for it."""
        return True

    def _stands(self, _outcome: Mapping[str, Any]) -> bool:
        """Return False: nobody knows what was written to the disks since."""
        return False

    def _touch(self, *, first: bool) -> None:
        """Do nothing: nobody asks; a second run of the same restore joins the job."""


class _WriteMeter(Meter):
    """The progress of writing so many bytes of devices."""

    def __init__(self, clock: Clock, size: int, tell: Callable[[Progress], None]) -> None:
        super().__init__(clock, CopyRequest(()), tell)
        self.progress = Progress(size, size * image_restore.PASSES, at=clock.now())
