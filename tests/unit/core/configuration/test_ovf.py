# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations: what is read and what is refused, and that no disk is left after the preparation."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    OvfInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import ovf

VM = "0c9b2c32-6c6e-44f3-8f0e-35a0d5a3f001"
DISKS = ("b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10", "0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02")
IMAGES = ("11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002")
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><ovf:Envelope'
    ' xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/"'
    ' xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ovf:version="4.4.0.0">'
)


def configuration(name: str = "web01", comment: str = "", more: str = "") -> str:
    """Return a configuration as an engine writes it, shortened."""
    files = "".join(
        f'<File ovf:href="{disk}/{image}" ovf:id="{image}" ovf:size="1" ovf:description="d"/>'
        for disk, image in zip(DISKS, IMAGES, strict=True)
    )
    described = (
        f'<Disk ovf:diskId="{IMAGES[0]}" ovf:disk-interface="VirtIO_SCSI" ovf:boot="true"'
        ' ovf:volume-format="COW" ovf:volume-type="Sparse" ovf:disk-alias="system"'
        ' ovf:read-only="false" ovf:pass-discard="true"/>'
        f'<Disk ovf:diskId="{IMAGES[1]}" ovf:disk-interface="VirtIO" ovf:boot="false"'
        ' ovf:volume-format="RAW" ovf:volume-type="Preallocated" ovf:disk-alias="data"'
        ' ovf:read-only="true" ovf:pass-discard="false"/>'
    )
    items = "".join(
        f"<Item><rasd:ResourceType>17</rasd:ResourceType><rasd:InstanceId>{image}</rasd:InstanceId>"
        f"<Type>disk</Type><Device>disk</Device><IsPlugged>{plugged}</IsPlugged></Item>"
        for image, plugged in zip(IMAGES, ("true", "false"), strict=True)
    )
    return (
        f"{HEAD}<References>{files}<Nic ovf:id='1'/></References>"
        f'<Section xsi:type="ovf:DiskSection_Type"><Info>Disks</Info>{described}</Section>'
        f'<Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Name>{escape(name)}</Name>'
        f"<Description>a server</Description><Comment>{escape(comment)}</Comment>"
        f'<Section ovf:id="{VM.upper()}" xsi:type="ovf:OperatingSystemSection_Type"/>'
        f'<Section xsi:type="ovf:VirtualHardwareSection_Type">{items}'
        "<Item><rasd:ResourceType>10</rasd:ResourceType><rasd:Name>nic1</rasd:Name>"
        "<rasd:MACAddress>56:6f:1a:2b:00:01</rasd:MACAddress><rasd:Connection>lan</rasd:Connection>"
        "<rasd:OtherResourceType>fast</rasd:OtherResourceType></Item>"
        "<Item><rasd:ResourceType>10</rasd:ResourceType><rasd:Name>nic2</rasd:Name></Item>"
        "<Item><rasd:ResourceType>15</rasd:ResourceType><Type>disk</Type><Device>cdrom</Device></Item>"
        f"<Item><rasd:ResourceType>0</rasd:ResourceType><Type>disk</Type><Device>lun</Device></Item>"
        f'</Section><Section xsi:type="ovf:SnapshotsSection_Type">'
        f'<Snapshot ovf:id="{IMAGES[0]}"/></Section>{more}</Content></ovf:Envelope>'
    )


def test_what_is_read() -> None:
    found = ovf.read(configuration(comment="mine"))
    assert (found.vm_id, found.name, found.comment) == (VM, "web01", "mine")
    assert found.description == "a server"
    assert (found.delete_protected, found.custom_properties) == (False, False)
    assert [one.connection for one in found.nics] == ["lan/fast", ""]
    assert found.nics[0].mac == "56:6f:1a:2b:00:01"
    system, data = found.disks
    assert (system.disk_id, data.disk_id) == DISKS
    assert (system.interface, system.bootable, system.format, system.sparse) == (
        *("virtio_scsi", True, "qcow2", True),
    )
    assert (data.interface, data.format, data.sparse, data.active) == (
        "virtio",
        "raw",
        False,
        False,
    )
    assert (system.read_only, data.read_only) == (False, True)
    assert (system.pass_discard, data.pass_discard) == (True, False)


