# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that talk to the engine, and what becomes of them."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

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
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.requests import (
    AttachRequest,
    DetachRequest,
    GuardRequest,
    InfoRequest,
    OverviewRequest,
    OvfRequest,
    Patience,
    SnapshotRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.settings import (
    EngineSettings,
    resolve,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules.guard import (
    OPERATIONS,
)

_CORRELATION = re.compile(r"[0-9A-Za-z_-]{1,36}")
_LONGEST_LEASE = 24 * 366

Params = Mapping[str, Any]
Spec = dict[str, Any]

_AUTH: Spec = {
    "type": "dict",
    "options": {
        "url": {"type": "str"},
        "hostname": {"type": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "token": {"type": "str", "no_log": True},
        "ca_file": {"type": "path"},
        "insecure": {"type": "bool"},
        "kerberos": {"type": "bool"},
        "compress": {"type": "bool"},
        "timeout": {"type": "int"},
        # A value may be a login, such as Authorization's.
        "headers": {"type": "dict", "no_log": True},
    },
}


def engine_spec(default_timeout: int | None = None, /, **options: Spec) -> Spec:
    """Options of a module, with what every module of the action group has.

    :param default_timeout: Default of the option ``timeout`` in seconds; None for modules that only read.
    """
    spec: Spec = {"auth": dict(_AUTH), **options}
    if default_timeout is not None:
        spec["wait"] = {"type": "bool", "default": True}
        spec["timeout"] = {"type": "int", "default": default_timeout}
        spec["poll_interval"] = {"type": "int", "default": 3}
    return spec


def settings(params: Params) -> EngineSettings:
    """How to reach the engine, from the task, the environment or AWX's file."""
    return resolve(params["auth"], os.environ, _ini_text(os.environ.get("OVIRT_INI_PATH")))


def _ini_text(path: str | None) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"The file named by OVIRT_INI_PATH cannot be read: {exc}") from exc


def patience(params: Params) -> Patience:
    """How long to wait."""
    for name in ("timeout", "poll_interval"):
        if params.get(name, 1) <= 0:
            raise InvalidRequest(f"{option(name)} must be more than 0 seconds, not {params[name]}.")
    if "wait" not in params:
        return Patience()
    return Patience(params["wait"], params["timeout"], params["poll_interval"])


ATTACH: Spec = {
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


def attach_request(params: Params) -> AttachRequest:
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


DETACH: Spec = {
    "appliance": {"type": "str", "required": True, "aliases": ["vm"]},
    "disks": {"type": "list", "elements": "str"},
    "source_vm": {"type": "str"},
    "snapshot": {"type": "str"},
    "all": {"type": "bool", "default": False},
    "keep": {"type": "list", "elements": "str", "default": []},
}


def detach_request(params: Params) -> DetachRequest:
    """Read the options of ``disk_snapshot_detach``; exactly one must say what is meant."""
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


SNAPSHOT: Spec = {
    "vm": {"type": "str", "required": True},
    "snapshot": {"type": "str", "required": True, "aliases": ["description"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "disks": {"type": "list", "elements": "str", "default": []},
    "memory": {"type": "bool", "default": False},
    "correlation_id": {"type": "str"},
}


def snapshot_request(params: Params) -> SnapshotRequest:
    """Read the options of ``vm_snapshot``.

    :raises InvalidRequest: the engine would shorten the correlation id, and it would not be found
        again (docs/engine.md#correlation-ids).
    :raises ValueMasked: the description was masked: a later run would not find its snapshot, and
        none would be found to be removed.
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


INFO: Spec = {
    "appliance": {"type": "str", "aliases": ["vm"]},
    "source_vm": {"type": "str"},
    "snapshot": {"type": "str"},
}


def info_request(params: Params) -> InfoRequest:
    """Read the options of ``disk_snapshot_info``."""
    return InfoRequest(params["appliance"], params["source_vm"], params["snapshot"])


GUARD: Spec = {
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


def guard_request(params: Params) -> GuardRequest:
    """Read the options of ``vm_guard``."""
    if not params["operations"]:
        raise InvalidRequest("The list of operations is empty.")
    operations = tuple(dict.fromkeys(params["operations"]))
    return GuardRequest(params["vm"], operations, params["fail"], params["waited"])


OVF: Spec = {
    "vm": {"type": "str", "required": True},
    "snapshot": {"type": "str"},
}


def ovf_request(params: Params) -> OvfRequest:
    """Read the options of ``vm_ovf_info``."""
    return OvfRequest(params["vm"], params["snapshot"])


PLAN: Spec = {
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


def plan_request(params: Params) -> OverviewRequest:
    """Read the options of ``backup_plan_info``; a run without a name gets one."""
    if not params["vms"]:
        raise InvalidRequest("The list of VMs to back up is empty.")
    if not 0 < params["lease_hours"] <= _LONGEST_LEASE:
        raise InvalidRequest(
            f"{option('lease_hours')} must be more than 0 and at most a year, not {params['lease_hours']}.",
            hint="Once the lease has expired, the next run may remove this run's snapshots.",
        )
    return OverviewRequest(
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
