# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job behind a copy: a process that runs on by itself, and what a call does about it.

All calls send the same request. A call starts the job, joins it, or collects its result.
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
"""Wait for the end of another caller's job, then decide again."""

COLLECT = "collect"
DIED = "died"


KEEP_COLLECTED = 3600.0
"""Seconds to keep a result after it was collected, in case the answer was lost."""

KEEP_UNCOLLECTED = 7 * 86400.0
"""Seconds to keep a result that nobody collected, and the traces of a job that died."""


@dataclass(frozen=True)
class Following:
    """How a call follows the job.

    Attributes:
        wait_seconds: Seconds to wait for its end at most; None waits to the end.
        follower: Who follows; calls of the same follower have the same word. May be empty.
    """

    wait_seconds: float | None = None
    follower: str = ""


@dataclass(frozen=True)
class Found:
    """What is known of a job.

    Attributes:
        running: Whether its process is alive.
        follower: Who started it or joined it last.
        outcome: Its result; None if it has not ended, or died.
        collected: Who collected the outcome; None if nobody did.
    """

    running: bool
    follower: str = ""
    outcome: Mapping[str, Any] | None = None
    collected: str | None = None

    def is_of(self, follower: str) -> bool:
        """Tell whether a follower started or joined the job last, or has collected its outcome."""
        return follower != "" and follower in (self.follower, self.collected)


def key(request: CopyRequest) -> str:
    """Return the name of a request's job: the same for the same images, whatever the time-outs."""
    wanted: list[Any] = [[asdict(one) for one in request.images]]
    wanted += [request.format, request.compression, request.snapshot]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode("ascii")).hexdigest()[:32]


def decide(found: Found | None, follower: str, *, bound: bool) -> str:
    """Decide what a call does.

    An outcome goes to the follower that asked for it, and again if that answer may have been lost.
    Another caller gets a success, once, if the request names the snapshot. A serial number is not
    enough: another snapshot of the disk has the same one. Otherwise a new job verifies the existing
    images. Another caller never gets a failure, since its cause may be gone.

    If a job died, its follower gets an error, so that a copy that always dies is not restarted for
    ever.

    Args:
        bound: The request names its snapshot, so equal requests have equal content, whoever makes
            them.
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
    """Tell whether nobody will ask for a job again, so that its files can be removed.

    A running job stays, whatever the clock says. So does a result that may be asked for again: the
    answer to a call may have been lost.

    Args:
        found: The job.
        idle: Seconds since the last note about the job; negative if the clock was set back.
    """
    kept = KEEP_UNCOLLECTED if found.collected is None else KEEP_COLLECTED
    return not found.running and abs(idle) > kept


def outcome_of(failure: errors.BackupError) -> dict[str, Any]:
    """Return an error as the outcome of a job."""
    return {
        "failure": {
            "code": failure.code,
            "message": failure.message,
            "hint": failure.hint,
            "details": failure.details,
        }
    }


def raise_failure(outcome: Mapping[str, Any]) -> None:
    """Raise the error in an outcome, if there is one.

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
    """Return the error for a job that ended without an outcome.

    Args:
        log: What its process printed.
    """
    said = log.strip()[-2000:]
    last = said.splitlines()[-1] if said else "It gave no output; it was probably killed."
    return errors.CopyDied(
        f"The copy process ended without a result. {last}",
        hint="Check the appliance's kernel log for the out-of-memory killer. The same task begins"
        " the copy again; no partial image has its final name.",
        details={"log": said},
    )
