# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that writes to its disk all the time, in a pattern that can be replayed."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from pathlib import Path
from typing import Protocol

_BLOCK = 4096
_LARGEST = 64 * 1024


class Guests(Protocol):
    """What a writer needs of a hypervisor."""

    def guest_file(self, vm_id: str, disk_id: str) -> Path:
        """Return the file through which the guest reads and writes a disk."""

    def wait_running(self, vm_id: str, seconds: float) -> bool:
        """Wait until the VM is not paused; False if it still is."""


class GuestWriter:
    """A thread that writes one block of 4 to 64 KiB every `interval` seconds.

    Block n is the same for the same seed and disk size, so `replay` makes from the disk's
    first content what it has to be after n blocks. Live snapshots and merges go on below it.
    """

    def __init__(
        self, hypervisor: Guests, vm_id: str, disk_id: str, seed: int, interval: float = 0.02
    ) -> None:
        """Write to `disk_id` of the running VM `vm_id` from `start` to `stop`."""
        self._hypervisor = hypervisor
        self._vm_id = vm_id
        self._disk_id = disk_id
        self._seed = seed
        self._interval = interval
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._thread: threading.Thread | None = None
        self._blocks = 0
        self._size = 0
        self.error: OSError | None = None

    @property
    def blocks(self) -> int:
        """How many blocks are written."""
        return self._blocks

    def start(self) -> None:
        """Begin; raises OSError if the disk is not there."""
        descriptor = os.open(
            self._hypervisor.guest_file(self._vm_id, self._disk_id), os.O_RDWR | os.O_CLOEXEC
        )
        self._size = os.lseek(descriptor, 0, os.SEEK_END)
        name = f"writer-{self._disk_id}"
        self._thread = threading.Thread(target=self._run, args=[descriptor], name=name, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End, with the last block flushed; the number of blocks. Raises what writing met."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)
        if self.error is not None:
            raise self.error
        return self._blocks

    def wait_blocks(self, more: int, seconds: float = 30.0) -> bool:
        """Wait until `more` further blocks are written; False if they are not in time."""
        goal = self._blocks + more
        with self._progress:
            self._progress.wait_for(lambda: self._blocks >= goal or bool(self.error), seconds)
        return self._blocks >= goal

    def replay(self, raw: Path, blocks: int, first: int = 0) -> None:
        """Write the blocks `first` to `blocks` - 1 into the raw file `raw`."""
        with raw.open("r+b") as target:
            size = target.seek(0, os.SEEK_END)
            for number in range(first, blocks):
                offset, data = self._block(number, size)
                target.seek(offset)
                target.write(data)

    def moment(self, before: Path, frozen: Path) -> int | None:
        """Return how many whole blocks `frozen` holds, if it is a moment of this writer's history.

        Both are raw files: the disk before the first block, and as a snapshot froze it. The
        one block that was on its way may be there in part, by sectors. None: `frozen` is no
        such moment, so it is not what the disk was at any time.
        """
        state, wanted = bytearray(before.read_bytes()), frozen.read_bytes()
        for number in range(self._blocks + 1):
            offset, data = self._block(number, len(state))
            end = offset + len(data)
            outside = state[:offset] == wanted[:offset] and state[end:] == wanted[end:]
            if outside and all(
                wanted[at : at + 512] in (state[at : at + 512], data[at - offset :][:512])
                for at in range(offset, end, 512)
            ):
                return number + (wanted[offset:end] == data)
            state[offset:end] = data
        return None

    def _block(self, number: int, size: int) -> tuple[int, bytes]:
        source = random.Random(f"{self._seed}/{number}")  # noqa: S311
        length = min(source.randrange(_BLOCK, _LARGEST + 1, _BLOCK), size)
        offset = source.randrange(0, size - length + 1, 512)
        return offset, source.randbytes(length)

    def _run(self, descriptor: int) -> None:
        try:
            while not self._stop.wait(self._interval):
                if self._hypervisor.wait_running(self._vm_id, self._interval):
                    self._write_next(descriptor)
            os.fsync(descriptor)
        except OSError as error:
            self.error = error
        with contextlib.suppress(OSError):  # a disk that is gone says so once more
            os.close(descriptor)
        with self._progress:
            self._progress.notify_all()

    def _write_next(self, descriptor: int) -> None:
        offset, data = self._block(self._blocks, self._size)
        view = memoryview(data)
        while view:
            done = os.pwrite(descriptor, view, offset)
            view, offset = view[done:], offset + done
        if self._blocks % 16 == 15:
            os.fsync(descriptor)
        with self._progress:
            self._blocks += 1
            self._progress.notify_all()
