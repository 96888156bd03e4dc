# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The permits that a user needs, and which of them are missing (docs/engine.md#permits).

A permit applies to an object if it was granted on the object itself or on something above it. A
disk also gets permits from a VM that holds it, but the engine considers only one holder: with two,
its choice is arbitrary, and an attached disk snapshot gives a disk two holders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Cluster,
        Disk,
        Domain,
        Location,
        Vm,
    )

SYSTEM = "system"
"""Stands for the whole engine in place of an object's id."""

ANYTHING = "any object"
SOURCE = "source VM"
APPLIANCE = "appliance"
DISK = "disk"
DOMAIN = "storage domain"
CLUSTER = "cluster"
PROPERTIES = "cluster of a VM with custom properties"
THE_ENGINE = "the whole engine"
RECEIVER = "VM that gets the disks"

MISSING = "missing"
UNCERTAIN = "uncertain: comes through a VM only"

PLAYBOOK = "ovirt_community.backup.permissions"


@dataclass(frozen=True)
class Need:
    """A permit, the kind of object it is needed on, the calls that require it, and why.

    ``grant_on`` says where a role with it may be granted.
    """

    permit: str
    kind: str
    calls: tuple[str, ...]
    sentence: str
    grant_on: str


NEEDS: tuple[Need, ...] = (
    Need(
        "login",
        ANYTHING,
        ("every call of the API",),
        "Without it, the engine gives a token, but answers every call with 401.",
        "any object",
    ),
    Need(
        "manipulate_vm_snapshots",
        SOURCE,
        ("POST vms/SOURCE/snapshots", "DELETE vms/SOURCE/snapshots/SNAPSHOT"),
        "The backup creates the snapshot of the source VM, and removes it at the end.",
        "the source VM, its cluster or its data centre",
    ),
    Need(
        "configure_vm_storage",
        APPLIANCE,
        ("POST vms/APPLIANCE/diskattachments", "DELETE vms/APPLIANCE/diskattachments/DISK"),
        "The backup attaches disk snapshots to the appliance, and detaches them after the copy.",
        "the appliance, its cluster or its data centre",
    ),
    Need(
        "attach_disk",
        DISK,
        ("POST vms/APPLIANCE/diskattachments",),
        "The backup attaches a snapshot of each disk of the source VM.",
        "the disk, its storage domain or its data centre",
    ),
)
"""All permits that a backup needs. Docs and playbooks/permissions.yml are compared with them."""

RESTORE_NEEDS: tuple[Need, ...] = (
    NEEDS[0],
    Need(
        "create_disk",
        DOMAIN,
        ("POST disks",),
        "The restore creates the new disks. A user who creates a disk may describe, attach and remove it.",
        "the storage domain or its data centre",
    ),
    Need(
        "configure_vm_storage",
        APPLIANCE,
        ("POST vms/APPLIANCE/diskattachments", "DELETE vms/APPLIANCE/diskattachments/DISK"),
        "The restore attaches the new disks to the appliance, and detaches them after the writing.",
        "the appliance, its cluster or its data centre",
    ),
    Need(
        "create_vm",
        CLUSTER,
        ("POST vms",),
        "The restore creates the new VM. A user who creates a VM may attach disks to it, start and remove it.",
        "the cluster or its data centre",
    ),
    Need(
        "import_export_vm",
        THE_ENGINE,
        ("POST vms",),
        "The restore imports the VM's configuration. The engine checks this permit only on the system, not on a cluster or"
        " a data centre. It is an administrator's permit.",
        "the system",
    ),
    Need(
        "change_vm_custom_properties",
        PROPERTIES,
        ("POST vms",),
        "The restore imports custom properties, if the VM has some. It is an administrator's permit.",
        "the cluster, its data centre or the system",
    ),
    Need(
        "configure_vm_storage",
        RECEIVER,
        ("POST vms/VM/diskattachments",),
        "A restore of disks attaches them to this VM.",
        "the VM, its cluster or its data centre",
    ),
)
"""All permits that a restore needs. Not every restore involves every place."""

READING = (
    "No extra permit. The engine shows VMs, disks, snapshots and the configuration (OVF) to users with a role"
    " on the object or above it that has one of these permits; login alone is not enough. It shows events to"
    " users with any user role, also with only login, on the VM, its cluster or its data centre. A role on the"
    " system, a disk or a storage domain shows no events."
)

PERMITS: tuple[str, ...] = tuple(need.permit for need in NEEDS)


@dataclass(frozen=True)
class Permission:
    """A user's role on an object, or on ``SYSTEM``."""

    role_id: str
    object_id: str


@dataclass(frozen=True)
class Grant:
    """What a user may do on an object and on everything below it."""

    object_id: str
    permits: frozenset[str]


