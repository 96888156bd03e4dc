# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: codes, severities and texts (docs/engine.md#events)."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from lab.model import BLANK_TEMPLATE, Event, Vm, World, new_id, now


@dataclass(frozen=True)
class Actor:
    """On whose behalf something happens: the user, and the correlation id of the request."""

    user: str
    correlation_id: str

    def login(self) -> str:
        """Return the user with the profile's authorisation, as events spell it."""
        return f"{self.user}-authz"


@dataclass(frozen=True)
class External:
    """What a client writes into the log; an origin uses each of its ids once."""

    description: str
    severity: str
    origin: str
    custom_id: int
    vm_id: str | None = None


def actor(user: str, correlation_id: str | None) -> Actor:
    """Return an actor; the engine invents a correlation id where the client sent none."""
    return Actor(user, correlation_id or new_id())


NORMAL, WARNING, ERROR = "normal", "warning", "error"
TEXTS: dict[int, tuple[str, str]] = {
    2016: (NORMAL, "Disk ${disk} was successfully attached to VM ${vm} by ${user}."),
    2017: (ERROR, "Failed to attach Disk ${disk} to VM ${vm} (User: ${user})."),
    2018: (NORMAL, "Disk ${disk} was successfully detached from VM ${vm} by ${user}."),
    2019: (ERROR, "Failed to detach Disk ${disk} from VM ${vm} (User: ${user})."),
    2000: (NORMAL, "VM ${vm} disk ${disk} was plugged by ${user}."),
    2001: (ERROR, "Failed to plug disk ${disk} to VM ${vm} (User: ${user})."),
    2002: (NORMAL, "VM ${vm} disk ${disk} was unplugged by ${user}."),
    2003: (ERROR, "Failed to unplug disk ${disk} from VM ${vm} (User: ${user})."),
    88: (NORMAL, "VM ${vm} ${disk} disk was updated by ${user}."),
    89: (ERROR, "Failed to update VM ${vm} disk ${disk} (User: ${user})."),
    45: (NORMAL, "Snapshot '${snapshot}' creation for VM '${vm}' was initiated by ${user}."),
    117: (ERROR, "Failed to create Snapshot ${snapshot} for VM ${vm} (User: ${user})."),
    68: (NORMAL, "Snapshot '${snapshot}' creation for VM '${vm}' has been completed."),
    69: (ERROR, "Failed to complete snapshot '${snapshot}' creation for VM '${vm}'."),
    170: (
        WARNING,
        "Failed to create live snapshot '${snapshot}' for VM '${vm}'${error}. VM restart is "
        "recommended. Note that using the created snapshot might cause data inconsistency.",
    ),
    173: (
        ERROR,
        "Failed to save memory as part of Snapshot ${snapshot} for VM ${vm} (User: ${user}).",
    ),
    342: (NORMAL, "Snapshot '${snapshot}' deletion for VM '${vm}' was initiated by ${user}."),
    343: (ERROR, "Failed to remove Snapshot ${snapshot} for VM ${vm} (User: ${user})."),
    356: (NORMAL, "Snapshot '${snapshot}' deletion for VM '${vm}' has been completed."),
    357: (ERROR, "Failed to delete snapshot '${snapshot}' for VM '${vm}'."),
    359: (
        WARNING,
        "Due to partial snapshot removal, Snapshot '${snapshot}' of VM '${vm}' now contains only the "
        "following disks: '${disks}'.",
    ),
    10764: (
        WARNING,
        "Failed to freeze guest filesystems on VM ${vm}. Note that using the created snapshot might "
        "cause data inconsistency.",
    ),
    10765: (
        WARNING,
        "Failed to thaw guest filesystems on VM ${vm}. The filesystems might be unresponsive until the "
        "VM is restarted.",
    ),
    10766: (NORMAL, "Freeze of guest filesystems on VM ${vm} was initiated."),
    10767: (NORMAL, "Guest filesystems on VM ${vm} have been frozen successfully."),
    10768: (NORMAL, "Guest filesystems on VM ${vm} have been thawed successfully."),
    10774: (
        WARNING,
        "Snapshot ${snapshot} for VM ${vm} (User: ${user}), may be inconsistent as there was a "
        "failure during creation.",
    ),
    2014: (NORMAL, "Disk ${disk} was successfully removed from domain ${domain} (User ${user})."),
    2042: (
        NORMAL,
        "Disk ${disk} associated to the VMs ${vms} was successfully removed from domain ${domain} "
        "(User ${user}).",
    ),
    2015: (WARNING, "Failed to remove disk ${disk} from storage domain ${domain} (User: ${user})."),
    10802: (ERROR, "VDSM ${host} command ${command} failed: ${message}"),
    30: (NORMAL, "User ${user} connecting from '127.0.0.1' using session '${session}' logged in."),
    34: (NORMAL, "VM ${vm} was created by ${user}."),
    53: (NORMAL, "VM ${vm} creation has been completed."),
    78: (NORMAL, "Add-Disk operation of ${disk} was initiated on VM ${vm} by ${user}."),
    97: (NORMAL, "The disk ${disk} was successfully added to VM ${vm}."),
    153: (NORMAL, "VM ${vm} was started by ${user} (Host: ${host})."),
    32: (NORMAL, "VM ${vm} started on Host ${host}"),
    33: (NORMAL, "VM ${vm} powered off by ${user} (Host: ${host})."),
    61: (NORMAL, "VM ${vm} is down. Exited with no error."),
    62: (
        NORMAL,
        "Migration started (VM: ${vm}, Source: ${host}, Destination: ${other}, User: ${user}). ",
    ),
    521: (ERROR, "Failed to complete suspending of VM ${vm}."),
    46: (NORMAL, "Snapshot-Preview ${snapshot} for VM ${vm} was initiated by ${user}."),
    71: (NORMAL, "Snapshot-Preview ${snapshot} for VM ${vm} has been completed."),
    94: (NORMAL, "Committing a Snapshot-Preview for VM ${vm} was initialized by ${user}."),
    95: (NORMAL, "Committing a Snapshot-Preview for VM ${vm} has been completed."),
    650: (NORMAL, "Undoing a Snapshot-Preview for VM ${vm} was initialized by ${user}."),
    651: (NORMAL, "Undoing a Snapshot-Preview for VM ${vm} has been completed."),
    48: (NORMAL, "Creation of Template ${template} from VM ${vm} was initiated by ${user}."),
    51: (NORMAL, "Creation of Template ${template} from VM ${vm} has been completed."),
    1162: (NORMAL, "Starting export Vm ${vm} to ${domain}"),
    1150: (NORMAL, "Vm ${vm} was exported successfully to ${domain}"),
    1223: (NORMAL, "Starting to export Vm ${vm} as a Virtual Appliance"),
    1224: (
        NORMAL,
        "Vm ${vm} was exported successfully as a Virtual Appliance to path ${path} on Host ${host}",
    ),
    1225: (
        ERROR,
        "Failed to export Vm ${vm} as a Virtual Appliance to path ${path} on Host ${host}",
    ),
    373: (
        NORMAL,
        "Disk '${disk}' from Snapshot(s) '${snapshot}' of VM '${vm}' deletion was initiated by "
        "${user}.",
    ),
    375: (
        NORMAL,
        "Disk '${disk}' from Snapshot(s) '${snapshot}' of VM '${vm}' deletion has been completed "
        "(User: ${user}).",
    ),
    376: (
        ERROR,
        "Failed to complete deletion of Disk '${disk}' from snapshot(s) '${snapshot}' of VM '${vm}' "
        "(User: ${user}).",
    ),
    2008: (NORMAL, "User ${user} moving disk ${disk} to domain ${domain}."),
    2010: (NORMAL, "User ${user} finished moving disk ${disk} to domain ${domain}."),
    2052: (
        WARNING,
        "Failed to perform live merge, disk ${disk} migration to storage domain ${domain} was "
        "successful.",
    ),
    501: (NORMAL, "Suspending VM ${vm} was initiated by User ${user} (Host: ${host})."),
    503: (NORMAL, "VM ${vm} on Host ${host} is suspended."),
    130: (ERROR, "Failed to complete suspending of VM ${vm}, will try again."),
    600: (NORMAL, "Host ${host} was switched to Maintenance mode by ${user}."),
    850: (
        NORMAL,
        "User/Group ${subject}, Namespace *, Authorization provider: ${authz} was granted permission "
        "for Role ${role} on ${kind} ${name}, by ${user}.",
    ),
    852: (
        NORMAL,
        "User/Group ${subject} Role ${role} permission was removed from ${kind} ${name} by ${user}",
    ),
    858: (NORMAL, "Role ${role} removed from ${user}"),
    864: (NORMAL, "Role ${role} was added by ${user}"),
    119: (ERROR, "VM ${vm} is down with error. Exit message: ${message}."),
    113: (NORMAL, "VM ${vm} was successfully removed by ${user}."),
    1165: (
        NORMAL,
        "Starting to import Vm ${vm} to Data Center ${data_centre}, Cluster ${cluster}",
    ),
    174: (NORMAL, "VM ${vm} has been successfully imported from the given configuration."),
    175: (
        WARNING,
        "VM ${vm} has been imported from the given configuration but the following disk(s) failed to "
        "attach: ${disks}.",
    ),
    9600: (
        WARNING,
        "While importing VM ${vm}, the Network/s ${networks} were found to be Non-VM Networks or do not "
        "exist in Cluster or are missing a suitable VM network interface profile. Network Name was not "
        "set in the Interface/s ${nics}.",
    ),
    925: (
        WARNING,
        "VM ${vm} has MAC address(es) ${macs}, which is/are out of its MAC pool definitions.",
    ),
    35: (NORMAL, "VM ${vm} configuration was updated by ${user}."),
    2020: (NORMAL, "Add-Disk operation of '${disk}' was initiated by ${user}."),
    2021: (NORMAL, "The disk '${disk}' was successfully added."),
}


