# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request to list what an appliance holds and what a snapshot has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InfoRequest:
    """The request to look at an appliance, at a snapshot, or at both."""

    appliance: str | None = None
    source: str | None = None
    snapshot: str | None = None
