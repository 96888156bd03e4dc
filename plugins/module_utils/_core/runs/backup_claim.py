# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run may work on a VM through this appliance, and whether that run is still alive.

Three things tell of a run, in this order:

- The **claim** on the appliance, one per VM, decides. A run takes it before it looks for snapshots,
  signs it at every step and while it copies, and gives it back at its end. A run without it does
  nothing about the VM.
- The **record** in a set's directory counts only if no claim names its run: after a restart
  of the appliance, which removes all claims, and for sets that were made task by task.
- ``expires`` in a snapshot's **stamp** cannot be renewed, because the engine changes no
  description. It limits how long a snapshot of which the appliance knows nothing may stay, such as
  one of a run through another appliance.

The silence of a claim is measured by the appliance's monotonic clock, within one boot; no other
clock takes part.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
    VmClaimed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "ovirt_community.backup.claim"
VERSION = 1
SIZE_LIMIT = 1024 * 1024

SNAPSHOT = "snapshot"
CLEAN = "clean"
ATTACH = "attach"
COPY = "copy"
RELEASE = "release"
STEPS = {
    SNAPSHOT: "making its snapshot",
    CLEAN: "taking back what an earlier run left",
    ATTACH: "attaching its disks",
    COPY: "copying its disks",
    RELEASE: "detaching its disks and removing its snapshot",
}

FREE = "free"
MINE = "mine"
WAIT = "wait"
BUSY = "busy"
LOST = "lost"

LAST_CALL = 60.0
"""Seconds for which the last call of a dead run may still sign its claim; twice the longest
following call."""


@dataclass(frozen=True)
class Claim:
    """A run's claim of a VM.

    Attributes:
        since: When it was taken, UTC, by the appliance's clock; only for people.
        step: What the run is doing, of ``STEPS``.
        quiet: Seconds for which the run may be silent at this step.
        boot: The boot of the appliance that ``signed`` belongs to.
        signed: When the run last signed, in monotonic seconds.
        calls: How many calls of the run's controller have signed. After the controller dies its
            last call goes on, but no new one comes.
        path: Directory of another run's set that this one finishes; may be empty.
        dead: Runs that had the claim before and did not give it back.
        ended: The run has ended and left something.
    """

    vm_id: str
    owner: str
    run_id: str
    since: str
    step: str
    quiet: float
    boot: str
    signed: float
    calls: int = 1
    path: str = ""
    dead: tuple[str, ...] = ()
    ended: bool = False


@dataclass(frozen=True)
class Wish:
    """A run that wants a VM's claim, or has it.

    Attributes:
        times: Seconds within which disks are attached, and within which devices come and go.
        heartbeat_timeout: Take over a claim whose run was silent for so many seconds; None: take over none.
        standing: Runs of this owner whose snapshots of the VM the engine has now; None: not read.
        boot: For a run that has the claim, the boot in which it took it; empty for one that does
            not.
        path: As in ``Claim``.
    """

    vm_id: str
    owner: str
    run_id: str
    step: str
    times: tuple[float, float] = (0.0, 0.0)
    heartbeat_timeout: float | None = None
    standing: frozenset[str] | None = None
    boot: str = ""
    path: str = ""


@dataclass(frozen=True)
class Now:
    """The appliance's boot, its monotonic seconds, and its time of day (UTC, as text)."""

    boot: str
    seconds: float
    text: str


def check(wish: Wish) -> None:
    """Refuse a VM id that would not make a file name.

    Raises:
        InvalidRequest: The VM's id is not one.
    """
    if not naming.UUID.match(wish.vm_id):
        raise InvalidRequest(f"{wish.vm_id!r} is not a VM id.")


def current(found: Claim | None, now: Now) -> Claim | None:
    """Return the claim if it is of this boot: a restart ends all claims."""
    return found if found and found.boot == now.boot else None


def verdict(found: Claim | None, first: Claim | None, wish: Wish, now: Now, start: float) -> str:
    """Decide what a run may do about a VM's claim.

    Args:
        found: The claim now, of this boot.
        first: The claim when the watch began.
        start: When the watch began, in monotonic seconds.
    """
    if found is None or found.ended:
        # This run took it in the present boot and it is gone: another run took it and has ended.
        return LOST if wish.boot == now.boot else FREE
    if found.run_id == wish.run_id:
        return MINE
    if wish.heartbeat_timeout is None:
        return LOST if wish.boot else BUSY
    return _watched(found, first or found, wish, now, start)


def _watched(found: Claim, first: Claim, wish: Wish, now: Now, start: float) -> str:
    """Return the verdict on another run's claim from what the watch has shown so far."""
    looked = wish.standing is not None and found.owner == wish.owner
    done = looked and found.step == RELEASE and found.run_id not in (wish.standing or ())
    patience = _patience(found, wish, looked=looked)
    if done or _silent(found, now, start) >= patience:
        return FREE
    # A call that began during the watch shows that its controller is alive.
    lives = found.run_id != first.run_id or found.calls > first.calls
    over = now.seconds - start >= max(patience, found.quiet) + LAST_CALL
    return BUSY if lives or over else WAIT


