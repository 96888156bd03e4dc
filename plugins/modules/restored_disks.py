#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restored_disks
short_description: Create the new disks of a restore, move them to a VM, or remove incomplete ones
version_added: 0.1.0
description:
  - Creates new, empty disks and attaches them to the appliance, which writes them. Then moves them to a VM. Removes incomplete disks.
  - The description of each disk names its restore, and says whether the disk is incomplete. A restore that is run again after it was
    killed finds its disks by the description. The module never attaches, detaches or removes any other disk.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  state:
    description:
      - V(prepared) creates a new disk of exactly the same size for each of O(disks), and attaches it to the appliance.
      - V(present) detaches the disks from the appliance, attaches them to O(vm) if given, and marks them complete.
      - V(absent) removes the incomplete disks of this restore. Complete disks stay.
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
  disks:
    description:
      - The disks, as M(ovirt_community.backup.restore_plan_info) returns them.
    type: list
    elements: dict
  vm:
    description:
      - Id or name of the VM that the disks are for. With O(state=present), the module attaches them to it. By default, they stay
        unattached.
    type: str
  interface:
    description:
      - Interface by which the appliance gets the disks.
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
      - Time limit of the whole operation in seconds. Preallocated disks to create add time by their size, because a host may have to
        zero them.
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
  - module: ovirt_community.backup.disk_image_restore
  - module: ovirt_community.backup.restored_vm
"""

EXAMPLES = r"""
- name: Create the disks, and attach them to the appliance
  ovirt_community.backup.restored_disks:
    state: prepared
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    disks: "{{ plan.disks }}"
  register: prepared

- name: Attach the written disks to a VM
  ovirt_community.backup.restored_disks:
    state: present
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
    disks: "{{ plan.disks }}"
    vm: web01

- name: Remove incomplete disks
  ovirt_community.backup.restored_disks:
    state: absent
    restore_id: "{{ plan.restore_id }}"
    run_id: "{{ plan.run_id }}"
    appliance: backup01
"""

RETURN = r"""
disks:
  description: The disks. In check mode, the ids of disks that do not exist yet are null. Empty with O(state=absent).
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
  description: The images to write, for M(ovirt_community.backup.disk_image_restore), without disks that the VM already has.
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
  description: Incomplete disks that stay because they are attached to another VM.
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
    connect_v4,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restored_disks import (
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
        argument_spec=engine_args.engine_spec(1800, **restore_args.RESTORED_DISKS),
        required_if=restore_args.RESTORED_DISKS_REQUIRED_IF,
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: RestoredDisks(
            connect_v4(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            restore_args.restored_disks_request(params),
        ),
    )


if __name__ == "__main__":
    main()
