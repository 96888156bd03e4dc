# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that look after a repository, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    parse_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report.picture import (
    ReportRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.catalogue import (
    PAGE,
    SELECTIONS,
    STATES,
    Filter,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.retention import (
    BUCKETS,
    Policy,
    PruneRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.verify import (
    VerifyRequest,
)

Params = Mapping[str, Any]
Spec = dict[str, Any]

_REPOSITORY: Spec = {"type": "path", "required": True}

INFO: Spec = {
    "repository": _REPOSITORY,
    "vm": {"type": "str"},
    "after": {"type": "str"},
    "before": {"type": "str"},
    "states": {"type": "list", "elements": "str", "choices": list(STATES), "default": []},
    "consistency": {"type": "list", "elements": "str", "default": []},
    "min_size": {"type": "int"},
    "max_size": {"type": "int"},
    "select": {"type": "str", "choices": list(SELECTIONS), "default": "all"},
    "manifests": {"type": "bool", "default": False},
}

VERIFY: Spec = {
    "repository": _REPOSITORY,
    "sets": {"type": "list", "elements": "path", "default": []},
    "vm": {"type": "str"},
    "select": {"type": "str", "choices": ["all", "newest"], "default": "all"},
    "unverified_days": {"type": "float", "default": 0.0},
    "limit": {"type": "int"},
    "content": {"type": "bool", "default": False},
    "parallel": {"type": "int", "default": 2},
    "polite": {"type": "bool", "default": True},
}

_COUNT: Spec = {"type": "int", "default": 0}

PRUNE: Spec = {
    "repository": _REPOSITORY,
    "vm": {"type": "str"},
    "keep": {
        "type": "dict",
        "required": True,
        "options": {
            **{rule: _COUNT for rule in BUCKETS},
            "within": {"type": "str", "default": ""},
        },
    },
    "unfinished_days": {"type": "float", "default": 7.0},
    "remove_corrupt": {"type": "bool", "default": False},
}

PROTECTION: Spec = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "reason": {"type": "str", "default": ""},
}

VM: Spec = {
    "repository": _REPOSITORY,
    "wanted": {"type": "list", "elements": "dict", "default": []},
    "retired": {"type": "list", "elements": "str", "default": []},
    "reason": {"type": "str", "default": ""},
}

REPORT: Spec = {
    "repository": _REPOSITORY,
    "dest": {"type": "path"},
    "title": {"type": "str"},
    "overdue_hours": {"type": "float", "default": 26.0},
    "verify_days": {"type": "float", "default": 30.0},
}


def report_request(params: Params) -> ReportRequest:
    """What ``backup_repository_report`` is asked to draw."""
    repository = params["repository"].rstrip("/")
    return ReportRequest(
        repository=params["repository"],
        dest=params["dest"] or f"{repository}/{PAGE}",
        title=params["title"] or f"Backups in {repository}",
        overdue_hours=params["overdue_hours"],
        verify_days=params["verify_days"],
    )


def prune_request(params: Params) -> PruneRequest:
    """What ``backup_set_prune`` is asked to do."""
    return PruneRequest(
        repository=params["repository"],
        policy=Policy(**params["keep"]),
        vm=params["vm"] or "",
        unfinished_days=params["unfinished_days"],
        remove_corrupt=params["remove_corrupt"],
    )


def verify_request(params: Params) -> VerifyRequest:
    """What ``backup_set_verify`` is asked to do."""
    return VerifyRequest(
        repository=params["repository"],
        sets=tuple(params["sets"]),
        newest=params["select"] == "newest",
        vm=params["vm"] or "",
        unverified_days=params["unverified_days"],
        limit=params["limit"],
        content=params["content"],
        parallel=params["parallel"],
        polite=params["polite"],
    )


def wanted(params: Params) -> Filter:
    """Which sets ``backup_set_info`` is asked for.

    :raises InvalidRequest: A time is none.
    """
    after, before = params["after"], params["before"]
    return Filter(
        vm=params["vm"] or "",
        after=parse_time("after", after) if after else None,
        before=parse_time("before", before) if before else None,
        states=tuple(params["states"]),
        consistency=tuple(params["consistency"]),
        sizes=(params["min_size"], params["max_size"]),
        select=params["select"],
    )