def _silent(found: Claim, now: Now, start: float) -> float:
    """Return the seconds without a sign.

    While the engine makes or merges a snapshot, the run waits for the engine. That may have ended
    just now, so the silence counts from the beginning of the watch.
    """
    since = max(found.signed, start) if found.step in (SNAPSHOT, CLEAN) else found.signed
    return now.seconds - since


def _patience(found: Claim, wish: Wish, *, looked: bool) -> float:
    """Return the seconds of silence after which the run counts as dead."""
    silence = wish.heartbeat_timeout or 0.0
    waits_for_nothing = found.step == COPY or (found.step in (SNAPSHOT, CLEAN) and looked)
    return silence if waits_for_nothing else max(silence, found.quiet)


def quiet(wish: Wish) -> float:
    """Return the seconds for which a run may be silent at a step."""
    attach, device = wish.times
    spans = {SNAPSHOT: attach, CLEAN: attach + 2 * device, ATTACH: attach + device}
    return {**spans, COPY: 0.0, RELEASE: attach + 2 * device}[wish.step]


def taken(found: Claim | None, wish: Wish, now: Now) -> Claim:
    """Return the claim as written by a run that may have it."""
    if found and found.run_id == wish.run_id and not found.ended:
        return replace(
            found,
            step=wish.step,
            quiet=quiet(wish),
            signed=now.seconds,
            calls=found.calls + 1,
            path=wish.path,
        )
    dead = dict.fromkeys((*found.dead, found.run_id)) if found else {}
    return Claim(
        vm_id=wish.vm_id,
        owner=wish.owner,
        run_id=wish.run_id,
        since=now.text,
        step=wish.step,
        quiet=quiet(wish),
        boot=now.boot,
        signed=now.seconds,
        path=wish.path,
        dead=tuple(one for one in dead if one != wish.run_id),
    )


def ended(found: Claim) -> Claim:
    """Return the claim of a run that ended and left something, so that the next run needs no watch."""
    return replace(found, ended=True)


def copying(found: Claim, now: Now, *, call: bool) -> Claim:
    """Return the claim with a sign of the copy.

    Args:
        call: It is the first sign of a call.
    """
    calls = found.calls + int(call)
    return replace(found, step=COPY, quiet=0.0, signed=now.seconds, calls=calls)


def is_tied(found: Claim, run_id: str, path: str) -> bool:
    """Tell whether a copy into a set's directory is for the run that has the claim."""
    return not found.ended and (path == found.path if found.path else run_id == found.run_id)


def refusal(found: Claim | None, wish: Wish, now: Now) -> VmClaimed:
    """Return the error that says why a run may not have the claim, and which run has it."""
    if found is None or found.ended:
        return VmClaimed(
            "Another run took over this VM, because this run had not renewed its claim for too long. That run"
            " has ended.",
            hint="See the summary of that run for the backup of this VM.",
        )
    who = f"Run {found.run_id} of owner {found.owner}"
    if wish.boot:
        return VmClaimed(
            f"{who} took over this VM at {found.since}, because this run had not renewed its claim for too"
            " long.",
            hint="See the summary of that run for the backup of this VM.",
            details={"claim": to_dict(found)},
        )
    return VmClaimed(
        f"{who} has been working on this VM since {found.since}: {STEPS[found.step]}."
        f" It renewed its claim {max(0.0, now.seconds - found.signed):.0f} s ago.",
        hint="This run changed nothing. Run it again when the other one has ended.",
        details={"claim": to_dict(found)},
    )


def to_dict(found: Claim) -> dict[str, Any]:
    """Return the claim as a module's result."""
    return {
        "owner": found.owner,
        "run_id": found.run_id,
        "since": found.since,
        "step": found.step,
        "dead": list(found.dead),
        "boot": found.boot,
    }


def dump(claim: Claim) -> bytes:
    """Serialise a claim for its file."""
    return json.dumps({"form": FORM, "version": VERSION, **asdict(claim)}).encode("ascii")


def load(path: str, data: bytes) -> Claim:
    """Parse a claim's file.

    Raises:
        InvalidRequest: It is not a claim, so it is unknown whether a run is working.
    """
    try:
        found: Mapping[str, Any] = json.loads(data)
        if (found["form"], found["version"]) != (FORM, VERSION):
            raise ValueError("it was written by another release of the collection")
        parts = {key: value for key, value in found.items() if key not in ("form", "version")}
        claim = Claim(**{**parts, "dead": tuple(parts["dead"])})
        if claim.step not in STEPS:
            raise ValueError("it has an unknown step")
    except (KeyError, TypeError, ValueError, RecursionError) as exc:
        why = exc if isinstance(exc, ValueError) else repr(exc)
        raise InvalidRequest(
            f"{path} is not a valid claim: {why}.",
            hint="It is unknown whether another run is working on this VM. Check that none is, then remove the file.",
        ) from exc
    return claim
