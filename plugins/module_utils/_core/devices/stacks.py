# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built on disks, and what of it can be removed: decided from facts that others read.

LVM, multipath and MD claim a disk as soon as it appears, and hold it. What only they hold may be
removed before the disk is detached; what a person or a program uses may not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAPPED = "mapped"
ARRAY = "array"
OTHER = "other"

_LVM = "LVM-"
_GROUP_LENGTH = 32
"""Length of a volume group's UUID, which follows ``LVM-`` in the UUID of each of its volumes."""

_KINDS = {"mpath": "multipath", "CRYPT": "encrypted", "part": "partition"}
_HYPHEN = re.compile(r"(?<!-)-(?!-)")


@dataclass(frozen=True)
class StackLayer:
    """A device that is built on others.

    Attributes:
        name: Kernel name, such as ``dm-3``.
        number: ``major:minor``.
        kind: ``MAPPED`` (device mapper), ``ARRAY`` (MD) or ``OTHER``.
        title: Its name for people, with the kernel name.
        below: Kernel names of the whole disks and layers that it is built on.
        uuid: Its UUID in the device mapper; may be empty.
        label: Its name in the device mapper; may be empty.
    """

    name: str
    number: str
    kind: str
    title: str
    below: tuple[str, ...]
    uuid: str = ""
    label: str = ""

    @property
    def group(self) -> str:
        """The UUID of its volume group; empty if it is not a logical volume."""
        if not self.uuid.startswith(_LVM):
            return ""
        return self.uuid[len(_LVM) :][:_GROUP_LENGTH]


def title(name: str, label: str = "", uuid: str = "") -> str:
    """Return a layer's name for people: ``LVM volume vg/lv (dm-3)``, ``MD array md127``."""
    if uuid.startswith(_LVM):
        words = [word.replace("--", "-") for word in _HYPHEN.split(label)]
        return f"LVM volume {'/'.join(words[:2])} ({name})"
    if label:
        kind = next((said for key, said in _KINDS.items() if uuid.startswith(key)), "mapped")
        return f"{kind} device {label} ({name})"
    return f"MD array {name}" if re.fullmatch(r"md\d+|md_.+", name) else name


@dataclass(frozen=True)
class Stacks:
    """What was found on the appliance.

    Attributes:
        layers: Every layer, by kernel name.
        uses: What uses a disk or a layer, by kernel name: mounts, swap, open files.
    """

    layers: Mapping[str, StackLayer]
    uses: Mapping[str, tuple[str, ...]]


def disks_below(layers: Mapping[str, StackLayer], name: str) -> frozenset[str]:
    """Return the kernel names of the disks that a layer lies on, also through other layers."""
    seen: set[str] = set()
    disks: set[str] = set()
    todo = [name]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        if one in layers:
            todo.extend(layers[one].below)
        else:
            disks.add(one)
    return frozenset(disks)


def layers_on(layers: Mapping[str, StackLayer], disk: str) -> tuple[StackLayer, ...]:
    """Return every layer on a disk, also through other layers, in the order of their names."""
    return tuple(
        layer for name, layer in sorted(layers.items()) if disk in disks_below(layers, name)
    )


@dataclass(frozen=True)
class Verdict:
    """What to remove, topmost first, and what prevents it.

    Attributes:
        busy: By kernel name of a disk, what uses it; nothing on such a disk is touched.
    """

    steps: tuple[StackLayer, ...]
    busy: Mapping[str, tuple[str, ...]]


def judge(stacks: Stacks, asked: frozenset[str]) -> Verdict:
    """Decide what to remove from the given disks.

    If anything on a disk is in use, nothing on it is touched. That protects the appliance's own
    layers, which are mounted, swapped to or open. A layer is removed only if every disk that it
    lies on, and every disk of its volume group, is free.

    Args:
        asked: Kernel names of whole disks.
    """
    busy: dict[str, tuple[str, ...]] = {}
    while True:
        free = asked - set(busy)
        found = {disk: _against(stacks, disk, free) for disk in free}
        if not any(found.values()):
            break
        busy.update({disk: reasons for disk, reasons in found.items() if reasons})
    steps = {layer.name: layer for disk in free for layer in layers_on(stacks.layers, disk)}
    return Verdict(_from_the_top(steps), dict(sorted(busy.items())))


def _against(stacks: Stacks, disk: str, free: frozenset[str]) -> tuple[str, ...]:
    """Return what prevents the removal of everything on a disk."""
    reasons = [*stacks.uses.get(disk, ())]
    for layer in layers_on(stacks.layers, disk):
        reasons += [f"{layer.title} is {use}" for use in stacks.uses.get(layer.name, ())]
        if layer.kind == OTHER:
            reasons.append(f"held by {layer.title}")
        elsewhere = disks_below(stacks.layers, layer.name) - free
        if elsewhere:
            reasons.append(f"{layer.title} also lies on {', '.join(sorted(elsewhere))}")
        reasons += _kin(stacks, layer, free)
    return tuple(dict.fromkeys(reasons))


def _kin(stacks: Stacks, layer: StackLayer, free: frozenset[str]) -> list[str]:
    """Return volumes of the layer's group that lie on other disks: the group may be the appliance's own."""
    if not layer.group:
        return []
    return [
        f"{layer.title} is of one volume group with {other.title}, which lies on other disks"
        for other in stacks.layers.values()
        if other.group == layer.group and not disks_below(stacks.layers, other.name) <= free
    ]


def _from_the_top(layers: Mapping[str, StackLayer]) -> tuple[StackLayer, ...]:
    """Order the layers so that each comes before those that it is built on."""
    left = dict(sorted(layers.items()))
    ordered: list[StackLayer] = []
    while left:
        under = {name for layer in left.values() for name in layer.below}
        # A circle is impossible, but must not hang us: all that is left is then taken at once.
        top = [name for name in left if name not in under] or list(left)
        ordered += [left.pop(name) for name in top]
    return tuple(ordered)
