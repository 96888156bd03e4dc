# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One qemu-storage-daemon: it opens image chains and shows them as files (FUSE)."""

from __future__ import annotations

import itertools
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.processes import ProcessId, Registry, run
from lab.qmp import Message, QmpClient, QmpGoneError

_QUIT_SECONDS = 10.0
_EVENT_SECONDS = 30.0


@dataclass(frozen=True)
class Layer:
    """One image of a chain, open in a daemon as block node `node`."""

    node: str
    path: Path
    fmt: str


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


class StorageDaemon:
    """The process and its QMP connection. The owner's lock guards every call."""

    def __init__(self, registry: Registry, log: Path) -> None:
        """Start the daemon; raises QmpGoneError with its messages if it does not come up."""
        self._registry = registry
        self._numbers = itertools.count(1)
        self._nbd: Message | None = None
        ours, theirs = socket.socketpair()
        # A socket pair: no path to wait for, and none that can be too long.
        argv = [
            "qemu-storage-daemon",
            "--chardev",
            f"socket,id=qmp,fd={theirs.fileno()}",
            "--monitor",
            "chardev=qmp",
        ]
        with theirs:
            self._process = registry.spawn(argv, log, pass_fds=[theirs.fileno()])
        self.pid = self._process.pid
        try:
            self.qmp = QmpClient(ours)
        except QmpGoneError as gone:
            ours.close()
            registry.end(self._process)
            text = log.read_text(encoding="utf-8", errors="replace")
            raise QmpGoneError("qemu-storage-daemon", text) from gone

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def name(self) -> str:
        """A fresh name for a node, an export or a job (QEMU allows 31 characters)."""
        return f"n{next(self._numbers)}"

    def open_layer(
        self, path: Path, fmt: str, backing: str | None, *, read_only: bool = False
    ) -> Layer:
        """Open one image over the node `backing` (None: over nothing); raises QmpError."""
        options: Message = {
            "driver": fmt,
            "node_name": self.name(),
            "read_only": read_only,
            "discard": "unmap",
            "file": {"driver": "file", "filename": str(path), "discard": "unmap"},
        }
        if fmt != "raw":
            options["backing"] = backing
        self.qmp.execute("blockdev-add", **options)
        return Layer(options["node_name"], path, fmt)

    def open_chain(
        self, images: Sequence[tuple[Path, str]], *, read_only: bool = False
    ) -> list[Layer]:
        """Open (path, format) pairs, base first, each over the one before; raises QmpError."""
        layers: list[Layer] = []
        try:
            for path, fmt in images:
                below = layers[-1].node if layers else None
                frozen = read_only or len(layers) + 1 < len(images)
                layers.append(self.open_layer(path, fmt, below, read_only=frozen))
        except BaseException:
            self.close_layers(layers)
            raise
        return layers

    def close_layers(self, layers: Sequence[Layer]) -> None:
        """Close a chain given base first; nothing to do if the daemon is dead."""
        for layer in reversed(layers):
            self.delete_node(layer.node)

    def delete_node(self, node: str) -> None:
        """Close a node; nothing to do if the daemon is dead. Raises QmpError."""
        if self.alive():
            self.qmp.execute("blockdev-del", node_name=node)

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

    def wait_job(self, job: str, event_name: str, seconds: float) -> Message:
        """Wait for BLOCK_JOB_READY or BLOCK_JOB_COMPLETED of `job`; the event's data."""
        wanted = {event_name, "BLOCK_JOB_COMPLETED"}
        event = self.qmp.wait_event(
            lambda found: found["event"] in wanted and found["data"].get("device") == job,
            event_name,
            seconds,
        )
        return {**event["data"], "event": event["event"]}

    def quit(self) -> None:
        """End the daemon in good order, or by force if it does not."""
        if self.alive():
            try:
                self.qmp.execute("quit")
            except QmpGoneError:
                self._process.kill()
        self.qmp.close()
        self._registry.end(self._process, _QUIT_SECONDS)

    def kill(self) -> None:
        """SIGKILL: what it exported answers with I/O errors from now on."""
        ProcessId.of(self.pid).kill()
        self._process.wait(_QUIT_SECONDS)
        self._registry.forget(self.pid)
