# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a verification: which sets are due, and what is a fault."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    ImageError,
    InvalidRequest,
    OvfInvalid,
    SetsCorrupt,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    parse_qcow2_header,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backlog,
    catalogue,
    verification_record,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
        Outcome,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.manifest import (
        Manifest,
        ManifestDisk,
    )

PARALLEL_LIMIT = 64
_NOTHING_TO_COMPARE = (catalogue.UNFINISHED, catalogue.UNSUPPORTED)
_NO_GOOD = (catalogue.CORRUPT, catalogue.PARENT_MISSING, catalogue.UNREADABLE)
_GIB = 1024**3
_NOT_CHECKED = 1
"""``qemu-img check``: "check not completed because of internal errors"; for instance, it could not
open the image."""

_LEAKS = 3
_NOT_LOOKED = ("Cannot allocate memory", "Too many open files", "Could not open", "Failed to get")
"""Words of programs that could not read the image: a resource was short, or another process held a
lock."""

_NO_CHECK = 63


@dataclass(frozen=True)
class VerifyRequest:
    """The request of ``backup_set_verify``.

    Attributes:
        sets: Paths of sets; empty means the whole repository.
        newest: Only the newest finished set of each VM.
        vm: Only sets of this VM, by name or id.
        unverified_days: Only sets that were not found good within so many days; 0 means all.
        limit: At most so many sets; those whose last verification is longest ago come first.
        content: Also read the content that a guest would see.
        parallel: Number of images to read at the same time.
        polite: Give other processes priority for processor and storage.
    """

    repository: str
    sets: tuple[str, ...] = ()
    newest: bool = False
    vm: str = ""
    unverified_days: float = 0.0
    limit: int | None = None
    content: bool = False
    parallel: int = 2
    polite: bool = True

    @property
    def depth(self) -> str:
        """The depth of the verification, as the record names it."""
        return verification_record.CONTENT if self.content else verification_record.FILES


@dataclass
class Findings:
    """What was found in one set so far.

    Attributes:
        undecided: What could not be read; that says nothing of the set.
    """

    faults: list[verification_record.SetFault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)

    def fault(self, file: str, fault: str) -> None:
        """Add a fault; an empty text adds none."""
        if fault:
            self.faults.append(verification_record.SetFault(file, fault))

    @property
    def verdict(self) -> str:
        """The verdict on the set."""
        return verification_record.CORRUPT if self.faults else verification_record.OK


def check_request(request: VerifyRequest) -> None:
    """Refuse a contradictory request.

    Raises:
        InvalidRequest: Names the first contradiction.
    """
    if not 1 <= request.parallel <= PARALLEL_LIMIT:
        raise InvalidRequest(
            f"{option('parallel')} must be 1 to {PARALLEL_LIMIT}, not {request.parallel}."
        )
    if request.unverified_days < 0:
        raise InvalidRequest(f"{option('unverified_days')} must not be less than 0.")
    if request.limit is not None and request.limit < 1:
        raise InvalidRequest(f"{option('limit')} must be 1 or more.")


@dataclass(frozen=True)
class Known:
    """A set that is known to be bad and is not read now. It counts as bad all the same.

    Attributes:
        undecided: It could not be read; that says nothing of the set.
    """

    path: str
    why: str
    undecided: bool


@dataclass(frozen=True)
class Round:
    """What one verification reads, and what it does not.

    Attributes:
        due: Sets to read now, the longest unread first.
        known: Sets known to be bad that are not in ``due``.
        left: Sets that are due and that the limit leaves out.
    """

    due: tuple[catalogue.Entry, ...]
    known: tuple[Known, ...]
    left: backlog.Backlog

    def warnings(self) -> tuple[str, ...]:
        """Return what a person should know of the round, one sentence each; for check mode too."""
        late = self.left.text()
        named = "; ".join(f"{one.path}: {one.why}" for one in self.known)
        known = f"{len(self.known)} sets that are not read now are known to be bad. {named}."
        return (*([known] if self.known else []), *([late] if late else []))


def choose(found: catalogue.Catalogue, request: VerifyRequest, now: datetime) -> Round:
    """Choose the sets to verify, and sort out the others.

    Unfinished sets and those of a later format are left out: there is nothing to compare them with.
    A set that was found corrupt is due until it is found good or is removed.

    Raises:
        InvalidRequest: A path is not a set of the repository.
    """
    asked = catalogue.find(found, request.sets) if request.sets else list(found.entries)
    finished = tuple(one for one in catalogue.STATES if one not in _NOTHING_TO_COMPARE)
    select = catalogue.NEWEST if request.newest else catalogue.ALL
    wanted = catalogue.Filter(vm=request.vm, states=finished, select=select)
    every = catalogue.choose_all(asked, wanted)
    waiting = [entry for entry in every if _is_due(entry, request, now)]
    waiting.sort(key=lambda one: (*_waits(one, now), one.path))
    due = waiting[: request.limit]
    return Round(
        due=tuple(due),
        known=tuple(_known(asked, request.vm, {one.path for one in due})),
        left=backlog.measure(waiting[len(due) :], due, every, now, request.unverified_days),
    )


