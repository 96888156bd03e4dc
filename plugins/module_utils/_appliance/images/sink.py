# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hash an image's guest-visible content without space for it: qemu-img writes it to a network device.

Only qemu-img can read a qcow2 image, and it writes to devices and files. So this is a network block
device: qemu-img reaches it by a socket in a private directory, and it keeps nothing of what is
written but the hash (QEMU, docs/interop/nbd.txt; the protocol's "fixed newstyle" handshake with the
options that qemu-img sends).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import struct
import tempfile
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from io import BufferedRWPair

_HELLO = b"NBDMAGICIHAVEOPT"
_OPTION = struct.Struct(">8sII")
_OPTION_REPLY = struct.Struct(">QIII")
_OPTION_REPLY_MAGIC = 0x3E889045565A9
_INFO, _GO = 6, 7
_ACK, _INFO_REPLY, _UNSUPPORTED = 1, 3, 0x80000001
_EXPORT = struct.Struct(">HQH")
_FLAGS = 1 | 4 | 64
"""The device has flags, accepts flushes, and accepts zeros as a length."""

_REQUEST = struct.Struct(">IHHQQI")
_REQUEST_MAGIC = 0x25609513
_REPLY = struct.Struct(">IIQ")
_REPLY_MAGIC = 0x67446698
_WRITE, _DISCONNECT, _FLUSH, _ZEROES = 1, 2, 3, 6
_LONGEST = 64 * 1024 * 1024
_ZEROS = bytes(1024 * 1024)
_POLL = 0.2
_NAME = "s"
_LONGEST_ADDRESS = 107
"""The longest path of a socket, in bytes (unix(7))."""


class SinkError(Exception):
    """The client violated the protocol."""


class Sink:
    """A device of one size that hashes what is written to it, in order, once."""

    def __init__(self, size: int) -> None:
        """Listen.

        Args:
            size: Bytes of the device.
        """
        self._size = size
        self._directory = _private_directory()
        self.path = os.path.join(self._directory, _NAME)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._digest = hashlib.sha256()
        self._position = 0
        self._ended = Event()
        self._listener.bind(self.path)
        self._listener.listen(1)
        self._listener.settimeout(_POLL)

    def end(self) -> None:
        """Stop waiting for a client."""
        self._ended.set()

    def close(self) -> None:
        """Remove the socket and its directory."""
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def serve(self) -> str:
        """Take what one client writes; return its hash, empty if it did not write everything.

        Raises:
            SinkError: It did not write from front to back, or sent something unexpected.
            OSError: The connection failed.
        """
        connection = self._accept()
        if connection is None:
            return ""
        with connection:
            connection.settimeout(None)
            with connection.makefile("rwb") as stream:
                if self._greet(stream):
                    while self._take(stream):
                        pass
        return self._digest.hexdigest() if self._position == self._size else ""

    def _accept(self) -> socket.socket | None:
        while True:
            ended = self._ended.is_set()
            try:
                return self._listener.accept()[0]
            except socket.timeout:
                if ended:
                    return None

    def _greet(self, stream: BufferedRWPair) -> bool:
        """Negotiate the device; tell whether the client stayed."""
        stream.write(_HELLO + struct.pack(">H", 3))
        stream.flush()
        if len(stream.read(4)) < 4:  # noqa: PLR2004  (its flags)
            return False
        while True:
            head = stream.read(_OPTION.size)
            if len(head) < _OPTION.size:
                return False
            _magic, option, length = _OPTION.unpack(head)
            if length > _LONGEST:
                raise SinkError("an option is too long")
            stream.read(length)
            if option in (_INFO, _GO):
                self._answer(stream, option, _INFO_REPLY, _EXPORT.pack(0, self._size, _FLAGS))
                self._answer(stream, option, _ACK)
                if option == _GO:
                    return True
            else:
                self._answer(stream, option, _UNSUPPORTED)

    @staticmethod
    def _answer(stream: BufferedRWPair, option: int, kind: int, data: bytes = b"") -> None:
        stream.write(_OPTION_REPLY.pack(_OPTION_REPLY_MAGIC, option, kind, len(data)) + data)
        stream.flush()

    def _take(self, stream: BufferedRWPair) -> bool:
        """Serve one request; return False if it was the last."""
        head = stream.read(_REQUEST.size)
        if len(head) < _REQUEST.size:
            return False
        magic, _flags, kind, cookie, offset, length = _REQUEST.unpack(head)
        if magic != _REQUEST_MAGIC or kind not in (_WRITE, _DISCONNECT, _FLUSH, _ZEROES):
            raise SinkError(f"request {kind} was not agreed")
        if kind == _DISCONNECT:
            return False
        if kind != _FLUSH:
            self._add(stream, kind, offset, length)
        stream.write(_REPLY.pack(_REPLY_MAGIC, 0, cookie))
        stream.flush()
        return True

    def _add(self, stream: BufferedRWPair, kind: int, offset: int, length: int) -> None:
        if offset != self._position or offset + length > self._size:
            raise SinkError(f"{length} bytes at {offset} came after {self._position}")
        self._position += length
        if kind == _ZEROES:
            for start in range(0, length, len(_ZEROS)):
                self._digest.update(memoryview(_ZEROS)[: length - start])
            return
        if length > _LONGEST:
            raise SinkError("a write is too long")
        data: Any = stream.read(length)
        if len(data) < length:
            raise SinkError("a write ended early")
        self._digest.update(data)


def _private_directory() -> str:
    """Make a directory of our own, elsewhere if TMPDIR is too long for a socket's path."""
    directory = tempfile.mkdtemp(prefix="ovirt-backup-")
    if len(os.fsencode(os.path.join(directory, _NAME))) <= _LONGEST_ADDRESS:
        return directory
    os.rmdir(directory)
    return tempfile.mkdtemp(prefix="ovirt-backup-", dir="/run")
