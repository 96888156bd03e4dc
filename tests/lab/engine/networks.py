# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and their vNIC profiles, and the pool of MAC addresses. Hold the world's lock."""

from __future__ import annotations

from uuid import UUID, uuid5

from lab.model import VnicProfile, World

MANAGEMENT = "ovirtmgmt"
POOL = "56:6f:1a:"
"""What the addresses of the pool begin with."""
_PREFIX = f"{POOL}2c"


def profiles(world: World) -> list[VnicProfile]:
    """Return every profile: that of the management network of each data centre, and those that were added."""
    own = [
        VnicProfile(str(uuid5(UUID(centre), MANAGEMENT)), MANAGEMENT, MANAGEMENT, centre)
        for centre in world.data_centres
    ]
    added = [one for one in world.profiles.values() if one.data_centre_id in world.data_centres]
    return [*own, *added]


def network_id(profile: VnicProfile) -> str:
    """Return the id of a profile's network."""
    return str(uuid5(UUID(profile.data_centre_id), f"network {profile.network}"))


def find(world: World, data_centre_id: str, network: str, profile: str) -> VnicProfile | None:
    """Return the profile that an import connects a card to; without a name, any of the network.

    So ``VnicProfileHelper.updateNicWithVnicProfileForUser``.
    """
    return next(
        (
            one
            for one in profiles(world)
            if one.data_centre_id == data_centre_id
            and one.network == network
            and profile in ("", one.name)
        ),
        None,
    )


def mac_in_use(world: World, mac: str) -> bool:
    """Tell whether a VM has this address."""
    return any(nic.mac == mac for vm in world.vms.values() for nic in vm.nics)


def next_mac(world: World) -> str:
    """Return a free address of the pool."""
    number = next(
        n
        for n in range(1, 1 << 16)
        if not mac_in_use(world, f"{_PREFIX}:{n >> 8:02x}:{n & 255:02x}")
    )
    world.settings.free_macs -= 1
    return f"{_PREFIX}:{number >> 8:02x}:{number & 255:02x}"
