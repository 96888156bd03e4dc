# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names inside the repository.

``<escaped VM name>.<VM id>/<UTC time>.<run id>/<disk id>.<format>``: nothing of a VM's name reaches
the file system unescaped, and the ids alone make every name unique.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)

MANIFEST = "manifest.json"
CHECKSUM = "manifest.sha256"
OVF = "vm.ovf"
README = "README"

NAME_LIMIT = 255
"""The longest file name on common Linux file systems, in bytes."""

UUID = re.compile(r"^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z")
RUN_ID = re.compile(r"^[0-9A-Za-z][0-9A-Za-z_-]{0,63}\Z")
TIME = re.compile(
    r"^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,6})?(?:Z|\+00:00)\Z"
)
FILE_NAME = re.compile(r"^[0-9A-Za-z][0-9A-Za-z._-]{0,254}\Z")

_PLAIN = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-.")
_EMPTY = "%"
_CUT = "~"
_DIGEST = 16
_ESCAPED_LIMIT = NAME_LIMIT - 1 - 36
_ESCAPE = re.compile(r"%([0-9A-F]{2})")
_ESCAPED = re.compile(r"^[0-9A-Za-z_.%~-]+\Z")
_SET = re.compile(
    r"^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z\.([0-9A-Za-z][0-9A-Za-z_-]{0,63})\Z"
)


@dataclass(frozen=True)
class DiskFile:
    """The file of a disk's image."""

    id: str
    file: str
    dest: str


@dataclass(frozen=True)
class SetNames:
    """The paths of a backup set.

    Attributes:
        vm_directory: Directory of all sets of this VM.
        path: Directory of the set.
    """

    vm_directory: str
    path: str
    disks: tuple[DiskFile, ...]


@dataclass(frozen=True)
class SetPath:
    """The path of a set's directory in parts; only names are used, nothing is read.

    A path from outside may name anything: see ``is_set``.

    Attributes:
        repository: Path of the repository.
        vm_directory: Name of the directory of all sets of the VM.
        name: Name of the set's directory.
    """

    repository: str
    vm_directory: str
    name: str

    @classmethod
    def parse(cls, path: str) -> SetPath:
        """Split an absolute path without a slash at its end, whatever it names."""
        above, _slash, name = path.rpartition("/")
        repository, _slash, vm_directory = above.rpartition("/")
        return cls(repository or "/", vm_directory, name)

    @property
    def above(self) -> str:
        """Path of the directory of all sets of the VM."""
        return f"{self.repository.rstrip('/')}/{self.vm_directory}"

    @property
    def path(self) -> str:
        """Path of the set's directory."""
        return f"{self.above}/{self.name}"

    @property
    def vm(self) -> tuple[str | None, str] | None:
        """Name and id of the VM; see ``split_vm_directory``."""
        return split_vm_directory(self.vm_directory)

    @property
    def run(self) -> tuple[str, str] | None:
        """UTC time and id of the run; see ``split_set_directory``."""
        return split_set_directory(self.name)

    @property
    def is_set(self) -> bool:
        """Whether this collection could have given both names."""
        return self.vm is not None and self.run is not None


def escape(name: str) -> str:
    """Escape any text for use in a file name: ASCII, no slash, no leading dot or dash, never empty.

    Different names give different results. ``unescape`` reverses it unless the name was so long
    that it had to be cut; a digest of the whole name then replaces its end.
    """
    data = name.encode("utf-8", "surrogatepass")
    parts = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data]
    if parts and parts[0] in ("-", "."):
        parts[0] = f"%{data[0]:02X}"
    escaped = "".join(parts) or _EMPTY
    if len(escaped) <= _ESCAPED_LIMIT:
        return escaped
    return _cut(parts) + _CUT + hashlib.sha256(data).hexdigest()[:_DIGEST]


def _cut(parts: list[str]) -> str:
    """Return as many whole characters as leave room for the digest."""
    room = _ESCAPED_LIMIT - len(_CUT) - _DIGEST
    ends = itertools.accumulate(len(part) for part in parts)
    return "".join(part for part, end in zip(parts, ends) if end <= room)


def unescape(escaped: str) -> str | None:
    """Return the name that was escaped; None if it was cut or is not a result of ``escape``."""
    if escaped == _EMPTY:
        return ""
    data = _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), escaped)
    try:
        name = data.encode("latin-1").decode("utf-8", "surrogatepass")
    except UnicodeError:
        return None
    return name if escape(name) == escaped else None


def vm_directory(name: str, vm_id: str) -> str:
    """Return the name of the directory for all sets of a VM.

    Raises:
        InvalidRequest: The id is not one.
    """
    return f"{escape(name)}.{_uuid('VM', vm_id)}"


def split_vm_directory(directory: str) -> tuple[str | None, str] | None:
    """Return ``(VM name, VM id)`` of a directory; the name is None if it was cut.

    The result is None if the directory is not one that ``vm_directory`` names.
    """
    escaped, dot, vm_id = directory.rpartition(".")
    if not dot or not _ESCAPED.match(escaped) or not UUID.match(vm_id):
        return None
    return unescape(escaped), vm_id


def set_directory(time: str, run_id: str) -> str:
    """Return the name of one set's directory. Such names sort by time.

    Args:
        time: UTC as in ``2026-11-23T01:02:03Z``.

    Raises:
        InvalidRequest: The time or the run id is not one.
    """
    match = TIME.match(time)
    if not match:
        raise InvalidRequest(
            f"The time of a set must be UTC such as 2026-11-23T01:02:03Z, not {time!r}."
        )
    if not RUN_ID.match(run_id):
        raise InvalidRequest(
            f"{run_id!r} is not a run id: 1 to 64 letters, digits, '-' and '_' are allowed."
        )
    year, month, day, hour, minute, second = match.groups()
    return f"{year}{month}{day}T{hour}{minute}{second}Z.{run_id}"


def split_set_directory(directory: str) -> tuple[str, str] | None:
    """Return ``(UTC time, run id)`` of a directory that ``set_directory`` names; None for any other."""
    match = _SET.match(directory)
    if not match:
        return None
    year, month, day, hour, minute, second, run_id = match.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z", run_id


def image_file(disk_id: str, fmt: str) -> str:
    """Return the file name of a disk's image.

    Raises:
        InvalidRequest: The id is not one.
    """
    return f"{_uuid('disk', disk_id)}.{fmt}"


def set_names(
    repository: str, vm: tuple[str, str], run: tuple[str, str], disks: tuple[tuple[str, str], ...]
) -> SetNames:
    """Return every path of a set.

    Args:
        vm: Name and id.
        run: Time and run id.
        disks: Id and format of each.

    Raises:
        InvalidRequest: A part is invalid, or a disk is named twice.
    """
    ids = [disk_id for disk_id, _fmt in disks]
    if len(set(ids)) != len(ids):
        twice = sorted({one for one in ids if ids.count(one) > 1})
        raise InvalidRequest(f"The same disk is given twice: {', '.join(twice)}.")
    place = SetPath(repository, vm_directory(*vm), set_directory(*run))
    files = tuple((disk_id, image_file(disk_id, fmt)) for disk_id, fmt in disks)
    return SetNames(
        place.above,
        place.path,
        tuple(DiskFile(disk_id, file, f"{place.path}/{file}") for disk_id, file in files),
    )


def _uuid(what: str, text: str) -> str:
    if not UUID.match(text):
        raise InvalidRequest(f"{text!r} is not a {what} id.")
    return text


def show_text(text: str) -> str:
    """Return a text from outside in a form that every output can carry: what is not Unicode is escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
