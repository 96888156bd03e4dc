# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one import of the oVirt SDK; all other files take it from here.

If it is missing the names are None, and ``connect.connect`` reports it before they are used.
"""

from __future__ import annotations

from typing import Any

SdkObject = Any
"""An object of the SDK, which has no types of its own."""

MISSING: ImportError | None = None

try:
    import ovirtsdk4
    from ovirtsdk4 import types
except ImportError as exc:
    ovirtsdk4 = types = None
    MISSING = exc

__all__ = ["MISSING", "SdkObject", "ovirtsdk4", "types"]
