# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest: written, read back, and never trusted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ManifestInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.readme import (
    render,
)

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = json.loads((ROOT / "docs/schema/manifest-1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

DISK = {
    "id": "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10",
    "alias": "web01_Disk1",
    "interface": "virtio_scsi",
    "bootable": True,
    "virtual_size": 1048576,
    "format": "qcow2",
    "compression": "zstd",
    "file": "b8d5cb5c-21ba-4a57-a2a3-7b86c39b8f10.qcow2",
    "file_size": 327680,
    "bytes_stored": 200704,
    "content_sha256": "a" * 64,
    "file_sha256": "b" * 64,
    "parent": None,
}
RAW = {
    **DISK,
    "id": "0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02",
    "alias": "data",
    "bootable": False,
    "format": "raw",
    "compression": "none",
    "file": "0f6f7f0e-5d5c-4a1c-9b53-2f8c5f7a1d02.raw",
    "file_size": 1048576,
    "file_sha256": "a" * 64,
}
GOOD: dict[str, Any] = {
    "format": "ovirt_community.backup",
    "version": 1,
    "run_id": "4f0c2a91d7be",
    "correlation_id": "4f0c2a91d7be",
    "started": "2026-11-23T01:00:00Z",
    "finished": "2026-11-23T01:12:30.123456+00:00",
    "vm": {
        "id": "5a3e3b5c-8c5e-4d8c-9d3f-0f0c6a4f9e11",
        "name": "web01",
        "cluster": "Default",
        "data_center": "Default",
        "description": "",
    },
    "snapshot": {
        "id": "2f1c0a4e-7a43-4d8c-a5d4-4f6bb2b4dd01",
        "description": "nightly",
        "date": "2026-11-23T01:00:05+00:00",
    },
    "consistency": {"level": "filesystem", "evidence": ["event 170 is missing"]},
    "versions": {"engine": "4.5.7", "collection": "0.1.0", "qemu_img": "7.2", "ansible": "2.21"},
    "ovf": {"file": "vm.ovf", "size": 10, "sha256": "c" * 64},
    "disks": [DISK, RAW],
}

WHOLE: dict[str, Any] = {
    **GOOD,
    "clocks": {
        "asked": "2026-11-23T01:00:02Z",
        "there": "2026-11-23T01:00:20Z",
        "appliance": "2026-11-23T01:00:21Z",
    },
    "checksum": "manifest.sha256",
}


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where every value below the root stands."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    below = [found for key, inner in items for found in paths(inner, (*path, key))]
    return below if not path else [path, *below]


PATHS = paths(GOOD)


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    data = copy.deepcopy(GOOD)
    inner: Any = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


def accepted(data: object) -> bool:
    try:
        manifest.from_dict(data)
    except ManifestInvalid:
        return False
    return True


def test_a_manifest_comes_back_as_it_was() -> None:
    first = manifest.from_dict(GOOD)
    text = manifest.dumps(first)
    assert manifest.loads(text.encode()) == first
    assert json.loads(text) == GOOD
    assert manifest.differences(first, first) == ()
    VALIDATOR.validate(json.loads(text))


@pytest.mark.parametrize("path", [path for path in PATHS if isinstance(path[-1], str)], ids=str)
def test_every_key_is_needed(path: tuple[Any, ...]) -> None:
    data = copy.deepcopy(GOOD)
    inner: Any = data
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    assert not accepted(data)
    assert not VALIDATOR.is_valid(data)


def test_a_manifest_of_this_release_comes_back_as_it_was() -> None:
    first = manifest.from_dict(WHOLE)
    assert json.loads(manifest.dumps(first)) == manifest.to_dict(first) == WHOLE
    assert first.clocks == manifest.Clocks(**WHOLE["clocks"])
    VALIDATOR.validate(WHOLE)
    earlier = manifest.from_dict(GOOD)
    assert (earlier.clocks, earlier.checksum) == (None, None)


@pytest.mark.parametrize("key", ["clocks", "checksum"])
@pytest.mark.parametrize(
    "value", [None, {}, "x", {"asked": "now", "there": "now", "appliance": "x"}]
)
def test_what_earlier_sets_do_not_have_is_checked_where_it_is(key: str, value: object) -> None:
    assert not accepted({**WHOLE, key: value})
    assert not VALIDATOR.is_valid({**WHOLE, key: value})


def test_a_checksum_is_of_one_manifest() -> None:
    data = manifest.dumps(manifest.from_dict(WHOLE)).encode()
    file = manifest.checksum(data)
    assert manifest.checksum_in(file) == manifest.digest(data) != manifest.digest(data + b" ")
    for wrong in (
        b"",
        file[:-1],
        file + b"x",
        file.replace(b"manifest.json", b"other.json"),
        b"\xff",
    ):
        with pytest.raises(ManifestInvalid, match="is not a checksum file of a manifest") as caught:
            manifest.checksum_in(wrong)
        assert caught.value.details == {}
    with pytest.raises(
        ManifestInvalid, match="has format version 2; this release reads only version 1"
    ) as caught:
        manifest.checksum_in(file.replace(b"checksum 1", b"checksum 2"))
    assert caught.value.details["version"] == 2


def test_unknown_keys_are_ignored() -> None:
    assert manifest.from_dict({**GOOD, "later": 1}) == manifest.from_dict(GOOD)
    assert VALIDATOR.is_valid({**GOOD, "later": 1})


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(allow_nan=False).filter(lambda number: not number.is_integer()),
    st.sampled_from(["", "..", "../x", "a/b", "manifest.json", "README", "vm.ovf", "x" * 5000]),
    st.sampled_from(["zstd", "raw", "a" * 64, DISK["id"], "2026-11-23T01:00:00Z"]),
    st.text(max_size=5).filter(lambda text: not text.endswith("\n")),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(st.sampled_from(PATHS), values)
def test_reader_and_schema_agree(path: tuple[Any, ...], value: object) -> None:
    data = changed(path, value)
    if accepted(data):
        assert VALIDATOR.is_valid(data)
    elif VALIDATOR.is_valid(data):
        # What only the reader can say: names that occur twice, and what raw means.
        with pytest.raises(ManifestInvalid, match=r"twice|raw"):
            manifest.from_dict(data)


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_reader(data: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        manifest.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100000,
        b'{"a":' * 100000,
        b"1" * 100000,
        b"NaN",
        b'{"format": "ovirt_community.backup", "version": Infinity}',
        b'{"version": 1, "version": 1}',
        b"\xff\xfe",
        b" " * (manifest.SIZE_LIMIT + 1),
        b"null",
        b"[]",
        json.dumps({**GOOD, "format": "other"}).encode(),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_hostile_files_are_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        manifest.loads(data)


@pytest.mark.parametrize("version", [0, 2, 99, "1", 1.5, True, None])
def test_other_versions_are_refused(version: object) -> None:
    with pytest.raises(ManifestInvalid, match="version") as caught:
        manifest.from_dict({**GOOD, "version": version})
    assert "release" in caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a/b", ".", "..", ".hidden", "", "a\0b", "a\n", "-x", "a" * 256,
     "manifest.json", "README", "vm.ovf", RAW["file"], "é"],
)  # fmt: skip
def test_files_stay_inside_and_apart(name: str) -> None:
    with pytest.raises(ManifestInvalid):
        manifest.from_dict(changed(("disks", 0, "file"), name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("disks", 1, "file_size"), 5),
        (("disks", 1, "file_sha256"), "d" * 64),
        (("disks", 1, "id"), DISK["id"]),
        (("started",), "2026-02-30T01:00:00Z"),
        (("started",), "2026-11-23T01:00:00Z\n"),
        (("disks",), []),
        (("disks", 0, "virtual_size"), True),
        (("disks", 0, "virtual_size"), 2**63),
    ],
)
def test_what_the_reader_alone_refuses_or_types_hide(path: tuple[Any, ...], value: object) -> None:
    assert not accepted(changed(path, value))


def test_differences_name_the_fields() -> None:
    first = manifest.from_dict(GOOD)
    second = manifest.from_dict(changed(("vm", "name"), "other"))
    assert manifest.differences(first, second) == ("vm",)


def test_the_readme_has_every_command_and_fact() -> None:
    text = render(manifest.from_dict(GOOD))
    for disk in (DISK, RAW):
        assert f"qemu-img convert -p -f {disk['format']} -O {disk['format']} {disk['file']}" in text
        assert f"echo '{disk['file_sha256']}  {disk['file']}' | sha256sum --check" in text
        assert f"{disk['virtual_size']} bytes (a new disk needs 1 GiB)" in text
    assert 'name "web01"' in text
    assert "interface VirtIO-SCSI, bootable" in text


@given(st.text(st.characters(), max_size=60))
def test_no_name_can_add_a_line_to_the_readme(name: str) -> None:
    plain = render(manifest.from_dict(GOOD)).splitlines()
    strange = render(manifest.from_dict(changed(("vm", "name"), name))).splitlines()
    assert len(strange) == len(plain)
    "\n".join(strange).encode()
