# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of mounts that cannot be read never counts as an empty one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from appliance.sysfs import Sysfs

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    device,
    mounts,
    scan,
    survey,
    usage,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.isolation import (
    isolation_proof,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_preflight import (
    AppliancePreflight,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_repository import (
    ApplianceRepository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_preflight import (
    PreflightRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup.appliance_repository import (
    RepositoryRequest,
)


@pytest.fixture
def host(tmp_path: Path) -> System:
    """With one disk, and a table of mounts and one of swap areas that can be read."""
    sysfs = Sysfs(tmp_path)
    sysfs.virtual("vda", "252:0")
    (tmp_path / "mountinfo").write_text("24 1 252:0 / / rw - ext4 /dev/vda rw\n")
    (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n")
    paths = replace(
        sysfs.paths,
        mountinfo=f"{tmp_path}/mountinfo",
        swaps=f"{tmp_path}/swaps",
        proc=f"{tmp_path}/p",
    )
    return System(paths, etc=f"{tmp_path}/etc", tools=f"{tmp_path}/tools")


PLACES = [usage.MountedAt("vda", ("/dev/vda",), "252:0", False)]


MOUNTS: dict[str, Callable[[System], object]] = {
    "claim": lambda host: device._uses(host, scan.scan(host.paths)[0]),
    "users": lambda host: usage.uses(host.paths, PLACES),
    "survey": lambda host: survey.disks(host, scan.scan(host.paths), set()),
    "survey of one": lambda host: survey.uses(host, scan.scan(host.paths)[0]),
    "fstab": survey._unmounted,
    "proof": isolation_proof._root,
    "preflight": lambda host: AppliancePreflight(PreflightRequest("/"), host).plan(),
    "repository": lambda host: ApplianceRepository(
        RepositoryRequest(repository="/srv", device="/dev/vda"), host
    ).plan(),
}
SWAPS = ("claim", "users", "survey", "survey of one", "fstab")


@pytest.mark.parametrize("reader", MOUNTS)
@pytest.mark.parametrize("fault", ["absent", "empty", "no file"])
def test_every_reader_refuses_a_table_of_mounts_that_it_cannot_read(
    host: System, reader: str, fault: str
) -> None:
    table = Path(host.paths.mountinfo)
    table.unlink()
    if fault == "empty":
        table.touch()
    elif fault == "no file":
        table.mkdir()
    with pytest.raises(
        DeviceError, match=r"mountinfo cannot be read \(.*which devices are in use"
    ) as caught:
        MOUNTS[reader](host)
    assert caught.value.details == {"path": str(table)}


@pytest.mark.parametrize("reader", SWAPS)
def test_every_reader_refuses_a_table_of_swap_areas_that_it_cannot_read(
    host: System, reader: str
) -> None:
    table = Path(host.paths.swaps)
    table.unlink()
    table.mkdir()
    with pytest.raises(DeviceError, match=r"swaps cannot be read"):
        MOUNTS[reader](host)


def test_a_kernel_without_swap_has_no_table_of_swap_areas(host: System) -> None:
    Path(host.paths.swaps).unlink()
    assert mounts.swap_areas(host.paths) == ""
    assert usage.uses(host.paths, PLACES) == {"vda": ("mounted on /",)}
