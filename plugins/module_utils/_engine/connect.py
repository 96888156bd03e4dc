# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open an engine."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineUntrusted,
    MissingDependency,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import sdk
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.engine import (
    V4Engine,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.settings import (
        EngineSettings,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        BackupEngine,
        EnginePort,
    )


def connect(settings: EngineSettings) -> BackupEngine:
    """Return an engine with these settings. The first call logs in.

    Raises:
        MissingDependency: The SDK is not installed.
        EngineUntrusted: The CA file cannot be read.
    """
    return connect_v4(settings)


def connect_v4(settings: EngineSettings) -> EnginePort:
    """Make an engine over API v4, which can do everything. The login happens with the first call.

    Raises:
        MissingDependency: The SDK is not installed.
        EngineUntrusted: The CA file cannot be read.
    """
    if sdk.MISSING is not None:
        raise MissingDependency(
            f"The oVirt SDK cannot be imported by {sys.executable}: {sdk.MISSING}.",
            hint="Install ovirt-engine-sdk-python (at least 4.6.0) and libxml2 there.",
        )
    if settings.ca_file and not settings.insecure and not os.access(settings.ca_file, os.R_OK):
        raise EngineUntrusted(
            f"The CA file {settings.ca_file!r} cannot be read.",
            hint="Its path is one on the host where the module runs, or inside the execution"
            " environment.",
            details={"ca_file": settings.ca_file},
        )
    return V4Engine(settings)
