# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of errors: its codes are stable, because playbooks test them."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import errors
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan

CODES = {
    "BackupError": "backup_error",
    "InvalidRequest": "invalid_request",
    "MissingDependency": "missing_dependency",
    "NotFound": "not_found",
    "Ambiguous": "ambiguous",
    "Refused": "refused",
    "WaitTimeout": "timeout",
    "EngineError": "engine_error",
    "EngineUnavailable": "engine_unavailable",
    "EngineUntrusted": "engine_untrusted",
    "EngineLoginError": "engine_login",
    "EnginePermission": "engine_permission",
    "EngineNotFound": "engine_not_found",
    "EngineFault": "engine_fault",
    "EngineConflict": "engine_conflict",
    "OperationFailed": "operation_failed",
    "DeviceError": "device_error",
    "DeviceNotFound": "device_not_found",
    "DeviceAmbiguous": "device_ambiguous",
    "DeviceMismatch": "device_mismatch",
    "DeviceBusy": "device_busy",
    "DeviceLost": "device_lost",
    "ImageError": "image_error",
    "NoSpace": "no_space",
    "ImageMismatch": "image_mismatch",
    "ImageExists": "image_exists",
    "ToolFailed": "tool_failed",
    "ImageBusy": "image_busy",
    "ManifestInvalid": "manifest_invalid",
}


def tree(root: type[errors.BackupError]) -> Iterator[type[errors.BackupError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def test_codes_are_stable_and_no_two_errors_have_one() -> None:
    found = {kind.__name__: kind.code for kind in tree(errors.BackupError)}
    assert found.items() >= CODES.items()
    assert len(set(found.values())) == len(found)


def test_the_tree_in_the_text_is_the_tree() -> None:
    for kind in tree(errors.BackupError):
        assert kind.__name__ in str(errors.__doc__)


def test_parts_of_an_error() -> None:
    details = {"a": 1}
    error = errors.BackupError("It broke.", hint="Mend it.", details=details)
    error.details["b"] = 2
    assert (str(error), error.message, error.hint) == ("It broke.", "It broke.", "Mend it.")
    assert details == {"a": 1}, "what was handed in is not changed"
    assert errors.BackupError("It broke.").details == {}


def test_a_fault_tells_its_reason_to_machines_too() -> None:
    fault = errors.EngineConflict(
        "No.", reason="vm_locked", retryable=True, details={"status": 409}
    )
    assert isinstance(fault, errors.EngineFault)
    assert (fault.reason, fault.retryable) == ("vm_locked", True)
    assert fault.details == {"status": 409, "reason": "vm_locked"}
    assert errors.EngineFault("No.").details == {"reason": "unknown"}
    assert not errors.EngineFault("No.").retryable


def test_a_plan_without_steps_changes_nothing() -> None:
    assert not Plan(waits=True).changed
    assert Plan(steps=(object(),)).changed
