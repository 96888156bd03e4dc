# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab answers otherwise, on purpose, with a reason each.

An element is excused by its resource and path, with all that is below it: only one that no code under
``plugins/`` and no named foreign client reads. A step is excused by its scene and title. An entry that no longer
differs is an error, so that this table cannot outlive its reasons.
"""

from __future__ import annotations

from collections.abc import Mapping

MOST = 60
"""At most so many elements are excused by path."""

ELEMENTS: Mapping[str, str] = {
    # Hosts: of the machine that was asked.
    "host/hardware_information": "serial number and UUID of the machine",
    "host/iscsi": "the initiator's name",
    "host/max_scheduling_memory": "what its VMs left of the memory",
    "host/summary": "how many VMs it ran, those of other scenes among them",
}

STEPS: Mapping[tuple[str, str], str] = {}
