# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight says of an appliance whose isolation is not certain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    Refused,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import (
    appliance_preflight,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_preflight import (
    ApplianceFacts,
    IsolationFacts,
    Leftovers,
    PreflightRequest,
    QemuImgFacts,
    RepositoryFacts,
)

SURE = IsolationFacts("2026-11-24T01:00:00Z", "2026-11-24T01:00:30Z", "disk")
FIT = ApplianceFacts(
    repository=RepositoryFacts("/r", True, "/r", "xfs", "/dev/sdb", True, 1, 1),
    qemu_img=QemuImgFacts("/usr/bin/qemu-img", "7.2", True),
    python="3.11.2",
    kernel="6.1",
    root=True,
    leftovers=Leftovers((), ()),
    isolation=SURE,
)


@pytest.mark.parametrize(
    ("isolation", "checks"),
    [
        (SURE, []),
        (IsolationFacts(), ["prepared"]),
        (replace(SURE, proven="", proof=""), ["proof"]),
        (replace(SURE, altered=("/etc/x",)), ["isolation"]),
        (replace(SURE, loose=("/dev/sdc",)), ["loose"]),
        (
            replace(SURE, proven="", altered=("/etc/x",), loose=("/dev/sdc",)),
            ["isolation", "loose"],
        ),
    ],
)
def test_doubts_are_ignored_told_or_refused(isolation: IsolationFacts, checks: list[str]) -> None:
    facts = replace(FIT, isolation=isolation)
    assert [doubt.check for doubt in appliance_preflight.doubts(isolation)] == checks
    ignoring, warning, refusing = (
        PreflightRequest("/r", isolation=what) for what in appliance_preflight.ISOLATION
    )
    assert (
        appliance_preflight.warnings(ignoring, facts)
        == appliance_preflight.warnings(refusing, facts)
        == ()
    )
    assert (
        appliance_preflight.problems(ignoring, facts)
        == appliance_preflight.problems(warning, facts)
        == ()
    )
    assert len(appliance_preflight.warnings(warning, facts)) == len(checks)
    assert [problem.check for problem in appliance_preflight.problems(refusing, facts)] == checks
    if checks:
        with pytest.raises(Refused, match="prepare_appliance"):
            appliance_preflight.check(refusing, facts)
    assert PreflightRequest("/r").isolation == "warn"


def test_a_repository_whose_directories_others_could_swap_is_refused() -> None:
    facts = replace(FIT, repository=replace(FIT.repository, exposed=("/srv (owner 1000)",)))
    [problem] = appliance_preflight.problems(PreflightRequest("/r"), facts)
    assert problem.check == "exposed"
    assert "/srv (owner 1000)" in problem.message
    assert "chown" in problem.remedy
    assert appliance_preflight.facts_dict(facts)["repository"]["exposed"] == ["/srv (owner 1000)"]


def test_facts_are_json() -> None:
    facts = appliance_preflight.facts_dict(
        replace(FIT, isolation=replace(SURE, loose=("/dev/sdc",)))
    )
    assert facts["isolation"]["loose"] == ["/dev/sdc"]
    assert facts["isolation"]["altered"] == []


@pytest.mark.parametrize(
    ("machine", "mode", "problems", "warnings"),
    [
        ("vm-1", "compare", 0, 0),
        ("vm-2", "compare", 1, 0),
        ("", "compare", 0, 1),
        ("", "require", 1, 0),
        ("vm-2", "ignore", 0, 0),
    ],
)
def test_the_machine_is_compared_with_the_appliance(
    machine: str, mode: str, problems: int, warnings: int
) -> None:
    asked = PreflightRequest("/r", vm_id="vm-1", identity=mode)
    facts = replace(FIT, machine_id=machine)
    assert [one.check for one in appliance_preflight.problems(asked, facts)] == [
        "identity"
    ] * problems
    assert len(appliance_preflight.warnings(asked, facts)) == warnings
    assert appliance_preflight.facts_dict(facts)["machine_id"] == machine
    assert appliance_preflight.problems(PreflightRequest("/r"), facts) == ()
