#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_snapshot_info
short_description: Show disk snapshots, on an appliance or in a snapshot
version_added: 0.1.0
description:
  - Lists the disk snapshots that an appliance holds, the snapshot that each belongs to, and the evidence for it. The engine itself
    does not show it.
  - Lists the disks of a VM's snapshot, with exact sizes.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  appliance:
    description:
      - Id or name of the appliance.
    type: str
    aliases:
      - vm
  source_vm:
    description:
      - Id or name of the VM whose snapshots to list.
    type: str
  snapshot:
    description:
      - Id or whole description of a snapshot of O(source_vm) whose disks to list.
    type: str
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
seealso:
  - module: ovirt_community.backup.disk_snapshot_attach
"""

EXAMPLES = r"""
- name: List the disk snapshots that an appliance holds
  ovirt_community.backup.disk_snapshot_info:
    appliance: backup01
  register: held

- name: List the disks of a snapshot
  ovirt_community.backup.disk_snapshot_info:
    source_vm: web01
    snapshot: nightly backup
"""

RETURN = r"""
appliance:
  description: The appliance. Null if O(vm) is not given.
  returned: success
  type: dict
  sample:
    id: 0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001
    name: backup01
    status: up
attachments:
  description: The disk snapshots that the appliance holds, without its own disks.
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
      description: Id of the snapshot. Null if unknown.
      type: str
      returned: success
      sample: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
    evidence:
      description:
        - V(only_snapshot) if the disk is in no other snapshot. While it is attached, its snapshot cannot be removed.
        - V(event) if the engine's event of the attachment names it. V(unknown) otherwise.
      type: str
      returned: success
      sample: only_snapshot
    source_vm_id:
      description: Id of the VM that the snapshot belongs to.
      type: str
      returned: success
      sample: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    snapshot_description:
      description: Description of the snapshot.
      type: str
      returned: success
      sample: nightly backup
    stamp:
      description: Owner, run and end of lease, if the snapshot was made by the role P(ovirt_community.backup.vm_backup#role).
      type: dict
      returned: success
    active:
      description: Whether it is plugged.
      type: bool
      returned: success
      sample: true
source_vm:
  description: The VM in O(source_vm). Null if it is not given.
  returned: success
  type: dict
  sample:
    id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name: web01
    status: up
snapshots:
  description: All snapshots of the source VM.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id; null as long as the snapshot does not exist.
      type: str
      returned: success
      sample: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
    description:
      description: Description.
      type: str
      returned: success
      sample: nightly backup
    status:
      description: V(ok), V(locked), V(in_preview), or V(absent) in check mode.
      type: str
      returned: success
      sample: ok
    type:
      description: V(regular) for those that can be backed up.
      type: str
      returned: success
      sample: regular
    date:
      description: When it was made, ISO 8601.
      type: str
      returned: success
      sample: "2026-11-23T01:00:05+00:00"
    memory:
      description: Whether the guest's memory is saved with it.
      type: bool
      returned: success
      sample: false
snapshot:
  description: The snapshot in O(snapshot), as in RV(snapshots). Null if it is not given.
  returned: success
  type: dict
disks:
  description:
    - The disks of the snapshot in O(snapshot). The fields about an appliance show what M(ovirt_community.backup.disk_snapshot_attach) would do by default.
  returned: success
  type: list
  elements: dict
  contains:
    disk_id:
      description: Id of the disk; also its serial number in the guest.
      type: str
      returned: success
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    snapshot_id:
      description: Id of the VM snapshot.
      type: str
      returned: success
      sample: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
    image_id:
      description: Id of the volume that is frozen in the snapshot.
      type: str
      returned: success
      sample: 0d1c5b8e-6a0b-4d0f-8d0c-4a1b6f6d7f22
    parent_image_id:
      description: Id of the volume below it. Null if it has no parent.
      type: str
      returned: success
      sample: null
    alias:
      description: Name of the disk.
      type: str
      returned: success
      sample: web01_Disk1
    virtual_size:
      description: Size of the device in bytes, exact if RV(disks[].size_is_exact).
      type: int
      returned: success
      sample: 10737418240
    actual_size:
      description: Bytes that the volume occupies on the storage.
      type: int
      returned: success
      sample: 2147483648
    size_is_exact:
      description: False on engines before 4.4.3, which tell whole GiB only.
      type: bool
      returned: success
      sample: true
    format:
      description: V(qcow2) or V(raw), of the volume on the storage.
      type: str
      returned: success
      sample: qcow2
    source_interface:
      description: Interface by which the source VM has the disk.
      type: str
      returned: success
      sample: virtio_scsi
    source_bootable:
      description: Whether the source VM boots from it.
      type: bool
      returned: success
      sample: true
    interface:
      description: Interface by which the appliance has it, or would.
      type: str
      returned: success
      sample: virtio_scsi
    read_only:
      description: Whether the appliance can only read it.
      type: bool
      returned: success
      sample: true
    active:
      description: Whether it is plugged.
      type: bool
      returned: success
      sample: true
    serial:
      description: Serial number that the guest's kernel shows; virtio has room for 20 characters only.
      type: str
      returned: success
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    device_links:
      description: Names under C(/dev/disk/by-id) to look for in the guest, the most likely first.
      type: list
      elements: str
      returned: success
      sample:
        - /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_info import (
    DiskSnapshotInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    snapshots_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**snapshots_args.DISK_SNAPSHOT_INFO),
        required_one_of=[("appliance", "source_vm")],
        required_by={"snapshot": "source_vm"},
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: DiskSnapshotInfo(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            snapshots_args.disk_snapshot_info_request(params),
        ),
    )


if __name__ == "__main__":
    main()
