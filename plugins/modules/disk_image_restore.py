#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_image_restore
short_description: Write images of a backup set to new disks of the appliance
version_added: 0.1.0
description:
  - Writes images of a backup set to block devices, found by their serial number. Verifies that each device equals the disk that was
    backed up.
  - Runs on the appliance, as root (C(become)).
  - Writes to a device only if it is blank from its first to its last byte, or if an interrupted run of the same restore (O(restore_id))
    proved it blank. Refuses all other devices, so it never overwrites a disk with data.
  - A device must have exactly the size of the disk and be unused. The module opens it exclusively.
  - Does not write zeros to a blank device. Reads each device twice and each image twice.
  - If a device already has the expected content, the module does not change it.
  - The writing is a separate process on the appliance. It continues if the connection is lost or Ansible is killed. The same task, run
    again, joins it or takes its result. The task shows the progress.
  - A restart of the appliance deletes what an interrupted restore proved. The restore then needs new disks.
author:
  - ovirt_community.backup contributors (@ovirt-community)
requirements:
  - qemu-img on the appliance (package C(qemu-utils) or C(qemu-img)), 5.1 or newer
  - Python 3.9 or newer on the appliance
options:
  path:
    description:
      - Directory of the set, below a repository.
    type: path
    required: true
  restore_id:
    description:
      - Name of the restore, as M(ovirt_community.backup.restore_plan_info) returns it.
    type: str
    required: true
  images:
    description:
      - The images, and where to write them. The module checks all of them before it writes the first.
      - Writing stops at the first failure. RV(ignore:details.done) lists what is already complete.
    type: list
    elements: dict
    required: true
    suboptions:
      disk_id:
        description:
          - Id of the disk in the set.
        type: str
        required: true
      serial:
        description:
          - Serial number of the device, which is the id of the new disk. 36 characters, or its first 20.
        type: str
        required: true
      blank:
        description:
          - Whether the device must be blank, or contain what this restore began to write. Otherwise the module refuses it.
          - The engine does not zero new raw disks on block storage (iSCSI, FC). M(ovirt_community.backup.restored_disks) returns V(false)
            for them. Never set V(false) for a disk that was not created for this restore.
        type: bool
        default: true
      same_id:
        description:
          - Whether the new disk has the id of the original, which no longer exists. M(ovirt_community.backup.restored_disks) returns it for disks
            that it created. Without it, the module refuses a disk with the id of the original, because it may be the original.
        type: bool
        default: false
      storage:
        description:
          - Name of the disk's storage domain, for the message if it is full.
        type: str
        default: ''
  device_timeout:
    description:
      - Seconds to wait for all devices to appear. The writing itself has no limit.
    type: float
    default: 60.0
  wait_seconds:
    description:
      - Seconds to wait for the end of the writing. If it is still running after that, RV(finished) is V(false), and it continues.
      - Requires O(follower), so that the next call can identify its writing.
      - By default, the task ends with the writing.
    type: float
  follower:
    description:
      - Any text that is the same in calls that belong together. Only calls with the follower of the call that started the writing get its
        result or failure. For other calls, the module verifies the disks again.
      - By default, a task is its own follower.
    type: str
    default: ''
  title:
    description:
      - Prefix of the progress lines. By default, the name of the host.
    type: str
    default: ''
  reconnect_timeout:
    description:
      - Seconds to try to reconnect before the host counts as unreachable.
    type: float
    default: 600.0
  return_after:
    description:
      - Seconds after which the task ends with RV(finished=false) while the writing continues. V(0) means no limit. Unlike O(wait_seconds),
        it shows progress and reconnects. The next task with the same O(follower) continues.
      - Use it to call the engine in between. The engine ends the session of a token after half an hour without use.
    type: float
    default: 0.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.run_by.vm_restore
attributes:
  check_mode:
    details:
      - Reads the devices, as a real run does first.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - Not needed, see O(wait_seconds).
seealso:
  - module: ovirt_community.backup.restored_disks
  - module: ovirt_community.backup.restore_source_info
"""

EXAMPLES = r"""
- name: Write the images to the new disks
  ovirt_community.backup.disk_image_restore:
    path: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
    restore_id: 7c1f0a2be904
    images:
      - disk_id: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
        serial: 2f8c5f7a-1d02-4a1c-9b53-0f6f7f0e5d5c
  become: true
"""

RETURN = r"""
finished:
  description: Whether the writing has ended. Can be V(false) only with O(wait_seconds) or O(return_after), and in check mode.
  returned: success
  type: bool
  sample: true
progress:
  description: Progress of the writing, C(percent), C(bytes_total), C(rate) in bytes per second, and C(seconds_left).
  returned: success
  type: dict
  sample:
    percent: 45
    bytes_total: 107374182400
    rate: 220200960
    seconds_left: 240
path:
  description: Directory of the set.
  returned: success, when RV(finished) is V(true) or in check mode
  type: str
  sample: /srv/backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
images:
  description: The images, in the order of O(images). Empty while RV(finished) is V(false), except in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    disk_id:
      description: Id of the disk in the set.
      returned: success
      type: str
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    alias:
      description: Name of the disk in the set.
      returned: success
      type: str
      sample: web01_system
    serial:
      description: Serial number as given.
      returned: success
      type: str
      sample: 2f8c5f7a-1d02-4a1c-9b53-0f6f7f0e5d5c
    device:
      description: The device that has this serial now. Its letter means nothing.
      returned: success
      type: str
      sample: /dev/sdb
    virtual_size:
      description: Bytes of the device.
      returned: success
      type: int
      sample: 10737418240
    content_sha256:
      description: SHA-256 of the bytes of the device.
      returned: success
      type: str
      sample: 5c0b5d6f3c1a9ad2b4a3d8b5d5b1ae3f4d1c2b3a49586776655443322110ffee
    seconds:
      description: Duration in seconds. Null if nothing was written.
      returned: success
      type: float
      sample: 21.5
    changed:
      description: Whether the device was, or in check mode would be, written to.
      returned: success
      type: bool
      sample: true
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 43.1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.restore.disk_image_restore import (
    DiskImageRestore,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    images_args,
    restore_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=restore_args.DISK_IMAGE_RESTORE, supports_check_mode=True)
    edge.run(
        module,
        lambda params: DiskImageRestore(
            restore_args.disk_image_restore_request(params),
            images_args.following(params),
        ),
    )


if __name__ == "__main__":
    main()
