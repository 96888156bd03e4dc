# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API v4 through the SDK: every port, each implemented by a class of its own."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.configurations import (
    V4Configurations,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.disks import (
    V4Attachments,
    V4Disks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.events import (
    V4Events,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.permissions import (
    V4Permissions,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.restores import (
    V4DiskOrders,
    V4Targets,
    V4VmOrders,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.session import (
    V4Session,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.snapshots import (
    V4SnapshotOrders,
    V4Snapshots,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.vms import (
    V4Vms,
)


class V4Engine(
    V4Session,
    V4Vms,
    V4Disks,
    V4Attachments,
    V4Snapshots,
    V4SnapshotOrders,
    V4Events,
    V4Configurations,
    V4Permissions,
    V4Targets,
    V4DiskOrders,
    V4VmOrders,
):
    """An engine reached over API v4: the implementation of ``ports.EnginePort``."""
