# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of other backup clients, step by step, through the SDK that they use.

Each test names the client and its calls. A step succeeds if it succeeds on an engine, is refused if
an engine refuses it, and is a 501 if the lab does not have the call.
"""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from lab.engine.client import ApiClient, Reply
from lab.lab import Lab
from lab.world import ADMIN

SECONDS = 10.0
PAUSE = 0.02
NOT_IN_THE_LAB = 501

Sdk = Any


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    return running


@pytest.fixture
def system(lab: Lab) -> Iterator[Sdk]:
    """The SDK's root service, of an administrator: all these clients sign in as one."""
    with closing(
        ovirtsdk4.Connection(
            url=lab.url, username=ADMIN[0], password=ADMIN[1], ca_file=str(lab.identity.ca_file)
        )
    ) as connection:
        yield connection.system_service()


def until(seen: Callable[[], bool]) -> None:
    """Look until it is so."""
    end = time.monotonic() + SECONDS
    while not seen():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(PAUSE)


def refused(call: Callable[[], object], code: int, words: str | None = None) -> None:
    """A call of the SDK is answered with a status and some words."""
    with pytest.raises(ovirtsdk4.Error, match=words) as caught:
        call()
    assert caught.value.code == code, caught.value


def vm_named(system: Sdk, name: str) -> Sdk:
    """Return the service of a VM, found as all of them find it."""
    [found] = system.vms_service().list(search=f"name={name}")
    return system.vms_service().vm_service(found.id)


def shown(lab: Lab, vm: str) -> dict[str, str | None]:
    """Disks of a VM by their names, and the snapshot that each shows."""
    world = lab.world
    rows = world.attachments_of(lab.vm(vm).id)
    return {world.disks[row.disk_id].alias: row.snapshot_id for row in rows}


def regular(lab: Lab) -> list[str]:
    """Descriptions of all snapshots."""
    return [one.description for one in lab.world.snapshots.values() if one.type == "regular"]


WEB01 = {"web01_system": None, "web01_data": None}


# ----- oVirt System Tests, basic suite ------------------------------------------------------------


@contextmanager
def events(system: Sdk, *codes: int) -> Iterator[None]:
    """As the suite's wait_for_event: note the newest of two events, and look for the codes after it."""
    service = system.events_service()
    last = int(service.list(max=2)[0].id)
    yield
    until(lambda: set(codes) <= {one.code for one in service.list(from_=last)})


def test_ovirt_system_tests_back_up_a_disk(lab: Lab, system: Sdk) -> None:
    """test_004_basic_sanity: the backup VM is removed with the disk still attached; nobody detaches.

    test_add_snapshot_for_backup, test_attach_snapshot_to_backup_vm, test_verify_transient_folder (here: the
    attachment's row), test_remove_backup_vm_and_backup_snapshot, test_verify_backup_snapshot_removed.
    """
    lab.vm("web01").name, lab.vm("backup01").name = "vm2", "backup_vm"
    vm2 = vm_named(system, "vm2")
    snapshots, disk = vm2.snapshots_service(), vm2.disk_attachments_service().list()[0]
    mark = str(uuid.uuid4())
    order = types.Snapshot(
        description="backup_snapshot",
        persist_memorystate=False,
        disk_attachments=[types.DiskAttachment(disk=types.Disk(id=disk.id))],
    )
    with events(system, 45, 68):
        made = snapshots.add(order, query={"correlation_id": mark})
        until(lambda: _jobs_are_done(system, mark))
        one = snapshots.snapshot_service(made.id)
        until(lambda: one.get().snapshot_status == types.SnapshotStatus.OK)
    assert [one.id for one in snapshots.snapshot_service(made.id).disks_service().list()] == [
        disk.id
    ]
    backup = vm_named(system, "backup_vm")
    held = backup.disk_attachments_service()
    with events(system, 2016):
        held.add(_attachment(disk.id, made.id, types.DiskInterface.VIRTIO_SCSI))
        assert len(held.list()) > 0
    alias = lab.world.disks[disk.id].alias
    assert shown(lab, "backup_vm") == {alias: made.id}
    with events(system, 33, 61):
        backup.stop()
        until(lambda: backup.get().status == types.VmStatus.DOWN)
    count = len(system.vms_service().list())
    refused(snapshots.snapshot_service(made.id).remove, 409, "attached to other VMs")
    backup.remove()
    assert len(system.vms_service().list()) == count - 1
    with events(system, 342):
        snapshots.snapshot_service(made.id).remove()
    until(lambda: len(snapshots.list()) == 1)
    assert shown(lab, "vm2") == WEB01


def _jobs_are_done(system: Sdk, mark: str) -> bool:
    jobs = system.jobs_service().list(search=f"correlation_id={mark}")
    return all(job.status != types.JobStatus.STARTED for job in jobs)


def _attachment(disk: str, snapshot: str, interface: types.DiskInterface) -> types.DiskAttachment:
    return types.DiskAttachment(
        disk=types.Disk(id=disk, snapshot=types.Snapshot(id=snapshot)),
        interface=interface,
        bootable=False,
        active=True,
    )


