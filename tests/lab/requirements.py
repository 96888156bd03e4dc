# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host half needs of a machine, asked before it is needed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.processes import CommandError, run

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
# Program: the Debian package that brings it.
_PROGRAMS = {
    "qemu-img": "qemu-utils",
    "qemu-storage-daemon": "qemu-system-common",
    "losetup": "mount",
    "mount": "mount",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
}
_DEVICES = {"/dev/fuse": "FUSE", "/dev/loop-control": "loop devices"}


def missing_packages() -> list[str]:
    """Debian packages that have to be installed, in order, each once."""
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    lacking = [deb for name, deb in _PROGRAMS.items() if shutil.which(name, path=path) is None]
    return sorted(set(lacking))


def problems() -> list[str]:
    """Sentences that say what keeps the host half from working here; none: it works."""
    if os.geteuid() != 0:
        return ["The lab's disks need root: loop devices, mounts and namespaces."]
    found = [f"The Debian package {name} is not installed." for name in missing_packages()]
    found += [f"The kernel offers no {what}: {path} is missing." for path, what in _DEVICES.items()
              if not Path(path).exists()]  # fmt: skip
    filesystems = Path("/proc/filesystems").read_text(encoding="ascii").split()
    found += [f"The kernel has no {name}." for name in ("ext4", "tmpfs") if name not in filesystems]
    if not found:
        try:
            run(["unshare", "--mount", "--pid", "--uts", "--fork", "true"])
        except CommandError as error:
            found.append(f"Namespaces cannot be made here: {error}")
    return found
