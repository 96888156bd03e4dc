# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an appliance is fit for a backup, judged from gathered facts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    exposure,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import identity

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON_FLOOR = (3, 9)
ISOLATION = ("ignore", "warn", "refuse")


@dataclass(frozen=True)
class PreflightRequest:
    """The requirements on the appliance.

    Attributes:
        repository: Absolute path of the repository.
        require_mount: Whether it must not lie on the root file system.
        required_bytes: Bytes that the run will write.
        reserve_bytes: Bytes that must stay free besides.
        require_zstd: Whether images will be compressed.
        isolation: What to do if it is not certain that attached disks are isolated: ``ignore``,
            ``warn`` or ``refuse``.
        vm_id: Id that the engine has for the appliance; empty: not compared.
        identity: How to compare the machine with it, see ``identity``.
    """

    repository: str
    require_mount: bool = True
    required_bytes: int = 0
    reserve_bytes: int = 0
    require_zstd: bool = True
    isolation: str = "warn"
    vm_id: str = ""
    identity: str = identity.COMPARE

    @property
    def needed_bytes(self) -> int:
        """Bytes that must be free."""
        return self.required_bytes + self.reserve_bytes


@dataclass(frozen=True)
class RepositoryFacts:
    """The repository's directory and its file system; sizes in bytes.

    Attributes:
        mount_point: Empty if the path does not exist.
        exposed: Directories on the way to it, and of its VMs, that others than root could change,
            with the reason.
    """

    path: str
    is_directory: bool
    mount_point: str
    filesystem: str
    source: str
    writable: bool
    free_bytes: int
    total_bytes: int
    exposed: tuple[str, ...] = ()


@dataclass(frozen=True)
class QemuImgFacts:
    """The program qemu-img; an empty path means that it is missing."""

    path: str
    version: str
    zstd: bool


@dataclass(frozen=True)
class Leftovers:
    """What dead runs left in the repository.

    Attributes:
        parts: Images that were never finished.
        sets: Directories of sets without a manifest.
    """

    parts: tuple[str, ...]
    sets: tuple[str, ...]


@dataclass(frozen=True)
class IsolationFacts:
    """What is known of the isolation of attached disks.

    Attributes:
        prepared: When it was set up (UTC), empty if it never was.
        proven: When it was proven, empty if it never was, or with other files.
        proof: The kind of disk it was proven on: ``disk`` or ``scsi_debug``.
        altered: Files that were changed since they were written.
        loose: Attached disks that are neither isolated nor the appliance's own.
    """

    prepared: str = ""
    proven: str = ""
    proof: str = ""
    altered: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApplianceFacts:
    """All gathered facts."""

    repository: RepositoryFacts
    qemu_img: QemuImgFacts
    python: str
    kernel: str
    root: bool
    leftovers: Leftovers
    isolation: IsolationFacts = IsolationFacts()
    machine_id: str = ""


@dataclass(frozen=True)
class Problem:
    """One reason why a backup would fail, and what to do about it."""

    check: str
    message: str
    remedy: str


def facts_dict(facts: ApplianceFacts) -> dict[str, Any]:
    """Return the facts as JSON types."""
    data = asdict(facts)
    data["leftovers"] = {key: list(value) for key, value in data["leftovers"].items()}
    data["repository"]["exposed"] = list(data["repository"]["exposed"])
    for key in ("altered", "loose"):
        data["isolation"][key] = list(data["isolation"][key])
    return data


def problems(request: PreflightRequest, facts: ApplianceFacts) -> tuple[Problem, ...]:
    """Return every problem, so that one run reports them all."""
    return (
        *_identity(request, facts, fatal=True),
        *_repository(request, facts.repository),
        *_qemu_img(request, facts.qemu_img),
        *_system(facts),
        *(doubts(facts.isolation) if request.isolation == "refuse" else ()),
    )


def warnings(request: PreflightRequest, facts: ApplianceFacts) -> tuple[str, ...]:
    """Return what does not prevent a backup."""
    found = [
        *_identity(request, facts, fatal=False),
        *(doubts(facts.isolation) if request.isolation == "warn" else ()),
    ]
    return tuple(f"{problem.message} {problem.remedy}" for problem in found)


