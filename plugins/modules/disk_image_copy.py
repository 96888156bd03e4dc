#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_image_copy
short_description: Copy block devices of the appliance to image files
version_added: 0.1.0
description:
  - Copies one or more block devices, found by their serial number, to image files. Verifies that each image equals its device
    before it gets its final name.
  - Runs on the appliance, as root (C(become)).
  - Finds a device by its serial, never by its letter. The device must have exactly the expected size and be unused. The module opens it
    exclusively and sets it read-only during the copy.
  - The copy is a separate process on the appliance. It continues if the connection is lost or Ansible is killed. The same task, run again,
    joins it or takes its result, see O(snapshot). If the process died, the same task starts again.
  - The task shows the progress, first after 10 seconds, then every 30 seconds to every 5 minutes. If the connection is lost, it
    tries to reconnect for O(reconnect_timeout) seconds.
  - Writes an image as RV(images[].dest) with C(.part) appended, flushes it, compares it with the device, hashes it, and only then renames
    it. So a partial image never has the final name. Replaces a C(.part) file that an interrupted run left.
  - If the file exists and equals the device, the module changes nothing. If it differs, the module does not change it and fails.
  - Does not store zeros. Reads the device twice, once to copy and once to verify, as long as the appliance has memory for its page
    cache.
author:
  - ovirt_community.backup contributors (@ovirt-community)
requirements:
  - qemu-img on the appliance (package C(qemu-utils) or C(qemu-img)), 5.1 or newer for O(compression=zstd)
  - Python 3.9 or newer on the appliance
options:
  images:
    description:
      - The devices, and where to copy them. The module finds and checks all of them before it copies the first.
      - Copying stops at the first failure. Images that are already complete stay, and RV(ignore:details.done) lists them.
    type: list
    elements: dict
    required: true
    suboptions:
      serial:
        description:
          - Serial number of the device, which is the id of the disk. 36 characters, or its first 20.
          - All 36 characters also find a device that shows only the first 20.
        type: str
        required: true
      size:
        description:
          - Exact size of the device in bytes.
        type: int
        required: true
      dest:
        description:
          - Absolute path of the image. Its directory must exist.
        type: path
        required: true
  format:
    description:
      - Format of the images.
    type: str
    choices:
      - qcow2
      - raw
    default: qcow2
  compression:
    description:
      - V(zstd) compresses, for O(format=qcow2) only. It stores less and takes more CPU time.
      - An existing uncompressed image that equals the device also satisfies V(zstd).
    type: str
    choices:
      - zstd
      - none
    default: none
  device_timeout:
    description:
      - Seconds to wait for all devices to appear. The copy itself has no limit.
    type: float
    default: 60.0
  snapshot:
    description:
      - Id of the snapshot that the devices show, or any text that identifies their content. A serial number does not, because a disk
        has the same serial number in every snapshot.
      - Calls for the same images of the same snapshot share one copy. A call joins the copy that another call started, and gets its result, as
        long as the images exist. It does not get the failure of another call.
      - Without this option, a call takes no result of another call. It waits for a running copy of the same images, and then verifies
        that the images equal the devices.
    type: str
    default: ''
  wait_seconds:
    description:
      - Seconds to wait for the end of the copy. If it is still running after that, RV(finished) is V(false), RV(progress) shows the
        progress, and the copy continues. With this option a lost connection is an error, as in any other task.
      - Requires O(follower), so that the next call can identify its copy.
      - By default, the task ends with the copy.
    type: float
  follower:
    description:
      - Any text that is the same in calls that belong together. Only calls with the follower of the call that started a copy get its result
        or failure. For other calls, the module verifies existing images again, unless O(snapshot) identifies their content.
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
      - Seconds to try to reconnect before the host counts as unreachable. Choose a time long enough for a restart of the appliance.
        After a restart the copy starts again.
    type: float
    default: 600.0
  return_after:
    description:
      - Seconds after which the task ends with RV(finished=false) while the copy continues. V(0) means no limit. Unlike O(wait_seconds), it
        shows progress and reconnects. The next task with the same O(follower) continues.
      - Use it to call the engine in between. The engine ends the session of a token after half an hour without use.
    type: float
    default: 0.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.run_by.vm_backup
