# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find objects by exact name. No match and several matches are errors that list what exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Ambiguous,
    InvalidRequest,
    NotFound,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        SnapshotDisk,
    )

Thing = TypeVar("Thing")

# The engine's search language treats these specially, and no name of a VM may have one.
_SEARCH_SYNTAX = set("*\"'\\=<>!()")


def searchable_name(name: str, kind: str) -> str:
    """Check that a name can be looked up as it is, without wildcards.

    Raises:
        InvalidRequest: The name is empty or has characters that no such name can have.
    """
    bad = sorted(set(name) & _SEARCH_SYNTAX)
    if bad or not name.strip() or not name.isprintable():
        raise InvalidRequest(
            f"{name!r} is not the name of a {kind}.",
            hint="Names are matched exactly; there are no wildcards. Use the id if in doubt.",
            details={"name": name},
        )
    return name


def require_single(
    kind: str,
    name: str,
    matches: Sequence[Thing],
    show: Callable[[Thing], dict[str, str]],
    known: Iterable[str] = (),
) -> Thing:
    """Return the only match.

    Args:
        known: Existing names, for the message if there is no match.

    Raises:
        NotFound: There is no match.
        Ambiguous: There are several; ``details["matches"]`` lists them.
    """
    if len(matches) == 1:
        return matches[0]
    if not matches:
        names = sorted(known)
        hint = f"There are: {', '.join(names[:20])}." if names else ""
        raise NotFound(f"There is no {kind} {name!r}.", hint=hint, details={"name": name})
    shown = [show(match) for match in matches]
    ids = ", ".join(entry["id"] for entry in shown)
    raise Ambiguous(
        f"More than one {kind} is named {name!r}: {ids}.",
        hint="Use the id.",
        details={"name": name, "matches": shown},
    )


def select_disks(disks: Sequence[SnapshotDisk], wanted: Sequence[str]) -> tuple[SnapshotDisk, ...]:
    """Select disks of a snapshot by id or name; all of them if ``wanted`` is empty.

    Raises:
        NotFound: A name or id is not in the snapshot.
        Ambiguous: Two disks have the name.
    """
    if not wanted:
        return tuple(disks)
    chosen: list[SnapshotDisk] = []
    for word in wanted:
        by_id = [disk for disk in disks if disk.disk_id == word.lower()]
        disk = require_single(
            "disk of this snapshot",
            word,
            by_id or [disk for disk in disks if disk.alias == word],
            lambda disk: {"id": disk.disk_id, "name": disk.alias},
            [disk.alias for disk in disks],
        )
        if disk not in chosen:
            chosen.append(disk)
    return tuple(chosen)
