# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device that only hashes: a client that violates the protocol gets no hash."""

from __future__ import annotations

import hashlib
import socket
import struct
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.sink import (
    Sink,
    SinkError,
)

SIZE = 4096
WRITE, DISCONNECT, READ, ZEROES = 1, 2, 0, 6


def option(number: int, length: int = 0) -> bytes:
    return b"IHAVEOPT" + struct.pack(">II", number, length)


def request(kind: int, offset: int = 0, length: int = 0, magic: int = 0x25609513) -> bytes:
    return struct.pack(">IHHQQI", magic, 0, kind, 7, offset, length)


@contextmanager
def sink() -> Iterator[Sink]:
    found = Sink(SIZE)
    try:
        yield found
    finally:
        found.close()


def said(*words: bytes, greet: bool = True) -> str:
    """Return what a client gets who says this and hangs up."""
    with sink() as device, ThreadPoolExecutor(1) as pool:
        future = pool.submit(device.serve)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(device.path)
            for word in ((struct.pack(">I", 3), option(7)) if greet else ()) + words:
                client.sendall(word)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        return future.result()


def test_what_is_written_is_hashed() -> None:
    data = b"x" * 1000
    found = said(
        option(8),
        greet=False,
    )
    assert found == ""
    found = said(
        request(WRITE, 0, 1000), data, request(ZEROES, 1000, SIZE - 1000), request(DISCONNECT)
    )
    assert found == hashlib.sha256(data + bytes(SIZE - 1000)).hexdigest()


@pytest.mark.parametrize(
    "words",
    [
        (),
        (b"\x00",),
        (struct.pack(">I", 3),),
        (struct.pack(">I", 3), option(99), option(6)),
    ],
)
def test_who_hangs_up_before_the_device_is_agreed(words: tuple[bytes, ...]) -> None:
    assert said(*words, greet=False) == ""


@pytest.mark.parametrize("words", [(), (b"half a request",), (request(ZEROES, 0, 5),)])
def test_who_hangs_up_early(words: tuple[bytes, ...]) -> None:
    assert said(*words) == ""


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((request(READ, 0, 10),), "not agreed"),
        ((request(WRITE, 0, 10, magic=1),), "not agreed"),
        ((request(ZEROES, 5, 10),), "came after 0"),
        ((request(ZEROES, 0, SIZE + 1),), "came after"),
        ((request(WRITE, 0, 10), b"short"), "ended early"),
    ],
)
def test_who_does_not_write_from_front_to_back(words: tuple[bytes, ...], error: str) -> None:
    with pytest.raises(SinkError, match=error):
        said(*words)


def test_options_that_are_too_long() -> None:
    with pytest.raises(SinkError, match="too long"):
        said(struct.pack(">I", 3), option(7, 1 << 31), greet=False)


def test_writes_that_are_too_long() -> None:
    with ThreadPoolExecutor(1) as pool:
        device = Sink(1 << 31)
        future = pool.submit(device.serve)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(device.path)
            client.sendall(struct.pack(">I", 3) + option(7) + request(WRITE, 0, 1 << 30))
            with pytest.raises(SinkError, match="too long"):
                future.result()
        device.close()


def test_nobody_came() -> None:
    with sink() as device:
        device.end()
        assert device.serve() == ""
        directory = Path(device.path).parent
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


def test_a_long_way_to_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    one = Sink(SIZE)
    assert Path(one.path).is_socket()
    one.close()
    assert not Path(one.path).parent.exists()
    assert not list(deep.iterdir())
