# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the bytes of a copy, and report them now and then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.progress import (
    Progress,
    advance,
)

if TYPE_CHECKING:
    from typing import Callable

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
        CopyRequest,
    )

_INTERVAL = 1.0
"""Seconds between two reports at least."""


class Meter:
    """The progress of one copy of several disks, pass after pass."""

    def __init__(
        self, clock: Clock, request: CopyRequest, tell: Callable[[Progress], None]
    ) -> None:
        """Start at zero.

        Args:
            clock: Tells the time.
            request: What is copied. An existing image is read once, to verify it.
            tell: Gets the progress, at most once a second.
        """
        work = [image.size * (1 if os.path.lexists(image.dest) else 2) for image in request.images]
        size = sum(image.size for image in request.images)
        self.progress = Progress(size, sum(work), at=clock.now())
        self._clock = clock
        self._tell = tell
        self._told = self.progress.at
        self._base = 0

    def at(self, offset: int) -> None:
        """Note that so many bytes of the present pass are done."""
        now = self._clock.now()
        if now - self._told >= _INTERVAL:
            self.progress = advance(self.progress, self._base + offset, now)
            self._told = now
            self._tell(self.progress)

    def passed(self, size: int) -> None:
        """Note that a pass over so many bytes is done."""
        self._base += size
        self.at(0)
