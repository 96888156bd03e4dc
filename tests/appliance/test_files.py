# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are replaced as a whole, whatever the login's umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.isolation.appliance_isolation import (
    ApplianceIsolation,
    WriteNote,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine import files
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.system import (
    System,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.setup.appliance_repository import (
    ApplianceRepository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.isolation import (
    appliance_isolation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import (
    appliance_repository,
)

_OTHER = 12345


@pytest.fixture(params=[0o077, 0o022, 0o000], ids=oct, autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """The umask of the login."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("wanted", [0o644, 0o600])
def test_a_new_file_has_the_mode_that_is_stated(tmp_path: Path, wanted: int) -> None:
    path = tmp_path / "file"
    files.write_whole(str(path), b"x", wanted)
    assert (mode(path), path.read_bytes()) == (wanted, b"x")


@pytest.mark.parametrize("kept", [0o644, 0o600, 0o640, 0o664])
def test_a_file_that_is_replaced_keeps_mode_and_owner(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, _OTHER, _OTHER)
    path.chmod(kept)
    files.write_whole(str(path), b"new", 0o600)
    status = path.stat()
    assert (mode(path), status.st_uid, status.st_gid) == (kept, _OTHER, _OTHER)
    assert path.read_bytes() == b"new"


def test_what_a_dead_run_or_a_stranger_left_is_not_written_into(tmp_path: Path) -> None:
    path, temporary = tmp_path / "file", tmp_path / "file.tmp"
    temporary.write_bytes(b"left")
    os.chown(temporary, _OTHER, _OTHER)
    with temporary.open("rb") as stranger:
        files.write_whole(str(path), b"secret", 0o600)
        assert stranger.read() == b"left"
    assert path.stat().st_uid == os.geteuid()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    files.write_whole(str(path), b"x", 0o644)
    assert not path.is_symlink()
    assert mode(path) == 0o644


def test_fstab_and_what_the_isolation_writes_stay_readable(tmp_path: Path) -> None:
    system = System(etc=str(tmp_path / "etc"), run=str(tmp_path))
    fstab = tmp_path / "etc/fstab"
    fstab.parent.mkdir()
    tmp_path.joinpath("etc").chmod(0o755)
    disk = ApplianceRepository(appliance_repository.RepositoryRequest("/srv/backup"), system)
    for line in ("UUID=a / ext4 defaults 0 1", "UUID=b /srv/backup ext4 defaults 0 2"):
        disk.execute(Plan(steps=(appliance_repository.AddLine(line),), result={}))
        assert mode(fstab) == 0o644
    note = WriteNote({"files": {}, "proof": None})
    ApplianceIsolation(appliance_isolation.IsolationRequest(), system).execute(
        Plan(steps=(note,), result={})
    )
    fact = tmp_path / "etc" / appliance_isolation.FACT
    assert [mode(path) for path in (fact, fact.parent, fact.parent.parent)] == [0o644, 0o755, 0o755]
