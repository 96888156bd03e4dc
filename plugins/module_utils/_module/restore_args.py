# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules of a restore, and the requests made from them."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import arrival
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    parse_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    INTERFACES,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.manifest import (
    from_dict,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    restore_marks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.disk_image_restore import (
    WriteRequest,
    WriteTarget,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_plan_info import (
    DISKS,
    VM,
    RestoreRequest,
    Wishes,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_source_info import (
    SourceRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_steps import (
    ABSENT,
    PREPARED,
    read_orders,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_disks import (
    DisksRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restored_vm import (
    VmRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import identity
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

_NEEDED: Spec = {"type": "str", "required": True}

RESTORE_SOURCE_INFO: Spec = {
    "path": {"type": "path"},
    "repository": {"type": "path"},
    "vm": {"type": "str"},
    "before": {"type": "str"},
    "disks": {"type": "list", "elements": "str", "default": []},
    "verify": {"type": "bool", "default": True},
}

DISK_IMAGE_RESTORE: Spec = {
    "path": {"type": "path", "required": True},
    "restore_id": _NEEDED,
    "images": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "disk_id": _NEEDED,
            "serial": _NEEDED,
            "blank": {"type": "bool", "default": True},
            "same_id": {"type": "bool", "default": False},
            "storage": {"type": "str", "default": ""},
        },
    },
    "device_timeout": {"type": "float", "default": 60.0},
    "wait_seconds": {"type": "float"},
    "follower": {"type": "str", "default": ""},
    "title": {"type": "str", "default": ""},
    "reconnect_timeout": {"type": "float", "default": 600.0},
    "return_after": {"type": "float", "default": 0.0},
}

RESTORE_PLAN_INFO: Spec = {
    "appliance": _NEEDED,
    "manifest": {"type": "dict", "required": True},
    "ovf": {"type": "str", "required": True, "no_log": True},
    "what": {"type": "str", "choices": [VM, DISKS], "default": VM},
    "disks": {"type": "list", "elements": "str", "default": []},
    "vm": {"type": "str"},
    "name": {"type": "str"},
    "cluster": {"type": "str"},
    "storage_domain": {"type": "str"},
    "storage_domains": {"type": "dict", "default": {}},
    "vnic_profiles": {"type": "dict", "default": {}},
    "keep_identity": {"type": "bool", "default": False},
    "keep_disk_ids": {"type": "bool", "default": True},
    "test": {"type": "bool", "default": False},
    "owner": {"type": "str", "default": "default"},
    "check_permissions": {"type": "bool", "default": True},
    "machine_id": {"type": "str"},
    "identity": {"type": "str", "default": identity.COMPARE, "choices": list(identity.MODES)},
}

_MARK: Spec = {
    "owner": {"type": "str", "default": "default"},
    "restore_id": _NEEDED,
    "run_id": _NEEDED,
    "appliance": _NEEDED,
}

RESTORED_DISKS: Spec = {
    "state": {"type": "str", "required": True, "choices": ["prepared", "present", "absent"]},
    **_MARK,
    "disks": {"type": "list", "elements": "dict"},
    "vm": {"type": "str"},
    "interface": {"type": "str", "choices": list(INTERFACES), "default": "virtio_scsi"},
}
RESTORED_DISKS_REQUIRED_IF = [("state", "prepared", ("disks",)), ("state", "present", ("disks",))]

RESTORED_VM: Spec = {
    "state": {
        "type": "str",
        "choices": ["prepared", "present", "tested", "absent"],
        "default": "present",
    },
    **_MARK,
    "name": _NEEDED,
    "disks": {"type": "list", "elements": "dict"},
    "cluster_id": {"type": "str"},
    "ovf": {"type": "str", "no_log": True},
    "vnic_profiles": {"type": "dict", "default": {}},
    "keep_identity": {"type": "bool", "default": False},
    "start": {"type": "bool", "default": False},
    "test": {"type": "bool", "default": False},
}
RESTORED_VM_REQUIRED_IF = [
    ("state", "prepared", ("cluster_id", "ovf")),
    ("state", "present", ("disks", "cluster_id", "ovf")),
    ("state", "tested", ("disks", "cluster_id", "ovf")),
]


def restore_source_info_request(params: Params) -> SourceRequest:
    """Read the options of ``restore_source_info``.

    Raises:
        InvalidRequest: The time is not one.
    """
    before = params["before"]
    return SourceRequest(
        path=params["path"] or "",
        repository=params["repository"] or "",
        vm=params["vm"] or "",
        before=parse_time("before", before) if before else None,
        disks=tuple(params["disks"]),
        verify=params["verify"],
    )


def disk_image_restore_request(params: Params) -> WriteRequest:
    """Read the options of ``disk_image_restore``."""
    return WriteRequest(
        path=params["path"],
        restore_id=params["restore_id"],
        targets=tuple(WriteTarget(**image) for image in params["images"]),
        device_timeout=params["device_timeout"],
    )


def _check_plan(params: Params) -> None:
    alone = params["what"] == DISKS
    of_vm = [
        key for key in ("name", "cluster", "vnic_profiles", "keep_identity", "test") if params[key]
    ]
    if params["keep_identity"] and params["test"]:
        raise InvalidRequest(
            f"A test cannot keep the identity of the original: do not set {option('keep_identity')}."
        )
    if alone and of_vm:
        raise InvalidRequest(
            f"A restore of disks creates no VM: do not set {', '.join(map(option, of_vm))}."
        )
    if not alone and params["vm"]:
        raise InvalidRequest(
            f"A restore of a VM creates a new one: do not set {option('vm')}. Its name is {option('name')}."
        )


def restore_plan_info_request(params: Params) -> RestoreRequest:
    """Read the options of ``restore_plan_info``.

    Raises:
        ManifestInvalid: The manifest is not one.
        InvalidRequest: Options of a VM are given for disks alone, or the other way round.
    """
    _check_plan(params)
    return RestoreRequest(
        appliance=params["appliance"],
        owner=params["owner"],
        manifest=from_dict(params["manifest"]),
        ovf=params["ovf"],
        what=params["what"],
        disks=tuple(params["disks"]),
        vm=params["vm"] or "",
        wishes=Wishes(
            name=params["name"] or "",
            cluster=params["cluster"] or "",
            storage_domain=params["storage_domain"] or "",
            storage_domains=_texts(params, "storage_domains"),
            vnic_profiles=_texts(params, "vnic_profiles"),
            keep_identity=params["keep_identity"],
            test=params["test"],
            keep_disk_ids=params["keep_disk_ids"],
        ),
        check_permissions=params["check_permissions"],
        machine_id=params["machine_id"],
        identity=params["identity"],
    )


def _texts(params: Params, name: str) -> dict[str, str]:
    """Return a map of strings; null becomes an empty string."""
    return {str(key): str(value or "") for key, value in params[name].items()}


def _mark(params: Params) -> restore_marks.Mark:
    return restore_marks.make(params["owner"], params["restore_id"], params["run_id"])


def restored_disks_request(params: Params) -> DisksRequest:
    """Read the options of ``restored_disks``.

    Raises:
        ValueMasked: A value did not arrive as it was sent.
    """
    arrival.check_unmasked({key: params[key] for key in (*_MARK, "disks", "vm")})
    wanted = params["state"] != "absent"
    return DisksRequest(
        state=params["state"],
        mark=_mark(params),
        appliance=params["appliance"],
        orders=read_orders(params["disks"]) if wanted else (),
        vm=params["vm"] or "",
        interface=params["interface"],
    )


def restored_vm_request(params: Params) -> VmRequest:
    """Read the options of ``restored_vm``.

    Raises:
        ValueMasked: A value did not arrive as it was sent.
    """
    travelled = (*_MARK, "name", "disks", "cluster_id", "vnic_profiles")
    arrival.check_unmasked({key: params[key] for key in travelled})
    wanted = params["state"] not in (ABSENT, PREPARED)
    return VmRequest(
        state=params["state"],
        mark=_mark(params),
        appliance=params["appliance"],
        name=params["name"],
        orders=read_orders(params["disks"]) if wanted else (),
        cluster_id=params["cluster_id"] or "",
        ovf=params["ovf"] or "",
        connections=tuple(_texts(params, "vnic_profiles").items()),
        keep_identity=params["keep_identity"],
        start=params["start"],
        test=params["test"],
    )
