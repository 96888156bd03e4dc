# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Return the hosts that patterns match; no match is an error."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: Find the hosts of a play, and fail if no host matches
version_added: 0.1.0
description:
  - Ansible skips a play whose pattern matches no host, and the run succeeds although it did nothing. With this lookup in C(hosts),
    the run fails.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  _terms:
    description:
      - Patterns of hosts or groups.
    type: list
    elements: str
    required: true
notes:
  - Respects the option C(--limit). The lookup does not find a host that it excludes.
  - Returns the patterns in a syntax check, which may have no inventory.
"""

EXAMPLES = r"""
- name: Back up VMs through an appliance
  hosts: "{{ query('ovirt_community.backup.hosts', 'appliance') }}"
  gather_facts: false
  roles:
    - role: ovirt_community.backup.vm_backup
"""

RETURN = r"""
_raw:
  description: Names of the hosts.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The lookup, under the name that Ansible expects."""

    def run(
        self, terms: list[Any], variables: dict[str, Any] | None = None, **_kwargs: object
    ) -> list[str]:
        """Find the hosts.

        Raises:
            AnsibleError: The patterns match no host, so that the play would do nothing.
        """
        patterns = [
            str(one) for term in terms for one in (term if isinstance(term, list) else [term])
        ]
        if context.CLIARGS.get("syntax"):
            return patterns
        known, limit = variables or {}, str((variables or {}).get("ansible_limit") or "")
        manager = InventoryManager(self._loader or DataLoader(), parse=False)
        for group, hosts in known.get("groups", {}).items():
            manager.add_group(group)
            for host in hosts:
                manager.add_host(host, group=group)
        manager.subset(limit or None)
        found = [str(host.name) for host in manager.get_hosts(pattern=patterns)]
        if not found:
            within = f" within --limit {limit}" if limit else ""
            raise AnsibleError(
                f"No host of the inventory matches {', '.join(patterns)!r}{within}: nothing was done. Name the"
                " appliance's host or group as the inventory has it (variable ovirt_backup_hosts),"
                " and see that the group is not empty."
            )
        return found
