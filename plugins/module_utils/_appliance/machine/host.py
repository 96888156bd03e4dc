# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the appliance's kernel and udev publish what they know, and the clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Clock,
    Deadline,
)

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Longest pause between two looks at the appliance, in seconds."""


@dataclass(frozen=True)
class Paths:
    """Directories and files that describe block devices, and the places of our jobs and claims.

    Tests point them elsewhere.
    """

    by_id: str = "/dev/disk/by-id"
    sys_block: str = "/sys/block"
    btrfs: str = "/sys/fs/btrfs"
    udev: str = "/run/udev/data"
    dev: str = "/dev"
    mountinfo: str = "/proc/self/mountinfo"
    swaps: str = "/proc/swaps"
    proc: str = "/proc"
    jobs: str = "/run/ovirt_community.backup"
    claims: str = "/run/ovirt_community.backup-claims"


@dataclass(frozen=True)
class Host:
    """The appliance."""

    paths: Paths = Paths()
    clock: Clock = field(default_factory=SystemClock)

    def deadline(self, timeout: float, longest_pause: float = LONGEST_PAUSE) -> Deadline:
        """Start the time of a wait; return its deadline.

        Args:
            timeout: Seconds; ``math.inf`` if something else ends the wait.
            longest_pause: Longest pause between two looks, in seconds.
        """
        return Deadline(self.clock, timeout, longest_pause, FIRST_PAUSE)
