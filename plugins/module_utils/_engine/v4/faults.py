# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert what the SDK raises to our errors. The only file that reads the engine's faults."""

from __future__ import annotations

import re
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineConflict,
    EngineError,
    EngineFault,
    EngineNotFound,
    EnginePermission,
    EngineUnavailable,
    EngineUntrusted,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import conflicts
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import login, pages
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import ovirtsdk4

if TYPE_CHECKING:
    from collections.abc import Iterator

_CERTIFICATE = re.compile(r"certificate|SSL peer|self.signed|CA cert|CAfile", re.IGNORECASE)
_EXPIRED = re.compile(r"certificate (has expired|is not yet valid)", re.IGNORECASE)
"""What OpenSSL says of an invalid date in a certificate, in the words that libcurl passes on."""
_TRANSPORT = re.compile(
    r"Error while sending HTTP request|Failed to read response|certificate", re.IGNORECASE
)
_CURL = re.compile(r"\((?:<[^>]*>, )?\d+, (['\"])(.*)\1\)")
"""How the SDK prints an error of libcurl; the second group is the readable part."""
_INSUFFICIENT = "insufficient_query"


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Run SDK calls; what they raise becomes an ``EngineError``.

    Args:
        action: What is being done, to begin the message with ("attach disk X to VM Y").
    """
    try:
        yield
    except ovirtsdk4.Error as exc:
        raise convert(exc, action) from exc


def convert(exc: ovirtsdk4.Error, action: str) -> EngineError:
    """Choose the class for an SDK error (docs/engine.md#the-python-sdk) and write its message."""
    if _never_answered(exc):
        return _unreachable(exc, action)
    if exc.code in (None, HTTPStatus.UNAUTHORIZED) or exc.fault is None:
        return _without_fault(exc, action)
    if exc.code == HTTPStatus.FORBIDDEN:
        return _permission(exc, action)
    return _fault(exc, action)


def _never_answered(exc: ovirtsdk4.Error) -> bool:
    """Tell whether the request failed on the way.

    The SDK has classes for only some of these failures; a certificate that cannot be verified is a
    plain error without a status.
    """
    text = _first_line(exc)
    return isinstance(exc, (ovirtsdk4.ConnectionError, ovirtsdk4.TimeoutError)) or (
        exc.code is None and bool(_TRANSPORT.search(text))
    )


def _fault(exc: ovirtsdk4.Error, action: str) -> EngineError:
    meaning = conflicts.meaning_of(exc.fault.detail)
    words = conflicts.clean(exc.fault.detail) or str(exc.fault.reason)
    message = f"Could not {action}: {words}"
    if exc.code == HTTPStatus.NOT_FOUND:
        return EngineNotFound(
            message,
            hint="It was removed meanwhile, or the user has no role on it.",
            details=_details(exc),
        )
    if meaning.reason == _INSUFFICIENT:
        return _permission(exc, action)
    kind = EngineConflict if exc.code == HTTPStatus.CONFLICT else EngineFault
    return kind(
        message,
        reason=meaning.reason,
        retryable=meaning.retryable,
        hint=meaning.hint,
        details=_details(exc),
    )


def _permission(exc: ovirtsdk4.Error, action: str) -> EnginePermission:
    words = conflicts.clean(exc.fault.detail)
    return EnginePermission(
        f"The user may not {action}: {words}",
        hint="docs/permissions.md lists the permits that each call needs.",
        details=_details(exc),
    )


def _without_fault(exc: ovirtsdk4.Error, action: str) -> EngineError:
    """Return the error for an answer without a fault: a login, an empty body, a proxy's page."""
    if exc.code == HTTPStatus.NOT_FOUND:
        return EngineNotFound(
            f"Could not {action}: not found.",
            hint="If it should be there, check the URL: an engine's API is at"
            " https://ENGINE/ovirt-engine/api.",
            details=_details(exc),
        )
    if exc.code == HTTPStatus.FORBIDDEN:
        return EnginePermission(f"The user may not {action}.", details=_details(exc))
    if isinstance(exc, ovirtsdk4.AuthError) or exc.code == HTTPStatus.UNAUTHORIZED:
        return login.refused(_first_line(exc), _details(exc))
    if _first_line(exc).startswith(pages.ENGINES_OWN):
        return _stumbled(exc, action)
    return EngineUnavailable(
        f"Could not {action}: not an engine's answer ({_first_line(exc)}).",
        hint="Something between here and the engine answered in its place, or the URL is wrong.",
        details=_details(exc),
    )


def _stumbled(exc: ovirtsdk4.Error, action: str) -> EngineFault:
    """Return the error for a failure of the engine's own code, as its web server reports it."""
    return EngineFault(
        f"Could not {action}: the engine failed on the request ({_first_line(exc)}).",
        reason=conflicts.UNKNOWN.reason,
        retryable=False,
        hint="Check engine.log and server.log on the engine's host.",
        details=_details(exc),
    )


def _unreachable(exc: ovirtsdk4.Error, action: str) -> EngineUnavailable:
    text = _readable(_first_line(exc))
    if _EXPIRED.search(text):
        return EngineUntrusted(
            f"The engine's certificate is not valid today ({text}).",
            hint="Renew it on the engine's host with engine-setup --offline, or correct the clock of the host"
            f" where this runs. Another {option('auth', '.ca_file')} does not help.",
            details=_details(exc),
        )
    if _CERTIFICATE.search(text):
        return EngineUntrusted(
            f"The engine's certificate could not be verified ({text}).",
            hint=f"Set {option('auth', '.ca_file')} (or OVIRT_CAFILE) to the CA of this engine; it is served at"
            " /ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA.",
            details=_details(exc),
        )
    return EngineUnavailable(
        f"Could not {action}: the engine cannot be reached ({text}).",
        hint="Check the URL, the network, and that the engine runs.",
        details=_details(exc),
    )


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".")


def _readable(text: str) -> str:
    found = _CURL.search(text)
    return found.group(2) if found else text


def _details(exc: ovirtsdk4.Error) -> dict[str, Any]:
    fault = exc.fault
    return {
        "status": exc.code,
        "fault": {"reason": fault.reason, "detail": fault.detail} if fault is not None else None,
    }
