# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a message names an option, and which variable of a role or a playbook sets it.

A task that calls a module sets the module's options; a role or a playbook has variables instead,
often with other names. A message therefore marks an option with ``option``. The edge knows which
module is running and adds the variable from the table below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "\x1a"
"""A character that XML forbids, so no name and no configuration from an engine contains it."""

_MARKED = re.compile(rf"{MARK}(?:(\w+)/)?(\w+)([^{MARK}]*){MARK}")

VARIABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "appliance_isolation": {
        "own_disks": ("backup_appliance_own_disks",),
        "probe_serial": ("backup_appliance_probe_serial",),
    },
    "appliance_preflight": {
        "require_mount": ("vm_backup_require_mount",),
        "space_factor": ("vm_backup_space_factor",),
        "format": ("vm_backup_format",),
        "compression": ("vm_backup_compression",),
    },
    "appliance_repository": {
        "device": ("backup_appliance_device",),
        "format": ("backup_appliance_format",),
        "mount_options": ("backup_appliance_mount_options",),
        "require_mount": ("backup_appliance_require_mount",),
    },
    "backup_plan_info": {
        "auth": ("ovirt_backup_auth",),
        "appliance": ("ovirt_backup_appliance",),
        "lease_hours": ("vm_backup_lease_hours",),
        "checkpoints": ("vm_backup_checkpoints",),
    },
    "backup_repository_report": {
        "overdue_hours": ("backup_report_overdue_hours",),
        "verify_days": ("backup_report_verify_days",),
    },
    "backup_set": {"format": ("vm_backup_format",), "compression": ("vm_backup_compression",)},
    "backup_set_prune": {
        "keep": ("backup_prune_keep",),
        "unfinished_days": ("backup_prune_unfinished_days",),
        "remove_corrupt": ("backup_prune_remove_corrupt",),
    },
    "backup_set_verify": {
        "unverified_days": ("backup_verify_unverified_days",),
        "limit": ("backup_verify_limit",),
        "parallel": ("backup_verify_parallel",),
    },
    "disk_device_release": {"timeout": ("vm_backup_device_timeout", "vm_restore_device_timeout")},
    "disk_image_copy": {
        "device_timeout": ("vm_backup_device_timeout",),
        "return_after": ("vm_backup_token_seconds",),
    },
    "disk_image_restore": {
        "device_timeout": ("vm_restore_device_timeout",),
        "return_after": ("vm_restore_token_seconds",),
    },
    "disk_snapshot_attach": {
        "auth": ("ovirt_backup_auth",),
        "interface": ("vm_backup_interface",),
        "checkpoints": ("vm_backup_checkpoints",),
        "timeout": ("vm_backup_attach_timeout",),
    },
    "disk_snapshot_detach": {
        "auth": ("ovirt_backup_auth",),
        "timeout": ("vm_backup_attach_timeout",),
    },
    "disk_snapshot_info": {
        "auth": ("ovirt_backup_auth",),
        "appliance": ("ovirt_backup_appliance",),
    },
    "restore_plan_info": {
        "auth": ("ovirt_backup_auth",),
        "appliance": ("ovirt_backup_appliance",),
        "vm": ("vm_restore_attach_to",),
        "name": ("vm_restore_name",),
        "cluster": ("vm_restore_cluster",),
        "storage_domain": ("vm_restore_storage_domain",),
        "storage_domains": ("vm_restore_storage_domains",),
        "vnic_profiles": ("vm_restore_vnic_profiles",),
        "keep_identity": ("vm_restore_keep_identity",),
        "test": ("vm_restore_test",),
    },
    "restore_source_info": {
        "path": ("vm_restore_set",),
        "vm": ("vm_restore_vm",),
        "before": ("vm_restore_before",),
        "disks": ("vm_restore_disks",),
    },
    "restored_disks": {
        "auth": ("ovirt_backup_auth",),
        "vm": ("vm_restore_attach_to",),
        "timeout": ("vm_restore_engine_timeout",),
        "interface": ("vm_restore_interface",),
    },
    "restored_vm": {
        "auth": ("ovirt_backup_auth",),
        "timeout": ("vm_restore_engine_timeout",),
        "test": ("vm_restore_test",),
        "keep_identity": ("vm_restore_keep_identity",),
    },
    "vm_guard": {
        "auth": ("ovirt_backup_auth",),
        "vm": ("export_vm", "template_vm"),
        "timeout": ("export_guard_timeout", "maintenance_guard_timeout", "template_guard_timeout"),
    },
    "vm_ovf_info": {"auth": ("ovirt_backup_auth",)},
    "vm_snapshot": {"auth": ("ovirt_backup_auth",), "timeout": ("vm_backup_snapshot_timeout",)},
}
"""The variables that set an option, by module and option. A test derives the table from the
tasks."""


def option(name: str, rest: str = "", *, of: str = "") -> str:
    """Mark an option in a message, for the edge to complete.

    Args:
        rest: What follows the name: a value such as ``: true``, or a key of it such as ``.url``.
        of: The module that has the option, if it is not the running one.
    """
    return f"{MARK}{of}{'/' if of else ''}{name}{rest}{MARK}"


def told(text: str, module: str = "") -> str:
    """Return a text for people: each marked option with the variables that set it, if there are any."""

    def name(match: re.Match[str]) -> str:
        of, option_name, rest = match.groups()
        variables = VARIABLES.get(of or module, {}).get(option_name, ())
        said = " or ".join(f"{one}{rest}" for one in variables)
        return f"{option_name}{rest}" + (f" (variable {said})" if said else "")

    return _MARKED.sub(name, text)


def all_told(value: Any, module: str) -> Any:  # noqa: ANN401 - JSON
    """Do what ``told`` does to every text in a result."""
    if isinstance(value, str):
        return told(value, module) if MARK in value else value
    if isinstance(value, dict):
        return {key: all_told(one, module) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_told(one, module) for one in value]
    return value
