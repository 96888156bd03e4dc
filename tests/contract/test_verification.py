# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration that an engine writes passes the verification (docs/engine.md#configuration-of-a-vm)."""

from __future__ import annotations

from contract.bench import Bench
from unit.core.repository.test_catalogue import document

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set_verify,
    manifest,
)


def test_an_engines_configuration_agrees_with_the_disks(bench: Bench) -> None:
    snapshot_id = bench.snapshot()
    text = bench.engine.ovf(bench.source.id, snapshot_id)
    assert text is not None
    data = document(1, 0, bench.source.name)
    data["vm"]["id"] = bench.source.id
    [template] = data["disks"]
    data["disks"] = [
        {
            **template,
            "id": disk.disk_id,
            "alias": disk.alias,
            "file": f"{disk.disk_id}.qcow2",
            "format": "qcow2",
            "virtual_size": disk.virtual_size,
        }
        for disk in bench.disks(snapshot_id)
    ]
    findings = backup_set_verify.Findings()
    backup_set_verify.configuration(manifest.from_dict(data), text.encode(), findings)
    assert findings.faults == []
    assert findings.notes == []
    data["disks"][0]["virtual_size"] += 2 << 30
    backup_set_verify.configuration(manifest.from_dict(data), text.encode(), findings)
    assert findings.faults == []
    [note] = findings.notes
    assert f"says that the disk {data['disks'][0]['id']}" in note
