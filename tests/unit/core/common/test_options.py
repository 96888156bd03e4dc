# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options in messages, and the variables that set them."""

from __future__ import annotations

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import options
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)


@pytest.mark.parametrize(
    ("text", "module", "said"),
    [
        (
            f"Set {option('format', ': true')} to have one.",
            "appliance_repository",
            "Set format: true (variable backup_appliance_format: true) to have one.",
        ),
        (
            f"Set {option('auth', '.url')}.",
            "vm_snapshot",
            "Set auth.url (variable ovirt_backup_auth.url).",
        ),
        (
            f"Raise {option('timeout')} if the engine is slow.",
            "vm_guard",
            "Raise timeout (variable export_guard_timeout or maintenance_guard_timeout or template_guard_timeout) if the engine is slow.",
        ),
        (f"Use {option('replace')}.", "disk_snapshot_attach", "Use replace."),
        (f"Use {option('replace')}.", "", "Use replace."),
        (
            f"Use {option('storage_domain', of='restore_plan_info')}.",
            "disk_image_restore",
            "Use storage_domain (variable vm_restore_storage_domain).",
        ),
        ("Nothing of it.", "vm_guard", "Nothing of it."),
    ],
)
def test_what_people_read(text: str, module: str, said: str) -> None:
    assert options.told(text, module) == said


def test_every_text_of_a_result_is_told_and_all_else_stays() -> None:
    marked = f"Choose with {option('cluster')}."
    told = "Choose with cluster (variable vm_restore_cluster)."
    given = {
        "problems": [marked, 7],
        "ovf": "<a>cluster</a>",
        "deep": ({"hint": marked}, None, True),
    }
    assert options.all_told(given, "restore_plan_info") == {
        "problems": [told, 7],
        "ovf": "<a>cluster</a>",
        "deep": [{"hint": told}, None, True],
    }


def test_an_error_reads_plainly_and_keeps_its_marks_for_the_edge() -> None:
    error = BackupError(f"{option('wait')} needs more.")
    assert str(error) == "wait needs more."
    assert error.message == f"{option('wait')} needs more."
