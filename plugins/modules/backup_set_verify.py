#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_set_verify
short_description: Read backup sets again, and record whether they are as they were written
version_added: 0.1.0
description:
  - Compares the files of sets with the hashes in their manifests, checks the structure of the images with C(qemu-img check),
    and compares the VM's configuration with the disks.
  - Runs on the appliance, as root (C(become)).
  - The outcome is recorded beside each set, as C(<set>.verified.json) in the directory of the VM. The set itself is never
    changed.
  - All sets are looked at, then the module fails if one is corrupt, and names each with its faults. A corrupt set is not
    chosen for a restore any more, and it is due again at each verification, until it is found good or is gone.
  - Sets that are known to be corrupt, and those that cannot be looked at, count also where they are not read now, because of O(limit) or
    O(select). Only O(sets) and O(vm) leave them out.
  - A set of which nothing can be said, as it cannot be listed, its image is open elsewhere, or the reader came to no end, keeps its
    last record. The module fails then, too, and names it.
  - A manifest that is not the one that was written, or not the one that was verified before, is a fault of its set.
  - A set without a manifest, and one of a later format version, cannot be verified and is left out.
  - Before any program opens an image, its header is read, and what would lead the program to another file is a fault.
    The configuration is refused if it declares a document type or entities.
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
      - Only these sets, paths as M(ovirt_community.backup.backup_set_info) lists them. None means all.
    type: list
    elements: path
    default: []
  vm:
    description:
      - Only sets of this VM, by name or id.
    type: str
  select:
    description:
      - V(newest) takes of each VM its newest set that has a manifest.
    type: str
    choices:
      - all
      - newest
    default: all
  unverified_days:
    description:
      - Only sets that were not found good in the last so many days, to this depth. V(0) means all.
    type: float
    default: 0.0
  limit:
    description:
      - At most so many sets, first those that were never verified, then those whose verification is longest ago. So a large repository
        is verified piece by piece, a piece a night.
      - More than a night's new sets, and with O(unverified_days) also the sets that come again each night. What is left out is in
        RV(not_reached), and a warning says whether it is ever reached at the pace of the last seven days.
    type: int
  content:
    description:
      - Also decode each image, and compare the bytes that a guest would see with what the disk had. No room is needed for
        that, but time, as all of the virtual size is hashed.
    type: bool
    default: false
  parallel:
    description:
      - How many images are read at a time, 1 to 64.
    type: int
    default: 2
  polite:
    description:
      - Whether to leave the processor and the storage to others who want them (C(nice) and C(ionice)).
    type: bool
    default: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes
attributes:
  idempotent:
    support: partial
    details:
      - Every verification leaves a new record, which is a change. With O(unverified_days), what was found good is left out, so
        that a second run changes nothing.
notes:
  - In check mode, and in diff mode, the sets are listed that would be read.
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

- name: Verify thoroughly what was not verified for a month, 200 sets a night
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
    - The sets that were looked at, in this order, as RV(ovirt_community.backup.backup_set_info#module:sets) of
      M(ovirt_community.backup.backup_set_info) has them.
    - In check mode, the sets that would be looked at, with their last verification.
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
  description: Paths of sets that went away, or were being removed, before they were looked at.
  returned: success
  type: list
  elements: str
  sample: []
not_reached:
  description:
    - Sets that are due, and that O(limit) left out. RV(ignore:sets) and RV(ignore:never_verified) are their numbers.
    - RV(ignore:since) is when the one that waits longest was verified, or made if it never was; null if there is none.
    - RV(ignore:read_a_day) and RV(ignore:new_a_day) are how many sets were verified and made a day in the last seven days.
    - RV(ignore:days) are the days after which O(limit) leaves nothing out any more at this pace, if no set is removed; null if that does not
      come within a year.
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
  description: What else lies in the repository, C(path) and C(reason). It is never touched.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.verify import (
    VerifySets,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=repository_args.VERIFY, supports_check_mode=True)
    edge.run(module, lambda params: VerifySets(repository_args.verify_request(params)))


if __name__ == "__main__":
    main()
