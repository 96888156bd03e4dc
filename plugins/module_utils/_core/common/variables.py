# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find variables of roles and playbooks that are misspelt or missing.

Ansible ignores a variable that nobody reads, so a misspelt one silently leaves the default in
force.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

COMMON = "ovirt_backup_"
"""Prefix of the variables that all roles and playbooks share."""

OWN = (
    COMMON,
    "vm_backup_",
    "vm_restore_",
    "backup_appliance_",
    "backup_prune_",
    "backup_report_",
    "backup_retire_",
    "backup_verify_",
)
"""Prefixes that only this collection uses: an unknown name with one of them is a mistake."""

SHARED = ("backup_", "restore_", "export_", "template_", "maintenance_")
"""Prefixes that a site may also use itself: only a name that nearly matches one of ours is a
mistake."""

RENAMED = {
    "backup_appliance": "ovirt_backup_hosts",
    "restore_appliance": "ovirt_backup_hosts",
    "export_wait": "export_guard_timeout",
    "maintenance_wait": "maintenance_guard_timeout",
    "template_wait": "template_guard_timeout",
    "vm_backup_takeover_seconds": "vm_backup_heartbeat_timeout",
    "vm_restore_keep_half_made": "vm_restore_keep_incomplete",
}
"""Former names that are not alike enough to their new ones to be recognised."""

_ALIKE = 0.8
_WORD = re.compile(rf"\b(?:{'|'.join((*OWN, *SHARED))})\w+")


def words(text: str) -> set[str]:
    """Return every name in a text, such as a file of tasks, that has one of the prefixes."""
    return set(_WORD.findall(text))


def prefixes(options: Iterable[str]) -> tuple[str, ...]:
    """Return the prefixes of a role's or a playbook's options."""
    names = tuple(options)
    return tuple(one for one in (*OWN, *SHARED) if any(name.startswith(one) for name in names))


def unknown(
    names: Iterable[str],
    asked: Collection[str],
    options: Collection[str],
    internal: Collection[str],
) -> list[str]:
    """Return a sentence for each variable that nothing reads.

    Args:
        names: The variables of a host.
        asked: Options of the running role or playbook. Only names with their prefixes are checked.
        options: Options of all roles and playbooks of the collection.
        internal: Variables that roles and playbooks set themselves.
    """
    looked_at = prefixes(asked)
    left = sorted(set(names) - set(options) - set(internal))
    renamed = [_meant(name, RENAMED[name]) for name in left if RENAMED.get(name) in asked]
    found = (_sentence(name, looked_at, sorted(options)) for name in left if name not in RENAMED)
    return [*renamed, *(one for one in found if one)]


def _meant(name: str, other: str) -> str:
    return f"There is no variable {name}. Is {other} meant?"


def _sentence(name: str, looked_at: Collection[str], options: list[str]) -> str:
    for prefix in OWN:
        shared = COMMON + name.removeprefix(prefix)
        if name.startswith(prefix) and prefix != COMMON and shared in options:
            return _meant(name, shared)
    if any(name.startswith(one) for one in OWN if one in looked_at):
        near = get_close_matches(name, options, 1, _ALIKE)
        return _meant(name, near[0]) if near else f"There is no variable {name}."
    for prefix in SHARED:
        if prefix in looked_at and name.startswith(prefix):
            shared = COMMON + name.removeprefix(prefix)
            if shared in options:
                return _meant(name, shared)
            stems = [one.removeprefix(prefix) for one in options if one.startswith(prefix)]
            near = get_close_matches(name.removeprefix(prefix), stems, 1, _ALIKE)
            if near:
                return (
                    f"There is no variable {name}. Is {prefix}{near[0]} meant? If {name} is one of your"
                    " own, give it a name that is less alike."
                )
    return ""


def missing(required: Iterable[str], given: Collection[str]) -> list[str]:
    """Return a sentence for each required variable that is not set."""
    return [f"The variable {name} must be set." for name in required if name not in given]
