#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_guard
short_description: Check whether attached disk snapshots forbid an operation on a VM, or wait until they no longer do
version_added: 0.1.0
description:
  - Checks whether an attached disk snapshot forbids an operation on a VM, such as export, template or migration. The engine itself silently
    leaves such a disk out of an export or a template, and refuses other operations late.
  - Checks the VM both as a holder of other VMs' disk snapshots, and as a VM whose disk snapshots others hold.
  - Fails with all reasons, or waits until the operation is allowed. A playbook that patches hosts can use it to wait for the end of a
    backup.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  vm:
    description:
      - Id or name of the VM.
    type: str
    required: true
  operations:
    description:
      - The planned operations. V(export) is to an export domain, V(export_ova) to a file, V(revert) is the commit of a previewed
        snapshot, V(host_maintenance) is maintenance of the host on which the VM runs.
      - V(start) and V(stop) are never forbidden.
    type: list
    elements: str
    required: true
    choices:
      - export
      - export_ova
      - template
      - clone
      - snapshot
      - migrate
      - host_maintenance
      - suspend
      - remove_snapshot
      - revert
      - remove
      - remove_disk
      - move_disk
      - sparsify_disk
      - start
      - stop
  fail:
    description:
      - Whether to fail if an operation is forbidden. With V(false), check RV(allowed).
    type: bool
    default: true
  wait:
    description:
      - Whether to wait until the operations are allowed. A line shows at once, and then every five minutes, the backup it waits for, since
        when that is attached, and the remaining time.
    type: bool
    default: false
  timeout:
    description:
      - Time limit of the whole operation in seconds, with O(wait=true).
    type: int
    default: 3600
  poll_interval:
    description:
      - Maximum time between two polls of the engine, in seconds.
    type: int
    default: 10
  waited:
    description:
      - Seconds that earlier calls of the same wait took. A waiting task sets it automatically.
    type: float
    default: 0.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
seealso:
  - module: ovirt_community.backup.disk_snapshot_info
"""

EXAMPLES = r"""
- name: Wait for a backup to end before the host is patched
  ovirt_community.backup.vm_guard:
    vm: backup01
    operations:
      - migrate
    wait: true
    timeout: 7200

- name: Show what forbids an export
  ovirt_community.backup.vm_guard:
    vm: web01
    operations:
      - export_ova
    fail: false
  register: guard
"""

RETURN = r"""
vm:
  description: The VM.
  returned: success
  type: dict
  contains:
    id:
      description: Id.
      type: str
      returned: success
      sample: 5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11
    name:
      description: Name.
      type: str
      returned: success
      sample: backup01
allowed:
  description: Whether all operations are allowed, as far as the user can see.
  returned: success
  type: bool
  sample: true
violations:
  description: What forbids the operations. If the module fails, it is under RV(ignore:details).
  returned: success
  type: list
  elements: dict
  contains:
    rule:
      description: Id of the rule.
      type: str
      returned: success
      sample: no-export
    message:
      description: How the operation would break the rule.
      type: str
      returned: success
    reason:
      description: Reason for the rule.
      type: str
      returned: success
    remedy:
      description: What to do instead.
      type: str
      returned: success
    evidence:
      description:
        - Operation, part, disk, snapshot, holder, source VM, whether it is plugged, and since when.
        - RV(ignore:owner) and RV(ignore:run_id) of the backup, where the snapshot is one of this collection.
      type: dict
      returned: success
holds:
  description: Disk snapshots that the VM holds.
  returned: success
  type: list
  elements: dict
lent:
  description: Disk snapshots of the VM that others hold.
  returned: success
  type: list
  elements: dict
unseen:
  description: What the user has no right to see, as text. Its contents are unknown.
  returned: success
  type: list
  elements: str
  sample: []
seconds:
  description: Seconds that the task took.
  returned: success
  type: float
  sample: 0.21
waited_seconds:
  description: Total waiting time in seconds.
  returned: success
  type: float
  sample: 0.1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_guard import (
    VmGuard,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    snapshots_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**snapshots_args.VM_GUARD),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: VmGuard(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            snapshots_args.vm_guard_request(params),
        ),
    )


if __name__ == "__main__":
    main()
