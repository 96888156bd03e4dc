# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is allowed around an attached disk snapshot, and what the engine does without the guard: one table.

It follows the engine's sources and is not computed from the collection: tests compare both with it.
"""

from __future__ import annotations

from dataclasses import dataclass

# What becomes of an operation that nobody asked about.
DONE = "done"
"""As it should be: nothing is missing, nothing is left over."""
LACKS = "lacks"
"""Done, but the held disk is silently not part of it."""
REFUSED = "refused"
"""409, nothing changed."""
FAILS = "fails"
"""Accepted, then failed on the host."""
PREVIEW = "preview"
"""409, and the source is left in preview."""
LEFTOVER = "leftover"
"""Done, and an automatic snapshot of the source is left over."""
DELETED = "deleted"
"""Done: the source's disk is gone with all its snapshots."""
UNTOLD = "untold"
"""Neither told by the sources, nor done by the lab."""

HOLDER, SOURCE = "holder", "source"
PLUGGED, UNPLUGGED, NONE = "plugged", "unplugged", "none"
ATTACHED = (PLUGGED, UNPLUGGED, NONE)


@dataclass(frozen=True)
class Case:
    """One operation on a VM in one part: the rule that forbids it and the engine's own way, by attachment."""

    operation: str
    part: str
    rule: dict[str, str | None]
    alone: dict[str, str]


def _case(
    operation: str, part: str, rule: str | None, plugged: str, unplugged: str, none: str = DONE
) -> Case:
    free = rule == "no-migration"  # an attachment that is not plugged has no overlay
    rules = {PLUGGED: rule, UNPLUGGED: None if free else rule, NONE: None}
    return Case(operation, part, rules, {PLUGGED: plugged, UNPLUGGED: unplugged, NONE: none})


_FROZEN = "source-frozen"

CASES: tuple[Case, ...] = (
    _case("export", HOLDER, "no-export", LACKS, LACKS),
    _case("export_ova", HOLDER, "no-export", LACKS, LACKS),
    _case("template", HOLDER, "no-template", LACKS, LACKS),
    _case("clone", HOLDER, "no-template", LACKS, LACKS),
    _case("snapshot", HOLDER, "not-in-snapshot", LACKS, LACKS),
    _case("migrate", HOLDER, "no-migration", REFUSED, DONE),
    _case("host_maintenance", HOLDER, "no-migration", REFUSED, DONE),
    _case("suspend", HOLDER, "no-migration", FAILS, DONE),
    _case("remove_snapshot", HOLDER, None, DONE, DONE),
    _case("revert", HOLDER, None, UNTOLD, UNTOLD, UNTOLD),
    _case("remove", HOLDER, None, DONE, DONE),
    # The disk is the source's, by whichever VM it is named. Plugged, a VM that runs saves it.
    _case("remove_disk", HOLDER, _FROZEN, REFUSED, DELETED, UNTOLD),
    _case("move_disk", HOLDER, _FROZEN, REFUSED, DONE, UNTOLD),
    _case("sparsify_disk", HOLDER, _FROZEN, UNTOLD, UNTOLD, UNTOLD),
    _case("start", HOLDER, None, DONE, DONE),
    _case("stop", HOLDER, None, DONE, DONE),
    _case("export", SOURCE, None, DONE, DONE),
    _case("export_ova", SOURCE, _FROZEN, LEFTOVER, LEFTOVER),
    _case("template", SOURCE, None, DONE, DONE),
    _case("clone", SOURCE, None, DONE, DONE),
    _case("snapshot", SOURCE, None, DONE, DONE),
    _case("migrate", SOURCE, None, DONE, DONE),
    _case("host_maintenance", SOURCE, None, DONE, DONE),
    _case("suspend", SOURCE, None, DONE, DONE),
    _case("remove_snapshot", SOURCE, _FROZEN, REFUSED, REFUSED),
    _case("revert", SOURCE, _FROZEN, PREVIEW, PREVIEW),
    _case("remove", SOURCE, _FROZEN, REFUSED, REFUSED),
    _case("remove_disk", SOURCE, _FROZEN, REFUSED, DELETED, DELETED),
    _case("move_disk", SOURCE, _FROZEN, REFUSED, DONE),
    _case("sparsify_disk", SOURCE, _FROZEN, UNTOLD, UNTOLD, UNTOLD),
    _case("start", SOURCE, None, DONE, DONE),
    _case("stop", SOURCE, None, DONE, DONE),
)
"""Every operation, on the holder and on the source of a disk snapshot."""


def expected(part: str, attached: str) -> set[tuple[str, str]]:
    """Operations and the rules that forbid them to a VM in this part."""
    return {
        (case.operation, rule)
        for case in CASES
        if case.part == part and (rule := case.rule[attached]) is not None
    }
