# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab does not implement: a call that the engine knows is 501, a path that it does not know is 404."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.engine import known
from lab.engine.app import api_router
from lab.engine.bodies import COMPLAINTS
from lab.engine.client import ApiClient, Reply
from lab.engine.http import without_matrix
from lab.engine.resources.vms import EMPTY
from lab.engine.router import parts_of
from lab.lab import Lab
from lab.model import API
from lab.world import ADMIN

RECORDED = Path(__file__).parent / "recorded"
REASON = "Not implemented by the lab"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


@pytest.fixture(scope="module")
def admin(lab: Lab) -> Iterator[ApiClient]:
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as signed_in:
        yield signed_in


def _is_named(reply: Reply, call: str) -> None:
    assert reply.headers["content-type"].startswith("application/xml")
    assert (reply.status, reply.xml().tag) == (501, "fault")
    assert (reply.reason, reply.detail) == (REASON, call)


def _state(lab: Lab) -> dict[str, Any]:
    """Return all but the events: that of signing in comes a moment later."""
    world = lab.control().world()
    return {key: world[key] for key in world if key != "events"}


def _filled(lab: Lab, path: str) -> str:
    return path.format(vm=lab.vm("db01").id, disk=next(iter(lab.world.disks)))


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("GET", "imagetransfers", "GET /imagetransfers"),
        ("POST", "imagetransfers", "POST /imagetransfers"),
        ("GET", "vms/{vm}/watchdogs", "GET /vms/{}/watchdogs"),
        ("GET", "vms/{vm}/graphicsconsoles", "GET /vms/{}/graphicsconsoles"),
        ("POST", "vms/{vm}/watchdogs", "POST /vms/{}/watchdogs"),
        ("POST", "vms/{vm}/reboot", "POST /vms/{}/reboot"),
        ("POST", "vms/{vm}/backups", "POST /vms/{}/backups"),
        ("GET", "disks/{disk}/statistics", "GET /disks/{}/statistics"),
        ("POST", "disks/{disk}/sparsify", "POST /disks/{}/sparsify"),
        ("GET", "jobs/{vm}/steps", "GET /jobs/{}/steps"),
        ("GET", "vms/{vm}/snapshots/{disk}/nics", "GET /vms/{}/snapshots/{}/nics"),
        ("GET", "v4/imagetransfers/", "GET /imagetransfers"),
    ],
)
def test_a_call_that_the_lab_does_not_carry_out_is_named(
    lab: Lab, admin: ApiClient, method: str, path: str, call: str
) -> None:
    before = _state(lab)
    _is_named(admin.send(method, _filled(lab, path), "<action/>"), call)
    assert _state(lab) == before


@pytest.mark.parametrize(
    "path", ["nonsense", "vms/{vm}/nonsense", "vms/{vm}/start/x", "v4/no/path"]
)
def test_a_path_that_no_engine_has_is_its_404(lab: Lab, admin: ApiClient, path: str) -> None:
    below = _filled(lab, path)
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        reply = admin.send(method, below)
        assert (reply.status, reply.headers["content-type"]) == (404, "text/html;charset=UTF-8")
        shown = f"{lab.url}/v4/{below.removeprefix('v4/')}"
        text = f"RESTEASY003210: Could not find resource for full path: {shown}"
        assert reply.body.decode() == text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "vms/{vm}", "HEAD, DELETE, GET, OPTIONS, PUT"),
        ("PUT", "vms", "HEAD, POST, GET, OPTIONS"),
        ("DELETE", "vms", "HEAD, POST, GET, OPTIONS"),
        ("POST", "", "HEAD, GET, OPTIONS"),
        ("PUT", "imagetransfers", "HEAD, POST, GET, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_have(
    lab: Lab, admin: ApiClient, method: str, path: str, allow: str
) -> None:
    reply = admin.send(method, _filled(lab, path), "<vm/>")
    assert (reply.status, reply.body, reply.headers["allow"]) == (405, b"", allow)
    told = admin.send("OPTIONS", _filled(lab, path))
    assert (told.status, told.body.decode(), told.headers["allow"]) == (200, allow, allow)
    assert told.headers["content-type"] == "text/plain;charset=UTF-8"


