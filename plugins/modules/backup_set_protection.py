#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_set_protection
short_description: Protect a backup set from removal
version_added: 0.1.0
description:
  - Creates or removes the mark that prevents M(ovirt_community.backup.backup_set_prune) from removing a set.
  - Runs on the appliance, as root (C(become)).
  - The mark is the file C(<set>.protected) next to the set's directory. Any other entry with this name also protects the set.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  path:
    description:
      - Directory of the set, as M(ovirt_community.backup.backup_set_info) lists it.
    type: path
    required: true
  state:
    description:
      - Whether the set is protected.
    type: str
    choices:
      - present
      - absent
    default: present
  reason:
    description:
      - Reason for the protection. The module writes it into the file.
    type: str
    default: ''
extends_documentation_fragment:
  - ovirt_community.backup.attributes
seealso:
  - module: ovirt_community.backup.backup_set_info
  - module: ovirt_community.backup.backup_set_prune
"""

EXAMPLES = r"""
- name: Keep the set from before the migration
  ovirt_community.backup.backup_set_protection:
    path: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
    reason: before the migration, ask Jo
  become: true
"""

RETURN = r"""
path:
  description: Directory of the set.
  returned: success
  type: str
  sample: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
protected:
  description: Whether it is protected now.
  returned: success
  type: bool
  sample: true
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.01
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_protection import (
    BackupSetProtection,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=repository_args.BACKUP_SET_PROTECTION, supports_check_mode=True
    )
    edge.run(
        module,
        lambda params: BackupSetProtection(
            params["path"], params["reason"], protected=params["state"] == "present"
        ),
    )


if __name__ == "__main__":
    main()
