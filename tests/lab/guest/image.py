# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a guest, made once from Debian's packages and kept: root disk, kernel, and the
state of a guest that has booted, from which others are resumed in a second.

No part of it needs root: packages are unpacked in a user namespace, the file system is written
by mke2fs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.guest.machine import command_line
from lab.processes import CommandError, run

RECIPE = Path(__file__).parent / "recipe"
SUITE = "bookworm"
PACKAGES = (
    *("apt", "busybox-static", "dbus", "e2fsprogs", "iproute2", "kmod", "lvm2", "mdadm", "mount"),
    *("multipath-tools", "openssh-server", "procps", "python3", "python3-apt"),
    *("qemu-guest-agent", "qemu-utils", "systemd-sysv", "udev", "udisks2", "util-linux", "zstd"),
)
SIZE = "1500M"
_BUILD_SECONDS = 900.0
_TOLD_LINES = 30
# Program: the Debian package that brings it.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
}
UNPRIVILEGED = {"fakeroot": "fakeroot", "newuidmap": "uidmap"}


@dataclass(frozen=True)
class Image:
    """The files of a made image. `disk` belongs to `state`: a guest is resumed over a layer of it."""

    directory: Path

    @property
    def kernel(self) -> Path:
        """The kernel, which QEMU starts itself."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initial ram disk."""
        return self.directory / "initrd"

    @property
    def root(self) -> Path:
        """The root file system as it was made (raw)."""
        return self.directory / "root.ext4"

    @property
    def disk(self) -> Path:
        """The root disk at the moment of the saved state (qcow2 over `root`)."""
        return self.directory / "disk.qcow2"

    @property
    def state(self) -> Path:
        """Memory and devices of a guest that has booted."""
        return self.directory / "state"

    @property
    def client_key(self) -> Path:
        """The private key that may log in as root."""
        return self.directory / "client_key"

    @property
    def host_key(self) -> Path:
        """The public key of every guest's SSH server."""
        return self.directory / "host_key.pub"


def cache() -> Path:
    """Return where images are kept: LAB_GUEST_CACHE, or below the checkout's .cache."""
    named = os.environ.get("LAB_GUEST_CACHE")
    return Path(named) if named else Path(__file__).resolve().parents[3] / ".cache" / "guest"


def missing_packages() -> list[str]:
    """Debian packages that making or running a guest needs and this machine lacks."""
    wanted = {**PROGRAMS, **({} if os.geteuid() == 0 else UNPRIVILEGED)}
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return sorted({deb for name, deb in wanted.items() if shutil.which(name, path=path) is None})


def ensure(directory: Path | None = None) -> Image:
    """Return the image for this recipe and this QEMU; made now if it is not there.

    Two minutes, once. Others that want it meanwhile wait. It stays until this process ends.
    Raises CommandError.
    """
    base = directory or cache()
    base.mkdir(parents=True, exist_ok=True)
    image = Image(base / _key())
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.state.exists():
            _forget_others(base, image.directory)
            _make(image)
        _keep(image.directory)
    return image


def _key() -> str:
    """Return what an image depends on: recipe, packages, and the QEMU whose state is saved."""
    digest = hashlib.sha256()
    for path in sorted(RECIPE.iterdir()):
        digest.update(path.read_bytes())
    words = command_line(Path("kernel"), Path("initrd"))
    digest.update(repr((SUITE, PACKAGES, SIZE, words)).encode())
    digest.update(run(["qemu-system-x86_64", "--version"]).stdout.encode())
    return digest.hexdigest()[:16]


_kept: dict[Path, int] = {}


def _keep(directory: Path) -> None:
    """Hold a lock on an image that is used, until this process ends."""
    if directory not in _kept:
        _kept[directory] = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(_kept[directory], fcntl.LOCK_SH)


