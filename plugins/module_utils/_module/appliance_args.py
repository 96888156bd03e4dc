# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that run on the appliance, and what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.appliance import identity
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.appliance.preflight import (
    ISOLATION,
    PreflightRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import arrival
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.release import (
    STATES,
    ReleaseRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.images import (
    COMPRESSIONS,
    FORMATS,
    CopyRequest,
    ImageRequest,
    check_form,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set import (
    FinishRequest,
    PrepareRequest,
    disk_facts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.naming import (
    TIME,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import takeover

Params = Mapping[str, Any]
Spec = dict[str, Any]

COPY: Spec = {
    "images": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "serial": {"type": "str", "required": True},
            "size": {"type": "int", "required": True},
            "dest": {"type": "path", "required": True},
        },
    },
    "format": {"type": "str", "default": "qcow2", "choices": list(FORMATS)},
    "compression": {"type": "str", "default": "none", "choices": list(COMPRESSIONS)},
    "timeout": {"type": "float", "default": 60.0},
    "snapshot": {"type": "str", "default": ""},
}

PREFLIGHT: Spec = {
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
}

RELEASE: Spec = {
    "serials": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "default": "released", "choices": list(STATES)},
    "timeout": {"type": "float", "default": 30.0},
    "fail": {"type": "bool", "default": True},
}

_TEXT: Spec = {"type": "str", "default": ""}
_NEEDED: Spec = {"type": "str", "required": True}

SET: Spec = {
    "state": {"type": "str", "required": True, "choices": ["prepared", "present"]},
    "repository": {"type": "path"},
    "path": {"type": "path"},
    "run_id": _NEEDED,
    "started": _NEEDED,
    "finished": {"type": "str"},
    "correlation_id": _TEXT,
    "vm": {
        "type": "dict",
        "required": True,
        "options": {
            "id": _NEEDED,
            "name": _NEEDED,
            "cluster": _TEXT,
            "data_center": _TEXT,
            "description": _TEXT,
        },
    },
    "snapshot": {
        "type": "dict",
        "options": {
            "id": _NEEDED,
            "description": _TEXT,
            "date": _TEXT,
            "asked": _TEXT,
            "there": _TEXT,
        },
    },
    "consistency": {"type": "str", "default": "unknown"},
    "evidence": {"type": "list", "elements": "str", "default": []},
    "versions": {
        "type": "dict",
        "options": {"engine": _TEXT, "collection": _TEXT, "qemu_img": _TEXT, "ansible": _TEXT},
        "apply_defaults": True,
    },
    "format": {"type": "str", "default": "qcow2", "choices": list(FORMATS)},
    "compression": {"type": "str", "default": "none", "choices": list(COMPRESSIONS)},
    "disks": {"type": "list", "elements": "dict", "required": True},
    "images": {"type": "list", "elements": "dict"},
    "ovf": {"type": "str", "no_log": True},
    "ovf_sha256": {"type": "str"},
}

SET_REQUIRED_IF = [
    ("state", "prepared", ("repository",)),
    ("state", "present", ("path", "finished", "snapshot", "images")),
]


def copy_request(params: Params) -> CopyRequest:
    """What ``disk_image_copy`` is asked to do."""
    return CopyRequest(
        images=tuple(ImageRequest(**image) for image in params["images"]),
        format=params["format"],
        compression=params["compression"],
        timeout=params["timeout"],
        snapshot=params["snapshot"],
    )


def preflight_request(params: Params) -> PreflightRequest:
    """What ``appliance_preflight`` is asked to check.

    :raises InvalidRequest: The factor is no number of zero or more: nan would turn the check off. Or
        the images could not be made in this form.
    """
    check_form(params["format"], params["compression"])
    factor = params["space_factor"]
    if not (math.isfinite(factor) and factor >= 0):
        raise InvalidRequest(
            f"{option('space_factor')} must be a number of 0 or more, not {factor}."
        )
    plain = {
        key: params[key]
        for key in PREFLIGHT
        if key not in ("space_factor", "format", "compression")
    }
    return PreflightRequest(**{**plain, "required_bytes": int(params["required_bytes"] * factor)})


def release_request(params: Params) -> ReleaseRequest:
    """What ``disk_device_release`` is asked to let go of."""
    return ReleaseRequest(
        serials=tuple(dict.fromkeys(params["serials"])),
        state=params["state"],
        timeout=params["timeout"],
        fail=params["fail"],
    )


def prepare_request(params: Params) -> PrepareRequest:
    """What ``backup_set`` is asked to prepare.

    :raises InvalidRequest: A time is none, or the images could not be made in this form.
    :raises ValueMasked: A value did not arrive as it was sent.
    """
    _check_arrival(params)
    check_form(params["format"], params["compression"])
    for key in ("asked", "there"):
        text = (params.get("snapshot") or {}).get(key)
        if text and not TIME.match(text):
            raise InvalidRequest(
                f"snapshot.{key}: {text!r} is not a UTC time such as 2026-11-23T01:02:03Z."
            )
    return PrepareRequest(
        repository=params["repository"],
        vm=(params["vm"]["name"], params["vm"]["id"]),
        run=(params["started"], params["run_id"]),
        disks=disk_facts(params["disks"]),
        format=params["format"],
        record=takeover.dump(params, params["ovf"] or "") if params.get("snapshot") else None,
        ovf=params.get("ovf"),
    )


def _check_arrival(params: Params) -> None:
    """Everything that a set says comes through results of other tasks."""
    ovf, sha256 = params.get("ovf"), params.get("ovf_sha256")
    if ovf is not None and sha256 is not None:
        arrival.check_digest("ovf", ovf, sha256)
    # The configuration and a VM's description may hold asterisks of their own.
    described = {key: value for key, value in params["vm"].items() if key != "description"}
    plain = {key: value for key, value in params.items() if key not in ("ovf", "ovf_sha256")}
    arrival.check_unmasked({**plain, "vm": described})


def finish_request(params: Params) -> FinishRequest:
    """What ``backup_set`` is asked to finish.

    :raises ValueMasked: A value did not arrive as it was sent.
    """
    _check_arrival(params)
    taken = ("run_id", "correlation_id", "started", "finished", "vm", "snapshot", "versions")
    consistency = {"level": params["consistency"], "evidence": params["evidence"]}
    return FinishRequest(
        path=params["path"],
        facts={**{key: params[key] for key in taken}, "consistency": consistency},
        disks=disk_facts(params["disks"]),
        images=tuple(params["images"]),
        ovf=params["ovf"],
    )
