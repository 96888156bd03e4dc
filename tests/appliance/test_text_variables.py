# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup whose variables all come as text, as ``-e name=value`` and a survey give them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from appliance.site import Site

from lab.lab import Lab
from lab.model import Settings
from lab.world import DEFAULT_VMS

SPECIFICATION = Path(__file__).resolve().parents[2] / "roles/vm_backup/meta/argument_specs.yml"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A lab in which db01 alone can be backed up."""
    vms = [spec for spec in DEFAULT_VMS if spec.name == "db01"]
    with Lab(tmp_path / "lab", vms=vms, settings=Settings(witness=True)) as lab:
        found = Site(lab, tmp_path)
        try:
            yield found
        finally:
            found.close()


def as_text(value: Any) -> str:  # noqa: ANN401 - YAML
    """Return a default, as a person types it."""
    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def test_every_variable_as_text(site: Site) -> None:
    options = yaml.safe_load(SPECIFICATION.read_text("utf-8"))["argument_specs"]["main"]["options"]
    texts = {
        name: as_text(option["default"])
        for name, option in options.items()
        if "default" in option and "{{" not in str(option["default"])
    }
    texts["ovirt_backup_auth"] = json.dumps(site.lab.auth())
    # One VM, by name and by id; two lines.
    texts["vm_backup_vms"] = f"db01, {site.lab.vm('db01').id}\n"
    texts["vm_backup_space_factor"] = "1"
    backup = site.back_up(**texts)
    assert backup.ends() == 0, backup.text
    assert backup.text.count("db01: OK") == 1

    # The room was not looked at, whatever the text said.
    full = site.back_up(**{**texts, "vm_backup_space_factor": "1000000"})
    assert full.ends() != 0
    assert "bytes are free" in full.text
    wrong = site.back_up(**{**texts, "vm_backup_space_factor": "half"})
    assert wrong.ends() != 0
    assert "vm_backup_space_factor" in wrong.text
    assert "unable to convert to float" in wrong.text