def _known(asked: Sequence[catalogue.Entry], vm: str, read: Collection[str]) -> Iterator[Known]:
    """Yield sets that are recorded as bad, whatever keeps them from being read now."""
    for one in catalogue.choose_all(asked, catalogue.Filter(vm=vm, states=_NO_GOOD)):
        if one.path not in read:
            why = one.reason.rstrip(".")
            yield Known(one.path, f"not read now; {why}", one.state == catalogue.UNREADABLE)


def _waits(entry: catalogue.Entry, now: datetime) -> tuple[bool, datetime]:
    """Return since when a set waits; a record dated in the future does not count."""
    last = backlog.verified(entry, now)
    return last is not None, last or entry.time


def unread(found: catalogue.Catalogue, request: VerifyRequest) -> list[catalogue.Stranger]:
    """Return requested set directories that could not be read."""
    return [] if request.sets else found.unread(request.vm)


def _is_due(entry: catalogue.Entry, request: VerifyRequest, now: datetime) -> bool:
    last = entry.verified
    if last is None or last.verdict != verification_record.OK or not entry.is_good:
        return True
    if request.content and last.depth != verification_record.CONTENT:
        return True
    # A record dated in the future does not count.
    return not timedelta(0) <= now - last.moment < timedelta(days=request.unverified_days)


def batches(entries: Sequence[catalogue.Entry], parallel: int) -> list[list[catalogue.Entry]]:
    """Group the sets to read at the same time: as few as keep ``parallel`` readers busy."""
    found: list[list[catalogue.Entry]] = [[]]
    images = 0
    for entry in entries:
        if images >= parallel:
            found.append([])
            images = 0
        found[-1].append(entry)
        images += len(entry.manifest.disks) if entry.manifest else 0
    return [batch for batch in found if batch]


def header(disk: ManifestDisk, file_size: int, head: bytes) -> str:
    """Return what is wrong with an image's size or header, before any program opens it; empty if nothing is.

    No header may lead a program to another file.

    Args:
        file_size: Bytes of the file.
        head: Its first bytes.
    """
    if file_size != disk.file_size:
        return f"has {file_size} bytes, not {disk.file_size}"
    return "" if disk.format == "raw" else _qcow2(disk, head)


def _qcow2(disk: ManifestDisk, head: bytes) -> str:
    found = parse_qcow2_header(head)
    if found is None:
        return "is not a qcow2 image"
    if found.external_data or found.encrypted:
        return "depends on other files (external data file or encryption)"
    if found.backing_file:
        return "names a backing file, which no set of this format version has"
    if found.virtual_size != disk.virtual_size:
        return f"holds a disk of {found.virtual_size} bytes, not {disk.virtual_size}"
    return ""


def check_argv(qemu_img: str, path: str) -> tuple[str, ...]:
    """Return the command that checks the structure of a qcow2 image."""
    return (qemu_img, "check", "-q", "-f", "qcow2", path)


def content_argv(qemu_img: str, path: str, socket: str) -> tuple[str, ...]:
    """Return the command that sends the guest-visible content of a qcow2 image to a socket, front to back."""
    target = f"nbd+unix:///?socket={socket}"
    return (qemu_img, "convert", "-n", "-m", "1", "-f", "qcow2", "-O", "raw", path, target)


def structure(file: str, outcome: Outcome, said: str, into: Findings) -> None:
    """Record the result of ``qemu-img check``. Lost clusters waste space and harm nothing."""
    if outcome.code == _LEAKS:
        into.notes.append(f"{file} contains unused clusters, which only waste space")
    elif outcome.code == _NO_CHECK:
        into.notes.append(f"{file} cannot be checked by this qemu-img")
    elif outcome.code == _NOT_CHECKED or _could_not_work(outcome, said):
        into.undecided.append(f"{file}: {_ended(outcome, said)}")
    elif outcome.code != 0:
        into.fault(file, f"is damaged inside (qemu-img check: {_last(said)})")


def _last(said: str) -> str:
    return (said.strip() or "it said nothing").splitlines()[-1]


