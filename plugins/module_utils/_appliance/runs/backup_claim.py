# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The claims of runs on VMs: one file per VM, in a directory that a restart empties.

A process holds the directory's lock to read a claim for a decision, and to write one.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import (
    files,
    opening,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.times import (
    show_time,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs import backup_claim

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST_PAUSE = 0.5
_MODE = 0o600
_MARK = ".boot"


@dataclass(frozen=True)
class SignClaim:
    """Write the claim in the name of a run, at this step of it."""

    run_id: str
    step: str


@dataclass(frozen=True)
class ReleaseClaim:
    """Give the claim back."""


Step = TypeVar("Step")


class _ClaimOperation(Operation[Step]):
    """The base of taking a claim and giving it back."""

    def __init__(self, wish: backup_claim.Wish, host: Host | None = None) -> None:
        """Keep the request.

        Args:
            wish: Which run asks, and for what.
            host: The appliance; this machine by default.
        """
        backup_claim.check(wish)
        self._wish = wish
        self._host = host or Host()

    def _find(self, *, locked: bool = False) -> tuple[backup_claim.Claim | None, backup_claim.Now]:
        now = _now(self._host, locked=locked)
        return backup_claim.current(_read(_file(self._host, self._wish.vm_id)), now), now


class TakeClaim(_ClaimOperation[SignClaim]):
    """Take a VM's claim, and sign it. Waits until it is known whether another run that has it is alive."""

    def plan(self) -> Plan[SignClaim]:
        """Watch the claim, and decide.

        Raises:
            VmClaimed: Another run has it and is alive, or took it from this one.
        """
        found = self._watch()
        signed = SignClaim(self._wish.run_id, self._wish.step)
        after = asdict(signed)
        before = {"run_id": found.run_id, "step": found.step} if found else {}
        steps = () if before == after else (signed,)
        result = self._result(found)
        return Plan(steps=steps, result=result, before=before, after=after, waits=True)

    def execute(self, plan: Plan[SignClaim]) -> Mapping[str, Any]:
        """Take the claim, unless another run did so since. A claim that is ours already is signed again.

        Raises:
            VmClaimed: Another run took it.
        """
        for step in plan.steps:
            if not isinstance(step, SignClaim):
                unhandled(step)
        with files.locked_directory(self._host.paths.claims):
            found, now = self._find(locked=True)
            judged = backup_claim.verdict(found, found, self._wish, now, self._start)
            if judged not in (backup_claim.FREE, backup_claim.MINE):
                raise backup_claim.refusal(found, self._wish, now)
            claim = backup_claim.taken(found, self._wish, now)
            _write(self._host, claim)
        return backup_claim.to_dict(claim)

    def _watch(self) -> backup_claim.Claim | None:
        first, now = self._find()
        start = self._start = now.seconds

        def look() -> tuple[str, backup_claim.Claim | None, backup_claim.Now]:
            found, now = self._find()
            return backup_claim.verdict(found, first, self._wish, now, start), found, now

        def is_free(seen: tuple[str, backup_claim.Claim | None, backup_claim.Now]) -> bool:
            judged, found, now = seen
            if judged not in (backup_claim.FREE, backup_claim.MINE, backup_claim.WAIT):
                raise backup_claim.refusal(found, self._wish, now)
            return judged != backup_claim.WAIT

        # The silence of the other run ends the wait.
        deadline = self._host.deadline(math.inf, _LONGEST_PAUSE)
        _judged, found, _now_then = deadline.wait_for(look, is_free, what="the claim")
        return found

    def _result(self, found: backup_claim.Claim | None) -> dict[str, Any]:
        return backup_claim.to_dict(backup_claim.taken(found, self._wish, _now(self._host)))


class GiveBack(_ClaimOperation[ReleaseClaim]):
    """Give a VM's claim back."""

    def __init__(
        self, wish: backup_claim.Wish, host: Host | None = None, *, left: bool = False
    ) -> None:
        """Keep the request.

        Args:
            wish: Which run had it.
            host: The appliance; this machine by default.
            left: The run leaves something that a later one has to remove.
        """
        super().__init__(wish, host)
        self._left = left

    def plan(self) -> Plan[ReleaseClaim]:
        """See which run has the claim."""
        found, _now_then = self._find()
        mine = found is not None and found.run_id == self._wish.run_id and not found.ended
        held = {"run_id": self._wish.run_id} if mine else {}
        return Plan(steps=(ReleaseClaim(),) if mine else (), before=held)

    def execute(self, plan: Plan[ReleaseClaim]) -> Mapping[str, Any]:
        """Remove the claim, or record in it that its run has ended."""
        for step in plan.steps:
            if not isinstance(step, ReleaseClaim):
                unhandled(step)
        with files.locked_directory(self._host.paths.claims):
            found, _now_then = self._find()
            if found is None or found.run_id != self._wish.run_id:
                return {"changed": False}
            if self._left:
                _write(self._host, backup_claim.ended(found))
            else:
                os.unlink(_file(self._host, found.vm_id))
        return {}


def sign(host: Host, directories: Iterable[str], *, call: bool) -> None:
    """Sign the claims of the runs for which these sets are copied: the runs are alive.

    Args:
        host: The appliance.
        directories: Directories of the sets.
        call: It is the first sign of this call.
    """
    for directory in directories:
        # A copy may be for no set, and a set may be made without a claim.
        with suppress(OSError, BackupError):
            _sign(host, directory, call=call)


def _sign(host: Host, directory: str, *, call: bool) -> None:
    place = naming.SetPath.parse(directory)
    if place.vm is None or place.run is None or not os.path.lexists(_file(host, place.vm[1])):
        return
    with files.locked_directory(host.paths.claims):
        now = _now(host, locked=True)
        found = backup_claim.current(_read(_file(host, place.vm[1])), now)
        if found and backup_claim.is_tied(found, place.run[1], directory):
            _write(host, backup_claim.copying(found, now, call=call))


def _now(host: Host, *, locked: bool = False) -> backup_claim.Now:
    """Return the boot and the clocks of the appliance.

    A container shows the boot of its host. So the directory has a mark of its own, which a restart
    removes.

    Args:
        locked: The directory is locked, so that it may be marked.

    Raises:
        ImageError: The boot cannot be read.
    """
    mark = f"{host.paths.claims}/{_MARK}"
    if locked and not os.path.lexists(mark):
        files.write_whole(mark, uuid.uuid4().hex.encode("ascii"), _MODE)
    boot = _text(f"{host.paths.proc}/sys/kernel/random/boot_id")
    here = _text(mark) if os.path.lexists(mark) else ""
    moment = datetime.fromtimestamp(time.time(), timezone.utc)
    return backup_claim.Now(f"{boot}.{here}", host.clock.now(), show_time(moment))


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError as exc:
        raise ImageError(
            f"{path} cannot be read: {exc.strerror}.",
            hint="Without it, claims on VMs cannot be taken. Run this task as root (become: true), with /proc mounted.",
        ) from exc


def _file(host: Host, vm_id: str) -> str:
    return f"{host.paths.claims}/{vm_id}.json"


def _read(path: str) -> backup_claim.Claim | None:
    """Return a claim; None if there is none.

    Raises:
        ImageError: It cannot be read; that does not mean that no run is alive.
        InvalidRequest: It is not a claim.
    """
    try:
        data = opening.read_regular(path, backup_claim.SIZE_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unread(path, exc) from exc
    return backup_claim.load(path, data)


def _write(host: Host, claim: backup_claim.Claim) -> None:
    files.write_whole(_file(host, claim.vm_id), backup_claim.dump(claim), _MODE)


def _unread(path: str, exc: OSError) -> ImageError:
    return ImageError(
        f"{path} cannot be read: {exc.strerror}.",
        hint="It says whether another run is backing up this VM. Run this task as root (become: true).",
    )
