# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request for the configuration of a VM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OvfRequest:
    """The request for the configuration of a VM, now or in a snapshot."""

    vm: str
    snapshot: str | None = None
