#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_repository
short_description: Mount the repository disk of an appliance
version_added: 0.1.0
description:
  - Mounts the repository disk, with an entry in C(/etc/fstab) by UUID, and restricts the directory to root (mode 0700).
    Without O(device), it only checks that something is mounted there.
  - Creates a file system only if O(format) is true and the disk is blank. A disk is blank if it has no signature, and its first MiB,
    its last MiB and 256 samples across it are zero.
  - Runs on the appliance, as root (C(become)). If the disk is isolated, run M(ovirt_community.backup.appliance_isolation)
    with the disk in O(ovirt_community.backup.appliance_isolation#module:own_disks) first. Otherwise systemd unmounts it again.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets. The module creates it if it does not exist.
    type: path
    required: true
  device:
    description:
      - The repository disk, as its serial number (the disk's id in the engine), a path, or C(UUID=), C(LABEL=), C(PARTUUID=) or
        C(PARTLABEL=).
      - Without this option, the module uses the file system that is already mounted on O(repository).
    type: str
    default: ""
  filesystem:
    description:
      - File system to create. V(xfs) needs the package C(xfsprogs).
    type: str
    choices:
      - ext4
      - xfs
    default: ext4
  format:
    description:
      - Whether to create a file system on O(device) if it is blank. The module never formats a disk with data.
    type: bool
    default: false
  mount_options:
    description:
      - Options of a new entry in C(/etc/fstab). The module does not change an existing entry.
      - V(nofail) lets the appliance start without the repository disk, so that you can repair it. A backup does not write to the
        root file system instead.
    type: str
    default: defaults,noatime,nodev,nosuid,noexec,nofail
  require_mount:
    description:
      - Whether to refuse a repository on the root file system, if O(device) is not given.
    type: bool
    default: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes
seealso:
  - module: ovirt_community.backup.appliance_isolation
  - module: ovirt_community.backup.appliance_preflight
"""

EXAMPLES = r"""
- name: Mount the repository disk, and create a file system on it if it is new
  ovirt_community.backup.appliance_repository:
    repository: /srv/backup
    device: c4a2b8f0-6d1e-4f53-9a57-2e8c7d90b1a4
    format: true
  become: true
"""

RETURN = r"""
repository:
  description: The repository.
  returned: success
  type: str
  sample: /srv/backup
device:
  description: Current device node of the repository disk. Empty if O(device) is not given.
  returned: success
  type: str
  sample: /dev/sdb
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.4
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_repository import (
    ApplianceRepository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge, setup_args


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=setup_args.APPLIANCE_REPOSITORY, supports_check_mode=True)
    edge.run(
        module, lambda params: ApplianceRepository(setup_args.appliance_repository_request(params))
    )


if __name__ == "__main__":
    main()
