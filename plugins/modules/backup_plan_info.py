#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_plan_info
short_description: Show what a backup of some VMs would be
version_added: 0.1.0
description:
  - Looks at an appliance and at the VMs to be backed up through it, and tells what a backup would hold, what it could not
    hold and why, how much room it needs, and what stands against it.
  - A problem of one VM does not hide the others; a problem of the appliance is an error.
  - Names the run; everything the run makes carries that name.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  vms:
    description:
      - Ids or names of the source VMs. A VM that is named twice, as by name and by id, counts once.
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
      - Who runs the backup. Marks what is made, so that one owner's runs do not clean up behind another's.
    type: str
    default: default
  run_id:
    description:
      - Name of the run. Made up if not given.
    type: str
  lease_hours:
    description:
      - Hours for which what the run makes may stand. What is found later was left behind by a run that died.
    type: float
    default: 24.0
  checkpoints:
    description:
      - Whether checkpoints of incremental backup that the engine would clear stand against it, as
        O(ovirt_community.backup.disk_snapshot_attach#module:checkpoints). Only V(refuse) makes them a problem.
    type: str
    choices:
      - refuse
      - warn
      - allow
    default: refuse
  unplugged:
    description:
      - What to do about a disk of a VM that runs and that is not plugged. A snapshot of all disks would include it, and the
        engine removes no such snapshot while the VM runs.
      - V(refuse) makes it a problem of the VM. V(leave_out) leaves the disk out of the snapshot and of the set.
      - Of a VM that is down such a disk is backed up as any other.
    type: str
    choices:
      - refuse
      - leave_out
    default: refuse
  check_permissions:
    description:
      - Whether to look what the user of O(auth) may do. A permit that a backup needs and the user lacks is then a problem of
        each VM concerned, with the object, the call that needs it, and where to grant it.
      - A right on a disk that comes through a VM alone is a warning. While a disk is attached to two VMs the engine asks any
        one of them.
      - Where the engine does not tell the user what they may do, a warning says so.
    type: bool
    default: true
  settle_timeout:
    description:
      - Seconds for which to wait for snapshots in RV(leftovers) that the engine is making or merging, before anything is told. What is
        still locked then is told as it is.
    type: float
    default: 0.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
seealso:
  - module: ovirt_community.backup.vm_snapshot
  - module: ovirt_community.backup.backup_takeover_info
"""

EXAMPLES = r"""
- name: See what a backup would be
  ovirt_community.backup.backup_plan_info:
    vms:
      - web01
    appliance: backup01
  register: plan

- name: Show what stands against it
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
  description: Whether the login is a token. The engine ends its session when nobody uses it for half an hour.
  returned: success
  type: bool
  sample: false
appliance:
  description:
    - The appliance.
    - Its key C(unreachable) says why nothing can be asked of the machine itself, since the engine knows that it does not run. Empty if
      it may be connected to.
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
  description: Bytes that the disks of all VMs occupy on their storage; without compression a backup needs about as much.
  returned: success
  type: int
  sample: 2147483648
plans:
  description: One entry per source VM, in the order asked for.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM, or the word that was given where there is no such VM.
      type: str
      returned: success
      sample: web01
    vm:
      description: The VM, null where there is none.
      type: dict
      returned: success
    disks:
      description: Disks that the set would hold.
      type: list
      elements: dict
      returned: success
    snapshot_disks:
      description:
        - Ids of the disks to name when the snapshot is made, so that it does not include one that is left out. Empty where the
          snapshot is to have all disks that it can.
      type: list
      elements: str
      returned: success
      sample: []
    left_out:
      description: Disks that the set would not hold, each with the reason.
      type: list
      elements: dict
      returned: success
    required_bytes:
      description: Bytes that the VM's disks occupy on their storage.
      type: int
      returned: success
      sample: 2147483648
    problems:
      description: Why this VM cannot be backed up; empty if it can.
      type: list
      elements: str
      returned: success
      sample: []
    hands_off:
      description:
        - Whether what earlier runs left of this VM is to stay, too. Its disks have checkpoints that a detach would clear, and
          O(checkpoints=refuse).
      type: bool
      returned: success
      sample: false
    warnings:
      description: What a person should know although it stops nothing.
      type: list
      elements: str
      returned: success
      sample: []
leftovers:
  description:
    - Snapshots of the VMs that other runs of the same owner made and did not remove. Of each, C(attached) are the disks that the
      appliance holds; they do not count as problems. M(ovirt_community.backup.backup_takeover_info) tells what to do.
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.looking import (
    BackupPlan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**engine_args.PLAN),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: BackupPlan(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            engine_args.plan_request(params),
        ),
    )


if __name__ == "__main__":
    main()