def content(
    disk: ManifestDisk, outcome: Outcome | None, said: str, seen: str | None, into: Findings
) -> None:
    """Record the result of reading the content that a guest would see.

    Args:
        outcome: How the reading program ended.
        seen: The hash; empty if the content ended early, None if it was not requested.
    """
    if seen is None or seen == disk.content_sha256:
        return
    if outcome is not None and _could_not_work(outcome, said):
        into.undecided.append(f"{disk.file}: {_ended(outcome, said)}")
    elif not seen:
        into.fault(disk.file, f"cannot be read as a disk: {said[-500:] or 'it ended early'}")
    else:
        into.fault(disk.file, "differs from the content of the disk at backup time")


def _could_not_work(outcome: Outcome, said: str) -> bool:
    """Tell whether a program failed because of this machine and not because of the image."""
    return outcome.code < 0 or any(words in said for words in _NOT_LOOKED)


def _ended(outcome: Outcome, said: str) -> str:
    if outcome.code < 0:
        return f"qemu-img was killed by signal {-outcome.code}"
    lines = said.strip().splitlines() or ["it said nothing"]
    told = next((line for line in lines if any(words in line for words in _NOT_LOOKED)), lines[-1])
    return f"qemu-img could not look ({told.removeprefix('qemu-img: ')[-300:]})"


def configuration(found: Manifest, data: bytes, into: Findings) -> None:
    """Record faults of the VM's configuration, by itself and against the set's disks."""
    file = found.ovf.file
    try:
        read = ovf.read(data.decode("utf-8"))
    except (OvfInvalid, UnicodeDecodeError) as exc:
        into.fault(file, f"is not a VM configuration: {exc}")
        return
    known = {disk.disk_id: disk for disk in read.disks}
    for disk in found.disks:
        if disk.id not in known:
            into.fault(file, f"does not name the disk {disk.id}")
            continue
        _compare(file, disk, known[disk.id], into)
    for other in sorted(set(known) - {disk.id for disk in found.disks}):
        into.notes.append(f"{file} names the disk {other}, but the set has no image of it")
    if read.vm_id != found.vm.id:
        into.fault(file, f"belongs to another VM, {read.vm_id}")


def _compare(file: str, disk: ManifestDisk, known: ovf.OvfDisk, into: Findings) -> None:
    # Older engines round down, later ones up. The image's own header tells its size, so this is only a note.
    rounded = (disk.virtual_size // _GIB, -(-disk.virtual_size // _GIB))
    if known.gib and known.gib not in rounded:
        into.notes.append(
            f"{file} says that the disk {disk.id} has {known.gib} GiB, but its image has {disk.virtual_size} bytes"
        )
    if known.alias != disk.alias:
        # A disk may be renamed between the snapshot and the attachment.
        into.notes.append(f"{file} calls the disk {disk.id} {known.alias!r}, not {disk.alias!r}")


def failure(
    corrupt: Mapping[str, Sequence[str]],
    looked_at: int,
    undecided: Mapping[str, Sequence[str]],
    left: backlog.Backlog,
) -> BackupError:
    """Return the error that names the corrupt sets, after all sets were read.

    Args:
        corrupt: Faults by path.
        looked_at: How many sets were read or are known to be bad.
        undecided: What could not be read, by path.
        left: What the limit left unread.
    """
    if not corrupt:
        return _undecided(undecided, looked_at, left)
    late = f" {left.text()}" if left.sets else ""
    also = f" {_unseen(undecided, looked_at)}" if undecided else ""
    named = "; ".join(f"{path}: {', '.join(faults)}" for path, faults in corrupt.items())
    return SetsCorrupt(
        f"{len(corrupt)} of {looked_at} sets are corrupt. {named}.{also}{late}",
        hint="Restores no longer choose them. Back up these VMs again, and look at the"
        " repository's storage.",
        details={
            "corrupt": [{"path": path, "faults": list(one)} for path, one in corrupt.items()],
            "undecided": {path: list(one) for path, one in undecided.items()},
            "looked_at": looked_at,
            "not_reached": left.to_dict(),
        },
    )


def _unseen(found: Mapping[str, Sequence[str]], looked_at: int) -> str:
    named = "; ".join(f"{path}: {', '.join(one)}" for path, one in found.items())
    return f"{len(found)} of {looked_at} sets could not be verified. {named}."


def _undecided(
    found: Mapping[str, Sequence[str]], looked_at: int, left: backlog.Backlog
) -> ImageError:
    """Return the error that names the sets without a verdict."""
    late = f" {left.text()}" if left.sets else ""
    return ImageError(
        f"{_unseen(found, looked_at)}{late}",
        hint="Their earlier records are kept. Check which process has the images open, the free "
        "memory and the kernel log of this machine, then verify them again.",
        details={
            "undecided": {path: list(one) for path, one in found.items()},
            "not_reached": left.to_dict(),
        },
    )
