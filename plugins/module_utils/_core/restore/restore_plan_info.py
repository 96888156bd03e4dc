# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore would make, and every problem, decided before anything is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import permissions
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    Cluster,
    Domain,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import (
    disk_image_restore,
    losses,
    restore_marks,
    restored_vm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import rules
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.setup import identity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.ovf import (
        Configuration,
        OvfDisk,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine import model
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        Location,
        Vm,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.manifest import (
        Manifest,
        ManifestDisk,
    )

VM = "vm"
DISKS = "disks"

ABSENT = "absent"
INCOMPLETE = "incomplete"
FINISHED = "finished"
TAKEN = "taken"

EXTENT = 128 * 1024 * 1024
"""On block storage, the size of a logical volume is a multiple of this many bytes (vdsm's
VG_EXTENT_SIZE_MB)."""

NAME_LIMIT = 64
"""The longest VM name that every engine accepts, in characters."""

ALIAS_LIMIT = 255
"""The longest disk name that every engine accepts, in characters: the size of its column
``disk_alias``."""

_NO_CLUSTER = Cluster("", "", "")
_NO_DOMAIN = Domain("", "", "", "")


@dataclass(frozen=True)
class Wishes:
    """What is to be different from the original.

    Attributes:
        name: Name of the new VM; empty for the default.
        cluster: Name or id; empty for the one in the set.
        storage_domain: Name or id, for disks that are not in the map.
        storage_domains: By name or id of a disk.
        vnic_profiles: ``network/profile`` by name of a card or by its ``network/profile``; an empty
            text disconnects.
        keep_identity: Same id and MAC addresses as the original, which must be gone.
        keep_disk_ids: A new disk gets the id of the original if that is gone.
        test: It is a test restore: another default name, and cards that are not in the map are not
            connected.
    """

    name: str = ""
    cluster: str = ""
    storage_domain: str = ""
    storage_domains: Mapping[str, str] = field(default_factory=dict)
    vnic_profiles: Mapping[str, str] = field(default_factory=dict)
    keep_identity: bool = False
    test: bool = False
    keep_disk_ids: bool = True


@dataclass(frozen=True)
class RestoreRequest:
    """The request of ``restore_plan_info``.

    Attributes:
        what: ``VM``, or ``DISKS`` for disks alone.
        disks: Ids of the wanted disks; empty means all.
        vm: The VM that gets the disks if disks alone are restored; may be empty.
        machine_id: UUID in the firmware of the appliance's host, see ``identity``; None: not
            compared.
    """

    appliance: str
    owner: str
    manifest: Manifest
    ovf: str
    what: str = VM
    disks: tuple[str, ...] = ()
    vm: str = ""
    wishes: Wishes = field(default_factory=Wishes)
    check_permissions: bool = True
    machine_id: str | None = None
    identity: str = identity.COMPARE


@dataclass(frozen=True)
class Unfinished:
    """Another restore that did not finish, or a test that was kept.

    Attributes:
        run_id: Run id of the set.
        disks: Names of its disks.
    """

    restore_id: str
    run_id: str
    disks: tuple[str, ...]


def unfinished(
    mine: restore_marks.Mark, originals: Collection[str], found: Iterable[model.Disk]
) -> tuple[Unfinished, ...]:
    """Return other restores of the same owner that left incomplete disks of the same originals."""
    by_restore: dict[tuple[str, str], list[str]] = {}
    for disk in found:
        read = restore_marks.parse(disk.description)
        if read is None or not read.incomplete or read.disk_id not in originals:
            continue
        if read.mark.owner == mine.owner and read.mark != mine:
            key = (read.mark.restore_id, read.mark.run_id)
            by_restore.setdefault(key, []).append(disk.alias)
    return tuple(
        Unfinished(*key, tuple(sorted(names))) for key, names in sorted(by_restore.items())
    )


@dataclass(frozen=True)
class RestoreTarget:
    """The engine's present state.

    Attributes:
        clusters: Clusters of the appliance's data centre.
        domains: Storage domains of the appliance's data centre.
        profiles: ``network/profile`` that a card in the chosen cluster can have.
        original: The VM with the id of the source, if it exists.
        namesake: The VM that has the wanted name now.
        state: State of this restore: ``ABSENT``, ``INCOMPLETE``, ``FINISHED``; or ``TAKEN`` if
            another VM has the name.
        homes: Storage domain ids of the original disks, as far as they exist.
        free_ids: Ids of original disks that are gone, as far as this user sees, or were used again
            by this restore.
        profiles_at: Storage domain ids of the original disks' profiles, as far as they exist.
        grants: What the user may do, None if it was not read.
        receiver: The VM that gets the disks if disks alone are restored.
        receiver_place: The data centre and cluster of that VM.
        begun: Bytes occupied by disks that an earlier run of this restore made, by ids of their
            originals.
        lacking: Names of disks that a finished VM no longer has.
        unfinished: Other restores of the same disks that did not finish.
    """

    appliance: Vm
    place: Location
    clusters: tuple[Cluster, ...]
    domains: tuple[Domain, ...]
    profiles: frozenset[str]
    original: Vm | None = None
    namesake: Vm | None = None
    state: str = ABSENT
    homes: Mapping[str, str] = field(default_factory=dict)
    free_ids: frozenset[str] = frozenset()
    profiles_at: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[permissions.Grant, ...] | None = None
    receiver: Vm | None = None
    receiver_place: Location | None = None
    begun: Mapping[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()


def wanted_name(request: RestoreRequest) -> str:
    """Return the name of the new VM."""
    if request.wishes.name:
        return request.wishes.name
    original = request.manifest.vm.name
    if request.wishes.keep_identity:
        return original
    return _other_name(original, request, NAME_LIMIT)


def disk_name(disk: ManifestDisk, request: RestoreRequest) -> str:
    """Return the name of a new disk. If disks alone are restored, it differs from the original's, which may exist."""
    return _other_name(disk.alias, request, ALIAS_LIMIT) if request.what == DISKS else disk.alias


def _other_name(original: str, request: RestoreRequest, limit: int) -> str:
    when = request.manifest.started[:19].replace("-", "").replace(":", "")
    suffix = f"-{'test' if request.wishes.test else 'restored'}-{when}Z"
    return original[: limit - len(suffix)] + suffix


def restore_id(request: RestoreRequest) -> str:
    """Return the id of this restore."""
    where = wanted_name(request) if request.what == VM else request.vm
    return restore_marks.name(
        (
            *(request.owner, request.what, where, str(request.wishes.keep_identity)),
            *(request.manifest.vm.id, request.manifest.run_id, *sorted(request.disks)),
            *(["test"] if request.wishes.test else []),
        )
    )


def chosen_cluster(request: RestoreRequest, clusters: Sequence[Cluster]) -> Cluster | None:
    """Return the requested cluster, else the one that the VM was in; None if it does not exist."""
    word = request.wishes.cluster or request.manifest.vm.cluster
    if not word and len(clusters) == 1:
        return clusters[0]
    return next((one for one in clusters if word in (one.id, one.name)), None)


@dataclass(frozen=True)
class _Pair:
    """A disk of the set, with what the configuration says of it."""

    disk: ManifestDisk
    device: OvfDisk


def _pairs(request: RestoreRequest, configuration: Configuration) -> list[_Pair]:
    devices = {one.disk_id: one for one in configuration.disks}
    wanted = disk_image_restore.select(request.manifest, request.disks)
    return [_Pair(disk, devices[disk.id]) for disk in wanted]


def result(
    request: RestoreRequest, configuration: Configuration, target: RestoreTarget
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the whole plan with its problems, and the warnings."""
    cluster = chosen_cluster(request, target.clusters)
    pairs = _pairs(request, configuration)
    domains = {pair.disk.id: _domain(request, target, pair.disk) for pair in pairs}
    cards = connections(request, configuration)
    found: dict[str, Any] = {
        "restore_id": restore_id(request),
        "owner": request.owner,
        "run_id": request.manifest.run_id,
        "what": request.what,
        "name": wanted_name(request) if request.what == VM else None,
        "state": target.state,
        "vm": _vm_dict(target),
        "source_vm": {"id": request.manifest.vm.id, "name": request.manifest.vm.name},
        "appliance": {"id": target.appliance.id, "name": target.appliance.name},
        "cluster": asdict(cluster) if cluster else None,
        "keep_identity": request.wishes.keep_identity,
        "vnic_profiles": cards,
        "nics": [
            {
                "name": nic.name,
                "was": nic.connection,
                "will_be": cards.get(nic.name, nic.connection),
            }
            for nic in configuration.nics
        ],
        "disks": list(_orders(request, target, domains, pairs, _profiles(configuration))),
        "receiver": _receiver_dict(request, target),
        "required_bytes": sum(_needed(pair) for pair in pairs),
        "left_out": _left_out(request.manifest, configuration),
        "unfinished": [asdict(one) for one in target.unfinished],
    }
    found["losses"] = [asdict(one) for one in _losses(request, configuration, found["disks"])]
    found["problems"] = list(_problems(request, configuration, target, domains))
    return found, tuple(_warnings(request, configuration, target, found))


def _orders(
    request: RestoreRequest,
    target: RestoreTarget,
    domains: Mapping[str, Domain | None],
    pairs: Iterable[_Pair],
    profiles: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    free = target.free_ids if request.wishes.keep_disk_ids else frozenset()
    for pair in pairs:
        wanted = order(pair.disk, pair.device, domains[pair.disk.id])
        names = {"alias": disk_name(pair.disk, request), "source_alias": pair.disk.alias}
        profile = profiles.get(pair.disk.id, "")
        fits = bool(profile) and target.profiles_at.get(profile) == wanted["storage_domain"]
        more = {"keep_id": pair.disk.id in free, "disk_profile": profile if fits else ""}
        yield {**wanted, **names, **more}


def _profiles(configuration: Configuration) -> Mapping[str, str]:
    """Return the ids of the original disks' profiles, by disk id."""
    return configuration.beside.disk_profiles if configuration.beside else {}


def _losses(
    request: RestoreRequest,
    configuration: Configuration,
    orders: Sequence[Mapping[str, Any]],
) -> Iterator[losses.Loss]:
    profiles = _profiles(configuration)
    devices = {one.disk_id: one for one in configuration.disks}
    if request.what == VM:
        yield from losses.of_vm(configuration)
    yield from losses.of_ids(orders, configuration.os)
    for one in orders:
        yield from losses.of_disk(devices[one["disk_id"]], one)
        profile = profiles.get(one["disk_id"], "")
        if profile != one["disk_profile"]:
            yield losses.of_profile(profile, one)


def _vm_dict(target: RestoreTarget) -> dict[str, Any] | None:
    if target.namesake is None or target.state == TAKEN:
        return None
    return {"id": target.namesake.id, "name": target.namesake.name}


def _receiver_dict(request: RestoreRequest, target: RestoreTarget) -> dict[str, Any] | None:
    if request.what != DISKS or target.receiver is None:
        return None
    return {"id": target.receiver.id, "name": target.receiver.name}


def order(disk: ManifestDisk, device: OvfDisk, domain: Domain | None) -> dict[str, Any]:
    """Return a disk to be made, in the form that the modules pass on."""
    block = domain is not None and domain.block
    # On block storage the guest would see a whole number of extents, more bytes than the disk had.
    raw = device.format == "raw" and not (block and disk.virtual_size % EXTENT)
    # The engine allows incremental backup only with qcow2, and preallocated qcow2 only with incremental backup
    # (ImagesHandler.checkImageConfiguration).
    incremental = device.incremental and not raw
    discards = domain is None or (domain.discards and not (block and device.wipe_after_delete))
    return {
        "disk_id": disk.id,
        "alias": disk.alias,
        "size": disk.virtual_size,
        "format": "raw" if raw else "qcow2",
        # No engine has thin raw disks on block storage.
        "sparse": (device.sparse and not block) if raw else (device.sparse or not incremental),
        # On block storage a raw disk is a new logical volume, which vdsm does not zero (blockVolume.py, _create).
        "blank": not (raw and block),
        "storage_domain": domain.id if domain else "",
        "storage_domain_name": domain.name if domain else "",
        "interface": disk.interface,
        "bootable": disk.bootable,
        "read_only": device.read_only,
        "pass_discard": device.pass_discard and discards,
        "active": device.active,
        "wipe_after_delete": device.wipe_after_delete,
        "incremental": incremental,
    }


def _left_out(manifest: Manifest, configuration: Configuration) -> list[dict[str, str]]:
    known = {disk.id for disk in manifest.disks}
    return [
        {"disk_id": one.disk_id, "alias": one.alias, "reason": "the set has no image of it"}
        for one in configuration.disks
        if one.disk_id not in known
    ]


def connections(request: RestoreRequest, configuration: Configuration) -> dict[str, str]:
    """Return the new connection of each network card that has one, by the card's name."""
    wishes = request.wishes.vnic_profiles
    found = {}
    for nic in configuration.nics:
        words = [word for word in (nic.name, nic.connection, nic.network) if word in wishes]
        if words:
            found[nic.name] = wishes[words[0]]
        elif request.wishes.test:
            found[nic.name] = ""
    return found


def _asked_domain(request: RestoreRequest, disk: ManifestDisk) -> str:
    """Return the name or id of the requested storage domain; empty for none."""
    maps = request.wishes.storage_domains
    return maps.get(disk.id) or maps.get(disk.alias) or request.wishes.storage_domain


def _domain(request: RestoreRequest, target: RestoreTarget, disk: ManifestDisk) -> Domain | None:
    """Return the requested storage domain, else that of the original, else the only one."""
    word = _asked_domain(request, disk)
    if word:
        return next((one for one in target.domains if word in (one.id, one.name)), None)
    usable = [one for one in target.domains if one.usable]
    home = next((one for one in usable if one.id == target.homes.get(disk.id)), None)
    return home or (usable[0] if len(usable) == 1 else None)


def _needed(pair: _Pair) -> int:
    """Return the least bytes that a new disk occupies: all of a thick one, else what the image stores."""
    thick = not pair.device.sparse and (pair.device.format == "raw" or pair.device.incremental)
    return pair.disk.virtual_size if thick else min(pair.disk.bytes_stored, pair.disk.virtual_size)


def _problems(
    request: RestoreRequest,
    configuration: Configuration,
    target: RestoreTarget,
    domains: Mapping[str, Domain | None],
) -> Iterator[str]:
    for violation in rules.appliance_ready(target.appliance):
        yield f"{violation.message} {violation.rule.remedy}"
    yield from _identity(request, target, fatal=True)
    if request.what == VM:
        yield from _vm_problems(request, target)
        yield from _network_problems(request, configuration, target)
    elif request.vm:
        yield from _receiver_problems(request, configuration, target)
    yield from _domain_problems(request, target, domains)
    if target.state != FINISHED:
        yield from _space_problems(_pairs(request, configuration), target.begun, domains)
    lacking = missing_permits(request, target, domains, configuration.custom_properties)
    yield from permissions.problems(lacking)


def _identity(request: RestoreRequest, target: RestoreTarget, *, fatal: bool) -> Iterator[str]:
    """Yield why the inventory's host may not be the appliance: only fatal doubts, or only the others."""
    if request.machine_id is None:
        return
    found = identity.doubt(request.machine_id, target.appliance.id, request.identity)
    if found is not None and found.fatal is fatal:
        yield f"{found.message} {found.remedy}"


def _vm_problems(request: RestoreRequest, target: RestoreTarget) -> Iterator[str]:
    name = wanted_name(request)
    if target.state == TAKEN:
        yield (
            f"A VM {name!r} exists already and was not created by this restore. Existing VMs are never overwritten. Choose another {option('name')}."
        )
    if target.lacking:
        yield restored_vm.lacking(name, target.lacking)
    if len(name) > NAME_LIMIT:
        yield f"The name {name!r} is longer than {NAME_LIMIT} characters. Choose a shorter {option('name')}."
    same = target.namesake is not None and target.namesake.id == request.manifest.vm.id
    if request.wishes.keep_identity and target.original and not (same and target.state != TAKEN):
        yield (
            f"The original VM still exists ({target.original.name!r}, {target.original.id}), so the new VM cannot get its"
            f" id and MAC addresses. Remove the original, or do not set {option('keep_identity')}."
        )
    if chosen_cluster(request, target.clusters) is None:
        word = request.wishes.cluster or request.manifest.vm.cluster
        there = ", ".join(one.name for one in target.clusters) or "none visible to this user"
        yield (
            f"There is no cluster {word!r} in the appliance's data centre. Choose one with {option('cluster')};"
            f" there are: {there}."
        )


def _receiver_problems(
    request: RestoreRequest, configuration: Configuration, target: RestoreTarget
) -> Iterator[str]:
    """Yield why disks could be written and then not be attached to the VM that is to get them."""
    vm = target.receiver
    if vm is None:
        yield f"There is no VM {request.vm!r} to attach the disks to."
        return
    if target.state == FINISHED:
        return
    place = target.receiver_place
    if place and place.data_center_id != target.place.data_center_id:
        yield f"The VM {vm.name!r} is in another data centre than the appliance."
    if vm.status not in rules.ATTACH_STATES + rules.PASSING_STATES:
        yield f"The VM {vm.name!r} is {vm.status}: disks cannot be attached to it. Resume or stop it."
    for pair in _pairs(request, configuration):
        disk, hot = pair.disk, pair.device.active and vm.status != "down"
        if hot and not rules.can_be_plugged(disk.interface):
            yield (
                f"Disk {disk.alias!r} is on {disk.interface}, and cannot be plugged into a running VM."
                f" Stop {vm.name!r}, or restore the disk without attaching it."
            )


def _network_problems(
    request: RestoreRequest, configuration: Configuration, target: RestoreTarget
) -> Iterator[str]:
    if chosen_cluster(request, target.clusters) is None:
        return
    wanted = connections(request, configuration)
    for nic in configuration.nics:
        connection = wanted.get(nic.name, nic.connection)
        if connection and not _has_profile(target.profiles, connection):
            there = ", ".join(sorted(target.profiles)) or "none this user may use"
            yield (
                f"There is no vNIC profile {connection!r} for the card {nic.name!r}. Map it with"
                f" {option('vnic_profiles')} ({nic.name}: network/profile, or nothing to leave it unconnected);"
                f" there are: {there}."
            )


def _has_profile(profiles: frozenset[str], connection: str) -> bool:
    if "/" in connection:
        return connection in profiles
    return any(one.partition("/")[0] == connection for one in profiles)


def _domain_problems(
    request: RestoreRequest, target: RestoreTarget, domains: Mapping[str, Domain | None]
) -> Iterator[str]:
    disks = {disk.id: disk for disk in request.manifest.disks}
    there = ", ".join(one.name for one in target.domains if one.usable) or "none"
    for disk_id, domain in domains.items():
        alias, asked = disks[disk_id].alias, _asked_domain(request, disks[disk_id])
        if domain is None and asked:
            yield (
                f"There is no storage domain {asked!r} in the appliance's data centre, for disk {alias!r}. Active data domains: {there}."
            )
        elif domain is None:
            yield (
                f"No storage domain could be chosen for disk {alias!r}. Choose with {option('storage_domain')}"
                f" or {option('storage_domains')}; active data domains: {there}."
            )
        elif not domain.usable:
            yield (
                f"The storage domain {domain.name!r} is a {domain.type} domain in status"
                f" {domain.status or 'unknown'}; disk {alias!r} needs an active data domain."
            )
    known = {word for disk in request.manifest.disks for word in (disk.id, disk.alias)}
    for word in request.wishes.storage_domains:
        if word not in known:
            yield f"{option('storage_domains')} names {word!r}, which is not a disk of the set."


def _space_problems(
    pairs: Sequence[_Pair], begun: Mapping[str, int], domains: Mapping[str, Domain | None]
) -> Iterator[str]:
    needed: dict[str, int] = {}
    known: dict[str, Domain] = {}
    for pair in pairs:
        domain = domains[pair.disk.id] or _NO_DOMAIN
        more = max(0, _needed(pair) - begun.get(pair.disk.id, 0))
        needed[domain.id] = needed.get(domain.id, 0) + more
        known[domain.id] = domain
    for domain_id, count in needed.items():
        available = known[domain_id].available
        if available is not None and available < count:
            yield (
                f"The storage domain {known[domain_id].name!r} has {available} bytes available; at least {count} are needed."
            )


def missing_permits(
    request: RestoreRequest,
    target: RestoreTarget,
    domains: Mapping[str, Domain | None],
    custom_properties: bool = False,
) -> tuple[permissions.Missing, ...]:
    """Return permits that this restore needs and the user lacks.

    Args:
        custom_properties: Whether the VM has custom properties.
    """
    if target.grants is None or target.state == FINISHED:
        return ()
    places = [
        permissions.EVERYWHERE,
        permissions.vm_place(permissions.APPLIANCE, target.appliance, target.place),
    ]
    unique = {one.id: one for one in domains.values() if one}
    places += [permissions.domain_place(one, target.place) for one in unique.values()]
    if request.what == VM:
        cluster = chosen_cluster(request, target.clusters) or _NO_CLUSTER
        places += [permissions.cluster_place(cluster), permissions.THE_SYSTEM]
        if custom_properties:
            places.append(permissions.cluster_place(cluster, permissions.PROPERTIES))
    elif target.receiver is not None:
        places.append(permissions.vm_place(permissions.RECEIVER, target.receiver, target.place))
    return permissions.missing(permissions.RESTORE_NEEDS, target.grants, places)


def _warnings(
    request: RestoreRequest,
    configuration: Configuration,
    target: RestoreTarget,
    found: Mapping[str, Any],
) -> Iterator[str]:
    yield from _identity(request, target, fatal=False)
    for disk in found["left_out"]:
        yield f"Disk {disk['alias']!r} will not be restored: {disk['reason']}."
    if request.manifest.consistency.level in ("inconsistent", "crash"):
        yield f"The data of the set has the consistency {request.manifest.consistency.level!r}."
    yield from _unused_connections(request, configuration)
    if target.state == INCOMPLETE and found["problems"]:
        yield "An earlier run of this restore did not finish; what it created stays for now."
    elif target.state == INCOMPLETE:
        yield "An earlier run of this restore did not finish; this run continues it."
    for one in target.unfinished:
        yield (
            f"Another restore, {one.restore_id} of the set of run {one.run_id}, is running, did not "
            f"finish, or is a test that was kept. Its incomplete disks: {', '.join(one.disks)}. Run"
            " it again with that set, or remove what it made."
        )


def _unused_connections(request: RestoreRequest, configuration: Configuration) -> Iterator[str]:
    if request.what != VM:
        return
    cards = configuration.nics
    known = {word for nic in cards for word in (nic.name, nic.connection, nic.network)}
    for word in request.wishes.vnic_profiles:
        if word not in known:
            yield f"{option('vnic_profiles')} names {word!r}, which is not a network card of the VM."
