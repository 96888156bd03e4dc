#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_device_release
short_description: Release disk snapshots on the appliance before they are detached
version_added: 0.1.0
description:
  - Finds what uses the devices of disk snapshots on the appliance, and removes unused layers on them, so that they can be detached.
    If a device is unplugged while in use, its user gets I/O errors, and a dead device can remain.
  - Runs on the appliance, as root (C(become)). Needs no programs there.
  - Removes what the appliance itself builds on a new disk if it is unused. These are LVM volumes, multipath maps and other device
    mapper devices, and MD arrays. Flushes the page cache.
  - Never takes a device away from its user, and no option changes that. A mount in any mount namespace, swap, an open file, a loop device,
    or a claim of the kernel keeps a device and everything on it. RV(busy) lists the device, RV(devices[].used_by) what uses it.
  - Never changes a device that is not in O(serials). Keeps a volume that is also on another disk, or whose volume group is. So the
    appliance's own disks are safe even if you list them by mistake.
  - Ignores a serial that no device has, because that disk is already detached.
author:
  - ovirt_community.backup contributors (@ovirt-community)
requirements:
  - Python 3.9 or newer on the appliance
options:
  serials:
    description:
      - Serial numbers of the devices, which are the ids of the disks. 36 characters each, or the first 20.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(released), before the disks are detached, removes the layers on the devices.
      - V(absent), after the disks are detached, waits until the devices are gone. It removes a remaining device if the device is unused and
        dead. A device is dead if the kernel marked it so, or its first sector cannot be read.
    type: str
    choices:
      - released
      - absent
    default: released
  timeout:
    description:
      - Time limit of the whole operation in seconds, until the devices are unused, or until they are gone.
      - A layer or device that another program opens at the last moment gets two more seconds.
    type: float
    default: 30.0
  fail:
    description:
      - Whether to fail if a device is still in use after O(timeout). In this case the module releases no device.
      - With V(false), it releases the other devices. RV(busy) and RV(why) report those still in use.
    type: bool
    default: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.run_by.vm_backup
  - ovirt_community.backup.run_by.vm_restore
seealso:
  - module: ovirt_community.backup.disk_snapshot_detach
  - module: ovirt_community.backup.disk_image_copy
"""

EXAMPLES = r"""
- name: Release two disk snapshots
  ovirt_community.backup.disk_device_release:
    serials:
      - b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
      - 0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02
  become: true

- name: Wait until the devices are gone after the disks were detached
  ovirt_community.backup.disk_device_release:
    serials:
      - b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
      - 0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02
    state: absent
  become: true
"""

RETURN = r"""
devices:
  description:
    - The devices, in the order of O(serials).
    - With O(state=absent), a serial has an entry for each device that has it.
  returned: success
  type: list
  elements: dict
  contains:
    serial:
      description: Serial number as given.
      returned: success
      type: str
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    device:
      description: The device that has this serial. Null if none has.
      returned: success
      type: str
      sample: /dev/sdb
    free:
      description: Whether the device is unused.
      returned: success
      type: bool
      sample: true
    removed:
      description: What was removed, with O(state=absent) including the device itself.
      returned: success
      type: list
      elements: str
      sample:
        - LVM volume vg0/root (dm-2)
    used_by:
      description: What uses it, or why else it cannot be released.
      returned: success
      type: list
      elements: str
      sample: []
busy:
  description: Serial numbers of the devices in use.
  returned: success
  type: list
  elements: str
  sample: []
why:
  description: Why devices could not be released, as text. Empty if all were released.
  returned: success
  type: str
  sample: ""
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.05
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices.disk_device_release import (
    DiskDeviceRelease,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    devices_args,
    edge,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=devices_args.DISK_DEVICE_RELEASE, supports_check_mode=True)
    edge.run(
        module, lambda params: DiskDeviceRelease(devices_args.disk_device_release_request(params))
    )


if __name__ == "__main__":
    main()
