# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effect of each guarded operation on an engine if the guard is not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from support.guarded import (
    CASES,
    DELETED,
    DONE,
    FAILS,
    HOLDER,
    LACKS,
    LEFTOVER,
    NONE,
    PLUGGED,
    PREVIEW,
    REFUSED,
    SOURCE,
    UNTOLD,
    Case,
)

from lab.engine.client import ApiClient, Reply
from lab.lab import Lab
from lab.model import Settings, Vm
from lab.world import ADMIN, DiskSpec, VmSpec

VMS = (
    VmSpec("holder", disks=(DiskSpec("holder_disk"),), appliance=True),
    VmSpec("source", disks=(DiskSpec("source_disk"),)),
)
NEEDS_DOWN = ("export", "template", "remove", "revert", "start", "move_disk", "remove_disk")
GRACE = 20.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(snapshot_polls=0, removal_polls=0)
    root = tmp_path_factory.mktemp("lab")
    with Lab(root, host=False, appliance=False, vms=VMS, settings=settings) as running:
        yield running


@pytest.fixture
def api(lab: Lab) -> Iterator[ApiClient]:
    lab.reset()
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as client:
        yield client


@dataclass(frozen=True)
class Site:
    """Both VMs, each with a snapshot; the holder holds the source's disk, if it does."""

    lab: Lab
    api: ApiClient
    part: str
    held: bool
    snapshot_id: str
    vm: Vm
    disks: Mapping[str, str]

    @property
    def disk(self) -> str:
        """The source's disk."""
        return self.disks["source_disk"]

    def settle(self) -> None:
        """Wait for what goes on in the background."""
        self.lab.engine.tasks.drain(GRACE)

    def act(self, path: str, inner: str = "") -> Reply:
        """An action."""
        return self.api.post(path, f"<action>{inner}</action>")

    @property
    def path(self) -> str:
        """The VM's address."""
        return f"vms/{self.vm.id}"


def snapshot_of(lab: Lab, api: ApiClient, vm: str) -> str:
    path = f"vms/{lab.vm(vm).id}/snapshots"
    made = api.post(path, "<snapshot><description>nightly</description></snapshot>")
    assert made.status == 201
    lab.engine.tasks.drain(GRACE)
    return made.xml().get("id") or ""


def prepare(lab: Lab, api: ApiClient, part: str, attached: str) -> Site:
    night = {vm: snapshot_of(lab, api, vm) for vm in (HOLDER, SOURCE)}
    disks = {disk.alias: disk.id for disk in lab.world.disks.values()}
    site = Site(lab, api, part, attached != NONE, night[part], lab.vm(part), disks)
    if attached != NONE:
        disk = f'<disk id="{site.disk}"><snapshot id="{night[SOURCE]}"/></disk>'
        active = f"<active>{str(attached == PLUGGED).lower()}</active>"
        body = (
            f"<disk_attachment><interface>virtio_scsi</interface>{active}{disk}</disk_attachment>"
        )
        assert api.post(f"vms/{lab.vm(HOLDER).id}/diskattachments", body).status == 201
    return site


# ----- the operations -----------------------------------------------------------------------------


def _export(site: Site) -> Reply:
    domain = site.lab.control().add_domain("exports", "export")
    return site.act(f"{site.path}/export", f'<storage_domain id="{domain}"/>')


def _export_ova(site: Site) -> Reply:
    where = "<host><name>host1a</name></host><directory>/exports</directory>"
    return site.act(f"{site.path}/export", f"{where}<filename>x.ova</filename>")


def _template(site: Site) -> Reply:
    body = f'<template><name>golden</name><vm id="{site.vm.id}"/></template>'
    return site.api.post("templates", body)


def _snapshot(site: Site) -> Reply:
    """Take a snapshot that names the held disk and leaves it out all the same."""
    own = [site.disks[f"{site.part}_disk"]]
    named = [*own, site.disk] if site.part == HOLDER and site.held else own
    disks = "".join(f'<disk_attachment><disk id="{one}"/></disk_attachment>' for one in named)
    inner = f"<description>x</description><disk_attachments>{disks}</disk_attachments>"
    return site.api.post(f"{site.path}/snapshots", f"<snapshot>{inner}</snapshot>")


def _remove_disk(site: Site) -> Reply:
    if site.part == HOLDER:
        return site.api.delete(f"{site.path}/diskattachments/{site.disk}?detach_only=false")
    return site.api.delete(f"disks/{site.disk}")


def _suspend(site: Site) -> Reply:
    """Suspend the VM. A host refuses if it has transient disks; this lab has no host."""
    world = site.lab.world
    rows = world.attachments_of(site.vm.id)
    if any(row.active and row.snapshot_id is not None for row in rows):
        site.lab.control().add_fault("host_fails", verb="VM.hibernate", code=59)
    return site.act(f"{site.path}/suspend")


def _move_disk(site: Site) -> Reply:
    target = site.lab.control().add_domain("data9")
    return site.act(f"disks/{site.disk}/move", f'<storage_domain id="{target}"/>')


