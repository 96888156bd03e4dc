# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Share the modules that Ansible packs among the runs of a test session: to pack one takes a third of a second.

Each run works on a directory of its own: Ansible locks a module while it packs it, and a test may stop a run then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: packed
type: notification
short_description: Share packed modules
description: Take packed modules from the directory named by SUPPORT_PACKED, and leave those of this run there at its end.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc, unused-ignore]
    """Fill the directory of packed modules before the first task, and share it after the last."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "packed"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        local: str = constants.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined, unused-ignore]
        self._own = Path(local, "ansiballz_cache")
        self._shared = Path(os.environ["SUPPORT_PACKED"])
        self._own.mkdir(exist_ok=True)
        _link(self._shared, self._own)

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ANN401, ARG002  Ansible's
        """Share what this run packed."""
        _link(self._own, self._shared)


def _link(source: Path, dest: Path) -> None:
    """Link each packed module that is whole; Ansible replaces these files and never writes into them."""
    for found in source.iterdir():
        if found.suffix == ".lock" or found.name.endswith("-part"):
            continue
        with suppress(FileExistsError, FileNotFoundError):
            (dest / found.name).hardlink_to(found)
