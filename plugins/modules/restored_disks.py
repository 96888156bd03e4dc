#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restored_disks
short_description: Have the new disks of a restore made, handed over, or removed
version_added: 0.1.0
description:
  - Makes new, empty disks and attaches them to the appliance, where they are written. Hands them over to a VM when they are.
    Removes those that were not finished.
  - Each disk says in its description to which restore it belongs, and whether it is half-made. A run that was killed and is run again
    finds its own by that. No other disk is ever attached, detached or removed.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  state:
    description:
      - V(prepared), there is a new disk for each of O(disks), of exactly its size, attached to the appliance.
      - V(present), the disks are detached from the appliance, attached to O(vm) if there is one, and not half-made any more.
      - V(absent), there is no half-made disk of this restore. Finished ones stay.
    type: str
    required: true
    choices:
      - prepared
      - present
      - absent
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
  disks:
    description:
      - The disks, as M(ovirt_community.backup.restore_plan_info) returns them.
    type: list
    elements: dict
  vm:
    description:
      - Id or name of the VM that the disks are for. With O(state=present), it gets them; nobody does by default.
    type: str
  interface:
    description:
      - How the appliance gets the disks.
    type: str
    choices:
      - virtio_scsi
      - virtio
      - sata
      - ide
      - spapr_vscsi
    default: virtio_scsi
  timeout:
    description:
      - Seconds for each step. The making of a preallocated disk has more, by its size, since some storage is zeroed by the host.
    type: int
    default: 600
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
  - ovirt_community.backup.engine.wait
seealso:
  - module: ovirt_community.backup.restore_plan_info
  - module: ovirt_community.backup.disk_image_restore
  - module: ovirt_community.backup.restored_vm
"""

EXAMPLES = r"""
- name: Make the disks, and attach them to the appliance
  ovirt_community.backup.restored_disks:
    state: prepared
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    disks: "{{ plan.disks }}"
  register: prepared

- name: Give a disk that was written to a VM
  ovirt_community.backup.restored_disks:
    state: present
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    disks: "{{ plan.disks }}"
    vm: web01

- name: Remove what was not finished
  ovirt_community.backup.restored_disks:
    state: absent
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
"""

RETURN = r"""
disks:
  description: The disks. In check mode, ids of disks that are not there yet are null. Empty with O(state=absent).
  returned: success
  type: list
  elements: dict
  contains:
    disk_id:
      description: Id of the original.
      returned: success
      type: str
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    new_disk_id:
      description: Id of the new disk, and so the serial number of its device.
      returned: success
      type: str
      sample: 2f8c5f7a-1d02-4a1c-9b53-0f6f7f0e5d5c
    alias:
      description: Name of the disk.
      returned: success
      type: str
      sample: web01_system
images:
  description: What is to be written, for M(ovirt_community.backup.disk_image_restore). Disks that the VM has already are not in it.
  returned: success
  type: list
  elements: dict
  sample:
    - disk_id: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
      serial: 2f8c5f7a-1d02-4a1c-9b53-0f6f7f0e5d5c
      blank: true
      same_id: false
      storage: data1
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
    RestoredDisks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    restore_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(600, **restore_args.MADE_DISKS),
        required_if=restore_args.MADE_DISKS_REQUIRED_IF,
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: RestoredDisks(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            restore_args.disks_request(params),
        ),
    )


if __name__ == "__main__":
    main()
