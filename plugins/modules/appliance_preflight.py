#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_preflight
short_description: Check that an appliance is ready for a backup
version_added: 0.1.0
description:
  - Checks the repository, its free space, qemu-img, Python and the rights of the task. Reports all problems at once.
  - Root must own the repository, each directory above it and each VM's directory in it, and no other user may write to them.
    Otherwise another user could redirect what root writes. A sticky directory such as C(/tmp) may be above the repository.
  - Runs on the appliance, as root (C(become)). Writes nothing.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets.
    type: path
    required: true
  require_mount:
    description:
      - Whether the repository must be on a file system of its own, not on the appliance's root file system. This detects a
        repository disk that is not mounted before the root file system is full.
    type: bool
    default: true
  required_bytes:
    description:
      - Expected size of this run's images, in bytes.
    type: int
    default: 0
  space_factor:
    description:
      - Share of O(required_bytes) that must be free, for example V(0.5) for compressed images.
    type: float
    default: 1.0
  reserve_bytes:
    description:
      - Bytes that must be free in addition to O(required_bytes).
    type: int
    default: 67108864
  require_zstd:
    description:
      - Whether qemu-img must be able to compress with zstd.
    type: bool
    default: true
  format:
    description:
      - Format of the images. The module fails if this format does not support O(compression).
    type: str
    choices:
      - qcow2
      - raw
    default: qcow2
  compression:
    description:
      - Compression of the images, see O(ovirt_community.backup.disk_image_copy#module:compression).
    type: str
    choices:
      - none
      - zstd
    default: none
  isolation:
    description:
      - What to do if the isolation of attached disks is not certain, see M(ovirt_community.backup.appliance_isolation).
        V(warn) warns with the reason, V(refuse) fails, V(ignore) reports nothing.
    type: str
    choices:
      - ignore
      - warn
      - refuse
    default: warn
  vm_id:
    description:
      - The appliance's id in the engine. It must equal the UUID that the firmware of this machine shows. This detects an inventory
        whose host is another machine, before a disk is attached. If empty, the module does not compare.
    type: str
    default: ""
  identity:
    description:
      - How to compare the machine with O(vm_id). V(compare) fails if the UUID differs, and warns if the machine shows no UUID.
        V(require) fails in both cases. V(ignore) does not compare.
    type: str
    choices:
      - compare
      - require
      - ignore
    default: compare
  takeover:
    description:
      - What a backup needs to decide about runs that were killed. Without it, the module does not look for them.
      - The module finds the unfinished sets of runs that left snapshots behind, watches whether those runs are still alive, and decides for
        each VM. This can take O(takeover.heartbeat_timeout) and a minute.
      - A copying run updates the record in its set's directory every few seconds, as long as its controller follows. If a record is
        updated, appears or disappears while the module watches it, its run is alive.
      - A claim identifies a run that uses M(ovirt_community.backup.backup_claim), and O(takeover.dead) lists dead ones. The module watches only
        runs without a claim, as after a restart of the appliance, and only those that wrote a record.
      - Of the dead runs of a VM, the module selects the latest set whose disks are all still attached, to be finished. It marks for removal what
        an attachment or a record ties to this appliance. Any other snapshot may belong to a run through another appliance, and stays until
        its lease ends.
      - A finished set counts as the backup of the current run only if that run would accept it now. The lease of its snapshot must still be
        valid, it must contain all disks that the VM has now, and its consistency must be in O(takeover.accept_consistency).
    type: dict
    suboptions:
      leftovers:
        description:
          - RV(ovirt_community.backup.backup_plan_info#module:leftovers).
        type: list
        elements: dict
        required: true
      heartbeat_timeout:
        description:
          - A run that was silent for so many seconds is dead. It is watched for at most a minute more than that, since the
            last call of a run that was killed may still be in progress. Set it longer than a living run needs to connect again.
        type: float
        default: 60.0
      attach_timeout:
        description:
          - A run that wrote its record less than so many seconds ago, and has not begun to copy, may be attaching its disks, which touches no
            record. It counts as one that lives.
        type: float
        default: 180.0
      dead:
        description:
          - RV(ovirt_community.backup.backup_claim#module:dead), runs that are known to be dead. They are not watched, and their snapshots
            are this appliance's.
        type: list
        elements: str
        default: []
      plans:
        description:
          - RV(ovirt_community.backup.backup_plan_info#module:plans); they tell which disks the VMs have now.
        type: list
        elements: dict
        required: true
      accept_consistency:
        description:
          - Which consistency the run that asks accepts, see RV(ovirt_community.backup.vm_snapshot#module:consistency).
        type: list
        elements: str
        required: true
      started:
        description:
          - RV(ovirt_community.backup.backup_plan_info#module:started), which the age of a set is told by.
        type: str
        required: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
seealso:
  - module: ovirt_community.backup.appliance_isolation
  - module: ovirt_community.backup.disk_image_copy
  - module: ovirt_community.backup.backup_plan_info
  - module: ovirt_community.backup.backup_claim
"""

EXAMPLES = r"""
- name: Check the appliance
  ovirt_community.backup.appliance_preflight:
    repository: /backup
    required_bytes: 32212254720
  become: true
  register: appliance

- name: See what earlier runs left
  ovirt_community.backup.backup_plan_info:
    vms:
      - web01
    appliance: backup01
  delegate_to: localhost
  register: plan

- name: Decide what to do about it
  ovirt_community.backup.appliance_preflight:
    repository: /backup
    takeover:
      leftovers: "{{ plan.leftovers }}"
      plans: "{{ plan.plans }}"
      accept_consistency: [offline, filesystem, unknown, crash]
      started: "{{ plan.started }}"
  become: true
  register: decided
"""

RETURN = r"""
repository:
  description: The repository and its file system.
  returned: success
  type: dict
  contains:
    path:
      description: Path as given.
      returned: success
      type: str
      sample: /backup
    is_directory:
      description: Whether it is a directory.
      returned: success
      type: bool
      sample: true
    mount_point:
      description: Where its file system is mounted.
      returned: success
      type: str
      sample: /backup
    filesystem:
      description: Type of the file system.
      returned: success
      type: str
      sample: xfs
    source:
      description: What is mounted there.
      returned: success
      type: str
      sample: /dev/mapper/backup-repository
    writable:
      description: Whether it is writable.
      returned: success
      type: bool
      sample: true
    free_bytes:
      description: Bytes that can still be written.
      returned: success
      type: int
      sample: 536870912000
    total_bytes:
      description: Size of the file system in bytes.
      returned: success
      type: int
      sample: 1099511627776
    exposed:
      description:
        - Directories above the repository, and of its VMs, that a user other than root could replace. Always empty if the module
          succeeds.
      returned: success
      type: list
      elements: str
      sample: []
needed_bytes:
  description: Bytes that must be free, from O(required_bytes), O(space_factor) and O(reserve_bytes).
  returned: success
  type: int
  sample: 32279363584
qemu_img:
  description: The program qemu-img.
  returned: success
  type: dict
  contains:
    path:
      description: Where it is.
      returned: success
      type: str
      sample: /usr/bin/qemu-img
    version:
      description: Its version.
      returned: success
      type: str
      sample: 7.2.22
    zstd:
      description: Whether it can compress with zstd.
      returned: success
      type: bool
      sample: true
python:
  description: Version of the Python that ran the module.
  returned: success
  type: str
  sample: 3.9.18
kernel:
  description: Release of the kernel.
  returned: success
  type: str
  sample: 5.14.0-503.el9.x86_64
machine_id:
  description: UUID that the firmware of this machine shows. Empty if it shows none.
  returned: success
  type: str
  sample: 0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001
takeover:
  description: Decisions by VM id, for each VM with something left behind. Null without O(takeover).
  returned: success
  type: dict
  contains:
    problems:
      description: What prevents the takeover and a new backup, such as a live run or a locked snapshot.
      returned: success
      type: list
      elements: str
    take_over:
      description:
        - The set to finish, as it was prepared, with RV(ignore:images) for M(ovirt_community.backup.disk_image_copy). Null if no set can be
          finished.
        - It does not include the configuration of the VM. M(ovirt_community.backup.backup_set) reads that from the set.
      returned: success
      type: dict
    stands_in:
      description:
        - Whether RV(ignore:take_over) counts as the backup of the current run. If not, the set is still finished, RV(ignore:notes) explain
          why, and the run makes another backup.
      returned: success
      type: bool
    clean:
      description: The leftovers to detach and remove, after the set is finished.
      returned: success
      type: list
      elements: dict
    notes:
      description: Notes for the summary.
      returned: success
      type: list
      elements: str
root:
  description: Whether the task runs as root.
  returned: success
  type: bool
  sample: true
leftovers:
  description:
    - Unfinished files and sets in the repository, at most 1000 of each. The module removes nothing.
    - They can belong to a run that still works. M(ovirt_community.backup.backup_set_info) shows the run of an unfinished set.
  returned: success
  type: dict
  contains:
    parts:
      description: Images that were never finished.
      returned: success
      type: list
      elements: str
      sample: []
    sets:
      description: Directories without a manifest, which are therefore not backup sets.
      returned: success
      type: list
      elements: str
      sample: []
isolation:
  description: State of the isolation of attached disks.
  returned: success
  type: dict
  contains:
    prepared:
      description: When it was made (UTC). Empty if it never was.
      returned: success
      type: str
      sample: "2026-11-24T17:18:45Z"
    proven:
      description: When it was proven (UTC). Empty if it never was.
      returned: success
      type: str
      sample: "2026-11-24T17:18:45Z"
    proof:
      description: Kind of disk used for the proof, see RV(ovirt_community.backup.appliance_isolation#module:proof.kind).
      returned: success
      type: str
      sample: scsi_debug
    altered:
      description: Files that were changed since they were written.
      returned: success
      type: list
      elements: str
      sample: []
    loose:
      description: Attached disks that are neither isolated nor the appliance's own.
      returned: success
      type: list
      elements: str
      sample: []
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.05
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_preflight import (
    AppliancePreflight,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    runs_args,
    setup_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=setup_args.APPLIANCE_PREFLIGHT, supports_check_mode=True)
    edge.run(
        module,
        lambda params: AppliancePreflight(
            setup_args.appliance_preflight_request(params),
            takeover=runs_args.takeover_request(params["takeover"]),
        ),
    )


if __name__ == "__main__":
    main()
