#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_snapshot_detach
short_description: Detach disk snapshots from an appliance
version_added: 0.1.0
description:
  - Detaches selected disk snapshots, all of one snapshot, or all from an appliance.
  - Never changes a disk that is not a disk snapshot, and never deletes a disk.
  - Ignores disks that are not attached.
  - Tries all disks even if the engine refuses one. The error then lists them in RV(ignore:details.detached) and
    RV(ignore:details.still_attached).
  - While a disk snapshot is attached to any VM, plugged or not, the engine cannot remove snapshots of its source VM.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  appliance:
    description:
      - Id or name of the appliance.
    type: str
    required: true
    aliases:
      - vm
  disks:
    description:
      - Ids or names of the disks to detach.
      - Set exactly one of O(disks), O(snapshot) and O(all).
    type: list
    elements: str
  source_vm:
    description:
      - Id or name of the VM that O(snapshot) belongs to. Not needed if O(snapshot) is an id.
    type: str
  snapshot:
    description:
      - Id or whole description of the snapshot whose disks to detach. A description requires O(source_vm). If that VM has no such
        snapshot, none of its disks can be attached, and the module warns.
    type: str
  all:
    description:
      - Whether to detach all disk snapshots that the appliance holds, including those that others attached.
    type: bool
    default: false
  keep:
    description:
      - Ids, serial numbers or names of disks that stay attached, although O(snapshot), O(all) or O(disks) selects them. Use it for disks
        that M(ovirt_community.backup.disk_device_release) found in use. The module fails for a name that no attached disk has.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Time limit of the whole operation in seconds. If the guest does not release a disk, the module tries again until then. It begins
        no disk after it.
    type: int
    default: 300
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
  - ovirt_community.backup.engine.wait
seealso:
  - module: ovirt_community.backup.disk_snapshot_attach
  - module: ovirt_community.backup.disk_device_release
"""

EXAMPLES = r"""
- name: Detach what belongs to one snapshot
  ovirt_community.backup.disk_snapshot_detach:
    appliance: backup01
    source_vm: web01
    snapshot: nightly backup

- name: Detach every disk snapshot
  ovirt_community.backup.disk_snapshot_detach:
    appliance: backup01
    all: true
"""

RETURN = r"""
appliance:
  description: The VM that held the disk snapshots.
  returned: success
  type: dict
  contains:
    id:
      description: Id.
      type: str
      returned: success
      sample: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name:
      description: Name.
      type: str
      returned: success
      sample: backup01
detached:
  description: What was detached, or would be.
  returned: success
  type: list
  elements: dict
  contains:
    disk_id:
      description: Id of the disk.
      type: str
      returned: success
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    alias:
      description: Name of the disk.
      type: str
      returned: success
      sample: web01_Disk1
    snapshot_id:
      description: Id of the snapshot with which it was attached. Null if unknown.
      type: str
      returned: success
      sample: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
    evidence:
      description: How that is known; V(only_snapshot), V(event) or V(unknown).
      type: str
      returned: success
      sample: only_snapshot
    active:
      description: Whether it was plugged.
      type: bool
      returned: success
      sample: true
kept:
  description: Disks that stay attached because of O(keep), with the same keys.
  returned: success
  type: list
  elements: dict
  sample: []
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_detach import (
    DiskSnapshotDetach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    snapshots_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(300, **snapshots_args.DISK_SNAPSHOT_DETACH),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: DiskSnapshotDetach(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            snapshots_args.disk_snapshot_detach_request(params),
        ),
    )


if __name__ == "__main__":
    main()
