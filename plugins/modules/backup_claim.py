#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_claim
short_description: Let only one run at a time work on a VM through an appliance
version_added: 0.1.0
description:
  - Takes a VM's claim on the appliance, renews it at each step of a backup, and releases it. Runs of all owners exclude each other.
  - If another run has the claim, the module fails with RV(ignore:error_code) V(vm_claimed). The message names that run, its owner, its
    start and its step. With O(heartbeat_timeout) the module waits until it knows whether that run is alive, and takes over the claim of a
    dead run.
  - A run is alive if its controller renews the claim while the module watches. It is dead if it was silent for O(heartbeat_timeout).
    While it attaches or detaches disks, it is dead only after the time limit of that step. M(ovirt_community.backup.disk_image_copy)
    renews the claim while it copies into the directory of a set.
  - A run that was silent too long can continue later. It then fails here at its next step, before it attaches, finishes or detaches
    anything.
  - Claims are in C(/run/ovirt_community.backup-claims) on the appliance. A restart of the appliance ends all of them. A run that continues
    after the restart takes its claim again, unless another run has taken it.
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
      - V(held) takes or renews the claim. V(released) releases it, and ignores the claim of another run.
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
      - The next step of the run. V(snapshot) creates a snapshot, V(clean) removes what an earlier run left, V(attach) attaches the disks,
        V(copy) copies them, V(release) detaches the disks and removes the snapshot.
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
      - Time limit in seconds for attaching the disks of a VM, and again for detaching them.
    type: float
    default: 180.0
  device_timeout:
    description:
      - Time limit in seconds for devices to appear in the appliance, and to disappear.
    type: float
    default: 60.0
  heartbeat_timeout:
    description:
      - Seconds without a sign after which a run counts as dead. Without this option, the module takes over no claim and does not wait.
    type: float
  leftovers:
    description:
      - RV(ovirt_community.backup.backup_plan_info#module:leftovers) of this VM, read just before this call, with
        O(ovirt_community.backup.backup_plan_info#module:settle_timeout). A run of the same owner whose snapshot is gone has nothing left to remove.
    type: list
    elements: dict
  boot:
    description:
      - RV(boot) of the call that took the claim. It distinguishes a claim lost to another run from a claim that a restart of the
        appliance ended.
    type: str
    default: ''
  path:
    description:
      - Directory of another run's set that this run finishes. Copying into it renews the claim.
    type: path
    default: ''
  left:
    description:
      - For O(state=released), whether the run leaves a snapshot or an attachment. RV(dead) of the next run then includes this run.
    type: bool
    default: false
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.run_by.vm_backup
seealso:
  - module: ovirt_community.backup.backup_plan_info
  - module: ovirt_community.backup.appliance_preflight
"""

EXAMPLES = r"""
- name: Take the claim
  ovirt_community.backup.backup_claim:
    vm: "{{ plan.plans[0].vm.id }}"
    run_id: "{{ plan.run_id }}"
    heartbeat_timeout: 60
  become: true
  register: claim

- name: Renew the claim before the disks are attached
  ovirt_community.backup.backup_claim:
    vm: "{{ plan.plans[0].vm.id }}"
    run_id: "{{ plan.run_id }}"
    step: attach
    boot: "{{ claim.boot }}"
  become: true

- name: Release the claim
  ovirt_community.backup.backup_claim:
    vm: "{{ plan.plans[0].vm.id }}"
    run_id: "{{ plan.run_id }}"
    state: released
  become: true
"""

RETURN = r"""
owner:
  description: Owner of the run that has the claim.
  returned: success and O(state=held)
  type: str
  sample: default
run_id:
  description: The run that has the claim.
  returned: success and O(state=held)
  type: str
  sample: 4f0c2a91d7be
since:
  description: When it was taken, UTC, by the appliance's clock.
  returned: success and O(state=held)
  type: str
  sample: "2026-11-23T01:00:05Z"
step:
  description: Current step of the run.
  returned: success and O(state=held)
  type: str
  sample: snapshot
dead:
  description: Earlier runs with this claim that are dead, or that ended and left a snapshot or an attachment.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs.backup_claim import (
    GiveBack,
    TakeClaim,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge, runs_args

OPERATIONS: dict[str, edge.Builder] = {
    "held": lambda params: TakeClaim(runs_args.backup_claim_wish(params)),
    "released": lambda params: GiveBack(runs_args.backup_claim_wish(params), left=params["left"]),
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=runs_args.BACKUP_CLAIM, supports_check_mode=True)
    edge.run(module, lambda params: OPERATIONS[params["state"]](params))


if __name__ == "__main__":
    main()
