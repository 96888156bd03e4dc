# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a value arrived as it was made.

Values travel from task to task through results of modules. Ansible replaces the text of a secret
wherever it occurs in a result: with the password ``ovirt`` a network becomes ``********mgmt``. Our
modules return results unmasked (``_module/edge.py``). This file checks the other end, before
anything is stored or looked up: a digest for the configuration, which may hold any text; for all
other values, the two marks that masking leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ValueMasked,
)

MARKS = ("********", "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER")
"""What Ansible writes in place of a secret (``remove_values``): for part of a text, for all of
it."""

_CAUSE = (
    "Ansible writes asterisks where the text of a secret occurs in a result, such as the password of"
    " the login. Choose a password that does not occur in a name, a size or another common word."
)


def digest(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_digest(name: str, text: str, sha256: str) -> None:
    """Refuse a text that differs from the one that was sent.

    Args:
        sha256: The ``digest`` of the text where it was made.

    Raises:
        ValueMasked: The digests differ.
    """
    if digest(text) != sha256:
        raise ValueMasked(
            f"{name} was changed before it reached the module. Nothing was stored.",
            hint=_CAUSE if masked(text) or masked(sha256) else f"Pass {name} unchanged.",
            details={"values": [name]},
        )


def check_unmasked(values: Mapping[str, object]) -> None:
    """Refuse values that have a mark of masking.

    Raises:
        ValueMasked: ``details["values"]`` has the paths of all such values.
    """
    found = sorted(path for name, value in values.items() for path in _masked_paths(name, value))
    if found:
        raise ValueMasked(
            f"Ansible masked part of: {', '.join(found)}. Nothing was stored or changed.",
            hint=_CAUSE,
            details={"values": found},
        )


def masked(text: str) -> bool:
    """Tell whether a text has a mark of masking."""
    return any(mark in text for mark in MARKS)


def _masked_paths(path: str, value: object) -> list[str]:
    if isinstance(value, str):
        return [path] if masked(value) else []
    if isinstance(value, Mapping):
        parts = [(f"{path}.{key}", one) for key, one in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        parts = [(f"{path}[{index}]", one) for index, one in enumerate(value)]
    else:
        return []
    return [found for name, one in parts for found in _masked_paths(name, one)]
