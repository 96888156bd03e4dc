# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation is true: examples run as written, and results have the keys that RETURN names."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.restorable import facts_of
from support.scene import Scene

Json = Any
ROOT = Path(__file__).resolve().parents[2]
CHANGES = {
    "vm_snapshot": [True, True],
    "disk_snapshot_attach": [True],
    "disk_snapshot_detach": [True, False],
    "disk_snapshot_info": [False, False],
    "vm_guard": [False, False],
    "vm_ovf_info": [False],
    "backup_plan_info": [False],
    "restore_plan_info": [False],
    "restored_disks": [True, True, False],
    "restored_vm": [True, True, False],
}
"""Whether each example changes something, one after the other."""


def documents(module: str) -> dict[str, Json]:
    """Return the documentation strings of a module, parsed."""
    source = ROOT / "plugins/modules" / f"{module}.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {
        ast.unparse(node.targets[0]): yaml.safe_load(ast.literal_eval(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }


def engine_modules() -> list[str]:
    """Return the modules of the action group."""
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    return list(runtime["action_groups"]["engine"])


def prepare(scene: Scene, module: str) -> dict[str, Json]:
    """Make what the examples take for granted; variables that they use."""
    if module.startswith("restore"):
        return prepare_restore(scene, module)
    if module == "vm_snapshot":
        return {}
    night = scene.snapshot()
    if module == "disk_snapshot_detach":
        scene.attach("web01_data", night)
        scene.attach("web01_system", night)
    return {}


def prepare_restore(scene: Scene, module: str) -> dict[str, Json]:
    """Return a set of web01, the plan to restore it, and, for the VM, its new disks."""
    text = scene.engine.ovf(scene.vm_id("web01"), None) or ""
    source = {"manifest": facts_of(scene.lab, "web01", text), "ovf": text}
    scene.control.add_profile("isolated")
    plan = scene.one("restore_plan_info", {"appliance": "backup01", **source}).result
    if module == "restored_vm":
        same = {key: plan[key] for key in ("restore_id", "run_id", "disks")}
        scene.one("restored_disks", {"state": "prepared", "appliance": "backup01", **same})
    return {"source": source, "plan": plan}


@pytest.mark.parametrize("module", engine_modules())
def test_examples(scene: Scene, tmp_path: Path, module: str) -> None:
    values = prepare(scene, module)
    known = documents(module)
    play = {"hosts": "localhost", "gather_facts": False, "tasks": known["EXAMPLES"], "vars": values}
    playbook = tmp_path / "examples.json"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    run = scene.ansible.playbook(scene.lab, playbook)
    assert run.status == 0, run.text
    assert run.complaints == []
    ours = [result for result in run.results if result.requests]
    assert len(run.results) == len(known["EXAMPLES"])
    assert [result.changed for result in ours] == CHANGES[module]
    for result in ours:
        assert result.keys - {"changed", "diff"} == set(known["RETURN"]), module