# What only a host says: no VM, no user and no correlation id belong to it.
_OF_HOSTS = frozenset({10802})
# What is said of a VM that never ran: it has no host yet.
_OF_NEW_VMS = frozenset({34, 53, 78, 97})


def record(
    world: World,
    code: int,
    who: Actor | None,
    vm_id: str | None = None,
    domain_id: str | None = None,
    **variables: str,
) -> Event:
    """Append an event to the log. Hold the world's lock."""
    severity, text = TEXTS[code]
    vm = world.vms.get(vm_id) if vm_id else None
    values = {"vm": vm.name if vm else "", "user": who.login() if who else "", "error": ""}
    alone = code in _OF_HOSTS
    subjects = _subjects(world, who, vm, domain_id)
    if code in _OF_NEW_VMS:
        subjects.pop("host", None)
    event = Event(
        index=world.events[-1].index + 1 if world.events else 1,
        code=code,
        severity=severity,
        description=Template(text).safe_substitute({**values, **variables}),
        correlation_id="" if alone else who.correlation_id if who else new_id(),
        time=now(),
        vm_id=None if alone else vm_id,
        user=who.user if who else None,
        subjects={k: v for k, v in subjects.items() if k == "host" or not alone},
    )
    world.events.append(event)
    return event


# The codes of what a client writes into the log, by severity.
_EXTERNAL = {"normal": 9801, "warning": 9802, "error": 9803, "alert": 9804}


