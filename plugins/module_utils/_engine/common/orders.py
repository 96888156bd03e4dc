# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to the engine that may be lost or refused for a while: repeated until done or finally refused."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineError,
    EngineFault,
    EngineNotFound,
    EngineUnavailable,
    EngineUntrusted,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.conflicts import (
    UNKNOWN,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Deadline,
    )

UNCERTAIN_STATUS = 500
"""From this HTTP status on, an answer does not tell whether the order was carried out."""

_WAITED = "waited_seconds"


def retry(
    order: Callable[[], None],
    done: Callable[[], bool],
    deadline: Deadline,
    settled: Callable[[], bool] | None = None,
) -> None:
    """Give an order until the engine accepts it, or its state shows that it is carried out.

    A refusal that passes by itself is waited for. After a lost answer, or one that leaves the
    effect open, the state is read before the order is repeated (the SDK itself repeats a POST after
    401, so even "already attached" may be our own success: docs/engine.md#the-python-sdk).

    Args:
        done: Reads the engine and tells whether the order has been carried out.
        settled: Tells the same while the order may still be in progress, and waits until it is
            certain; defaults to ``done`` if the engine shows nothing of an order before it is
            carried out.

    Raises:
        errors.EngineError: The final refusal, or the last one when time is up.
    """
    last: EngineError = EngineUnavailable("The request was not sent: the timeout had ended.")
    for _waited in deadline.ticks():
        try:
            order()
            return
        except EngineUntrusted:
            raise
        except EngineUnavailable as exc:
            last = exc
        except (EngineFault, EngineNotFound) as exc:
            if not _may_pass(exc):
                if done():
                    return
                raise
            last = exc
        if (settled or done)():
            return
    raise _with_time(last, deadline)


def gave_up(exc: BackupError) -> bool:
    """Tell whether time was up before a refusal passed that may pass; a final one is no such."""
    return _WAITED in exc.details


def _with_time(last: EngineError, deadline: Deadline) -> EngineError:
    """Add to the last refusal how long it lasted."""
    last.message = f"{last.message} Waited {deadline.waited:.0f} s for this to pass."
    last.hint = last.hint or f"Raise {option('timeout')} if the engine is slow."
    last.details[_WAITED] = round(deadline.waited, 1)
    return last


def _may_pass(exc: EngineFault | EngineNotFound) -> bool:
    """Tell whether the order may succeed later, or may even have been carried out."""
    if isinstance(exc, EngineNotFound):
        return False
    # Some refusals that are final come with status 500 (illegal disks: docs/engine.md#refusals-of-a-creation).
    is_open = int(exc.details.get("status") or 0) >= UNCERTAIN_STATUS
    return exc.retryable or (is_open and exc.reason == UNKNOWN.reason)


@contextmanager
def explain_refusal(doing: str = "") -> Iterator[None]:
    """Name the rule behind a refusal of the engine, if there is one.

    Args:
        doing: What the engine is asked for, with names: the messages of the port have only ids.
    """
    try:
        yield
    except EngineError as exc:
        if doing:
            exc.message = f"{doing} failed. {exc.message}"
        explained = rules.explain(exc) if isinstance(exc, EngineFault) else exc
        if explained is exc:
            raise
        raise explained from exc
