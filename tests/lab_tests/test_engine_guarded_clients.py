# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ovirt.ovirt's own modules, unchanged, on VMs and disks with attached disk snapshots, and on permissions.

The collection is found by ANSIBLE_COLLECTIONS_PATH; where it is not, these tests fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.engine.client import ApiClient
from lab.lab import Lab
from lab.model import Settings
from lab.world import ADMIN, DiskSpec, VmSpec

HOLDER = VmSpec("holder", disks=(DiskSpec("holder_system", bootable=True),))
SOURCE = VmSpec("source", disks=(DiskSpec("source_data"),))
Json = Any


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    settings = Settings(snapshot_polls=0, removal_polls=0)
    root = tmp_path_factory.mktemp("lab")
    with Lab(root, host=False, appliance=False, vms=(HOLDER, SOURCE), settings=settings) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    """holder holds source_data as it was in a snapshot, plugged."""
    running.reset()
    holder, source = running.vm("holder"), running.vm("source")
    with ApiClient(running.url, str(running.identity.ca_file), *ADMIN) as api:
        body = "<snapshot><description>nightly</description></snapshot>"
        made = api.post(f"vms/{source.id}/snapshots", body).xml()
        running.engine.tasks.drain(10)
        data = running.world.attachments_of(source.id)[0].disk_id
        disk = f'<disk id="{data}"><snapshot id="{made.get("id")}"/></disk>'
        body = f"<interface>virtio_scsi</interface><active>true</active>{disk}"
        path = f"vms/{holder.id}/diskattachments"
        assert api.post(path, f"<disk_attachment>{body}</disk_attachment>").status == 201
    return running


def play(lab: Lab, root: Path, *tasks: tuple[str, dict[str, Json]]) -> list[Json]:
    """Run modules of ovirt.ovirt, one after the other, and on after a failure; their results."""
    login = {"ovirt.ovirt.ovirt_auth": {"state": "present"}}
    steps: list[Json] = [login]
    for number, (module, options) in enumerate(tasks):
        given = {"auth": "{{ ovirt_auth }}", "poll_interval": 1, "timeout": 20, **options}
        step = {f"ovirt.ovirt.{module}": given, "register": f"r{number}", "ignore_errors": True}
        steps.append(step)
    found = ", ".join(f"r{number}" for number in range(len(tasks)))
    dest = root / "results"
    copy = {"content": f"{{{{ [{found}] | to_json }}}}", "dest": str(dest), "mode": "0600"}
    steps.append({"ansible.builtin.copy": copy})
    book = root / "play.yml"
    variables = {"ansible_python_interpreter": sys.executable}
    whole = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": steps}
    book.write_text(yaml.safe_dump([whole]), encoding="utf-8")
    environment = {
        **os.environ,
        "HOME": str(root),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "OVIRT_URL": lab.url,
        "OVIRT_USERNAME": ADMIN[0],
        "OVIRT_PASSWORD": ADMIN[1],
        "OVIRT_CAFILE": str(lab.identity.ca_file),
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(book)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lab.engine.tasks.drain(10)
    results: list[Json] = json.loads(dest.read_text(encoding="utf-8"))
    return results


def aliases(lab: Lab, ids: tuple[str, ...]) -> list[str]:
    return [lab.world.disks[one].alias for one in ids]


def test_unguarded_exports_succeed_without_the_disk(lab: Lab, tmp_path: Path) -> None:
    lab.control().add_domain("exports", "export")
    ova = {"host": "host1a", "directory": "/exports", "filename": "holder.ova"}
    as_ova = {"name": "holder", "state": "exported", "export_ova": ova}
    to_domain = {"name": "holder", "state": "exported", "export_domain": "exports"}
    template = {"name": "golden", "vm": "holder", "cluster": "Default"}
    (first,) = play(lab, tmp_path, ("ovirt_vm", as_ova))
    assert first["changed"], first
    lab.control().status("holder", "down")
    done = play(lab, tmp_path, ("ovirt_vm", to_domain), ("ovirt_template", template))
    assert [(one["failed"], one["changed"]) for one in done] == [(False, True)] * 2, done
    made = {one.kind: aliases(lab, one.disks) for one in lab.world.exports}
    assert made == {"ova": ["holder_system"], "domain": ["holder_system"]}
    (golden,) = lab.world.templates.values()
    assert aliases(lab, tuple(golden.sources)) == ["holder_system"]


def test_unguarded_migration_and_maintenance_are_refused_late(lab: Lab, tmp_path: Path) -> None:
    host = lab.world.hosts[lab.vm("holder").host_id or ""].name
    migrate = {"name": "holder", "state": "running", "migrate": True}
    maintenance = {"name": host, "state": "maintenance"}
    refused = play(lab, tmp_path, ("ovirt_vm", migrate), ("ovirt_host", maintenance))
    assert [one["failed"] for one in refused] == [True, True]
    assert "activated disks are disk snapshots" in refused[0]["msg"]
    assert "HTTP response code is 409" in refused[0]["msg"]
    assert "activated Disk Snapshot attached" in refused[1]["msg"]
    for row in lab.world.attachments.values():
        row.active = row.snapshot_id is None
    back = {"name": host, "state": "present"}
    tasks = (("ovirt_vm", migrate), ("ovirt_host", maintenance), ("ovirt_host", back))
    done = play(lab, tmp_path, *tasks)
    assert [one.get("msg") for one in done if one["failed"]] == [], done
    assert next(one.status for one in lab.world.hosts.values() if one.name == host) == "up"


def test_roles_permissions_and_users(lab: Lab, tmp_path: Path) -> None:
    permits = ["attach_disk", "configure_vm_storage", "manipulate_vm_snapshots"]
    role = {"name": "backup", "permits": permits}
    user = {"name": "robot", "authz_name": "internal-authz"}
    where = {"user_name": "robot", "authz_name": "internal-authz", "role": "backup"}
    on_vm = {**where, "object_type": "vm", "object_name": "source"}
    on_system = {**where, "object_type": "system"}
    on_disk = {**where, "object_type": "disk", "object_name": "source_data"}
    makes = (
        ("ovirt_role", role),
        ("ovirt_user", user),
        # An object's list shows what comes from above as if it were there: the lowest goes first.
        ("ovirt_permission", on_disk),
        ("ovirt_permission", on_vm),
        ("ovirt_permission", on_system),
    )
    for changed in (True, False):
        done = play(lab, tmp_path, *makes)
        assert [(one["failed"], one["changed"]) for one in done] == [(False, changed)] * 5, done
    assert lab.world.roles["backup"].permits == {name.upper() for name in [*permits, "login"]}
    assert not lab.world.roles["backup"].admin
    assert len(lab.world.users["robot@internal"].grants) == 3
    fewer = {"name": "backup", "permits": ["attach_disk"]}
    gone = tuple((module, {**options, "state": "absent"}) for module, options in makes[:1:-1])
    last = tuple((module, {**options, "state": "absent"}) for module, options in makes[:2])
    done = play(lab, tmp_path, ("ovirt_role", fewer), *gone, *last)
    assert [(one["failed"], one["changed"]) for one in done] == [(False, True)] * 6, done
    assert "backup" not in lab.world.roles
    assert "robot@internal" not in lab.world.users
