# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU process with open image chains: the common part of the storage daemon and a guest's QEMU."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.processes import ProcessId, Registry
from lab.qmp import Message, QmpClient, QmpGoneError

_QUIT_SECONDS = 10.0


@dataclass(frozen=True)
class Layer:
    """One image of a chain, open in a daemon as block node `node`."""

    node: str
    path: Path
    fmt: str


class BlockProcess:
    """The process and its QMP connection. The owner's lock guards every call."""

    def __init__(
        self, registry: Registry, argv: Sequence[str], log: Path, sockets: Sequence[socket.socket]
    ) -> None:
        """Start a program; raises QmpGoneError with its messages if it does not come up.

        Each `{}` in a word of `argv` is replaced by the number of a descriptor: the first by that
        of its QMP connection, the others by those of `sockets`, in their order.
        """
        self._registry = registry
        self._numbers = itertools.count(1)
        ours, theirs = socket.socketpair()
        # A socket pair: no path to wait for, and none that can be too long.
        with theirs:
            numbers = [theirs.fileno(), *(one.fileno() for one in sockets)]
            left = iter(numbers)
            words = [word.replace("{}", str(next(left))) if "{}" in word else word for word in argv]
            self._process = registry.spawn(words, log, pass_fds=numbers)
        self.pid = self._process.pid
        try:
            self.qmp = QmpClient(ours)
        except QmpGoneError as gone:
            ours.close()
            registry.end(self._process)
            text = log.read_text(encoding="utf-8", errors="replace")
            raise QmpGoneError(argv[0], text) from gone

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def name(self) -> str:
        """Return a fresh name for a node, an export or a job (QEMU allows 31 characters)."""
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
