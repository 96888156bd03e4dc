# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs are to be backed up, as the repository records it.

The records are ``vms/<VM id>.json`` in the repository. Sets show only VMs that have one; a record
also shows a VM without any set, and one that is no longer backed up on purpose. A VM is retired
until a run backs it up again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import arrival
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    InvalidRequest,
    NotFound,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    read_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DIRECTORY = "vms"
SUFFIX = ".json"
FORMAT = "ovirt_community.backup.vm"
VERSION = 1
SIZE_LIMIT = 64 * 1024
"""The longest record that is read, in bytes."""

_TEXT_LIMIT = 1000


@dataclass(frozen=True)
class Source:
    """A VM that is to be backed up, or was.

    Attributes:
        since: When a run first wanted to back it up, UTC; for a VM that was retired without a
            record, the time of that.
        retired: When it was retired, UTC; empty if it is not.
        reason: Why it was retired.
    """

    id: str
    name: str
    since: str
    retired: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a module's result."""
        return {**asdict(self), "retired": self.retired or None}


@dataclass(frozen=True)
class Recorded:
    """All records of a repository.

    Attributes:
        there: Whether anything was ever recorded here.
        faults: Which records cannot be read, and why.
    """

    vms: tuple[Source, ...] = ()
    there: bool = False
    faults: tuple[str, ...] = ()


def dumps(source: Source) -> bytes:
    """Serialise a record for its file."""
    whole = {"format": FORMAT, "version": VERSION, **asdict(source)}
    return (json.dumps(whole, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def loads(vm_id: str, data: bytes) -> Source | None:
    """Parse a record. Anyone may have written it; None if it is not one, or is another VM's."""
    try:
        found = json.loads(data.decode("utf-8"))
        known = found["format"] == FORMAT and found["version"] == VERSION and found["id"] == vm_id
        texts = {key: str(found[key])[:_TEXT_LIMIT] for key in ("id", "name", "reason")}
        times = {key: str(found[key]) for key in ("since", "retired")}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    timed = read_time(times["since"]) and (not times["retired"] or read_time(times["retired"]))
    return Source(**texts, **times) if known and timed else None


def named(vms: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return ids and names of VMs from the result of ``backup_plan_info``.

    Raises:
        InvalidRequest: The values are not such a result.
        ValueMasked: A value did not arrive as it was sent.
    """
    vms = list(vms)
    arrival.check_unmasked({"wanted": vms})
    found = [(str(one.get("id")), str(one.get("name"))) for one in vms]
    bad = [vm_id for vm_id, _name in found if not naming.UUID.match(vm_id)]
    if bad:
        raise InvalidRequest(f"{bad[0]!r} is not a VM id.")
    return found


def wanted(known: Iterable[Source], vms: Iterable[tuple[str, str]], now: str) -> list[Source]:
    """Return the records to write for VMs that are to be backed up from now on.

    Args:
        vms: Ids and names.
        now: The time, UTC.
    """
    by_id = {one.id: one for one in known}
    found = [
        replace(by_id.get(vm_id, Source(vm_id, name, now)), name=name, retired="", reason="")
        for vm_id, name in vms
    ]
    return [one for one in found if by_id.get(one.id) != one]


def retired(
    known: Iterable[Source],
    with_sets: Iterable[tuple[str, str]],
    words: Sequence[str],
    reason: str,
    now: str,
) -> list[Source]:
    """Return the records to write for VMs that are no longer to be backed up.

    Args:
        with_sets: Ids and names of VMs that have sets.
        words: Names or ids.

    Raises:
        NotFound: One of them is unknown.
        Ambiguous: Several VMs have, or had, one of the names.
    """
    by_id = {one.id: one for one in known}
    names = {(one.id, one.name) for one in by_id.values()} | set(with_sets)
    found = []
    for word in words:
        vm_id = _one(word, names)
        name = next(name for other, name in sorted(names) if other == vm_id)
        source = by_id.get(vm_id, Source(vm_id, name, now))
        if not source.retired or (reason and source.reason != reason):
            found.append(replace(source, retired=source.retired or now, reason=reason))
    return found


def _one(word: str, names: set[tuple[str, str]]) -> str:
    """Return the id of the VM that has this name or id."""
    ids = sorted({vm_id for vm_id, name in names if word in (vm_id, name)})
    if len(ids) > 1:
        raise Ambiguous(
            f"{len(ids)} VMs have the name {word!r}: {', '.join(ids)}.",
            hint="Give the id.",
            details={"matches": ids},
        )
    if not ids:
        there = sorted({name for _id, name in names})
        raise NotFound(
            f"The repository has neither a set nor a record of a VM {word!r}.",
            hint=f"It knows: {', '.join(there[:50])}." if there else "It knows no VM.",
            details={"vms": there},
        )
    return ids[0]
