# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the QEMU Machine Protocol over a connected socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


class QmpError(Exception):
    """The daemon refused a command; carries the command and QEMU's description."""

    def __init__(self, command: str, description: str) -> None:
        """Keep command and description."""
        super().__init__(f"{command}: {description}")
        self.command = command
        self.description = description


class QmpGoneError(QmpError):
    """The daemon is dead, or did not answer in time."""


class QmpClient:
    """One QMP conversation. Not thread-safe: the owner's lock guards it."""

    def __init__(self, connection: socket.socket, timeout: float = 60.0) -> None:
        """Greet the daemon at the other end of `connection`; raises QmpGoneError."""
        self._socket = connection
        self._timeout = timeout
        self._buffer = b""
        self._events: list[Message] = []
        deadline = time.monotonic() + timeout
        while "QMP" not in self._read("greeting", deadline):
            pass
        self.execute("qmp_capabilities")

    def execute(self, command: str, exact: Message | None = None, /, **arguments: object) -> object:
        """Send a command (underscores in argument names become hyphens); its return value.

        exact: arguments by their very names. Raises QmpError, or QmpGoneError if no answer can come.
        """
        named = {name.replace("_", "-"): value for name, value in arguments.items()} | (exact or {})
        request = json.dumps({"execute": command, "arguments": named}).encode()
        deadline = time.monotonic() + self._timeout
        try:
            self._socket.sendall(request)
        except OSError as gone:
            raise QmpGoneError(command, "the daemon is gone") from gone
        while True:
            message = self._read(command, deadline)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise QmpError(command, str(message["error"].get("desc")))
            self._events.append(message)

    def wait_event(self, wanted: Callable[[Message], bool], what: str, timeout: float) -> Message:
        """Return the first event, also of the past, that `wanted` accepts; it is used up.

        Raises QmpGoneError after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            for index, event in enumerate(self._events):
                if wanted(event):
                    return self._events.pop(index)
            self._events.append(self._read(what, deadline))

    def close(self) -> None:
        """End the conversation."""
        self._socket.close()

    def _read(self, what: str, deadline: float) -> Message:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpGoneError(what, "no answer in time")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError as late:
                raise QmpGoneError(what, "no answer in time") from late
            except OSError as gone:
                raise QmpGoneError(what, "the daemon is gone") from gone
            if not data:
                raise QmpGoneError(what, "the daemon is gone")
            self._buffer += data
        line, _unused, self._buffer = self._buffer.partition(b"\n")
        message: Message = json.loads(line)
        return message
