# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options for a real AnsibleModule in this process, on every supported ansible-core."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.module_utils import basic


@contextmanager
def module_args(options: Mapping[str, Any]) -> Iterator[None]:
    """Give the next AnsibleModule its options, as Ansible's wrapper of a module does.

    ansible.module_utils.testing, which does it too, is not in ansible-core before 2.19.
    """
    vars(basic).update(
        _ANSIBLE_ARGS=json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode(),
        _ANSIBLE_PROFILE="legacy",  # how results are written; read since 2.19
    )
    try:
        yield
    finally:
        vars(basic).update(_ANSIBLE_ARGS=None, _ANSIBLE_PROFILE=None)
