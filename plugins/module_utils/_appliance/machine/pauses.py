# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait between two looks at something slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Clock,
    )

_SHORTEST_PAUSE = 0.001
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_GROWTH = 1.5


def poll(clock: Clock, timeout: float) -> Iterator[float]:
    """Yield the seconds waited: at once, after growing pauses, and for the last time when time is up."""
    start = clock.now()
    pause = _FIRST_PAUSE
    while True:
        waited = clock.now() - start
        yield waited
        if waited >= timeout:
            return
        # No step may be too small for the clock.
        clock.sleep(max(min(pause, timeout - waited), _SHORTEST_PAUSE))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
