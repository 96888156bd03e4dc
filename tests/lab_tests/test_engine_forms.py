# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON and XML bodies are the same tree, and a body that an engine cannot read never reaches a handler."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from lab.engine import grammar, json_form
from lab.engine.bodies import wanted_form
from lab.engine.client import ApiClient
from lab.engine.codec import DATES
from lab.engine.http import JSON, XML, Answer, Request
from lab.lab import Lab
from lab.world import ADMIN


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


@pytest.fixture(scope="module")
def admin(lab: Lab) -> Iterator[ApiClient]:
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as signed_in:
        yield signed_in


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", XML),
        ("*/*", XML),
        ("application/*", XML),
        ("application/json", JSON),
        ("application/json;q=0.5, application/xml", XML),
        ("application/xml;q=0.1, application/json;q=0.2", JSON),
        ("text/html, application/json", JSON),
    ],
)
def test_the_form_that_is_wanted(accept: str, form: str) -> None:
    assert wanted_form(Request("GET", "/", {}, {"accept": accept})) == form


@pytest.mark.parametrize("accept", ["text/html", "text/plain", "application/xml;q=0"])
def test_a_form_that_nobody_has(accept: str) -> None:
    with pytest.raises(Answer) as refused:
        wanted_form(Request("GET", "/", {}, {"accept": accept}))
    assert refused.value.response.status == 406


def test_json_has_strings_lists_and_milliseconds() -> None:
    text = (
        '<vms><vm href="/x" id="1"><name>a</name><description/><memory>5</memory><stateless>true</stateless>'
        "<creation_time>1970-01-01T00:00:01.500Z</creation_time><policies/>"
        "<policies><policy>p</policy></policies><link rel='nics'/></vm></vms>"
    )
    value = json.loads(json_form.to_json(ET.fromstring(text), DATES))  # noqa: S314
    vm = value["vm"][0]
    assert (vm["name"], vm["description"], vm["memory"], vm["stateless"]) == ("a", "", "5", "true")
    assert (vm["creation_time"], vm["href"], vm["link"]) == (1500, "/x", [{"rel": "nics"}])
    assert json_form.to_json(ET.Element("vms"), DATES) == b"{ }"


def test_json_becomes_the_same_tree() -> None:
    text = (
        b'{"id": "1", "active": true, "disks": {"disk": [{"id": "a"}, {"id": "b"}]}, "name": null}'
    )
    node = json_form.from_json(text, "vm")
    written = ET.tostring(node, encoding="unicode")
    disks = '<disks><disk id="a" /><disk id="b" /></disks>'
    assert written == f'<vm id="1"><active>true</active>{disks}<name /></vm>'
    for wrong in (b"", b"[]", b"{", b"7"):
        with pytest.raises(ValueError, match=r".+"):
            json_form.from_json(wrong, "vm")


def test_a_whole_vm_says_the_same_in_both_forms(lab: Lab, admin: ApiClient) -> None:
    path = f"vms/{lab.vm('web01').id}"
    tree, value = admin.get(path).xml(), json.loads(admin.get(path, Accept=JSON).body)
    assert value["id"] == tree.get("id")
    assert {one for one in value if one not in {"id", "href"}} == {one.tag for one in tree}
    assert len(value["link"]) == len(tree.findall("link"))
    assert value["memory"] == tree.findtext("memory")


def test_a_body_in_json_is_carried_out(lab: Lab, admin: ApiClient) -> None:
    body = json.dumps({"description": "in JSON", "persist_memorystate": "false"})
    path = f"vms/{lab.vm('db01').id}/snapshots"
    made = admin.send("POST", path, body, Content_Type=JSON, Accept=JSON)
    assert (made.status, json.loads(made.body)["description"]) == (201, "in JSON")
    assert "in JSON" in {one.description for one in lab.world.snapshots.values()}


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", "<snapshot><description>x</description></snapshot>", 415),
        ("application/x-www-form-urlencoded", "description=x", 415),
        ("application/json", "<snapshot><description>x</description></snapshot>", 400),
        ("application/xml", '{"description": "x"}', 400),
        ("application/xml", "<snapshot><date>x</date><nonsense/></snapshot>", 400),
        ("application/xml", "<vm><name>x</name></vm>", 500),
    ],
)
def test_a_body_that_cannot_be_read_changes_nothing(
    lab: Lab, admin: ApiClient, content_type: str, body: str, status: int
) -> None:
    before = set(lab.world.snapshots)
    path = f"vms/{lab.vm('files01').id}/snapshots"
    assert admin.send("POST", path, body, Content_Type=content_type).status == status
    assert set(lab.world.snapshots) == before


def test_what_is_wrong_with_a_body_is_found_at_any_depth() -> None:
    text = (
        "<vm><cpu><topology><cores>x</cores></topology></cpu><stateless>perhaps</stateless>"
        "<os><boot><devices><device>hd</device><device>moon</device></devices></boot></os>"
        "<disk_attachments><disk_attachment><interface>VIRTIO</interface><disc/></disk_attachment>"
        "</disk_attachments></vm>"
    )
    found = list(grammar.wrongs(ET.fromstring(text), "Vm"))  # noqa: S314
    assert [(one.kind, one.name, one.text) for one in found] == [
        ("integer", "cores", "x"),
        ("boolean", "stateless", "perhaps"),
        ("enum", "device", "moon"),
        ("unknown", "disc", ""),
    ]


def test_an_answer_is_compressed_for_who_asks(admin: ApiClient) -> None:
    plain = admin.get("clusters")
    packed = admin.get("clusters", Accept_Encoding="gzip, deflate")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in plain.headers


def test_a_name_of_then_stays_in_a_snapshot(lab: Lab, admin: ApiClient) -> None:
    vm = lab.vm("files01")
    made = admin.post(f"vms/{vm.id}/snapshots", "<snapshot><description>x</description></snapshot>")
    admin.put(f"vms/{vm.id}", "<vm><name>renamed</name></vm>")
    shown = admin.get(f"vms/{vm.id}/snapshots/{made.xml().get('id')}").xml()
    assert (vm.name, shown.findtext("vm/name")) == ("renamed", "files01")
    admin.put(f"vms/{vm.id}", "<vm><name>files01</name></vm>")
