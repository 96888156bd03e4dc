#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: appliance_isolation
short_description: Keep an appliance's programs away from attached disks, and prove it
version_added: 0.1.0
description:
  - Disks that are attached to an appliance carry the volume groups, arrays, swap and file systems of other machines, often
    with the same UUIDs as the appliance's own. This module sees to it that udev, systemd, LVM, MD RAID, multipath and udisks
    act on no disk but the appliance's own. It takes effect at once, without a restart.
  - The appliance's own disks are those that are in use (mounted, swap, or a physical volume of a volume group that is) when
    the module runs, and those in O(own_disks). A disk that comes later is another's. So run it again after a disk was added
    to the appliance, and run it while no disk snapshot is attached.
  - The proof lays a trap on a throw-away disk, a twin of the appliance's root file system, of its volume group, a swap and an
    array, has the kernel find that disk anew, and fails if anything acts on it.
  - Writes rules of udev, and, where LVM, multipath or mdadm is installed, LVM's devices file and a block in
    C(/etc/lvm/lvmlocal.conf) that turns its use on, or a file in C(/etc/multipath/conf.d) or C(mdadm.conf.d). What was done
    and how it was proven is kept as a local fact in C(/etc/ansible/facts.d/ovirt_backup.fact).
  - Runs on the appliance, as root (C(become)).
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  state:
    description:
      - V(present) isolates what is not the appliance's own, V(absent) takes everything away that the module wrote, but for
        LVM's devices file.
    type: str
    choices:
      - present
      - absent
    default: present
  own_disks:
    description:
      - Disks that are the appliance's own though nothing uses them now, for example a container disk that is not mounted
        yet. Each is named by its serial number, which is the id of the disk in the engine, by a path, or by C(UUID=),
        C(LABEL=), C(PARTUUID=) or C(PARTLABEL=).
    type: list
    elements: str
    default: []
  repository:
    description:
      - Directory that holds the backup sets, to be noted in the fact.
    type: path
    default: ""
  proof:
    description:
      - V(once) proves the isolation if it was not proven with just these files yet, V(always) proves it again, V(never) does
        not prove it.
    type: str
    choices:
      - once
      - always
      - never
    default: once
  probe_serial:
    description:
      - Serial number of a disk on which to prove it. Its first 16 MiB are written over, and are blank again in the end. A disk
        that is not blank there, or is the appliance's own, is refused.
      - Without it, the kernel's module C(scsi_debug) makes a disk of 24 MiB in memory. If there is no such module, the
        isolation stays unproven, which is a warning.
    type: str
    default: ""
  settle:
    description:
      - Seconds that whatever acts on a new disk is given to do so.
    type: float
    default: 5.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes
attributes:
  idempotent:
    support: partial
    details:
      - O(proof=always) makes the proof each time.
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

- name: Prove it again, on an empty disk that was attached for it
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
    serial:
      description: Serial number as udev shows it, may be empty.
      returned: success
      type: str
      sample: 0QEMU_QEMU_HARDDISK_c4a2b8f0-6d1e-4f53-9a57-2e8c7d90b1a4
    match:
      description: By what udev recognises the disk.
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
  description: All others that are attached now; the same keys.
  returned: success
  type: list
  elements: dict
  sample: []
isolation:
  description: What is kept away, and by which means. Empty with O(state=absent).
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
  description: Files below C(/etc) that hold it.
  returned: success
  type: list
  elements: str
  sample:
    - lvm/lvmlocal.conf
    - udev/rules.d/59-ovirt-backup-isolation.rules
    - udev/rules.d/61-ovirt-backup-isolation.rules
proof:
  description: The proof that was made with these files, now or earlier; null if there is none.
  returned: success
  type: dict
  contains:
    kind:
      description: V(disk) for a disk that was attached, V(scsi_debug) for one that the kernel made.
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
        - V(replug) if the kernel forgot the disk and found it anew, V(trigger) if udev was only told so.
      returned: success
      type: str
      sample: replug
    trap:
      description: What the disk carried. What is missing here has no program on the appliance that could act on it.
      returned: success
      type: list
      elements: str
      sample:
        - filesystem
        - lvm
        - swap
        - md
    checks:
      description: What was looked at.
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
      description: SHA-256 of what is ours in each file.
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

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.isolation.isolation import (
    Isolation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge, setup_args


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=setup_args.ISOLATION, supports_check_mode=True)
    edge.run(module, lambda params: Isolation(setup_args.isolation_request(params)))


if __name__ == "__main__":
    main()