attributes:
  check_mode:
    details:
      - Finds the devices, waits for them, and compares them with existing images, as a real run does. Does not set a device
        read-only.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - Not needed, see O(wait_seconds).
notes:
  - Where C(KillUserProcesses=yes) is set in C(logind.conf), systemd ends the copy with the session of a user other than root.
    Exempt that user there with C(KillExcludeUsers), or connect as root.
seealso:
  - module: ovirt_community.backup.disk_snapshot_attach
  - module: ovirt_community.backup.backup_set
"""

EXAMPLES = r"""
- name: Copy two disk snapshots, compressed
  ovirt_community.backup.disk_image_copy:
    images:
      - serial: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
        size: 10737418240
        dest: /backup/b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10.qcow2
      - serial: 0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02
        size: 21474836480
        dest: /backup/0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02.qcow2
    compression: zstd
    snapshot: 6ae8ab7c-5e63-4d0a-9fd6-0a1a2e3f7c11
  become: true
  register: copied

- name: Copy one disk to a sparse raw file
  ovirt_community.backup.disk_image_copy:
    images:
      - serial: b8d5cb5c-21ba-4a57-a
        size: 10737418240
        dest: /backup/b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10.raw
    format: raw
  become: true
"""

RETURN = r"""
finished:
  description: Whether the copy has ended. Can be V(false) only with O(wait_seconds) or O(return_after), and in check mode.
  returned: success
  type: bool
  sample: true
progress:
  description: Progress of the copy.
  returned: success
  type: dict
  contains:
    percent:
      description: Percentage of all reading, for the copy and for the verification, rounded down.
      returned: success
      type: int
      sample: 45
    bytes_total:
      description: Bytes of all devices.
      returned: success
      type: int
      sample: 107374182400
    rate:
      description: Bytes read per second, smoothed. At the end, the average over all devices. Null if unknown.
      returned: success
      type: int
      sample: 220200960
    seconds_left:
      description: Seconds until the end at this rate. Null if unknown.
      returned: success
      type: int
      sample: 240
images:
  description:
    - The images, in the order of O(images). Empty while RV(finished) is V(false), except in check mode.
    - In check mode, values that only the copy can determine are null.
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
      description: The device that has this serial now. Its letter means nothing.
      returned: success
      type: str
      sample: /dev/sdb
    dest:
      description: Path of the image.
      returned: success
      type: str
      sample: /backup/b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10.qcow2
    virtual_size:
      description: Bytes that a guest sees.
      returned: success
      type: int
      sample: 10737418240
    format:
      description: Format of the image.
      returned: success
      type: str
      sample: qcow2
    compression:
      description: V(zstd) or V(none). For an existing image, as its header says.
      returned: success
      type: str
      sample: zstd
    bytes_read:
      description: Bytes of the device that were read and hashed.
      returned: success
      type: int
      sample: 10737418240
    bytes_stored:
      description: Bytes that the file system has allocated for the image.
      returned: success
      type: int
      sample: 2147487744
    file_size:
      description: Length of the image file in bytes.
      returned: success
      type: int
      sample: 2147549184
    content_sha256:
      description: SHA-256 of the bytes that a guest sees, independent of the format.
      returned: success
      type: str
      sample: 5c0b5d6f3c1a9ad2b4a3d8b5d5b1ae3f4d1c2b3a49586776655443322110ffee
    file_sha256:
      description: SHA-256 of the image file, as C(sha256sum) prints it.
      returned: success
      type: str
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    seconds:
      description: How long it took.
      returned: success
      type: dict
      contains:
        copying:
          description: Seconds for copying and flushing. V(0.0) for an existing image.
          returned: success
          type: float
          sample: 21.5
        verifying:
          description: Seconds for comparing and hashing.
          returned: success
          type: float
          sample: 12.25
    changed:
      description: Whether this image was written.
      returned: success
      type: bool
      sample: true
seconds:
  description: Seconds that the copy took on the appliance, waiting for devices included.
  returned: success
  type: float
  sample: 33.75
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.disk_image_copy import (
    DiskImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    images_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=images_args.DISK_IMAGE_COPY, supports_check_mode=True)
    edge.run(
        module,
        lambda params: DiskImageCopy(
            images_args.disk_image_copy_request(params),
            images_args.following(params),
        ),
    )


if __name__ == "__main__":
    main()
