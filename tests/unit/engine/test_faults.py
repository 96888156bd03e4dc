# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that the SDK itself raises, and what they become."""

from __future__ import annotations

import json

import ovirtsdk4
import pytest
from ovirtsdk4 import http, types
from ovirtsdk4.service import Service

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import errors
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    convert,
    translated,
)

DEED = "attach disk 1 to VM 2"
LOCKED = (
    "[Cannot attach Virtual Disk. Related operation is currently in progress. Please try again"
    " later.]"
)


def raised(
    status: int, detail: str | None = None, *, reason: str = "Operation Failed", body: str = ""
) -> ovirtsdk4.Error:
    """Return the error that the SDK makes of an answer; without a fault, of a body that is none."""
    answer = http.Response(body=body, code=status, message="")
    fault = None if detail is None else types.Fault(reason=reason, detail=detail or None)
    with pytest.raises(ovirtsdk4.Error) as caught:
        Service._raise_error(answer, fault or body)
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (raised(409, LOCKED), errors.EngineConflict),
        (raised(409, "[Something new.]"), errors.EngineConflict),
        (raised(400, "[Failed to hot-plug disk]"), errors.EngineFault),
        (raised(500, "[General command validation failure.]"), errors.EngineFault),
        (raised(404, "Entity not found: GetSnapshotBySnapshotId"), errors.EngineNotFound),
        (raised(404), errors.EngineNotFound),
        (raised(403, "[User is not authorized to perform this action.]"), errors.EnginePermission),
        (raised(403), errors.EnginePermission),
        (
            raised(400, "query execution failed due to insufficient permissions."),
            errors.EnginePermission,
        ),
        (raised(401), errors.EngineLoginError),
        (raised(401, "[The user is not authenticated.]"), errors.EngineLoginError),
        (
            ovirtsdk4.AuthError("Error during SSO authentication access_denied : Cannot auth"),
            errors.EngineLoginError,
        ),
        (raised(503, body="<html>Service Unavailable</html>"), errors.EngineUnavailable),
        (raised(502), errors.EngineUnavailable),
        (ovirtsdk4.Error("java.lang.NullPointerException", code=500), errors.EngineFault),
        (ovirtsdk4.Error("Service Unavailable", code=503), errors.EngineUnavailable),
        (ovirtsdk4.NotFoundError("RESTEASY003210", code=404), errors.EngineNotFound),
        (raised(400), errors.EngineUnavailable),
        (
            ovirtsdk4.Error("The response content type 'text/html' isn't the expected XML"),
            errors.EngineUnavailable,
        ),
        (ovirtsdk4.ConnectionError("Connection refused"), errors.EngineUnavailable),
        (ovirtsdk4.TimeoutError("Operation timed out"), errors.EngineUnavailable),
        (
            ovirtsdk4.ConnectionError("SSL certificate problem: self-signed certificate"),
            errors.EngineUntrusted,
        ),
        (
            ovirtsdk4.Error("SSL peer certificate or SSH remote key was not OK"),
            errors.EngineUntrusted,
        ),
    ],
)
def test_each_has_its_own_class(error: ovirtsdk4.Error, kind: type[errors.EngineError]) -> None:
    found = convert(error, DEED)
    assert found.__class__ is kind
    assert found.details["status"] == error.code
    assert found.message
    json.dumps(found.details)


def test_a_refusal_in_the_engines_words_with_what_was_being_done() -> None:
    found = convert(raised(409, LOCKED), DEED)
    assert isinstance(found, errors.EngineConflict)
    assert found.message == (
        "Could not attach disk 1 to VM 2: Cannot attach Virtual Disk. Related operation is"
        " currently in progress. Please try again later."
    )
    assert (found.reason, found.retryable) == ("object_locked", True)
    assert found.details == {
        "status": 409,
        "reason": "object_locked",
        "fault": {"reason": "Operation Failed", "detail": LOCKED},
    }


def test_a_hint_of_the_table_is_handed_on() -> None:
    found = convert(raised(409, "[Cannot attach Virtual Disk. VirtIO-SCSI is disabled]"), DEED)
    assert found.hint == ""
    found = convert(raised(409, "[P. VirtIO-SCSI is disabled for the VM]"), DEED)
    assert found.hint.startswith("Enable VirtIO-SCSI")


def test_a_fault_without_detail_gives_its_reason() -> None:
    found = convert(raised(400, "", reason="Invalid value"), DEED)
    assert found.message == "Could not attach disk 1 to VM 2: Invalid value"


def test_a_missing_permission_names_the_deed() -> None:
    detail = "[User is not authorized to perform this action.]"
    found = convert(raised(403, detail), DEED)
    assert found.message.startswith("The user may not attach disk 1 to VM 2")
    assert "docs/permissions" in found.hint
    assert convert(raised(403), DEED).message == "The user may not attach disk 1 to VM 2."


def test_what_to_do_about_an_unknown_certificate() -> None:
    found = convert(ovirtsdk4.ConnectionError("SSL certificate problem"), DEED)
    assert "auth.ca_file" in found.hint
    assert "pki-resource" in found.hint


def test_only_the_first_line_of_what_was_said_is_shown() -> None:
    found = convert(ovirtsdk4.ConnectionError("Connection refused.\nsecond\nthird"), DEED)
    assert "(Connection refused)" in found.message
    assert "second" not in found.message
    assert "(ConnectionError)" in convert(ovirtsdk4.ConnectionError(""), DEED).message


def test_errors_of_the_sdk_are_translated_and_others_pass() -> None:
    with translated(DEED):
        pass
    original = raised(409, LOCKED)
    with pytest.raises(errors.EngineConflict) as caught, translated(DEED):
        raise original
    assert caught.value.__cause__ is original
    with pytest.raises(ZeroDivisionError), translated(DEED):
        raise ZeroDivisionError
