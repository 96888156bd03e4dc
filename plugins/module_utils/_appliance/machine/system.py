# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance as a system to set up: its configuration, its programs, the time of day."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.appliance_isolation import (
    DISK_NAME,
)


@dataclass(frozen=True)
class System(Host):
    """The appliance. Tests point its directories elsewhere.

    Attributes:
        disk_names: A pattern: how the kernel names of attached disks begin.
        tools: Directories of programs; not the task's PATH, which others may have set.
        now: The time of day, in seconds since 1970.
    """

    etc: str = "/etc"
    sys: str = "/sys"
    run: str = "/run"
    disk_names: str = DISK_NAME
    tools: str = programs.TOOLS
    now: Callable[[], float] = time.time