def _forget_others(base: Path, keep: Path) -> None:
    """Remove what older recipes made and nobody uses, and what a build that was killed has left."""
    for path in base.iterdir():
        if not path.is_dir() or path == keep:
            continue
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _make(image: Image) -> None:
    say("making the guest's image from Debian packages: about two minutes, once")
    with tempfile.TemporaryDirectory(prefix="making-", dir=image.directory.parent) as name:
        work = Image(Path(name))
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", work.client_key])
        tree = work.directory / "root.tar"
        # In a user namespace this program is another user, who reads recipe and key.
        os.chmod(work.directory, 0o755)  # noqa: S103
        install(work, tree)
        _unpack(work, tree)
        tree.unlink()
        _boot_once(work)
        image.directory.mkdir(exist_ok=True)
        for path in sorted(work.directory.iterdir(), key=lambda path: path.name == "state"):
            path.rename(image.directory / path.name)
    # A layer names what is below it by its path.
    run(["qemu-img", "rebase", "-u", "-b", image.root, "-F", "raw", "-f", "qcow2", image.disk])


def install(work: Image, tree: Path, suite: str = SUITE, mirror: str | None = None) -> None:
    """Install the packages into a tree, and make a guest of it.

    Raises CommandError with the last lines that the builder and its programs have printed.

    mirror: where the packages are, as in a line of sources.list; None: where Debian has them.
    """
    with tempfile.TemporaryDirectory(prefix="lab-recipe-") as name:
        recipe = Path(name)
        recipe.chmod(0o755)
        for path in RECIPE.iterdir():
            shutil.copy(path, recipe / path.name)
        shutil.copy(f"{work.client_key}.pub", recipe / "key")
        hook = f'sh {recipe}/hook.sh "$1" {recipe} {recipe}/key'
        excluded = [f"path-exclude=/usr/share/{what}/*" for what in ("doc", "man", "locale")]
        argv: list[str | Path] = [
            # With --quiet it keeps to itself what apt says of a failure.
            *("mmdebstrap", "--variant=essential"),
            *('--aptopt=Apt::Install-Recommends "false"', "--dpkgopt=force-unsafe-io"),
            *(f"--dpkgopt={one}" for one in excluded),
            *(f"--include={','.join(PACKAGES)}", f"--customize-hook={hook}", suite, tree),
            *([mirror] if mirror is not None else []),
        ]
        try:
            run(argv, timeout=_BUILD_SECONDS)
        except CommandError as error:
            told = "\n".join(["its last lines:", *error.stderr.splitlines()[-_TOLD_LINES:]])
            raise CommandError(["mmdebstrap", suite], error.returncode, told) from error


def _unpack(work: Image, tree: Path) -> None:
    """Kernel and initial ram disk as files, everything as a file system."""
    with tarfile.open(tree) as archive:
        for name, path in (("vmlinuz", work.kernel), ("initrd", work.initrd)):
            _extract(archive, f"boot/{name}", path)
        _extract(archive, "etc/ssh/ssh_host_ed25519_key.pub", work.host_key)
    directory = work.directory / "tree"
    directory.mkdir()
    script = 'set -e; tar -xf "$1" -C "$2" --numeric-owner; mke2fs -q -F -t ext4 -d "$2" "$3" "$4"'
    words: list[str | Path] = ["sh", "-c", script, "sh", tree, directory, work.root, SIZE]
    # Owners, modes and device nodes as they are in the archive, without the right to make them.
    run(words if os.geteuid() == 0 else ["fakeroot", *words], timeout=_BUILD_SECONDS)
    shutil.rmtree(directory)


def _extract(archive: tarfile.TarFile, name: str, path: Path) -> None:
    for spelled in (f"./{name}", name):
        try:
            source = archive.extractfile(spelled)
        except KeyError:
            continue
        if source is not None:
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            return
    raise CommandError(["tar", name], 1, "the image's tree lacks it")


def _boot_once(work: Image) -> None:
    """Boot a guest, wait until it has nothing left to do, and keep the state it is in."""
    from lab.guest.once import boot_and_save  # noqa: PLC0415 - it needs this module

    size = str(work.root.stat().st_size)
    names: Sequence[str | Path] = ["-b", work.root, "-F", "raw"]
    run(["qemu-img", "create", "-q", "-f", "qcow2", *names, work.disk, size])
    boot_and_save(work)


def say(line: str) -> None:
    """Tell the person who waits."""
    sys.stderr.write(f"lab: {line}\n")
    sys.stderr.flush()
