#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restored_vm
short_description: Have the new VM of a restore, or nothing half-made of it
version_added: 0.1.0
description:
  - Makes a new VM of the configuration in a backup set, takes the disks that were written from the appliance, and attaches
    them to the new VM as they were.
  - The configuration is imported without its disks. The engine would attach the original disks to the original VM.
  - As long as the VM is not finished, it can be deleted, whatever it was. When it is, it is protected as it was.
  - As long as the VM is not finished, its comment says so. A run that was killed and is run again finds it by that. No other VM is ever
    changed or removed.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  state:
    description:
      - V(prepared), the VM is there, without disks, and it took a change. What the engine refuses of a configuration it refuses
        here, so this is asked for before anything is written.
      - V(present), the VM is there with its disks.
      - V(tested), it is there, was started and is up. It says of itself that it is a test, so that V(absent) powers it off
        and removes it with its disks.
      - V(absent), there is no half-made VM and no half-made disk of this restore. What is finished stays.
    type: str
    choices:
      - prepared
      - present
      - tested
      - absent
    default: present
  owner:
    description:
      - Who runs the restore.
    type: str
    default: default
  restore_id:
    description:
      - Name of the restore, as M(ovirt_community.backup.restore_plan_info) gives it.
    type: str
    required: true
  run_id:
    description:
      - Run id of the set.
    type: str
    required: true
  appliance:
    description:
      - Id or name of the appliance.
    type: str
    required: true
  name:
    description:
      - Name of the new VM.
    type: str
    required: true
  disks:
    description:
      - The disks, as M(ovirt_community.backup.restore_plan_info) returns them. They must have been prepared and written.
    type: list
    elements: dict
  cluster_id:
    description:
      - Id of the cluster.
    type: str
  ovf:
    description:
      - The VM's configuration, as M(ovirt_community.backup.restore_source_info) returns it.
    type: str
  vnic_profiles:
    description:
      - By name of a card, what it is to be connected to, V(network/profile), V(network), or nothing. Other cards stay as they were.
    type: dict
    default: {}
  keep_identity:
    description:
      - Whether the VM gets the id and the MAC addresses of the original, which must be gone.
    type: bool
    default: false
  start:
    description:
      - With O(state=present), whether to start the VM when it is finished, and to wait until it is up.
    type: bool
    default: false
  test:
    description:
      - With O(state=prepared), whether the VM is made for O(state=tested).
    type: bool
    default: false
  timeout:
    description:
      - Seconds for each step.
    type: int
    default: 600
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
  - ovirt_community.backup.engine.wait
seealso:
  - module: ovirt_community.backup.restore_plan_info
  - module: ovirt_community.backup.restored_disks
"""

EXAMPLES = r"""
- name: Make the VM, before the disks are written
  ovirt_community.backup.restored_vm:
    state: prepared
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    name: "{{ plan.name }}"
    cluster_id: "{{ plan.cluster.id }}"
    ovf: "{{ source.ovf }}"
    vnic_profiles: "{{ plan.vnic_profiles }}"

- name: Give it the disks when they are written
  ovirt_community.backup.restored_vm:
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    name: "{{ plan.name }}"
    cluster_id: "{{ plan.cluster.id }}"
    disks: "{{ plan.disks }}"
    ovf: "{{ source.ovf }}"
    vnic_profiles: "{{ plan.vnic_profiles }}"
  register: restored

- name: Remove what was not finished
  ovirt_community.backup.restored_vm:
    state: absent
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    name: "{{ plan.name }}"
"""

RETURN = r"""
vm:
  description: The new VM. Null in check mode if it is not there yet.
  returned: success
  type: dict
  sample:
    id: 2f8c5f7a-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name: web01-restored-20261123T010000Z
    status: down
disks:
  description: Its disks, as M(ovirt_community.backup.restored_disks) returns them.
  returned: success
  type: list
  elements: dict
  sample:
    - disk_id: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
      alias: web01_system
      new_disk_id: 2f8c5f7a-1d02-4a1c-9b53-0f6f7f0e5d5c
removed:
  description: Ids of the disks that were removed.
  returned: success
  type: list
  elements: str
  sample: []
left:
  description: Half-made disks that stay since another VM has them.
  returned: success
  type: list
  elements: dict
  sample: []
losses:
  description:
    - What the engine's import did not bring, and the engine refused to put right afterwards. The form is that of
      RV(ovirt_community.backup.restore_plan_info#module:losses).
  returned: success
  type: list
  elements: dict
  sample: []
guest:
  description:
    - Whether a guest agent told the engine of the guest that was started, V(answered) or V(silent). Empty if nothing was started.
    - With O(state=tested), a VM whose guest agent answered when it was backed up has to answer within O(timeout).
  returned: success
  type: str
  sample: answered
seconds:
  description: Seconds that the task took.
  returned: success
  type: float
  sample: 1.2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restoring import (
    RestoredVm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    restore_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(600, **restore_args.MADE_VM),
        required_if=restore_args.MADE_VM_REQUIRED_IF,
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: RestoredVm(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            restore_args.vm_request(params),
        ),
    )


if __name__ == "__main__":
    main()
