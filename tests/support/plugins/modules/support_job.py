# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that runs until a given moment; a call looks at it for a while."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Wait for the end of the job, at most for the given time."""
    module = AnsibleModule(
        {
            "until": {"type": "float", "required": True},
            "wait_seconds": {"type": "float", "required": True},
            "follower": {"type": "str", "required": True},
            "return_after": {"type": "float", "default": 0.0},
        }
    )
    left = module.params["until"] - time.time()
    time.sleep(max(min(left, module.params["wait_seconds"]), 0.0))
    module.exit_json(
        finished=time.time() >= module.params["until"], follower=module.params["follower"]
    )


if __name__ == "__main__":
    main()
