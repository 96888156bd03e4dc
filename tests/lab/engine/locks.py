# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's table of locks in memory: nobody waits, and a refused caller hears the holder's message."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lab.engine.texts import Refusal, Said

LOCKED = Said("OBJECT_LOCKED")


@dataclass(frozen=True)
class Want:
    """A lock that a command wants; ``said`` is what others hear while it is held."""

    kind: str
    object_id: str
    said: Said = LOCKED
    exclusive: bool = True


@dataclass(eq=False)
class Held:
    """Locks that one command holds, to be given back together."""

    wants: tuple[Want, ...]


class LockTable:
    """Exclusive and shared locks by (kind, object). A conflict fails at once with the holder's message."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held: list[Held] = []

    def acquire(self, wants: Sequence[Want]) -> Held:
        """Take all of the locks or none.

        Raises:
            Refusal: With the message of whoever holds one of them.
        """
        with self._mutex:
            for want in wants:
                holder = self._conflict(want)
                if holder is not None:
                    raise Refusal(holder.said)
            held = Held(tuple(wants))
            self._held.append(held)
            return held

    def _conflict(self, want: Want) -> Want | None:
        for held in self._held:
            for other in held.wants:
                same = (other.kind, other.object_id) == (want.kind, want.object_id)
                if same and (other.exclusive or want.exclusive):
                    return other
        return None

    def release(self, held: Held) -> None:
        """Give locks back; a second time is harmless."""
        with self._mutex:
            if held in self._held:
                self._held.remove(held)

    @contextmanager
    def holding(self, wants: Sequence[Want]) -> Iterator[Held]:
        """Hold locks for the length of a block."""
        held = self.acquire(wants)
        try:
            yield held
        finally:
            self.release(held)

    def clear(self) -> None:
        """Forget every lock."""
        with self._mutex:
            self._held.clear()

    def listing(self) -> list[dict[str, object]]:
        """Return what is held, for the control API."""
        with self._mutex:
            return [
                {"kind": w.kind, "id": w.object_id, "exclusive": w.exclusive, "message": w.said.key}
                for held in self._held
                for w in held.wants
            ]
