#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_set_verify
short_description: Verify backup sets against their manifests, and record the result
version_added: 0.1.0
description:
  - Compares the files of sets with the hashes in their manifests, checks the structure of the images with C(qemu-img check),
    and compares the VM's configuration with the disks.
  - Runs on the appliance, as root (C(become)).
  - Records the result next to each set, as C(<set>.verified.json) in the directory of the VM. Never changes the set itself.
  - Verifies all sets, then fails if any is corrupt, and reports the faults of each. A restore no longer selects a corrupt set. The
    set is verified again each time, until it is good or removed.
  - The module also fails for known corrupt and unreadable sets that O(limit) or O(select) leaves out. Only O(sets) and O(vm) exclude
    them.
  - The module also fails for a set that it cannot verify, because it cannot list the set, an image is open elsewhere, or reading did not
    finish. Such a set keeps its last record.
  - A manifest that differs from the one written, or from the one verified before, is a fault.
  - Leaves out sets without a manifest and sets of a later format version.
  - Reads the header of each image before any program opens it. A reference to another file is a fault. Refuses a configuration that
    declares a document type or entities.
author:
  - ovirt_community.backup contributors (@ovirt-community)
requirements:
  - qemu-img on the appliance
  - Python 3.9 or newer on the appliance
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets.
    type: path
    required: true
  sets:
    description:
      - Only these sets, as paths that M(ovirt_community.backup.backup_set_info) lists. An empty list means all.
    type: list
    elements: path
    default: []
  vm:
    description:
      - Only sets of this VM, by name or id.
    type: str
  select:
    description:
      - V(newest) selects the newest set of each VM that has a manifest.
    type: str
    choices:
      - all
      - newest
    default: all
  unverified_days:
    description:
      - Only sets that were not verified successfully, to this depth, in the last this many days. V(0) means all.
    type: float
    default: 0.0
  limit:
    description:
      - Maximum number of sets to verify. Sets that were never verified come first, then those verified longest ago. So you can verify
        part of a large repository each night.
      - Choose more than the new sets of a night. With O(unverified_days), add the sets that become due each night. RV(not_reached) shows
        what is left out, and a warning says whether the pace of the last seven days is enough.
    type: int
  content:
    description:
      - Whether to also decode each image, and compare the bytes that a guest would see with those of the disk. This needs no space,
        but takes time because it hashes the whole virtual size.
    type: bool
    default: false
  parallel:
    description:
      - Number of images to read at the same time, 1 to 64.
    type: int
    default: 2
  polite:
    description:
      - Whether to run with low CPU and I/O priority (C(nice) and C(ionice)).
    type: bool
    default: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes
attributes:
  idempotent:
    support: partial
    details:
      - Every verification writes a new record, which is a change. With O(unverified_days), a second run leaves out the good sets and
        changes nothing.
notes:
  - Check mode and diff mode list the sets that would be verified.
seealso:
  - module: ovirt_community.backup.backup_set_info
  - module: ovirt_community.backup.backup_set_prune
"""

EXAMPLES = r"""
- name: Verify the newest set of each VM
  ovirt_community.backup.backup_set_verify:
    repository: /srv/backup
    select: newest
  become: true

- name: Verify the content of up to 200 sets that were not verified for a month
  ovirt_community.backup.backup_set_verify:
    repository: /srv/backup
    unverified_days: 30
    limit: 200
    content: true
  become: true
"""

RETURN = r"""
sets:
  description:
    - The verified sets, in this order, as RV(ovirt_community.backup.backup_set_info#module:sets) of
      M(ovirt_community.backup.backup_set_info).
    - In check mode, the sets that would be verified, with their last verification.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
      state: complete
      verified:
        time: "2026-11-24T03:00:00Z"
        verdict: ok
        depth: files
        faults: []
        notes: []
gone:
  description: Paths of sets that disappeared, or were being removed, before they were verified.
  returned: success
  type: list
  elements: str
  sample: []
not_reached:
  description:
    - Sets that are due, but that O(limit) left out. RV(ignore:sets) and RV(ignore:never_verified) are their numbers.
    - RV(ignore:since) is when the set that waits longest was verified or, if it never was, created. Null if no set waits.
    - RV(ignore:read_a_day) and RV(ignore:new_a_day) are the numbers of sets verified and created per day in the last seven days.
    - RV(ignore:days) is the number of days until O(limit) leaves out no sets, at this pace and if no set is removed. Null if that takes
      more than a year.
  returned: success; also in RV(ignore:details) of a failure
  type: dict
  sample:
    sets: 130
    never_verified: 130
    since: "2026-11-23T01:00:05Z"
    read_a_day: 20.0
    new_a_day: 150.0
    days:
unrecognised:
  description: Other entries in the repository, with C(path) and C(reason). The module never changes them.
  returned: success
  type: list
  elements: dict
  sample: []
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 312.4
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_verify import (
    BackupSetVerify,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=repository_args.BACKUP_SET_VERIFY, supports_check_mode=True
    )
    edge.run(
        module, lambda params: BackupSetVerify(repository_args.backup_set_verify_request(params))
    )


if __name__ == "__main__":
    main()
