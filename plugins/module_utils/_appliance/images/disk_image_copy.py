# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy disks to image files in a job that outlives the connection."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.image_copy import (
    CopyStep,
    ImageCopy,
    check_directories,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.meter import (
    Meter,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs import (
    backup_claim,
    unfinished,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import (
    disk_image_copy,
    jobs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.job import (
    Job,
)


class DiskImageCopy(Job[CopyStep]):
    """Have disks copied by a job."""

    def __init__(
        self,
        request: disk_image_copy.CopyRequest,
        following: jobs.Following,
        host: Host | None = None,
    ) -> None:
        """Keep the request.

        Args:
            request: What to copy.
            following: How long to wait, and for which follower.
            host: The appliance; this machine by default.
        """
        super().__init__(jobs.key(request), following, host)
        self._request = request

    def _check(self) -> None:
        disk_image_copy.check_request(self._request)
        check_directories(self._request)

    def _meter(self) -> Meter:
        return Meter(self._host.clock, self._request, self._note.tell)

    def _operation(self, meter: Meter | None) -> ImageCopy:
        return ImageCopy(self._request, self._host, meter)

    def _bound(self) -> bool:
        return bool(self._request.snapshot)

    def _stands(self, outcome: Mapping[str, Any]) -> bool:
        """Tell whether the images that a job made still exist with the same length."""
        images = outcome.get("result", {}).get("images", ())
        return all(_length(image["dest"]) == image["file_size"] for image in images)

    def _touch(self, *, first: bool) -> None:
        directories = {os.path.dirname(image.dest) for image in self._request.images}
        unfinished.touch(directories)
        backup_claim.sign(self._host, directories, call=first)


def _length(path: str) -> int | None:
    """Return the bytes of a file; None if it does not exist or is not a plain file."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
