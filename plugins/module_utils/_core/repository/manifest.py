# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a backup set, format version 1: written, and read without trust.

``docs/schema/manifest-1.schema.json`` says the same for other programs. Later releases may add keys
that are not named here; they are ignored when read.

Its checksum, ``manifest.sha256``, lies beside it and is written when the set is finished, so that a
single changed digit is noticed. Sets from before there were checksums have none, and their
manifests do not name one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Callable, NoReturn, cast

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    ManifestInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming

FORMAT = "ovirt_community.backup"
VERSION = 1
SIZE_LIMIT = 16 * 1024 * 1024
"""The longest manifest that is read, in bytes."""

DISKS_LIMIT = 1024
_INT_LIMIT = 2**63 - 1
_TEXT_LIMIT = 4096
_SHA256 = re.compile(r"^[0-9a-f]{64}\Z")
_WORD = re.compile(r"^[a-z][a-z0-9_-]{0,63}\Z")
_RESERVED = (naming.MANIFEST, naming.README, naming.CHECKSUM)
_OPTIONAL = ("clocks", "checksum")
"""Keys that sets of earlier releases do not have."""

CHECKSUM_VERSION = 1
CHECKSUM_LIMIT = 4096
"""The longest checksum file that is read, in bytes."""

_CHECKSUM = re.compile(
    rb"# ovirt_community\.backup manifest checksum ([0-9]{1,9})\n([0-9a-f]{64})  manifest\.json\n"
)

Check = Callable[[object, str], object]


@dataclass(frozen=True)
class ManifestVm:
    """The source VM."""

    id: str
    name: str
    cluster: str
    data_center: str
    description: str


@dataclass(frozen=True)
class ManifestSnapshot:
    """The snapshot that was copied. ``date`` is the engine's."""

    id: str
    description: str
    date: str


@dataclass(frozen=True)
class Consistency:
    """How consistent the data is, and the evidence for it."""

    level: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Versions:
    """The software that made the set."""

    engine: str
    collection: str
    qemu_img: str
    ansible: str


@dataclass(frozen=True)
class Ovf:
    """The VM's configuration file."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class ManifestDisk:
    """One disk and its image.

    Attributes:
        virtual_size: Guest-visible bytes.
        file_size: Length of the file in bytes.
        bytes_stored: Bytes that the file system had allocated for it.
        content_sha256: Hash of the guest-visible bytes.
        file_sha256: Hash of the file, as ``sha256sum`` prints it.
        parent: Run id of the set that this image builds on; None for a full image.
    """

    id: str
    alias: str
    interface: str
    bootable: bool
    virtual_size: int
    format: str
    compression: str
    file: str
    file_size: int
    bytes_stored: int
    content_sha256: str
    file_sha256: str
    parent: str | None


@dataclass(frozen=True)
class Clocks:
    """What three clocks said around the snapshot, in UTC; see ``clocks``."""

    asked: str
    there: str
    appliance: str


@dataclass(frozen=True)
class Manifest:
    """One finished backup of one source VM. Times are UTC.

    Attributes:
        clocks: None in sets that were made before clocks were recorded.
        checksum: Name of the file with the manifest's own checksum; None in earlier sets.
    """

    format: str
    version: int
    run_id: str
    correlation_id: str
    started: str
    finished: str
    vm: ManifestVm
    snapshot: ManifestSnapshot
    consistency: Consistency
    versions: Versions
    ovf: Ovf
    disks: tuple[ManifestDisk, ...]
    clocks: Clocks | None = None
    checksum: str | None = None


def dumps(manifest: Manifest) -> str:
    """Serialise a manifest: JSON, ASCII, keys in a fixed order, one final newline."""
    return json.dumps(as_stored(manifest), indent=2, ensure_ascii=True) + "\n"


def as_stored(manifest: Manifest) -> dict[str, Any]:
    """Return the content of the file, keys in order; empty keys that earlier sets lack are left out."""
    whole = asdict(manifest)
    return {key: one for key, one in whole.items() if key not in _OPTIONAL or one is not None}


def digest(data: bytes) -> str:
    """Return the SHA-256 of a manifest's bytes."""
    return hashlib.sha256(data).hexdigest()