def test_head_is_a_get_without_its_body(lab: Lab, admin: ApiClient) -> None:
    path = f"vms/{lab.vm('db01').id}"
    seen, read = admin.send("HEAD", path), admin.get(path)
    assert (seen.status, seen.body) == (200, b"")
    assert seen.headers["content-length"] == read.headers["content-length"]
    assert admin.send("HEAD", "vms/11111111-2222-4333-8444-555555555555").status == 404


def test_what_is_followed_into_the_unknown_is_named(lab: Lab, admin: ApiClient) -> None:
    vm_id = lab.vm("db01").id
    _is_named(admin.get(f"vms/{vm_id}?follow=watchdogs"), "GET /vms/{}/watchdogs")
    assert admin.get(f"vms/{vm_id}?follow=nics,tags").status == 200


def test_what_is_always_empty_cannot_be_filled(lab: Lab, admin: ApiClient) -> None:
    vm_id = lab.vm("db01").id
    for collection in EMPTY:
        assert len(admin.get(f"vms/{vm_id}/{collection}").xml()) == 0
        if "POST" in found(f"vms/{vm_id}/{collection}").methods:
            _is_named(admin.post(f"vms/{vm_id}/{collection}"), f"POST /vms/{{}}/{collection}")


def found(path: str) -> known.Known:
    seen = known.find(parts_of(f"{API}/{path}"))
    assert seen is not None, path
    return seen


def test_the_engine_knows_all_that_the_lab_does() -> None:
    router = api_router()
    assert len(router.routes) > 100
    for route in router.routes:
        seen = found(route.path)
        assert route.method in seen.methods, f"{route.method} {route.path}"
        assert seen.template == route.path.replace("{n}", "{}")


def _asked() -> Iterator[dict[str, Any]]:
    """Yield every question with a path of API v4 that a real engine was asked."""
    for scene in sorted(RECORDED.glob("*.jsonl")):
        for line in scene.read_text(encoding="utf-8").splitlines():
            step = json.loads(line)
            asks = "method" in step and not step.get("raw") and not scene.name.startswith("v3-")
            version = str((step.get("headers") or {}).get("Version") or "4")
            if asks and version == "4" and not step["path"].startswith(("/v3", "/v5")):
                yield step


def test_paths_and_methods_are_those_of_a_real_engine() -> None:
    steps = list(_asked())
    assert len(steps) > 1000
    refused = set()
    for step in steps:
        path = without_matrix(step["path"].partition("?")[0])[0]
        seen = known.find(parts_of(API + path))
        unknown = "RESTEASY003210" in (step["answer"] or "")
        assert (seen is None) == unknown, step["title"]
        if seen is not None and step["method"] not in ("HEAD", "OPTIONS"):
            assert (step["method"] not in seen.methods) == (step["status"] == 405), step["title"]
        if step["status"] == 405:
            assert seen is not None
            assert step["answer_headers"]["allow"] == seen.allow
            refused.add((step["method"], seen.template))
    assert len(refused) >= 3


