# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SDK objects to values: complete ones, as read from XML, and nearly empty ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from ovirtsdk4 import reader, types
from unit.samples import APPLIANCE, DISKS, SNAPSHOTS, SOURCE

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    INTERFACES,
    Attachment,
    Disk,
    DiskId,
    DiskLayer,
    Event,
    ImageId,
    Snapshot,
    SnapshotDisk,
    SnapshotId,
    Vm,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import convert
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import SdkObject

DISK, SNAPSHOT = DISKS[0], SNAPSHOTS[0]


def read(xml: str) -> SdkObject:
    return reader.Reader.read(xml)


def test_vm() -> None:
    found = read(
        f"<vm id='{SOURCE.id}'><name>web01</name><status>up</status>"
        "<cluster id='c'/><host id='h'/></vm>"
    )
    assert convert.vm(found) == Vm(SOURCE.id, "web01", "up", "c", "h")


@pytest.mark.parametrize("status", ["powering_up", "wait_for_launch", "not_responding", "paused"])
def test_status_words_are_those_of_the_api(status: str) -> None:
    assert convert.vm(read(f"<vm id='1'><status>{status}</status></vm>")).status == status


@pytest.mark.parametrize("interface", INTERFACES)
def test_attachment(interface: str) -> None:
    found = read(
        f"<disk_attachment id='{DISK}'><active>true</active><bootable>false</bootable>"
        f"<interface>{interface}</interface><logical_name>/dev/sdb</logical_name>"
        "<pass_discard>true</pass_discard><read_only>true</read_only>"
        f"<disk id='{DISK}'/><vm id='ignored'/></disk_attachment>"
    )
    assert convert.attachment(found, APPLIANCE.id) == Attachment(
        APPLIANCE.id, DISK, True, False, interface, True, True, "/dev/sdb"
    )


def test_disk() -> None:
    found = read(
        f"<disk id='{DISK}'><alias>system</alias><name>other</name><format>cow</format>"
        "<provisioned_size>10737418240</provisioned_size><actual_size>7</actual_size>"
        "<total_size>11</total_size><status>ok</status><content_type>data</content_type>"
        "<storage_type>image</storage_type><shareable>false</shareable></disk>"
    )
    assert convert.disk(found) == Disk(DISK, "system", 10 << 30, 11, "qcow2", "ok")


def test_disk_that_is_none_of_ours() -> None:
    found = convert.disk(
        types.Disk(
            id=DISK,
            name="lun",
            actual_size=7,
            total_size=0,
            format=types.DiskFormat.RAW,
            content_type=types.DiskContentType.ISO,
            storage_type=types.DiskStorageType.LUN,
            shareable=True,
        )
    )
    assert found == Disk(DISK, "lun", 0, 7, "raw", "", "iso", "lun", shareable=True)


def test_layer() -> None:
    found = read(
        "<disk_snapshot id='image'><alias>now</alias><provisioned_size>10</provisioned_size>"
        "<actual_size>3</actual_size><format>cow</format><status>ok</status>"
        f"<disk id='{DISK}'/><snapshot id='{SNAPSHOT}'/><parent id='below'/></disk_snapshot>"
    )
    assert convert.layer(found, DISK) == DiskLayer(
        DISK, SNAPSHOT, ImageId("image"), 10, 3, "qcow2", "ok", ImageId("below"), "now"
    )


def test_snapshot() -> None:
    found = read(
        f"<snapshot id='{SNAPSHOT}'><description>nightly</description>"
        "<date>2026-11-23T02:02:03.456+01:00</date>"
        "<persist_memorystate>true</persist_memorystate>"
        "<snapshot_status>in_preview</snapshot_status><snapshot_type>preview</snapshot_type>"
        f"<vm id='{SOURCE.id}'/></snapshot>"
    )
    when = datetime(2026, 11, 23, 1, 2, 3, 456000, tzinfo=UTC)
    assert convert.snapshot(found) == Snapshot(
        SNAPSHOT, "nightly", "in_preview", "preview", when, True, SOURCE.id
    )


@pytest.mark.parametrize(
    ("storage", "supports", "block", "discards"),
    [
        ("nfs", False, False, True),
        ("iscsi", True, True, True),
        ("fcp", False, True, False),
        ("managed_block_storage", True, False, False),
    ],
)
def test_a_domain_takes_discards(
    storage: str, *, supports: bool, block: bool, discards: bool
) -> None:
    found = convert.domain(
        read(
            f"<storage_domain id='{DISK}'><storage><type>{storage}</type></storage>"
            f"<supports_discard>{str(supports).lower()}</supports_discard></storage_domain>"
        )
    )
    assert (found.block, found.discards) == (block, discards)


