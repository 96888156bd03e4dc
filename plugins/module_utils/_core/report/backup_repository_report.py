# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of the report on a repository, before the page is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import age
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    catalogue,
    verification_record,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_vm import (
        Recorded,
        Source,
    )

BAD = "bad"
WARN = "warn"
GOOD = "good"
IDLE = "idle"
_ORDER = (BAD, WARN, GOOD, IDLE)


NOT_RECORDED = "The repository has no record of the VMs to back up; the next backup writes it."


@dataclass(frozen=True)
class ReportRequest:
    """The request of ``backup_repository_report``.

    Attributes:
        dest: Path of the page.
        overdue_hours: A VM is overdue if its newest good set is older than this.
        verify_days: A VM is not verified if none of its sets was found good within so many days.
    """

    repository: str
    dest: str
    title: str
    overdue_hours: float = 26.0
    verify_days: float = 30.0


@dataclass
class ReportVm:
    """One VM on the page.

    Attributes:
        entries: Its sets, oldest first; empty if a VM that is to be backed up has no set.
        newest: Its newest good set with a certain time.
        verified: When one of its sets was last found good.
        level: The worst level found; ``IDLE`` if the VM is retired and nothing is wrong with its
            sets.
        words: What was found, the worst first.
        source: The record of the VM; None if there is none.
    """

    id: str
    name: str
    entries: list[catalogue.Entry]
    newest: catalogue.Entry | None = None
    verified: datetime | None = None
    level: str = GOOD
    words: list[str] = field(default_factory=list)
    source: Source | None = None

    @property
    def retired(self) -> str:
        """When and why the VM was retired; empty if it is not."""
        if self.source is None or not self.source.retired:
            return ""
        why = f": {self.source.reason}" if self.source.reason else ""
        return f"retired {self.source.retired}{why}"

    @property
    def bytes_stored(self) -> int:
        """Bytes that its sets occupy."""
        return sum(entry.bytes_stored for entry in self.entries)

    def say(self, level: str, words: str) -> None:
        """Add something that needs attention."""
        self.words.append(words)
        self.level = min(self.level, level, key=_ORDER.index)


@dataclass(frozen=True)
class Picture:
    """Everything on the page.

    Attributes:
        recorded: Which VMs are to be backed up.
    """

    request: ReportRequest
    now: datetime
    vms: tuple[ReportVm, ...]
    strangers: tuple[catalogue.Stranger, ...]
    unread: tuple[catalogue.Stranger, ...]
    recorded: Recorded

    def problems(self) -> list[str]:
        """Return what needs attention, one line each."""
        hidden = [f"{one.path} {one.reason}" for one in self.unread]
        unknown = [] if self.recorded.there else [NOT_RECORDED]
        said = [f"{vm.name}: {words}" for vm in self.vms for words in vm.words]
        return [*hidden, *self.recorded.faults, *said, *unknown]

    def count(self, level: str) -> int:
        """Return how many VMs have this level."""
        return sum(vm.level == level for vm in self.vms)


def check_request(request: ReportRequest) -> None:
    """Refuse impossible limits.

    Raises:
        InvalidRequest: A limit is not above 0.
    """
    if request.overdue_hours <= 0 or request.verify_days <= 0:
        raise InvalidRequest(
            f"{option('overdue_hours')} and {option('verify_days')} must be more than 0."
        )


def picture(
    found: catalogue.Catalogue, request: ReportRequest, now: datetime, recorded: Recorded
) -> Picture:
    """Collect the facts of a repository, the worst first.

    A retired VM without sets is left out.
    """
    by_id: dict[str, list[catalogue.Entry]] = {}
    for entry in found.entries:
        by_id.setdefault(entry.vm_id, []).append(entry)
    sources = {one.id: one for one in recorded.vms}
    vms = [
        _vm(vm_id, entries, sources.get(vm_id), request, now) for vm_id, entries in by_id.items()
    ]
    vms += [
        _without_set(one, found) for one in recorded.vms if one.id not in by_id and not one.retired
    ]
    vms.sort(key=lambda one: (_ORDER.index(one.level), one.name, one.id))
    return Picture(request, now, tuple(vms), found.strangers, tuple(found.unread()), recorded)


def _without_set(source: Source, found: catalogue.Catalogue) -> ReportVm:
    """Return a VM that is to be backed up and has no visible set."""
    vm = ReportVm(source.id, source.name, [], source=source)
    if found.unread(source.id):
        vm.say(BAD, "its sets could not be read")
    else:
        vm.say(BAD, f"no set, although backups were requested since {source.since}")
    return vm


def _vm(
    vm_id: str,
    entries: Sequence[catalogue.Entry],
    source: Source | None,
    request: ReportRequest,
    now: datetime,
) -> ReportVm:
    ordered = sorted(entries, key=lambda one: (one.time, one.run_id))
    good = [entry for entry in ordered if entry.is_good]
    counting = [entry for entry in good if entry.counts]
    vm = ReportVm(
        vm_id, ordered[-1].title, ordered, counting[-1] if counting else None, source=source
    )
    if vm.retired:
        vm.level = IDLE
    records = [entry.verified for entry in good if entry.verified]
    # A record dated in the future does not tell how long ago the verification was.
    moments = [
        one.moment for one in records if one.verdict == verification_record.OK and one.moment <= now
    ]
    vm.verified = max(moments, default=None)
    _judge(vm, request, now)
    return vm


def _judge_set(vm: ReportVm, entry: catalogue.Entry) -> None:
    """Report faults that name their set, since a count of them would not help to find it."""
    if entry.doubt:
        vm.say(WARN, f"the time of the set {entry.seen.name} is not certain: {entry.doubt}")
    if entry.state == catalogue.UNREADABLE:
        vm.say(BAD, f"the set {entry.seen.name} cannot be read: {entry.reason.rstrip('.')}")


def _judge(vm: ReportVm, request: ReportRequest, now: datetime) -> None:
    if vm.newest is None:
        vm.say(BAD, "no good set")
    elif not vm.retired and now - vm.newest.time > timedelta(hours=request.overdue_hours):
        vm.say(BAD, f"overdue, the newest good set is {age(now - vm.newest.time)} old")
    for entry in vm.entries:
        _judge_set(vm, entry)
    for state, one, many in (
        (catalogue.CORRUPT, "a corrupt set", "corrupt sets"),
        (catalogue.PARENT_MISSING, "a set without its parent", "sets without their parents"),
        (catalogue.UNSUPPORTED, "a set of a later format", "sets of a later format"),
    ):
        number = sum(entry.state == state for entry in vm.entries)
        if number:
            vm.say(WARN, one if number == 1 else f"{number} {many}")
    limit = timedelta(days=request.verify_days)
    if vm.newest and vm.verified is None:
        vm.say(WARN, "never verified")
    elif vm.verified and now - vm.verified > limit:
        vm.say(WARN, f"last verified {age(now - vm.verified)} ago")
