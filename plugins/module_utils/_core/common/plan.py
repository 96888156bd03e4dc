# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every operation decides before it does anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Plan:
    """A decision: the steps to take, and the state before and after them.

    :param steps: What would be done, in order. None means that nothing changes.
    :param result: Result keys as far as they are known before anything is done.
    :param before: State before, for diff mode.
    :param after: State after, for diff mode.
    :param waits: Nothing is to be changed, but something under way is to be waited for.
    """

    steps: tuple[Any, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    waits: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything would change."""
        return bool(self.steps)
