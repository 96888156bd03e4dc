#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_vm
short_description: Record which VMs are backed up, or retire VMs
version_added: 0.1.0
description:
  - Keeps a record of each VM in the directory C(vms) of a repository. M(ovirt_community.backup.backup_repository_report) uses it to report
    recorded VMs without a set, and to never report a retired VM as overdue.
  - The role P(ovirt_community.backup.vm_backup#role) records the VMs of every run.
  - A retired VM keeps its sets. M(ovirt_community.backup.backup_set_prune) and M(ovirt_community.backup.backup_set_verify) treat them as
    before.
  - Runs on the appliance, as root (C(become)).
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets.
    type: path
    required: true
  wanted:
    description:
      - VMs to back up, each with C(id) and C(name), as C(vm) in RV(ovirt_community.backup.backup_plan_info#module:plans). A retired VM in this
        list is no longer retired.
    type: list
    elements: dict
    default: []
  retired:
    description:
      - Names or ids of VMs that are no longer backed up. Each must have a set or a record.
    type: list
    elements: str
    default: []
  reason:
    description:
      - Why the VMs in O(retired) are retired. The report shows it.
    type: str
    default: ''
extends_documentation_fragment:
  - ovirt_community.backup.attributes
seealso:
  - module: ovirt_community.backup.backup_repository_report
  - module: ovirt_community.backup.backup_plan_info
"""

EXAMPLES = r"""
- name: Record that a VM is backed up
  ovirt_community.backup.backup_vm:
    repository: /srv/backup
    wanted:
      - id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
        name: web01
  become: true

- name: Retire the VM
  ovirt_community.backup.backup_vm:
    repository: /srv/backup
    retired:
      - web01
    reason: replaced by web02
  become: true
"""

RETURN = r"""
vms:
  description: All VMs that are recorded, by id.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id of the VM.
      returned: success
      type: str
      sample: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name:
      description: Its name when it was last recorded.
      returned: success
      type: str
      sample: web01
    since:
      description: When it was first recorded, UTC.
      returned: success
      type: str
      sample: "2026-11-23T01:00:05Z"
    retired:
      description: When it was retired, UTC. Null if it is still backed up.
      returned: success
      type: str
      sample: "2027-03-01T09:30:00Z"
    reason:
      description: Why it was retired.
      returned: success
      type: str
      sample: replaced by web02
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.01
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_vm import (
    BackupVm,
    BackupVmRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=repository_args.BACKUP_VM, supports_check_mode=True)
    edge.run(module, lambda params: BackupVm(BackupVmRequest(**params)))


if __name__ == "__main__":
    main()
