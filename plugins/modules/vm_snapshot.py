#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_snapshot
short_description: Create or remove a snapshot of a VM for a backup
version_added: 0.1.0
description:
  - Creates a snapshot of all or some disks of a VM, and waits until it is usable. Or removes a snapshot, and waits until its layers are
    merged.
  - Finds an existing snapshot by its description, so a second run changes nothing.
  - Returns the consistency of the snapshot, as far as the engine reports it.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  vm:
    description:
      - Id or name of the VM.
    type: str
    required: true
  snapshot:
    description:
      - Description of the snapshot, matched as a whole. For an existing snapshot, you can use its id instead.
      - The engine accepts ASCII and letters of any script, up to 4,000 characters. The module refuses anything else.
      - Before it removes a snapshot, the module checks again that the snapshot is regular and has the same description. The engine can reuse
        the id of a failed creation for the next snapshot.
    type: str
    required: true
    aliases:
      - description
  state:
    description:
      - Whether the snapshot should exist.
    type: str
    choices:
      - present
      - absent
    default: present
  disks:
    description:
      - Ids or names of the VM's disks to include in a new snapshot. If empty, it includes all disks that it can.
      - It also includes unplugged disks. The engine cannot remove such a snapshot while the VM runs, and the module warns about it.
    type: list
    elements: str
    default: []
  memory:
    description:
      - Whether to save the memory of the running guest. A backup does not need it, and the guest's file systems are not frozen while
        memory is saved. The engine itself would save it by default.
    type: bool
    default: false
  correlation_id:
    description:
      - Correlation id of the engine's events and log entries. Up to 36 letters, digits, C(-) and C(_).
      - Generated if not given.
    type: str
  timeout:
    description:
      - Time limit of the whole operation in seconds. Merging the layers of a busy disk takes time.
    type: int
    default: 1800
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
  - ovirt_community.backup.engine.wait
seealso:
  - module: ovirt_community.backup.disk_snapshot_attach
"""

EXAMPLES = r"""
- name: Create a snapshot to back up from
  ovirt_community.backup.vm_snapshot:
    vm: web01
    snapshot: nightly backup

- name: Remove it again and wait for the merge
  ovirt_community.backup.vm_snapshot:
    vm: web01
    snapshot: nightly backup
    state: absent
"""

RETURN = r"""
vm:
  description: The VM.
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
      sample: web01
snapshot:
  description: The snapshot. Null if it does not exist, with O(state=absent).
  returned: success
  type: dict
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
consistency:
  description:
    - V(offline) if the VM was down before and after. V(filesystem) if the engine froze the guest's file systems. V(crash) if that
      failed, as after a power cut. V(inconsistent) if the engine itself warns about the snapshot.
    - V(unknown) means V(crash) or better. By default the host freezes the file systems through the guest agent, but does not report
      whether that worked.
    - It is also V(unknown) if the engine shows this user no events of the VM, and the module warns about it. The user sees these events
      with a role on the VM, its cluster or its data centre, but not with a role on the system.
  returned: success
  type: str
  sample: unknown
events:
  description: Events of the engine under the correlation id of this task, newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - code: 68
      description: Snapshot 'nightly backup' creation for VM 'web01' has been completed.
disks:
  description:
    - The disks of the snapshot. Empty in check mode and with O(wait=false).
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_snapshot import (
    VmSnapshot,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    snapshots_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(1800, **snapshots_args.VM_SNAPSHOT),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: VmSnapshot(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            snapshots_args.vm_snapshot_request(params),
        ),
    )


if __name__ == "__main__":
    main()
