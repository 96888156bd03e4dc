# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small udevadm for machines without udev: nodes, links and database of a test's loop devices.

It obeys the written rules as far as they say which disks are the appliance's own. Its directory is
the parent of the one that it lies in. A test can make it misbehave: each word in the file `bad` in
that directory stands for one fault.
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = "BACKUP_ISOLATED"


def matches() -> list[str] | None:
    """Patterns of own serial numbers; None without rules."""
    path = ROOT / "etc/udev/rules.d/61-ovirt-backup-isolation.rules"
    if not path.exists():
        return None
    return re.findall(r'^ENV\{ID_SERIAL\}=="([^"]+)", GOTO', path.read_text(), re.MULTILINE)


def bad(word: str) -> bool:
    """Tell whether a test wants this misbehaviour."""
    path = ROOT / "bad"
    return path.exists() and word in path.read_text().split()


def is_isolated(serial: str) -> bool:
    """Return what the rules say."""
    own = matches()
    if own is None or bad("blind"):
        return False
    return bad("greedy") or not any(fnmatch.fnmatchcase(serial, one) for one in own)


def entry(number: str) -> Path:
    """Return a device's file in the database."""
    return ROOT / "udev" / f"b{number}"


def serial_of(disk: Path) -> str:
    """Return the serial number that the test gave a disk."""
    path = ROOT / "serials" / disk.name
    return path.read_text() if path.exists() else ""


def handle(disk: Path, device: Path) -> None:
    """What udev does at an event of a disk or of a partition."""
    number = (device / "dev").read_text().strip()
    major, minor = map(int, number.split(":"))
    node = ROOT / "dev" / device.name
    if not node.exists():
        os.mknod(node, 0o600 | 0o060000, os.makedev(major, minor))
    serial = serial_of(disk)
    part = "" if device == disk else f"-part{(device / 'partition').read_text().strip()}"
    lines = [f"E:ID_SERIAL={serial}"]
    links = [f"by-id/scsi-{serial}{part}"]
    if is_isolated(serial):
        lines.append(f"E:{MARK}=1")
    else:
        found = subprocess.run(
            ["blkid", "-p", "-s", "UUID", "-o", "value", node], capture_output=True, text=True,
            check=False,
        ).stdout.strip()  # fmt: skip
        if found:
            lines.append(f"E:ID_FS_UUID={found}")
            links.append(f"by-uuid/{found}")
    entry(number).write_text("\n".join(lines) + "\n")
    for link in links:
        path = ROOT / "dev/disk" / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(node)


def partitions(disk: Path) -> None:
    """Have the kernel know a disk's partitions: not every kernel reads tables by itself."""
    node = ROOT / "dev" / disk.name
    if not node.exists():
        return
    with node.open("rb") as file:
        has_table = file.read(512).endswith(b"\x55\xaa")
    known = any(disk.glob(f"{disk.name}p*"))
    if has_table != known:
        subprocess.run(["partx", "-a" if has_table else "-d", node], check=False)


def settle() -> None:
    """Handle whatever is there."""
    for path in (ROOT / "udev").iterdir():
        path.unlink()
    for path in (ROOT / "dev/disk").rglob("*"):
        if path.is_symlink():
            path.unlink()
    for disk in sorted((ROOT / "sys_block").iterdir()):
        partitions(disk)
        handle(disk, disk)
        for device in sorted(disk.glob(f"{disk.name}p*")):
            handle(disk, device)


def tested(device: str) -> None:
    """What `udevadm test` says of a device, in the words of systemd 252 or of 257."""
    name = Path(device).name
    disk = re.sub(r"(?<=\d)p\d+$", "", name)
    found = {"DEVPATH": device.removeprefix("/sys"), "DEVNAME": f"/dev/{name}", "ACTION": "change"}
    if is_isolated(serial_of(Path(disk))):
        found[MARK] = "1"
    lines = [f"{key}={value}" for key, value in found.items()]
    text = "specified by a RUN key.\n\n" + "".join(f"{line}\n" for line in [*lines, "run: 'x'"])
    if bad("mute"):
        text = f"{MARK} is not told\n"
    elif bad("indented"):
        text = "\n  ".join(["Tags:\n  systemd\nProperties:", *lines]) + "\nQueued commands:\n  x\n"
    sys.stdout.write(f"This program is for debugging only, it does not run any program\n{text}")


def main() -> int:
    """Run one of the few sub-commands that are used."""
    words = sys.argv[1:]
    if words[0] in ("settle", "trigger"):
        settle()
    elif words[0] == "test":
        tested(words[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
