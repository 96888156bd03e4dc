#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_plan_info
short_description: Show what a restore would create, and what prevents it
version_added: 0.1.0
description:
  - Shows what a restore of a backup set would create on the engine, what is missing for it, and what an earlier run of the same
    restore left.
  - Chooses the name of the restore. The same set restored to the same name by the same owner is the same restore. So the next run
    continues a killed restore.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  appliance:
    description:
      - Id or name of the appliance. The restore creates everything in its data centre.
    type: str
    required: true
  manifest:
    description:
      - The set's manifest, as M(ovirt_community.backup.restore_source_info) returns it.
    type: dict
    required: true
  ovf:
    description:
      - The VM's configuration, as M(ovirt_community.backup.restore_source_info) returns it.
    type: str
    required: true
  what:
    description:
      - V(vm) for a new VM with all its disks, V(disks) for new disks alone.
    type: str
    choices:
      - vm
      - disks
    default: vm
  disks:
    description:
      - Ids of the disks to restore. An empty list means all.
    type: list
    elements: str
    default: []
  vm:
    description:
      - With O(what=disks), id or name of the VM to attach the disks to. By default, they stay unattached.
    type: str
  name:
    description:
      - Name of the new VM. By default, the name of the original with C(-restored-) and the time of the set.
    type: str
  cluster:
    description:
      - Id or name of the cluster of the new VM. By default, the cluster of the original.
    type: str
  storage_domain:
    description:
      - Id or name of the storage domain of the new disks. By default, each new disk uses the storage domain of the original. If the
        original no longer exists, it uses the only active data domain.
    type: str
  storage_domains:
    description:
      - Storage domains by name or id of the disk. Overrides O(storage_domain).
    type: dict
    default: {}
  vnic_profiles:
    description:
      - What to connect network cards to, as V(network/profile) or V(network). Leave a value empty for an unconnected card. Keys are
        names of cards, or what they were connected to. Other cards stay as they were.
    type: dict
    default: {}
  keep_identity:
    description:
      - Whether the new VM gets the id and the MAC addresses of the original. The original must no longer exist.
    type: bool
    default: false
  keep_disk_ids:
    description:
      - Whether a new disk gets the id of the original if that no longer exists. The guest then finds it by the same serial number.
    type: bool
    default: true
  test:
    description:
      - Whether the VM is only a test, and is removed afterwards. Its name has C(-test-) instead of C(-restored-). Cards that are not in
        O(vnic_profiles) stay unconnected.
    type: bool
    default: false
  owner:
    description:
      - Who runs the restore. Marks what the restore creates.
    type: str
    default: default
  check_permissions:
    description:
      - Whether to check the permits of the user in O(auth). A missing permit is a problem.
    type: bool
    default: true
  machine_id:
    description:
      - UUID that the firmware of the appliance's host shows, as RV(ovirt_community.backup.restore_source_info#module:machine_id). It must equal
        the id of O(appliance). Otherwise the inventory's host is another machine. If it is not given, the module does not compare.
    type: str
  identity:
    description:
      - How to compare O(machine_id) with the appliance. V(compare) makes another machine a problem, and warns if it shows no UUID.
        V(require) makes both a problem. V(ignore) does not compare.
    type: str
    choices:
      - compare
      - require
      - ignore
    default: compare
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
  - ovirt_community.backup.run_by.vm_restore
seealso:
  - module: ovirt_community.backup.restore_source_info
  - module: ovirt_community.backup.restored_disks
  - module: ovirt_community.backup.restored_vm
"""

EXAMPLES = r"""
- name: Show what a restore would create
  ovirt_community.backup.restore_plan_info:
    appliance: backup01
    manifest: "{{ source.manifest }}"
    ovf: "{{ source.ovf }}"
    vnic_profiles:
      nic1: ovirtmgmt/ovirtmgmt
  register: plan

- name: Show what prevents it
  ansible.builtin.debug:
    var: plan.problems
"""

RETURN = r"""
restore_id:
  description: Name of the restore.
  returned: success
  type: str
  sample: 7c1f0a2be904
owner:
  description: Who runs it.
  returned: success
  type: str
  sample: default
run_id:
  description: The run that made the set.
  returned: success
  type: str
  sample: 4f0c2a91d7be
what:
  description: V(vm) or V(disks).
  returned: success
  type: str
  sample: vm
name:
  description: Name of the new VM. Null for disks alone.
  returned: success
  type: str
  sample: web01-restored-20261123T010000Z
state:
  description:
    - V(absent), nothing was created yet.
    - V(incomplete), an earlier run did not finish.
    - V(finished), the restore is complete.
    - V(taken), another VM has the name.
  returned: success
  type: str
  sample: absent
vm:
  description: The VM that this restore created, C(id) and C(name). Null if it does not exist yet.
  returned: success
  type: dict
source_vm:
  description: The VM that was backed up.
  returned: success
  type: dict
  sample:
    id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name: web01
appliance:
  description: The appliance.
  returned: success
  type: dict
  sample:
    id: 0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001
    name: backup01
