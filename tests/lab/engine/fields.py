# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert JSON values to the types of a row's fields, or refuse them."""

from __future__ import annotations

import math
import types as builtin
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from ovirtsdk4 import types

from lab.model import VM_STATUS_WORDS, Disk, Domain, Host, Snapshot, SnapshotDisk, Vm, Volume, World

Json: TypeAlias = Any
Kind: TypeAlias = Any
NOTHING = None.__class__


def _words(kind: type[Enum]) -> frozenset[str]:
    return frozenset(str(one.value) for one in kind)


_FORMATS = frozenset({"qcow2", "raw"})
# Text that a GET shows as a word of an enum. Any other text would break every list that shows it.
WORDS: Mapping[tuple[type[Any], str], frozenset[str]] = {
    (Vm, "status"): frozenset(VM_STATUS_WORDS),
    (Vm, "chipset"): _words(types.BiosType),
    (Host, "status"): _words(types.HostStatus),
    (Domain, "status"): _words(types.StorageDomainStatus) | {"uninitialized"},
    (Domain, "type"): _words(types.StorageDomainType),
    (Domain, "storage"): _words(types.StorageType),
    (Disk, "content_type"): _words(types.DiskContentType),
    (Disk, "backup"): _words(types.DiskBackup),
    (Disk, "storage_type"): frozenset({"image", "lun", "managed_block_storage"}),
    (Disk, "fmt"): _FORMATS,
    (Volume, "fmt"): _FORMATS,
    (Volume, "status"): _words(types.DiskStatus),
    (Snapshot, "type"): _words(types.SnapshotType) | {"next_run"},
    (Snapshot, "status"): _words(types.SnapshotStatus),
    (SnapshotDisk, "fmt"): _FORMATS,
    (SnapshotDisk, "interface"): _words(types.DiskInterface),
}
# A GET follows these. Others may point to missing objects, as in an engine whose database was repaired.
REFERENCES = {
    "cluster_id": "clusters",
    "data_centre_id": "data_centres",
    "domain_id": "domains",
    "disk_id": "disks",
    "vm_id": "vms",
    "active_volume_id": "volumes",
}


def set_fields(row: Json, values: Mapping[str, Json], world: World | None = None) -> None:
    """Set fields of a row by JSON values, all of them or none.

    Raises:
        ValueError: For a field that does not exist or is the id, for a value that does not fit the
            field, and, with a world, for the id of an object that is not in it.
    """
    if "id" in values:
        raise ValueError("no field id: it stays what it is")
    ready = converted(type(row), values)
    for name, value in ready.items():
        table = REFERENCES.get(name) if world is not None else None
        if table is not None and value not in getattr(world, table):
            raise ValueError(f"{name}: {value} does not exist")
    for name, value in ready.items():
        setattr(row, name, value)


def converted(kind: type[Any], values: Mapping[str, Json]) -> dict[str, Any]:
    """Convert values to the types of a dataclass's fields.

    Raises:
        ValueError: For a field that does not exist, and for a value that does not fit.
    """
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - {one.name for one in fields(kind)})
    if unknown:
        raise ValueError(f"no field {', '.join(unknown)}")
    ready = {name: fitted(hints[name], value, name) for name, value in values.items()}
    for name, value in ready.items():
        words = WORDS.get((kind, name))
        if words is not None and value not in words:
            raise ValueError(f"{name}: {value} is none of {', '.join(sorted(words))}")
    return ready


def fitted(kind: Kind, value: Json, name: str) -> Any:  # noqa: ANN401  what the type says
    """Return a JSON value as a type wants it; one that is of the type already stays as it is.

    Raises:
        ValueError: For a value that does not fit.
    """
    if kind is Any:
        return value
    if get_origin(kind) is not None:
        return _composed(kind, value, name)
    if kind is datetime:
        return _moment(value, name)
    if kind is float:
        return _number(value, name)
    if is_dataclass(kind) and isinstance(value, Mapping):
        return _object(kind, value, name)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _unfit(kind.__name__, value, name)


def _unfit(wanted: str, value: Json, name: str) -> ValueError:
    return ValueError(f"{name}: {value!r} does not fit, the field is of type {wanted}")


def _composed(kind: Kind, value: Json, name: str) -> Any:  # noqa: ANN401
    """Return a value that may be absent, an object of values, or a list of them."""
    origin: Kind = get_origin(kind)
    members = get_args(kind)
    if origin in (Union, builtin.UnionType):
        inner = next(one for one in members if one is not NOTHING)
        return None if value is None else fitted(inner, value, name)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _unfit("object", value, name)
        return {
            fitted(members[0], key, name): fitted(members[1], one, name)
            for key, one in value.items()
        }
    if not isinstance(value, list | tuple):
        raise _unfit("list", value, name)
    return origin(fitted(members[0], one, name) for one in value)


def _number(value: Json, name: str) -> float:
    """Return a finite number; JSON as Python reads it knows others."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unfit("float", value, name)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _unfit("float", value, name)
    return number


def _moment(value: Json, name: str) -> datetime:
    """Return a date of JSON: ISO 8601 with a time zone, without which it cannot be compared."""
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as problem:
        raise _unfit("date with a time zone", value, name) from problem


def _object(kind: Kind, value: Mapping[str, Json], name: str) -> Any:  # noqa: ANN401
    wanted = {
        one.name
        for one in fields(kind)
        if one.default is MISSING and one.default_factory is MISSING
    }
    missing = sorted(wanted - set(value))
    if missing:
        raise ValueError(f"{name}: {', '.join(missing)} missing")
    return kind(**converted(kind, value))