# ----- the SDK's example --------------------------------------------------------------------------


def test_the_sdks_example_backs_up_all_disks(lab: Lab, system: Sdk) -> None:
    """python-ovirt-engine-sdk4, examples/vm_backup.py: event, OVF, snapshot, all disks over virtio, and back."""
    vms = system.vms_service()
    data = vms.list(search="name=web01", all_content=True)[0]
    agent = vms.list(search="name=backup01")[0]
    description = f"{data.name}-backup-{uuid.uuid4()}"
    _tell(system, data, 1, "starting")
    assert data.initialization.configuration.data.startswith("<?xml")
    snapshots = vms.vm_service(data.id).snapshots_service()
    snapshot = snapshots.add(types.Snapshot(description=description, persist_memorystate=False))
    service = snapshots.snapshot_service(snapshot.id)
    assert snapshot.snapshot_status == types.SnapshotStatus.LOCKED
    until(lambda: service.get().snapshot_status == types.SnapshotStatus.OK)
    held = vms.vm_service(agent.id).disk_attachments_service()
    made = [
        held.add(_attachment(disk.id, snapshot.id, types.DiskInterface.VIRTIO))
        for disk in service.disks_service().list()
    ]
    assert [one.id for one in made] == [one.disk.id for one in made], "named after their disks"
    assert shown(lab, "backup01") == dict.fromkeys(WEB01, snapshot.id)
    for one in made:
        assert one.logical_name is None, "no guest agent has told it"
        held.attachment_service(one.id).remove()
    assert shown(lab, "backup01") == {}
    service.remove()
    _tell(system, data, 2, "completed")
    until(lambda: regular(lab) == [])
    assert shown(lab, "web01") == WEB01


def _tell(system: Sdk, vm: types.Vm, number: int, word: str) -> None:
    """The example writes events of its own."""
    event = types.Event(
        vm=types.Vm(id=vm.id),
        origin="mybackup",
        severity=types.LogSeverity.NORMAL,
        custom_id=number,
        description=f"Backup of virtual machine '{vm.name}' is {word}.",
    )
    made = system.events_service().add(event)
    assert (made.custom_id, made.description) == (number, event.description)


# ----- VirtBKP ------------------------------------------------------------------------------------


def test_virtbkp_cannot_attach_where_there_is_no_api_3(lab: Lab, system: Sdk) -> None:
    """VirtBKP 1.7: SDK 4 by paths for looking and snapshots, API 3 with HTTP Basic for disks.

    Engines from 4.4 on have no API 3: its attach and its deactivate are 405. It does not look at the answers, finds
    no disk, and detaches after its timeout what is not attached.
    """
    connection = system._connection
    ids = {vm.name: vm.id for vm in connection.service("vms").list()}
    source, box = ids["web01"], ids["backup01"]
    snapshots = f"vms/{source}/snapshots"
    name = "BACKUP_2026-11-28-21h"
    order = types.Snapshot(description=name, persist_memorystate=False)
    connection.service("vms").vm_service(source).snapshots_service().add(order)

    def status(snapshot: str) -> str:
        found = {one.id: str(one.snapshot_status) for one in connection.service(snapshots).list()}
        return found.get(snapshot, "None")

    [made] = [one.id for one in connection.service(snapshots).list() if one.description == name]
    until(lambda: status(made) != "locked")
    disks = connection.service(f"{snapshots}/{made}/disks/").list()
    assert {one.alias for one in disks} == set(WEB01)
    for disk in disks:
        body = f'<disk id="{disk.id}"><snapshot id="{made}"/> <active>true</active></disk>'
        path = f"v3/vms/{box}/disks"
        assert basic(lab, "POST", f"{path}/", body).status == 405
        assert basic(lab, "POST", f"{path}/{disk.id}/deactivate", "<action/>").status == 405
        reply = basic(lab, "DELETE", f"vms/{box}/diskattachments/{disk.id}")
        assert (reply.status, "not attached to the VM" in reply.detail) == (400, True)
    assert [
        one.logical_name for one in connection.service(f"vms/{box}/diskattachments/").list()
    ] == []
    connection.service(f"{snapshots}/{made}").remove()
    until(lambda: status(made) == "None")
    assert (shown(lab, "web01"), regular(lab)) == (WEB01, [])


def test_virtbkps_detach_keeps_the_disk(lab: Lab, system: Sdk) -> None:
    """VirtBKP's detach_disk: DELETE of an attachment with HTTP Basic, no parameter and no body, here of one that is there."""
    source, box = vm_named(system, "web01"), vm_named(system, "backup01")
    snapshots = source.snapshots_service()
    made = snapshots.add(types.Snapshot(description="BACKUP", persist_memorystate=False))
    one = snapshots.snapshot_service(made.id)
    until(lambda: one.get().snapshot_status == types.SnapshotStatus.OK)
    for disk in one.disks_service().list():
        order = _attachment(disk.id, made.id, types.DiskInterface.VIRTIO)
        box.disk_attachments_service().add(order)
        path = f"vms/{lab.vm('backup01').id}/diskattachments/{disk.id}"
        assert basic(lab, "DELETE", path).status == 200
    assert (shown(lab, "backup01"), shown(lab, "web01")) == ({}, WEB01)


