# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for a repository, and the requests made from them."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import arrival
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    parse_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    COMPRESSIONS,
    FORMATS,
    check_form,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report.backup_repository_report import (
    ReportRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set import (
    FinishRequest,
    PrepareRequest,
    read_disks,
    told_facts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set_prune import (
    BUCKETS,
    Policy,
    PruneRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set_verify import (
    VerifyRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.catalogue import (
    PAGE,
    SELECTIONS,
    STATES,
    Filter,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.naming import (
    TIME,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import takeover
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

_REPOSITORY: Spec = {"type": "path", "required": True}

BACKUP_SET_INFO: Spec = {
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

BACKUP_SET_VERIFY: Spec = {
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

BACKUP_SET_PRUNE: Spec = {
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

BACKUP_SET_PROTECTION: Spec = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "reason": {"type": "str", "default": ""},
}

BACKUP_VM: Spec = {
    "repository": _REPOSITORY,
    "wanted": {"type": "list", "elements": "dict", "default": []},
    "retired": {"type": "list", "elements": "str", "default": []},
    "reason": {"type": "str", "default": ""},
}

BACKUP_REPOSITORY_REPORT: Spec = {
    "repository": _REPOSITORY,
    "dest": {"type": "path"},
    "title": {"type": "str"},
    "overdue_hours": {"type": "float", "default": 26.0},
    "verify_days": {"type": "float", "default": 30.0},
}


def backup_repository_report_request(params: Params) -> ReportRequest:
    """Read the options of ``backup_repository_report``."""
    repository = params["repository"].rstrip("/")
    return ReportRequest(
        repository=params["repository"],
        dest=params["dest"] or f"{repository}/{PAGE}",
        title=params["title"] or f"Backups in {repository}",
        overdue_hours=params["overdue_hours"],
        verify_days=params["verify_days"],
    )


def backup_set_prune_request(params: Params) -> PruneRequest:
    """Read the options of ``backup_set_prune``."""
    return PruneRequest(
        repository=params["repository"],
        policy=Policy(**params["keep"]),
        vm=params["vm"] or "",
        unfinished_days=params["unfinished_days"],
        remove_corrupt=params["remove_corrupt"],
    )


def backup_set_verify_request(params: Params) -> VerifyRequest:
    """Read the options of ``backup_set_verify``."""
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


def backup_set_info_filter(params: Params) -> Filter:
    """Read the options of ``backup_set_info``.

    Raises:
        InvalidRequest: A time is not one.
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


_TEXT: Spec = {"type": "str", "default": ""}

_NEEDED: Spec = {"type": "str", "required": True}

BACKUP_SET: Spec = {
    "state": {"type": "str", "required": True, "choices": ["prepared", "present"]},
    "repository": {"type": "path"},
    "path": {"type": "path"},
    "run_id": {"type": "str"},
    "started": {"type": "str"},
    "finished": {"type": "str"},
    "correlation_id": _TEXT,
    "vm": {
        "type": "dict",
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
    "disks": {"type": "list", "elements": "dict"},
    "images": {"type": "list", "elements": "dict"},
    "ovf": {"type": "str", "no_log": True},
    "ovf_sha256": {"type": "str"},
}

_TOLD = ("run_id", "started", "vm", "snapshot", "disks")

BACKUP_SET_REQUIRED_IF = [
    ("state", "prepared", ("repository", "run_id", "started", "vm", "disks")),
    ("state", "present", ("path", "finished", "images")),
]


def prepare_request(params: Params) -> PrepareRequest:
    """Read the options of ``backup_set`` that prepare a set.

    Raises:
        InvalidRequest: A time is not one, or the images cannot have this format.
        ValueMasked: A value did not arrive as it was sent.
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
        disks=read_disks(params["disks"]),
        format=params["format"],
        record=takeover.dump(params, params["ovf"] or "") if params.get("snapshot") else None,
        ovf=params.get("ovf"),
    )


def _check_arrival(params: Params) -> None:
    """Refuse values that were masked: all facts of a set come through results of other tasks."""
    ovf, sha256 = params.get("ovf"), params.get("ovf_sha256")
    if ovf is not None and sha256 is not None:
        arrival.check_digest("ovf", ovf, sha256)
    # The configuration and a VM's description may contain asterisks of their own.
    vm = params.get("vm") or {}
    described = {key: value for key, value in vm.items() if key != "description"}
    plain = {key: value for key, value in params.items() if key not in ("ovf", "ovf_sha256")}
    arrival.check_unmasked({**plain, "vm": described})


def finish_request(params: Params) -> FinishRequest:
    """Read the options of ``backup_set`` that finish a set.

    Raises:
        InvalidRequest: Only some of the options are given that the record of the set also has.
        ValueMasked: A value did not arrive as it was sent.
    """
    _check_arrival(params)
    told = [key for key in _TOLD if params.get(key) is not None]
    if told and len(told) < len(_TOLD):
        missing = ", ".join(key for key in _TOLD if key not in told)
        raise InvalidRequest(
            f"{', '.join(told)} were given without {missing}.",
            hint="Leave out all of them to take what the set was prepared with.",
        )
    return FinishRequest(
        path=params["path"],
        facts=told_facts(params, params["finished"]) if told else None,
        disks=read_disks(params["disks"]) if told else (),
        images=tuple(params["images"]),
        ovf=params["ovf"],
        finished=params["finished"],
    )
