# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention: decide which sets are kept, with the reasons for each.

The counting is that of restic. Each rule looks by itself at all good sets of a VM, newest first,
and keeps the newest of each of so many hours, days, weeks (ISO), months or years that have a set; a
rule with room left at the end also keeps the oldest set. A set that any rule keeps is kept. Days
begin at midnight UTC. ``within`` counts back from the newest good set, so that a VM that is no
longer backed up loses nothing as time passes. Sets whose time is not certain (``clocks``) are
ignored by every rule and kept: of fewer sets, a rule keeps at least those that it keeps of them
among more.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    catalogue,
    verification_record,
)

_DURATION = re.compile(r"(?:(\d{1,4})y)?(?:(\d{1,5})m)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?", re.ASCII)
_FIRST = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Duration:
    """A duration in calendar units, such as ``1y5m7d2h``."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def before(self, moment: datetime) -> datetime:
        """Return the moment that lies this long before another; in a shorter month, its last day."""
        month = moment.year * 12 + moment.month - 1 - self.years * 12 - self.months
        if month < 12:  # noqa: PLR2004  (before the year 1)
            return _FIRST
        year, index = divmod(month, 12)
        day = min(moment.day, calendar.monthrange(year, index + 1)[1])
        try:
            start = moment.replace(year=year, month=index + 1, day=day)
            return start - timedelta(days=self.days, hours=self.hours)
        except OverflowError:
            return _FIRST


def parse_duration(text: str) -> Duration | None:
    """Parse ``1y5m7d2h``, any part of which may be missing; None for an empty text.

    Raises:
        InvalidRequest: It is not a duration.
    """
    if not text.strip():
        return None
    match = _DURATION.fullmatch(text.strip())
    parts = [int(part or 0) for part in match.groups()] if match else []
    if not any(parts):
        raise InvalidRequest(
            f"{text!r} is not a duration such as 14d or 1y5m7d2h (years, months, days, hours)."
        )
    return Duration(*parts)


@dataclass(frozen=True)
class Policy:
    """How many sets each rule keeps; ``within`` as it was written."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no rule is set; then everything is kept."""
        return not any(getattr(self, rule) for rule in BUCKETS) and not self.within.strip()


Bucket = Callable[[datetime], Any]
_HIDING = (catalogue.UNSUPPORTED, catalogue.UNREADABLE)

BUCKETS: Mapping[str, tuple[str, Bucket]] = {
    "last": ("last", lambda time: time),
    "hourly": ("hourly %Y-%m-%d %H", lambda time: (time.date(), time.hour)),
    "daily": ("daily %Y-%m-%d", lambda time: time.date()),
    "weekly": ("weekly %G-W%V", lambda time: time.isocalendar()[:2]),
    "monthly": ("monthly %Y-%m", lambda time: (time.year, time.month)),
    "yearly": ("yearly %Y", lambda time: time.year),
}
"""For each rule, the name of its reason, and the period of which it keeps one set."""


@dataclass(frozen=True)
class PruneRequest:
    """The request of ``backup_set_prune``.

    Attributes:
        vm: Only sets of this VM, by name or id.
        unfinished_days: Days without a change after which an unfinished set may be removed.
        remove_corrupt: Whether to remove corrupt sets, and those whose parent is missing.
    """

    repository: str
    policy: Policy
    vm: str = ""
    unfinished_days: float = 7.0
    remove_corrupt: bool = False


