# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set is finished only if a restore would accept it: what was written is read back from the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from appliance import stored

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    backup_set,
    backup_set_verify,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.restore_source_info import (
    RestoreSourceInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.runs import (
    unfinished,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    OvfInvalid,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import (
    extras,
    ovf,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    backup_set_verify as verify_request,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import naming
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore.restore_source_info import (
    SourceRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

VM_ID = stored.uuid(1)
FACTS: dict[str, Any] = {
    "run_id": "run1",
    "started": "2026-11-23T01:00:00Z",
    "finished": "2026-11-23T01:10:00Z",
    "correlation_id": "run1",
    "vm": {"id": VM_ID, "name": "web01", "cluster": "", "data_center": "", "description": ""},
    "snapshot": {"id": stored.uuid(7), "description": "s", "date": "2026-11-23T01:00:05+00:00"},
    "consistency": "filesystem",
    "evidence": [],
    "versions": {"engine": "4.5.7", "collection": "0", "qemu_img": "", "ansible": ""},
    "format": "raw",
    "compression": "none",
}


class Copied:
    """A set's directory with a real image in it, as the copy leaves it. No device is needed."""

    def __init__(self, repository: Path) -> None:
        done = stored.Repository(repository).add(content=b"data", fmt="raw")
        self.path = done
        self.image = dict(_manifest(done)["disks"][0])
        self.ovf = (done / "vm.ovf").read_text()
        for name in ("vm.ovf", "manifest.json"):
            (done / name).unlink()

    @property
    def disks(self) -> list[dict[str, Any]]:
        image = self.image
        return [
            {
                "disk_id": image["id"],
                "alias": image["alias"],
                "source_interface": image["interface"],
                "source_bootable": image["bootable"],
                "virtual_size": image["virtual_size"],
            }
        ]

    def params(self, **changes: object) -> dict[str, Any]:
        dest = str(self.path / self.image["file"])
        image = {**self.image, "serial": self.image["id"], "dest": dest}
        given = {"path": str(self.path), "disks": self.disks, "images": [image], "ovf": self.ovf}
        return {**FACTS, **given, **changes}

    def finish(self, **changes: object) -> backup_set.FinishSet:
        return backup_set.FinishSet(repository_args.finish_request(self.params(**changes)))

    def prepare(self, ovf_text: str) -> backup_set.PrepareSet:
        repository = str(self.path.parent.parent)
        params = {**self.params(ovf=ovf_text), "repository": repository, "run_id": "run2"}
        return backup_set.PrepareSet(repository_args.prepare_request(params))

    def is_a_set(self) -> bool:
        return (self.path / naming.MANIFEST).exists()


def _manifest(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / naming.MANIFEST).read_text())
    return found


@pytest.fixture
def copied(repository: Path) -> Copied:
    return Copied(repository)


def large(text: str) -> str:
    """Return a configuration that is a little longer than a reader takes: 4.3 MB."""
    filler = "x" * (4_300_000 - len(text))
    return text.replace("<Content>", f"<Content><Description>{filler}</Description>")


def without_disk(text: str) -> str:
    return text.replace(stored.uuid(0xD0), stored.uuid(0xDD))


BAD: dict[str, Callable[[str], str]] = {
    "large": large,
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _text: "",
    "of another VM": lambda text: text.replace(VM_ID, stored.uuid(2)),
    "without the disk": without_disk,
    "deep": lambda text: text.replace("<Content>", "<Content>" + "<a>" * 100 + "</a>" * 100),
    "with entities": lambda text: text.replace(
        "<ovf:Env", '<!DOCTYPE x [<!ENTITY a "b">]><ovf:Env'
    ),
}


def test_what_is_finished_is_restorable(copied: Copied) -> None:
    result, _warnings = perform(copied.finish(), check_mode=False)
    assert result["changed"]
    source = SourceRequest(path=str(copied.path), verify=True)
    assert RestoreSourceInfo(source).plan().result["ovf"] == copied.ovf
    again, _warnings = perform(copied.finish(), check_mode=False)
    assert not again["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_configuration_that_a_restore_refuses(
    copied: Copied, kind: str, check_mode: bool
) -> None:
    text = BAD[kind](copied.ovf)
    assert text != copied.ovf
    before = sorted(os.listdir(copied.path))
    with pytest.raises(OvfInvalid):
        perform(copied.finish(ovf=text), check_mode=check_mode)
    assert sorted(os.listdir(copied.path)) == before
    sets = sorted(os.listdir(copied.path.parent))
    with pytest.raises(OvfInvalid):
        perform(copied.prepare(text), check_mode=check_mode)
    assert sorted(os.listdir(copied.path.parent)) == sets, "refused before hours of copying"


@pytest.mark.parametrize("fault", ["other bytes", "gone", "a link", "image cut"])
def test_what_the_disk_gives_back_counts(copied: Copied, fault: str) -> None:
    """The file system may give back something else than was written."""
    operation = copied.finish()
    plan = operation.plan()
    first, *rest = plan.steps
    operation.execute(Plan(steps=(first,)))
    written = copied.path / "vm.ovf"
    if fault == "other bytes":
        written.write_text(copied.ovf.replace("web01", "web02"))
    elif fault == "image cut":
        os.truncate(copied.path / copied.image["file"], 1)
    else:
        written.rename(copied.path.parent / "elsewhere")
        if fault == "a link":
            written.symlink_to(copied.path.parent / "elsewhere")
    with pytest.raises(BackupError):
        operation.execute(Plan(steps=tuple(rest)))
    assert not copied.is_a_set()


def test_a_finished_set_is_read_again(copied: Copied) -> None:
    perform(copied.finish(), check_mode=False)
    record = copied.path.with_name(f"{copied.path.name}.verified.json")
    assert not record.exists()
    (copied.path / copied.image["file"]).write_bytes(b"")
    with pytest.raises(BackupError):
        perform(copied.finish(), check_mode=False)


@pytest.mark.parametrize("character", ["é", "\U0001f600"])
def test_every_reader_has_the_same_limit(copied: Copied, character: str) -> None:
    """It counts characters: a configuration may have four bytes for each, and its record twelve."""
    length = ovf.SIZE_LIMIT - len(copied.ovf) - len("<Description></Description>")
    longest = copied.ovf.replace(
        "<Content>", f"<Content><Description>{character * length}</Description>"
    )
    assert len(longest) == ovf.SIZE_LIMIT
    copied.ovf = longest
    perform(copied.finish(), check_mode=False)
    RestoreSourceInfo(SourceRequest(path=str(copied.path), verify=True)).plan()
    request = verify_request.VerifyRequest(str(copied.path.parent.parent), polite=False)
    verified, _warnings = perform(backup_set_verify.BackupSetVerify(request), check_mode=False)
    assert [one["state"] for one in verified["sets"]] == ["complete"]
    prepared, _warnings = perform(copied.prepare(longest), check_mode=False)
    assert unfinished.read(prepared["path"])[1] == longest


def test_the_configuration_that_is_too_large_is_larger_than_that() -> None:
    assert len(large("<Content>")) > ovf.SIZE_LIMIT


def test_what_follows_the_configuration_is_stored_with_it(copied: Copied) -> None:
    kept = extras.Extras({"custom_script": "a\n\tb ?> é"}, (), 512, answered=True)
    copied.ovf = extras.appended(copied.ovf, kept)
    perform(copied.finish(), check_mode=False)
    source = SourceRequest(path=str(copied.path), verify=True)
    assert ovf.read(RestoreSourceInfo(source).plan().result["ovf"]).beside == kept


def test_what_holds_secrets_is_for_root_alone(copied: Copied) -> None:
    """A configuration has keys of the guest and the contents of its TPM, and so has the record of an unfinished set."""
    before = os.umask(0)
    try:
        prepared, _warnings = perform(copied.prepare(copied.ovf), check_mode=False)
        perform(copied.finish(), check_mode=False)
    finally:
        os.umask(before)
    directory = Path(prepared["path"])
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "unfinished.json").stat().st_mode & 0o777 == 0o600
    written = [one for one in copied.path.iterdir() if one.name != copied.image["file"]]
    assert {one.name for one in written} >= {"vm.ovf", "README", "manifest.json"}
    assert {one.stat().st_mode & 0o777 for one in written} == {0o600}


def test_a_former_name_finds_the_newest_set_of_the_vm(repository: Path) -> None:
    sets = stored.Repository(repository)
    sets.add(name="old", run="r0")
    newest = sets.add(when=stored.START + timedelta(days=1), name="new", run="r1")
    source = SourceRequest(repository=str(repository), vm="old", verify=False)
    found = RestoreSourceInfo(source).plan().result
    assert found["set"]["path"] == str(newest)
    assert any("is called 'new' in this set, not 'old'" in one for one in found["notes"])
