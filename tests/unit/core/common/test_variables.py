# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables are mistakes."""

from __future__ import annotations

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import variables

OPTIONS = (
    "ovirt_backup_repository",
    "vm_backup_vms",
    "export_host",
    "export_directory",
    "backup_user",
)


def unknown(*names: str, asked: tuple[str, ...] = OPTIONS) -> list[str]:
    return variables.unknown(names, asked, OPTIONS, ("vm_backup_plan",))


def test_what_is_known_or_another_s_is_no_mistake() -> None:
    assert unknown(*OPTIONS, "vm_backup_plan", "inventory_hostname", "vm_backups") == []
    # A site's own, with a beginning that is everybody's.
    assert unknown("export_dir", "backup_directory", "export_window") == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "ovirt_backup_repositry",
            "There is no variable ovirt_backup_repositry. Is ovirt_backup_repository meant?",
        ),
        (
            "vm_backup_repository",
            "There is no variable vm_backup_repository. Is ovirt_backup_repository meant?",
        ),
        (
            "export_repository",
            "There is no variable export_repository. Is ovirt_backup_repository meant?",
        ),
        ("vm_backup_colour", "There is no variable vm_backup_colour."),
        (
            "export_hst",
            "There is no variable export_hst. Is export_host meant? If export_hst is one of your own, give it a"
            " name that is less alike.",
        ),
    ],
)
def test_a_mistake_is_told_with_what_is_meant(name: str, sentence: str) -> None:
    assert unknown(name, *OPTIONS) == [sentence]


@pytest.mark.parametrize(("former", "now"), variables.RENAMED.items())
def test_a_former_name_is_told_with_the_new_one(former: str, now: str) -> None:
    said = f"There is no variable {former}. Is {now} meant?"
    assert variables.unknown([former], [now], [now], []) == [said]
    assert variables.unknown([former], ["another"], [now], []) == []


def test_only_prefixes_of_what_runs_are_looked_at() -> None:
    names = ("ovirt_backup_repositry", "export_hst", "backup_usr")
    assert len(unknown(*names)) == 3
    assert unknown(*names, asked=("backup_user",)) == unknown("backup_usr")
    assert unknown(*names, asked=()) == []


def test_a_name_of_one_role_for_what_all_share_is_looked_at_always() -> None:
    assert len(unknown("vm_restore_repository", asked=())) == 1
    assert unknown("export_repository", asked=("backup_user",)) == []


def test_an_old_name_is_told_where_the_new_one_is_asked_for() -> None:
    options = (*OPTIONS, "ovirt_backup_hosts", "ovirt_backup_appliance")
    old = ("backup_appliance", "restore_appliance")
    assert variables.unknown(old, ["ovirt_backup_hosts", "backup_user"], options, ()) == [
        f"There is no variable {name}. Is ovirt_backup_hosts meant?" for name in old
    ]
    assert variables.unknown(old, ["backup_user"], options, ()) == []


def test_words_of_a_text() -> None:
    text = "{{ vm_backup_vms }} export_host: my_export_host vm_backup backup_"
    assert variables.words(text) == {"vm_backup_vms", "export_host"}


def test_what_must_be_set() -> None:
    assert variables.missing(["export_vm"], ["export_vm"]) == []
    assert variables.missing(["export_vm"], []) == ["The variable export_vm must be set."]
