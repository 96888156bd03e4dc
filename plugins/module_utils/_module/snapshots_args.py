# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that work with snapshots, and the requests made from them."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import arrival
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    INTERFACES,
    AttachSettings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.vm_guard import (
    OPERATIONS,
    GuardRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.backup_plan_info import (
    BackupPlanRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_attach import (
    AttachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_detach import (
    DetachRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.disk_snapshot_info import (
    InfoRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_ovf_info import (
    OvfRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_snapshot import (
    SnapshotRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

_CORRELATION = re.compile(r"[0-9A-Za-z_-]{1,36}")

_LONGEST_LEASE = 24 * 366

DISK_SNAPSHOT_ATTACH: Spec = {
    "appliance": {"type": "str", "required": True, "aliases": ["vm"]},
    "source_vm": {"type": "str", "required": True},
    "snapshot": {"type": "str", "required": True},
    "disks": {"type": "list", "elements": "str", "default": []},
    "interface": {"type": "str", "choices": list(INTERFACES), "default": "virtio_scsi"},
    "bootable": {"type": "bool", "default": False},
    "read_only": {"type": "bool", "default": True},
    "pass_discard": {"type": "bool", "default": False, "no_log": False},
    "active": {"type": "bool", "default": True},
    "replace": {"type": "bool", "default": False},
    "checkpoints": {"type": "str", "choices": ["refuse", "warn", "allow"], "default": "refuse"},
}


def disk_snapshot_attach_request(params: Params) -> AttachRequest:
    """Read the options of ``disk_snapshot_attach``."""
    return AttachRequest(
        appliance=params["appliance"],
        source=params["source_vm"],
        snapshot=params["snapshot"],
        disks=tuple(params["disks"]),
        settings=AttachSettings(
            interface=params["interface"],
            bootable=params["bootable"],
            read_only=params["read_only"],
            pass_discard=params["pass_discard"],
            active=params["active"],
        ),
        replace=params["replace"],
        checkpoints=params["checkpoints"],
    )


DISK_SNAPSHOT_DETACH: Spec = {
    "appliance": {"type": "str", "required": True, "aliases": ["vm"]},
    "disks": {"type": "list", "elements": "str"},
    "source_vm": {"type": "str"},
    "snapshot": {"type": "str"},
    "all": {"type": "bool", "default": False},
    "keep": {"type": "list", "elements": "str", "default": []},
}


def disk_snapshot_detach_request(params: Params) -> DetachRequest:
    """Read the options of ``disk_snapshot_detach``; exactly one must select the disks."""
    ways = [bool(params["disks"]), bool(params["snapshot"]), params["all"]]
    if sum(ways) != 1:
        raise InvalidRequest(
            f"Choose what to detach with exactly one of {option('disks')}, {option('snapshot')} and {option('all')}.",
            hint="An empty list or string does not mean all of them.",
        )
    return DetachRequest(
        appliance=params["appliance"],
        disks=tuple(params["disks"] or ()),
        source=params["source_vm"] or None,
        snapshot=params["snapshot"] or None,
        everything=params["all"],
        keep=tuple(params["keep"]),
    )


VM_SNAPSHOT: Spec = {
    "vm": {"type": "str", "required": True},
    "snapshot": {"type": "str", "required": True, "aliases": ["description"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "disks": {"type": "list", "elements": "str", "default": []},
    "memory": {"type": "bool", "default": False},
    "correlation_id": {"type": "str"},
}


def vm_snapshot_request(params: Params) -> SnapshotRequest:
    """Read the options of ``vm_snapshot``.

    Raises:
        InvalidRequest: The engine would shorten the correlation id, and it would not be found again
            (docs/engine.md#correlation-ids).
        ValueMasked: The description was masked: a later run would not find its snapshot, nor one to
            remove.
    """
    arrival.check_unmasked({"snapshot": params["snapshot"]})
    mark = params["correlation_id"] or str(uuid.uuid4())
    if not _CORRELATION.fullmatch(mark):
        raise InvalidRequest(
            f"{mark!r} is not a valid correlation id: use up to 36 letters, digits, - and _."
        )
    return SnapshotRequest(
        vm=params["vm"],
        snapshot=params["snapshot"],
        present=params["state"] == "present",
        disks=tuple(params["disks"]),
        memory=params["memory"],
        correlation_id=mark,
    )


DISK_SNAPSHOT_INFO: Spec = {
    "appliance": {"type": "str", "aliases": ["vm"]},
    "source_vm": {"type": "str"},
    "snapshot": {"type": "str"},
}


def disk_snapshot_info_request(params: Params) -> InfoRequest:
    """Read the options of ``disk_snapshot_info``."""
    return InfoRequest(params["appliance"], params["source_vm"], params["snapshot"])


VM_GUARD: Spec = {
    "vm": {"type": "str", "required": True},
    "operations": {
        "type": "list",
        "elements": "str",
        "choices": list(OPERATIONS),
        "required": True,
    },
    "fail": {"type": "bool", "default": True},
    "wait": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
    "poll_interval": {"type": "int", "default": 10},
    "waited": {"type": "float", "default": 0.0},
}


def vm_guard_request(params: Params) -> GuardRequest:
    """Read the options of ``vm_guard``."""
    if not params["operations"]:
        raise InvalidRequest("The list of operations is empty.")
    operations = tuple(dict.fromkeys(params["operations"]))
    return GuardRequest(params["vm"], operations, params["fail"], params["waited"])


VM_OVF_INFO: Spec = {
    "vm": {"type": "str", "required": True},
    "snapshot": {"type": "str"},
}


def vm_ovf_info_request(params: Params) -> OvfRequest:
    """Read the options of ``vm_ovf_info``."""
    return OvfRequest(params["vm"], params["snapshot"])


BACKUP_PLAN_INFO: Spec = {
    "vms": {"type": "list", "elements": "str", "required": True},
    "appliance": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "default"},
    "run_id": {"type": "str"},
    "lease_hours": {"type": "float", "default": 24.0},
    "checkpoints": {"type": "str", "choices": ["refuse", "warn", "allow"], "default": "refuse"},
    "unplugged": {"type": "str", "choices": ["refuse", "leave_out"], "default": "refuse"},
    "check_permissions": {"type": "bool", "default": True},
    "settle_timeout": {"type": "float", "default": 0.0},
}


def backup_plan_info_request(params: Params) -> BackupPlanRequest:
    """Read the options of ``backup_plan_info``; a run without an id gets one."""
    if not params["vms"]:
        raise InvalidRequest("The list of VMs to back up is empty.")
    if not 0 < params["lease_hours"] <= _LONGEST_LEASE:
        raise InvalidRequest(
            f"{option('lease_hours')} must be more than 0 and at most a year, not {params['lease_hours']}.",
            hint="Once the lease has expired, the next run may remove this run's snapshots.",
        )
    return BackupPlanRequest(
        appliance=params["appliance"],
        sources=tuple(params["vms"]),
        owner=params["owner"],
        run_id=params["run_id"] or uuid.uuid4().hex[:12],
        started=datetime.now(timezone.utc).replace(microsecond=0),
        lease_hours=params["lease_hours"],
        checkpoints=params["checkpoints"],
        unplugged=params["unplugged"],
        check_permissions=params["check_permissions"],
        settle=params["settle_timeout"],
    )
