# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Login, certificates, answers that do not come from an engine, and the requests as they are sent.

Facts: docs/engine.md#login, docs/engine.md#pages-instead-of-faults, docs/engine.md#the-python-sdk,
docs/engine.md#correlation-ids.
"""

from __future__ import annotations

import json
import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme
from contract.bench import Bench, Site

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineFault,
    EngineLoginError,
    EngineNotFound,
    EnginePermission,
    EngineUnavailable,
    EngineUntrusted,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.evidence import (
    EVENT_ATTACHED,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    AttachSettings,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.connect import (
    connect_v4,
)
from lab.control import Control
from lab.engine.client import FORM, ApiClient
from lab.engine.sso import TOKEN_PATH
from lab.lab import Lab
from lab.world import BACKUP

Json = Any
CRASHED = (
    "<html><head><title>Error</title></head><body>java.lang.NullPointerException</body></html>"
)
HTML = "<html><body>503 Service Unavailable</body></html>"


def ask(site: Site, **settings: Json) -> None:
    """Ask for the version with other settings."""
    engine = connect_v4(replace(site.settings, **settings))
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
    with pytest.raises(EngineLoginError) as caught:
        ask(site, username=None, password=None, token="made-up")
    assert caught.value.message.startswith("The token has expired or was revoked (invalid_grant")
    assert "Sign in again" in caught.value.hint
    assert caught.value.details["status"] == 401


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "wrong"}, "Unable to log in"),
        ({"username": "admin"}, "No valid profile found"),
        ({"username": "admin@nowhere"}, "No valid profile found"),
    ],
)
def test_a_refused_login_is_told_in_the_engines_words(
    site: Site, wrong: dict[str, str], words: str
) -> None:
    with pytest.raises(EngineLoginError, match=words) as caught:
        ask(site, **wrong)
    assert caught.value.hint


@pytest.mark.behind("an account without the permit login")
def test_who_may_not_log_in_is_told_what_is_missing(site: Site, control: Control) -> None:
    control.add_role("NoLogin", ["attach_disk", "configure_vm_storage"])
    control.add_user("no-login@internal", "secret", [{"role": "NoLogin"}])
    with pytest.raises(EngineLoginError) as caught:
        ask(site, username="no-login@internal", password="secret")
    assert caught.value.message.startswith(
        "The user may not log in to the engine (The user no-login"
    )
    assert "permit login" in caught.value.hint
    assert "Check user name" not in caught.value.hint


@pytest.mark.behind("a token of another scope")
def test_a_token_of_another_scope_is_told_as_such(site: Site, lab: Lab) -> None:
    with ApiClient(lab.url, str(lab.identity.ca_file), *BACKUP) as api:
        form = {"grant_type": "password", "username": BACKUP[0], "password": BACKUP[1]}
        form["scope"] = "ovirt-ext=auth:identity"
        answer = api.raw("POST", TOKEN_PATH, urlencode(form).encode(), FORM)
    with pytest.raises(EngineLoginError, match="ovirt-app-api is not granted"):
        ask(site, username=None, password=None, token=json.loads(answer.body)["access_token"])


def test_a_certificate_of_another_ca(site: Site, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pem"
    trustme.CA().cert_pem.write_to_path(str(foreign))
    with pytest.raises(EngineUntrusted) as caught:
        ask(site, ca_file=str(foreign))
    assert "ca_file" in caught.value.hint
    ask(site, ca_file=str(foreign), insecure=True)


@pytest.mark.parametrize(("days", "words"), [(-1, "has expired"), (2, "is not yet valid")])
def test_a_certificate_of_another_day(site: Site, tmp_path: Path, days: int, words: str) -> None:
    """It was issued by the CA that is trusted: another CA file is no remedy."""
    authority, now = trustme.CA(), datetime.now(UTC)
    begin, end = (now + timedelta(days=days + more) for more in (-1, 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_before=begin, not_after=end).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with listening(context) as port, pytest.raises(EngineUntrusted) as caught:
        ask(
            site,
            url=f"https://localhost:{port}/ovirt-engine/api",
            ca_file=str(tmp_path / "ca.pem"),
        )
    assert words in caught.value.message
    assert "Renew" in caught.value.hint
    assert "Set auth.ca_file" not in caught.value.hint


@contextmanager
def listening(context: ssl.SSLContext) -> Iterator[int]:
    """A server with a certificate, at which nobody gets beyond the greeting. Gives its port."""

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            return context.wrap_socket(connection, server_side=True), address

    with Server(("localhost", 0), BaseHTTPRequestHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


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


@pytest.mark.behind("the log of requests")
def test_a_session_is_ended_by_whoever_began_it(bench: Bench, control: Control) -> None:
    control.forget_requests()
    engine = connect_v4(bench.site.settings)
    engine.version()
    engine.close()
    paths = [one.path for one in control.requests() if one.method == "POST"]
    assert [path.rsplit("/", 1)[-1] for path in paths] == ["token", "sso-logout"]


@pytest.mark.behind("an injected fault")
def test_a_401_is_answered_with_a_new_token_once(bench: Bench, control: Control) -> None:
    """The SDK replays the request, POST too, so an order may meet its own success."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    control.add_fault("expire_token", method="POST", path="/diskattachments")
    control.forget_requests()
    bench.attach(disk, snapshot_id)
    answers = [(one.path.rsplit("/", 1)[-1], one.status) for one in control.requests()]
    posts = [status for path, status in answers if path == "diskattachments"]
    assert posts == [401, 201]
    assert ("token", 200) in answers
    bench.detach(disk)
    control.add_fault("respond_after", method="POST", path="/diskattachments", status=401)
    with pytest.raises(EngineFault) as caught:
        bench.attach(disk, snapshot_id)
    assert caught.value.reason == "already_attached"
    assert bench.engine.attachment(bench.appliance.id, disk) is not None


