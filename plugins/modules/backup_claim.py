#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_claim
short_description: Let one run at a time back up a VM through an appliance
version_added: 0.1.0
description:
  - Takes a VM's claim on the appliance, signs it at each step of a backup, and gives it back. Runs of all owners exclude each other.
  - Another run's claim makes the module fail with RV(ignore:error_code) V(vm_claimed), and the message says whose it is, since when, and
    what that run is doing. With O(silence) the module waits until it is known whether that run lives, and takes the claim of a dead one over.
  - A run lives if another call of its controller signs the claim while it is watched. It is dead if it was silent for O(silence), or for as
    long as its step may take where it attaches or detaches disks. M(ovirt_community.backup.disk_image_copy) signs the claim while it
    copies into the directory of a set.
  - A run that was silent for too long may go on later. It fails here at its next step, before it attaches, finishes or detaches anything.
  - Claims are in C(/run/ovirt_community.backup-claims) of the appliance. A restart of the appliance ends all of them; a run that goes on after it
    takes its claim again, unless another run was faster.
  - Runs on the appliance, as root (C(become)).
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  vm:
    description:
      - Id of the VM.
    type: str
    required: true
  state:
    description:
      - V(held) takes the claim, or signs it. V(released) gives it back; another run's is left alone.
    type: str
    choices:
      - held
      - released
    default: held
  owner:
    description:
      - Who runs the backup, as O(ovirt_community.backup.backup_plan_info#module:owner).
    type: str
    default: default
  run_id:
    description:
      - Name of the run, RV(ovirt_community.backup.backup_plan_info#module:run_id).
    type: str
    required: true
  step:
    description:
      - What the run is about to do. V(snapshot) makes a snapshot, V(clean) takes back what an earlier run left, V(attach) and V(copy) are
        what they say, V(release) detaches the disks and removes the snapshot.
    type: str
    choices:
      - snapshot
      - clean
      - attach
      - copy
      - release
    default: snapshot
  attach_timeout:
    description:
      - Seconds within which the run attaches the disks of a VM, and again detaches them.
    type: float
    default: 180.0
  device_timeout:
    description:
      - Seconds within which devices show up in the appliance, and go.
    type: float
    default: 60.0
  silence:
    description:
      - A run that was silent for so many seconds is dead. Without it no claim is taken over, and nothing is waited for.
    type: float
  leftovers:
    description:
      - RV(ovirt_community.backup.backup_plan_info#module:leftovers) of a look at this VM that was taken just now, with
        O(ovirt_community.backup.backup_plan_info#module:settle_timeout). A run of the same owner whose snapshot is gone has nothing left to remove.
    type: list
    elements: dict
  boot:
    description:
      - RV(boot) of the call that took the claim. It tells a claim that was lost to another run from one that a restart of the appliance ended.
    type: str
    default: ''
  path:
    description:
      - Directory of the set of another run that this run finishes. Copies into it sign the claim.
    type: path
    default: ''
  left:
    description:
      - For O(state=released), whether the run leaves a snapshot or an attachment. Its run is in RV(dead) for the next one then.
    type: bool
    default: false
extends_documentation_fragment:
  - ovirt_community.backup.attributes
seealso:
  - module: ovirt_community.backup.backup_plan_info
  - module: ovirt_community.backup.backup_takeover_info
"""

EXAMPLES = r"""
- name: Take the claim
  ovirt_community.backup.backup_claim:
    vm: "{{ plan.plans[0].vm.id }}"
    run_id: "{{ plan.run_id }}"
    silence: 60
  become: true
  register: claim

- name: Sign it before the disks are attached
  ovirt_community.backup.backup_claim:
    vm: "{{ plan.plans[0].vm.id }}"
    run_id: "{{ plan.run_id }}"
    step: attach
    boot: "{{ claim.boot }}"
  become: true

- name: Give it back
  ovirt_community.backup.backup_claim:
    vm: "{{ plan.plans[0].vm.id }}"
    run_id: "{{ plan.run_id }}"
    state: released
  become: true
"""

RETURN = r"""
owner:
  description: Who has the claim.
  returned: success and O(state=held)
  type: str
  sample: default
run_id:
  description: The run that has it.
  returned: success and O(state=held)
  type: str
  sample: 4f0c2a91d7be
since:
  description: When it was taken, UTC, by the appliance's clock.
  returned: success and O(state=held)
  type: str
  sample: "2026-11-23T01:00:05Z"
step:
  description: What the run is doing.
  returned: success and O(state=held)
  type: str
  sample: snapshot
dead:
  description: Runs that had the claim before and are dead, or have ended and left something.
  returned: success and O(state=held)
  type: list
  elements: str
  sample: []
boot:
  description: The boot of the appliance in which the claim was taken.
  returned: success and O(state=held)
  type: str
  sample: 3f5ad593-1d54-4f0c-8d1e-4f2b0b0f9f10
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.01
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs.claims import (
    GiveBack,
    TakeClaim,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import copy_args, edge

OPERATIONS: dict[str, edge.Builder] = {
    "held": lambda params: TakeClaim(copy_args.wish(params)),
    "released": lambda params: GiveBack(copy_args.wish(params), left=params["left"]),
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=copy_args.CLAIM, supports_check_mode=True)
    edge.run(module, lambda params: OPERATIONS[params["state"]](params))


if __name__ == "__main__":
    main()
