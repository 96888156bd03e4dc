# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a verification: what was found when a set was read, stored beside the set.

It is ``<set>.verified.json`` in the VM's directory; the set itself is never changed. A record
belongs to one manifest, by its hash; for any other manifest it does not count.
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
"""The longest record that is read, in bytes."""

OK = "ok"
CORRUPT = "corrupt"
FILES = "files"
"""Depth: the bytes of the files, and the structure of the images."""
CONTENT = "content"
"""Depth: also the bytes that a guest would see."""

_FAULTS_LIMIT = 64


@dataclass(frozen=True)
class SetFault:
    """A fault of one file of a set; an empty file name means the set as a whole."""

    file: str
    fault: str

    def text(self) -> str:
        """Return the fault as part of a sentence."""
        return f"{self.file} {self.fault}".strip()


@dataclass(frozen=True)
class VerificationRecord:
    """The outcome of one verification.

    Attributes:
        manifest_sha256: Hash of the manifest's bytes; the record is about no other manifest.
        time: When it ended, UTC.
        notes: What is unusual but not a fault.
        tools: Versions of the programs that read the set.
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
        """The time, as a value to compare."""
        return parse_time("time", self.time)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a module's result."""
        return {
            "time": self.time,
            "verdict": self.verdict,
            "depth": self.depth,
            "faults": [fault.text() for fault in self.faults],
            "notes": list(self.notes),
        }


def dumps(record: VerificationRecord) -> bytes:
    """Serialise the record for its file; if there are very many faults, only the first."""
    data = asdict(record)
    data["faults"] = data["faults"][:_FAULTS_LIMIT]
    data["notes"] = data["notes"][:_FAULTS_LIMIT]
    whole = {"format": FORMAT, "version": VERSION, **data}
    return (json.dumps(whole, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def loads(data: bytes) -> VerificationRecord | None:
    """Parse a record. Anyone may have written it; None if it is not one."""
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
