# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step that no operation handles is an error and does nothing: for every operation, and on the appliance.

tests/contract/test_unknown_steps.py has those of the engine.
"""

from __future__ import annotations

import importlib
import inspect
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices.disk_device_release import (
    DiskDeviceRelease,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.disk_image_copy import (
    DiskImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.image_copy import (
    ImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.isolation.appliance_isolation import (
    ApplianceIsolation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
    Paths,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_repository_report import (
    BackupRepositoryReport,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set import (
    FinishSet,
    PrepareSet,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_protection import (
    BackupSetProtection,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_prune import (
    BackupSetPrune,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_verify import (
    BackupSetVerify,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_vm import (
    BackupVm,
    BackupVmRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.restore.disk_image_restore import (
    DiskImageRestore,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.restore.image_restore import (
    ImageRestore,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs.backup_claim import (
    GiveBack,
    TakeClaim,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_repository import (
    ApplianceRepository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
    ReadOnlyOperation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    UnhandledStep,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.disk_device_release import (
    ReleaseRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.jobs import (
    Following,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation.appliance_isolation import (
    IsolationRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report.backup_repository_report import (
    ReportRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set import (
    FinishRequest,
    PrepareRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set_prune import (
    Policy,
    PruneRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set_verify import (
    VerifyRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.disk_image_restore import (
    WriteRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.runs.backup_claim import (
    Wish,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_repository import (
    RepositoryRequest,
)

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.ovirt_community.backup.plugins.module_utils"
ON_THE_ENGINE = {
    "DiskSnapshotAttach",
    "DiskSnapshotDetach",
    "VmSnapshot",
    "RestoredDisks",
    "RestoredVm",
}
"""See tests/contract/test_unknown_steps.py."""


@dataclass(frozen=True)
class Strange:
    """A step that no operation knows."""

    path: str = "/"


STRANGE: Plan[Any] = Plan(steps=(Strange(),), result={"path": "/", "images": [], "removed": []})


def operations(root: Path) -> dict[str, Operation[Any]]:
    """Return every operation with steps that runs on the appliance, by name."""
    here = str(root)
    host = Host(replace(Paths(), jobs=f"{root}/jobs", claims=f"{root}/claims"))
    system = System(paths=host.paths, etc=f"{root}/etc", sys=here, run=here, tools=here)
    wish = Wish(str(uuid.UUID(int=1)), "tests", "run1", "prepare")
    run = ("2026-11-23T01:00:00Z", "run1")
    made: list[Operation[Any]] = [
        BackupRepositoryReport(ReportRequest(here, f"{root}/page.html", "")),
        BackupSetVerify(VerifyRequest(here)),
        BackupSetPrune(PruneRequest(here, Policy())),
        BackupVm(BackupVmRequest(here)),
        BackupSetProtection(here, "why", protected=True),
        PrepareSet(PrepareRequest(here, ("web01", str(uuid.UUID(int=1))), run, (), "raw")),
        FinishSet(FinishRequest(here, {}, (), (), None)),
        ImageCopy(CopyRequest(()), host),
        DiskImageCopy(CopyRequest(()), Following(), host),
        ImageRestore(WriteRequest(here, "0123456789ab", ()), host),
        DiskImageRestore(WriteRequest(here, "0123456789ab", ()), Following(), host),
        ApplianceRepository(RepositoryRequest(here), system),
        ApplianceIsolation(IsolationRequest(), system),
        DiskDeviceRelease(ReleaseRequest(()), host),
        TakeClaim(wish, host),
        GiveBack(wish, host),
    ]
    return {type(one).__name__: one for one in made}


NAMES = sorted(operations(Path("/nowhere")))


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_step_raises_and_does_nothing(name: str, tmp_path: Path) -> None:
    operation = operations(tmp_path)[name]
    with pytest.raises(UnhandledStep, match="Strange"):
        operation.execute(STRANGE)
    assert list(tmp_path.iterdir()) == []


def test_no_operation_is_missing_here() -> None:
    found = {one.__name__ for one in concrete()}
    assert found == set(NAMES) | ON_THE_ENGINE


def concrete() -> Iterator[type]:
    """Yield every operation of the collection that has steps."""
    for path in sorted((ROOT / "plugins/module_utils").rglob("*.py")):
        if path.stem == "__init__":
            continue
        dotted = ".".join(path.relative_to(ROOT / "plugins/module_utils").with_suffix("").parts)
        module = importlib.import_module(f"{PACKAGE}.{dotted}")
        for one in vars(module).values():
            if inspect.isclass(one) and one.__module__ == module.__name__ and is_with_steps(one):
                yield one


def is_with_steps(one: type) -> bool:
    """Tell whether a class is an operation that can be used, and that does something."""
    wanted = issubclass(one, Operation) and not issubclass(one, ReadOnlyOperation)
    return wanted and not inspect.isabstract(one) and not one.__name__.startswith("_")