@dataclass
class RetentionDecision:
    """The decision on one set. It is removed if there is no reason to keep it."""

    entry: catalogue.Entry
    reasons: list[str] = field(default_factory=list)
    why_removed: str = "no rule keeps it"

    @property
    def keep(self) -> bool:
        """Whether the set is kept."""
        return bool(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Return the decision as a module's result."""
        facts = catalogue.to_dict(self.entry)
        keys = ("path", "vm", "run_id", "time", "state", "bytes_stored", "protected")
        return {
            **{key: facts[key] for key in keys},
            "keep": self.keep,
            "reasons": self.reasons or [self.why_removed],
        }

    def line(self) -> str:
        """Format the decision as a line of a list."""
        facts = self.to_dict()
        name = facts["vm"]["name"] or facts["vm"]["id"]
        deed = "keep" if self.keep else "remove"
        return f"{name} {facts['time']} {facts['run_id']} {deed}: {', '.join(facts['reasons'])}"


def check_request(request: PruneRequest) -> None:
    """Refuse an impossible policy.

    Raises:
        InvalidRequest: Names the first fault.
    """
    for rule in BUCKETS:
        if getattr(request.policy, rule) < 0:
            raise InvalidRequest(f"keep.{rule} must not be less than 0.")
    parse_duration(request.policy.within)
    if request.unfinished_days < 0:
        raise InvalidRequest(f"{option('unfinished_days')} must not be less than 0.")


def decide(
    found: catalogue.Catalogue,
    request: PruneRequest,
    now: datetime,
    busy: Mapping[str, str] | None = None,
) -> list[RetentionDecision]:
    """Decide on every set, in the catalogue's order.

    Args:
        busy: By path, why a set cannot be removed now.

    Raises:
        InvalidRequest: The policy is invalid.
    """
    check_request(request)
    decisions = [RetentionDecision(entry) for entry in found.entries]
    by_vm: dict[str, list[RetentionDecision]] = {}
    for decision in decisions:
        by_vm.setdefault(decision.entry.vm_id, []).append(decision)
    unread = {one.vm[1] for one in found.unread() if one.vm}
    # A clock that jumped ahead must make no set old: time advances only as far as the newest set.
    now = min([max((one.time for one in found.entries if one.counts), default=now), now])
    for vm_id, of_vm in by_vm.items():
        # The sets of a renamed VM count whatever its name was.
        hidden = vm_id in unread or any(one.entry.state in _HIDING for one in of_vm)
        _decide_vm(of_vm, request, now, busy or {}, hidden=hidden)
    return [one for one in decisions if not request.vm or catalogue.is_of(one.entry, request.vm)]


def _decide_vm(
    decisions: Sequence[RetentionDecision],
    request: PruneRequest,
    now: datetime,
    busy: Mapping[str, str],
    *,
    hidden: bool,
) -> None:
    """Decide on the sets of one VM.

    Args:
        now: The present time, as far as the sets themselves show.
        hidden: Whether the VM has sets that cannot be read, so that their parents are unknown.
    """
    newest_first = sorted(
        decisions, key=lambda one: (one.entry.time, one.entry.run_id), reverse=True
    )
    good = [one for one in newest_first if one.entry.counts]
    for one in decisions:
        _add(one, "the policy is empty", when=request.policy.is_empty)
        _add(one, "protected", when=one.entry.seen.protected)
        _add(one, busy.get(one.entry.path, ""), when=one.entry.path in busy)
        _add(one, "a set that cannot be read, or not by this release, may build on it", when=hidden)
        uncertain = one.entry.is_good and bool(one.entry.doubt)
        _add(one, f"its time is not certain: {one.entry.doubt}", when=uncertain)
    _apply(good, request.policy, now)
    _keep_the_last(good)
    for one in newest_first:
        if not one.entry.is_good:
            _broken(one, request, now, has_good=bool(good))
    _keep_one_of_the_broken(newest_first, has_good=bool(good))
    _keep_parents(decisions)


def _add(decision: RetentionDecision, reason: str, *, when: bool) -> None:
    if when:
        decision.reasons.append(reason)


def _apply(good: Sequence[RetentionDecision], policy: Policy, now: datetime) -> None:
    for rule, (form, bucket) in BUCKETS.items():
        for one, oldest in _taken(good, getattr(policy, rule), rule, bucket):
            name = f"{one.entry.time:{form}}"
            one.reasons.append(f"{rule}, as the oldest" if oldest else name)
    within = parse_duration(policy.within)
    if within and good:
        # A newest set dated slightly in the future must not make the others look old.
        start = within.before(min(good[0].entry.time, now))
        for one in good:
            _add(one, f"within {policy.within.strip()}", when=one.entry.time > start)


def _taken(
    good: Sequence[RetentionDecision], count: int, rule: str, bucket: Bucket
) -> Iterator[tuple[RetentionDecision, bool]]:
    """Yield what one rule keeps, and whether only because it is the oldest."""
    last: object = None
    for index, one in enumerate(good):
        if count == 0:
            return
        value = index if rule == "last" else bucket(one.entry.time)
        if value != last:
            yield one, False
        elif index == len(good) - 1:
            yield one, True
        else:
            continue
        last = value
        count -= 1


def _keep_the_last(good: Sequence[RetentionDecision]) -> None:
    for one in good[:1]:
        one.reasons.append("the newest good set")
    for one in good:
        last = one.entry.verified
        if last and last.verdict == verification_record.OK:
            one.reasons.append("the newest set that was verified")
            return


def _broken(
    decision: RetentionDecision, request: PruneRequest, now: datetime, *, has_good: bool
) -> None:
    """Decide on a set that is not good."""
    entry = decision.entry
    if entry.state == catalogue.UNREADABLE:
        decision.reasons.append(f"it cannot be read: {entry.reason}")
    elif entry.state == catalogue.UNFINISHED:
        # By the appliance's clock, and by the controller's, which gave the directory its name.
        age = now.timestamp() - max(entry.seen.modified, entry.time.timestamp())
        young = age < request.unfinished_days * 86400
        reason = f"unfinished, and changed in the last {request.unfinished_days:g} days"
        _add(decision, reason, when=young)
        decision.why_removed = f"unfinished for more than {request.unfinished_days:g} days"
    elif not request.remove_corrupt:
        decision.reasons.append(f"{entry.state}: check it, then use {option('remove_corrupt')}")
    else:
        _add(decision, "there is no good set of this VM", when=not has_good)
        decision.why_removed = f"{entry.state}, and {option('remove_corrupt')} is given"


def _keep_one_of_the_broken(newest_first: Sequence[RetentionDecision], *, has_good: bool) -> None:
    if not has_good and not any(one.keep for one in newest_first):
        newest_first[0].reasons.append("there is no better set of this VM")


def _keep_parents(decisions: Sequence[RetentionDecision]) -> None:
    """Keep the parents of kept sets, their parents, and so on."""
    known: dict[str, list[RetentionDecision]] = {}
    for one in decisions:
        known.setdefault(one.entry.run_id, []).append(one)
    waiting = [one for one in decisions if one.keep]
    while waiting:
        child = waiting.pop()
        for parent in (one for up in child.entry.parents for one in known.get(up, ())):
            if not parent.keep:
                waiting.append(parent)
            reason = f"{child.entry.run_id} builds on it"
            _add(parent, reason, when=reason not in parent.reasons)


def summary(decisions: Sequence[RetentionDecision]) -> dict[str, Any]:
    """Return the totals of the decisions."""
    going = [one for one in decisions if not one.keep]
    return {
        "kept": len(decisions) - len(going),
        "removed": len(going),
        "bytes_freed": sum(one.entry.bytes_stored for one in going),
    }