WAYS: dict[str, Callable[[Site], Reply]] = {
    "export": _export,
    "export_ova": _export_ova,
    "template": _template,
    "clone": lambda site: site.act(f"{site.path}/clone", "<vm><name>twin</name></vm>"),
    "snapshot": _snapshot,
    "migrate": lambda site: site.act(f"{site.path}/migrate"),
    "host_maintenance": lambda site: site.act(f"hosts/{site.vm.host_id}/deactivate"),
    "suspend": _suspend,
    "remove_snapshot": lambda site: site.api.delete(f"{site.path}/snapshots/{site.snapshot_id}"),
    "revert": lambda site: site.act(f"{site.path}/snapshots/{site.snapshot_id}/restore"),
    "remove": lambda site: site.api.delete(site.path),
    "remove_disk": _remove_disk,
    "move_disk": _move_disk,
    "start": lambda site: site.act(f"{site.path}/start"),
    "stop": lambda site: site.act(f"{site.path}/stop"),
}


# ----- what came of it ----------------------------------------------------------------------------


def contents(site: Site) -> list[set[str]]:
    """Names of the disks in everything that was made of the VM."""
    world = site.lab.world
    made = [set(one.disks) for one in world.exports]
    made += [set(one.sources) for one in world.templates.values()]
    later = [one for one in world.snapshots_of(site.vm.id) if one.description == "x"]
    made += [{disk.disk_id for disk in one.disks} for one in later]
    return [{world.disks[disk].alias for disk in some} for some in made]


STATUSES = {"suspend": "suspended", "start": "up", "stop": "down"}
EFFECTS: dict[str, Callable[[Site, str | None], bool]] = {
    "remove": lambda site, _host: site.vm.id not in site.lab.world.vms,
    "remove_snapshot": lambda site, _host: site.snapshot_id not in site.lab.world.snapshots,
    "remove_disk": lambda _site, _host: False,  # the disk is there: see outcome
    "move_disk": lambda site, _host: domain_of(site) == "data9",
    "migrate": lambda site, host: site.vm.host_id not in (None, host),
    "host_maintenance": lambda site, host: site.vm.host_id not in (None, host),
    "revert": lambda site, _host: not site.vm.in_preview,
}


def domain_of(site: Site) -> str:
    world = site.lab.world
    return world.domains[world.disks[site.disk].domain_id].name


def effect(operation: str, site: Site, host_id: str | None) -> bool:
    """Tell whether the operation did what it is for. An export, for one, is to have the VM's own disk."""
    if operation in STATUSES:
        return site.vm.status == STATUSES[operation]
    if operation in EFFECTS:
        return EFFECTS[operation](site, host_id)
    return any(f"{site.part}_disk" in made for made in contents(site))


def outcome(operation: str, site: Site, host_id: str | None, reply: Reply) -> str:
    """Say in the words of the table what became of it."""
    world = site.lab.world
    if reply.status == 409:
        in_preview = site.lab.vm(SOURCE).in_preview
        return PREVIEW if in_preview else REFUSED
    assert reply.status in (200, 201, 202), reply.body
    with_its_vm = (operation, site.part) == ("remove", SOURCE)
    if site.disk not in world.disks and not with_its_vm:
        assert [one for one in world.volumes.values() if one.disk_id == site.disk] == []
        assert world.holders(site.disk) == []
        return DELETED
    if not effect(operation, site, host_id):
        return FAILS
    if any(one.leftover for one in world.exports):
        return LEFTOVER
    wanted = {"source_disk", f"{site.part}_disk"} if site.held else {f"{site.part}_disk"}
    if site.part == HOLDER and any(not wanted <= made for made in contents(site)):
        return LACKS
    return DONE


SITUATIONS = [
    pytest.param(case, attached, id=f"{case.operation}-{case.part}-{attached}")
    for case in CASES
    for attached in case.alone
    if case.alone[attached] != UNTOLD
]


@pytest.mark.parametrize(("case", "attached"), SITUATIONS)
def test_when_nobody_asks(lab: Lab, api: ApiClient, case: Case, attached: str) -> None:
    site = prepare(lab, api, case.part, attached)
    if case.operation in NEEDS_DOWN:
        # A plugged disk snapshot on a holder that runs is what saves a disk: only the source is down.
        keeps = case.operation in ("move_disk", "remove_disk")
        lab.control().status(SOURCE if keeps else case.part, "down")
    host_id = site.vm.host_id
    reply = WAYS[case.operation](site)
    site.settle()
    assert outcome(case.operation, site, host_id, reply) == case.alone[attached], reply.body


@pytest.mark.parametrize("part", [HOLDER, SOURCE])
def test_with_both_vms_down_nothing_saves_the_disk(lab: Lab, api: ApiClient, part: str) -> None:
    """The rule is stricter than the engine, which deletes the source's disk with all snapshots."""
    site = prepare(lab, api, part, PLUGGED)
    for vm in (HOLDER, SOURCE):
        lab.control().status(vm, "down")
    reply = WAYS["remove_disk"](site)
    assert outcome("remove_disk", site, None, reply) == DELETED


def test_every_operation_has_a_way() -> None:
    assert {case.operation for case in CASES} - set(WAYS) == {"sparsify_disk"}
