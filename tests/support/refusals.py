# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One table of the engine's refusals: docs/engine.md#refusals-of-an-attach, docs/engine.md#refusals-of-a-detach.

``RECORDED`` names the recorded step with the refusal: status and text come from there, and the
steps before it arrange the situation. ``UNRECORDED`` are rows without a recording: arranged by the
lab's control API, with the text of the engine's sources. Both say how the engine port reports the
refusal.
"""

from __future__ import annotations

import re
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from player.arranging import Arranger
from player.client import PASSWORD, Client
from player.compare import Answered
from player.names import Names
from player.reading import until, value_of
from player.scenes import Arrange, Question, Scene, Wait, load
from player.world import Maker, accounts

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineFault,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
    DiskId,
    SnapshotId,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
    EnginePort,
)
from lab.control import Control
from lab.lab import Lab
from lab.world import CENTRES

RECORDINGS = Path(__file__).resolve().parents[1] / "lab_tests/recorded"
RAW = "raw"
"""Instead of a reason: the port does not ask so (without a snapshot, with a malformed id)."""

_PATH = re.compile(r"/vms/([^/]+)/diskattachments(?:/([^/?;]+))?")

Told = TypeVar("Told")
Json = Any


@dataclass(frozen=True)
class Row:
    """A refusal that was recorded, and how the port tells it."""

    number: str
    scene: str
    title: str
    reason: str
    retry: bool

    def __str__(self) -> str:
        """Its name in a report."""
        return f"{self.scene}: {self.title}"


def _rows(
    number: str, scene: str, reason: str, *titles: str, retry: bool = False
) -> tuple[Row, ...]:
    return tuple(Row(number, scene, title, reason, retry) for title in titles)


_ONE, _TWO, _THREE, _FOUR = (f"attach-refusals-{n}" for n in (1, 2, 3, 4))
_ATTACH = (
    *_rows(
        *("1", _ONE, "disk_not_in_snapshot"),
        *("1 unknown disk", "1 unknown snapshot", "1 snapshot of another VM"),
        *("1 LUN with snapshot", "1 before 6: unknown disk, unknown VM"),
    ),
    *_rows("1", _ONE, RAW, "1 unknown disk without snapshot"),
    *_rows(
        *("3", _ONE, "content_type"),
        *("3 content type ovf_store", "3 content type memory_dump_volume"),
        *("3 content type memory_metadata_volume", "3 content type iso"),
        *("3 content type backup_scratch", "3 before 4c", "3 before 6: unknown VM"),
    ),
    *_rows("4a", _ONE, "snapshot_missing", "4a snapshot row missing"),
    *_rows(
        *("4b", _ONE, "snapshot_not_regular"),
        *("4b active entry", "4b type preview", "4b type stateless", "4b type next_run"),
        "4b before 4c",
    ),
    *_rows("4c", _ONE, "snapshot_locked", "4c status locked", "4c before 5a", retry=True),
    *_rows("4c", _ONE, "snapshot_in_preview", "4c status in_preview"),
    *_rows("5a", _ONE, "disk_illegal", "5a active volume illegal", "5a before 5b"),
    *_rows(
        *("5b", _ONE, "disks_locked", "5b snapshot volume locked", "5b before 6: unknown VM"),
        retry=True,
    ),
    *_rows("6", _ONE, "vm_missing", "6 unknown VM"),
    *_rows("6", _TWO, "vm_missing", "6 unknown VM"),
    *_rows(
        *("7", _TWO, "vm_status"),
        *("7 VM unassigned", "7 VM unknown", "7 VM not_responding", "7 VM suspended"),
        *("7 VM image_illegal", "7 before 9"),
    ),
    *_rows(
        *("7", _TWO, "vm_status_passing"),
        *("7 VM powering_up", "7 VM powering_down", "7 VM migrating_from", "7 VM migrating_to"),
        *("7 VM wait_for_launch", "7 VM reboot_in_progress", "7 VM saving_state"),
        *("7 VM restoring_state", "7 VM image_locked"),
        retry=True,
    ),
    *_rows(
        *("9", _TWO, "vm_external"),
        *("9 origin external", "9 origin hosted_engine", "9 origin managed_hosted_engine"),
        "9 before 10",
    ),
    *_rows(
        *("10", _TWO, "boot_in_use"),
        *("10 boot disk there (up)", "10 boot disk there (down)"),
        *("10 boot disk there but not active", "10 before 12"),
    ),
    *_rows(
        *("11", _TWO, "no_free_slot"),
        *("11 22 NICs, virtio", "11 22 NICs, virtio unplugged", "11 sata"),
        *("11 sata, read only (before 16)", "11 before 12"),
    ),
    *_rows(
        *("12", _TWO, "already_attached"),
        *("12 same snapshot again", "12 other snapshot", "12 before 16", "12 owner"),
    ),
    *_rows("12", _TWO, RAW, "12 without snapshot (before 13)"),
    *_rows("13", _TWO, RAW, "13 without snapshot, owned by another VM"),
    *_rows("13", _THREE, RAW, "13 before 14"),
    *_rows("14", _THREE, "other_data_center", "14 other data centre", "14 before 15a"),
    *_rows(
        *("15a", _THREE, "backup_domain"),
        *("15a backup domain, VM down", "15a backup domain, VM up", "15a before 16"),
    ),
    *_rows(
        *("15b", _THREE, "domain_status"),
        *("15b domain uninitialized", "15b domain unattached", "15b domain inactive"),
        *("15b domain maintenance", "15b domain maintenance, VM up", "15b domain detaching"),
        "15b before 16",
    ),
    *_rows(
        *("15b", _THREE, "domain_status_passing"),
        *("15b domain unknown", "15b domain locked", "15b domain activating"),
        "15b domain preparing_for_maintenance",
        retry=True,
    ),
    *_rows(
        *("16", _FOUR, "read_only_unsupported"),
        *("16 ro sata", "16 ro ide", "16 ro ide, up", "16 before 21"),
    ),
    *_rows("17", _FOUR, "virtio_scsi_disabled", "17 no controller", "17 before 20a"),
    *_rows(
        *("18", _FOUR, "interface_unsupported"),
        *("18 ide on q35", "18 spapr", "18 before 19: spapr with pass_discard", "18 before 20a"),
        *("18 ide, up", "18 spapr, up", "sata on i440fx, unplugged", "spapr on i440fx"),
    ),
    *_rows(
        *("20a", _FOUR, "vm_during_snapshot"),
        *("20a snapshot of the VM itself", "20a down", "20a before 21"),
        retry=True,
    ),
    *_rows("20b", _FOUR, "vm_in_preview", "20b status in_preview"),
    *_rows("21", _FOUR, "interface_no_hotplug", "21 ide hot on i440fx"),
    *_rows("21b", _FOUR, "interface_unsupported", "21 sata hot"),
)
_DETACH = (
    *_rows(
        *("1", "detach-1", "vm_missing"),
        *("detach, unknown VM", "detach, unknown VM and unknown disk"),
    ),
    *_rows("1", "detach-1", RAW, "detach, VM id malformed", "detach, disk id malformed"),
    *_rows(
        *("2", "detach-2", "vm_external"),
        *("2 origin external", "2 origin hosted_engine", "2 origin managed_hosted_engine"),
        "2 before 3",
    ),
    *_rows(
        *("3", "detach-2", "vm_status"),
        *("3 VM unassigned", "3 VM not_responding", "3 VM suspended"),
        "3 before 4: suspended, not attached",
    ),
    *_rows(
        *("3", "detach-2", "vm_status_passing"),
        *("3 VM powering_up", "3 VM powering_down", "3 VM migrating_from", "3 VM wait_for_launch"),
        *("3 VM reboot_in_progress", "3 VM saving_state", "3 VM image_locked"),
        retry=True,
    ),
    *_rows(
        *("4", "detach-1", "not_attached"),
        *("second detach", "detach, unknown disk", "detach of a disk of another VM"),
    ),
    *_rows("6", "detach-2", "not_attached", "6 device row missing", "after both rows"),
    *_rows("6", "detach-2", "unknown", "attach with the other row left"),
    *_rows("7", "detach-2", "interface_no_hotplug", "7 IDE plugged, VM up"),
    *_rows(
        *("8", "detach-1", "disk_configured_in_snapshot"),
        *("detach of the source's own disk (has snapshots)", "the same while attached to bak"),
    ),
)
RECORDED = (*_ATTACH, *_DETACH)


# ----- what was recorded --------------------------------------------------------------------------


@cache
def scene_of(name: str) -> Scene:
    """Return a recorded scene."""
    return load(RECORDINGS / f"{name}.jsonl")


def question_of(row: Row) -> Question:
    """Return the step of a row, with the engine's answer.

    Raises:
        LookupError: The scene has no such step, or several.
    """
    steps = scene_of(row.scene).steps
    found = [one for one in steps if isinstance(one, Question) and one.title == row.title]
    if len(found) != 1:
        raise LookupError(f"{row.scene}: {len(found)} steps are called {row.title!r}")
    return found[0]


def refusals_of(scene: str) -> list[str]:
    """Titles of all attaches, detaches and changes of an attachment that the engine refused in a scene."""
    return [
        one.title
        for one in scene_of(scene).steps
        if isinstance(one, Question) and one.method != "GET" and one.status >= 400
    ]


def detail_of(answer: str) -> str:
    """Return the detail of a fault; empty if the answer has no body."""
    return (ET.fromstring(answer).findtext("detail") or "") if answer else ""  # noqa: S314


@dataclass(frozen=True)
class Stage:
    """A lab with the world of a scene."""

    scene: Scene
    client: Client
    names: Names
    arranger: Arranger

    def walk(self, ask: Callable[[Question], Told]) -> dict[str, Told]:
        """Take every step; ``ask`` puts the rows of the table, and what it returns is told by title."""
        titles = {row.title for row in RECORDED if row.scene == self.scene.name}
        told: dict[str, Told] = {}
        for step in self.scene.steps:
            if isinstance(step, Arrange):
                self.arranger.do(step)
            elif isinstance(step, Wait):
                path = self.names.fill(step.path)
                until(self.client, path, step.element, step.wanted, step.user)
            elif step.title in titles:
                told[step.title] = ask(step)
            else:
                self._go_on(step)
        return told

    def _go_on(self, question: Question) -> None:
        answered = self.send(question)
        for name, path in question.save.items():
            self.names.bound[name] = value_of(answered, path) or ""

    def send(self, question: Question) -> Answered:
        """Put a question as it was recorded."""
        fill = self.names.fill
        headers = {k: None if v is None else fill(v) for k, v in question.headers.items()}
        body = None if question.body is None else fill(question.body)
        user = question.user or "admin"
        return self.client.ask(question.method, fill(question.path), headers, body, user)


def put(engine: EnginePort, question: Question, names: Names) -> None:
    """Put a question through the engine port, and let it raise."""
    found = _PATH.match(names.fill(question.path))
    assert found, question.path
    vm_id = VmId(found[1])
    if question.method == "DELETE":
        engine.detach(vm_id, DiskId(found[2]))
        return
    order = ET.fromstring(names.fill(question.body or ""))  # noqa: S314
    disk, snapshot = (order.find(path) for path in ("disk", "disk/snapshot"))
    assert disk is not None, question.title
    assert snapshot is not None, question.title
    disk_id, snapshot_id = DiskId(disk.attrib["id"]), SnapshotId(snapshot.attrib["id"])
    engine.attach(vm_id, disk_id, snapshot_id, _settings(order))


def fault_of(order: Callable[[], object]) -> EngineFault | None:
    """Return what an order is refused with; None if it is not."""
    try:
        order()
    except EngineFault as fault:
        return fault
    return None


def _settings(order: ET.Element) -> AttachSettings:
    """Return how an attach was ordered; the port always says what a recorded question left out."""

    def said(name: str) -> bool:
        return order.findtext(name) == "true"

    return AttachSettings(
        order.findtext("interface") or "",
        said("bootable"),
        said("read_only"),
        said("pass_discard"),
        said("active"),
    )


@contextmanager
def stage_of(scene: Scene, root: Path) -> Iterator[tuple[Stage, Lab]]:
    """A lab of its own with the world of a scene."""
    centres = CENTRES if "other_cluster" in scene.world.get("ids", {}) else CENTRES[:1]
    with Lab(root, host=False, appliance=False, vms=(), centres=centres) as lab:
        names = Names({"engine": f"https://localhost:{lab.server.port}"})
        tls = ssl.create_default_context(cafile=str(lab.identity.ca_file))
        client = Client(names.bound["engine"], tls, accounts(scene))
        control = lab.control()
        control.add_user("admin@internal", PASSWORD, [{"role": "SuperUser"}])
        Maker(control, client, names).make(scene)
        yield Stage(scene, client, names, Arranger(control, names)), lab


# ----- what was not -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a row is arranged: an appliance, and a disk of a snapshot, by their ids."""

    control: Control
    appliance: str
    disk: str


