#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_set_info
short_description: List the backup sets of a repository
version_added: 0.1.0
description:
  - Lists the sets of a repository, all or some, by VM and time.
  - Runs on the appliance, as root (C(become)).
  - Reads only manifests, file sizes and the records of M(ovirt_community.backup.backup_set_verify), no images. Listing thousands of
    sets takes about a second.
  - Lists a set that cannot be read with the reason. Never follows links.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets.
    type: path
    required: true
  vm:
    description:
      - Only sets of this VM, by name or id.
    type: str
  after:
    description:
      - Only sets whose data is from this time or later, UTC, such as V(2026-11-23T01:02:03Z) or V(2026-11-23).
    type: str
  before:
    description:
      - Only sets whose data is older than this time.
    type: str
  states:
    description:
      - Only sets in one of these states. An empty list means all.
    type: list
    elements: str
    choices:
      - complete
      - unfinished
      - corrupt
      - parent_missing
      - unsupported
      - unreadable
    default: []
  consistency:
    description:
      - Only sets with one of these levels, such as V(filesystem). An empty list means all.
    type: list
    elements: str
    default: []
  min_size:
    description:
      - Only sets that use at least this many bytes.
    type: int
  max_size:
    description:
      - Only sets that use at most this many bytes.
    type: int
  select:
    description:
      - Of the sets that match the other options, V(newest) selects the newest of each VM. V(newest_good) selects the newest whose
        state is V(complete) and whose time is certain.
      - V(newest_good) with O(before) selects the set to restore after an accident at that time.
    type: str
    choices:
      - all
      - newest
      - newest_good
    default: all
  manifests:
    description:
      - Whether to also return the manifest of each set.
    type: bool
    default: false
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
seealso:
  - module: ovirt_community.backup.backup_set
  - module: ovirt_community.backup.backup_set_verify
  - module: ovirt_community.backup.backup_set_prune
"""

EXAMPLES = r"""
- name: List all sets
  ovirt_community.backup.backup_set_info:
    repository: /srv/backup
  become: true

- name: Find the newest good set of a VM from before an accident
  ovirt_community.backup.backup_set_info:
    repository: /srv/backup
    vm: web01
    before: "2026-11-23T04:00:00Z"
    select: newest_good
    manifests: true
  become: true

- name: List the sets with a problem
  ovirt_community.backup.backup_set_info:
    repository: /srv/backup
    states:
      - unfinished
      - corrupt
      - parent_missing
  become: true
"""

RETURN = r"""
sets:
  description: The sets, by name of the VM, then by time.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Directory of the set.
      returned: success
      type: str
      sample: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
    vm:
      description: The source VM, C(id) and C(name). The name is null if only a shortened one is known.
      returned: success
      type: dict
      sample:
        id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
        name: web01
    run_id:
      description: The run that made it.
      returned: success
      type: str
      sample: 4f0c2a91d7be
    time:
      description: Time of the data, UTC. This is the time of the snapshot or, without a manifest, the start of the run.
      returned: success
      type: str
      sample: "2026-11-23T01:00:05Z"
    time_certain:
      description: Whether at least two clocks of engine, controller and appliance agree on the time, and it is not in the future. If
        not, no rule of a policy counts or removes the set.
      returned: success
      type: bool
      sample: true
    time_note:
      description: Why the time is not certain, or which clock was ignored. Empty if all agree.
      returned: success
      type: str
      sample: ""
    finished:
      description: When the last image was complete, UTC. Null without a manifest.
      returned: success
      type: str
      sample: "2026-11-23T01:12:30Z"
    state:
      description:
        - V(complete), all files exist with their recorded sizes, and no verification found a fault.
        - V(unfinished), the manifest does not exist. The run still works, failed, or was killed.
        - V(corrupt), the manifest is invalid, a file is missing or has another size, or the last verification found a fault.
        - V(parent_missing), the set builds on another set that is missing or not complete.
        - V(unsupported), this release does not know the format version of the manifest.
        - V(unreadable), the set could not be read, so its state is unknown.
      returned: success
      type: str
      sample: complete
    reason:
      description: Why the state is not V(complete). Empty if it is.
      returned: success
      type: str
      sample: ""
    consistency:
      description: Consistency of the data. Null without a manifest.
      returned: success
      type: str
      sample: filesystem
    disks:
      description: Number of its disks. Null without a manifest.
      returned: success
      type: int
      sample: 2
    virtual_size:
      description: Size of its disks in bytes, as a guest sees them. Null without a manifest.
      returned: success
      type: int
      sample: 21474836480
    bytes_stored:
      description: Bytes that its images use in the repository.
      returned: success
      type: int
      sample: 3221225472
    parents:
      description: Run ids of the sets that it builds on.
      returned: success
      type: list
      elements: str
      sample: []
    protected:
      description: Whether it is protected from removal.
      returned: success
      type: bool
      sample: false
    verified:
      description: The last verification, with C(time), C(verdict), C(depth), C(faults) and C(notes). Null if it was never verified.
      returned: success
      type: dict
      sample:
        time: "2026-11-24T03:00:00Z"
        verdict: ok
        depth: files
        faults: []
        notes: []
    unfinished:
      description:
        - For an unfinished set, RV(ignore:owner) is the owner of its run, as O(ovirt_community.backup.backup_plan_info#module:owner), null if
          unknown. RV(ignore:quiet_seconds) is the time since its last change, null if that change is in the future. A live run changes
          something every few seconds, unless it attaches disks or has lost its connection.
        - Null for all other sets.
      returned: success
      type: dict
      sample:
        owner: default
        quiet_seconds: 32400
    manifest:
      description: The manifest, see C(docs/schema/manifest-1.schema.json). Null if it is missing or cannot be read.
      returned: success and O(manifests=true)
      type: dict
      sample:
        format: ovirt_community.backup
        version: 1
        run_id: 4f0c2a91d7be
totals:
  description: Totals of the listed sets, C(vms), C(sets), C(bytes_stored), and the number of sets in each state.
  returned: success
  type: dict
  sample:
    vms: 1
    sets: 1
    bytes_stored: 3221225472
    complete: 1
    unfinished: 0
    corrupt: 0
    parent_missing: 0
    unsupported: 0
    unreadable: 0
unrecognised:
  description: Other entries in the repository, and those that cannot be read, with C(path) and C(reason). The module never changes them.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /srv/backup/notes.txt
      reason: is not a directory
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.05
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_info import (
    BackupSetInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=repository_args.BACKUP_SET_INFO, supports_check_mode=True)
    edge.run(
        module,
        lambda params: BackupSetInfo(
            params["repository"],
            repository_args.backup_set_info_filter(params),
            manifests=params["manifests"],
        ),
    )


if __name__ == "__main__":
    main()