def record_external(world: World, written: External) -> Event:
    """Append what a client says, about a VM or about nothing; no correlation id is kept. Hold the lock."""
    vm = world.vms.get(written.vm_id or "")
    subjects = _subjects(world, None, vm, None)
    subjects.pop("data_center", None)
    event = Event(
        index=world.events[-1].index + 1 if world.events else 1,
        code=_EXTERNAL[written.severity],
        severity=written.severity,
        description=written.description,
        correlation_id="",
        time=now(),
        vm_id=written.vm_id,
        subjects=subjects,
        origin=written.origin,
        custom_id=written.custom_id,
        flood_rate=30,
    )
    world.events.append(event)
    return event


def _subjects(
    world: World, who: Actor | None, vm: Vm | None, domain_id: str | None
) -> dict[str, tuple[str, str]]:
    """Return what an event is about: the VM and where it is, the user, and a storage domain if one is named."""
    found: dict[str, tuple[str, str]] = {}
    user = world.users.get(who.user) if who else None
    if who is not None and user is not None:
        found["user"] = (user.id, who.login())
    if domain_id is not None:
        found["storage_domain"] = (domain_id, world.domains[domain_id].name)
    if vm is None:
        return found
    cluster = world.clusters[vm.cluster_id]
    centre = world.data_centres[cluster.data_centre_id]
    found |= {"vm": (vm.id, vm.name), "template": (BLANK_TEMPLATE, "Blank")}
    found |= {"cluster": (cluster.id, cluster.name), "data_center": (centre.id, centre.name)}
    host = world.hosts.get(vm.host_id or "")
    return found if host is None else {**found, "host": (host.id, host.name)}


def record_creation(world: World, vm: Vm, who: Actor) -> None:
    """Record the creation of a VM with its disks, and its start. Hold the lock."""
    disks = [world.disks[row.disk_id] for row in world.attachments_of(vm.id)]
    domain = disks[0].domain_id if disks else None
    record(world, 34, who, vm.id, domain)
    for disk in disks:
        record(world, 78, who, vm.id, disk.domain_id, disk=disk.alias)
    record(world, 53, actor(who.user, None), vm.id, domain)
    for disk in disks:
        record(world, 97, who, vm.id, disk.domain_id, disk=disk.alias)


def record_start(world: World, vm: Vm, who: Actor) -> None:
    """Record the start of a VM. Hold the lock."""
    host = world.hosts.get(vm.host_id or "")
    name = host.name if host else ""
    record(world, 153, who, vm.id, host=name)
    record(world, 32, who, vm.id, host=name)
