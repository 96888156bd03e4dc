# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that are set through the control API: of the right type, or refused with nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from lab.control import Control, ControlError
from lab.engine.client import ApiClient
from lab.engine.control import KINDS
from lab.engine.fields import REFERENCES, WORDS
from lab.lab import Lab
from lab.model import (
    Cluster,
    Disk,
    Domain,
    Host,
    Settings,
    Snapshot,
    SnapshotDisk,
    Vm,
    Volume,
)
from lab.world import ADMIN

ROWS: dict[str, type[Any]] = {
    "clusters": Cluster,
    "disks": Disk,
    "domains": Domain,
    "hosts": Host,
    "snapshots": Snapshot,
    "vms": Vm,
    "volumes": Volume,
}
# One of each that JSON can say; none fits more than a few types.
VALUES: tuple[Any, ...] = (None, True, 7, 1.5, "sevenfold", ["x"], {"x": 1})
FITTING = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "str | None": (str, type(None)),
    "Lun | None": (type(None),),
    "list[str]": (list,),
    "Vm | None": (type(None),),
    "datetime | None": (type(None),),
}
READS = (*("vms", "disks", "hosts", "clusters", "storagedomains", "datacenters"),)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        yield running


@pytest.fixture(scope="module")
def admin(lab: Lab) -> Iterator[ApiClient]:
    with ApiClient(lab.url, str(lab.identity.ca_file), *ADMIN) as signed_in:
        yield signed_in


@pytest.fixture
def control(lab: Lab) -> Control:
    return lab.control()


def _row(lab: Lab, kind: str) -> str:
    return str(next(iter(getattr(lab.world, KINDS[kind]))))


def _all_fields() -> list[tuple[str, str, str]]:
    return [(kind, one.name, str(one.type)) for kind, row in ROWS.items() for one in fields(row)]


def _read(lab: Lab, admin: ApiClient) -> None:
    """Every list that shows rows answers."""
    vm_id = lab.vm("web01").id
    domain_id, centre_id = next(iter(lab.world.domains)), next(iter(lab.world.data_centres))
    below = (
        *(f"vms/{vm_id}/snapshots", f"vms/{vm_id}/diskattachments"),
        *(f"storagedomains/{domain_id}/disksnapshots?include_active=true",),
        f"datacenters/{centre_id}/storagedomains",
    )
    assert {path: admin.get(path).status for path in (*READS, *below)} == dict.fromkeys(
        (*READS, *below), 200
    )


def test_every_kind_is_looked_at() -> None:
    assert set(ROWS) == set(KINDS)


def test_the_date_of_a_snapshot_orders_the_list(
    lab: Lab, admin: ApiClient, control: Control
) -> None:
    vm_id = lab.vm("db01").id
    for name in ("first", "second"):
        body = f"<snapshot><description>{name}</description></snapshot>"
        assert admin.post(f"vms/{vm_id}/snapshots", body).status == 201
        lab.engine.tasks.drain(10.0)
        while admin.get(f"vms/{vm_id}/snapshots").body.count(b"locked"):
            pass
    assert _regular(admin, vm_id) == ["first", "second"]
    first = next(s.id for s in lab.world.snapshots.values() if s.description == "first")
    shown = control.patch("snapshots", first, date="2040-01-02T03:04:05.678+02:00")
    assert shown["date"] == "2040-01-02T01:04:05.678000+00:00"
    assert _regular(admin, vm_id) == ["second", "first"]
    found = admin.get(f"vms/{vm_id}/snapshots/{first}").xml().findtext("date")
    assert found == "2040-01-02T01:04:05.678Z"


def _regular(admin: ApiClient, vm_id: str) -> list[str | None]:
    found = admin.get(f"vms/{vm_id}/snapshots").xml()
    return [
        one.findtext("description") for one in found if one.findtext("snapshot_type") == "regular"
    ]


@pytest.mark.parametrize(("kind", "name", "type_"), _all_fields())
def test_what_does_not_fit_a_field_is_refused(
    lab: Lab, control: Control, kind: str, name: str, type_: str
) -> None:
    row_id, before = _row(lab, kind), control.world()
    accepted = FITTING.get(type_, ())
    bad = [value for value in VALUES if type(value) not in accepted]
    assert bad
    for value in bad:
        with pytest.raises(ControlError, match=r"400 .*ValueError"):
            control.patch(kind, row_id, **{name: value})
    assert control.world() == before


