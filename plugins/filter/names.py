# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the names in a variable that may be a list or a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import words

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = r"""
name: names
short_description: Convert text to a list of names
version_added: 0.1.0
description:
  - A survey and the option C(-e) of Ansible give text. This filter splits text into a list, and returns a list unchanged.
author:
  - ovirt_community.backup contributors (@ovirt-community)
positional: _input
options:
  _input:
    description:
      - A list of names, or a text with commas or line breaks between them. The filter strips blanks around names.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show two names
  ansible.builtin.debug:
    msg: "{{ 'web01, db01' | ovirt_community.backup.names }}"
"""

RETURN = r"""
_value:
  description: The names.
  type: list
  elements: str
"""


class FilterModule:
    """The filter, under the name that Ansible expects."""

    def filters(self) -> dict[str, Callable[[Any], list[str]]]:
        """Return the filter by its name."""
        return {"names": words.names}
