# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intended differences of the lab, each with a reason.

An element is excused by its resource and path, with everything below it: only elements that no code
under ``plugins/`` and no named foreign client reads. A step is excused by its scene and title. An
entry that excuses nothing is an error, so that this table cannot outlive its reasons.
"""

from __future__ import annotations

from collections.abc import Mapping

MOST = 60
"""At most so many elements are excused by path."""

DISKS = "Envelope/Section[DiskSection]"
HARDWARE = "Envelope/Content/Section[VirtualHardwareSection]"
SNAPSHOTS = "Envelope/Content/Section[SnapshotsSection]"

ELEMENTS: Mapping[str, str] = {
    # Hosts: of the machine that was asked.
    "host/hardware_information": "serial number and UUID of the machine",
    "host/iscsi": "the initiator's name",
    "host/max_scheduling_memory": "what its VMs left of the memory",
    "host/summary": "how many VMs it ran, those of other scenes among them",
    # The OVF.
    f"{DISKS}/Disk/@format": "recorded with the tilde of the address and without it",
    f"{DISKS}/Disk/@parentRef": "names the first disk, and the engine fixes no order of them",
    "Envelope/Content/Generation": "counts the changes of a VM; an import takes any number",
    "Envelope/Content/Section[UserDomainsSection]": "who has a permission on the VM, for disaster recovery",
    f"{SNAPSHOTS}/Snapshot/ApplicationList": "of the guest agent, empty or absent",
    f"{HARDWARE}/Item[disk disk]/Alias": "a disk that was attached has its alias before the VM ever runs",
    f"{HARDWARE}/Item[controller pci]": "the ports that a host gave a running VM",
    f"{HARDWARE}/Item[channel unix]": "the channels that a host gave a running VM",
    "api/summary": "how many objects the engine had, those of other scenes among them",
}

_OTHERS = "permissions of users that the engine had beside the scene's world"
_ENGLISH = "the lab speaks English alone, and no client that reads texts asks for another"
STEPS: Mapping[tuple[str, str], str] = {
    ("protocol", "language de"): _ENGLISH,
    ("protocol", "language list"): _ENGLISH,
    ("reads-more", "disk permissions"): _OTHERS,
    ("reads-more", "vm permissions"): _OTHERS,
    ("searches-more", "vms: name=s* page 0"): "the detail is the text of an SQL statement",
    ("searches-more", "vnicprofiles: name=ovirtmgmt"): "the engine had no vNIC profile",
}
