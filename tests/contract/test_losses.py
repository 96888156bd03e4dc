# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore brings back besides the disks' content, and that it names the rest before anything is made.

Always in the lab: its world tells what an engine would hide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from contract.restoring import Restore, set_of
from support.restorable import facts_of
from support.scene import engine_of

from ansible_collections.ovirt_community.backup.plugins.module_utils._clock import (
    SystemClock,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EnginePermission,
    OperationFailed,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
    Deadline,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    NewDisk,
    VmId,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.patience import (
    Patience,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    manifest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.snapshots.vm_ovf_info import (
    OvfRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.snapshots.vm_ovf_info import (
    VmOvfInfo,
)
from lab.lab import Lab
from lab.model import Disk, Settings, Vm
from lab.world import DiskSpec, VmSpec

pytestmark = pytest.mark.behind("the rows of the engine")
SHOP = VmSpec(
    "shop01",
    status="down",
    disks=(
        DiskSpec("shop01_system", bootable=True),
        DiskSpec("shop01_data", fmt="raw", size=128 << 20),
    ),
)


@dataclass
class Scene(Restore):
    """A lab, and a set of shop01 as it was when the set was read."""

    lab: Lab = field(kw_only=True)

    @property
    def shop(self) -> Vm:
        """The original."""
        return self.lab.vm("shop01")

    def disks_of(self, name: str) -> dict[str, Disk]:
        """Return the disks of a VM by name."""
        rows = self.lab.world.attachments_of(self.lab.vm(name).id)
        found = [self.lab.world.disks[row.disk_id] for row in rows]
        return {disk.alias: disk for disk in found}

    def read(self) -> None:
        """Take the set again, as the module does."""
        vm_id = self.engine.vms_named("shop01")[0].id
        made = self.engine.create_snapshot(vm_id, f"set {uuid4()}", None, False, "c")
        Deadline(SystemClock(), 5.0, 0.02).wait_for(
            lambda: self.engine.snapshot(vm_id, made.id),
            lambda one: one is not None and one.status == "ok",
            what="snapshot",
            describe=str,
        )
        request = OvfRequest("shop01", made.id)
        read = VmOvfInfo(self.engine, SystemClock(), self.patience, request).plan()
        self.ovf = read.result["ovf"]
        self.found = manifest.from_dict(facts_of(self.lab, "shop01", self.ovf))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(disk_polls=0)
    with Lab(tmp_path_factory.mktemp("lab"), host=False, vms=(SHOP,), settings=settings) as running:
        yield running


@pytest.fixture
def scene(lab: Lab) -> Iterator[Scene]:
    with set_of(lab, "shop01") as (engine, ovf, found):
        yield Scene(engine, ovf, found, lab=lab)


def kinds(plan: dict[str, object], subject: str) -> list[str]:
    losses = plan["losses"]
    assert isinstance(losses, list)
    return [one["kind"] for one in losses if one["subject"] == subject]


# ----- disks --------------------------------------------------------------------------------------


def test_flags_of_a_disk_come_back(scene: Scene) -> None:
    was = scene.disks_of("shop01")
    was["shop01_system"].backup = "incremental"
    was["shop01_system"].sparse = False
    was["shop01_data"].wipe_after_delete = True
    scene.read()
    plan = scene.restore()
    new = scene.disks_of(str(plan["name"]))
    for alias, disk in scene.disks_of("shop01").items():
        made = new[alias]
        assert (made.backup, made.wipe_after_delete) == (disk.backup, disk.wipe_after_delete)
        assert (made.fmt, made.sparse) == (disk.fmt, disk.sparse)
        assert kinds(plan, alias) == []


def test_what_the_engine_does_not_make_of_a_disk_is_named(scene: Scene) -> None:
    was = scene.disks_of("shop01")
    was["shop01_system"].sparse = False
    was["shop01_data"].backup = "incremental"
    scene.read()
    plan = scene.restore()
    assert kinds(plan, "shop01_system") == ["allocation"]
    assert kinds(plan, "shop01_data") == ["incremental"]
    new = scene.disks_of(str(plan["name"]))
    assert (new["shop01_system"].sparse, new["shop01_data"].backup) == (True, "none")


@pytest.mark.parametrize(
    ("storage", "supports", "wiped", "kept"),
    [
        ("nfs", False, False, True),
        ("nfs", False, True, True),
        ("iscsi", True, False, True),
        ("iscsi", True, True, False),
        ("iscsi", False, False, False),
    ],
)
def test_discards_are_passed_on_where_the_storage_takes_them(
    scene: Scene, storage: str, supports: bool, wiped: bool, kept: bool
) -> None:
    [row, *_rest] = scene.lab.world.attachments_of(scene.shop.id)
    row.pass_discard = True
    scene.disks_of("shop01")["shop01_system"].wipe_after_delete = wiped
    scene.read()
    domain = next(iter(scene.lab.world.domains.values()))
    domain.storage, domain.supports_discard = storage, supports
    plan = scene.restore()
    [made, *_rest] = scene.lab.world.attachments_of(scene.lab.vm(str(plan["name"])).id)
    assert made.pass_discard is kept
    assert ("pass_discard" in kinds(plan, "shop01_system")) is not kept


GOLD = "90ab0000-0000-4000-8000-00000000601d"


def test_a_disk_profile_comes_back_where_its_domain_has_it(scene: Scene) -> None:
    home, *_others = scene.lab.world.domains.values()
    home.profiles.append(GOLD)
    scene.disks_of("shop01")["shop01_system"].profile_id = GOLD
    scene.read()
    plan = scene.restore()
    new = scene.disks_of(str(plan["name"]))
    assert new["shop01_system"].profile_id == GOLD
    assert kinds(plan, "shop01_system") == kinds(plan, "shop01_data") == []
    home.profiles.clear()
    assert kinds(scene.plan(name="other"), "shop01_system") == ["disk_profile"]


def test_disks_alone_get_their_profile_too(scene: Scene) -> None:
    home, *_others = scene.lab.world.domains.values()
    home.profiles.append(GOLD)
    scene.disks_of("shop01")["shop01_system"].profile_id = GOLD
    scene.read()
    plan = scene.plan(what="disks")
    done = scene.disks(plan, "prepared", vm="")
    [system, _data] = [scene.lab.world.disks[one["new_disk_id"]] for one in done["disks"]]
    assert system.profile_id == GOLD


def test_a_profile_that_the_user_may_not_use_ends_no_restore(scene: Scene) -> None:
    next(iter(scene.lab.world.domains.values())).profiles.append(GOLD)
    scene.disks_of("shop01")["shop01_system"].profile_id = GOLD
    scene.read()

    class Strict:
        def __getattr__(self, name: str) -> Any:  # noqa: ANN401
            return getattr(scene.engine, name)

        def add_disk(self, new: NewDisk, mark: str) -> None:
            if new.profile_id == GOLD:
                raise EnginePermission("The user may not.", details={"status": 403})
            scene.engine.add_disk(new, mark)

        def profile_disk(self, *_args: object) -> None:
            raise EnginePermission("The user may not.", details={"status": 403})

    engine: Any = Strict()
    plan = scene.restore(engine)
    assert kinds(plan, "shop01_system") == ["disk_profile"]


# ----- the VM -------------------------------------------------------------------------------------

SCRIPT = "#cloud-config\nruncmd:\n  - printf 'a\\nb'\n\t- \"x & y ?>\"\n<!DOCTYPE x>\n"
ALWAYS = ["engine"]
CLOUD_INIT = {
    "host_name": "shop",
    "user_name": "root",
    "authorized_ssh_keys": "ssh-rsa AAA one\nssh-rsa BBB two",
    "custom_script": SCRIPT,
    "cloud_init_network_protocol": "openstack_metadata",
    "regenerate_ssh_keys": "true",
}


def test_what_the_engine_garbles_is_put_right_after_the_import(scene: Scene) -> None:
    scene.shop.initialization = dict(CLOUD_INIT)
    scene.shop.cpu_shares = 512
    scene.read()
    assert "&amp;#10;" in scene.ovf, "as the engine writes it"
    plan = scene.restore()
    new = scene.lab.vm(str(plan["name"]))
    assert new.initialization == CLOUD_INIT
    assert new.cpu_shares == 512
    assert kinds(plan, "VM") == ALWAYS
    assert not scene.vm(scene.plan())["changed"]


def test_a_set_that_has_only_the_engines_text_says_so(scene: Scene) -> None:
    scene.shop.initialization = dict(CLOUD_INIT)
    scene.shop.cpu_shares = 512
    scene.read()
    scene.ovf = scene.ovf.partition("<?ovirt_community.backup")[0]
    plan = scene.plan()
    assert {"cloud_init", "cpu_shares"} <= set(kinds(plan, "VM"))


def test_a_password_is_named_and_never_sent_back(scene: Scene) -> None:
    scene.shop.initialization = {**CLOUD_INIT, "root_password": "secret"}
    scene.read()
    assert "secret" not in scene.ovf
    plan = scene.plan()
    assert any("root_password" in one["lost"] for one in plan["losses"])
    made = scene.restore()
    assert "root_password" not in scene.lab.vm(str(made["name"])).initialization


def test_an_unplugged_card_comes_back_unplugged(scene: Scene) -> None:
    scene.shop.nics[0].plugged = False
    scene.read()
    plan = scene.restore()
    assert not scene.lab.vm(str(plan["name"])).nics[0].plugged
    assert kinds(plan, "VM") == ALWAYS
    assert kinds(plan, "card nic1") == []


def test_it_is_put_right_before_a_test_is_started(scene: Scene) -> None:
    scene.shop.nics[0].plugged = False
    scene.read()
    plan = scene.plan(test=True)
    scene.disks(plan, "prepared")
    assert scene.vm(plan, "tested")["vm"]["status"] == "up"
    assert not scene.lab.vm(plan["name"]).nics[0].plugged
    assert not scene.vm(plan, "tested")["changed"]
    scene.vm(plan, "absent")


def test_what_the_engine_refuses_to_put_right_is_named_and_ends_nothing(scene: Scene) -> None:
    scene.shop.nics[0].plugged = False
    scene.shop.cpu_shares = 512
    next(iter(scene.lab.world.domains.values())).profiles.append(GOLD)
    scene.disks_of("shop01")["shop01_data"].profile_id = GOLD
    scene.read()
    plan = scene.plan()
    scene.disks(
        {**plan, "disks": [{**one, "disk_profile": ""} for one in plan["disks"]]}, "prepared"
    )

    class Strict:
        def __getattr__(self, name: str) -> Any:  # noqa: ANN401
            if name in ("unplug_card", "change_vm", "profile_disk"):
                return self.refuse
            return getattr(scene.engine, name)

        def refuse(self, *_args: object) -> None:
            raise EnginePermission("The user may not.", details={"status": 403})

    engine: Any = Strict()
    result = scene.vm(plan, engine=engine)
    assert [one["kind"] for one in result["losses"]] == ["unplugged", "cpu_shares", "disk_profile"]
    assert all("The user may not" in one["lost"] for one in result["losses"])
    assert scene.plan()["state"] == "finished"


def test_what_no_import_takes_over_is_named_before_it(scene: Scene) -> None:
    scene.shop.external = {"tpm": "dHBt", "nvram": "bnZyYW0="}
    scene.read()
    plan = scene.plan()
    found = {one["kind"]: one for one in plan["losses"]}
    assert {"tpm", "nvram", "engine", "disk_ids"} <= set(found)
    assert "BitLocker" in found["tpm"]["do"]
    assert "shop01_system, shop01_data" in found["disk_ids"]["lost"]
    alone = scene.plan(what="disks", disks=(scene.found.disks[0].id,))
    assert [one["kind"] for one in alone["losses"]] == ["disk_ids"]


# ----- the guest ----------------------------------------------------------------------------------


class Switched:
    """An engine behind which a guest is what its VM's disks make of it, once it is started."""

    def __init__(self, scene: Scene, fqdn: str | None) -> None:
        self._scene, self._fqdn = scene, fqdn

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._scene.engine, name)

    def start_vm(self, vm_id: VmId) -> None:
        self._scene.engine.start_vm(vm_id)
        self._scene.lab.world.vms[vm_id].fqdn = self._fqdn


def test_a_guest_that_answered_has_to_answer_in_a_test(scene: Scene) -> None:
    scene.shop.fqdn = "shop01.example.org"
    scene.lab.control().status("shop01", "up")
    scene.read()
    scene.patience = Patience(timeout=0.5, poll_interval=0.02)
    plan = scene.plan(test=True)
    scene.disks(plan, "prepared")
    engine: Any = Switched(scene, None)
    with pytest.raises(OperationFailed, match="may be in emergency mode"):
        scene.vm(plan, "tested", engine=engine)
    assert scene.lab.vm(plan["name"]).status == "up"
    # It is asked again by the run after one that was killed here, and not believed.
    with pytest.raises(OperationFailed, match="has not answered"):
        scene.vm(plan, "tested")
    scene.lab.vm(plan["name"]).fqdn = "shop01.example.org"
    again = scene.vm(plan, "tested")
    assert (again["changed"], again["guest"]) == (False, "answered")
    scene.vm(plan, "absent")


@pytest.mark.parametrize(("fqdn", "word"), [(None, "silent"), ("shop01", "answered")])
def test_that_nobody_answers_is_said_where_nobody_did(
    scene: Scene, fqdn: str | None, word: str
) -> None:
    scene.read()
    engine: Any = Switched(scene, fqdn)
    for state in ("tested", "present"):
        plan = scene.plan(test=state == "tested")
        scene.disks(plan, "prepared")
        assert scene.vm(plan, state, engine=engine, start=True)["guest"] == word


# ----- every loss is reported ---------------------------------------------------------------------

OTHERS = frozenset({"id", "name", "comment", "created", "stopped", "started", "status", "host_id"})
"""What is another VM's, or of another moment."""
NAMED = {
    **{"tags": "engine", "imported": "engine", "bare": "engine"},
    **{"external.tpm": "tpm", "external.nvram": "nvram"},
    "initialization.root_password": "cloud_init",
}
"""The loss that names a difference."""


def flat(row: object, prefix: str = "") -> dict[str, object]:
    """Return the fields of a row; those of a field with names below it, one by one."""
    found: dict[str, object] = {}
    for name, value in vars(row).items():
        if isinstance(value, dict):
            found |= {f"{prefix}{name}.{key}": one for key, one in value.items()}
        else:
            found[f"{prefix}{name}"] = value
    return found


def differing(old: object, new: object) -> set[str]:
    was, now = flat(old), flat(new)
    return {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}


def fill(scene: Scene) -> None:
    """Make everything of shop01 other than its default."""
    shop = scene.shop
    shop.description, shop.comment, shop.memory = "a shop", "mine", 3 << 30
    shop.sockets, shop.cores, shop.threads, shop.cpu_shares = 2, 3, 2, 1024
    shop.os, shop.boot, shop.tpm = "rhel_8x64", "network", True
    shop.delete_protected, shop.tags = True, ["gold"]
    shop.external = {"tpm": "dHBt", "nvram": "bnZyYW0="}
    shop.initialization = {**CLOUD_INIT, "root_password": "secret"}
    shop.settings = {
        **{"AutoStartup": "true", "Priority": "50", "PredefinedProperties": "sap_agent=true"},
        **{"MinAllocatedMem": "2048", "MaxMemorySizeMb": "8192"},
    }
    shop.nics[0].plugged = shop.nics[0].linked = False
    home = next(iter(scene.lab.world.domains.values()))
    home.profiles.append(GOLD)
    for disk in scene.disks_of("shop01").values():
        disk.wipe_after_delete, disk.profile_id = True, GOLD
        disk.backup = "incremental" if disk.fmt == "qcow2" else "none"
        disk.sparse = False
    for row in scene.lab.world.attachments_of(shop.id):
        row.read_only, row.pass_discard = not row.bootable, True


def test_each_difference_between_old_and_new_is_named(scene: Scene) -> None:
    fill(scene)
    scene.read()
    plan = scene.restore()
    said = {one["kind"] for one in plan["losses"]}
    new, world = scene.lab.vm(str(plan["name"])), scene.lab.world
    assert new.comment == scene.shop.comment
    lost = differing(scene.shop, new) - OTHERS - {"nics"}
    assert {NAMED.get(one, one) for one in lost} <= said
    [was], [card] = scene.shop.nics, new.nics
    assert differing(was, card) <= {"id", "mac"}
    rows = [world.attachments_of(vm.id) for vm in (scene.shop, new)]
    for old, held in zip(*rows, strict=True):
        assert differing(old, held) <= {"vm_id", "disk_id"}
        ours = {"id", "description", "active_volume_id", "created"}
        assert differing(world.disks[old.disk_id], world.disks[held.disk_id]) <= ours
    assert said == {"tpm", "nvram", "cloud_init", "engine", "disk_ids"}


def test_a_restorer_without_more_permits_gets_all_of_it(scene: Scene) -> None:
    fill(scene)
    scene.shop.settings.pop("PredefinedProperties")
    scene.read()
    control, centre = scene.lab.control(), next(iter(scene.lab.world.data_centres))
    control.add_role("Restorer", ["LOGIN", "CONFIGURE_VM_STORAGE", "CREATE_DISK", "CREATE_VM"])
    control.add_role("Importer", ["IMPORT_EXPORT_VM"])
    grants = [
        {"role": "Restorer", "object_id": centre},
        {"role": "Importer", "object_id": "system"},
    ]
    control.add_user("restorer@internal", "secret", grants)
    user = engine_of(scene.lab, ("restorer@internal", "secret"))
    try:
        plan = scene.restore(user)
    finally:
        user.close()
    made = scene.lab.vm(str(plan["name"]))
    assert (made.cpu_shares, made.nics[0].plugged) == (1024, False)
    assert made.initialization == CLOUD_INIT
    kept = {one["kind"] for one in plan["losses"]} & {"cpu_shares", "unplugged", "disk_profile"}
    assert kept == set()
