# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firmware of this machine says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
        System,
    )


def machine(host: System) -> str:
    """Return the system UUID: from SMBIOS, or from the device tree on POWER. Empty if neither can be read."""
    places = (
        f"{host.sys}/class/dmi/id/product_uuid",
        f"{host.paths.proc}/device-tree/vm,uuid",
    )
    return next(filter(None, map(_read, places)), "")


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(100).strip(" \0\n").lower()
    except OSError:
        return ""