@pytest.mark.behind("an injected fault")
def test_a_401_that_stays(bench: Bench, control: Control) -> None:
    bench.engine.version()
    control.add_fault("unauthorized", method="GET", times=-1, text="Unauthorized")
    with pytest.raises(EngineLoginError, match="no login in the request") as caught:
        bench.engine.version()
    assert "proxy" in caught.value.hint


@pytest.mark.behind("an injected fault")
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ({"status": 503, "body": HTML}, EngineUnavailable, "not an engine's answer (503 Service"),
        ({"status": 500, "body": CRASHED}, EngineFault, "java.lang.NullPointerException"),
        ({"status": 404, "body": HTML}, EngineNotFound, "not found"),
        ({"status": 200, "body": HTML}, EngineUnavailable, "not an engine's answer"),
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
    bench: Bench, control: Control, answer: dict[str, Json], kind: type[Exception], words: str
) -> None:
    bench.engine.version()
    control.add_fault("respond", path="/vms$", **answer)
    with pytest.raises(kind) as caught:
        bench.engine.vms_named("web01")
    assert caught.value.__class__ is kind
    assert words in str(caught.value)


@pytest.mark.behind("an injected fault")
@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_connection_that_is_cut(bench: Bench, control: Control, fault: str) -> None:
    bench.engine.version()
    control.add_fault(fault, path="/vms$", times=-1)
    with pytest.raises(EngineUnavailable) as caught:
        bench.engine.vms_named("web01")
    assert "pycurl" not in caught.value.message


@pytest.mark.behind("an injected fault")
def test_an_engine_that_is_slow(bench: Bench, control: Control) -> None:
    """One request is given up after auth.timeout; the fault's text says so."""
    control.add_fault("delay", path="/vms$", seconds=2.0)
    engine = connect_v4(replace(bench.site.settings, timeout=1))
    with pytest.raises(EngineUnavailable, match=r"(?i)timed out|timeout"):
        engine.vms_named("web01")
    engine.close()


@pytest.mark.behind("the log of requests")
def test_what_goes_over_the_wire(bench: Bench, control: Control) -> None:
    """Never PUT, never anything but detach_only=true, always a correlation id."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    control.forget_requests()
    bench.attach(disk, snapshot_id)
    bench.detach(disk)
    bench.remove(snapshot_id, "run-1")
    bench.await_snapshot(snapshot_id, None)
    attach, detach, remove = control.writes()
    assert (attach.method, attach.correlation_id) == ("POST", snapshot_id)
    assert (detach.method, detach.query) == ("DELETE", "detach_only=true")
    assert (remove.method, remove.correlation_id) == ("DELETE", "run-1")


def test_a_correlation_id_has_room_for_one_uuid(bench: Bench) -> None:
    mark = f"{uuid.uuid4()}"[:8]
    made = bench.order_snapshot(mark=f"run/../{mark} " + 40 * "x")
    bench.await_snapshot(made.id, "ok")
    bench.await_events(f"correlation_id = run{mark}{25 * 'x'}", 45, 68)


def test_memory_is_never_saved_unasked(bench: Bench) -> None:
    """The engine's own default saves it, and then does not freeze the guest."""
    for memory in (False, True):
        made = bench.order_snapshot(memory=memory)
        bench.await_snapshot(made.id, "ok")
        found = bench.engine.snapshot(bench.source.id, made.id)
        assert found is not None
        assert found.memory is memory


