# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built on disks, and what of it nobody needs: decided from what was read.

LVM, multipath and MD take a disk that appears without being asked, and hold it. What only they
hold may be taken down before the disk is detached. What a person or a program uses may not.
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
"""Characters of a volume group's UUID in the UUID of each of its volumes, after ``LVM-``."""

_KINDS = {"mpath": "multipath", "CRYPT": "encrypted", "part": "partition"}
_HYPHEN = re.compile(r"(?<!-)-(?!-)")


@dataclass(frozen=True)
class StackLayer:
    """A device that is built on others.

    Attributes:
        name: Kernel name, such as ``dm-3``.
        number: ``major:minor``.
        kind: ``MAPPED`` (device mapper), ``ARRAY`` (MD) or ``OTHER``.
        title: What people call it, with the kernel name.
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
    """What people call a layer: ``LVM volume vg/lv (dm-3)``, ``MD array md127``."""
    if uuid.startswith(_LVM):
        words = [word.replace("--", "-") for word in _HYPHEN.split(label)]
        return f"LVM volume {'/'.join(words[:2])} ({name})"
    if label:
        kind = next((said for key, said in _KINDS.items() if uuid.startswith(key)), "mapped")
        return f"{kind} device {label} ({name})"
    return f"MD array {name}" if re.fullmatch(r"md\d+|md_.+", name) else name


@dataclass(frozen=True)
class Stacks:
    """What was read of the appliance.

    Attributes:
        layers: Every layer that there is, by kernel name.
        uses: Who uses a disk or a layer, by kernel name: mounts, swap, open files.
    """

    layers: Mapping[str, StackLayer]
    uses: Mapping[str, tuple[str, ...]]


def disks_below(layers: Mapping[str, StackLayer], name: str) -> frozenset[str]:
    """Kernel names of the disks that a layer lies on, through other layers."""
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
    """Every layer that lies on a disk, also through others, in the order of their names."""
    return tuple(
        layer for name, layer in sorted(layers.items()) if disk in disks_below(layers, name)
    )


@dataclass(frozen=True)
class Verdict:
    """What to take down, the topmost first, and what stands against it.

    Attributes:
        busy: By kernel name of a disk, what uses it; nothing on such a disk is touched.
    """

    steps: tuple[StackLayer, ...]
    busy: Mapping[str, tuple[str, ...]]


def judge(stacks: Stacks, asked: frozenset[str]) -> Verdict:
    """Decide what on the asked disks is taken down.

    A disk is free or it is not: where anything on it is used, nothing on it is touched. So nothing
    of the appliance's own is, which is mounted, swapped to or opened. A layer goes only if every
    disk that it lies on is free, and every disk of its volume group as well.

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
    """What speaks against taking down everything on a disk."""
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
    """Volumes of the same group that lie on other disks: the group may be the appliance's own."""
    if not layer.group:
        return []
    return [
        f"{layer.title} is of one volume group with {other.title}, which lies on other disks"
        for other in stacks.layers.values()
        if other.group == layer.group and not disks_below(stacks.layers, other.name) <= free
    ]


def _from_the_top(layers: Mapping[str, StackLayer]) -> tuple[StackLayer, ...]:
    """Each layer before those that it is built on."""
    left = dict(sorted(layers.items()))
    ordered: list[StackLayer] = []
    while left:
        under = {name for layer in left.values() for name in layer.below}
        # A circle cannot be, but must not hang us: then all that is left goes at once.
        top = [name for name in left if name not in under] or list(left)
        ordered += [left.pop(name) for name in top]
    return tuple(ordered)
