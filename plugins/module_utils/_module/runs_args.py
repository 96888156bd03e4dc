# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for runs and their claims, and the requests made from them."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import times
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import (
    backup_claim,
    takeover,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

TAKEOVER: Spec = {
    "leftovers": {"type": "list", "elements": "dict", "required": True},
    "heartbeat_timeout": {"type": "float", "default": 60.0},
    "attach_timeout": {"type": "float", "default": 180.0},
    "dead": {"type": "list", "elements": "str", "default": []},
    "plans": {"type": "list", "elements": "dict", "required": True},
    "accept_consistency": {"type": "list", "elements": "str", "required": True},
    "started": {"type": "str", "required": True},
}
"""Options below ``takeover`` of ``appliance_preflight``."""

BACKUP_CLAIM: Spec = {
    "vm": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
    "owner": {"type": "str", "default": "default"},
    "run_id": {"type": "str", "required": True},
    "step": {"type": "str", "choices": list(backup_claim.STEPS), "default": backup_claim.SNAPSHOT},
    "attach_timeout": {"type": "float", "default": 180.0},
    "device_timeout": {"type": "float", "default": 60.0},
    "heartbeat_timeout": {"type": "float"},
    "leftovers": {"type": "list", "elements": "dict"},
    "boot": {"type": "str", "default": ""},
    "path": {"type": "path", "default": ""},
    "left": {"type": "bool", "default": False},
}


def backup_claim_wish(params: Params) -> backup_claim.Wish:
    """Read the options of ``backup_claim``.

    Raises:
        InvalidRequest: ``leftovers`` is not a result of ``backup_plan_info``.
    """
    left = params["leftovers"]
    found = None if left is None else takeover.named(left)
    return backup_claim.Wish(
        vm_id=params["vm"],
        owner=params["owner"],
        run_id=params["run_id"],
        step=params["step"],
        times=(params["attach_timeout"], params["device_timeout"]),
        heartbeat_timeout=params["heartbeat_timeout"],
        standing=None if found is None else frozenset(one.run_id for one in found),
        boot=params["boot"],
        path=params["path"],
    )


def takeover_request(params: Params | None) -> takeover.TakeoverRequest | None:
    """Read the option ``takeover`` of ``appliance_preflight``; None if it is not given.

    Raises:
        InvalidRequest: ``started`` is not a time.
    """
    if params is None:
        return None
    started = times.parse_time("takeover.started", params["started"])
    plans, consistency = params["plans"], params["accept_consistency"]
    return takeover.TakeoverRequest(
        leftovers=tuple(params["leftovers"]),
        patience=(params["heartbeat_timeout"], params["attach_timeout"]),
        wanted=lambda vm_id: takeover.wanted_of(vm_id, plans, consistency, started),
        dead=frozenset(params["dead"]),
    )