Arrangement = Callable[[Place], object]


@dataclass(frozen=True)
class Unrecorded:
    """A refusal that no recording has."""

    number: str
    title: str
    arrange: Arrangement
    reason: str
    status: int
    text: str
    retry: bool = False
    settings: Mapping[str, Json] = field(default_factory=dict)
    detach: bool = False

    def __str__(self) -> str:
        """Its name in a report."""
        return f"{self.number} {self.title}"


def _lock(message: str, **names: str) -> Arrangement:
    return lambda place: place.control.lock("disk", place.disk, message, **names)


def _appliance(**values: Json) -> Arrangement:
    return lambda place: place.control.patch("vms", place.appliance, **values)


P, D = "Cannot attach Virtual Disk", "Cannot detach Virtual Disk"
AGAIN = "Please try again in a few minutes."
UNRECORDED = (
    Unrecorded(
        "2",
        "hosted engine, asked for without a snapshot",
        lambda place: place.control.patch("disks", place.disk, hosted_engine_lun=True),
        RAW,
        409,
        f"{P}. The disk contains the hosted engine.",
    ),
    Unrecorded(
        "lock",
        "object locked",
        _lock("OBJECT_LOCKED"),
        "object_locked",
        409,
        f"{P}. Related operation is currently in progress. Please try again later.",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "disks locked",
        _lock("DISKS_LOCKED", diskAliases="a"),
        "disks_locked",
        409,
        f"{P}: The following disks are locked: a. {AGAIN}",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "disks locked, unnamed",
        _lock("DISKS_LOCKED"),
        "disks_locked",
        409,
        f"{P}: The following disks are locked: ${{diskAliases}}. {AGAIN}",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "disk moved",
        _lock("DISK_BEING_MIGRATED", DiskName="a"),
        "disk_being_moved",
        409,
        f"{P}. Disk a is being moved or copied.",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "snapshot taken",
        _lock("SNAPSHOT_BEING_TAKEN", VmName="a"),
        "snapshot_being_taken",
        409,
        f"{P}. Snapshot is currently being created for VM a.",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "VM locked",
        _lock("VM_IS_LOCKED"),
        "vm_locked",
        409,
        f"{P}: VM is locked. {AGAIN}",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "VM exported",
        _lock("VM_BEING_EXPORTED", VmName="a"),
        "vm_being_exported",
        409,
        f"{P}. VM a is being exported.",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "VM cloned",
        _lock("VM_BEING_CLONED"),
        "vm_being_cloned",
        409,
        f"{P}. VM is being cloned.",
        retry=True,
    ),
    Unrecorded(
        "lock",
        "VM backed up",
        _lock("VM_DURING_BACKUP"),
        "vm_during_backup",
        409,
        f"{P}. The VM is during a backup operation.",
        retry=True,
    ),
    Unrecorded(
        "maintenance",
        "engine in maintenance",
        lambda place: place.control.settings(maintenance=True),
        "engine_maintenance",
        409,
        "Engine is running in Maintenance mode and is not accepting commands.",
        retry=True,
    ),
    Unrecorded(
        "3",
        "detach, paused",
        _appliance(status="paused"),
        "vm_status",
        409,
        f"{D} because the VM is in Paused status.",
        detach=True,
    ),
)
