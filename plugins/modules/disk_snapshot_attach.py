#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_snapshot_attach
short_description: Attach the disks of a VM snapshot to an appliance
version_added: 0.1.0
description:
  - Attaches some or all disks of one snapshot of a source VM to another VM, the appliance. There you can read them as they were at
    the time of the snapshot, while the source VM keeps running.
  - Attaches all or nothing. If one disk fails, the module detaches the disks that it attached.
  - Does not change a disk that is already attached with the same snapshot. Fails if a disk is attached with another or an unknown
    snapshot, unless O(replace=true).
  - The host of the appliance puts a temporary overlay over each disk, so nothing that happens in the appliance reaches the
    source VM's data.
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
  source_vm:
    description:
      - Id or name of the VM that O(snapshot) belongs to.
    type: str
    required: true
  snapshot:
    description:
      - Id or whole description of the snapshot.
    type: str
    required: true
  disks:
    description:
      - Ids or names of the disks to attach. All disks of the snapshot if empty.
    type: list
    elements: str
    default: []
  interface:
    description:
      - Bus on which the appliance sees the disks.
      - V(virtio_scsi) supports many disks and shows the whole serial number. V(virtio) uses a PCI slot for each disk and shows
        20 characters of the serial number. The others cannot be plugged while the appliance runs.
    type: str
    choices:
      - virtio_scsi
      - virtio
      - sata
      - ide
      - spapr_vscsi
    default: virtio_scsi
  bootable:
    description:
      - Whether to mark the disk as boot disk. Possible only for a single disk, if the appliance has no other boot disk.
    type: bool
    default: false
  read_only:
    description:
      - Whether to attach the disks read-only. Anything written is lost at detach, and fills the local disk of the appliance's host.
    type: bool
    default: true
  pass_discard:
    description:
      - Whether to pass discards of the guest on to the overlay.
    type: bool
    default: false
  active:
    description:
      - Whether to plug the disks. By default, the engine would leave them unplugged and therefore invisible.
    type: bool
    default: true
  replace:
    description:
      - Whether to first detach another snapshot of the same disk.
    type: bool
    default: false
  checkpoints:
    description:
      - What to do if a disk has checkpoints of incremental backup that the engine would clear at detach, as engines from
        4.5.8 on do, and builds that are no release. Another backup product that works with them would have to start over.
      - A disk that is enabled for incremental backup may have checkpoints that no list shows. It is treated like one that has.
    type: str
    choices:
      - refuse
      - warn
      - allow
    default: refuse
  timeout:
    description:
      - Time limit of the whole operation in seconds. The module retries temporary refusals of the engine until then, and begins no
        disk after it.
      - If the operation fails, the module has as much time again to detach all disks that it attached.
      - If an answer is lost while a host plugs the disk, the attachment that the engine shows is no proof. The module then waits for
        event 2016 of the appliance, or for 200 seconds, because the engine gives a host 180.
    type: int
    default: 300
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
  - ovirt_community.backup.engine.wait
seealso:
  - module: ovirt_community.backup.disk_snapshot_detach
  - module: ovirt_community.backup.vm_snapshot
"""

EXAMPLES = r"""
- name: Attach all disks of a snapshot
  ovirt_community.backup.disk_snapshot_attach:
    appliance: backup01
    source_vm: web01
    snapshot: nightly backup
  register: attached

- name: Show where to find them in the appliance
  ansible.builtin.debug:
    msg: "{{ attached.disks | map(attribute='device_links') | map('first') }}"
"""

RETURN = r"""
appliance:
  description: The VM that holds the disk snapshots.
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
source_vm:
  description: The VM that the snapshot belongs to.
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
  description: The snapshot.
  returned: success
  type: dict
  contains:
    id:
      description: Id.
      type: str
      returned: success
      sample: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
    description:
      description: Description.
      type: str
      returned: success
      sample: nightly backup
attached:
  description: Ids of the requested disks of this snapshot. All of them are attached now.
  returned: success
  type: list
  elements: str
  sample:
    - b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
disks:
  description:
    - The requested disks, with what is needed to find each device in the appliance and to copy it.
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.disk_snapshot_attach import (
    DiskSnapshotAttach,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    snapshots_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(300, **snapshots_args.DISK_SNAPSHOT_ATTACH),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: DiskSnapshotAttach(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            snapshots_args.disk_snapshot_attach_request(params),
        ),
    )


if __name__ == "__main__":
    main()
