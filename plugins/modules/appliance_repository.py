#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_repository
short_description: Mount the container disk of an appliance as the repository
version_added: 0.1.0
description:
  - Mounts the container disk, with an entry in C(/etc/fstab) by UUID, and gives the directory to root alone (mode 0700).
    Or, without O(device), checks that something is mounted there.
  - Makes a file system only if that is asked for, and the disk is blank, which means that no signature is on it, that its
    first and last MiB are zero, and so are 256 samples all over it.
  - Runs on the appliance, as root (C(become)). If the disk is isolated, run M(ovirt_community.backup.appliance_isolation)
    with the disk in O(ovirt_community.backup.appliance_isolation#module:own_disks) first, else systemd unmounts it again.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  path:
    description:
      - Absolute path of the directory that holds the backup sets. It is made if it does not exist.
    type: path
    required: true
  device:
    description:
      - The container disk. Its serial number, which is the id of the disk in the engine, or a path, or C(UUID=) and the like.
      - Without it, what is mounted on O(path) has to do.
    type: str
    default: ""
  filesystem:
    description:
      - File system to make. V(xfs) needs the package C(xfsprogs).
    type: str
    choices:
      - ext4
      - xfs
    default: ext4
  format:
    description:
      - Make a file system on O(device) if it is blank. One that holds anything is never written to.
    type: bool
    default: false
  mount_options:
    description:
      - Options of a new entry in C(/etc/fstab). An entry that is there is left as it is.
      - V(nofail) lets the appliance start without the container disk, so that it can be mended. A backup refuses the
        root file system in place of the repository.
    type: str
    default: defaults,noatime,nodev,nosuid,noexec,nofail
  require_mount:
    description:
      - Without O(device), refuse a repository on the root file system.
    type: bool
    default: true
extends_documentation_fragment:
  - ovirt_community.backup.attributes
seealso:
  - module: ovirt_community.backup.appliance_isolation
  - module: ovirt_community.backup.appliance_preflight
"""

EXAMPLES = r"""
- name: Mount the container disk, and make a file system on it if it is new
  ovirt_community.backup.appliance_repository:
    path: /srv/backup
    device: c4a2b8f0-6d1e-4f53-9a57-2e8c7d90b1a4
    format: true
  become: true
"""

RETURN = r"""
path:
  description: The repository.
  returned: success
  type: str
  sample: /srv/backup
device:
  description: Node of the container disk, now. Empty if none was named.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.repository_disk import (
    RepositoryDisk,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge, setup_args


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=setup_args.REPOSITORY, supports_check_mode=True)
    edge.run(module, lambda params: RepositoryDisk(setup_args.repository_request(params)))


if __name__ == "__main__":
    main()
