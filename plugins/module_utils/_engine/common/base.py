# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all operations on the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
    ReadOnlyOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    NoStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Clock,
    Deadline,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
        Patience,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        SessionPort,
    )

Engine = TypeVar("Engine", bound="SessionPort")
Step = TypeVar("Step")


class EngineOperation(Operation[Step], Generic[Engine, Step]):
    """An operation with an engine, which it closes, and with a clock."""

    def __init__(self, engine: Engine, clock: Clock, patience: Patience) -> None:
        self._engine = engine
        self._clock = clock
        self._patience = patience

    def deadline(self, timeout: float | None = None) -> Deadline:
        """Start the time-out of this operation, or of a part of it (seconds)."""
        left = self._patience.timeout if timeout is None else timeout
        return Deadline(self._clock, left, self._patience.poll_interval)

    def close(self) -> None:
        """Log out of the engine."""
        self._engine.close()


class ReadOnly(ReadOnlyOperation, EngineOperation[Engine, NoStep]):
    """An operation that only reads the engine."""
