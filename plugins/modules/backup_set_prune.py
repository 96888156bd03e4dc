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
  - Decides for every set of a repository whether it stays, with the reasons, and removes the others. Check mode and diff mode
    show the same decision, line by line.
  - Runs on the appliance, as root (C(become)).
  - A rule of O(keep) looks at the good sets of each VM, newest first, and keeps the newest of each of the last so many hours,
    days and so on that have a set. A rule that finds fewer than it may keep also keeps the oldest set. What any rule keeps
    stays. This is how C(restic forget) counts. Proxmox Backup Server counts otherwise, there a set that one rule keeps is not
    counted by the next. Days begin at midnight UTC, weeks on Monday.
  - Whatever the policy says, these stay. Of each VM the newest good set, and the newest that was verified, a set that another
    one builds on that stays, a protected set (M(ovirt_community.backup.backup_set_protection)), a set that is in use or
    that a run is writing, and everything in the repository that is not recognised.
  - If a VM has a set of a later format version, or one that cannot be read, all its sets stay, as it cannot be known what that one
    builds on.
  - A set whose time is not certain, as the clocks of engine, controller and appliance disagree or as it is dated in the future, takes no
    place in any rule, and stays. Whoever knows better deletes its directory.
  - A set is renamed before its files are deleted. What an interrupted run began, the next one with a policy finishes.
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
      - What to keep of each VM. If nothing is given, or all is V(0), every set stays.
    type: dict
    required: true
    suboptions:
      last:
        description:
          - So many of the newest sets.
        type: int
        default: 0
      hourly:
        description:
          - The newest set of each of the last so many hours that have one.
        type: int
        default: 0
      daily:
        description:
          - The newest set of each of the last so many days that have one.
        type: int
        default: 0
      weekly:
        description:
          - The newest set of each of the last so many weeks that have one.
        type: int
        default: 0
      monthly:
        description:
          - The newest set of each of the last so many months that have one.
        type: int
        default: 0
      yearly:
        description:
          - The newest set of each of the last so many years that have one.
        type: int
        default: 0
      within:
        description:
          - All sets of this length of time before the newest good set of the VM, such as V(14d) or V(1y5m7d2h). Years, months,
            days and hours are known.
        type: str
        default: ''
  unfinished_days:
    description:
      - An unfinished set is removed when nothing of it has changed for so many days. If it is all that there is of a VM, it stays.
    type: float
    default: 7.0
  remove_corrupt:
    description:
      - Whether sets go, too, that are corrupt or whose parent is missing. They stay as long as the VM has no good set.
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
- name: Keep two weeks of days, two months of weeks and a year of months
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
    - C(keep) says whether it stays, C(reasons) why or why not. C(path), C(vm), C(run_id), C(time), C(state), C(bytes_stored)
      and C(protected) are those of RV(ovirt_community.backup.backup_set_info#module:sets).
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
  description: Paths of what an interrupted run had begun to remove.
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
  description: How many sets stay and go, and the bytes that their images take.
  returned: success
  type: dict
  sample:
    kept: 1
    removed: 0
    bytes_freed: 0
unrecognised:
  description: What else lies in the repository, C(path) and C(reason). It is never touched.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.prune import (
    PruneSets,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=repository_args.PRUNE, supports_check_mode=True)
    edge.run(module, lambda params: PruneSets(repository_args.prune_request(params)))


if __name__ == "__main__":
    main()
