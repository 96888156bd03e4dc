# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks for, before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
)

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to look."""

    wait: bool = True
    timeout: float = 180.0
    poll_interval: float = 3.0


@dataclass(frozen=True)
class AttachRequest:
    """Attach disks of one snapshot to an appliance."""

    appliance: str
    source: str
    snapshot: str
    disks: tuple[str, ...] = ()
    settings: AttachSettings = field(default_factory=AttachSettings)
    replace: bool = False
    checkpoints: str = "refuse"


@dataclass(frozen=True)
class DetachRequest:
    """Detach disks, all of one snapshot, or everything, but for the disks to ``keep``."""

    appliance: str
    disks: tuple[str, ...] = ()
    source: str | None = None
    snapshot: str | None = None
    everything: bool = False
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class SnapshotRequest:
    """Have, or not have, a snapshot of a VM; ``snapshot`` is an id or a description."""

    vm: str
    snapshot: str
    present: bool
    disks: tuple[str, ...] = ()
    memory: bool = False
    correlation_id: str = ""


@dataclass(frozen=True)
class InfoRequest:
    """Look at an appliance, at a snapshot, or at both."""

    appliance: str | None = None
    source: str | None = None
    snapshot: str | None = None


@dataclass(frozen=True)
class OvfRequest:
    """The configuration of a VM, now or in a snapshot."""

    vm: str
    snapshot: str | None = None


@dataclass(frozen=True)
class OverviewRequest:
    """Look at what a backup of these VMs through this appliance would be.

    ``run_id`` and ``started`` name the run; ``lease_hours`` is how long its snapshots may stand.
    ``settle`` is for how many seconds snapshots of other runs are waited for that the engine makes or merges.
    """

    appliance: str
    sources: tuple[str, ...]
    owner: str
    run_id: str
    started: datetime
    lease_hours: float = 24.0
    checkpoints: str = "refuse"
    unplugged: str = "refuse"
    check_permissions: bool = True
    settle: float = 0.0


@dataclass(frozen=True)
class GuardRequest:
    """May these operations be done to a VM now?

    ``waited``: seconds that earlier calls of the same wait took.
    """

    vm: str
    operations: tuple[str, ...]
    fail: bool = True
    waited: float = 0.0
