# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return what is wrong with the variables of a role or a playbook."""

from __future__ import annotations

DOCUMENTATION = r"""
name: variables
short_description: Report unknown variables of a role or a playbook of this collection
version_added: 0.1.0
description:
  - Ansible ignores unknown variables, so a misspelt variable silently leaves the default in force. The roles and playbooks of this
    collection refuse to run with one. This lookup finds such variables, and suggests the closest known name.
  - Checks variables with the prefix of the role or the playbook. For common prefixes such as C(backup_) or C(export_), it reports only
    names that are close to a name of this collection.
  - It also reports required variables that are not set.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  _terms:
    description:
      - Names of roles or playbooks of this collection, without the name of the collection.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check that the variables of a backup are known
  ansible.builtin.debug:
    msg: "{{ query('ovirt_community.backup.variables', 'vm_backup') }}"
"""

RETURN = r"""
_raw:
  description: A sentence for each variable. Empty if all variables are known.
  type: list
  elements: str
"""

from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.lookup import LookupBase

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import (
    variables as names,
)

COLLECTION = Path(__file__).resolve().parents[2]
READ = ("roles/*/tasks/*.yml", "roles/*/vars/*.yml", "playbooks/*.yml", "playbooks/tasks/*.yml")


@cache
def specifications() -> dict[str, dict[str, Any]]:
    """Return the options of each role and each playbook, by its name."""
    found: dict[str, dict[str, Any]] = {}
    for path in COLLECTION.glob("roles/*/meta/argument_specs.yml"):
        found[path.parents[1].name] = _load(path)["main"]["options"]
    playbooks = _load(COLLECTION / "playbooks/meta/argument_specs.yml")
    return {**found, **{name: spec["options"] for name, spec in playbooks.items()}}


def _load(path: Path) -> dict[str, Any]:
    specs: dict[str, Any] = yaml_load(path.read_text(encoding="utf-8"))["argument_specs"]
    return specs


@cache
def internal() -> frozenset[str]:
    """Return the variables that roles and playbooks set themselves: they may exist when one runs after another."""
    files = [path for pattern in READ for path in COLLECTION.glob(pattern)]
    found = {one for path in files for one in names.words(path.read_text(encoding="utf-8"))}
    return frozenset(found - set(specifications()))


class LookupModule(LookupBase):
    """The lookup, under the name that Ansible expects."""

    def run(
        self, terms: list[Any], variables: dict[str, Any] | None = None, **_kwargs: object
    ) -> list[str]:
        """Check the variables; return a sentence for each fault.

        Raises:
            AnsibleError: The collection has no such role or playbook.
        """
        specs, given = specifications(), variables or {}
        for name in terms:
            if name not in specs:
                raise AnsibleError(f"{name!r} is neither a role nor a playbook of this collection.")
        options = {option for spec in specs.values() for option in spec}
        asked = {key: option for name in terms for key, option in specs[name].items()}
        required = [key for key, option in asked.items() if option.get("required")]
        return [
            *names.unknown(given, asked, options, internal()),
            *names.missing(required, [key for key in required if given.get(key)]),
        ]
