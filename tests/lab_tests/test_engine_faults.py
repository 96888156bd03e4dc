# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults at the door, as the SDK meets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ovirtsdk4
import pytest
from ovirtsdk4 import types

from lab.control import Control, ControlError
from lab.engine.client import ApiClient
from lab.lab import Lab
from lab.world import ADMIN


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


@pytest.fixture
def lab(shared: Lab) -> Lab:
    shared.reset()
    return shared


@pytest.fixture
def control(lab: Lab) -> Control:
    return lab.control()


@pytest.fixture
def connection(lab: Lab) -> Iterator[ovirtsdk4.Connection]:
    name, password = ADMIN
    opened = ovirtsdk4.Connection(
        url=lab.url, username=name, password=password, ca_file=str(lab.identity.ca_file)
    )
    yield opened
    opened.close()


def snapshots(connection: ovirtsdk4.Connection, lab: Lab) -> ovirtsdk4.services.SnapshotsService:
    vms = connection.system_service().vms_service()
    return vms.vm_service(lab.vm("web01").id).snapshots_service()


def test_an_answer_of_its_own_has_no_effect(
    lab: Lab, control: Control, connection: ovirtsdk4.Connection
) -> None:
    control.add_fault("respond", method="POST", path="snapshots", status=409, detail="[Busy.]")
    with pytest.raises(ovirtsdk4.Error) as caught:
        snapshots(connection, lab).add(types.Snapshot(description="x"))
    assert (caught.value.code, caught.value.fault.detail) == (409, "[Busy.]")
    assert len(lab.world.snapshots_of(lab.vm("web01").id)) == 1
    assert control.faults() == []
    assert snapshots(connection, lab).add(types.Snapshot(description="x")).id


def test_empty_and_html_bodies(
    lab: Lab, control: Control, connection: ovirtsdk4.Connection
) -> None:
    control.add_fault("respond", path="snapshots", status=503)
    with pytest.raises(ovirtsdk4.Error, match="HTTP response code is 503"):
        snapshots(connection, lab).list()
    control.add_fault("respond", path="snapshots", status=502, body="<html>Bad Gateway</html>")
    with pytest.raises(ovirtsdk4.Error, match="isn't the expected XML"):
        snapshots(connection, lab).list()


def test_a_lost_answer_has_its_effect(
    lab: Lab, control: Control, connection: ovirtsdk4.Connection
) -> None:
    control.add_fault("respond_after", method="POST", path="snapshots", status=500)
    with pytest.raises(ovirtsdk4.Error) as caught:
        snapshots(connection, lab).add(types.Snapshot(description="x"))
    assert caught.value.code == 500
    assert len(lab.world.snapshots_of(lab.vm("web01").id)) == 2


@pytest.mark.parametrize(("kind", "left"), [("drop_before", 1), ("drop_after", 2)])
def test_a_dropped_connection(
    lab: Lab, control: Control, connection: ovirtsdk4.Connection, kind: str, left: int
) -> None:
    connection.authenticate()
    control.add_fault(kind, method="POST", path="snapshots")
    with pytest.raises(ovirtsdk4.Error):
        snapshots(connection, lab).add(types.Snapshot(description="x"))
    assert len(lab.world.snapshots_of(lab.vm("web01").id)) == left
    logged = [entry for entry in control.requests() if entry.path.endswith("/snapshots")]
    assert [(entry.status, entry.write) for entry in logged] == [(0, True)]


def test_a_dropped_connection_may_be_retried_by_libcurl_only_once(
    lab: Lab, control: Control
) -> None:
    """A client without a library's retry sees the drop as such."""
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as api:
        control.add_fault("drop_before", path="/vms$")
        with pytest.raises(ConnectionError):
            api.get("vms")


def test_the_sdk_replays_after_401(
    lab: Lab, control: Control, connection: ovirtsdk4.Connection
) -> None:
    connection.authenticate()
    control.add_fault("unauthorized", method="POST", path="snapshots")
    assert snapshots(connection, lab).add(types.Snapshot(description="x")).id
    codes = [entry.status for entry in control.requests() if entry.path.endswith("/snapshots")]
    assert codes == [401, 201]
    assert len(lab.world.snapshots_of(lab.vm("web01").id)) == 2


def test_two_401_are_an_error(lab: Lab, control: Control, connection: ovirtsdk4.Connection) -> None:
    """The SDK wants XML of every answer, so that it hides the page that says why."""
    control.add_fault("unauthorized", path="snapshots", times=-1)
    with pytest.raises(ovirtsdk4.Error, match="text/html"):
        snapshots(connection, lab).list()


def test_a_token_expires_after_some_requests(
    lab: Lab, control: Control, connection: ovirtsdk4.Connection
) -> None:
    connection.authenticate()
    control.add_fault("expire_token", path="snapshots", after=2)
    for _unused in range(4):
        snapshots(connection, lab).list()
    codes = [entry.status for entry in control.requests() if entry.path.endswith("/snapshots")]
    assert codes == [200, 200, 401, 200, 200]


def test_a_delay_is_longer_than_the_clients_patience(lab: Lab, control: Control) -> None:
    name, password = ADMIN
    hasty = ovirtsdk4.Connection(
        url=lab.url,
        username=name,
        password=password,
        ca_file=str(lab.identity.ca_file),
        timeout=1,
    )
    hasty.authenticate()
    control.add_fault("delay", path="/vms$", seconds=1.5)
    with pytest.raises(ovirtsdk4.Error):
        hasty.system_service().vms_service().list()


def test_nonsense_is_refused(control: Control) -> None:
    with pytest.raises(ControlError, match="unknown kind"):
        control.add_fault("nonsense")
    with pytest.raises(ControlError, match="no message"):
        control.lock("vm", "x", "nonsense")
    with pytest.raises(ControlError, match="no status"):
        control.status("web01", "nonsense")
    with pytest.raises(ControlError, match="KeyError"):
        control.status("nonsense", "up")


def test_two_labs_know_nothing_of_each_other(lab: Lab, tmp_path: Path) -> None:
    with Lab(tmp_path, host=False, vms=(), appliance=False) as other:
        assert other.control().world()["vms"] == []
        assert len(lab.control().world()["vms"]) == 4
