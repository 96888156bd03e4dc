# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an appliance that was prepared still is: read, without running any program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    scan,
    survey,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    programs,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_preflight import (
    IsolationFacts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
        System,
    )


def isolation_facts(host: System) -> IsolationFacts:
    """Compare the recorded isolation with the present state."""
    noted = appliance_isolation.read_fact(programs.text(f"{host.etc}/{appliance_isolation.FACT}"))
    if not noted:
        return IsolationFacts()
    files = {path: programs.text(f"{host.etc}/{path}") for path in noted["files"]}
    found = appliance_isolation.digests({path: text or "" for path, text in files.items()})
    proof = noted.get("proof") or {}
    proven = proof.get("files") == noted["files"]
    return IsolationFacts(
        prepared=noted["prepared"],
        proven=proof["when"] if proven else "",
        proof=proof["kind"] if proven else "",
        altered=(
            *(f"{host.etc}/{path}" for path in files if found[path] != noted["files"][path]),
            *_gone(host, noted["devices_file"]),
        ),
        loose=_loose(host, noted),
    )


def _gone(host: System, devices_file: str) -> tuple[str, ...]:
    """Return LVM's devices file if it is missing: LVM uses every disk then."""
    path = f"{host.etc}/{devices_file}"
    return () if not devices_file or os.path.exists(path) else (path,)


def _loose(host: System, noted: Mapping[str, Any]) -> tuple[str, ...]:
    """Return disks that are neither in use, nor recorded as own, nor marked in udev's database."""
    own = [one["match"] for one in noted["own_disks"]]
    return tuple(
        disk.device.path
        for disk in survey.disks(host, scan.scan(host.paths), set())
        if not (disk.own or disk.isolated or appliance_isolation.is_own(disk, own))
    )