def checksum(data: bytes) -> bytes:
    """Return the content of the checksum file, which ``sha256sum --check`` reads."""
    head = f"# ovirt_community.backup manifest checksum {CHECKSUM_VERSION}"
    return f"{head}\n{digest(data)}  {naming.MANIFEST}\n".encode("ascii")


def checksum_in(file: bytes) -> str:
    """Return the hash in a checksum file.

    Raises:
        ManifestInvalid: It is not a checksum file, or has an unknown version.
    """
    match = _CHECKSUM.fullmatch(file)
    if match is None:
        raise ManifestInvalid(
            f"{naming.CHECKSUM} is not a checksum file of a manifest.",
            hint="The set is damaged: restore an older one.",
        )
    if int(match[1]) != CHECKSUM_VERSION:
        raise ManifestInvalid(
            f"{naming.CHECKSUM} has format version {int(match[1])}; this release reads only version"
            f" {CHECKSUM_VERSION}.",
            hint="Use a release of the collection that reads this version.",
            details={"version": int(match[1])},
        )
    return match[2].decode("ascii")


def to_dict(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as a module's result; text that is not Unicode is escaped."""
    found: dict[str, Any] = _shown(as_stored(manifest))
    return found


def _shown(value: Any) -> Any:  # noqa: ANN401  (JSON)
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(one) for one in value]
    return naming.show_text(value) if isinstance(value, str) else value


def loads(data: bytes) -> Manifest:
    """Parse a manifest. Anyone may have written it.

    Raises:
        ManifestInvalid: It is not a manifest, or has an unknown version.
    """
    if len(data) > SIZE_LIMIT:
        raise _invalid("", f"is longer than {SIZE_LIMIT} bytes")
    try:
        parsed = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as exc:
        raise _invalid("", f"is not JSON: {exc}") from exc
    return from_dict(parsed)


def from_dict(data: object) -> Manifest:
    """Check every field and build the manifest.

    Args:
        data: Parsed JSON, or the facts to record.

    Raises:
        ManifestInvalid: Names the first faulty field.
    """
    root = _object(data, "")
    if root.get("format") != FORMAT:
        raise _invalid("format", f"is not {FORMAT!r}")
    version = root.get("version")
    if version != VERSION or isinstance(version, bool) or not isinstance(version, int):
        raise ManifestInvalid(
            f"The manifest has format version {version!r}; this release reads only version {VERSION}.",
            hint="Use a release of the collection that reads this version.",
            details={"version": version if isinstance(version, int) else None},
        )
    manifest = cast("Manifest", _MANIFEST(root, ""))
    _check_files(manifest)
    return manifest


def differences(found: Manifest, wanted: Manifest) -> tuple[str, ...]:
    """Return the names of the top-level fields in which two manifests differ."""
    old, new = asdict(found), asdict(wanted)
    return tuple(key for key in old if old[key] != new[key])


_INVALID = "A manifest must not be changed. If it is that of a set, the set is damaged: restore an older one."


