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
  - Only manifests, sizes of files and the records of M(ovirt_community.backup.backup_set_verify) are read, no image. A
    repository of thousands of sets is listed in about a second.
  - A set that cannot be read does not end the list. It is listed with the reason. Links are never followed.
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
      - Only sets whose data are of this time or later, UTC, such as V(2026-11-23T01:02:03Z) or V(2026-11-23).
    type: str
  before:
    description:
      - Only sets whose data are older than this time.
    type: str
  states:
    description:
      - Only sets in one of these states. None means all.
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
      - Only sets with one of these levels, such as V(filesystem). None means all.
    type: list
    elements: str
    default: []
  min_size:
    description:
      - Only sets that take at least this many bytes.
    type: int
  max_size:
    description:
      - Only sets that take at most this many bytes.
    type: int
  select:
    description:
      - V(newest) takes of each VM the newest of the sets that pass the other options, V(newest_good) the newest of them whose
        state is V(complete) and whose time is certain.
      - With O(before) this is the set that one restores after something went wrong at that time.
    type: str
    choices:
      - all
      - newest
      - newest_good
    default: all
  manifests:
    description:
      - Whether to return the manifest of each set, too.
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

- name: List what needs a look
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
      description: The time that the data are of, UTC. That of the snapshot; without a manifest, when the run began.
      returned: success
      type: str
      sample: "2026-11-23T01:00:05Z"
    time_certain:
      description: Whether two of the clocks of engine, controller and appliance agree on the time, and it is not in the future. If not,
        the set takes no place in any rule, and no rule removes it.
      returned: success
      type: bool
      sample: true
    time_note:
      description: Why the time is not certain, or which clock was not believed. Empty if all agree.
      returned: success
      type: str
      sample: ""
    finished:
      description: When the last image was finished, UTC. Null without a manifest.
      returned: success
      type: str
      sample: "2026-11-23T01:12:30Z"
    state:
      description:
        - V(complete), all files are there in their sizes, and no verification found a fault.
        - V(unfinished), there is no manifest. The run is at it, or failed, or was killed.
        - V(corrupt), the manifest is none, or a file is missing or of another size, or the last verification found a fault.
        - V(parent_missing), the set builds on another one that is not there or not complete.
        - V(unsupported), the manifest is of a format version that this release does not know.
        - V(unreadable), the set could not be looked at, so that nothing is known of it. It is neither called corrupt nor gone.
      returned: success
      type: str
      sample: complete
    reason:
      description: Why the state is not V(complete). Empty if it is.
      returned: success
      type: str
      sample: ""
    consistency:
      description: How consistent the data are. Null without a manifest.
      returned: success
      type: str
      sample: filesystem
    disks:
      description: Number of its disks. Null without a manifest.
      returned: success
      type: int
      sample: 2
    virtual_size:
      description: Bytes of its disks as a guest sees them. Null without a manifest.
      returned: success
      type: int
      sample: 21474836480
    bytes_stored:
      description: Bytes that its images take in the repository.
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
      description: The last verification, with C(time), C(verdict), C(depth), C(faults) and C(notes). Null if there was none.
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
        - Of an unfinished set, RV(ignore:owner) is who runs the backup that began it, as O(ovirt_community.backup.backup_plan_info#module:owner),
          null if nothing tells. RV(ignore:quiet_seconds) is for how long nothing of it has changed, null if it changed in the future.
          A run that is at work changes something every few seconds, unless it is attaching the disks or has lost its connection.
        - Null for all other sets.
      returned: success
      type: dict
      sample:
        owner: default
        quiet_seconds: 32400
    manifest:
      description: The manifest, see C(docs/schema/manifest-1.schema.json). Null if there is none that can be read.
      returned: success and O(manifests=true)
      type: dict
      sample:
        format: ovirt_community.backup
        version: 1
        run_id: 4f0c2a91d7be
totals:
  description: Numbers of the sets that are listed, C(vms), C(sets), C(bytes_stored), and how many are in each state.
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
  description: What else lies in the repository, or cannot be looked at, C(path) and C(reason). It is never touched.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /srv/backup/notes.txt
      reason: is no directory
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.05
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.repository import (
    BackupSetInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=repository_args.INFO, supports_check_mode=True)
    edge.run(
        module,
        lambda params: BackupSetInfo(
            params["repository"], repository_args.wanted(params), manifests=params["manifests"]
        ),
    )


if __name__ == "__main__":
    main()
