# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error of this collection, in one tree.

The modules' edge catches ``BackupError`` in one place and hands ``code``, ``hint`` and
``details`` to the user beside the message. Codes are stable: playbooks may test them.

::

    BackupError
    |-- InvalidRequest          the request is contradictory or impossible; nothing was tried
    |-- MissingDependency       a library or a program is not installed
    |-- ValueMasked             a value was changed on its way; nothing was stored
    |-- NotFound                a name or an id matches nothing
    |-- Ambiguous               a name matches several
    |-- Refused                 a rule forbids it (_core/rules/rules.py); nothing was changed
    |-- VmClaimed               another run is working on this VM; nothing was begun
    |-- WaitTimeout             a state was not reached in time
    |-- ApplianceUnavailable    the connection to the appliance was lost, or there was none
    |-- EngineError
    |   |-- EngineUnavailable   no answer, or not from an engine
    |   |   `-- EngineUntrusted the certificate could not be verified
    |   |-- EngineLoginError    user or password refused, session ended
    |   |-- EnginePermission    the user may not do this
    |   |-- EngineNotFound      404
    |   `-- EngineFault         the engine refused; ``retryable`` tells whether waiting can help
    |       `-- EngineConflict  the engine's state forbids the call now (409)
    |-- OperationFailed         the engine accepted the call and did something else
    |-- IsolationFailed         a program acts on an attached disk
    |-- DeviceError
    |   |-- DeviceNotFound, DeviceAmbiguous, DeviceMismatch, DeviceBusy, DeviceLost
    `-- ImageError
        |-- NoSpace, ImageMismatch, ImageExists, ImageBusy, ToolFailed, CopyDied
        |-- SetsCorrupt         sets of a repository differ from what was backed up
        |-- ManifestInvalid     not a manifest, or of an unknown version
        `-- OvfInvalid          not a VM configuration, or one that could do harm
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    told,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class BackupError(Exception):
    """An error that the user should read.

    Args:
        message: One sentence that says what happened. Options are marked in it, see
            _core/common/options.py.
        hint: What to do about it; may be empty. Options are marked in it too.
        details: Facts for programs (JSON types only).
    """

    code = "backup_error"

    def __init__(
        self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(told(message))
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def as_result(self) -> dict[str, Any]:
        """Return the result keys of a failed task: ``msg``, ``error_code``, ``hint``, ``details``.

        Some sentences of the engine end without a dot. One is added before the hint.
        """
        end = "." if self.hint and not self.message.endswith((".", "!", "?", "]")) else ""
        return {
            "msg": f"{self.message}{end} {self.hint}".strip(),
            "error_code": self.code,
            "hint": self.hint,
            "details": self.details,
        }


class InvalidRequest(BackupError):
    """The parameters contradict each other or name something impossible."""

    code = "invalid_request"


class ValueMasked(BackupError):
    """A value was changed on its way between two tasks, usually because it contains a secret that Ansible masked.

    ``details["values"]`` names the values, never the secret.
    """

    code = "value_masked"


class MissingDependency(BackupError):
    """A required Python library or program is not installed."""

    code = "missing_dependency"


class NotFound(BackupError):
    """No object has this name or id."""

    code = "not_found"


class Ambiguous(BackupError):
    """Several objects have this name; ``details["matches"]`` lists them."""

    code = "ambiguous"


class Refused(BackupError):
    """A rule or a check forbids the operation.

    ``details`` lists every reason, under ``violations`` or ``problems``.
    """

    code = "refused"


class VmClaimed(BackupError):
    """Another run is working on this VM through this appliance; ``details["claim"]`` says which, and since when."""

    code = "vm_claimed"


class WaitTimeout(BackupError):
    """A state was not reached in time; ``details`` has the last state and the seconds waited."""

    code = "timeout"


class ApplianceUnavailable(BackupError):
    """Ansible cannot reach the appliance. The task fails like any other, so ``rescue`` and ``always`` run."""

    code = "appliance_unavailable"


class EngineError(BackupError):
    """The engine, or the connection to it, refused the call or failed.

    ``details`` may have ``status`` (the HTTP status) and ``fault`` (the engine's own words).
    """

    code = "engine_error"


class EngineUnavailable(EngineError):
    """The engine did not answer, or something else did (a proxy's error page)."""

    code = "engine_unavailable"


class EngineUntrusted(EngineUnavailable):
    """The engine's certificate was not issued by the given CA, or is not valid today."""

    code = "engine_untrusted"


class EngineLoginError(EngineError):
    """The engine refused the user, password or token, or the user may not log in."""

    code = "engine_login"


class EnginePermission(EngineError):
    """The user is known but may not do this."""

    code = "engine_permission"


class EngineNotFound(EngineError):
    """The engine knows no object at this address."""

    code = "engine_not_found"


class EngineFault(EngineError):
    """The engine answered and refused the call.

    Args:
        reason: Key of ``conflicts.TABLE``, or ``unknown``.
        retryable: Whether waiting can help (docs/engine.md#refusals-that-pass).
    """

    code = "engine_fault"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "unknown",
        retryable: bool = False,
        hint: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, details={**(details or {}), "reason": reason})
        self.reason = reason
        self.retryable = retryable


class EngineConflict(EngineFault):
    """The state of the engine forbids the call now (HTTP 409)."""

    code = "engine_conflict"


class OperationFailed(BackupError):
    """The engine accepted the call and then did not do what it asked for."""

    code = "operation_failed"


class IsolationFailed(BackupError):
    """A program on the appliance acted, or would act, on a disk that is not the appliance's own.

    ``details["checks"]`` lists what was checked and what was seen.
    """

    code = "isolation_failed"


class DeviceError(BackupError):
    """A block device of the appliance is not as it must be."""

    code = "device_error"


class DeviceNotFound(DeviceError):
    """No device has this serial."""

    code = "device_not_found"


class DeviceAmbiguous(DeviceError):
    """Several devices have this serial."""

    code = "device_ambiguous"


class DeviceMismatch(DeviceError):
    """The device does not have the expected size."""

    code = "device_mismatch"


class DeviceBusy(DeviceError):
    """The device is mounted, or something on the appliance has it open."""

    code = "device_busy"


class DeviceLost(DeviceError):
    """The device disappeared, had read errors, or gave fewer bytes than its size."""

    code = "device_lost"


class ImageError(BackupError):
    """An image file could not be written or is not what it should be."""

    code = "image_error"


class NoSpace(ImageError):
    """The repository's file system, or the storage of a new disk, is full."""

    code = "no_space"


class ImageMismatch(ImageError):
    """The image differs from the content of the device, or from what its record says."""

    code = "image_mismatch"


class ImageExists(ImageError):
    """A file with this name exists and is not the requested image."""

    code = "image_exists"


class ToolFailed(ImageError):
    """A program failed with an error that has no class of its own."""

    code = "tool_failed"


class ImageBusy(ImageError):
    """Another run is writing this image now."""

    code = "image_busy"


class CopyDied(ImageError):
    """The copying process was killed, or ended without a result."""

    code = "copy_died"


class SetsCorrupt(ImageError):
    """A verification found faults, or knows of earlier ones; ``details["corrupt"]`` names each set and its faults."""

    code = "sets_corrupt"


class ManifestInvalid(ImageError):
    """A manifest does not match its schema, or has a version that this release does not know."""

    code = "manifest_invalid"


class OvfInvalid(ImageError):
    """A VM configuration was not written by an engine, or could do harm."""

    code = "ovf_invalid"