def _invalid(field: str, fault: str) -> ManifestInvalid:
    subject = f"The manifest's {field}" if field else "The manifest"
    return ManifestInvalid(f"{subject} {fault}.", hint=_INVALID, details={"field": field})


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _object(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(field, "is not a JSON object")
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
        raise _invalid(field, f"is not a string of at most {_TEXT_LIMIT} characters")
    return value


def _pattern(pattern: re.Pattern[str], what: str) -> Check:
    def check(value: object, field: str) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise _invalid(field, f"is not a {what}")
        return value

    return check


def _choice(*values: str) -> Check:
    def check(value: object, field: str) -> str:
        if not isinstance(value, str) or value not in values:
            raise _invalid(field, f"is not one of {', '.join(values)}")
        return value

    return check


def _integer(lowest: int) -> Check:
    def check(value: object, field: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _invalid(field, "is not an integer")
        if not lowest <= value <= _INT_LIMIT:
            raise _invalid(field, f"is not between {lowest} and {_INT_LIMIT}")
        return value

    return check


def _boolean(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise _invalid(field, "is neither true nor false")
    return value


def _time(value: object, field: str) -> str:
    if not isinstance(value, str) or not naming.TIME.match(value):
        raise _invalid(field, "is not a UTC time such as 2026-11-23T01:02:03Z")
    try:
        datetime.fromisoformat(value[:19])
    except ValueError as exc:
        raise _invalid(field, "is a time that does not exist") from exc
    return value


def _file(value: object, field: str) -> str:
    # The pattern has no separator and no leading dot: the name stays inside the directory.
    if not isinstance(value, str) or not naming.FILE_NAME.match(value) or value in _RESERVED:
        raise _invalid(field, "is not a plain file name inside the set's directory")
    return value


def _optional(check: Check) -> Check:
    return lambda value, field: None if value is None else check(value, field)


def _array(check: Check, lowest: int, highest: int) -> Check:
    def run(value: object, field: str) -> tuple[object, ...]:
        if not isinstance(value, (list, tuple)) or not lowest <= len(value) <= highest:
            raise _invalid(field, f"is not a list of {lowest} to {highest} entries")
        return tuple(check(entry, f"{field}[{index}]") for index, entry in enumerate(value))

    return run


def _record(
    build: Callable[..., Any], checks: Mapping[str, Check], optional: Sequence[str] = ()
) -> Check:
    def run(value: object, field: str) -> object:
        data = _object(value, field)
        fields = {}
        for key, check in checks.items():
            where = f"{field}.{key}" if field else key
            if key in optional and key not in data:
                continue
            if key not in data:
                raise _invalid(where, "is missing")
            fields[key] = check(data[key], where)
        return build(**fields)

    return run


def _check_files(manifest: Manifest) -> None:
    """Check that ids and files are unique, and that a raw image is as long as its disk."""
    files = [manifest.ovf.file, *(disk.file for disk in manifest.disks)]
    ids = [disk.id for disk in manifest.disks]
    if len(set(files)) != len(files) or len(set(ids)) != len(ids):
        raise _invalid("disks", "name a disk or a file twice")
    for index, disk in enumerate(manifest.disks):
        if disk.format == "raw" and disk.file_size != disk.virtual_size:
            raise _invalid(f"disks[{index}].file_size", "is not the virtual size of a raw image")
        if disk.format == "raw" and disk.file_sha256 != disk.content_sha256:
            raise _invalid(f"disks[{index}].file_sha256", "is not that of a raw image's content")


_id = _pattern(naming.UUID, "UUID")
_run_id = _pattern(naming.RUN_ID, "run id")
_sha256 = _pattern(_SHA256, "SHA-256 in lower-case hexadecimal")
_word = _pattern(_WORD, "lower-case word")

_DISK = _record(
    ManifestDisk,
    {
        "id": _id,
        "alias": _text,
        "interface": _word,
        "bootable": _boolean,
        "virtual_size": _integer(1),
        "format": _choice("qcow2", "raw"),
        "compression": _choice("zstd", "none"),
        "file": _file,
        "file_size": _integer(1),
        "bytes_stored": _integer(0),
        "content_sha256": _sha256,
        "file_sha256": _sha256,
        "parent": _optional(_run_id),
    },
)

_MANIFEST = _record(
    Manifest,
    {
        "format": _choice(FORMAT),
        "version": _integer(VERSION),
        "run_id": _run_id,
        "correlation_id": _text,
        "started": _time,
        "finished": _time,
        "vm": _record(
            ManifestVm,
            {
                "id": _id,
                "name": _text,
                "cluster": _text,
                "data_center": _text,
                "description": _text,
            },
        ),
        "snapshot": _record(ManifestSnapshot, {"id": _id, "description": _text, "date": _text}),
        "consistency": _record(
            Consistency, {"level": _word, "evidence": _array(_text, 0, DISKS_LIMIT)}
        ),
        "versions": _record(
            Versions, {"engine": _text, "collection": _text, "qemu_img": _text, "ansible": _text}
        ),
        "ovf": _record(Ovf, {"file": _file, "size": _integer(0), "sha256": _sha256}),
        "disks": _array(_DISK, 1, DISKS_LIMIT),
        "clocks": _record(Clocks, {"asked": _time, "there": _time, "appliance": _time}),
        "checksum": _choice(naming.CHECKSUM),
    },
    optional=_OPTIONAL,
)