@dataclass(frozen=True)
class GrantPlace:
    """An object that permits are needed on, and the objects from which it inherits them.

    ``through`` are those it inherits from only while the engine considers the VM that they belong
    to.
    """

    kind: str
    id: str
    name: str
    reach: frozenset[str]
    through: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Missing:
    """A permit that was not found, or may be lost: ``MISSING`` or ``UNCERTAIN``."""

    need: Need
    place: GrantPlace
    certainty: str = MISSING


EVERYWHERE = GrantPlace(ANYTHING, "", "", frozenset())
"""Where ``ANYTHING`` is asked for."""

THE_SYSTEM = GrantPlace(THE_ENGINE, "", "", frozenset((SYSTEM,)))
"""The place of permits that count only if they were granted on the system."""


def grants(
    permissions: Iterable[Permission], permits: Mapping[str, Iterable[str]]
) -> tuple[Grant, ...]:
    """Join a user's permissions with the permits of their roles, by role id."""
    return tuple(
        Grant(one.object_id, frozenset(permits.get(one.role_id, ()))) for one in permissions
    )


def vm_place(kind: str, vm: Vm, location: Location) -> GrantPlace:
    """Return the place of a VM: it inherits from its cluster, its data centre and the system."""
    above = (vm.id, vm.cluster_id, location.data_center_id)
    return GrantPlace(kind, vm.id, vm.name, _ids(*above))


def domain_place(domain: Domain, location: Location) -> GrantPlace:
    """Return the place of a storage domain: it inherits from its data centre and the system."""
    return GrantPlace(DOMAIN, domain.id, domain.name, _ids(domain.id, location.data_center_id))


def cluster_place(cluster: Cluster, kind: str = CLUSTER) -> GrantPlace:
    """Return the place of a cluster: it inherits from its data centre and the system."""
    return GrantPlace(kind, cluster.id, cluster.name, _ids(cluster.id, cluster.data_center_id))


def disk_place(disk: Disk, holder: Vm, location: Location) -> GrantPlace:
    """Return the place of a disk: it inherits from its storage domain, its data centre and the system.

    A direct LUN has no storage domain and inherits from the system alone.
    """
    if disk.storage_type == "lun":
        return GrantPlace(DISK, disk.id, disk.alias, _ids(disk.id))
    above = (disk.id, disk.storage_domain_id, location.data_center_id)
    through = frozenset((holder.id, holder.cluster_id)) - {""}
    return GrantPlace(DISK, disk.id, disk.alias, _ids(*above), through)


def _ids(*objects: str) -> frozenset[str]:
    return frozenset((*objects, SYSTEM)) - {""}


def missing(
    needs: Iterable[Need], given: Sequence[Grant], places: Sequence[GrantPlace]
) -> tuple[Missing, ...]:
    """Find the permits that are needed on these places and were not granted."""
    return tuple(
        Missing(need, place, certainty)
        for need in needs
        for place in places
        if place.kind == need.kind
        for certainty in _certainty(need, given, place)
    )


def _certainty(need: Need, given: Sequence[Grant], place: GrantPlace) -> tuple[str, ...]:
    """Return what is wrong with a permit: nothing, or one word."""
    where = {grant.object_id for grant in given if need.permit in grant.permits}
    if where & place.reach or (where and need.kind == ANYTHING):
        return ()
    return (UNCERTAIN,) if where & place.through else (MISSING,)


def problems(found: Iterable[Missing]) -> list[str]:
    """Say which permits are certainly missing, and what to grant where."""
    return [
        f"The user lacks the permit {need.permit} on {_named(need, places)}. {need.sentence}"
        f" The permit is needed for {' and '.join(need.calls)}. {_remedy(need)}"
        for need, places in _by_need(found, MISSING).items()
    ]


def warnings(found: Iterable[Missing]) -> list[str]:
    """Say which permits may be lost while a disk is attached to two VMs."""
    return [
        f"The user has the permit {need.permit} on {_named(need, places)} through a VM only. While"
        " a disk is attached to two VMs the engine asks an arbitrary one of them, and"
        f" {' and '.join(need.calls)} may be refused. {_remedy(need)}"
        for need, places in _by_need(found, UNCERTAIN).items()
    ]


def _by_need(found: Iterable[Missing], certainty: str) -> dict[Need, list[GrantPlace]]:
    grouped: dict[Need, list[GrantPlace]] = {}
    for one in found:
        if one.certainty == certainty:
            grouped.setdefault(one.need, []).append(one.place)
    return grouped


def _named(need: Need, places: Sequence[GrantPlace]) -> str:
    if need.kind in (ANYTHING, THE_ENGINE):
        return need.kind
    return f"{need.kind} " + ", ".join(f"{place.name!r} ({place.id})" for place in places)


def _remedy(need: Need) -> str:
    grant = f"Grant a role with {need.permit} on {need.grant_on}"
    if need not in NEEDS:
        return f"{grant}; the playbook {PLAYBOOK}, with restore_user, makes roles that suffice and grants them."
    return f"{grant}; the playbook {PLAYBOOK} creates and grants a sufficient role."
