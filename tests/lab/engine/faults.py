# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Injected faults: on a request, matched by method and path, or inside a command."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Faults that a request meets; the others are asked for by commands.
AT_THE_DOOR = frozenset(
    {
        "respond",
        "respond_after",
        "delay",
        "drop_before",
        "drop_after",
        "drop_during",
        "respond_during",
        "unauthorized",
        "expire_token",
    }
)
INSIDE = frozenset(
    {
        "fail_plug",
        "fail_unplug",
        "fail_merge",
        "fail_snapshot",
        "fail_start",
        "host_fails",
        "host_slow",
        "snapshot_event",
        "stick_snapshot",
        "stick_removal",
    }
)
NEEDED = {"host_fails": ("verb", "code"), "host_slow": ("verb", "seconds")}
FOREVER = -1


@dataclass(eq=False)
class Fault:
    """One fault. ``times`` counts down; -1 means always. ``values`` are those of the kind."""

    id: int
    kind: str
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    values: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fault for the control API."""
        shown = {"id": self.id, "kind": self.kind, "method": self.method, "path": self.path}
        return {**shown, "times": self.times, **self.values}


class FaultBook:
    """All faults that wait to happen."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._faults: list[Fault] = []
        self._next = 1

    def add(self, kind: str, spec: Mapping[str, Any]) -> Fault:
        """Enter a fault.

        Raises:
            ValueError: For an unknown kind or a pattern that is none.
        """
        if kind not in AT_THE_DOOR | INSIDE:
            raise ValueError(f"unknown kind of fault: {kind}")
        missing = [name for name in NEEDED.get(kind, ()) if name not in spec]
        if missing:
            raise ValueError(f"{kind} needs {', '.join(missing)}")
        rest = {k: v for k, v in spec.items() if k not in {"kind", "method", "path", "times"}}
        method, path = str(spec.get("method", ".*")), str(spec.get("path", ".*"))
        re.compile(method)
        re.compile(path)
        with self._mutex:
            fault = Fault(self._next, kind, method, path, int(spec.get("times", 1)), rest)
            self._next += 1
            self._faults.append(fault)
            return fault

    def at_door(self, method: str, path: str) -> list[Fault]:
        """Return the faults that this request meets; each is used up by one."""
        with self._mutex:
            met = [f for f in self._faults if f.kind in AT_THE_DOOR and _matches(f, method, path)]
            met = [f for f in met if not self._spare(f)]
            for fault in met:
                self._use(fault)
            return met

    def _spare(self, fault: Fault) -> bool:
        """Count ``after`` down: that many requests pass first."""
        left = int(fault.values.get("after", 0))
        if left > 0:
            fault.values = {**fault.values, "after": left - 1}
        return left > 0

    def take(self, kind: str, **where: str) -> Fault | None:
        """Return the first fault of a kind whose ``vm``, ``disk``, ``snapshot`` or ``verb`` (if given) agree."""
        with self._mutex:
            for fault in self._faults:
                agrees = all(fault.values.get(k) in (None, v) for k, v in where.items())
                if fault.kind == kind and agrees:
                    self._use(fault)
                    return fault
        return None

    def _use(self, fault: Fault) -> None:
        if fault.times == FOREVER:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._faults.remove(fault)

    def listing(self) -> list[dict[str, Any]]:
        """Return what still waits to happen."""
        with self._mutex:
            return [fault.as_dict() for fault in self._faults]

    def forget(self, kind: str, verb: str) -> None:
        """Forget the faults of a kind that wait for a verb of the host; there may be none left."""
        with self._mutex:
            self._faults = [
                fault
                for fault in self._faults
                if fault.kind != kind or fault.values.get("verb") != verb
            ]

    def clear(self) -> None:
        """Forget all faults."""
        with self._mutex:
            self._faults.clear()


def _matches(fault: Fault, method: str, path: str) -> bool:
    return bool(re.fullmatch(fault.method, method) and re.search(fault.path, path))
