# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that call the engine, and what is made from them."""

from __future__ import annotations

import os

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.settings import (
    EngineSettings,
    resolve,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

_AUTH: Spec = {
    "type": "dict",
    "options": {
        "url": {"type": "str"},
        "hostname": {"type": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "token": {"type": "str", "no_log": True},
        "ca_file": {"type": "path"},
        "insecure": {"type": "bool"},
        "kerberos": {"type": "bool"},
        "compress": {"type": "bool"},
        "timeout": {"type": "int"},
        # A value may be a credential, such as that of Authorization.
        "headers": {"type": "dict", "no_log": True},
    },
}


def engine_spec(default_timeout: int | None = None, /, **options: Spec) -> Spec:
    """Return a module's options together with those that every module of the action group has.

    Args:
        default_timeout: Default of the option ``timeout`` in seconds; None for modules that only
            read.
    """
    spec: Spec = {"auth": dict(_AUTH), **options}
    if default_timeout is not None:
        spec["wait"] = {"type": "bool", "default": True}
        spec["timeout"] = {"type": "int", "default": default_timeout}
        spec["poll_interval"] = {"type": "int", "default": 3}
    return spec


def settings(params: Params) -> EngineSettings:
    """Return how to reach the engine, from the task, the environment or AWX's file."""
    return resolve(params["auth"], os.environ, _ini_text(os.environ.get("OVIRT_INI_PATH")))


def _ini_text(path: str | None) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"The file named by OVIRT_INI_PATH cannot be read: {exc}") from exc


def patience(params: Params) -> Patience:
    """Return how long to wait."""
    for name in ("timeout", "poll_interval"):
        if params.get(name, 1) <= 0:
            raise InvalidRequest(f"{option(name)} must be more than 0 seconds, not {params[name]}.")
    if "wait" not in params:
        return Patience()
    return Patience(params["wait"], params["timeout"], params["poll_interval"])