@pytest.mark.parametrize("name", ["PredefinedProperties", "UserDefinedProperties"])
def test_protection_and_custom_properties(name: str) -> None:
    more = f"<DeleteProtected>true</DeleteProtected><{name}>a=1</{name}></Content>"
    found = ovf.read(configuration().replace("</Content>", more))
    assert (found.delete_protected, found.custom_properties) == (True, True)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_nothing_of_a_disk_is_left_for_an_import(name: str) -> None:
    text = configuration(name)
    before, prepared = ovf.read(text), ovf.for_import(text, {})
    after = ovf.read(prepared)
    assert after.disks == ()
    assert (after.name, after.nics, after.vm_id) == (before.name, before.nics, before.vm_id)
    for gone in (*DISKS, *IMAGES, "SnapshotsSection", "<Disk", "<File"):
        assert gone not in prepared.replace(escape(name), "")
    assert "cdrom" in prepared
    assert ovf.for_import(prepared, {}) == prepared


# Every character that XML 1.0 knows; those of a line's end above all.
ANY_TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from("\t\n\r \"'&<>]"),
        st.characters(
            codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
        ),
    )
)


def reference(text: str) -> str:
    """Return a text in XML by character references alone, which no reader changes."""
    return "".join(f"&#{ord(one)};" for one in text)


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_survives_our_rewriting(attribute: str, text: str) -> None:
    more = f'<VmInit ovf:customScript="{reference(attribute)}"><a>{reference(text)}</a></VmInit>'
    written = ovf.for_import(configuration(more=more), {"nic1": "dmz/slow"})
    found = ET.fromstring(written.encode("utf-8")).find("Content/VmInit")  # noqa: S314  our own
    assert found is not None
    assert list(found.attrib.values()) == [attribute]
    assert (found.findtext("a") or "") == text


def test_what_is_no_element_and_no_text() -> None:
    more = "<a><!-- said -->x<![CDATA[<&]]><?told x?></a>"
    assert "<a>x&lt;&amp;</a>" in ovf.for_import(configuration(more=more), {})


def test_prefixes_stay_as_the_engine_reads_them() -> None:
    prepared = ovf.for_import(configuration(), {})
    assert 'xsi:type="ovf:VirtualHardwareSection_Type"' in prepared
    assert "<rasd:ResourceType>10</rasd:ResourceType>" in prepared
    assert re.search(r'<Section ovf:id="[0-9A-F-]{36}"', prepared)


@pytest.mark.parametrize(
    ("wanted", "network", "profile"),
    [("dmz/slow", "dmz", "slow"), ("dmz", "dmz", ""), ("", "", ""), ("a&b/<", "a&b", "<")],
)
def test_cards_are_connected_anew(wanted: str, network: str, profile: str) -> None:
    prepared = ovf.for_import(configuration(), {"nic1": wanted, "nic2": "lan"})
    first, second = ovf.read(prepared).nics
    assert (first.network, first.profile, first.name) == (network, profile, "nic1")
    assert (second.network, second.profile) == ("lan", "")


def test_a_card_without_prefixes_is_connected_too() -> None:
    text = configuration().replace("rasd:", "")
    assert ovf.read(ovf.for_import(text, {"nic1": "dmz"})).nics[0].network == "dmz"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (configuration().replace("<ovf:Env", f"{BOMB}<ovf:Env"), "declares a document type"),
        (configuration().replace("<ovf:Env", f"{OUTSIDE}<ovf:Env"), "declares a document type"),
        (configuration().replace("web01", "&unknown;"), "is not XML"),
        (configuration().replace("UTF-8", "unknown-8"), "is not XML"),
        ("", "is not XML"),
        ("\ud800", "is not XML"),
        ("x" * (ovf.SIZE_LIMIT + 1), "is longer than"),
        ("<a>" * 100 + "</a>" * 100, "is nested deeper"),
        ("<a/>", "has 0 elements Content"),
        (configuration(more="<Content/>"), "has 2 elements Content"),
        ("<a><Content/></a>", "has 0 sections OperatingSystemSection_Type"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(OvfInvalid, match=said) as caught:
        ovf.read(text)
    assert caught.value.hint


def test_a_disk_that_is_only_described_is_none() -> None:
    text = configuration().replace(f'ovf:id="{IMAGES[0]}" ovf:size', 'ovf:id="other" ovf:size')
    assert [one.alias for one in ovf.read(text).disks] == ["data"]
