# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST and PUT of a VM."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any, NoReturn

from ovirtsdk4 import types

from lab.engine import codec, present, settings
from lab.engine.codec import incomplete, query_fault
from lab.engine.commands import edits
from lab.engine.commands import imports as commands
from lab.engine.core import Call
from lab.engine.http import Response, not_found
from lab.engine.ovf import VM_INIT
from lab.engine.resources.common import created, ok, see_vm
from lab.engine.resources.vms import whole
from lab.engine.router import Route, carried_out, name_of
from lab.model import Vm, new_id

# What cloud-init gets, by the names of the API.
INITIALIZATION = (*VM_INIT, "user_name", "root_password", "cloud_init_network_protocol")
TEMPLATE = ("template.id", "template.name")
# What requests may say of a VM.
IMPORTABLE = (
    *("cluster.id", "cluster.name", "name", "description", "comment", "delete_protected"),
    *("initialization.regenerate_ids", "initialization.configuration.type"),
    "initialization.configuration.data",
)
EDITABLE = (
    *("name", "description", "comment", "memory", "cpu_shares", "os.type", "os.boot.devices"),
    *("cpu.topology.sockets", "cpu.topology.cores", "cpu.topology.threads", "bios.type"),
    *("virtio_scsi.enabled", "tpm_enabled", "stateless", "delete_protected"),
    *("custom_properties.name", "custom_properties.value"),
    *(f"initialization.{one}" for one in INITIALIZATION),
    *settings.NAMES,
)


def add_vm(call: Call) -> Response:
    """POST /vms: of a configuration, or an empty one of the blank template."""
    body = codec.read(call.request.body, types.Vm)
    if body.cluster is None or not (body.cluster.id or body.cluster.name):
        raise incomplete("Vm [cluster.id|name] required for add")
    configuration = _tree(call).find("initialization/configuration")
    if configuration is None:
        vm = _add_empty(call, body)
    else:
        text = _ovf(configuration)
        carried_out(call, body, *IMPORTABLE)
        wanted = commands.Wanted(
            _cluster_id(call, body.cluster),
            text,
            bool(body.initialization.regenerate_ids),
            body.name,
            body.description,
            body.comment,
            body.delete_protected,
        )
        vm = commands.import_vm(call, wanted)
    with call.world.lock:
        return created(call, whole(call, vm))


def _tree(call: Call) -> ET.Element:
    return ET.fromstring(call.request.body)  # noqa: S314  the SDK has read it before


def _ovf(configuration: ET.Element) -> str:
    """Return the text of a configuration; 400 when its type or the text is missing."""
    kind, text = configuration.findtext("type"), configuration.findtext("data")
    fields = [
        f"initialization.configuration.{name}"
        for name, told in (("type", kind), ("data", text))
        if not told
    ]
    if fields:
        raise incomplete(f"Vm [{', '.join(fields)}] required for add")
    return (text or "").strip()


def _add_empty(call: Call, body: types.Vm) -> Vm:
    if body.name is None:
        raise incomplete("Vm [name] required for add")
    if body.snapshots:
        raise codec.not_implemented("POST /vms", "snapshots")
    if body.template is None or not (body.template.id or body.template.name):
        raise incomplete("Vm [template.id|name] required for add")
    if body.template.id != present.BLANK and body.template.name != "Blank":
        _from_template(call, body.template)
    carried_out(call, body, "cluster.id", "cluster.name", *TEMPLATE, *EDITABLE)
    cluster_id = _cluster_id(call, body.cluster)
    if cluster_id not in call.world.clusters:
        raise query_fault(404, "Entity not found: GetClusterById")
    vm = Vm(new_id(), body.name, cluster_id)
    edits.make(call, vm, _edit(call, body))
    return vm


def _from_template(call: Call, given: types.Template) -> NoReturn:
    with call.world.lock:
        rows = call.world.templates.values()
        if any(given.id == row.id or given.name == row.name for row in rows):
            raise codec.not_implemented(name_of(call), "a template that is not Blank")
    raise not_found()


def _cluster_id(call: Call, given: types.Cluster) -> str:
    if given.id:
        return codec.uuid_or_400(given.id)
    with call.world.lock:
        named = [one.id for one in call.world.clusters.values() if one.name == given.name]
    if not named:
        raise query_fault(404, f"Entity not found: Cluster: name={given.name}")
    return named[0]


def update_vm(call: Call, vm_id: str) -> Response:
    """PUT /vms/{id}."""
    body = codec.read(call.request.body, types.Vm)
    carried_out(call, body, "id", *EDITABLE)
    with call.world.lock:
        vm = see_vm(call, vm_id)
    if body.id is not None and body.id != vm_id:
        raise codec.immutable("id")
    edits.update(call, vm, _edit(call, body))
    with call.world.lock:
        return ok(whole(call, vm))


def _edit(call: Call, body: types.Vm) -> edits.Edit:
    """Return what a request says of a VM."""
    return edits.Edit(
        fields={name: value for name, value in _fields(body).items() if value is not None},
        settings=settings.of_body(_tree(call)),
        initialization=_initialization(body.initialization),
    )


def _fields(body: types.Vm) -> dict[str, Any]:
    topology = body.cpu.topology if body.cpu and body.cpu.topology else types.CpuTopology()
    boot = body.os.boot.devices if body.os and body.os.boot else None
    return {
        "name": body.name,
        "description": body.description,
        "comment": body.comment,
        "memory": body.memory,
        "sockets": topology.sockets,
        "cores": topology.cores,
        "threads": topology.threads,
        "cpu_shares": body.cpu_shares,
        "os": body.os.type if body.os else None,
        "boot": boot[0].value if boot else None,
        "chipset": body.bios.type.value if body.bios and body.bios.type else None,
        "virtio_scsi": body.virtio_scsi.enabled if body.virtio_scsi else None,
        "tpm": body.tpm_enabled,
        "stateless": body.stateless,
        "delete_protected": body.delete_protected,
    }


def _initialization(given: types.Initialization | None) -> dict[str, str] | None:
    if given is None:
        return None
    told = {name: getattr(given, name) for name in INITIALIZATION}
    return {
        name: str(value).lower() if isinstance(value, bool) else str(getattr(value, "value", value))
        for name, value in told.items()
        if value is not None
    }


ROUTES = (
    Route("POST", "vms", add_vm),
    Route("PUT", "vms/{}", update_vm),
)
