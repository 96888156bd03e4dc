#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_set_prune
short_description: Remove old backup sets by a policy
version_added: 0.1.0
description:
  - Decides for every set of a repository whether to keep it, with the reasons, and removes the others. Check mode and diff mode
    show the same decision, line by line.
  - Runs on the appliance, as root (C(become)).
  - A rule of O(keep) goes through the good sets of each VM, newest first. For each of the last hours, days and so on that have a set, it
    keeps the newest set. A rule that finds fewer sets than it may keep also keeps the oldest set. A set stays if any rule keeps it.
  - This is how C(restic forget) counts. In Proxmox Backup Server, a set that one rule keeps does not count for the next. Days begin
    at midnight UTC, weeks on Monday.
  - Some sets stay whatever the policy says. These are the newest good and the newest verified set of each VM, a set that a kept set builds
    on, a protected set (M(ovirt_community.backup.backup_set_protection)), and a set that is in use or being written. Entries that the
    module does not recognise also stay.
  - If a VM has a set of a later format version, or one that cannot be read, all its sets stay. That set might build on any of them.
  - A set whose time is not certain stays, and no rule counts it. Its clocks disagree, or its time is in the future. To remove it,
    delete its directory.
  - The module renames a set before it deletes its files. If a run is interrupted, the next run with a policy completes the removal.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets.
    type: path
    required: true
  vm:
    description:
      - Only sets of this VM, by name or id.
    type: str
  keep:
    description:
      - What to keep of each VM. If this is empty, or every value is V(0), every set stays.
    type: dict
    required: true
    suboptions:
      last:
        description:
          - This many of the newest sets.
        type: int
        default: 0
      hourly:
        description:
          - The newest set of each of the last this many hours that have a set.
        type: int
        default: 0
      daily:
        description:
          - The newest set of each of the last this many days that have a set.
        type: int
        default: 0
      weekly:
        description:
          - The newest set of each of the last this many weeks that have a set.
        type: int
        default: 0
      monthly:
        description:
          - The newest set of each of the last this many months that have a set.
        type: int
        default: 0
      yearly:
        description:
          - The newest set of each of the last this many years that have a set.
        type: int
        default: 0
      within:
        description:
          - All sets within this time before the newest good set of the VM, such as V(14d) or V(1y5m7d2h), in years, months, days and
            hours.
        type: str
        default: ''
  unfinished_days:
    description:
      - Days without a change after which an unfinished set is removed. It stays if it is the only set of its VM.
    type: float
    default: 7.0
  remove_corrupt:
    description:
      - Whether to also remove sets that are corrupt or whose parent is missing. They stay while the VM has no good set.
    type: bool
    default: false
extends_documentation_fragment:
  - ovirt_community.backup.attributes
seealso:
  - module: ovirt_community.backup.backup_set_info
  - module: ovirt_community.backup.backup_set_verify
  - module: ovirt_community.backup.backup_set_protection
"""

EXAMPLES = r"""
- name: Keep 14 daily, 8 weekly and 12 monthly sets
  ovirt_community.backup.backup_set_prune:
    repository: /srv/backup
    keep:
      daily: 14
      weekly: 8
      monthly: 12
  become: true
"""

RETURN = r"""
sets:
  description:
    - The decision on each set.
    - C(keep) is whether it stays, C(reasons) explains why. C(path), C(vm), C(run_id), C(time), C(state), C(bytes_stored)
      and C(protected) are as in RV(ovirt_community.backup.backup_set_info#module:sets).
  returned: success
  type: list
  elements: dict
  sample:
    - path: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
      vm:
        id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
        name: web01
      run_id: 4f0c2a91d7be
      time: "2026-11-23T01:00:05Z"
      state: complete
      bytes_stored: 3221225472
      protected: false
      keep: true
      reasons:
        - daily 2026-11-23
        - the newest good set
removed:
  description: Paths of the sets that were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: []
leftovers:
  description: Paths that an interrupted run had started to remove.
  returned: success
  type: list
  elements: str
  sample: []
summary:
  description: One line for each set with the decision and the reasons.
  returned: success
  type: list
  elements: str
  sample:
    - "web01 2026-11-23T01:00:05Z 4f0c2a91d7be keep: daily 2026-11-23, the newest good set"
totals:
  description: Number of kept and removed sets, and the bytes freed.
  returned: success
  type: dict
  sample:
    kept: 1
    removed: 0
    bytes_freed: 0
unrecognised:
  description: Other entries in the repository, with C(path) and C(reason). The module never changes them.
  returned: success
  type: list
  elements: dict
  sample: []
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.4
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_prune import (
    BackupSetPrune,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=repository_args.BACKUP_SET_PRUNE, supports_check_mode=True)
    edge.run(
        module, lambda params: BackupSetPrune(repository_args.backup_set_prune_request(params))
    )


if __name__ == "__main__":
    main()
