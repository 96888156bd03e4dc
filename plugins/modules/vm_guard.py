#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_guard
short_description: Ask whether something may be done to a VM while disk snapshots are attached
version_added: 0.1.0
description:
  - Asks, before a VM is exported, made into a template, migrated and so on, whether an attached disk snapshot stands against
    it. The engine itself leaves such a disk out of an export or a template without a word, and refuses other things late.
  - Looks at the VM in both parts that it may play; as one that holds disk snapshots of others, and as one whose own disk
    snapshots others hold.
  - Fails with everything that stands against it, or waits until nothing does, so that a playbook that patches hosts simply
    waits for the backup to end.
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
      - What is about to be done. V(export) is to an export domain, V(export_ova) to a file, V(revert) is the commit of a
        previewed snapshot, V(host_maintenance) is of the host on which the VM runs.
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
      - Fail if something stands against it. If V(false), look at RV(allowed).
    type: bool
    default: true
  wait:
    description:
      - Wait until nothing stands against it. A line tells at once, and then every five minutes, which backup is waited for, since when it
        is attached, and how long the wait may still be.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait at the most.
    type: int
    default: 3600
  poll_interval:
    description:
      - Longest pause, in seconds, between two looks at the engine.
    type: int
    default: 10
  waited:
    description:
      - Seconds that earlier calls of the same wait took. A task that waits sets it by itself.
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

- name: See what stands against an export
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
  description: Whether nothing stands against any of the operations, as far as could be seen.
  returned: success
  type: bool
  sample: true
violations:
  description: What stands against it. Where the module fails it is under RV(ignore:details).
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
      description: What would break it.
      type: str
      returned: success
    reason:
      description: Why there is such a rule.
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
  description: What the user may not see, in words; what stands there is not known.
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
  description: Seconds that were waited.
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
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.guarding import (
    VmGuard,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**engine_args.GUARD),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: VmGuard(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            engine_args.guard_request(params),
        ),
    )


if __name__ == "__main__":
    main()
