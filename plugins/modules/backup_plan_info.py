#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_plan_info
short_description: Show what a backup of VMs would contain, and what prevents it
version_added: 0.1.0
description:
  - Reads an appliance and the VMs to back up through it. Shows what a backup would contain, what it would leave out and why, how
    much space it needs, and what prevents it.
  - Reports the problems of each VM separately. A problem of the appliance is an error.
  - Chooses the name of the run. Everything that the run creates has that name.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  vms:
    description:
      - Ids or names of the source VMs. A VM given twice, for example by name and by id, counts once.
    type: list
    elements: str
    required: true
  appliance:
    description:
      - Id or name of the appliance.
    type: str
    required: true
  owner:
    description:
      - Who runs the backup. Marks what the run creates, so that a run cleans up only after runs of the same owner.
    type: str
    default: default
  run_id:
    description:
      - Name of the run. Generated if not given.
    type: str
  lease_hours:
    description:
      - Lease in hours of what the run creates. After that, later runs consider it left behind by a dead run.
    type: float
    default: 24.0
  checkpoints:
    description:
      - What to do about checkpoints of incremental backup that the engine would clear, as
        O(ovirt_community.backup.disk_snapshot_attach#module:checkpoints). Only V(refuse) makes them a problem.
    type: str
    choices:
      - refuse
      - warn
      - allow
    default: refuse
  unplugged:
    description:
      - What to do about an unplugged disk of a running VM. A snapshot of all disks would include it, and the engine cannot remove
        such a snapshot while the VM runs.
      - V(refuse) makes it a problem of the VM. V(leave_out) leaves the disk out of the snapshot and of the set.
      - If the VM is down, such a disk is backed up like any other.
    type: str
    choices:
      - refuse
      - leave_out
    default: refuse
  check_permissions:
    description:
      - Whether to check the permits of the user in O(auth). A permit that a backup needs and the user lacks becomes a problem of
        each affected VM. The problem names the object, the call that needs the permit, and where to grant it.
      - A right on a disk that comes only through a VM is a warning. While a disk is attached to two VMs, the engine checks the
        rights of either of them.
      - The module warns if the engine does not show the user's permits.
    type: bool
    default: true
  settle_timeout:
    description:
      - Seconds to wait for snapshots in RV(leftovers) that the engine still creates or merges. After that, the module returns them as
        they are, locked or not.
    type: float
    default: 0.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
seealso:
  - module: ovirt_community.backup.vm_snapshot
  - module: ovirt_community.backup.appliance_preflight
"""

EXAMPLES = r"""
- name: Show what a backup would contain
  ovirt_community.backup.backup_plan_info:
    vms:
      - web01
    appliance: backup01
  register: plan

- name: Show what prevents the backup
  ansible.builtin.debug:
    msg: "{{ plan.plans | map(attribute='problems') | flatten }}"
"""

RETURN = r"""
run_id:
  description: Name of the run.
  returned: success
  type: str
  sample: 4f0c2a91d7be
started:
  description: When the run began, UTC.
  returned: success
  type: str
  sample: "2026-11-23T01:00:00Z"
description:
  description: Description for the snapshots of this run.
  returned: success
  type: str
  sample: Backup by ovirt_community.backup [owner=default run=4f0c2a91d7be expires=2026-11-24T01:00:00Z]
engine_version:
  description: Version of the engine.
  returned: success
  type: str
  sample: 4.5.7
collection_version:
  description: Version of this collection.
  returned: success
  type: str
  sample: 0.1.0
token:
  description: Whether the login is a token. The engine ends the session of a token after half an hour without use.
  returned: success
  type: bool
  sample: false
appliance:
  description:
    - The appliance.
    - Its key C(unreachable) says why the machine cannot be reached, for example because the engine reports that it does not run. Empty
      if a connection may be tried.
  returned: success
  type: dict
  sample:
    id: 0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001
    name: backup01
    status: up
    cluster: Default
    host_id: 5f7a0f0e-5c57-4d51-8f3b-0b6e2f7a9c11
    unreachable: ""
required_bytes:
  description: Bytes that the disks of all VMs use on their storage. A backup without compression needs about as much.
  returned: success
  type: int
  sample: 2147483648
plans:
  description: One entry per source VM, in the order of O(vms).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM, or the text given in O(vms) if no such VM exists.
      type: str
      returned: success
      sample: web01
    vm:
      description: The VM. Null if no such VM exists.
      type: dict
      returned: success
    disks:
      description: Disks that the set would contain.
      type: list
      elements: dict
      returned: success
    snapshot_disks:
      description:
        - Ids of the disks to include in the snapshot, if some disks are left out. Empty if the snapshot includes all disks that it
          can.
      type: list
      elements: str
      returned: success
      sample: []
    left_out:
      description: Disks that the set would not contain, each with the reason.
      type: list
      elements: dict
      returned: success
    required_bytes:
      description: Bytes that the VM's disks use on their storage.
      type: int
      returned: success
      sample: 2147483648
    problems:
      description: Why this VM cannot be backed up. Empty if it can.
      type: list
      elements: str
      returned: success
      sample: []
    hands_off:
      description:
        - Whether to keep what earlier runs left of this VM. True if its disks have checkpoints that a detach would clear, and
          O(checkpoints=refuse).
      type: bool
      returned: success
      sample: false
    warnings:
      description: Warnings that do not prevent the backup.
      type: list
      elements: str
      returned: success
      sample: []
leftovers:
  description:
    - Snapshots of the VMs that other runs of the same owner created and did not remove. C(attached) lists the disks that the
      appliance holds. They do not count as problems. M(ovirt_community.backup.appliance_preflight) decides what to do.
  returned: success
  type: list
  elements: dict
  sample: []
seconds:
  description: Seconds that the task took.
  returned: success
  type: float
  sample: 0.21
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.backup_plan_info import (
    BackupPlanInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    snapshots_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**snapshots_args.BACKUP_PLAN_INFO),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: BackupPlanInfo(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            snapshots_args.backup_plan_info_request(params),
        ),
    )


if __name__ == "__main__":
    main()
