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
  - Copies one or more block devices, found by their serial number, to image files. Every image is proven equal to its
    device before it gets its name.
  - Runs on the appliance, as root (C(become)).
  - A device is found by its serial, never by its letter. It must have exactly the size that is expected, and nothing may
    use it. It is held exclusively and set read-only while it is copied.
  - The copy is a process of its own on the appliance. It goes on when the connection is lost and when Ansible is killed; the
    same task, run again, joins it, or takes its result; see O(snapshot). A process that died is noticed at once, and the same
    task begins anew.
  - While it goes on, the task shows how far it is, first after 10 seconds, then every 30 seconds to every 5 minutes. If
    the connection is lost it connects again for O(reconnect_timeout) seconds.
  - An image is written as RV(images[].dest) with C(.part) appended, flushed, compared with the device and hashed, and only
    then renamed. Whatever interrupts the module, no partial image has the final name. What an interrupted run left
    under the C(.part) name is replaced.
  - A file that is there already and equal to the device is no change. Any other file is left as it is, and the module fails.
  - Zeros are not stored. The storage delivers the device's data twice, once for the copy and once for the proof, as long
    as the appliance has memory for its page cache.
author:
  - ovirt_community.backup contributors (@ovirt-community)
requirements:
  - qemu-img on the appliance (package C(qemu-utils) or C(qemu-img)), 5.1 or newer for O(compression=zstd)
  - Python 3.9 or newer on the appliance
options:
  images:
    description:
      - The devices and where to copy them. All are looked for, and checked, before the first is copied.
      - Copying stops at the first failure. The images that are finished by then stay, and are reported in RV(ignore:details.done).
    type: list
    elements: dict
    required: true
    suboptions:
      serial:
        description:
          - Serial number of the device, which is the id of the disk. 36 characters, or its first 20.
          - A device that shows only the first 20 characters is found by all 36, too.
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
      - An uncompressed image that is there already and equal to the device satisfies V(zstd) as well.
    type: str
    choices:
      - zstd
      - none
    default: none
  timeout:
    description:
      - Seconds to wait for all devices to appear. The copy itself has no limit.
    type: float
    default: 60.0
  snapshot:
    description:
      - Id of the snapshot that the devices show, or any word that stands for their content. A serial number does not; the disk has the
        same in every snapshot.
      - Calls for the same images of the same snapshot share one copy. A call joins the copy that another began, and has its result, as long as
        the images are there. A failure is not handed on.
      - Without it, nothing is taken from another call. A copy of the same images that goes on is waited for, and then the images are
        proven equal to the devices as they are now.
    type: str
    default: ''
  wait:
    description:
      - Seconds to wait for the end of the copy. If it has not ended by then, RV(finished) is V(false), RV(progress) says
        how far it is, and the copy goes on. A connection that is lost is an error then, as in any other task.
      - Needs O(follower), so that the next call can tell its own copy from another's.
      - By default, the task ends with the copy.
    type: float
  follower:
    description:
      - Any word that is the same in calls that belong together. The result of a copy, or its failure, is given to the follower who
        asked for it, and again to that one. To others, images that are there are proven anew, unless O(snapshot) says of what they are.
      - By default, a task is its own follower.
    type: str
    default: ''
  title:
    description:
      - What the lines that show the progress begin with; by default the name of the host.
    type: str
    default: ''
  reconnect_timeout:
    description:
      - Seconds for which a lost connection is tried again before the host counts as unreachable. Long enough for a
        restart of the appliance, after which the copy begins anew.
    type: float
    default: 600.0
  limit:
    description:
      - Seconds after which the task ends with RV(finished=false) though the copy goes on, unlike O(wait) with progress and lost
        connections as without it. The next task with the same O(follower) goes on. 0 for no limit.
      - So that something else can be done meanwhile, such as to ask the engine something, which ends the session of a token that
        nobody uses for half an hour.
    type: float
    default: 0.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes
attributes:
  check_mode:
    details:
      - Looks for the devices, waits for them, and compares with images that are there, as a real run does. Does not set a
        device read-only.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - There is no need to; see O(wait).
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
  description: Whether the copy has ended. Only with O(wait), and in check mode, it may be V(false).
  returned: success
  type: bool
  sample: true
progress:
  description: How far the copy is.
  returned: success
  type: dict
  contains:
    percent:
      description: Of the reading that is to be done, for the copy and for the proof; rounded down.
      returned: success
      type: int
      sample: 45
    bytes_total:
      description: Bytes of all devices.
      returned: success
      type: int
      sample: 107374182400
    rate:
      description: Bytes a second that are read, smoothed; at the end, the bytes of all devices by the seconds it took. Null if unknown.
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
    - The images, in the order asked for. Empty as long as RV(finished) is V(false), but for check mode.
    - In check mode, what only the copy can tell is null.
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
      description: V(zstd) or V(none); for an image that was there already, what its header says.
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
          description: Seconds for copying and flushing; V(0.0) for an image that was there already.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.copy_job import (
    CopyJob,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    appliance_args,
    copy_args,
    edge,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=copy_args.FOLLOWED_COPY, supports_check_mode=True)
    edge.run(
        module,
        lambda params: CopyJob(
            appliance_args.copy_request(params),
            copy_args.following(params),
        ),
    )


if __name__ == "__main__":
    main()
