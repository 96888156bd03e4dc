#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_preflight
short_description: Check that an appliance is fit for a backup
version_added: 0.1.0
description:
  - Checks the repository, the space in it, qemu-img, Python and the rights of the task, and fails with all problems at once.
  - The repository, each directory above it and each VM's directory in it must be root's, and nobody else may write to them. Else
    somebody could have root write elsewhere. A sticky directory such as C(/tmp) may be above it.
  - Runs on the appliance, as root (C(become)). Writes nothing.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that holds the backup sets.
    type: path
    required: true
  require_mount:
    description:
      - Whether the repository must lie on a file system of its own, not on the appliance's root file system. So a
        container disk that is not mounted is noticed before the root file system is full.
    type: bool
    default: true
  required_bytes:
    description:
      - Bytes that the images of this run are expected to need.
    type: int
    default: 0
  space_factor:
    description:
      - How much of O(required_bytes) must be free, as a share of it, such as V(0.5) for images that are compressed.
    type: float
    default: 1.0
  reserve_bytes:
    description:
      - Bytes that must be free besides O(required_bytes).
    type: int
    default: 67108864
  require_zstd:
    description:
      - Whether qemu-img must be able to compress with zstd.
    type: bool
    default: true
  format:
    description:
      - Format that the images are going to have. Refused if they cannot be compressed as O(compression) says.
    type: str
    choices:
      - qcow2
      - raw
    default: qcow2
  compression:
    description:
      - Compression that the images are going to have, see O(ovirt_community.backup.disk_image_copy#module:compression).
    type: str
    choices:
      - none
      - zstd
    default: none
  isolation:
    description:
      - What to do if it is not sure that the appliance's programs leave attached disks alone, see
        M(ovirt_community.backup.appliance_isolation). V(warn) tells why, V(refuse) fails, V(ignore) says nothing.
    type: str
    choices:
      - ignore
      - warn
      - refuse
    default: warn
  vm_id:
    description:
      - Id that the engine has for the appliance. It must be the UUID that the firmware of this machine shows. So an inventory whose
        host leads to another machine is noticed before a disk is attached. Not compared if empty.
    type: str
    default: ""
  identity:
    description:
      - How the machine is compared with O(vm_id). V(compare) fails if it is another, and warns if it shows no UUID. V(require)
        fails in both cases. V(ignore) does not compare.
    type: str
    choices:
      - compare
      - require
      - ignore
    default: compare
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
seealso:
  - module: ovirt_community.backup.appliance_isolation
  - module: ovirt_community.backup.disk_image_copy
"""

EXAMPLES = r"""
- name: Check the appliance
  ovirt_community.backup.appliance_preflight:
    repository: /backup
    required_bytes: 32212254720
  become: true
  register: appliance
"""

RETURN = r"""
repository:
  description: The repository and its file system.
  returned: success
  type: dict
  contains:
    path:
      description: Path as it was given.
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
      sample: /dev/mapper/backup-container
    writable:
      description: Whether it can be written to.
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
        - Directories on the way to it, and of its VMs, that others than root could put another in the place of. Always empty where
          the module succeeds.
      returned: success
      type: list
      elements: str
      sample: []
needed_bytes:
  description: Bytes that must be free, O(required_bytes) with O(space_factor) and O(reserve_bytes) together.
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
root:
  description: Whether the task runs as root.
  returned: success
  type: bool
  sample: true
leftovers:
  description:
    - What is not finished in the repository, at most 1000 of each. Nothing is removed.
    - It may be of a run that is at work; M(ovirt_community.backup.backup_set_info) tells whose an unfinished set is.
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
      description: Directories of sets without a manifest, so no backup sets.
      returned: success
      type: list
      elements: str
      sample: []
isolation:
  description: What is known of the isolation of attached disks.
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
      description: On what it was proven, see RV(ovirt_community.backup.appliance_isolation#module:proof.kind).
      returned: success
      type: str
      sample: scsi_debug
    altered:
      description: Files that are not as they were written.
      returned: success
      type: list
      elements: str
      sample: []
    loose:
      description: Disks that are attached now, and neither isolated nor the appliance's own.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.preflight import (
    Preflight,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    appliance_args,
    edge,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=appliance_args.PREFLIGHT, supports_check_mode=True)
    edge.run(module, lambda params: Preflight(appliance_args.preflight_request(params)))


if __name__ == "__main__":
    main()
