# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks are the appliance's own, and the files that keep all programs away from the others.

The files form an allow-list: a disk that appears later is isolated until it is listed as own.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    IsolationFailed,
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
    mount_uses,
    swap_uses,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.mounts import (
    Mount,
    fstab_fields,
    parse_mounts,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.serial import (
    VIRTIO_SERIAL_LENGTH,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MARK_RULES = "udev/rules.d/59-ovirt-backup-isolation.rules"
JUDGE_RULES = "udev/rules.d/61-ovirt-backup-isolation.rules"
LVM_LOCAL = "lvm/lvmlocal.conf"
LVM_DEVICES = "lvm/devices"
"""Directory of LVM's devices file."""
MULTIPATH = "multipath/conf.d/ovirt_backup.conf"
MDADM = "mdadm.conf.d/ovirt_backup.conf"
FACT = "ansible/facts.d/ovirt_backup.fact"
FACT_VERSION = 1
PROOFS = ("once", "always", "never")

PROPERTY = "BACKUP_ISOLATED"
"""The property in udev's database of every disk that is not the appliance's own."""
SWITCH = "ovirt_backup_isolation"
"""``ovirt_backup_isolation=off`` on the kernel's command line turns the rules off for one boot."""
KERNEL_NAMES = "sd*|vd*|xvd*|hd*|nvme*"
DISK_NAME = r"(?:sd|vd|xvd|hd|nvme)"

DEVICES_HEAD = "# LVM uses devices listed in this file.\n"
BEGIN = "# BEGIN ovirt_community.backup"
END = "# END ovirt_community.backup"

_HEAD = """\
# Written by ovirt_community.backup.appliance_isolation; it is written again by the next run.
# Disks that are not this machine's own belong to other machines: nothing may act on them.
"""
_SCOPE = f"""\
SUBSYSTEM!="block", GOTO="ovirt_backup_end"
ACTION=="remove", GOTO="ovirt_backup_end"
KERNEL!="{KERNEL_NAMES}", GOTO="ovirt_backup_end"
"""
_LITERAL = re.compile(r"[^A-Za-z0-9._:@+=/-]")
_TELLING = re.compile(r"[A-Za-z0-9]")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-")
_BLOCK = re.compile(rf"^{re.escape(BEGIN)}\n.*?^{re.escape(END)}\n", re.MULTILINE | re.DOTALL)
_ARRAY = re.compile(r"^ARRAY (\S+) .*\bUUID=([0-9a-f:]+)", re.MULTILINE)
_AUTO = re.compile(r"^\s*AUTO\s+(.*)$", re.MULTILINE | re.IGNORECASE)
_FSTAB_FIELDS = 3
_HEADING = "Properties:"
_ASSIGNMENT = re.compile(r"([.A-Za-z_][.\w]*)=(.*)")


@dataclass(frozen=True)
class Node:
    """A block device: its path, and ``major:minor``."""

    path: str
    number: str


@dataclass(frozen=True)
class Volume:
    """A physical volume of LVM, and its volume group (may be empty)."""

    node: Node
    group: str
    group_id: str


@dataclass(frozen=True)
class LocalDisk:
    """A whole disk, and why it is the appliance's own.

    Attributes:
        udev_serial: ``ID_SERIAL`` of udev, may be empty.
        bus_path: ``ID_PATH`` of udev, may be empty.
        reasons: Why it is the appliance's own; empty if it is not.
        stacked: Paths of devices that are built on it.
        isolated: Whether udev's database says that it is isolated.
        nodes: The disk and its partitions.
    """

    device: BlockDevice
    udev_serial: str = ""
    bus_path: str = ""
    reasons: tuple[str, ...] = ()
    stacked: tuple[str, ...] = ()
    isolated: bool = False
    nodes: tuple[Node, ...] = ()

    @property
    def own(self) -> bool:
        """Whether it is the appliance's own."""
        return bool(self.reasons)


@dataclass(frozen=True)
class Unmounted:
    """A line of fstab whose file system is not in use; ``number`` of its device, if the device exists."""

    spec: str
    point: str
    number: str


@dataclass(frozen=True)
class Programs:
    """Programs on the appliance that act on disks by themselves, besides udev and systemd.

    Attributes:
        lvm: LVM is installed.
        devices_file: Name of LVM's devices file.
        devices_file_on: Whether LVM uses its devices file.
        devices_listed: The devices in it that exist; None if there is no such file.
        volumes: LVM's physical volumes, listed or not.
        multipath: multipathd is installed.
        mdadm: Directory of mdadm.conf below ``/etc`` (may be empty), None if not installed.
        md_main: Text of mdadm.conf.
        md_arrays: Output of ``mdadm --detail --scan``.
    """

    lvm: bool = False
    devices_file: str = "system.devices"
    devices_file_on: bool = False
    devices_listed: tuple[Node, ...] | None = None
    volumes: tuple[Volume, ...] = ()
    multipath: bool = False
    mdadm: str | None = None
    md_main: str = ""
    md_arrays: str = ""


@dataclass(frozen=True)
class IsolationRequest:
    """The request of ``appliance_isolation``.

    Attributes:
        own_disks: Serials, paths or ``UUID=`` of disks that are the appliance's own although
            nothing uses them now.
        probe_serial: Serial of a blank disk for the proof of isolation.
        proof: ``once``, ``always`` or ``never``.
        settle: Seconds in which programs that act on a new disk will have acted.
    """

    present: bool = True
    own_disks: tuple[str, ...] = ()
    repository: str = ""
    probe_serial: str = ""
    proof: str = "once"
    settle: float = 5.0


def properties(database: str) -> dict[str, str]:
    """Return the properties in one file of udev's database (``/run/udev/data/b8:16``)."""
    lines = (line[2:] for line in database.splitlines() if line.startswith("E:"))
    return {key: value for key, _equals, value in (line.partition("=") for line in lines)}


def tested_properties(printed: str, devpath: str) -> dict[str, str] | None:
    """Return the properties that ``udevadm test`` says a device would get.

    Up to systemd 255 they are bare lines, since 256 they are indented below a heading.

    Args:
        printed: Its standard output.
        devpath: The tested device, as its property ``DEVPATH``.

    Returns:
        None if the text has neither format or is about another device: the answer is unknown then.
    """
    found: dict[str, str] = {}
    head, heading, below = printed.partition(f"{_HEADING}\n")
    for line in (below if heading else head).splitlines():
        if heading and not line.startswith("  "):
            break
        assignment = _ASSIGNMENT.fullmatch(line.strip() if heading else line)
        if assignment:
            found[assignment.group(1)] = assignment.group(2)
    return found if found.get("DEVPATH") == devpath else None


def stack(devices: Sequence[BlockDevice], device: BlockDevice) -> tuple[BlockDevice, ...]:
    """Return every device that is built on this one, directly or not."""
    by_name = {one.name: one for one in devices}
    found: dict[str, BlockDevice] = {}
    todo = [device]
    while todo:
        for name in todo.pop().holders:
            if name in by_name and name not in found:
                found[name] = by_name[name]
                todo.append(by_name[name])
    return tuple(found.values())


def uses(
    devices: Sequence[BlockDevice], device: BlockDevice, mounts: Sequence[Mount], swaps: str
) -> tuple[str, ...]:
    """Return how the appliance uses a disk, or what is built on it."""
    layers = (device, *stack(devices, device))
    return tuple(
        use for layer in layers for use in (*mount_uses(mounts, layer), *swap_uses(swaps, layer))
    )


def group_reasons(
    disks: Sequence[LocalDisk], volumes: Iterable[Volume]
) -> dict[str, tuple[str, ...]]:
    """Return why disks belong to the appliance through a volume group, by number of the disk.

    A disk belongs to it if it holds a volume of a group that a used disk also has a volume of.
    Groups are compared by id: machines of one distribution may all use the same name. A disk that
    is isolated already does not count: it may come from a clone, with the same group id.
    """
    owner = {number: disk for disk in disks for number in _numbers(disk)}
    volumes = tuple(volumes)
    groups = {
        one.group_id
        for one in volumes
        if one.node.number in owner and owner[one.node.number].own and one.group_id
    }
    found: dict[str, tuple[str, ...]] = {}
    for volume in volumes:
        disk = owner.get(volume.node.number)
        if disk and volume.group_id in groups and (disk.own or not disk.isolated):
            found[disk.device.number] = (f"in volume group {volume.group}",)
    return found


def _numbers(disk: LocalDisk) -> tuple[str, ...]:
    return tuple(number for _path, number in disk.device.nodes)


def check_disks(
    disks: Sequence[LocalDisk], unmounted: Iterable[Unmounted], programs: Programs
) -> None:
    """Refuse if the appliance may need a disk that would be isolated, or uses one already.

    Raises:
        Refused: With all problems, in the message and in ``details["problems"]``.
    """
    others = [disk for disk in disks if not disk.own]
    problems = [
        f"{disk.device.path} is not used, but {', '.join(disk.stacked)} is built on it: remove that "
        f"(vgchange -an, mdadm --stop, multipath -f), or list the disk in {option('own_disks')}."
        for disk in others
        if disk.stacked
    ]
    foreign = {number: disk for disk in others for number in _numbers(disk)}
    problems += [
        f"fstab names {line.spec} ({line.point}), which is not in use: mount it, list "
        f"{foreign[line.number].device.path} in {option('own_disks')}, or remove the line."
        for line in unmounted
        if line.number in foreign
    ]
    problems += [
        f"LVM's devices file lists {node.path}, which is on a disk that is not used: list the disk "
        f"in {option('own_disks')}, or remove it (lvm lvmdevices --deldev {node.path})."
        for node in programs.devices_listed or ()
        if node.number in foreign
    ]
    if not any(disk.own for disk in disks):
        problems.append(
            "No disk of the appliance itself was found, so attached disks cannot be distinguished from its own."
        )
    if problems:
        raise Refused(
            "This machine's own disks cannot be distinguished from attached ones. "
            + " ".join(problems),
            details={"problems": problems},
        )


def would_hit_own(judged: Mapping[str, bool | None]) -> IsolationFailed:
    """Return the error for rules that would isolate own devices, or for unclear answers of udev.

    Args:
        judged: By path of an own device, whether it would be isolated; None if udev did not tell.
    """
    hit = [path for path, isolated in judged.items() if isolated]
    unknown = [path for path, isolated in judged.items() if isolated is None]
    if hit:
        message = f"The rules would isolate the appliance's own {', '.join(hit)}"
        hint = "Report this with the output of udevadm info for these devices."
    else:
        message = (
            "The output of udevadm test has an unknown format, so it cannot be checked whether the rules "
            f"would isolate the appliance's own {', '.join(unknown)}"
        )
        hint = "Report this with the output of udevadm test for these devices, and its version."
    return IsolationFailed(
        f"{message}. They were removed again.", hint=hint, details={"devices": hit or unknown}
    )


def unmounted(fstab: str, mountinfo: str, swaps: str) -> tuple[tuple[str, str], ...]:
    """Return ``(spec, mount point)`` of the lines of fstab that are not in use."""
    points = {mount.point for mount in parse_mounts(mountinfo)}
    swapping = len(swaps.splitlines()) > 1
    found = []
    for fields in fstab_fields(fstab):
        if len(fields) < _FSTAB_FIELDS:
            continue
        spec, point, kind = fields[:_FSTAB_FIELDS]
        used = swapping if kind == "swap" else point in points
        if not used and spec.startswith(("/dev/", "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=")):
            found.append((spec, point))
    return tuple(found)


def match(disk: LocalDisk) -> str:
    """Return the udev match that recognises a disk again: by serial, else by place, else by name.

    For an id of the engine, the first 20 characters are used: virtio-blk shows no more, so the disk
    is recognised after a change of its bus too.
    """
    if _TELLING.search(disk.udev_serial):
        found = _UUID.search(disk.udev_serial)
        if found:
            start = found.start()
            telling = disk.udev_serial[start : start + VIRTIO_SERIAL_LENGTH]
            return f'ENV{{ID_SERIAL}}=="*{_pattern(telling)}*"'
        return f'ENV{{ID_SERIAL}}=="{_pattern(disk.udev_serial)}"'
    if _TELLING.search(disk.bus_path):
        return f'ENV{{ID_PATH}}=="{_pattern(disk.bus_path)}"'
    name = _pattern(disk.device.name)
    return f'KERNEL=="{name}|{name}[0-9]*|{name}p[0-9]*"'


def _pattern(text: str) -> str:
    """Return a udev pattern for a text; characters with a special meaning become ``?``, which matches any byte."""
    return _LITERAL.sub("?", _bytes(text))


def _bytes(text: str) -> str:
    """Return a text with one character for each of its bytes."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def is_own(disk: LocalDisk, matches: Iterable[str]) -> bool:
    """Tell whether one of the matches takes a disk for the appliance's own, as udev would."""
    shown = {
        "ENV{ID_SERIAL}": disk.udev_serial,
        "ENV{ID_PATH}": disk.bus_path,
        "KERNEL": disk.device.name,
    }
    for one in matches:
        key, _equals, quoted = one.partition("==")
        for pattern in quoted.strip('"').split("|"):
            if fnmatchcase(_bytes(shown[key]), pattern):
                return True
    return False


def mark_rules() -> str:
    """Return the rules before 60-persistent-storage: no disk is probed until it is known whose it is."""
    return (
        f"{_HEAD}{_SCOPE}"
        f'IMPORT{{cmdline}}="{SWITCH}"\n'
        f'ENV{{{SWITCH}}}=="off", GOTO="ovirt_backup_end"\n'
        'ENV{UDEV_DISABLE_PERSISTENT_STORAGE_BLKID_FLAG}="1"\n'
        'LABEL="ovirt_backup_end"\n'
    )


_JUDGED = f"""\

# Another's: no signature is read (so no link by UUID or label, no LVM, RAID, btrfs, swap), no unit
# of systemd comes up, udisks and multipath pass it by. Links by serial number stay.
ENV{{{PROPERTY}}}="1"
ENV{{ID_FS_TYPE}}="isolated"
ENV{{SYSTEMD_READY}}="0"
ENV{{UDISKS_IGNORE}}="1"
GOTO="ovirt_backup_end"

# Own: what 60-persistent-storage would have done.
LABEL="ovirt_backup_own"
ENV{{UDEV_DISABLE_PERSISTENT_STORAGE_BLKID_FLAG}}=""
IMPORT{{builtin}}="blkid"
ENV{{ID_FS_USAGE}}=="filesystem|other|crypto", ENV{{ID_FS_UUID_ENC}}=="?*", SYMLINK+="disk/by-uuid/$env{{ID_FS_UUID_ENC}}"
ENV{{ID_FS_USAGE}}=="filesystem|other|crypto", ENV{{ID_FS_LABEL_ENC}}=="?*", SYMLINK+="disk/by-label/$env{{ID_FS_LABEL_ENC}}"
ENV{{ID_PART_ENTRY_UUID}}=="?*", SYMLINK+="disk/by-partuuid/$env{{ID_PART_ENTRY_UUID}}"
ENV{{ID_PART_ENTRY_SCHEME}}=="gpt", ENV{{ID_PART_ENTRY_NAME}}=="?*", SYMLINK+="disk/by-partlabel/$env{{ID_PART_ENTRY_NAME}}"

LABEL="ovirt_backup_end"
"""


def judge_rules(matches: Iterable[str]) -> str:
    """Return the rules after 60-persistent-storage, when the serial number is known."""
    own = "".join(f'{one}, GOTO="ovirt_backup_own"\n' for one in matches)
    switch = f'ENV{{{SWITCH}}}=="off", GOTO="ovirt_backup_end"\n'
    return f"{_HEAD}{_SCOPE}{switch}\n{own}{_JUDGED}"


def lvm_missing(disks: Sequence[LocalDisk], programs: Programs) -> tuple[Node, ...]:
    """Return own physical volumes that LVM's devices file must list and does not.

    The devices file is used instead of a filter: in Debian 12, a filter by persistent links hides
    an LVM device at the next boot, because LVM applies it before the links exist.
    """
    foreign = {number for disk in disks if not disk.own for number in _numbers(disk)}
    listed = {node.number for node in programs.devices_listed or ()}
    # A volume that is on no disk is on a layer over own disks (RAID, multipath, LUKS).
    return tuple(one.node for one in programs.volumes if one.node.number not in foreign | listed)


def with_block(text: str, line: str) -> str:
    """Return a file's text with our block at its end."""
    rest = without_block(text)
    rest += "" if rest.endswith("\n") or not rest else "\n"
    return f"{rest}{BEGIN}\n{line}\n{END}\n"


def without_block(text: str) -> str:
    """Return a file's text without our block."""
    return _BLOCK.sub("", text)


def block_of(text: str) -> str:
    """Return our block in a file; empty if it has none."""
    found = _BLOCK.search(text)
    return found.group() if found else ""


def multipath_conf() -> str:
    """Return the configuration that makes multipathd skip isolated disks; own disks lack the property."""
    return f'{_HEAD}blacklist {{\n    property "^{PROPERTY}$"\n}}\n'


def mdadm_conf(programs: Programs) -> str:
    """Return the configuration that makes mdadm assemble only running arrays and those in mdadm.conf."""
    arrays = [
        f"ARRAY {name} UUID={uuid}\n"
        for name, uuid in _ARRAY.findall(programs.md_arrays)
        if uuid not in programs.md_main
    ]
    return f"{_HEAD}AUTO -all\n{''.join(arrays)}"


def warnings(disks: Iterable[LocalDisk], programs: Programs) -> tuple[str, ...]:
    """Return warnings about what makes the isolation weaker."""
    found = [
        f"{disk.device.path} has neither a serial number nor a place on a bus, so it is recognised "
        "by its name, which may change. Give it a serial number."
        for disk in disks
        if disk.own and match(disk).startswith("KERNEL")
    ]
    auto = _AUTO.search(programs.md_main) if programs.mdadm is not None else None
    if auto and auto.group(1).split() != ["-all"]:
        found.append(
            f"mdadm.conf has AUTO {auto.group(1)}, which takes precedence over the isolation: mdadm would assemble what it allows. Change it to AUTO -all."
        )
    return tuple(found)


def wanted_files(
    disks: Sequence[LocalDisk], programs: Programs, present: Mapping[str, str | None]
) -> dict[str, str]:
    """Return files below ``/etc`` with their text, in the order in which to write them.

    Args:
        present: The files' current text; None for a missing file.
    """
    own = [disk for disk in disks if disk.own]
    files = {}
    local = present.get(LVM_LOCAL) or ""
    if programs.lvm and (block_of(local) or not programs.devices_file_on):
        files[LVM_LOCAL] = with_block(local, "devices/use_devicesfile = 1")
    if programs.multipath:
        files[MULTIPATH] = multipath_conf()
    if programs.mdadm is not None:
        files[md_path(programs.mdadm)] = mdadm_conf(programs)
    files[MARK_RULES] = mark_rules()
    files[JUDGE_RULES] = judge_rules(sorted({match(disk) for disk in own}))
    return files


def md_path(directory: str) -> str:
    """Return the path of our file for mdadm; Debian has a directory for its configuration, EL does not."""
    return f"{directory}/{MDADM}" if directory else MDADM


def ours(path: str, text: str) -> str:
    """Return the part of a file that is ours."""
    return block_of(text) if path == LVM_LOCAL else text


def lines_of(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the lines of each file that are ours, for diff mode."""
    return {path: ours(path, text).splitlines() for path, text in files.items()}


def digests(files: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of our part of each file."""
    return {
        path: hashlib.sha256(ours(path, text).encode("utf-8", "surrogateescape")).hexdigest()
        for path, text in files.items()
    }


def kinds(programs: Programs) -> dict[str, str]:
    """Return which programs are kept away, and by which means."""
    found = {"udev": "rules", "systemd": "rules", "udisks": "rules", "md": "rules", "lvm": "rules"}
    found["multipath"] = "blacklist" if programs.multipath else "not installed"
    if programs.lvm:
        found["lvm"] = "devices file"
    if programs.mdadm is not None:
        found["md"] = "AUTO -all"
    return found


def describe(disk: LocalDisk) -> dict[str, Any]:
    """Return a disk as JSON types."""
    return {
        "device": disk.device.path,
        "udev_serial": disk.udev_serial,
        "match": match(disk),
        "reasons": list(disk.reasons),
    }


def fact(
    disks: Sequence[LocalDisk],
    programs: Programs,
    files: Mapping[str, str],
    noted: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of the fact file.

    Args:
        noted: ``collection``, ``repository``, ``prepared`` (UTC) and ``proof``.
    """
    return {
        "version": FACT_VERSION,
        **noted,
        "own_disks": [
            {"udev_serial": disk.udev_serial, "match": match(disk)} for disk in disks if disk.own
        ],
        "isolation": kinds(programs),
        "files": digests(files),
        "devices_file": f"{LVM_DEVICES}/{programs.devices_file}" if programs.lvm else "",
    }


def fact_text(data: Mapping[str, Any]) -> str:
    """Return the text of the fact file."""
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def read_fact(text: str | None) -> dict[str, Any]:
    """Parse a fact file; empty if it is not one of ours."""
    try:
        data = json.loads(text or "")
    except ValueError:
        return {}
    if not isinstance(data, dict) or data.get("version") != FACT_VERSION:
        return {}
    kinds = (("files", dict), ("own_disks", list), ("prepared", str), ("devices_file", str))
    return data if all(isinstance(data.get(key), kind) for key, kind in kinds) else {}


def proof_holds(noted: Mapping[str, Any], files: Mapping[str, str]) -> bool:
    """Tell whether a proof was made with exactly these files."""
    proof = noted.get("proof")
    return isinstance(proof, dict) and proof.get("files") == digests(files)
