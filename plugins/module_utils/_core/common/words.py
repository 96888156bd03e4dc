# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of names as people type them: into a survey, behind ``-e``, or into a playbook.

Ansible splits a text at its commas and leaves the blanks beside them; a text area has a name a line.
Both reach a module as a list of text. The table below says which options hold names that people type;
the others hold what a task before has returned, and are left as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TYPED = ("vms", "disks", "own_disks", "accept_consistency", "consistency", "retired")
"""Options that hold names from a person, where they are lists of text. No such name has a line break."""

_BETWEEN = re.compile(r"[,\r\n]")
_LINES = re.compile(r"[\r\n]")


def names(value: Any) -> list[str]:  # noqa: ANN401 - whatever a variable holds
    """Names out of a variable: a list, or a text with commas or line breaks between them.

    A comma divides a text alone: in a list it is part of a name.
    """
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return _stripped(part for one in value for part in _LINES.split(str(one)))
    return _stripped(_BETWEEN.split(str(value)))


def _stripped(parts: Iterable[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def tidied(params: Mapping[str, Any]) -> dict[str, Any]:
    """A module's parameters, with the names in them without blanks and line breaks."""
    return {key: names(value) if _typed(key, value) else value for key, value in params.items()}


def _typed(key: str, value: object) -> bool:
    return key in TYPED and isinstance(value, list) and all(isinstance(one, str) for one in value)
