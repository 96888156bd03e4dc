#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_set
short_description: Prepare and finish a backup set in the repository
version_added: 0.1.0
description:
  - Creates the directory of a backup set and names its images. When all images exist, writes the manifest, the configuration of
    the VM, and a README that explains how to restore the set by hand.
  - Runs on the appliance, as root (C(become)).
  - Writes the manifest last, atomically. A directory without a manifest is not a backup set.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  state:
    description:
      - V(prepared) creates the directory and returns, in RV(images), the option O(ovirt_community.backup.disk_image_copy#module:images)
        of M(ovirt_community.backup.disk_image_copy). If O(snapshot) is given, it also writes a record there, which
        O(state=present) and a later run need to finish the set. The record is removed with the last step.
      - V(present) checks that the images are there as they were copied, and writes C(vm.ovf), C(README), C(manifest.sha256) and
        C(manifest.json). It takes what the set was prepared with from the record, or from the manifest of a finished set, unless
        O(run_id), O(started), O(vm), O(snapshot) and O(disks) are given.
        If a finished set with other contents exists, the module changes nothing and fails.
    type: str
    required: true
    choices:
      - prepared
      - present
  repository:
    description:
      - Absolute path of the directory that contains the backup sets. It must exist.
      - Needed for O(state=prepared).
    type: path
  path:
    description:
      - Directory of the set, as RV(path) of O(state=prepared).
      - Needed for O(state=present).
    type: path
  run_id:
    description:
      - Name of the run, up to 64 letters, digits, C(-) and C(_).
      - Needed for O(state=prepared).
    type: str
  started:
    description:
      - When the run began, UTC, such as V(2026-11-23T01:02:03Z).
      - Needed for O(state=prepared).
    type: str
  finished:
    description:
      - When the last image was complete, UTC.
      - Needed for O(state=present).
    type: str
  correlation_id:
    description:
      - Correlation id under which the engine logged the run.
    type: str
    default: ''
  vm:
    description:
      - The source VM.
      - Needed for O(state=prepared).
    type: dict
    suboptions:
      id:
        description:
          - Its id.
        type: str
        required: true
      name:
        description:
          - Its name, as any text. The module escapes it in paths.
        type: str
        required: true
      cluster:
        description:
          - Name of its cluster.
        type: str
        default: ''
      data_center:
        description:
          - Name of its data center.
        type: str
        default: ''
      description:
        description:
          - Its description.
        type: str
        default: ''
  snapshot:
    description:
      - The snapshot to copy from. Without it, O(state=prepared) writes no record.
    type: dict
    suboptions:
      id:
        description:
          - Its id.
        type: str
        required: true
      description:
        description:
          - Its description.
        type: str
        default: ''
      date:
        description:
          - When it was created, by the engine's clock.
        type: str
        default: ''
      asked:
        description:
          - When it was requested, UTC, by the controller's clock, such as V(2026-11-23T01:00:02Z).
          - With O(snapshot.there), and the time of the appliance at O(state=prepared), it shows whether O(snapshot.date) is
            plausible. Only O(state=prepared) needs it.
        type: str
        default: ''
      there:
        description:
          - When it was attached to the appliance, UTC, by the controller's clock. Pass the current time.
        type: str
        default: ''
  consistency:
    description:
      - Consistency of the data, as RV(ovirt_community.backup.vm_snapshot#module:consistency) of M(ovirt_community.backup.vm_snapshot).
    type: str
    default: unknown
  evidence:
    description:
      - Evidence for O(consistency).
    type: list
    elements: str
    default: []
  versions:
    description:
      - Versions of the software that made the set.
    type: dict
    suboptions:
      engine:
        description:
          - Version of the engine.
        type: str
        default: ''
      collection:
        description:
          - Version of this collection.
        type: str
        default: ''
      qemu_img:
        description:
          - Version of qemu-img.
        type: str
        default: ''
      ansible:
        description:
          - Version of ansible-core.
        type: str
        default: ''
  format:
    description:
      - Format of the images. It determines the suffix of their names.
    type: str
    choices:
      - qcow2
      - raw
    default: qcow2
  compression:
    description:
      - Compression of the images. Recorded for a run that takes over the set.
    type: str
    choices:
      - zstd
      - none
    default: none
  disks:
    description:
      - The disks as RV(ovirt_community.backup.disk_snapshot_attach#module:disks) of M(ovirt_community.backup.disk_snapshot_attach)
        has them. C(disk_id), C(alias), C(virtual_size), C(source_interface) and C(source_bootable) are needed, other keys
        are ignored.
      - Needed for O(state=prepared).
    type: list
    elements: dict
  images:
    description:
      - The images as RV(ovirt_community.backup.disk_image_copy#module:images) of M(ovirt_community.backup.disk_image_copy)
        has them, one per disk, in any order.
      - Needed for O(state=present).
    type: list
    elements: dict
  ovf:
    description:
      - The VM's configuration, as RV(ovirt_community.backup.vm_ovf_info#module:ovf) of M(ovirt_community.backup.vm_ovf_info).
      - For O(state=present), by default the configuration given with O(state=prepared).
    type: str
  ovf_sha256:
    description:
      - RV(ovirt_community.backup.vm_ovf_info#module:ovf_sha256) of M(ovirt_community.backup.vm_ovf_info). The module compares it
        with O(ovf), and stores nothing if they differ.
    type: str
extends_documentation_fragment:
  - ovirt_community.backup.attributes
  - ovirt_community.backup.run_by.vm_backup
seealso:
  - module: ovirt_community.backup.disk_image_copy
  - module: ovirt_community.backup.vm_ovf_info
"""

EXAMPLES = r"""
- name: Create the directory of a set
  ovirt_community.backup.backup_set:
    state: prepared
    repository: /backup
    run_id: 4f0c2a91d7be
    started: "2026-11-23T01:00:00Z"
    vm:
      id: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
      name: web01
      cluster: Default
    snapshot:
      id: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
      description: nightly backup
      date: "2026-11-23T01:00:05+00:00"
    consistency: filesystem
    disks: "{{ attached.disks }}"
    ovf: "{{ configuration.ovf }}"
    ovf_sha256: "{{ configuration.ovf_sha256 }}"
  become: true
  register: prepared

- name: Copy the disks
  ovirt_community.backup.disk_image_copy:
    images: "{{ prepared.images }}"
  become: true
  register: copied

- name: Finish the set
  ovirt_community.backup.backup_set:
    state: present
    path: "{{ prepared.path }}"
    finished: "2026-11-23T01:12:30Z"
    images: "{{ copied.images }}"
  become: true
"""

RETURN = r"""
path:
  description: Directory of the set.
  returned: success
  type: str
  sample: /backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be
images:
  description: The option O(ovirt_community.backup.disk_image_copy#module:images) of M(ovirt_community.backup.disk_image_copy).
  returned: success and O(state=prepared)
  type: list
  elements: dict
  contains:
    serial:
      description: Id of the disk.
      returned: success
      type: str
      sample: b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10
    size:
      description: Its virtual size in bytes.
      returned: success
      type: int
      sample: 10737418240
    dest:
      description: Path of the image.
      returned: success
      type: str
      sample: >-
        /backup/web01.5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11/20261123T010000Z.4f0c2a91d7be/b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10.qcow2
snapshot:
  description:
    - The snapshot, as the record has it.
    - The result also has C(run_id), C(started), C(vm), C(consistency) and the other recorded options.
  returned: success and O(state=prepared), if O(snapshot) is given
  type: dict
  sample:
    id: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
format:
  description: Format of the images to come.
  returned: success and O(state=prepared), if O(snapshot) is given
  type: str
  sample: qcow2
compression:
  description: Compression of the images to come.
  returned: success and O(state=prepared), if O(snapshot) is given
  type: str
  sample: zstd
disks:
  description: The disks, as they were given.
  returned: success and O(state=prepared), if O(snapshot) is given
  type: list
  elements: dict
files:
  description: Names of the files that describe the set.
  returned: success and O(state=present)
  type: list
  elements: str
  sample:
    - README
    - manifest.json
    - manifest.sha256
    - vm.ovf
time:
  description: When the snapshot was created, UTC, by the clocks that agree.
  returned: success and O(state=present)
  type: str
  sample: "2026-11-23T01:00:05Z"
time_certain:
  description: Whether at least two clocks of engine, controller and appliance agree on RV(time).
  returned: success and O(state=present)
  type: bool
  sample: true
time_note:
  description: Which clock was ignored, or why the time is not certain. Empty if all agree.
  returned: success and O(state=present)
  type: str
  sample: ""
manifest:
  description: The manifest, as it is stored. C(docs/schema/manifest-1.schema.json) describes it.
  returned: success and O(state=present)
  type: dict
  sample:
    format: ovirt_community.backup
    version: 1
    run_id: 4f0c2a91d7be
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.05
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set import (
    FinishSet,
    PrepareSet,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)

OPERATIONS: dict[str, edge.Builder] = {
    "prepared": lambda params: PrepareSet(repository_args.prepare_request(params)),
    "present": lambda params: FinishSet(repository_args.finish_request(params)),
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=repository_args.BACKUP_SET,
        required_if=repository_args.BACKUP_SET_REQUIRED_IF,
        supports_check_mode=True,
    )
    edge.run(module, lambda params: OPERATIONS[params["state"]](params))


if __name__ == "__main__":
    main()
