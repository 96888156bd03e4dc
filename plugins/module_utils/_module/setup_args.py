# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that set an appliance up, and the requests made from them."""

from __future__ import annotations

import math

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    COMPRESSIONS,
    FORMATS,
    check_form,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.appliance_isolation import (
    PROOFS,
    IsolationRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import identity
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_preflight import (
    ISOLATION,
    PreflightRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_repository import (
    FILESYSTEMS,
    OPTIONS,
    RepositoryRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.runs_args import (
    TAKEOVER,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

APPLIANCE_ISOLATION: Spec = {
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "own_disks": {"type": "list", "elements": "str", "default": []},
    "repository": {"type": "path", "default": ""},
    "probe_serial": {"type": "str", "default": ""},
    "proof": {"type": "str", "default": "once", "choices": list(PROOFS)},
    "settle": {"type": "float", "default": 5.0},
}


APPLIANCE_REPOSITORY: Spec = {
    "repository": {"type": "path", "required": True},
    "device": {"type": "str", "default": ""},
    "filesystem": {"type": "str", "default": "ext4", "choices": list(FILESYSTEMS)},
    "format": {"type": "bool", "default": False},
    "mount_options": {"type": "str", "default": OPTIONS},
    "require_mount": {"type": "bool", "default": True},
}


def appliance_isolation_request(params: Params) -> IsolationRequest:
    """Read the options of ``appliance_isolation``."""
    return IsolationRequest(
        present=params["state"] == "present",
        own_disks=tuple(params["own_disks"]),
        repository=params["repository"],
        probe_serial=params["probe_serial"],
        proof=params["proof"],
        settle=params["settle"],
    )


def appliance_repository_request(params: Params) -> RepositoryRequest:
    """Read the options of ``appliance_repository``."""
    return RepositoryRequest(
        repository=params["repository"],
        device=params["device"],
        filesystem=params["filesystem"],
        format=params["format"],
        options=params["mount_options"],
        require_mount=params["require_mount"],
    )


APPLIANCE_PREFLIGHT: Spec = {
    "repository": {"type": "path", "required": True},
    "require_mount": {"type": "bool", "default": True},
    "required_bytes": {"type": "int", "default": 0},
    "space_factor": {"type": "float", "default": 1.0},
    "reserve_bytes": {"type": "int", "default": 64 * 1024 * 1024},
    "require_zstd": {"type": "bool", "default": True},
    "format": {"type": "str", "default": "qcow2", "choices": list(FORMATS)},
    "compression": {"type": "str", "default": "none", "choices": list(COMPRESSIONS)},
    "isolation": {"type": "str", "default": "warn", "choices": list(ISOLATION)},
    "vm_id": {"type": "str", "default": ""},
    "identity": {"type": "str", "default": identity.COMPARE, "choices": list(identity.MODES)},
    "takeover": {"type": "dict", "options": TAKEOVER},
}


def appliance_preflight_request(params: Params) -> PreflightRequest:
    """Read the options of ``appliance_preflight``.

    Raises:
        InvalidRequest: The factor is not a number of at least zero (nan would turn the check off),
            or the images cannot have this format.
    """
    check_form(params["format"], params["compression"])
    factor = params["space_factor"]
    if not (math.isfinite(factor) and factor >= 0):
        raise InvalidRequest(
            f"{option('space_factor')} must be a number of 0 or more, not {factor}."
        )
    plain = {
        key: params[key]
        for key in APPLIANCE_PREFLIGHT
        if key not in ("space_factor", "format", "compression", "takeover")
    }
    return PreflightRequest(**{**plain, "required_bytes": int(params["required_bytes"] * factor)})
