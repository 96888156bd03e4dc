# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real time."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)


def test_sleeping_lets_the_time_pass_that_is_shown() -> None:
    clock = SystemClock()
    began = clock.now()
    clock.sleep(0.01)
    assert clock.now() - began >= 0.01
