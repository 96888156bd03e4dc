# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a machine is the appliance: another one never counts as it, and a missing comparison is never fine."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import identity

VM = "0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001"
SWAPPED = str(uuid.UUID(bytes_le=uuid.UUID(VM).bytes))


@pytest.mark.parametrize("machine", [VM, VM.upper(), SWAPPED])
def test_the_appliance(machine: str) -> None:
    for mode in identity.MODES:
        assert identity.doubt(machine, VM, mode) is None


@given(st.uuids(), st.uuids())
def test_another_machine(machine: uuid.UUID, vm: uuid.UUID) -> None:
    same = vm in (machine, uuid.UUID(bytes_le=machine.bytes))
    for mode in (identity.COMPARE, identity.REQUIRE):
        found = identity.doubt(str(machine), str(vm), mode)
        assert (found is None) == same
        assert found is None or (found.fatal and str(vm) in found.message)


@pytest.mark.parametrize(("mode", "fatal"), [(identity.COMPARE, False), (identity.REQUIRE, True)])
def test_a_machine_that_shows_nothing(mode: str, fatal: bool) -> None:
    found = identity.doubt("", VM, mode)
    assert found is not None
    assert found.fatal is fatal
    assert "Cannot tell" in found.message
    assert "ansible_host" in found.remedy


def test_what_is_not_compared() -> None:
    assert identity.doubt("", VM, identity.IGNORE) is None
    assert identity.doubt("Not Settable", VM, identity.IGNORE) is None
    assert identity.doubt(VM, "", identity.REQUIRE) is None


def test_what_is_no_uuid_is_compared_as_text() -> None:
    assert identity.doubt("serial 1", "serial 1", identity.COMPARE) is None
    found = identity.doubt("Not Settable", VM, identity.COMPARE)
    assert found is not None
    assert found.fatal