@pytest.mark.parametrize(
    "value", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", 0]
)
def test_a_date_that_cannot_be_compared_is_refused(
    lab: Lab, control: Control, value: object
) -> None:
    before = control.world()
    with pytest.raises(ControlError, match=r"date: .* is of type date"):
        control.patch("snapshots", _row(lab, "snapshots"), date=value)
    assert control.world() == before


def test_one_wrong_value_among_right_ones_changes_nothing(lab: Lab, control: Control) -> None:
    before = control.world()
    for wrong in ({"delete_protected": "word"}, {"memory": "word"}, {"id": "x"}, {"nonsense": 1}):
        with pytest.raises(ControlError, match="400"):
            control.patch("vms", lab.vm("web01").id, name="renamed", **wrong)
    with pytest.raises(ControlError, match="400"):
        control.settings(maintenance=True, token_seconds="long")
    assert control.world() == before


@pytest.mark.parametrize(
    ("kind", "name"), [(row, name) for row, name in WORDS if row in ROWS.values()]
)
def test_a_word_that_no_list_could_show_is_refused(
    lab: Lab, admin: ApiClient, control: Control, kind: type[Any], name: str
) -> None:
    table = next(table for table, row in ROWS.items() if row is kind)
    with pytest.raises(ControlError, match=f"{name}: nonsense is none of"):
        control.patch(table, _row(lab, table), **{name: "nonsense"})
    _read(lab, admin)


@pytest.mark.parametrize("kind", list(ROWS))
def test_a_reference_to_nothing_is_refused(
    lab: Lab, admin: ApiClient, control: Control, kind: str
) -> None:
    names = [one.name for one in fields(ROWS[kind]) if one.name in REFERENCES]
    for name in names:
        with pytest.raises(ControlError, match=f"{name}: nothing does not exist"):
            control.patch(kind, _row(lab, kind), **{name: "nothing"})
    _read(lab, admin)


def test_the_disks_of_a_snapshot_are_objects(lab: Lab, control: Control) -> None:
    row_id = _row(lab, "snapshots")
    disk = next(iter(lab.world.disks.values()))
    saved: dict[str, Any] = {
        **{"disk_id": disk.id, "volume_id": disk.active_volume_id, "alias": "a", "fmt": "raw"},
        **{"virtual_size": 1, "actual_size": 1, "interface": "virtio", "bootable": False},
    }
    assert control.patch("snapshots", row_id, disks=[saved])["disks"] == [saved]
    assert lab.world.snapshots[row_id].disks == [SnapshotDisk(**saved)]
    for wrong in ({**saved, "fmt": "vmdk"}, {"alias": "a"}, {**saved, "bootable": 1}):
        with pytest.raises(ControlError, match="400"):
            control.patch("snapshots", row_id, disks=[wrong])
    control.patch("snapshots", row_id, disks=[])


def test_fields_of_a_new_vm_are_held_to_the_same(control: Control) -> None:
    before = control.world()
    for wrong in (
        {"fields": {"created": "yesterday"}},
        {"fields": {"status": "nonsense"}},
        {"checkpoints": "two"},
        {"disks": [{"alias": "x", "size": "big"}]},
        {"disks": [{"size": 1 << 20}]},
        {"nonsense": 1},
    ):
        with pytest.raises(ControlError, match="400"):
            control.add_vm("refused", status="down", **wrong)
    assert control.world() == before
    made = control.add_vm(
        "old", status="down", fields={"created": "2020-02-02T00:00:00Z"}, disks=[{"alias": "o"}]
    )
    rows = {row["id"]: row for row in control.world()["vms"]}
    assert rows[made["id"]]["created"] == "2020-02-02T00:00:00+00:00"


@pytest.mark.parametrize("version", ["4", "4.5", "nonsense", ""])
def test_a_version_that_cannot_be_announced_is_refused(
    lab: Lab, admin: ApiClient, version: str
) -> None:
    with pytest.raises(ControlError, match="400"):
        lab.control().settings(version=version)
    assert admin.get("").status == 200


def test_settings_name_their_types(lab: Lab) -> None:
    settings = lab.control().settings(linger=1)
    assert lab.world.settings.linger.__class__ is float
    assert set(settings) == {one.name for one in fields(Settings)}


def test_a_body_that_is_no_object_is_refused(lab: Lab) -> None:
    control: Any = Control(lab.control_url)
    for body in (["status"], "status", 1):
        with pytest.raises(ControlError, match="400"):
            control._call("POST", "/settings", body)
