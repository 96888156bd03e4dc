#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_source_info
short_description: Select, read and check a backup set for a restore
version_added: 0.1.0
description:
  - Selects a backup set, checks that it can be restored, and returns what a restore needs from it.
  - Runs on the appliance, as root (C(become)).
  - Trusts nothing in the set. This release must know the format of the manifest. The configuration (OVF) must match its checksum, be plain
    XML without a document type, and name the VM and the disks of the manifest. The images must be regular files of the recorded
    length that refer to no other file and, with O(verify=true), match their checksums.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  path:
    description:
      - Directory of the set, below a repository. Set either this or O(vm).
    type: path
  repository:
    description:
      - Absolute path of the repository, for O(vm).
    type: path
  vm:
    description:
      - Name or id of the VM whose newest good set to use. With O(disks), a set is good if these disks are good.
      - A former name works too. All sets of the VM count, whatever its name was at that time, and RV(notes) says so.
      - The module never selects a set whose time is not certain, such as a set from the future. Use O(path) for it.
    type: str
  before:
    description:
      - Only sets whose data is older than this time, UTC, such as V(2026-11-23T01:02:03Z).
    type: str
  disks:
    description:
      - Names or ids of the disks to restore. An empty list means all.
      - The module checks only these disks. Other disks of the set may be damaged.
    type: list
    elements: str
    default: []
  verify:
    description:
      - Whether to read the images of these disks and to compare their checksums.
      - M(ovirt_community.backup.disk_image_restore) always does so before it writes. This option does it before anything is created.
    type: bool
    default: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.run_by.vm_restore
seealso:
  - module: ovirt_community.backup.backup_set_info
  - module: ovirt_community.backup.restore_plan_info
  - module: ovirt_community.backup.disk_image_restore
"""

EXAMPLES = r"""
- name: Select the newest good set of a VM
  ovirt_community.backup.restore_source_info:
    repository: /srv/backup
    vm: web01
  become: true
  register: source

- name: Select one disk of the last set from before an accident
  ovirt_community.backup.restore_source_info:
    repository: /srv/backup
    vm: web01
    before: "2026-11-23T04:00:00Z"
    disks:
      - web01_data
  become: true
"""

RETURN = r"""
set:
  description: The set, as M(ovirt_community.backup.backup_set_info) lists it.
  returned: success
  type: dict
  sample:
    path: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
    run_id: 4f0c2a91d7be
    state: complete
manifest:
  description: The manifest, see C(docs/schema/manifest-1.schema.json).
  returned: success
  type: dict
  sample:
    format: ovirt_community.backup
    version: 1
    run_id: 4f0c2a91d7be
ovf:
  description: The VM's configuration. It can contain secrets, such as a password for the guest.
  returned: success
  type: str
  sample: <ovf:Envelope>...</ovf:Envelope>
disks:
  description: Ids of the disks to restore.
  returned: success
  type: list
  elements: str
  sample:
    - b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
verified:
  description: Whether the checksums of the images were compared.
  returned: success
  type: bool
  sample: true
notes:
  description: Newer sets that were not selected, with the reasons, entries that could not be read, and whether the VM had another name.
  returned: success
  type: list
  elements: str
  sample: []
machine_id:
  description: UUID that the firmware of this machine shows. Empty if it shows none.
  returned: success
  type: str
  sample: 0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 12.4
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.restore_source_info import (
    RestoreSourceInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    restore_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=restore_args.RESTORE_SOURCE_INFO, supports_check_mode=True)
    edge.run(
        module, lambda params: RestoreSourceInfo(restore_args.restore_source_info_request(params))
    )


if __name__ == "__main__":
    main()
