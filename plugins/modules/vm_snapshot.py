#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_snapshot
short_description: Make or remove a snapshot of a VM for a backup
version_added: 0.1.0
description:
  - Makes a snapshot of all disks of a VM, or of some, and waits until it can truly be used; or removes one and waits until
    its layers are merged.
  - A snapshot is found again by its description, so a second run changes nothing.
  - Tells how consistent the frozen state is, as far as the engine says.
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
      - Description of the snapshot, matched as a whole. To find one that exists its id will do, too.
      - The engine takes ASCII and letters of any script, up to 4,000 characters; anything else is refused before anything is sent.
      - A snapshot is removed only if it still is what was found - a regular one with the same description - since the engine
        gives the id of a creation that failed to the next snapshot.
    type: str
    required: true
    aliases:
      - description
  state:
    description:
      - Whether there is to be such a snapshot.
    type: str
    choices:
      - present
      - absent
    default: present
  disks:
    description:
      - Ids or names of disks of the VM to include when the snapshot is made. All that can be if empty.
      - A disk that is not plugged is included, too; but while the VM runs the engine removes no snapshot that has one. A warning
        says so.
    type: list
    elements: str
    default: []
  memory:
    description:
      - Save the memory of the running guest, too. The engine's own default is to save it; a backup has no use for it, and the
        guest's file systems are not frozen while it is saved.
    type: bool
    default: false
  correlation_id:
    description:
      - Mark under which the engine's events and log can be found again. Up to 36 letters, digits, C(-) and C(_).
      - Made up if not given.
    type: str
  timeout:
    description:
      - Seconds to wait. Merging the layers of a busy disk takes time.
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
- name: Have a snapshot to back up from
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
  description: The snapshot; null if there is none and none was wanted.
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
    - V(offline) if the VM was down before and after; V(filesystem) if the engine froze the guest's file systems; V(crash) if it tried and
      failed, as after a power cut; V(inconsistent) if the engine itself warns of the snapshot.
    - V(unknown) means V(crash) or better. By default the host freezes the file systems through the guest agent and tells
      nobody how that went.
    - It is also V(unknown), whatever the VM did, if the engine shows this user no events of the VM; a warning says so.
      A role on the system shows none, one on the VM, its cluster or its data centre does.
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
    - The disks that the snapshot holds. Empty in check mode and where it is not waited for.
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
      description: Id of the volume below it, null if there is none.
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
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(1800, **engine_args.SNAPSHOT),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: VmSnapshot(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            engine_args.snapshot_request(params),
        ),
    )


if __name__ == "__main__":
    main()
