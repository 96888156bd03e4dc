# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Share the modules that Ansible packs among the runs of a test session: to pack one takes a third of a second."""

from __future__ import annotations

import os
from pathlib import Path

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: packed
type: notification
short_description: Share packed modules
description: Keep packed modules in the directory named by SUPPORT_PACKED, where other runs find them.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc, unused-ignore]
    """Replace the directory of packed modules before the first task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "packed"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        local: str = constants.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined, unused-ignore]
        own = Path(local, "ansiballz_cache")
        own.symlink_to(os.environ["SUPPORT_PACKED"])
