#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_isolation
short_description: Keep an appliance's programs away from attached disks, and test it
version_added: 0.1.0
description:
  - Disks that are attached to an appliance carry the volume groups, arrays, swap and file systems of other machines, often
    with the same UUIDs as the appliance's own. This module restricts udev, systemd, LVM, MD RAID, multipath and udisks to the
    appliance's own disks. It takes effect at once, without a restart.
  - The appliance's own disks are those in use when the module runs (mounted, swap, or a physical volume of a volume group in
    use), and those in O(own_disks). Any disk attached later is isolated. Run the module again after you add a disk to the
    appliance, and only while no disk snapshot is attached.
  - The proof puts a trap on a throw-away disk. The trap is a twin of the appliance's root file system and of its volume group, a swap
    and an array. The module lets the kernel detect that disk again, and fails if a program acts on it.
  - Writes udev rules. Where LVM is installed, it also writes LVM's devices file and enables it in a block of
    C(/etc/lvm/lvmlocal.conf). For multipath and mdadm it writes a file in C(/etc/multipath/conf.d) or C(mdadm.conf.d).
  - Stores what it did and how that was proven as a local fact in C(/etc/ansible/facts.d/ovirt_backup.fact).
  - Runs on the appliance, as root (C(become)).
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  state:
    description:
      - V(present) isolates all disks that are not the appliance's own. V(absent) removes everything that the module wrote,
        except LVM's devices file.
    type: str
    choices:
      - present
      - absent
    default: present
  own_disks:
    description:
      - More disks that belong to the appliance although nothing uses them now, for example a repository disk that is not
        mounted yet. Name each by its serial number (the disk's id in the engine), by a path, or by C(UUID=), C(LABEL=),
        C(PARTUUID=) or C(PARTLABEL=).
    type: list
    elements: str
    default: []
  repository:
    description:
      - Directory that contains the backup sets. The module stores it in the fact.
    type: path
    default: ""
  proof:
    description:
      - V(once) proves the isolation unless it was already proven with exactly these files. V(always) proves it again. V(never)
        does not prove it.
    type: str
    choices:
      - once
      - always
      - never
    default: once
  probe_serial:
    description:
      - Serial number of a disk to use for the proof. The module overwrites its first 16 MiB and blanks them again afterwards. It
        refuses a disk that is not blank there, or that is the appliance's own.
      - Without this option, the kernel module C(scsi_debug) creates a disk of 24 MiB in memory. If that module is not available,
        the isolation remains unproven, and the module warns.
    type: str
    default: ""
  settle:
    description:
      - Seconds to wait for programs that act on a new disk.
    type: float
    default: 5.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes
attributes:
  idempotent:
    support: partial
    details:
      - O(proof=always) repeats the proof each time.
seealso:
  - module: ovirt_community.backup.appliance_repository
  - module: ovirt_community.backup.appliance_preflight
"""

EXAMPLES = r"""
- name: Isolate all disks but the appliance's own
  ovirt_community.backup.appliance_isolation:
    own_disks:
      - c4a2b8f0-6d1e-4f53-9a57-2e8c7d90b1a4
  become: true

- name: Prove the isolation again, on an empty disk attached for the proof
  ovirt_community.backup.appliance_isolation:
    own_disks:
      - c4a2b8f0-6d1e-4f53-9a57-2e8c7d90b1a4
    proof: always
    probe_serial: 0b6a3f3c-17b5-4a2f-8a0e-5c1d0e9f7a66
  become: true
"""

RETURN = r"""
own_disks:
  description: Disks that are the appliance's own.
  returned: success
  type: list
  elements: dict
  contains:
    device:
      description: Device node, now.
      returned: success
      type: str
      sample: /dev/sda
    udev_serial:
      description: Serial number as udev shows it, with the manufacturer in front. Can be empty.
      returned: success
      type: str
      sample: 0QEMU_QEMU_HARDDISK_c4a2b8f0-6d1e-4f53-9a57-2e8c7d90b1a4
    match:
      description: The udev match that recognises the disk.
      returned: success
      type: str
      sample: ENV{ID_SERIAL}=="*c4a2b8f0-6d1e-4f53-*"
    reasons:
      description: Why it is the appliance's own.
      returned: success
      type: list
      elements: str
      sample:
        - mounted on /srv/backup
isolated_disks:
  description: All other disks attached now, with the same keys.
  returned: success
  type: list
  elements: dict
  sample: []
isolation:
  description: Which programs are kept away, and how. Empty with O(state=absent).
  returned: success
  type: dict
  sample:
    lvm: devices file
    md: AUTO -all
    multipath: blacklist
    systemd: rules
    udev: rules
    udisks: rules
files:
  description: Files below C(/etc) that the module manages.
  returned: success
  type: list
  elements: str
  sample:
    - lvm/lvmlocal.conf
    - udev/rules.d/59-ovirt-backup-isolation.rules
    - udev/rules.d/61-ovirt-backup-isolation.rules
proof:
  description: The proof made with these files, now or earlier. Null if the isolation is unproven.
  returned: success
  type: dict
  contains:
    kind:
      description: V(disk) for an attached disk, V(scsi_debug) for a disk that the kernel created.
      returned: success
      type: str
      sample: scsi_debug
    serial:
      description: Serial number of the disk that was attached.
      returned: success
      type: str
      sample: ""
    event:
      description:
        - V(replug) if the kernel removed the disk and detected it again. V(trigger) if only udev was triggered.
      returned: success
      type: str
      sample: replug
    trap:
      description: What the disk contained. A missing entry means that no program on the appliance could act on it.
      returned: success
      type: list
      elements: str
      sample:
        - filesystem
        - lvm
        - swap
        - md
    checks:
      description: The checks that were made.
      returned: success
      type: list
      elements: str
      sample:
        - bytes
        - by_id
        - lvm
        - marked
        - no_names
        - no_new_devices
        - not_looked_into
        - parts
        - root_link
        - unused
    when:
      description: When (UTC).
      returned: success
      type: str
      sample: "2026-11-24T17:20:00Z"
    files:
      description: SHA-256 of the managed part of each file.
      returned: success
      type: dict
      sample: {}
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 9.5
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.isolation.appliance_isolation import (
    ApplianceIsolation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge, setup_args


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=setup_args.APPLIANCE_ISOLATION, supports_check_mode=True)
    edge.run(
        module, lambda params: ApplianceIsolation(setup_args.appliance_isolation_request(params))
    )


if __name__ == "__main__":
    main()