def test_snapshot_disk() -> None:
    found = read(
        f"<disk id='{DISK}'><alias>system</alias><image_id>image</image_id><format>raw</format>"
        "<provisioned_size>10</provisioned_size><actual_size>3</actual_size>"
        "<status>illegal</status><interface>virtio</interface><bootable>true</bootable>"
        "<snapshot id='ignored'/></disk>"
    )
    assert convert.snapshot_disk(found, SNAPSHOT) == SnapshotDisk(
        disk_id=DISK,
        snapshot_id=SNAPSHOT,
        image_id=ImageId("image"),
        alias="system",
        virtual_size=10,
        actual_size=3,
        format="raw",
        status="illegal",
        interface="virtio",
        bootable=True,
        exact=False,
    )


def test_event() -> None:
    found = read(
        "<event id='7' href='/x'><code>2016</code><index>7</index><description>Done.</description>"
        f"<correlation_id>{SNAPSHOT}</correlation_id><vm id='{APPLIANCE.id}'/></event>"
    )
    assert convert.event(found) == Event(7, 2016, "Done.", SNAPSHOT, APPLIANCE.id)
    assert convert.event(read("<event id='8'><code>1</code></event>")) == Event(8, 1, "")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: convert.vm(types.Vm(id="1")), Vm(VmId("1"), "", "")),
        (
            lambda: convert.attachment(types.DiskAttachment(id="1"), VmId("2")),
            Attachment(VmId("2"), DiskId("1"), False, False, "", False, False),
        ),
        (lambda: convert.disk(types.Disk(id="1")), Disk(DiskId("1"), "", 0, 0, "", "")),
        (
            lambda: convert.layer(types.DiskSnapshot(id="1"), DiskId("2")),
            DiskLayer(DiskId("2"), SnapshotId(""), ImageId("1"), 0, 0, "", ""),
        ),
        (lambda: convert.snapshot(types.Snapshot(id="1")), Snapshot(SnapshotId("1"), "", "", "")),
        (
            lambda: convert.snapshot_disk(types.Disk(id="1"), SnapshotId("2")),
            SnapshotDisk(DiskId("1"), SnapshotId("2"), ImageId(""), "", 0, 0, "", "", exact=False),
        ),
        (lambda: convert.event(types.Event()), Event(0, 0, "")),
    ],
)
def test_what_is_not_said_is_empty(made: Callable[[], object], expected: object) -> None:
    assert made() == expected


def test_links_and_words() -> None:
    assert convert.id_of(None) == convert.id_of(types.Vm()) == ""
    assert convert.id_of(types.Vm(id="1")) == "1"
    assert convert.word(None) == ""
    assert convert.word(types.VmStatus.UP) == "up"
    # The reader gives a word that it does not know as text.
    assert convert.word("brand_new") == "brand_new"


def test_what_is_beside_a_configuration() -> None:
    found = convert.extras(
        read(
            f"<vm id='{SOURCE.id}'><cpu_shares>512</cpu_shares><fqdn>web01</fqdn><initialization>"
            "<host_name>web</host_name><custom_script>a&#10;&#9;b</custom_script>"
            "<regenerate_ssh_keys>true</regenerate_ssh_keys><root_password>******</root_password>"
            "<nic_configurations><nic_configuration><name>eth0</name></nic_configuration>"
            "</nic_configurations></initialization></vm>"
        )
    )
    texts = {"host_name": "web", "custom_script": "a\n\tb", "regenerate_ssh_keys": "true"}
    assert (found.initialization, found.cpu_shares, found.answered) == (texts, 512, True)
    assert found.unreadable == ("root_password", "nic_configurations")
    bare = convert.extras(read(f"<vm id='{SOURCE.id}'/>"))
    assert (bare.initialization, bare.unreadable, bare.cpu_shares) == ({}, (), 0)
    assert not bare.answered
    agent = "<guest_operating_system><family>Linux</family></guest_operating_system>"
    assert convert.extras(read(f"<vm id='{SOURCE.id}'>{agent}</vm>")).answered


def test_texts_of_cloud_init_to_send() -> None:
    made = convert.initialization(
        {
            "custom_script": "a\n",
            "regenerate_ssh_keys": "true",
            "cloud_init_network_protocol": "eni",
        }
    )
    assert (made.custom_script, made.regenerate_ssh_keys) == ("a\n", True)
    assert made.cloud_init_network_protocol.value == "eni"
    assert made.root_password is None
