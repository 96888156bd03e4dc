#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_ovf_info
short_description: Get the configuration of a VM as OVF
version_added: 0.1.0
description:
  - Gets the configuration of a VM as the engine stores it, now or at the time of a snapshot. The engine accepts this form when a VM
    is restored.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  vm:
    description:
      - Id or name of the VM.
    type: str
    required: true
  snapshot:
    description:
      - Id or whole description of a snapshot. If not given, the module gets the current configuration.
    type: str
extends_documentation_fragment:
  - ovirt_community.backup.attributes.info_module
  - ovirt_community.backup.attributes.action_group
  - ovirt_community.backup.engine
seealso:
  - module: ovirt_community.backup.vm_snapshot
"""

EXAMPLES = r"""
- name: Get the configuration that belongs to a snapshot
  ovirt_community.backup.vm_ovf_info:
    vm: web01
    snapshot: nightly backup
  register: configuration
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
      sample: web01
snapshot:
  description: The snapshot. Null if O(snapshot) is not given.
  returned: success
  type: dict
  contains:
    id:
      description: Id; null as long as the snapshot does not exist.
      type: str
      returned: success
      sample: 2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01
    description:
      description: Description.
      type: str
      returned: success
      sample: nightly backup
    status:
      description: V(ok), V(locked), V(in_preview), or V(absent) in check mode.
      type: str
      returned: success
      sample: ok
    type:
      description: V(regular) for those that can be backed up.
      type: str
      returned: success
      sample: regular
    date:
      description: When it was made, ISO 8601.
      type: str
      returned: success
      sample: "2026-11-23T01:00:05+00:00"
    memory:
      description: Whether the guest's memory is saved with it.
      type: bool
      returned: success
      sample: false
ovf:
  description:
    - The OVF document. It gives disk sizes in whole GiB, and no storage domains.
    - A processing instruction follows it, which XML parsers ignore, with what the configuration lacks or garbles. These are the
      cloud-init settings, the CPU shares, the disk profiles, and whether a guest agent answered.
    - It can contain secrets, such as scripts and keys for the guest, and the contents of its TPM. C(no_log) keeps it out of the log.
  returned: success
  type: str
  sample: <?xml version="1.0" encoding="UTF-8"?><ovf:Envelope ...
ovf_sha256:
  description:
    - SHA-256 of RV(ovf) in UTF-8, in hexadecimal; the option
      O(ovirt_community.backup.backup_set#module:ovf_sha256) of M(ovirt_community.backup.backup_set).
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
seconds:
  description: Seconds that the task took.
  returned: success
  type: float
  sample: 0.21
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_ovf_info import (
    VmOvfInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    engine_args,
    snapshots_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=engine_args.engine_spec(**snapshots_args.VM_OVF_INFO),
        supports_check_mode=True,
    )
    edge.run(
        module,
        lambda params: VmOvfInfo(
            connect(engine_args.settings(params)),
            SystemClock(),
            engine_args.patience(params),
            snapshots_args.vm_ovf_info_request(params),
        ),
    )


if __name__ == "__main__":
    main()
