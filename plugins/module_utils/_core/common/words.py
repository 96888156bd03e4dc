# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of names as people type them: in a survey, after ``-e``, or in a playbook.

Ansible splits a text at its commas and keeps the blanks beside them; in a text area each line is a
name. Both reach a module as a list of strings. The table below lists the options that hold typed
names; the others hold what an earlier task returned and stay unchanged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TYPED = ("vms", "disks", "own_disks", "accept_consistency", "consistency", "retired")
"""Options that hold typed names, where they are lists of strings. No such name has a line break."""

_BETWEEN = re.compile(r"[,\r\n]")
_LINES = re.compile(r"[\r\n]")


def names(value: Any) -> list[str]:  # noqa: ANN401 - whatever a variable holds
    """Return the names in a variable: a list, or a text with commas or line breaks between the names.

    Only a text is split at commas: in a list, a comma is part of a name.
    """
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return _stripped(part for one in value for part in _LINES.split(str(one)))
    return _stripped(_BETWEEN.split(str(value)))


def _stripped(parts: Iterable[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def tidied(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module's parameters with blanks and line breaks removed from typed names."""
    return {key: names(value) if _typed(key, value) else value for key, value in params.items()}


def _typed(key: str, value: object) -> bool:
    return key in TYPED and isinstance(value, list) and all(isinstance(one, str) for one in value)
