# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One qemu-storage-daemon: it opens image chains and shows them as files (FUSE)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from lab.blocks import BlockProcess, Layer
from lab.processes import Registry, run
from lab.qmp import Message

__all__ = ["Export", "Layer", "StorageDaemon"]

_EVENT_SECONDS = 30.0


@dataclass(frozen=True)
class Export:
    """A block node shown to the outside: as the file `mountpoint`, or by NBD if that is None."""

    export_id: str
    mountpoint: Path | None = None

    @property
    def file(self) -> Path:
        """The mount point; raises ValueError for an NBD export."""
        if self.mountpoint is None:
            raise ValueError(f"export {self.export_id} is no file")
        return self.mountpoint


class StorageDaemon(BlockProcess):
    """The process and its QMP connection. The owner's lock guards every call."""

    def __init__(self, registry: Registry, log: Path) -> None:
        """Start the daemon; raises QmpGoneError with its messages if it does not come up."""
        words = ["--chardev", "socket,id=qmp,fd={}", "--monitor", "chardev=qmp"]
        super().__init__(registry, ["qemu-storage-daemon", *words], log, [])
        self._nbd: Message | None = None

    def export(self, node: str, mountpoint: Path, *, writable: bool) -> Export:
        """Show `node` as the file `mountpoint`, of exactly its size; raises QmpError."""
        mountpoint.parent.mkdir(parents=True, exist_ok=True)
        mountpoint.touch()
        export = Export(self.name(), mountpoint)
        try:
            self.qmp.execute(
                "block-export-add",
                type="fuse",
                id=export.export_id,
                node_name=node,
                mountpoint=str(mountpoint),
                writable=writable,
            )
        except BaseException:
            mountpoint.unlink()
            raise
        return export

    def export_nbd(self, node: str, *, writable: bool) -> Export:
        """Show `node` to the daemons of this machine by NBD (`open_remote`); raises QmpError."""
        if self._nbd is None:
            # An abstract address: no file to remove, and no path that can be too long.
            address = {"path": f"lab-{self.pid}-{secrets.token_hex(8)}", "abstract": True}
            self.qmp.execute("nbd-server-start", addr={"type": "unix", "data": address})
            self._nbd = address
        export = Export(self.name())
        self.qmp.execute(
            "block-export-add",
            type="nbd",
            id=export.export_id,
            name=export.export_id,
            node_name=node,
            writable=writable,
        )
        return export

    def open_remote(self, other: StorageDaemon, export: Export, *, read_only: bool) -> str:
        """Open what `other` shows by NBD; the node. Raises QmpError."""
        name = self.name()
        self.qmp.execute(
            "blockdev-add",
            driver="nbd",
            node_name=name,
            read_only=read_only,
            discard="unmap",
            server={"type": "unix", **(other._nbd or {})},
            export=export.export_id,
        )
        return name

    def unexport(self, export: Export) -> None:
        """End an export, also one of a dead daemon; the file is gone afterwards."""
        if self.alive():
            self.qmp.execute("block-export-del", id=export.export_id, mode="hard")
            self.qmp.wait_event(
                lambda event: (
                    event["event"] == "BLOCK_EXPORT_DELETED"
                    and event["data"]["id"] == export.export_id
                ),
                "BLOCK_EXPORT_DELETED",
                _EVENT_SECONDS,
            )
        elif export.mountpoint is not None:
            run(["umount", "-n", "-l", export.mountpoint], ok=(0, 1, 32))
        if export.mountpoint is not None:
            export.mountpoint.unlink(missing_ok=True)
