# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After an import: set what the engine garbles or omits, as far as the set knows it.

A setting that the engine refuses is reported as a loss; it does not end a restore whose disks are
written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration import (
    extras,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.restore import losses
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.common.orders import (
    explain_refusal,
    retry,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.waiting import (
        Deadline,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.configuration.ovf import (
        Configuration,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
        DiskId,
        Vm,
    )
    from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.ports import (
        RestoreEngine,
    )


def apply_settings(
    engine: RestoreEngine,
    vm: Vm,
    was: Configuration,
    made: Mapping[str, DiskId],
    deadline: Deadline,
) -> Iterator[losses.Loss]:
    """Apply the original's settings to a VM that is down; yield those that could not be applied.

    Args:
        made: The new disks, by the ids of their originals.
    """
    unplugged = {nic.name for nic in was.nics if not nic.plugged}
    if unplugged:
        yield from _unplug(engine, vm, unplugged, deadline)
    if was.beside is not None:
        yield from _change(engine, vm, was.beside, deadline)
        for disk_id, profile in was.beside.disk_profiles.items():
            if disk_id in made:
                yield from _profile(engine, vm, made[disk_id], profile, deadline)


def _profile(
    engine: RestoreEngine, vm: Vm, disk_id: DiskId, profile: str, deadline: Deadline
) -> Iterator[losses.Loss]:
    """Give a disk its profile back if its storage domain has it; otherwise the plan has reported it."""
    disk = engine.disk(disk_id)
    if disk is None or disk.profile_id == profile:
        return
    if engine.profile_domain(profile) != disk.storage_domain_id:
        return

    def done() -> bool:
        found = engine.disk(disk_id)
        return found is not None and found.profile_id == profile

    failure = _tried(lambda: engine.profile_disk(vm.id, disk_id, profile), done, deadline)
    if failure:
        yield losses.refused("disk_profile", disk.alias, failure)


def _unplug(
    engine: RestoreEngine, vm: Vm, names: set[str], deadline: Deadline
) -> Iterator[losses.Loss]:
    def plugged() -> list[str]:
        return [one.id for one in engine.cards(vm.id) if one.plugged and one.name in names]

    def work() -> None:
        for card_id in plugged():
            engine.unplug_card(vm.id, card_id)

    failure = _tried(work, lambda: not plugged(), deadline)
    if failure:
        yield losses.refused("unplugged", f"card {', '.join(sorted(names))}", failure)


def _change(
    engine: RestoreEngine, vm: Vm, was: extras.Extras, deadline: Deadline
) -> Iterator[losses.Loss]:
    def texts() -> dict[str, str]:
        now = engine.extras(vm.id)
        return extras.changed(was.initialization, now.initialization) if now else {}

    def shares() -> int | None:
        now = engine.extras(vm.id)
        return was.cpu_shares if now and now.cpu_shares != was.cpu_shares else None

    # Send all texts: the engine may take one that is left out as empty.
    failure = _tried(
        lambda: engine.change_vm(vm.id, None, was.initialization), lambda: not texts(), deadline
    )
    if failure:
        yield losses.refused("cloud_init", "VM", failure)
    failure = _tried(
        lambda: engine.change_vm(vm.id, was.cpu_shares, {}), lambda: shares() is None, deadline
    )
    if failure:
        yield losses.refused("cpu_shares", "VM", failure)


def _tried(work: Callable[[], None], done: Callable[[], bool], deadline: Deadline) -> str:
    """Do the work unless it is done; return why it could not be done, empty if it is."""
    try:
        if not done():
            with explain_refusal():
                retry(work, done, deadline)
            return "" if done() else "The engine accepted the change but did not apply it."
    except BackupError as exc:
        return exc.message
    return ""
