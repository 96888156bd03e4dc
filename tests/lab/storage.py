# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's storage domains: real image chains, made and merged by qemu-img."""

from __future__ import annotations

import json
import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.daemon import StorageDaemon
from lab.processes import CommandError, Registry, run

Chunks = Iterable[tuple[int, bytes]]

_SECTOR = 512
_STEP = 64 * 1024


class StorageError(Exception):
    """The storage cannot do what was asked: unknown volume, wrong parent, broken chain."""


@dataclass(frozen=True)
class Volume:
    """One image of a disk; sizes in bytes, `backing` is the parent's volume id or None."""

    volume_id: str
    path: Path
    fmt: str
    virtual_size: int
    actual_size: int
    backing: str | None


def pattern(seed: int, size: int, share: float = 0.5) -> Iterator[tuple[int, bytes]]:
    """Test data for a disk of `size` bytes: partly sparse, partly random, partly text.

    The same for the same arguments. About `share` of the disk is written; the last sector
    always is, so that a disk cut short is noticed.
    """
    source = random.Random(seed)  # noqa: S311
    for offset in range(0, size, _STEP):
        if source.random() >= share:
            continue
        length = min(_STEP, size - offset)
        if source.random() < 0.25:
            length = max(_SECTOR, source.randrange(length + 1) // _SECTOR * _SECTOR)
        if source.random() < 0.5:
            yield offset, source.randbytes(length)
        else:
            line = f"{offset:016x} lab {source.getrandbits(64):016x} all is well\n".encode()
            yield offset, (line * (length // len(line) + 1))[:length]
    yield size - _SECTOR, source.randbytes(_SECTOR)


def chunks_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of a raw file that are not zero, in pieces of 64 KiB."""
    with path.open("rb") as source:
        offset = 0
        while data := source.read(_STEP):
            if data.strip(b"\0"):
                yield offset, data
            offset += len(data)


def filesystem(
    size: int, files: Mapping[str, bytes], label: str = "lab"
) -> list[tuple[int, bytes]]:
    """Make an ext4 file system of `size` bytes that holds `files` (relative name: content)."""
    with tempfile.TemporaryDirectory(prefix="lab-filesystem-") as directory:
        tree, image = Path(directory, "tree"), Path(directory, "image")
        tree.mkdir()
        for name, content in files.items():
            target = tree / name
            if tree not in target.resolve().parents:
                raise StorageError(f"{name} is not inside the file system")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        image.touch()
        os.truncate(image, size)
        run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", tree, image])
        return list(chunks_of(image))


def _volume(node: Mapping[str, Any]) -> Volume:
    path = Path(node["filename"])
    backing = node.get("full-backing-filename")
    return Volume(
        volume_id=path.name,
        path=path,
        fmt=node["format"],
        virtual_size=node["virtual-size"],
        actual_size=node.get("actual-size", 0),
        backing=Path(backing).name if backing else None,
    )


def backing_chain(path: Path, fmt: str) -> list[Volume]:
    """Return the chain below and with the image `path`, base first, as a fresh reader finds it.

    Raises StorageError if an image of it cannot be opened.
    """
    command: list[str | Path] = [
        "qemu-img",
        "info",
        "-U",
        "--backing-chain",
        "--output=json",
        "-f",
        fmt,
        path,
    ]
    try:
        found = json.loads(run(command).stdout)
    except CommandError as error:
        raise StorageError(f"the chain of {path} is broken: {error}") from error
    return [_volume(node) for node in reversed(found)]


def image_format(path: Path) -> str:
    """qcow2 or raw, by the file's first bytes; only for volumes that the lab itself made."""
    with path.open("rb") as image:
        return "qcow2" if image.read(4) == b"QFI\xfb" else "raw"


def compare(image: Path, fmt: str, raw: Path) -> bool:
    """Tell whether `image` (file or device) reads as the raw file `raw`, size included.

    Raises CommandError if one of them cannot be read.
    """
    if _virtual_size(image, fmt) != _virtual_size(raw, "raw"):
        return False
    command: list[str | Path] = ["qemu-img", "compare", "-U", "-f", fmt, "-F", "raw", image, raw]
    return run(command, ok=(0, 1)).returncode == 0


def _virtual_size(image: Path, fmt: str) -> int:
    text = run(["qemu-img", "info", "-U", "--output=json", "-f", fmt, image]).stdout
    return int(json.loads(text)["virtual-size"])


class Storage:
    """Images at root/<domain id>/images/<disk id>/<volume id>.

    Calls for different disks run side by side; those for one disk one after the other.
    """

    def __init__(self, root: Path) -> None:
        """Keep the images below `root`."""
        self.root = root.resolve()
        self._locks: dict[str, threading.RLock] = {}
        self._locks_lock = threading.Lock()
        self._formats: dict[Path, str] = {}

    def path(self, domain_id: str, disk_id: str, volume_id: str) -> Path:
        """Return where a volume is, whether it exists or not."""
        return self.root / domain_id / "images" / disk_id / volume_id

    def volume_format(self, domain_id: str, disk_id: str, volume_id: str) -> str:
        """qcow2 or raw, as the volume was made; raises StorageError if there is none."""
        path = self.path(domain_id, disk_id, volume_id)
        if not path.exists():
            raise StorageError(f"there is no volume {volume_id} of disk {disk_id}")
        # A guest may write a qcow2 header into a raw disk, so its bytes decide only for
        # images that an earlier lab made.
        return self._formats.setdefault(path, image_format(path))

    def create_disk(
        self, domain_id: str, disk_id: str, volume_id: str, fmt: str, virtual_size: int
    ) -> Path:
        """Make the base volume of a disk, `virtual_size` bytes; raises StorageError."""
        if virtual_size <= 0 or virtual_size % _SECTOR:
            raise StorageError(f"{virtual_size} is no multiple of {_SECTOR} bytes")
        path = self.path(domain_id, disk_id, volume_id)
        with self._disk_lock(disk_id):
            if path.exists():
                raise StorageError(f"{path} exists")
            path.parent.mkdir(parents=True, exist_ok=True)
            run(["qemu-img", "create", "-q", "-f", fmt, path, str(virtual_size)])
            self._formats[path] = fmt
        return path

    def create_layer(
        self, domain_id: str, disk_id: str, new_volume_id: str, parent_volume_id: str
    ) -> Path:
        """Make a qcow2 volume over `parent_volume_id`, of its size; raises StorageError.

        Works while a VM has the parent open: the parent is named, not opened for writing.
        """
        path = self.path(domain_id, disk_id, new_volume_id)
        with self._disk_lock(disk_id):
            fmt = self.volume_format(domain_id, disk_id, parent_volume_id)
            if path.exists():
                raise StorageError(f"{path} exists")
            size = _virtual_size(self.path(domain_id, disk_id, parent_volume_id), fmt)
            create_overlay(path, parent_volume_id, fmt, size)
            self._formats[path] = "qcow2"
        return path

    def fill_fresh(self, path: Path, fmt: str, chunks: Chunks) -> None:
        """Write (offset, bytes) chunks into a base volume that is empty yet; takes no FUSE, so no root."""
        if fmt == "raw":
            _write_chunks(path, chunks)
            return
        with tempfile.TemporaryDirectory(prefix=".fill-", dir=self.root) as directory:
            raw = Path(directory, "disk")
            raw.touch()
            os.truncate(raw, _virtual_size(path, fmt))
            _write_chunks(raw, chunks)
            words = ["-n", "--target-is-zero", "-f", "raw", "-O", fmt]
            run(["qemu-img", "convert", *words, raw, path])

    def fill(self, path: Path, fmt: str, chunks: Chunks) -> None:
        """Write (offset, bytes) chunks into a volume that no running VM has open."""
        if fmt == "raw":
            _write_chunks(path, chunks)
            return
        registry = Registry.acquire(self.root)
        try:
            with tempfile.TemporaryDirectory(prefix=".fill-", dir=self.root) as directory:
                _fill_through_daemon(registry, Path(directory), path, fmt, chunks)
        finally:
            registry.release()

    def commit(self, domain_id: str, disk_id: str, top_volume_id: str, base_volume_id: str) -> None:
        """Merge `top` into its direct parent `base` while no VM has them open.

        The image above `top`, if any, becomes the child of `base`; `top` is removed.
        Raises StorageError, or CommandError if an image is in use.
        """
        with self._disk_lock(disk_id):
            top = self.path(domain_id, disk_id, top_volume_id)
            fmt = self.volume_format(domain_id, disk_id, base_volume_id)
            whole = self.chain(domain_id, disk_id)
            names = [volume.volume_id for volume in whole]
            if [base_volume_id, top_volume_id] not in [names[i : i + 2] for i in range(len(names))]:
                raise StorageError(f"{top_volume_id} is no child of {base_volume_id}")
            run(["qemu-img", "commit", "-q", "-d", "-f", "qcow2", top])
            for child in whole:
                if child.backing == top_volume_id:
                    rebase(child.path, base_volume_id, fmt)
            self._forget(top)
            self.chain(domain_id, disk_id)

    def remove_volume(self, domain_id: str, disk_id: str, volume_id: str) -> None:
        """Remove one volume; one that is not there is no error."""
        with self._disk_lock(disk_id):
            path = self.path(domain_id, disk_id, volume_id)
            self._forget(path)
            if path.parent.exists() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def remove_disk(self, domain_id: str, disk_id: str) -> None:
        """Remove a disk with all its volumes; one that is not there is no error."""
        with self._disk_lock(disk_id):
            for path in self._volumes(domain_id, disk_id):
                self.remove_volume(domain_id, disk_id, path.name)

    def disks(self, domain_id: str) -> list[str]:
        """Ids of the disks of a domain that have volumes."""
        images = self.root / domain_id / "images"
        return sorted(path.name for path in images.iterdir()) if images.exists() else []

    def chain(self, domain_id: str, disk_id: str, top: str | None = None) -> list[Volume]:
        """Return the volumes of a disk, base first, up to `top` (None: the active one).

        Read from the images themselves. Raises StorageError if the chain is broken, or, for
        top=None, if the disk's volumes are not one chain.
        """
        with self._disk_lock(disk_id):
            if top is not None:
                fmt = self.volume_format(domain_id, disk_id, top)
                return backing_chain(self.path(domain_id, disk_id, top), fmt)
            wanted = {path.name for path in self._volumes(domain_id, disk_id)}
            longest: list[Volume] = []
            for name in sorted(wanted):
                if name not in {volume.volume_id for volume in longest}:
                    found = self.chain(domain_id, disk_id, name)
                    longest = max(longest, found, key=len)
        if {volume.volume_id for volume in longest} != wanted or not longest:
            raise StorageError(f"the volumes of disk {disk_id} are not one chain: {wanted}")
        return longest

    def info(self, domain_id: str, disk_id: str, volume_id: str) -> Volume:
        """Sizes, format and parent of one volume; raises StorageError."""
        return self.chain(domain_id, disk_id, volume_id)[-1]

    def check(self, domain_id: str, disk_id: str, volume_id: str) -> bool:
        """Tell whether a qcow2 volume that no VM has open is without errors and leaks."""
        fmt = self.volume_format(domain_id, disk_id, volume_id)
        if fmt == "raw":
            return True
        path = self.path(domain_id, disk_id, volume_id)
        return run(["qemu-img", "check", "-q", "-f", fmt, path], ok=(0, 2, 3)).returncode == 0

    def witness(self, domain_id: str, disk_id: str, volume_id: str, dest: Path) -> Path:
        """Copy what a volume reads as, all of it, into the raw file `dest`.

        Meant for a frozen volume, which a running VM may have open; raises StorageError.
        """
        fmt = self.volume_format(domain_id, disk_id, volume_id)
        source = self.path(domain_id, disk_id, volume_id)
        run(["qemu-img", "convert", "-U", "-f", fmt, "-O", "raw", source, dest])
        return dest

    def _volumes(self, domain_id: str, disk_id: str) -> list[Path]:
        directory = self.path(domain_id, disk_id, "x").parent
        return sorted(directory.iterdir()) if directory.exists() else []

    def _forget(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._formats.pop(path, None)

    def _disk_lock(self, disk_id: str) -> threading.RLock:
        with self._locks_lock:
            return self._locks.setdefault(disk_id, threading.RLock())


def create_overlay(path: Path, backing: str | Path, backing_fmt: str, size: int) -> None:
    """Make the qcow2 image `path` of `size` bytes over `backing`, which is not opened.

    A relative `backing` is relative to the directory of `path`.
    """
    names = ["-F", backing_fmt, "-b", str(backing)]
    run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", *names, path, str(size)])


def rebase(path: Path, backing: str, backing_fmt: str) -> None:
    """Change the parent's name in the header of the qcow2 image `path`, and no data."""
    run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", backing, "-F", backing_fmt, path])


def _write_chunks(path: Path, chunks: Chunks) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        for offset, data in chunks:
            if offset + len(data) > size:
                raise StorageError(f"chunk at {offset} ends behind the volume's {size} bytes")
            _write_all(lambda part, at: os.pwrite(descriptor, part, at), offset, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(write: Callable[[memoryview, int], int], offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        done = write(view, offset)
        view, offset = view[done:], offset + done


def _fill_through_daemon(
    registry: Registry, directory: Path, path: Path, fmt: str, chunks: Chunks
) -> None:
    daemon = StorageDaemon(registry, directory / "log")
    try:
        images = [(volume.path, volume.fmt) for volume in backing_chain(path, fmt)]
        layers = daemon.open_chain(images)
        export = daemon.export(layers[-1].node, directory / "disk", writable=True)
        try:
            _write_chunks(export.file, chunks)
        finally:
            daemon.unexport(export)
    finally:
        daemon.quit()
