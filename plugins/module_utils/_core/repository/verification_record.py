# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a verification: what was found when a set was read, kept beside the set.

``<set>.verified.json`` in the VM's directory. The set itself is never changed. A record speaks of one
manifest, by its hash; to any other manifest it says nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    parse_time,
    read_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

SUFFIX = ".verified.json"
FORMAT = "ovirt_community.backup.verification"
VERSION = 1
SIZE_LIMIT = 1024 * 1024
"""Bytes of the longest record that is read."""

OK = "ok"
CORRUPT = "corrupt"
FILES = "files"
"""Depth: the bytes of the files, and the structure of the images."""
CONTENT = "content"
"""Depth: also the bytes that a guest would see."""

_FAULTS_LIMIT = 64


@dataclass(frozen=True)
class SetFault:
    """What is wrong with one file of a set; the file is empty if it is the set as a whole."""

    file: str
    fault: str

    def text(self) -> str:
        """As one reads it in a sentence."""
        return f"{self.file} {self.fault}".strip()


@dataclass(frozen=True)
class VerificationRecord:
    """The outcome of one verification.

    Attributes:
        manifest_sha256: Of the manifest's bytes; the record is of no other.
        time: UTC, when it ended.
        notes: What is unusual, but no fault.
        tools: Versions of what looked.
    """

    run_id: str
    manifest_sha256: str
    time: str
    verdict: str
    depth: str
    faults: tuple[SetFault, ...]
    notes: tuple[str, ...]
    tools: Mapping[str, str]
    seconds: float

    @property
    def moment(self) -> datetime:
        """The time as one can compare it."""
        return parse_time("time", self.time)

    def to_dict(self) -> dict[str, Any]:
        """As a module returns it."""
        return {
            "time": self.time,
            "verdict": self.verdict,
            "depth": self.depth,
            "faults": [fault.text() for fault in self.faults],
            "notes": list(self.notes),
        }


def dumps(record: VerificationRecord) -> bytes:
    """The record as it is stored; of very many faults, the first."""
    data = asdict(record)
    data["faults"] = data["faults"][:_FAULTS_LIMIT]
    data["notes"] = data["notes"][:_FAULTS_LIMIT]
    whole = {"format": FORMAT, "version": VERSION, **data}
    return (json.dumps(whole, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def loads(data: bytes) -> VerificationRecord | None:
    """Read a record from bytes that anybody may have written; None if it is none."""
    try:
        return _record(json.loads(data.decode("utf-8")))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, AttributeError):
        return None


def _record(data: Mapping[str, Any]) -> VerificationRecord | None:
    record = VerificationRecord(
        run_id=str(data["run_id"]),
        manifest_sha256=str(data["manifest_sha256"]),
        time=str(data["time"]),
        verdict=str(data["verdict"]),
        depth=str(data["depth"]),
        faults=tuple(
            SetFault(str(one["file"])[:255], str(one["fault"])[:1000])
            for one in data["faults"][:_FAULTS_LIMIT]
        ),
        notes=tuple(str(one)[:1000] for one in data["notes"][:_FAULTS_LIMIT]),
        tools={str(key)[:64]: str(value)[:64] for key, value in data["tools"].items()},
        seconds=float(data["seconds"]),
    )
    known = data["format"] == FORMAT and data["version"] == VERSION
    words = record.verdict in (OK, CORRUPT) and record.depth in (FILES, CONTENT)
    timed = naming.TIME.match(record.time) and read_time(record.time)
    return record if known and words and timed else None
