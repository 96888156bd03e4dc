#!/usr/bin/python
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_repository_report
short_description: Draw a repository of backup sets as a page
version_added: 0.1.0
description:
  - Writes one HTML page that shows the VMs of a repository, their sets over time, sizes, verifications, and problems, the worst
    first.
  - A VM that M(ovirt_community.backup.backup_vm) recorded, and that has no set, is red. A retired VM is never overdue. Without any
    record the page is not green.
  - Runs on the appliance, as root (C(become)).
  - The page needs no server, loads nothing and runs no scripts. It follows the light or dark mode of the browser. It always shows
    names as plain text.
author:
  - ovirt_community.backup contributors (@ovirt-community)
options:
  repository:
    description:
      - Absolute path of the directory that contains the backup sets.
    type: path
    required: true
  dest:
    description:
      - Absolute path of the page. The user must own its directory, and no other user may write there.
      - By default C(index.html) in the repository.
    type: path
  title:
    description:
      - Heading of the page. By default it names the repository.
    type: str
  overdue_hours:
    description:
      - A VM is overdue if the data of its newest good set is older than this many hours. Retired VMs are never overdue.
    type: float
    default: 26.0
  verify_days:
    description:
      - A VM counts as not verified if no set of it was verified successfully within this many days.
    type: float
    default: 30.0
extends_documentation_fragment:
  - ovirt_community.backup.attributes
attributes:
  idempotent:
    support: none
    details:
      - The page shows when it was written, so that readers notice an outdated page. Each run writes it again.
seealso:
  - module: ovirt_community.backup.backup_vm
  - module: ovirt_community.backup.backup_set_info
  - module: ovirt_community.backup.backup_set_verify
"""

EXAMPLES = r"""
- name: Draw the repository
  ovirt_community.backup.backup_repository_report:
    repository: /srv/backup
    title: Backups on backup01
  become: true
  register: report

- name: Fetch the page to the controller
  ansible.builtin.fetch:
    src: "{{ report.dest }}"
    dest: backups.html
    flat: true
  become: true
"""

RETURN = r"""
dest:
  description: Path of the page.
  returned: success
  type: str
  sample: /srv/backup/index.html
size:
  description: Size of the page in bytes.
  returned: success
  type: int
  sample: 18342
problems:
  description: Problems, one line each, the worst first.
  returned: success
  type: list
  elements: str
  sample:
    - "db01: overdue, the newest good set is of 2026-11-20T01:00:05Z"
totals:
  description: Number of VMs and sets, as RV(ovirt_community.backup.backup_set_info#module:totals).
  returned: success
  type: dict
  sample:
    vms: 2
    sets: 30
seconds:
  description: Seconds that the task took on the appliance.
  returned: success
  type: float
  sample: 0.1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_repository_report import (
    BackupRepositoryReport,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import (
    edge,
    repository_args,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=repository_args.BACKUP_REPOSITORY_REPORT, supports_check_mode=True
    )
    edge.run(
        module,
        lambda params: BackupRepositoryReport(
            repository_args.backup_repository_report_request(params)
        ),
    )


if __name__ == "__main__":
    main()
