# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in, certificates, answers that are none, and what goes over the wire: sections 0.2, 9 and 12."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from contract.bench import Bench, Site

from ansible_collections.ovirt_community.backup.plugins.module_utils.core.errors import (
    EngineFault,
    EngineLoginError,
    EngineNotFound,
    EnginePermission,
    EngineUnavailable,
    EngineUntrusted,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.core.model import (
    AttachSettings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils.engine.connect import connect

Json = Any
HTML = "<html><body>503 Service Unavailable</body></html>"


def ask(site: Site, **settings: Json) -> None:
    """Ask for the version with other settings."""
    engine = connect(replace(site.settings, **settings))
    try:
        engine.version()
    finally:
        engine.close()


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody@internal"}])
def test_a_login_that_is_refused(site: Site, wrong: dict[str, str]) -> None:
    with pytest.raises(EngineLoginError) as caught:
        ask(site, **wrong)
    assert caught.value.code == "engine_login"
    assert "wrong" not in caught.value.message


def test_a_token_that_is_no_token(site: Site) -> None:
    with pytest.raises(EngineLoginError):
        ask(site, username=None, password=None, token="made-up")


def test_a_certificate_of_another_ca(site: Site, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pem"
    trustme.CA().cert_pem.write_to_path(str(foreign))
    with pytest.raises(EngineUntrusted) as caught:
        ask(site, ca_file=str(foreign))
    assert "ca_file" in caught.value.hint
    ask(site, ca_file=str(foreign), insecure=True)


def test_a_ca_file_that_is_missing(site: Site) -> None:
    with pytest.raises(EngineUntrusted) as caught:
        ask(site, ca_file="/none/ca.pem")
    assert "/none/ca.pem" in caught.value.message


def test_nobody_listens(site: Site) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        ask(site, url="https://localhost:9/ovirt-engine/api")
    assert not isinstance(caught.value, EngineUntrusted)
    assert "cannot be reached" in caught.value.message


def test_an_address_that_is_not_the_api(site: Site) -> None:
    with pytest.raises((EngineNotFound, EngineUnavailable)):
        ask(site, url=site.settings.url + "/nothing/here")


def test_a_session_is_ended_by_whoever_began_it(bench: Bench) -> None:
    control = bench.control
    control.forget_requests()
    engine = connect(bench.site.settings)
    engine.version()
    engine.close()
    paths = [one.path for one in control.requests() if one.method == "POST"]
    assert [path.rsplit("/", 1)[-1] for path in paths] == ["token", "sso-logout"]


def test_a_401_is_answered_with_a_new_token_once(bench: Bench) -> None:
    """The SDK replays the request, POST too, so an order may meet its own success."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    control = bench.control
    control.add_fault("expire_token", method="POST", path="/diskattachments")
    control.forget_requests()
    bench.attach(disk, snapshot_id)
    answers = [(one.path.rsplit("/", 1)[-1], one.status) for one in control.requests()]
    posts = [status for path, status in answers if path == "diskattachments"]
    assert posts == [401, 201]
    assert ("token", 200) in answers
    bench.engine.detach(bench.appliance.id, disk)
    control.add_fault("respond_after", method="POST", path="/diskattachments", status=401)
    with pytest.raises(EngineFault) as caught:
        bench.attach(disk, snapshot_id)
    assert caught.value.reason == "already_attached"
    assert bench.engine.attachment(bench.appliance.id, disk) is not None


def test_a_401_that_stays(bench: Bench) -> None:
    bench.engine.version()
    bench.control.add_fault("unauthorized", method="GET", times=-1)
    with pytest.raises(EngineLoginError):
        bench.engine.version()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ({"status": 503, "body": HTML}, EngineUnavailable, "no answer of an engine"),
        ({"status": 200, "body": HTML}, EngineUnavailable, "no answer of an engine"),
        ({"status": 502}, EngineUnavailable, "502"),
        ({"status": 404}, EngineNotFound, "not found"),
        ({"status": 403}, EnginePermission, "may not"),
        (
            {"status": 500, "detail": "[General command validation failure.]"},
            EngineFault,
            "General",
        ),
        ({"status": 400, "detail": "[]"}, EngineFault, ""),
        (
            {"status": 400, "detail": "query execution failed due to insufficient permissions."},
            EnginePermission,
            "insufficient permissions",
        ),
    ],
)
def test_answers_of_every_kind(
    bench: Bench, answer: dict[str, Json], kind: type[Exception], words: str
) -> None:
    bench.engine.version()
    bench.control.add_fault("respond", path="/vms$", **answer)
    with pytest.raises(kind) as caught:
        bench.engine.vms_named("web01")
    assert caught.value.__class__ is kind
    assert words in str(caught.value)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_connection_that_is_cut(bench: Bench, fault: str) -> None:
    bench.engine.version()
    bench.control.add_fault(fault, path="/vms$", times=-1)
    with pytest.raises(EngineUnavailable) as caught:
        bench.engine.vms_named("web01")
    assert "pycurl" not in caught.value.message


def test_an_engine_that_is_slow(bench: Bench) -> None:
    """One request is given up after auth.timeout; the fault's text says so."""
    bench.control.add_fault("delay", path="/vms$", seconds=2.0)
    engine = connect(replace(bench.site.settings, timeout=1))
    with pytest.raises(EngineUnavailable, match=r"(?i)timed out|timeout"):
        engine.vms_named("web01")
    engine.close()


def test_what_goes_over_the_wire(bench: Bench) -> None:
    """Never PUT, never anything but detach_only=true, always a correlation id."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    control = bench.control
    control.forget_requests()
    bench.attach(disk, snapshot_id)
    bench.engine.detach(bench.appliance.id, disk)
    bench.engine.remove_snapshot(bench.source.id, snapshot_id, "run-1")
    bench.await_snapshot(snapshot_id, None)
    attach, detach, remove = control.writes()
    assert (attach.method, attach.correlation_id) == ("POST", snapshot_id)
    assert (detach.method, detach.query) == ("DELETE", "detach_only=true")
    assert (remove.method, remove.correlation_id) == ("DELETE", "run-1")


def test_a_correlation_id_has_room_for_one_uuid(bench: Bench) -> None:
    mark = "run/../4711 " + 40 * "x"
    made = bench.order_snapshot(mark=mark)
    bench.await_snapshot(made.id, "ok")
    kept = "run4711" + 29 * "x"
    assert {45, 68} <= {event.code for event in bench.engine.events(f"correlation_id = {kept}")}
    assert bench.lab.world.events


def test_memory_is_never_saved_unasked(bench: Bench) -> None:
    """The engine's own default saves it, and then does not freeze the guest."""
    vm_id = bench.source.id
    for memory in (False, True):
        made = bench.engine.create_snapshot(vm_id, f"contract {memory}", None, memory, "x")
        bench.await_snapshot(made.id, "ok")
        assert bench.lab.world.snapshots[made.id].memory is memory


def test_attach_settings_reach_the_engine(bench: Bench) -> None:
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    wanted = AttachSettings("virtio_scsi", True, False, True, False)
    bench.engine.attach(bench.appliance.id, disk, snapshot_id, wanted)
    row = bench.lab.world.attachments[(bench.appliance.id, disk)]
    kept = (row.interface, row.bootable, row.read_only, row.pass_discard, row.active)
    assert kept == ("virtio_scsi", True, False, True, False)
    assert row.snapshot_id == snapshot_id


# ----- what ends badly (section 6.2) ------------------------------------------------------------


def test_a_creation_that_fails_takes_the_snapshot_away(bench: Bench) -> None:
    bench.control.add_fault("fail_snapshot")
    made = bench.order_snapshot(mark="failing")
    bench.await_snapshot(made.id, None)
    assert 69 in {event.code for event in bench.engine.events("correlation_id = failing")}


@pytest.mark.parametrize("code", [170, 10774])
def test_ok_may_still_be_inconsistent(bench: Bench, code: int) -> None:
    bench.control.add_fault("snapshot_event", code=code)
    made = bench.order_snapshot(mark="doubtful")
    bench.await_snapshot(made.id, "ok")
    assert code in {event.code for event in bench.engine.events("correlation_id = doubtful")}


def test_a_merge_that_fails_ends_in_ok(bench: Bench) -> None:
    snapshot_id = bench.snapshot()
    bench.control.add_fault("fail_merge")
    bench.engine.remove_snapshot(bench.source.id, snapshot_id, "failing")
    bench.await_snapshot(snapshot_id, "ok")
    assert 357 in {event.code for event in bench.engine.events("correlation_id = failing")}


def test_a_user_without_an_administrators_role(bench: Bench) -> None:
    """What a backup needs to read, it can read: sizes and parents too."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    assert bench.lab
    engine = connect(
        replace(bench.site.settings, username="backup@internal", password="backup-secret")
    )
    assert [vm.host_id for vm in engine.vms_named("web01")] == [""]
    assert [one.snapshot_id for one in engine.layers(disk)] == [snapshot_id]
    engine.attach(bench.appliance.id, disk, snapshot_id, AttachSettings())
    assert {one.correlation_id for one in engine.events("type = 2016")} == {snapshot_id}
    engine.detach(bench.appliance.id, disk)
    engine.close()
