#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restored_vm
short_description: Create the new VM of a restore, or remove an incomplete one
version_added: 0.1.0
description:
  - Creates a new VM from the configuration in a backup set, detaches the written disks from the appliance, and attaches them to the new
    VM as they were.
  - Imports the configuration without its disks. Otherwise the engine would attach the original disks to the original VM.
  - Restores the delete protection of the VM only when the VM is complete.
  - Marks an incomplete VM in its comment. A restore that is run again after it was killed finds the VM by this comment. The module never
    changes or removes any other VM.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  state:
    description:
      - V(prepared) creates the VM without disks and changes it once. If the engine refuses the configuration, it does so here, before
        anything is written.
      - V(present) creates the VM with its disks.
      - V(tested) creates the VM, starts it and waits until it is up. Its comment marks it as a test, so that V(absent) powers it off and
        removes it with its disks.
      - V(absent) removes the incomplete VM and the incomplete disks of this restore. A complete VM stays.
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
      - Name of the restore, as M(ovirt_community.backup.restore_plan_info) returns it.
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
      - What to connect each network card to, by name of the card, V(network/profile), V(network), or empty. Other cards stay as they
        were.
    type: dict
    default: {}
  keep_identity:
    description:
      - Whether the VM gets the id and the MAC addresses of the original. The original must no longer exist.
    type: bool
    default: false
  start:
    description:
      - With O(state=present), whether to start the complete VM, and to wait until it is up.
    type: bool
    default: false
  test:
    description:
      - With O(state=prepared), whether the VM is for O(state=tested).
    type: bool
    default: false
  timeout:
    description:
      - Time limit of the whole operation in seconds, from the import to the answer of the guest agent.
    type: int
    default: 1800
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
  - ovirt_community.backup.engine.wait
  - ovirt_community.backup.run_by.vm_restore
seealso:
  - module: ovirt_community.backup.restore_plan_info
  - module: ovirt_community.backup.restored_disks
"""

EXAMPLES = r"""
- name: Create the VM, before the disks are written
  ovirt_community.backup.restored_vm:
    state: prepared
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    name: "{{ plan.name }}"
    cluster_id: "{{ plan.cluster.id }}"
    ovf: "{{ source.ovf }}"
    vnic_profiles: "{{ plan.vnic_profiles }}"

- name: Attach the written disks to the VM
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

- name: Remove the incomplete VM
  ovirt_community.backup.restored_vm:
    state: absent
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    name: "{{ plan.name }}"
"""

RETURN = r"""
vm:
  description: The new VM. Null in check mode if it does not exist yet.
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
  description: Incomplete disks that stay because they are attached to another VM.
  returned: success
  type: list
  elements: dict
  sample: []
losses:
  description:
    - What the engine did not import, and refused to change afterwards, in the form of
      RV(ovirt_community.backup.restore_plan_info#module:losses).
  returned: success
  type: list
  elements: dict
  sample: []
guest:
  description:
    - Whether the guest agent of the started VM answered, V(answered) or V(silent). Empty if no VM was started.
    - With O(state=tested), a VM whose guest agent answered at the time of the backup must answer within O(timeout).
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
    connect_v4,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restored_vm import (
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
        argument_spec=engine_args.engine_spec(1800, **restore_args.RESTORED_VM),
        required_if=restore_args.RESTORED_VM_REQUIRED_IF,
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: RestoredVm(
            connect_v4(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            restore_args.restored_vm_request(params),
        ),
    )


if __name__ == "__main__":
    main()
