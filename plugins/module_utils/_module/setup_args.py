# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that set an appliance up, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.appliance.repository_disk import (
    FILESYSTEMS,
    OPTIONS,
    RepositoryRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.isolation import (
    PROOFS,
    IsolationRequest,
)

Params = Mapping[str, Any]
Spec = dict[str, Any]

ISOLATION: Spec = {
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "own_disks": {"type": "list", "elements": "str", "default": []},
    "repository": {"type": "path", "default": ""},
    "probe_serial": {"type": "str", "default": ""},
    "proof": {"type": "str", "default": "once", "choices": list(PROOFS)},
    "settle": {"type": "float", "default": 5.0},
}


REPOSITORY: Spec = {
    "path": {"type": "path", "required": True},
    "device": {"type": "str", "default": ""},
    "filesystem": {"type": "str", "default": "ext4", "choices": list(FILESYSTEMS)},
    "format": {"type": "bool", "default": False},
    "mount_options": {"type": "str", "default": OPTIONS},
    "require_mount": {"type": "bool", "default": True},
}


def isolation_request(params: Params) -> IsolationRequest:
    """What ``appliance_isolation`` is asked for."""
    return IsolationRequest(
        present=params["state"] == "present",
        own_disks=tuple(params["own_disks"]),
        repository=params["repository"],
        probe_serial=params["probe_serial"],
        proof=params["proof"],
        settle=params["settle"],
    )


def repository_request(params: Params) -> RepositoryRequest:
    """What ``appliance_repository`` is asked for."""
    return RepositoryRequest(
        path=params["path"],
        device=params["device"],
        filesystem=params["filesystem"],
        format=params["format"],
        options=params["mount_options"],
        require_mount=params["require_mount"],
    )