@pytest.mark.parametrize(
    ("method", "path", "body", "call"),
    [
        (
            "POST",
            "vms/{vm}/migrate",
            "<action><cluster id='x'/><force>true</force></action>",
            "POST /vms/{}/migrate with cluster.id, force",
        ),
        (
            "POST",
            "vms/{vm}/start",
            "<action><vm><placement_policy><hosts><host id='x'/></hosts></placement_policy></vm></action>",
            "POST /vms/{}/start with vm.placement_policy of a host that cannot",
        ),
        (
            "POST",
            "vms/{vm}/start",
            "<action><use_cloud_init>true</use_cloud_init></action>",
            "POST /vms/{}/start with use_cloud_init",
        ),
        (
            "POST",
            "vms/{vm}/shutdown",
            "<action><reason>tired</reason></action>",
            "POST /vms/{}/shutdown with reason",
        ),
        (
            "POST",
            "vms/{vm}/clone",
            "<action><vm><name>c</name><memory>1</memory></vm></action>",
            "POST /vms/{}/clone with vm.memory",
        ),
        (
            "POST",
            "vms/{vm}/export",
            "<action><storage_domain><name>e</name></storage_domain><exclusive>true</exclusive></action>",
            "POST /vms/{}/export with exclusive",
        ),
        (
            "POST",
            "vms/{vm}/previewsnapshot",
            "<action><snapshot id='{vm}'/><restore_memory>true</restore_memory></action>",
            "POST /vms/{}/previewsnapshot with restore_memory",
        ),
        (
            "POST",
            "templates",
            "<template><name>t</name><vm id='{vm}'/><memory>1</memory></template>",
            "POST /templates with memory",
        ),
        (
            "POST",
            "templates",
            "<template><name>t</name><vm id='{vm}'/><cluster id='x'/></template>",
            "POST /templates with another cluster than the VM's",
        ),
        (
            "POST",
            "vms",
            "<vm><name>n</name><cluster><name>Default</name></cluster><template><name>Blank</name></template>"
            "<stateless>true</stateless><quota id='x'/></vm>",
            "POST /vms with quota.id",
        ),
        (
            "POST",
            "disks",
            "<disk><name>n</name><provisioned_size>1048576</provisioned_size><format>raw</format>"
            "<storage_domains><storage_domain><name>data1</name></storage_domain></storage_domains>"
            "<propagate_errors>true</propagate_errors></disk>",
            "POST /disks with propagate_errors",
        ),
        (
            "PUT",
            "vms/{vm}",
            "<vm><name>n</name><quota id='x'/></vm>",
            "PUT /vms/{} with quota.id",
        ),
        (
            "PUT",
            "disks/{disk}",
            "<disk><name>n</name><shareable>true</shareable></disk>",
            "PUT /disks/{} with shareable",
        ),
    ],
)
def test_what_a_call_asks_for_beyond_the_lab_is_named(
    lab: Lab, admin: ApiClient, method: str, path: str, body: str, call: str
) -> None:
    before = _state(lab)
    _is_named(admin.send(method, _filled(lab, path), _filled(lab, body)), call)
    assert _state(lab) == before


def test_an_element_that_no_engine_knows_is_refused_until_the_engine_is_tired_of_it(
    lab: Lab, admin: ApiClient
) -> None:
    path, vm = f"vms/{lab.vm('db01').id}", lab.vm("db01")
    body = "<vm><comment>seen</comment><nonsense>1</nonsense></vm>"
    lab.engine.complaints = COMPLAINTS - 1
    refused = admin.put(path, body)
    assert (refused.status, refused.reason) == (400, "Request syntactically incorrect.")
    assert refused.detail.endswith("/ovirt-engine/apidoc#services/vm/methods/update")
    assert vm.comment != "seen"
    assert admin.put(path, body).status == 200
    assert vm.comment == "seen"


def test_a_vm_starts_on_the_host_that_is_named(lab: Lab, admin: ApiClient) -> None:
    vm = lab.vm("files01")
    hosts = [host.id for host in lab.world.hosts.values() if host.cluster_id == vm.cluster_id]
    assert len(hosts) == 2
    for host in hosts:
        policy = f"<placement_policy><hosts><host id='{host}'/></hosts></placement_policy>"
        assert admin.post(f"vms/{vm.id}/start", f"<action><vm>{policy}</vm></action>").status == 200
        assert vm.host_id == host
        assert admin.post(f"vms/{vm.id}/stop").status == 200
