#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_takeover_info
short_description: Decide what to do about backups that were killed
version_added: 0.1.0
description:
  - Finds the unfinished sets of runs that left snapshots behind, watches whether those runs are still alive, and decides for each VM.
  - A copying run updates the record in its set's directory every few seconds, as long as its controller follows. If a record is
    updated, appears or disappears while the module watches it, its run is alive.
  - A claim identifies a run that uses M(ovirt_community.backup.backup_claim), and O(dead) lists dead ones. The module watches only runs
    without a claim, as after a restart of the appliance, and only those that wrote a record.
  - Of the dead runs of a VM, the module selects the latest set whose disks are all still attached, to be finished. It marks for removal what
    an attachment or a record ties to this appliance. Any other snapshot may belong to a run through another appliance, and stays until
    its lease ends.
  - A finished set counts as the backup of the current run only if that run would accept it now. The lease of its snapshot must still be
    valid, it must contain all disks that the VM has now, and its consistency must be in O(accept_consistency).
  - Runs on the appliance, as root (C(become)).
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets.
    type: path
    required: true
  leftovers:
    description:
      - RV(ovirt_community.backup.backup_plan_info#module:leftovers).
    type: list
    elements: dict
    required: true
  silence:
    description:
      - A run that was silent for so many seconds is dead. It is watched for at most a minute more than that, since the
        last call of a run that was killed may still be in progress. Set it longer than a living run needs to connect again.
    type: float
    default: 60.0
  attach_timeout:
    description:
      - A run that wrote its record less than so many seconds ago, and has not begun to copy, may be attaching its disks, which touches no
        record. It counts as one that lives.
    type: float
    default: 180.0
  dead:
    description:
      - RV(ovirt_community.backup.backup_claim#module:dead), runs that are known to be dead. They are not watched, and their snapshots
        are this appliance's.
    type: list
    elements: str
    default: []
  plans:
    description:
      - RV(ovirt_community.backup.backup_plan_info#module:plans); they tell which disks the VMs have now.
    type: list
    elements: dict
    required: true
  accept_consistency:
    description:
      - Which consistency the run that asks accepts, see RV(ovirt_community.backup.vm_snapshot#module:consistency).
    type: list
    elements: str
    required: true
  started:
    description:
      - RV(ovirt_community.backup.backup_plan_info#module:started), which the age of a set is told by.
    type: str
    required: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.run_by.vm_backup
seealso:
  - module: ovirt_community.backup.backup_plan_info
  - module: ovirt_community.backup.backup_claim
  - module: ovirt_community.backup.backup_set
"""

EXAMPLES = r"""
- name: See what earlier runs left
  ovirt_community.backup.backup_plan_info:
    vms:
      - web01
    appliance: backup01
  delegate_to: localhost
  register: plan

- name: See what to do about it
  ovirt_community.backup.backup_takeover_info:
    repository: /srv/backup
    leftovers: "{{ plan.leftovers }}"
    plans: "{{ plan.plans }}"
    accept_consistency: [offline, filesystem, unknown, crash]
    started: "{{ plan.started }}"
  become: true
"""

RETURN = r"""
vms:
  description: Decisions by VM id, for each VM with something left behind.
  returned: success
  type: dict
  contains:
    problems:
      description: What prevents the takeover and a new backup, such as a live run or a locked snapshot.
      returned: success
      type: list
      elements: str
    take_over:
      description:
        - The set to finish, as it was prepared, with RV(ignore:images) for M(ovirt_community.backup.disk_image_copy). Null if no set can be
          finished.
        - It does not include the configuration of the VM. M(ovirt_community.backup.backup_set) reads that from the set.
      returned: success
      type: dict
    stands_in:
      description:
        - Whether RV(ignore:take_over) counts as the backup of the current run. If not, the set is still finished, RV(ignore:notes) explain
          why, and the run makes another backup.
      returned: success
      type: bool
    clean:
      description: The leftovers to detach and remove, after the set is finished.
      returned: success
      type: list
      elements: dict
    notes:
      description: Notes for the summary.
      returned: success
      type: list
      elements: str
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 60.01
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs.unfinished import (
    TakeoverInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge, runs_args


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=runs_args.BACKUP_TAKEOVER_INFO, supports_check_mode=True)
    edge.run(
        module,
        lambda params: TakeoverInfo(
            params["repository"],
            params["leftovers"],
            (params["silence"], params["attach_timeout"]),
            runs_args.backup_takeover_info_wanted(params),
            frozenset(params["dead"]),
        ),
    )


if __name__ == "__main__":
    main()
