#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_device_release
short_description: Have the appliance let go of disk snapshots before they are detached
version_added: 0.1.0
description:
  - Looks who uses the devices of disk snapshots on the appliance, and takes down what nobody needs, so that they can be
    detached. A device that is pulled while something holds it is lost to that, and may stay behind as a dead device.
  - Runs on the appliance, as root (C(become)). Needs no programs there.
  - What the appliance itself builds on a disk that appears is taken down if nobody uses it. These are volumes of LVM, maps of
    multipath and other devices of the device mapper, and arrays of MD. The page cache is flushed.
  - Nothing is taken away from whoever uses it, and no option changes that. A mount in any mount namespace, swap, an open
    file, a loop device, or a claim of the kernel keeps a device and everything on it as it is. The device is named in
    RV(busy) with who uses it. A file system was mounted by somebody who may read it now, and knows better when to end that.
  - A device that is not among O(serials) is never touched. A volume that lies also on another disk stays, and so does
    one whose volume group does. So the appliance's own disks are safe even if they are asked for by mistake.
  - A serial that no device has is no error. It is detached already.
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
      - V(released), before the disks are detached, takes down what is built on the devices.
      - V(absent), after the disks are detached, waits until the devices are gone. A device that stayed behind is removed
        if it is proven dead. The kernel must have marked it so, or its first sector cannot be read. Nothing may use it.
    type: str
    choices:
      - released
      - absent
    default: released
  timeout:
    description:
      - Seconds to wait for those who use the devices, or for the devices to go.
    type: float
    default: 30.0
  fail:
    description:
      - Whether it is an error if a device is still in use then. In this case nothing is taken down on any device.
      - With V(false), the other devices are released, and RV(busy) and RV(why) tell of those that are not.
    type: bool
    default: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes
seealso:
  - module: ovirt_community.backup.disk_snapshot_detach
  - module: ovirt_community.backup.disk_image_copy
"""

EXAMPLES = r"""
- name: Let go of two disk snapshots
  ovirt_community.backup.disk_device_release:
    serials:
      - b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
      - 0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02
  become: true

- name: Be sure that they are gone after they were detached
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
    - The devices, in the order asked for.
    - With O(state=absent), a serial has an entry for each device that has it.
  returned: success
  type: list
  elements: dict
  contains:
    serial:
      description: Serial number as it was asked for.
      returned: success
      type: str
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    device:
      description: The device that has this serial. Null if none has.
      returned: success
      type: str
      sample: /dev/sdb
    free:
      description: Whether nothing holds the device any more.
      returned: success
      type: bool
      sample: true
    removed:
      description: What was taken down, and with O(state=absent) the device itself.
      returned: success
      type: list
      elements: str
      sample:
        - LVM volume vg0/root (dm-2)
    used_by:
      description: Who uses it, or what else stands against it.
      returned: success
      type: list
      elements: str
      sample: []
busy:
  description: Serial numbers of the devices that something uses.
  returned: success
  type: list
  elements: str
  sample: []
why:
  description: What stands against it, in words. Empty if nothing does.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices.release import (
    Release,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    appliance_args,
    edge,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=appliance_args.RELEASE, supports_check_mode=True)
    edge.run(module, lambda params: Release(appliance_args.release_request(params)))


if __name__ == "__main__":
    main()
