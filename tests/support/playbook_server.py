# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook again and again without importing Ansible each time.

Reads one JSON object a line: ``argv``, ``env``, ``out`` and ``err`` (files). Each is run in a fork
of this process by Ansible's own command line class; the exit status is printed. Ends when its input
ends. Not for import.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import warnings
from typing import Any, NoReturn

from ansible.cli.playbook import PlaybookCLI
from ansible.plugins.loader import (
    callback_loader,
    connection_loader,
    init_plugin_loader,
    shell_loader,
    strategy_loader,
    vars_loader,
)

REDIRECTIONS = "ansible_collections.ansible.builtin"


def perform(order: dict[str, Any]) -> NoReturn:
    """Run ansible-playbook, in the fork."""
    status = 250
    try:
        for path, number in ((os.devnull, 0), (order["out"], 1), (order["err"], 2)):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags, 0o600), number)
        os.environ.clear()
        os.environ.update(order["env"])
        PlaybookCLI.cli_executor(order["argv"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the end of this process: say why
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def warm_up() -> None:
    """Load what every run needs before the forks: that is most of a run's start."""
    init_plugin_loader()
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    importlib.import_module(REDIRECTIONS)
    for loader in (callback_loader, connection_loader, shell_loader, strategy_loader, vars_loader):
        list(loader.all(class_only=True))


def main() -> None:
    """Serve."""
    warm_up()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            perform(json.loads(line))
        _unused, raw = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(raw)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
