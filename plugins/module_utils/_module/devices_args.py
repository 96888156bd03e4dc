# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that work with devices, and the requests made from them."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.disk_device_release import (
    STATES,
    ReleaseRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

DISK_DEVICE_RELEASE: Spec = {
    "serials": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "default": "released", "choices": list(STATES)},
    "timeout": {"type": "float", "default": 30.0},
    "fail": {"type": "bool", "default": True},
}


def disk_device_release_request(params: Params) -> ReleaseRequest:
    """Read the options of ``disk_device_release``."""
    return ReleaseRequest(
        serials=tuple(dict.fromkeys(params["serials"])),
        state=params["state"],
        timeout=params["timeout"],
        fail=params["fail"],
    )
