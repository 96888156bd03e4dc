# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Say of a module that roles run it, and that people rarely need it: one part for each role."""

    VM_BACKUP = r"""
options: {}
notes:
  - The role P(ovirt_community.backup.vm_backup#role) runs this module as one step of a backup. You rarely need it directly.
"""

    VM_RESTORE = r"""
options: {}
notes:
  - The role P(ovirt_community.backup.vm_restore#role) runs this module as one step of a restore. You rarely need it directly.
"""
