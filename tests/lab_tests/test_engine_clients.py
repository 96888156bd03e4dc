# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign clients, unchanged: ovirt.ovirt through ansible-playbook and ansible-inventory.

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
from lab.world import ADMIN


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), host=False) as running:
        running.world.settings.snapshot_polls = 0
        vm_id = running.vm("web01").id
        with ApiClient(running.url, str(running.identity.ca_file), *ADMIN) as api:
            body = "<snapshot><description>nightly</description></snapshot>"
            assert api.post(f"vms/{vm_id}/snapshots", body).status == 201
        running.engine.tasks.drain(10)
        running.control().forget_requests()
        yield running


def _environment(lab: Lab, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(home),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "OVIRT_URL": lab.url,
        "OVIRT_USERNAME": ADMIN[0],
        "OVIRT_PASSWORD": ADMIN[1],
        "OVIRT_CAFILE": str(lab.identity.ca_file),
    }


def _run(program: str, arguments: list[str], environment: dict[str, str]) -> str:
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _plain(value: Any) -> Any:  # noqa: ANN401  JSON
    """Ansible's JSON without the marks of untrusted text."""
    if isinstance(value, dict):
        marked = value.get("__ansible_unsafe")
        return marked if marked is not None else {k: _plain(v) for k, v in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _task(module: str, register: str, **options: object) -> dict[str, Any]:
    given = {"auth": "{{ ovirt_auth }}", **options}
    return {"name": f"Call {module}", f"ovirt.ovirt.{module}": given, "register": register}


def test_info_modules(lab: Lab, tmp_path: Path) -> None:
    dump = {
        "ansible.builtin.copy": {
            "content": "{{ [vms, followed, disks, snaps, ovf] | to_json }}",
            "dest": str(tmp_path / "out"),
            "mode": "0600",
        }
    }
    login = {"name": "Sign in", "ovirt.ovirt.ovirt_auth": {"state": "present"}}
    logout = {
        "name": "Sign out",
        "ovirt.ovirt.ovirt_auth": {"state": "absent", "ovirt_auth": "{{ ovirt_auth }}"},
    }
    tasks = [
        login,
        _task("ovirt_vm_info", "vms", pattern="name=web* and cluster=Default"),
        _task("ovirt_vm_info", "followed", pattern="name=web01", follow=["disk_attachments.disk"]),
        _task("ovirt_disk_info", "disks", pattern="name=web01_data"),
        _task("ovirt_snapshot_info", "snaps", vm="web01"),
        _task("ovirt_vm_info", "ovf", pattern="name=web01", all_content=True, current_cd=True),
        {"name": "Keep the results", **dump},
        logout,
    ]
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    play[0]["vars"] = {"ansible_python_interpreter": sys.executable}
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump(play), encoding="utf-8")
    _run("ansible-playbook", [str(book)], _environment(lab, tmp_path))
    vms, followed, disks, snaps, ovf = json.loads((tmp_path / "out").read_text(encoding="utf-8"))
    assert [vm["name"] for vm in vms["ovirt_vms"]] == ["web01"]
    assert vms["ovirt_vms"][0]["status"] == "up"
    attachments = followed["ovirt_vms"][0]["disk_attachments"]
    assert {one["disk"]["alias"] for one in attachments} == {"web01_system", "web01_data"}
    assert disks["ovirt_disks"][0]["provisioned_size"] == 64 << 20
    kinds = {one["snapshot_type"]: one["description"] for one in snaps["ovirt_snapshots"]}
    assert kinds == {"active": "Active VM", "regular": "nightly"}
    data = ovf["ovirt_vms"][0]["initialization"]["configuration"]["data"]
    assert "ovf:Envelope" in data
    assert lab.control().writes() == []
    assert [one for one in lab.control().requests() if one.status >= 400] == []


def test_inventory_plugin(lab: Lab, tmp_path: Path) -> None:
    config = {
        "plugin": "ovirt.ovirt.ovirt",
        "ovirt_url": lab.url,
        "ovirt_username": ADMIN[0],
        "ovirt_password": ADMIN[1],
        "ovirt_cafile": str(lab.identity.ca_file),
        "ovirt_query_filter": {"search": "tag=backup", "case_sensitive": False},
        "keyed_groups": [{"key": "cluster", "prefix": "cluster"}, {"key": "tags", "prefix": "tag"}],
        "compose": {"ansible_host": "(devices.values() | list)[0][0] if devices else ''"},
    }
    source = tmp_path / "lab.ovirt.yml"
    source.write_text(yaml.safe_dump(config), encoding="utf-8")
    text = _run("ansible-inventory", ["-i", str(source), "--list"], _environment(lab, tmp_path))
    found = _plain(json.loads(text))
    hosts = found["_meta"]["hostvars"]
    names = sorted(host["name"] for host in hosts.values())
    assert names == ["db01", "web01"]
    web = next(host for host in hosts.values() if host["name"] == "web01")
    assert web["id"] == lab.vm("web01").id
    assert web["cluster"] == "Default"
    assert web["ansible_host"] == "127.0.0.1"
    assert web["statistics"]["memory.installed"] == float(1 << 30)
    assert sorted(found["tag_backup"]["hosts"]) == sorted(found["cluster_Default"]["hosts"])