cluster:
  description: The cluster of the new VM. Null if it does not exist.
  returned: success
  type: dict
  sample:
    id: 9d3f0f0c-8c5e-4d8c-9d3f-5a3e3b5c0001
    name: Default
    data_center_id: 9d3f0f0c-8c5e-4d8c-9d3f-5a3e3b5c0002
keep_identity:
  description: Whether id and MAC addresses are kept.
  returned: success
  type: bool
  sample: false
vnic_profiles:
  description: New connections of network cards that change, by name of the card.
  returned: success
  type: dict
  sample:
    nic1: isolated/isolated
nics:
  description: The network cards.
  returned: success
  type: list
  elements: dict
  sample:
    - name: nic1
      was: production/production
      will_be: isolated/isolated
receiver:
  description: With O(what=disks), the VM that gets the disks, C(id) and C(name). Null if no VM or a new VM gets them.
  returned: success
  type: dict
  sample:
    id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name: web01
disks:
  description: The disks to create, for M(ovirt_community.backup.restored_disks) and M(ovirt_community.backup.restored_vm).
  returned: success
  type: list
  elements: dict
  contains:
    disk_id:
      description: Id of the original.
      returned: success
      type: str
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    alias:
      description: Name of the new disk. This is the name of the original, with C(what=disks) followed by the time of the set.
      returned: success
      type: str
      sample: web01_system-restored-20261123T010000Z
    source_alias:
      description: Name of the original.
      returned: success
      type: str
      sample: web01_system
    size:
      description: Exact size in bytes.
      returned: success
      type: int
      sample: 10737418240
    format:
      description: V(qcow2) or V(raw), on the storage.
      returned: success
      type: str
      sample: qcow2
    sparse:
      description: Whether it is thin.
      returned: success
      type: bool
      sample: true
    blank:
      description: Whether the new disk is blank. Raw disks on block storage are not zeroed.
      returned: success
      type: bool
      sample: true
    storage_domain:
      description: Id of its storage domain.
      returned: success
      type: str
      sample: 2e0f5c6a-5d5c-4a1c-9b53-0f6f7f0e1d02
    storage_domain_name:
      description: Name of its storage domain. Empty if unknown.
      returned: success
      type: str
      sample: data1
    interface:
      description: Interface by which the VM has it.
      returned: success
      type: str
      sample: virtio_scsi
    bootable:
      description: Whether the VM boots from it.
      returned: success
      type: bool
      sample: true
    read_only:
      description: Whether the VM may only read it.
      returned: success
      type: bool
      sample: false
    pass_discard:
      description: Whether discards reach the storage, if the storage domain supports them.
      returned: success
      type: bool
      sample: false
    active:
      description: Whether it is plugged.
      returned: success
      type: bool
      sample: true
    wipe_after_delete:
      description: Whether the storage is wiped when the disk is removed.
      returned: success
      type: bool
      sample: false
    incremental:
      description: Whether incremental backup is enabled.
      returned: success
      type: bool
      sample: false
    disk_profile:
      description: Id of its former disk profile. Empty if its storage domain does not have the profile, or the set does not name it.
      returned: success
      type: str
      sample: 58ca604b-017d-0374-0220-00000000014e
    keep_id:
      description: Whether the new disk gets the id of the original, which no longer exists.
      returned: success
      type: bool
      sample: true
losses:
  description: What the restore cannot bring back as it was. None of it prevents the restore.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of loss, for programs.
      returned: success
      type: str
      sample: allocation
    subject:
      description: What is affected, V(VM), V(disks), or the name of a disk or a network card.
      returned: success
      type: str
      sample: web01_system
    lost:
      description: What will be different.
      returned: success
      type: str
      sample: it was thin and becomes preallocated, block storage has no thin raw disks
    do:
      description: What you can do about it.
      returned: success
      type: str
      sample: Leave it so, or choose a storage domain on file storage to keep it thin.
required_bytes:
  description: Minimum size of the new disks in bytes.
  returned: success
  type: int
  sample: 3221225472
left_out:
  description: Disks of the VM without an image in the set, each with the reason.
  returned: success
  type: list
  elements: dict
  sample: []
unfinished:
  description:
    - Other restores of the same disks, by the same owner, that still work, did not finish, or are tests that were kept.
    - RV(ignore:restore_id) and RV(ignore:run_id) identify them, RV(ignore:disks) are the names of their incomplete disks.
  returned: success
  type: list
  elements: dict
  sample:
    - restore_id: 8f0a1c2b3d4e
      run_id: 4f0c2a91d7be
      disks:
        - web01_data
problems:
  description: Why the restore cannot be done. Empty if it can.
  returned: success
  type: list
  elements: str
  sample: []
engine_version:
  description: Version of the engine.
  returned: success
  type: str
  sample: 4.5.7
token:
  description: Whether the login is a token. The engine ends the session of a token after half an hour without use.
  returned: success
  type: bool
  sample: false
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
    connect_v4,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restore_plan_info import (
    RestorePlanInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    restore_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**restore_args.RESTORE_PLAN_INFO),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: RestorePlanInfo(
            connect_v4(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            restore_args.restore_plan_info_request(params),
        ),
    )


if __name__ == "__main__":
    main()
