# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets and TLS: HTTP/1.1 with keep-alive on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from lab.engine.http import Dropped, Request, Response, parse_query, without_matrix

IDLE_SECONDS = 60.0
Handle = Callable[[Request], Response]
# What socketserver hands over: nothing that can be named more closely.
Socket: TypeAlias = Any
Address: TypeAlias = Any


class _Handler(BaseHTTPRequestHandler):
    """One connection: its requests one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "Apache"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS
    server: _Server

    def _any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        path, matrix = without_matrix(parts.path)
        request = Request(
            self.command,
            unquote(path),
            {**parse_query(matrix), **parse_query(parts.query)},
            {name.lower(): value for name, value in self.headers.items()},
            body,
            parts.query,
        )
        try:
            self._send(self.server.handle(request), self._compressed())
        except Dropped:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def _compressed(self) -> bool:
        return "gzip" in (self.headers.get("accept-encoding") or "")

    def _send(self, response: Response, compressed: bool) -> None:
        body = gzip.compress(response.body) if compressed and response.body else response.body
        self.send_response(response.status)
        if body:
            self.send_header("Content-Type", response.content_type)
        if body is not response.body:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _any  # noqa: N815

    def handle(self) -> None:
        """Serve until the client goes; a client that goes badly is no news."""
        with contextlib.suppress(OSError):
            super().handle()

    def finish(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The request log is elsewhere."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, handle: Handle, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.handle = handle
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._mutex = threading.Lock()

    def finish_request(self, request: Socket, client_address: Address) -> None:
        """Shake hands in the connection's own thread, then serve it."""
        sock: socket.socket = request
        try:
            if self._tls is not None:
                sock.settimeout(IDLE_SECONDS)
                sock = self._tls.wrap_socket(sock, server_side=True)
        except OSError:
            return
        with self._mutex:
            self._open.add(sock)
        try:
            _Handler(sock, client_address, self)
        finally:
            with self._mutex:
                self._open.discard(sock)
            with contextlib.suppress(OSError):
                sock.close()

    def handle_error(self, request: Socket, client_address: Address) -> None:
        """A broken connection is the client's affair."""

    def drop_all(self) -> None:
        """Close every open connection."""
        with self._mutex:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


class HttpServer:
    """A server in a thread; ``stop`` ends it with its connections, ``start`` again on the same port."""

    def __init__(self, handle: Handle, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._handle = handle
        self._tls = tls
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = port

    def start(self) -> None:
        """Listen; a free port is found at the first start."""
        self._server = _Server(self.port, self._handle, self._tls)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and drop all connections; a second time is harmless."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.drop_all()
        self._server.server_close()
        self._thread.join(5.0)
        self._server = self._thread = None
