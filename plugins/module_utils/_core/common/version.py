# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release of this collection, as a set's manifest records it. A test compares it with galaxy.yml."""

from __future__ import annotations

VERSION = "0.1.0"
