#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_plan_info
short_description: Show what a restore would make, and what stands against it
version_added: 0.1.0
description:
  - Looks at the engine and tells what a restore of a backup set would make there, what is missing for it, and what an earlier
    run of the same restore has left.
  - Names the restore. The same set restored to the same name by the same owner is the same restore, so that one that was
    killed is taken up by the next run.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  appliance:
    description:
      - Id or name of the appliance. What is restored comes into its data centre.
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
      - Ids of the disks that are wanted. None means all.
    type: list
    elements: str
    default: []
  vm:
    description:
      - With O(what=disks), id or name of the VM that gets the disks. Nobody gets them by default.
    type: str
  name:
    description:
      - Name of the new VM. By default, the name that it had with C(-restored-) and the time of the set.
    type: str
  cluster:
    description:
      - Id or name of the cluster of the new VM. By default, the one that it was in.
    type: str
  storage_domain:
    description:
      - Id or name of the storage domain of the new disks. By default, each goes to where the original is; where that is gone, to
        the only active data domain.
    type: str
  storage_domains:
    description:
      - Storage domains by name or id of the disk. Goes before O(storage_domain).
    type: dict
    default: {}
  vnic_profiles:
    description:
      - What network cards are to be connected to, as V(network/profile), V(network), or nothing to leave them unconnected.
        Keys are names of cards, or what they were connected to. Other cards stay as they were.
    type: dict
    default: {}
  keep_identity:
    description:
      - Whether the new VM gets the id and the MAC addresses of the original, which must be gone.
    type: bool
    default: false
  keep_disk_ids:
    description:
      - Whether a new disk gets the id of the original where that is gone. The guest then finds it by the same serial number.
    type: bool
    default: true
  test:
    description:
      - Whether the VM is made to be tested and removed again. It is then called C(-test-) instead of C(-restored-), and cards that
        O(vnic_profiles) does not name are not connected.
    type: bool
    default: false
  owner:
    description:
      - Who runs the restore. Marks what is made.
    type: str
    default: default
  check_permissions:
    description:
      - Whether to look what the user of O(auth) may do. A permit that is missing is a problem.
    type: bool
    default: true
  machine_id:
    description:
      - UUID that the firmware of the appliance's host shows, as RV(ovirt_community.backup.restore_source_info#module:machine_id). It must be
        the id of O(appliance), else the inventory's host is another machine. Not compared if it is not given.
    type: str
  identity:
    description:
      - How the two are compared. V(compare) makes another machine a problem, and warns if it shows no UUID. V(require) makes
        both a problem. V(ignore) does not compare.
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
seealso:
  - module: ovirt_community.backup.restore_source_info
  - module: ovirt_community.backup.restored_disks
  - module: ovirt_community.backup.restored_vm
"""

EXAMPLES = r"""
- name: See what a restore would be
  ovirt_community.backup.restore_plan_info:
    appliance: backup01
    manifest: "{{ source.manifest }}"
    ovf: "{{ source.ovf }}"
    vnic_profiles:
      nic1: ovirtmgmt/ovirtmgmt
  register: plan

- name: Show what stands against it
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
    - V(absent), there is nothing of it yet.
    - V(half_made), an earlier run did not come to its end.
    - V(finished), it is done.
    - V(taken), another VM has the name.
  returned: success
  type: str
  sample: absent
vm:
  description: The VM that this restore has made, C(id) and C(name). Null if there is none.
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
  description: The cluster of the new VM. Null if it is not there.
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
  description: By name of a card, what it will be connected to otherwise than before.
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
  description: The VM that disks alone are for, C(id) and C(name). Null if they are for none, or for a new VM.
  returned: success
  type: dict
  sample:
    id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name: web01
disks:
  description: The disks that are to be made, for M(ovirt_community.backup.restored_disks) and M(ovirt_community.backup.restored_vm).
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
      description: Name of the new disk. That of the original, with C(what=disks) that and the time of the set.
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
      description: Whether the storage makes it blank. It does not zero raw disks on block storage.
      returned: success
      type: bool
      sample: true
    storage_domain:
      description: Id of its storage domain.
      returned: success
      type: str
      sample: 2e0f5c6a-5d5c-4a1c-9b53-0f6f7f0e1d02
    storage_domain_name:
      description: Name of its storage domain. Empty if nothing tells which.
      returned: success
      type: str
      sample: data1
    interface:
      description: How the VM has it.
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
      description: Whether discards reach the storage; only where the storage domain takes them.
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
      description: Id of the disk profile that it had. Empty if its storage domain does not have it, or the set does not tell.
      returned: success
      type: str
      sample: 58ca604b-017d-0374-0220-00000000014e
    keep_id:
      description: Whether the new disk is to have the id of the original, which is gone.
      returned: success
      type: bool
      sample: true
losses:
  description: What does not come back as it was. Nothing of it stands against the restore.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: A word for programs.
      returned: success
      type: str
      sample: allocation
    subject:
      description: Whose it is, V(VM), V(disks), or the name of a disk or a network card.
      returned: success
      type: str
      sample: web01_system
    lost:
      description: What will be different.
      returned: success
      type: str
      sample: it was thin and becomes preallocated, block storage has no thin raw disks
    do:
      description: What can be done about it.
      returned: success
      type: str
      sample: Leave it so, or choose a storage domain on file storage to keep it thin.
required_bytes:
  description: Bytes that the new disks take at least.
  returned: success
  type: int
  sample: 3221225472
left_out:
  description: Disks of the VM that the set has no image of, each with the reason.
  returned: success
  type: list
  elements: dict
  sample: []
unfinished:
  description:
    - Other restores of the same disks, by the same owner, that are at work, did not come to their end, or are tests that were kept.
    - RV(ignore:restore_id) and RV(ignore:run_id) name them, RV(ignore:disks) are the names of their half-made disks.
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
  description: Whether the login is a token. The engine ends its session when nobody uses it for half an hour.
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
    connect,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.restore.restoring import (
    RestorePlan,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    restore_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**restore_args.PLAN),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: RestorePlan(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            restore_args.plan_request(params),
        ),
    )


if __name__ == "__main__":
    main()