def basic(lab: Lab, method: str, path: str, body: str = "") -> Reply:
    """Return a request without a token, as a client without sessions sends it."""
    word = base64.b64encode(":".join(ADMIN).encode()).decode()
    with closing(ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN)) as client:
        headers = {"Authorization": f"Basic {word}", "Accept": "application/xml"}
        return client.send(method, path, body, **headers)


# ----- oVirtBackup --------------------------------------------------------------------------------

MIDDLE = "_BACKUP"


def test_ovirtbackup_of_wefixit_clones_and_exports(lab: Lab, system: Sdk) -> None:
    """wefixit-AT/oVirtBackup: check, snapshot, clone a VM of it, remove the snapshot, export the clone, delete it.

    The lab makes no VM of a snapshot; the rest is done with one that is there instead.
    """
    control = lab.control()
    control.add_domain("export1", "export")
    _everything_is_there(system)
    vm = system.vms_service().list(search="name=web01")[0]
    sizes = [
        system.disks_service().disk_service(one.disk.id).get().provisioned_size
        for one in system.vms_service().vm_service(vm.id).disk_attachments_service().list()
    ]
    domain = system.storage_domains_service().list(search="name=data1")[0]
    assert domain.available > sum(sizes)
    snapshots = system.vms_service().vm_service(vm.id).snapshots_service()
    order = types.Snapshot(description="Snapshot for backup script", persist_memorystate=False)
    snapshots.add(order)
    [made] = [one for one in snapshots.list() if one.description == order.description]
    one = snapshots.snapshot_service(made.id)
    until(lambda: one.get().snapshot_status == types.SnapshotStatus.OK)
    clone = types.Vm(
        name=f"web01{MIDDLE}_20261128_210000",
        memory=vm.memory,
        snapshots=[types.Snapshot(id=made.id)],
        cluster=types.Cluster(name="Default"),
    )
    refused(lambda: system.vms_service().add(vm=clone), NOT_IN_THE_LAB, "POST /vms with snapshots")
    one.remove()
    until(lambda: not [left for left in snapshots.list() if left.id == made.id])
    control.add_vm(clone.name, status="down", disks=[{"alias": "web01_system"}])
    _exported(system, clone.name)
    assert [export.vm_name for export in lab.world.exports] == [clone.name]
    _deleted(system, "web01")
    assert clone.name not in {vm.name for vm in lab.world.vms.values()}
    _not_removed(system, "web01")
    assert (shown(lab, "web01"), regular(lab)) == (WEB01, [])


def _everything_is_there(system: Sdk) -> None:
    """Data centre, domains and cluster by name, and the state of the export domain."""
    [centre] = system.data_centers_service().list(search="name=Default")
    assert system.clusters_service().list(search="name=Default")
    assert system.storage_domains_service().list(search="name=data1")
    service = system.data_centers_service().data_center_service(centre.id)
    attached = service.storage_domains_service().list(search="name=export1")
    assert attached[0].status == types.StorageDomainStatus.ACTIVE


def _exported(system: Sdk, name: str) -> None:
    """It replaces an export of that name and leaves snapshots out, which the lab cannot; it has neither here."""
    vm = vm_named(system, name)
    domain = types.StorageDomain(name="export1")
    export = partial(vm.export, exclusive=True, discard_snapshots=True, storage_domain=domain)
    refused(export, NOT_IN_THE_LAB, "/export with discard_snapshots, exclusive")
    vm.export(storage_domain=domain)
    until(lambda: vm.get().status == types.VmStatus.DOWN)


def _deleted(system: Sdk, name: str) -> None:
    """VMTools.delete_vm: what a search with a star finds; to lift its protection the whole VM is sent back."""
    vms = system.vms_service()
    for found in vms.list(search=f"name={name}{MIDDLE}_*"):
        service = vms.vm_service(found.id)
        found.delete_protected = False
        refused(partial(service.update, found), NOT_IN_THE_LAB, r"PUT /vms/\{\} with")
        until(partial(_is, service.remove, True))
        until(partial(_is, service.get, False))


def _is(call: Callable[[], object], wanted: bool) -> bool:
    """Tell whether a call succeeds as wanted: they tell "gone" and "not yet" by any error."""
    try:
        call()
    except ovirtsdk4.Error:
        return not wanted
    return wanted


def _not_removed(system: Sdk, name: str) -> None:
    """VMTools.delete_old_backups_by_number: the oldest exports of the VM go; the lab keeps them."""
    [domain] = system.storage_domains_service().list(search="name=export1")
    vms = system.storage_domains_service().storage_domain_service(domain.id).vms_service()
    [found] = [one for one in vms.list() if re.match(f"^{name}{MIDDLE}*", one.name)]
    call = re.escape("DELETE /storagedomains/{}/vms/{}")
    refused(vms.vm_service(id=found.id).remove, NOT_IN_THE_LAB, call)
