# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``disk_device_release``."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Union

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.devices import (
    device,
    stacks,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.machine.host import (
    Host,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    DeviceBusy,
    DeviceLost,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import (
    Plan,
    unhandled,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices import (
    disk_device_release,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.devices import (
    BlockDevice,
    DeviceFault,
    candidates,
    choose,
    ignored,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.disk_device_release import (
    Item,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.devices.stacks import (
    StackLayer,
    disks_below,
    judge,
    layers_on,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHORTEST_PATIENCE = 2.0
"""Seconds for a step that meets a short claim, even if time is up."""


@dataclass(frozen=True)
class Forget:
    """A dead device that the kernel is to remove."""

    device: BlockDevice


Step = Union[StackLayer, Forget]
Pair = tuple[str, BlockDevice]


@dataclass(frozen=True)
class View:
    """The devices at one moment, and what to do with them."""

    items: tuple[Item, ...]
    steps: tuple[Step, ...]
    disks: Mapping[str, str]
    """Kernel names of the disks, by their nodes."""
    layers: Mapping[str, StackLayer]
    warnings: tuple[str, ...] = ()

    @property
    def busy(self) -> tuple[Item, ...]:
        """The items that something uses."""
        return tuple(item for item in self.items if item.used_by)


class DiskDeviceRelease(Operation[Step]):
    """Make the appliance release disks before they are detached, or remove their devices afterwards."""

    def __init__(
        self, request: disk_device_release.ReleaseRequest, host: Host | None = None
    ) -> None:
        """Keep the request.

        Args:
            request: Which devices.
            host: The appliance; this machine by default.
        """
        self._request = request
        self._host = host or Host()
        self._finder = device.Finder(self._host)
        self._start = self._host.clock.now()
        self._view = View((), (), {}, {})

    def plan(self) -> Plan[Step]:
        """Wait until nothing uses the devices, and decide. Changes nothing.

        Raises:
            DeviceBusy: Something uses them when time is up, and the request makes that an error.
        """
        disk_device_release.check_request(self._request)
        for _waited in self._host.deadline(self._request.timeout).ticks():
            view = self._view = self._look()
            if not view.busy:
                break
        if view.busy and self._request.fail:
            raise disk_device_release.busy_error(view.busy, self._waited())
        before, after = disk_device_release.diff(view.items)
        return Plan(
            steps=view.steps,
            result=disk_device_release.result(view.items),
            before=before,
            after=after,
            warnings=view.warnings,
            waits=any(item.device for item in view.items),
        )

    def execute(self, plan: Plan[Step]) -> Mapping[str, Any]:
        """Remove what is built on the devices, and check that nothing holds them.

        Raises:
            DeviceBusy: Something does, and the request makes that an error.
        """
        against: dict[str, list[str]] = {}
        for step in plan.steps:
            for name, said in self._perform(step):
                against.setdefault(name, []).append(said)
        there = {one.path: one for one in self._finder.look()}
        items = [self._finish(item, against, there) for item in self._view.items]
        busy = [item for item in items if item.used_by]
        if busy and self._request.fail:
            raise disk_device_release.busy_error(busy, self._waited())
        return disk_device_release.result(items)

    def _waited(self) -> float:
        return self._host.clock.now() - self._start

    # ----- deciding -----------------------------------------------------------------------------

    def _look(self) -> View:
        serials = self._request.serials
        devices = self._finder.look()
        faults = self._finder.faults(devices, serials)
        if self._request.state == disk_device_release.ABSENT:
            pairs = [(serial, one) for serial in serials for one in candidates(devices, serial)]
            return self._view_of(pairs, faults, ())
        chosen = {
            serial: one for serial in serials for one in _chosen(devices, serial, faults) if one
        }
        return self._view_of(list(chosen.items()), {}, ignored(devices, chosen, faults))

    def _view_of(
        self, pairs: Sequence[Pair], faults: Mapping[str, DeviceFault], warnings: tuple[str, ...]
    ) -> View:
        """Decide what to do with these devices. ``faults`` matter only for devices that are to be removed."""
        names = frozenset(one.name for _serial, one in pairs)
        built = stacks.stacks(self._host.paths, names)
        gone = self._request.state == disk_device_release.ABSENT
        stays = {one.name: self._stays(one, faults) for _serial, one in pairs} if gone else {}
        verdict = judge(replace(built, uses=_with(built.uses, stays)), frozenset(names))
        forget = [Forget(one) for _serial, one in pairs if gone and one.name not in verdict.busy]
        items = [_item(serial, one, built.layers, verdict.busy, gone=gone) for serial, one in pairs]
        absent = [Item(one) for one in self._request.serials if one not in dict(pairs)]
        order = {serial: number for number, serial in enumerate(self._request.serials)}
        return View(
            items=tuple(sorted((*items, *absent), key=lambda item: order[item.serial])),
            steps=(*verdict.steps, *forget),
            disks={one.path: one.name for _serial, one in pairs},
            layers=built.layers,
            warnings=warnings,
        )

    def _stays(self, one: BlockDevice, faults: Mapping[str, DeviceFault]) -> str:
        """Return why a device that should be gone must not be removed; empty if it may be."""
        fault = faults.get(one.name)
        if fault is None or not fault.dead:
            return "still there, and not dead"
        if not stacks.can_delete(self._host.paths, one.name):
            return f"dead ({fault.said}), but the kernel offers no way to remove it"
        return ""

    # ----- doing --------------------------------------------------------------------------------

    def _perform(self, step: Step) -> list[tuple[str, str]]:
        """Take one step; return the errors, by kernel name of the disk."""
        if isinstance(step, StackLayer):
            said = self._patiently(lambda: stacks.take_down(self._host.paths, step))
            disks = sorted(disks_below(self._view.layers, step.name)) if said else []
            return [(name, f"{step.title} could not be deactivated: {said}") for name in disks]
        if not isinstance(step, Forget):
            unhandled(step)
        one = step.device
        faults = device.Finder(self._host).faults([one], one.serials)
        if self._stays(one, faults):
            return [(one.name, f"not removed: {self._stays(one, faults)}")]
        said = self._patiently(lambda: stacks.delete_disk(self._host.paths, one.name))
        return [(one.name, f"could not be removed: {said}")] if said else []

    def _patiently(self, order: Callable[[], None]) -> str:
        """Repeat an order while the device is busy; return why it failed, empty if it did not."""
        left = max(self._request.timeout - self._waited(), _SHORTEST_PATIENCE)
        said = 0
        for _waited in self._host.deadline(left).ticks():
            said = _try(order)
            if said != errno.EBUSY:
                break
        return os.strerror(said) if said else ""

    def _finish(
        self,
        item: Item,
        against: Mapping[str, Sequence[str]],
        there: Mapping[str, BlockDevice],
    ) -> Item:
        """Add what prevented the release; check that nothing holds the other devices."""
        path = item.device or ""
        name = self._view.disks.get(path, "")
        if name in against:
            return replace(item, used_by=tuple(against[name]), removed=())
        if item.used_by or path not in there or self._request.state == disk_device_release.ABSENT:
            return item
        try:
            device.flush(self._host, there[path], item.serial)
        except DeviceLost:
            return item
        except DeviceBusy as exc:
            return replace(item, used_by=tuple(exc.details["uses"]))
        return item


def _try(order: Callable[[], None]) -> int:
    """Give an order; return the number of its error, 0 if there is none."""
    try:
        order()
    except OSError as exc:
        return exc.errno or errno.EIO
    return 0


def _chosen(
    devices: Sequence[BlockDevice], serial: str, faults: Mapping[str, DeviceFault]
) -> list[BlockDevice | None]:
    """Return the device of a serial, even a dead one if there is no other: what holds it must go."""
    every = candidates(devices, serial)
    return [choose(devices, serial, faults) or (every[0] if len(every) == 1 else None)]


def _with(
    uses: Mapping[str, tuple[str, ...]], more: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return the uses, with one more for some devices."""
    extra = {name: (said,) for name, said in more.items() if said}
    names = {*uses, *extra}
    return {name: (*extra.get(name, ()), *uses.get(name, ())) for name in names}


def _item(
    serial: str,
    one: BlockDevice,
    layers: Mapping[str, StackLayer],
    busy: Mapping[str, tuple[str, ...]],
    *,
    gone: bool,
) -> Item:
    if one.name in busy:
        return Item(serial, one.path, used_by=busy[one.name])
    removed = [layer.title for layer in layers_on(layers, one.name)]
    return Item(serial, one.path, removed=(*removed, *((one.path,) if gone else ())))
