# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge: the one place where parameters come in, and results and errors go out.

Operations below raise ``errors.BackupError``; they know nothing of Ansible. A run has two halves:
``plan`` only reads and decides, ``execute`` does what the plan says. Check mode prints the plan
that a real run would execute (``predict``), so the two cannot disagree.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from ansible.module_utils.common.parameters import remove_values

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import SystemClock
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import (
    operation as runner,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import (
    options,
    words,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
        Operation,
    )

    Builder = Callable[[Mapping[str, Any]], Operation[Any]]
    """Makes an operation, with any kind of steps, from a module's parameters."""

Step = TypeVar("Step")


def run(module: AnsibleModule, build: Builder) -> NoReturn:
    """Build the operation from the parameters, perform it, and end the module.

    This has the only ``except`` that catches everything, and the only ``fail_json``.
    """
    name = str(module._name).rpartition(".")[2]
    told: Mapping[str, Any] = {}
    try:
        result, warnings = perform(build(words.tidied(module.params)), check_mode=module.check_mode)
    except Exception as exc:  # noqa: BLE001  (the edge)
        told = failure(exc)
    else:
        said = options.all_told(list(warnings), name)
        _leave_whole(module, options.all_told(result, name), said)
    _leave_failed(module, options.all_told(told, name))


def _leave_whole(
    module: AnsibleModule, result: Mapping[str, Any], warnings: Iterable[str]
) -> NoReturn:
    """Return a result unchanged; mask only the module's own parameters and texts for people.

    Ansible silently replaces a secret wherever its text occurs in a result. With the password
    ``1024`` it would replace memory sizes in a VM's configuration, and a backup would store that. A
    result says what the engine and the appliance have; a login is never part of it.
    """
    secrets = module.no_log_values
    given = remove_values(module.params, secrets)
    for warning in warnings:
        module.warn(remove_values(warning, secrets))
    module.no_log_values = set()
    module.exit_json(**result, invocation={"module_args": given})


def _leave_failed(module: AnsibleModule, told: Mapping[str, Any]) -> NoReturn:
    """Return a failure. The engine's words may quote a secret and are masked; our codes stay whole for playbooks."""
    secrets = module.no_log_values
    masked = {**remove_values(dict(told), secrets), "error_code": told["error_code"]}
    given = remove_values(module.params, secrets)
    module.no_log_values = set()
    module.fail_json(**masked, invocation={"module_args": given})


def perform(
    operation: Operation[Step], *, check_mode: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Perform an operation by this machine's clock; return the result and the warnings."""
    return runner.perform(operation, SystemClock(), check_mode=check_mode)


def failure(exc: Exception) -> dict[str, Any]:
    """Return the result keys of a failure: ``msg``, ``error_code``, ``hint``, ``details``."""
    if isinstance(exc, BackupError):
        return exc.as_result()
    return {
        "msg": f"Unexpected error, please report it: {exc!r}",
        "error_code": "internal",
        "hint": "Run again with -vvv and report the traceback.",
        "details": {},
        "exception": traceback.format_exc(),
    }
