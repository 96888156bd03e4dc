# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the names of options and variables that are times to "The public surface" in CONTRIBUTING.md."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ovirt_community.backup.plugins.doc_fragments.engine import (
    ModuleDocFragment,
)
from ansible_collections.ovirt_community.backup.plugins.lookup.variables import specifications
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import options

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
WAIT_FRAGMENT = "ovirt_community.backup.engine.wait"

Json = Any


@cache
def documented(module: str) -> dict[str, dict[str, Json]]:
    """Return the options of a module, those of the fragment included."""
    text = (ROOT / "plugins/modules" / f"{module}.py").read_text(encoding="utf-8")
    found = re.search(r'^DOCUMENTATION = r"""\n(.*?)"""', text, re.S | re.M)
    assert found
    docs = yaml.safe_load(found[1])
    waits = WAIT_FRAGMENT in docs["extends_documentation_fragment"]
    shared = yaml.safe_load(ModuleDocFragment.WAIT)["options"] if waits else {}
    return {**shared, **docs["options"]}


def test_there_are_modules_that_wait() -> None:
    """Else the tests below would test nothing."""
    assert sum("wait" in documented(module) for module in MODULES) > 5
    assert sum("timeout" in documented(module) for module in MODULES) > 6


@pytest.mark.parametrize("module", MODULES)
def test_wait_is_a_bool(module: str) -> None:
    found = documented(module)
    assert found.get("wait", {"type": "bool"})["type"] == "bool"
    assert [name for name in found if name.endswith("_wait")] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_timeout_is_of_the_whole_operation(module: str) -> None:
    """tests/contract/test_whole_time.py proves it."""
    found = documented(module)
    if "timeout" in found:
        assert "of the whole operation" in found["timeout"]["description"][0]


@pytest.mark.parametrize("module", MODULES)
def test_a_limit_is_no_time(module: str) -> None:
    assert documented(module).get("limit", {"type": "int"})["type"] == "int"


@pytest.mark.parametrize("unit", sorted(specifications()))
def test_no_variable_reads_like_a_bool_and_is_none(unit: str) -> None:
    assert [name for name in specifications()[unit] if re.search(r"_(wait|silence)$", name)] == []


def test_a_variable_has_the_name_of_its_option() -> None:
    """Of those that set a time limit."""
    wrong = [
        (module, option, variable)
        for module, found in options.VARIABLES.items()
        for option, variables in found.items()
        for variable in variables
        if option.endswith("timeout") and not variable.endswith(f"_{option}")
    ]
    assert wrong == []
