# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run appliance_preflight on the appliance; a lost connection is an ordinary failure."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.plugin_utils._reaching import (
    ApplianceAction,
)


class ActionModule(ApplianceAction):
    """The action for the module of this name."""