def test_attach_settings_reach_the_engine(bench: Bench) -> None:
    """Bootable where the appliance has no boot disk of its own; where it has one that is refused (row 10)."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    boot = bench.boot_disk()
    if boot:
        fault = bench.refused(bench.attach, disk, snapshot_id, bootable=True, active=False)
        assert (fault.reason, boot in fault.message) == ("boot_in_use", True)
    wanted = AttachSettings("virtio_scsi", not boot, False, True, False)
    bench.settled(bench.engine.attach, bench.appliance.id, disk, snapshot_id, wanted)
    held = bench.engine.attachment(bench.appliance.id, disk)
    assert held is not None
    kept = (held.interface, held.bootable, held.read_only, held.pass_discard, held.active)
    assert kept == ("virtio_scsi", not boot, False, True, False)


@pytest.mark.behind("an appliance that has a boot disk of its own")
def test_an_appliance_that_has_its_own_boot_disk(bench: Bench, control: Control) -> None:
    """The test before this one asks something else then."""
    disks = [{"alias": "own_system", "bootable": True}]
    control.add_vm("backup02", appliance=True, disks=disks)
    other = replace(bench, site=replace(bench.site, appliance="backup02"))
    assert (bench.boot_disk(), other.boot_disk()) == ("", "own_system")
    test_attach_settings_reach_the_engine(other)


# ----- what ends badly (docs/engine.md#when-a-snapshot-is-ready) -------------------------------


@pytest.mark.behind("a host that fails")
def test_a_creation_that_fails_gives_its_id_back(bench: Bench, control: Control) -> None:
    control.add_fault("fail_snapshot")
    made = bench.order_snapshot(mark="failing")
    bench.await_snapshot(made.id, "ok")
    found = bench.engine.snapshot(bench.source.id, made.id)
    assert found is not None
    assert (found.type, found.description) == ("active", "Active VM")
    assert 69 in {event.code for event in bench.engine.events("correlation_id = failing")}


@pytest.mark.behind("a host that fails")
@pytest.mark.parametrize("code", [170, 10774])
def test_ok_may_still_be_inconsistent(bench: Bench, control: Control, code: int) -> None:
    control.add_fault("snapshot_event", code=code)
    made = bench.order_snapshot(mark="doubtful")
    bench.await_snapshot(made.id, "ok")
    assert code in {event.code for event in bench.engine.events("correlation_id = doubtful")}


@pytest.mark.behind("a host that fails")
def test_a_merge_that_fails_ends_in_ok(bench: Bench, control: Control) -> None:
    snapshot_id = bench.snapshot()
    control.add_fault("fail_merge")
    bench.remove(snapshot_id, "failing")
    bench.await_snapshot(snapshot_id, "ok")
    assert 357 in {event.code for event in bench.engine.events("correlation_id = failing")}


def test_a_user_without_an_administrators_role(bench: Bench) -> None:
    """What a backup needs to read, it can read: sizes and parents too."""
    snapshot_id = bench.snapshot()
    disk = bench.disks(snapshot_id)[0].disk_id
    assert snapshot_id in {one.snapshot_id for one in bench.engine.layers(disk)}
    assert bench.engine.ovf(bench.source.id, snapshot_id)
    bench.attach(disk, snapshot_id)
    marked = f"type = {EVENT_ATTACHED} and correlation_id = {snapshot_id}"
    assert [one.vm_id for one in bench.await_events(marked, EVENT_ATTACHED)] == [bench.appliance.id]
    bench.detach(disk)


def test_who_may_not_ask_for_checkpoints_is_told_no_host(bench: Bench) -> None:
    """Both are hidden from users without an administrator's role."""
    filtered = bench.engine.checkpointed(bench.source.id) is None
    for vm in (bench.source, bench.appliance):
        if vm.status != "down":
            assert (vm.host_id == "") == filtered
