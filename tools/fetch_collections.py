# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take ovirt.ovirt, a foreign client that the lab is tested with, out of the PyPI package `ansible`.

The collection server is never asked. Run it with the Python of the environment that will use the collections: the
version of `ansible` in constraints.txt depends on it. The result is .cache/collections/CORE (such as 2.21).
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

import ansible.release

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLLECTIONS = ("ovirt/ovirt", "ansible/posix")  # the second is a dependency of the first


def pinned(package: str) -> list[str]:
    """Return the lines of constraints.txt for one package: they decide whether a tree is still the right one."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(f"{package}==")]


def download(directory: str) -> pathlib.Path:
    """Fetch the wheel with pip, which honours the machine's own settings for the index."""
    pip = [str(ROOT / ".cache/uv/bin/python"), "-m", "pip"]
    argv = [*pip, "--python", sys.executable, "download", "-qq", "--no-deps", "--only-binary=:all:"]
    subprocess.run(
        [*argv, "-c", "constraints.txt", "-d", directory, "ansible"], cwd=ROOT, check=True
    )
    return next(pathlib.Path(directory).glob("ansible-*.whl"))


def unpack(wheel: pathlib.Path, target: pathlib.Path) -> None:
    """Write the wanted trees into the target directory."""
    prefixes = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(
            target, [name for name in archive.namelist() if name.startswith(prefixes)]
        )


def main() -> None:
    """Fetch and unpack, unless it was done for these pins."""
    core = ".".join(ansible.release.__version__.split(".")[:2])
    target = ROOT / ".cache/collections" / core
    if target.is_symlink():  # to the tree of another ansible-core, by an earlier choice of versions
        target.unlink()
    stamp, wanted = target / "stamp", "\n".join(pinned("ansible"))
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"setup: fetching {' and '.join(COLLECTIONS)} for ansible-core {core}", flush=True)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as directory:
        unpack(download(directory), target)
    stamp.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
