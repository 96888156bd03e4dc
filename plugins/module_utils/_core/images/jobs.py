# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job behind a copy: a process that nobody needs to wait for, and what a call does about it.

Every call is the same request. It starts the job, joins it, or takes its result.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
        CopyRequest,
    )

START = "start"
JOIN = "join"
OUTLAST = "outlast"
"""Wait for the end of a stranger's job, and then decide again."""

COLLECT = "collect"
DIED = "died"


KEEP_COLLECTED = 3600.0
"""Seconds for which a result that was given to somebody is kept, in case the answer was lost."""

KEEP_UNCOLLECTED = 7 * 86400.0
"""Seconds for which a result that nobody took is kept, and word of a job that died."""


@dataclass(frozen=True)
class Following:
    """How a call follows the job.

    Attributes:
        wait: Seconds to wait for its end at most; None: to the end.
        follower: Who follows; the calls of one follower have the same word. May be empty.
    """

    wait: float | None = None
    follower: str = ""


@dataclass(frozen=True)
class Found:
    """What there is of a job.

    Attributes:
        running: Whether its process lives.
        follower: Who started it or joined it last.
        outcome: What it left at its end; None if it has not ended, or died.
        collected: Who took the outcome; None if nobody did.
    """

    running: bool
    follower: str = ""
    outcome: Mapping[str, Any] | None = None
    collected: str | None = None

    def is_of(self, follower: str) -> bool:
        """Whether a follower asked for the job, or had its outcome already."""
        return follower != "" and follower in (self.follower, self.collected)


def key(request: CopyRequest) -> str:
    """The name of the job of a request: equal for equal images of one content, whatever the patience."""
    wanted: list[Any] = [[asdict(one) for one in request.images]]
    wanted += [request.format, request.compression, request.snapshot]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode("ascii")).hexdigest()[:32]


def decide(found: Found | None, follower: str, *, bound: bool) -> str:
    """What a call does.

    An outcome is given to who asked for it, and again if that answer may have been lost. A stranger
    is given a success, once, if the request itself says of what it is; a serial number does not,
    for another snapshot of the disk has the same. Otherwise the images speak for themselves, and a
    new job proves them. No failure is given to a stranger: its cause may be gone.

    A job that died under its follower is that one's failure, so that a copy that cannot live is not
    begun for ever.

    Args:
        bound: Equal requests are of equal content, whoever makes them.
    """
    if found is None:
        return START
    own = follower != "" and follower == found.follower
    if found.running:
        return JOIN if own or bound else OUTLAST
    if found.outcome is None:
        return DIED if own else START
    if found.collected is not None:
        return COLLECT if follower != "" and follower == found.collected else START
    return COLLECT if own or (bound and "failure" not in found.outcome) else START


def is_over(found: Found, idle: float) -> bool:
    """Whether nobody will ask for a job any more, so that its notes can go.

    A job that lives stays, whatever the clock says. So does a result that may be asked for again:
    the answer of a call may have been lost on its way.

    Args:
        found: The job.
        idle: Seconds between now and the last note about it; a clock that was set may make them
            negative.
    """
    kept = KEEP_UNCOLLECTED if found.collected is None else KEEP_COLLECTED
    return not found.running and abs(idle) > kept


def outcome_of(failure: errors.BackupError) -> dict[str, Any]:
    """An error as the job leaves it."""
    return {
        "failure": {
            "code": failure.code,
            "message": failure.message,
            "hint": failure.hint,
            "details": failure.details,
        }
    }


def raise_failure(outcome: Mapping[str, Any]) -> None:
    """Raise the error that the job left, if it left one.

    Raises:
        BackupError: Of the same class as in the job.
    """
    failure = outcome.get("failure")
    if failure is None:
        return
    kinds = {kind.code: kind for kind in _kinds(errors.BackupError)}
    kind = kinds.get(failure["code"], errors.BackupError)
    raise kind(failure["message"], hint=failure["hint"], details=failure["details"])


def _kinds(kind: type[errors.BackupError]) -> Iterator[type[errors.BackupError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def died(log: str) -> errors.CopyDied:
    """The error for a job that ended without saying how.

    Args:
        log: What its process wrote.
    """
    said = log.strip()[-2000:]
    last = said.splitlines()[-1] if said else "It gave no output; it was probably killed."
    return errors.CopyDied(
        f"The copy process ended without a result. {last}",
        hint="Check the appliance's kernel log for the out-of-memory killer. The same task begins"
        " the copy again; no partial image has its final name.",
        details={"log": said},
    )