def doubts(facts: IsolationFacts) -> tuple[Problem, ...]:
    """Return why it is not certain that the appliance leaves attached disks alone."""
    again = "Run the playbook ovirt_community.backup.prepare_appliance (again)."
    if not facts.prepared:
        message = "The appliance is not prepared: its programs could modify attached disks."
        return (Problem("prepared", message, again),)
    found = []
    if facts.altered:
        message = f"The isolation was changed after it was set up: {', '.join(facts.altered)}."
        found.append(Problem("isolation", message, again))
    elif not facts.proven:
        message = "Isolation from attached disks has never been proven."
        found.append(Problem("proof", message, again))
    if facts.loose:
        disks = ", ".join(facts.loose)
        message = f"Disks that are neither isolated nor the appliance's own: {disks}."
        found.append(Problem("loose", message, again))
    return tuple(found)


def check(request: PreflightRequest, facts: ApplianceFacts) -> None:
    """Refuse an appliance that has problems.

    Raises:
        Refused: All problems are in the message and in ``details["problems"]``.
    """
    found = problems(request, facts)
    if not found:
        return
    lines = [f"{problem.message} {problem.remedy}" for problem in found]
    raise Refused(
        f"The appliance is not ready ({len(found)} "
        f"{'problem' if len(found) == 1 else 'problems'}): " + " ".join(lines),
        details={
            "problems": [asdict(problem) for problem in found],
            "facts": facts_dict(facts),
        },
    )


def _identity(
    request: PreflightRequest, facts: ApplianceFacts, *, fatal: bool
) -> tuple[Problem, ...]:
    found = identity.doubt(facts.machine_id, request.vm_id, request.identity)
    if found is None or found.fatal is not fatal:
        return ()
    return (Problem("identity", found.message, found.remedy),)


def _repository(request: PreflightRequest, facts: RepositoryFacts) -> Iterator[Problem]:
    if not facts.is_directory:
        yield Problem(
            "repository",
            f"The repository {facts.path} is not a directory.",
            "Mount the repository disk and create the directory.",
        )
        return
    if request.require_mount and facts.mount_point == "/":
        yield Problem(
            "mount",
            f"The repository {facts.path} lies on the appliance's root file system.",
            f"Mount the repository disk there, or set {option('require_mount', ': false')}.",
        )
    if facts.exposed:
        yield Problem("exposed", exposure.message(facts.path, facts.exposed), exposure.REMEDY)
    if not facts.writable:
        yield Problem(
            "writable",
            f"The repository {facts.path} cannot be written to.",
            f"Check how {facts.mount_point} is mounted and who owns the directory.",
        )
    if facts.free_bytes < request.needed_bytes:
        yield Problem(
            "space",
            f"{facts.free_bytes} bytes are free in {facts.path}, {request.needed_bytes} are needed "
            f"({request.required_bytes} for images, {request.reserve_bytes} in reserve).",
            "Remove old sets, or enlarge the repository disk.",
        )


def _qemu_img(request: PreflightRequest, facts: QemuImgFacts) -> Iterator[Problem]:
    if not facts.path:
        yield Problem(
            "qemu_img",
            "qemu-img is not installed.",
            "Install the package qemu-utils (Debian, Ubuntu) or qemu-img (EL, Fedora).",
        )
    elif request.require_zstd and not facts.zstd:
        yield Problem(
            "zstd",
            f"qemu-img {facts.version} cannot compress with zstd.",
            f"Install QEMU 5.1 or newer with zstd support, or use {option('compression', ': none')}.",
        )


def _system(facts: ApplianceFacts) -> Iterator[Problem]:
    if not facts.root:
        yield Problem(
            "root",
            "The task does not run as root and cannot open block devices.",
            "Use become: true.",
        )
    version = tuple(int(part) for part in facts.python.split(".")[:2])
    if version < PYTHON_FLOOR:
        floor = ".".join(str(part) for part in PYTHON_FLOOR)
        yield Problem(
            "python",
            f"Python {facts.python} is older than {floor}.",
            "Set ansible_python_interpreter to a newer one.",
        )
